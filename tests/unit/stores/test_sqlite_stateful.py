"""Any sequence of commits and purges leaves the store with what a dict would hold."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reactor.model.event import Event
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch, Claim, RunFilter
from reactor.stores.sqlite import SqliteStore
from reactor.testing.actions import StillClock
from reactor.testing.store_kit import Opened, segment

NAMES = st.sampled_from(["a", "b", "c"])
STATUS = st.sampled_from(tuple(RunStatus))
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


class Store(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp(prefix="reactor-store-")
        self.clock = StillClock()
        self.store = SqliteStore(Path(self.folder) / "r.db", clock=self.clock, durability="process", blob_limit=200)
        self.run(self.store.open())
        self.opened = Opened(self.store, self.clock)
        self.runs: dict[int, Run] = {}
        self.events: dict[int, Event] = {}
        self.journals: dict[int, list[Entry]] = {}
        self.claims: dict[bytes, tuple[int, int]] = {}

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    @rule(wanted=st.lists(st.tuples(NAMES | st.none(), NAMES | st.none(), JSON, STATUS), max_size=5))
    def accept(self, wanted: list[tuple[str | None, str | None, Any, RunStatus]]) -> None:
        batch, duplicates, dropped = Batch(), {}, set()
        for event_claim, run_claim, data, status in wanted:
            event = self.opened.event(data=data)
            run = self.opened.run(event, status=status)
            claims = [self.claim("e", event_claim), self.claim("r", run_claim)]
            batch.accepted.append(Acceptance(event=event, claim=claims[0], runs=(run,), run_claims=(claims[1],)))
            entry = Entry("a", 1, "completed", data)
            batch.journal.append((run.key, segment(entry)))
            if not self.take(claims[0], event.key):
                duplicates[event.key] = self.claims[claims[0].key][0]  # type: ignore[union-attr]
                dropped.add(run.key)
                continue
            self.events[event.key] = event
            if not self.take(claims[1], run.key):
                dropped.add(run.key)
                continue
            self.runs[run.key], self.journals[run.key] = run, [entry]
        done = self.run(self.store.commit(batch))
        assert (done.duplicates, done.dropped, done.fenced) == (duplicates, dropped, set())

    def claim(self, kind: str, name: str | None) -> Claim | None:
        return None if name is None else Claim(f"{kind}{name}".ljust(16).encode(), self.clock.now() + 1000)

    def take(self, claim: Claim | None, owner: int) -> bool:
        if claim is None:
            return True
        if claim.key in self.claims and self.claims[claim.key][1] > self.clock.now():
            return False
        self.claims[claim.key] = (owner, claim.until)
        return True

    @rule(changes=st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 1), STATUS), max_size=4))
    def change(self, changes: list[tuple[int, int, RunStatus]]) -> None:
        batch, fenced = Batch(), set()
        for index, by, status in changes:
            if not self.runs:
                return
            key = sorted(self.runs)[index % len(self.runs)]
            if key in batch.runs:
                continue
            old = self.runs[key]
            new = msgspec.structs.replace(old, status=status, epoch=old.epoch + by, wake_at=self.clock.now())
            batch.runs[key] = new
            entry = Entry(f"b{index}", 2)
            batch.journal.append((key, segment(entry)))
            if by < 0:
                fenced.add(key)
            else:
                self.runs[key] = new
                self.journals[key].append(entry)
        assert self.run(self.store.commit(batch)).fenced == fenced

    @rule(millis=st.integers(1, 2000))
    def pass_time(self, millis: int) -> None:
        self.clock.time += millis

    @rule(limit=st.integers(1, 5))
    def purge(self, limit: int) -> None:
        before = self.clock.now() - 1500
        while self.run(self.store.purge(before, limit)):
            pass
        for key, run in list(self.runs.items()):
            if run.status.finished and run.created_at < before:
                del self.runs[key], self.journals[key]
        used = {run.event_key for run in self.runs.values()}
        self.events = {key: event for key, event in self.events.items() if key in used or event.time >= before}
        self.claims = {key: claim for key, claim in self.claims.items() if claim[1] > self.clock.now()}

    @rule()
    def reopen(self) -> None:
        self.run(self.store.close())
        self.run(self.store.open())

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        keys = sorted(self.runs)
        loaded = self.run(self.store.load(keys))
        assert [found.run for found in loaded] == [self.runs[key] for key in keys]
        assert [found.journal for found in loaded] == [self.journals[key] for key in keys]
        assert [found.event for found in loaded] == [self.events.get(self.runs[key].event_key or 0) for key in keys]
        live = [key for key in keys if self.runs[key].status == RunStatus.RUNNING]
        assert self.run(self.store.live((RunStatus.RUNNING,), 0, 1000)) == live
        page = self.run(self.store.runs(RunFilter(limit=1000)))
        assert [run.key for run in page] == keys[::-1]
        counts = self.run(self.store.counts())
        assert (counts["events"], counts["runs"]) == (len(self.events), len(self.runs))


TestStore = Store.TestCase
TestStore.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
