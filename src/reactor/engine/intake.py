"""The one door for events: give it a number, ask the routes, commit it with the runs it starts, then tell the
caller.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.committer import Offer
from reactor.engine.executor import Executor
from reactor.engine.texts import encode
from reactor.model import failpoints, ids
from reactor.model.clock import Instant
from reactor.model.errors import InvalidError, PermanentError, ReactorError, StepError, TooLargeError
from reactor.model.event import RESERVED, Event, EventDraft, is_reserved
from reactor.model.flow import CallStep, EmitStep, Flow, StateStep, all_steps
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.routing.table import Match
from reactor.sdk.trigger import Receipt
from reactor.stores.port import Acceptance, Batch, Claim, Committed, History, KeyState, Letter, RunFilter

if TYPE_CHECKING:
    from reactor.engine.live import LiveRun

_encode = msgspec.json.Encoder().encode
_TYPE_LIMIT = 256
_NEVER = (0, 0)
EVENT_MEMORY = 7 * 86_400_000
"""Milliseconds: an event's (source, id) is remembered for a week."""


class Intake:
    """See the module."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history
        self._committer = executor.committer
        self._eager: dict[int, tuple[Flow, bool]] = {}
        executor.intake = self
        self.accepted = 0
        self.duplicates = 0
        self.refused = 0
        self.fired: dict[str, tuple[int, Instant]] = {}
        """Key of a trigger → how many runs events have started by it, and when the last."""

    async def accept(
        self,
        drafts: Sequence[EventDraft],
        *,
        saved: tuple[str, Mapping[str, Any]] | None = None,
        expect: str | None = None,
        inside: bool = False,
        states: Sequence[KeyState] = (),
        letters: Sequence[Letter] = (),
        answered: Sequence[int] = (),
        told: Sequence[EventDraft] = (),
    ) -> list[Receipt]:
        """Take events in, all or none. Returns after they and the runs they start are committed.

        `saved`: (trigger key, values to keep), `states` (of keys), `letters` (to keep) and `answered` (keys of letters
        to remove) are of the same transaction. `expect`: the caller will ask for the end of this flow's runs. `inside`:
        Reactor's own events, whose types are refused at every other door; `told` are such that go along, without
        receipts.

        Raises:
            BusyError: the queue is full or the store cannot write now; nothing was taken.
            InvalidError: an event is malformed. TooLargeError: its data is over the limit.
            StoreBrokenError: the store needs an operator.
        """
        events = [self._event(draft, inside=inside) for draft in drafts]
        events += [self._event(draft, inside=True) for draft in told]
        size = sum(len(event.raw or b"") for event in events) + sum(letter.size for letter in letters)
        try:
            self._committer.check_room(len(events), size)
        except Exception:
            self.refused += len(events)
            raise
        accepted = [self._route(event) for event in events]
        failpoints.reach("intake.routed")
        if saved is not None:
            failpoints.reach("cursor.before")
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        saves = [(saved[0], name, None if v is None else _encode(v)) for name, v in saved[1].items()] if saved else []
        self._executor.waits.coming(events)
        items = [item for item, _ in accepted]
        self._committer.offer(Offer(items, saves, done, size=size, states=states, letters=letters, answered=answered))
        begun: set[int] = set()
        awaited = [run.key for item, _ in accepted for run in item.runs if run.flow == expect] if expect else ()
        self._executor.ends.expect(awaited)
        for item, flows in accepted:
            self._start_early(item, flows, begun)
        try:
            committed = await asyncio.shield(done)
        except ReactorError:
            self._executor.ends.unexpect(awaited)
            self._executor.waits.gone(events)
            raise
        except asyncio.CancelledError:
            self._executor.ends.unexpect(awaited)
            # The caller has gone, its events have not: what they start begins all the same.
            done.add_done_callback(lambda future: self._unheard(accepted, begun, future))
            raise
        self.accepted += len(events)
        receipts = [self._receipt(item, flows, committed, begun) for item, flows in accepted][: len(drafts)]
        if awaited:
            self._executor.ends.unexpect(key for key in awaited if key in committed.dropped)
        if committed.duplicates:
            return [await self._first_time(r) if r.duplicate else r for r in receipts]
        return receipts

    def _unheard(
        self, accepted: list[tuple[Acceptance, list[Flow]]], begun: set[int], future: asyncio.Future[Committed]
    ) -> None:
        if future.cancelled() or future.exception() is not None:
            self._executor.waits.gone(item.event for item, _ in accepted)
        else:
            self.accepted += len(accepted)
            for item, flows in accepted:
                self._receipt(item, flows, future.result(), begun)

    async def _first_time(self, receipt: Receipt) -> Receipt:
        """The answer to an event that was seen before names the runs that it started then."""
        key = ids.from_text("evt", receipt.event_id) or 0
        runs = await self._history.runs(RunFilter(event_key=key))
        if await self._committer.settled(run.key for run in runs):
            runs = await self._history.runs(RunFilter(event_key=key))
        first = tuple((ids.to_text("run", run.key), run.flow) for run in reversed(runs) if run.parent_key is None)
        for said in await self._history.verdicts(key):
            if said.run_key is not None and said.rule in ("batch", "debounce"):
                first += ((ids.to_text("run", said.run_key), said.flow),)
        return msgspec.structs.replace(receipt, runs=first)

    async def start(self, draft: EventDraft, flow: Flow, trigger: str, inputs: Mapping[str, Any]) -> Receipt:
        """Take in an event that starts this flow and no other, without asking its conditions.

        Raises:
            BusyError, InvalidError, TooLargeError, StoreBrokenError: as `accept`.
        """
        event, executor = self._event(draft), self._executor
        self._committer.check_room(1, len(event.raw or b""))
        control = executor.flow_control.new(flow, event, inputs, asked=True)
        record = executor.new_run(flow, event.key, trigger, control=control)
        entry = Entry("#inputs", executor.clock.now(), value=dict(inputs))
        batch = Batch(
            accepted=[Acceptance(event=event, runs=(record,))],
            runs={record.key: copy.copy(record)},
            journal=[(record.key, _encode([entry]))],
        )
        executor.waits.coming([event])
        try:
            await self._committer.add(batch)
        except ReactorError:
            executor.waits.gone([event])
            raise
        self.accepted += 1
        executor.begin(record, event, flow, [entry])
        self._tell(event)
        return Receipt(event_id=ids.to_text("evt", event.key), runs=((ids.to_text("run", record.key), flow.name),))

    def emit(self, draft: EventDraft, parent: LiveRun, *, inside: bool = False) -> Acceptance:
        """An event of a run's own: rides with the run's next commit, together with the outcome of the step. `inside`:
        it is Reactor that tells it, not the flow.

        Raises:
            StepError: kind `input`: the event is malformed.
        """
        try:
            event = self._event(draft, inside=inside)
        except (InvalidError, TooLargeError) as error:
            raise PermanentError("input", f"emit: {error.message}") from None
        item, flows = self._route(event)
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda future: self._emitted(item, flows, future))
        parent.spawned.extend(run.key for run in item.runs)
        self._executor.waits.coming([item.event])
        self._committer.offer(Offer([item], [], done, internal=True, rides=parent.key))
        return item

    def _emitted(self, item: Acceptance, flows: list[Flow], future: asyncio.Future[Committed]) -> None:
        if future.cancelled() or future.exception() is not None:
            self._executor.waits.gone([item.event])
        else:
            self.accepted += 1
            self._receipt(item, flows, future.result())

    def refusal(self, draft: EventDraft) -> str | None:
        """Why `accept` would refuse this event whenever it comes, or None."""
        try:
            self._event(draft)
        except (InvalidError, TooLargeError) as error:
            return error.message
        return None

    # --- making the event ----------------------------------------------------------------------------------------

    def _event(self, draft: EventDraft, *, inside: bool = False) -> Event:
        if not inside and is_reserved(draft.type):
            raise InvalidError(
                f"events of the type {draft.type[:80]!r} are Reactor's own and are not taken from outside; give it "
                "another name"
            )
        if not draft.type or len(draft.type) > _TYPE_LIMIT:
            raise InvalidError(f"an event's type is 1 to {_TYPE_LIMIT} characters long")
        executor = self._executor
        key = executor.ids.next()
        try:
            raw = draft.raw if draft.raw is not None else _encode(draft.data)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise InvalidError(f"the event's data cannot be written as JSON: {error}") from None
        if len(raw) > executor.limits.event_data:
            raise TooLargeError(f"the event's data has {len(raw)} bytes; the limit is {executor.limits.event_data}")
        return Event(
            key=key,
            id=draft.id if draft.id is not None else ids.to_text("evt", key),
            type=draft.type,
            source=draft.source,
            subject=draft.subject,
            time=draft.time if draft.time is not None else executor.clock.now(),
            data=draft.data,
            metadata=draft.metadata,
            to=draft.to,
            causes=draft.causes,
            raw=raw,
            external=draft.id is not None,
        )

    def _route(self, event: Event) -> tuple[Acceptance, list[Flow]]:
        matches = self._executor.book.routes.starts(event)
        runs = tuple(self._new_run(match, event) for match in matches)
        claims = tuple(self._run_claim(match, event) for match in matches)
        claim = None
        if event.external:
            # Apart from those of others: nobody outside can take the id of a decision before it is made.
            kind = "reactor" if event.type.startswith(RESERVED) else "event"
            # One message that two triggers take is an event of each: neither takes it away from the other.
            claim = Claim(_digest(kind, event.source, event.id, *event.to), self._executor.clock.now() + EVENT_MEMORY)
        if not any(claims):
            claims = ()
        return Acceptance(event=event, claim=claim, runs=runs, run_claims=claims), [match.flow for match in matches]

    def _new_run(self, match: Match, event: Event) -> Run:
        flow, executor = match.flow, self._executor
        if flow.control is None:
            return executor.new_run(flow, event.key, match.trigger.key)
        control = executor.flow_control.new(flow, event, None, asked=False)
        return executor.new_run(flow, event.key, match.trigger.key, control=control)

    def _run_claim(self, match: Match, event: Event) -> Claim | None:
        dedupe = match.flow.dedupe
        if dedupe is None:
            return None
        try:
            key = dedupe.key.evaluate({"event": event.view()})
        except StepError:
            return None
        return Claim(_digest("flow", match.flow.name, encode(key).decode()), self._executor.clock.now() + dedupe.for_)

    # --- starting the runs ---------------------------------------------------------------------------------------

    def _start_early(self, item: Acceptance, flows: list[Flow], begun: set[int]) -> None:
        """Let runs begin before their event is on disk, where nothing can be lost or doubled by that: nobody else
        can have claimed the event, and the flow itself puts nothing into the world before a barrier.
        """
        if item.claim is not None or item.run_claims:
            return
        for record, flow in zip(item.runs, flows, strict=True):
            if not self._is_eager(flow) or not self._executor.has_room():
                continue
            if record.control is None:
                begun.add(record.key)
                self._executor.start(record, item.event, flow).status(RunStatus.RUNNING)
            elif self._executor.flow_control.early(record, flow):
                begun.add(record.key)
                live = self._executor.start(record, item.event, flow)
                live.status(RunStatus.RUNNING, started_at=record.created_at)

    def _is_eager(self, flow: Flow) -> bool:
        known = self._eager.get(id(flow))
        if known is None or known[0] is not flow:
            if len(self._eager) > 20_000:
                self._eager.clear()
            known = (flow, not _spawns(flow))
            self._eager[id(flow)] = known
        return known[1]

    def _receipt(
        self, item: Acceptance, flows: list[Flow], committed: Committed, begun: Collection[int] = ()
    ) -> Receipt:
        event = item.event
        first = committed.duplicates.get(event.key) if committed.duplicates else None
        if first is not None:
            self.duplicates += 1
            self._executor.waits.gone([event])
            return Receipt(event_id=ids.to_text("evt", first), runs=(), duplicate=True)
        runs = []
        for record, flow in zip(item.runs, flows, strict=True):
            key: int | None = record.key
            if record.key in committed.dropped:
                self._executor.flow_control.deduped(record, event, flow)
                continue
            if record.key not in begun:
                key = self._start_committed(record, event, flow)
            if key is None:
                continue
            runs.append((ids.to_text("run", key), flow.name))
            self.fired[record.trigger] = (self.fired.get(record.trigger, _NEVER)[0] + 1, ids.instant_of(event.key))
        self._tell(event)
        return Receipt(event_id=ids.to_text("evt", event.key), runs=tuple(runs))

    def _tell(self, event: Event) -> None:
        self._executor.waits.arrived(event)
        changes = self._executor.changes
        if changes.listeners:
            changes.publish("event", event.time, {"id": ids.to_text("evt", event.key), "type": event.type})

    def _start_committed(self, record: Run, event: Event, flow: Flow) -> int | None:
        """The run that the event is in; None when flow control dropped it."""
        if record.control is not None:
            return self._executor.flow_control.accepted(record, event, flow)
        self._executor.launch(record, event, flow)
        return record.key


def _spawns(flow: Flow) -> bool:
    """Whether a flow can put events, runs or values of its own into the store."""
    return flow.code is not None or any(isinstance(s, (EmitStep, CallStep, StateStep)) for _, s in all_steps(flow))


def _digest(kind: str, *parts: str) -> bytes:
    text = "\0".join((kind, *(f"{len(part)}:{part}" for part in parts)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
