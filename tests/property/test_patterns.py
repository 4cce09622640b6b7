"""Patterns against their definitions: random events of one key, judged one by one and by looking at all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.engine.patterns.matcher import Count, EachOf, FirstOf, InOrder, Matcher, State
from reactor.model.ids import EPOCH, first_at, instant_of

WITHIN = 5
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Event = tuple[int, frozenset[int]]
"""(key, the parts that it fits)."""
Hit = tuple[int, tuple[int, ...]]
"""(when it was sure, keys of the events)."""


def events(parts: int) -> st.SearchStrategy[list[Event]]:
    fits = st.sets(st.integers(0, parts - 1), min_size=1).map(frozenset)
    steps = st.lists(st.tuples(st.sampled_from([0, 0, 1, 1, 2, 3, 5, 6, 11]), fits), max_size=14)
    return steps.map(_placed)


def _placed(steps: list[tuple[int, frozenset[int]]]) -> list[Event]:
    time, placed = EPOCH + 1_000, []
    for number, (gap, fits) in enumerate(steps):
        time += gap
        placed.append((first_at(time) + number, fits))
    return placed


def judged(matcher: Matcher, given_: list[Event], *, sweep: bool) -> list[Hit]:
    """As `Watch` does it: through the store's JSON, and with or without a look at the clock between the events."""
    state: State = None
    hits: list[Hit] = []

    def look(before: int) -> None:
        nonlocal state
        if state and (due := matcher.due(state)) < before:
            found = matcher.over(state)
            hits.extend([(due, found)] if found else [])
            state = None

    for key, fits in given_:
        for instant in range(instant_of(key) - 12, instant_of(key) + 1) if sweep else [instant_of(key)]:
            look(instant)
        state, found = matcher.take(state, key, fits)
        hits.extend([(instant_of(key), found)] if found else [])
        state = msgspec.json.decode(msgspec.json.encode(state))
    look(1 << 60)
    return hits


def near(events_: list[Event], key: int) -> list[Event]:
    return [event for event in events_ if instant_of(key) - instant_of(event[0]) <= WITHIN]


def by_definition(given_: list[Event], holds: Callable[[list[Event]], bool]) -> list[int]:
    """Instants at which the events since the last match, up to this one, hold for the first time."""
    hits, since = [], []
    for event in given_:
        since.append(event)
        if holds(near(since, event[0])):
            hits.append(instant_of(event[0]))
            since = []
    return hits


@settings(CALM)
@given(events(1), st.integers(1, 4), st.booleans())
def test_count(given_: list[Event], at_least: int, sweep: bool) -> None:
    hits = judged(Count(WITHIN, at_least), given_, sweep=sweep)
    assert [at for at, _ in hits] == by_definition(given_, lambda there: len(there) >= at_least)
    assert all(len(keys) == at_least for _, keys in hits)
    _each_once(hits)


@settings(CALM)
@given(events(3), st.booleans())
def test_each_of(given_: list[Event], sweep: bool) -> None:
    hits = judged(EachOf(WITHIN, 3), given_, sweep=sweep)
    assert [at for at, _ in hits] == by_definition(
        given_, lambda there: set(range(3)) <= {part for _, fits in there for part in fits}
    )
    _each_once(hits)


@settings(CALM)
@given(events(1), st.booleans())
def test_first_of(given_: list[Event], sweep: bool) -> None:
    told: list[Hit] = []
    for key, _ in given_:
        if not told or instant_of(key) - told[-1][0] > WITHIN:
            told.append((instant_of(key), (key,)))
    assert judged(FirstOf(WITHIN), given_, sweep=sweep) == told


@settings(CALM, max_examples=400)
@given(st.data(), st.lists(st.booleans(), min_size=1, max_size=3), st.booleans())
def test_in_order(data: st.DataObject, rest: list[bool], sweep: bool) -> None:
    absent = [False, *rest]
    given_ = data.draw(events(len(absent)))
    hits = judged(InOrder(WITHIN, absent), given_, sweep=sweep)
    assert [at for at, _ in hits] == _ordered(absent, given_)
    for _, keys in hits:
        assert _chain(absent, [event for event in given_ if event[0] <= keys[-1]], keys)
    _each_once(hits)


def _ordered(absent: list[bool], given_: list[Event]) -> list[int]:
    """By trying all ways to choose events."""
    trailing = _forbidden(absent)[-1]
    waiting: int | None = None
    hits: list[int] = []
    since: list[Event] = []
    for event in [*given_, (1 << 62, frozenset[int]())]:
        at = instant_of(event[0])
        if waiting is not None and waiting + WITHIN < at:
            hits.append(waiting + WITHIN)
            waiting, since = None, []
        since.append(event)
        if waiting is not None and event[1] & trailing:
            waiting = None
        begin = _latest(absent, near(since, event[0]))
        if begin is not None and trailing and waiting is None:
            waiting = begin
        elif begin is not None and not trailing:
            hits.append(at)
            since = []
    return hits


def _latest(absent: list[bool], there: list[Event]) -> int | None:
    """When the latest chain that ends with the last event began."""
    length = absent.count(False)
    chains = [
        keys
        for earlier in itertools.combinations([key for key, _ in there[:-1]], length - 1)
        if _chain(absent, there, keys := (*earlier, there[-1][0]))
    ]
    return max((instant_of(keys[0]) for keys in chains), default=None)


def _chain(absent: list[bool], there: list[Event], keys: tuple[int, ...]) -> bool:
    fits = dict(there)
    wanted = [part for part, gone in enumerate(absent) if not gone]
    if not all(part in fits[key] for part, key in zip(wanted, keys, strict=True)):
        return False
    if instant_of(keys[-1]) - instant_of(keys[0]) > WITHIN:
        return False
    return not any(
        gone & parts
        for (after, before), gone in zip(itertools.pairwise(keys), _forbidden(absent)[:-1], strict=True)
        for key, parts in there
        if after < key < before
    )


def _forbidden(absent: list[bool]) -> list[set[int]]:
    """After each event, the parts that must not come before the next one."""
    found: list[set[int]] = []
    for part, gone in enumerate(absent):
        if gone:
            found[-1].add(part)
        else:
            found.append(set())
    return found


def _each_once(hits: list[Hit]) -> None:
    used = [key for _, keys in hits for key in keys]
    assert len(used) == len(set(used))
    assert all(list(keys) == sorted(keys) for _, keys in hits)
