"""The flows' own tests, run beside the server: in a process of their own, bounded, one flow at a time."""

from __future__ import annotations

from typing import Any

from reactor.server.problems import Problem
from reactor.server.table import Call, get, post
from reactor.server.trigger_shapes import Shape


class CaseShape(Shape):
    """One test as it is written."""

    name: str
    event: Any = None
    inputs: Any = None
    expect: Any = None


class OwnTests(Shape):
    """The tests that stand in a flow's own text; those in NAME.test.yaml beside it are run with them."""

    flow: str
    tests: list[CaseShape]


class Tested(Shape):
    """How one test went."""

    name: str
    file: str
    line: int | None
    passed: bool
    seconds: float
    problems: list[str]
    """What was not as expected."""


class Coverage(Shape):
    """What the tests reached."""

    percent: float
    missed: list[str]
    """Steps and branches that no test came to."""


class RanTests(Shape):
    """How the tests of a flow went."""

    flow: str
    passed: bool
    """Every test did, there is one, and nothing is wrong with the files."""
    tests: list[Tested]
    problems: list[str]
    """What is wrong with the files."""
    coverage: Coverage | None
    file: str
    """The flow's own file, as `tests` and `problems` name it."""


@get("/api/v1/flows/{name}/tests", OwnTests)
async def tests(call: Call) -> Any:
    """The tests in a flow's text."""
    flow = call.engine.book.get(call.params["name"])
    found = [{key: test[key] for key in ("name", "event", "inputs", "expect") if key in test} for test in flow.tests]
    return {"flow": flow.name, "tests": [{"name": f"test {n}"} | test for n, test in enumerate(found, 1)]}


@post("/api/v1/flows/{name}/tests/run", RanTests, body=bytes, optional=True)
async def run_tests(call: Call) -> Any:
    """Run a flow's tests (with a YAML text as the body: those of the flow as it would be). Time is virtual, and nothing
    is called that changes something or looks outside.
    """
    flow = call.engine.book.get(call.params["name"])
    if call.doors.run_tests is None:
        raise Problem(503, "tests cannot be run here")
    try:
        text = call.text.decode("utf-8-sig") or None
    except UnicodeDecodeError as error:
        raise Problem(400, f"the text is not UTF-8 (byte {error.start})") from None
    return await call.doors.run_tests(flow, text)


LINES = (tests, run_tests)
"""The API's lines of tests."""
