"""The embedded engine: its parts in their order of starting and stopping. No rules here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.engine.access.access import Access, AccessStore
from reactor.engine.access.audit import Audit
from reactor.engine.alerts.alerts import Alerts
from reactor.engine.approvals import Approvals
from reactor.engine.chain import Chain
from reactor.engine.changes import Changes
from reactor.engine.control import Control
from reactor.engine.executor import Executor
from reactor.engine.explain.explain import Explain
from reactor.engine.flowcontrol.rebuild import rebuild
from reactor.engine.flows import CheckInputs, Compile, FlowBook
from reactor.engine.intake import Intake
from reactor.engine.letters import Letters
from reactor.engine.limits import Limits
from reactor.engine.neighbours import Neighbours
from reactor.engine.own_events import STARTED, STOPPING, OwnEvents
from reactor.engine.patterns.running import Patterns
from reactor.engine.retention import Retention
from reactor.engine.saved_connections import SavedConnections
from reactor.engine.sealing import Derive
from reactor.engine.signals import Signals
from reactor.engine.simulation.simulate import Simulate
from reactor.engine.statistics.figures import Figures
from reactor.engine.statistics.machine import Machine
from reactor.engine.statistics.sampling import Sampling
from reactor.engine.tracing.tracer import Tracer
from reactor.engine.triggers import Triggers
from reactor.engine.usage import Usage
from reactor.engine.versions import Versions
from reactor.model import ids
from reactor.model.clock import Clock, Entropy
from reactor.model.errors import InvalidError, StepError, StoreError
from reactor.model.event import JSON, EventDraft, is_reserved
from reactor.model.flow import TriggerSpec
from reactor.sdk.http import HttpRoutes
from reactor.sdk.manifest import Catalog
from reactor.sdk.trigger import Receipt
from reactor.stores.access import AuditLog
from reactor.stores.port import EventFilter, EventLog, History, LetterBox, RunFilter, Store
from reactor.stores.statistics import Statistics

_log = logging.getLogger("reactor.engine")


_ARMING = 1.0
"""Seconds that the start waits for triggers to listen; a slow one (a folder of 100,000 files) arms beside the rest."""


class Parts(msgspec.Struct, kw_only=True):
    """What an engine is built from; `app` chooses them."""

    store: Store
    history: History
    """The same object as `store` where the adapter is both."""
    catalog: Catalog
    clock: Clock
    entropy: Entropy
    limits: Limits
    http: HttpRoutes
    compile: Compile
    check_inputs: CheckInputs
    action_settings: Mapping[str, Any]
    env: Mapping[str, str]
    """What `env.` may read."""
    secret: Callable[[str], str | None]
    derive: Derive | None = None
    """Purpose → a key that follows from the server's secret key; None: nothing can be sealed or signed."""
    instance: int = 1
    log: EventLog | None = None
    """The same object as `store`, too; None: flows cannot look for patterns, and their triggers say so."""
    letters: LetterBox | None = None
    """The same object as `store`, too; None: a message that cannot be read stops its trigger."""
    connections: SavedConnections | None = None
    """The saved ones; None: flows see their own only."""
    statistics: Statistics | None = None
    """The same object as `store`, too; None: there are no figures of what was."""
    machine: Machine | None = None
    tracer: Tracer | None = None
    """Takes the traces of runs; None: there are none."""
    access: AccessStore | None = None
    """The same object as `store`, too; None: nobody is known but who has the admin token."""
    audit: AuditLog | None = None
    """The same object as `store`, too; None: no audit log is kept."""
    audit_retention: int | None = None
    """Milliseconds that entries of the audit log are kept; None: for ever."""
    alerts: bool = False
    """Rules are asked, and alerts told."""
    retention: int | None = None
    """Milliseconds that finished runs are kept; None: for ever."""


class Engine:
    """One instance of Reactor without its doors."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.store = parts.store
        self.history = parts.history
        self.catalog = parts.catalog
        self.clock = parts.clock
        self.limits = parts.limits
        self.changes = Changes()
        self.book = FlowBook(parts.store, parts.clock, parts.compile, parts.check_inputs, parts.env)
        self.neighbours = Neighbours(self.book)
        self.audit = Audit(parts.audit, parts.clock)
        self.access = None if parts.access is None else Access(parts.access, parts.clock, parts.instance)
        self.retention = Retention(
            parts.store, parts.clock, parts.retention, self.book.retentions, self.audit, parts.audit_retention
        )
        self.connections = parts.connections or SavedConnections(None, parts.catalog, parts.clock)
        self.machine = parts.machine or Machine()
        self.figures: Figures | None = None
        self.usage = Usage(self.book, self.connections)
        self.ready = False
        self.started_at = 0

    async def open(self) -> None:
        """Open the store and read the flows; nothing runs yet.

        Raises:
            StoreError: see `Store.open`.
        """
        parts = self.parts
        await parts.store.open()
        self.connections.open()
        await self.book.open()
        self.executor = Executor(
            store=parts.store,
            history=parts.history,
            book=self.book,
            catalog=parts.catalog,
            clock=parts.clock,
            entropy=parts.entropy,
            limits=parts.limits,
            changes=self.changes,
            ids_=ids.IdMaker(parts.clock, parts.instance, await self._newest()),
            instance=parts.instance,
            action_settings=parts.action_settings,
            env=parts.env,
            secret=parts.secret,
            derive=parts.derive,
            saved_connections=self.connections.written,
            tracer=parts.tracer,
        )
        self.intake = Intake(self.executor, parts.history)
        self.approvals = Approvals(self.executor, self.intake)
        self.control = Control(self.executor, parts.history)
        self.chain = Chain(self.executor, parts.history)
        self.signals = Signals(self.executor, self.intake, parts.history)
        self.versions = Versions(self.executor, parts.history, self.control)
        self.executor.flow_control.decisions.cancel = self.control.cancel
        self.sampling = Sampling(self.executor, self.intake, parts.statistics, self.machine)
        if parts.statistics is not None:
            self.figures = Figures(parts.statistics, self.sampling, self.book, self.executor)
        self.explain = Explain(self.executor, parts.history, parts.log)
        self.simulate = Simulate(self.executor, parts.history)
        self.letters = Letters(
            parts.letters, parts.catalog, self.book.current.get, self.intake.accept, self.executor.committer.add
        )
        await self.letters.open()
        self.triggers = Triggers(
            self.executor, self.intake, parts.http, parts.history, parts.secret, self._cancel, self.letters
        )
        self.connections.on_change.append(self.triggers.connection_changed)
        self.alerts = Alerts(self)
        self.own_events = OwnEvents(self)
        if parts.log is not None:
            patterns = Patterns(parts.log, self.executor, parts.env)
            self.triggers.runners["pattern"] = patterns.run

    async def _cancel(self, key: int, reason: str) -> None:
        await self.control.cancel(key, reason)

    async def _newest(self) -> int:
        """The newest id in the store, so that ours are above it even if the clock was set back."""
        runs = await self.history.runs(RunFilter(limit=1))
        events = await self.history.events(EventFilter(limit=1))
        return max([run.key for run in runs] + [event.key for event in events], default=0)

    async def start(self) -> None:
        """Take up what was under way, and let triggers listen."""
        self.started_at = self.clock.now()
        await rebuild(self.executor.flow_control, self.book, self.store, self.history, self.clock.now())
        recovered = await self.executor.recover()
        if recovered:
            _log.info("taking up %d runs that were under way", recovered)
        self.executor.recover_waiting()
        self.executor.timers.start()
        self.retention.start()
        self.sampling.start()
        for name, flow in self.book.current.items():
            if self.book.enabled.get(name, True):
                self.triggers.changed(name, flow)
        self.triggers.watch.start()
        self.book.on_change += [self.executor.flow_control.changed, self.triggers.changed]
        self.book.on_words.append(self.told)
        self.own_events.start()
        if self.parts.alerts:
            await self.alerts.open()
        await self.triggers.settled(_ARMING)
        self.ready = True
        await self.own_events.tell_instance(STARTED)
        if self.parts.alerts:
            self.alerts.start()

    def told(self, flow: str | None = None) -> None:
        """Say to who listens that a flow is other than it was; None: what is wrong in files is."""
        known = None if flow is None else self.book.current.get(flow)
        version = None if known is None else known.version
        enabled = flow is not None and known is not None and self.book.enabled.get(flow, True)
        data = {"name": flow, "version": version, "enabled": enabled}
        self.executor.changes.publish("flow", self.clock.now(), data)

    async def run_flow(self, name: str, data: JSON = None, inputs: Mapping[str, Any] | None = None) -> Receipt:
        """Start a flow by hand: an event of the type that it listens for, and its run, whatever its conditions say.

        Raises:
            NotFoundError: there is no such flow. InvalidError: the inputs do not fit. BusyError: see `Intake.accept`.
        """
        flow = self.book.get(name)
        try:
            checked = self.book.checked_inputs(flow, inputs or {})
        except StepError as error:
            raise InvalidError(error.message) from None
        trigger = flow.triggers[0] if flow.triggers else None
        draft = EventDraft(
            type=type_by_hand(trigger), data=data, source=f"reactor/flows/{name}", metadata={"by": "hand"}
        )
        return await self.intake.start(draft, flow, trigger.key if trigger else "", checked)

    async def stop(self) -> None:
        """Listen no more, let runs come to a border, write the rest, close the store. Safe to call twice."""
        if not self.ready:
            await self._forget_nothing()
            return
        self.ready = False
        await self.alerts.stop()
        await self.own_events.tell_instance(STOPPING)
        await self.triggers.stop()
        await self.executor.timers.stop()
        await self.retention.stop()
        await self.sampling.stop()
        await self.executor.drain()
        await self._flush()
        self.changes.close()
        for connector in self.catalog.connectors.values():
            if connector.close is not None:
                closing = connector.close()
                if hasattr(closing, "__await__"):
                    await closing
        if self.parts.tracer is not None:
            await asyncio.to_thread(self.parts.tracer.close)
        await self._forget_nothing()

    async def _forget_nothing(self) -> None:
        """Write what people did last, and close the store."""
        await self.audit.close()
        if self.access is not None:
            await self.access.credentials.close()
        await self.store.close()

    async def _flush(self) -> None:
        """Write what is left; if that cannot be done now, leave: it is done again at the next start."""
        try:
            async with asyncio.timeout(max(self.limits.drain / 1000, 1)):
                await self.executor.committer.flush()
        except (TimeoutError, StoreError) as error:
            reason = self.executor.committer.trouble or error
            _log.error("what runs did last could not be written, and is done again at the next start: %s", reason)


_BY_HAND = {"webhook": "http.request", "schedule": "schedule", "pattern": "pattern.matched", "file": "file.created"}


def type_by_hand(trigger: TriggerSpec | None) -> str:
    """The type of the event that a flow would have got from its trigger."""
    if trigger is None:
        return "manual"
    if trigger.type is not None:
        return trigger.type
    if trigger.kind == "event":
        pattern = str(trigger.config.get("event", trigger.config.get("", "")))
        return pattern if pattern and "*" not in pattern and not is_reserved(pattern) else "manual"
    return _BY_HAND.get(trigger.kind, "manual")
