"""Reactor is killed while it takes elements of a list of a real Redis: each one starts one run. (Streams go through the
faults of `tests/sources`.)
"""

import time

import pytest

from reactor.testing.servers import Redis
from tests.crash.harness import server

FLOW = """
name: elements
connections: {redis: {type: redis, url: "URL"}}
on: {redis: {list: queue}}
steps: [{name: n, set: {n: "{{ event.data }}"}}]
"""


@pytest.fixture(scope="module")
def redis():
    with Redis() as running:
        yield running


def events(run):
    """The data of all events."""
    status, found = run.get("/api/v1/events?type=redis.message&limit=500")
    assert status == 200, found
    return sorted(run.get(f"/api/v1/events/{item['id']}")[1]["data"] for item in found["items"])


@pytest.mark.crash
@pytest.mark.parametrize("place", ["source.received", "source.committed", "source.acknowledged"])
def test_killed_around_the_commit(redis, tmp_path, place):
    redis.do("FLUSHALL")
    redis.do("RPUSH", "queue", *range(50))
    with server(tmp_path, {"elements": FLOW.replace("URL", redis.url())}) as run:
        assert run.spawn(REACTOR_FAILPOINT=place).wait(30) < 0
        redis.do("RPUSH", "queue", *range(50, 100))
        run.start()
        deadline = time.monotonic() + 15
        while (found := events(run)) != list(range(100)):
            assert time.monotonic() < deadline, f"{found}\n{run.log()}"
            time.sleep(0.05)
        run.until_idle(15)
        assert len(run.get("/api/v1/runs?limit=500&status=completed")[1]["items"]) == 100
        assert [item["state"] for item in run.get("/api/v1/triggers")[1]["items"]] == ["armed"]
