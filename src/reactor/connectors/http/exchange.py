"""One `http.request`: from parameters to bytes, through redirects, and from the answer to the step's output or failure.

Sources: RFC 9110 (semantics; §15.4 redirects, §10.2.3 Retry-After, §9.2.2 idempotent methods), RFC 3986 (URLs),
draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from reactor.connectors.http import answer, client, media, oauth, wire
from reactor.connectors.http.address import Target, follow_from, join_base, parse
from reactor.connectors.http.connection import HTTP, HttpSettings
from reactor.connectors.http.guard import Refused
from reactor.connectors.http.request import Params, RequestAuth, size, successes
from reactor.model import durations
from reactor.sdk import ActionContext, PermanentError, StepError, TransientError
from reactor.sdk.connection import converted

MAX_REDIRECTS = 10
_TIMEOUT = 30_000
_MAX_BODY = 10 * 1024 * 1024
_LONGEST_WAIT = 24 * 3_600_000
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429}) | (frozenset(range(500, 600)) - {501, 505})
# The request was turned away before anything was done with it.
_NOT_DONE = frozenset({429, 503})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 §5.5: visible characters, spaces and tabs. Anything else could end the line and begin a header of somebody
# else's.
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_OURS = frozenset(
    {"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
)
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
_DEFAULTS = (("accept", "*/*"), ("accept-encoding", "gzip, deflate"), ("user-agent", "Reactor"))


@dataclass(slots=True)
class _Call:
    """What is sent next. A redirect makes another one."""

    method: str
    target: Target
    headers: list[tuple[str, str]]
    body: bytes
    once: bool
    """Sending it twice could do the thing twice."""
    private: frozenset[str]
    """Names of headers that stay with the first origin."""
    sent: bool = False
    """Some request of this call, before a redirect perhaps, may have reached somebody."""


async def perform(ctx: ActionContext, params: Params) -> dict[str, Any]:
    """Send it, follow it, read it.

    Raises:
        StepError: kinds `http.STATUS`, `connection`, `connection.tls`, `timeout`, `http.refused`, `http.too_large`,
            `http.redirects`, `http.encoding`, `input`; whether it is worth another try is in its class.
    """
    call = _build(ctx, params, await oauth.resolved(ctx, _auth(ctx, params)))
    allowed = tuple(ctx.settings.get("http_allow") or ())
    millis = (
        durations.parse(params.timeout) if params.timeout is not None else ctx.settings.get("http_timeout", _TIMEOUT)
    )
    reader = answer.Reader(
        limit=_limit(ctx, params),
        success=successes(params.success),
        save_to=answer.file_of(ctx.settings, params.save_to) if params.save_to else None,
        raw=params.raw,
    )
    try:
        async with asyncio.timeout(millis / 1000 if millis else None):
            output = await _follow(client.client_for(allowed), call, reader, follow=params.follow_redirects)
    except Refused as error:
        raise PermanentError("http.refused", _plain(ctx, str(error))) from None
    except media.TooLarge as error:
        raise PermanentError("http.too_large", f"{_name(ctx, call)}: {error}") from None
    except media.Damaged as error:
        raise _failure(call)("http.encoding", f"{_name(ctx, call)}: {error}") from None
    except client.ConnectError as error:
        kind = "connection.tls" if error.tls else "connection"
        failure = PermanentError if error.tls else _failure(call)
        raise failure(kind, f"{_name(ctx, call)}: no connection: {_plain(ctx, str(error))}") from None
    except wire.WireError as error:
        raise _failure(call)("connection", f"{_name(ctx, call)}: {error}") from None
    except TimeoutError:
        message = f"{_name(ctx, call)} took longer than {durations.show(round(millis))}"
        raise _failure(call)("timeout", message) from None
    if output["success"]:
        return output
    raise _status_error(ctx, call, output)


# Building the request


def _build(ctx: ActionContext, params: Params, auth: RequestAuth | None) -> _Call:
    base: Mapping[str, Any] = {}
    url = params.url
    if params.connection is not None:
        base, url = _connection(ctx, params)
    target = parse(url, params.query, verify=params.verify)
    content_type, body = _body(params)
    names = _headers(base, params.headers)
    given = "idempotency-key" in names
    for name, value in _DEFAULTS:
        names.setdefault(name, value)
    if content_type:
        names.setdefault("content-type", content_type)
    if params.method in {"POST", "PATCH"} and ctx.idempotency_key:
        names.setdefault("idempotency-key", ctx.idempotency_key)
    if "traceparent" not in names:
        names.update(ctx.trace)
    if auth is None and target.userinfo:
        auth = RequestAuth(basic=target.basic())
    private = _authorize(names, auth) | {name for name, value in names.items() if _holds_secret(value, ctx.secrets)}
    return _Call(
        method=params.method,
        target=target,
        headers=list(names.items()),
        body=body,
        # An Idempotency-Key that the flow's author wrote says that the other side knows it; ours is only an offer.
        once=params.method not in _IDEMPOTENT and not given,
        private=_CREDENTIALS | private,
    )


def _connection(ctx: ActionContext, params: Params) -> tuple[Mapping[str, Any], str]:
    saved = _saved(ctx, params.connection or "")
    return saved.headers or {}, join_base(saved.base_url, params.url)


def _saved(ctx: ActionContext, name: str) -> HttpSettings:
    written = ctx.connections.get(name)
    if written is not None and "type" not in written:  # as it could be left out once
        settings: HttpSettings = converted(HTTP, name, written)
    else:
        settings = ctx.connection(name, HTTP).settings
    return settings


def _auth(ctx: ActionContext, params: Params) -> RequestAuth | None:
    """Who we are: as the step says, else as its connection does."""
    if params.auth is not None or params.connection is None:
        return params.auth
    return _saved(ctx, params.connection).auth


def _headers(*layers: Mapping[str, Any]) -> dict[str, str]:
    """The headers by lower-case name, later layers over earlier ones; nothing in them can end a line."""
    names: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.items():
            lower = name.lower()
            if not _NAME.fullmatch(name):
                raise PermanentError("input", f"{name[:60]!r} is not a header's name")
            if lower in _OURS:
                raise PermanentError("input", f"the header {name} follows from the request; leave it out")
            if value is None:
                names.pop(lower, None)
                continue
            text = _text(value).strip(" \t")
            if _BAD_VALUE.search(text):
                raise PermanentError(
                    "input", f"the value of the header {name} has a line break or control character in it"
                )
            names[lower] = text
    return names


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _authorize(names: dict[str, str], auth: RequestAuth | None) -> frozenset[str]:
    """Add who we are; the name of the header that says it."""
    if auth is None:
        return frozenset()
    name = "authorization"
    if auth.header is not None:
        name, value = auth.header.name, auth.header.value
    elif auth.basic is not None:
        pair = f"{auth.basic.user}:{auth.basic.password}".encode()
        value = "Basic " + base64.b64encode(pair).decode()
    else:
        value = f"Bearer {auth.bearer}"
    names.update(_headers({name: value}))
    return frozenset({name.lower()})


def _body(params: Params) -> tuple[str | None, bytes]:
    if params.json is not msgspec.UNSET:
        return "application/json", msgspec.json.encode(params.json)
    if isinstance(params.body, (dict, list)):
        return "application/json", msgspec.json.encode(params.body)
    if params.form is not None:
        pairs = [
            (name, _text(value))
            for name, values in params.form.items()
            for value in (values if isinstance(values, list) else [values])
            if value is not None
        ]
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    if params.body is not None:
        return "text/plain; charset=utf-8", params.body.encode("utf-8", "replace")
    if params.body_base64 is not None:
        try:
            return "application/octet-stream", base64.b64decode(params.body_base64, validate=True)
        except binascii.Error as error:
            raise PermanentError("input", f"body_base64 is not base64: {error}") from None
    return None, b""


def _limit(ctx: ActionContext, params: Params) -> int:
    most = int(ctx.settings.get("http_max_body") or _MAX_BODY)
    if params.max_body is None:
        return most
    wanted = size(params.max_body)
    return wanted if params.save_to else min(wanted, most)


# The exchange


async def _follow(pool: client.Client, call: _Call, reader: answer.Reader, *, follow: bool) -> dict[str, Any]:
    for _ in range(MAX_REDIRECTS + 1):
        if await _exchange(pool, call, reader, follow=follow):
            return reader.output
    raise PermanentError("http.redirects", f"{call.target.shown}: more than {MAX_REDIRECTS} redirects")


async def _exchange(pool: client.Client, call: _Call, reader: answer.Reader, *, follow: bool) -> bool:
    """Send once. True: `reader` has the answer; False: it was a redirect, and `call` is now the next request."""
    request = _encode(call)
    origin = call.target.origin
    while True:
        connection = await pool.open(origin, once=call.once)
        kept = connection.used > 0
        try:
            connection.send(call.method, request)
            call.sent = True
            await connection.head()
            where = _location(connection.headers) if follow and connection.status in _REDIRECTS else None
            if where is None:
                await reader.read(connection)
                return True
            _redirect(call, connection.status, where)
            return False
        except wire.WireError as error:
            # A kept connection that was closed just as we used it: the request was not looked at. With what may be done
            # twice we try again at once; the rest is for the step's policy.
            if not kept or (error.sent and not (error.untouched and not call.once)):
                raise
        finally:
            pool.release(origin, connection)


def _encode(call: _Call) -> bytes:
    lines = [f"{call.method} {call.target.path} HTTP/1.1"]
    if not any(name == "host" for name, _ in call.headers):
        lines.append(f"host: {call.target.authority}")
    lines += [f"{name}: {value}" for name, value in call.headers]
    if call.body or call.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"content-length: {len(call.body)}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("utf-8") + call.body


def _location(headers: list[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("utf-8", "replace") for name, value in headers if name == b"location"), None)


def _redirect(call: _Call, status: int, where: str) -> None:
    """Turn the call into the next one (RFC 9110 §15.4)."""
    before = call.target
    after = follow_from(before, where)
    dropped: frozenset[str] = frozenset({"host"})
    if after.origin != before.origin:
        # Who we are is for the origin that was asked, not for where it sends us.
        dropped |= call.private
    if (status == 303 and call.method != "HEAD") or (status in {301, 302} and call.method == "POST"):
        call.method, call.body = "GET", b""
        dropped |= {"content-type", "idempotency-key"}
    call.headers = [(name, value) for name, value in call.headers if name not in dropped]
    call.target = replace(after, userinfo="")


# What went wrong


def _failure(call: _Call) -> type[StepError]:
    return PermanentError if call.once and call.sent else TransientError


def _status_error(ctx: ActionContext, call: _Call, output: dict[str, Any]) -> StepError:
    status = output["status_code"]
    worth = status in (_NOT_DONE if call.once else _TRANSIENT)
    return (TransientError if worth else PermanentError)(
        f"http.{status}",
        f"{_name(ctx, call)} answered {status}",
        output=output,
        retry_after=_retry_after(output["headers"].get("retry-after"), ctx.clock.now()),
    )


def _retry_after(text: str | None, now: int) -> int | None:
    """Milliseconds: the header says seconds or a date."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        millis = int(text[:12]) * 1000
    else:
        try:
            millis = round(email.utils.parsedate_to_datetime(text).timestamp() * 1000) - now
        except (ValueError, OverflowError):
            return None
    return max(0, min(millis, _LONGEST_WAIT))


def _holds_secret(value: str, secrets: tuple[str, ...]) -> bool:
    return any(secret and secret in value for secret in secrets)


def _plain(ctx: ActionContext, text: str) -> str:
    for secret in ctx.secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _name(ctx: ActionContext, call: _Call) -> str:
    return _plain(ctx, f"{call.method} {call.target.shown}")
