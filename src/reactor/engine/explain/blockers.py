"""What each open step of a run waits for, by its journal, and when that ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.flow import ActionStep, CallStep, Flow, Step, WaitForStep, all_steps
from reactor.model.journal import Entry
from reactor.runtime.timeouts import OVER

_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_OPENS = ("#started", "#timer", "#child", "#attempt", "#asked", "#pause")
_MOST = 100
"""Open steps that are told."""
_STRUCTURE = re.compile(r"[.\[]")


def blocker(
    kind: str, reason: str, path: str | None = None, until: Instant | None = None, **more: Any
) -> dict[str, Any]:
    """One thing that keeps a run from going on.

    `kind`: timer, event, approval, child, retry, action, person, paused, held, batch, debounce, singleton, throttle,
    concurrency, memory, store, unreadable.
    """
    return {
        "kind": kind,
        "path": path,
        "reason": reason,
        "until": None if until is None else to_iso(until),
        "details": more,
    }


def of_steps(known: Mapping[str, Entry], flow: Flow | None) -> list[dict[str, Any]]:
    """One for each open step that has no open step below it, in the order in which they began; the first 100."""
    steps = dict(all_steps(flow)) if flow is not None else {}
    opened = list(dict.fromkeys(_path_of(key) for key in known if key.endswith(_OPENS) and _path_of(key)))
    ended = {key for key in known if "#" not in key}
    still = [path for path in opened if not _is_over(path, ended)]
    around = {path[: found.start()] for path in still for found in _STRUCTURE.finditer(path)}
    inner = [path for path in still if path not in around]
    return [found for path in inner[:_MOST] for found in _step(path, known, steps.get(_ITERATION.sub("[]", path)))]


def _path_of(key: str) -> str:
    return key.partition("#")[0]


def _is_over(path: str, ended: set[str]) -> bool:
    """Whether the step, or one that it stands in, has ended."""
    return path in ended or any(path[: found.start()] in ended for found in _STRUCTURE.finditer(path))


def _step(path: str, known: Mapping[str, Entry], step: Step | None) -> Iterator[dict[str, Any]]:
    deadline = _time_up(path, known)
    paused = known.get(path + "#pause")
    if paused is not None and paused.status == "paused":
        yield blocker("person", f"step {path!r} failed for good and waits for a person: {paused.value}", path)
    elif path + "#asked" in known:
        yield _approval(path, known)
    elif isinstance(step, WaitForStep):
        yield _event(path, known, step)
    elif _kind(path, known) == "wait_for":
        yield _event(path, known, WaitForStep(name="", event=_detail(path, known)))
    elif path + "#child" in known:
        child = int(known[path + "#child"].value)
        flow = step.flow if isinstance(step, CallStep) else _detail(path, known)
        reason = f"step {path!r} waits for the end of {flow or 'a run'} ({ids.to_text('run', child)})"
        yield blocker("child", reason, path, deadline, run_id=ids.to_text("run", child), flow=flow)
    elif path + "#timer" in known:
        until = int(known[path + "#timer"].value)
        yield blocker("timer", f"step {path!r} sleeps until {to_iso(until)}", path, until)
    elif path + "#attempt" in known and isinstance(known[path + "#attempt"].value, int):
        yield _retry(path, known[path + "#attempt"], deadline)
    else:
        what = step.action if isinstance(step, ActionStep) else _detail(path, known) or "it"
        at = known[path + "#started"].at if path + "#started" in known else None
        since = f" since {to_iso(at)}" if at else ""
        yield blocker("action", f"step {path!r}: {what} is under way{since}", path, deadline)


def _kind(path: str, known: Mapping[str, Entry]) -> str:
    """What a step of a Python flow is; empty in others."""
    entry = known.get(path + "#kind")
    return str(entry.value).partition(" ")[0] if entry is not None else ""


def _detail(path: str, known: Mapping[str, Entry]) -> str:
    """What a step of a Python flow is about: the action, the flow, the event's type."""
    entry = known.get(path + "#kind")
    return str(entry.value).partition(" ")[2] if entry is not None else ""


def _time_up(path: str, known: Mapping[str, Entry]) -> Instant | None:
    """When the step's own time is up, where the journal knows."""
    entry = known.get(path + "#timeout")
    return int(entry.value) if entry is not None and entry.status != OVER and isinstance(entry.value, int) else None


def _retry(path: str, entry: Entry, deadline: Instant | None) -> dict[str, Any]:
    until = int(entry.value)
    message = f": {entry.error.message}" if entry.error is not None else ""
    reason = f"step {path!r}: attempt {entry.attempt} failed{message}; the next is at {to_iso(until)}"
    more = {"attempt": entry.attempt} | ({"deadline": to_iso(deadline)} if deadline is not None else {})
    return blocker("retry", reason, path, until, **more)


def _event(path: str, known: Mapping[str, Entry], step: WaitForStep) -> dict[str, Any]:
    timer = known.get(path + "#timer")
    until = int(timer.value) if timer is not None else None
    condition = step.accept.source if step.accept is not None else None
    source = f" from {step.source}" if step.source else ""
    when = f" if {condition}" if condition else ""
    late = f", until {to_iso(until)}" if until is not None else ""
    reason = f"step {path!r} waits for an event {step.event!r}{source}{when}{late}"
    return blocker("event", reason, path, until, type=step.event, source=step.source, condition=condition)


def _approval(path: str, known: Mapping[str, Entry]) -> dict[str, Any]:
    asked: dict[str, Any] = known[path + "#asked"].value
    made = [known[key].value for key in known if key.startswith(path + "#decision.")]
    due = asked["escalations"][asked["escalated"] :]
    until = min([*due[:1], *([asked["until"]] if asked["until"] is not None else [])], default=None)
    who = ", ".join(asked["people"]) or "whoever may act on runs"
    by = ", ".join(str(one["by"]) for one in made)
    decided = f", {by} did" if by else ""
    count = f"{len(made)} of {asked['quorum']}{decided}"
    reason = f"step {path!r} waits for the decision of {who} on {asked['title']!r} ({count})"
    escalates = f"; others are asked too at {to_iso(due[0])}" if due else ""
    ends = f"; it ends at {to_iso(asked['until'])}" if asked["until"] is not None else ""
    return blocker(
        "approval",
        reason + escalates + ends,
        path,
        until,
        id=asked["id"],
        people=asked["people"],
        quorum=asked["quorum"],
        decided=[one["by"] for one in made],
    )
