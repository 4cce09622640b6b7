"""What orchestration costs on the real server: a ten-way join, ten thousand iterations."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bench import load
from bench.scenario import Context, Scenario, Spec, median, quantile

_TEN = ", ".join(f"b{n}: [{{name: s{n}, action: bench.pure, with: {{value: {n}}}}}]" for n in range(10))
FLOWS = {
    "alone": """
name: alone
on: {webhook: {path: /bench/alone, respond: result}}
steps:
"""
    + "".join(f"  - {{name: s{n}, action: bench.pure, with: {{value: {n}}}}}\n" for n in range(10)),
    "join": f"""
name: join
on: {{webhook: {{path: /bench/join, respond: result}}}}
steps:
  - parallel: {{branches: {{{_TEN}}}}}
  - return: "1"
""",
    "each": """
name: each
on: {webhook: {path: /bench/each, respond: result, timeout: 1m}}
steps:
  - name: all
    for_each: event.data.items
    steps:
      - {name: double, set: {double: "{{ item * 2 }}"}}
  - return: steps.all.output | length
""",
}
ITEMS = 10_000


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body = b"{}"
    found: dict[str, float] = {}
    with ctx.server(FLOWS) as server:
        for name in ("alone", "join"):
            load.one_at_a_time(server.port, f"/bench/{name}", body, 50)
            times = load.one_at_a_time(server.port, f"/bench/{name}", body, ctx.size(400, 100))
            found |= {f"{name}_p50": median(times), f"{name}_p99": quantile(times, 0.99)}
        found["join_more"] = found["join_p50"] - found["alone_p50"]
        items = json.dumps({"items": list(range(ITEMS))}).encode()
        load.one_at_a_time(server.port, "/bench/each", items, 1)
        before = server.process.rss()
        times = load.one_at_a_time(server.port, "/bench/each", items, ctx.size(5, 2))
        found |= {"each": median(times), "each_memory": server.process.rss() - before}
    return found


SCENARIO = Scenario(
    "orchestration",
    "Branches and iterations, through `respond: result`",
    (
        Spec("alone_p50", "ten pure steps one after the other, p50", "ms"),
        Spec("join_p50", "the same side by side with a join, p50", "ms"),
        Spec("join_p99", "its p99", "ms"),
        Spec("join_more", "what the join costs more", "ms", "≤ 3"),
        Spec("each", "`for_each` over 10,000 items with a pure body", "ms", "≤ 1,000"),
        Spec("each_memory", "memory that it leaves behind", "MB", "≤ 50"),
    ),
    measure,
)
