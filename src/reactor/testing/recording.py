"""A recorded run as a test: its event, mocks that answer as the world did then, and its end as what is expected.

Pure: what the server's API says of the run comes in, a test as plain data or YAML goes out. What was masked stays so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

from reactor.language import source
from reactor.language.yaml_events import read
from reactor.model import durations
from reactor.model.clock import from_iso
from reactor.model.errors import ConflictError, InvalidError

_ENDED = ("completed", "failed", "cancelled")
_DECISIONS = {"approved": "approve", "rejected": "reject"}
_WORDS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off"})
_NUMERIC = re.compile(r"[-+.\d]")


def case_of(
    run: Mapping[str, Any],
    event: Mapping[str, Any] | None,
    logs: Sequence[Mapping[str, Any]] = (),
    *,
    is_pure: Callable[[str], bool] = lambda _action: False,
) -> dict[str, Any]:
    """The test, as plain data.

    Args:
        run: `GET /runs/ID`.
        event: `GET /events/ID` of the event that started it.
        logs: `GET /runs/ID/logs`: says how earlier attempts failed.
        is_pure: whether an action of this name touches nothing, so that a test may really do it.

    Raises:
        ConflictError: the run has not ended.
    """
    if run["status"] not in _ENDED:
        raise ConflictError(f"the run {run['id']} is {run['status']}; a test can be made of it when it has ended")
    case: dict[str, Any] = {"name": f"as {run['id']} went"}
    if event is not None and (given := _event(run, event)):
        case["event"] = given
    if run.get("inputs"):
        case["inputs"] = run["inputs"]
    if run.get("started_at"):
        case["now"] = run["started_at"]
    attempts = _attempts(logs)
    mocks = {
        step["path"]: answers
        for step in run["steps"]
        if _is_mocked(step, is_pure) and (answers := _answers(step, attempts)) is not None
    }
    if mocks:
        case["mock"] = mocks
    if sent := [_sent(run, step) for step in run["steps"] if _took(step)]:
        case["send"] = sent
    if decisions := [one for step in run["steps"] if step["action"] == "approve" for one in _decisions(step)]:
        case["approve"] = decisions
    case["expect"] = _expect(run, is_pure)
    return case


def _event(run: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    by_hand = run.get("trigger") is None and event["metadata"].get("by") == "hand"
    if by_hand and event["data"] is None:
        return {}
    given = {name: event[name] for name in ("type", "data", "source", "subject", "time", "metadata")}
    given["id"] = event["source_id"]
    return {name: value for name, value in given.items() if value not in (None, "", {})}


def _is_mocked(step: Mapping[str, Any], is_pure: Callable[[str], bool]) -> bool:
    action = step["action"]
    return action == "call" or _is_action(action, is_pure)


def _is_action(action: str | None, is_pure: Callable[[str], bool]) -> bool:
    """Steps that are no actions are named after their kind, without a dot."""
    return action is not None and "." in action and not is_pure(action)


def _attempts(logs: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Path → attempt → its error."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for line in logs:
        fields = line.get("fields")
        if line.get("step") and isinstance(fields, Mapping) and "attempt" in fields and "error" in fields:
            found.setdefault(line["step"], {})[fields["attempt"]] = fields["error"]
    return found


def _answers(step: Mapping[str, Any], attempts: Mapping[str, Mapping[int, Any]]) -> Any:
    """One answer, or a list with one an attempt; None when the step called nothing."""
    if step["status"] not in ("completed", "failed"):
        return None
    failed = attempts.get(step["path"], {})
    answers = [_answer(None, failed[number]) for number in range(1, step["attempts"]) if number in failed]
    # A step that a handler has completed failed itself: what it gave in the end is the handler's.
    error = step["error"] if step["status"] == "failed" else failed.get(step["attempts"])
    answers.append(_answer(step["output"], error))
    return answers[0] if len(answers) == 1 else answers


def _answer(output: Any, error: Mapping[str, Any] | None) -> dict[str, Any]:
    if error is None:
        return {"output": output}
    return {"error": {"kind": error["kind"], "message": error["message"]}}


def _took(step: Mapping[str, Any]) -> bool:
    output = step["output"]
    return step["action"] in ("waitfor", "wait_for") and isinstance(output, Mapping) and "type" in output


def _sent(run: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    event = step["output"]
    sent = {name: event.get(name) for name in ("type", "data", "subject", "source", "id")}
    after = _between(run.get("started_at"), event.get("time"))
    return ({"after": after} if after else {}) | {name: value for name, value in sent.items() if value is not None}


def _decisions(step: Mapping[str, Any]) -> list[dict[str, Any]]:
    output = step["output"]
    if not isinstance(output, Mapping) or "decision" not in output:
        return []
    people = output.get("by") if isinstance(output.get("by"), list) else [output.get("by")]
    after = _between(step["started_at"], output.get("at"))
    more = {"form": output["form"]} if output.get("form") else {}
    more |= {"after": after} if after else {}
    decided = {"step": step["path"], "decision": _DECISIONS.get(output["decision"], "approve")}
    return [{**decided, **({"by": person} if person else {}), **more} for person in people or []]


def _between(start: str | None, end: str | None) -> str | None:
    """A duration, or None when it is none worth telling."""
    if not start or not end:
        return None
    millis = from_iso(end) - from_iso(start)
    return durations.show(millis) if millis > 0 else None


def _expect(run: Mapping[str, Any], is_pure: Callable[[str], bool]) -> dict[str, Any]:
    expect: dict[str, Any] = {"status": run["status"]}
    if run["error"]:
        expect["error"] = {"kind": run["error"]["kind"], "message": run["error"]["message"]}
    elif run["output"] is not None:
        expect["output"] = run["output"]
    steps = [step for step in run["steps"] if step["action"] is not None]
    if steps:
        expect["steps"] = {step["path"]: step["status"] for step in steps}
    called = [step["path"] for step in steps if _is_mocked(step, is_pure) and step["status"] != "skipped"]
    # Branches at the same time have no order that a test could hold them to.
    if not any(".branches." in path for path in called):
        expect["called"] = called
    return expect


# --- as YAML ---------------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes texts so that YAML 1.2 reads them as texts."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    quoted = value.lower() in _WORDS or _NUMERIC.match(value) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if quoted else None)


_Dumper.add_representer(str, _text)


def as_yaml(cases: Sequence[Mapping[str, Any]]) -> str:
    """A file of these tests."""
    return _dumped({"tests": [dict(case) for case in cases]})


def _dumped(value: Any) -> str:
    shown: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return shown


def added(before: str, case: Mapping[str, Any], *, file: str) -> str:
    """The text of a file with one test more at its end; nothing else in it changes.

    Raises:
        InvalidError: it is no YAML, or its tests are not a list at the end of the file.
    """
    if not before.strip():
        return as_yaml([case])
    document = read(before, file)
    root = document.root
    tests = root.get("tests") if isinstance(root, source.Mapping) else root
    if root is None or document.problems:
        raise InvalidError(f"{file} is not right as YAML; nothing was added")
    if not isinstance(tests, source.Sequence) or not tests.items or before[tests.start] == "[":
        raise InvalidError(f"{file} has no list of tests (`tests:` and below it `- name: …`) to add to")
    names = {str(item.plain.get("name")) for item in tests.items if isinstance(item, source.Mapping)}
    named = dict(case)
    while named["name"] in names:
        named["name"] += " again"
    line, column = document.source.place(tests.start)
    margin = " " * (column - 1)
    item = "".join(margin + text for text in _dumped([named]).splitlines(keepends=True))
    text = before if before.endswith("\n") else before + "\n"
    after = read(text + item, file)
    grown = after.root.get("tests") if isinstance(after.root, source.Mapping) else after.root
    if after.problems or not isinstance(grown, source.Sequence) or len(grown.items) != len(tests.items) + 1:
        raise InvalidError(f"{file}: `tests` is not at the end of the file (line {line}), so nothing was added")
    return text + item
