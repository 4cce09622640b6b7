"""YAML with positions: core schema, bounds, encodings, and messages for what is no YAML."""

import pytest
import yaml

from reactor.language import yaml_events
from reactor.language.source import Mapping, Scalar, Sequence, scalars
from reactor.language.yaml_events import read


def root_of(document):
    assert isinstance(document.root, Mapping)
    return document.root


def plain(text):
    document = read(text)
    assert not document.problems, document.problems
    return root_of(document).plain


def told(data):
    return [f"{p.line}:{p.column} {p.rule}" for p in read(data).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("No", "No"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        ("'true'", "true"),
        ('""', ""),
        ("12", 12),
        ("-12", -12),
        ("+3", 3),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-23", "2026-11-23"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-", "-"),
        ("=", "="),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("18446744073709551615", 18446744073709551615),
    ],
)
def test_scalars_are_read_by_the_core_schema(text, value):
    if text == "-":
        assert plain("a: '-'") == {"a": value}
        return
    found = plain(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_texts_whatever_they_look_like():
    assert plain("on: 1\n1: 2\ntrue: 3\n2.5: 4") == {"on": 1, "1": 2, "true": 3, "2.5": 4}


def test_anchors_aliases_and_merge_keys():
    text = "base: &b {x: 1, y: 2}\nuse: *b\nmore: {<<: *b, y: 3}\nlist: {<<: [*b, {z: 4, x: 9}]}\nquoted: {'<<': 1}"
    assert plain(text) == {
        "base": {"x": 1, "y": 2},
        "use": {"x": 1, "y": 2},
        "more": {"x": 1, "y": 3},
        "list": {"x": 1, "y": 2, "z": 4},
        "quoted": {"<<": 1},
    }


def test_positions_of_keys_and_values():
    source = "name: x\nsteps:\n  - {a: [1, é, 'z']}\n"
    document = read(source)
    root = document.root
    assert isinstance(root, Mapping)
    assert document.source.place(root.keys["steps"].start) == (2, 1)
    steps = root.entries["steps"]
    assert isinstance(steps, Sequence)
    places = [document.source.place(node.start) for node in scalars(steps)]
    assert places == [(3, 10), (3, 13), (3, 16)]


def test_lines_end_as_editors_think():
    document = read("a: 'x\u2028y'\r\nb: 1\rc: 2\nd: z")
    assert [document.source.place(key.start)[0] for key in root_of(document).keys.values()] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["1:1 empty"]),
        ("# only a comment\n", ["1:1 empty"]),
        ("a: 1\nb: 2\na: 3\n", ["3:1 duplicate-key"]),
        ("a: {b: 1, c: 2, b: 3, c: 4}", ["1:17 duplicate-key", "1:23 duplicate-key"]),
        ("a: 1\n---\nb: 2\n", ["2:1 documents"]),
        ("a: !secret x", ["1:4 tag"]),
        ("a: !!python/object:os.system {}", ["1:4 tag"]),
        ("a: !!binary aGk=", ["1:4 tag"]),
        ("a: .inf", ["1:4 number"]),
        ("a: -.INF", ["1:4 number"]),
        ("a: .nan", ["1:4 number"]),
        ("a: 1e999", ["1:4 number"]),
        ("a: 18446744073709551616", ["1:4 number"]),
        ("a: " + "9" * 10_000, ["1:4 number"]),
        ("a: 007", ["1:4 leading-zero"]),
        ("? [1]\n: 2", ["1:3 key"]),
        ("{? : 2}", ["1:4 key"]),
        ("<<: 1", ["1:1 merge"]),
        ("a: *nothing", ["1:4 alias"]),
        ("a: &x [1, *x]", ["1:11 alias"]),
        ("a: 1\n\tb: 2", ["2:1 tab"]),
        ("a: \x07", ["1:4 encoding"]),
        ("a: 'open\nb: 1\n", ["1:4 yaml"]),
        ("a: [1, 2\nb: 3\n", ["1:4 yaml"]),
        ("a: {b: 1\nc: 3\n", ["1:4 yaml"]),
        ("a: b: c", ["1:5 yaml"]),
        ("a: * * * * *", ["1:4 yaml"]),
        ("a: @home", ["1:4 yaml"]),
        ('a: "\\q"', ["1:5 yaml"]),
        ("a: - b", ["1:4 yaml"]),
        ("a: {{ event.data.x }}", ["1:4 quotes"]),
        ("a: {{ event.data.x }} and more", ["1:4 quotes"]),
        ("- {{ x }}", ["1:3 quotes"]),
        ("a: {b: {{ x }}}", ["1:8 quotes"]),
        ("a:\n - b\n c: d\n", ["3:2 yaml"]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text, found):
    assert told(text) == found


def test_a_value_that_begins_with_braces_gets_its_quotes():
    (problem,) = read("a: {{ event.data['x'] }} # now\n").problems
    assert problem.fix is not None
    assert problem.fix.replacement == "'{{ event.data[''x''] }}'"
    assert (problem.fix.column, problem.fix.end_column) == (4, 25)
    (inside,) = read("a: {b: {{ x }}, c: 1}").problems
    assert inside.fix is not None
    assert inside.fix.replacement == "'{{ x }}'"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a: 1".encode("utf-16"), "UTF-16 (little-endian)"),
        (b"\xfe\xff\x00a", "UTF-16 (big-endian)"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "UTF-32 (little-endian)"),
        ("a: 1".encode("utf-16-le"), "UTF-16 or UTF-32"),
        ("a: é".encode("latin-1"), "0xE9"),
    ],
)
def test_other_encodings_are_refused_by_name(data, words):
    (problem,) = read(data).problems
    assert problem.rule == "encoding"
    assert words in problem.message
    assert "UTF-8" in problem.message


def test_utf8_with_and_without_a_mark():
    for data in (b"\xef\xbb\xbfa: \xc3\xa9", "\ufeffa: é", "a: é".encode()):
        document = read(data)
        assert root_of(document).plain == {"a": "é"}
        assert document.source.place(root_of(document).keys["a"].start) == (1, 1)


def test_an_alias_bomb_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (problem,) = read("\n".join(lines)).problems
    assert problem.rule == "too-large"


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 50_000, "{a: " * 10_000, "? " * 10_000])
def test_deep_nesting_is_refused_at_once(text):
    (problem,) = read(text).problems
    assert problem.rule in {"too-deep", "yaml"}


def test_depth_up_to_the_limit_is_fine():
    assert told("[" * 100 + "]" * 100) == []
    assert told("[" * 101 + "]" * 101) == ["1:101 too-deep"]


def test_a_file_may_have_one_mebibyte():
    assert not read("a: " + "x" * ((1 << 20) - 3)).problems
    assert told("a: " + "x" * (1 << 20)) == ["1:1 too-large"]
    assert told(("a: " + "é" * (1 << 19)).encode()) == ["1:1 too-large"]


BLOCKS = """\
plain: text {{ a }} goes
  on {{ b }}
double: "q\\n\\"{{ c }}\\u00e9 {{ d }}\\
  \\ {{ e }}"
single: 'it''s {{ f }}

  {{ g }}'
literal: |2
    x: {{ h }}
  {{ i }}
folded: &anchor >-
  x

  {{ j }} 'ü𝄞' {{ k }}
"""


def test_characters_of_scalars_are_found_in_the_file():
    document = read(BLOCKS)
    lines = BLOCKS.split("\n")
    found = {}
    for node in scalars(root_of(document)):
        at = node.text.find("{{")
        while at >= 0:
            line, column = document.source.place(document.source.locate(node, at))
            found[node.text[at + 3]] = lines[line - 1][column - 1 : column + 3]
            at = node.text.find("{{", at + 1)
    assert found == {name: f"{{{{ {name}" for name in "abcdefghijk"}


def test_offsets_beyond_the_text_stay_inside_the_scalar():
    document = read("a: xyz\nb: ''\n")
    node = root_of(document).entries["a"]
    assert isinstance(node, Scalar)
    assert document.source.locate(node, 99) == 5
    assert document.source.locate(root_of(document).entries["b"], 5) == 10


def test_without_the_c_parser_it_reads_the_same(monkeypatch):
    text = BLOCKS + "list: [1, true, {a: b}]\nempty:\n"
    fast = read(text)
    monkeypatch.setattr(yaml_events, "_LOADER", yaml.SafeLoader)
    slow = read(text)
    assert root_of(slow).plain == root_of(fast).plain
    places = [[node.start for node in scalars(root_of(document))] for document in (fast, slow)]
    assert places[0] == places[1]
    assert told("a: {{ x }}") == ["1:4 quotes"]
    assert told("a: 1\n\tb: 2")[0].startswith("2:")
