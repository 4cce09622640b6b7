"""Changes of tables of a real MariaDB."""

import asyncio
import time

import pytest

from reactor.connectors.cdc import connector
from reactor.testing.servers import MariaDb, Wire
from reactor.testing.triggers import TriggerBench

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    with MariaDb() as made:
        yield made


class Database:
    """A database of its own, and a way to run statements in it."""

    def __init__(self, server, name):
        self.server, self.name, self.url = server, name, server.url(name)

    def execute(self, *statements):
        return self.server.execute(*statements, database=self.name)


@pytest.fixture
def db(server, request):
    name = f"d{abs(hash(request.node.name)) % 10**8}"
    server.execute(f"CREATE DATABASE {name}", database=None)
    yield Database(server, name)
    server.execute(f"DROP DATABASE {name}", database=None)


def bench(db, config, url=None, **options):
    connections = {"maria": {"type": "mysql", "url": url or db.url}}
    return TriggerBench(connector.triggers[0], config, connections=connections, **options)


async def armed(made):
    await made.until(lambda b: b.state() == "armed")


async def lost(made, *parts, within=10.0):
    await made.until(lambda b: b.state() == "lost", within)
    reason = made.states[-1][1]
    assert all(part in reason for part in parts), reason


def told(made):
    return [(draft.metadata["operation"], draft.data) for draft in made.drafts]


def ids(made):
    return [(draft.data["new"] or draft.data["old"])["id"] for draft in made.drafts]


async def test_rows_are_told_as_they_are_committed(db):
    db.execute("CREATE TABLE orders (id int PRIMARY KEY, total decimal(8,2), note text)", "CREATE TABLE other (id int)")
    async with bench(db, {"tables": ["orders"], "operations": ["insert", "update", "delete", "truncate"]}) as made:
        await armed(made)
        db.execute(
            "INSERT INTO orders VALUES (1, 2.50, 'a')",
            "INSERT INTO other VALUES (1)",
            "UPDATE orders SET total = 3 WHERE id = 1",
            "DELETE FROM orders WHERE id = 1",
            "TRUNCATE TABLE orders",
        )
        await made.until(lambda b: len(b.drafts) == 4)
    assert told(made) == [
        ("insert", {"new": {"id": 1, "total": "2.50", "note": "a"}, "old": None, "key": {"id": 1}}),
        (
            "update",
            {
                "new": {"id": 1, "total": "3.00", "note": "a"},
                "old": {"id": 1, "total": "2.50", "note": "a"},
                "key": {"id": 1},
            },
        ),
        ("delete", {"new": None, "old": {"id": 1, "total": "3.00", "note": "a"}, "key": {"id": 1}}),
        ("truncate", {"new": None, "old": None, "key": None}),
    ]
    meta = made.drafts[0].metadata
    assert meta["table"] == f"{db.name}.orders"
    assert meta["gtid"].startswith("0-")
    assert meta["committed_at"].endswith("Z")


VALUES = (
    "id bigint unsigned PRIMARY KEY, b bool, n decimal(6,2), f float, d double, day date, at datetime(1), ts timestamp,"
    " tm time, y year, raw varbinary(10), bin blob, e enum('x','y'), s set('p','q','r'), bi bit(4), j json,"
    " latin varchar(10) CHARACTER SET latin1, u varchar(10), nothing int"
)
ROW = (
    "18446744073709551615, true, 12.50, 0.1, 0.25, '2026-01-02', '2026-01-02 03:04:05.5', '2026-01-02 03:04:05',"
    " '-01:02:03', 2026, X'00ff', X'ff00', 'y', 'r,p', b'101', '{\"a\": 1}', 'é', '😀', NULL"
)


async def test_values_are_as_the_actions_give_them(db):
    db.execute(f"CREATE TABLE t ({VALUES})")
    connection = db.server.connect(db.name, init_command="SET time_zone = '+00:00'")
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES ({ROW})")
    async with bench(db, {"tables": "t", "snapshot": True}) as made:
        await armed(made)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM t")
        await made.until(lambda b: len(b.drafts) == 2)
    connection.close()
    expected = {
        "id": "18446744073709551615", "b": 1, "n": "12.50", "f": 0.1, "d": 0.25, "day": "2026-01-02",
        "at": "2026-01-02T03:04:05.500000", "ts": "2026-01-02T03:04:05+00:00", "tm": "PT-3723S", "y": 2026,
        "raw": "AP8=", "bin": "/wA=", "e": "y", "s": "p,r", "bi": "BQ==", "j": '{"a": 1}', "latin": "é", "u": "😀",
        "nothing": None,
    }  # fmt: skip
    assert made.drafts[0].data["new"] == expected
    assert made.drafts[1].data["old"] == expected


class Died(Exception):
    pass


async def test_after_a_restart_nothing_is_lost_or_told_twice(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t SELECT seq FROM seq_1_to_10")
        await made.until(lambda b: len(b.drafts) == 10)
    db.execute("INSERT INTO t SELECT seq FROM seq_11_to_20")
    async with made.again() as later:
        await later.until(lambda b: len(b.drafts) == 10)
        db.execute("INSERT INTO t VALUES (21)")
        await later.until(lambda b: len(b.drafts) == 11)
    assert ids(made) + ids(later) == [*range(1, 22)]
    assert later.gaps == []


async def test_a_large_transaction_goes_on_in_its_middle(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")

    def die(drafts):
        if any(draft.data["new"]["id"] >= 400 for draft in drafts):
            raise Died

    made = bench(db, {"tables": "t", "batch": 10})
    made.after_commit = die
    await made.__aenter__()
    await armed(made)
    db.execute("INSERT INTO t SELECT seq FROM seq_1_to_995")
    with pytest.raises(Died):
        await made.until(lambda b: False)
    assert max(count for _, count in made.emitted) <= 10
    async with made.again() as later:
        await later.until(lambda b: len(b.drafts) + len(made.drafts) == 995)
        db.execute("INSERT INTO t VALUES (996)")
        await later.until(lambda b: len(b.drafts) + len(made.drafts) == 996)
    assert ids(made) + ids(later) == [*range(1, 997)]


@pytest.mark.parametrize("kind", ["int", "varchar(10)"])
async def test_a_snapshot_that_is_interrupted_goes_on(db, kind):
    db.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, v int)", "INSERT INTO t SELECT seq, 0 FROM seq_10_to_59")

    def die(drafts):
        if len(made.drafts) >= 20:
            raise Died

    made = bench(db, {"tables": "t", "snapshot": True, "batch": 10})
    made.after_commit = die
    await made.__aenter__()
    with pytest.raises(Died):
        await made.until(lambda b: False)
    before = len(made.drafts)
    db.execute(
        "UPDATE t SET v = 1 WHERE id IN ('12', '50')",
        "DELETE FROM t WHERE id IN ('13', '51')",
        "INSERT INTO t VALUES ('1', 1), ('60', 1)",
        "UPDATE t SET id = '61' WHERE id = '14'",
        "UPDATE t SET id = '2' WHERE id = '52'",
    )
    async with made.again() as later:
        await armed(later)
        db.execute("INSERT INTO t VALUES ('99', 1)")
        await later.until(lambda b: any(str((d.data["new"] or {}).get("id")) == "99" for d in b.drafts))
    rows: dict[str, int] = {}
    for draft in made.drafts + later.drafts:
        data = draft.data
        if draft.metadata["operation"] == "insert" and "snapshot" in draft.metadata:
            assert str(data["new"]["id"]) not in rows
        if data["old"]:
            rows.pop(str(data["old"]["id"]), None)
        if data["new"]:
            rows[str(data["new"]["id"])] = data["new"]["v"]
    assert rows == {str(key): v for key, v in db.execute("SELECT id, v FROM t")}
    streamed = [draft for draft in later.drafts if "snapshot" not in draft.metadata]
    changes = [(draft.metadata["operation"], str(draft.data["key"]["id"])) for draft in streamed]
    # Rows beyond the place where it was interrupted were told as they are now; all others by their changes.
    assert changes == [
        ("update", "12"), ("delete", "13"), ("insert", "1"), ("update", "61"), ("update", "2"), ("insert", "99"),
    ]  # fmt: skip
    assert before in range(20, 31)


async def test_a_binlog_that_was_purged_is_a_gap(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1)")
        await made.until(lambda b: b.drafts)
    db.execute("INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (3)", "FLUSH BINARY LOGS")
    (*_, (last, _)) = db.execute("SHOW BINARY LOGS")
    async with asyncio.timeout(10):  # the server keeps what it believes to be read by us still
        while len(db.execute("SHOW BINARY LOGS")) > 1:
            db.execute(f"PURGE BINARY LOGS TO '{last}'")
            await asyncio.sleep(0.1)
    async with made.again() as later:
        await armed(later)
        db.execute("INSERT INTO t VALUES (4)")
        await later.until(lambda b: b.drafts)
        assert ids(later) == [4]
        (gap,) = later.gaps
        assert f"changes of {db.name}.t up to 0-" in gap
    db.execute("RESET MASTER")
    async with later.again() as last_of_all:
        await armed(last_of_all)
        db.execute("INSERT INTO t VALUES (5)")
        await last_of_all.until(lambda b: b.drafts)
    assert len(last_of_all.gaps) == 1


async def test_the_shape_of_a_table_changes(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t DROP v, ADD w text", "INSERT INTO t VALUES (2, 'x')")
        await made.until(lambda b: len(b.drafts) == 2)
        assert made.drafts[1].data == {"new": {"id": 2, "w": "x"}, "old": None, "key": {"id": 2}}
        db.execute("INSERT INTO t VALUES (3, 'x')", "DROP TABLE t")
        await lost(made, "there is no table")
        db.execute("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (4)")
        await made.until(lambda b: len(b.drafts) == 4)
    assert ids(made) == [1, 2, 3, 4]


async def test_statements_in_place_of_rows_are_a_gap(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        connection = db.server.connect(db.name, init_command="SET SESSION binlog_format = STATEMENT")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (1)")
        connection.close()
        db.execute("INSERT INTO t VALUES (2)")
        await made.until(lambda b: b.drafts)
    assert ids(made) == [2]
    assert "a statement was logged in place of its rows" in made.gaps[0]


SETTINGS = {
    "binlog_format": ("STATEMENT", "ROW"),
    "binlog_row_image": ("MINIMAL", "FULL"),
    "binlog_row_metadata": ("MINIMAL", "FULL"),
    "log_bin_compress": ("ON", "OFF"),
}


@pytest.mark.parametrize("name", SETTINGS)
async def test_settings_of_the_server_that_tell_too_little(db, name):
    wrong, right = SETTINGS[name]
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", f"SET GLOBAL {name} = '{wrong}'")
    try:
        async with bench(db, {"tables": "t"}) as made:
            await lost(made, "the server's binlog", f"SET GLOBAL {name} = {right}")
    finally:
        db.execute(f"SET GLOBAL {name} = '{right}'")


async def test_a_server_without_a_binlog():
    with MariaDb(binlog=False) as server:
        server.execute("CREATE TABLE t (id int PRIMARY KEY)")
        made = TriggerBench(
            connector.triggers[0], {"tables": "t"}, connections={"m": {"type": "mariadb", "url": server.url()}}
        )
        async with made:
            await lost(made, "binlog is off", "log_bin in my.cnf")


async def test_what_cannot_be_followed_is_told(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE bare (d date)")
    db.server.add_user("weak", "hidden", f"SELECT ON {db.name}.*")
    weak = db.server.url(db.name, user="weak", password="hidden")
    cases = [
        ({"tables": "nope"}, None, ("there is no table", "mend `tables`")),
        ({"tables": "t", "columns": ["x"]}, None, ("has a column x", "there is: id")),
        ({"tables": "bare", "snapshot": True}, None, ("no primary key of integers or texts", "snapshot: false")),
        ({"tables": "t"}, weak, ("GRANT REPLICATION SLAVE",)),
        ({"tables": "t"}, weak.replace("hidden", "wrong"), ("Access denied", "check user and password")),
        ({"tables": "t"}, "mysql://root@127.0.0.1:1/x", ("see whether the server runs",)),
        ({"tables": "t"}, "mysql://root@127.0.0.1:port/x", ("cannot be read",)),
        ({"publication": "p"}, None, ("`tables` is missing",)),
    ]
    for config, url, parts in cases:
        async with bench(db, config, url=url) as made:
            await lost(made, *parts)
            assert "hidden" not in made.states[-1][1]


@pytest.mark.proves("on.cdc.server_id")
async def test_two_readers_with_one_number(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    ((own,),) = db.execute("SELECT @@server_id")
    async with bench(db, {"tables": "t", "server_id": own}) as made:
        await lost(made, "is the server's own")
    async with bench(db, {"tables": "t", "server_id": 77}) as first:
        await armed(first)
        async with bench(db, {"tables": "t", "server_id": 77}) as second:
            await armed(second)
            await lost(first, "another reader of the binlog has our server_id", "set another `server_id`")


async def gone(made, *parts, within=10.0):
    begun = time.monotonic()
    await lost(made, *parts, within=within)
    assert time.monotonic() - begun < within


async def test_the_server_is_killed_and_comes_back(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("INSERT INTO t SELECT seq FROM seq_1_to_5")
        await made.until(lambda b: len(b.drafts) == 5)
        db.server.kill()
        await gone(made)
        db.server.start()
        await armed(made)
        db.execute("INSERT INTO t SELECT seq FROM seq_6_to_9")
        await made.until(lambda b: len(b.drafts) >= 9)
    assert ids(made) == [*range(1, 10)]
    assert made.gaps == []


async def test_a_server_that_hangs_is_told(db, monkeypatch):
    for module in ("server", "binlog", "refusals"):
        monkeypatch.setattr(f"reactor.connectors.cdc.mysql.{module}.ANSWER_WITHIN", 3)
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.server.hang()
        try:
            await gone(made, "for 3 s; see whether it hangs")
        finally:
            db.server.wake()
        await armed(made)
        db.execute("INSERT INTO t VALUES (1)")
        await made.until(lambda b: b.drafts)
    assert made.gaps == []


async def test_a_cable_that_is_cut(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    with Wire(db.server.port) as wire:
        url = f"mysql://root@{wire.host}:{wire.port}/{db.name}"
        async with bench(db, {"tables": "t"}, url=url) as made:
            await armed(made)
            wire.cut()
            await gone(made)
            db.execute("INSERT INTO t VALUES (1)")
            wire.mend()
            await made.until(lambda b: b.drafts)
    assert ids(made) == [1]
    assert made.gaps == []


async def test_what_cannot_be_decoded_is_a_dead_letter_or_a_gap(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    async with bench(db, {"tables": "t"}) as made:
        await armed(made)
        db.execute("SET GLOBAL binlog_row_metadata = MINIMAL", "INSERT INTO t VALUES (1, 'a')")
        db.execute("SET GLOBAL binlog_row_metadata = FULL", "INSERT INTO t VALUES (2, 'b')")
        await made.until(lambda b: b.drafts)
        assert ids(made) == [2]
        (letter,) = made.dead
        assert "binlog_row_metadata was not FULL" in letter.reason
        assert b"a" in letter.payload
        assert letter.metadata["table"] == f"{db.name}.t"
        db.execute("SET GLOBAL log_bin_compress = ON", f"INSERT INTO t VALUES (3, '{'c' * 1000}')")
        db.execute("SET GLOBAL log_bin_compress = OFF", "INSERT INTO t VALUES (4, 'd')")
        await made.until(lambda b: len(b.drafts) == 2)
    assert ids(made) == [2, 4]
    assert "compressed" in made.gaps[0]


async def test_how_far_it_is_behind(db, monkeypatch):
    monkeypatch.setattr("reactor.connectors.cdc.mysql.changes._REPORT_EVERY", 0.0)
    monkeypatch.setattr("reactor.connectors.cdc.mysql.changes._LATE", -1)
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    async with bench(db, {"tables": "t", "batch": 10}) as made:
        await armed(made)
        db.execute("INSERT INTO t SELECT seq FROM seq_1_to_100")
        await made.until(lambda b: b.state() == "lagging")
        assert "s after they were committed" in made.states[-1][1]
        await made.until(lambda b: len(b.drafts) == 100 and b.state() == "armed" and b.behind == 0)
