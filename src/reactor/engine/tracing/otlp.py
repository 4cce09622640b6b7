"""Spans as OpenTelemetry's exporter sends them (OTLP over HTTP). Its usual settings in the environment count: headers,
certificates, timeout, compression, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reactor.engine.tracing.spans import Span
from reactor.model.traces import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

_NANOS = 1_000_000
PATH = "/v1/traces"
"""Where receivers take spans, unless the endpoint says it."""


class OtlpExporter:
    """See `tracer.Exporter`."""

    def __init__(self, endpoint: str, environ: Mapping[str, str], version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

        # It tells each failure, several times over; we tell the first.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        about = {"service.version": version}
        if "OTEL_SERVICE_NAME" not in environ and "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            about["service.name"] = "reactor"
        self._endpoint = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH
        self._exporter = OTLPSpanExporter(endpoint=self._endpoint)
        self._resource = Resource.create(about)
        self._scope = InstrumentationScope("reactor", version)

    def export(self, found: Sequence[Span]) -> str | None:
        """See `tracer.Exporter`."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        if self._exporter.export([self._shown(span) for span in found]) is SpanExportResult.SUCCESS:
            return None
        return f"{self._endpoint} is away, or does not take them"

    def close(self) -> None:
        """See `tracer.Exporter`."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _shown(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode  # noqa: PLC0415

        attributes: dict[str, Any] = span.attributes
        context = _context(span.context)
        return ReadableSpan(
            name=span.name,
            context=context,
            parent=_context(span.context.at(span.parent), remote=True) if span.parent else None,
            resource=self._resource,
            attributes=attributes,
            links=[Link(_context(span.link))] if span.link is not None else (),
            kind=SpanKind.CLIENT if span.client else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error is not None else Status(),
            start_time=span.start * _NANOS,
            end_time=span.end * _NANOS,
            instrumentation_scope=self._scope,
        )


def _context(place: TraceContext, *, remote: bool = False) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState  # noqa: PLC0415

    state = TraceState.from_header([place.state]) if place.state else TraceState()
    return SpanContext(int(place.trace, 16), int(place.span, 16), remote, TraceFlags(place.sampled), state)
