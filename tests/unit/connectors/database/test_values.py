"""Values of databases as JSON, what errors mean, and which database is meant."""

import datetime as dt
import decimal
import json
import sqlite3
import sys
import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import exc
from sqlalchemy.engine import make_url

from reactor.connectors.database import connector, engines, failures, places, values
from reactor.connectors.database.actions import QueryParams
from reactor.sdk import Effect, PermanentError, TransientError
from reactor.testing.actions import action_context, call

ACTIONS = {action.name: action for action in connector.actions}
URL = {"url": "sqlite:///x.db"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\0\1", "AAE="),
        (memoryview(b"x"), "eA=="),
        (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2024-01-02T03:04:05+00:00"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, milliseconds=1500), "PT86401.5S"),
        (dt.timedelta(hours=-1), "PT-3600S"),
        ([1, {decimal.Decimal(1): {b"a"}}], [1, {"1": ["YQ=="]}]),
    ],
)
def test_plain_values(value, shown):
    assert values.plain(value) == shown
    json.dumps(values.plain(value), allow_nan=False)


def test_effects():
    def effect(**params):
        return ACTIONS["database.query"].effect_of(msgspec.convert({**URL, **params}, QueryParams))

    assert effect(sql="SELECT 1") is Effect.READ
    assert effect(sql="SELECT f()", write=True) is Effect.WRITE
    assert effect(sql="DELETE FROM t") is Effect.WRITE
    assert effect(sql="DELETE FROM t", write=False) is Effect.READ
    assert {ACTIONS[f"database.{name}"].effect for name in ("insert", "update", "delete")} == {Effect.WRITE}
    assert ACTIONS["database.query"].literal == ("sql",)


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("query", {"sql": "SELECT 1"}, "there is no connection of type postgres"),
        ("query", {"sql": "SELECT 1", "url": "x", "connection": "y"}, "either `connection`"),
        ("query", {**URL, "sql": "SELECT 1; SELECT 2"}, "more than one statement"),
        ("query", {**URL, "sql": "SELECT :a"}, "`:a` has no value"),
        ("query", {**URL, "sql": "SELECT 1", "params": {"a": 1}}, "'a' is nowhere in `sql`"),
        ("query", {**URL, "sql": "SELECT 1 WHERE 1 IN :a", "params": {"a": 1}}, "should be a list"),
        ("query", {**URL, "sql": "SELECT 1 WHERE 1 NOT IN :a", "params": {"a": []}}, "is empty"),
        ("query", {**URL, "sql": "SELECT 1", "limit": 0}, ">= 1"),
        ("query", {**URL, "sql": "SELECT 1", "timeout": "0s"}, "timeout"),
        ("insert", {**URL, "table": "t"}, "either `row`"),
        ("insert", {**URL, "table": "t", "row": {}}, "no columns"),
        ("insert", {**URL, "table": "", "row": {"a": 1}}, "length"),
        ("update", {**URL, "table": "t", "set": {}, "all": True}, "set: is empty"),
        ("update", {**URL, "table": "t", "set": {"a": 1}}, "every row"),
        ("delete", {**URL, "table": "t"}, "every row"),
        ("delete", {**URL, "table": "t", "where": {}}, "every row"),
        ("delete", {**URL, "table": "t", "where": {"a": 1}, "all": True}, "either `where`"),
        ("delete", {**URL, "table": "t", "were": {"a": 1}}, "were"),
    ],
)
async def test_wrong_parameters(name, params, says):
    with pytest.raises(PermanentError) as caught:
        await call(ACTIONS[f"database.{name}"], params)
    assert caught.value.kind == "input"
    assert says in caught.value.message


def url(ctx=None, writes=True, **params):
    return engines.place_of(
        ctx or action_context(), msgspec.convert({"sql": "SELECT 1", **params}, QueryParams), writes=writes
    ).url


def refused(**params) -> str:
    with pytest.raises(PermanentError) as caught:
        url(**params)
    assert caught.value.kind == "input"
    return caught.value.message


def test_urls(tmp_path):
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert url(url=f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"
    assert url(url="mariadb://h/d").drivername == "mysql+pymysql"
    ctx = action_context(settings={"file_roots": (str(tmp_path),)})
    assert url(ctx, url="sqlite:///a.db").database == str(tmp_path / "a.db")
    assert url(ctx, url=f"sqlite:///{tmp_path}/a.db").database == str(tmp_path / "a.db")
    with pytest.raises(PermanentError, match="no file"):
        url(ctx, url="sqlite:///a.db", writes=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "oracle://u:hunter2@h/d",
        "sqlite+pysqlcipher://:hunter2@/x",
        "postgresql+asyncpg://u:hunter2@h",
        "postgresql://u:hunter2@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "sqlite:///x.db?mode=ro",
        "sqlite://host/x.db",
        "sqlite:////etc/x.db",
        "sqlite:///../x.db",
    ],
)
def test_urls_that_are_refused_without_showing_a_password(text, tmp_path):
    assert "hunter2" not in refused(ctx=action_context(settings={"file_roots": (str(tmp_path),)}), url=text)


@pytest.mark.parametrize("writes", [True, False])
def test_the_data_folder_is_closed(tmp_path, writes):
    data = tmp_path / ".reactor"
    (data / "files").mkdir(parents=True)
    for name in ("reactor.db", "files/a.db"):
        (data / name).write_bytes(b"")
    (tmp_path / "link.db").symlink_to(data / "reactor.db")
    (tmp_path / "way").symlink_to(data)
    closed = {"file_roots": (str(tmp_path),), "data_dir": data}
    paths = (
        ".reactor/reactor.db",
        "%2Ereactor/reactor%2Edb",
        "./x/..//.reactor/reactor.db",
        f"{data}/reactor.db",
        f"/{data}/reactor.db",
    )
    for path in (*paths, "link.db", "way/reactor.db", "way/files/a.db", ".reactor/new.db", ".reactor"):
        for saved in (False, True):
            connections = {"own": {"type": "sqlite", "url": f"sqlite:///{path}"}}
            ctx = action_context(settings=closed, connections=connections)
            wanted = {"connection": "own"} if saved else {"url": f"sqlite:///{path}"}
            assert "data folder" in refused(ctx=ctx, writes=writes, **wanted)
    opened = action_context(settings={**closed, "file_roots": (str(tmp_path), str(data / "files"))})
    assert url(opened, url="sqlite:///way/files/a.db", writes=writes).database == str(data / "files" / "a.db")
    assert "data folder" in refused(ctx=opened, url="sqlite:///.reactor/files/../reactor.db", writes=writes)


@pytest.mark.parametrize("path", ["FILE:.reactor/reactor.db", "%252ereactor/reactor.db"])
def test_a_path_is_read_once_and_is_no_uri(path, tmp_path):
    (tmp_path / ".reactor").mkdir()
    ctx = action_context(settings={"file_roots": (str(tmp_path),), "data_dir": tmp_path / ".reactor"})
    assert url(ctx, url=f"sqlite:///{path}").database == f"{tmp_path}/{path.replace('%25', '%')}"


@pytest.mark.parametrize("option", ["local_infile=1", "read_default_file=/etc/passwd", "read_default_group=x"])
def test_the_driver_of_mysql_reads_no_files_here(option):
    assert "files of this machine" in refused(url=f"mysql://h/d?{option}")
    ctx = action_context(connections={"main": {"type": "mysql", "url": f"mysql://h/d?charset=utf8mb4&{option}"}})
    assert "files of this machine" in refused(ctx=ctx, connection="main")


def test_no_files_without_roots():
    assert "REACTOR_FILE_ROOTS" in refused(url="sqlite:///x.db")


def test_connections():
    ctx = action_context(
        connections={
            "main": {"type": "postgres", "url": "postgres://h/d"},
            "mail": {"type": "smtp", "url": "smtp://h"},
            "odd": {"type": "postgres", "url": "mysql://h/d"},
        }
    )
    assert url(ctx, connection="main").host == "h"
    assert "no connection 'x'" in refused(ctx=ctx, connection="x")
    assert "'mail' is of type 'smtp'; one of type postgres" in refused(ctx=ctx, connection="mail")
    assert "another's" in refused(ctx=ctx, connection="odd")


def at(text):
    return places.Place(make_url(text))


def test_pools_are_kept_and_bounded(monkeypatch):
    monkeypatch.setattr(engines, "_MOST_ENGINES", 2)
    pools = engines.Engines()
    first = pools.get(at("sqlite:////tmp/1"))
    assert pools.get(at("sqlite:////tmp/1")) is first
    for number in (2, 3):
        pools.get(at(f"sqlite:////tmp/{number}"))
    assert len(pools._engines) == 2
    assert pools.get(at("sqlite:////tmp/1")) is not first
    pools.close()


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(PermanentError, match=r"pymysql.*pip install reactor-engine\[mysql\]"):
        engines.Engines().get(at("mysql+pymysql://h/d"))


def error(state=None, code=None, args=("x",), kind=exc.OperationalError):
    orig: Any = (sqlite3.OperationalError if code else Exception)(*args)
    if state:
        orig.sqlstate = state
    if code:
        orig.sqlite_errorcode = code
    return failures.translate(kind("SELECT secret", {"a": "secret"}, orig))


@pytest.mark.parametrize(
    ("made", "kind", "again"),
    [
        (error("08006"), "connection", True),
        (error("57P01"), "connection", True),
        (error("53300"), "connection", True),
        (error("28P01"), "connection", False),
        (error("23505"), "constraint", False),
        (error("22012"), "data", False),
        (error("42601"), "syntax", False),
        (error("42501"), "denied", False),
        (error("25006"), "denied", False),
        (error("40P01"), "deadlock", True),
        (error("40001"), "deadlock", True),
        (error("55P03"), "locked", True),
        (error("57014"), "timeout", True),
        (error("XX000"), "error", False),
        (error(code=5), "locked", True),
        (error(code=517), "locked", True),
        (error(code=2067), "constraint", False),
        (error(code=1), "syntax", False),
        (error(args=(1213, "deadlock")), "deadlock", True),
        (error(args=(1062, "duplicate")), "constraint", False),
        (error(args=(2003, "no")), "connection", True),
        (error(), "connection", True),
        (error(args=("FATAL: password authentication failed",)), "connection", False),
        (error(kind=exc.ProgrammingError), "syntax", False),
    ],
)
def test_what_errors_mean(made, kind, again):
    assert made.kind == f"database.{kind}"
    assert isinstance(made, TransientError if again else PermanentError)
    assert "secret" not in made.message
