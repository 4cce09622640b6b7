"""A pattern follows everything that is committed. What does that cost those who send, and does it keep up?"""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.flows import QUIET, event_body
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec
from bench.server import Server

_PATIENCE = 120.0


def _flow(name: str, type_: str, by: str) -> dict[str, str]:
    """Never a match: its events would be counted as ours."""
    pattern = f"{{by: {by}, within: 1h, sequence: [{{event: {type_}}}, {{event: bench.never}}]}}"
    steps = "steps:\n  - {name: note, set: {n: '{{ event.data.count }}'}}\n"
    return {name: f"name: {name}\non: {{pattern: {pattern}}}\n{steps}"}


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    event = b'{"type": "bench.seen", "data": ' + event_body() + b"}"
    found: dict[str, float] = {}
    cases = {
        "none": {"quiet": QUIET},
        "other": _flow("other", "bench.other", "event.data.id"),
        "one": _flow("one", "bench.seen", "event.data.id"),
        "keys": _flow("keys", "bench.seen", "event.id"),
    }
    for name, flows in cases.items():
        with ctx.server(flows) as server:
            load = under_load(server, "/events", event, ctx.seconds)
            found |= {name: load.rate, f"{name}_cpu": load.cpu}
            if name in ("one", "keys"):
                found[f"{name}_behind"] = _until_armed(server)
    return found


def _until_armed(server: Server) -> float:
    """Seconds until the pattern has looked at everything."""
    begun = time.perf_counter()
    while server.api("/triggers")["items"][0]["state"] != "armed":
        if time.perf_counter() - begun > _PATIENCE:
            return _PATIENCE
        time.sleep(0.01)
    return time.perf_counter() - begun


SCENARIO = Scenario(
    "patterns",
    "A pattern follows the events: 64 connections, 1 KB JSON, POST /events",
    (
        Spec("none", "no pattern", "/s"),
        Spec("none_cpu", "server CPU for each", "µs"),
        Spec("other", "a pattern on another type", "/s", "", "none"),
        Spec("other_cpu", "server CPU for each", "µs"),
        Spec("one", "a sequence, all events of one key", "/s", "", "none"),
        Spec("one_cpu", "server CPU for each", "µs"),
        Spec("one_behind", "then caught up after", "s"),
        Spec("keys", "a sequence, each event a key of its own", "/s", "", "none"),
        Spec("keys_cpu", "server CPU for each", "µs"),
        Spec("keys_behind", "then caught up after", "s"),
    ),
    measure,
)
