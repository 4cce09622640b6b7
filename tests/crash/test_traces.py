"""Traces as a receiver sees them: whole, once, with the right parents, whatever happened meanwhile."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.crash.harness import server
from tests.crash.otlp import Receiver, Span

INCOMING = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{INCOMING[0]}-{INCOMING[1]}-01"


def flows(url: str) -> dict[str, str]:
    call = f'action: http.request, with: {{url: "{url}/'
    return {
        "big": f"""
name: big
on: {{event: big}}
steps:
  - {{name: first, set: {{n: 1}}}}
  - {{name: flaky, {call}flaky", method: POST}}, retry: {{max: 3, delay: 10ms}}}}
  - {{name: never, if: "false", {call}never", method: POST}}}}
  - name: both
    parallel:
      branches:
        left: [{{name: a, {call}a", method: POST}}}}]
        right: [{{name: b, {call}b", method: POST}}}}, {{name: say, action: log.info, with: {{message: hi}}}}]
  - name: each
    for_each: "[1, 2, 3]"
    max_parallel: 2
    steps: [{{name: c, {call}c", method: POST}}}}]
  - {{name: sub, call: small, with: {{}}}}
  - {{name: tell, emit: {{type: small.told}}}}
  - {{name: rest, wait: 300ms}}
  - {{name: last, {call}last", method: POST}}}}
""",
        "small": f'name: small\non: {{event: small.told}}\nsteps:\n  - {{name: s, {call}small", method: POST}}}}\n',
        "bad": f"""
name: bad
on: {{event: bad}}
steps:
  - {{name: fine, {call}fine", method: POST}}}}
  - {{name: broken, {call}broken", method: POST}}, retry: {{max: 1}}}}
""",
    }


def settings(receiver: Receiver) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_SERVICE_NAME": "shop",
        "REACTOR_HTTP_ALLOW": "127.0.0.0/8",
        "REACTOR_PASSIVATE_AFTER": "100ms",
    }


def send(it: Any, type_: str, **headers: str) -> str:
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", it.port, timeout=10)
    connection.request("POST", "/events", json.dumps({"type": type_}), {"content-type": "application/json", **headers})
    found = json.loads(connection.getresponse().read())
    connection.close()
    return str(found["runs"][0]["id"])


def ended(it: Any, run: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(1_000):
        found = it.get(f"/api/v1/runs/{run}")[1]
        if found["status"] in {"completed", "failed", "cancelled"}:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def around(path: str) -> list[str]:
    """Paths of what a step may stand in, the nearest first."""
    found = []
    while path := re.sub(r"(\[\d+\]|(^|\.)[^.\[]+)$", "", path):
        found.append(path)
    return found


def check_tree(spans: list[Span], run: dict[str, Any]) -> Span:
    """The tree of spans is the tree of steps. Gives the run's own."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans), "a span id is there twice"
    (root,) = [span for span in spans if span.path is None]
    assert {span.trace for span in spans} == {root.trace}
    steps = {span.path: span for span in spans if span.path is not None and span.attempt is None}
    assert set(steps) == {step["path"] for step in run["steps"]}
    for path, span in steps.items():
        parent = next((steps[each] for each in around(path or "") if each in steps), root)
        assert by_id[span.parent] is parent, (span, parent)
        assert parent.start <= span.start <= span.end, span
    for span in spans:
        if span.attempt is not None:
            assert by_id[span.parent] is steps[span.path]
    for step in run["steps"]:
        attempts = sorted(span.attempt for span in spans if span.path == step["path"] and span.attempt)
        if step["action"] is not None and "." in step["action"] and step["attempts"]:
            assert attempts == list(range(1, step["attempts"] + 1)), step
    return root


def test_a_run_is_one_trace_over_kills(tmp_path):
    with Receiver() as receiver, server(tmp_path, flows(receiver.url), **settings(receiver)) as it:
        receiver.failing["/flaky"] = 1
        receiver.unanswered = {"/c", "/last"}
        it.start()
        run = send(it, "big", traceparent=TRACEPARENT, tracestate="vendor=x")
        receiver.until(lambda: [1 for called, _ in receiver.calls if called == "/c"])
        it.kill()
        it.start()
        receiver.until(lambda: [1 for called, _ in receiver.calls if called == "/last"])
        receiver.until(lambda: len([s for s in receiver.spans if s.name == "small"]) == 2)
        it.kill()
        receiver.killed.set()
        it.start()
        shown = ended(it, run)
        assert shown["status"] == "completed", shown
        spans = receiver.of_run(run)
        root = check_tree(spans, shown)
        assert (root.trace, root.parent) == INCOMING
        assert spans[0].resource["service.name"] == "shop"
        # What was called had the id of the attempt that called it, and its trace.
        ids = {span.id: span for span in spans} | {span.id: span for span in receiver.spans}
        for path, headers in receiver.calls:
            version, trace, span, flags = headers["traceparent"].split("-")
            assert (version, trace, flags, headers["tracestate"]) == ("00", INCOMING[0], "01", "vendor=x")
            if path != "/small":
                assert ids[span].path.rpartition(".")[2] == path[1:], path
        # The flow that was called and the one that was told are in the same trace, below the step that did it.
        (small,) = [run["id"] for run in it.get(f"/api/v1/runs?parent={run}")[1]["items"]]
        called = check_tree(receiver.of_run(small), it.get(f"/api/v1/runs/{small}")[1])
        assert (called.trace, ids[called.parent].path) == (INCOMING[0], "sub")
        told = receiver.until(
            lambda: [s for s in receiver.spans if s.path is None and s.name == "small" and s.run != small]
        )
        assert [(s.trace, ids[s.parent].path) for s in told] == [(INCOMING[0], "tell")]
        all_ids = [span.id for span in receiver.spans]
        assert len(set(all_ids)) == len(all_ids)
        assert it.signal(15) == 0
        assert "Traceback" not in it.log()


def test_a_retry_goes_on_and_a_fork_is_linked(tmp_path):
    with Receiver() as receiver, server(tmp_path, flows(receiver.url), **settings(receiver)) as it:
        receiver.failing["/broken"] = 1
        it.start()
        run = send(it, "bad")
        assert ended(it, run)["status"] == "failed"
        first = receiver.of_run(run)
        root = check_tree(first, it.get(f"/api/v1/runs/{run}")[1])
        assert root.parent == ""
        assert root.failed
        assert root.message.startswith("http.503")
        assert {span.path for span in first if span.failed} == {None, "broken"}
        it.post(f"/api/v1/runs/{run}/retry", None)
        again = receiver.until(lambda: [s for s in receiver.spans if s.run == run and s not in first])
        assert ended(it, run)["status"] == "completed"
        (second,) = [span for span in again if span.path is None]
        assert (second.trace, second.links) == (root.trace, [(root.trace, root.id)])
        assert {span.path for span in again} == {None, "broken"}
        assert not {span.id for span in first} & {span.id for span in again}
        fork = it.post(f"/api/v1/runs/{run}/fork", {"step": "broken"})[1]["id"]
        spans = receiver.of_run(fork)
        (forked,) = [span for span in spans if span.path is None]
        assert forked.trace != root.trace
        assert forked.links == [(root.trace, second.id)]
        assert {span.path for span in spans} == {None, "broken"}


def test_who_takes_traces_may_be_away_slow_or_wrong(tmp_path):
    with Receiver() as receiver, server(tmp_path, flows(receiver.url), **settings(receiver)) as it:
        it.start(OTEL_EXPORTER_OTLP_TIMEOUT="1")
        receiver.status = 400
        assert ended(it, send(it, "small.told"))["status"] == "completed"
        metric = 'reactor_trace_spans_total{outcome="failed"} 3'
        receiver.until(lambda: metric in it.get("/metrics")[1])
        receiver.hold.clear()
        begun = time.monotonic()
        runs = [send(it, "small.told") for _ in range(20)]
        assert all(ended(it, run)["status"] == "completed" for run in runs)
        assert time.monotonic() - begun < 5
        receiver.status = 200
        receiver.hold.set()
        last = send(it, "small.told")
        ended(it, last)
        assert len(receiver.of_run(last)) == 3
        assert it.log().count("spans cannot be sent") == 1
        assert it.signal(15) == 0


def test_without_traces_what_came_is_handed_on(tmp_path):
    with Receiver() as receiver, server(tmp_path, flows(receiver.url), REACTOR_HTTP_ALLOW="127.0.0.0/8") as it:
        it.start()
        ended(it, send(it, "small.told", traceparent=TRACEPARENT, tracestate="vendor=x"))
        ended(it, send(it, "small.told", traceparent="00-" + "0" * 32 + "-00f067aa0ba902b7-01"))
        ended(it, send(it, "small.told"))
        (_, handed), *others = receiver.calls
        assert (handed["traceparent"], handed["tracestate"]) == (TRACEPARENT, "vendor=x")
        assert not any("traceparent" in headers for _, headers in others)
        assert not receiver.spans
