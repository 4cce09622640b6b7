"""The part of the stores' suite on looking back at events, and on what a waiting run's record keeps."""

from __future__ import annotations

from typing import Any

from reactor.model.journal import EventWait
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, EventFilter
from reactor.testing.store_kit import HARD_TEXTS, Opened, same


class LookBackSuite:
    """Events from the oldest on, and runs that wait for them."""

    async def test_events_from_the_oldest_on(self, opened: Opened) -> None:
        made = []
        for number in range(12):
            subject = None if number % 3 == 0 else f"s{number % 3}"
            event = opened.event(type=("a.x", "a.y", "b")[number % 3], subject=subject, source=f"/{number % 2}")
            made.append(event)
            await opened.accept(Acceptance(event=event))

        async def keys(**given: Any) -> list[int]:
            return [row.key for row in await opened.store.events(EventFilter(**given))]

        every = [event.key for event in made]
        same(await keys(above=0), every)
        same(await keys(above=every[3], limit=2), every[4:6])
        same(await keys(above=every[3], below=every[6]), every[4:6])
        same(await keys(above=0, type="a.y"), every[1::3])
        same(await keys(above=every[4], type="a.y", limit=1), [every[7]])
        same(await keys(above=0, subject="s2"), every[2::3])
        same(await keys(above=0, subject="s2", type="a.x"), [])
        same(await keys(above=0, prefix="a."), [key for n, key in enumerate(every) if n % 3 < 2])
        same(await keys(above=0, prefix="a.", source="/1"), [key for n, key in enumerate(every) if n % 3 < 2 and n % 2])
        same(await keys(above=every[-1]), [])

    async def test_events_are_read_in_the_order_that_was_asked_for(self, opened: Opened) -> None:
        made = [opened.event(data={"n": number}, subject=text) for number, text in enumerate(HARD_TEXTS)]
        for event in made:
            await opened.accept(Acceptance(event=event))
        wanted = [made[2], made[0], made[-1]]
        found = await opened.store.read([wanted[0].key, 1, wanted[1].key, wanted[2].key])
        same(found, wanted)
        same(await opened.store.read([]), [])

    async def test_a_record_keeps_what_the_run_waits_for(self, opened: Opened) -> None:
        waits = (EventWait("order.*", None, "shop/*", 7), EventWait("paid", "lone\ud800", None, 1 << 60))
        run = opened.run(status=RunStatus.WAITING, waits=waits, detached=True, waiting_for="an event")
        await opened.keep(run)
        same(await opened.store.run(run.key), run)
        run.waits, run.status = (), RunStatus.RUNNING
        await opened.keep(run)
        same(await opened.store.run(run.key), run)

    async def test_pages_of_events_by_subject_and_the_beginning_of_the_type(self, opened: Opened) -> None:
        types = ("order.paid", "order.sent", "orders", "order", "ordeq.x", "order\U0010ffff", "customer.new")
        made = [opened.event(type=t, subject=s) for t in types for s in ("a", None, "b")]
        many = [opened.event(type=f"many.{number:02}") for number in range(40)]
        await opened.accept(*(Acceptance(event=event) for event in (*made, *many)))

        async def keys(**given: Any) -> list[int]:
            return [row.key for row in await opened.store.events(EventFilter(**given))]

        same(await keys(prefix="order."), [e.key for e in reversed(made) if e.type.startswith("order.")])
        same(await keys(prefix="order.", limit=2), [e.key for e in reversed(made[:6])][:2])
        same(await keys(prefix="order.", below=made[4].key), [made[n].key for n in (3, 2, 1, 0)])
        same(await keys(prefix="many."), [e.key for e in reversed(many)])
        same(await keys(prefix="many.", limit=7), [e.key for e in reversed(many)][:7])
        same(await keys(prefix="none."), [])
        same(await keys(subject="a"), [e.key for e in reversed(made) if e.subject == "a"])
        same(await keys(subject="a", prefix="order."), [made[3].key, made[0].key])
        same(await keys(subject="b", type="orders"), [made[8].key])
        same(await keys(subject="c"), [])

    async def test_runs_by_the_event_that_started_them(self, opened: Opened) -> None:
        first, second, third = (opened.event() for _ in range(3))
        one, two = opened.run(first, flow="f1"), opened.run(first, flow="f2")
        called = opened.run(first, flow="f3", parent_key=one.key)
        await opened.accept(Acceptance(event=first, runs=(one, two)), Acceptance(event=second))
        await opened.keep(called)
        opened.clock.time += 3_600_000
        other = opened.run(third)
        await opened.accept(Acceptance(event=third, runs=(other,)))
        found = await opened.store.started([third.key, first.key, second.key])
        same(
            {key: [run.key for run in runs] for key, runs in found.items()},
            {
                first.key: [one.key, two.key],
                third.key: [other.key],
            },
        )
        same(await opened.store.started([]), {})
