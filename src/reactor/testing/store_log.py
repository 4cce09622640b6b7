"""What every store promises to those who follow the events (`EventLog`). Part of `StoreSuite`."""

from __future__ import annotations

import msgspec

from reactor.model.lines import LogLine
from reactor.stores.port import Acceptance, Batch, Claim, KeyState
from reactor.testing.store_kit import BLOB_LIMIT, HARD_DATA, HARD_TEXTS, Opened, same

_WEEK = 7 * 86_400_000


class LogSuite:
    """Reading on from a key, and states of keys."""

    async def test_events_come_in_the_order_of_their_keys(self, opened: Opened) -> None:
        events = [opened.event(type=f"t.{number % 3}") for number in range(9)]
        for event in (*events[4:], *events[:4]):
            await opened.accept(Acceptance(event=event))
        first, last = events[0].key, events[-1].key
        log = opened.store
        same(await log.events_after(0, last + 5, 100), (events, last + 4))
        same(await log.events_after(first, last, 100), (events[1:-1], last - 1))
        same(await log.events_after(0, last + 5, 4), (events[:4], events[3].key))
        same(await log.events_after(events[3].key, last + 5, 5), (events[4:], last))
        same(await log.events_after(last, last + 5, 5), ([], last + 4))
        # Looked at, not found: the way is as long.
        same(await log.events_after(0, last + 5, 4, ["t.1", "x"]), ([events[1]], events[3].key))
        same(await log.events_after(0, last + 5, 100, []), ([], last + 4))
        same([await log.count_after(first, last, most) for most in (0, 3, 100)], [0, 3, 7])

    async def test_followed_events_are_whole(self, opened: Opened) -> None:
        events = [opened.event(data=data, metadata={"k": data}, causes=("evt_1",)) for data in HARD_DATA]
        events += [opened.event(type=text, subject=text, id=text, external=True) for text in HARD_TEXTS]
        events.append(opened.event(data="x" * (3 * BLOB_LIMIT)))
        await opened.accept(*(Acceptance(event=event) for event in events))
        found, _ = await opened.store.events_after(0, events[-1].key + 1, 1_000)
        same(found, events)
        found, _ = await opened.store.events_after(0, events[-1].key + 1, 1_000, list(HARD_TEXTS))
        same(found, [event for event in events if event.type in HARD_TEXTS])

    async def test_one_look_is_bounded_by_the_data_it_brings(self, opened: Opened) -> None:
        events = [opened.event(data="x" * (3 << 20)) for _ in range(5)]
        await opened.accept(*(Acceptance(event=event) for event in events))
        found, upto = await opened.store.events_after(0, events[-1].key + 1, 1_000)
        same(0 < len(found) < len(events), True)
        same(upto, found[-1].key)
        rest, _ = await opened.store.events_after(upto, events[-1].key + 1, 1_000)
        same([event.key for event in (*found, *rest)], [event.key for event in events])

    async def test_what_actions_say_is_appended_and_goes_with_its_run(self, opened: Opened) -> None:
        event = opened.event()
        runs = [opened.run(event) for _ in range(2)]
        texts = [text.encode("utf-8", "replace").decode() for text in HARD_TEXTS]
        said = [LogLine(n, "info", "a[0].b", 1, text) for n, text in enumerate((*texts, "x" * BLOB_LIMIT))]
        rows = [(runs[0].key, msgspec.json.encode([line])) for line in said]
        await opened.store.commit(Batch(accepted=[Acceptance(event=event, runs=tuple(runs))], lines=rows[:2]))
        await opened.store.commit(Batch(lines=[*rows[2:], (runs[1].key, msgspec.json.encode(said))]))
        same(await opened.store.lines(runs[0].key), said)
        same(await opened.store.lines(runs[1].key), said)
        same(await opened.store.lines(1), [])
        same((await opened.store.load([runs[0].key]))[0].journal, [])
        # As the journal: a run that is not written, because its claim was lost, leaves nothing.
        claim = Claim(b"0123456789abcdef", opened.clock.now() + 1_000_000)
        late = opened.event()
        lost = opened.run(late)
        await opened.accept(Acceptance(event=opened.event(), claim=claim))
        item = Acceptance(event=late, claim=claim, runs=(lost,))
        await opened.store.commit(Batch(accepted=[item], runs={lost.key: lost}, lines=[(lost.key, rows[0][1])]))
        same(await opened.store.lines(lost.key), [])

    async def test_states_are_kept_replaced_and_removed(self, opened: Opened) -> None:
        states = [KeyState(7, key, due, b"[1]") for key, due in (('"a"', 30), ('"b"', 10), ('"ü\\ud800\\u0000"', 20))]
        await opened.store.commit(Batch(states=[*states, KeyState(8, '"a"', 5, b"[2]")]))
        keys = [state.key for state in states]
        same(await opened.store.key_states(7, [*keys, '"none"']), [states[1], states[2], states[0]])
        same(await opened.store.key_states(9, keys), [])
        same(await opened.store.states_due(7, 20, 10), [states[1], states[2]])
        same(await opened.store.states_due(7, 1 << 62, 1), [states[1]])
        newer = KeyState(7, '"b"', 40, b"[1,[2]]")
        gone = [KeyState(7, '"a"', 0, None), KeyState(7, '"none"', 0, None)]
        await opened.store.commit(Batch(states=[newer, *gone]))
        same(await opened.store.states_due(7, 1 << 62, 10), [states[2], newer])
        same(await opened.store.key_states(8, ['"a"']), [KeyState(8, '"a"', 5, b"[2]")])

    async def test_states_are_of_the_same_commit_as_events_and_what_is_saved(self, opened: Opened) -> None:
        event = opened.event()
        run = opened.run(event)
        state = KeyState(1, "null", 9, b"[3]")
        batch = Batch(
            accepted=[Acceptance(event=event, runs=(run,))], saved=[("f/0", "cursor", b"5")], states=[state] * 700
        )
        await opened.store.commit(batch)
        same(await opened.store.key_states(1, ["null"]), [state])
        same(await opened.store.saved("f/0"), {"cursor": 5})
        same((await opened.store.load([run.key]))[0].event, event)

    async def test_states_that_nobody_looks_at_any_more_are_purged(self, opened: Opened) -> None:
        now = opened.clock.now()
        old = [KeyState(owner, f'"{at}"', now - _WEEK - 1, b"[]") for owner in (1, 2, 3) for at in range(3)]
        kept = [KeyState(owner, '"kept"', now - _WEEK + 1_000, b"[]") for owner in (1, 3)]
        await opened.store.commit(Batch(states=[*old, *kept]))
        same([await opened.store.purge(0, 5) for _ in range(3)], [5, 4, 0])
        same([await opened.store.states_due(owner, 1 << 62, 10) for owner in (1, 2, 3)], [[kept[0]], [], [kept[1]]])
