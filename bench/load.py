"""Load: 64 connections that each send the next request when the last one is answered. wrk, or a client of our own."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.process import BenchError, Child, own

CONNECTIONS = 64
_BUSY = 0.8
"""Share of the connections that must have been answered all the time (Little's law), else some of them hang."""
_LUA = Path(__file__).with_name("post.lua")


def generator() -> str:
    """What makes the load here."""
    return "wrk" if shutil.which("wrk") else "our own asyncio client (wrk is not installed; it takes more CPU)"


@dataclass(frozen=True)
class Load:
    """What a load met. Times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    max: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


class Running:
    """A load under way."""

    def __init__(self, child: Child, connections: int, patience: float) -> None:
        self.child = child
        self._connections = connections
        self._patience = patience

    def wait(self) -> Load:
        """Its end. Raises BenchError when a request was refused or lost, or connections hang."""
        try:
            out = self.child.output(self._patience)
        finally:
            self.child.stop()
        line = next((row for row in out.splitlines() if row.startswith("RESULT ")), None)
        if line is None:
            raise BenchError(f"the load generator said nothing: {out[-500:]}")
        found = json.loads(line[len("RESULT ") :])
        if found["refused"] or found["broken"] or not found["requests"]:
            raise BenchError(f"the load was not answered: {line}")
        busy = found["requests"] * found["mean"] / found["micros"]
        if busy < self._connections * _BUSY:
            raise BenchError(
                f"of {self._connections} connections only {busy:.1f} were answered at a time, the others hang: {line}"
            )
        return Load(
            found["requests"], found["micros"] / 1e6, found["p50"] / 1e3, found["p99"] / 1e3, found["max"] / 1e3
        )


def start(url: str, body: bytes, folder: Path, *, seconds: float, connections: int = CONNECTIONS) -> Running:
    """Begin to POST `body` as JSON."""
    file = folder / f"body-{time.monotonic_ns()}.json"
    file.write_bytes(body)
    if shutil.which("wrk"):
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "30s"]
        child = Child([*argv, "-s", str(_LUA), url, "--", str(file)], cwd=folder)
    else:
        child = own("client", url, file, connections, seconds, cwd=folder)
    return Running(child, connections, seconds + 60)


def run(url: str, body: bytes, folder: Path, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """A whole load."""
    return start(url, body, folder, seconds=seconds, connections=connections).wait()


def one_at_a_time(port: int, path: str, body: bytes, count: int) -> list[float]:
    """Milliseconds of each of `count` requests on one connection, each sent after the answer to the last."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: "
    request = head.encode() + b"%d\r\n\r\n" % len(body) + body
    times = []
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            begun = time.perf_counter()
            sock.sendall(request)
            answer = _answer(sock)
            times.append((time.perf_counter() - begun) * 1000)
            if not answer.startswith(b"HTTP/1.1 20"):
                raise BenchError(f"{path} answered {answer[:300]!r}")
    return times


def _answer(sock: socket.socket) -> bytes:
    data = b""
    while True:
        part = sock.recv(1 << 16)
        if not part:
            raise BenchError("the connection was closed")
        data += part
        head, found, rest = data.partition(b"\r\n\r\n")
        if found:
            length = next(row for row in head.lower().split(b"\r\n") if row.startswith(b"content-length:"))
            if len(rest) >= int(length.split(b":")[1]):
                return data


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
