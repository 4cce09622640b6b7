"""Real servers for tests: private, throw-away, on a free port of the loopback, gone when the test process is gone."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

READY_WITHIN = 30.0
"""Seconds."""
# Becomes another user, asks the kernel to be ended with its parent (in this order: a change of user would cancel it),
# and turns into the program. `sys.argv`: user, signal, parent, program and arguments.
_LAUNCH = """
import ctypes, os, pwd, sys
user, number = sys.argv[1], int(sys.argv[2])
if user:
    entry = pwd.getpwnam(user)
    os.setgroups([]), os.setgid(entry.pw_gid), os.setuid(entry.pw_uid)
getattr(ctypes.CDLL(None), "prctl", lambda *_: None)(1, number, 0, 0, 0)
if os.getppid() != int(sys.argv[3]):
    sys.exit("the parent is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


class Missing(RuntimeError):
    """A server program is not installed; the message says how to install it."""


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


# ---------------------------------------------------------------- PostgreSQL


_POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
}


class Postgres(msgspec.Struct, frozen=True):
    """A running server."""

    host: str
    port: int
    user: str
    pid: int

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """`postgresql://…`, for one of its databases."""
        return f"{scheme}://{self.user}@{self.host}:{self.port}/{database}"


@contextlib.contextmanager
def postgres_server(options: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A PostgreSQL server with an empty database `postgres`; `options` are settings such as `max_connections`.

    Logical replication is on, fsync is off. The data folder is copied from a template made once a process.

    Raises:
        Missing: PostgreSQL is not installed (in a test under pytest: the test is skipped).
    """
    program = postgres_program("postgres")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="reactor-postgres-"))
    try:
        data = folder / "data"
        shutil.copytree(_postgres_template(), data)
        _give_to(user, folder)
        data.chmod(0o700)
        port = free_port()
        settings = _POSTGRES_SETTINGS | {"port": str(port)} | dict(options or {})
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with _process([program, "-D", str(data), *arguments], user, signal.SIGQUIT, folder / "log") as process:
            _await_postgres(process, port, folder / "log")
            yield Postgres("127.0.0.1", port, "postgres", process.pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_program(name: str) -> str:
    """Path of one of PostgreSQL's programs; Debian keeps them out of PATH, one folder a version.

    Raises:
        Missing: it is not installed.
    """
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if found is None:
        _missing("postgresql", "postgresql")
    return found


@functools.cache
def _postgres_template() -> Path:
    """An initialised data folder, made once and copied for each server."""
    folder = Path(tempfile.mkdtemp(prefix="reactor-postgres-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user = _server_user()
    _give_to(user, folder)
    options = ["-A", "trust", "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8"]
    command = [postgres_program("initdb"), "-D", str(folder / "data"), *options]
    done = subprocess.run(_launch(command, user, signal.SIGKILL), capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr or done.stdout}")
    return folder / "data"


def _await_postgres(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers `pg_isready`-like: the first bytes of a connection, not merely an open port."""
    request = b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(len(request).to_bytes(4, "big") + request[4:])
            if probe.recv(1) == b"R":
                return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


# ---------------------------------------------------------------- SMTP


class Received(msgspec.Struct, frozen=True):
    """A message that the SMTP server took."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str | None


class SmtpServer(msgspec.Struct):
    """A running server. What it refuses may be changed at any time."""

    host: str
    port: int = 0
    messages: list[Received] = []
    """What it took, in order."""
    refuse: dict[str, str] = {}
    """Address of a recipient or sender → the answer to it, such as `550 no such user`."""
    answer: str = "250 OK"
    """To the message itself."""
    ca: str = ""
    """PEM of the certificate, when it speaks TLS."""


@contextlib.contextmanager
def smtp_server(*, tls: bool = False, users: Mapping[str, str] | None = None) -> Iterator[SmtpServer]:
    """An SMTP server that keeps what it is sent.

    `tls` offers STARTTLS. `users` (name → password) may log in; where there is TLS they have to.

    Raises:
        Missing: aiosmtpd is not installed.
    """
    try:
        from aiosmtpd.controller import Controller  # noqa: PLC0415 - wanted by these tests only
    except ImportError:
        _missing("aiosmtpd", "aiosmtpd", how="pip install")
    server = SmtpServer("127.0.0.1")
    options: dict[str, Any] = {"hostname": server.host, "port": free_port(), "enable_SMTPUTF8": True}
    if tls:
        server.ca, options["tls_context"] = _certificate()
    if users is not None:
        options |= {"auth_required": tls, "auth_require_tls": tls, "authenticator": _authenticator(users)}
    controller = Controller(_handler(server), ready_timeout=READY_WITHIN, **options)
    controller.start()
    server.port = options["port"]
    try:
        yield server
    finally:
        controller.stop()


def _handler(server: SmtpServer) -> Any:
    class Handler:
        async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
            self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
        ) -> str:
            if address in server.refuse:
                return server.refuse[address]
            envelope.mail_from = address
            envelope.mail_options.extend(options)
            return "250 OK"

        async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
            self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
        ) -> str:
            if address in server.refuse:
                return server.refuse[address]
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(  # noqa: N802 - aiosmtpd's name
            self, _server: Any, session: Any, envelope: Any
        ) -> str:
            if server.answer.startswith("2"):
                server.messages.append(
                    Received(
                        sender=envelope.mail_from,
                        recipients=tuple(envelope.rcpt_tos),
                        content=envelope.original_content,
                        encrypted=session.ssl is not None,
                        user=session.auth_data,
                    )
                )
            return server.answer

    return Handler()


def _authenticator(users: Mapping[str, str]) -> Any:
    from aiosmtpd.smtp import AuthResult  # noqa: PLC0415

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> Any:
        name, password = given.login.decode(), given.password.decode()
        if users.get(name) == password:
            return AuthResult(success=True, auth_data=name)
        return AuthResult(success=False, handled=False)

    return authenticate


def _certificate() -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1 and localhost that signs itself."""
    import datetime as dt  # noqa: PLC0415
    import ipaddress  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(secret + pem)
        file.flush()
        context.load_cert_chain(file.name)
    return pem.decode(), context


# ---------------------------------------------------------------- processes


@contextlib.contextmanager
def _process(command: list[str], user: str, end: signal.Signals, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gets the signal `end` at the end, and should this process die before."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            _launch(command, user, end), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/"
        )
    try:
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _launch(command: list[str], user: str, end: signal.Signals) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, user, str(int(end)), str(os.getpid()), *command]


@functools.cache
def _server_user() -> str:
    """Servers that refuse to run as root run as this user; empty: as we are."""
    if os.geteuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _give_to(user: str, folder: Path) -> None:
    if user:
        entry = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid)


def _missing(name: str, package: str, how: str = "apt-get install") -> NoReturn:
    reason = f"service: {name} — {how} {package}"
    if "pytest" in sys.modules:
        import pytest  # noqa: PLC0415 - only where it is there already

        pytest.skip(reason)
    raise Missing(reason)
