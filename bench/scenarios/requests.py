"""A flow whose one step is an `http.request` to a loopback server, beside what HTTP clients reach alone."""

from __future__ import annotations

from collections.abc import Mapping

from bench import ceilings
from bench.flows import event_body, request
from bench.measure import under_load
from bench.process import free_port, own, wait_for_port
from bench.scenario import Context, Scenario, Spec


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body, port = event_body(), free_port()
    found: dict[str, float] = {}
    url = f"http://127.0.0.1:{port}/"
    target = own("target", port, cwd=ctx.folder)
    try:
        wait_for_port(target, port)
        for method in ("GET", "POST"):
            for kind in ("action", "httpx2"):
                found[f"{method}_{kind}"] = ceilings.requests_alone(ctx.folder, kind, method, url, ctx.seconds)
        flows = {method: request(method, url) for method in ("GET", "POST")}
        with ctx.server(flows, settings={"http_allow": "127.0.0.0/8"}) as server:
            for method in flows:
                seen = under_load(server, f"/bench/{method.lower()}", body, ctx.seconds)
                found |= {f"{method}_flow": seen.finished, f"{method}_x": seen.finished, f"{method}_p99": seen.p99}
                found[f"{method}_cpu"] = seen.cpu
    finally:
        target.stop()
    return found


def _specs(method: str, what: str) -> tuple[Spec, ...]:
    return (
        Spec(f"{method}_action", f"ceiling: {method} by our client alone, 64 at a time", "/s"),
        Spec(f"{method}_httpx2", f"ceiling: {method} by httpx2 alone, 64 at a time", "/s"),
        Spec(
            f"{method}_flow",
            f"runs with one {method} ({what}), answered at the end",
            "/s",
            "≥ 50 %",
            f"{method}_action",
        ),
        Spec(f"{method}_x", "the same, as a share of httpx2", "/s", "≥ 50 %", f"{method}_httpx2"),
        Spec(f"{method}_p99", "its p99", "ms"),
        Spec(f"{method}_cpu", "server CPU for each", "µs"),
    )


SCENARIO = Scenario(
    "requests",
    "A flow whose one step is an http.request to a loopback server: 64 connections",
    (*_specs("GET", "a read: no commit before it"), *_specs("POST", "a write: one commit before it")),
    measure,
)
