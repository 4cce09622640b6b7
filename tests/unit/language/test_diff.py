"""Flows compared by meaning: what is no change, and the name of every kind of change."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.language.diff import diff
from reactor.language.loader import load
from reactor.language.yaml_events import read
from reactor.model.flow import Flow
from reactor.testing.runtime_suite import SCENARIOS, suite_catalog
from tests.unit.language.conftest import EventConfig, Kind

CATALOG = suite_catalog([])
CATALOG.triggers["event"] = Kind("event", EventConfig, "event", "")  # type: ignore[assignment]


def flow(text: str) -> Flow:
    loaded = load(text, file=None, catalog=CATALOG)
    assert loaded.flow is not None, loaded.problems
    return loaded.flow


def steps(text: str, head: str = "") -> Flow:
    body = "\n".join("  " + line for line in text.strip().splitlines())
    return flow(f"name: f\n{head}\nsteps:\n{body}\n")


def told(before: Flow, after: Flow) -> list[tuple[str, str, str]]:
    return [(one.kind, one.path, one.what) for one in diff(before, after)]


A = "- {name: a, action: suite.read, give: 1}\n"
B = "- {name: b, action: suite.write, give: {x: 2, y: [1, 2]}}\n"
C = "- {name: c, wait: 5s}\n"
TEXTS = [
    f"name: f\n{one.head.strip()}\nsteps:\n" + "\n".join("  " + line for line in one.steps.strip().splitlines()) + "\n"
    for one in SCENARIOS
]


class Quoted(yaml.SafeDumper):
    """Every text in quotes, so that nothing depends on how it is spelled."""


Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def turned(value: Any, seed: int) -> Any:
    """The same data with the keys of maps in another order."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: hash((str(name), seed)))
        return {name: turned(value[name], seed) for name in names}
    return [turned(item, seed) for item in value] if isinstance(value, list) else value


@settings(max_examples=120, deadline=None)
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 9), quoted=st.booleans(), inline=st.booleans())
def test_order_of_keys_quotes_and_layout_are_no_change(text: str, seed: int, *, quoted: bool, inline: bool) -> None:
    data = turned(read(text).root.plain, seed)  # type: ignore[union-attr]
    other = yaml.dump(
        data, Dumper=Quoted if quoted else yaml.SafeDumper, default_flow_style=inline, sort_keys=False, width=90
    )
    assert told(flow(text), flow(f"# a comment\n{other}# and another\n")) == []


@settings(max_examples=60, deadline=None)
@given(before=st.sampled_from(TEXTS), after=st.sampled_from(TEXTS))
def test_a_change_there_is_one_back(before: str, after: str) -> None:
    forth, back = diff(flow(before), flow(after)), diff(flow(after), flow(before))
    assert bool(forth) == bool(back)
    opposite = {"added": "removed", "removed": "added"}
    kinds = sorted(opposite.get(one.kind, one.kind) for one in forth if one.what == "trigger")
    assert kinds == sorted(one.kind for one in back if one.what == "trigger")


@pytest.mark.parametrize("text", TEXTS)
def test_a_flow_is_the_same_as_itself(text: str) -> None:
    assert diff(flow(text), flow(text)) == []


def test_anchors_are_no_change() -> None:
    assert told(
        steps("- &one {name: a, action: suite.read, give: &v {k: 1}}\n- {name: b, action: suite.read, give: *v}"),
        steps("- {name: a, action: suite.read, give: {k: 1}}\n- {name: b, action: suite.read, give: {k: 1}}"),
    ) == []  # fmt: skip


def test_what_a_default_says_is_no_change() -> None:
    retried = A.replace("give: 1", "give: 1, retry: {max: 3}")
    said = A.replace("give: 1", "give: 1, retry: {max: 3, backoff: exponential}, continue_on_error: false")
    assert told(steps(retried), steps(said)) == []


def test_braces_around_a_whole_expression_are_no_change() -> None:
    bare, braces = A.replace("a,", "a, if: event.data.x,"), A.replace("a,", 'a, if: "{{ event.data.x }}",')
    assert told(steps(bare), steps(braces)) == []


def test_steps_added_and_removed() -> None:
    assert told(steps(A), steps(A + B)) == [("added", "b", "step")]
    assert diff(steps(A), steps(A + B))[0].touches is None, "at the end it is nothing to runs under way"
    assert diff(steps(A + C), steps(A + B + C))[0].touches
    assert told(steps(A + B), steps(A)) == [("removed", "b", "step")]
    assert diff(steps(A + B), steps(A))[0].touches


def test_a_parameter_deep_down() -> None:
    found = diff(steps(B), steps(B.replace("x: 2, y: [1, 2]", "x: 2, y: [1, 3], z: 1")))
    assert [(one.kind, one.what, one.before, one.after) for one in found] == [
        ("changed", "with.give.y[1]", 2, 3),
        ("added", "with.give.z", None, 1),
    ]


def test_a_text_is_no_expression() -> None:
    found = diff(steps(A.replace("1", "'x'")), steps(A.replace("1", '"{{ x }}"').replace("x", "event.data")))
    assert [(one.kind, one.what, one.view()["after"]) for one in found] == [
        ("changed", "with.give", "{{ event.data }}")
    ]


def test_numbers_and_truth_are_told_apart() -> None:
    assert told(steps(A), steps(A.replace("1", "true"))) == [("changed", "a", "with.give")]


def test_a_renamed_step_is_told_as_one() -> None:
    long = "- {name: a, action: suite.write, give: {to: x, subject: y, body: z}, retry: {max: 5}}\n"
    found = diff(steps(long + C), steps(long.replace("name: a", "name: pay").replace("body: z", "body: q") + C))
    assert [(one.kind, one.path, one.what) for one in found] == [
        ("renamed", "pay", "step"), ("changed", "pay", "with.give.body"),
    ]  # fmt: skip
    assert found[0].before == "a"
    assert "--map a=pay" in str(found[0].touches)


def test_what_is_not_alike_is_another_step() -> None:
    other = "- {name: z, set: {x: 1}}\n"
    assert sorted(told(steps(A), steps(other))) == [("added", "z", "step"), ("removed", "a", "step")]


def test_a_step_in_another_place() -> None:
    assert told(steps(A + B + C), steps(C + A + B)) == [("moved", "c", "step")]


def test_a_step_goes_into_a_block_and_out() -> None:
    block = "- name: box\n  steps:\n    " + B + C
    into = told(steps(A + B + C), steps(A + block))
    assert into == [("moved", "box.b", "step"), ("added", "box", "step")]
    out = told(steps(A + block), steps(A + B + C))
    assert out == [("moved", "b", "step"), ("removed", "box", "step")]


def test_another_kind_of_step() -> None:
    found = diff(steps(A), steps("- {name: a, wait: 5s}"))
    assert [(one.kind, one.what, one.before, one.after) for one in found] == [
        ("changed", "step", "action suite.read", "wait")
    ]


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("if: event.data.x", "if"), ("unless: event.data.x", "unless"), ("timeout: 5s", "timeout"),
        ("deadline: 5s", "deadline"), ("retry: {max: 9}", "retry"), ("continue_on_error: true", "continue_on_error"),
        ("output: output.x", "output"), ("delivery: at_most_once", "delivery"),
        ("secret_output: true", "secret_output"),
        ("undo: {action: suite.write}", "undo"), ("on_error: [{action: suite.read}]", "on_error"),
        ("finally: [{action: suite.read}]", "finally"),
    ],
)  # fmt: skip
def test_every_key_of_a_step(key: str, what: str) -> None:
    found = diff(steps(A), steps(A.replace("give: 1", f"give: 1, {key}")))
    assert [one.what for one in found] == [what]
    assert found[0].touches


def test_durations_are_shown_as_such() -> None:
    [one] = diff(steps(C), steps(C.replace("5s", "90s")))
    assert (one.what, one.before, one.after) == ("wait", "5s", "1m30s")


def test_branches() -> None:
    text = "- name: p\n  parallel:\n    branches:\n      a: [{name: x, action: suite.read, give: 1}]\n"
    more = text + "      b: [{name: y, action: suite.read, give: 2}]\n"
    assert told(steps(text), steps(more)) == [("added", "p.branches.b", "branch")]
    assert told(steps(more), steps(text)) == [("removed", "p.branches.b", "branch")]
    renamed = diff(steps(more), steps(more.replace("      b:", "      c:")))
    assert [(one.kind, one.path, one.what) for one in renamed] == [("renamed", "p.branches.c", "branch")]
    assert "--map p.branches.b=p.branches.c" in str(renamed[0].touches)
    assert told(steps(more), steps(more + "    join: any\n")) == [("added", "p", "join")]


CASES = """
- name: pick
  switch:
    - if: event.data > 100
      steps: [{name: x, action: suite.read, give: 1}]
    - if: event.data > 10
      steps: [{name: y, action: suite.read, give: 2}]
    - else: [{name: z, action: suite.read, give: 3}]
"""
HUGE = "    - if: event.data > 1000\n      steps: [{name: w, set: {n: 1}}]\n"


def test_cases() -> None:
    assert told(steps(CASES), steps(CASES.replace("> 10\n", "> 20\n"))) == [("changed", "pick.cases[1]", "if")]
    more = CASES.replace("  switch:\n", "  switch:\n" + HUGE)
    found = told(steps(CASES), steps(more))
    assert ("added", "pick.cases[0]", "case") in found
    assert ("renamed", "pick.cases[1]", "case") in found, "a case is known by its number"
    assert ("removed", "pick.cases[0]", "case") in told(steps(more), steps(CASES))


def test_loops_and_what_is_inside() -> None:
    text = "- name: each\n  for_each: event.data\n  steps: [{name: x, action: suite.read, give: 1}]\n"
    assert told(steps(text), steps(text.replace("give: 1", "give: 2"))) == [("changed", "each[].x", "with.give")]
    assert told(steps(text), steps(text.replace("event.data", "event.data.items"))) == [("changed", "each", "for_each")]
    assert told(steps(text), steps(text + "  max_parallel: 5\n")) == [("changed", "each", "max_parallel")]


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("description: x", "description"), ("labels: {a: b}", "labels"), ("if: event.data.x", "if"),
        ("vars: {a: 1}", "vars"), ("outputs: {a: 1}", "outputs"), ("timeout: 5s", "timeout"),
        ("undo: never", "undo"), ("retention: 5d", "retention"), ("timezone: Europe/Berlin", "timezone"),
        ("concurrency: {limit: 1}", "control"),
        ("inputs: {properties: {a: {type: string}}}", "inputs"),
        ("dedupe: {key: event.data.x, for: 5m}", "dedupe"), ("on: {event: x}", "trigger"),
        ("on_failure: [{name: t, action: suite.read}]", "step"), ("on_cancel: [{name: t, action: suite.read}]", "step"),
    ],
)  # fmt: skip
def test_every_key_of_a_flow(key: str, what: str) -> None:
    found = diff(steps(A), steps(A, key))
    assert found, key
    assert found[0].what.split(".")[0] == what
    assert diff(steps(A, key), steps(A, key)) == []


def test_triggers() -> None:
    one, other = "on: [{event: a}, {event: b}]", "on: [{event: b}, {event: a}]"
    assert told(steps(A, one), steps(A, other))[0][0] == "moved"
    assert told(steps(A, one), steps(A, "on: [{event: a}]")) == [("removed", "on[1]", "trigger")]
    found = diff(steps(A, "on: [{event: a, if: event.data.x}]"), steps(A, "on: [{event: a, if: event.data.y}]"))
    assert [(one.kind, one.path, one.what) for one in found] == [("changed", "on[0]", "if")]


def test_json_holds_no_surprises() -> None:
    import json

    for text in TEXTS:
        json.dumps([one.view() for one in diff(steps(A), flow(text))])
