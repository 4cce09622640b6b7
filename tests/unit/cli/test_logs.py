import asyncio
import io
import json
import logging
import sys

import pytest

from reactor.cli import logs
from reactor.engine.attempt_log import AttemptLog
from reactor.model.doing import DOING, Doing

FORGED = "x\n2026-11-24 05:36:11.250 ERROR   reactor forged\x1b[2J\u2028\x85y"


def record(message, *args, **extra):
    made = logging.LogRecord("reactor.run", logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def failing(error):
    try:
        raise error
    except type(error):
        return sys.exc_info()


@pytest.fixture(params=[logs.TextLines, logs.JsonLines])
def written(request):
    """A logger whose lines go nowhere else, and what it has written, in either form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(logs.About())
    handler.setFormatter(request.param())
    logger = logging.Logger("reactor.run")  # noqa: LOG001 - one of its own: the root's handlers are pytest's
    logger.addHandler(handler)
    return logger, stream


def test_text_lines_cannot_be_forged():
    line = logs.TextLines().format(record("hi %s", FORGED, run="run_1", step=FORGED))
    assert line.splitlines() == [line]
    assert "\x1b" not in line
    assert "[run_1 x\\n2026" in line
    made = record("hi")
    made.exc_info = failing(ValueError(FORGED))
    first, *rest = logs.TextLines().format(made).split("\n")
    assert "hi" in first
    assert rest
    assert all(each.startswith("    ") and each.splitlines() == [each] for each in rest), rest


def test_json_lines_hold_what_the_record_is_about():
    made = record("hi\n%d", 1, run="run_1", flow="f", trigger="f/0", attempt=2)
    made.exc_info = failing(ValueError("x"))
    line = json.loads(logs.JsonLines().format(made))
    assert line["message"] == "hi\n1"
    assert (line["level"], line["run_id"], line["flow"], line["trigger"]) == ("info", "run_1", "f", "f/0")
    assert line["attempt"] == 2
    assert "ValueError: x" in line["exception"]
    assert "step" not in line
    assert line["time"].endswith("Z")
    assert len(line["time"]) == len("2026-11-24T05:36:11.250Z")


def test_json_lines_are_one_line_each():
    made = record("%s", FORGED, run=FORGED)
    made.exc_info = failing(ValueError(FORGED))
    line = logs.JsonLines().format(made)
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == FORGED


@pytest.mark.parametrize("form", [logs.TextLines(), logs.JsonLines()])
def test_no_line_is_lost_for_what_it_says(form):
    made = record("%d of %d", "one")
    assert "%d of %d" in form.format(made)
    form.format(record("\ud800 %s", "\udfff", step="\ud800")).encode()
    long = form.format(record("a" * 1_000_000))
    assert len(long) < 40_000
    assert "more" in long


def test_records_of_anybody_carry_what_is_being_done(written):
    logger, stream = written

    async def work(step):
        DOING.set(Doing("run_1", "pay", step, 3, "ab" * 16, ("hunter2",)))
        await asyncio.sleep(0)
        await asyncio.to_thread(logger.info, "the password is %s", "hunter2")

    async def both():
        await asyncio.gather(work("first"), work("second"))

    asyncio.run(both())
    logger.info("nobody's")
    first, second, none = stream.getvalue().splitlines()
    assert {"first" in first, "first" in second} == {True, False}
    assert all("run_1" in line and "pay" in line and "*** " not in line for line in (first, second))
    assert "hunter2" not in stream.getvalue()
    assert "run_1" not in none


def test_an_attempt_masks_its_secrets_wherever_it_logs(written):
    logger, stream = written
    log = AttemptLog(logger, Doing("run_1", "pay", "charge", 2, secrets=("hunter2",)))
    log.info("sent %s", {"password": "hunter2"})
    log.warning("100 % hunter2")
    try:
        raise ValueError("hunter2 is wrong")
    except ValueError:
        DOING.set(Doing("run_1", "pay", "charge", 2, secrets=("hunter2",)))
        log.exception("it failed")
        DOING.set(None)
    text = stream.getvalue()
    assert "hunter2" not in text
    assert text.count("***") >= 4
    assert text.count("charge") >= 3


def test_fields_of_a_log_step_stand_apart():
    from reactor.connectors.log.actions import LINE_LIMIT, Line
    from reactor.model.clock import SystemClock
    from reactor.sdk import ActionContext

    ctx = ActionContext(
        run_id="run_1",
        flow="f",
        step="s",
        attempt=1,
        idempotency_key="k",
        log=logging.getLogger("x"),
        clock=SystemClock(),
        settings={},
        secrets=("hunter2",),
    )
    made = json.loads(logs.JsonLines().format(record(Line(ctx, "a\nb hunter2", {"n": 3, "who": {"pw": "hunter2"}}))))
    assert (made["message"], made["fields"]) == ("a\nb ***", {"n": 3, "who": {"pw": "***"}})
    long = json.loads(logs.JsonLines().format(record(Line(ctx, "a", {"x": "y" * 2 * LINE_LIMIT}))))
    assert "fields" not in long
    assert long["message"].startswith("a x=yyy")
    odd = json.loads(logs.JsonLines().format(record(Line(ctx, "a", {"x": "\ud800"}))))
    assert odd["message"].startswith("a")
