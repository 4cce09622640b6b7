"""Flow control's part of the table of an event and a flow: what each control said, in the order of asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reactor.engine.flowcontrol.collecting import words_of_key
from reactor.engine.flowcontrol.gates import FlowControl
from reactor.model import durations
from reactor.model.errors import StepError
from reactor.model.flow import Concurrency, Debounce, EventBatch, Expr, Flow, Hold, Rate, Singleton
from reactor.model.journal import Run
from reactor.routing.answers import ERROR, NOT_ASKED, PASSED, STOPPED, Answer
from reactor.stores.port import Verdict

MERGED, QUEUED = "merged", "queued"
ORDER = ("dedupe", "rate_limit", "batch", "debounce", "hold", "singleton", "throttle", "concurrency", "priority")
MERGING = ("batch", "debounce")


def answers(
    flow: Flow, scope: Mapping[str, Any], run: Run | None, decided: Verdict | None, gates: FlowControl
) -> list[Answer]:
    """What each control of a flow said of an event that its conditions let pass. `run`: the event's own, `decided`: why
    it has none; with neither, nothing was asked.
    """
    parts = dict(_parts(flow))
    if run is not None:
        at, result, reason = _of_run(run, gates)
    elif decided is not None:
        at, result, reason = decided.rule, MERGED if decided.rule in MERGING else STOPPED, decided.reason
    else:
        at, result, reason = "", NOT_ASKED, ""
    if at and at not in parts:
        parts[at] = ("", None)
    found, passed = [], bool(at) or run is not None
    # A run first gets a slot of `concurrency`, then its turn at `throttle`; `priority` orders those who wait.
    later = {"concurrency": "throttle"}.get(at)
    sooner = {"throttle": ("concurrency", "priority"), "concurrency": ("priority",)}.get(at, ())
    for rule in sorted(parts, key=ORDER.index):
        limit, key = parts[rule]
        named = "" if key is None else key.source if rule == "priority" else f"key {key.source}"
        expression = ", ".join(part for part in (limit, named) if part)
        values = _values(rule, key, scope, run)
        if rule == at:
            answer = Answer(rule=rule, result=result, expression=expression or None, values=values, reason=reason)
            passed = False
        else:
            told = PASSED if rule in sooner or (passed and rule != later) else NOT_ASKED
            shown = values if told == PASSED else {}
            answer = Answer(rule=rule, result=told, expression=expression or None, values=shown)
        found.append(answer)
    return found


def _of_run(run: Run, gates: FlowControl) -> tuple[str, str, str]:
    """(the control at which a run stands, result, reason); the first is empty when it has passed all."""
    info = run.control
    if info is None or run.started_at is not None:
        if info is not None and info.error:
            return _named(info.error), ERROR, info.error
        return "", PASSED, ""
    if info.error:
        return _named(info.error), ERROR, info.error
    if info.stage in ("hold", "singleton", *MERGING):
        return info.stage, QUEUED, gates.why(run.key) or run.waiting_for
    why = gates.why(run.key)
    if why is None or why.startswith("it is about to start"):
        return "", PASSED, ""
    return ("throttle" if why.startswith("`throttle`") else "concurrency"), QUEUED, why


def _named(error: str) -> str:
    """The control of which an error speaks."""
    return next((name for name in ORDER if f"`{name}`" in error), "concurrency")


def _parts(flow: Flow) -> Iterator[tuple[str, tuple[str, Expr | None]]]:
    """The controls of a flow: name → (what it allows, in words; its key)."""
    if flow.dedupe is not None:
        yield "dedupe", (f"once in {durations.show(flow.dedupe.for_)}", flow.dedupe.key)
    for name in ORDER[1:]:
        part = getattr(flow.control, name, None)
        if part is not None:
            yield name, (words_of(part), part if name == "priority" else getattr(part, "key", None))


def words_of(part: Any) -> str:
    """What a control allows."""
    if isinstance(part, Rate):
        return f"{part.max} in {durations.show(part.per)}"
    if isinstance(part, EventBatch):
        return f"up to {part.size} in {durations.show(part.for_)}"
    if isinstance(part, Debounce):
        most = f", at most {durations.show(part.max)}" if part.max is not None else ""
        return f"{durations.show(part.for_)} of silence{most}"
    if isinstance(part, Hold):
        return f"over {part.over} in {durations.show(part.per)}"
    if isinstance(part, Singleton):
        return f"on_conflict {part.on_conflict}"
    if isinstance(part, Concurrency):
        return f"{part.limit} at once{' for all flows' if part.scope == 'global' else ''}"
    return ""


def _values(rule: str, key: Expr | None, scope: Mapping[str, Any], run: Run | None) -> dict[str, Any]:
    """The key, or the priority, of this event: as it was kept with its run, else by the flow."""
    if run is not None and run.control is not None:
        if rule == "priority":
            return {"priority": run.control.priority}
        kept = words_of_key(run, rule).removeprefix(" of key ")
        if kept:
            return {"key": kept}
    if key is None:
        return {}
    name = "priority" if rule == "priority" else "key"
    try:
        return {name: key.evaluate({"inputs": {}, **scope})}
    except StepError as error:
        return {name: None, "error": error.message}
