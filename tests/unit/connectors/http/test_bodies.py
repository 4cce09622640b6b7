"""What becomes of a webhook's body."""

import base64
import gzip
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.connectors.http.bodies import DEPTH, BadBody, read

JSON = "application/json"


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b"", JSON, None),
        (b"", "", None),
        (b'{"a": 1}', JSON, {"a": 1}),
        (b'{"a": 1}', "Application/Vnd.Api+JSON; charset=UTF-8", {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', JSON, {"a": 1}),
        ('{"a": "é"}'.encode("latin-1"), "application/json; charset=latin-1", {"a": "é"}),
        (b'{"a": 1}', "", {"a": 1}),
        (b'{"a": 1}', "application/octet-stream", {"a": 1}),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b'{"a": 1}', "application/x-www-form-urlencoded", {"a": 1}),
        (
            b"a=1&b=x+y&a=2&c=&d=%C3%A9&a=3",
            "application/x-www-form-urlencoded",
            {"a": ["1", "2", "3"], "b": "x y", "c": "", "d": "é"},
        ),
        ("grüße".encode("latin-1"), "text/plain; charset=iso-8859-1", "grüße"),
        ("<a>ü</a>".encode(), "application/xml", "<a>ü</a>"),
        (b"\x00\x01", "image/png", base64.b64encode(b"\x00\x01").decode()),
        (b"hello", "", base64.b64encode(b"hello").decode()),
    ],
)
def test_content(body, content_type, data):
    assert read(body, content_type).data == data


def test_raw_is_the_text_of_what_was_decoded():
    for body, content_type in [
        (b' {"a": 1.0}\n', JSON),
        ('{"a": "é"}'.encode("utf-16"), "application/json; charset=utf-16"),
        (b"\xef\xbb\xbf[1]", ""),
        (b"", JSON),
    ]:
        found = read(body, content_type)
        assert found.raw is not None
        assert msgspec.json.decode(found.raw) == found.data
    assert read(b"a=1", "application/x-www-form-urlencoded").raw is None
    assert read(b"a", "text/plain").raw is None


def test_what_is_no_text_says_so():
    assert read(b"\xff", "image/png").encoding == "base64"
    assert read(b"x", "text/plain").encoding is None


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b'{"a" 1}', 1, 6),
        (b'{\n  "a": 1,\n  "\xc3\xa9": x}', 3, 8),
        (b'{"a": 1', 1, 8),
        (b'{"a": NaN}', 1, 7),
        (b"[1,]", 1, 4),
        (b"{}x", 1, 3),
    ],
)
def test_bad_json_is_located(body, line, column):
    with pytest.raises(BadBody) as caught:
        read(body, JSON)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'"\xff"', JSON, 400),
        (b'"\\ud800"', JSON, 400),
        (b"1e999", JSON, 400),
        (b"\xff", "text/plain", 400),
        (b"a=%FF", "application/x-www-form-urlencoded", 400),
        (b"x", "text/plain; charset=klingon", 415),
        (b"{}", "application/json; charset=utf-7-nonsense", 415),
        (b"&".join(b"a=1" for _ in range(1001)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_refused(body, content_type, status):
    with pytest.raises(BadBody) as caught:
        read(body, content_type)
    assert caught.value.status == status


def test_depth():
    assert read(deep(DEPTH), JSON).data is not None
    assert len(read(b"[" + b"{}," * 5000 + b"{}]", JSON).data) == 5001
    for levels in [DEPTH + 1, 500, 5_000, 200_000]:
        with pytest.raises(BadBody, match="100 levels deep"):
            read(deep(levels), JSON)
    with pytest.raises(BadBody, match="100 levels deep"):
        read(b'{"a":' * 101 + b"1" + b"}" * 101, JSON)


def test_content_coding():
    text = b'{"a": 1}'
    assert read(gzip.compress(text), JSON, "gzip").data == {"a": 1}
    assert read(zlib.compress(text), JSON, "deflate").data == {"a": 1}
    assert read(text, JSON, "identity").data == {"a": 1}
    for body, coding, status in [
        (gzip.compress(text)[:-9], "gzip", 400),
        (text, "gzip", 400),
        (text, "br", 415),
        (gzip.compress(bytes(11 * 1024 * 1024)), "gzip", 413),
    ]:
        with pytest.raises(BadBody) as caught:
            read(body, JSON, coding)
        assert caught.value.status == status


def multipart(*parts: tuple[str, bytes]) -> bytes:
    return (
        b"".join(b"--B\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + b"--B--\r\n"
    )


def test_multipart():
    binary = bytes(range(256)) + b"\r\n--C\r\n"
    body = multipart(
        ('Content-Disposition: form-data; name="title"', "grüße".encode()),
        ('content-disposition: form-data; name="tag"', b"a"),
        ('content-disposition: form-data; name="tag"', b""),
        ('Content-Disposition: form-data; name="f"; filename="a \\"b\\".bin"\r\nContent-Type: image/png', binary),
        ('Content-Disposition: form-data; name="t"; filename="t.csv"\r\nContent-Type: text/csv', b"1,2\r\n"),
    )
    assert read(body, 'multipart/form-data; boundary="B"').data == {
        "title": "grüße",
        "tag": ["a", ""],
        "f": {
            "filename": 'a "b".bin',
            "content_type": "image/png",
            "size": len(binary),
            "base64": base64.b64encode(binary).decode(),
        },
        "t": {"filename": "t.csv", "content_type": "text/csv", "size": 5, "text": "1,2\r\n"},
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (multipart(("content-disposition: form-data; name=a", b"1"))[:-4], "multipart/form-data; boundary=B"),
        (b"nothing", "multipart/form-data; boundary=B"),
        (multipart(("x: y", b"1")), "multipart/form-data; boundary=B"),
        (multipart(("x: y", b"1")), "multipart/form-data"),
        (b"--B\r\n\r\n1\r\n--B--", "multipart/form-data; boundary=B"),
        (multipart(*[("content-disposition: form-data; name=a", b"1")] * 1001), "multipart/form-data; boundary=B"),
    ],
)
def test_bad_multipart(body, content_type):
    with pytest.raises(BadBody):
        read(body, content_type)


@given(
    st.binary(max_size=200),
    st.sampled_from([JSON, "", "text/plain", "multipart/form-data; boundary=a", "application/x-www-form-urlencoded"]),
)
def test_any_bytes_are_data_or_a_refusal(body, content_type):
    try:
        found = read(body, content_type)
    except BadBody:
        return
    assert msgspec.json.decode(msgspec.json.encode(found.data)) == found.data
