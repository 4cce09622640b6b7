"""What a flow test expects, compared with what came. Pure: values in, sentences out."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.language.case import Case, Expect, fits
from reactor.language.problems import closest
from reactor.model.errors import ErrorInfo
from reactor.model.states import RunStatus

_WIDEST = 100
_AROUND, _SHOWN, _COMPARED = 3, 80, 1_000
"""Lines of a difference: around it, shown at most, looked at."""
_BAD = (RunStatus.FAILED.value, RunStatus.CANCELLED.value)


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as expected."""

    at: tuple[str | int, ...]
    """Where in the case the expectation stands: `("expect", "steps", "charge")`."""
    message: str
    """What was expected and what came; a difference of values below it, line by line."""
    line: int = 0
    """Filled in by the runner, with the file of the case."""


class Seen(msgspec.Struct, kw_only=True):
    """What came of a run that was to be tested."""

    status: str
    output: Any = None
    error: ErrorInfo | None = None
    waits: str = ""
    """What it waits for, when it has not ended."""
    steps: dict[str, Any]
    """Path → `case_world.Step`."""
    called: dict[str, bool]
    emitted: list[dict[str, Any]]
    vars: dict[str, Any]
    state: dict[str, Any]


def compare(case: Case, seen: Seen) -> list[Mismatch]:
    """Everything that is not as the case expects it."""
    expect = case.expect
    found = [*_status(expect, seen), *_error(expect, seen)]
    if expect.output is not msgspec.UNSET and (difference := diff(expect.output, seen.output)):
        found.append(_of("output", f"output is not as expected: {difference}"))
    found += _steps(expect, seen)
    found += _called(expect, seen)
    found += _emitted(expect, seen)
    for what, wanted, came in (("vars", expect.vars, seen.vars), ("state", expect.state, seen.state)):
        found += _named(what, wanted, came)
    return found


def _of(*at: str | int, message: str = "") -> Mismatch:
    *place, text = at
    return Mismatch(at=("expect", *place), message=message or str(text))


def _status(expect: Expect, seen: Seen) -> Iterator[Mismatch]:
    if expect.status is not None and expect.status != seen.status:
        yield _of("status", f"expected the run to be {expect.status}, it is {seen.status}{_why(seen)}")
    elif expect.status is None and expect.error is None and seen.status in _BAD:
        yield Mismatch(at=("expect",), message=f"the run is {seen.status}, which nothing expects{_why(seen)}")


def _why(seen: Seen) -> str:
    if seen.error is not None:
        where = f" at `{seen.error.step}`" if seen.error.step else ""
        return f"{where}: {seen.error.kind}: {seen.error.message}"
    return f": {seen.waits}" if seen.waits else ""


def _error(expect: Expect, seen: Seen) -> Iterator[Mismatch]:
    wanted = expect.error
    if wanted is None:
        return
    if seen.error is None:
        if expect.status in (None, seen.status):
            yield _of("error", f"expected an error{_kind(wanted.kind)}, the run is {seen.status}{_why(seen)}")
        return
    if wanted.kind is not None and wanted.kind != seen.error.kind:
        yield _of("error", f"expected an error of kind {wanted.kind}, it is {seen.error.kind}: {seen.error.message}")
    if wanted.message is not None and wanted.message not in seen.error.message:
        yield _of("error", f"expected {wanted.message!r} in the error's message, which is {seen.error.message!r}")


def _kind(kind: str | None) -> str:
    return f" of kind {kind}" if kind else ""


def _at(place: str, paths: Mapping[str, Any]) -> list[str]:
    return [place] if place in paths else [path for path in paths if fits(place, path)]


def _steps(expect: Expect, seen: Seen) -> Iterator[Mismatch]:
    for place, status in expect.steps.items():
        paths = _at(place, seen.steps)
        if not paths:
            yield _of("steps", place, f"expected step `{place}` to be {status}, it never ended{_instead(place, seen)}")
        for path in paths:
            came = seen.steps[path].status
            if came != status:
                yield _of("steps", place, f"expected step `{path}` to be {status}, it is {came}")
    for place, value in expect.outputs.items():
        paths = _at(place, seen.steps)
        if not paths:
            yield _of("outputs", place, f"step `{place}` gave nothing: it never ended{_instead(place, seen)}")
        for path in paths:
            if difference := diff(value, seen.steps[path].output):
                yield _of("outputs", place, f"the output of step `{path}` is not as expected: {difference}")


def _instead(place: str, seen: Seen) -> str:
    if not seen.steps:
        return "; no step did"
    meant = closest(place, list(seen.steps))
    return f"; did you mean `{meant}`?" if meant else ""


def _called(expect: Expect, seen: Seen) -> Iterator[Mismatch]:
    """What touches nothing (`log.info`) counts only where it is named."""
    for number, place in enumerate(expect.not_called):
        paths = _at(place, seen.called)
        if paths:
            yield _of("not_called", number, f"expected step `{paths[0]}` not to be called, it was")
    if expect.called is None:
        return
    came = [path for path, pure in seen.called.items() if not pure or any(fits(place, path) for place in expect.called)]
    if len(came) == len(expect.called) and all(map(fits, expect.called, came)):
        return
    shown = [place if fits(place, path) else path for place, path in _beside(expect.called, came)]
    yield _of("called", f"other steps were called than expected: {diff(list(expect.called), shown)}")


def _beside(wanted: tuple[str, ...], came: list[str]) -> Iterator[tuple[str, str]]:
    """What was called, each beside the expectation that it fulfils, so that the difference shows only what differs."""
    left = list(wanted)
    for path in came:
        place = next((place for place in left if fits(place, path)), "")
        if place:
            left.remove(place)
        yield place, path


def _emitted(expect: Expect, seen: Seen) -> Iterator[Mismatch]:
    if expect.emitted is None:
        return
    wanted = [one.type if one.data is msgspec.UNSET else {"type": one.type, "data": one.data} for one in expect.emitted]
    came: list[Any] = []
    for number, event in enumerate(seen.emitted):
        whole = number < len(wanted) and isinstance(wanted[number], dict)
        came.append({"type": event.get("type"), "data": event.get("data")} if whole else event.get("type"))
    if difference := diff(wanted, came):
        yield _of("emitted", f"other events were emitted than expected: {difference}")


def _named(what: str, wanted: Mapping[str, Any], came: Mapping[str, Any]) -> Iterator[Mismatch]:
    for name, value in wanted.items():
        if name not in came:
            there = f"there is {', '.join(sorted(came))}" if came else "there is none"
            yield _of(what, name, f"there is no `{name}` in {what}; {there}")
        elif difference := diff(value, came[name]):
            yield _of(what, name, f"`{name}` in {what} is not as expected: {difference}")


def diff(wanted: Any, came: Any) -> str:
    """How two values differ; empty when they are equal. `1` and `1.0` are equal, `1` and `true` are not."""
    if _same(wanted, came):
        return ""
    before, after = _lines(wanted), _lines(came)
    if len(before) == len(after) == 1 and len(before[0]) + len(after[0]) < _WIDEST:
        return f"expected {before[0]}, got {after[0]}"
    return "\n".join(["- expected, + got", *_beside_each_other(before, after)])


def _beside_each_other(before: list[str], after: list[str]) -> list[str]:
    """The lines that differ, with some around them; of very long values what follows the first difference."""
    pairs = enumerate(zip(before, after, strict=False))
    first = max(0, next((n for n, (a, b) in pairs if a != b), min(len(before), len(after))) - _AROUND)
    found = difflib.unified_diff(
        before[first : first + _COMPARED], after[first : first + _COMPARED], n=_AROUND, lineterm=""
    )
    lines = [line for line in found if not line.startswith(("---", "+++", "@@"))]
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"… and {more} lines more"] if more > 0 else lines


def _same(wanted: Any, came: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(came, bool):
        return wanted is came
    if isinstance(wanted, dict) and isinstance(came, dict):
        return wanted.keys() == came.keys() and all(_same(value, came[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(came, list):
        return len(wanted) == len(came) and all(map(_same, wanted, came))
    return bool(wanted == came)


def _lines(value: Any) -> list[str]:
    flat = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if len(flat) <= _WIDEST // 2:
        return [flat]
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2, default=str).split("\n")
