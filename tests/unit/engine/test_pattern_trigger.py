"""`on: {pattern: …}` from YAML: what is taken, what is refused and where, and how events are sorted."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from reactor.connectors.pattern import connector
from reactor.engine.patterns.pattern import KEY_LIMIT, Pattern
from reactor.engine.triggers import convert
from reactor.language.loader import Loaded, load
from reactor.model.event import Event
from reactor.model.flow import TriggerSpec
from reactor.sdk import Catalog

BRUTE = "{by: event.data.user, within: 5m, count: {event: login.failed, if: event.data.code == 401, at_least: 3}}"


def read(pattern: str, more: str = "") -> Loaded:
    text = f"name: f\non:\n  pattern: {pattern}\n{textwrap.indent(more, '  ')}\nsteps: [{{set: {{a: 1}}}}]\n"
    return load(text, file=None, catalog=Catalog([connector]))


def spec_of(pattern: str) -> TriggerSpec:
    loaded = read(pattern)
    assert loaded.flow is not None, loaded.problems
    return loaded.flow.triggers[0]


def made(pattern: str) -> Pattern:
    spec = spec_of(pattern)
    return Pattern(convert(connector.triggers[0], spec.config), spec, {"REGION": "eu"})


def event(type_: str, data: Any = None) -> Event:
    return Event(key=1, id="e", type=type_, source="s", subject=None, time=0, data=data)


def test_expressions_are_compiled_and_everything_else_is_constant() -> None:
    spec = spec_of(
        "{by: '{{ event.data.user }}', within: 5m, sequence: [{event: a, if: event.data.x > 1}, {absent: b, if: true}]}"
    )
    assert set(spec.exprs) == {"by", "sequence.0.if", "sequence.1.if"}
    assert spec.exprs["by"].evaluate({"event": {"data": {"user": "ann"}}}) == "ann"
    assert spec.config["sequence"][0] == {"event": "a", "if": "event.data.x > 1"}


def test_keys_may_stand_beside_the_kind() -> None:
    loaded = read("{count: {event: a, at_least: 2}}", "within: 5m\nby: event.data.id\nif: event.data.count > 1")
    assert loaded.flow is not None
    spec = loaded.flow.triggers[0]
    assert (set(spec.exprs), spec.if_ and spec.if_.source) == ({"by"}, "event.data.count > 1")


@pytest.mark.parametrize(
    ("pattern", "told", "at"),
    [
        ("{by: event.data.id, count: {event: a, at_least: 2}}", "needs its key `within`", "pattern"),
        ("{within: 0s, count: {event: a, at_least: 2}}", "within: leaves no time", "0s"),
        ("{within: 500d, count: {event: a, at_least: 2}}", "within: is longer than 366d", "500d"),
        ("{within: soon, count: {event: a, at_least: 2}}", "is not a duration", "soon"),
        ("{within: 5m}", "write one of `count`, `sequence`, `all`, `any`", "{within"),
        (
            "{within: 5m, count: {event: a, at_least: 2}, any: [{event: b}]}",
            "this has count and any",
            "[{event: b}]",
        ),
        ("{within: 5m, count: {event: a, at_least: 0}}", "from 1 to 1,000, not 0", "0}}"),
        ("{within: 5m, count: {event: a, at_least: 1001}}", "from 1 to 1,000", "1001"),
        ("{within: 5m, count: {event: a}}", "missing required field `at_least`", "{event: a}"),
        ("{within: 5m, count: {event: a.b*, at_least: 2}}", "is no type of events", "a.b*"),
        ("{within: 5m, count: {evnt: a, at_least: 2}}", "has no `evnt`", "evnt"),
        ("{within: 5m, cuont: {event: a, at_least: 2}}", "did you mean `count`?", "cuont"),
        ("{within: 5m, sequence: [{event: a}]}", "has 2 to 10 parts, not 1", "[{event: a}]"),
        ("{within: 5m, sequence: []}", "has 2 to 10 parts, not 0", "[]"),
        ("{within: 5m, all: [{event: a}]}", "has 2 to 10 parts, not 1", "[{event: a}]"),
        ("{within: 5m, any: []}", "has 1 to 10 parts, not 0", "[]"),
        (f"{{within: 5m, any: [{', '.join(['{event: a}'] * 11)}]}}", "not 11", "[{event: a}"),
        ("{within: 5m, all: [{event: a}, {absent: b}]}", "has no `absent`", "absent"),
        ("{within: 5m, sequence: [{absent: a}, {event: b}]}", "a sequence begins with an `event`", "a}, {event"),
        ("{within: 5m, sequence: [{event: a}, {if: 1 > 0}]}", "either which `event` comes", "{if: 1"),
        ("{within: 5m, sequence: [{event: a}, {event: b, absent: c}]}", "either which `event`", "{event: b"),
        ("{within: 5m, by: event.data., count: {event: a, at_least: 2}}", "cannot be read", None),
        ("{within: 5m, by: steps.x.output, count: {event: a, at_least: 2}}", "steps", "steps"),
        ("{within: 5m, by: secrets.X, count: {event: a, at_least: 2}}", "secrets", "secrets"),
        ("{within: 5m, by: now(), count: {event: a, at_least: 2}}", "now", "now"),
        ("{within: 5m, by: 5, count: {event: a, at_least: 2}}", "has to be a text", "5, count"),
        ("{within: 5m, count: {event: '{{ event.type }}', at_least: 2}}", "before there is a run", None),
        ("{within: 5m, count: {event: a, at_least: 2, if: event.dta}}", "dta", "dta"),
        ("5m", "a map with", "5m"),
    ],
)
def test_what_is_refused_and_where(pattern: str, told: str, at: str | None) -> None:
    loaded = read(pattern)
    assert loaded.flow is None
    text = f"name: f\non:\n  pattern: {pattern}\n"
    found = [problem for problem in loaded.problems if told in problem.message]
    assert found, [problem.message for problem in loaded.problems]
    if at is not None:
        line = text.splitlines()[found[0].line - 1]
        assert line[found[0].column - 1 :].startswith(at), (line[found[0].column - 1 :], at)


def test_equal_meaning_has_one_digest() -> None:
    same = made(BRUTE.replace("5m", "300s")).digest
    assert made(BRUTE).digest == same
    assert made(BRUTE.replace("401", "403")).digest != same
    assert made(BRUTE.replace("3}", "4}")).digest != same
    assert made(BRUTE.replace("user", "name")).digest != same
    assert (
        made("{within: 5m, sequence: [{event: a}, {event: b}]}").digest
        != made("{within: 5m, sequence: [{event: a}, {absent: b}]}").digest
    )


def test_events_are_sorted_by_type_condition_and_key() -> None:
    pattern = made("{by: event.data.id, within: 5m, all: [{event: a.*, if: event.data.n > 1}, {event: a.**}]}")
    assert pattern.types is None
    assert pattern.wants("a.b")
    assert not pattern.wants("b")
    sort = pattern.sort(event("a.b", {"id": {"b": 1, "a": [2]}, "n": 2}))
    assert (sort.key, sort.parts, sort.wrong) == ('{"a":[2],"b":1}', frozenset({0, 1}), "")
    assert pattern.sort(event("a.b", {"id": 7, "n": 1})).parts == {1}
    assert pattern.sort(event("b", {})).parts == frozenset()


def test_without_by_there_is_one_key() -> None:
    pattern = made("{within: 5m, count: {event: a, at_least: 2, if: env.REGION == 'eu'}}")
    assert (pattern.types, pattern.sort(event("a")).key) == (["a"], "null")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, "could not be evaluated"),
        ({"id": None}, "is null"),
        ({"id": "x" * KEY_LIMIT}, f"a key has at most {KEY_LIMIT}"),
        ({"id": "\ud800"}, "no key can be made of"),
    ],
)
def test_a_key_that_cannot_be_had_is_told(data: Any, told: str) -> None:
    sort = made("{by: event.data.id, within: 5m, count: {event: a, at_least: 2}}").sort(event("a", data))
    assert sort.parts == frozenset()
    assert told in sort.wrong


def test_a_condition_that_fails_counts_as_no_and_is_told() -> None:
    pattern = made("{within: 5m, any: [{event: a, if: event.data.x > 1}, {event: a}]}")
    sort = pattern.sort(event("a", {}))
    assert sort.parts == {1}
    assert "`any.0.if: event.data.x > 1` could not be evaluated" in sort.wrong
