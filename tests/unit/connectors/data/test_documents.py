"""data.json, data.xml, data.csv, data.hash: shapes, round trips, and hostile texts."""

import csv as reference
import hashlib
import hmac
import io
import json as stdlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.connectors.data import actions as limits
from reactor.connectors.data import connector, documents, tables
from reactor.sdk import Effect, PermanentError
from reactor.testing.actions import call

ACTIONS = {action.name: action for action in connector.actions}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


async def out(name, /, **params):
    return (await call(ACTIONS[f"data.{name}"], params))["output"]


async def refused(name, /, **params) -> str:
    with pytest.raises(PermanentError) as caught:
        await call(ACTIONS[f"data.{name}"], params)
    assert caught.value.kind == "input"
    return caught.value.message


def test_all_are_pure():
    assert {action.effect for action in ACTIONS.values()} == {Effect.PURE}
    assert ACTIONS["data.jq"].literal == ("program",)
    assert set(ACTIONS) == {"data.jq", "data.regex", "data.json", "data.csv", "data.xml", "data.hash"}


@pytest.mark.parametrize("name", ["json", "csv", "xml"])
async def test_one_direction_at_a_time(name):
    both = {"csv": [], "xml": {"a": None}, "json": 1}[name]
    assert "either `parse` or `format`" in await refused(name)
    assert "either `parse` or `format`" in await refused(name, parse="x", format=both)
    assert "indnt" in await refused(name, parse="x", indnt=True)


# ---------------------------------------------------------------- JSON


@pytest.mark.proves("data.json.{parse,format,indent,sort_keys}")
async def test_json():
    assert await out("json", parse='\ufeff{"a": [1, null, 2.5, "é"]}') == {"a": [1, None, 2.5, "é"]}
    assert await out("json", format={"b": 1, "a": None}) == '{"b":1,"a":null}'
    assert await out("json", format={"b": 1, "a": 2}, sort_keys=True, indent=True) == '{\n  "a": 2,\n  "b": 1\n}'
    assert await out("json", format=None) == "null"


async def test_json_that_is_none():
    assert "line 2, column 6: " in await refused("json", parse='{\n"a": x}')
    for text in ("", "[", "NaN", "{'a': 1}", "[" * 100_000, '"\ud800"'):
        assert "parse" in await refused("json", parse=text)


async def test_values_that_are_no_json():
    assert "64-bit" in await refused("json", format=2**70)
    assert "surrogates" in await refused("json", format="\ud800")
    deep: list = []
    for _ in range(2000):
        deep = [deep]
    assert "ecursion" in await refused("json", format=deep)


@settings(deadline=None)
@given(JSON)
def test_json_comes_back_as_it_was(value):
    assert documents.parse_json(documents.format_json(value, indent=True, sort_keys=False)) == value
    assert documents.parse_json(stdlib.dumps(value)) == value


async def test_sizes_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "TEXT_LIMIT", 10)
    monkeypatch.setattr(tables, "TEXT_LIMIT", 10)
    assert "at most 10" in await refused("json", parse="1" * 11)
    assert "at most 10" in await refused("json", format="1" * 11)
    assert "at most 10" in await refused("csv", parse="1" * 11)
    assert "longer than 10" in await refused("csv", format=[["1" * 11]])
    assert "at most 10" in await refused("xml", parse="<abcdefghijk/>")
    assert "at most 10" in await refused("hash", text="1" * 11)
    assert "at most 10" in await refused("regex", pattern="a", text="1" * 11)


# ---------------------------------------------------------------- CSV


async def test_csv_with_a_header():
    output = await call(ACTIONS["data.csv"], {"parse": '\ufeffid,name\r\n1,"Ann, ""A"""\r\n\r\n2\r\n'})
    assert output == {
        "output": [{"id": "1", "name": 'Ann, "A"'}, {"id": "2", "name": None}],
        "columns": ["id", "name"],
        "row_count": 2,
    }


@pytest.mark.proves("data.csv.{parse,header,delimiter,quote}")
async def test_csv_without_a_header_and_with_names():
    assert await call(ACTIONS["data.csv"], {"parse": "1;a\n2;b", "header": False, "delimiter": ";"}) == {
        "output": [["1", "a"], ["2", "b"]],
        "columns": None,
        "row_count": 2,
    }
    assert await out("csv", parse="1\t'a\nb'", header=["x", "y"], delimiter="\t", quote="'") == [
        {"x": "1", "y": "a\nb"}
    ]
    assert await call(ACTIONS["data.csv"], {"parse": ""}) == {"output": [], "columns": [], "row_count": 0}


async def test_csv_that_is_none():
    assert "line 3: 3 cells, but only 2 columns" in await refused("csv", parse="a,b\n1,2\n1,2,3\n")
    assert "two columns 'a'" in await refused("csv", parse="a,b,a\n")
    assert "line 2: a NUL" in await refused("csv", parse="a\nb\0c")
    assert "line 2" in await refused("csv", parse='a\n"b')
    assert "line 1" in await refused("csv", parse='"a"b,c')
    assert "field larger" in await refused("csv", parse="x" * 2_000_000)
    for params in ({"delimiter": ""}, {"delimiter": ";;"}, {"quote": "\n"}, {"delimiter": '"'}):
        await refused("csv", parse="a", **params)


async def test_too_many_rows(monkeypatch):
    monkeypatch.setattr(tables, "ROW_LIMIT", 3)
    assert "more than 3 rows" in await refused("csv", parse="a\n" * 4, header=False)
    assert "more than 3 rows" in await refused("csv", parse="a\n" + "b\n" * 4)
    assert "more than 3 rows" in await refused("csv", format=[[1]] * 4)


@pytest.mark.proves("data.csv.{format,columns,header}")
async def test_writing_csv():
    rows = [{"id": 1, "ok": True}, {"id": 2.5, "more": [1, {"a": None}], "ok": None}]
    assert await call(ACTIONS["data.csv"], {"format": rows}) == {
        "output": 'id,ok,more\r\n1,true,\r\n2.5,,"[1,{""a"":null}]"\r\n',
        "row_count": 2,
    }
    assert await out("csv", format=[{"b": 1, "a": 2}], columns=["a", "b"], header=False) == "2,1\r\n"
    assert await out("csv", format=[[1, "x;y"]], header=["n", "t"], delimiter=";") == 'n;t\r\n1;"x;y"\r\n'
    assert await out("csv", format=[]) == ""
    assert "row 1 has 'b'" in await refused("csv", format=[{"a": 1, "b": 2}], columns=["a"])
    assert "NUL" in await refused("csv", format=[["a\0"]])


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=2, max_size=2), max_size=5
    )
)
def test_csv_comes_back_as_it_was(rows):
    params = limits.CsvParams(format=rows, header=False)
    text = tables.format_rows(rows, params, tables.Dialect(",", '"'))["output"]
    assert list(reference.reader(io.StringIO(text, newline=""))) == rows
    if not text.startswith("\ufeff"):
        assert tables.parse(text, params, tables.Dialect(",", '"'))["output"] == rows


# ---------------------------------------------------------------- XML


@pytest.mark.proves("data.xml.{parse,format}")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<a/>", {"a": None}),
        ("<a>x</a>", {"a": "x"}),
        ("<a> x </a>", {"a": " x "}),
        ('<a id="1"/>', {"a": {"@id": "1"}}),
        ('<a id="1">x</a>', {"a": {"@id": "1", "#text": "x"}}),
        ('<a id="1"><b>x</b><b/></a>', {"a": {"@id": "1", "b": ["x", None]}}),
        ("<a><b/><c>1</c><b>2</b><b>3</b></a>", {"a": {"b": [None, "2", "3"], "c": "1"}}),
        ("<a>&lt;&#233;&amp;</a>", {"a": "<é&"}),
    ],
)
async def test_xml_both_ways(text, value):
    assert await out("xml", parse=text) == value
    written = await out("xml", format=value)
    assert written.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<a')
    assert await out("xml", parse=written) == value


@pytest.mark.proves("data.xml.namespaces")
async def test_xml_details():
    assert await out("xml", parse="<a>x<b/>y</a>") == {"a": {"b": None, "#text": "xy"}}
    assert await out("xml", parse="<a><!-- c --><![CDATA[<x>]]><?pi y?></a>") == {"a": "<x>"}
    assert await out("xml", parse='<?xml version="1.0" encoding="utf-16"?><a>é</a>') == {"a": "é"}
    assert await out("xml", parse="\ufeff<?xml version='1.0' encoding='latin-1' standalone='yes'?><a>é</a>") == {
        "a": "é"
    }
    namespaced = '<s:a xmlns:s="urn:s" s:id="1"><b xmlns="urn:b"/></s:a>'
    assert await out("xml", parse=namespaced) == {"a": {"@id": "1", "b": None}}
    kept = await out("xml", parse=namespaced, namespaces=True)
    assert kept == {"{urn:s}a": {"@{urn:s}id": "1", "{urn:b}b": None}}
    assert '<a xmlns="urn:s"><b xmlns="urn:b"/></a>' in await out("xml", format={"{urn:s}a": {"{urn:b}b": None}})
    assert "<a>1<b>true</b></a>" in await out("xml", format={"a": {"#text": 1, "b": True}})


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1 if n > 1 else str()};" * 10}">' for n in range(1, 10))
    + "]><lolz>&lol9;</lolz>"
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        "<!DOCTYPE a><a/>",
    ],
)
async def test_dtds_and_entities_are_refused(text):
    assert "DTDs and entities are refused" in await refused("xml", parse=text)


@pytest.mark.parametrize(
    "text", ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<a\0/>", '<a b="1" b="2"/>', "<a>\ud800</a>"]
)
async def test_xml_that_is_none(text):
    assert "parse" in await refused("xml", parse=text)


async def test_deep_and_wide_xml(monkeypatch):
    assert "inside one another" in await refused("xml", parse="<a>" * 100_000)
    deep: dict = {}
    for _ in range(300):
        deep = {"a": deep}
    assert "inside one another" in await refused("xml", format=deep)
    monkeypatch.setattr(documents, "ELEMENT_LIMIT", 10)
    assert "more than 10 elements" in await refused("xml", parse="<a>" + "<b/>" * 11 + "</a>")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1, "b": 2},
        {"a": [1, 2]},
        {"a b": 1},
        {"a><script": 1},
        {"": 1},
        {"1": 1},
        {"a": {"@x y": "1"}},
        {"a": {'@x="1" y': "1"}},
        {"a": {"@{urn:s}x": "1"}},
        {"a": "\0"},
        {"a": {"@x": "\ud800"}},
    ],
)
async def test_maps_that_are_no_xml(value):
    assert "format" in await refused("xml", format=value)


async def test_hostile_values_stay_values_in_xml():
    value = {"a": {"@x": '"><b y="', "c": "</c><d/>]]>", "#text": "&lt;"}}
    assert await out("xml", parse=await out("xml", format=value)) == value


# ---------------------------------------------------------------- digests


@pytest.mark.proves("data.hash.{text,base64,algorithm,key,encoding}")
async def test_digests():
    assert await call(ACTIONS["data.hash"], {"text": "é"}) == {
        "output": hashlib.sha256("é".encode()).hexdigest(),
        "algorithm": "sha256",
    }
    for name in ("sha1", "md5", "sha512", "blake2b"):
        assert await out("hash", text="x", algorithm=name) == hashlib.new(name, b"x").hexdigest()
    assert await out("hash", base64="_-8=", encoding="base64") == await out("hash", base64="/+8=", encoding="base64")
    assert await out("hash", text="x", key="k") == hmac.new(b"k", b"x", "sha256").hexdigest()
    assert await out("hash", text="x" * 100_000) == hashlib.sha256(b"x" * 100_000).hexdigest()


async def test_wrong_digests():
    assert "base64" in await refused("hash", base64="?")
    assert "algorithm" in await refused("hash", text="x", algorithm="crc")
    assert "either `text` or `base64`" in await refused("hash")
