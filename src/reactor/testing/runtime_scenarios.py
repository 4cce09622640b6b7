"""The scenarios of the port `Durable` that steps in steps, waits and people make."""

from __future__ import annotations

from typing import Any

import msgspec


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One flow, its event, and its end."""

    name: str
    steps: str
    """YAML of the steps, indented by nothing."""
    head: str = ""
    """YAML of the flow beside `steps`."""
    data: Any = None
    status: str = "completed"
    output: Any = None
    error: str | None = None
    """Kind of the run's error."""
    called: tuple[str, ...] = ()
    """Paths of the attempts of actions, in order."""
    any_order: bool = False
    """Attempts of branches side by side may come in any order."""
    statuses: dict[str, str] = msgspec.field(default_factory=dict)
    """Status of some steps."""
    sends: tuple[dict[str, Any], ...] = ()
    """Events that come while it runs: `{type, data?, subject?}`."""
    decides: tuple[tuple[str, str, str], ...] = ()
    """(path of an `approve` step, person, `approve` or `reject`), one after the other."""


ORCHESTRATION = (
    Scenario(
        name="parallel-all",
        steps="""
- name: p
  parallel:
    branches:
      a: [{name: x, action: suite.read, give: 1}]
      b: [{name: x, action: suite.read, give: 2}, {name: y, action: suite.pure, give: "{{ steps.x.output + 1 }}"}]
- return: "steps.p.output.branches.a.output + steps.p.output.branches.b.output"
""",
        output=4,
        called=("p.branches.a.x", "p.branches.b.x", "p.branches.b.y"),
        any_order=True,
        statuses={"p": "completed", "p.branches.a": "completed"},
    ),
    Scenario(
        name="parallel-first-cancels-and-undoes",
        steps="""
- name: p
  parallel:
    branches:
      slow:
        - {name: x, action: suite.write, give: 1, undo: {action: suite.write, give: back}}
        - {name: w, wait: 1h}
      quick:
        - {name: w, wait: 300ms}
        - {name: y, action: suite.read, give: here}
    join: first
- return: steps.p.output.winner
""",
        output="quick",
        called=("p.branches.slow.x", "p.branches.quick.y", "p.branches.slow.x.undo"),
        statuses={
            "p.branches.slow": "cancelled",
            "p.branches.slow.w": "cancelled",
            "p.branches.slow.x.undo": "completed",
        },
    ),
    Scenario(
        name="parallel-fails-fast",
        steps="""
- name: p
  parallel:
    branches:
      bad:
        - {name: w, wait: 50ms}
        - {name: x, action: suite.write, with: {fail: final.no}}
      good: [{name: w, wait: 1h}]
  on_error:
    - {name: h, action: suite.pure, give: "{{ error.kind }}"}
""",
        output="final.no",
        called=("p.branches.bad.x", "p.on_error.h"),
        statuses={"p": "completed", "p.branches.good": "cancelled"},
    ),
    Scenario(
        name="parallel-count",
        steps="""
- name: p
  parallel:
    branches:
      a: [{name: x, action: suite.read, with: {fail: final.no}}]
      b: [{name: w, wait: 60ms}, {name: x, action: suite.read, give: 2}]
      c: [{name: w, wait: 1h}, {name: x, action: suite.read, give: 3}]
    join: {count: 1}
- return: steps.p.output.branches.b.output
""",
        output=2,
        called=("p.branches.a.x", "p.branches.b.x"),
        statuses={"p.branches.a": "failed", "p.branches.b": "completed", "p.branches.c": "cancelled"},
    ),
    Scenario(
        name="for-each",
        steps="""
- name: each
  for_each: event.data
  steps:
    - {name: x, action: suite.read, give: "{{ item * 10 + index }}"}
""",
        data=[1, 2, 3],
        output=[10, 21, 32],
        called=("each[0].x", "each[1].x", "each[2].x"),
    ),
    Scenario(
        name="for-each-side-by-side",
        steps="""
- name: each
  for_each: event.data
  max_parallel: 3
  steps:
    - {name: x, action: suite.read, give: "{{ item }}"}
  output: output | length
- return: steps.each.output
""",
        data=[1, 2, 3, 4, 5],
        output=5,
        called=tuple(f"each[{number}].x" for number in range(5)),
        any_order=True,
    ),
    Scenario(
        name="for-each-fails-and-undoes",
        steps="""
- name: each
  for_each: event.data
  steps:
    - name: x
      action: suite.write
      with: {give: "{{ item }}", fail: "{{ 'final.no' if item == 3 else none }}"}
      undo: {action: suite.write, give: "{{ output }}"}
""",
        data=[1, 2, 3, 4],
        status="failed",
        error="final.no",
        called=("each[0].x", "each[1].x", "each[2].x", "each[1].x.undo", "each[0].x.undo"),
    ),
    Scenario(
        name="stream",
        steps="""
- {name: read, action: suite.pure, give: {$stream: {action: suite.page, with: {upto: 5}}}}
- name: each
  for_each: steps.read.output
  steps:
    - {name: x, action: suite.read, give: "{{ item }}"}
""",
        output={"count": 5},
        called=(
            "read",
            "each.page-0",
            "each[0].x",
            "each[1].x",
            "each.page-1",
            "each[2].x",
            "each[3].x",
            "each.page-2",
            "each[4].x",
        ),
    ),
    Scenario(
        name="while",
        steps="""
- {name: a, set: {n: 0}}
- name: loop
  while: vars.n < 3
  every: 20ms
  steps:
    - {name: up, set: {n: "{{ vars.n + 1 }}"}}
    - {name: x, action: suite.read, give: "{{ vars.n }}"}
""",
        output={"count": 3, "last": 3},
        called=("loop[0].x", "loop[1].x", "loop[2].x"),
    ),
    Scenario(
        name="break",
        steps="""
- name: loop
  until: "false"
  steps:
    - {name: x, action: suite.read, give: "{{ index }}"}
    - {name: stop, if: index == 2, break: true}
- return: steps.loop.output.count
""",
        output=3,
        called=("loop[0].x", "loop[1].x", "loop[2].x"),
        statuses={"loop[0].stop": "skipped", "loop[2].stop": "completed"},
    ),
    Scenario(
        name="loop-limit",
        steps="""
- name: loop
  while: "true"
  max: 2
  steps:
    - {name: x, action: suite.read}
""",
        status="failed",
        error="loop.limit",
        called=("loop[0].x", "loop[1].x"),
    ),
    Scenario(
        name="switch",
        steps="""
- name: pick
  switch:
    - if: event.data > 100
      steps: [{name: x, action: suite.read, give: large}]
    - if: event.data > 10
      steps: [{name: x, action: suite.read, give: middle}]
    - else: [{name: x, action: suite.read, give: small}]
- return: steps.x.output
""",
        data=50,
        output="middle",
        called=("pick.cases[1].x",),
    ),
    Scenario(
        name="deep",
        steps="""
- name: each
  for_each: event.data
  max_parallel: 2
  steps:
    - name: p
      parallel:
        branches:
          a:
            - name: pick
              switch:
                - if: item > 1
                  steps: [{name: x, action: suite.read, give: "{{ item }}"}]
                - else: [{name: y, action: suite.read, give: 0}]
          b: [{name: z, set: {seen: "{{ item }}"}}]
    - {name: sum, action: suite.pure, give: "{{ steps.p.output.branches.a.output + 1 }}"}
""",
        data=[1, 2],
        output=[1, 3],
        called=(
            "each[0].p.branches.a.pick.cases[1].y",
            "each[0].sum",
            "each[1].p.branches.a.pick.cases[0].x",
            "each[1].sum",
        ),
        any_order=True,
    ),
    Scenario(
        name="wait-for",
        steps="""
- name: paid
  wait_for: {event: suite.paid, if: received.data.order == event.data}
- return: steps.paid.output.data.sum
""",
        data=7,
        sends=(
            {"type": "suite.paid", "data": {"order": 6, "sum": 1}},
            {"type": "suite.paid", "data": {"order": 7, "sum": 2}},
        ),
        output=2,
        statuses={"paid": "completed"},
    ),
    Scenario(
        name="wait-for-in-vain",
        steps="""
- name: paid
  wait_for:
    event: suite.paid
    timeout: 100ms
    on_timeout: [{name: late, action: suite.read, give: too late}]
- return: steps.paid.output
""",
        output=None,
        called=("paid.on_timeout.late",),
    ),
    Scenario(
        name="approve",
        steps="""
- name: ok
  approve:
    title: "Pay {{ event.data }}?"
    by: [ann, bob]
    quorum: 2
    notify: [{name: mail, action: suite.read, give: "{{ approval.title }}"}]
- return: steps.ok.output.by
""",
        data=5,
        decides=(("ok", "bob", "approve"), ("ok", "ann", "approve")),
        output=["bob", "ann"],
        called=("ok.notify[0].mail",),
    ),
    Scenario(
        name="approve-rejected",
        steps="""
- {name: ok, approve: {title: Go?, by: ann}}
- return: steps.ok.output.decision
""",
        decides=(("ok", "ann", "reject"),),
        output="rejected",
    ),
    Scenario(
        name="approve-escalates-in-vain",
        steps="""
- name: ok
  approve:
    title: Go?
    by: ann
    timeout: 300ms
    escalate: [{after: 100ms, to: boss}]
    notify: [{name: mail, action: suite.read, give: "{{ approval.people }}"}]
    on_timeout: reject
- return: steps.ok.output.decision
""",
        output="rejected",
        called=("ok.notify[0].mail", "ok.notify[1].mail"),
    ),
    Scenario(
        name="state",
        steps="""
- {name: a, state: {key: count, add: 2}}
- {name: b, state: {key: count, add: 3}}
- {name: c, action: suite.read, give: "{{ state.count }}"}
- return: "[steps.b.output, steps.c.output]"
""",
        output=[5, 5],
        called=("c",),
    ),
    Scenario(
        name="undo",
        steps="""
- {name: a, action: suite.write, give: 1, undo: {action: suite.write, give: "{{ output }}"}}
- name: b
  steps:
    - {name: c, action: suite.write, give: 2, undo: {action: suite.write, with: {fail: final.no}, retry: none}}
- {name: d, action: suite.write, with: {fail: final.broken}}
""",
        head="""
on_failure:
  - {name: tell, action: suite.write}
""",
        status="failed",
        error="final.broken",
        called=("a", "b.c", "d", "b.c.undo", "a.undo", "on_failure.tell"),
        statuses={"a.undo": "completed", "b.c.undo": "failed"},
    ),
    Scenario(
        name="block-retry",
        steps="""
- name: b
  retry: {max: 3, delay: 10ms, jitter: 0}
  steps:
    - {name: x, action: suite.write, give: 1, undo: {action: suite.write}}
    - {name: y, action: suite.write, with: {fail: http.503}}
""",
        status="failed",
        error="http.503",
        called=("b.x", "b.y", "b.x.undo") * 3,
        statuses={"b": "failed"},
    ),
    Scenario(
        name="deadline",
        steps="""
- name: b
  deadline: 150ms
  steps:
    - {name: w, wait: 1h}
  on_error: [{name: h, action: suite.read, give: "{{ error.kind }}"}]
""",
        output="timeout",
        called=("b.on_error.h",),
    ),
    Scenario(
        name="branch-timeout",
        steps="""
- name: p
  timeout: 150ms
  parallel:
    branches:
      a: [{name: x, action: suite.read, give: 1}]
      b: [{name: w, wait: 1h, finally: [{name: f, action: suite.read}]}]
  continue_on_error: true
- return: steps.p.error.kind
""",
        output="timeout",
        called=("p.branches.a.x", "p.branches.b.w.finally.f"),
        statuses={"p": "failed", "p.branches.a": "completed"},
    ),
)
