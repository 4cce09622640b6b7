"""What really became of the recorded events, for one flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from reactor.engine.control import is_held
from reactor.engine.flows import FlowBook
from reactor.engine.simulation.gates import rule_of
from reactor.engine.simulation.outcomes import DROPPED, HELD, LATE, MERGED, NOT, QUEUED, STARTED, UNKNOWN, Fate
from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Run, index
from reactor.model.states import RunStatus
from reactor.routing.table import RouteTable
from reactor.stores.port import FlowVersion, History, RunFilter, Store

_MERGING = ("batch", "debounce")
_PAGE = 500
_MADE_WITHIN = 1_000
"""Milliseconds from an event's arrival to the making of its run, at most."""
_LASTED = 200
"""Runs of which it is known how long they took, for those that never were."""


class Past:
    """The runs, verdicts and versions of a flow."""

    def __init__(self, store: Store, history: History, book: FlowBook, name: str, env: Mapping[str, str]) -> None:
        self._store = store
        self._history = history
        self._book = book
        self._name = name
        self._env = env
        self._versions: list[FlowVersion] = []
        self._tables: dict[int, RouteTable | None] = {}
        self._runs: dict[int, Run] = {}
        """Event → run."""
        self._drops = False
        """Whether a version of the flow could start no run for an event that fitted."""
        self.usual = 0
        """Milliseconds that a run of the flow takes, about."""

    async def open(self) -> None:
        """Read the versions, and how long runs take."""
        self._versions = sorted(await self._store.versions(self._name), key=lambda one: one.created_at)
        await self._book.prefetch([(self._name, one.version) for one in self._versions])
        flows = [self.flow(one.version) for one in self._versions]
        self._drops = any(flow is None or flow.dedupe or flow.control for flow in flows)
        done = (RunStatus.COMPLETED, RunStatus.FAILED)
        runs = await self._history.runs(RunFilter(flow=self._name, status=done, limit=_LASTED))
        lasted = [took for run in runs if (took := lasting(run)) is not None]
        self.usual = int(median(lasted)) if lasted else 0

    def version_at(self, event: Event) -> int | None:
        """The version that was in force when an event came; None: there was none."""
        came = ids.instant_of(event.key)
        return max((one.version for one in self._versions if one.created_at <= came), default=None)

    async def runs(self, events: Sequence[Event]) -> None:
        """Read the runs that were made when these events came."""
        if not events:
            return
        since, until = ids.instant_of(events[0].key), ids.instant_of(events[-1].key) + _MADE_WITHIN
        below = None
        while True:
            wanted = RunFilter(flow=self._name, since=since, until=until, below=below, limit=_PAGE)
            page = await self._history.runs(wanted)
            for run in page:
                self._keep(run)
            if len(page) < _PAGE:
                return
            below = page[-1].key

    def _keep(self, run: Run) -> None:
        if run.event_key is not None and run.parent_key is None and run.forked_from is None:
            self._runs[run.event_key] = run

    def run(self, event: Event) -> Run | None:
        """The run that an event started itself, as far as it was read."""
        return self._runs.get(event.key)

    async def fate(self, event: Event) -> Fate:
        """What became of an event."""
        if event.metadata.get("by") == "hand":
            return Fate(outcome=UNKNOWN, rule="hand", reason="it was started by hand, and no condition was asked")
        run = self.run(event)
        if run is not None:
            return self._of_run(run)
        version = self.version_at(event)
        if self._drops:
            said = next((one for one in await self._history.verdicts(event.key) if one.flow == self._name), None)
            if said is not None:
                outcome = MERGED if said.rule in _MERGING else DROPPED
                return Fate(outcome=outcome, rule=said.rule, reason=said.reason, run=said.run_key, version=version)
        if version is None:
            return Fate(outcome=UNKNOWN, rule="later", reason="the flow was not there yet")
        table = self._table(version)
        if table is None:
            return Fate(outcome=UNKNOWN, rule="version", reason=f"version {version} cannot be read any more")
        matches, misses = table.match(event)
        if not matches:
            rule, reason = (misses[0].rule, misses[0].reason) if misses else ("type", "it listened for something else")
            return Fate(outcome=NOT, rule=rule, reason=reason, version=version)
        return await self._without_run(event, version)

    async def _without_run(self, event: Event, version: int) -> Fate:
        """It fitted, and has no run of its own among those that were made then: it may be the last of a batch."""
        for run in await self._history.runs(RunFilter(event_key=event.key, flow=self._name, limit=20)):
            self._keep(run)
        known = self.run(event)
        if known is not None:
            return self._of_run(known)
        reason = "it fitted, but no run was started: the flow was disabled, or its run is not kept any more"
        return Fate(outcome=UNKNOWN, rule="later", reason=reason, version=version)

    def _of_run(self, run: Run) -> Fate:
        about: dict[str, Any] = {"run": run.key, "version": run.version}
        if is_held(run):
            return Fate(outcome=HELD, rule="hold", reason=run.waiting_for, **about)
        if run.started_at is None:
            return Fate(outcome=QUEUED, rule=self._waited(run), reason=run.waiting_for, **about)
        if run.control is None or run.started_at - run.created_at < LATE:
            return Fate(outcome=STARTED, rule="matched", starts_at=run.started_at, **about)
        wait = f"it began {(run.started_at - run.created_at) / 1000:.1f} s after its event"
        return Fate(outcome=QUEUED, rule=self._waited(run), reason=wait, starts_at=run.started_at, **about)

    def _waited(self, run: Run) -> str:
        stage = run.control.stage if run.control is not None else ""
        if stage in (*_MERGING, "singleton"):
            return stage
        return rule_of(self._book.version(run.flow, run.version))

    def _table(self, version: int) -> RouteTable | None:
        if version not in self._tables:
            flow = self._book.version(self._name, version)
            self._tables[version] = RouteTable([flow], self._env) if flow is not None else None
        return self._tables[version]

    def flow(self, version: int) -> Flow | None:
        """One version."""
        return self._book.version(self._name, version)


def lasting(run: Run) -> int | None:
    """Milliseconds from a run's start to its end; None: it has not ended."""
    if run.started_at is None or run.finished_at is None:
        return None
    return run.finished_at - run.started_at


_WAITS = ("#timer", "#child", "#asked", "#event")


def asleep(journal: Sequence[Entry], least: int) -> int:
    """Milliseconds that a run has spent in waits of at least so many: it left memory then, and held no slot."""
    known = index(journal)
    spans = sorted(_spans(known))
    total, reached = 0, 0
    for begin, end in spans:
        if end - begin >= least and end > reached:
            total += end - max(begin, reached)
            reached = end
    return total


def _spans(known: Mapping[str, Entry]) -> Iterator[tuple[Instant, Instant]]:
    """Beginning and end of each wait."""
    for key, entry in known.items():
        if key.endswith(_WAITS):
            path = key.partition("#")[0]
            end, started = known.get(path), known.get(path + "#started")
            if end is not None:
                yield (started or entry).at, end.at
