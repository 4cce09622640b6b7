"""Everything that is no event: the API's table behind Starlette's routes, health, metrics, sign-in and the page."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.routing import Match, Route

from reactor.engine.access.audit import Actor
from reactor.engine.engine import Engine
from reactor.engine.texts import encode
from reactor.model.access import ADMIN, Principal
from reactor.model.errors import ReactorError
from reactor.server import (
    api_access,
    api_alerts,
    api_approvals,
    api_audit,
    api_chain,
    api_connections,
    api_diagrams,
    api_editing,
    api_events,
    api_flows,
    api_logs,
    api_many,
    api_metrics,
    api_runs,
    api_search,
    api_secrets,
    api_server,
    api_simulate,
    api_tests,
    api_timeline,
    api_triggers,
    api_versions,
    approval_page,
    page,
    reach,
    sign_in,
)
from reactor.server.config import ServerConfig
from reactor.server.doors import Doors
from reactor.server.entries import Entry, Who, entry
from reactor.server.exposition import OPEN, PLAIN, wants_open
from reactor.server.guard import Guard, Head, address_of
from reactor.server.headers import hardened
from reactor.server.ingest import Ingest
from reactor.server.mcp import door as mcp
from reactor.server.metrics import text
from reactor.server.problems import App, Headers, Problem, Receive, Scope, Send, answer, of_error, read_body, refuse
from reactor.server.requests import ROUTE
from reactor.server.stream import Stream
from reactor.server.table import Call, Line, parse_body, parse_query

if TYPE_CHECKING:
    from reactor.server.oidc import Oidc

_log = logging.getLogger("reactor.http")
_PACKED_FROM = 4_096
"""Bytes of an answer from which on packing it is worth its while."""
_LARGEST = 11 << 20
_PRIVATE: Headers = [(b"cache-control", b"no-store")]
LINES: tuple[Line, ...] = (
    *api_runs.LINES,
    *api_many.LINES,
    *api_chain.LINES,
    *api_logs.LINES,
    *api_timeline.LINES,
    *api_approvals.LINES,
    *api_events.LINES,
    *api_simulate.LINES,
    *api_flows.LINES,
    *api_editing.LINES,
    *api_diagrams.LINES,
    *api_triggers.LINES,
    *api_connections.LINES,
    *api_secrets.LINES,
    *api_tests.LINES,
    *api_search.LINES,
    *api_versions.LINES,
    *api_metrics.LINES,
    *api_alerts.LINES,
    *api_server.LINES,
    *api_access.LINES,
    *api_audit.LINES,
)
_BELOW = {"/ui/": "/ui/{…}", "/approvals/": "/approvals/{id}"}
"""What a path begins with → the entry of everything below it."""


class Api:
    """An ASGI callable."""

    def __init__(
        self, engine: Engine, guard: Guard, config: ServerConfig, stream: Stream, ingest: Ingest, doors: Doors
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._stream = stream
        self._ingest = ingest
        self._doors = doors
        self._sign_in = sign_in.SignIn(guard, engine.access, engine.audit)
        self._oidc = _oidc(engine, guard, config)
        if config.oidc is not None:
            self._sign_in.oidc = urlsplit(config.oidc.issuer).netloc
        self.mcp = mcp.Door(engine, self)
        pages = page.Page()
        plain: dict[str, App] = {
            "/": pages.home,
            "/ui": pages.home,
            "/ui/{…}": pages.show,
            "/login": self._sign_in.login,
            "/login/options": self._sign_in.options,
            "/login/oidc": self._oidc.begin if self._oidc is not None else _no_oidc,
            "/login/oidc/callback": self._oidc.back if self._oidc is not None else _no_oidc,
            "/logout": self._sign_in.logout,
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            mcp.PATH: self._tools,
            "/approvals/{id}": approval_page.ApprovalPage(engine),
        }
        self._plain = {path: (entry(path), handler) for path, handler in plain.items()}
        """A path that the table of entries does not know is a mistake, and told at the start."""
        self._document: bytes | None = None
        self._routes = [Route(path, endpoint=_Path(lines)) for path, lines in _by_path(LINES).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        send = hardened(send, secure=scope["scheme"] == "https")
        try:
            path: str = scope["path"]
            below = next((name for prefix, name in _BELOW.items() if path.startswith(prefix)), path)
            found = self._plain.get(below)
            if found is not None:
                await self._lead(*found, scope, receive, send)
            else:
                await self._resource(scope, receive, send)
        except ReactorError as error:
            await refuse(send, error)
        except Exception as error:  # noqa: BLE001 - whatever broke, the caller gets a problem document and the log the reason
            _log.exception("%s %s", scope["method"], scope["path"])
            await refuse(send, error)

    def _unknown(self, path: str) -> Problem:
        """Nothing answers there. Before Reactor is ready that may be a webhook which is about to listen: who sends
        must try again, not be told that it is gone.
        """
        if not self._engine.ready:
            return Problem(503, "Reactor is not ready; try again", retry_after=2_000)
        return Problem(404, f"there is nothing at {path[:200]!r}; no webhook claims it")

    async def _lead(self, there: Entry, handler: App, scope: Scope, receive: Receive, send: Send) -> None:
        """To one of the paths that are no lines of the API: first what the table says of who may."""
        scope[ROUTE] = there.path
        head: Head = dict(scope["headers"])
        if there.who is Who.READERS:
            await self._guard.check_metrics(head)
        else:
            self._guard.check_host(head)
        _only(scope, *there.methods)
        await handler(scope, receive, send)

    async def _resource(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: Head = dict(scope["headers"])
        if not scope["path"].startswith("/api/"):
            raise self._unknown(scope["path"])
        who = await self._who(scope, head)
        params, lines = self._find(scope)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        line = lines.get(method)
        if line is None:
            raise _not_answered(scope, sorted(lines))
        if not hasattr(self._engine, "executor"):
            raise Problem(503, "Reactor is not ready yet; try again", retry_after=1_000)
        call = Call(
            engine=self._engine, guard=self._guard, stream=self._stream, doors=self._doors, url=_url(scope, head),
            head=head, who=who, address=address_of(scope), params=params, query=None, body=None,
        )  # fmt: skip
        shown = await self._noted(line, call, scope, receive)
        if isinstance(line.answer, str):
            await shown(scope, receive, send)
            return
        body, packed = _packed(encode(shown), head)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *packed, *_PRIVATE]
        await answer(send, line.status, headers, body)

    async def _who(self, scope: Scope, head: Head) -> Principal:
        try:
            return await self._guard.check_api(scope["method"], head)
        except Problem as problem:
            # Somebody who shows what is no good (any more) is worth a line; somebody who shows nothing is not.
            if problem.status == 401 and (
                b"authorization" in head or self._guard.cookie.encode() in head.get(b"cookie", b"")
            ):
                actor = Actor(who="", via="", address=address_of(scope))
                await self._engine.audit.refused(actor, f"{scope['method']} {scope['path']}", "", problem.status)
            raise

    async def _done(self, line: Line, call: Call, scope: Scope, receive: Receive) -> Any:
        """What a line answers, once it is clear that it may be asked."""
        if not call.who.may(line.role):
            raise Problem(403, f"this needs the role {line.role}; {call.who.name} is {call.who.role}")
        call.text = await read_body(receive, _LARGEST)
        call.query = parse_query(line.query, scope["query_string"])
        await reach.check(call.who, line, call.engine, call.params, call.query)
        call.body = parse_body(line, call.head, call.text)
        return await line.handler(call)

    async def _noted(self, line: Line, call: Call, scope: Scope, receive: Receive) -> Any:
        """The same; the audit log has changes with how they ended, and refusals."""
        audit, who = self._engine.audit, call.who
        if line.audited:
            audit.check()
        # A token acts for its owner.
        call.details = {"for": who.person or ADMIN.name} if who.via == "api_token" else {}
        actor = Actor(who=who.name, via=who.via, address=call.address)
        action, target = f"{line.method} {line.path}", "/".join(call.params.values())
        try:
            shown = await self._done(line, call, scope, receive)
        except Exception as error:
            status = of_error(error).status
            if status in {401, 403, 429}:
                await audit.refused(actor, action, target, status, call.details)
            elif line.audited:
                await audit.note(actor, action, call.target or target, status, call.details)
            raise
        if line.audited:
            await audit.note(actor, action, call.target or target, line.status, call.details)
        return shown

    async def _tools(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The Model Context Protocol: who may read may ask, and each call is checked again as one of the API's own."""
        who = await self._who(scope, dict(scope["headers"]))
        if not self._engine.ready:
            raise Problem(503, "Reactor is not ready yet; try again", retry_after=1_000)
        await self.mcp(scope, receive, send, who)

    def _find(self, scope: Scope) -> tuple[dict[str, str], dict[str, Line]]:
        for route in self._routes:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                endpoint: _Path = child["endpoint"]
                scope[ROUTE] = route.path
                return child["path_params"], endpoint.lines
        raise Problem(404, f"there is nothing at {scope['path'][:200]!r}; /openapi.json lists what there is")

    # --- the plain ones ---------------------------------------------------------------------------------------------

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live: the loop turns."""
        await _json(send, 200, {"status": "ok"})

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ready: events are taken."""
        reasons = not_ready(self._engine, closing=self._ingest.closing)
        await _json(send, 503 if reasons else 200, {"status": "not ready" if reasons else "ok", "reasons": reasons})

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: Head = dict(scope["headers"])
        modern = wants_open(head.get(b"accept", b"").decode("latin-1"))
        body = (await text(self._engine, self._ingest, self._stream, open_metrics=modern)).encode()
        kind = (OPEN if modern else PLAIN).encode()
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"vary", b"accept"), *_PRIVATE]
        await answer(send, 200, headers, body)

    async def _openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._document is None:
            from reactor.server.openapi import document  # noqa: PLC0415 - few ask for it

            self._document = await asyncio.to_thread(lambda: encode(document(LINES, "/")))
        body = self._document
        headers: Headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await answer(send, 200, headers, body)


class _Path:
    """The lines of one path, by method, where a route wants an ASGI callable."""

    def __init__(self, lines: dict[str, Line]) -> None:
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Never called: `Api` asks the route where a path leads, and goes there itself."""
        raise NotImplementedError


def build(engine: Engine, guard: Guard, config: ServerConfig, stream: Stream, ingest: Ingest, doors: Doors) -> Api:
    """The API of one engine."""
    return Api(engine, guard, config, stream, ingest, doors)


def not_ready(engine: Engine, *, closing: bool) -> list[str]:
    """Why no events are taken now."""
    reasons = ["Reactor is stopping"] if closing else []
    if not engine.ready:
        reasons += [] if closing else ["the engine is starting"]
        return reasons or ["the engine has stopped"]
    committer = engine.executor.committer
    if committer.broken is not None:
        reasons.append(f"the store is broken: {committer.broken}")
    elif committer.trouble is not None:
        reasons.append(f"the store cannot write now: {committer.trouble}")
    return reasons


def _packed(body: bytes, head: Head) -> tuple[bytes, Headers]:
    """A long answer as gzip, for whoever takes it: lists of runs shrink to a fourteenth. The quickest level: 1 MB
    takes 3 ms of the loop, with the best one 20.
    """
    if len(body) < _PACKED_FROM or b"gzip" not in head.get(b"accept-encoding", b""):
        return body, []
    return gzip.compress(body, 1, mtime=0), [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]


def _by_path(lines: Sequence[Line]) -> dict[str, dict[str, Line]]:
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        found.setdefault(line.path, {})[line.method] = line
    # Fixed paths first: `/flows/validate` is no flow.
    return dict(sorted(found.items(), key=lambda item: [part.startswith("{") for part in item[0].split("/")]))


def _url(scope: Scope, head: Head) -> str:
    return f"{scope['scheme']}://{head.get(b'host', b'').decode('latin-1')}"


def _oidc(engine: Engine, guard: Guard, config: ServerConfig) -> Oidc | None:
    if config.oidc is None or engine.access is None:
        return None
    from reactor.server.oidc import Oidc  # noqa: PLC0415 - few have an issuer
    from reactor.server.oidc_issuer import Issuer  # noqa: PLC0415

    issuer = Issuer(config.oidc, engine.clock)
    return Oidc(issuer, guard, engine.access, engine.audit, engine.clock, config.public_url)


async def _no_oidc(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise Problem(404, "nobody signs in by OIDC here; the settings oidc_issuer and oidc_client_id are for that")


def _only(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        raise _not_answered(scope, methods)


def _not_answered(scope: Scope, methods: Sequence[str]) -> Problem:
    allowed = ", ".join(methods)
    return Problem(
        405,
        f"{scope['method']} is not answered here; {allowed} is",
        headers=[(b"allow", allowed.encode("latin-1"))],
    )


async def _json(send: Send, status: int, shown: Any) -> None:
    body = encode(shown)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *_PRIVATE]
    await answer(send, status, headers, body)
