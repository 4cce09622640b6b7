"""What the open steps of a run wait for, by its journal alone."""

from __future__ import annotations

from typing import Any

from reactor.engine.explain.blockers import of_steps
from reactor.model.clock import to_iso
from reactor.model.errors import ErrorInfo
from reactor.model.journal import Entry, index


def found(*entries: Entry) -> list[tuple[str, Any, Any]]:
    return [(one["kind"], one["path"], one["until"]) for one in of_steps(index(entries), None)]


def test_only_the_innermost_open_steps_count() -> None:
    assert found(
        Entry("a#started", 1), Entry("a", 2, "completed"),
        Entry("each#started", 3), Entry("each[0].x#timer", 4, value=50), Entry("each[0].x", 5, "completed"),
        Entry("each[0]", 5, "completed"), Entry("each[1].y#timer", 6, value=60),
        Entry("all#started", 7), Entry("all.branches.b.z#started", 8), Entry("all.branches.b", 9, "cancelled"),
    ) == [("timer", "each[1].y", to_iso(60)), ("action", "all", None)]  # fmt: skip


def test_retries_and_their_deadline() -> None:
    error = ErrorInfo("http.503", "no", "r")
    entries = [Entry("r#started", 1), Entry("r#timeout", 1, value=99), Entry("r#attempt", 2, "failed", 70, error, 3)]
    [one] = of_steps(index(entries), None)
    assert (one["kind"], one["until"]) == ("retry", to_iso(70))
    assert one["details"] == {"attempt": 3, "deadline": to_iso(99)}
    assert one["reason"] == f"step 'r': attempt 3 failed: no; the next is at {to_iso(70)}"


def test_a_resumed_step_waits_for_nobody() -> None:
    paused = [Entry("p#started", 1), Entry("p#pause", 2, "paused", "why")]
    assert found(*paused) == [("person", "p", None)]
    assert found(*paused, Entry("p#pause", 3, "resumed")) == [("action", "p", None)]


def test_steps_of_python_flows() -> None:
    [event, call, action] = of_steps(
        index([
            Entry("w#kind", 1, value="wait_for order.paid"), Entry("w#started", 1), Entry("w#timer", 1, value=80),
            Entry("c#kind", 1, value="call child"), Entry("c#child", 1, value=5),
            Entry("s#kind", 1, value="step charge"), Entry("s#started", 1),
        ]), None,
    )  # fmt: skip
    assert (event["kind"], event["until"], event["details"]["type"]) == ("event", to_iso(80), "order.paid")
    assert "waits for the end of child" in call["reason"]
    assert "charge is under way since" in action["reason"]


def test_a_hundred_of_many() -> None:
    assert len(found(*(Entry(f"each[{n}].x#timer", 1, value=50) for n in range(5_000)))) == 100
