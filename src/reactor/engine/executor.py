"""Starts runs, wakes them, lets them leave memory, and carries out what people ask of them."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from reactor.engine.borders import Borders
from reactor.engine.changes import Changes
from reactor.engine.connections import Connections
from reactor.engine.endings import Endings
from reactor.engine.ends import Ends
from reactor.engine.flowcontrol.collecting import BATCH
from reactor.engine.flowcontrol.gates import FlowControl
from reactor.engine.flows import FlowBook
from reactor.engine.limits import Limits
from reactor.engine.live import CALLS, LiveRun
from reactor.engine.memory import Memory
from reactor.engine.sealing import Derive, Seals
from reactor.engine.states import States
from reactor.engine.texts import encode
from reactor.engine.tracing.tracer import Tracer
from reactor.engine.tracing.trail import CALLED
from reactor.engine.waits import Waits
from reactor.engine.written import Written
from reactor.language.dialects.gotemplate import legacy_event_view
from reactor.model import failpoints, ids
from reactor.model.clock import Clock, Entropy, to_iso
from reactor.model.doing import DOING
from reactor.model.errors import ErrorInfo, NotFoundError, PermanentError, ReactorError, StoreError
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.model.journal import Entry, FlowCall, Run
from reactor.model.states import RunStatus
from reactor.runtime.code import interpreter
from reactor.runtime.interpreter import Hands, RunEnd
from reactor.sdk.manifest import Catalog
from reactor.stores.port import Batch, History, Loaded, RunFilter, Store

if TYPE_CHECKING:
    from reactor.engine.intake import Intake

_log = logging.getLogger("reactor.engine")
_PAGE = 500


class Executor(Memory):
    """The runs in memory."""

    intake: Intake

    def __init__(  # noqa: PLR0913 - the parts of one engine, wired in one place
        self,
        *,
        store: Store,
        history: History,
        book: FlowBook,
        catalog: Catalog,
        clock: Clock,
        entropy: Entropy,
        limits: Limits,
        changes: Changes,
        ids_: ids.IdMaker,
        instance: int,
        action_settings: Mapping[str, Any],
        env: Mapping[str, str],
        secret: Callable[[str], str | None],
        derive: Derive | None,
        saved_connections: Mapping[str, Mapping[str, Any]] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        super().__init__(store=store, book=book, clock=clock, limits=limits)
        self.history = history
        self.catalog = catalog
        self.entropy = entropy
        self.changes = changes
        self.ids = ids_
        self.instance = instance
        self.action_settings = action_settings
        self.env = env
        self._secret = secret
        self.ends = Ends()
        self.flow_control = FlowControl(self)
        self.endings = Endings(self)
        self.seals = Seals(derive)
        self.waits = Waits(self)
        self.states = States(store, self.committer, limits)
        self.tracer = tracer
        self._connections: dict[tuple[str, int], Connections] = {}
        self._saved_connections = saved_connections if saved_connections is not None else {}
        self.finished = 0
        self.failed = 0

    # --- starting ------------------------------------------------------------------------------------------------

    def new_run(self, flow: Flow, event_key: int | None, trigger: str, **more: Any) -> Run:
        """The record of a run that is to start now; with `control`, when flow control lets it."""
        now = self.clock.now()
        controlled = more.get("control") is not None
        return Run(
            key=self.ids.next(),
            flow=flow.name,
            version=flow.version,
            status=RunStatus.PENDING if controlled else RunStatus.RUNNING,
            event_key=event_key,
            trigger=trigger,
            created_at=now,
            started_at=None if controlled else now,
            owner=self.instance,
            epoch=1,
            **more,
        )

    def begin(self, record: Run, event: Event | None, flow: Flow, journal: list[Entry] | None = None) -> None:
        """Let a run go that is on disk and that nothing can drop: now, or as soon as it may."""
        if record.control is None:
            self.launch(record, event, flow, journal)
        elif record.control.error:
            self.fail(record, event, ErrorInfo("expression", record.control.error, retryable=False))
        else:
            self.flow_control.begin(record, lambda: self.launch(record, event, flow, journal))

    def launch(self, record: Run, event: Event | None, flow: Flow, journal: list[Entry] | None = None) -> None:
        """Bring a run that is on disk into memory, as soon as there is room."""
        if not self.has_room() or any(entry.key.startswith(BATCH) for entry in journal or ()):
            self.wake([record.key])
            return
        live = self.start(record, event, flow, journal)
        if record.status is RunStatus.PENDING:
            live.status(RunStatus.RUNNING, started_at=self.clock.now())
            self.committer.sheet.began(record)

    def fail(self, record: Run, event: Event | None, error: ErrorInfo) -> None:
        """End a run that is on disk and cannot begin."""
        live = LiveRun(self, record, event)
        self.live[record.key] = live
        fresh = record.started_at is None
        live.status(RunStatus.RUNNING, owner=self.instance, started_at=record.started_at or self.clock.now())
        if fresh:
            self.committer.sheet.began(record)
        live.record(Entry("", self.clock.now(), RunStatus.FAILED.value, None, error))
        self.finish(live, RunEnd(RunStatus.FAILED, error=error))

    def start(self, record: Run, event: Event | None, flow: Flow, journal: list[Entry] | None = None) -> LiveRun:
        """Bring a run into memory and let it go."""
        live = LiveRun(self, record, event, journal or ())
        self.live[record.key] = live
        self._go(live, flow)
        return live

    def _go(self, live: LiveRun, flow: Flow) -> None:
        live.task = asyncio.get_running_loop().create_task(self._run(live, flow))
        self._tasks.add(live.task)
        live.task.add_done_callback(self._tasks.discard)

    async def _run(self, live: LiveRun, flow: Flow) -> None:
        record = live.record_
        DOING.set(live.doing)
        if self.states.uses(flow) and not self.states.has(flow.name):
            await self.states.load(flow.name)
        inputs = live.recall("#inputs")
        running = interpreter(
            flow,
            live,
            event=self._event_view(live.event, flow),
            events=self._event_views(live, flow),
            run={
                "id": live.id,
                "started_at": to_iso(record.started_at or record.created_at),
                "version": record.version,
            },
            inputs=inputs.value if inputs is not None else live.inputs,
            hands=Hands(
                env=self.env,
                state=self.states.of(flow.name),
                secret=self._secret,
                seal=self.seals.seal,
                unseal=self.seals.unseal,
                link=self.seals.link,
            ),
        )
        try:
            end = await running.run()
        except asyncio.CancelledError:
            if not live.evicting and not live.dropped:
                raise
            return
        except ReactorError as error:
            end = self._broke(live, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a run that neither moves nor ends
            _log.exception("run %s: the interpreter failed", live.id)
            end = self._broke(live, error)
        self.finish(live, end)

    def _broke(self, live: LiveRun, error: Exception) -> RunEnd:
        info = ErrorInfo("internal", f"{type(error).__name__}: {error}", retryable=False)
        live.record(Entry("", self.clock.now(), RunStatus.FAILED.value, None, info))
        return RunEnd(RunStatus.FAILED, error=info)

    def _event_view(self, event: Event | None, flow: Flow) -> dict[str, Any] | None:
        if event is None:
            return None
        view = event.view()
        if flow.legacy:
            view = legacy_event_view(view)
        return view

    def _event_views(self, live: LiveRun, flow: Flow) -> list[Any] | None:
        """What a batched run knows as `events`."""
        if not live.batch:
            return None
        return [self._event_view(event, flow) for event in (*live.batch, live.event)]

    def finish(self, live: Borders, end: RunEnd) -> None:
        """A run has come to its end: it leaves memory, and whoever waits is told when that is on disk."""
        now = self.clock.now()
        live.status(end.status, finished_at=now, error=end.error, wake_at=None, waiting_for="", owner=0, waits=())
        self.waits.forget(live.key)
        self.endings.tell(live, end)
        self.committer.touch(live, soon=True)
        self.finished += 1
        began = live.record_.started_at or live.record_.created_at
        self.meters.run_ended(live.record_.flow, end.status.value, now - began)
        self.failed += end.status is RunStatus.FAILED
        failpoints.reach("run.finished")
        if live.key in self.ends or _caller(live) is not None or self.changes.listeners or live.trail is not None:
            waiter = self.committer.barrier(live)
            waiter.add_done_callback(lambda done: self._tell(live, end, done))
        self.live.pop(live.key, None)
        if live.record_.control is not None:
            self.flow_control.ended(live.key)
        if self._queue:
            self._load_soon()

    def _tell(self, live: Borders, end: RunEnd, done: asyncio.Future[None]) -> None:
        """The end is durable: tell who waits for it."""
        if done.cancelled() or done.exception() is not None:
            return
        self.changed(live)
        if self.tracer is not None and live.trail is not None and not live.dropped:
            record = live.record_
            flow = self.book.version(record.flow, record.version)
            event = getattr(live, "event", None)
            self.tracer.ended(live.trail, record, event, flow, end.error, self.catalog.actions.get)
        self.ends.tell(live.key, end)
        parent = _caller(live)
        if parent in self.live:
            self.live[parent].moved()
        if parent is not None and (parent not in self.live or parent in self._leaving):
            self.wake([parent])

    # --- children ------------------------------------------------------------------------------------------------

    def start_child(self, parent: LiveRun, path: str, call: FlowCall) -> int:
        """Start a run of another flow for a step of this one; both are written together.

        Raises:
            PermanentError: there is no such flow or version, or the inputs do not fit.
        """
        flow = self.book.callable(call.flow, call.version)
        inputs = self.book.checked_inputs(flow, call.params)
        control = self.flow_control.new(flow, parent.event, inputs, asked=True)
        if control is not None and control.error:
            raise PermanentError("expression", control.error)
        more = {"parent_key": parent.key, "parent_path": path, "detached": not call.wait, "control": control}
        record = self.new_run(flow, None, "", **more)
        record.event_key = parent.record_.event_key
        begun = [Entry("#inputs", self.clock.now(), value=inputs)]
        if parent.trail is not None:
            place = parent.trail.at(path).headers()
            given = {"parent": place["traceparent"], "state": place.get("tracestate")}
            begun.append(Entry(CALLED, begun[0].at, value=given))
        if control is not None and not self.flow_control.child(record):
            waits = Batch(runs={record.key: copy.copy(record)}, journal=[(record.key, encode(begun))])
            self.committer.add(waits).add_done_callback(lambda done: done.cancelled() or done.exception())
            parent.spawned.append(record.key)
            failpoints.reach("child.started")
            return record.key
        live = LiveRun(self, record, parent.event)
        live.inputs = inputs
        for entry in begun:
            live.record(entry)
        live.status(RunStatus.RUNNING, started_at=begun[0].at)
        self.committer.sheet.began(record)
        parent.spawned.append(record.key)
        self.live[record.key] = live
        self._go(live, flow)
        failpoints.reach("child.started")
        return record.key

    async def end_of(self, key: int, looking: Callable[[], AbstractContextManager[None]] = nullcontext) -> RunEnd:
        """Wait for the end of a run, in memory or not. `looking` is held while the store is asked."""
        expected = self.ends.expected(key)
        future = expected or self.ends.wait(key)
        try:
            if key not in self.live and expected is None:
                with looking():
                    await self.committer.settled([key])
                    found = await self.store.load([key])
                for loaded in found:
                    if loaded.run.status.finished:
                        self.ends.tell(key, _end_of(loaded))
            return await future
        finally:
            self.ends.leave(key, future)

    def _resume(self, loaded: Loaded, batch: Sequence[Event]) -> None:
        record = loaded.run
        if record.key in self.live or self.stopping:
            return
        if record.status.finished or record.status is RunStatus.PAUSED:
            self.flow_control.left(record.key)
            self.waits.forget(record.key)
            return
        if record.key in self._leaving or self._loading.get(record.key):
            self._loading[record.key] = True
            return
        if (absent := self.book.absent(record.flow, record.version)) is not None:
            raise NotFoundError(absent)  # it waits for a program that can run it
        if not self.flow_control.admit(loaded):
            return
        flow = self.book.version(record.flow, record.version)
        live = LiveRun(self, record, loaded.event, loaded.journal)
        live.batch = batch
        self.live[record.key] = live
        self.unreadable.pop(record.key, None)
        self.waits.forget(record.key)
        if record.owner != self.instance:
            record.epoch += 1
        fresh = record.started_at is None
        live.status(
            RunStatus.RUNNING,
            owner=self.instance,
            wake_at=None,
            waiting_for="",
            waits=(),
            started_at=record.started_at or self.clock.now(),
        )
        if fresh:
            self.committer.sheet.began(record)
        if flow is None:
            message = f"version {record.version} of flow {record.flow!r} cannot be loaded any more; see the log"
            live.record(Entry("", self.clock.now(), "failed", None, ErrorInfo("version", message, retryable=False)))
            self.finish(live, RunEnd(RunStatus.FAILED, error=ErrorInfo("version", message, retryable=False)))
            return
        self._go(live, flow)

    async def recover(self) -> int:
        """After a start: take up every run that was under way. How many there are."""
        after, count = 0, 0
        while True:
            page = await self.store.live([RunStatus.PENDING, RunStatus.RUNNING], after, 5_000)
            if not page:
                return count
            self.wake([key for key in page if not self.flow_control.inside(key)])
            after, count = page[-1], count + len(page)

    def recover_waiting(self) -> None:
        """Look after the runs that had left memory, in the background: who waits for an event is known again, and those
        that wait for children look after them, because one may have ended when nobody was left to be told.
        """
        for work in (self._wake_callers(), self.waits.restore()):
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wake_callers(self) -> None:
        below: int | None = None
        try:
            while page := await self.history.runs(RunFilter(status=(RunStatus.WAITING,), below=below, limit=_PAGE)):
                self.wake([run.key for run in page if CALLS in run.waiting_for])
                below = page[-1].key
        except StoreError as error:
            _log.error("cannot look for runs that wait for others, they wake by themselves within a minute: %s", error)

    # --- telling -------------------------------------------------------------------------------------------------

    def recorded(self, live: Written, entry: Entry) -> None:
        """A run has written something down."""
        self.committer.touch(live)
        if live.trail is not None:
            live.trail.note(entry)
        if not entry.key or "#" in entry.key:
            return
        if entry.started:
            self.meters.step_ended(live.record_.flow, entry.at - entry.started)
        if self.changes.listeners:
            self.changes.publish(
                "step",
                entry.at,
                {
                    "run": live.id,
                    "flow": live.record_.flow,
                    "path": entry.key,
                    "status": entry.status,
                },
            )

    def changed(self, live: Borders) -> None:
        """A run has another status."""
        if self.changes.listeners:
            record = live.record_
            self.changes.publish(
                "run",
                self.clock.now(),
                {"id": ids.to_text("run", record.key), "flow": record.flow, "status": record.status.value},
            )

    def connections(self, own: Mapping[str, Mapping[str, Any]]) -> Connections:
        """A flow's own connections before the saved ones, with secrets when asked."""
        return Connections(ChainMap(dict(own), self._saved_connections), self._secret, self.env)  # type: ignore[arg-type]

    def connections_of(self, record: Run) -> Mapping[str, Mapping[str, Any]]:
        """The connections that the run's version of its flow sees."""
        key = (record.flow, record.version)
        if key not in self._connections:
            self._connections[key] = self.connections(self.book.connections(*key))
        return self._connections[key]

    # --- stopping ------------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Let every run come to a border and leave memory; what is still under way after the limit is cut off (and
        done again at the next start).
        """
        self.stopping = True
        if self._loader is not None:
            await asyncio.wait({self._loader})
        deadline = asyncio.get_running_loop().time() + self.limits.drain / 1000
        while self.live and asyncio.get_running_loop().time() < deadline:
            for live in list(self.live.values()):
                if live.drain():
                    self.live.pop(live.key, None)
            await asyncio.sleep(0.01)
        for live in list(self.live.values()):
            live.abandon()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


def _caller(live: Borders) -> int | None:
    """The run that waits for this one's end."""
    return None if live.record_.detached else live.record_.parent_key


def _end_of(loaded: Loaded) -> RunEnd:
    """How a finished run ended, by its journal."""
    end = next((entry for entry in reversed(loaded.journal) if entry.key == ""), None)
    return RunEnd(loaded.run.status, end.value if end else None, end.error if end else loaded.run.error)
