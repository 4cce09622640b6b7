"""The API over a real connection: every line of its table, the shapes it promises, and what it refuses."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.model.flow import WaitStep
from reactor.server.api import LINES
from reactor.server.doors import Doors
from reactor.server.table import Line
from reactor.stores.port import RunFilter
from tests.integration.server_kit import Kit, flow, serving


class Wrong(msgspec.Struct):
    """A problem as the language tells it."""

    message: str
    file: str | None = None
    line: int = 1
    column: int = 1
    severity: str = "error"
    rule: str = "unknown-key"
    suggestion: str | None = None


def line_of(method: str, path: str) -> Line:
    def fits(line: Line) -> bool:
        return line.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", line.path), path) is not None

    fitting = [line for line in LINES if fits(line)]
    return min(fitting, key=lambda line: "{" in line.path)


async def held(kit: Kit, method: str, path: str, **more: Any) -> Any:
    """The answer's JSON, which has to have exactly the shape that OpenAPI tells."""
    response = await getattr(kit, method.lower())(path, **more)
    line = line_of(method, path.partition("?")[0])
    assert response.status_code == line.status, response.text
    shown = response.json()
    msgspec.convert(shown, line.answer)
    return shown


async def started(kit: Kit, type_: str, **event: Any) -> str:
    answer = (await kit.http.post("/events", json={"type": type_, **event})).json()
    return str(answer["runs"][0]["id"])


async def test_runs_are_listed_by_pages_and_filters(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b", "test.fail")) as kit:
        good = [await started(kit, "a") for _ in range(5)]
        bad = await started(kit, "b", id="7", source="s")
        for run in (*good, bad):
            await kit.finished(run)
        first = await held(kit, "GET", "/api/v1/runs?limit=4")
        assert [run["id"] for run in first["items"]] == [bad, *good[:1:-1]]
        rest = await held(kit, "GET", f"/api/v1/runs?limit=4&cursor={first['next']}")
        assert ([run["id"] for run in rest["items"]], rest["next"]) == ([good[1], good[0]], None)

        async def found(query: str) -> list[str]:
            return [run["id"] for run in (await held(kit, "GET", f"/api/v1/runs?{query}"))["items"]]

        assert await found("flow=b") == [bad]
        assert await found("status=failed,cancelled") == [bad]
        assert await found("event=7") == [bad]
        assert await found(f"event={first['items'][0]['event_id']}") == [bad]
        assert await found("since=1h&flow=a&limit=1") == [good[-1]]
        assert await found("until=1h") == []
        assert await found("since=2020-01-01T00:00:00%2B01:00&trigger=b/0") == [bad]
        assert await found(f"parent={bad}") == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit is 1 to 1000"),
        ("limit=1001", "limit is 1 to 1000"),
        ("limit=x", "does not fit"),
        ("stauts=failed", "did you mean 'status'"),
        ("status=gone", "is not of pending"),
        ("cursor=evt_0000000000001", "no cursor"),
        ("since=soon", "neither RFC 3339"),
        ("flow=a&flow=b", "twice"),
        ("event=evt_none", "no event"),
        ("flow=%FF", "cannot be read"),
    ],
)
async def test_queries_that_are_wrong(tmp_path: Path, query: str, words: str) -> None:
    async with serving(tmp_path) as kit:
        answer = await kit.get(f"/api/v1/runs?{query}")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"]


async def test_one_run_with_steps_logs_and_reasons(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("b", "test.ok", "test.fail")) as kit:
        run = await started(kit, "b")
        await kit.finished(run)
        whole = await held(kit, "GET", f"/api/v1/runs/{run}")
        assert [(step["path"], step["status"]) for step in whole["steps"]] == [("s0", "completed"), ("s1", "failed")]
        assert whole["error"]["kind"] == "test.no"
        logs = await held(kit, "GET", f"/api/v1/runs/{run}/logs")
        assert [line["level"] for line in logs["items"]] == ["info", "error", "error"]
        why = await held(kit, "GET", f"/api/v1/explain/run/{run}")
        assert why["explanation"].startswith("It has ended (failed)")
        for path in ("/api/v1/runs/run_0000000000001", "/api/v1/runs/nonsense", f"/api/v1/runs/{whole['event_id']}"):
            assert (await kit.get(path)).status_code == 404


async def test_runs_are_cancelled_paused_resumed_retried_forked(tmp_path: Path) -> None:
    waiting = flow("w")
    waiting = msgspec.structs.replace(waiting, steps=(WaitStep(name="nap", for_=3_600_000), *waiting.steps))
    async with serving(tmp_path, waiting, flow("b", "test.fail"), flow("h", "test.hang")) as kit:
        run = await started(kit, "w")
        assert (await kit.post(f"/api/v1/runs/{run}/resume")).status_code == 409
        assert (await held(kit, "POST", f"/api/v1/runs/{run}/pause"))["id"] == run
        for _ in range(200):
            if (await kit.get(f"/api/v1/runs/{run}")).json()["status"] == "paused":
                break
            await asyncio.sleep(0.01)
        assert (await held(kit, "POST", f"/api/v1/runs/{run}/resume"))["id"] == run
        await held(kit, "POST", f"/api/v1/runs/{run}/cancel", json={"reason": "no more"})
        assert (await kit.finished(run))["status"] == "cancelled"
        assert (await kit.post(f"/api/v1/runs/{run}/cancel")).status_code == 409
        hanging = await started(kit, "h")
        await held(kit, "POST", f"/api/v1/runs/{hanging}/cancel")
        assert (await kit.finished(hanging))["status"] == "cancelled"

        failed = await started(kit, "b")
        await kit.finished(failed)
        await held(kit, "POST", f"/api/v1/runs/{failed}/retry")
        await kit.finished(failed)
        fork = await held(kit, "POST", f"/api/v1/runs/{failed}/fork", json={"data": {"n": 2}})
        assert (await kit.finished(fork["id"]))["forked_from"] == failed
        middle = await kit.post(f"/api/v1/runs/{failed}/fork", json={"step": "s0", "data": 1})
        assert middle.status_code == 400
        assert (await kit.post(f"/api/v1/runs/{failed}/fork", json={"step": "none"})).status_code == 404


async def test_bodies_that_are_wrong(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("b", "test.hang")) as kit:
        path = f"/api/v1/runs/{await started(kit, 'b')}/cancel"
        assert "there are reason" in (await kit.post(path, json={"resaon": "x"})).json()["detail"]
        assert (await kit.post(path, json={"reason": 7})).status_code == 400
        assert (await kit.post(path, content=b"{", headers={"content-type": "application/json"})).status_code == 400
        assert (await kit.post(path, content=b"{}", headers={"content-type": "text/plain"})).status_code == 415
        assert (await kit.post(path.replace("cancel", "pause"), json={"a": 1})).status_code == 400


async def test_events_are_listed_shown_and_replayed(tmp_path: Path) -> None:
    strict = flow("strict", on=[{"kind": "event", "config": {"": "a"}}, {"kind": "event", "config": {"": "z"}}])
    async with serving(tmp_path, flow("a"), strict) as kit:
        first = (await kit.http.post("/events", json={"type": "a", "data": {"n": 1}, "id": "x", "source": "s"})).json()
        await kit.http.post("/events", json={"type": "other"})
        listed = await held(kit, "GET", "/api/v1/events?type=a")
        assert [event["source_id"] for event in listed["items"]] == ["x"]
        assert len((await held(kit, "GET", "/api/v1/events?source=s"))["items"]) == 1
        assert (await held(kit, "GET", "/api/v1/events?limit=1"))["next"] is not None
        again = await held(kit, "POST", f"/api/v1/events/{first['event_id']}/replay")
        assert again["duplicate"] is False
        assert sorted(run["flow"] for run in again["runs"]) == ["a", "strict"]
        shown = await held(kit, "GET", f"/api/v1/events/{again['event_id']}")
        assert shown["data"] == {"n": 1}
        assert shown["causes"] == [first["event_id"]]
        assert shown["metadata"]["replay_of"] == first["event_id"]
        why = await held(kit, "GET", f"/api/v1/explain/event/{again['event_id']}?flow=a")
        assert [(verdict["flow"], verdict["started"]) for verdict in why["flows"]] == [("a", True)]
        assert (await kit.get("/api/v1/events/none")).status_code == 404


async def test_flows_their_versions_and_switches(tmp_path: Path) -> None:
    broken = [Wrong("there is no key `setps`", file="a.yaml", line=3, suggestion="steps")]
    first = msgspec.structs.replace(flow("a"), file="a.yaml")
    doors = Doors(problems=lambda: broken)
    async with serving(tmp_path, first, flow("b"), flow("c"), doors=doors) as kit:
        rows = await held(kit, "GET", "/api/v1/flows?limit=2")
        assert [row["name"] for row in rows["items"]] == ["a", "b"]
        assert rows["items"][0]["problems"][0]["suggestion"] == "steps"
        rest = await held(kit, "GET", f"/api/v1/flows?limit=2&cursor={rows['next']}")
        assert [row["name"] for row in rest["items"]] == ["c"]
        assert (await held(kit, "GET", "/api/v1/problems"))["items"][0]["line"] == 3
        whole = await held(kit, "GET", "/api/v1/flows/a")
        assert (whole["yaml"], whole["steps"], whole["version"]) == ("name: a\n", ["s0"], 1)
        await kit.engine.book.take(msgspec.structs.replace(first, digest="new", source="name: a # 2\n"))
        versions = await held(kit, "GET", "/api/v1/flows/a/versions")
        assert [version["version"] for version in versions["items"]] == [1, 2]
        assert (await held(kit, "GET", "/api/v1/flows/a/versions/1"))["yaml"] == "name: a\n"
        for path in ("a/versions/9", "a/versions/x", "none/versions", "none"):
            assert (await kit.get(f"/api/v1/flows/{path}")).status_code == 404
        off = await held(kit, "POST", "/api/v1/flows/a/disable")
        assert (off["enabled"], off["triggers"][0]["state"]) == (False, "disabled")
        assert (await kit.http.post("/events", json={"type": "a"})).json()["runs"] == []
        assert [row["name"] for row in (await held(kit, "GET", "/api/v1/flows?enabled=false"))["items"]] == ["a"]
        assert (await held(kit, "POST", "/api/v1/flows/a/enable"))["enabled"] is True
        assert len((await kit.http.post("/events", json={"type": "a"})).json()["runs"]) == 1
        assert (await kit.post("/api/v1/flows/none/enable")).status_code == 404
        assert (await held(kit, "GET", "/api/v1/explain/flow/a"))["version"] == 2


async def test_a_flow_is_started_by_hand_whatever_its_conditions(tmp_path: Path) -> None:
    hook = flow("hook", on=[{"kind": "webhook", "config": {"": "/hook"}}], inputs={"type": "object"})
    none = flow("none", on=[])
    wild = flow("wild", on=[{"kind": "event", "config": {"": "a.*"}}])
    async with serving(tmp_path, hook, none, wild) as kit:

        async def run(name: str, **body: Any) -> tuple[str, str, Any]:
            receipt = await held(kit, "POST", f"/api/v1/flows/{name}/run", **body)
            assert [each["flow"] for each in receipt["runs"]] == [name]
            done = await kit.finished(receipt["runs"][0]["id"])
            event = (await kit.get(f"/api/v1/events/{receipt['event_id']}")).json()
            assert event["metadata"] == {"by": "hand"}
            return event["type"], done["status"], done["inputs"]

        assert await run("none", json={"data": 1}) == ("manual", "completed", {})
        assert await run("wild") == ("manual", "completed", {})
        assert await run("hook", json={"inputs": {"n": 1}}) == ("http.request", "completed", {"n": 1})
        wrong = await kit.post("/api/v1/flows/hook/run", json={"data": 1})
        assert (wrong.status_code, "n is missing" in wrong.json()["detail"]) == (400, True)
        assert (await kit.post("/api/v1/flows/nobody/run")).status_code == 404


async def test_triggers_tell_whether_they_listen(tmp_path: Path) -> None:
    lost = flow("lost", on=[{"kind": "plugin", "config": {}}])
    async with serving(tmp_path, flow("a"), lost) as kit:
        rows = {row["key"]: row for row in (await held(kit, "GET", "/api/v1/triggers"))["items"]}
        assert (rows["a/0"]["state"], rows["a/0"]["events"], rows["a/0"]["last_event_at"]) == ("armed", 0, None)
        await started(kit, "a")
        row = (await held(kit, "GET", "/api/v1/triggers?flow=a"))["items"][0]
        assert (row["events"], row["last_event_at"] is not None) == (1, True)
        assert rows["lost/0"]["state"] == "failed"
        assert "plugin" in rows["lost/0"]["reason"]
        assert [row["key"] for row in (await held(kit, "GET", "/api/v1/triggers?state=failed"))["items"]] == ["lost/0"]
        assert [row["key"] for row in (await held(kit, "GET", "/api/v1/triggers?flow=a&limit=1"))["items"]] == ["a/0"]
        assert (await kit.get("/api/v1/triggers?state=fine")).status_code == 400


async def test_figures_and_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b", "test.fail")) as kit:
        await kit.finished(await started(kit, "a"))
        await kit.finished(await started(kit, "b"))
        await kit.http.post("/events", content=b"{", headers={"content-type": "application/json"})
        figures = await held(kit, "GET", "/api/v1/metrics")
        assert (figures["events"]["accepted"], figures["runs"]["finished"], figures["runs"]["failed"]) == (2, 2, 1)
        assert figures["memory"] > 1_000_000
        assert (figures["letters"], figures["approvals"], figures["alerts"]) == (0, 0, 0)
        text = (await kit.http.get("/metrics")).text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r'reactor_[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?[\d.e-]+', line) for line in lines), (
            lines
        )
        assert "reactor_events_accepted_total 2" in lines
        assert 'reactor_http_refused_total{status="400"} 1' in lines
        assert 'reactor_triggers{state="armed"} 2' in lines


async def test_the_description_is_honest(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        document = (await kit.http.get("/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        assert told == {(line.method, line.path) for line in LINES} | {("POST", "/events"), ("POST", "/webhook/{type}")}
        text = json.dumps(document)
        for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
            assert name in document["components"]["schemas"], name
        operations = [each for methods in document["paths"].values() for each in methods.values()]
        assert len({each["operationId"] for each in operations}) == len(operations)
        assert all(each["summary"] for each in operations)
        runs = document["paths"]["/api/v1/runs"]["get"]
        assert {p["name"] for p in runs["parameters"]} >= {"limit", "cursor", "status", "flow", "since"}


async def test_nothing_there_and_wrong_methods(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        for path in ("/api/v1/nothing", "/api/v2/runs", "/nothing", "/api"):
            answer = await kit.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        denied = await kit.http.delete("/api/v1/runs", headers=kit.auth)
        assert (denied.status_code, denied.headers["allow"]) == (405, "GET")
        for path in ("/health", "/metrics", "/", "/logout", "/openapi.json"):
            assert (await kit.http.delete(path)).status_code == 405
        assert (await kit.http.head("/health")).status_code == 200
        assert (await kit.http.head("/api/v1/runs", headers=kit.auth)).status_code == 200


async def test_an_error_inside_is_a_plain_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as kit:

        async def bug(wanted: RunFilter, look: int) -> Any:
            raise ZeroDivisionError("a secret inside")

        monkeypatch.setattr(kit.engine.history, "look_for_runs", bug)
        answer = await kit.get("/api/v1/runs")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "secret" not in answer.text


async def test_events_by_subject_and_by_how_the_type_begins(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("order.paid")) as kit:
        for type_, subject in [("order.paid", "1"), ("order.sent", "1"), ("orders", "1"), ("order.paid", "2")]:
            await kit.http.post("/events", json={"type": type_, "subject": subject})
        shown = (await held(kit, "GET", "/api/v1/events?type=order.*"))["items"]
        assert [row["type"] for row in shown] == ["order.paid", "order.sent", "order.paid"]
        assert [row["run_count"] for row in shown] == [1, 0, 1]
        assert shown[0]["runs"][0]["flow"] == "order.paid"
        both = (await held(kit, "GET", "/api/v1/events?type=order.*&subject=2"))["items"]
        assert [row["subject"] for row in both] == ["2"]
        assert len((await held(kit, "GET", "/api/v1/events?type=*"))["items"]) == 4


async def test_a_long_answer_is_packed_for_whoever_takes_it(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("o")) as kit:
        for number in range(40):
            await kit.http.post("/events", json={"type": "o", "data": {"n": number}})
        long = await kit.http.get("/api/v1/events", headers={**kit.auth, "accept-encoding": "gzip"})
        assert long.headers["content-encoding"] == "gzip"
        assert len(long.json()["items"]) == 40
        assert int(long.headers["content-length"]) < len(long.content) / 4
        plain = await kit.http.get("/api/v1/events", headers={**kit.auth, "accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == long.content
        short = await kit.http.get("/api/v1/events", params={"limit": 1}, headers=kit.auth)
        assert "content-encoding" not in short.headers
