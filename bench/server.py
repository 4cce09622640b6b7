"""The server under test: a real `reactor run`, with a data folder, flows and a port of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from bench import load
from bench.process import BenchError, Child, free_port

TOKEN = "bench-token-0123456789"
_HERE = Path(__file__).parent
_PATIENCE = 120.0


class Server:
    """One Reactor. `with server:` starts and stops it."""

    def __init__(
        self, folder: Path, flows: Mapping[str, str], *, settings: Mapping[str, str] | None = None, plugin: bool = True
    ) -> None:
        """`folder`: is made when it is not there; what is in it is kept. `settings`: REACTOR_… without the prefix."""
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"
        self.trace = folder / "trace"
        self._settings = settings or {}
        self._plugin = plugin
        self.child: Child | None = None
        self.ready_after = 0.0
        """Seconds from the start of the process to the first 200 of /ready."""
        flows_folder = folder / "flows"
        flows_folder.mkdir(parents=True, exist_ok=True)
        for name, text in flows.items():
            (flows_folder / f"{name}.yaml").write_text(text)
        if plugin:
            _write_plugin(folder / "plugin")

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = Path(sys.executable).with_name("reactor")
        argv = [str(command), "run", str(self.folder / "flows"), "--port", str(self.port), "--data", str(self.data)]
        self.child = Child(argv, cwd=self.folder, env=self._env(), log=self.folder / "log")
        until = self.child.started + _PATIENCE
        while True:
            if self._is_ready():
                self.ready_after = time.perf_counter() - self.child.started
                return
            self.child.check()
            if time.perf_counter() > until:
                raise BenchError(f"not ready after {_PATIENCE} s: {self.child.tail()}")
            time.sleep(0.002)

    def _env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
        env |= {"REACTOR_TOKEN": TOKEN, "REACTOR_LOG_LEVEL": "warning", "BENCH_TRACE": str(self.trace)}
        env |= {f"REACTOR_{name.upper()}": value for name, value in self._settings.items()}
        if self._plugin:
            env["PYTHONPATH"] = os.pathsep.join(
                filter(None, (str(self.folder / "plugin"), os.environ.get("PYTHONPATH", "")))
            )
        return env

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                sock.sendall(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return sock.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def stop(self) -> None:
        """As an operator would."""
        if self.child is not None:
            self.child.stop()
            self.child = None

    def kill(self) -> None:
        """As a power cut would."""
        self.process.stop(signal.SIGKILL)
        self.child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing of it is wanted any more; a drain of thousands of runs would only take time.
        if self.child is not None:
            self.kill()

    @property
    def process(self) -> Child:
        """The running process."""
        if self.child is None:
            raise BenchError("the server is not running")
        self.child.check()
        return self.child

    # --- talking to it -----------------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def api(self, path: str) -> Any:
        """The answer of the API to a GET."""
        status, body = load.ask(self.port, "GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        if status != 200:
            raise BenchError(f"{path} answered {status}: {body[:500]!r}")
        return json.loads(body)

    def send(self, events: Iterable[Mapping[str, Any]], batch: int = 1_000) -> None:
        """Hand in events, many a request."""
        for part in _parts(events, batch):
            body = json.dumps(part).encode()
            status, answer = load.ask(self.port, "POST", "/events", body, {"Content-Type": "application/json"})
            if status != 202:
                raise BenchError(f"/events answered {status}: {answer[:500]!r}")

    def metrics(self) -> dict[str, float]:
        """`NAME{labels}` without the prefix → value."""
        status, body = load.ask(self.port, "GET", "/metrics")
        if status != 200:
            raise BenchError(f"/metrics answered {status}")
        rows = (row.rpartition(" ") for row in body.decode().splitlines() if not row.startswith("#"))
        return {name.removeprefix("reactor_"): float(value) for name, _, value in rows}

    def wait_until(self, holds: Callable[[dict[str, float]], bool], what: str, patience: float = _PATIENCE) -> None:
        """Ask the metrics until they say so."""
        until = time.perf_counter() + patience
        while not holds(found := self.metrics()):
            if time.perf_counter() > until:
                raise BenchError(f"{what}: not within {patience} s; {found}")
            time.sleep(0.05)


def _parts(events: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    for event in events:
        part.append(event)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _write_plugin(folder: Path) -> None:
    info = folder / "reactor_bench-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reactor-bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[reactor.connectors]\nbench = reactor_bench:connector\n")
    shutil.copy(_HERE / "connector.py", folder / "reactor_bench.py")
