"""The talk with the SMTP server, and what its refusals mean."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any, cast, get_args
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import msgspec

from reactor.connectors.email.actions import SendParams, Smtp, Tls
from reactor.connectors.email.connections import SMTP, SmtpSettings
from reactor.connectors.email.message import Letter
from reactor.sdk import ActionContext, PermanentError, StepError, TransientError

_GREETING = 8.0
"""Seconds for each exchange of a test."""


class Server(msgspec.Struct, frozen=True):
    """Where messages go, and who sends them if they do not say."""

    smtp: Smtp
    sender: str | None = None


def server_of(ctx: ActionContext, params: SendParams) -> Server:
    """The server of a step: written out, or a connection's.

    Raises:
        PermanentError: kind `input`: there is no such connection, or it is not an SMTP one.
    """
    if params.smtp is not None:
        return Server(params.smtp)
    found = ctx.connection(params.connection, SMTP)
    return from_settings(found.name, found.settings)


def from_settings(name: str, settings: SmtpSettings) -> Server:
    """The server of a connection.

    Raises:
        PermanentError: kind `input`: its url is none. The message holds no password.
    """
    try:
        url = urlsplit(settings.url)
        tls = "implicit" if url.scheme == "smtps" else parse_qs(url.query).get("tls", ["auto"])[0]
        if url.scheme not in {"smtp", "smtps"} or tls not in get_args(Tls):
            raise ValueError("the url should be smtp://user:password@host:port or smtps://…")
        smtp = Smtp(
            host=url.hostname or "",
            port=url.port,
            user=settings.user if settings.user is not None else _decoded(url.username),
            password=settings.password if settings.password is not None else _decoded(url.password),
            tls=cast("Tls", tls),
            ca=settings.ca,
        )
    except ValueError as error:  # of ours and of urlsplit; neither shows the password
        raise PermanentError("input", f"connection {name!r}: {error}") from error
    return Server(smtp, settings.from_)


def _decoded(part: str | None) -> str | None:
    return None if part is None else unquote(part)


async def greet(server: Server) -> str:
    """Connect and log in, and say what is there; nothing is sent.

    Raises:
        StepError: as `deliver`.
    """
    try:
        client = await asyncio.to_thread(_client, server.smtp, _GREETING)
        async with _connected(client, server.smtp):
            answer = await client.noop()
            encrypted = client.get_transport_info("sslcontext") is not None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise _failure(error, server.smtp) from error
    who = f", logged in as {server.smtp.user}" if server.smtp.user is not None else ""
    return f"SMTP, {'encrypted' if encrypted else 'not encrypted'}{who} ({answer.code})"


async def deliver(server: Server, letter: Letter, timeout: float) -> list[dict[str, Any]]:
    """Hand the message over; the recipients that were refused while others were taken.

    Raises:
        PermanentError: kind `email.refused`.
        TransientError: kind `email.temporary`, `connection` or `timeout`.
    """
    try:
        client = await asyncio.to_thread(_client, server.smtp, timeout)  # reads the authorities' certificates
        async with _connected(client, server.smtp):
            refused, _ = await client.send_message(letter.message, sender=letter.sender, recipients=letter.recipients)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise _failure(error, server.smtp) from error
    return [{"address": address, "code": answer.code, "message": answer.message} for address, answer in refused.items()]


def _client(smtp: Smtp, timeout: float) -> aiosmtplib.SMTP:
    implicit = smtp.tls == "implicit" or (smtp.tls == "auto" and smtp.port == 465)
    port = smtp.port or (465 if implicit else 587 if smtp.user else 25)
    return aiosmtplib.SMTP(
        hostname=smtp.host,
        port=port,
        use_tls=implicit,
        start_tls={"starttls": True, "none": False}.get(smtp.tls) if not implicit else False,
        tls_context=None if smtp.tls == "none" else _tls_context(smtp.ca),
        timeout=timeout,
    )


def _tls_context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise PermanentError("input", f"ca: is not a certificate in PEM: {error}") from error


@contextlib.asynccontextmanager
async def _connected(client: aiosmtplib.SMTP, smtp: Smtp) -> AsyncIterator[None]:
    await client.connect()
    try:
        if smtp.user is not None:
            if smtp.tls != "none" and client.get_transport_info("sslcontext") is None:
                raise PermanentError(
                    "email.refused",
                    f"{smtp.host} offers no encryption, so no password is sent (`tls: none` would allow it)",
                )
            await client.login(smtp.user, smtp.password or "")
        yield
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
    finally:
        client.close()


def _failure(error: Exception, smtp: Smtp) -> StepError:
    where = f"{smtp.host}:{smtp.port}" if smtp.port else smtp.host
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return _all_refused(error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _refused(error.code, f"{where}: {error.code} {error.message}")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return TransientError("timeout", f"{where} did not answer in time: {error}")
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return PermanentError(
            "connection", f"{where}: its certificate is not trusted (`ca` names an authority): {error}"
        )
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError) or type(error) is aiosmtplib.SMTPException:
        return PermanentError("email.refused", f"{where}: {error}")
    return TransientError("connection", f"{where}: {error}")


def _refused(code: int, message: str) -> StepError:
    if 400 <= code < 500:
        return TransientError("email.temporary", message, data={"code": code})
    return PermanentError("email.refused", message, data={"code": code})


def _all_refused(refusals: list[aiosmtplib.SMTPRecipientRefused]) -> StepError:
    """All were refused: worth another try if one of them was refused for now only."""
    worst = min(refusals, key=lambda refusal: refusal.code)
    listed = "; ".join(f"{refusal.recipient}: {refusal.code} {refusal.message}" for refusal in refusals[:10])
    failure = _refused(worst.code, f"all recipients were refused: {listed}")
    failure.data = [{"address": each.recipient, "code": each.code, "message": each.message} for each in refusals]
    return failure
