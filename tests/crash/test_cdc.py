"""Reactor is killed while it takes changes of a real PostgreSQL and a real MariaDB: each starts one run, in order."""

import time
from typing import Any

import psycopg
import pytest

from reactor.testing.servers import MariaDb, Postgres
from tests.crash.harness import server

FLOW = """
name: changes
connections: {db: {type: TYPE, url: "URL"}}
on: {cdc: {connection: db, tables: t, batch: 20}}
steps: [{name: n, set: {n: "{{ event.data.new.id }}"}}]
"""
TABLE = "CREATE TABLE t (id int PRIMARY KEY)"


class OnPostgres:
    """A database that counts."""

    server: Any

    def __init__(self):
        self.server = Postgres({"synchronous_commit": "on"})
        self.kind = "postgres"

    def run(self, *statements):
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def insert(self, first, last):
        """A transaction of many rows, then one a row."""
        half = (first + last) // 2
        self.run(f"INSERT INTO t SELECT generate_series({first}, {half})")
        self.run(*(f"INSERT INTO t VALUES ({n})" for n in range(half + 1, last + 1)))


class OnMariaDb(OnPostgres):
    """The same."""

    def __init__(self):
        self.server = MariaDb()
        self.kind = "mysql"

    def run(self, *statements):
        self.server.execute(*statements)

    def insert(self, first, last):
        half = (first + last) // 2
        self.run(f"INSERT INTO t SELECT seq FROM seq_{first}_to_{half}")
        self.run(*(f"INSERT INTO t VALUES ({n})" for n in range(half + 1, last + 1)))


@pytest.fixture(scope="module", params=[OnPostgres, OnMariaDb], ids=["postgres", "mariadb"])
def db(request):
    made = request.param()
    with made.server:
        yield made


def until(run, wanted, patience=20):
    deadline = time.monotonic() + patience
    while not wanted():
        assert time.monotonic() < deadline, run.log()[-3000:]
        time.sleep(0.05)


def armed(run):
    return [item["state"] for item in run.get("/api/v1/triggers")[1]["items"]] == ["armed"]


def told(run):
    """The rows of all events, in the order in which they were taken."""
    status, found = run.get("/api/v1/events?limit=500")
    assert status == 200, found
    rows = sorted(item["id"] for item in found["items"] if item["type"] == "database.insert")
    return [run.get(f"/api/v1/events/{each}")[1]["data"]["new"]["id"] for each in rows]


@pytest.mark.crash
@pytest.mark.parametrize("place", ["source.received:2", "source.committed:2", "source.acknowledged:3"])
def test_killed_around_the_commit(db, tmp_path, place):
    db.run("DROP TABLE IF EXISTS t", TABLE)
    if db.kind == "postgres":
        db.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    flow = FLOW.replace("TYPE", db.kind).replace("URL", db.server.url())
    with server(tmp_path, {"changes": flow}) as run:
        run.start()
        until(run, lambda: armed(run))
        db.insert(1, 30)
        run.kill()
        db.insert(31, 130)
        assert run.spawn(REACTOR_FAILPOINT=place).wait(30) < 0
        db.insert(131, 150)
        db.server.kill()
        db.server.start()
        run.start()
        wanted = list(range(1, 151))
        until(run, lambda: len(run.get("/api/v1/runs?limit=500&status=completed")[1]["items"]) >= len(wanted))
        assert told(run) == wanted
        run.until_idle(15)
        assert len(run.get("/api/v1/runs?limit=500&status=completed")[1]["items"]) == len(wanted)
        assert armed(run)
        assert not run.get("/api/v1/events?type=reactor.trigger.gap")[1]["items"]
