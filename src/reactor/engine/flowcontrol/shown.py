"""The gates of one flow as people ask for them: slots, queues, rates, what collects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reactor.engine.flowcontrol.lanes import SHARED
from reactor.model import durations, ids
from reactor.model.clock import Instant, to_iso
from reactor.model.flow import Control, Rate
from reactor.model.journal import Run

if TYPE_CHECKING:
    from reactor.engine.flowcontrol.gates import FlowControl

TOP = 20
"""Keys of a control that are shown: those with the most in them."""
_NAMED = 5


def of(name: str, control: Control, gates: FlowControl, waiting: Sequence[Run], now: Instant) -> dict[str, Any]:
    """For each control that the flow has: what it allows, and by key what is in it now; `queue`: the runs that wait and
    when the next one starts, where that is a matter of time.
    """
    found: dict[str, Any] = {"queue": _queue(name, gates, waiting)}
    for kind in ("rate_limit", "throttle"):
        rate = getattr(control, kind)
        if rate is not None:
            found[kind] = _rates(kind, name, rate, gates, now)
    if control.hold is not None:
        as_rate = Rate(max=control.hold.over, per=control.hold.per)
        found["hold"] = _rates("hold", name, as_rate, gates, now)
    if control.concurrency is not None:
        found["concurrency"] = _slots(name, control, gates)
    if control.singleton is not None:
        rows = [{"key": key or None, "used": len(runs), "runs": _names(runs)} for key, runs in gates.singles.of(name)]
        found["singleton"] = {"on_conflict": control.singleton.on_conflict, **_top(rows)}
    for kind in ("batch", "debounce"):
        if getattr(control, kind) is not None:
            rows = [
                {
                    "key": one.name[2] or None,
                    "used": one.count,
                    "until": to_iso(one.until),
                    "runs": _names([one.record.key]),
                }
                for one in gates.collection.of(name)
                if one.name[1] == kind
            ]
            found[kind] = _top(rows)
    return found


def _queue(name: str, gates: FlowControl, waiting: Sequence[Run]) -> dict[str, Any]:
    instants = [until for _, _, until in gates.lanes.lanes_of(name) if until is not None]
    oldest = min((run.key for run in waiting), default=None)
    return {
        "waiting": len(waiting),
        "next_at": to_iso(min(instants)) if instants else None,
        "oldest": ids.to_text("run", oldest) if oldest is not None else None,
    }


def _rates(kind: str, name: str, rate: Rate, gates: FlowControl, now: Instant) -> dict[str, Any]:
    rows = []
    for key, window in gates.windows.of(kind, name):
        until = window.full_until(now, rate.max, rate.per)
        if window.times:
            rows.append(
                {"key": key or None, "used": len(window.times), "until": None if until is None else to_iso(until)}
            )
    return {"max": rate.max, "per": durations.show(rate.per), **_top(rows)}


def _slots(name: str, control: Control, gates: FlowControl) -> dict[str, Any]:
    part = control.concurrency
    if part is None:
        return {}
    shared = part.scope == "global"
    queued: dict[str, int] = {}
    for terms, count, _ in gates.lanes.lanes_of(name):
        if terms.slot is not None:
            queued[terms.slot] = queued.get(terms.slot, 0) + count
    used = {slot: runs for slot, runs in gates.lanes.slots_of(name) if slot.startswith(SHARED) is shared}
    rows = [
        {
            "key": (slot.removeprefix(SHARED) if shared else slot.partition("\0")[2]) or None,
            "used": len(used.get(slot, ())),
            "queued": queued.get(slot, 0),
            "runs": _names(used.get(slot, [])),
        }
        for slot in dict.fromkeys([*used, *queued])
    ]
    return {"limit": part.limit, "scope": part.scope, **_top(rows)}


def _top(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows with the most in them, and how many keys there are in all."""
    rows.sort(key=lambda row: -(row["used"] + row.get("queued", 0)))
    return {"keys": rows[:TOP], "keys_in_all": len(rows)}


def _names(keys: Iterable[int]) -> list[str]:
    return [ids.to_text("run", key) for key in list(keys)[:_NAMED]]
