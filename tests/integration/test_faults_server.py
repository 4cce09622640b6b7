"""A whole server in trouble: full disks, locked and damaged files, callers that vanish, expressions that never end."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.harness import Server, World, server
from tests.crash.load import SETTINGS, Clients, count, flows

NAP = """\
name: nap
on: {event: nap}
steps:
  - {name: rest, wait: 1s}
  - {name: say, action: file.write, with: {path: lines, mode: append, content: "{{ run.id }} say\\n"}}
"""
SLOW = """\
name: slow
on: {event: slow}
steps:
  - {name: work, action: shell.exec, command: "sleep 1; echo work >> lines"}
  - {name: after, action: shell.exec, command: "echo after >> lines"}
"""


def _until(look: Callable[[], Any], patience: float, what: Callable[[], str] = lambda: "") -> Any:
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"it never came to that {what()}"
        time.sleep(0.02)
    return found


def _send(it: Server, kind: str, data: Any = None, **more: Any) -> str:
    status, receipt = it.post("/events", {"type": kind, "data": data, **more})
    assert status == 202, receipt
    run: str = receipt["runs"][0]["id"]
    return run


def _ended(it: Server, run: str, patience: float = 15) -> dict[str, Any]:
    def look() -> Any:
        found = it.get(f"/api/v1/runs/{run}")[1]
        return found if found["finished_at"] else None

    ended: dict[str, Any] = _until(look, patience, it.log)
    return ended


@pytest.fixture
def world() -> Iterator[World]:
    """What flows call."""
    made = World()
    yield made
    made.close()


# --- disks ----------------------------------------------------------------------------------------------------------


class Limited:
    """A disk that is full because no file may become larger; needs no rights."""

    def __init__(self, folder: Path) -> None:
        self._pid = 0

    def fill(self, it: Server) -> None:
        """Full from now on."""
        assert it.process is not None
        self._pid = it.process.pid
        hard = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (64 << 10, hard))

    def free(self) -> None:
        """Not full any more."""
        hard = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (hard, hard))

    def close(self) -> None:
        """Nothing to give back."""


class Mounted:
    """A small disk of its own; needs root."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "none", self._data], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip("only root may mount a small disk")

    def fill(self, _it: Server) -> None:
        """Full from now on."""
        with contextlib.suppress(OSError), (self._data / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"x" * 4_096):
                pass

    def free(self) -> None:
        """Not full any more."""
        (self._data / "ballast").unlink()

    def close(self) -> None:
        """Unmount."""
        subprocess.run(["umount", "-l", self._data], check=True)


@pytest.mark.parametrize("kind", [Limited, Mounted])
async def test_a_disk_that_fills_up_under_load(kind: type[Limited | Mounted], tmp_path: Path, world: World) -> None:
    tmp_path.joinpath("lines").touch()
    disk = kind(tmp_path)
    try:
        with server(tmp_path, flows(world), **SETTINGS) as it:
            it.start()
            load = Clients(it.port, 3, seed=1, pause=0.002)
            _until(lambda: sum(bool(event.receipts) for event in load.sent) > 200, 15)
            disk.fill(it)
            _until(lambda: any(event.refused for event in load.sent), 15, it.log)
            time.sleep(1)  # noqa: ASYNC251 - the server is another process
            begun = time.monotonic()
            assert it.get("/health")[0] == 200
            assert time.monotonic() - begun < 1
            status, problem = it.post("/events", {"type": "pure", "data": {}})
            assert status == 503, problem
            assert "cannot write" in problem["detail"]
            disk.free()
            taken = sum(bool(event.receipts) for event in load.sent)
            _until(lambda: sum(bool(event.receipts) for event in load.sent) > taken + 100, 15, it.log)
            load.stop()
            it.until_idle(60)
            assert it.signal(signal.SIGTERM) == 0, it.log()
        result = await count(tmp_path, load.sent, world)
    finally:
        disk.close()
    assert (result.lost, result.doubled, result.wrong) == ([], [], [])
    assert result.redone == 0, "nothing died"
    assert result.refused


def test_sigterm_ends_it_although_the_disk_is_full(tmp_path: Path) -> None:
    disk = Limited(tmp_path)
    with server(tmp_path, {"nap": NAP, "slow": SLOW}, REACTOR_DRAIN="1s") as it:
        it.start()
        for _ in range(40):
            _send(it, "nap", {"much": "x" * 2_000})
        slow = _send(it, "slow")
        _until(lambda: it.get(f"/api/v1/runs/{slow}")[1]["steps"], 5)
        disk.fill(it)
        begun = time.monotonic()
        assert it.signal(signal.SIGTERM) in (0, 1), it.log()
        assert time.monotonic() - begun < 8
        assert "Traceback" not in it.log()
        it.start()
        assert _ended(it, slow)["status"] == "completed"
        it.until_idle(15)


async def test_another_program_holds_the_database_for_a_while(tmp_path: Path, world: World) -> None:
    with server(tmp_path, flows(world), **SETTINGS) as it:
        it.start()
        load = Clients(it.port, 3, seed=2, pause=0.002)
        _until(lambda: sum(bool(event.receipts) for event in load.sent) > 100, 15)
        other = sqlite3.connect(tmp_path / "data" / "reactor.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1.5)  # noqa: ASYNC251 - the server is another process
        begun = time.monotonic()
        assert it.get("/health")[0] == 200
        assert time.monotonic() - begun < 1
        other.execute("ROLLBACK")
        other.close()
        taken = sum(bool(event.receipts) for event in load.sent)
        _until(lambda: sum(bool(event.receipts) for event in load.sent) > taken + 100, 15, it.log)
        load.stop()
        it.until_idle(30)
        assert it.signal(signal.SIGTERM) == 0, it.log()
    result = await count(tmp_path, load.sent, world)
    assert (result.lost, result.doubled, result.wrong, result.redone) == ([], [], [], 0)


def _newer(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda db: db.write_bytes(b"this is no database, whatever its name says" * 200), "is not a SQLite database"),
        (_newer, "start the newer Reactor"),
        (lambda db: db.write_bytes(db.read_bytes()[:5_000] + os.urandom(40_000)), "is damaged"),
    ],
    ids=["no database", "newer", "damaged"],
)
def test_data_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    with server(tmp_path, {"nap": NAP}) as it:
        it.start()
        _send(it, "nap")
        assert it.signal(signal.SIGTERM) == 0
        database = tmp_path / "data" / "reactor.db"
        spoil(database)
        before = database.read_bytes()
        assert it.spawn().wait(20) == 1
        assert said in it.log(), it.log()
        assert "Traceback" not in it.log()
        assert database.read_bytes() == before, "what it cannot read it leaves alone"


# --- callers --------------------------------------------------------------------------------------------------------


def test_callers_that_vanish_leave_nothing_stuck(tmp_path: Path) -> None:
    with server(tmp_path, {"nap": NAP}, REACTOR_PASSIVATE_AFTER="100ms") as it:
        it.start()
        for number in range(200):
            body = b'{"type":"nap","id":"%d","source":"s"}' % number
            head = b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            with socket.create_connection(("127.0.0.1", it.port), timeout=5) as caller:
                caller.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                if number % 3 == 0:
                    # A reset, not an orderly end.
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        it.until_idle(15)
        lines = (tmp_path / "lines").read_text().splitlines()
        assert len(lines) == len(set(lines)), "no run twice"
        assert len(lines) > 100


def test_what_is_under_way_is_finished_at_sigterm_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    with server(tmp_path, {"slow": SLOW}) as it:
        it.start()
        run = _send(it, "slow")
        _until(lambda: it.get(f"/api/v1/runs/{run}")[1]["steps"], 5)
        assert it.signal(signal.SIGTERM) == 0, it.log()
        assert (tmp_path / "lines").read_text() == "work\n"
        it.start()
        assert _ended(it, run)["status"] == "completed"
        assert (tmp_path / "lines").read_text() == "work\nafter\n"


def test_the_second_sigterm_cuts_off_and_nothing_is_lost(tmp_path: Path) -> None:
    with server(tmp_path, {"slow": SLOW.replace("sleep 1", "sleep 3")}) as it:
        it.start()
        run = _send(it, "slow")
        _until(lambda: it.get(f"/api/v1/runs/{run}")[1]["steps"], 5)
        assert it.process is not None
        it.process.send_signal(signal.SIGTERM)
        _until(lambda: "a second signal stops right away" in it.log(), 5)
        begun = time.monotonic()
        assert it.signal(signal.SIGTERM) == 1
        assert time.monotonic() - begun < 2.8
        it.start()
        assert _ended(it, run)["status"] == "completed"
        lines = (tmp_path / "lines").read_text().split()
        assert (lines[-1], lines.count("after")) == ("after", 1)


# --- flows and folders ----------------------------------------------------------------------------------------------


def test_a_flow_that_goes_away_ends_its_runs_also_after_a_restart(tmp_path: Path) -> None:
    with server(tmp_path, {"nap": NAP}, REACTOR_PASSIVATE_AFTER="100ms", REACTOR_RESCAN="200ms") as it:
        it.start()
        runs = [_send(it, "nap") for _ in range(3)]
        (tmp_path / "flows" / "nap.yaml").unlink()
        _until(lambda: it.get("/api/v1/flows")[1]["items"] == [], 5)
        it.kill()
        it.start()
        for run in runs:
            assert _ended(it, run)["status"] == "completed"
        assert it.post("/events", {"type": "nap"})[1]["runs"] == []


def test_a_flow_that_is_broken_keeps_its_version_also_after_a_restart(tmp_path: Path) -> None:
    with server(tmp_path, {"nap": NAP}, REACTOR_RESCAN="200ms") as it:
        it.start()
        (tmp_path / "flows" / "nap.yaml").write_text(NAP.replace("steps:", "stepps:"))
        _until(lambda: "stepps" in it.log(), 5)
        run = _send(it, "nap")
        it.kill()
        it.start()
        assert _ended(it, run)["status"] == "completed"
        assert _ended(it, _send(it, "nap"))["status"] == "completed"
        assert it.get("/api/v1/flows")[1]["items"][0]["version"] == 1


def test_a_watched_folder_that_vanishes_is_told_and_taken_up_again(tmp_path: Path) -> None:
    flow = (
        "name: inbox\non: {file: inbox/*.txt, settle: 50ms}\nsteps:\n  - {name: s, set: {n: '{{ event.data.name }}'}}\n"
    )
    inbox = tmp_path / "inbox"
    inbox.mkdir()

    def state() -> Any:
        return it.get("/api/v1/triggers")[1]["items"][0]

    with server(tmp_path, {"inbox": flow}) as it:
        it.start()
        _until(lambda: state()["state"] == "armed", 5)
        inbox.rmdir()
        inbox.write_text("a file stands where the folder was")
        told = _until(lambda: (now := state())["state"] in {"failed", "lagging"} and now, 10)
        assert told["reason"]
        inbox.unlink()
        inbox.mkdir()
        (inbox / "1.txt").write_text("x")
        _until(lambda: state()["state"] == "armed", 40, lambda: str(state()))
        _until(lambda: it.get("/api/v1/runs?flow=inbox&status=completed")[1]["items"], 10)


# --- expressions ----------------------------------------------------------------------------------------------------

ENDLESS = (
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{{ range(1000000000) | list | length }}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
    "{{ ('a' * 30 + 'b') | regex_match('(a+)+$') }}",
    "{{ [[1] * 10000] * 10000 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ event.data | jq('[range(1000000000)]') }}",
    "{{ event.data | jq('def f: f; f') }}",
)


def test_expressions_without_end_do_not_hold_up_a_server(tmp_path: Path) -> None:
    made = {}
    for number, text in enumerate(ENDLESS):
        made[f"e{number}"] = (
            f"name: e{number}\non: {{event: go}}\nsteps:\n  - {{name: s, set: {{x: {json_of(text)}}}}}\n"
        )
    with server(tmp_path, made | {"nap": NAP}) as it:
        it.start()
        listed = it.get("/api/v1/flows?limit=100")[1]["items"]
        taken = [flow["name"] for flow in listed if flow["name"].startswith("e")]
        assert len(taken) >= 5, it.log()
        with _watched(it) as took:
            runs = [run["id"] for _ in range(3) for run in it.post("/events", {"type": "go", "data": {}})[1]["runs"]]
            nap = _send(it, "nap")
            for run in runs:
                ended = _ended(it, run, 60)
                flow = ENDLESS[int(ended["flow"][1:])]
                if "regex_match" in flow and ended["status"] == "completed":
                    continue  # one that the engine of patterns is clever enough for
                assert ended["status"] == "failed", f"{flow}: {ended}"
                assert ended["error"]["kind"].startswith("expression"), f"{flow}: {ended['error']}"
            assert _ended(it, nap)["status"] == "completed"
        # Some of them in a row may hold the loop for their 250 ms each; without the bound it would be minutes.
        assert max(took) < 10, f"health took {max(took):.2f} s"
        assert it.process is not None
        status = Path(f"/proc/{it.process.pid}/status").read_text().splitlines()
        (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak < 400_000, f"{peak} KiB at its peak"


@contextlib.contextmanager
def _watched(it: Server) -> Iterator[list[float]]:
    """How long `/health` took to answer, again and again, seconds."""
    took: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            begun = time.monotonic()
            status = it.get("/health", timeout=30)[0]
            took.append(time.monotonic() - begun if status == 200 else 99)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield took
    finally:
        done.set()
        watcher.join()


def json_of(text: str) -> str:
    """A text as it stands in YAML."""
    return "'" + text.replace("'", "''") + "'"
