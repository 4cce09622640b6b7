"""The log actions: the line, the output, and their cost."""

import logging
import time

import pytest

from reactor.connectors.log import connector
from reactor.sdk import Effect
from reactor.testing.actions import action_context, call

ACTIONS = {action.name: action for action in connector.actions}


@pytest.mark.proves("log.{debug,info,warn,error}.message")
@pytest.mark.parametrize(
    ("name", "level"), [("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARNING"), ("error", "ERROR")]
)
async def test_each_level(caplog, name, level):
    with caplog.at_level(logging.DEBUG):
        output = await call(ACTIONS[f"log.{name}"], {"message": "hello", "order": 7})
    assert output == {"level": name, "message": "hello", "fields": {"order": 7}, "success": True}
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [(level, "hello order=7")]


def test_they_are_pure_and_called_in_the_loop():
    assert all(action.effect is Effect.PURE and not action.is_async for action in ACTIONS.values())


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ("", ""),
        (object, "<class 'object'>"),
    ],
)
async def test_any_message_becomes_text(message, text):
    output = await call(ACTIONS["log.info"], {"message": message})
    assert output["message"] == text


async def test_a_field_may_be_called_fields_or_like_an_attribute_of_a_log_record(caplog):
    caplog.set_level(logging.INFO)
    output = await call(ACTIONS["log.info"], {"message": "m", "name": "x", "args": 1, "msg": 2, "fields": {"deep": 3}})
    assert output["fields"] == {"deep": 3, "name": "x", "args": 1, "msg": 2}


async def test_percent_signs_are_no_placeholders(caplog):
    caplog.set_level(logging.INFO)
    await call(ACTIONS["log.info"], {"message": "100%s %d {}"})
    assert caplog.records[0].getMessage() == "100%s %d {}"


async def test_a_value_cannot_forge_a_line(caplog):
    caplog.set_level(logging.INFO)
    await call(ACTIONS["log.info"], {"message": "a\n2026 ERROR root: stolen\x1b[2J", "who": "b\r\nc\u2028d"})
    line = caplog.records[0].getMessage()
    assert line == r"a\n2026 ERROR root: stolen\x1b[2J who=b\r\nc\u2028d"


async def test_secrets_are_masked_in_line_and_output(caplog):
    caplog.set_level(logging.INFO)
    ctx = action_context(secrets=("hunter2", ""))
    output = await call(ACTIONS["log.info"], {"message": "pw hunter2", "a": {"b": ["xhunter2x", 1]}}, ctx)
    assert "hunter2" not in caplog.text
    assert output["message"] == "pw ***"
    assert output["fields"] == {"a": {"b": ["x***x", 1]}}


async def test_a_long_line_is_cut_but_the_output_is_whole(caplog):
    caplog.set_level(logging.INFO)
    output = await call(ACTIONS["log.info"], {"message": "x" * 100_000})
    assert len(output["message"]) == 100_000
    assert len(caplog.records[0].getMessage()) < 17_000


def test_it_costs_less_than_three_microseconds_beside_the_logging():
    silent = logging.getLogger("reactor.testing.silent")
    silent.setLevel(logging.CRITICAL)
    ctx = action_context(log=silent)
    info = ACTIONS["log.info"]
    params = info.params(message="order shipped", fields={"id": 1})

    def micros() -> float:
        start = time.perf_counter()
        for _ in range(2_000):
            info.handler(ctx, params)
        return (time.perf_counter() - start) / 2_000 * 1e6

    assert min(micros() for _ in range(20)) < 3
