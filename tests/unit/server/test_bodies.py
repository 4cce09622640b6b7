"""Bodies → drafts: nothing that comes in may end in anything but drafts or a problem."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.model.event import EventDraft
from reactor.sdk import cloudevents, content
from reactor.sdk.content import MalformedError
from reactor.server import bodies
from reactor.server.problems import of_error, render

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
bytes_of_json = st.builds(msgspec.json.encode, json_values)


def drafts_of(body: bytes) -> list[EventDraft] | MalformedError:
    try:
        return bodies.events(body, {})[0]
    except MalformedError as problem:
        return problem


@given(json_values)
def test_data_is_what_was_sent_and_raw_is_its_text(value: Any) -> None:
    body = b' {"type": "t",\n "data" : ' + msgspec.json.encode(value) + b"}"
    found = drafts_of(body)
    assert isinstance(found, list)
    assert found[0].data == value
    assert found[0].raw == msgspec.json.encode(value)


@given(st.binary() | bytes_of_json | st.builds(lambda a, b: a + b, bytes_of_json, st.binary(max_size=3)))
def test_anything_else_is_a_problem(body: bytes) -> None:
    found = drafts_of(body)
    if isinstance(found, MalformedError):
        assert found.status in {400, 413}
        assert msgspec.json.decode(render(of_error(found))[2])["detail"]
    for content_type in ("", "application/json", "text/plain", "application/x-www-form-urlencoded", "image/png"):
        try:
            draft = bodies.webhook("t", "/webhook/t", body, content_type, {})
        except MalformedError as problem:
            assert problem.status in {400, 415}  # noqa: PT017 - either is right
        else:
            if draft.raw is not None:
                assert msgspec.json.decode(draft.raw) == draft.data


@given(
    st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "data", "data_base64", "x", "time"]), json_values
    )
)
def test_no_cloudevent_breaks_it(event: dict[str, Any]) -> None:
    body = msgspec.json.encode({"specversion": "1.0", "id": "1", "source": "s", "type": "t"} | event)
    for read in (cloudevents.structured, lambda text, base: cloudevents.batched(b"[" + text + b"]", base)):
        try:
            read(body, {})
        except MalformedError as problem:
            assert problem.status == 400  # noqa: PT017 - either is right


@pytest.mark.parametrize("depth", [99, 100, 101, 2_000])
def test_depth(depth: int) -> None:
    pairs, odd = divmod(depth, 2)
    data = b'[{"a":' * pairs + b"[" * odd + b"1" + b"]" * odd + b"}]" * pairs
    found = drafts_of(b'{"type": "t", "data": ' + data + b"}")
    assert isinstance(found, list) is (depth < content.DEPTH), found


def test_brackets_in_texts_are_no_depth() -> None:
    assert isinstance(drafts_of(b'{"type": "t", "data": "' + b"[" * 5_000 + b'"}'), list)


def test_what_is_inside_stays_inside() -> None:
    problem = of_error(ValueError("a secret"))
    assert problem.status == 500
    assert "secret" not in problem.message


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    assert isinstance(drafts_of(b'\xef\xbb\xbf{"type": "t"}'), list)
