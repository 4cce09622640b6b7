"""What happens to the SQLite store: full disks, locks, damage, a second process, kill -9."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reactor.model.errors import StoreBrokenError, StoreBusyError
from reactor.model.journal import Entry
from reactor.stores.port import Acceptance, Batch, Committed
from reactor.stores.sqlite import SqliteStore, schema, store
from reactor.testing.actions import StillClock
from reactor.testing.store_kit import Opened, segment

pytestmark = pytest.mark.anyio

CHILD = """
import asyncio, sys
from pathlib import Path
from reactor.model import failpoints
from reactor.model.errors import StoreBusyError
from reactor.model.journal import Entry
from reactor.stores.port import Acceptance, Batch
from reactor.stores.sqlite import SqliteStore
from reactor.testing.actions import StillClock
from reactor.testing.store_kit import Opened, segment

def batch(opened, size=10):
    made = Batch()
    for _ in range(3):
        event = opened.event(data="x" * size)
        run = opened.run(event)
        made.accepted.append(Acceptance(event=event, runs=(run,)))
        made.journal.append((run.key, segment(Entry("a", 1, "completed", "y" * size))))
    return made

async def main(folder, *args):
    clock = StillClock()
    store = SqliteStore(Path(folder) / "reactor.db", clock=clock, blob_limit=4096)
    await store.open()
    opened = Opened(store, clock)
    await body(store, opened, *args)

"""


def child(body: str, *args: object) -> subprocess.Popen[str]:
    code = CHILD + textwrap.dedent(body) + "\nasyncio.run(main(*sys.argv[1:]))\n"
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    clock = StillClock()
    store = SqliteStore(tmp_path / "reactor.db", clock=clock, blob_limit=4096)
    await store.open()
    yield Opened(store, clock)
    await store.close()


def large(opened: Opened, count: int = 200) -> Batch:
    events = [opened.event(data="x" * 3000) for _ in range(count)]
    return Batch(accepted=[Acceptance(event=event, runs=(opened.run(event),)) for event in events])


async def test_a_full_database_refuses_and_goes_on_when_there_is_space(opened: Opened) -> None:
    writer = opened.store._writer  # type: ignore[attr-defined]
    await writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 100").fetchone())
    refused = large(opened)
    with pytest.raises(StoreBusyError, match="disk is full"):
        await opened.store.commit(refused)
    assert (await opened.store.counts())["events"] == 0
    small = opened.event()
    await opened.accept(Acceptance(event=small))
    await writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await opened.store.commit(refused) == Committed()
    assert (await opened.store.counts())["events"] == 201


async def test_a_disk_that_takes_no_more_refuses_and_goes_on(tmp_path: Path) -> None:
    # A limit on the size of files is the full disk that needs no rights. Its signal must not kill us.
    body = """
    import resource, signal
    async def body(store, opened):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
        done = 0
        for size in (1000, 600_000):  # rows, then blobs
            try:
                while True:
                    last = batch(opened, size)
                    await store.commit(last)
                    done += 3
                    assert done < 5000
            except StoreBusyError as error:
                print(error, flush=True)
            assert (await store.counts())["events"] == done
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        for _ in range(3):
            await store.commit(last)
        assert (await store.counts())["events"] == done + 3, done
        await store.close()
        print("well")
    """
    process = child(body, tmp_path)
    out, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, out
    assert out.splitlines()[-1] == "well"


async def test_somebody_else_holds_the_database(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = opened.store._writer  # type: ignore[attr-defined]
    await writer.call(lambda connection: connection.execute("PRAGMA busy_timeout = 20").fetchone())
    other = sqlite3.connect(tmp_path / "reactor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run = opened.run()
    with pytest.raises(StoreBusyError, match="lock"):
        await opened.keep(run)
    assert await opened.store.run(run.key) is None
    other.execute("ROLLBACK")
    other.close()
    await opened.keep(run)
    assert await opened.store.run(run.key) == run


async def test_who_holds_the_database_while_we_start_is_waited_for(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened.store.close()
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.02)
    other = sqlite3.connect(tmp_path / "reactor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(store, "OPEN_SECONDS", 0.05)
    with pytest.raises(StoreBusyError, match="lock"):
        await opened.store.open()
    monkeypatch.setattr(store, "OPEN_SECONDS", 10)
    opening = asyncio.create_task(opened.store.open())
    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("ROLLBACK")
    other.close()
    await opening
    await opened.keep(opened.run())


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reactor.db").write_bytes(b"not a database at all " * 1000)
    with pytest.raises(StoreBrokenError, match=r"not a SQLite database; restore a backup, or run `reactor doctor`"):
        await SqliteStore(tmp_path / "reactor.db", clock=StillClock()).open()


@pytest.mark.parametrize("damage", ["cut", "scribbled"])
async def test_a_damaged_file_is_refused_at_open(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "reactor.db"
    clock = StillClock()
    store = SqliteStore(path, clock=clock)
    await store.open()
    opened = Opened(store, clock)
    await store.commit(large(opened, 300))
    await store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 3 // schema.PAGE_SIZE * schema.PAGE_SIZE)
        else:
            file.seek(schema.PAGE_SIZE)
            file.write(b"\xff" * (size - schema.PAGE_SIZE))
    with pytest.raises(StoreBrokenError, match="restore a backup"):
        await SqliteStore(path, clock=clock).open()


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reactor.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreBrokenError, match=r"schema version 99, this program knows up to \d+: start the newer"):
        await SqliteStore(path, clock=StillClock()).open()


async def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "reactor.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(StoreBrokenError, match="not Reactor's"):
        await SqliteStore(path, clock=StillClock()).open()


async def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    body = """
    async def body(store, opened):
        print("open", flush=True)
        sys.stdin.read()
    """
    process = child(body, tmp_path)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "open\n"
    store = SqliteStore(tmp_path / "reactor.db", clock=StillClock())
    with pytest.raises(StoreBrokenError, match=rf"in use by another Reactor \(pid {process.pid}\)"):
        await store.open()
    process.kill()
    process.communicate()
    await store.open()
    again = SqliteStore(tmp_path / "reactor.db", clock=StillClock())
    with pytest.raises(StoreBrokenError, match=f"pid {os.getpid()}"):
        await again.open()
    await store.close()


WORK = """
async def body(store, opened, failpoint):
    failpoints.arm(failpoint)
    while True:
        made = batch(opened, 5000 if failpoint.startswith("blob") else 100)
        keys = [run.key for acceptance in made.accepted for run in acceptance.runs]
        print("asked", *keys, flush=True)
        await store.commit(made)
        print("done", *keys, flush=True)
"""


async def check_after_kill(folder: Path, lines: list[str]) -> tuple[int, int]:
    """Every commit that returned is there and whole; the one under way is there whole or not at all."""
    asked = {tuple(map(int, line.split()[1:])) for line in lines if line.startswith("asked ")}
    done = {tuple(map(int, line.split()[1:])) for line in lines if line.startswith("done ")}
    store = SqliteStore(folder / "reactor.db", clock=StillClock())
    await store.open()
    there = 0
    for keys in asked:
        loaded = await store.load(keys)
        assert len(loaded) in {0, 3}
        assert loaded or keys not in done
        there += bool(loaded)
        for found in loaded:
            assert found.event is not None
            assert found.event.data.strip("x") == ""
            assert [entry.key for entry in found.journal] == ["a"]
    counts = await store.counts()
    assert counts["runs"] == counts["events"] == 3 * there
    # Blobs of a commit that never was are swept.
    await store.purge(0, 100)
    names = set(store._blobs.names())
    await store.close()
    with sqlite3.connect(folder / "reactor.db") as connection:
        query = "SELECT blob FROM events WHERE blob IS NOT NULL UNION SELECT blob FROM journal WHERE blob IS NOT NULL"
        assert {name for (name,) in connection.execute(query)} == names
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return len(done), there


@pytest.mark.crash
@pytest.mark.parametrize(
    "failpoint",
    ["commit.before", "commit.written", "commit.after", "commit.written:7", "commit.after:30", "blob.written:9"],
)
async def test_killed_inside_a_commit(tmp_path: Path, failpoint: str) -> None:
    process = child(WORK, tmp_path, failpoint)
    out, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == -signal.SIGKILL
    done, there = await check_after_kill(tmp_path, out.splitlines())
    assert there - done == (1 if failpoint.startswith("commit.after") else 0)


@pytest.mark.crash
@pytest.mark.parametrize("after", [1, 40, 300])
async def test_killed_at_any_moment(tmp_path: Path, after: int) -> None:
    process = child(WORK, tmp_path, "run.finished")
    assert process.stdout is not None
    lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(2 * after)]
    process.kill()
    # Not communicate(): it passes by what the reader has buffered already.
    rest = process.stdout.read()
    process.communicate()
    await check_after_kill(tmp_path, lines + [line for line in rest.splitlines(keepends=True) if line.endswith("\n")])


async def test_a_lost_blob_is_named(opened: Opened) -> None:
    event = opened.event(data="x" * 10_000)
    await opened.accept(Acceptance(event=event))
    blobs = opened.store._blobs  # type: ignore[attr-defined]
    (name,) = blobs.names()
    blobs._path(name).write_bytes(b"else")
    with pytest.raises(StoreBrokenError, match=f"{name} .* is damaged"):
        await opened.store.event(event.key)
    blobs.remove(name)
    with pytest.raises(StoreBrokenError, match=f"{name} is missing .* restore"):
        await opened.store.event(event.key)


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "reactor.db", clock=StillClock())
    with pytest.raises(StoreBrokenError, match="not open"):
        await store.counts()
    await store.open()
    with pytest.raises(StoreBrokenError, match="open already"):
        await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreBrokenError, match="not open"):
        await store.commit(Batch(saved=[("a", "b", b"1")]))
    await store.open()
    await store.close()


async def test_the_log_does_not_grow_under_steady_commits(tmp_path: Path) -> None:
    clock = StillClock()
    store = SqliteStore(tmp_path / "reactor.db", clock=clock, durability="process")
    await store.open()
    opened = Opened(store, clock)
    for _ in range(100):
        await store.commit(large(opened, 200))
    log = (tmp_path / "reactor.db-wal").stat().st_size
    await store.close()
    assert log < 48 << 20


async def test_a_cancelled_commit_is_still_written(opened: Opened) -> None:
    run = opened.run()
    task = asyncio.create_task(opened.keep(run))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await opened.store.commit(Batch(journal=[(run.key, segment(Entry("a", 1)))]))
    assert await opened.store.run(run.key) == run
