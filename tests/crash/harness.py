"""A real `reactor run` that can be killed at any moment, and an HTTP server that counts what reaches the world."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reactor.testing.servers import free_port

REACTOR = Path(sys.executable).with_name("reactor")
READY_WITHIN = 20.0
_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _end_with_parent() -> None:
    getattr(_LIBC, "prctl", lambda *_: None)(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Server:
    """`reactor run` on a folder: started, killed and started again on the same data and port."""

    def __init__(self, folder: Path, flows: Mapping[str, str], **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "flows").mkdir(parents=True)
        for name, text in flows.items():
            (folder / "flows" / f"{name}.yaml").write_text(text)
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("REACTOR_", "COVERAGE", "PYTHON"))}
        self.env = {**kept, "REACTOR_TOKEN": "a-token-of-the-tests", **env}
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, **env: str) -> subprocess.Popen[bytes]:
        """Start it without waiting."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [REACTOR, "run", "flows", "--port", str(self.port), "--data", "data"],
                cwd=self.folder,
                env={**self.env, **env},
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call of the C library, no lock of ours
            )
        return self.process

    def start(self, **env: str) -> float:
        """Start it; seconds until it was ready."""
        begun = time.monotonic()
        process = self.spawn(**env)
        while time.monotonic() - begun < READY_WITHIN:
            if process.poll() is not None:
                raise AssertionError(f"it ended with {process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/ready", timeout=1)[0] == 200:
                    return time.monotonic() - begun
            time.sleep(0.01)
        raise AssertionError(f"it was not ready within {READY_WITHIN} s:\n{self.log()}")

    def signal(self, number: int) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        """As if the power went, but for the disk's own cache."""
        assert self.signal(signal.SIGKILL) == -signal.SIGKILL

    def end(self) -> None:
        """Whatever state it is in: no process is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def get(self, path: str, timeout: float = 10) -> tuple[int, Any]:
        """GET; status and body."""
        return self.request("GET", path, None, timeout)

    def post(self, path: str, body: Any, timeout: float = 30) -> tuple[int, Any]:
        """POST JSON; status and body."""
        return self.request("POST", path, body, timeout)

    def request(self, method: str, path: str, body: Any, timeout: float) -> tuple[int, Any]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"authorization": "Bearer a-token-of-the-tests"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw.decode()

    def unfinished(self, limit: int = 5) -> list[dict[str, Any]]:
        """Some of the runs that have not ended."""
        status, found = self.get(f"/api/v1/runs?status=pending,running,waiting,paused&limit={limit}")
        assert status == 200, found
        items: list[dict[str, Any]] = found["items"]
        return items

    def until_idle(self, patience: float) -> None:
        """Return when every run has ended; else tell what those that have not are doing."""
        deadline = time.monotonic() + patience
        while left := self.unfinished():
            if time.monotonic() > deadline:
                told = [self.get(f"/api/v1/explain/run/{run['id']}") for run in left]
                raise AssertionError(
                    f"not ended after {patience} s: {json.dumps(told, indent=1)}\n{self.log()[-3000:]}"
                )
            time.sleep(0.1)

    def log(self) -> str:
        """All that it has said."""
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def server(folder: Path, flows: Mapping[str, str], **env: str) -> Iterator[Server]:
    """A server that is gone at the end of the block."""
    made = Server(folder, flows, **env)
    try:
        yield made
    finally:
        made.end()


class World:
    """Takes POSTs to `/RUN/STEP`; the first of each is answered 503, so that it is tried again."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], list[int]] = {}
        """(run, step) → when they came, in milliseconds since 1970."""
        self._lock = threading.Lock()
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.time_ns() // 1_000_000
                self.rfile.read(int(self.headers.get("content-length") or 0))
                _, run, step = self.path.split("/")
                with world._lock:
                    calls = world.calls.setdefault((run, step), [])
                    calls.append(now)
                    status = 503 if len(calls) == 1 else 200
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A killed caller is no error."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
