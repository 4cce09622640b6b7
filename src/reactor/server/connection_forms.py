"""What a form asks for a connection: the JSON Schema of its type's settings, whole, with the words of the source."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.sdk.connection import ConnectionType

_REF = "#/$defs/"
_DEEPEST = 8
"""Maps within maps; none of ours comes near, and a type that holds itself ends here."""
_known: dict[str, tuple[ConnectionType, dict[str, Any]]] = {}


def form_of(kind: ConnectionType) -> dict[str, Any]:
    """The schema, without references; `writeOnly` marks what is secret. Reads sources: not for the event loop."""
    before = _known.get(kind.name)
    if before is not None and before[0] is kind:
        return before[1]
    whole = msgspec.json.schema(kind.settings)
    docs: dict[str, dict[str, str]] = {}
    _gather(kind.settings, docs)
    form: dict[str, Any] = _resolved(whole, whole.get("$defs", {}), docs, 0)
    form.pop("$defs", None)
    for place in kind.secret:
        _mark(form, place.split("."))
    _known[kind.name] = (kind, form)
    return form


def _resolved(schema: Any, defs: Mapping[str, Any], docs: Mapping[str, Mapping[str, str]], depth: int) -> Any:
    if isinstance(schema, list):
        return [_resolved(item, defs, docs, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith(_REF):
        name = ref.removeprefix(_REF)
        if depth >= _DEEPEST or name not in defs:
            return {"type": "object"}
        inner = _resolved(defs[name], defs, docs, depth + 1)
        # Called by its name in the settings, not by that of a class.
        inner.pop("title", None)
        for field, doc in docs.get(name, {}).items():
            if field in inner.get("properties", {}):
                inner["properties"][field] = {"description": doc, **inner["properties"][field]}
        return inner
    return {key: _resolved(value, defs, docs, depth) for key, value in schema.items() if key != "$defs"}


def _mark(schema: Any, path: list[str]) -> None:
    """Mark a place as secret, in whichever of the shapes that may stand there."""
    if not isinstance(schema, dict):
        return
    for option in schema.get("anyOf", ()):
        _mark(option, path)
    field = schema.get("properties", {}).get(path[0]) if path else None
    if isinstance(field, dict):
        if len(path) == 1:
            field["writeOnly"] = True
        else:
            _mark(field, path[1:])


def _gather(kind: Any, docs: dict[str, dict[str, str]]) -> None:
    """The texts below the fields of a struct, and of those within it, by the structs' names."""
    for struct in _structs(msgspec.inspect.type_info(kind)):
        if struct.__name__ not in docs:
            docs[struct.__name__] = _fields(struct)
            for field in msgspec.structs.fields(struct):
                _gather(field.type, docs)


def _structs(info: Any) -> list[type[msgspec.Struct]]:
    if isinstance(info, msgspec.inspect.StructType):
        return [info.cls]
    if isinstance(info, msgspec.inspect.UnionType):
        return [struct for part in info.types for struct in _structs(part)]
    return []


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field, as it is written in JSON → the text below it; nothing where the source is not there (one executable)."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        try:
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, SyntaxError, ValueError):
            continue
        for before, after in zip(getattr(body, "body", []), getattr(body, "body", [])[1:], strict=False):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
            ):
                text = after.value
                if isinstance(text, ast.Constant) and isinstance(text.value, str) and before.target.id in names:
                    found[names[before.target.id]] = " ".join(text.value.split())
    return found
