"""`http.request` against real servers on loopback: uvicorn for what is right, bare sockets for what is not."""

import asyncio
import base64
import contextlib
import datetime as dt
import email.utils
import gzip
import logging
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn

from reactor.connectors.http import connector
from reactor.connectors.http.client import client_for, close_clients
from reactor.connectors.http.request import Params
from reactor.model.clock import SystemClock
from reactor.sdk import ActionContext, Effect, PermanentError, StepError, TransientError

ACTION = connector.actions[0]
BOMB = gzip.compress(bytes(200 * 1024 * 1024), 9)


class Server:
    """An ASGI server that notes what it is asked."""

    def __init__(self, app: Callable[..., Awaitable[Any]]) -> None:
        self._app = app
        self.seen: list[dict[str, Any]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": headers,
            "body": body.decode("latin-1"),
            "client": scope["client"],
        }
        self.seen.append(seen)

        async def answer(status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
            pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
            await send({"type": "http.response.start", "status": status, "headers": pairs})
            await send({"type": "http.response.body", "body": body})

        await self._app(self, seen, answer, send)


@asynccontextmanager
async def serve(app: Callable[..., Awaitable[Any]], **options: Any) -> AsyncIterator[Server]:
    """uvicorn without its main loop: that only ticks, every 0.1 s, and so would every start and stop."""
    server = Server(app)
    config = uvicorn.Config(server, log_level="error", access_log=False, lifespan="off", **options)
    config.load()
    running = uvicorn.Server(config)
    running.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        await running.startup(sockets=[listener])
        try:
            yield server
        finally:
            await close_clients()
            tasks = list(running.server_state.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for connection in list(running.server_state.connections):
                connection.shutdown()
            for listening in running.servers:
                listening.close()
                await listening.wait_closed()


@asynccontextmanager
async def raw(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that says what it likes."""

    async def handle(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await close_clients()


async def request(
    url: str, *, allow: tuple[str, ...] = ("127.0.0.1",), context: Any = None, settings: Any = None, **params
):
    ctx = ActionContext(
        run_id="run_1",
        flow="f",
        step="s",
        attempt=1,
        idempotency_key="run_1/s",
        log=logging.getLogger("test.http"),
        clock=SystemClock(),
        settings={"http_allow": allow, "http_timeout": 10_000, "http_max_body": 1_000_000, **(settings or {})},
        **(context or {}),
    )
    return await ACTION.handler(ctx, msgspec.convert({"url": url, **params}, Params))


async def failing(url: str, **params: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await request(url, **params)
    return caught.value


async def echo(server, seen, answer, send):
    await answer(200, {"content-type": "application/json"}, msgspec.json.encode(seen))


# What is sent and what comes back


@pytest.mark.proves("http.request.{url,query,headers}")
async def test_a_get_and_its_output():
    async with serve(echo) as server:
        output = await request(
            f"{server.url}/a?x=1", query={"y": ["a b", 2]}, headers={"X-A": "é", "X-B": None, "X-C": 7}
        )
        assert sorted(output) == ["body", "headers", "status_code", "success"]
        assert (output["status_code"], output["success"]) == (200, True)
        assert output["headers"]["content-type"] == "application/json"
        seen = output["body"]
        assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("GET", "/a", "x=1&y=a+b&y=2", "")
        assert seen["headers"] == {
            "host": f"127.0.0.1:{server.port}",
            "x-a": "é",
            "x-c": "7",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "user-agent": "Reactor",
        }
        assert ACTION.views["status"](output) == 200
        assert ACTION.views["json"](output) == seen
        assert msgspec.json.decode(ACTION.views["text"](output)) == seen


@pytest.mark.proves("http.request.{method,json,form,body,body_base64}")
@pytest.mark.parametrize(
    ("params", "content_type", "body"),
    [
        ({"json": {"a": [1, "ü"]}}, "application/json", '{"a":[1,"ü"]}'),
        ({"json": None}, "application/json", "null"),
        ({"body": {"a": ["ü"]}}, "application/json", '{"a":["ü"]}'),
        (
            {"form": {"a": "x y", "b": [1, 2], "c": True, "d": None}},
            "application/x-www-form-urlencoded",
            "a=x+y&b=1&b=2&c=true",
        ),
        ({"body": "grüße"}, "text/plain; charset=utf-8", "grüße"),
        ({"body_base64": "/w=="}, "application/octet-stream", "\xff"),
        ({"body": "<a/>", "headers": {"Content-Type": "application/xml"}}, "application/xml", "<a/>"),
        ({}, None, ""),
    ],
)
async def test_bodies(params, content_type, body):
    async with serve(echo) as server:
        seen = (await request(server.url, method="post", **params))["body"]
        assert seen["headers"].get("content-type") == content_type
        expected = body if params.get("body_base64") else body.encode().decode("latin-1")
        assert (seen["method"], seen["body"]) == ("POST", expected)


async def test_an_idempotency_key_goes_along_with_what_is_not_idempotent():
    async with serve(echo) as server:
        for method, given, sent in [
            ("POST", {}, "run_1/s"),
            ("PATCH", {}, "run_1/s"),
            ("POST", {"idempotency-KEY": "mine"}, "mine"),
            ("PUT", {}, None),
            ("GET", {}, None),
        ]:
            output = await request(server.url, method=method, headers=given)
            assert output["body"]["headers"].get("idempotency-key") == sent


@pytest.mark.proves(
    "http.request.auth",
    "http.request.auth.{basic,bearer,header}",
    "http.request.auth.basic.{user,password}",
    "http.request.auth.header.{name,value}",
)
async def test_credentials():
    async with serve(echo) as server:
        basic = "Basic " + base64.b64encode(b"ann:s").decode()
        cases: list[tuple[dict[str, Any], str, str]] = [
            ({"auth": {"basic": {"user": "ann", "password": "s"}}}, "authorization", basic),
            ({"auth": {"bearer": "tok"}}, "authorization", "Bearer tok"),
            ({"auth": {"header": {"name": "X-Key", "value": "k"}}}, "x-key", "k"),
            ({"url": f"http://ann:s@127.0.0.1:{server.port}/"}, "authorization", basic),
        ]
        for params, name, value in cases:
            output = await request(**{"url": server.url, **params})
            assert output["body"]["headers"][name] == value


@pytest.mark.proves("http.request.connection", "connection.http.{base_url,headers}")
async def test_a_connection():
    async with serve(echo) as server:
        saved = {"base_url": f"{server.url}/v1/", "headers": {"X-Team": "a"}, "auth": {"bearer": "tok"}}
        context = {"connections": {"shop": saved}}
        seen = (await request("/orders", connection="shop", context=context))["body"]
        assert (seen["path"], seen["headers"]["x-team"], seen["headers"]["authorization"]) == (
            "/v1/orders",
            "a",
            "Bearer tok",
        )
        own = await request("/orders", connection="shop", headers={"x-team": "b"}, context=context)
        assert own["body"]["headers"]["x-team"] == "b"
        error = await failing("http://evil.example/", connection="shop", context=context)
        assert error.kind == "input"
        assert (await failing("/x", connection="other", context=context)).kind == "input"


@pytest.mark.parametrize(
    ("content_type", "content", "body", "encoding"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}, None),
        ("application/problem+json", b"[1]", [1], None),
        ("application/json", b"not json", "not json", None),
        ("text/plain", b'{"a": 1}', '{"a": 1}', None),
        (None, b'{"a": 1}', {"a": 1}, None),
        ("text/html; charset=iso-8859-1", b"gr\xfc\xdfe", "grüße", None),
        ("text/html", b"\xff", "\ufffd", None),
        ("image/png", b"\x89PNG\x00\xff", base64.b64encode(b"\x89PNG\x00\xff").decode(), "base64"),
        ("application/octet-stream", b"a\x00b", base64.b64encode(b"a\x00b").decode(), "base64"),
        ("application/json", b"", None, None),
        ("text/plain", b"", "", None),
    ],
)
async def test_what_an_answer_becomes(content_type, content, body, encoding):
    async def app(server, seen, answer, send):
        await answer(200, {"content-type": content_type} if content_type else {}, content)

    async with serve(app) as server:
        output = await request(server.url)
        assert (output["body"], output.get("encoding")) == (body, encoding)


async def test_repeated_headers():
    async def app(server, seen, answer, send):
        pairs = [(b"x", b"1"), (b"x", b"2"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})

    async with serve(app) as server:
        headers = (await request(server.url))["headers"]
        assert (headers["x"], headers["set-cookie"]) == ("1, 2", ["a=1", "b=2"])


async def test_head_and_answers_without_a_body():
    async def app(server, seen, answer, send):
        status = int(seen["path"].removeprefix("/"))
        await answer(status, {"content-length": "5"} if seen["method"] == "HEAD" else {})

    async with serve(app) as server:
        assert (await request(f"{server.url}/200", method="HEAD"))["headers"]["content-length"] == "5"
        assert (await request(f"{server.url}/204"))["body"] == ""
        assert (await request(f"{server.url}/304", success=304))["status_code"] == 304
        assert (await request(f"{server.url}/200"))["status_code"] == 200


async def test_connections_are_kept():
    async with serve(echo) as server:
        ports = {(await request(server.url))["body"]["client"][1] for _ in range(5)}
        assert len(ports) == 1
        await asyncio.gather(*(request(server.url) for _ in range(20)))
        assert len({seen["client"][1] for seen in server.seen}) <= 20
        (place,) = client_for(("127.0.0.1",))._places.values()
        assert place.users == 0
        assert 1 <= len(place.idle) <= 20


async def test_nothing_is_taken_from_the_environment(monkeypatch):
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]:
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    async with serve(echo) as server:
        assert (await request(server.url))["success"]


def test_effects():
    for params, effect in [
        ({}, Effect.READ),
        ({"method": "head"}, Effect.READ),
        ({"method": "POST"}, Effect.WRITE),
        ({"method": "DELETE"}, Effect.WRITE),
        ({"save_to": "a"}, Effect.WRITE),
    ]:
        assert ACTION.effect_of(msgspec.convert({"url": "http://h/", **params}, Params)) is effect


@pytest.mark.parametrize(
    "params",
    [
        {"method": "CONNECT"},
        {"method": "GET /"},
        {"json": 1, "body": "x"},
        {"auth": {}},
        {"auth": {"bearer": "a", "basic": {"user": "b", "password": "c"}}},
        {"timeout": "soon"},
        {"max_body": "much"},
        {"success": "ok"},
        {"success": []},
        {"retries": 3},
    ],
)
def test_parameters_that_are_refused(params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": "http://h/", **params}, Params)


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "a\r\nx-injected: 1"},
        {"x": "a\nb"},
        {"x": "a\x00b"},
        {"x\r\ny": "1"},
        {"x y": "1"},
        {"": "1"},
        {"Content-Length": "3"},
        {"transfer-encoding": "chunked"},
    ],
)
async def test_headers_that_could_change_the_request(headers):
    async with serve(echo) as server:
        error = await failing(server.url, headers=headers)
        assert (error.kind, error.retryable, server.seen) == ("input", False, [])
        error = await failing(server.url, auth={"bearer": "a\r\nx: y"})
        assert error.kind == "input"


# Failures


async def statuses(server, seen, answer, send):
    status = int(seen["path"].removeprefix("/"))
    await answer(status, {"content-type": "application/json", "retry-after": seen["query"]}, b'{"why": "x"}')


@pytest.mark.parametrize(
    ("method", "status", "headers", "retryable"),
    [
        ("GET", 500, {}, True),
        ("GET", 503, {}, True),
        ("GET", 429, {}, True),
        ("GET", 408, {}, True),
        ("GET", 404, {}, False),
        ("GET", 501, {}, False),
        ("PUT", 502, {}, True),
        ("POST", 503, {}, True),
        ("POST", 429, {}, True),
        ("POST", 500, {}, False),
        ("POST", 502, {}, False),
        ("PATCH", 504, {}, False),
        ("POST", 500, {"Idempotency-Key": "k"}, True),
        ("POST", 400, {"Idempotency-Key": "k"}, False),
    ],
)
async def test_statuses_that_are_failures(method, status, headers, retryable):
    async with serve(statuses) as server:
        error = await failing(f"{server.url}/{status}?", method=method, headers=headers)
        assert (error.kind, error.retryable) == (f"http.{status}", retryable)
        assert error.output["body"] == {"why": "x"}
        assert (error.output["status_code"], error.output["success"]) == (status, False)
        assert error.message == f"{method} {server.url}/{status} answered {status}"


@pytest.mark.proves("http.request.success")
async def test_what_counts_as_success():
    async with serve(statuses) as server:
        for success, status in [(404, 404), ("4xx", 410), ([200, "404"], 404), ("200-299", 202), (["2xx", "409"], 409)]:
            assert (await request(f"{server.url}/{status}", success=success))["success"] is True
        assert (await failing(f"{server.url}/202", success=200)).kind == "http.202"


async def test_retry_after():
    async with serve(statuses) as server:
        assert (await failing(f"{server.url}/503?7")).retry_after == 7_000
        assert (await failing(f"{server.url}/503?999999999999999")).retry_after == 24 * 3_600_000
        assert (await failing(f"{server.url}/503?soon")).retry_after is None
        date = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60), usegmt=True)

        async def app(server, seen, answer, send):
            await answer(429, {"retry-after": date})

        async with serve(app) as dated:
            assert 55_000 < ((await failing(dated.url)).retry_after or 0) <= 60_000


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for method in ["GET", "POST"]:
        error = await failing(f"http://127.0.0.1:{port}/?key=geheim", method=method)
        assert isinstance(error, TransientError)
        assert error.kind == "connection"
        assert "geheim" not in error.message


@pytest.mark.proves("http.request.timeout")
async def test_slow_answers():
    async def app(server, seen, answer, send):
        if seen["path"] == "/body":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(30)

    async with serve(app) as server:
        for path in ["/head", "/body"]:
            error = await failing(server.url + path, timeout="150ms")
            assert (error.kind, error.retryable) == ("timeout", True)
            assert error.message == f"GET {server.url}{path} took longer than 150ms"
        error = await failing(f"{server.url}/body", method="POST", timeout="150ms")
        assert (error.kind, error.retryable) == ("timeout", False)


async def test_cancelling_closes_the_connection():
    closed = asyncio.Event()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        closed.set()

    async with raw(talk) as url:
        task = asyncio.create_task(request(url))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 5)
        assert not client_for(("127.0.0.1",))._places


# Bounds


@pytest.mark.proves("http.request.max_body")
async def test_bodies_over_the_limit():
    async def app(server, seen, answer, send):
        headers = [(b"content-length", b"1000001")] if seen["path"] == "/told" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(1001):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with serve(app) as server:
        for path in ["/told", "/chunked"]:
            error = await failing(server.url + path)
            assert (error.kind, error.retryable) == ("http.too_large", False)
        # In memory the operator's limit is the most, whatever the flow says.
        assert (await failing(f"{server.url}/chunked", max_body="5MB")).kind == "http.too_large"
        settings = {"http_max_body": 2_000_000}
        assert len((await request(f"{server.url}/chunked", settings=settings))["body"]) == 1_001_000
        assert (await failing(f"{server.url}/chunked", settings=settings, max_body=1000)).kind == "http.too_large"


async def test_compressed_bodies():
    text = b'{"a": "' + b"x" * 500_000 + b'"}'

    async def app(server, seen, answer, send):
        packed = {
            "/gzip": ("gzip", gzip.compress(text)),
            "/members": ("gzip", gzip.compress(text[:1000]) + gzip.compress(text[1000:])),
            "/deflate": ("deflate", zlib.compress(text)),
            "/bare": ("deflate", zlib.compress(text, wbits=-15)),
            "/bomb": ("gzip", BOMB),
            "/cut": ("gzip", gzip.compress(text)[:-10]),
            "/damaged": ("gzip", text),
        }
        coding, body = packed[seen["path"]]
        await answer(200, {"content-type": "application/json", "content-encoding": coding}, body)

    async with serve(app) as server:
        for path in ["/gzip", "/members", "/deflate", "/bare"]:
            assert len((await request(server.url + path))["body"]["a"]) == 500_000
        assert (await failing(f"{server.url}/bomb")).kind == "http.too_large"
        for path in ["/cut", "/damaged"]:
            assert (await failing(server.url + path)).kind == "http.encoding"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"\r\n", "more than 256 headers"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "headers are over"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000, "headers are over"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 2_000_000, "nearly all framing"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "in the middle"),
        (b"", "before an answer"),
    ],
)
async def test_answers_that_are_none(said, message):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with raw(talk) as url:
        error = await failing(url, timeout="5s")
        assert (error.kind, error.retryable) == ("connection", True)
        assert message in error.message
        assert (await failing(url, method="POST", timeout="5s")).retryable is False


async def test_answers_that_are_unusual_but_right():
    answers = [
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nuntil\r\n8\r\n the end\r\n0\r\nt: x\r\n\r\n",
    ]

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        await writer.drain()

    async with raw(talk) as url:
        while answers:
            output = await request(url)
            assert output["body"] == "until the end"
            assert not {"link", "t"} & output["headers"].keys()


async def test_a_second_answer_is_nobodys():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nAHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
        await writer.drain()
        await reader.read()

    async with raw(talk) as url:
        for _ in range(3):
            assert (await request(url))["body"] == "A"


async def test_a_kept_connection_that_was_closed():
    asked = []

    async def talk(reader, writer):
        for number in range(2):
            asked.append((await reader.readuntil(b"\r\n\r\n"))[:4])
            if number == 1:
                return  # closed without a word, as servers do whose patience is over
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA")
            await writer.drain()

    async with raw(talk) as url:
        assert (await request(url))["body"] == "A"
        assert (await request(url))["body"] == "A"
        assert asked == [b"GET "] * 3
        # What must not be done twice is not sent again behind the flow's back.
        error = await failing(url, method="POST")
        assert (error.kind, error.retryable) == ("connection", False)
        assert asked[3:] == [b"POST"]


# Redirects


async def redirects(server, seen, answer, send):
    path, query = seen["path"], seen["query"]
    if path == "/loop":
        await answer(302, {"location": "/loop"})
    elif path.startswith("/count/"):
        left = int(path.rpartition("/")[2])
        await (answer(302, {"location": f"/count/{left - 1}"}) if left else echo(server, seen, answer, send))
    elif path.startswith("/to/"):
        await answer(int(path.rpartition("/")[2]), {"location": query}, b"moved")
    else:
        await echo(server, seen, answer, send)


@pytest.mark.proves("http.request.follow_redirects")
async def test_redirects_are_followed_to_a_limit():
    async with serve(redirects) as server:
        assert (await request(f"{server.url}/count/10"))["body"]["path"] == "/count/0"
        for path in ["/loop", "/count/11"]:
            error = await failing(server.url + path)
            assert (error.kind, error.retryable) == ("http.redirects", False)
        assert (await failing(f"{server.url}/loop", follow_redirects=False)).kind == "http.302"
        output = await request(f"{server.url}/loop", follow_redirects=False, success="3xx")
        assert output["headers"]["location"] == "/loop"


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"), ("POST", 302, "GET"), ("POST", 303, "GET"), ("PUT", 303, "GET"), ("PUT", 302, "PUT"),
        ("POST", 307, "POST"), ("POST", 308, "POST"), ("DELETE", 302, "DELETE"),
    ],
)  # fmt: skip
async def test_methods_of_redirects(method, status, then):
    async with serve(redirects) as server:
        seen = (await request(f"{server.url}/to/{status}?/end", method=method, json={"a": 1}))["body"]
        assert (seen["method"], seen["body"]) == (then, "" if then == "GET" else '{"a":1}')
        assert ("content-type" in seen["headers"]) is (then != "GET")


async def test_credentials_stay_with_the_host_they_are_for():
    async with serve(redirects) as first, serve(redirects) as second:
        headers = {"Cookie": "a=1", "X-Api-Key": "k", "X-Mine": "geheim-123", "X-Other": "x"}
        for auth in [{"bearer": "tok"}, {"header": {"name": "X-Tok", "value": "tok"}}]:
            params: dict[str, Any] = {"headers": headers, "auth": auth, "context": {"secrets": ("geheim",)}}
            same = (await request(f"{first.url}/to/302?/end", **params))["body"]["headers"]
            assert {"cookie", "x-api-key", "x-mine", "x-other"} < same.keys()
            assert "tok" in (same.get("authorization", "") + same.get("x-tok", ""))
            other = (await request(f"{first.url}/to/307?{second.url}/end", **params))["body"]["headers"]
            assert other["x-other"] == "x"
            assert other["host"] == f"127.0.0.1:{second.port}"
            assert not {"cookie", "x-api-key", "x-mine", "authorization", "x-tok"} & other.keys()


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("http://169.254.169.254/latest/meta-data/", "http.refused"),
        ("http://[::1]/", "http.refused"),
        ("http://[::ffff:169.254.169.254]/", "http.refused"),
        ("http://2130706433/", "http.refused"),
        ("//10.0.0.1/", "http.refused"),
        ("file:///etc/passwd", "input"),
    ],
)
async def test_redirects_to_where_nobody_may_go(where, kind):
    async def app(server, seen, answer, send):
        await answer(302, {"location": where})

    async with serve(app) as server:
        error = await failing(server.url)
        assert (error.kind, error.retryable) == (kind, False)


async def test_a_redirect_that_hides_where_it_goes():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\t/169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(talk) as url:
        assert (await failing(url)).kind == "input"


# Addresses


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"]
)
async def test_loopback_is_refused_unless_allowed(host):
    async with serve(echo) as server:
        error = await failing(f"http://{host}:{server.port}/", allow=())
        assert (error.kind, error.retryable, server.seen) == ("http.refused", False, [])


def resolving(monkeypatch, *answers: list[str]) -> list[str]:
    """From now on names resolve to these, one list a look-up."""
    asked: list[str] = []

    async def getaddrinfo(host, port, **kwargs):
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in found
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_that_resolves_to_loopback(monkeypatch):
    async with serve(echo) as server:
        resolving(monkeypatch, ["127.0.0.1"])
        error = await failing(f"http://innocent.example:{server.port}/", allow=())
        assert error.kind == "http.refused"
        assert "innocent.example (127.0.0.1)" in error.message
        assert server.seen == []


async def test_one_bad_address_is_enough(monkeypatch):
    async with serve(echo) as server:
        resolving(monkeypatch, ["1.1.1.1", "127.0.0.1"])
        assert (await failing(f"http://innocent.example:{server.port}/", allow=())).kind == "http.refused"
        assert server.seen == []


async def test_a_name_is_resolved_once_and_connected_to_as_checked(monkeypatch):
    async with serve(echo) as server:
        asked = resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        output = await request(f"http://shop.example:{server.port}/", allow=("127.0.0.0/8",))
        assert output["body"]["headers"]["host"] == f"shop.example:{server.port}"
        assert asked == ["shop.example"]
        # Kept connections lead to the checked address; a new one is checked anew.
        await request(f"http://shop.example:{server.port}/", allow=("127.0.0.0/8",))
        assert asked == ["shop.example"]
        await close_clients()
        assert (await failing(f"http://shop.example:{server.port}/", allow=("127.0.0.0/8",))).kind == "http.refused"


async def test_an_allowed_name_and_a_dead_address(monkeypatch):
    async with serve(echo) as server:
        resolving(monkeypatch, ["127.0.0.9", "127.0.0.1"])
        assert (await request(f"http://shop.example:{server.port}/", allow=("shop.example",)))["success"]


async def test_what_one_flow_may_is_not_what_another_may(monkeypatch):
    async with serve(echo) as server:
        assert (await request(server.url))["success"]
        assert (await failing(server.url, allow=())).kind == "http.refused"


async def test_a_name_that_is_none():
    error = await failing("http://nowhere.invalid/")
    assert (error.kind, error.retryable) == ("connection", True)


# Files


@pytest.mark.proves("http.request.save_to")
async def test_saving_to_a_file(tmp_path: Path):
    content = bytes(range(256)) * 20_000

    async def app(server, seen, answer, send):
        if seen["path"] == "/404":
            await answer(404, {}, b"no")
        else:
            await answer(200, {"content-encoding": "gzip"}, gzip.compress(content))

    root = tmp_path / "root"
    root.mkdir()
    settings = {"file_roots": (str(root),)}
    async with serve(app) as server:
        output = await request(server.url, save_to="a/b.bin", settings=settings, max_body="10MB")
        assert (output["path"], output["size"], output["body"]) == (str(root / "a/b.bin"), len(content), None)
        assert (root / "a/b.bin").read_bytes() == content
        assert (await failing(server.url, save_to="big", settings=settings)).kind == "http.too_large"
        error = await failing(f"{server.url}/404", save_to="c", settings=settings)
        assert (error.kind, error.output["body"]) == ("http.404", "no")
        (root / "link").symlink_to(tmp_path)
        for outside in ["../x", "/etc/x", "link/x", ".", "", "a\x00b"]:
            if outside:
                assert (await failing(server.url, save_to=outside, settings=settings)).kind == "input"
        assert (await failing(server.url, save_to="a", settings={})).kind == "input"
        assert sorted(path.name for path in root.rglob("*")) == ["a", "b.bin", "link"]


async def test_nothing_is_saved_in_the_data_folder(tmp_path: Path):
    data = tmp_path / ".reactor"
    (data / "files").mkdir(parents=True)
    (data / "token").write_text("ours")
    (tmp_path / "key").symlink_to(data / "token")
    (tmp_path / "way").symlink_to(data)
    closed = {"file_roots": (str(tmp_path),), "data_dir": data}
    opened = {**closed, "file_roots": (str(tmp_path), str(data / "files"))}
    async with serve(echo) as server:
        for name in (".reactor/token", "x/../.reactor//token", str(data / "token"), "key", "way/token", "way/files/a"):
            error = await failing(server.url, save_to=name, settings=closed)
            assert error.kind == "input"
            assert error.message.startswith(f"save_to: {name!r} is in Reactor's data folder")
        assert (await failing(server.url, save_to="way/files/../token", settings=opened)).kind == "input"
        assert (await failing(server.url, save_to="way/files", settings=opened)).kind == "input"
        output = await request(server.url, save_to="way/files/a", settings=opened)
    assert output["path"] == str(data / "files" / "a")
    assert (data / "token").read_text() == "ours"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.proves("http.request.verify")
async def test_tls(monkeypatch, certificate):
    async with serve(echo, ssl_certfile=certificate[0], ssl_keyfile=certificate[1]) as server:
        resolving(monkeypatch, ["127.0.0.1"])
        url = f"https://shop.example:{server.port}/"
        error = await failing(url, method="POST")
        assert isinstance(error, PermanentError)
        assert error.kind == "connection.tls"
        assert (await request(url, verify=False))["success"]
        # A connection that was not checked must not serve a request that wants it checked.
        assert (await failing(url)).kind == "connection.tls"
        # With the authority known the name is checked, not the address that was connected to.
        await close_clients()
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        assert (await request(url))["success"]
        assert (await failing(f"https://other.example:{server.port}/")).kind == "connection.tls"
        assert ssl.get_default_verify_paths().cafile == certificate[0]
