"""What a scraper reads: with the official parsers, and by a real Prometheus."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from reactor.testing.servers import Prometheus
from tests.integration.server_kit import flow, serving

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs/grafana/reactor.json").read_text())
ENDED = "reactor_flow_runs_total"
OPEN = "application/openmetrics-text; version=1.0.0"


async def samples(kit, accept=OPEN):
    answer = await kit.http.get("/metrics", headers={"accept": accept})
    modern = answer.headers["content-type"].startswith("application/openmetrics-text")
    assert modern is (accept == OPEN)
    read = open_parser.text_string_to_metric_families if modern else parser.text_string_to_metric_families
    return {(s.name, *sorted(s.labels.values())): s.value for family in read(answer.text) for s in family.samples}


async def worked(kit):
    """Two events, one of which fails, and some requests that are refused."""
    for name in ("a", "b"):
        receipt = (await kit.http.post("/events", json={"type": name})).json()
        await kit.finished(receipt["runs"][0]["id"])
    await kit.http.post("/events", content=b"{", headers={"content-type": "application/json"})
    await kit.http.get("/no/such/place/1")
    await kit.http.get("/no/such/place/2")


@pytest.mark.parametrize("accept", [OPEN, "text/plain"])
async def test_figures_count_what_happened(tmp_path, accept):
    async with serving(tmp_path, flow("a"), flow("b", "test.ok", "test.fail")) as kit:
        await worked(kit)
        found = await samples(kit, accept)
        assert found["reactor_flow_runs_total", "a", "completed"] == 1
        assert found["reactor_flow_runs_total", "b", "failed"] == 1
        assert found["reactor_run_duration_seconds_count", "a"] == 1
        assert found["reactor_step_duration_seconds_count", "b"] == 2
        assert found["reactor_action_attempts_total", "completed", "test"] == 2
        assert found["reactor_action_attempts_total", "failed", "test"] == 1
        assert found["reactor_action_duration_seconds_count", "test"] == 3
        assert found["reactor_commit_duration_seconds_count",] == found["reactor_commits_total",] >= 2
        assert found["reactor_http_requests_total", "/events", "202", "POST"] == 2
        assert found["reactor_http_requests_total", "/events", "400", "POST"] == 1
        assert found["reactor_http_requests_total", "404", "GET", "other"] == 2
        assert found["reactor_http_requests_total", "/api/v1/runs/{id}", "200", "GET"] >= 2
        assert not [key for key in found if "run_" in str(key[1:])], "an id is in a label"
        assert found["reactor_process_open_fds",] > 3


def queries():
    """Title of a panel → its queries, as Grafana sends them when all is chosen."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in (("$__rate_interval", "1m"), ("$__range", "6h"), ("$instance", ".*"), ("$flow", ".*")):
                text = text.replace(name, value)
            assert "$" not in text, text
            yield panel["title"], text


def test_the_dashboard_is_one():
    assert DASHBOARD["uid"] == "reactor"
    assert {one["name"] for one in DASHBOARD["templating"]["list"]} == {"datasource", "instance", "flow"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not own & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= own
        assert panel["type"] == "row" or (panel["targets"] and panel["datasource"]["uid"] == "${datasource}")


async def test_the_dashboard_asks_for_figures_that_there_are(tmp_path):
    async with serving(tmp_path, flow("a")) as kit:
        text = (await kit.http.get("/metrics")).text
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        for title, query in queries():
            for name in re.findall(r"reactor_\w+", query):
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                assert name in kinds or kinds.get(family) == "histogram", (title, name)
        for one in DASHBOARD["templating"]["list"][1:]:
            assert re.search(r"reactor_\w+", one["definition"])[0] in kinds  # type: ignore[index]


@pytest.mark.service("prometheus")
async def test_a_real_prometheus_scrapes_it_and_answers_the_dashboard(tmp_path):
    async with serving(tmp_path, flow("a"), flow("b", "test.fail")) as kit:
        await worked(kit)
        prometheus = await asyncio.to_thread(Prometheus(f"127.0.0.1:{kit.port}").__enter__)
        try:
            while not (found := await asyncio.to_thread(prometheus.api, "query", query=ENDED))["result"]:
                targets = (await asyncio.to_thread(prometheus.api, "targets"))["activeTargets"]
                assert not any(target["lastError"] for target in targets), targets
                await asyncio.sleep(0.05)
            # Whatever is no PromQL is refused, and raises.
            answers = [
                (title, (await asyncio.to_thread(prometheus.api, "query", query=query))["result"])
                for title, query in queries()
            ]
        finally:
            await asyncio.to_thread(prometheus.__exit__)
    assert {(one["metric"]["flow"], one["metric"]["status"]) for one in found["result"]} == {
        ("a", "completed"),
        ("b", "failed"),
    }
    shown = {title: result for title, result in answers if result}
    assert shown["Ready"][0]["value"][1] == "1"
    assert {"Memory", "Triggers by state", "Unfinished runs", "Open files and listeners", "Silence"} <= set(shown)
