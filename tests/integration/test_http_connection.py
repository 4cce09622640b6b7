"""Connections of type `http`: what they hold, and their test."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reactor.connectors.http import connector
from reactor.connectors.http.client import close_clients
from reactor.connectors.http.connection import HTTP
from reactor.sdk import ConnectionContext, StepError
from reactor.sdk.connection import converted
from reactor.testing.actions import action_context, call
from reactor.testing.servers import free_port

REQUEST = next(action for action in connector.actions if action.name == "http.request")
SETTINGS = {"http_allow": ("127.0.0.1",)}


class Seen(ThreadingHTTPServer):
    """Keeps the headers of what it was asked, and answers by the path: `/404`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Seen

    def do_GET(self) -> None:
        names = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, names))
        status = self.path.rpartition("/")[2]
        self.send_response(int(status) if status.isdigit() else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
async def server() -> Any:
    with Seen() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        await close_clients()
        running.shutdown()
        thread.join()


@pytest.fixture
def ctx() -> ConnectionContext:
    return ConnectionContext(name="shop", settings=SETTINGS, log=logging.getLogger("test"))


async def connection_tested(ctx: ConnectionContext, **settings: Any) -> str:
    assert HTTP.test is not None
    return await HTTP.test(ctx, converted(HTTP, "shop", {"type": "http", **settings}))


async def test_its_address_is_asked_as_a_step_would(server, ctx):
    told = await connection_tested(
        ctx, base_url=f"{server.url}/api", headers={"X-Team": "a", "X-None": None}, auth={"bearer": "t"}
    )
    assert told == f"HTTP, 127.0.0.1:{server.server_port} answers 200"
    ((method, path, headers),) = server.requests
    assert (method, path) == ("GET", "/api")
    assert (headers["x-team"], headers["authorization"]) == ("a", "Bearer t")
    assert "x-none" not in headers


async def test_a_base_without_a_page_is_as_good_as_any(server, ctx):
    assert "answers 404" in await connection_tested(ctx, base_url=f"{server.url}/404")


@pytest.mark.parametrize(
    ("status", "why"), [(401, "check `auth`"), (403, "does not let us in"), (503, "it is there, and fails")]
)
async def test_what_is_told_of_a_refusal(server, ctx, status, why):
    with pytest.raises(StepError, match=why) as caught:
        await connection_tested(ctx, base_url=f"{server.url}/{status}", auth={"bearer": "t0k3n"})
    assert caught.value.kind == f"http.{status}"
    assert "t0k3n" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"base_url": f"http://127.0.0.1:{free_port()}"}, "connection"),
        ({"base_url": "ftp://127.0.0.1"}, "input"),
        ({"base_url": "http://127.0.0.1", "auth": {"bearer": "a", "basic": {"user": "a", "password": "b"}}}, "input"),
        ({"base_url": "http://127.0.0.1", "header": {}}, "input"),
        ({}, "input"),
    ],
)
async def test_connections_that_fail(ctx, settings, kind):
    with pytest.raises(StepError) as caught:
        await connection_tested(ctx, **settings)
    await close_clients()
    assert caught.value.kind == kind


async def test_a_step_finds_a_connection_with_its_type_and_without(server):
    for written in ({"type": "http"}, {}):
        saved = {**written, "base_url": server.url, "auth": {"bearer": "t"}}
        await call(
            REQUEST, {"url": "/x", "connection": "shop"}, action_context(settings=SETTINGS, connections={"shop": saved})
        )
    assert [headers["authorization"] for _, _, headers in server.requests] == ["Bearer t"] * 2


async def test_a_connection_of_another_type_is_none_for_http():
    saved = {"type": "smtp", "url": "smtp://x"}
    with pytest.raises(StepError, match="is of type 'smtp'"):
        await call(REQUEST, {"url": "/x", "connection": "mail"}, action_context(connections={"mail": saved}))
