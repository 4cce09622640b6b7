"""The talk with the SMTP server, and what its refusals mean."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast, get_args
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import msgspec

from reactor.connectors.email.actions import SendParams, Smtp, Tls
from reactor.connectors.email.message import Letter
from reactor.sdk import ActionContext, PermanentError, StepError, TransientError


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
    name = params.connection or ""
    saved = ctx.connections.get(name)
    if saved is None:
        known = ", ".join(sorted(ctx.connections)) or "none"
        raise PermanentError("input", f"there is no connection {name!r} (known: {known})")
    if saved.get("type") != "smtp":
        raise PermanentError("input", f"connection {name!r} is of type {saved.get('type')!r}, not smtp")
    return Server(_from_url(name, saved), saved.get("from"))


def _from_url(name: str, saved: Mapping[str, Any]) -> Smtp:
    """`smtp://` encrypts when the server can (`?tls=starttls` insists, `?tls=none` never), `smtps://` at once."""
    try:
        url = urlsplit(str(saved.get("url", "")))
        tls = "implicit" if url.scheme == "smtps" else parse_qs(url.query).get("tls", ["auto"])[0]
        if url.scheme not in {"smtp", "smtps"} or tls not in get_args(Tls):
            raise ValueError("the url should be smtp://user:password@host:port or smtps://…")
        return Smtp(
            host=url.hostname or "",
            port=url.port,
            user=None if url.username is None else unquote(url.username),
            password=None if url.password is None else unquote(url.password),
            tls=cast("Tls", tls),
            ca=saved.get("ca"),
        )
    except ValueError as error:  # of ours and of urlsplit; neither shows the password
        raise PermanentError("input", f"connection {name!r}: {error}") from error


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
