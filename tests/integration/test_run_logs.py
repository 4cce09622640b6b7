"""What actions say while they work: kept with their run, in bounds, found again, and heard as it is said."""

import asyncio
import importlib
import logging
import threading
from typing import Any

import msgspec
import pytest

from reactor.engine import attempt_log, saying
from reactor.model.lines import LogLine
from reactor.sdk import Connector, Effect, TransientError, action
from reactor.stores.port import Batch
from tests.integration.server_kit import Const, Nothing, flow, serving

WRONG = "'%d %s' with ('wrong', 'arguments') (TypeError: %d format: a real number is required, not str)"
GO = threading.Event()


@action("talk.some", params=Nothing, effect=Effect.WRITE)
async def some(ctx: Any, params: Nothing) -> Any:
    ctx.log.debug("too small to be kept")
    ctx.log.info("began %s", ctx.step)
    ctx.say("what a program says")
    ctx.log.warning("%d %s", "wrong", "arguments")
    await asyncio.to_thread(ctx.log.error, "from a thread <b>\x1b[2J\ud800 \u2028")
    return None


@action("talk.much", params=Nothing, effect=Effect.READ)
async def much(ctx: Any, params: Nothing) -> Any:
    for number in range(5_000):
        ctx.log.info("line %d", number)
    ctx.log.info("x" * 50_000)
    return None


@action("talk.again", params=Nothing, effect=Effect.WRITE)
async def again(ctx: Any, params: Nothing) -> Any:
    ctx.log.info("try %d", ctx.attempt)
    raise TransientError("talk.no", "not yet")


@action("talk.waits", params=Nothing, effect=Effect.READ)
async def waits(ctx: Any, params: Nothing) -> Any:
    ctx.log.info("it waits now")
    await asyncio.to_thread(GO.wait, 20)
    return None


TALK = Connector(name="talk", actions=(some, much, again, waits))


async def ran(kit: Any, name: str) -> str:
    run = (await kit.post(f"/api/v1/flows/{name}/run", json={})).json()["runs"][0]["id"]
    await kit.finished(run)
    return str(run)


async def lines(kit: Any, run: str, **query: Any) -> list[dict[str, Any]]:
    answer = await kit.get(f"/api/v1/runs/{run}/logs", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_what_actions_say_is_kept_with_the_run(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    async with serving(tmp_path, flow("a", "talk.some", "test.ok")) as kit:
        kit.engine.catalog.add(TALK)
        run = await ran(kit, "a")
        found = await lines(kit, run)
        said = [(line["level"], line["message"]) for line in found if line.get("attempt")]
        assert said == [
            ("info", "began s0"),
            ("info", "what a program says"),
            (
                "warning",
                "'%d %s' with ('wrong', 'arguments') (TypeError: %d format: a real number is required, not str)",
            ),
            ("error", "from a thread <b>\x1b[2J\\ud800 \u2028"),
        ]
        assert {(line["step"], line["attempt"]) for line in found if line.get("attempt")} == {("s0", 1)}
        assert [line["message"] for line in found][-3:] == [
            "step s0 completed",
            "step s1 completed",
            "the run completed",
        ]
        assert [line["at"] for line in found] == sorted(line["at"] for line in found)
        # A log that shows less keeps no less.
        assert "began s0" not in caplog.text
        assert "what a program says" not in caplog.text

        assert {line["level"] for line in await lines(kit, run, level="warning")} == {"warning", "error"}
        assert [line["message"] for line in await lines(kit, run, q="A PROGRAM")] == ["what a program says"]
        assert [line["message"] for line in await lines(kit, run, step="s1")] == ["step s1 completed"]
        assert await lines(kit, run, step="s") == []
        paged, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await kit.get(f"/api/v1/runs/{run}/logs", params=query)).json()
            assert len(page["items"]) <= 2
            paged += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert paged == found


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("level=loud", "not of debug"),
        ("cursor=x", "no cursor"),
        ("cursor=1-2-3", "no cursor"),
        ("limit=0", "limit is 1"),
        ("what=x", "no parameter"),
    ],
)
async def test_odd_questions_are_refused(tmp_path, query, reason):
    async with serving(tmp_path, flow("a")) as kit:
        run = await ran(kit, "a")
        answer = await kit.get(f"/api/v1/runs/{run}/logs?{query}")
        assert answer.status_code == 400
        assert reason in answer.json()["detail"]


async def test_who_says_too_much_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt_log, "ATTEMPT_LINES", 20)
    async with serving(tmp_path, flow("a", "talk.much", "talk.much")) as kit:
        kit.engine.catalog.add(TALK)
        run = await ran(kit, "a")
        said = [line for line in await lines(kit, run) if line.get("attempt")]
        assert len(said) == 42
        assert said[20]["level"] == "warning"
        assert said[20]["message"].startswith("4981 more lines were left out")
    monkeypatch.setattr(saying, "RUN_LINES", 30)
    async with serving(tmp_path / "2", flow("a", "talk.much", "talk.much")) as kit:
        kit.engine.catalog.add(TALK)
        said = [line for line in await lines(kit, await ran(kit, "a")) if line.get("attempt")]
        assert len(said) == 32


async def test_programs_are_heard_line_by_line(tmp_path):
    shell = importlib.import_module("reactor.connectors.shell").connector
    made = flow("a", "shell.exec", "shell.exec")
    command = "echo one; echo 'two <b>' >&2; printf 'three\\n\\nfour'"
    loud = msgspec.structs.replace(made.steps[0], params=Const({"command": command}))
    secret = msgspec.structs.replace(made.steps[1], params=Const({"command": command}), secret_output=True)
    async with serving(tmp_path, msgspec.structs.replace(made, steps=(loud, secret))) as kit:
        kit.engine.catalog.add(shell)
        kit.engine.executor.seals._derive = lambda purpose: b"k" * 32
        said = [line for line in await lines(kit, await ran(kit, "a")) if line.get("attempt")]
        assert {line["message"] for line in said} == {"one", "two <b>", "three", "four"}
        assert {line["step"] for line in said} == {"s0"}, "what is secret is kept nowhere else"


async def test_each_attempt_says_its_own(tmp_path):
    from reactor.model.flow import Retry

    made = flow("a", "talk.again")
    retry = Retry(max=3, delay=Const("1ms"), max_delay=Const("1ms"))
    step = msgspec.structs.replace(made.steps[0], retry=retry)
    async with serving(tmp_path, msgspec.structs.replace(made, steps=(step,))) as kit:
        kit.engine.catalog.add(TALK)
        run = await ran(kit, "a")
        said = [(line["attempt"], line["message"]) for line in await lines(kit, run) if line.get("attempt")]
        assert said == [(1, "try 1"), (2, "try 2"), (3, "try 3")]


async def test_it_is_on_disk_and_heard_while_the_action_works(tmp_path):
    GO.clear()
    async with serving(tmp_path, flow("a", "talk.waits")) as kit:
        kit.engine.catalog.add(TALK)
        heard: list[str] = []

        async def listen() -> None:
            query = {"kinds": "log,run", "flow": "a"}
            async with kit.http.stream("GET", "/api/v1/stream", params=query, headers=kit.auth) as answer:
                async for line in answer.aiter_lines():
                    heard.append(line)
                    if "it waits now" in line:
                        return

        listening = asyncio.ensure_future(listen())
        while not kit.engine.changes.log_listeners:
            await asyncio.sleep(0.01)
        run = (await kit.post("/api/v1/flows/a/run", json={})).json()["runs"][0]["id"]
        await asyncio.wait_for(listening, 10)
        assert "event: log" in heard
        assert any(run in line and '"level":"info"' in line for line in heard if "it waits now" in line)
        while not (said := await lines(kit, run, q="waits now")):
            await asyncio.sleep(0.01)
        assert said[0]["attempt"] == 1
        GO.set()
        await kit.finished(run)
        while kit.engine.changes.log_listeners:
            await asyncio.sleep(0.01)


async def test_who_does_not_ask_for_it_hears_nothing_of_it(tmp_path):
    async with serving(tmp_path, flow("a", "talk.some")) as kit:
        kit.engine.catalog.add(TALK)
        heard: list[str] = []

        async def listen() -> None:
            async with kit.http.stream("GET", "/api/v1/stream", headers=kit.auth) as answer:
                async for line in answer.aiter_lines():
                    heard.append(line)
                    if '"completed"' in line and "event: run" in heard[-2:]:
                        return

        listening = asyncio.ensure_future(listen())
        while not kit.engine.changes.listeners:
            await asyncio.sleep(0.01)
        await ran(kit, "a")
        await asyncio.wait_for(listening, 10)
        assert "event: log" not in heard


async def test_lines_go_with_their_run(tmp_path):
    async with serving(tmp_path, flow("a", "talk.some")) as kit:
        kit.engine.catalog.add(TALK)
        run = await ran(kit, "a")
        (key,) = [record.key for record in await kit.engine.history.runs(_all())]
        assert len(await kit.engine.history.lines(key)) == 4
        later = kit.engine.clock.now() + 10
        while kit.engine.clock.now() < later:
            await asyncio.sleep(0.005)
        await kit.engine.store.purge(kit.engine.clock.now(), 100)
        assert await kit.engine.history.lines(key) == []
        assert (await kit.get(f"/api/v1/runs/{run}/logs")).status_code == 404


def _all() -> Any:
    from reactor.stores.port import RunFilter

    return RunFilter()


async def test_lines_of_a_run_that_is_not_there_are_dropped_with_it(tmp_path):
    async with serving(tmp_path, flow("a")) as kit:
        line = msgspec.json.encode([LogLine(1, "info", "s", 1, "x")])
        await kit.engine.executor.committer.add(Batch(lines=[(5, line), (5, line)]))
        assert len(await kit.engine.history.lines(5)) == 2
        assert await kit.engine.history.lines(6) == []
