"""PORT TOKEN COUNT FILE: reads the stream on COUNT connections until it is ended; FILE says how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import uvloop


class Seen:
    """What all of them have read."""

    def __init__(self) -> None:
        self.open = 0
        self.bytes = 0
        self.chunks = 0
        self.gaps = 0
        self.ended = 0


class Listener(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, seen: Seen) -> None:
        self.request = request
        self.seen = seen
        self.first = True

    def connection_made(self, transport: Any) -> None:
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.first:
            self.first = False
            self.seen.open += data.startswith(b"HTTP/1.1 200")
        self.seen.bytes += len(data)
        self.seen.chunks += 1
        self.seen.gaps += data.count(b"event: gap")

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self.seen.ended += 1


async def main(port: int, token: str, count: int, file: Path) -> None:
    loop, seen = asyncio.get_running_loop(), Seen()
    request = f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    for start in range(0, count, 50):
        await asyncio.gather(
            *(
                loop.create_connection(lambda: Listener(request, seen), "127.0.0.1", port)
                for _ in range(min(50, count - start))
            )
        )
        await asyncio.sleep(0.01)
    while True:
        new = file.with_suffix(".new")
        new.write_text(json.dumps(vars(seen)))
        new.replace(file)
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
