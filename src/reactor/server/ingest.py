"""The hot path: `POST /events`, `POST /webhook/TYPE` and claimed paths, in front of everything else.

From here it is `intake.accept`; what is answered with 2xx is committed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec

from reactor.engine.engine import Engine
from reactor.engine.meters import OTHER
from reactor.model.clock import Clock
from reactor.model.errors import ReactorError
from reactor.model.event import EventDraft
from reactor.sdk import cloudevents, content
from reactor.sdk.http import HttpHandler, HttpRequest
from reactor.sdk.trigger import Receipt
from reactor.server import bodies
from reactor.server.config import ServerConfig
from reactor.server.guard import Guard, Head
from reactor.server.problems import App, Headers, Message, Problem, Receive, Scope, Send, answer, refuse
from reactor.server.protocol import EXTENSION, at_once
from reactor.server.requests import ROUTE, Requests
from reactor.server.routes import Claim, RouteClaims

_log = logging.getLogger("reactor.http")
_JSON = b"application/json"
_TYPE = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NONE: dict[str, Any] = {}
_CURL = (415, "events are JSON: add the header content-type: application/json")


class Disconnected(Exception):
    """The caller went away before its request was whole."""


class Ingest:
    """The server's outermost ASGI callable."""

    def __init__(self, engine: Engine, claims: RouteClaims, guard: Guard, config: ServerConfig, inner: App) -> None:
        """`inner` answers everything that is no event."""
        self._engine = engine
        self._clock: Clock = engine.clock
        self._claims = claims
        self._exact = claims.exact
        self._guard = guard
        self._limit = config.body_limit
        self._closed = config.ingest_token
        """Events need a token, too."""
        self.inner = inner
        self.closing = False
        """Set when the server stops: nothing new is taken."""
        self.refused: dict[int, int] = {}
        """Refusals by status, for the metrics."""
        self.requests = Requests()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        started = perf_counter()
        try:
            status = await self._lead(scope, receive, send)
        except Disconnected:
            return
        except ReactorError as error:
            status = await self._refuse(send, error)
        except Exception as error:  # noqa: BLE001 - a plugin's handler may raise anything: the log tells what
            _log.exception("%s %s", scope["method"], scope["path"])
            status = await self._refuse(send, error)
        self.requests.took(scope.get(ROUTE, OTHER), scope["method"], status, perf_counter() - started)

    async def _lead(self, scope: Scope, receive: Receive, send: Send) -> int:
        """To whoever answers; with which status it was."""
        path: str = scope["path"]
        claim = self._exact.get(path)
        if claim is not None:
            scope[ROUTE] = claim.path
            return await self._claimed(claim, {}, scope, receive, send)
        if path == "/events":
            scope[ROUTE] = path
            return await self._events(scope, receive, send)
        if self._claims.patterned and (found := self._claims.match(path, scope["raw_path"])) is not None:
            scope[ROUTE] = found[0].path
            return await self._claimed(found[0], found[1], scope, receive, send)
        if path.startswith("/webhook/"):
            scope[ROUTE] = "/webhook/{type}"
            return await self._webhook(scope, receive, send)
        return await self._beyond(scope, receive, send)

    async def _beyond(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.inner(scope, receive, watched)
        return status

    async def _refuse(self, send: Send, error: Exception) -> int:
        status: int = getattr(error, "status", 503)
        self.refused[status] = self.refused.get(status, 0) + 1
        await refuse(send, error)
        return status

    # --- the three doors --------------------------------------------------------------------------------------------

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> int:
        head = self._admit(scope, "POST")
        if self._closed:
            await self._guard.check_sender(head)
        content_type = head.get(b"content-type", b"")
        drafts: Sequence[EventDraft]
        if content_type == _JSON and b"ce-specversion" not in head and b"ce-id" not in head:
            body = await self._body(head, receive)
            drafts, many = bodies.events(body, self._metadata(scope, head))
        else:
            drafts, many = await self._other(scope, head, content_type.decode("latin-1"), receive)
        receipts = await self._engine.intake.accept(drafts) if drafts else []
        shown = _whole(receipts) if many else _shown(receipts[0])
        return await _send(scope, send, shown)

    async def _other(
        self, scope: Scope, head: Head, content_type: str, receive: Receive
    ) -> tuple[Sequence[EventDraft], bool]:
        """Every form of events but plain JSON of our own."""
        kind = content_type.partition(";")[0].strip().lower()
        base = self._metadata(scope, head)
        if kind.startswith("application/cloudevents"):
            _refuse_charset(content_type)
            if kind == cloudevents.BATCHED:
                return cloudevents.batched(await self._body(head, receive), base), True
            if kind == cloudevents.STRUCTURED:
                return [cloudevents.structured(await self._body(head, receive), base)], False
            raise Problem(415, f"{kind!r} is not understood; {cloudevents.STRUCTURED} and {cloudevents.BATCHED} are")
        if b"ce-specversion" in head or b"ce-id" in head:
            body = await self._body(head, receive)
            return [cloudevents.binary(scope["headers"], body, content_type, base)], False
        if kind in ("", "application/json", "text/json") or kind.endswith("+json"):
            _refuse_charset(content_type)
            return bodies.events(await self._body(head, receive), base)
        if kind == "application/x-www-form-urlencoded":
            body = await self._body(head, receive)
            if content.looks_like_json(body):
                return bodies.events(body, base)
        raise Problem(_CURL[0], f"{_CURL[1]} (not {kind[:80]!r})")

    async def _webhook(self, scope: Scope, receive: Receive, send: Send) -> int:
        head = self._admit(scope, "POST")
        if self._closed:
            await self._guard.check_sender(head)
        path: str = scope["path"]
        body = await self._body(head, receive)
        content_type = head.get(b"content-type", b"").decode("latin-1")
        base = self._metadata(scope, head)
        if content_type and content_type != "application/json":
            base["content_type"] = content_type
        if b"ce-specversion" in head:
            draft = cloudevents.binary(scope["headers"], body, content_type, base)
        else:
            draft = bodies.webhook(path[len("/webhook/") :], path, body, content_type, base)
        receipts = await self._engine.intake.accept((draft,))
        return await _send(scope, send, _shown(receipts[0]))

    async def _claimed(self, claim: Claim, params: dict[str, str], scope: Scope, receive: Receive, send: Send) -> int:
        method: str = scope["method"]
        handler: HttpHandler | None = claim.handlers.get(method)
        if handler is None and method == "HEAD":
            handler = claim.handlers.get("GET")
        if handler is None:
            if method == "POST" and claim.path.startswith("/webhook/"):
                return await self._webhook(scope, receive, send)
            raise _not_allowed(method, claim.handlers)
        self._open()
        head: Head = dict(scope["headers"])
        self._guard.check_browser(head)
        client = scope["client"]
        request = HttpRequest(
            method=method,
            path=scope["path"],
            params=params,
            query=scope["query_string"].decode("latin-1"),
            headers=scope["headers"],
            body=await self._body(head, receive),
            client=client[0] if client else "",
        )
        response = await handler(request)
        headers: Headers = [(n, v) for n, v in response.headers if n.lower() not in (b"content-length", b"connection")]
        quick = scope.get("extensions", _NONE).get(EXTENSION)
        if quick is not None and at_once(quick, response.status, headers, response.body):
            return response.status
        headers.append((b"content-length", b"%d" % len(response.body)))
        await answer(send, response.status, headers, response.body)
        return response.status

    # --- parts of it ------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if not self._engine.ready or self.closing:
            reason = "Reactor is stopping" if self.closing else "Reactor is not ready yet"
            raise Problem(503, f"{reason}; try again", retry_after=2_000)

    def _admit(self, scope: Scope, method: str) -> Head:
        if scope["method"] != method:
            raise _not_allowed(scope["method"], (method,))
        self._open()
        head: Head = dict(scope["headers"])
        self._guard.check_browser(head)
        if b"content-encoding" in head:
            raise Problem(415, "compressed bodies are not understood here; send it without content-encoding")
        return head

    async def _body(self, head: Head, receive: Receive) -> bytes:
        length = head.get(b"content-length")
        if length is not None and int(length) > self._limit:
            raise self._too_large(length.decode("latin-1"))
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        body: bytes = message["body"]
        if not message["more_body"] and len(body) <= self._limit:
            return body
        chunks, size = [body], len(body)
        while message["more_body"] and size <= self._limit:
            message = await receive()
            if message["type"] != "http.request":
                raise Disconnected
            chunks.append(message["body"])
            size += len(message["body"])
        if size > self._limit:
            raise self._too_large(f"more than {self._limit}")
        return b"".join(chunks)

    def _too_large(self, size: str) -> Problem:
        return Problem(413, f"the body has {size} bytes; at most {self._limit} are taken")

    def _metadata(self, scope: Scope, head: Head) -> dict[str, Any]:
        client = scope["client"]
        metadata: dict[str, Any] = {"client": client[0]} if client else {}
        trace = head.get(b"traceparent")
        if trace is not None and len(trace) <= 128 and _TRACEPARENT.fullmatch(trace):
            metadata["traceparent"] = trace.decode("latin-1")
            state = head.get(b"tracestate", b"")
            if 0 < len(state) <= 512 and state.isascii():
                metadata["tracestate"] = state.decode("latin-1")
        return metadata


def _not_allowed(method: str, allowed: Any) -> Problem:
    names = ", ".join(sorted(allowed))
    return Problem(405, f"{method} is not answered here; {names} is", headers=[(b"allow", names.encode("latin-1"))])


def _refuse_charset(content_type: str) -> None:
    if ";" in content_type:
        found = content.charset_of(content_type)
        if found is not None and not content.is_utf8(found):
            raise Problem(415, f"JSON is sent as UTF-8, not {found[:40]!r} (RFC 8259 §8.1)")


def _shown(receipt: Receipt) -> bytes:
    if not receipt.runs:
        duplicate = b"true" if receipt.duplicate else b"false"
        return b'{"event_id":"%b","runs":[],"duplicate":%b}' % (receipt.event_id.encode(), duplicate)
    return _encode(as_dict(receipt))


def as_dict(receipt: Receipt) -> dict[str, Any]:
    """A receipt as callers see it."""
    return {
        "event_id": receipt.event_id,
        "runs": [{"id": run, "flow": flow} for run, flow in receipt.runs],
        "duplicate": receipt.duplicate,
    }


def _whole(receipts: Sequence[Receipt]) -> bytes:
    return b"[" + b",".join([_shown(receipt) for receipt in receipts]) + b"]"


async def _send(scope: Scope, send: Send, body: bytes) -> int:
    quick = scope.get("extensions", _NONE).get(EXTENSION)
    if quick is not None and at_once(quick, 202, (_TYPE,), body):
        return 202
    await send(
        {"type": "http.response.start", "status": 202, "headers": [_TYPE, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})
    return 202
