"""What expressions mean: values and their types, what is missing, our filters, what `validate` can know of them."""

import datetime as dt
import json

import pytest

from reactor.language.expressions import (
    LIMITS,
    Constant,
    Expression,
    ExpressionSyntaxError,
    compile_condition,
    compile_expression,
    compile_value,
    reactor_callable,
    to_json_value,
    truth,
)
from reactor.language.expressions.limits import Refusal
from reactor.model.errors import PermanentError, ReactorError
from reactor.runtime.scope import Secrets, Steps, Viewed, step_view

DATA = {
    "id": 7,
    "total": 250,
    "price": 2.5,
    "name": "Ann",
    "none": None,
    "flag": False,
    "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"sku": "c", "n": 1}],
    "keys": "data too",
    "get": 1,
    "_id": "mongo",
    "größe": 3,
    "tags": ["x", "y"],
    "when": "2026-11-23T04:00:00Z",
}


@reactor_callable
def now():
    return dt.datetime(2026, 11, 23, 5, 30, tzinfo=dt.UTC)


SCOPE = {
    "event": {"type": "order.created", "data": DATA, "time": "2026-11-23T04:30:00.250Z", "metadata": {}},
    "steps": {"charge": step_view("completed", {"body": {"amount": 9}}), "my-step": step_view("completed", 1)},
    "vars": {"x": 1, "l": ["a", "b"]},
    "now": now,
}


def value(text, scope=SCOPE, **options):
    return compile_value(text, **options).evaluate(scope)


def failing(text, scope=SCOPE, **options):
    with pytest.raises(PermanentError) as caught:
        value(text, scope, **options)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # one {{ }} keeps its type
        ("{{ event.data.id }}", 7),
        ("{{event.data.price}}", 2.5),
        ("{{ event.data.none }}", None),
        ("{{ event.data.flag }}", False),
        ("{{ event.data.items }}", DATA["items"]),
        ("{{ event.data.id }}\n", 7),
        ("{{ [1, 'a', none, true] }}", [1, "a", None, True]),
        ("{{ {'a': event.data.id, 'b': {'c': []}} }}", {"a": 7, "b": {"c": []}}),
        ("{{ {1: 2, true: 3, none: 4} }}", {"1": 2, "true": 3, "null": 4}),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ 7 // 2 }}", 3),
        ("{{ 7 / 2 }}", 3.5),
        ("{{ 2 ** 10 }}", 1024),
        ("{{ -event.data.id }}", -7),
        ("{{ +event.data.id }}", 7),
        ("{{ 1 < 2 <= 2 }}", True),
        ("{{ 1 < 2 > 5 }}", False),
        ("{{ 'a' in event.data.name or 'n' in event.data.name }}", True),
        ("{{ 'id' in event.data }}", True),
        ("{{ 'x' not in event.data.tags }}", False),
        ("{{ [1] + [2] }}", [1, 2]),
        ("{{ 'a' * 3 }}", "aaa"),
        ("{{ 'a' ~ 1 ~ none ~ true }}", "a1nulltrue"),
        ("{{ event.data.tags[0] }}", "x"),
        ("{{ event.data.tags[-1] }}", "y"),
        ("{{ event.data.name[1:] }}", "nn"),
        ("{{ event.data.items[:2] | map(attribute='sku') }}", ["a", "b"]),
        ("{{ event.data['name'] }}", "Ann"),
        ("{{ steps['my-step'].output }}", 1),
        ("{{ 'big' if event.data.total > 100 else 'small' }}", "big"),
        ("{{ 'x' if event.data.flag }}", None),
        # text around, or several: a text
        ("Order {{ event.data.id }}", "Order 7"),
        ("{{ event.data.id }}{{ event.data.id }}", "77"),
        (" {{ event.data.id }}", " 7"),
        ("a {{ event.data.none }} {{ event.data.flag }} {{ event.data.price }}", "a null false 2.5"),
        ("{{ event.data.tags }}!", '["x","y"]!'),
        ("a{{ 'x' if event.data.flag }}b", "ab"),
        ("{% if event.data.total > 100 %}big{% else %}small{% endif %}", "big"),
        ("{% for i in vars.l %}{{ loop.index }}{{ i }}{{ ',' if not loop.last }}{% endfor %}", "1a,2b"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% else %}none{% endfor %}", "a1"),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for x in [1, 2, 3] if x != 2 %}{{ x }}{% endfor %}", "13"),
        ("{% for x in [1, 2] %}{{ loop.previtem | default('-') }}{{ loop.cycle('a', 'b') }}{% endfor %}", "-a1b"),
        ("{% set x = 5 %}{{ x }}", "5"),
        ("{% set x %}a{{ event.data.id }}{% endset %}{{ x | upper }}", "A7"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"),
        ("{% filter upper %}a{{ event.data.name }}{% endfilter %}", "AANN"),
        ("{% set ns = namespace(n=0) %}{% for i in [1, 3] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "4"),
        ("a {#- no -#} b{{ 1 }}", "ab1"),
        ("a {{- 1 -}} b", "a1b"),
        # escapes
        ('{{ "{{" }}', "{{"),
        ("{{ '}}' }}", "}}"),
        ("{% raw %}{{ no }}{% endraw %}", "{{ no }}"),
        ("x {{ '{%' }}", "x {%"),
        ("{# stays", "{# stays"),
        ("color: {#fff}", "color: {#fff}"),
        ("{ not } { a: 1 }", "{ not } { a: 1 }"),
        # keys of data come before everything
        ("{{ event.data.keys }}", "data too"),
        ("{{ event.data.get }}", 1),
        ("{{ event.data._id }}", "mongo"),
        ("{{ event.data.größe }}", 3),
        # methods
        ("{{ event.data.name.upper() }}", "ANN"),
        ("{{ 'a,b'.split(',') }}", ["a", "b"]),
        ("{{ ','.join(['a', 1]) }}", "a,1"),
        ("{{ event.data.get('id') }}", 7),
        ("{{ event.data.get('gone', 'x') }}", "x"),
        ("{{ {'a': 1}.items() }}", [["a", 1]]),
        ("{{ {'items': 5}.items() }}", [["items", 5]]),
        ("{{ [3, 4].index(4) }}", 1),
        ("{{ 'abc'.replace('b', 'x').startswith('ax') }}", True),
        ("{{ 2.0.is_integer() }}", True),
        # what may be missing
        ("{{ event.data.gone | default('d') }}", "d"),
        ("{{ event.data.gone.deep.er | default('d') }}", "d"),
        ("{{ event.data.none | default('d') }}", None),
        ("{{ event.data.none | default('d', true) }}", "d"),
        ("{{ gone | d(1) }}", 1),
        ("{{ event.data.gone is defined }}", False),
        ("{{ event.data.none is defined }}", True),
        ("{{ event.data.none is none }}", True),
        ("{{ event.data.none.x is defined }}", False),
        ("{{ gone is undefined }}", True),
        ("{{ event.data.items is defined and event.data.items[5] is not defined }}", True),
        ("{{ [] | first | default('none') }}", "none"),
    ],
)  # fmt: skip
def test_values(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)
    json.dumps(found)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("{{ event.data.totl }}", "`event.data` has no `totl`; did you mean `total`?", 13),
        ("a {{ event.dta.x.y }}", "`event` has no `dta`; did you mean `data`?", 10),
        ("{{ evnt.data }}", "there is no `evnt` here; did you mean `event`?", 3),
        ("{{ zzz }}", "there is no `zzz` here; there is: event, now, steps, vars", 3),
        ("{{ steps.my.output }}", "`steps` has no `my`; did you mean `['my-step']`?", 8),
        ("{{ event.data.none.x }}", "`event.data.none` is null, so it has no `x`", 18),
        ("{{ event.data.name.x }}", "`event.data.name` is a text, so it has no `x`", 18),
        ("{{ event.data.tags[5] }}", "`event.data.tags` has no item 5: there are 2", 18),
        ("{{ event.data.items.sku }}", "is a list, so it has no `sku`; its first item is `event.data.items[0]`", 19),
        ("{{ event.metadata.x }}", "`event.metadata` has no `x`; it is empty", 17),
        ("{{ event.data.gone + 1 }}", "has no `gone`", 13),
        ("{{ event.data.gone == 1 }}", "has no `gone`", 13),
        ("{{ not event.data.gone }}", "has no `gone`", 17),
        ("{{ event.data.gone | upper }}", "has no `gone`", 13),
        ("{{ 'x' | replace('x', event.data.gone) }}", "has no `gone`", 32),
        ("{{ [event.data.gone] }}", "has no `gone`", 14),
        ("{{ {'a': event.data.gone} }}", "has no `gone`", 19),
        ("{{ event.data.gone in [1] }}", "has no `gone`", 13),
        ("{{ 1 in event.data.gone }}", "has no `gone`", 18),
        ("{% for x in event.data.gone %}{% endfor %}", "has no `gone`", 22),
        ("{{ event.data.gone[0] }}", "has no `gone`", 13),
        ("{{ event.data[event.data.gone] }}", "has no `gone`", 24),
        ("{{ event.data.gone() }}", "no method `gone`", 13),
        ("{{ event.data.upper() }}", "event.data has no method `upper`", 13),
        ("{{ now }}", "a function is no value; call it", None),
        ("{{ event() }}", "`event` is no function", 3),
        ("{{ 'a' + 1 }}", "cannot add a text and a number; join texts with `~`", None),
        ("{{ none > 1 }}", "cannot compare null and a number with `>`", None),
        ("{{ 1 / 0 }}", "division by zero", None),
        ("x\n{{ 1 % 0 }}", "division by zero", None),
        ("{{ 'x'.append(1) }}", "data cannot be changed", None),
        ("{{ [1].append(2) }}", "data cannot be changed; write `list + [item]`", None),
        ("{{ '{}'.format(1) }}", "`.format()` is not possible here", None),
        ("{{ 'x' | as_time }}", "`x` is no time", None),
        ("{{ 'x' | duration }}", "'x' is not a duration", None),
        ("{{ 'x' | from_json }}", "this is no JSON", None),
        ("{{ 1 | jq('.a') }}", "jq: Cannot index number", None),
        ("{{ 1 | jq('1, 2') }}", "several results; put it in [ ]", None),
        ("{{ 1 | length }}", "a number cannot be looped over", None),
        ("{{ 'x' | round }}", "`| round` does not work on a text", None),
        ("{{ 'a' | b64decode }}", "not base64", None),
        ("{{ '%d' % 'x' }}", "%d takes a number, not a text", None),
        ("{{ '%d %d' % 1 }}", "needs more values", None),
        ("{{ loop.index }}", "there is no `loop` here", 3),
        ("{% for x in [1] %}{{ loop }}{% endfor %}", "cannot be turned into JSON|a function is no value", None),
    ],
)  # fmt: skip
def test_failures_name_what_is_wrong_and_where(text, message, offset):
    error = failing(text, where="steps.tell.with")
    assert error.kind == "expression"
    assert any(part in error.message for part in message.split("|")) or message in error.message
    assert error.message.startswith("steps.tell.with: ")
    assert not error.retryable
    if offset is not None:
        assert error.data["offset"] == offset
        assert f"at character {offset + 1}" in error.message


def test_a_failure_far_inside_a_text_shows_its_surroundings():
    error = failing("x" * 500 + "{{ event.data.gone }}" + "y" * 500)
    assert len(error.message) < 250
    assert "event.data.gone }}" in error.message


def test_lists_and_maps():
    template = compile_value(
        {
            "order": "{{ event.data.id }}",
            "to": ["{{ event.data.name }}", "b"],
            "n": 1,
            "{{ event.data.name }}": "x",
            5: True,
        },
        where="steps.tell.with",
    )
    assert template.evaluate(SCOPE) == {"order": 7, "to": ["Ann", "b"], "n": 1, "Ann": "x", "5": True}
    assert template.names == {"event"}
    assert template.paths == {("event", "data", "id"), ("event", "data", "name")}
    assert {reference.where for reference in template.references} == {
        "steps.tell.with.order",
        "steps.tell.with.to[0]",
        "steps.tell.with",
    }
    with pytest.raises(PermanentError, match=r"^steps\.tell\.with\.a\.b\[1\]: there is no `gone`"):
        compile_value({"a": {"b": [1, "{{ gone }}"]}}, where="steps.tell.with").evaluate(SCOPE)


@pytest.mark.parametrize("plain", [1, 1.5, None, True, "text", "", [], [1, ["a"]], {}, {"a": {"b": [None]}}])
def test_constants_are_handed_out_as_they_are(plain):
    constant = compile_value(plain)
    assert isinstance(constant, Constant)
    assert constant.evaluate({}) == plain
    assert constant.names == frozenset() == constant.paths
    assert isinstance(constant.source, str)


def test_sources_are_the_text_as_written():
    assert compile_value("a {{ b }}").source == "a {{ b }}"
    assert compile_value({"a": ["{{ b }}", 1]}).source == '{"a":["{{ b }}",1]}'
    assert compile_condition("a > 1").source == "a > 1"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event.data.total > 100", True),
        ("{{ event.data.total > 100 }}", True),
        ("  {{ event.data.total > 1000 }}\n", False),
        ("event.data.none", False),
        ("event.data.tags", True),
        ("event.data.name == 'Ann' and not event.data.flag", True),
        ("{% if event.data.total > 100 %}yes{% endif %}", True),
        ("{% if event.data.total > 100 %}no{% endif %}", False),
        (True, True),
        (False, False),
        (0, False),
    ],
)
def test_conditions(text, holds):
    assert truth(compile_condition(text).evaluate(SCOPE)) is holds


def test_a_condition_half_in_braces_is_refused_with_advice():
    with pytest.raises(ExpressionSyntaxError, match="one expression is wanted here"):
        compile_condition("{{ event.data.total }} > 100")
    assert compile_condition("{{ event.data.total }} > 100", legacy=True).evaluate(SCOPE) is True


@pytest.mark.parametrize(
    ("shown", "holds"),
    [
        *[(word, False) for word in ("", "false", "False", "0", "no", "null", "<no value>", " no ", 0, None, False)],
        ("yes", True),
        ("00", True),
        ([], True),
        (True, True),
    ],
)
def test_truth_of_older_flows(shown, holds):
    assert truth(shown, legacy=True) is holds


def test_expressions_keep_their_type():
    assert compile_expression("event.data.items | length").evaluate(SCOPE) == 3
    assert compile_expression("{{ event.data.tags }}").evaluate(SCOPE) == ["x", "y"]
    assert compile_expression("'text'").evaluate(SCOPE) == "text"
    assert compile_expression({"a": "{{ event.data.id }}", "b": "plain"}).evaluate(SCOPE) == {"a": 7, "b": "plain"}
    assert compile_expression(5).evaluate(SCOPE) == 5
    assert compile_expression("{% if event.data.flag %}a{% else %}b{% endif %}").evaluate(SCOPE) == "b"


def test_older_flows_are_lenient_in_our_spelling_too():
    assert value("[{{ event.data.gone }}]", legacy=True) == "[]"
    assert value("{{ event.data.gone.deep }}", legacy=True) == ""
    assert value("{{ gone }}", legacy=True) == ""
    assert value("{{ event.data.gone == '' }}", legacy=True) is True
    assert value("{{ event.data.gone | upper ~ 'x' }}", legacy=True) == "x"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{{ steps.charge.output.body }}", {("steps", "charge", "output", "body")}),
        ("{{ steps['my-step'].output[0] }}", {("steps", "my-step", "output", "0")}),
        ("{{ event.data.items() }}", {("event", "data")}),
        ("{{ event.data[vars.x].y }}", {("event", "data"), ("vars", "x")}),
        ("{% for i in event.data.items %}{{ i.sku }}{{ loop.index }}{% endfor %}", {("event", "data", "items")}),
        ("{% set x = vars.x %}{{ x.y }}", {("vars", "x")}),
        ("{{ now() }} {{ range(3) }} {{ dict(a=1) }}", {("now",)}),
        ("{{ event.data.a | default(event.data.b) }}", {("event", "data", "a"), ("event", "data", "b")}),
        ("plain", set()),
    ],
)
def test_paths(text, paths):
    compiled = compile_value(text)
    assert compiled.paths == paths
    assert compiled.names == {path[0] for path in paths}


def test_references_know_their_place_and_whether_they_may_be_missing():
    text = "{{ event.data.a | default(1) }} {{ vars.b if vars.b is defined else steps.c.output }}"
    found = {reference.path: reference for reference in compile_value(text).references}
    assert found["event", "data", "a"].offset == text.index("event")
    assert found["steps", "c", "output"].offset == text.index("steps")
    assert found["event", "data", "a"].optional
    assert found["vars", "b"].optional
    assert not found["steps", "c", "output"].optional


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("{{ event.data", "`}}` is missing", None),
        ("{{ event.data }", "unexpected '}'", None),
        ("a {{ b c }}", "expected", 7),
        ("{{ }}", "Expected an expression", None),
        ("{{ 'a }}", "is a quote missing", None),
        ("{{ a && b }}", "write `and` for `&&`", 5),
        ("{{ a || b }}", "write `or` for `||`", None),
        ("{{ !a }}", "write `not` for `!`", None),
        ("{{ a ? b : c }}", "write `a if condition else b`", None),
        ("{{ a ?? b }}", "| default(b)", None),
        ("{% if a %}x", "endif", None),
        ("{% macro f() %}{% endmacro %}", "{% macro %} is not available here", 3),
        ("{% include 'x' %}", "{% include %} is not available here", 3),
        ("{% import 'x' as y %}", "{% import %}", 3),
        ("{% from 'x' import y %}", "{% from %}", 3),
        ("{% extends 'x' %}", "{% extends %}", 3),
        ("{% block a %}{% endblock %}", "{% block %}", 3),
        ("{% call x() %}{% endcall %}", "{% call %}", 3),
        ("{% autoescape true %}{% endautoescape %}", "{% autoescape %}", None),
        ("{% for x in y recursive %}{% endfor %}", "recursive loops", 3),
        ("{{ a | uper }}", "there is no filter `uper`; did you mean `upper`?", 7),
        ("{{ a | safe }}", "there is no filter `safe`: nothing is escaped", 7),
        ("{{ [1] | random }}", "it would differ when a run is replayed", None),
        ("{{ a | map('uper') }}", "there is no filter `uper`", None),
        ("{{ a is ood }}", "there is no test `ood`; did you mean `odd`?", None),
        ("{{ a | jq('.a[') }}", "the jq program cannot be compiled", 7),
        ("{{ a | regex_match('(') }}", "is no regular expression", 7),
        ("{{ f(*a) }}", "`*` and `**` are not available", None),
        ("{{ __import__ }}", "there is no `__import__`", 3),
        ("{# never ends {{ a }}", "begins a comment that does not end", None),
    ],
)
def test_syntax_errors_say_what_to_write(text, message, offset):
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_value(text, where="steps.a.with")
    assert message in caught.value.message
    assert isinstance(caught.value, ReactorError)
    assert caught.value.where == "steps.a.with"
    assert 0 <= caught.value.offset <= len(text)
    if offset is not None:
        assert caught.value.offset == offset


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a ==", "a = 1", "a }} b", "{{ a }} {{ b }}", "a and", "a ? b : c", "(a"]
)
def test_bare_expressions_that_are_none(text):
    with pytest.raises(ExpressionSyntaxError):
        compile_condition(text)
    with pytest.raises(ExpressionSyntaxError):
        compile_expression(text)


def test_what_leaves_is_json():
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert to_json_value({"t": moment, "d": dt.timedelta(minutes=90), "l": (1, (2,)), "r": range(2), 1: None}) == {
        "t": "2026-01-02T03:04:05.000Z",
        "d": "1h30m",
        "l": [1, [2]],
        "r": [0, 1],
        "1": None,
    }
    plain = {"a": [{"b": 1}]}
    assert to_json_value(plain) is plain
    for wrong in ({1, 2}, float("nan"), float("inf"), object(), b"x", now, iter([])):
        with pytest.raises(Refusal):
            to_json_value([wrong])


def test_views_of_the_scope_become_plain_maps():
    outer = Steps()
    outer["first"] = step_view("completed", Viewed({"body": {"a": 1}}, {"json": lambda output: output["body"]}))
    steps = Steps(outer)
    steps["second"] = step_view("completed", 2)
    scope = {"steps": steps}
    assert value("{{ steps.first.output.json.a }}", scope) == 1
    found = value("{{ steps.first.output }}", scope)
    assert found == {"body": {"a": 1}}
    assert type(found) is dict
    assert type(value("{{ steps }}", scope)) is dict
    assert "`steps` has no `third`" in failing("{{ steps.third }}", scope).message


def test_secrets_are_read_when_they_are_named():
    secrets = Secrets({"TOKEN": "s3cret"}.get)
    assert value("Bearer {{ secrets.TOKEN }}", {"secrets": secrets}) == "Bearer s3cret"
    assert secrets.used() == ("s3cret",)
    with pytest.raises(PermanentError, match="there is no secret 'GONE'") as caught:
        value("{{ secrets.GONE }}", {"secrets": secrets})
    assert caught.value.kind == "secret"


def test_only_marked_functions_can_be_called():
    calls = []

    def plain():
        calls.append(1)

    assert value("{{ now() | string }}") == "2026-11-23T05:30:00.000Z"
    for text in ("{{ plain() }}", "{{ tools.plain() }}", "{{ kind('x') }}"):
        error = failing(text, {"plain": plain, "tools": {"plain": plain}, "kind": type})
        assert "is no function" in error.message
    assert calls == []
    marked = reactor_callable(lambda name: f"hi {name}")
    assert (
        value("{{ greet('Ann') }} {{ tools.greet('Bob') }}", {"greet": marked, "tools": {"greet": marked}})
        == "hi Ann hi Bob"
    )


def test_the_scope_is_never_changed():
    before = json.dumps(DATA)
    value("{% set event = 1 %}{% for x in vars %}{% set vars = 2 %}{% endfor %}{{ event }}{{ vars }}")
    assert json.dumps(DATA) == before
    assert SCOPE["vars"] == {"x": 1, "l": ["a", "b"]}


def test_one_text_is_compiled_once():
    one, two = compile_value("{{ event.data.id }} once"), compile_value("{{ event.data.id }} once", where="x")
    assert isinstance(one, Expression)
    assert isinstance(two, Expression)
    assert one._code is two._code


def test_the_limits_can_be_set(monkeypatch):
    monkeypatch.setattr(LIMITS, "text", 10)
    assert failing("{{ 'x' * 11 }}!").kind == "expression.limit"
    monkeypatch.setattr(LIMITS, "ticks", 2)
    assert failing("{% for x in [1, 2, 3] %}{% endfor %}").kind == "expression.limit"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ event.data.id }}\n", 7),
        ("{{ event.data.id }}{{ vars.x }}\n", "71\n"),
        ("{{ event.data.id }} {{ vars.x }}\n\n", "7 1\n\n"),
        ("{{ .event.data.id }} {{ .event.data.name }}\n", "7 Ann\n"),
    ],
)
def test_a_line_break_belongs_to_a_text_and_not_to_one_value(text, found):
    assert value(text) == found
