"""SMTP, by way of aiosmtpd."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.testing.servers.process import READY_WITHIN, free_port, missing


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
        missing("aiosmtpd", "aiosmtpd", how="pip install")
    server = SmtpServer("127.0.0.1")
    options: dict[str, Any] = {"hostname": server.host, "port": free_port(), "enable_SMTPUTF8": True}
    if tls:
        server.ca, options["tls_context"] = certificate()
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


def certificate() -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1 and localhost that signs itself."""
    pem, secret = certificate_files()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(f"{secret}{pem}".encode())
        file.flush()
        context.load_cert_chain(file.name)
    return pem, context


def certificate_files() -> tuple[str, str]:
    """The PEM texts of such a certificate and of its key, for servers that read files."""
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
    return pem.decode(), secret.decode()
