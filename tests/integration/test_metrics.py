"""What a scraper reads: with the official parsers, and by a real Prometheus."""

import asyncio

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from reactor.testing.servers import Prometheus
from tests.integration.server_kit import flow, serving

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


@pytest.mark.service("prometheus")
async def test_a_real_prometheus_scrapes_it(tmp_path):
    async with serving(tmp_path, flow("a"), flow("b", "test.fail")) as kit:
        await worked(kit)
        prometheus = await asyncio.to_thread(Prometheus(f"127.0.0.1:{kit.port}").__enter__)
        try:
            while not (found := await asyncio.to_thread(prometheus.api, "query", query="reactor_flow_runs_total"))[
                "result"
            ]:
                targets = (await asyncio.to_thread(prometheus.api, "targets"))["activeTargets"]
                assert not any(target["lastError"] for target in targets), targets
                await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(prometheus.__exit__)
    assert {(one["metric"]["flow"], one["metric"]["status"]) for one in found["result"]} == {
        ("a", "completed"),
        ("b", "failed"),
    }
