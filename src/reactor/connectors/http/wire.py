"""One HTTP/1.1 connection as a client, and the answer that comes in over it.

Ours rather than a library's because it was measured, 64 at a time on loopback: httpx2 takes 620 µs of processor time a
request, 450 µs of them below its client, in h11 and its pool; the whole action takes 60 to 110 on this. The grammar is
llhttp's (httptools, which uvicorn parses with too), in its strict mode; this file only decides where an answer ends and
when a connection may be used again.

Source: RFC 9112 (https://www.rfc-editor.org/rfc/rfc9112), §6.3 (where a body ends) and §9.3 (when a connection
persists).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

import httptools

HEAD_LIMIT = 64 * 1024
"""Status line and headers together; more is an error, not memory."""
HEADER_COUNT_LIMIT = 256
_BUFFER_LIMIT = 256 * 1024
_FRAMING_LIMIT = 1024 * 1024
# Bytes that carry no body. Chunks of one byte have 5 bytes of framing each, hence the factor where it is used.
# Answers without a body whatever their headers say. llhttp knows 204 and 304 by itself, HEAD it cannot know.
_NO_BODY = frozenset({204, 304})


class WireError(Exception):
    """The connection broke or the other side does not speak HTTP. `sent`: the request may have reached it."""

    def __init__(self, message: str, *, sent: bool, untouched: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.untouched = untouched
        """Not one byte of an answer came back: on a kept connection that mostly means that it had just been closed."""


class Wire(asyncio.Protocol):
    """One connection; one exchange at a time: `send`, `head`, then `chunks` until it gives None."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.idle_since = 0.0
        self.used = 0
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._busy = False
        self._paused = False
        self._reset("GET")

    def _reset(self, method: str) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self._method = method
        self._reusable = False
        self._until_close = False
        self._head_done = False
        self._touched = False
        self._received = 0
        self._carried = 0
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._error: WireError | None = None

    # What the caller does

    def send(self, method: str, request: bytes) -> None:
        """Write a whole request and start to listen for its answer."""
        if self.transport is None or self.closed:
            raise WireError("the connection is closed", sent=False)
        self._reset(method)
        self._busy = True
        self.used += 1
        self.transport.write(request)

    async def head(self) -> None:
        """Wait until `status` and `headers` are there.

        Raises:
            WireError: the connection broke, or what came is not HTTP.
        """
        while not self._head_done:
            await self._wait()

    async def chunks(self) -> list[bytes] | None:
        """The next parts of the body, or None at its end.

        Raises:
            WireError: the connection broke in the middle.
        """
        while not self._chunks:
            if self.complete:
                return None
            await self._wait()
        taken, self._chunks = self._chunks, []
        self._buffered = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return taken

    def finish(self) -> bool:
        """End the exchange. True: the connection may be used again; else it is closed now."""
        self._busy = False
        transport = self.transport
        if transport is not None and self.complete and self._reusable and not self.closed:
            # An answer may come before we have sent all: the rest would be read as the next request.
            sent_all = not transport.get_write_buffer_size()
            if sent_all:
                return True
        self.close()
        return False

    def close(self) -> None:
        """Close at once; what is unsent is dropped."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, message: str) -> None:
        if self._error is None and not self.complete:
            self._error = WireError(message, sent=True, untouched=not self._touched)
        self.close()
        self._wake()

    # What the loop tells (asyncio.Protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            # Nobody asked: whatever it is, it must not become the answer to the next request.
            self.close()
            return
        self._touched = True
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is not valid HTTP: {error.__context__ or error}")
            return
        if not self._head_done and self._received > HEAD_LIMIT:
            self._fail(f"the answer's headers are over {HEAD_LIMIT} bytes")
            return
        if self._received > _FRAMING_LIMIT + 16 * self._carried:
            self._fail("the answer is nearly all framing: endless trailers or chunk extensions")
            return
        if self._buffered > _BUFFER_LIMIT and not self._paused and not self.complete and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        if self._head_done:
            self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._busy and not self.complete:
            if self._until_close and exc is None:
                self.complete = True
                self._wake()
            else:
                where = "in the middle of the answer" if self._touched else "before an answer"
                self._fail(f"the connection was closed {where}" + (f": {exc}" if exc else ""))

    # What the parser tells (httptools)

    def on_message_begin(self) -> None:
        if self.complete:
            # A second answer to one request. What it says belongs to nobody; the connection cannot be trusted again.
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # trailers: nobody asked for them
        self.headers.append((name.lower(), value))
        if len(self.headers) > HEADER_COUNT_LIMIT:
            raise ValueError(f"more than {HEADER_COUNT_LIMIT} headers")

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._head_done = True
        self._reusable = self._parser.should_keep_alive()
        names = {name for name, _ in self.headers}
        if self._method == "HEAD":
            # The parser would wait for the body that the headers describe; so this connection ends here.
            self._reusable = False
            self.complete = True
        elif self.status not in _NO_BODY and not names & {b"content-length", b"transfer-encoding"}:
            self._until_close = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self._chunks.append(body)
            self._buffered += len(body)
            self._carried += len(body)

    def on_message_complete(self) -> None:
        if not self._head_done:
            # 100, 103 and the like: the answer itself follows.
            self.headers = []
            return
        self.complete = True


def tls_problem(error: BaseException) -> bool:
    """Whether a failed connect failed at TLS."""
    return isinstance(error, ssl.SSLError | ssl.CertificateError)
