"""The trigger `database` on SQLite, a real PostgreSQL and a real MariaDB."""

import datetime as dt
import itertools
import uuid
from decimal import Decimal

import pytest

from reactor.testing.servers import MariaDb, Postgres
from tests.integration.database_kit import Shop, closing, ids

TIMES = {"sqlite": "text", "postgres": "timestamp", "mysql": "datetime(6)"}


@pytest.fixture(scope="module")
def postgres():
    with Postgres({"synchronous_commit": "on"}) as server:
        yield server


@pytest.fixture(scope="module")
def mysql():
    with MariaDb(binlog=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def shop(request, tmp_path):
    yield from closing(make(request, request.param, tmp_path))


@pytest.fixture(params=["postgres", "mysql"])
def served(request, tmp_path):
    """A shop on a server."""
    yield from closing(make(request, request.param, tmp_path))


def make(request, kind, folder):
    url = "sqlite:///shop.db" if kind == "sqlite" else request.getfixturevalue(kind).url()
    return Shop(kind, url, folder)


@pytest.mark.proves("on.database", "on.database.{connection,table,cursor}")
async def test_new_rows_are_told_once_and_in_order(shop):
    shop.create()
    shop.add(1, 2)
    async with shop.bench() as bench:
        await bench.until(lambda b: len(b.drafts) == 2)
        shop.add(3)
        await bench.until(lambda b: len(b.drafts) == 3)
    first = bench.drafts[0]
    assert (first.type, first.data, first.id) == ("database.row", {"id": 1, "name": "n1"}, None)
    assert first.metadata == {"table": shop.table, "cursor": {"id": 1}}
    shop.add(4)
    async with bench.again() as bench:
        await bench.until(lambda b: len(b.drafts) == 1)
        shop.add(5)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [4, 5]


@pytest.mark.proves("on.database.{start,batch}")
async def test_where_it_begins_and_how_much_it_takes_at_once(shop):
    shop.create()
    shop.add(*range(1, 11))
    async with shop.bench(start="now") as bench:
        await bench.until(lambda b: b.state() == "armed")
        shop.add(11, 12)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [11, 12]
    async with shop.bench(batch=5, settle=0) as bench:
        await bench.until(lambda b: len(b.drafts) == 12)
    assert [number for _, number in bench.emitted] == [5, 5, 2]


async def test_what_comes_between_the_start_and_the_first_look_after_a_restart_is_told(shop):
    shop.create()
    async with shop.bench(start="now", every="1h") as bench:
        await bench.until(lambda b: b.state() == "armed")
    shop.add(1)
    async with bench.again() as bench:
        await bench.until(lambda b: len(b.drafts) == 1)


async def test_rows_of_one_time_are_neither_lost_nor_doubled(shop):
    shop.create(
        f"id integer PRIMARY KEY, name varchar(200), at {TIMES[shop.kind]} DEFAULT '2026-01-01 00:00:00.000001'"
    )
    shop.add(*range(1, 8))
    async with shop.bench(cursor="at", batch=2, settle=0) as bench:
        await bench.until(lambda b: len(b.drafts) == 7)
        shop.add(8, 9)
        await bench.until(lambda b: len(b.drafts) == 9)
        shop.run("UPDATE TABLE_ SET at = '2026-01-01 00:00:00.000002' WHERE id = 3")
        await bench.until(lambda b: len(b.drafts) == 10)
    assert ids(bench) == [*range(1, 10), 3]
    assert bench.drafts[-1].metadata["cursor"] == {"at": bench.drafts[-1].data["at"], "id": 3}


@pytest.mark.parametrize(
    ("columns", "given"),
    [
        ({"": "bigint"}, [-5, 0, 2**62, 2**63 - 1]),
        ({"": "varchar(100)"}, ["a", "b'; --", "c\\", "z %s :x {{ y }}"]),
        ({"": "numeric(30,10)"}, [Decimal(-1), Decimal("0.0000000001"), Decimal("12345678901234567890.0000000001")]),
        (TIMES, [dt.datetime(2026, 1, 1, 0, 0, 0, n) for n in (0, 1, 2, 999_999)]),
        ({"": "date"}, [dt.date(1, 1, 1), dt.date(2026, 1, 1), dt.date(9999, 12, 31)]),
        ({"postgres": "uuid", "": "binary(16)"}, sorted(uuid.UUID(int=n << 64) for n in (1, 2, 3))),
        ({"postgres": "timestamptz", "mysql": "timestamp(6)"}, [dt.datetime(2026, 10, 25, n, 30) for n in range(4)]),
    ],
    ids=["int", "text", "decimal", "time", "date", "uuid", "instant"],
)
async def test_the_cursor_keeps_every_digit(shop, columns, given):
    kind = columns.get(shop.kind, columns.get(""))
    if shop.kind == "sqlite" and (kind is None or "numeric" in kind):
        kind = "text"  # it has no exact numbers
    shop.create(f"id {kind} PRIMARY KEY")
    values = [_fit(shop.kind, value) for value in given]
    bench = shop.bench(batch=1, settle=0)
    for number, value in enumerate(values, 1):
        shop.run("INSERT INTO TABLE_ (id) VALUES (:id)", id=value)
        bench = bench.again()
        async with bench:
            await bench.until(lambda b: len(b.drafts) == 1)
            await bench.until(lambda b: b.behind == 0)
        assert len(bench.drafts) == 1, (number, ids(bench))


def _fit(kind, value):
    """As that driver takes it."""
    if kind == "sqlite" and not isinstance(value, int | str):
        return f"{value:030.10f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, uuid.UUID):
        return value if kind == "postgres" else value.bytes
    return value


@pytest.mark.proves("on.database.settle")
async def test_rows_that_are_committed_late_are_found(shop):
    shop.create()
    shop.add(1, 2, 9)
    async with shop.bench(settle="800ms") as bench:
        await bench.until(lambda b: len(b.drafts) == 3)
        shop.add(5)
        await bench.until(lambda b: len(b.drafts) == 4)
        shop.add(10)
        await bench.until(lambda b: len(b.drafts) == 5)
    shop.add(3)
    async with bench.again() as bench:  # the window is as it was
        await bench.until(lambda b: len(b.drafts) == 1)
        shop.add(4, 11)
        await bench.until(lambda b: len(b.drafts) == 3)
        await bench.until(lambda b: "low" in b.saved() and not any(name.startswith("window/") for name in b.saved()))
    assert sorted(ids(bench)) == [3, 4, 11]
    shop.add(6, 12)
    async with bench.again() as bench:  # what is late by more than that is not
        await bench.until(lambda b: len(b.drafts) == 1)
        shop.add(7, 13)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [12, 13]


async def test_two_transactions_that_end_in_the_wrong_order(served):
    served.create()
    async with served.bench(start="now") as bench:
        await bench.until(lambda b: b.state() == "armed")
        import sqlalchemy as sa

        with served.engine.begin() as slow:
            slow.execute(sa.text(f"INSERT INTO {served.table} (id) VALUES (1)"))
            served.add(2)
            await bench.until(lambda b: len(b.drafts) == 1)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [2, 1]


async def test_without_settle_only_what_rises_is_told(shop):
    shop.create()
    shop.add(5)
    async with shop.bench(settle=0) as bench:
        await bench.until(lambda b: len(b.drafts) == 1)
        shop.add(3)
        shop.add(6)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [5, 6]


async def test_rows_without_a_cursor_are_seen_when_they_have_one(shop):
    shop.create("id integer PRIMARY KEY, name varchar(200), seq integer")
    shop.add(1)
    shop.run("INSERT INTO TABLE_ VALUES (2, 'b', 7)")
    async with shop.bench(cursor="seq") as bench:
        await bench.until(lambda b: len(b.drafts) == 1)
        shop.run("UPDATE TABLE_ SET seq = 8 WHERE id = 1")
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [2, 1]


@pytest.mark.proves("on.database.query")
async def test_rows_of_a_query(shop):
    shop.create()
    shop.add(*range(1, 8))
    where = "id * 10 >= coalesce(:cursor, 0) AND id <> 4"
    text = f"SELECT id * 10 AS id, name FROM {shop.table} -- of shops\n WHERE {where} ;"
    async with shop.bench(query=text, batch=2) as bench:
        assert not bench.problems
        await bench.until(lambda b: len(b.drafts) == 6)
        shop.add(8)
        await bench.until(lambda b: len(b.drafts) == 7)
    assert ids(bench) == [10, 20, 30, 50, 60, 70, 80]
    assert bench.drafts[0].metadata == {"cursor": {"id": 10}}
    async with bench.again() as bench:
        shop.add(9)
        await bench.until(lambda b: len(b.drafts) == 1)


@pytest.mark.proves("on.database.url")
async def test_a_url_in_place_of_a_connection(shop):
    shop.create()
    shop.add(1)
    async with shop.bench(connection=None, url=shop.url) as bench:
        await bench.until(lambda b: len(b.drafts) == 1)


@pytest.mark.proves("on.database.every")
async def test_it_looks_as_often_as_it_is_told(shop):
    shop.create()
    async with shop.bench(every="1h") as rare, shop.bench(every="300ms") as often:
        await rare.until(lambda b: b.behind == 0)
        await often.until(lambda b: b.behind == 0)
        seen = []
        for number in range(1, 4):
            shop.add(number)
            await often.until(lambda b, number=number: len(b.drafts) == number)
            seen.append(often.emitted[-1][0])
        assert not rare.drafts
    gaps = [(b - a) % 300 for a, b in itertools.pairwise(seen)]
    assert all(gap < 120 or gap > 180 for gap in gaps), gaps  # a multiple of it, whatever a look takes


@pytest.mark.parametrize("settle", ["0s", "200ms"])
async def test_a_table_that_is_emptied_and_begins_again(shop, settle):
    shop.create()
    shop.add(1, 2, 3)
    async with shop.bench(settle=settle) as bench:
        await bench.until(lambda b: len(b.drafts) == 3)
        await bench.until(lambda b: not any(name.startswith("window/") for name in b.saved()))
        shop.run("DELETE FROM TABLE_")
        shop.run("INSERT INTO TABLE_ VALUES (9, 'x')")
        await bench.until(lambda b: len(b.drafts) == 4)
        await bench.until(lambda b: not any(name.startswith("window/") for name in b.saved()))
        shop.run("DELETE FROM TABLE_")
        await _looked(bench)
        shop.add(1, 2)
        await bench.until(lambda b: len(b.drafts) == 6)
        shop.add(3)
        await bench.until(lambda b: len(b.drafts) == 7)
    assert ids(bench) == [1, 2, 3, 9, 1, 2, 3]
    assert not bench.gaps


async def _looked(bench):
    """Until it has looked twice."""
    for _ in range(2):
        bench.behind = None
        await bench.until(lambda b: b.behind == 0)


async def test_a_table_that_was_made_anew_meanwhile_is_a_gap(served):
    key = {"postgres": "integer PRIMARY KEY", "mysql": "integer AUTO_INCREMENT PRIMARY KEY"}[served.kind]
    served.create(f"id {key}, name varchar(200)")
    served.add(1, 2, 300)
    async with served.bench(settle=0) as bench:
        await bench.until(lambda b: len(b.drafts) == 3)
        await _looked(bench)
    served.run("TRUNCATE TABLE TABLE_")
    served.add(1, 2)
    async with bench.again() as bench:
        await bench.until(lambda b: b.gaps)
        served.add(301)
        await bench.until(lambda b: len(b.drafts) == 1)
    assert len(bench.gaps) == 1
    assert "its last row is 2, before the position 300" in bench.gaps[0]


async def test_the_last_row_may_go(shop):
    shop.create()
    shop.add(1, 2, 3)
    async with shop.bench(settle=0) as bench:
        await bench.until(lambda b: len(b.drafts) == 3)
        for number in (3, 2):
            shop.run(f"DELETE FROM TABLE_ WHERE id = {number}")
            await _looked(bench)
        shop.add(4)
        await bench.until(lambda b: len(b.drafts) == 4)
    assert ids(bench) == [1, 2, 3, 4]
    assert not bench.gaps


async def test_rows_are_told_as_the_actions_show_them(served):
    more = {"postgres": "doc jsonb, bin bytea, n numeric", "mysql": "doc json, bin blob, n decimal(4,2)"}[served.kind]
    served.create(f"id integer PRIMARY KEY, at {TIMES[served.kind]}, {more}")
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6)
    served.run("INSERT INTO TABLE_ VALUES (1, :at, '{\"a\": 1}', :bin, 1.50)", at=at, bin=b"\0\xff")
    async with served.bench() as bench:
        await bench.until(lambda b: len(b.drafts) == 1)
    doc = {"a": 1} if served.kind == "postgres" else '{"a": 1}'
    assert bench.drafts[0].data == {"id": 1, "at": at.isoformat(), "doc": doc, "bin": "AP8=", "n": "1.50"}


async def test_a_row_that_the_door_refuses_stops_nobody(shop):
    shop.create()
    shop.add(1, 2, 3)
    bench = shop.bench()
    bench.refuse = lambda draft: "too large" if draft.data["id"] == 2 else None
    async with bench:
        await bench.until(lambda b: len(b.drafts) == 2)
    assert ids(bench) == [1, 3]
    assert [letter.reason for letter in bench.dead] == ["too large"]


async def test_a_text_that_is_none_is_a_dead_letter(request, tmp_path):
    shop = make(request, "sqlite", tmp_path)
    shop.create()
    shop.run("INSERT INTO TABLE_ VALUES (1, CAST(x'ff41' AS TEXT)), (2, 'b')")
    async with shop.bench() as bench:
        await bench.until(lambda b: len(b.drafts) == 1)
    assert ids(bench) == [2]
    (letter,) = bench.dead
    assert "'name'" in letter.reason
    again = bench.trigger.redo(bench.config, letter)
    assert (again.type, again.data) == ("database.row", {"id": 1, "name": "/0E="})


async def test_times_beyond_every_calendar_stop_nobody(request, tmp_path):
    shop = make(request, "postgres", tmp_path)
    shop.create("id integer PRIMARY KEY, at timestamptz, day date")
    shop.run("INSERT INTO TABLE_ VALUES (1, 'infinity', '0044-03-15 BC'), (2, now(), now())")
    async with shop.bench() as bench:
        await bench.until(lambda b: len(b.drafts) == 2)
    assert bench.drafts[0].data == {"id": 1, "at": "infinity", "day": "0044-03-15 BC"}
    async with shop.bench(cursor="at") as bench:
        await bench.until(lambda b: b.state() == "lost")
    assert "cursor" in bench.states[-1][1]
    shop.run("DROP TABLE TABLE_")


async def test_many_rows_wait(shop):
    shop.create()
    for start in range(1, 20_001, 5_000):
        shop.add(*range(start, start + 5_000))
    async with shop.bench() as bench:
        await bench.until(lambda b: (b.behind or 0) > 0)
        await bench.until(lambda b: len(b.drafts) == 20_000, 30)
        await bench.until(lambda b: b.behind == 0)
    assert ids(bench) == list(range(1, 20_001))
    assert max(number for _, number in bench.emitted) <= 500


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"connection": None}, None),
        ({"url": "sqlite:///x"}, "either `connection`"),
        ({"query": "SELECT 1", "table": "t"}, "either `table`"),
        ({"table": None}, "either `table`"),
        ({"table": ""}, "table is empty"),
        ({"cursor": []}, "cursor is missing"),
        ({"cursor": ["a", "a"]}, "twice"),
        ({"every": "10ms"}, "every should be between 100ms"),
        ({"settle": "2h"}, "settle should be between"),
        ({"timeout": "x"}, "timeout:"),
        ({"query": "DELETE FROM t"}, "only a SELECT"),
        ({"query": "SELECT {{ event.id }}"}, "takes no {{"),
        ({"query": "SELECT :id"}, "no value for :id"),
        ({"query": "SELECT 1 WHERE 1 IN :cursor"}, "behind IN"),
        ({"query": "SELECT 1; SELECT 2"}, "more than one"),
    ],
)
def test_what_is_refused_before_it_starts(tmp_path, config, says):
    shop = Shop("sqlite", "sqlite:///x", tmp_path)
    problems = shop.bench(**config).problems
    if says is None:
        assert not problems
    else:
        assert any(says in problem for problem in problems), problems


async def test_names_with_signs_that_drivers_and_statements_use_themselves(shop):
    mark, name = '"' if shop.kind == "postgres" else "`", f"{shop.table} 50% off %s :x"
    quoted, cursor = (f"{mark}{each}{mark}".replace(":", "\\:") for each in (name, "at % :y"))
    shop.run(f"CREATE TABLE {quoted} (id integer PRIMARY KEY, {cursor} integer)")
    try:
        shop.run(f"INSERT INTO {quoted} VALUES (1, 10), (2, 20)")
        async with shop.bench(table=name, cursor="at % :y") as bench:
            await bench.until(lambda b: len(b.drafts) == 2)
    finally:
        shop.run(f"DROP TABLE {quoted}")
    assert [draft.data["at % :y"] for draft in bench.drafts] == [10, 20]
