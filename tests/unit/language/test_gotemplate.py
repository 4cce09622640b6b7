"""Templates in Go's spelling: read into the same tree, lenient as the older engine was."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.language.dialects import golexer, gotemplate
from reactor.language.expressions import (
    ExpressionSyntaxError,
    compile_condition,
    compile_expression,
    compile_value,
    internal,
    reactor_callable,
)
from reactor.model.errors import PermanentError

SCOPE: dict[str, Any] = {
    "event": {
        "id": "e1",
        "type": "order.created",
        "timestamp": 1795411191.5,
        "data": {
            "id": 7,
            "total": 250.5,
            "name": "Ann",
            "zero": 0,
            "nothing": None,
            "yes": True,
            "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
            "tags": ["x", "y"],
            "map": {"b": 2, "a": 1},
            "empty": [],
        },
        "metadata": {"path": "/x"},
    },
    "steps": {"charge": {"status": "completed", "output": {"amount": 5, "ok": True}}, "skipped": {"output": None}},
    "vars": {"region": "eu", "charge": "hidden"},
    "flow": {"name": "big-order"},
    "run": {"id": "r-1"},
    "response": {"body": {"token": "t"}},
}


def render(text, **more):
    return compile_value(text).evaluate({**SCOPE, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # paths
        ("{{ .event.payload.id }}", 7),
        ("{{.event.payload.id}}", 7),
        ("{{ .event.type }}", "order.created"),
        ("{{ .event.timestamp }}", 1795411191.5),
        ("{{ .event.metadata.path }}", "/x"),
        ("{{ .variables.charge.amount }}", 5),
        ("{{ .variables.region }}", "eu"),
        ("{{ .variables.gone.amount }}", ""),
        ("{{ .variables.skipped.amount }}", ""),
        ("{{ .variables.workflow_id }}", "big-order"),
        ("{{ .variables.execution_id }}", "r-1"),
        ("{{ .response.body.token }}", "t"),
        ("{{ $.event.payload.id }}", 7),
        ("{{ .event.payload.items }}", SCOPE["event"]["data"]["items"]),
        # missing and null are empty
        ("{{ .event.payload.gone }}", ""),
        ("{{ .event.payload.gone.deep.er }}", ""),
        ("{{ .nowhere.at.all }}", ""),
        ("[{{ .event.payload.gone }}]", "[]"),
        ("[{{ .event.payload.nothing }}]", "[]"),
        ("Order {{ .event.payload.id }} for {{ .event.payload.name }}", "Order 7 for Ann"),
        # literals
        ('{{ "a\\tb\\"c\\"" }}{{ .event.id }}', 'a\tb"c"e1'),
        ("{{ `raw \\n {{ ` }}", "raw \\n {{ "),
        ("{{ 5 | printf `%d` }}", "5"),
        ("{{ print 1 2.5 true nil }}", "12.5true"),
        # functions
        ('{{ eq .event.type "order.created" }}', True),
        ('{{ eq .event.type "x" "order.created" }}', True),
        ('{{ ne .event.type "x" }}', True),
        ("{{ gt .event.payload.total 100 }}", True),
        ("{{ lt .event.payload.gone 100 }}", False),
        ("{{ le 1 1 }}", True),
        ("{{ ge 1 2 }}", False),
        ('{{ and .event.payload.yes "last" }}', "last"),
        ('{{ or .event.payload.gone .event.payload.zero "other" }}', "other"),
        ("{{ not .event.payload.gone }}", True),
        ("{{ len .event.payload.items }}", 2),
        ("{{ len .event.payload.gone }}", 0),
        ('{{ index .event.payload.items 1 "sku" }}', "b"),
        ("{{ index .event.payload.items 9 }}", ""),
        ("{{ (index .event.payload.items 0).sku }}", "a"),
        ('{{ printf "%s-%03d" .event.payload.name .event.payload.id }}', "Ann-007"),
        ('{{ .event.payload.name | printf "%s!" }}', "Ann!"),
        ('{{ .event.payload.gone | default "none" }}', "none"),
        ('{{ default "none" .event.payload.name }}', "Ann"),
        ('{{ .event.payload.name | default("none") }}', "Ann"),
        ("{{ .event.payload.name | upper | lower | title }}", "Ann"),
        ('{{ .event.payload.tags | join ", " }}', "x, y"),
        ("{{ toJson .event.payload.map }}", '{"b":2,"a":1}'),
        ("{{ .event.payload.name | quote }}", '"Ann"'),
        ('{{ replace "n" "m" .event.payload.name }}', "Amm"),
        ('{{ if hasPrefix "A" .event.payload.name }}y{{ end }}', "y"),
        ("{{ add 1 2 3 }}", 6),
        ('{{ ternary "a" "b" .event.payload.yes }}', "a"),
        ("{{ eq (len .event.payload.items) 2 }}", True),
        # blocks
        ("{{ if .event.payload.yes }}A{{ else }}B{{ end }}", "A"),
        ("{{ if .event.payload.gone }}A{{ else if .event.payload.zero }}B{{ else }}C{{ end }}", "C"),
        ("{{ if and .event.payload.yes (gt .event.payload.total 100) }}A{{ end }}", "A"),
        ("{{ range .event.payload.items }}{{ .sku }}{{ .n }};{{ end }}", "a1;b2;"),
        ("{{ range $i, $x := .event.payload.items }}{{ $i }}={{ $x.sku }} {{ end }}", "0=a 1=b "),
        ("{{ range $x := .event.payload.tags }}{{ $x }}{{ . }}{{ end }}", "xxyy"),
        ("{{ range $k, $v := .event.payload.map }}{{ $k }}{{ $v }}{{ end }}", "a1b2"),
        ("{{ range .event.payload.empty }}x{{ else }}none{{ end }}", "none"),
        ("{{ range .event.payload.gone }}x{{ else }}none{{ end }}", "none"),
        ("{{ range .event.payload.items }}{{ $.event.id }}{{ end }}", "e1e1"),
        ("{{ range .event.payload.items }}{{ if eq .n 2 }}{{ break }}{{ end }}{{ .n }}{{ end }}", "1"),
        ("{{ range .event.payload.items }}{{ if eq .n 1 }}{{ continue }}{{ end }}{{ .n }}{{ end }}", "2"),
        ("{{ with .event.payload }}{{ .name }}{{ end }}", "Ann"),
        ("{{ with .event.payload.gone }}x{{ else }}y{{ end }}", "y"),
        ("{{ with $p := .event.payload }}{{ $p.name }}{{ .id }}{{ end }}", "Ann7"),
        ("{{ if $n := .event.payload.name }}{{ $n }}{{ end }}", "Ann"),
        ("{{ $x := .event.payload.id }}{{ $x }}-{{ $x }}", "7-7"),
        ("{{ $x := 1 }}{{ range .event.payload.items }}{{ $x = .n }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
        # white space and comments
        ("a {{- .event.id -}} b", "ae1b"),
        ("a\n  {{- /* no */ -}}\n b{{ .event.id }}", "abe1"),
        ("{{/* a {{ comment }} */}}{{ .event.id }}", "e1"),
        # both spellings in one text
        ("{{ .event.payload.id }} {{ event.data.id }} {{ event.data.name | upper }}", "7 7 ANN"),
        ("{{ .event.payload.id }} {{ event.data.items[0].sku }} {{ {'a': 1}['a'] }}", "7 a 1"),
        ("{{ if event.data.id > 5 }}{{ .event.id }}{{ end }}", "e1"),
    ],
)
def test_what_go_templates_mean(text, expected):
    assert render(text) == expected


def test_filters_of_ours_by_their_name():
    assert render("{{ .event.payload.name | b64 }}") == "QW5u"
    assert render("{{ .event.payload.items | jq `map(.n) | add` }}") == 3


def test_now_is_called():
    @reactor_callable
    def now():
        return "2026-11-23T00:00:00Z"

    assert compile_value("{{ now }}", legacy=True).evaluate({"now": now}) == "2026-11-23T00:00:00Z"
    assert render("{{ now }} {{ .event.id }}", now=now) == "2026-11-23T00:00:00Z e1"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{{ .event.payload.id }}", {("event", "data", "id")}),
        ("{{ .variables.charge.amount }}", {("steps", "charge", "output", "amount")}),
        ("{{ .variables.workflow_id }}{{ .variables.execution_id }}", {("flow", "name"), ("run", "id")}),
        ("{{ .response.body.x }}", {("response", "body", "x")}),
        ("{{ range $i, $x := .event.payload.items }}{{ $x.sku }}{{ .n }}{{ end }}", {("event", "data", "items")}),
        ("{{ $x := .event.id }}{{ $x }}", {("event", "id")}),
    ],
)
def test_paths_are_told_in_our_words(text, paths):
    compiled = compile_value(text)
    assert compiled.paths == paths
    assert compiled.names >= {path[0] for path in paths}
    assert not any(name.startswith("_") for name in compiled.names)
    assert all(reference.optional for reference in compiled.references)


def test_a_variable_may_be_a_step_or_a_variable():
    (reference,) = compile_value("x{{ .variables.charge.amount }}").references
    assert reference.path == ("steps", "charge", "output", "amount")
    assert reference.otherwise == ("vars", "charge", "amount")
    assert reference.offset == 4


@pytest.mark.parametrize(
    "text",
    [
        "{{ event.data.id }}",
        "{{ not event.data.gone }}",
        "{{ not (event) }}",
        "{{ range(3) }}",
        "{{ x | default('a') }}",
        "{{ x | default ('a') }}",
        "{{ a .b }}",
        "{{ 'a' ~ '`' }}",
        "{{ now() }}",
        "{{ end }}",
        "{{ 0.5 + 1.5 }}",
        "{{ a[0].b }}",
        "{{ (a).b }}",
        "{{ {'a': 1}.a }}",
        '{{ "a".upper() }}',
        "{{ len }}",
        "{{ range | list }}",
        "{{ index == 1 }}",
        "{{ index }}",
        "no template .at $all",
    ],
)
def test_our_own_spelling_is_not_taken_for_go(text):
    assert not gotemplate.is_go(text)


@pytest.mark.parametrize("text", ["eq .a 1", ".event.type", 'eq "a" "b"', "not .x", "and (.a) (.b)", "len .x", "$x"])
def test_bare_expressions_of_go(text):
    assert gotemplate.is_go_expression(text)


@pytest.mark.parametrize("text", ["event.type == 'a'", "not event.x", "a.b > .5", "now() - x", "index > 1", "not x"])
def test_bare_expressions_of_ours(text):
    assert not gotemplate.is_go_expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ .event.payload.total > 100 }}", "Go templates have no `>`"),
        ("{{ .a && .b }}", "Go templates have no `&&`"),
        ("{{ if .a }}x", "`end` is missing"),
        ("{{ .a }}{{ end }}", "`end` is not expected here"),
        ("{{ if }}x{{ end }}{{ .a }}", "value is missing"),
        ("{{ .a | nope }}", "no function `nope`"),
        ("{{ eq .a }}", "`eq` takes at least 2"),
        ("{{ .a .b }}", "takes no arguments"),
        ("{{ (.a }}", r"`\)` is missing"),
        ("{{ $x }}", r"no variable `\$x`"),
        ("{{ . }}", "is everything here"),
        ('{{ template "x" }}{{ .a }}', "not supported"),
        ("{{ range $a, $b, $c := .x }}{{ end }}", "two variables"),
        ("{{ ._go_variables }}", "there is no"),
        ("{{ .a | _go_box }}", "no function"),
        ("{% if x %}{{ .a }}{% endif %}", "cannot stand in one text"),
        ('{{ .a "unclosed }}', "is a quote or a name missing"),
        ("{{ .a | attr `__class__` }}", "no function `attr`"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, message):
    with pytest.raises(ExpressionSyntaxError, match=message) as caught:
        compile_value(text)
    assert 0 <= caught.value.offset <= len(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("{{ .event.payload.yes }}", True),
        ("{{ .event.payload.gone }}", False),
        ("{{ .event.payload.zero }}", False),
        ("{{ .event.payload.nothing }}", False),
        ('{{ eq .event.type "order.created" }}', True),
        ('{{ ne .event.type "order.created" }}', False),
        ('eq .event.type "order.created"', True),
        (".event.payload.gone", False),
        ("event.data.total > 100", True),
        ("event.data.gone", False),
        ("{{ event.data.gone }}", False),
        ("no", False),
        ("{{ if .event.payload.yes }}true{{ end }}", True),
        ("{{ if .event.payload.gone }}true{{ end }}", False),
        ("{{ if .event.payload.yes }}no{{ end }}", False),
        ("{{ .event.payload.name }} <no value>", True),
        ("{{ `<no value>` }}", False),
        ("{{ `FALSE` }}", False),
        ("{{ `null` }}", False),
        ("{{ `0` }}", False),
    ],
)
def test_conditions_of_older_flows(text, holds):
    assert compile_condition(text, True).evaluate({**SCOPE, "no": "no"}) is holds


def test_expressions_keep_their_type():
    assert compile_expression(".event.payload.items").evaluate(SCOPE) == SCOPE["event"]["data"]["items"]
    assert compile_expression("{{ .event.payload.total }}").evaluate(SCOPE) == 250.5


def test_the_list_of_functions_is_one_list():
    provided = {name.removeprefix("_go_") for name in internal.INTERNALS}
    assert provided >= golexer.FUNCTIONS - {"and", "or", "not", "now"}


def test_a_file_event_answers_to_its_older_names():
    view: dict[str, Any] = {
        "type": "file.created",
        "data": None,
        "payload": None,
        "metadata": {
            "path": "in/a.csv",
            "name": "a.csv",
            "dir": "in",
            "extension": ".csv",
            "change": "created",
            "size": 3,
        },
    }
    older = gotemplate.legacy_event_view(view)
    scope = {"event": older}
    text = "{{ .event.payload.file_path }} {{ .event.payload.file_name }} {{ .event.payload.file_ext }}"
    assert compile_value(text).evaluate(scope) == "in/a.csv a.csv .csv"
    assert compile_value("{{ .event.metadata.operation }} {{ .event.file_dir }}").evaluate(scope) == "CREATE in"
    for change, operation in (("modified", "WRITE"), ("deleted", "REMOVE"), ("moved", "MOVED")):
        changed = {**view, "data": {"rows": 1}, "metadata": {**view["metadata"], "change": change}}
        seen = gotemplate.legacy_event_view(changed)
        assert seen["metadata"]["operation"] == operation
        assert seen["data"]["rows"] == 1
        assert seen["data"]["file_path"] == "in/a.csv"
    assert "operation" not in view["metadata"]
    other = {"type": "order.created", "data": {}, "metadata": {"path": "/orders"}}
    assert gotemplate.legacy_event_view(other) is other


def test_the_bounds_hold_for_go_too():
    for text in (
        "{{ range .event.payload.big }}{{ range $.event.payload.big }}x{{ end }}{{ end }}",
        '{{ printf "%999999999d" 1 }}',
        "{{ $x := `a` }}{{ range .event.payload.big }}{{ $x = print $x $x }}{{ end }}{{ $x }}",
    ):
        with pytest.raises(PermanentError) as caught:
            compile_value(text).evaluate({"event": {"data": {"big": list(range(50_000))}}})
        assert caught.value.kind == "expression.limit"
    for text in ("{{ if .a }}" * 5000, "{{ " + "(" * 5000 + ".a }}", "{{ .a" + ".b" * 5000 + " }}"):
        with pytest.raises(ExpressionSyntaxError):
            compile_value(text)


WORDS = """
    {{ }} {{- -}} .event .payload .id . $x := = | ( ) "a" `b` 1 if else end range with eq not printf index default len
    event.data text , {{/* */}} $ nil true break - + == ' \\ _go_box _go_variables
"""
BLOCKS = ["{{ end }}", "{{ else }}", "{{ if .event }}", "{{ range .event.payload.items }}", "{% if 1 %}", " "]
PARTS = st.sampled_from([*(f"{word} " for word in WORDS.split()), *WORDS.split(), *BLOCKS])


@settings(max_examples=400, deadline=None)
@given(st.lists(PARTS, max_size=14).map("".join))
def test_random_templates_raise_only_our_errors(text):
    for build in (compile_value, compile_condition, compile_expression):
        with contextlib.suppress(ExpressionSyntaxError, PermanentError):
            build(text).evaluate(SCOPE)
