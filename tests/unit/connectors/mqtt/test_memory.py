"""Which packet ids are remembered, and when they are forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from reactor.connectors.mqtt.memory import KEPT, Memory


class Bench:
    """A memory with what it saved."""

    def __init__(self, saved=None):
        self.saved = dict(saved or {})
        self.memory = Memory(self.saved)
        self.pings = self.pongs = 0
        self.open = False

    def come(self, *mids, dup=False, text="x"):
        """Messages of one batch; those that are new."""
        new = []
        for place, mid in enumerate(mids):
            fresh = place == 0 and self.pongs == self.pings and not self.open
            if not self.memory.has(mid, text, dup=dup, fresh=fresh):
                new.append((mid, text))
        self.open = True
        self.keep(self.memory.commit(new, self.pongs))
        return [mid for mid, _ in new]

    def acknowledge(self, *, read=True):
        self.pings += 1
        self.memory.acknowledged(self.pings)
        self.open = False
        if read:
            self.pongs = self.pings

    def keep(self, save):
        for name, value in save.items():
            self.saved.pop(name, None) if value is None else self.saved.update({name: value})

    def again(self):
        """After a crash: what was saved, on a new connection."""
        return Bench(self.saved)


def test_what_is_committed_and_comes_again_is_known():
    bench = Bench()
    assert bench.come(1, 2) == [1, 2]
    after = bench.again()
    assert after.come(1, 2, dup=True) == []
    assert after.come(1, 2, dup=True, text="other") == [1, 2], "another message with that id"


def test_a_new_message_takes_the_place_of_an_old_one_with_its_id():
    bench = Bench()
    bench.come(1)
    assert bench.come(1) == [1], "not marked as a duplicate: it is new whatever is in it"


def test_ids_that_are_used_again_at_once_are_forgotten_when_the_broker_has_read_the_acknowledgement():
    bench = Bench()
    for _ in range(3):
        bench.come(1)
        bench.acknowledge()
    assert bench.memory.pending(bench.pongs)
    bench.keep(bench.memory.commit([], bench.pongs))
    assert bench.again().come(1, dup=True) == [1], "the same content under the id of an acknowledged one: it is new"


def test_what_comes_again_is_kept_until_its_own_acknowledgement_was_read():
    bench = Bench()
    bench.come(1, 2, 3, 4)
    after = bench.again()
    assert after.come(1, 2, dup=True) == []
    after.acknowledge()
    assert after.come(3, 4, dup=True) == []
    after.come(5)
    after.acknowledge(read=False)
    after.come(6)
    assert after.again().come(3, 4, dup=True) == []


def test_ids_that_rise_within_a_batch_prove_nothing():
    bench = Bench()
    for _ in range(3):
        bench.come(1, 2, 3)
        bench.acknowledge()
    assert bench.memory.pending(bench.pongs)
    bench.keep(bench.memory.commit([], bench.pongs))
    assert len(bench.memory) == 0


def test_what_may_not_have_been_read_is_kept():
    bench = Bench()
    for _ in range(3):
        bench.come(1)
        bench.acknowledge(read=False)
    assert not bench.memory.pending(bench.pongs)
    assert bench.again().come(1, dup=True) == []


def test_where_ids_count_upwards_the_last_ones_are_kept_also_over_a_restart():
    bench = Bench()
    for mid in range(1, 3 * KEPT):
        bench.come(mid)
        bench.acknowledge()
    assert KEPT <= len(bench.memory) <= KEPT + 1
    assert not bench.memory.pending(bench.pongs)
    after = bench.again()
    after.come(3 * KEPT)
    after.acknowledge()
    assert after.come(2 * KEPT + 100, 3 * KEPT, dup=True) == []
    assert after.come(7, dup=True) == [7]


def test_ids_begin_again_after_the_highest():
    bench = Bench()
    for mid in (65_534, 65_535, 1, 2):
        bench.come(mid)
        bench.acknowledge()
    assert not bench.memory.pending(bench.pongs)
    assert bench.again().come(65_535, 1, dup=True) == []


def test_another_session_begins_with_nothing():
    bench = Bench()
    bench.come(1, 2)
    bench.keep(bench.memory.clear())
    assert bench.saved == {}
    assert bench.come(1, dup=True) == [1]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.booleans())
def test_nothing_is_doubled_or_lost(moves, upwards):
    """A broker with one message in flight, which may be lost before us, whose acknowledgement may be lost, or who may
    be asked again after our crash; every message has the same content."""
    bench, mid, told = Bench(), 0, 0
    for number, (lost, crash) in enumerate(moves):
        mid = mid % 65_535 + 1 if upwards else 1
        if lost:  # it left the broker, and the connection broke
            bench = bench.again()
            told += len(bench.come(mid, dup=True))
        else:
            told += len(bench.come(mid))
        if crash:  # committed, not acknowledged
            bench = bench.again()
            told += len(bench.come(mid, dup=True))
        bench.acknowledge()
        if bench.memory.pending(bench.pongs):
            bench.keep(bench.memory.commit([], bench.pongs))
        assert told == number + 1
