"""How runs and events are shown by every door: the JSON shapes of the API, the CLI and the page."""

from __future__ import annotations

import re
from typing import Any

from reactor.engine.sealing import masked
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.event import Event
from reactor.model.flow import ActionStep, Flow, Step, all_steps
from reactor.model.journal import Entry, Run, index
from reactor.model.states import RunStatus
from reactor.stores.port import EventRow, Loaded

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_UNFINISHED = {RunStatus.COMPLETED: "completed", RunStatus.FAILED: "failed", RunStatus.CANCELLED: "cancelled"}
"""How a step without an outcome of its own ended: with the run (a `return` inside the block, or in a handler)."""


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_iso(instant)


def run_row(run: Run) -> dict[str, Any]:
    """A run as lists show it: no payloads."""
    return {
        "id": ids.to_text("run", run.key),
        "flow": run.flow,
        "version": run.version,
        "status": run.status.value,
        "event_id": None if run.event_key is None else ids.to_text("evt", run.event_key),
        "trigger": run.trigger or None,
        "parent_id": None if run.parent_key is None else ids.to_text("run", run.parent_key),
        "forked_from": None if run.forked_from is None else ids.to_text("run", run.forked_from),
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "finished_at": _time(run.finished_at),
        "wake_at": _time(run.wake_at),
        "waiting_for": run.waiting_for or None,
        "error": None if run.error is None else run.error.view(),
    }


def run_whole(loaded: Loaded, flow: Flow | None, *, steps: bool = True) -> dict[str, Any]:
    """One run with its steps, inputs and output."""
    known = index(loaded.journal)
    end, inputs = known.get(""), known.get("#inputs")
    shown = run_row(loaded.run)
    if end is not None and end.error is not None:
        shown["error"] = end.error.view()
    shown["inputs"] = None if inputs is None else inputs.value
    shown["output"] = None if end is None else masked(end.value)
    shown["migrations"] = [
        {"at": to_iso(entry.at), **entry.value} for entry in loaded.journal if entry.key == "#migrated"
    ]
    shown["steps"] = steps_of(loaded, flow) if steps else []
    return shown


def steps_of(loaded: Loaded, flow: Flow | None) -> list[dict[str, Any]]:
    """Every step that a run has come to."""
    return steps(index(loaded.journal), flow, unfinished=_UNFINISHED.get(loaded.run.status, "running"))


def steps(known: dict[str, Entry], flow: Flow | None, *, unfinished: str = "running") -> list[dict[str, Any]]:
    """Every step that the journal speaks of, in the order of their beginnings."""
    kinds = actions(flow)
    shown: dict[str, dict[str, Any]] = {}
    for key, entry in known.items():
        path, _, what = key.partition("#")
        if not path or what not in ("", "set", "started", "attempt", "timer", "child", "pause", "kind"):
            continue
        step = shown.setdefault(path, _blank(path, kinds.get(_ITERATION.sub("[]", path))))
        _fill(step, what, entry)
    for step in shown.values():
        if step["status"] == "running" or (unfinished != "running" and step["status"] == "waiting"):
            step["status"] = unfinished
    return list(shown.values())


def _blank(path: str, action: str | None) -> dict[str, Any]:
    return {
        "path": path,
        "name": path.rpartition(".")[2],
        "action": action,
        "status": "running",
        "attempts": 0,
        "started_at": None,
        "finished_at": None,
        "input": None,
        "output": None,
        "error": None,
    }


def _fill(step: dict[str, Any], what: str, entry: Entry) -> None:
    if what == "kind":
        kind, _, detail = str(entry.value).partition(" ")
        step["action"] = detail if kind == "step" else kind
        step["started_at"] = step["started_at"] or to_iso(entry.at)
    elif what == "started":
        step["started_at"] = to_iso(entry.at)
        step["attempts"] = max(step["attempts"], entry.attempt)
        step["input"] = entry.value
    elif what == "attempt":
        step["attempts"] = max(step["attempts"], entry.attempt)
        if step["status"] in ("running", "waiting"):
            step["status"], step["error"] = "waiting", entry.error.view() if entry.error else None
    elif what in ("timer", "child", "pause"):
        step["started_at"] = step["started_at"] or to_iso(entry.at)
        if step["status"] == "running":
            step["status"] = "waiting"
    else:
        step["status"] = entry.status
        step["attempts"] = entry.attempt
        step["started_at"] = step["started_at"] or to_iso(entry.started or entry.at)
        step["finished_at"] = to_iso(entry.at)
        step["output"] = masked(entry.value)
        step["error"] = None if entry.error is None else entry.error.view()
        step["input"] = entry.input if entry.input is not None else step["input"]


def actions(flow: Flow | None) -> dict[str, str]:
    """Path (`[]` for any iteration) → what the step is: its action's name, or its kind (`set`, `wait` …)."""
    if flow is None:
        return {}
    return {path: step.action if isinstance(step, ActionStep) else _kind(step) for path, step in all_steps(flow)}


def _kind(step: Step) -> str:
    """`ForEachStep` → `for_each`."""
    return _CAPITAL.sub("_", type(step).__name__.removesuffix("Step")).lower()


def event_row(row: EventRow) -> dict[str, Any]:
    """An event as lists show it."""
    return {
        "id": ids.to_text("evt", row.key),
        "source_id": row.id,
        "type": row.type,
        "source": row.source,
        "subject": row.subject,
        "time": to_iso(row.time),
        "size": row.size,
    }


def event_whole(event: Event) -> dict[str, Any]:
    """One event with its data."""
    return {
        "id": ids.to_text("evt", event.key),
        "source_id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": to_iso(event.time),
        "data": event.data,
        "metadata": event.metadata,
        "causes": list(event.causes),
        "to": list(event.to),
    }
