"""OpenAPI 3.1 from the table of the API. Made when it is first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import reactor
from reactor.server import shapes
from reactor.server.table import Line, NoQuery

_PLACE = re.compile(r"\{([a-z_]+)\}")
_REF = "#/components/schemas/{name}"
_REFUSED = {
    400: "The request itself is wrong",
    401: "No credentials, or wrong ones",
    403: "Refused to pages of other sites",
    404: "There is no such thing",
    409: "It is not in a state for this",
    413: "Over a limit",
    415: "A content type that is not understood",
    503: "Busy, or not ready: try again after `Retry-After`",
}
_EVENT_DOC = (
    "Take in events. Answered when they and the runs they start are committed. One event, a list of at most "
    "1,000 (all or none), or CloudEvents 1.0 in binary, structured or batched mode."
)


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """An event."""

    type: str
    """`event` is its older name."""
    data: Any = None
    id: str | None = None
    """The source's own id: the same `source` and `id` starts nothing twice."""
    source: str | None = None
    subject: str | None = None
    time: str | None = None
    metadata: dict[str, Any] | None = None


def document(lines: Iterable[Line], url: str) -> dict[str, Any]:
    """The whole description."""
    lines = list(lines)
    types: list[Any] = [EventIn, shapes.ReceiptShape, shapes.ProblemShape]
    for line in lines:
        types += [
            kind
            for kind in (line.answer, line.body, line.query)
            if kind not in (None, bytes) and not isinstance(kind, str)
        ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    known = {_name(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = _ingest()
    for line in lines:
        paths.setdefault(line.path, {})[line.method.lower()] = _operation(line, known, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reactor", "version": reactor.__version__, "summary": "Durable, event-driven workflows"},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _name(kind: Any) -> str:
    return repr(kind)


def _operation(line: Line, known: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": line.handler.__module__.rpartition("_")[2] + "_" + line.handler.__name__.strip("_"),
        "summary": line.doc,
        "tags": [line.tag],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
              for name in _PLACE.findall(line.path)),
            *_parameters(line, components),
        ],
        "responses": {str(line.status): _answer(line, known), **_problems()},
    }  # fmt: skip
    if line.body is bytes:
        text = {"application/yaml": {"schema": {"type": "string"}}}
        operation["requestBody"] = {"required": not line.optional, "content": text}
    elif line.body is not None:
        operation["requestBody"] = {
            "required": not line.optional,
            "content": {"application/json": {"schema": known[_name(line.body)]}},
        }
    return operation


def _answer(line: Line, known: dict[str, Any]) -> dict[str, Any]:
    if isinstance(line.answer, str):
        return {"description": line.doc, "content": {line.answer: {"schema": {"type": "string"}}}}
    return {"description": line.doc, "content": {"application/json": {"schema": known[_name(line.answer)]}}}


def _parameters(line: Line, components: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if line.query is NoQuery:
        return
    schema = components[line.query.__name__]
    for name, shape in schema["properties"].items():
        required = name in schema.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": _plain(shape)}


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; it is never null."""
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {k: v for k, v in shape.items() if v is not None or k != "default"}


def _problems() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(name="ProblemShape")}}}
    return {str(status): {"description": text, "content": content} for status, text in _REFUSED.items()}


def _ingest() -> dict[str, dict[str, Any]]:
    one, receipt = {"$ref": _REF.format(name="EventIn")}, {"$ref": _REF.format(name="ReceiptShape")}
    answers = {
        "202": {
            "description": "Committed; a list for a list",
            "content": {"application/json": {"schema": {"anyOf": [receipt, {"type": "array", "items": receipt}]}}},
        },
        **_problems(),
    }
    many = {"type": "array", "items": one, "maxItems": 1_000}
    anything: dict[str, Any] = {"type": "object"}
    bodies = {
        "application/json": {"schema": {"anyOf": [one, many]}},
        "application/cloudevents+json": {"schema": anything},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": anything}},
    }
    text = {"type": "string"}
    type_ = {"name": "type", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/events": {
            "post": {
                "operationId": "ingest_events", "summary": _EVENT_DOC, "tags": ["ingest"],
                "security": [{}, {"token": []}],
                "requestBody": {"required": True, "content": bodies}, "responses": answers,
            }
        },
        "/webhook/{type}": {
            "post": {
                "operationId": "ingest_webhook", "summary": "An event of that type; the body is its data.",
                "tags": ["ingest"], "security": [{}, {"token": []}], "parameters": [type_],
                "requestBody": {"content": {"application/json": {"schema": {}}, "text/plain": {"schema": text}}},
                "responses": answers,
            }
        },
    }  # fmt: skip
