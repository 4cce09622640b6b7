"""What every store promises, as tests. An adapter's test module inherits `StoreSuite` and says how a store is opened.

class TestMyStore(StoreSuite):
    @pytest.fixture
    async def opened(self, tmp_path):  # an async generator that closes it afterwards
        clock = StillClock()
        store = MyStore(tmp_path, clock=clock, blob_limit=BLOB_LIMIT)
        await store.open()
        yield Opened(store, clock)
        await store.close()
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from reactor.model.errors import ErrorInfo
from reactor.model.event import Event
from reactor.model.journal import Controlled, Entry, Run
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch, Committed, EventFilter, EventRow, FlowVersion, RunFilter
from reactor.testing.store_access import AuditSuite, PeopleSuite
from reactor.testing.store_kit import BLOB_LIMIT, HARD_DATA, HARD_TEXTS, Opened, same, segment
from reactor.testing.store_letters import LetterSuite
from reactor.testing.store_listing import ListingSuite
from reactor.testing.store_log import LogSuite
from reactor.testing.store_lookback import LookBackSuite
from reactor.testing.store_statistics import StatisticsSuite
from reactor.testing.store_verdicts import VerdictSuite


class CommitSuite:
    """Commits and loads."""

    async def test_a_batch_comes_back_as_it_was(self, opened: Opened) -> None:
        event = opened.event(
            metadata={"path": "/x"}, to=("f/0",), causes=("evt_1", "evt_2"), subject="s", external=True
        )
        run = opened.run(
            event,
            status=RunStatus.WAITING,
            parent_key=7,
            parent_path="call",
            forked_from=8,
            started_at=1,
            wake_at=3,
            waiting_for="step cool-down sleeps",
            error=ErrorInfo("http.503", "gone", "charge", {"a": 1}, False, 5),
            control=Controlled(keys={"concurrency": '"lone\\ud800"'}, priority=1.5, stage="queue", error="no"),
        )
        entries = [Entry("a#started", 5), Entry("a", 6, "completed", {"x": [1]}, None, 2, 5, {"in": 1})]
        done = await opened.accept(Acceptance(event=event, runs=(run,)), journal=[(run.key, segment(*entries))])
        same(done, Committed())
        (loaded,) = await opened.store.load([run.key])
        same(loaded.run, run)
        same(loaded.event, event)
        same(loaded.journal, entries)
        same(await opened.store.run(run.key), run)
        same(await opened.store.event(event.key), event)

    async def test_an_empty_batch_is_nothing(self, opened: Opened) -> None:
        same(await opened.store.commit(Batch()), Committed())

    async def test_raw_data_is_stored_as_it_came(self, opened: Opened) -> None:
        event = opened.event(data=None, raw=b' {"big": 123456789012345678901234567890, "t": "\\ud800\\u0000"} \n')
        await opened.accept(Acceptance(event=event))
        found = await opened.store.event(event.key)
        same(found and found.data, {"big": 123456789012345678901234567890, "t": "\ud800\0"})

    async def test_hard_values_survive(self, opened: Opened) -> None:
        events = [opened.event(data=data, metadata={"k": data}) for data in HARD_DATA]
        await opened.accept(*(Acceptance(event=event) for event in events))
        for event in events:
            same(await opened.store.event(event.key), event)

    async def test_hard_texts_survive_in_every_column(self, opened: Opened) -> None:
        for text in HARD_TEXTS:
            event = opened.event(id=text, type=text, source=text, subject=text, external=True, causes=(text,))
            run = opened.run(event, flow=text, trigger=text, parent_path=text, waiting_for=text)
            journal = [(run.key, json.dumps([[text, 1, "completed", text]]).encode())]
            await opened.accept(Acceptance(event=event, runs=(run,)), journal=journal)
            await opened.store.commit(Batch(saved=[(text, text, b"1")]))
            (loaded,) = await opened.store.load([run.key])
            same((loaded.run, loaded.event), (run, event))
            same(loaded.journal, [Entry(text, 1, "completed", text)])
            same(await opened.store.event_by_id(text), event)
            same(await opened.keys(flow=text), [run.key])
            same(await opened.keys(trigger=text), [run.key])
            same(await opened.store.saved(text), {text: 1})
            (row,) = await opened.store.events(EventFilter(limit=1))
            same((row.id, row.type, row.source, row.subject), (text, text, text, text))

    async def test_segments_are_appended_in_order(self, opened: Opened) -> None:
        runs = [opened.run(), opened.run()]
        await opened.keep(*runs)
        for at in range(5):
            journal = [(run.key, segment(Entry("a", at), Entry("b", at))) for run in runs]
            await opened.store.commit(Batch(journal=[*journal, (runs[0].key, segment(Entry("c", at)))]))
        first, second = await opened.store.load([run.key for run in runs])
        same([(entry.key, entry.at) for entry in first.journal], [(key, at) for at in range(5) for key in "abc"])
        same([(entry.key, entry.at) for entry in second.journal], [(key, at) for at in range(5) for key in "ab"])

    async def test_the_newest_state_of_an_accepted_run_is_written(self, opened: Opened) -> None:
        event = opened.event()
        run = opened.run(event)
        newer = msgspec.structs.replace(run, status=RunStatus.COMPLETED, finished_at=9)
        await opened.store.commit(Batch(accepted=[Acceptance(event=event, runs=(run,))], runs={run.key: newer}))
        same(await opened.store.run(run.key), newer)

    async def test_a_record_is_replaced(self, opened: Opened) -> None:
        run = opened.run(status=RunStatus.WAITING, wake_at=5, waiting_for="x")
        await opened.keep(run)
        newer = msgspec.structs.replace(run, status=RunStatus.FAILED, wake_at=None, waiting_for="", finished_at=6)
        same(await opened.keep(newer), Committed())
        same(await opened.store.run(run.key), newer)

    async def test_a_late_writer_is_fenced(self, opened: Opened) -> None:
        run = opened.run(epoch=3, owner=2)
        await opened.keep(run)
        late = msgspec.structs.replace(run, epoch=2, owner=1, status=RunStatus.COMPLETED)
        other = opened.run()
        done = await opened.store.commit(
            Batch(runs={run.key: late, other.key: other}, journal=[(run.key, segment(Entry("late", 1)))])
        )
        same(done.fenced, frozenset({run.key}))
        (loaded, there) = await opened.store.load([run.key, other.key])
        same((loaded.run, loaded.journal, there.run), (run, [], other))
        equal = msgspec.structs.replace(run, status=RunStatus.WAITING)
        same(await opened.keep(equal), Committed())
        same(await opened.store.run(run.key), equal)

    async def test_long_messages_are_clipped_in_the_record_only(self, opened: Opened) -> None:
        error = ErrorInfo("exit.1", "é" * 5_000)
        run = opened.run(status=RunStatus.FAILED, error=error)
        journal = [(run.key, segment(Entry("", 1, "failed", error=error)))]
        await opened.store.commit(Batch(runs={run.key: run}, journal=journal))
        (loaded,) = await opened.store.load([run.key])
        same(loaded.journal[0].error, error)
        same(len(loaded.run.error.message) if loaded.run.error else 0, 2_000)

    async def test_large_payloads_come_back(self, opened: Opened) -> None:
        text = "x" * (3 * BLOB_LIMIT)
        event = opened.event(data={"text": text})
        twin = opened.event(data={"text": text})
        run = opened.run(event)
        entries = [Entry("a", 1, "completed", text), Entry("b", 2, "completed", 1)]
        journal = [(run.key, segment(entry)) for entry in entries]
        await opened.accept(Acceptance(event=event, runs=(run,)), Acceptance(event=twin), journal=journal)
        (loaded,) = await opened.store.load([run.key])
        same((loaded.event, loaded.journal), (event, entries))
        same(await opened.store.event(twin.key), twin)
        same((await opened.store.events(EventFilter(limit=1)))[0].size, len(text) + len('{"text":""}'))

    async def test_many_rows_in_one_batch(self, opened: Opened) -> None:
        events = [opened.event() for _ in range(700)]
        runs = [opened.run(event) for event in events]
        accepted = [Acceptance(event=e, runs=(r,)) for e, r in zip(events, runs, strict=True)]
        await opened.accept(*accepted, journal=[(run.key, segment(Entry("a", 1))) for run in runs])
        loaded = await opened.store.load([run.key for run in reversed(runs)])
        same([found.run for found in loaded], list(reversed(runs)))
        same([found.event for found in loaded], list(reversed(events)))
        same({len(found.journal) for found in loaded}, {1})

    async def test_load_keeps_the_order_and_leaves_out_what_is_missing(self, opened: Opened) -> None:
        runs = [opened.run() for _ in range(3)]
        await opened.keep(*runs)
        wanted = [runs[2].key, 12345, runs[0].key, runs[1].key]
        same([found.run.key for found in await opened.store.load(wanted)], [runs[i].key for i in (2, 0, 1)])
        same(await opened.store.load([]), [])
        same((await opened.store.run(1), await opened.store.event(1)), (None, None))

    async def test_reads_see_every_commit_that_returned(self, opened: Opened) -> None:
        async def one(number: int) -> None:
            run = opened.run(flow=f"flow {number % 3}")
            await opened.keep(run)
            same(await opened.store.run(run.key), run)

        for start in range(0, 60, 12):
            await asyncio.gather(*(one(start + number) for number in range(12)))

    async def test_saved_values_are_replaced_and_removed(self, opened: Opened) -> None:
        await opened.store.commit(Batch(saved=[("f/0", "cursor", b'{"at":1}'), ("f/0", "b", b"2"), ("g/0", "b", b"3")]))
        await opened.store.commit(Batch(saved=[("f/0", "cursor", b'{"at":2}'), ("f/0", "b", None), ("x", "y", None)]))
        same(await opened.store.saved("f/0"), {"cursor": {"at": 2}})
        same(await opened.store.saved("g/0"), {"b": 3})
        same(await opened.store.saved("none"), {})


class ClaimSuite:
    """Who gets a key that only one may have."""

    async def test_the_first_of_a_batch_wins(self, opened: Opened) -> None:
        events = [opened.event(external=True) for _ in range(3)]
        runs = [opened.run(event) for event in events]
        names = ("same", "same", "other")
        accepted = [
            Acceptance(event=event, claim=opened.claim(name), runs=(run,))
            for event, run, name in zip(events, runs, names, strict=True)
        ]
        done = await opened.accept(*accepted, journal=[(run.key, segment(Entry("a", 1))) for run in runs])
        same(done, Committed({events[1].key: events[0].key}, frozenset({runs[1].key})))
        same([found.run.key for found in await opened.store.load([r.key for r in runs])], [runs[0].key, runs[2].key])
        same(await opened.store.event(events[1].key), None)

    async def test_a_later_batch_loses_until_the_claim_is_over(self, opened: Opened) -> None:
        first, second, third = (opened.event() for _ in range(3))
        run = opened.run(second)
        await opened.accept(Acceptance(event=first, claim=opened.claim("k", 60)))
        done = await opened.store.commit(
            Batch(
                accepted=[Acceptance(event=second, claim=opened.claim("k"), runs=(run,))],
                runs={run.key: msgspec.structs.replace(run, status=RunStatus.COMPLETED)},
                journal=[(run.key, segment(Entry("a", 1)))],
            )
        )
        same(done, Committed({second.key: first.key}, frozenset({run.key})))
        same((await opened.store.event(second.key), await opened.store.load([run.key])), (None, []))
        # Its segment has not been kept for a run that may come under that key.
        await opened.keep(run)
        same((await opened.store.load([run.key]))[0].journal, [])
        opened.clock.time += 60_000
        same(await opened.accept(Acceptance(event=third, claim=opened.claim("k"))), Committed())
        fourth = opened.event()
        done = await opened.accept(Acceptance(event=fourth, claim=opened.claim("k")))
        same(done.duplicates, {fourth.key: third.key})

    async def test_a_run_may_lose_while_its_event_stays(self, opened: Opened) -> None:
        first, second = opened.event(), opened.event()
        runs = [opened.run(first), opened.run(second), opened.run(second)]
        await opened.accept(Acceptance(event=first, runs=(runs[0],), run_claims=(opened.claim("dedupe"),)))
        done = await opened.accept(
            Acceptance(event=second, runs=(runs[1], runs[2]), run_claims=(opened.claim("dedupe"), None)),
            journal=[(runs[1].key, segment(Entry("a", 1))), (runs[2].key, segment(Entry("b", 1)))],
        )
        same(done, Committed({}, frozenset({runs[1].key})))
        same(await opened.store.event(second.key), second)
        same(
            [found.run.key for found in await opened.store.load([run.key for run in runs])], [runs[0].key, runs[2].key]
        )

    async def test_a_lost_event_takes_no_claim_for_its_runs(self, opened: Opened) -> None:
        first, second, third = (opened.event() for _ in range(3))
        lost, run = opened.run(second), opened.run(third)
        await opened.accept(Acceptance(event=first, claim=opened.claim("e")))
        dedupe = opened.claim("dedupe")
        await opened.accept(Acceptance(event=second, claim=opened.claim("e"), runs=(lost,), run_claims=(dedupe,)))
        done = await opened.accept(Acceptance(event=third, runs=(run,), run_claims=(dedupe,)))
        same((done, await opened.store.run(run.key)), (Committed(), run))

    async def test_many_duplicates_at_once(self, opened: Opened) -> None:
        def flood() -> list[Acceptance]:
            return [Acceptance(event=opened.event(), claim=opened.claim(f"k{n}")) for n in range(600)]

        first, again = flood(), flood()
        await opened.accept(*first)
        done = await opened.accept(*again)
        same(done.duplicates, {b.event.key: a.event.key for a, b in zip(first, again, strict=True)})

    async def test_the_same_batch_again_changes_nothing(self, opened: Opened) -> None:
        event = opened.event()
        run = opened.run(event)
        acceptance = Acceptance(event=event, claim=opened.claim("k"), runs=(run,), run_claims=(opened.claim("d"),))
        same(await opened.accept(acceptance), Committed())
        same(await opened.accept(acceptance), Committed())
        same(await opened.store.run(run.key), run)


class ListSuite:
    """Lists, pages, timers, versions."""

    async def test_pages_of_runs_by_every_filter(self, opened: Opened) -> None:
        event = opened.event()
        runs = []
        for number in range(40):
            status = tuple(RunStatus)[number % 7]
            flow = f"f{number % 3}"
            parent = 77 if number % 5 == 0 else None
            runs.append(opened.run(event, flow=flow, trigger=f"{flow}/{number % 2}", status=status, parent_key=parent))
            opened.clock.time += 10
        await opened.keep(*runs)

        async def check(wanted: RunFilter, kept: Iterable[Run]) -> None:
            found = sorted((run.key for run in kept), reverse=True)
            same([run.key for run in await opened.store.runs(wanted)], found[: wanted.limit])

        for limit in (0, 3, 100):
            await check(RunFilter(limit=limit), runs)
            await check(RunFilter(flow="f1", limit=limit), (r for r in runs if r.flow == "f1"))
            await check(RunFilter(trigger="f1/0", limit=limit), (r for r in runs if r.trigger == "f1/0"))
            await check(RunFilter(event_key=event.key, limit=limit), runs)
            await check(RunFilter(parent_key=77, limit=limit), (r for r in runs if r.parent_key == 77))
            await check(RunFilter(below=runs[20].key, limit=limit), runs[:20])
            since, until = runs[10].created_at, runs[30].created_at
            await check(RunFilter(since=since, until=until, limit=limit), runs[10:30])
            for status in RunStatus:
                kept = [r for r in runs if r.status == status]
                await check(RunFilter(status=(status,), limit=limit), kept)
                await check(RunFilter(status=(status,), flow="f2", limit=limit), (r for r in kept if r.flow == "f2"))
            two = (RunStatus.COMPLETED, RunStatus.FAILED)
            await check(RunFilter(status=two, limit=limit), (r for r in runs if r.status in two))
        same(await opened.keys(flow="none"), [])

    async def test_runs_of_an_event_made_long_after_it_are_found(self, opened: Opened) -> None:
        event = opened.event()
        near = opened.run(event)
        await opened.accept(Acceptance(event=event, runs=(near,)))
        opened.clock.time += 3_600_000
        late = opened.run(event, forked_from=near.key)
        await opened.keep(late, opened.run())
        same(await opened.keys(event_key=event.key), [late.key, near.key])
        same(await opened.keys(event_key=event.key, limit=1), [late.key])

    async def test_pages_of_events(self, opened: Opened) -> None:
        events = []
        for number in range(12):
            events.append(opened.event(type=f"t{number % 2}", source=f"/s{number % 3}", data="x" * number))
            opened.clock.time += 10
        await opened.accept(*(Acceptance(event=event) for event in events))
        rows = [
            EventRow(key=e.key, id=e.id, type=e.type, source=e.source, subject=None, time=e.time, size=len(e.data) + 2)
            for e in reversed(events)
        ]
        same(await opened.store.events(EventFilter()), rows)
        same(await opened.store.events(EventFilter(limit=2, below=rows[2].key)), rows[3:5])
        same(await opened.store.events(EventFilter(type="t1", limit=3)), [r for r in rows if r.type == "t1"][:3])
        same(await opened.store.events(EventFilter(source="/s2")), [r for r in rows if r.source == "/s2"])
        both = [r for r in rows if r.source == "/s2" and r.type == "t0"]
        same(await opened.store.events(EventFilter(source="/s2", type="t0")), both)
        window = EventFilter(since=events[3].time, until=events[6].time)
        same(await opened.store.events(window), rows[6:9])

    async def test_events_by_id(self, opened: Opened) -> None:
        ours = opened.event()
        older, newer = (opened.event(id="order-1", source=source, external=True) for source in ("/a", "/b"))
        stripe = opened.event(id="evt_1NxyzForeign", external=True)
        await opened.accept(*(Acceptance(event=event) for event in (ours, older, newer, stripe)))
        for event in (ours, newer, stripe):
            same(await opened.store.event_by_id(event.id), event)
        same(await opened.store.event_by_id("none"), None)

    async def test_due_runs_in_order_and_by_pages(self, opened: Opened) -> None:
        waiting = [opened.run(status=RunStatus.WAITING, wake_at=1000 + number // 3) for number in range(12)]
        others = [
            opened.run(status=RunStatus.WAITING, wake_at=None),
            opened.run(status=RunStatus.COMPLETED, wake_at=1000),
            opened.run(status=RunStatus.WAITING, wake_at=5000),
        ]
        await opened.keep(*reversed(waiting), *others)
        wanted = [(run.wake_at, run.key) for run in waiting]
        same(await opened.store.due(2000, (0, 0), 100), wanted)
        found: list[tuple[int, int]] = []
        while page := await opened.store.due(2000, found[-1] if found else (0, 0), 5):
            found += page
        same(found, wanted)
        same(await opened.store.due(999, (0, 0), 5), [])

    async def test_live_runs_by_state(self, opened: Opened) -> None:
        runs = [opened.run(status=tuple(RunStatus)[number % 7]) for number in range(28)]
        await opened.keep(*runs)
        states = (RunStatus.RUNNING, RunStatus.PENDING)
        wanted = [run.key for run in runs if run.status in states]
        same(await opened.store.live(states, 0, 100), wanted)
        same(await opened.store.live(states, wanted[2], 3), wanted[3:6])
        same(await opened.store.live((), 0, 3), [])

    async def test_children_oldest_first(self, opened: Opened) -> None:
        parent = opened.run()
        children = [opened.run(parent_key=parent.key, parent_path=f"p{n}") for n in range(3)]
        await opened.keep(*reversed(children), parent)
        same(await opened.store.children(parent.key), children)
        same(await opened.store.children(children[0].key), [])

    async def test_counts(self, opened: Opened) -> None:
        runs = [opened.run(status=tuple(RunStatus)[number % 7]) for number in range(16)]
        await opened.keep(*runs)
        await opened.accept(Acceptance(event=opened.event()))
        wanted = {"pending": 3, "running": 3, "waiting": 2, "paused": 2, "events": 1, "runs": 16}
        same(await opened.store.counts(), wanted)

    async def test_versions(self, opened: Opened) -> None:
        def version(flow: str, number: int, **given: Any) -> FlowVersion:
            values: dict[str, Any] = {"digest": f"d{number}", "source": "steps: []", "file": "a.yaml"}
            return FlowVersion(flow=flow, version=number, **(values | {"created_at": number} | given))

        store = opened.store
        for kept in (version("a", 1), version("b", 1), version("a", 2)):
            await store.add_version(kept)
        same(await store.versions(), [version("b", 1), version("a", 2)])
        same(await store.versions("a"), [version("a", 1, current=False), version("a", 2)])
        same(await store.version("a", 2), version("a", 2))
        same(await store.version("a", 3), None)
        await store.add_version(version("a", 2, enabled=False, file="b.yaml"))
        same(await store.version("a", 1), version("a", 1, enabled=False, current=False))
        same(await store.version("a", 2), version("a", 2, enabled=False, file="b.yaml"))
        await store.add_version(msgspec.structs.replace(version("a", 2), source="name: a # in other words"))
        same((await store.versions("a"))[1].source, "name: a # in other words")
        await store.add_version(version("a", 2, current=False, file=None))
        same(await store.versions(), [version("b", 1)])


class PurgeSuite:
    """Removing what is old."""

    async def test_purge_takes_finished_runs_and_lone_events_only(self, opened: Opened) -> None:
        kept: list[tuple[Event, Run]] = []
        gone: list[tuple[Event, Run]] = []
        for number in range(21):
            event = opened.event()
            status = tuple(RunStatus)[number % 7]
            finished = opened.clock.now() if status.finished else None
            run = opened.run(event, status=status, finished_at=finished)
            await opened.accept(Acceptance(event=event, runs=(run,)), journal=[(run.key, segment(Entry("a", 1)))])
            (gone if status.finished else kept).append((event, run))
        lone = opened.event()
        await opened.accept(Acceptance(event=lone, claim=opened.claim("lone", 60)))
        before = opened.clock.time = opened.clock.time + 3_600_000
        fresh = opened.event()
        late = opened.run(kept[0][0], status=RunStatus.COMPLETED, finished_at=before)
        await opened.accept(Acceptance(event=fresh))
        await opened.keep(late)
        rounds = []
        while went := await opened.store.purge(before, 4):
            rounds.append(went)
        same(max(rounds) <= 4, True)
        same(sum(rounds), 2 * len(gone) + 2)
        same(await opened.store.load([run.key for _, run in gone]), [])
        same([await opened.store.event(event.key) for event, _ in gone], [None] * len(gone))
        loaded = await opened.store.load([run.key for _, run in kept])
        same([(found.event, found.run) for found in loaded], kept)
        same({len(found.journal) for found in loaded}, {1})
        same((await opened.store.event(lone.key), await opened.store.event(fresh.key)), (None, fresh))
        same(await opened.store.run(late.key), late)
        # A key that was used before finds no journal of the one that went.
        await opened.keep(gone[0][1])
        same((await opened.store.load([gone[0][1].key]))[0].journal, [])

    async def test_runs_of_one_flow_or_of_the_others(self, opened: Opened) -> None:
        at = opened.clock.now()
        done: dict[str, Any] = {"status": RunStatus.COMPLETED, "finished_at": at}
        events = [opened.event() for _ in range(4)]
        runs = [opened.run(event, flow=flow, **done) for event, flow in zip(events, "abcc", strict=True)]
        for event, run in zip(events, runs, strict=True):
            await opened.accept(Acceptance(event=event, runs=(run,)), journal=[(run.key, segment(Entry("x", 1)))])
        before = opened.clock.time = at + 3_600_000
        same([await opened.store.purge(before, 1, flow="c") for _ in range(3)], [1, 1, 0])
        same(await opened.store.purge(before, 10, flow="nobody"), 0)
        same([await opened.store.run(run.key) for run in runs], [*runs[:2], None, None])
        # Their events are as old as before, and go when all that is of this age goes.
        same(await opened.store.event(events[2].key), events[2])
        gone = 0
        while went := await opened.store.purge(before, 10, but=("a",)):
            gone += went
        same((gone, await opened.store.run(runs[0].key), await opened.store.run(runs[1].key)), (4, runs[0], None))
        same(await opened.store.event(events[0].key), events[0])

    async def test_a_long_run_is_as_old_as_its_end(self, opened: Opened) -> None:
        run = opened.run(status=RunStatus.COMPLETED, finished_at=opened.clock.now() + 10_000_000)
        await opened.keep(run)
        same(await opened.store.purge(opened.clock.now() + 5_000_000, 10), 0)
        same(await opened.store.run(run.key), run)

    async def test_finished_children_stay_while_their_parent_lives(self, opened: Opened) -> None:
        parent = opened.run(status=RunStatus.WAITING)
        child = opened.run(status=RunStatus.COMPLETED, finished_at=opened.clock.now(), parent_key=parent.key)
        await opened.keep(parent, child)
        same(await opened.store.purge(opened.clock.now() + 10, 10), 0)
        same(await opened.store.children(parent.key), [child])

    async def test_a_purged_claim_may_be_taken(self, opened: Opened) -> None:
        first, second = opened.event(), opened.event()
        await opened.accept(Acceptance(event=first, claim=opened.claim("k", 60)))
        same(await opened.store.purge(0, 10), 0)
        opened.clock.time += 60_000
        same(await opened.store.purge(0, 10), 1)
        same(await opened.accept(Acceptance(event=second, claim=opened.claim("k", 60))), Committed())

    async def test_shared_blobs_go_with_their_last_row(self, opened: Opened) -> None:
        data = "y" * (2 * BLOB_LIMIT)
        old = opened.event(data=data)
        await opened.accept(Acceptance(event=old))
        opened.clock.time += 3_600_000
        new = opened.event(data=data)
        await opened.accept(Acceptance(event=new))
        same(await opened.store.purge(opened.clock.now(), 10), 1)
        same(await opened.store.event(new.key), new)


class StoreSuite(
    CommitSuite, ClaimSuite, VerdictSuite, ListSuite, LookBackSuite, PurgeSuite, LogSuite, LetterSuite, StatisticsSuite,
    PeopleSuite, AuditSuite, ListingSuite,
):  # fmt: skip
    """All of it, for an adapter that is every port of `stores`."""
