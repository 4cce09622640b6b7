"""What `nats.publish` and `nats.request` do."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from reactor.connectors.nats.actions import PublishParams, RequestParams, SendParams
from reactor.connectors.nats.link import LINKS, Link
from reactor.connectors.nats.message import ID
from reactor.connectors.nats.settings import NATS
from reactor.model.errors import PermanentError, TransientError
from reactor.sdk import ActionContext
from reactor.sdk.content import MalformedError
from reactor.sdk.payload import decode, encode
from reactor.sdk.sharing import Reach

_EXPECTED = "Nats-Expected-Stream"
_SERVER = 500
"""Codes from here on tell of trouble at the server, as in HTTP."""


class _Failure(msgspec.Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Stored(msgspec.Struct, frozen=True):
    """JetStream's answer to a message."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: _Failure | None = None


async def publish(ctx: ActionContext, params: PublishParams) -> dict[str, Any]:
    """See `nats.publish`."""
    data, headers = _payload(params), _headers(ctx, params)
    if params.stream is not None:
        headers[_EXPECTED] = params.stream
    async with _link(ctx, params) as link:
        if not params.jetstream and params.stream is None:
            link.forget("publish", params.subject)
            await link.send(params.subject, data, headers=headers)
            await link.flush()
            link.permitted("publish", params.subject)
            return {"subject": params.subject}
        return {"subject": params.subject, **await _store(link, params, data, headers)}


async def _store(link: Link, params: PublishParams, data: bytes, headers: dict[str, str]) -> dict[str, Any]:
    try:
        answer = await link.ask(params.subject, data, timeout=params.seconds, headers=headers)
    except TransientError as error:
        if error.kind != "nats.no_responders":
            raise
        raise TransientError(
            "nats.no_stream",
            f"no stream at {link.where} takes {params.subject!r}; give a stream this subject, or leave out `jetstream`",
        ) from None
    try:
        stored = msgspec.json.decode(answer.data, type=_Stored)
    except msgspec.MsgspecError:
        raise PermanentError(
            "nats.refused", f"a service, and no stream, answered on {params.subject!r}; leave out `jetstream`"
        ) from None
    if stored.error is not None:
        text = f"JetStream did not take the message on {params.subject!r}: {stored.error.description}"
        raise (
            TransientError("nats.jetstream", text)
            if stored.error.code >= _SERVER
            else PermanentError("nats.refused", text)
        )
    return {"stream": stored.stream, "seq": stored.seq, "duplicate": stored.duplicate}


async def request(ctx: ActionContext, params: RequestParams) -> dict[str, Any]:
    """See `nats.request`."""
    async with _link(ctx, params) as link:
        answer = await link.ask(params.subject, _payload(params), timeout=params.seconds, headers=_headers(ctx, params))
    headers = dict(answer.headers or {})
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    try:
        content = decode(answer.data, kind, form=params.reply_format)
    except MalformedError as problem:
        raise PermanentError("nats.answer", f"the answer on {params.subject!r} cannot be read: {problem}") from None
    return {"data": content.data, "headers": headers}


@contextlib.asynccontextmanager
async def _link(ctx: ActionContext, params: SendParams) -> AsyncIterator[Link]:
    settings = ctx.connection(params.connection, NATS).settings
    async with LINKS.use(Reach.of(settings, ctx.settings)) as link:
        yield link


def _payload(params: SendParams) -> bytes:
    data = params.data
    if params.format == "base64":
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise PermanentError("input", "data: is not base64 (RFC 4648 §4), as `format` says") from None
    if params.format != "json":
        if data is None:
            return b""
        if isinstance(data, str):
            return data.encode()
    return msgspec.json.encode(data)


def _headers(ctx: ActionContext, params: SendParams) -> dict[str, str]:
    given = {name: encode(value).decode() for name, value in params.headers.items()}
    names = {name.lower() for name in given}
    if "traceparent" not in names:
        given |= ctx.trace
    return given if ID.lower() in names else {ID: ctx.idempotency_key, **given}
