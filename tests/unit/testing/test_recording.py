"""A recorded run as a test."""

from typing import Any

import pytest

from reactor.language.source import Mapping
from reactor.language.yaml_events import read
from reactor.model.errors import ConflictError, InvalidError
from reactor.testing import recording

STEP = {"name": "x", "attempts": 1, "started_at": "2026-11-25T10:00:00.000Z", "finished_at": None, "input": None}


def step(path, action, status="completed", output=None, error=None, **more):
    return STEP | {"path": path, "action": action, "status": status, "output": output, "error": error} | more


def run(*steps, **more):
    made: dict[str, Any] = {
        "id": "run_1",
        "flow": "f",
        "status": "completed",
        "trigger": "f/0",
        "started_at": "2026-11-25T10:00:00.000Z",
        "inputs": {},
        "output": None,
        "error": None,
        "steps": list(steps),
    }
    return made | more


EVENT = {
    "source_id": "o-1",
    "type": "order.created",
    "source": "shop",
    "subject": None,
    "time": "2026-11-25T09:59:59.000Z",
    "data": {"id": 7},
    "metadata": {},
}


def test_the_event_the_answers_and_the_end():
    steps = (
        step("say", "log.info", output={"message": "hi"}),
        step("charge", "http.request", output={"body": 1}, attempts=3),
        step("pay", "call", "failed", error={"kind": "declined", "message": "no ***", "step": "pay"}),
        step("later", "http.request", "skipped"),
        step("x", "set", output={"a": 1}),
        step("on_failure.tell", "email.send", output=None),
    )
    logs = [
        {"step": "charge", "fields": {"attempt": number, "error": {"kind": kind, "message": kind, "step": "charge"}}}
        for number, kind in ((1, "old"), (1, "timeout"), (2, "http.503"))
    ]
    error = {"kind": "declined", "message": "no ***", "step": "pay"}
    case = recording.case_of(
        run(*steps, status="failed", error=error), EVENT, logs, is_pure=lambda name: name == "log.info"
    )
    assert case == {
        "name": "as run_1 went",
        "event": {
            "type": "order.created",
            "data": {"id": 7},
            "source": "shop",
            "time": "2026-11-25T09:59:59.000Z",
            "id": "o-1",
        },
        "now": "2026-11-25T10:00:00.000Z",
        "mock": {
            "charge": [
                {"error": {"kind": "timeout", "message": "timeout"}},
                {"error": {"kind": "http.503", "message": "http.503"}},
                {"output": {"body": 1}},
            ],
            "pay": {"error": {"kind": "declined", "message": "no ***"}},
            "on_failure.tell": {"output": None},
        },
        "expect": {
            "status": "failed",
            "error": {"kind": "declined", "message": "no ***"},
            "steps": {
                "say": "completed",
                "charge": "completed",
                "pay": "failed",
                "later": "skipped",
                "x": "completed",
                "on_failure.tell": "completed",
            },
            "called": ["charge", "pay", "on_failure.tell"],
        },
    }


def test_events_and_decisions_that_came():
    heard = {"type": "order.paid", "data": 1, "subject": "s", "source": "bank", "id": "e"}
    heard["time"] = "2026-11-25T11:30:00Z"
    output = {"decision": "approved", "by": ["ann", "bob"], "at": "2026-11-25T10:00:05.000Z", "form": {"why": "x"}}
    case = recording.case_of(run(step("w", "waitfor", output=heard), step("ok", "approve", output=output)), None)
    assert case["send"] == [
        {"after": "1h30m", "type": "order.paid", "data": 1, "subject": "s", "source": "bank", "id": "e"}
    ]
    assert case["approve"] == [
        {"step": "ok", "decision": "approve", "by": person, "form": {"why": "x"}, "after": "5s"}
        for person in ("ann", "bob")
    ]
    assert "event" not in case


def test_branches_at_the_same_time_have_no_order():
    case = recording.case_of(run(step("fan.branches.a.x", "http.request"), step("y", "http.request")), None)
    assert "called" not in case["expect"]


def test_a_run_that_has_not_ended_is_refused():
    with pytest.raises(ConflictError, match="it has ended"):
        recording.case_of(run(status="waiting"), None)


TEXTS = ["on", "yes", "1e3", "0o17", "12", "-1", ".5", "~", "null", "", "a: b", "# no"]
TEXTS += ["two\nlines\n", "'", "2026-01-01", " a ", "a\tb", "{{ x }}", "- a", "!a", "&a", "*a"]


def test_texts_stay_texts_in_yaml():
    values = {"texts": TEXTS, "numbers": [1, 1.5, True, None], "nested": [[], {}, [{"a": [1]}]], "12": "key"}
    text = recording.as_yaml([{"name": "n", "event": {"data": values}}])
    root = read(text).root
    assert isinstance(root, Mapping)
    assert root.plain == {"tests": [{"name": "n", "event": {"data": values}}]}


def test_a_test_is_added_and_nothing_else_changes():
    before = "# mine\ntests:\n  # one\n  - name: as run_1 went   # note\n    expect: {matches: true}"
    after = recording.added(before, recording.case_of(run(), None), file="x")
    assert after.startswith(before + "\n  - name: as run_1 went again\n")
    root = read(after).root
    assert root is not None
    assert [test["name"] for test in root.plain["tests"]] == ["as run_1 went", "as run_1 went again"]
    assert recording.added("", {"name": "n"}, file="x") == "tests:\n- name: n\n"
    listed = recording.added("- name: a\n", {"name": "n"}, file="x")
    assert listed == "- name: a\n- name: n\n"


@pytest.mark.parametrize(
    "before", ["tests: [{name: a}]\n", "tests:\n- name: a\nname: flow\n", "name: flow\n", "tests: [\n", "tests: 5\n"]
)
def test_what_cannot_be_added_to_is_refused(before):
    with pytest.raises(InvalidError, match="x"):
        recording.added(before, {"name": "n"}, file="x")
