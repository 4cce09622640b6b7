"""A receiver of traces (OTLP over HTTP, protobuf) that also stands for the world which flows call."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span:
    """One span as it came."""

    def __init__(self, resource: dict[str, Any], span: Any) -> None:
        self.resource = resource
        self.name: str = span.name
        self.trace: str = span.trace_id.hex()
        self.id: str = span.span_id.hex()
        self.parent: str = span.parent_span_id.hex()
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed: bool = span.status.code == 2
        self.message: str = span.status.message
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.about = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}

    @property
    def path(self) -> Any:
        """The step's; None: it is a run's."""
        return self.about.get("reactor.step.path")

    @property
    def attempt(self) -> Any:
        """Its number; None: it is no attempt's."""
        return self.about.get("reactor.attempt")

    @property
    def run(self) -> str:
        """Which run it is of."""
        return str(self.about["reactor.run.id"])

    def __repr__(self) -> str:
        return f"<{self.run[-6:]} {self.path or self.name} {self.attempt or ''}>"


class Receiver:
    """`spans` is what came to /v1/traces, `calls` the headers of what came elsewhere, by path."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        self.failing: dict[str, int] = {}
        """Path → how many calls are answered 503."""
        self.unanswered: set[str] = set()
        """Paths whose next call gets no answer."""
        self.killed = threading.Event()
        """Set when nobody waits for these answers any more."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if self.path == "/v1/traces":
                    receiver.hold.wait(30)
                    status = receiver.status
                    if status == 200:
                        receiver._take(body)
                else:
                    receiver.calls.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                    if self.path in receiver.unanswered:
                        receiver.unanswered.remove(self.path)
                        self.close_connection = True
                        receiver.killed.wait(30)
                        return
                    left = receiver.failing.get(self.path, 0)
                    receiver.failing[self.path] = max(0, left - 1)
                    status = 503 if left else 200
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A killed caller is no error."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.spans += [Span(about, span) for scope in resource.scope_spans for span in scope.spans]

    def of_run(self, run: str) -> list[Span]:
        """All spans of a run, waited for: those of one run come together."""
        return self.until(lambda: [span for span in self.spans if span.run == run])

    def until(self, look: Any) -> Any:
        """What `look` gives, as soon as it gives something."""
        deadline = time.monotonic() + 20
        while not (found := look()):
            assert time.monotonic() < deadline, (self.spans, self.calls)
            time.sleep(0.02)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self.killed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
