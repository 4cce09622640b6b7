"""URL FILE CONNECTIONS SECONDS: the load generator where wrk is missing. Raw asyncio, bytes made once."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop


class Sender(asyncio.Protocol):
    """One connection: sends, waits for the answer, sends again."""

    def __init__(self, request: bytes, until: float, times: list[float], bad: dict[str, int]) -> None:
        self.request = request
        self.until = until
        self.times = times
        self.bad = bad
        self.ended = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.buffer.find(b"content-length: ", 0, end)
        length = int(self.buffer[at + 16 : self.buffer.find(b"\r", at)]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self.times.append(now - self.sent)
        self.bad["refused"] += self.buffer[9:10] != b"2"
        self.buffer = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.bad["broken"] += time.perf_counter() < self.until
        self.ended.set_result(None)


async def main(url: str, body: bytes, connections: int, seconds: float) -> None:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nContent-Length: "
    request = head.encode() + b"%d\r\n\r\n" % len(body) + body
    times: list[float] = []
    bad = {"refused": 0, "broken": 0}
    begun = time.perf_counter()
    loop = asyncio.get_running_loop()
    until = begun + seconds
    senders = []
    for _ in range(connections):
        _, sender = await loop.create_connection(
            lambda: Sender(request, until, times, bad), parts.hostname or "127.0.0.1", parts.port or 80
        )
        senders.append(sender)
    await asyncio.gather(*(sender.ended for sender in senders))
    lasted = time.perf_counter() - begun
    times.sort()
    micros = {f"p{p}": times[min(len(times) - 1, len(times) * p // 100)] * 1e6 for p in (50, 99)}
    found = {
        "requests": len(times),
        "micros": round(lasted * 1e6),
        "mean": sum(times) / len(times) * 1e6,
        **micros,
        "max": times[-1] * 1e6,
        **bad,
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes(), int(sys.argv[3]), float(sys.argv[4])))
