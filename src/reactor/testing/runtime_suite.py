"""The conformance suite of the port `Durable`: the same flows give the same end on every runtime.

A runtime passes when, for each scenario, a run of its flow ends as told. The flows are written as users write them, so
the suite holds the interpreter, the language and the runtime together to `docs/language.md`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.language.loader import load
from reactor.model.errors import ErrorInfo, PermanentError, TransientError
from reactor.model.flow import Flow
from reactor.sdk.action import Action, ActionContext, Effect
from reactor.sdk.manifest import Catalog, Connector
from reactor.testing.runtime_scenarios import ORCHESTRATION, Scenario


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    """A page of a stream of numbers."""

    upto: int
    cursor: int | None = None


class _Params(msgspec.Struct, forbid_unknown_fields=True):
    """Of the suite's actions."""

    give: Any = None
    """What the action gives."""
    fail: str | None = None
    """The kind it fails with."""
    times: int = 1_000
    """It fails on the first so many attempts only."""


def suite_catalog(called: list[str]) -> Catalog:
    """Actions `suite.write`, `suite.read`, `suite.pure`, and `suite.page` (two numbers a page), which note each attempt
    in `called`.
    """

    def made(ctx: ActionContext, params: _Params) -> Any:
        called.append(ctx.step)
        if params.fail is not None and ctx.attempt <= params.times:
            error = PermanentError if params.fail.startswith("final") else TransientError
            raise error(params.fail, f"attempt {ctx.attempt} failed", output=params.give)
        return params.give

    async def later(ctx: ActionContext, params: _Params) -> Any:
        return made(ctx, params)

    async def page(ctx: ActionContext, params: _Page) -> Any:
        called.append(ctx.step)
        first = params.cursor or 0
        after = first + 2
        return {"items": list(range(first, min(after, params.upto))), "cursor": after if after < params.upto else None}

    actions = (
        Action(name="suite.page", handler=page, params=_Page, effect=Effect.READ, stream=True),
        Action(name="suite.write", handler=later, params=_Params, effect=Effect.WRITE),
        Action(name="suite.read", handler=later, params=_Params, effect=Effect.READ),
        Action(name="suite.pure", handler=made, params=_Params, effect=Effect.PURE, is_async=False, stream=True),
    )
    return Catalog([Connector(name="suite", actions=actions)])


def suite_flow(scenario: Scenario, catalog: Catalog) -> Flow:
    """The scenario's flow.

    Raises:
        AssertionError: it does not load.
    """
    steps = "\n".join(f"  {line}" for line in scenario.steps.strip().splitlines())
    text = f"name: suite-{scenario.name}\n{scenario.head.strip()}\nsteps:\n{steps}\n"
    loaded = load(text, file=None, catalog=catalog)
    if loaded.flow is None:
        raise AssertionError("\n".join(f"{p.place}: {p.message}" for p in loaded.problems) + "\n" + text)
    return loaded.flow


def differences(
    scenario: Scenario,
    *,
    status: str,
    output: Any,
    error: ErrorInfo | None,
    called: list[str],
    statuses: dict[str, str],
) -> list[str]:
    """What is not as the scenario tells."""
    wanted = sorted(scenario.called) if scenario.any_order else list(scenario.called)
    found = {
        "status": (scenario.status, status),
        "output": (scenario.output, output),
        "error": (scenario.error, error.kind if error else None),
        "called": (wanted, sorted(called) if scenario.any_order else called),
        "statuses": (scenario.statuses, {path: statuses.get(path, "nothing") for path in scenario.statuses}),
    }
    return [f"{what}: expected {expected!r}, got {got!r}" for what, (expected, got) in found.items() if expected != got]


SCENARIOS = (
    Scenario(
        name="data",
        steps="""
- name: a
  set: {x: "{{ event.data.n + 1 }}"}
- name: b
  action: suite.pure
  give: {sum: "{{ vars.x * 2 }}"}
- return: steps.b.output.sum
""",
        data={"n": 20},
        output=42,
        called=("b",),
    ),
    Scenario(
        name="last-output",
        steps="""
- name: a
  action: suite.write
  give: [1, 2]
- name: skipped
  if: "false"
  action: suite.write
""",
        output=[1, 2],
        called=("a",),
        statuses={"a": "completed", "skipped": "skipped"},
    ),
    Scenario(
        name="outputs",
        head='outputs: {total: "{{ steps.a.output }}"}',
        steps="- {name: a, action: suite.read, give: 7}",
        output={"total": 7},
        called=("a",),
    ),
    Scenario(
        name="unless",
        steps="""
- name: a
  unless: event.data.skip
  action: suite.write
- name: b
  action: suite.write
  give: end
""",
        data={"skip": True},
        output="end",
        called=("b",),
        statuses={"a": "skipped"},
    ),
    Scenario(
        name="retry-until-it-works",
        steps="""
- name: a
  action: suite.write
  with: {fail: http.503, times: 2, give: ok}
  retry: {max: 3, delay: 10ms, jitter: 0}
""",
        output="ok",
        called=("a", "a", "a"),
    ),
    Scenario(
        name="retry-in-vain",
        steps="""
- name: a
  action: suite.write
  with: {fail: http.503}
  retry: {max: 2, delay: 10ms, backoff: fixed}
- {name: never, action: suite.write}
""",
        status="failed",
        error="http.503",
        called=("a", "a"),
        statuses={"a": "failed"},
    ),
    Scenario(
        name="stop-on",
        steps="""
- name: a
  action: suite.write
  with: {fail: http.404}
  retry: {max: 5, delay: 10ms, stop_on: [http.4xx]}
""",
        status="failed",
        error="http.404",
        called=("a",),
    ),
    Scenario(
        name="retry-none",
        steps="- {name: a, action: suite.write, with: {fail: timeout}, retry: none, continue_on_error: true}\n"
        '- {name: b, action: suite.pure, give: "{{ steps.a.error.kind }}"}',
        output="timeout",
        called=("a", "b"),
        statuses={"a": "failed", "b": "completed"},
    ),
    Scenario(
        name="on-error",
        steps="""
- name: a
  action: suite.write
  with: {fail: final.no}
  on_error:
    - name: h
      action: suite.write
      give: "handled {{ error.kind }}"
- name: b
  action: suite.pure
  give: "{{ steps.a.status }}: {{ steps.a.output }}"
""",
        output="completed: handled final.no",
        called=("a", "a.on_error.h", "b"),
        statuses={"a": "completed"},
    ),
    Scenario(
        name="handler-fails",
        steps="""
- name: a
  action: suite.write
  with: {fail: final.no}
  on_error:
    - fail: {kind: worse, message: "the handler failed"}
""",
        status="failed",
        error="worse",
        called=("a",),
    ),
    Scenario(
        name="finally",
        steps="""
- name: a
  steps:
    - {name: x, action: suite.write, with: {fail: final.no}}
  finally:
    - {name: f, action: suite.write, give: "{{ error.kind }}"}
  continue_on_error: true
- name: b
  action: suite.pure
  give: on
""",
        output="on",
        called=("a.x", "a.finally.f", "b"),
        statuses={"a": "failed", "a.finally.f": "completed"},
    ),
    Scenario(
        name="on-failure",
        head="""
on_failure:
  - {name: tell, action: suite.write, give: "{{ error.kind }} in {{ error.step }}"}
""",
        steps="- {name: a, action: suite.write, with: {fail: final.no}}",
        status="failed",
        error="final.no",
        called=("a", "on_failure.tell"),
    ),
    Scenario(
        name="wait",
        steps="- {name: w, wait: 120ms}\n- {name: a, action: suite.write, give: later}",
        output="later",
        called=("a",),
        statuses={"w": "completed"},
    ),
    Scenario(
        name="block-timeout",
        steps="""
- name: b
  timeout: 100ms
  steps:
    - {name: w, wait: 1h}
  on_error:
    - {name: h, action: suite.write, give: "{{ error.kind }}"}
""",
        output="timeout",
        called=("b.on_error.h",),
        statuses={"b": "completed"},
    ),
    Scenario(
        name="run-timeout",
        head="timeout: 100ms",
        steps="- {name: w, wait: 1h}\n- {name: never, action: suite.write}",
        status="failed",
        error="timeout",
    ),
    Scenario(
        name="return-inside",
        steps="""
- name: b
  steps:
    - {name: a, action: suite.write, give: 1}
    - return: "steps.a.output + 1"
- {name: never, action: suite.write}
""",
        output=2,
        called=("b.a",),
    ),
    Scenario(
        name="fail",
        steps='- {name: f, fail: {kind: mine, message: "no {{ event.data.what }}"}}',
        data={"what": "luck"},
        status="failed",
        error="mine",
    ),
    Scenario(
        name="expression-fails",
        steps='- {name: a, action: suite.write, give: "{{ event.data.nothing.there }}"}',
        data={"n": 1},
        status="failed",
        error="expression",
    ),
    Scenario(
        name="emit",
        steps="- {name: e, emit: {type: suite.done, data: {a: 1}}}\n- {name: a, action: suite.write, give: sent}",
        output="sent",
        called=("a",),
        statuses={"e": "completed"},
    ),
    Scenario(
        name="output",
        steps="- {name: a, action: suite.write, give: {deep: {er: 5}}, output: output.deep.er}\n"
        '- {name: b, action: suite.pure, give: "{{ steps.a.output + 1 }}"}',
        output=6,
        called=("a", "b"),
    ),
    Scenario(
        name="draws-are-kept",
        steps='- {name: a, set: {u: "{{ uuid() }}", t: "{{ now() }}"}}\n'
        "- {name: w, wait: 80ms}\n"
        '- {name: b, action: suite.pure, give: "{{ vars.u == steps.a.output.u }}"}',
        output=True,
        called=("b",),
    ),
    Scenario(
        name="wrong-parameter",
        steps='- {name: a, action: suite.write, times: "{{ event.data }}"}',
        data="many",
        status="failed",
        error="input",
    ),
    *ORCHESTRATION,
)
