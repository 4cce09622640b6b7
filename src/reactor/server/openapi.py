"""OpenAPI 3.1 from the table of the API. Made when it is first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import reactor
from reactor.server import descriptions, shapes
from reactor.server.table import Line, NoQuery

_PLACE = re.compile(r"\{([a-z_]+)\}")
_REF = "#/components/schemas/{name}"
_REFUSED = {
    400: "The request itself is wrong",
    401: "No credentials, or wrong ones",
    403: "The role is not enough, or it comes from a page of another site",
    404: "There is no such thing",
    409: "It is not in a state for this",
    413: "Over a limit",
    415: "A content type that is not understood",
    422: "The text is no flow that can run; `problems` say where",
    428: "It has to be said which state the change was made from",
    429: "Too many requests: try again after `Retry-After`",
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
    _describe(types, components)
    paths: dict[str, dict[str, Any]] = _ingest()
    for line in lines:
        paths.setdefault(line.path, {})[line.method.lower()] = _operation(line, known, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reactor", "version": reactor.__version__, "summary": "Durable, event-driven workflows"},
        "servers": [{"url": url}],
        "security": [{"token": []}, {"session": []}],
        "tags": _tags(paths),
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "`REACTOR_TOKEN`, the token in the data folder, or one made at `/api/v1/tokens`.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "reactor", "description": "A browser that is signed in."},
}


def _tags(paths: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    names = {tag: None for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}
    told = descriptions.TAGS
    return [{"name": name, "description": told[name]} if name in told else {"name": name} for name in names]


def _describe(types: list[Any], components: dict[str, Any]) -> None:
    """Say of each member of a shape what the source says of it."""
    for kind in descriptions.structs(types):
        properties = components.get(kind.__name__, {}).get("properties", {})
        for name, text in descriptions.members(kind).items():
            if name in properties:
                properties[name] = {**properties[name], "description": text}


def _name(kind: Any) -> str:
    return repr(kind)


def _operation(line: Line, known: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": line.handler.__module__.rpartition("_")[2] + "_" + line.handler.__name__.strip("_"),
        "summary": line.doc.partition(". ")[0].rstrip("."),
        "description": line.doc,
        "tags": [line.tag],
        "x-role": line.role.value,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "description": descriptions.PLACES.get(name, name),
               "schema": {"type": "string", "minLength": 1}} for name in _PLACE.findall(line.path)),
            *_parameters(line, components),
        ],
        "responses": {str(line.status): _answer(line, known), **_problems()},
    }  # fmt: skip
    if line.body is bytes:
        text = {"application/yaml": {"schema": {}, "examples": {"flow": {"value": descriptions.FLOW}}}}
        operation["requestBody"] = {"required": not line.optional, "content": text}
    elif line.body is not None:
        body: dict[str, Any] = {"schema": known[_name(line.body)]}
        if line.path in descriptions.BODIES and line.method != "DELETE":
            body["examples"] = {"one": {"value": descriptions.BODIES[line.path]}}
        operation["requestBody"] = {"required": not line.optional, "content": {"application/json": body}}
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
        plain = _plain(shape)
        special = descriptions.AT.get((line.path, name), descriptions.PARAMETERS.get(name))
        if special is not None and name in schema["properties"]:
            plain = {**({"default": plain["default"]} if "default" in plain else {}), **special}
        said = plain.pop("description", None)
        told = shape.get("description") or said or name
        given = {"required": True} if name in schema.get("required", ()) else {}
        yield {"name": name, "in": "query", **given, "description": told, "schema": plain}


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; it is never null."""
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    plain = kinds[0] if len(kinds) == 1 else {k: v for k, v in shape.items() if v is not None or k != "default"}
    return {key: value for key, value in plain.items() if key != "description"}


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
        "application/json": {
            "schema": {"anyOf": [one, many]},
            "examples": {"one": {"value": descriptions.BODIES["/events"]}},
        },
        "application/cloudevents+json": {"schema": anything},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": anything}},
    }
    text = {"type": "string"}
    type_ = {
        "name": "type", "in": "path", "required": True, "description": descriptions.PLACES["type"],
        "schema": {"type": "string", "minLength": 1},
    }  # fmt: skip
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
