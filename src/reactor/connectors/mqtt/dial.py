"""Ways to a broker, opened without blocking the loop and without threads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from reactor.connectors.mqtt import failures
from reactor.connectors.mqtt.stream import Stream, WebSocket
from reactor.sdk import StepError

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds for each of: connecting, the TLS handshake, an answer of the broker."""
_ANSWER = 16_384
"""The most bytes of an answer to an upgrade."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def dialled(scheme: str, host: str, port: int, path: str, context: ssl.SSLContext | None) -> Stream:
    """A connected, non-blocking stream; of TLS with a context, in frames for `ws` and `wss`.

    Raises:
        StepError: nobody is there, there is no trust, or no websocket.
    """
    address = f"{host}:{port}"
    try:
        async with asyncio.timeout(PATIENCE):
            made = await _connected(host, port)
    except TimeoutError:
        raise failures.unreachable(address, TimeoutError(f"no answer within {PATIENCE:g} s")) from None
    except (OSError, UnicodeError) as error:
        raise failures.unreachable(address, error) from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        made = await _secured(made, context, host, address)
    return await _upgraded(made, address, path) if scheme in {"ws", "wss"} else Stream(made)


async def _connected(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    for family, kind, protocol, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, place)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed or OSError("the name has no address")


async def _secured(plain: socket.socket, context: ssl.SSLContext, host: str, address: str) -> ssl.SSLSocket:
    made = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    try:
        async with asyncio.timeout(PATIENCE):
            await _patiently(made, made.do_handshake)
    except BaseException as error:
        made.close()
        if (problem := _problem(address, error)) is None:
            raise
        raise problem from error
    return made


def _problem(address: str, error: BaseException) -> StepError | None:
    # TimeoutError is an OSError, too: who does not speak TLS may wait for more.
    return failures.untrusted(address, error) if isinstance(error, OSError) else None


async def _upgraded(made: socket.socket, address: str, path: str) -> WebSocket:
    try:
        async with asyncio.timeout(PATIENCE):
            return WebSocket(made, await _upgrade(made, address, path))
    except (OSError, ValueError) as error:
        made.close()
        why = str(error) or f"no answer within {PATIENCE:g} s"
        raise failures.unreachable(address, OSError(f"{why} (is there a websocket at {path!r}?)")) from error
    except BaseException:
        made.close()
        raise


async def _upgrade(made: socket.socket, address: str, path: str) -> bytes:
    """The handshake of RFC 6455 §4.1; what came behind it."""
    key = base64.b64encode(os.urandom(16)).decode()
    scheme = "https" if isinstance(made, ssl.SSLSocket) else "http"
    lines = [f"GET {path} HTTP/1.1", f"Host: {address}", f"Origin: {scheme}://{address}", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Protocol: mqtt"]  # fmt: skip
    request = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    await _patiently(made, lambda: made.send(request))
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        data = await _patiently(made, lambda: made.recv(4096))
        answer += data
        if not data or len(answer) > _ANSWER:
            raise ConnectionError("it closed the connection" if not data else "its answer has no end")
    head, _, rest = bytes(answer).partition(b"\r\n\r\n")
    status, *told = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in told)}
    proof = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
    if status.split()[1:2] != ["101"] or headers.get("sec-websocket-accept") != proof:
        raise ConnectionError(f"it answers {status[:80]!r}")
    return rest


async def _patiently(made: socket.socket, attempt: Callable[[], T]) -> T:
    """Try until it neither wants to read nor to write."""
    loop = asyncio.get_running_loop()
    while True:
        ready: asyncio.Future[None] = loop.create_future()
        try:
            return attempt()
        except ssl.SSLWantWriteError:
            loop.add_writer(made.fileno(), _done, ready)
        except (BlockingIOError, ssl.SSLWantReadError):
            loop.add_reader(made.fileno(), _done, ready)
        try:
            await ready
        finally:
            loop.remove_reader(made.fileno())
            loop.remove_writer(made.fileno())


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
