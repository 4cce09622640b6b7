"""`connections test` of every type on its real server: right, wrong, nobody there, and a server that hangs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from reactor.app import catalog_of
from reactor.connectors.http.client import close_clients
from reactor.connectors.nats.link import LINKS
from reactor.engine.connections import Connections
from reactor.engine.saved_connections import SavedConnections
from reactor.model.clock import SystemClock
from reactor.sdk.manifest import Catalog
from reactor.testing.servers import (
    Dovecot,
    Kafka,
    MariaDb,
    Mosquitto,
    Nats,
    Postgres,
    Redis,
    Wire,
    free_port,
    smtp_server,
)
from reactor.testing.servers.dovecot import PASSWORD
from reactor.testing.servers.kafka import USERS

SECRETS = {"RIGHT": "r1ght-pa55", "WRONG": "wr0ng-pa55", "MAIL": PASSWORD, "ALICE": USERS["alice"]}
RIGHT, WRONG = "{{ secrets.RIGHT }}", "{{ secrets.WRONG }}"
TYPES = ("http", "imap", "kafka", "mqtt", "mysql", "nats", "postgres", "redis", "smtp", "sqlite")


class Place(msgspec.Struct):
    """A system, and how connections to it are written."""

    right: dict[str, Any]
    found: str
    """What a test tells of it."""
    wrong: dict[str, Any]
    """Settings that it refuses."""
    refusal: str
    nobody: dict[str, Any]
    hang: Callable[[], object]
    wake: Callable[[], object]


def address(text: str, of: str = "url") -> tuple[dict[str, str], dict[str, str]]:
    """The setting that says where, and the same of where nobody listens."""
    scheme, colon, rest = text.rpartition("127.0.0.1:")
    assert colon
    tail = rest.lstrip("0123456789")
    return {of: text}, {of: f"{scheme}127.0.0.1:{free_port()}{tail}"}


@pytest.fixture(scope="module")
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def places(running: ExitStack, broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """Type → its system, which runs."""
    return {
        "http": site(running),
        "imap": mailbox(running),
        "kafka": cluster(running, broker),
        "mqtt": mosquitto(running),
        "mysql": mariadb(running),
        "nats": nats(running),
        "postgres": postgres(running),
        "redis": redis(running),
        "smtp": smtp(running),
        "sqlite": sqlite(running, tmp_path_factory.getbasetemp()),
    }


class _Guarded(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["authorization"] == f"Bearer {SECRETS['RIGHT']}" else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def site(running: ExitStack) -> Place:
    server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Guarded))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    running.callback(thread.join)
    running.callback(server.shutdown)
    wire = running.enter_context(Wire(server.server_port))
    there, gone = address(f"http://127.0.0.1:{wire.port}", "base_url")
    right = {**there, "auth": {"bearer": RIGHT}}
    return Place(right, "answers 200", {"auth": {"bearer": WRONG}}, "check `auth`", gone, wire.stall, wire.mend)


def mailbox(running: ExitStack) -> Place:
    server = running.enter_context(Dovecot())
    there, gone = address(f"imap://127.0.0.1:{server.port}")
    right = {**there, "user": "ann", "password": "{{ secrets.MAIL }}", "starttls": False}
    return Place(
        right, "folders for ann", {"password": WRONG}, "check user and password", gone, server.hang, server.wake
    )


def cluster(running: ExitStack, broker: Kafka) -> Place:
    # The broker belongs to others, too, so it is not stopped.
    wire = running.enter_context(Wire(broker.sasl_port))
    there, gone = address(f"127.0.0.1:{wire.port}", "servers")
    sasl = {"user": "alice", "mechanism": "scram-sha-512"}
    right = {**there, "sasl": {**sasl, "password": "{{ secrets.ALICE }}"}}
    wrong = {"sasl": {**sasl, "password": WRONG}}
    return Place(right, "Kafka, 1 broker", wrong, "refuses the user 'alice'", gone, wire.stall, wire.mend)


def mosquitto(running: ExitStack) -> Place:
    server = running.enter_context(Mosquitto(users={"ann": SECRETS["RIGHT"]}))
    there, gone = address(server.url())
    right = {**there, "user": "ann", "password": RIGHT}
    return Place(right, "MQTT 5", {"password": WRONG}, "`user` and `password`", gone, server.hang, server.wake)


def mariadb(running: ExitStack) -> Place:
    server = running.enter_context(MariaDb(binlog=False))
    server.add_user("ann", SECRETS["RIGHT"], "SELECT ON test.*")
    there, gone = address(server.url())
    right = {**there, "user": "ann", "password": RIGHT}
    return Place(right, "as ann", {"password": WRONG}, "password", gone, server.hang, server.wake)


def nats(running: ExitStack) -> Place:
    server = running.enter_context(Nats(user="ann", password=SECRETS["RIGHT"]))
    there, gone = address(server.servers, "servers")
    right = {**there, "user": "ann", "password": RIGHT}
    return Place(right, "NATS 2", {"password": WRONG}, "user and password", gone, server.hang, server.wake)


class _Asks(Postgres):
    def prepare(self) -> None:
        super().prepare()
        hba = "host all postgres all trust\nhost all all all scram-sha-256\n"
        (self.folder / "data" / "pg_hba.conf").write_text(hba)


def postgres(running: ExitStack) -> Place:
    server = running.enter_context(_Asks())
    with psycopg.connect(server.url(), autocommit=True) as other:
        other.execute(f"CREATE ROLE ann LOGIN PASSWORD '{SECRETS['RIGHT']}'")
    there, gone = address(server.url())
    right = {**there, "user": "ann", "password": RIGHT}
    return Place(right, "as ann", {"password": WRONG}, "password", gone, server.hang, server.wake)


def redis(running: ExitStack) -> Place:
    server = running.enter_context(Redis(password=SECRETS["RIGHT"]))
    there, gone = address(server.url())
    right = {**there, "password": RIGHT}
    return Place(right, "Redis 7", {"password": WRONG}, "look at `user` and", gone, server.hang, server.wake)


def smtp(running: ExitStack) -> Place:
    server = running.enter_context(smtp_server(users={"ann": SECRETS["RIGHT"]}))
    wire = running.enter_context(Wire(server.port))
    there, gone = address(f"smtp://127.0.0.1:{wire.port}?tls=none")
    right = {**there, "user": "ann", "password": RIGHT}
    return Place(right, "logged in as ann", {"password": WRONG}, "535", gone, wire.stall, wire.mend)


def sqlite(running: ExitStack, folder: Path) -> Place:
    other = sqlite3.connect(folder / "there.db", isolation_level=None, check_same_thread=False)
    running.callback(other.close)
    other.execute("CREATE TABLE t (a)")
    (folder / "other.db").write_text("no database" * 100)
    right, gone = ({"url": f"sqlite:///{folder}/{name}.db"} for name in ("there", "gone"))
    wrong = {"url": f"sqlite:///{folder}/other.db"}
    # Nothing hangs there, but somebody may be in the way.
    return Place(
        right,
        "1 tables",
        wrong,
        "not a database",
        gone,
        lambda: other.execute("BEGIN EXCLUSIVE"),
        lambda: other.execute("ROLLBACK"),
    )


@pytest.fixture(autouse=True)
async def _closed(anyio_backend: str) -> AsyncIterator[None]:
    yield
    await LINKS.close()
    await close_clients()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return catalog_of(None)[0]


async def tell(catalog: Catalog, type_: str, settings: dict[str, Any], folder: Path) -> Any:
    """Save a connection and test it."""
    saved = SavedConnections(None, catalog, SystemClock())
    saved.put("it", type_, settings)
    open_ = {"http_allow": ("127.0.0.1",), "file_roots": (str(folder),)}
    found = await saved.test("it", Connections(saved.written, SECRETS.get), open_)
    assert not any(secret in found.message for secret in SECRETS.values()), found
    assert found.message.isprintable()
    assert 10 < len(found.message) < 400
    assert found.took < 10_000
    return found


@pytest.mark.parametrize("type_", TYPES)
async def test_what_is_told(
    type_: str, places: dict[str, Place], catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place, folder = places[type_], tmp_path_factory.getbasetemp()
    found = await tell(catalog, type_, place.right, folder)
    assert (found.ok, place.found in found.message) == (True, True), found
    found = await tell(catalog, type_, place.right | place.wrong, folder)
    assert (found.ok, place.refusal in found.message) == (False, True), found
    found = await tell(catalog, type_, place.right | place.nobody, folder)
    assert not found.ok


async def test_servers_that_hang_are_told_in_time(
    places: dict[str, Place], catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for place in places.values():
        place.hang()
    try:
        found = await asyncio.gather(*(tell(catalog, type_, places[type_].right, folder) for type_ in TYPES))
    finally:
        for place in places.values():
            place.wake()
    for type_, one in zip(TYPES, found, strict=True):
        assert not one.ok, (type_, one)
        assert "no answer within 10 s" not in one.message, (type_, one)


WHERE = {"http": "base_url", "kafka": "servers", "nats": "servers"}
SCHEMES = {"imap": "imap://ann:x@", "mysql": "mysql://", "postgres": "postgresql://", "sqlite": "sqlite:///"}
HOSTS = ["127.0.0.1:x", "127.0.0.1:99999", "[::1", "h\0x:1", "ü" * 70, "a..b:1", "x" * 300, "h\r\nx:1", "u:pa55wd@h:x"]
TLS = [
    {"ca": "nowhere.pem"},
    {"ca": "x" * 5_000},
    {"ca": "\0"},
    {"ca": "-----BEGIN ü"},
    {"ca": "-----BEGIN CERTIFICATE-----"},
    {"cert": "-----BEGIN CERTIFICATE-----", "key": "-----BEGIN pa55wd"},
]


@pytest.mark.parametrize("type_", TYPES)
async def test_settings_that_cannot_be_are_told(type_: str, catalog: Catalog, tmp_path: Path) -> None:
    """As a flow may write them, in clear."""
    scheme = "" if WHERE.get(type_) == "servers" else SCHEMES.get(type_, f"{type_}://")
    given: list[dict[str, Any]] = [{WHERE.get(type_, "url"): f"{scheme}{host}"} for host in HOSTS]
    if type_ not in ("http", "smtp", "sqlite"):
        safe = {"mqtt": "mqtts://", "imap": "imaps://ann:x@"}.get(type_, scheme)
        given += [{WHERE.get(type_, "url"): f"{safe}127.0.0.1:1", "tls": tls} for tls in TLS]
    saved = SavedConnections(None, catalog, SystemClock())
    open_ = {"http_allow": ("127.0.0.1",), "file_roots": (str(tmp_path),)}
    for settings in given:
        written = Connections({"it": {"type": type_, **settings}}, SECRETS.get)
        found = await saved.test("it", written, open_)
        # `OSError: …` would be an exception that nobody has thought of.
        crash = found.message.partition(":")[0].endswith(("Error", "Exception"))
        assert (found.ok, crash) == (False, False), (settings, found)
        assert found.message.isprintable()
        assert len(found.message) <= 500
        assert type_ == "sqlite" or "pa55wd" not in found.message


def test_every_type_is_looked_at(catalog: Catalog) -> None:
    assert set(catalog.connections) == set(TYPES)
