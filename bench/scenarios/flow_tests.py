"""A suite of a thousand flow tests, as `reactor test` runs them: a process of its own, from its start to its end."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.scenario import Context, Scenario, Spec

FLOWS, CASES = 50, 20
FLOW = """\
name: order-{number}
on: {{event: order.created}}
if: event.data.total > 100
steps:
  - name: charge
    action: http.request
    with: {{method: POST, url: "https://pay.example/charge", json: {{order: "{{{{ event.data.id }}}}"}}}}
    retry: {{max: 3, delay: 10s}}
    undo: {{action: http.request, with: {{method: POST, url: "https://pay.example/refund"}}}}
  - name: parts
    for_each: "{{{{ event.data.parts }}}}"
    steps:
      - {{name: pack, action: file.write, with: {{path: "/parts/{{{{ item }}}}", content: "{{{{ index }}}}"}}}}
  - {{name: rest, wait: 3d}}
  - name: tell
    action: http.request
    with: {{method: POST, url: "https://chat.example", json: {{text: "{{{{ steps.charge.output.body.amount }}}}"}}}}
"""
CASE = """\
- name: case {number}
  event: {{type: order.created, data: {{id: {number}, total: 250, parts: [a, b, c]}}}}
  mock:
    charge: [{{error: http.503}}, {{output: {{body: {{amount: {number}}}}}}}]
    pack: {{output: {{}}}}
    tell: {{error: http.400}}
  expect:
    status: failed
    steps: {{charge: completed, tell: failed}}
    called: [charge, pack, pack, pack, tell, charge.undo]
"""


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    flows = ctx.size(FLOWS, 5)
    with ctx.fresh() as folder:
        for number in range(flows):
            (folder / f"order-{number}.yaml").write_text(FLOW.format(number=number))
            cases = "".join(CASE.format(number=case) for case in range(CASES))
            (folder / f"order-{number}.test.yaml").write_text(cases)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [Path(sys.executable).with_name("reactor"), "test", str(folder)], check=True, capture_output=True, text=True
        )
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{flows * CASES} passed" in done.stdout, done.stdout[-500:]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": took * (FLOWS / flows), "cpu": cpu * (FLOWS / flows), "each": took / (flows * CASES) * 1000}


SCENARIO = Scenario(
    "flow_tests",
    "A suite of 1,000 flow tests: 50 flows with retries, a loop, three days of waiting and an undo",
    (
        Spec("seconds", "1,000 tests, from the command's start to its end", "s", "≤ 10"),
        Spec("cpu", "CPU of that", "s"),
        Spec("each", "for each test", "ms"),
    ),
    measure,
)
