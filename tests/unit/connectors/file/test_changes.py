"""From what is seen to what is told, without a file system."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.connectors.file.changes import Change, Table

A, B, C = (1, 10, 100, 1), (2, 20, 200, 2), (3, 30, 300, 3)


def table(**known):
    return Table(dict(known), settle=1.0)


def tell(it, now):
    changes = it.settled(now)
    it.commit(changes)
    return [(change.kind, change.path, change.old_path) for change in changes]


def test_nothing_is_told_before_it_has_settled():
    it = table()
    it.see("a", A, 0.0)
    assert it.due() == 1.0
    assert tell(it, 0.9) == []
    it.see("a", B, 0.9)
    assert tell(it, 1.5) == []
    assert tell(it, 1.9) == [("created", "a", None)]
    assert it.known == {"a": B}
    assert it.due() is None


def test_a_change_of_rights_is_no_change():
    it = table(a=A)
    it.see("a", (*A[:3], 99), 0.0)
    assert it.due() is None


def test_gone_and_back_within_settle_is_nothing():
    it = table(a=A)
    it.see("a", None, 0.0)
    it.see("a", A, 0.5)
    it.see("b", B, 0.0)
    it.see("b", None, 0.5)
    assert tell(it, 9.0) == []


def test_a_move_is_one_change_whatever_is_seen_first():
    for order in (("a", "b"), ("b", "a")):
        it = table(a=A)
        for path in order:
            it.see(path, A if path == "b" else None, 0.0)
        assert tell(it, 1.0) == [("moved", "b", "a")]
        assert it.known == {"b": A}
        assert it.due() is None


def test_a_deletion_waits_for_its_new_place_to_settle():
    it = table(a=A)
    it.see("a", None, 0.0)
    it.see("b", A, 0.8)
    assert tell(it, 1.0) == []
    assert it.due() == 1.8
    assert tell(it, 1.8) == [("moved", "b", "a")]


def test_an_inode_used_again_is_no_move():
    it = table(a=A)
    it.see("a", None, 0.0)
    it.see("b", (7, 10, 100, 7), 0.0)
    assert tell(it, 1.0) == [("deleted", "a", None), ("created", "b", None)]


def test_a_move_onto_another_file():
    it = table(a=A, b=B)
    it.see("a", None, 0.0)
    it.see("b", A, 0.0)
    assert tell(it, 1.0) == [("moved", "b", "a")]
    assert it.known == {"b": A}


def test_a_chain_of_moves_in_either_order():
    for order in ("abc", "cba", "bac"):
        it = table(a=A, b=B)
        for path in order:
            it.see(path, {"a": None, "b": A, "c": B}[path], 0.0)
        assert sorted(tell(it, 1.0)) == [("moved", "b", "a"), ("moved", "c", "b")]
        assert it.known == {"b": A, "c": B}


def test_a_rotated_log_is_moved_and_made_anew():
    it = table(log=A)
    it.see("log", B, 0.0)
    it.see("log.1", A, 0.0)
    assert tell(it, 1.0) == [("moved", "log.1", "log"), ("created", "log", None)]
    assert it.known == {"log": B, "log.1": A}


def test_a_hard_link_is_a_new_file():
    it = table(a=A)
    it.see("b", A, 0.0)
    assert tell(it, 1.0) == [("created", "b", None)]


def test_folders_are_those_that_hold_files():
    it = Table({"/r/a/x": A, "/r/b/c/y": B}, 0.0)
    assert it.folders() == {"/r", "/r/a", "/r/b", "/r/b/c"}
    it.commit([Change("deleted", "/r/b/c/y", B)])
    assert it.folders() == {"/r", "/r/a"}


steps = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([None, A, B, C]), st.booleans()), min_size=1, max_size=30
)


@settings(max_examples=300, deadline=None)
@given(start=st.dictionaries(st.sampled_from("abcd"), st.sampled_from([A, B, C])), looks=steps)
def test_in_the_end_what_was_told_is_what_is_there(start, looks):
    it = Table(dict(start), settle=1.0)
    told, seen, now = dict(start), dict(start), 0.0

    def follow(changes):
        for kind, path, old in changes:
            if kind == "deleted":
                assert path in told
                del told[path]
                continue
            assert (path in told) == (kind == "modified") or kind == "moved"
            if old is not None and told.get(old) == it.known[path]:
                del told[old]
            told[path] = it.known[path]

    for path, stat, wait in looks:
        now += 1.5 if wait else 0.2
        it.see(path, stat, now)
        seen.pop(path, None)
        if stat:
            seen[path] = stat
        follow(tell(it, now))
    for _ in range(4):
        now += 1.0
        follow(tell(it, now))
    assert it.due() is None
    assert it.known == seen == told
