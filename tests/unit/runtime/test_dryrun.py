"""The dry run: what is planned, what is done, where a plan ends."""

import textwrap
from typing import Any

import pytest

from reactor.language.expressions import MARK, Unknown
from reactor.language.loader import load
from reactor.model.errors import PermanentError
from reactor.model.journal import Outcome
from reactor.plugins.discovery import discover
from reactor.runtime import dryrun
from reactor.runtime.interpreter import Hands
from reactor.runtime.virtual import VirtualClock
from reactor.testing.actions import action_context

CATALOG, _ = discover()


def flow_of(text):
    loaded = load(textwrap.dedent(text), catalog=CATALOG)
    assert loaded.flow is not None, loaded.problems
    return loaded.flow


@pytest.fixture
def made():
    """(path, parameters) of what was really done."""
    return []


@pytest.fixture
def plan(made):
    async def run(text, data=None, *, flows=(), **around):
        async def perform(path, call, action, params):
            made.append((path, action.name))
            if action.name == "file.read":
                return Outcome({"content": "read"})
            return Outcome(await action.handler(action_context(), params))

        others = {flow.name: flow for flow in map(flow_of, flows)}
        hands = Hands(secret={"KEY": "s3cret"}.get)
        given = dryrun.Around(
            actions=CATALOG.actions, clock=VirtualClock(), perform=perform, flows=others, hands=hands, **around
        )
        return await dryrun.plan(given, flow_of(text), {"type": "go", "data": data, "metadata": {}}, None)

    return run


def told(plan):
    return [(one.path, one.kind, one.what) for one in plan.planned]


WRITES = """
    name: order
    steps:
      - name: charge
        action: http.request
        with: {method: POST, url: "https://x.example/{{ event.data.id }}", headers: {key: "a {{ secrets.KEY }}"}}
      - name: keep
        set: {id: "{{ steps.charge.output.body.id }}", text: "id {{ steps.charge.output.body.id | upper }}!"}
      - name: tell
        action: http.request
        with: {method: POST, url: "https://y.example", json: {id: "{{ vars.id }}", text: "{{ vars.text }}", "n": [1]}}
      - {name: done, emit: {type: done, data: {id: "{{ vars.id }}"}}}
    outputs: {id: "{{ vars.id }}", more: "{{ vars.id * 2 }}"}
"""


async def test_writes_are_planned_with_what_they_would_be_given(plan, made):
    result = await plan(WRITES, {"id": 7})
    assert told(result) == [
        ("charge", "action", "http.request"),
        ("tell", "action", "http.request"),
        ("done", "emit", "done"),
    ]
    charge, tell, done = (one.params for one in result.planned)
    assert charge["url"] == "https://x.example/7"
    assert charge["headers"] == {"key": "a ***"}
    assert tell["json"]["id"] == "<charge.output.body.id>"
    assert tell["json"]["text"] == "id <steps.charge.output.body.id | upper>!"
    assert tell["json"]["n"] == [1]
    assert done == {"data": {"id": "<charge.output.body.id>"}}
    assert made == []
    assert result.end.status == "completed"
    assert dryrun.shown(result.end.output) == {"id": "<charge.output.body.id>", "more": "<vars.id * 2>"}


@pytest.mark.parametrize(
    ("step", "where", "needs"),
    [
        ("{name: end, if: steps.read.output.ok, set: {a: 1}}", "if", "read.output.ok"),
        ("{name: end, unless: steps.read.output.n > 1, set: {a: 1}}", "unless", "steps.read.output.n > 1"),
        ("{name: end, if: steps.read.output.x is defined, set: {a: 1}}", "if", "steps.read.output.x is defined"),
        ("{name: end, if: vars.text == 'a 1', set: {a: 1}}", "if", "vars.text == 'a 1'"),
        ("{name: end, if: vars.text, set: {a: 1}}", "if", "a <read.output.n>"),
        ("{name: end, for_each: '{{ vars.text }}', steps: [{name: b, break: true}]}", "for_each", "a <read.output.n>"),
        ("{name: end, switch: [{if: vars.text == '', steps: [{name: s, set: {a: 1}}]}]}", "case", "vars.text == ''"),
    ],
)
async def test_a_plan_ends_where_something_unknown_decides(plan, made, step, where, needs):
    text = f"""
        name: f
        steps:
          - {{name: read, action: file.read, with: {{path: /x}}}}
          - {{name: keep, set: {{text: "a {{{{ steps.read.output.n }}}}"}}}}
          - name: around
            continue_on_error: true
            steps:
              - {step}
          - {{name: after, action: file.delete, with: {{path: /y}}}}
    """
    result = await plan(text)
    assert told(result) == [("read", "action", "file.read")]
    assert result.end is None
    assert (result.ended.path, result.ended.where, result.ended.needs) == ("around.end", where, needs)
    assert made == []


async def test_a_plan_ends_inside_a_branch(plan):
    text = """
        name: f
        steps:
          - {name: read, action: file.read, with: {path: /x}}
          - name: fan
            parallel:
              branches:
                a: [{name: x, wait: 1h}, {name: y, action: file.delete, with: {path: /y}}]
                b: [{name: z, if: steps.read.output.ok, set: {a: 1}}]
    """
    result = await plan(text)
    assert result.ended.path == "fan.branches.b.z"


async def test_reads_are_done_where_they_are_allowed(plan, made):
    text = """
        name: f
        steps:
          - {name: read, action: file.read, with: {path: /x}}
          - {name: end, if: steps.read.output.content == 'read', action: file.delete, with: {path: /y}}
    """
    result = await plan(text, reads=True)
    assert made == [("read", "file.read")]
    assert result.done == ["read"]
    assert told(result) == [("end", "action", "file.delete")]


async def test_answers_that_are_given_let_the_plan_go_on(plan, made):
    answers = {"read": Outcome({"content": "no"})}
    text = """
        name: f
        steps:
          - {name: read, action: file.read, with: {path: /x}}
          - {name: end, if: steps.read.output.content == 'read', action: file.delete, with: {path: /y}}
    """
    result = await plan(text, reads=True, answers=answers.get)
    assert told(result) == [("read", "action", "file.read")]
    assert result.end.status == "completed"
    assert made == []


async def test_what_touches_nothing_is_done(plan, made):
    text = """
        name: f
        steps:
          - {name: table, action: data.json, with: {parse: '[{"a": 1}]'}}
          - {name: put, action: file.write, with: {path: /x, content: "{{ steps.table.output.output[0].a }}"}}
    """
    result = await plan(text)
    assert made == [("table", "data.json")]
    assert result.planned[0].params["content"] in (1, "1")


async def test_waits_events_people_state_and_flows(plan):
    text = """
        name: f
        steps:
          - {name: rest, wait: 3d}
          - {name: heard, wait_for: {event: order.paid, timeout: 1h}}
          - {name: ok, approve: {title: Go on, by: ann}}
          - {name: count, state: {key: n, add: 1}}
          - {name: sub, call: child, with: {n: "{{ steps.heard.output.data.n }}"}}
          - {name: other, call: child, wait: false}
        outputs: ["{{ steps.sub.output }}", "{{ now() }}", "{{ steps.ok.output.decision }}", "{{ state.n }}"]
    """
    child = """
        name: child
        steps:
          - {name: put, action: file.write, with: {path: "/{{ inputs.n | default(1) }}", content: x}}
          - {name: r, return: 5}
    """
    result = await plan(text, flows=[child])
    assert told(result) == [
        ("rest", "wait", "until 2026-01-04T00:00:00.000Z"),
        ("heard", "wait_for", "order.paid"),
        ("ok", "approve", "the decision of ann on 'Go on' (0 of 1)"),
        ("count", "state", "add"),
        ("sub", "call", "child"),
        ("sub.put", "action", "file.write"),
        ("other", "call", "child"),
        ("other.put", "action", "file.write"),
    ]
    assert result.planned[5].params["path"] == "/<inputs.n | default(1)>"
    assert dryrun.shown(result.end.output) == [5, "2026-01-04T00:00:00.000Z", "approved", "<state.n>"]


async def test_parameters_that_are_wrong_fail_as_in_a_real_run(plan):
    text = """
        name: f
        steps:
          - {name: put, action: file.write, with: {path: "{{ event.data }}", content: x}}
    """
    result = await plan(text, data=[1])
    assert result.end.status == "failed"
    assert result.end.error.kind == "input"
    assert told(result) == []


def test_an_unknown_value_is_never_taken_for_a_value():
    unknown = Unknown("a")
    tries: list[Any] = [bool, len, list, hash, lambda value: value == 1, lambda value: value < 1]
    for do in tries:
        with pytest.raises(Exception, match="known only when the flow really runs"):
            do(unknown)
    assert str(unknown.below("b").below(0)) == MARK + "<a.b[0]>"


def test_failures_of_expressions_stay_failures():
    flow = flow_of("name: f\nsteps: [{name: x, return: event.data.a + 1}]")
    with pytest.raises(PermanentError):
        flow.steps[0].value.evaluate({"event": {"data": {"a": "t"}}})
    assert isinstance(flow.steps[0].value.evaluate({"event": {"data": {"a": Unknown("q")}}}), Unknown)
