"""Changes of tables of a real PostgreSQL."""

import asyncio
import os
import signal
import time

import psycopg
import pytest

from reactor.connectors.cdc import connector
from reactor.connectors.cdc.postgres.pgoutput import lsn_number
from reactor.testing.servers import Postgres, Wire
from reactor.testing.triggers import TriggerBench

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    with Postgres() as made:
        yield made


class Database:
    """A database of its own, and a connection to it."""

    def __init__(self, server, name, connection):
        self.server, self.name, self.execute = server, name, connection.execute
        self.transaction = connection.transaction
        self.url = server.url(name)


@pytest.fixture
def db(server, request):
    name = f"d{abs(hash(request.node.name)) % 10**8}"
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    connection = psycopg.connect(server.url(name), autocommit=True)
    yield Database(server, name, connection)
    connection.close()
    with psycopg.connect(server.url(), autocommit=True) as admin:
        slots = "FROM pg_replication_slots WHERE database = %s"
        admin.execute(f"SELECT pg_terminate_backend(active_pid) {slots} AND active", [name])
        unused(admin)
        admin.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}", [name])
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def unused(connection):
    """Wait until nobody reads a slot: the server notices a moment later that we are gone."""
    deadline = time.monotonic() + 10
    while connection.execute("SELECT 1 FROM pg_replication_slots WHERE active").fetchone():
        assert time.monotonic() < deadline, "a slot is still read"
        time.sleep(0.02)


def bench(db, config, url=None, **options):
    connections = {"pg": {"type": "postgres", "url": url or db.url}}
    return TriggerBench(connector.triggers[0], config, connections=connections, **options)


def told(made):
    return [(draft.metadata["operation"], draft.data) for draft in made.drafts]


async def armed(made):
    await made.until(lambda b: b.state() == "armed")


async def test_rows_are_told_as_they_are_committed(db):
    db.execute("CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text)")
    async with bench(db, {"tables": ["orders"]}) as made:
        await armed(made)
        db.execute("INSERT INTO orders VALUES (1, 2.50, 'a')")
        db.execute("UPDATE orders SET total = 3 WHERE id = 1")
        db.execute("DELETE FROM orders WHERE id = 1")
        await made.until(lambda b: len(b.drafts) == 3)
    assert told(made) == [
        ("insert", {"new": {"id": 1, "total": "2.50", "note": "a"}, "old": None, "key": {"id": 1}}),
        ("update", {"new": {"id": 1, "total": "3", "note": "a"}, "old": None, "key": {"id": 1}}),
        ("delete", {"new": None, "old": {"id": 1}, "key": {"id": 1}}),
    ]
    assert made.types() == ["database.insert", "database.update", "database.delete"]


def ids(made):
    return [(draft.data["new"] or draft.data["old"])["id"] for draft in made.drafts]


def slots(db):
    return db.execute(
        "SELECT slot_name, confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()"
    ).fetchall()


async def lost(made, *parts):
    await made.until(lambda b: b.state() == "lost")
    reason = made.states[-1][1]
    assert all(part in reason for part in parts), reason


@pytest.mark.proves("on.cdc", "on.cdc.tables")
async def test_only_the_tables_that_are_named(db):
    db.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY)")
    db.execute("CREATE TABLE other (id int PRIMARY KEY)")
    async with bench(db, {"tables": "shop.orders"}) as made:
        await armed(made)
        db.execute("INSERT INTO other VALUES (1); INSERT INTO shop.orders VALUES (2)")
        await made.until(lambda b: b.drafts)
    (draft,) = made.drafts
    assert draft.subject == "shop.orders"
    assert draft.data["key"] == {"id": 2}
    meta = draft.metadata
    assert {name: meta[name] for name in ("table", "operation", "index")} == {
        "table": "shop.orders", "operation": "insert", "index": 0,
    }  # fmt: skip
    assert meta["committed_at"].endswith("Z")
    assert "/" in meta["lsn"]
    assert isinstance(meta["transaction"], int)


@pytest.mark.proves("on.cdc.operations")
async def test_operations(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t", "operations": ["delete", "truncate"]}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1), (2)")
        db.execute("DELETE FROM t WHERE id = 1")
        db.execute("TRUNCATE t")
        await made.until(lambda b: len(b.drafts) == 2)
    assert told(made) == [
        ("delete", {"new": None, "old": {"id": 1}, "key": {"id": 1}}),
        ("truncate", {"new": None, "old": None, "key": None}),
    ]


@pytest.mark.proves("on.cdc.columns")
async def test_columns(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, secret text, total int)")
    async with bench(db, {"tables": "t", "columns": ["total"]}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1, 'x', 5)")
        await made.until(lambda b: b.drafts)
    assert told(made) == [("insert", {"new": {"total": 5}, "old": None, "key": {"id": 1}})]
    async with bench(db, {"tables": "t", "columns": ["totl"]}) as made:
        await lost(made, "no table of `tables` has a column totl", "id, secret, total")


async def test_values_are_as_the_actions_give_them(db):
    db.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN count AS int CHECK (VALUE > 0);"
        "CREATE TABLE t (id bigint PRIMARY KEY, b bool, n numeric, f float8, nan float8, d date, ts timestamp,"
        " tz timestamptz, tm time, iv interval, j json, jb jsonb, raw bytea, ints int[], texts text[], deep int[][],"
        " m mood, ms mood[], c count, u uuid, nothing text)"
    )
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute(
            "INSERT INTO t VALUES (9007199254740993, true, 12.50, 0.1, 'NaN', '2026-01-02', '2026-01-02 03:04:05.5',"
            " '2026-01-02 03:04:05+02', '03:04', '1 day 02:00:00.5', '{\"a\": [1]}', '{\"b\": null}', '\\x00ff',"
            " '{1,NULL}', array['a \"b\"', 'c,d', NULL, 'NULL'], '{{1,2},{3,4}}', 'ok', '{sad,ok}', 7,"
            " '6f9619ff-8b86-d011-b42d-00c04fc964ff', NULL)"
        )
        await made.until(lambda b: b.drafts)
    assert made.drafts[0].data["new"] == {
        "id": 9007199254740993, "b": True, "n": "12.50", "f": 0.1, "nan": "nan", "d": "2026-01-02",
        "ts": "2026-01-02T03:04:05.500000", "tz": "2026-01-02T01:04:05+00:00", "tm": "03:04:00", "iv": "PT93600.5S",
        "j": {"a": [1]}, "jb": {"b": None}, "raw": "AP8=", "ints": [1, None], "texts": ['a "b"', "c,d", None, "NULL"],
        "deep": [[1, 2], [3, 4]], "m": "ok", "ms": ["sad", "ok"], "c": 7, "u": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "nothing": None,
    }  # fmt: skip


async def test_what_old_and_key_hold(db):
    big = "x" * 9000
    db.execute(
        "CREATE TABLE keyed (id int PRIMARY KEY, v int, big text); ALTER TABLE keyed ALTER big SET STORAGE EXTERNAL;"
        "CREATE TABLE whole (id int PRIMARY KEY, v int, big text); ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;"
        "ALTER TABLE whole REPLICA IDENTITY FULL; CREATE TABLE bare (v int); ALTER TABLE bare REPLICA IDENTITY FULL"
    )
    async with bench(db, {"tables": ["keyed", "whole", "bare"], "operations": ["update", "delete"]}) as made:
        await armed(made)
        for table in ("keyed", "whole"):
            db.execute(f"INSERT INTO {table} VALUES (1, 1, %s)", [big])
            db.execute(f"UPDATE {table} SET v = 2")
            db.execute(f"UPDATE {table} SET id = 5")
            db.execute(f"DELETE FROM {table}")
        db.execute("INSERT INTO bare VALUES (1); UPDATE bare SET v = 2")
        await made.until(lambda b: len(b.drafts) == 7)
    keyed, moved, gone, whole, wmoved, wgone, bare = made.drafts
    assert keyed.data == {"new": {"id": 1, "v": 2}, "old": None, "key": {"id": 1}}
    assert keyed.metadata["unchanged"] == ["big"]
    assert moved.data == {"new": {"id": 5, "v": 2}, "old": {"id": 1}, "key": {"id": 5}}
    assert gone.data == {"new": None, "old": {"id": 5}, "key": {"id": 5}}
    assert whole.data == {"new": {"id": 1, "v": 2, "big": big}, "old": {"id": 1, "v": 1, "big": big}, "key": {"id": 1}}
    assert "unchanged" not in whole.metadata
    assert (wmoved.data["old"]["id"], wmoved.data["key"]) == (1, {"id": 5})
    assert (wgone.data["old"]["v"], wgone.data["key"]) == (2, {"id": 5})
    assert bare.data == {"new": {"v": 2}, "old": {"v": 1}, "key": None}


async def test_after_a_restart_nothing_is_lost_or_told_twice(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t SELECT generate_series(1, 10)")
        await made.until(lambda b: len(b.drafts) == 10)
    db.execute("INSERT INTO t SELECT generate_series(11, 20)")
    async with made.again() as later:
        await later.until(lambda b: len(b.drafts) == 10)
        db.execute("INSERT INTO t VALUES (21)")
        await later.until(lambda b: len(b.drafts) == 11)
    assert ids(made) + ids(later) == [*range(1, 22)]
    assert later.gaps == []


@pytest.mark.proves("on.cdc.batch")
async def test_a_large_transaction_goes_on_in_its_middle(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")

    class Died(Exception):
        pass

    def die(drafts):
        if any(draft.data["new"]["id"] >= 40 for draft in drafts):
            raise Died

    made = bench(db, {"tables": "t", "batch": 10})
    made.after_commit = die
    await made.__aenter__()
    await armed(made)
    db.execute("INSERT INTO t SELECT generate_series(1, 95)")
    with pytest.raises(Died):
        await made.until(lambda b: False)
    assert [count for _, count in made.emitted] == [10, 10, 10, 10]
    async with made.again() as later:
        await later.until(lambda b: len(b.drafts) == 55)
        db.execute("INSERT INTO t VALUES (96)")
        await later.until(lambda b: len(b.drafts) == 56)
    assert ids(made) + ids(later) == [*range(1, 97)]


async def test_a_transaction_that_ends_with_a_batch_is_confirmed(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t", "batch": 10}) as made:
        await armed(made)
        with db.transaction():
            db.execute("INSERT INTO t SELECT generate_series(1, 20)")
            ((before,),) = db.execute("SELECT pg_current_wal_insert_lsn()").fetchall()
        async with asyncio.timeout(10):
            while lsn_number(slots(db)[0][1]) <= lsn_number(before):
                await asyncio.sleep(0.02)
        assert made.saved()["position"]["index"] == -1
        assert [count for _, count in made.emitted] == [10, 10]


@pytest.mark.proves("on.cdc.snapshot")
async def test_rows_that_are_there_are_told_first(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (2, 'b'), (1, 'a')")
    async with bench(db, {"tables": "t", "snapshot": True}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (3, 'c')")
        await made.until(lambda b: len(b.drafts) == 3)
    assert ids(made) == [1, 2, 3]
    assert [draft.metadata.get("snapshot") for draft in made.drafts] == [True, True, None]
    assert made.drafts[0].data == {"new": {"id": 1, "v": "a"}, "old": None, "key": {"id": 1}}
    async with made.again() as later:
        await armed(later)
    assert later.drafts == []
    async with bench(db, {"tables": "t"}, key="other/0") as without:
        await armed(without)
    assert without.drafts == []


@pytest.mark.parametrize("kind", ["int", "text"])
async def test_a_snapshot_that_is_interrupted_goes_on(db, kind):
    db.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, v int)")
    db.execute(f"INSERT INTO t SELECT n::{kind}, 0 FROM generate_series(10, 59) n")

    class Died(Exception):
        pass

    def die(drafts):
        if len(made.drafts) >= 20:
            raise Died

    made = bench(db, {"tables": "t", "snapshot": True, "batch": 10})
    made.after_commit = die
    await made.__aenter__()
    with pytest.raises(Died):
        await made.until(lambda b: False)
    # Some change where the snapshot has been, some where it has not.
    db.execute("UPDATE t SET v = 1 WHERE id IN ('12', '50')")
    db.execute("DELETE FROM t WHERE id IN ('13', '51')")
    db.execute("INSERT INTO t VALUES ('1', 1), ('60', 1)")
    db.execute("UPDATE t SET id = '61' WHERE id = '14'")
    db.execute("UPDATE t SET id = '2' WHERE id = '52'")
    later = made.again()
    later.after_commit = None
    async with later:
        await armed(later)
        db.execute("INSERT INTO t VALUES ('99', 1)")
        await later.until(lambda b: any((d.data["new"] or {}).get("id") in (99, "99") for d in b.drafts))
    rows: dict[str, int] = {}
    for draft in made.drafts + later.drafts:
        data = draft.data
        if draft.metadata["operation"] == "insert" and "snapshot" in draft.metadata:
            assert str(data["new"]["id"]) not in rows
        for old in (data["old"], data["new"] is None and data["key"]):
            if old:
                rows.pop(str(old["id"]), None)
        if data["new"]:
            rows[str(data["new"]["id"])] = data["new"]["v"]
    assert rows == {str(key): v for key, v in db.execute("SELECT id, v FROM t").fetchall()}
    streamed = [draft for draft in later.drafts if "snapshot" not in draft.metadata]
    changes = [(draft.metadata["operation"], str(draft.data["key"]["id"])) for draft in streamed]
    assert changes == [
        ("update", "12"), ("delete", "13"), ("insert", "1"), ("update", "61"), ("update", "2"), ("insert", "99"),
    ]  # fmt: skip
    assert len([d for d in made.drafts + later.drafts if "snapshot" in d.metadata]) == 20 + 30 - 2 + 2


async def test_a_slot_that_was_dropped_is_a_gap(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1)")
        await made.until(lambda b: b.drafts)
    ((slot, _),) = slots(db)
    unused(db)
    db.execute("SELECT pg_drop_replication_slot(%s)", [slot])
    db.execute("INSERT INTO t VALUES (2)")
    async with made.again() as later:
        await armed(later)
        db.execute("INSERT INTO t VALUES (3)")
        await later.until(lambda b: b.drafts)
    assert ids(later) == [3]
    (gap,) = later.gaps
    assert f"replication slot '{slot}' was dropped and is made anew: changes of public.t" in gap
    db.execute("SET synchronous_commit = on")
    db.execute("INSERT INTO t VALUES (4)")
    db.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", [slot])
    async with later.again() as last:
        await armed(last)
    assert "was moved on by somebody else" in last.gaps[0]


async def test_the_shape_of_a_table_changes(db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.postgres.watch._TELL", 0.1)
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1, 1)")
        db.execute("ALTER TABLE t ADD w text DEFAULT 'd'; ALTER TABLE t DROP v; ALTER TABLE t REPLICA IDENTITY FULL")
        db.execute("UPDATE t SET w = 'e'")
        await made.until(lambda b: len(b.drafts) == 2)
        assert made.drafts[1].data == {"new": {"id": 1, "w": "e"}, "old": {"id": 1, "w": "d"}, "key": {"id": 1}}
        db.execute("INSERT INTO t VALUES (2, 'x')")
        db.execute("DROP TABLE t")
        await lost(made, "public.t has been dropped", "take it out of `tables`")
        await made.until(lambda b: "there is no table public.t" in b.states[-1][1])
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        await armed(made)
        db.execute("INSERT INTO t VALUES (3)")
        await made.until(lambda b: b.drafts[-1].data["key"] == {"id": 3})
    assert ids(made) == [1, 1, 2, 3]
    assert "the table public.t was dropped and made anew" in made.gaps[0]


async def test_the_log_is_not_held_back_by_other_tables(db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.postgres.watch._TELL", 0.1)
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (v text)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        ((_, before),) = slots(db)
        db.execute("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
        async with asyncio.timeout(10):
            while slots(db)[0][1] == before:
                await asyncio.sleep(0.05)
        confirmed = slots(db)[0][1]
        assert lsn_number(confirmed) - lsn_number(before) > 1_000_000
        assert lsn_number(made.saved()["position"]["confirmed"]) >= lsn_number(confirmed)


REFUSED = {
    "no table": ("", {"tables": "nope"}, ("there is no table public.nope",)),
    "a view": ("CREATE VIEW v AS SELECT 1 AS id", {"tables": "v"}, ("public.v is no table",)),
    "unlogged": ("CREATE UNLOGGED TABLE t (id int PRIMARY KEY)", {"tables": "t"}, ("SET LOGGED",)),
    "no key": ("CREATE TABLE t (id int)", {"tables": "t"}, ("ALTER TABLE public.t REPLICA IDENTITY FULL",)),
    "no publication": ("", {"publication": "p"}, ("CREATE PUBLICATION",)),
    "publication lacks": (
        "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p",
        {"tables": "t", "publication": "p"},
        ('ALTER PUBLICATION "p" ADD TABLE public.t',),
    ),
    "publication is deaf": (
        "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')",
        {"tables": "t", "publication": "p"},
        ("does not publish delete, update", "SET (publish = 'delete, insert, update')"),
    ),
    "snapshot without key": (
        "CREATE TABLE t (id int)",
        {"tables": "t", "operations": "insert", "snapshot": True},
        ("has no primary key", "snapshot: false"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_followed_is_told(db, what):
    sql, config, parts = REFUSED[what]
    if sql:
        db.execute(sql)
    async with bench(db, config) as made:
        await lost(made, *parts)


@pytest.mark.proves("on.cdc.{slot,publication}")
async def test_slot_and_publication_by_name(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)")
    db.execute("CREATE PUBLICATION both_of_them FOR TABLE t, u")
    async with bench(db, {"publication": "both_of_them", "slot": "my_own"}) as made:
        await armed(made)
        assert [name for name, _ in slots(db)] == ["my_own"]
        db.execute("INSERT INTO u VALUES (1); INSERT INTO t VALUES (2)")
        await made.until(lambda b: len(b.drafts) == 2)
        async with bench(db, {"tables": "t", "slot": "my_own"}, key="other/0") as second:
            await lost(second, "replication slot 'my_own' is in use by pid", "name another")
    assert ids(made) == [1, 2]


@pytest.mark.proves("on.cdc.connection")
async def test_the_connection(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE plain LOGIN; CREATE ROLE half LOGIN REPLICATION")
    url = db.url
    made = bench(db, {"tables": "t", "connection": "right"})
    made.connections = {"wrong": {"type": "postgres", "url": url + "x"}, "right": {"type": "postgres", "url": url}}
    async with made:
        await armed(made)
    cases = {
        "postgresql://plain@": ("may not replicate", "ALTER ROLE the_user REPLICATION"),
        "postgresql://half@": ("as the owner of the tables: CREATE PUBLICATION",),
        "postgresql://nobody@": ('role "nobody" does not exist',),
    }
    for start, parts in cases.items():
        async with bench(db, {"tables": "t"}, url=start + url.split("@")[1], key="other/0") as other:
            await lost(other, *parts)
    async with bench(db, {"tables": "t"}, url=url + "x") as other:
        await lost(other, "does not exist", "check the database")
    async with bench(db, {"tables": "t"}, url="postgresql://u:hidden word@[x/") as other:
        await lost(other, "cannot be read")
        assert "hidden" not in other.states[-1][1]
    db.execute("DROP ROLE plain; DROP ROLE half")


async def gone(made, *parts, within=10.0):
    begun = time.monotonic()
    await made.until(lambda b: b.state() == "lost", within)
    assert time.monotonic() - begun < within
    await lost(made, *parts)


async def test_the_server_is_killed_and_comes_back(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("SET synchronous_commit = on; INSERT INTO t SELECT generate_series(1, 5)")
        await made.until(lambda b: len(b.drafts) == 5)
        db.server.kill()
        await gone(made, "PostgreSQL")
        db.server.start()
        await armed(made)
        with psycopg.connect(db.url, autocommit=True) as again:
            again.execute("INSERT INTO t SELECT generate_series(6, 9)")
        await made.until(lambda b: len(b.drafts) >= 9)
    assert ids(made) == [*range(1, 10)]
    assert made.gaps == []


async def test_a_server_that_hangs_is_told(db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.postgres.watch._TELL", 0.1)
    monkeypatch.setattr("reactor.connectors.cdc.postgres.link.ANSWER_WITHIN", 1.0)
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.server.hang()
        try:
            await gone(made, "has not answered for 1 s")
        finally:
            db.server.wake()
        await armed(made)
        db.execute("INSERT INTO t VALUES (1)")
        await made.until(lambda b: b.drafts)
    assert made.gaps == []


async def test_a_cable_that_is_cut_or_pulled(db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.postgres.watch._TELL", 0.1)
    monkeypatch.setattr("reactor.connectors.cdc.postgres.link.ANSWER_WITHIN", 1.0)
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    with Wire(db.server.port) as wire:
        url = f"postgresql://postgres@{wire.host}:{wire.port}/{db.name}"
        async with bench(db, {"tables": "t"}, url=url) as made:
            await armed(made)
            wire.cut()
            await gone(made, "PostgreSQL")
            db.execute("INSERT INTO t VALUES (1)")
            wire.mend()
            await made.until(lambda b: b.drafts)
            wire.stall()
            await gone(made, "has not answered for 1 s")
            db.execute("INSERT INTO t VALUES (2)")
            wire.reset()
            wire.mend()
            await made.until(lambda b: len(b.drafts) == 2)
    assert ids(made) == [1, 2]
    assert made.gaps == []


async def test_while_the_door_is_busy_the_server_hears_from_us(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    db.execute("ALTER SYSTEM SET wal_sender_timeout = '2s'")
    db.execute("SELECT pg_reload_conf()")
    try:
        async with bench(db, {"tables": "t", "batch": 10}) as made:
            await armed(made)
            made.busy = 6
            begun = time.monotonic()
            db.execute("INSERT INTO t SELECT generate_series(1, 2000)")
            await made.until(lambda b: len(b.drafts) == 2000, 30)
            assert time.monotonic() - begun > 3
            assert [state for state, _ in made.states] == ["armed"]
    finally:
        db.execute("ALTER SYSTEM RESET wal_sender_timeout")
        db.execute("SELECT pg_reload_conf()")
    assert ids(made) == [*range(1, 2001)]


async def test_how_far_it_is_behind(db, monkeypatch):
    for name, value in {"_TELL": 0.02, "_FAR": 20_000, "_LONG": 0.1}.items():
        monkeypatch.setattr(f"reactor.connectors.cdc.postgres.watch.{name}", value)
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t", "batch": 10}) as made:
        await made.until(lambda b: b.behind == 0)
        made.busy = 5
        db.execute("INSERT INTO t SELECT generate_series(1, 1000)")
        await made.until(lambda b: b.state() == "lagging")
        assert "MiB of PostgreSQL's log are still to be read" in made.states[-1][1]
        await made.until(lambda b: len(b.drafts) == 1000 and b.state() == "armed" and b.behind == 0)


async def test_a_death_between_the_slot_and_the_first_row(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    config = {"tables": "t", "snapshot": True, "slot": "half_made"}
    db.execute("SELECT pg_create_logical_replication_slot('half_made', 'pgoutput')")
    async with bench(db, config) as made:
        await lost(made, "is there already", "SELECT pg_drop_replication_slot('half_made')")
    db.execute("INSERT INTO t VALUES (2)")
    async with bench(db, config, saved={"making": "half_made"}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (3)")
        await made.until(lambda b: len(b.drafts) == 3)
    assert ids(made) == [1, 2, 3]
    assert [draft.metadata.get("snapshot") for draft in made.drafts] == [True, True, None]
    async with bench(db, {**config, "snapshot": False}, key="other/0") as adopted:
        await armed(adopted)
        db.execute("INSERT INTO t VALUES (4)")
        await adopted.until(lambda b: b.drafts)
    assert ids(adopted) == [4], "a slot that is there is read on from where it is"


async def test_a_publication_that_was_dropped_meanwhile(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
    ((name,),) = db.execute("SELECT pubname FROM pg_publication").fetchall()
    db.execute(f"DROP PUBLICATION {name}")
    db.execute("INSERT INTO t VALUES (1)")
    later = made.again()
    async with later:
        await lost(later, f"publication '{name}' was not there when changes were made", "pg_drop_replication_slot")
    ((slot, _),) = slots(db)
    unused(db)
    db.execute("SELECT pg_drop_replication_slot(%s)", [slot])
    async with later.again() as last:
        await armed(last)
        db.execute("INSERT INTO t VALUES (2)")
        await last.until(lambda b: b.drafts)
    assert ids(last) == [2]
    assert "was dropped and is made anew" in last.gaps[0]


async def test_a_server_that_is_shut_down_does_not_wait_for_us(monkeypatch):
    """It would, for all of its log to be confirmed; that its end has come is seen on the other connection."""
    monkeypatch.setattr("reactor.connectors.cdc.postgres.watch._TELL", 0.1)
    with Postgres() as server:
        made = TriggerBench(
            connector.triggers[0], {"tables": "t"}, connections={"pg": {"type": "postgres", "url": server.url()}}
        )
        with psycopg.connect(server.url(), autocommit=True) as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)")
            async with made:
                await armed(made)
                db.execute("INSERT INTO t VALUES (1)")
                db.execute("INSERT INTO other VALUES (1)")
                await made.until(lambda b: b.drafts)
                os.kill(server.pid, signal.SIGINT)
                async with asyncio.timeout(10):
                    while server.alive:
                        await asyncio.sleep(0.05)
