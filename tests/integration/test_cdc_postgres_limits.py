"""PostgreSQL servers that do not, or no longer, give what is needed; and transactions larger than what fits in hand."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest

from reactor.connectors.cdc import connector
from reactor.testing.servers import Postgres, certificate_files
from reactor.testing.triggers import TriggerBench

pytestmark = pytest.mark.anyio
ROWS = 50_000


@pytest.fixture(scope="module")
def small():
    """A server with one slot, and little room for its log."""
    options = {
        "max_replication_slots": "1",
        "max_wal_size": "32MB",
        "min_wal_size": "32MB",
        "synchronous_commit": "on",
    }
    with Postgres(options) as made, psycopg.connect(made.url(), autocommit=True) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        yield made, db


@pytest.fixture
def db(small):
    """It, without slots and rows."""
    _, db = small
    db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
    db.execute("TRUNCATE t")
    for (name,) in db.execute("SELECT slot_name FROM pg_replication_slots").fetchall():
        db.execute("SELECT pg_drop_replication_slot(%s)", [name])
    return db


def resident():
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Counting(TriggerBench):
    """Keeps no events, only what they were."""

    def __init__(self, url, config, **options):
        super().__init__(connector.triggers[0], config, connections={"pg": {"type": "postgres", "url": url}}, **options)
        self.seen: list[int] = []
        self.most = self.peak = 0

    async def emit(self, drafts, **more):
        self.most, self.peak = max(self.most, len(drafts)), max(self.peak, resident())
        await asyncio.sleep(0.001)  # slower than the source
        receipts = await super().emit(drafts, **more)
        self.seen += [draft.data["new"]["id"] for draft in drafts]
        self.drafts.clear()
        self._seen.clear()
        return receipts


async def lost(made, *parts):
    await made.until(lambda b: b.state() == "lost")
    assert all(part in made.states[-1][1] for part in parts), made.states[-1]


async def test_a_transaction_that_does_not_fit_in_hand(small, db):
    server, _ = small
    made = Counting(server.url(), {"tables": "t"})
    async with made:
        await made.until(lambda b: b.state() == "armed")
        before = resident()
        await asyncio.to_thread(
            db.execute, f"INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, {ROWS}) n"
        )
        await made.until(lambda _: len(made.seen) == ROWS, 60)
    assert made.seen == [*range(1, ROWS + 1)]
    assert made.most <= 500
    assert made.peak - before < 25_000_000, "50 MB went through it"


async def test_a_slot_that_the_server_gave_up_is_a_gap(small, db):
    server, _ = small
    async with Counting(server.url(), {"tables": "t"}) as made:
        await made.until(lambda b: b.state() == "armed")
        db.execute("INSERT INTO t VALUES (1)")
        await made.until(lambda _: made.seen)
    db.execute("INSERT INTO t VALUES (2)")
    db.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    db.execute("SELECT pg_reload_conf()")
    for _ in range(4):
        db.execute("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(100, 200) n")
        db.execute("DELETE FROM t WHERE id > 99")
        db.execute("SELECT pg_switch_wal()")
    db.execute("CHECKPOINT")
    assert db.execute("SELECT wal_status FROM pg_replication_slots").fetchall() == [("lost",)]
    later = Counting(server.url(), {"tables": "t"}, saved=made.saved())
    async with later:
        await later.until(lambda b: b.state() == "armed")
        db.execute("INSERT INTO t VALUES (3)")
        await later.until(lambda _: later.seen)
    db.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
    db.execute("SELECT pg_reload_conf()")
    assert later.seen == [3]
    assert "was invalidated (max_slot_wal_keep_size) and is made anew" in later.gaps[0]


async def test_no_slot_is_left(small, db):
    server, _ = small
    db.execute("SELECT pg_create_logical_replication_slot('taken', 'test_decoding')")
    async with Counting(server.url(), {"tables": "t"}) as made:
        await lost(made, "all replication slots are in use", "raise max_replication_slots")
    async with Counting(server.url(), {"tables": "t", "slot": "taken"}) as made:
        await lost(made, "of the plugin test_decoding", "name another in `slot`")


async def test_while_others_transactions_run_it_says_what_it_waits_for(small, db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.postgres.slot._PATIENCE", 0.3)
    server, _ = small
    with psycopg.connect(server.url()) as other:
        other.execute("INSERT INTO t VALUES (7)")
        async with Counting(server.url(), {"tables": "t"}) as made:
            await made.until(lambda b: any(state == "error" for state, _ in b.states))
            assert "when the transactions that run now have ended" in made.states[-1][1]
            assert made.state() == "starting"
            other.commit()
            await made.until(lambda b: b.state() == "armed")


async def test_a_log_that_does_not_tell_changes():
    with Postgres({"wal_level": "replica"}) as server:
        with psycopg.connect(server.url(), autocommit=True) as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        async with Counting(server.url(), {"tables": "t"}) as made:
            await lost(made, "wal_level is replica", "ALTER SYSTEM SET wal_level = 'logical'")


async def test_a_password_and_a_certificate():
    certificate, key = certificate_files()
    server = Postgres({"ssl": "on"})
    for name, text in (("cert", certificate), ("key", key)):
        (server.folder / name).write_text(text)
        server.options[f"ssl_{name}_file"] = str(server.folder / name)
    (server.folder / "key").chmod(0o600)
    with server, psycopg.connect(server.url(), autocommit=True) as db:
        db.execute("CREATE ROLE reader LOGIN REPLICATION PASSWORD 'p w@d'; GRANT CREATE ON DATABASE postgres TO reader")
        db.execute("CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO reader")
        hba = server.folder / "data" / "pg_hba.conf"
        hba.write_text("host all postgres all trust\nhostssl all all all scram-sha-256\n")
        db.execute("SELECT pg_reload_conf()")
        made = Counting(server.url(), {"tables": "t"})
        right = {"type": "postgres", "url": server.url(), "user": "reader", "password": "p w@d"}
        made.connections = {"pg": right | {"tls": {"ca": certificate}}}
        async with made:
            await made.until(lambda b: b.state() == "armed")
            db.execute("INSERT INTO t VALUES (1)")
            await made.until(lambda _: made.seen)
            with_tls = "SELECT bool_and(ssl) FROM pg_stat_ssl NATURAL JOIN pg_stat_activity WHERE usename = 'reader'"
            assert db.execute(with_tls).fetchall() == [(True,)]
        for wrong, part in (({"password": "other"}, "check user and password"), ({"tls": {}}, "certificate")):
            made = Counting(server.url(), {"tables": "t"})
            made.connections = {"pg": right | wrong}
            async with made:
                await lost(made, part)
                assert "p w@d" not in made.states[-1][1]
