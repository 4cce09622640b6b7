"""The process dies while runs change over to another version: each of them is whole, on one version or the other."""

from __future__ import annotations

import contextlib
import http.client
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reactor.model.clock import SystemClock
from reactor.model.journal import index
from reactor.stores.port import RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.crash.harness import Server, server

OLD = """\
name: order
on: {event: order}
steps:
  - {name: charge, action: log.info, message: "charge {{ event.data.n }}"}
  - {name: paid, wait_for: {event: paid}}
  - {name: done, return: "'one'"}
"""
NEW = OLD.replace("name: charge", "name: pay").replace("'one'", "'two'")
COUNT = 150


def _post(it: Server, path: str, body: Any) -> None:
    """Ask; whether an answer comes is another matter: the server may die."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        it.post(path, body)


def _until(what: Any) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def _asleep(it: Server, count: int) -> bool:
    _, page = it.get("/api/v1/runs?flow=order&status=waiting&limit=500")
    return len(page["items"]) == count


def _current(it: Server) -> int:
    return int(it.get("/api/v1/flows/order")[1]["version"])


def _begin(it: Server, count: int) -> None:
    it.start()
    _post(it, "/events", [{"type": "order", "data": {"n": n}} for n in range(count)])
    _until(lambda: _asleep(it, count))
    new = it.folder / "new"
    new.write_text(NEW)
    new.rename(it.folder / "flows" / "order.yaml")
    _until(lambda: _current(it) == 2)


async def _whole(folder: Path) -> dict[int, int]:
    """Version → how many runs; each run is as its version says."""

    store = SqliteStore(folder / "data" / "reactor.db", clock=SystemClock())
    await store.open()
    found: dict[int, int] = {}
    try:
        rows = await store.runs(RunFilter(flow="order", limit=1000))
        for loaded in await store.load([row.key for row in rows]):
            known, version = index(loaded.journal), loaded.run.version
            found[version] = found.get(version, 0) + 1
            assert ("#migrated" in known) == (version == 2)
            assert ("pay" in known) == (version == 2)
            assert ("charge" in known) == (version == 1)
    finally:
        await store.close()
    return found


@pytest.mark.crash
@pytest.mark.timeout(90)
@pytest.mark.parametrize(("failpoint", "versions"), [("migrate.before", {1: 1}), ("migrate.after", {2: 1})])
async def test_a_death_at_the_border(failpoint: str, versions: dict[int, int], tmp_path: Path) -> None:
    with server(tmp_path, {"order": OLD}) as it:
        _begin(it, 1)
        assert it.signal(signal.SIGTERM) == 0
        it.start(REACTOR_FAILPOINT=failpoint)
        _post(it, "/api/v1/flows/order/migrate", {"map": {"charge": "pay"}})
        assert it.process is not None
        assert it.process.wait(20) == -signal.SIGKILL, it.log()
        assert await _whole(tmp_path) == versions
        it.start()
        _post(it, "/api/v1/flows/order/migrate", {"map": {"charge": "pay"}})
        _until(lambda: _asleep(it, 1))
        _post(it, "/events", {"type": "paid"})
        _until(lambda: it.get("/api/v1/runs?flow=order&status=completed")[1]["items"])
        [run] = it.get("/api/v1/runs?flow=order&status=completed")[1]["items"]
        assert run["version"] == 2
        whole = it.get(f"/api/v1/runs/{run['id']}")[1]
        assert whole["output"] == "two"
        assert [step["path"] for step in whole["steps"]] == ["pay", "paid", "done"]
        assert it.signal(signal.SIGTERM) == 0


@pytest.mark.crash
@pytest.mark.timeout(110)
async def test_deaths_at_any_moment(tmp_path: Path) -> None:
    with server(tmp_path, {"order": OLD}) as it:
        _begin(it, COUNT)
        seen: list[dict[int, int]] = []
        for pause in (0.05, 0.12, 0.2):
            asked = threading.Thread(target=_post, args=(it, "/api/v1/flows/order/migrate", {"map": {"charge": "pay"}}))
            asked.start()
            time.sleep(pause)  # noqa: ASYNC251 - the server is another process
            it.kill()
            asked.join(30)
            seen.append(await _whole(tmp_path))
            assert sum(seen[-1].values()) == COUNT
            it.start()
            _until(lambda: _asleep(it, COUNT))
        _post(it, "/api/v1/flows/order/migrate", {"map": {"charge": "pay"}})
        _until(lambda: _asleep(it, COUNT))
        _post(it, "/events", {"type": "paid"})
        _until(lambda: len(it.get("/api/v1/runs?flow=order&status=completed&limit=500")[1]["items"]) == COUNT)
        assert it.signal(signal.SIGTERM) == 0, it.log()
        assert "Traceback" not in it.log(), it.log()
    assert await _whole(tmp_path) == {2: COUNT}
