"""Reactor is killed while it takes entries and elements from a real Redis: each one starts one run."""

import time

import pytest

from reactor.testing.servers import Redis
from tests.crash.harness import server

FLOWS = {
    "entries": """
name: entries
connections: {redis: {type: redis, url: "URL"}}
on: {redis: {stream: jobs, start: earliest}}
steps: [{name: n, set: {n: "{{ event.data.n }}"}}]
""",
    "elements": """
name: elements
connections: {redis: {type: redis, url: "URL"}}
on: {redis: {list: queue}}
steps: [{name: n, set: {n: "{{ event.data }}"}}]
""",
}
FILL = """
for n = tonumber(ARGV[1]), tonumber(ARGV[1]) + 49 do
    redis.call('XADD', KEYS[1], '*', 'n', n)
    redis.call('RPUSH', KEYS[2], n)
end
"""


@pytest.fixture(scope="module")
def redis():
    with Redis() as running:
        yield running


def events(run):
    """The data of all events, by flow."""
    status, found = run.get("/api/v1/events?type=redis.message&limit=500")
    assert status == 200, found
    rows = [run.get(f"/api/v1/events/{item['id']}")[1] for item in found["items"]]
    return (
        sorted(int(row["data"]["n"]) for row in rows if "stream" in row["metadata"]),
        sorted(row["data"] for row in rows if "list" in row["metadata"]),
    )


@pytest.mark.crash
@pytest.mark.parametrize("place", ["source.received", "source.committed", "source.acknowledged"])
@pytest.mark.parametrize("kind", ["entries", "elements"])
def test_killed_around_the_commit(redis, tmp_path, place, kind):
    redis.do("FLUSHALL")
    redis.do("EVAL", FILL, 2, "jobs", "queue", 0)
    with server(tmp_path, {kind: FLOWS[kind].replace("URL", redis.url())}) as run:
        assert run.spawn(REACTOR_FAILPOINT=place).wait(30) < 0
        redis.do("EVAL", FILL, 2, "jobs", "queue", 50)
        run.start()
        wanted = (list(range(100)), []) if kind == "entries" else ([], list(range(100)))
        deadline = time.monotonic() + 15
        while (found := events(run)) != wanted:
            assert time.monotonic() < deadline, f"{found}\n{run.log()}"
            time.sleep(0.05)
        run.until_idle(15)
        assert len(run.get("/api/v1/runs?limit=500&status=completed")[1]["items"]) == 100
        assert [item["state"] for item in run.get("/api/v1/triggers")[1]["items"]] == ["armed"]
