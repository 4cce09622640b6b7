"""The parts of importers: YAML that is written, JavaScript that is read, graphs that are put in order, reports."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.language.expressions import compile_expression, compile_value
from reactor.language.importing import javascript as js
from reactor.language.importing.coverage import Coverage
from reactor.language.importing.documents import Doc, access
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.making import Names, described, flow_name, identifier, literal, placeholder
from reactor.language.importing.structure import Choice, Each, Fan, Graph, Jump, Loop, Plain, structured
from reactor.language.importing.translating import Roots, Translator
from reactor.language.importing.writing import Step, write
from reactor.language.yaml_events import read

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


def same(left, right):
    """Equal, as far as YAML can hold it: control characters in keys of comments aside."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


# --- writing --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_again(value):
    document = read(write({"x": value}))
    assert document.problems == [] or {problem.rule for problem in document.problems} <= {"leading-zero"}
    assert document.root is not None
    assert same(document.root.plain, json.loads(json.dumps({"x": value})))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a: b",
        "a #b",
        "on",
        "Yes",
        "null",
        "~",
        "- a",
        "1e3",
        "0x1f",
        "1m",
        "a\nb",
        "a\n",
        "\na",
        " a\nb",
        "a\r\nb",
        "\t",
        "é",
    ],
)
def test_texts_stay_texts(text):
    for value in ({"k": text}, {"k": [text]}, {"k": {text or "e": text}}):
        document = read(write(value))
        assert document.root is not None
        assert document.root.plain == value


def test_comments_stand_above_their_steps_and_hold_anything():
    text = write({"name": "x", "steps": [Step({"name": "a", "return": 1}, ["why\nand", "\x00\u2028 #: -"])]}, ["head"])
    assert text.splitlines()[:5] == ["# head", "name: x", "steps:", "  # why", "  # and"]
    document = read(text)
    assert document.root is not None
    assert document.root.plain == {"name": "x", "steps": [{"name": "a", "return": 1}]}


# --- names and texts ------------------------------------------------------------------------------------------------


def test_names():
    names = Names()
    assert [names.take(text) for text in ("Send a message!", "Send a message?", "日本", "1st", "")] == [
        "Send_a_message",
        "Send_a_message_2",
        "step",
        "_1st",
        "step_2",
    ]
    assert identifier("Größe (m²)") == "Groe_m2"
    assert flow_name("My Flow: Part 2!") == "my-flow-part-2"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%# ax'\"", max_size=30))
def test_texts_that_are_no_templates_stay_what_they_are(text):
    assert compile_value(literal(text)).evaluate({}) == text


def test_placeholders_keep_the_original_and_no_secrets():
    original = {"code": "a\nb", "n": 1, "headers": {"Authorization": "Bearer abcdefghijkl"}}
    step = placeholder("x", "node X", "because {{ it }} is", original)
    assert step["fail"]["kind"] == "import.todo"
    assert compile_value(step["fail"]["message"]).evaluate({}) == "node X was not imported: because {{ it }} is"
    shown = "\n".join(step.comment)
    assert "TODO import: node X" in shown
    assert "code:\n  a\n  b" in shown
    assert "abcdefghijkl" not in shown
    assert list(described({})) == []


# --- documents ------------------------------------------------------------------------------------------------------


def test_parts_of_documents():
    doc = Doc("event.data").put(("a", "b"), "steps.x.output").put(("c",), "1")
    scope = {"event": {"data": {"a": {"z": 1}, "d": 4}}, "steps": {"x": {"output": {"y": 2}}}}

    def value(path):
        return compile_expression(doc.at(path)).evaluate(scope)

    assert value(("a", "b", "y")) == 2
    assert value(("d",)) == 4
    assert value(("a",)) == {"z": 1, "b": {"y": 2}}
    assert value(()) == {"a": {"z": 1, "b": {"y": 2}}, "d": 4, "c": 1}
    assert access("x", ("a b", 0, "items")) == "x['a b'][0]['items']"
    assert access("a + b", ("c",)) == "(a + b).c"


# --- JavaScript -----------------------------------------------------------------------------------------------------


class Json(Roots):
    def document(self, tree):
        return Doc("event.data") if tree == js.Name("$json") else None


@pytest.mark.parametrize(
    ("theirs", "value"),
    [
        ("$json.name", "Ann Lee"),
        ("$json['name']", "Ann Lee"),
        ("$json.list[1]", 2),
        ("$json.list.length", 3),
        ("$json.missing?.a", None),
        ("$json.missing || 'x'", "x"),
        ("$json.missing ?? 7", 7),
        ("!$json.missing", True),
        ("$json.missing == null", True),
        ("$json.name != undefined", True),
        ("$json.name.toLowerCase().split(' ')[0]", "ann"),
        ("$json.name.toUpperCase().replace('ANN', 'Bob')", "Bob LEE"),
        ("$json.name.replace(/[aeiou]/g, '-')", "Ann L--"),
        ("$json.name.slice(0, 3)", "Ann"),
        ("$json.name.includes('Lee') && $json.n > 1", True),
        ("'Hi ' + $json.name + '!'", "Hi Ann Lee!"),
        ("$json.n + 1", 3.5 + 1),
        ("`${$json.name} has ${$json.n}`", "Ann Lee has 3.5"),
        ("$json.n > 3 ? 'big' : 'small'", "big"),
        ("$json.n === 3.5", True),
        ("$json.n !== 3.5", False),
        ("($json.n + 1) * 2", 9.0),
        ("-$json.n", -3.5),
        ("Math.floor($json.n)", 3),
        ("Math.max(1, $json.n)", 3.5),
        ("$json.n.toFixed(2)", "3.50"),
        ("JSON.stringify($json.list)", "[1,2,3]"),
        ("JSON.parse('{\"a\": 1}').a", 1),
        ("Number('4') + 1", 5),
        ("parseInt('4')", 4),
        ("Object.keys($json.map)", ["a"]),
        ("$json.people.map(p => p.name).join(', ')", "Ann, Bob"),
        ("{a: $json.n, 'b c': [1, true, null]}", {"a": 3.5, "b c": [1, True, None]}),
        ("$json.list.isEmpty()", False),
        ("$json.list.first()", 1),
        ("$json.day.toDateTime().toFormat('dd.MM.yyyy')", "03.02.2026"),
        ("DateTime.fromISO($json.day).plus({days: 1}).toISO()", "2026-02-04T00:00:00+00:00"),
        ("$if($json.n > 3, 'a', 'b')", "a"),
        ("$ifEmpty($json.missing, 'none')", "none"),
        ("encodeURIComponent('a b')", "a%20b"),
        ("$json.map.items", [9]),
        ("// a comment\n$json.n", 3.5),
    ],
)
def test_expressions_mean_the_same(theirs, value):
    data = {
        "name": "Ann Lee",
        "n": 3.5,
        "list": [1, 2, 3],
        "map": {"a": 1},
        "people": [{"name": "Ann"}, {"name": "Bob"}],
        "day": "2026-02-03T00:00:00Z",
    }
    if theirs == "$json.map.items":
        data["map"] = {"items": [9]}
    ours = Translator(Json()).expression(theirs)
    assert compile_expression(ours).evaluate({"event": {"data": data}}) == value, ours


@pytest.mark.parametrize(
    "theirs",
    [
        "",
        "$json.",
        "($json.a",
        "let a = 1",
        "function () { return 1 }",
        "$json.list.filter(x => x > 1)",
        "$json.list.map(x => { return x })",
        "$json.list.map(x => x + 1)",
        "somebody.else",
        "typeof $json.a",
        "...$json.a",
        "$json.a.match(/b/)[0]",
        "a; b",
        "`${$json.a",
        "'a",
        "$json.a.toFormat(x)",
        "$json.a.plus({days: $json.n})",
        "[" * 200 + "]" * 200,
        "x" * 5000,
        "@",
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(theirs):
    with pytest.raises(NotUnderstood, match=r".{5,}"):
        Translator(Json()).expression(theirs)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="$json.ab[]()'\"`{}+-*/?:!=<>&|, 01\n", max_size=40))
def test_any_text_is_translated_or_refused(text):
    with contextlib.suppress(NotUnderstood):
        compile_expression(Translator(Json()).expression(text))


# --- structure ------------------------------------------------------------------------------------------------------


def shape(parts):
    """Parts as plain data."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, Plain):
            found.append(part.node)
        elif isinstance(part, Choice):
            found.append({part.node: [shape(arm) for arm in part.arms]})
        elif isinstance(part, Fan):
            found.append([shape(arm) for arm in part.arms])
        elif isinstance(part, (Each, Loop)):
            found.append({f"{type(part).__name__.lower()} {part.node}": shape(part.body)})
        elif isinstance(part, Jump) and part.kind not in ("join", "continue"):
            found.append(f"!{part.kind}")
    return found


def ordered(arrows, start="a", **more):
    """`{"a": "b|c", "b": "d"}`: `|` between ways out, a letter a target."""
    ports = {node: tuple(tuple(port) for port in ways.split("|")) for node, ways in arrows.items()}
    for node in {target for ways in ports.values() for port in ways for target in port} - set(ports):
        ports[node] = ((),)
    return shape(structured(Graph(ports=ports, **more), start))


def test_a_line():
    assert ordered({"a": "b", "b": "c"}) == ["a", "b", "c"]


def test_a_choice_that_meets_again():
    assert ordered({"a": "b|c", "b": "d", "c": "d", "d": "e"}) == [{"a": [["b"], ["c"]]}, "d", "e"]
    assert ordered({"a": "b|d", "b": "d"}) == [{"a": [["b"], []]}, "d"]


def test_choices_whose_ways_end_or_meet_in_part():
    assert ordered({"a": "b|c"}) == [{"a": [["b"], ["c"]]}]
    found = ordered({"a": "b|c", "b": "d|e", "c": "e", "e": "f"})
    assert found == [{"a": [[{"b": [["d"], ["e", "f"]]}], ["c", "e", "f"]]}]


def test_ways_that_fail_do_not_keep_others_from_meeting():
    assert ordered({"a": "b|x", "b": "c"}, fails=frozenset("x")) == [{"a": [[], ["x"]]}, "b", "c"]


def test_side_by_side_with_a_merge_and_without():
    assert ordered({"a": "bc", "b": "m", "c": "m", "m": "d"}, merges=frozenset("m")) == ["a", [["b"], ["c"]], "m", "d"]
    assert ordered({"a": "bc", "b": "d", "c": "d"}) == ["a", [["b", "d"], ["c", "d"]]]


def test_merges_of_some_of_the_ways():
    arrows = {"a": "bcd", "b": "m", "c": "m", "m": "n", "d": "n", "n": "e"}
    assert ordered(arrows, merges=frozenset("mn")) == ["a", [[[["b"], ["c"]], "m"], ["d"]], "n", "e"]
    arrows = {"a": "bcd", "b": "m", "c": "m"}
    assert ordered(arrows, merges=frozenset("m")) == ["a", [[[["b"], ["c"]], "m"], ["d"]]]


def test_loops_over_items():
    assert ordered({"a": "l", "l": "d|b", "b": "c", "c": "l"}, each={"l": 1}) == ["a", {"each l": ["b", "c"]}, "d"]


def test_loops_by_an_arrow_back():
    found = ordered({"a": "b", "b": "c", "c": "d|b", "d": "e"})
    assert found == ["a", {"loop b": ["b", {"c": [["!break"], []]}]}, "d", "e"]
    found = ordered({"a": "b", "b": "d|w", "w": "b"})
    assert found == ["a", {"loop b": [{"b": [["!break"], ["w"]]}]}, "d"]


def test_loops_that_never_end_or_end_in_their_middle():
    assert ordered({"a": "b", "b": "a"}) == [{"loop a": ["a", "b"]}]
    found = ordered({"a": "b", "b": "a|c|", "c": "d"})
    assert found == [{"loop a": ["a", {"b": [[], ["!break"], ["!end"]]}]}, "c", "d"]


def test_loops_in_loops():
    found = ordered({"a": "b", "b": "c", "c": "b|d", "d": "a|e"})
    assert found == [{"loop a": ["a", {"loop b": ["b", {"c": [[], ["!break"]]}]}, {"d": [[], ["!break"]]}]}, "e"]


def test_arrows_into_the_middle_of_a_loop_are_told():
    found = ordered({"a": "b|c", "b": "c", "c": "b|d"})
    assert "!again" in json.dumps(found)


NODES = "abcdefg"


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(NODES), st.lists(st.text(alphabet=NODES, max_size=2), min_size=1, max_size=3), max_size=7
    ),
    st.sets(st.sampled_from(NODES), max_size=2),
)
def test_any_graph_is_put_in_order_and_loses_no_node(arrows, merges):
    ports = {node: tuple(tuple(way) for way in arrows.get(node, [""])) for node in NODES}
    graph = Graph(ports=ports, merges=frozenset(merges))
    reached, waiting = set(), ["a"]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += graph.after(node)
    parts = structured(graph, ["a"])
    jumped = any(kind in json.dumps(shape(parts)) for kind in ("!again", "!deep"))
    assert jumped or {node for node in NODES if f'"{node}"' in json.dumps(shape(parts))} == reached


# --- reports --------------------------------------------------------------------------------------------------------


def test_reports_count_and_keep_the_worse_outcome():
    coverage = Coverage("n8n")
    coverage.add("set", "A", "mapped", "a")
    coverage.add("set", "B", "mapped", "b")
    coverage.add("set", "B", "placeholder", "b2", "no")
    coverage.add("set", "B", "mapped", "b3")
    coverage.add("note", "C", "ignored")
    coverage.note("once")
    coverage.note("once")
    assert coverage.percent == 50
    found = coverage.as_dict()
    assert (found["mapped"], found["placeholders"], found["ignored"], found["notes"]) == (1, 1, 1, ["once"])
    text = coverage.as_text()
    assert "1 of 2 constructs mapped (50 %), 1 kept as placeholders" in text
    assert "placeholder  set        B     b2   no" in text
    assert Coverage("n8n").percent == 100
