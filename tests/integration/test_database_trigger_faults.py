"""The trigger `database` when something is wrong: it turns red, says why in one sentence, and loses nothing."""

import asyncio
import sqlite3
import threading
import time

import pytest

from reactor.connectors.database import reader
from reactor.connectors.database.config import DatabaseConfig
from reactor.model import durations
from reactor.testing.servers import MariaDb, Postgres
from tests.integration.database_kit import Shop, closing, ids


@pytest.fixture(scope="module")
def postgres():
    with Postgres({"synchronous_commit": "on"}) as server:
        (server.folder / "data" / "pg_hba.conf").write_text(
            "host all postgres all trust\nhost all all all scram-sha-256\n"
        )
        server.kill()
        server.start()
        yield server


@pytest.fixture(scope="module")
def mysql():
    with MariaDb(binlog=False) as server:
        yield server


@pytest.fixture(params=["postgres", "mysql"])
def served(request, tmp_path):
    """A shop on a server, with a user `ann` who may nothing."""
    server = request.getfixturevalue(request.param)
    shop = Shop(request.param, server.url(), tmp_path)
    shop.server = server
    if shop.kind == "mysql":
        server.add_user("ann", "right")
    else:
        shop.run("DROP ROLE IF EXISTS ann", "CREATE ROLE ann LOGIN PASSWORD 'right'")
    shop.create()
    yield from closing(shop)


@pytest.fixture
def lite(tmp_path):
    shop = Shop("sqlite", "sqlite:///shop.db", tmp_path)
    shop.create()
    yield from closing(shop)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def shop(request, tmp_path):
    if request.param != "sqlite":
        found = request.getfixturevalue(request.param)
        yield from closing(Shop(request.param, found.url(), tmp_path))
    else:
        yield from closing(Shop("sqlite", "sqlite:///shop.db", tmp_path))


async def lost(bench, seconds=10):
    """Why it is not listening, told within ten seconds."""
    await bench.until(lambda b: b.state() == "lost", seconds)
    reason = bench.states[-1][1]
    assert "\n" not in reason
    assert "right" not in reason
    return reason


def as_ann(shop, password, **config):
    bench = shop.bench(**config)
    bench.connections = {"shop": {**bench.connections["shop"], "user": "ann", "password": password}}
    return bench


async def test_a_wrong_password(served):
    async with as_ann(served, "wrong") as bench:
        reason = await lost(bench)
    assert "ann" in reason


async def test_a_table_that_may_not_be_read(served):
    async with as_ann(served, "right") as bench:
        reason = await lost(bench)
        assert "denied" in reason
        assert served.kind == "mysql" or "grant SELECT" in reason
        grant = "GRANT SELECT ON TABLE_ TO ann" + ("@127.0.0.1" if served.kind == "mysql" else "")
        served.run(grant.replace("ann@127.0.0.1", "'ann'@'127.0.0.1'"))
        served.add(1)
        await bench.until(lambda b: ids(b) == [1])


async def test_names_that_are_not_there(shop):
    shop.create()
    async with shop.bench(table=f"{shop.table}x") as bench:
        assert f"did you mean '{shop.table}'?" in await lost(bench)
    async with shop.bench(cursor="idd") as bench:
        assert "did you mean 'id'?" in await lost(bench)
    async with shop.bench(query="SELECT nix FROM nowhere") as bench:
        assert "nowhere" in await lost(bench)
    async with shop.bench(connection="other") as bench:
        assert "no connection 'other'" in await lost(bench)


async def test_a_server_that_is_killed_and_comes_back(served):
    served.add(1)
    async with served.bench() as bench:
        await bench.until(lambda b: ids(b) == [1])
        served.server.kill()
        try:
            assert f"127.0.0.1:{served.server.port}" in await lost(bench)
        finally:
            served.server.start()
        served.add(2)
        await bench.until(lambda b: ids(b) == [1, 2])


@pytest.mark.parametrize("every", ["100ms", "1h"])
async def test_a_server_that_hangs(served, every, monkeypatch):
    monkeypatch.setattr(reader, "BEAT", 0.5)
    for arguments in reader.ARGUMENTS.values():
        monkeypatch.setitem(arguments, "connect_timeout", 2)
    async with served.bench(every=every, timeout="1s") as bench:
        await bench.until(lambda b: b.behind == 0)
        served.server.hang()
        try:
            await lost(bench)
            armed = len(bench.states)
            await bench.until(lambda b: len(b.states) > armed)  # a new connection is not waited for, either
        finally:
            served.server.wake()
        served.add(1)
        await bench.until(lambda b: ids(b) == [1])


def test_a_hang_is_told_within_ten_seconds():
    timeout = durations.parse(DatabaseConfig(table="t").timeout) / 1000
    assert reader.BEAT + timeout + reader.GRACE < 10
    assert reader.CONNECT + timeout + reader.GRACE <= 10
    assert all(arguments.get("connect_timeout", 0) <= reader.CONNECT for arguments in reader.ARGUMENTS.values())


async def test_leaving_while_the_server_hangs(served):
    before = set(threading.enumerate())
    async with served.bench(timeout="1m") as bench:
        await bench.until(lambda b: b.behind == 0)
        served.server.hang()
        try:
            await asyncio.sleep(0.3)
            begun = time.monotonic()
            await bench.stop()
            assert time.monotonic() - begun < 3
        finally:
            served.server.wake()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("reactor"):
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.proves("on.database.timeout")
async def test_a_slow_query_is_stopped_and_disturbs_nobody(served):
    sleep = {"postgres": "pg_sleep(30)", "mysql": "sleep(30)"}[served.kind]
    served.add(1)
    slow = served.bench(query=f"SELECT id, {sleep} AS x FROM {served.table}", timeout="500ms")
    async with slow, served.bench() as other:
        await other.until(lambda b: ids(b) == [1])
        assert "raise `timeout`" in await lost(slow, 5)
        served.add(2)
        await other.until(lambda b: ids(b) == [1, 2])
    active = "SELECT 1 FROM pg_stat_activity WHERE state = 'active'"
    running = {
        "postgres": f"{active} AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()",
        "mysql": "SELECT 1 FROM information_schema.processlist WHERE info LIKE '%sleep(30)%' AND id <> connection_id()",
    }[served.kind]
    until = time.monotonic() + 5
    while served.run(running):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def test_a_table_that_is_locked(served):
    lock = {"postgres": "LOCK TABLE TABLE_", "mysql": "LOCK TABLES TABLE_ WRITE"}[served.kind].replace(
        "TABLE_", served.table
    )
    import sqlalchemy as sa

    async with served.bench(timeout="500ms") as bench, served.bench(query="SELECT 1 AS id") as other:
        await bench.until(lambda b: b.behind == 0)
        with served.engine.begin() as holder:
            holder.execute(sa.text(lock))
            await lost(bench)
            await other.until(lambda b: len(b.drafts) == 1)
            if served.kind == "mysql":
                holder.execute(sa.text("UNLOCK TABLES"))
        served.add(1)
        await bench.until(lambda b: ids(b) == [1])


async def test_it_cannot_write(shop, postgres):
    shop.create()
    shop.add(1)
    if shop.kind == "postgres":
        shop.run("DROP SEQUENCE IF EXISTS tickets", "CREATE SEQUENCE tickets")
        async with shop.bench(query=f"SELECT id, nextval('tickets') FROM {shop.table}") as bench:
            assert "read-only" in await lost(bench)
    elif shop.kind == "mysql":
        shop.run(
            "DROP FUNCTION IF EXISTS note",
            "CREATE FUNCTION note() RETURNS INT BEGIN INSERT INTO TABLE_ VALUES (9, ''); RETURN 1; END",
        )
        async with shop.bench(query="SELECT 1 AS id, note() AS x") as bench:
            await lost(bench)
        assert shop.run("SELECT count(*) FROM TABLE_")[0][0] == 1


async def test_the_table_changes_meanwhile(shop):
    shop.create()
    shop.add(1)
    async with shop.bench() as bench:
        await bench.until(lambda b: ids(b) == [1])
        shop.run("ALTER TABLE TABLE_ ADD COLUMN more varchar(10) DEFAULT 'm'")
        shop.run("INSERT INTO TABLE_ (id) VALUES (2)")
        await bench.until(lambda b: ids(b) == [1, 2])
        assert bench.drafts[-1].data["more"] == "m"
        assert bench.state() == "armed"
        shop.run("ALTER TABLE TABLE_ RENAME COLUMN id TO ident")
        await lost(bench)
        await bench.until(lambda b: "has no column 'id'" in b.states[-1][1])
        shop.run("ALTER TABLE TABLE_ RENAME COLUMN ident TO id")
        shop.run("INSERT INTO TABLE_ (id) VALUES (3)")
        await bench.until(lambda b: ids(b) == [1, 2, 3])


async def test_a_cursor_that_cannot_tell_rows_apart(shop):
    shop.create("id integer, name varchar(200)")
    shop.add(1, 2, 2, 3)
    async with shop.bench(batch=2) as bench:
        assert "several rows have the same id (2)" in await lost(bench)
    assert not ids(bench)


async def test_a_cursor_without_an_order(served):
    served.run("DROP TABLE TABLE_")
    served.create("id double precision PRIMARY KEY")
    served.run("INSERT INTO TABLE_ VALUES (1.5)")
    async with served.bench() as bench:
        assert "type float" in await lost(bench)


async def test_a_file_that_is_gone_or_another(lite):
    lite.add(1)
    async with lite.bench() as bench:
        await bench.until(lambda b: ids(b) == [1])
        path = lite.folder / "shop.db"
        path.rename(lite.folder / "old.db")
        assert "gone" in await lost(bench)
        (lite.folder / "old.db").rename(path)
        lite.add(2)
        await bench.until(lambda b: ids(b) == [1, 2])


async def test_a_file_that_is_locked(lite):
    lite.add(1)
    async with lite.bench(timeout="1s") as bench:
        await bench.until(lambda b: ids(b) == [1])
        other = sqlite3.connect(lite.folder / "shop.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in await lost(bench)
        other.execute("COMMIT")
        other.close()
        lite.add(2)
        await bench.until(lambda b: ids(b) == [1, 2])
