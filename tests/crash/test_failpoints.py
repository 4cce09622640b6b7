"""Every named place where the process may die: it dies there twice, under load, and keeps its promises."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

import reactor
from reactor.model import failpoints
from reactor.model.clock import from_iso
from tests.crash.harness import Server, World, server
from tests.crash.load import CONCURRENCY, SETTINGS, Clients, count, flows, journal

TRIGGERS = {
    "tick": """\
name: tick
on: {schedule: {every: 500ms, catch_up: all}}
steps:
  - {name: s, set: {n: "{{ event.data.scheduled_at }}"}}
""",
    "file": """\
name: file
on: {file: inbox/*.txt, changes: [created], settle: 50ms, existing: process}
steps:
  - {name: s, set: {n: "{{ event.data.name }}"}}
""",
    "several": """\
name: several
on: {pattern: {by: event.data.n % 10, within: 1h, count: {event: pure, at_least: 3}}}
steps:
  - {name: s, set: {n: "{{ event.data.count }}"}}
""",
    "silence": """\
name: silence
on: {pattern: {by: event.data.n % 100, within: 100ms, sequence: [{event: pure}, {absent: pure}]}}
steps:
  - {name: s, set: {n: "{{ event.data.count }}"}}
""",
}
_SEEDS = {name: number for number, name in enumerate(failpoints.NAMES)}


def test_every_failpoint_stands_in_the_code() -> None:
    package = Path(reactor.__file__).parent
    found = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"\breach\(\"([^\"]+)\"\)", path.read_text("utf-8"))
    }
    assert found == set(failpoints.NAMES)


@pytest.mark.crash
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", [name for name in failpoints.NAMES if not name.startswith("migrate.")])
async def test_a_death_at(name: str, tmp_path: Path, world: World) -> None:
    (tmp_path / "inbox").mkdir()
    with server(tmp_path, flows(world) | TRIGGERS, **SETTINGS) as it:
        load = Clients(it.port, 3, seed=_SEEDS[name], pause=0.005)
        files = _die(it, f"{name}:2", 0)
        files += _die(it, f"{name}:9", files)
        it.start()
        time.sleep(0.3)  # noqa: ASYNC251 - the server is another process
        load.stop()
        it.until_idle(75)
        _until_seen(it, files)
        assert it.signal(signal.SIGTERM) == 0, it.log()
        assert "Traceback" not in it.log(), it.log()
    result = await count(tmp_path, load.sent, world)
    assert not result.lost, result.lost[:10]
    assert not result.doubled, result.doubled[:10]
    assert not result.wrong, result.wrong[:10]
    assert result.redone <= 2 * CONCURRENCY
    await _triggers(tmp_path, files)


def _die(it: Server, failpoint: str, files: int) -> int:
    """Let it run into the failpoint, with files that come meanwhile; how many."""
    process = it.spawn(REACTOR_FAILPOINT=failpoint)
    made, until = 0, time.monotonic() + 25
    while process.poll() is None:
        assert time.monotonic() < until, f"{failpoint} is never reached\n{it.log()}"
        new = it.folder / "new"
        new.write_text("x")
        new.rename(it.folder / "inbox" / f"{files + made}.txt")
        made += 1
        time.sleep(0.03)
    assert process.returncode == -signal.SIGKILL, it.log()
    return made


def _until_seen(it: Server, files: int) -> None:
    until = time.monotonic() + 15
    while True:
        seen, cursor = 0, ""
        while True:
            _, page = it.get(f"/api/v1/runs?flow=file&status=completed&limit=500{cursor}")
            seen += len(page["items"])
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        if seen >= files:
            return
        assert time.monotonic() < until, f"{seen} of {files} files were seen"
        time.sleep(0.1)


async def _triggers(folder: Path, files: int) -> None:
    """One run a file, one run a tick: none is missing, none came twice."""
    runs, _ = await journal(folder / "data")
    names = sorted(one.event.data["name"] for one in runs.values() if one.run.flow == "file" and one.event)
    assert names == sorted(f"{n}.txt" for n in range(files))
    ticks = sorted(
        from_iso(one.event.data["scheduled_at"]) for one in runs.values() if one.run.flow == "tick" and one.event
    )
    assert ticks == list(range(ticks[0], ticks[-1] + 500, 500))
    for flow in ("several", "silence"):
        used = [
            view["id"]
            for one in runs.values()
            if one.run.flow == flow and one.event
            for view in one.event.data["events"]
        ]
        assert len(used) == len(set(used)), flow
