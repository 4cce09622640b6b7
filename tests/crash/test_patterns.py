"""Patterns over kill -9: each match once, none lost, wherever the process dies."""

from __future__ import annotations

import collections
import http.client
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.harness import Server, server
from tests.crash.load import journal

FLOWS = {
    "several": """\
name: several
on: {pattern: {by: event.data.key, within: 1h, count: {event: hit, at_least: 3}}}
steps: [{name: s, set: {n: "{{ event.data.count }}"}}]
""",
    "unpaid": """\
name: unpaid
on: {pattern: {by: event.data.order, within: 300ms, sequence: [{event: hit}, {absent: paid}]}}
steps: [{name: s, set: {n: "{{ event.data.by }}"}}]
""",
}
KEYS = 7
POINTS = ("pattern.matched", "pattern.due", "commit.before", "commit.written", "commit.after", "cursor.before")


@pytest.mark.crash
@pytest.mark.timeout(110)
@pytest.mark.parametrize("name", POINTS)
async def test_each_match_once_after_a_death_at(name: str, tmp_path: Path) -> None:
    with server(tmp_path, FLOWS) as it:
        it.start()
        _armed(it)
        assert it.signal(signal.SIGTERM) == 0, it.log()
        sent = 0
        for count in (2, 5, 9):
            process = it.spawn(REACTOR_FAILPOINT=f"{name}:{count}")
            until = time.monotonic() + 25
            while process.poll() is None:
                assert time.monotonic() < until, f"{name} is never reached\n{it.log()}"
                sent = _send(it, sent)
            assert process.returncode == -signal.SIGKILL, it.log()
        it.start()
        sent = _send(it, sent)
        _matched(it, sent)
        assert it.signal(signal.SIGTERM) == 0, it.log()
        assert "Traceback" not in it.log(), it.log()
    await _each_once(tmp_path, sent)


def _armed(it: Server) -> None:
    until = time.monotonic() + 10
    while any(found["state"] != "armed" for found in it.get("/api/v1/triggers")[1]["items"]):
        assert time.monotonic() < until, it.log()
        time.sleep(0.01)


def _send(it: Server, sent: int) -> int:
    """A few events, again and again with the same ids until they are acknowledged or the process is dead."""
    batch: list[dict[str, Any]] = [
        {"type": "hit", "id": f"h{n}", "source": "test", "data": {"order": n, "key": n % KEYS}}
        for n in range(sent, sent + 4)
    ]
    # Every other order is paid at once.
    batch += [
        {"type": "paid", "id": f"p{n}", "source": "test", "data": {"order": n}} for n in range(sent, sent + 4) if n % 2
    ]
    while it.process is not None and it.process.poll() is None:
        try:
            status, _ = it.post("/events", batch)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            continue
        if status == 202:
            time.sleep(0.05)
            return sent + 4
        time.sleep(0.02)
    return sent


def _matched(it: Server, sent: int) -> None:
    """Wait until there is as much as there has to be."""
    wanted = {"several": sum(_hits(sent)[key] // 3 for key in range(KEYS)), "unpaid": (sent + 1) // 2}
    until = time.monotonic() + 20
    while wanted != (found := {flow: _completed(it, flow) for flow in wanted}):
        assert time.monotonic() < until, (wanted, found, it.log()[-2000:])
        time.sleep(0.1)


def _hits(sent: int) -> collections.Counter[int]:
    return collections.Counter(n % KEYS for n in range(sent))


def _completed(it: Server, flow: str) -> int:
    number, cursor = 0, ""
    while True:
        _, page = it.get(f"/api/v1/runs?flow={flow}&status=completed&limit=500{cursor}")
        number += len(page["items"])
        if page["next"] is None:
            return number
        cursor = f"&cursor={page['next']}"


async def _each_once(folder: Path, sent: int) -> None:
    runs, _ = await journal(folder / "data")
    found = [(one.run.flow, one.event.data) for one in runs.values() if one.event is not None]
    orders = sorted(data["by"] for flow, data in found if flow == "unpaid")
    assert orders == [n for n in range(sent) if n % 2 == 0]
    matches = [data for flow, data in found if flow == "several"]
    assert collections.Counter(data["by"] for data in matches) == {
        key: number // 3 for key, number in _hits(sent).items() if number >= 3
    }
    used = [view["data"]["order"] for data in matches for view in data["events"]]
    assert len(used) == len(set(used)) == 3 * len(matches)
