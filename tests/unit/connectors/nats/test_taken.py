"""Which messages of a stream have been taken: nothing twice, and nothing passed over that was not committed."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.connectors.nats.taken import Order, Taken


def taken(floor=0, *stretches):
    return Taken("S", "2026-01-01T00:00:00Z", "mine", floor=floor, stretches=list(stretches))


def test_in_order_only_the_floor_moves():
    it = taken()
    for sequence in range(1, 100):
        it.add(sequence, sequence)
    assert (it.floor, it.stretches, it.top) == (99, [], 99)


def test_what_comes_later_fills_the_holes():
    it = taken(10)
    it.add(21, 30)
    it.add(15, 15)
    assert (it.floor, it.stretches, it.top) == (10, [(15, 15), (21, 30)], 30)
    assert [it.has(n) for n in (10, 11, 15, 16, 21, 30, 31)] == [True, False, True, False, True, True, False]
    assert list(it.missing(28)) == [(11, 14), (16, 20)]
    assert list(it.missing(40)) == [(11, 14), (16, 20), (31, 39)]
    for sequence in (*range(11, 15), *range(16, 21)):
        it.add(sequence, sequence)
    assert (it.floor, it.stretches) == (30, [])


def test_a_stream_that_ends_earlier_than_it_did():
    it = taken(10, (15, 20), (25, 30))
    it.cut(17)
    assert (it.floor, it.stretches) == (10, [(15, 17)])
    it.cut(5)
    assert (it.floor, it.stretches, it.has(6)) == (5, [], False)


def test_so_many_stretches_are_kept():
    it = taken(0)
    for sequence in range(2, 5_000, 2):
        it.add(sequence, sequence)
    assert len(it.stretches) == 1_000
    assert it.has(4_998)
    assert not it.has(4_997)


def test_it_can_be_saved():
    it = taken(3, (5, 6))
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(it))), Taken) == it


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=40), st.integers(0, 60))
@settings(max_examples=80)
def test_it_is_a_set(added, floor):
    it, model = taken(), set()
    for number, (first, more) in enumerate(added):
        it.add(first, first + more)
        model |= set(range(first, first + more + 1))
        if number == len(added) // 2:
            it.raise_floor(floor)
            model |= set(range(1, floor + 1))
        assert {n for n in range(1, 70) if it.has(n)} == model
        assert {n for first, last in it.missing(70) for n in range(first, last + 1)} == set(range(1, 70)) - model
        assert it.stretches == sorted(it.stretches)
        assert all(a[1] + 1 < b[0] for a, b in zip(it.stretches, it.stretches[1:], strict=False))


def test_between_two_deliveries_to_us_nothing_was_for_us():
    order = Order(0, 10)
    assert order.next(1, 12, again=False) == (11, 12)
    assert order.next(2, 13, again=False) == (13, 13)
    assert order.next(3, 7, again=True) == (7, 7)
    assert order.next(4, 20, again=False) == (14, 20)


def test_what_another_got_in_between_is_not_taken():
    order = Order(0, 0)
    assert order.next(1, 1, again=False) == (1, 1)
    assert order.next(3, 9, again=False) == (9, 9)  # delivery 2 went to another
    assert order.next(5, 10, again=True) == (10, 10)  # delivery 4 too; and now 10 comes to us
    assert order.next(6, 15, again=False) == (15, 15)  # so 11 to 14 may be with the other
    assert order.next(7, 17, again=False) == (16, 17)


@given(st.data())
@settings(max_examples=80)
def test_whatever_is_given_to_two_nothing_is_marked_that_the_other_has(data):
    """A consumer gives 30 of 60 messages to two, some again; what one marks as taken was never given to the other."""
    ours = sorted(data.draw(st.sets(st.integers(1, 60), min_size=30, max_size=30)))
    orders = [Order(0, 0), Order(0, 0)]
    marked: list[set[int]] = [set(), set()]
    given_to: list[set[int]] = [set(), set()]
    pending: list[int] = []
    number, at = 0, 0
    while at < len(ours):
        number += 1
        again = bool(pending) and data.draw(st.booleans())
        sequence = pending.pop(data.draw(st.integers(0, len(pending) - 1))) if again else ours[at]
        at += not again
        who = data.draw(st.integers(0, 1))
        given_to[who].add(sequence)
        first, last = orders[who].next(number, sequence, again=again)
        marked[who] |= set(range(first, last + 1)) & set(ours)
        if data.draw(st.booleans()):
            pending.append(sequence)
        assert marked[who] <= given_to[who]


@pytest.mark.parametrize(
    ("created", "same"),
    [
        ("2026-11-25T23:34:19.16245637Z", True),
        ("2026-11-25T23:34:19.162904476Z", True),
        ("2026-11-25T23:34:20.16245637Z", False),
        ("", False),
    ],
)
def test_a_consumer_is_known_by_the_time_it_was_made(created, same):
    taken = Taken("s", "then", "d", consumer="2026-11-25T23:34:19.16245637Z")
    assert taken.of(created) is same
