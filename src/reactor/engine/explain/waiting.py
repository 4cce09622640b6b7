"""Which runs that waited have taken an event, and why others have not."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from reactor.engine.executor import Executor
from reactor.engine.rehearsal import played
from reactor.engine.sealing import masked
from reactor.model import ids
from reactor.model.clock import to_iso
from reactor.model.errors import ReactorError
from reactor.model.event import Event
from reactor.model.flow import Flow, WaitForStep, all_steps
from reactor.model.journal import Entry, Run, index
from reactor.model.patterns import fits, glob
from reactor.routing.answers import values_of
from reactor.runtime.people import DECIDED
from reactor.runtime.probing import ProbeRuntime
from reactor.stores.port import History, Loaded, RunFilter

MOST = 100
"""Runs that are looked at."""
_PAGE = 20
_LONGEST = 20_000
"""Entries of a journal: a longer one would hold up the others."""
_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
TOOK, STOPPED, WAITS = "took", "stopped", "waits"


class Waiting:
    """Looks at the runs that waited when an event came; the newest first."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history
        self._steps: dict[int, tuple[Flow, dict[str, WaitForStep]]] = {}

    async def event(self, event: Event, flow: str | None) -> tuple[list[dict[str, Any]], bool]:
        """(what each run has done with the event, whether there are runs that were not looked at)."""
        if event.type == DECIDED:
            return await self._decision(event), False
        keys, more = await self._keys(event, flow)
        found: list[dict[str, Any]] = []
        for at in range(0, len(keys), _PAGE):
            await self._executor.committer.settled(keys[at : at + _PAGE])
            loaded = await self._executor.store.load(keys[at : at + _PAGE])
            await self._executor.book.prefetch([(one.run.flow, one.run.version) for one in loaded])
            for one in loaded:
                if flow not in (None, one.run.flow):
                    continue
                found += await self._run(one, event)
                await asyncio.sleep(0)
        return found, more

    async def _keys(self, event: Event, flow: str | None) -> tuple[list[int], bool]:
        """Those that wait now and are asked for such events, then those that may have waited then."""
        keys: dict[int, None] = {}
        for key in self._executor.waits.asking(event, MOST + 1):
            if key <= _began_before(event):
                keys[key] = None
        came = ids.instant_of(event.key)
        flows = self._executor.book.current
        for name in flows if flow is None else (flow,):
            steps = self._waits_of(flows[name]) if name in flows else {}
            if not steps or not any(_asks(step, event) for step in steps.values()):
                continue
            below = _began_before(event) + 1
            page = await self._history.runs(RunFilter(flow=name, below=below, limit=3 * MOST))
            keys.update((run.key, None) for run in page if _was_there(run, came))
        chosen = list(keys)
        return chosen[:MOST], len(chosen) > MOST

    def _waits_of(self, flow: Flow) -> dict[str, WaitForStep]:
        """Path (`[]` for any iteration) → step."""
        known = self._steps.get(id(flow))
        if known is None or known[0] is not flow:
            if len(self._steps) > 20_000:
                self._steps.clear()
            steps = {path: step for path, step in all_steps(flow) if isinstance(step, WaitForStep)}
            known = self._steps[id(flow)] = (flow, steps)
        return known[1]

    async def _run(self, loaded: Loaded, event: Event) -> list[dict[str, Any]]:
        flow = self._executor.book.version(loaded.run.flow, loaded.run.version)
        steps = self._waits_of(flow) if flow is not None else {}
        known = index(loaded.journal)
        found = []
        for key in list(known):
            if not key.endswith("#started"):
                continue
            path = key.removesuffix("#started")
            step = steps.get(_ITERATION.sub("[]", path)) or _of_code(known.get(path + "#kind"))
            if flow is not None and step is not None and _asks(step, event):
                told = await self._step(loaded, flow, known, path, step, event)
                if told is not None:
                    found.append(_shown(loaded.run, path, step, *told))
        return found

    async def _step(
        self, loaded: Loaded, flow: Flow, known: dict[str, Entry], path: str, step: WaitForStep, event: Event
    ) -> tuple[str, str, dict[str, Any]] | None:
        """(result, reason, values); None: the step had nothing to do with the event."""
        taken, came = known.get(path + "#event"), ids.instant_of(event.key)
        if taken is not None and isinstance(taken.value, dict) and taken.value.get("id") == event.id:
            return TOOK, "", {}
        if taken is not None and taken.at < came:
            return None
        if taken is not None and taken.status == "timeout":
            return STOPPED, *await self._condition(
                loaded, flow, known, path, step, event, f"its time was up at {to_iso(taken.at)}"
            )
        if taken is not None:
            other = taken.value.get("id") if isinstance(taken.value, dict) else None
            return STOPPED, *await self._condition(loaded, flow, known, path, step, event, f"it took {other}")
        if loaded.run.status.finished or path in known:
            return STOPPED, f"its wait ended without an event ({loaded.run.status.value})", {}
        reason, values = await self._condition(loaded, flow, known, path, step, event, "")
        return (STOPPED if reason else WAITS), reason or "it fits, and the run has not been told yet", values

    async def _condition(
        self,
        loaded: Loaded,
        flow: Flow,
        known: dict[str, Entry],
        path: str,
        step: WaitForStep,
        event: Event,
        other: str,
    ) -> tuple[str, dict[str, Any]]:
        """Why a step's condition refuses an event, by the journal up to where the step began."""
        if flow.code is not None and not other:
            return "a Python flow decides by itself; the event was not taken, or not yet", {}
        if step.accept is None:
            return other, {}
        view = event.view()
        before = _until(loaded.journal, path)
        values = {k: v for k, v in values_of(step.accept, {"received": view}).items() if k.startswith("received.")}
        accepts = await self._asked(loaded, flow, before, path, view)
        if accepts is None:
            return other or f"whether `{step.accept.source}` held cannot be told any more", values
        if accepts:
            return other, values
        return f"`{step.accept.source}` is false", values

    async def _asked(
        self, loaded: Loaded, flow: Flow, journal: list[Entry], path: str, view: dict[str, Any]
    ) -> bool | None:
        """The answer of the step's condition; None: the walk through the journal did not come to it."""
        executor = self._executor
        if flow.code is not None or len(journal) > _LONGEST:
            return None
        state = executor.states.of(flow.name)
        probe = ProbeRuntime(journal, executor.catalog.actions.get, unseal=executor.seals.unseal, state=state)
        try:
            await played(executor, loaded, flow, probe)
        except ReactorError:
            return None
        wanted = probe.wanted.get(path)
        if wanted is None:
            return None
        try:
            return bool(wanted.accept(view))
        except Exception:  # noqa: BLE001 - see `Wanted.accept`: whatever goes wrong in a flow's condition is a no
            return False

    async def _decision(self, event: Event) -> list[dict[str, Any]]:
        """The run whose approval a decision was about."""
        run_id, _, path = (event.subject or "").partition(":")
        key = ids.from_text("run", run_id)
        if key is None:
            return []
        await self._executor.committer.settled([key])
        found = []
        for loaded in await self._executor.store.load([key]):
            known = index(loaded.journal)
            decisions = [entry.value for name, entry in known.items() if name.startswith(path + "#decision.")]
            asked = known.get(path + "#asked")
            what = "" if asked is None else f"approval {asked.value['title']!r}"
            by = event.data.get("by") if isinstance(event.data, dict) else None
            if any(one["id"] == event.id for one in decisions):
                told = TOOK, ""
            elif asked is None:
                told = STOPPED, f"there is no approval at {path!r}"
            elif any(one["by"] == by for one in decisions):
                told = STOPPED, f"{by} had decided already"
            elif path in known or loaded.run.status.finished:
                told = STOPPED, "it was decided, or over, already"
            else:
                told = WAITS, "the run has not been told yet"
            found.append(_row(loaded.run, path, told[0], what, told[1], {"by": by}))
        return found


def _of_code(kind: Entry | None) -> WaitForStep | None:
    """The step of a Python flow, as far as its journal tells."""
    word, _, event = str(kind.value if kind is not None else "").partition(" ")
    return WaitForStep(name="", event=event) if word == "wait_for" else None


def _until(journal: list[Entry], path: str) -> list[Entry]:
    """The journal up to where a step took its event, or ended."""
    ends = (path + "#event", path)
    return journal[: next((at for at, entry in enumerate(journal) if entry.key in ends), len(journal))]


def _began_before(event: Event) -> int:
    """The key of the last run that may have begun when the event came."""
    return ids.first_at(ids.instant_of(event.key) + 1) - 1


def _was_there(run: Run, came: int) -> bool:
    return run.finished_at is None or run.finished_at >= came


def _asks(step: WaitForStep, event: Event) -> bool:
    source = step.source is None or glob(step.source).fullmatch(event.source) is not None
    return source and fits(step.event, event.type)


def _shown(run: Run, path: str, step: WaitForStep, result: str, reason: str, values: dict[str, Any]) -> dict[str, Any]:
    condition = f" if {step.accept.source}" if step.accept is not None else ""
    return _row(run, path, result, f"wait_for {step.event}{condition}", reason, values)


def _row(run: Run, path: str, result: str, what: str, reason: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": ids.to_text("run", run.key),
        "flow": run.flow,
        "status": run.status.value,
        "path": path,
        "result": result,
        "expression": what,
        "reason": reason,
        "values": masked(values),
    }
