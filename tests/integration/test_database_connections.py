"""Connections `postgres`, `mysql` and `sqlite`: their settings, TLS, and their test."""

import logging
import sqlite3

import msgspec
import pytest

from reactor.connectors.database import connector
from reactor.connectors.database.engines import ENGINES
from reactor.sdk import ConnectionContext, PermanentError, StepError, TransientError
from reactor.sdk.connection import converted
from reactor.testing.actions import action_context, call
from reactor.testing.servers import MariaDb, Postgres, certificate_files

QUERY = next(action for action in connector.actions if action.name == "database.query")
TYPES = {each.name: each for each in connector.connections}
WHO = {"postgres": "SELECT current_user AS me", "mysql": "SELECT substring_index(current_user(), '@', 1) AS me"}
SEALED = {
    "postgres": "SELECT ssl AS yes FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    "mysql": "SELECT variable_value AS yes FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
}


@pytest.fixture(scope="module")
def pem():
    return certificate_files()


@pytest.fixture(scope="module")
def client():
    """Certificate and key of somebody who is known by them."""
    return certificate_files()


@pytest.fixture(scope="module")
def postgres(pem, client):
    server = Postgres({"ssl": "on"})
    server.options |= {
        "ssl_cert_file": str(server.folder / "cert"),
        "ssl_key_file": str(server.folder / "key"),
        "ssl_ca_file": str(server.folder / "client"),
    }
    _write(server, pem, client)
    (server.folder / "key").chmod(0o600)
    with server:
        hba = server.folder / "data" / "pg_hba.conf"
        proved = "hostssl all carl all trust clientcert=verify-ca\nhost all carl all reject\n"
        hba.write_text(f"host all postgres all trust\n{proved}host all all all scram-sha-256\n")
        server.stop()
        server.start()
        yield server
        ENGINES.close()


@pytest.fixture(scope="module")
def mysql(pem, client):
    server = MariaDb(binlog=False)
    server.options |= {f"ssl-{name}": str(server.folder / name) for name in ("cert", "key")}
    server.options["ssl-ca"] = str(server.folder / "client")
    _write(server, pem, client)
    with server:
        yield server
        ENGINES.close()


def _write(server, pem, client):
    for name, text in zip(("cert", "key", "client"), (*pem, client[0]), strict=True):
        (server.folder / name).write_text(text)


@pytest.fixture(params=["postgres", "mysql"])
async def server(request):
    """A server with a user `ann` whose password is hard to write into a url."""
    found = request.getfixturevalue(request.param)
    found.type = request.param
    found.password = "p@ss/wö:rd%20"
    if request.param == "mysql":
        found.add_user("ann", found.password, "SELECT ON test.*")
    else:
        await ask({"type": "postgres", "url": found.url()}, "DROP ROLE IF EXISTS ann")
        await ask({"type": "postgres", "url": found.url()}, f"CREATE ROLE ann LOGIN PASSWORD '{found.password}'")
    return found


async def ask(settings, sql, name="db"):
    ctx = action_context(connections={name: settings})
    return (await call(QUERY, {"connection": name, "sql": sql}, ctx))["rows"]


async def probe(type_, settings, **operator):
    ctx = ConnectionContext(name="db", settings=operator, log=logging.getLogger("test"))
    test = TYPES[type_].test
    assert test is not None
    return await test(ctx, converted(TYPES[type_], "db", settings))


@pytest.mark.proves("connection.{postgres,mysql}.{url,user,password}")
async def test_user_and_password_stand_beside_the_url(server):
    written = {"type": server.type, "url": server.url(), "user": "ann", "password": server.password}
    assert await ask(written, WHO[server.type]) == [{"me": "ann"}]
    with pytest.raises(PermanentError) as caught:
        await ask({**written, "password": "wrong"}, WHO[server.type])
    assert caught.value.kind == "database.connection"
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize("alias", [("postgres", "postgresql"), ("mysql", "mariadb")])
async def test_other_names_of_the_types(alias, request):
    type_, other = alias
    assert len(await ask({"type": other, "url": request.getfixturevalue(type_).url()}, WHO[type_])) == 1


async def test_the_only_connection_needs_no_name(server):
    ctx = action_context(connections={"x": {"type": server.type, "url": server.url()}})
    assert (await call(QUERY, {"sql": "SELECT 1 AS one"}, ctx))["rows"] == [{"one": 1}]


@pytest.mark.proves("connection.{postgres,mysql}.tls", "connection.{postgres,mysql}.tls.{ca,verify}")
async def test_tls_checks_who_answers(server, pem, tmp_path):
    (tmp_path / "ca.pem").write_text(pem[0])
    written = {"type": server.type, "url": server.url()}
    for ca in (pem[0], str(tmp_path / "ca.pem")):
        ctx = action_context(
            connections={"db": {**written, "tls": {"ca": ca}}}, settings={"file_roots": (str(tmp_path),)}
        )
        rows = (await call(QUERY, {"connection": "db", "sql": SEALED[server.type]}, ctx))["rows"]
        assert [bool(row["yes"]) for row in rows] == [True]
    assert [bool(row["yes"]) for row in await ask({**written, "tls": {"verify": False}}, SEALED[server.type])] == [True]
    for tls in ({}, {"ca": certificate_files()[0]}):
        with pytest.raises(StepError) as caught:
            await ask({**written, "tls": tls}, "SELECT 1")
        assert caught.value.kind == "database.connection"
        assert isinstance(caught.value, PermanentError)


@pytest.mark.proves("connection.{postgres,mysql}.tls.{cert,key}")
async def test_a_certificate_says_who_we_are(server, pem, client):
    if server.type == "mysql":
        server.add_user("carl", "", "SELECT ON test.*")
        server.execute("ALTER USER 'carl'@'127.0.0.1' REQUIRE X509", database=None)
    else:
        await ask({"type": "postgres", "url": server.url()}, "DROP ROLE IF EXISTS carl")
        await ask({"type": "postgres", "url": server.url()}, "CREATE ROLE carl LOGIN")
    written = {"type": server.type, "url": server.url(), "user": "carl"}
    tls = {"ca": pem[0], "cert": client[0], "key": client[1]}
    assert await ask({**written, "tls": tls}, WHO[server.type]) == [{"me": "carl"}]
    for refused in ({"ca": pem[0]}, dict(zip(("ca", "cert", "key"), (pem[0], *certificate_files()), strict=True))):
        with pytest.raises(StepError):
            await ask({**written, "tls": refused}, "SELECT 1")


async def test_a_server_without_tls_is_refused(pem):
    with MariaDb({"skip-ssl": "1"}, binlog=False) as plain:
        with pytest.raises(StepError) as caught:
            await ask({"type": "mysql", "url": plain.url(), "tls": {"ca": pem[0]}}, "SELECT 1")
        assert caught.value.kind == "database.connection"
        ENGINES.close()


async def test_a_test_tells_what_is_there(server):
    said = await probe(server.type, {"url": server.url(), "user": "ann", "password": server.password})
    assert "ann" in said
    assert {"postgres": "PostgreSQL 1", "mysql": "MariaDB"}[server.type] in said
    with pytest.raises(PermanentError):
        await probe(server.type, {"url": server.url(), "user": "ann", "password": "wrong"})
    with pytest.raises(TransientError):
        await probe(server.type, {"url": server.url().replace(str(server.port), "1")})


async def test_a_test_of_a_server_that_hangs_ends(server):
    server.hang()
    try:
        with pytest.raises(TransientError):
            await probe(server.type, {"url": server.url()})
    finally:
        server.wake()


@pytest.mark.proves("connection.sqlite.url")
async def test_a_test_of_a_file(tmp_path):
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (a)").connection.close()
    said = await probe("sqlite", {"url": "sqlite:///a.db"}, file_roots=(str(tmp_path),))
    assert said.startswith("SQLite 3.")
    assert "1 tables" in said
    with pytest.raises(PermanentError, match="no file"):
        await probe("sqlite", {"url": "sqlite:///b.db"}, file_roots=(str(tmp_path),))


def test_secrets_are_named():
    for type_ in ("postgres", "mysql"):
        assert {"password", "tls.key"} == set(TYPES[type_].secret)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": "x", "passwort": "y"}, TYPES[type_].settings)
