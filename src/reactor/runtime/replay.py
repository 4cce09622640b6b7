"""The replay runtime: a recorded run's answers against the same or another version of its flow. Touches nothing.

It shows where the other version would take another path: a step that the record does not know, or one that it no
longer asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from reactor.model.clock import Instant
from reactor.model.flow import Branch, Case, Flow, Step
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted, index
from reactor.model.states import StepStatus
from reactor.runtime.bodies import Body
from reactor.runtime.code import interpreter
from reactor.runtime.interpreter import Hands
from reactor.runtime.kinds import TIMEOUT
from reactor.runtime.timeouts import OVER
from reactor.sdk.action import Action

_NO_OUTCOMES = ("#body", "#started", "#timeout", "#child", "#timer", "#pause", "#attempt", "#items", "#event", "#page")


class Divergence(msgspec.Struct, frozen=True):
    """A place where the replay and the record differ."""

    path: str
    kind: str
    """`new` (the record has no answer), `missing` (recorded, not asked for), `changed` (another outcome)."""
    recorded: Any = None
    replayed: Any = None


_TURNS = 50
"""Of the loop: everything that could have come before a timeout has come by then."""


class _NoAnswer(BaseException):
    """The record ends here."""


class ReplayRuntime:
    """A `Durable` that answers from a journal. Outcomes of actions are taken from it; everything else is computed
    anew.
    """

    def __init__(self, journal: Sequence[Entry], find: Callable[[str], Action | None]) -> None:
        self._recorded = index(journal)
        self._find = find
        self._now: Instant = journal[0].at if journal else 0
        self.evicting = False
        self.entries: list[Entry] = []
        self.asked: set[str] = set()
        self.diverged: list[Divergence] = []

    def recall(self, key: str) -> Entry | None:
        """What was drawn, and which branches came first, is known beforehand; all else is asked for as it comes."""
        return self._recorded.get(key) if "#draw." in key or key.endswith("#join") else None

    def known(self) -> Sequence[Entry]:
        """See `Durable.known`: a replay begins at the beginning."""
        return ()

    def record(self, entry: Entry) -> None:
        """Compare an outcome with the record."""
        self.entries.append(entry)
        self.asked.add(entry.key)
        if any(part in entry.key for part in _NO_OUTCOMES) or "#draw." in entry.key:
            return
        before = self._recorded.get(entry.key)
        if before is not None and (before.status, before.value) != (entry.status, entry.value):
            self.diverged.append(
                Divergence(entry.key, "changed", [before.status, before.value], [entry.status, entry.value])
            )

    def now(self) -> Instant:
        """See `Durable.now`."""
        return self._now

    def draw(self, what: str) -> Any:
        """See `Durable.draw`."""
        return "00000000-0000-4000-8000-000000000000" if what == "uuid" else 0.5

    def find(self, action: str) -> Action | None:
        """See `Durable.find`."""
        return self._find(action)

    def _answer(self, path: str) -> Entry:
        entry = self._recorded.get(path + "#body") or self._recorded.get(path)
        if entry is None:
            self.diverged.append(Divergence(path, "new"))
            raise _NoAnswer
        self._now = max(self._now, entry.at)
        return entry

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """The recorded outcome."""
        del call, params
        entry = self._answer(path)
        await self._unless_cancelled(entry)
        return Outcome(entry.value, entry.error)

    async def sleep(self, path: str, until: Instant) -> None:
        """Time passes at once, unless the record says that something else came first."""
        entry = self._recorded.get(path)
        if path.endswith("#timeout") and entry is not None and entry.status == OVER:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        elif path.endswith("#timeout") or (entry is not None and entry.status == StepStatus.CANCELLED):
            await asyncio.get_running_loop().create_future()
        self._now = max(self._now, until)

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """The recorded answer."""
        del event, entry
        answer = self._answer(path)
        return answer.value if isinstance(answer.value, dict) else {}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """The recorded outcome."""
        del call
        entry = self._answer(path)
        await self._unless_cancelled(entry)
        return Outcome(entry.value, entry.error)

    async def _unless_cancelled(self, entry: Entry) -> None:
        """What was cancelled then does not end by itself now."""
        if entry.status == StepStatus.CANCELLED:
            await asyncio.get_running_loop().create_future()

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The event that the step took then, or None when none came in time."""
        late = self._recorded.get(path + "#event")
        if late is not None and late.status == TIMEOUT:
            self._now = max(self._now, until or 0)
            return None
        made = [e for e in self.entries if e.key.startswith(path + "#decision.")]
        decision = self._recorded.get(f"{path}#decision.{len(made)}")
        if decision is not None:
            self._now = max(self._now, decision.at)
            data = {name: decision.value[name] for name in ("by", "decision", "form")}
            return {"id": decision.value["id"], "time": decision.value["at"], "subject": wanted.key, "data": data}
        if wanted.key is not None and until is not None:
            self._now = max(self._now, until)
            return None
        entry = self._answer(path)
        await self._unless_cancelled(entry)
        return entry.value if isinstance(entry.value, dict) else {"id": ""}

    async def state(self, path: str, change: StateChange) -> Any:
        """The recorded answer."""
        del change
        return self._answer(path).value

    async def turn(self) -> None:
        """Others get the loop."""
        await asyncio.sleep(0)

    async def pause(self, path: str, reason: str) -> None:
        """People are not asked twice."""
        del path, reason

    async def compare(self, flow: Flow, *, event: dict[str, Any] | None, inputs: Any = None) -> list[Divergence]:
        """Where this version would take another path than the record."""
        flow = unshaped(flow)
        running = interpreter(
            flow,
            self,
            event=event,
            run={"id": "run_replay", "started_at": "", "version": flow.version},
            inputs=inputs,
            hands=Hands(secret=lambda name: f"<{name}>"),
        )
        task = asyncio.get_running_loop().create_task(running.run())
        try:
            await task
        except _NoAnswer:
            return self.diverged
        outcomes = {key for key in self._recorded if key and "#" not in key}
        self.diverged += [Divergence(key, "missing") for key in sorted(outcomes - self.asked)]
        return self.diverged


def unshaped(flow: Flow) -> Flow:
    """The flow without `output:` on its steps: what the record holds is shaped already."""
    bare: Flow = _unshaped(flow)
    return bare


def _unshaped(value: Any) -> Any:
    """Steps wherever they stand in the model: in lists, branches, cases and other steps."""
    if isinstance(value, Body):
        return value
    if isinstance(value, tuple):
        return tuple(_unshaped(item) for item in value)
    if not isinstance(value, _HOLDERS):
        return value
    changes = {}
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, (tuple, *_HOLDERS)):
            changes[name] = _unshaped(inner)
    if isinstance(value, Step):
        changes["output"] = None
    return msgspec.structs.replace(value, **changes)


_HOLDERS = (Flow, Step, Branch, Case)
