"""Entries and their groups, without a server."""

import msgspec
import pytest

from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.entries import again, kept, of_entry, of_message, restored
from reactor.connectors.redis.groups import Position, look, order, position, text
from reactor.sdk import DeadLetter, EventDraft
from reactor.sdk.content import MalformedError

STREAM = RedisConfig(stream="s")


def event(found):
    assert isinstance(found, EventDraft)
    return found


def dead(found):
    assert isinstance(found, DeadLetter)
    return found


def test_fields_are_texts():
    draft = event(of_entry(STREAM, b"1732567890123-0", [b"n", b"007", b"who", "Ännchen".encode()]))
    assert (draft.data, draft.time, draft.id) == ({"n": "007", "who": "Ännchen"}, 1732567890123, None)


def test_an_id_that_is_no_time_gives_no_time():
    assert event(of_entry(STREAM, b"7-1", [b"n", b"1"])).time is None
    assert event(of_entry(STREAM, b"99999999999999999-1", [b"n", b"1"])).time is None


def test_what_was_taken_over_has_an_id():
    assert of_entry(STREAM, b"7-1", [b"n", b"1"], claimed=True).id == "7-1"
    assert dead(of_entry(STREAM, b"7-1", [b"n", b"\xff"], claimed=True)).id == "7-1"


@pytest.mark.parametrize("fields", [[b"a", b"b"], [b"a", b"\xff\x00", b"\xfe", b""], ["ä".encode(), b'{"x": 1}']])
def test_what_a_dead_letter_keeps_is_what_came(fields):
    assert restored(kept(fields)) == fields


def test_a_letter_is_read_again_as_the_configuration_is_now():
    letter = dead(of_entry(STREAM, b"7-1", [b"n", b"\xff", b"x", b"1"]))
    assert "field 'n'" in letter.reason
    with pytest.raises(MalformedError):
        again(STREAM, letter)
    draft = again(RedisConfig(stream="s", field="n", format="binary"), letter)
    assert (draft.data, draft.metadata) == ("/w==", {"stream": "s", "id": "7-1", "fields": {"x": "1"}})
    letter = dead(of_entry(STREAM, b"7-1", [b"\xff", b"1"]))
    assert letter.reason == "the name of a field is not UTF-8 text (b'\\xff')"


def test_messages():
    config = RedisConfig(channel="c")
    assert event(of_message(config, b"[1]", {"channel": "c"})).data == [1]
    letter = dead(of_message(config, b"\xff", {"channel": "c"}))
    assert again(RedisConfig(channel="c", format="binary"), letter).data == "/w=="


def test_ids_are_compared_as_numbers():
    assert order(b"9-10") > order("9-9") > order("9") > order(b"8-99")
    assert text(order("12-3")) == "12-3"


def told(length, last, first, added, delivered, read):
    stream = [b"length", length, b"last-generated-id", last, b"first-entry", first and [first, []]]
    if added is not None:
        stream += [b"entries-added", added]
    group = [b"name", b"g", b"last-delivered-id", delivered, b"entries-read", read]
    return look(stream, [[b"name", b"other", b"last-delivered-id", b"0-0"], group], "g")


def test_how_many_are_missing():
    assert told(4, b"10-0", b"7-0", 10, b"2-0", 2).missed(0) == 4
    assert told(4, b"10-0", b"7-0", 10, b"2-0", 2).missed(4) == 0
    assert told(4, b"10-0", b"7-0", 10, b"6-0", 6).missed(0) == 0
    assert told(4, b"10-0", b"7-0", 10, b"8-0", 8).missed(0) == 0
    assert told(0, b"10-0", None, 10, b"8-0", 8).missed(0) == 2
    assert told(4, b"10-0", b"7-0", None, b"2-0", None).missed(0) == 0, "Redis before 7.0 does not tell"


def test_how_many_wait():
    assert told(4, b"10-0", b"7-0", 10, b"2-0", 2).behind(0) == 4
    assert told(4, b"10-0", b"7-0", 10, b"8-0", 8).behind(0) == 2
    assert told(4, b"10-0", b"7-0", 10, b"8-0", 4).behind(4) == 2
    assert told(4, b"10-0", b"7-0", 10, b"10-0", None).behind(0) == 0
    assert told(4, b"10-0", b"7-0", 10, b"8-0", None).behind(0) is None


def test_a_position_knows_its_own_stream():
    here = Position(at="x", first="3-0", to="5-0", index=5)
    assert here.foreign(told(5, b"5-0", b"1-0", 5, b"5-0", 5)) is None
    assert here.foreign(told(2, b"7-0", b"6-0", 7, b"5-0", 5)) is None
    assert "5-0 had been read" in str(here.foreign(told(1, b"4-0", b"4-0", 1, b"0-0", 0)))
    assert "number 5" in str(here.foreign(told(1, b"9-0", b"9-0", 1, b"0-0", 0)))
    assert "number 5" in str(here.foreign(told(9, b"19-0", b"11-0", 9, b"0-0", 0))), (
        "more than before, and none of them"
    )
    assert [here.committed(id_) for id_ in (b"2-9", b"3-0", b"4-1", b"5-0", b"5-1")] == [False, True, True, True, False]
    assert not Position(at="x", to="5-0").committed(b"5-0")


def test_a_position_of_another_stream_is_none():
    saved = {"position": msgspec.to_builtins(Position(at="x", to="5-0"))}
    assert position(saved, "x") == Position(at="x", to="5-0")
    assert position(saved, "y") is None
    assert position({}, "x") is None
