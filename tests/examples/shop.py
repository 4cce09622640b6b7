"""A copy of `examples/` in a folder of its own, and `reactor run` on it as `make run` starts it."""

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from reactor.testing.servers import free_port

REACTOR = Path(sys.executable).with_name("reactor")
ROOT = Path(__file__).parents[2]
PATIENCE = 15
QUEUE = [f"work-queue/{name}.yaml" for name in ("add-jobs", "work", "dead-jobs")]
ETL = [f"etl/{name}.yaml" for name in ("copy-orders", "order-history")]
SENSORS = [f"iot/{name}.yaml" for name in ("temperature", "heartbeat")]
SERVICES = [f"services/{name}.yaml" for name in ("price-orders", "quote", "ship")]
ABROAD = {"cdc", "kafka", "mqtt", "nats", "redis"}
"""Kinds of triggers that need a server beside Reactor: without it they are red, and that is right."""
WATCHED = "examples/monitor/api-monitor.yaml"


class Shop:
    """The folder, and the server on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "examples/files"
        self.outbox = self.files / "outbox"
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("files", "plugin"))
        (self.files / "inbox").mkdir(parents=True)
        for name in QUEUE:  # a Redis of this machine is nobody's to test with
            self.edit(name, "127.0.0.1:6379", "127.0.0.1:1")
        for name in ETL:  # nor is its PostgreSQL
            self.edit(name, "127.0.0.1:5432", "127.0.0.1:1")
        for name in SENSORS:
            self.edit(name, "127.0.0.1:1883", "127.0.0.1:1")
        self.edit("services/price-orders.yaml", "127.0.0.1:9092", "127.0.0.1:1")
        for name in SERVICES:
            self.edit(name, "127.0.0.1:4222", "127.0.0.1:1")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "PYTHON"))}
        self.env = kept | {"EXAMPLES_URL": self.url}
        self.server: subprocess.Popen[bytes] | None = None
        self.http = httpx2.Client(base_url=self.url, timeout=20, trust_env=False)

    # --- the folder ---------------------------------------------------------------------------------------------------

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a flow as an editor does."""
        path = self.folder / "examples" / name
        text = path.read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.with_suffix(".new").write_text(text.replace(old, new), "utf-8")
        path.with_suffix(".new").rename(path)

    def drop(self, name: str, text: str) -> None:
        """Put a file into the inbox."""
        path = self.files / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def cli(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        """A command in the folder; what it printed."""
        done = subprocess.run(
            [REACTOR, *arguments],
            check=False,
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    # --- the server ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """`make run`, until everything listens."""
        command = [str(REACTOR), "run", "examples", "--config", "examples/reactor.toml", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=log, stderr=log)
        self.until(self._armed, "everything is armed")

    def _armed(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, (self.folder / "log").read_text()
        try:
            ready = self.http.get("/ready").status_code == 200
            return ready and all(
                trigger["state"] in {"armed", "disabled"} or trigger["kind"] in ABROAD
                for trigger in self.get("/triggers")
            )
        except (httpx2.TransportError, FileNotFoundError):
            return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: at a border, or right away by SIGKILL."""
        if self.server is not None:
            self.server.send_signal(how)
            try:
                self.server.wait(PATIENCE)
            finally:
                self.server.kill()
                self.server.wait()
            self.server = None

    # --- what it says -------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        """JSON below `/api/v1`; of a list, its items."""
        token = (self.folder / ".reactor/token").read_text().strip()
        answer = self.http.get(f"/api/v1{path}", params=query, headers={"authorization": f"Bearer {token}"})
        answer.raise_for_status()
        found = answer.json()
        return found.get("items", found)

    def send(self, type_: str, data: Any, **event: Any) -> dict[str, Any]:
        """An event by HTTP; its receipt."""
        answer = self.http.post("/events", json={"type": type_, "data": data, **event})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def run(self, receipt: dict[str, Any], flow: str | None = None) -> dict[str, Any]:
        """The end of the run that an event started."""
        (run,) = [run for run in receipt["runs"] if flow in {None, run["flow"]}]
        return self.until(lambda: self._ended(run["id"]), f"{run} ends")

    def _ended(self, run_id: str) -> dict[str, Any] | None:
        run = self.get(f"/runs/{run_id}")
        return run if run["status"] in {"completed", "failed", "cancelled"} else None

    def runs(self, flow: str, count: int = 1) -> list[dict[str, Any]]:
        """The first runs of a flow, once there are so many and all have ended."""

        def look() -> list[dict[str, Any]] | None:
            rows = self.get("/runs", flow=flow)[::-1]
            ended = [run for row in rows if (run := self._ended(row["id"])) is not None]
            return ended if len(ended) == len(rows) >= count else None

        return self.until(look, f"{flow} has run {count} times")

    def events(self, type_: str, count: int = 1) -> list[dict[str, Any]]:
        """The data of the events of a type, once there are so many."""

        def look() -> list[dict[str, Any]] | None:
            rows = self.get("/events", type=type_)
            return [self.get(f"/events/{row['id']}") for row in rows[::-1]] if len(rows) >= count else None

        return [event["data"] for event in self.until(look, f"{count} events {type_}")]

    def text(self, path: str) -> str:
        """A file below `files`, once it is there."""
        return self.until(lambda: self._read(path), f"{path} is there")

    def _read(self, pattern: str) -> str | None:
        found = sorted(self.files.glob(pattern))
        return found[0].read_text("utf-8") if found else None

    def until(self, look: Any, what: str) -> Any:
        """What it gives, as soon as that is something."""
        end = time.monotonic() + PATIENCE
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                log = (self.folder / "log").read_text()
                raise AssertionError(f"not within {PATIENCE} s: {what}\n{self.cli('runs', 'list')}\n{log}")
            time.sleep(0.02)


class Service:
    """An HTTP server that answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        """Statuses to answer with; the last one stays."""
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    def next(self) -> int:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def service(*answers: int):
    told = Service()
    told.answers = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            told.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            told.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            body = b'{"charge": "ch_x"}'
            self.send_response(told.next())
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
