"""The part of the store's suite that is about runs which never start, and what is said of their events."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model.event import Event
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch, Committed, Verdict
from reactor.testing.store_kit import HARD_TEXTS, Opened, same


class VerdictSuite:
    """Runs that go away before they start, and what is said of their events."""

    async def test_a_run_goes_and_its_event_tells_why(self, opened: Opened) -> None:
        event, other = opened.event(), opened.event()
        runs = [opened.run(event, status=RunStatus.PENDING), opened.run(other, status=RunStatus.PENDING)]
        await opened.accept(
            Acceptance(event=event, runs=(runs[0],), run_claims=(opened.claim("d"),)),
            Acceptance(event=other, runs=(runs[1],)),
        )
        said = [self.verdict(event, "f", run_key=runs[1].key), *(self.verdict(event, text) for text in HARD_TEXTS)]
        done = await opened.store.commit(Batch(gone=[runs[0].key], verdicts=said))
        same(done, Committed())
        same([found.run for found in await opened.store.load([run.key for run in runs])], [runs[1]])
        same(await opened.store.verdicts(other.key), [])
        same(sorted(await opened.store.verdicts(event.key), key=repr), sorted(said, key=repr))
        later = self.verdict(event, "f", rule="batch")
        await opened.store.commit(Batch(verdicts=[later]))
        same([v for v in await opened.store.verdicts(event.key) if v.flow == "f"], [later])
        # The claim is its event's for as long as it was to last, even without the run.
        third = opened.event()
        run = opened.run(third)
        same(
            await opened.accept(Acceptance(event=third, runs=(run,), run_claims=(opened.claim("d"),))),
            Committed({}, frozenset({run.key})),
        )

    async def test_a_lost_claim_is_told_beside_runs_that_go(self, opened: Opened) -> None:
        first, second = opened.event(), opened.event()
        run = opened.run(first, status=RunStatus.PENDING)
        await opened.accept(Acceptance(event=first, claim=opened.claim("k"), runs=(run,)))
        done = await opened.store.commit(
            Batch(
                accepted=[Acceptance(event=second, claim=opened.claim("k"))],
                gone=[run.key, 1],
                verdicts=[self.verdict(first, "f")],
            )
        )
        same(done, Committed({second.key: first.key}))
        same(await opened.store.run(run.key), None)

    async def test_the_same_removal_again_changes_nothing(self, opened: Opened) -> None:
        event = opened.event()
        run = opened.run(event)
        await opened.accept(Acceptance(event=event, runs=(run,)))
        batch = Batch(runs={run.key: run}, gone=[run.key], verdicts=[self.verdict(event, "f")])
        same(await opened.store.commit(batch), Committed())
        same(await opened.store.commit(batch), Committed())
        same((await opened.store.run(run.key), len(await opened.store.verdicts(event.key))), (None, 1))

    async def test_events_that_went_into_a_run_stay_with_it(self, opened: Opened) -> None:
        into, lost = opened.event(), opened.event()
        run = opened.run(opened.event(), status=RunStatus.PENDING)
        await opened.accept(Acceptance(event=into), Acceptance(event=lost))
        await opened.keep(run)
        said = [self.verdict(into, "f", run_key=run.key), self.verdict(lost, "f", run_key=12345)]
        await opened.store.commit(Batch(verdicts=said))
        before = opened.clock.time = opened.clock.time + 3_600_000
        same(await opened.store.purge(before, 10), 1)
        same((await opened.store.event(into.key), await opened.store.event(lost.key)), (into, None))
        same((await opened.store.verdicts(into.key), await opened.store.verdicts(lost.key)), (said[:1], []))
        await opened.keep(msgspec.structs.replace(run, status=RunStatus.COMPLETED, finished_at=before - 1))
        gone = 0
        while went := await opened.store.purge(before, 10):
            gone += went
        same((gone, await opened.store.verdicts(into.key)), (2, []))

    @staticmethod
    def verdict(event: Event, flow: str, **given: Any) -> Verdict:
        """Something that was decided of an event."""
        values: dict[str, Any] = {"event_key": event.key, "flow": flow, "at": 5, "rule": "r", "reason": "why ü"}
        return Verdict(**(values | given))
