"""Flow control: what stands between an event that matches and the run that it starts."""

from __future__ import annotations

from typing import Any

from reactor.language import shapes
from reactor.language.expressions import Compiled, Constant
from reactor.language.keys import CONTROL_KEYS, Key
from reactor.language.names import ONLY_EVENT, Scope
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar
from reactor.model.flow import Concurrency, Control, Debounce, EventBatch, Hold, Rate, Singleton

_SCOPE = Scope(names=ONLY_EVENT, place="in flow control, which looks at nothing but the event")
_KINDS: dict[str, type[Rate | EventBatch | Debounce | Hold]] = {
    "rate_limit": Rate,
    "batch": EventBatch,
    "debounce": Debounce,
    "hold": Hold,
    "throttle": Rate,
}


def read(reader: Reader, root: Mapping) -> Control | None:
    """All of it; None when a flow has none."""
    values: dict[str, Any] = {}
    for key in CONTROL_KEYS:
        node = root.get(key.name)
        if node is not None:
            values[key.name] = shapes.read(reader, node, key, _SCOPE, "")
    if values.get("batch") is not None and values.get("debounce") is not None:
        message = "`batch` collects events and `debounce` leaves all but the last out; take one of them"
        reader.report("several-keys", message, root.keys["debounce"])
    return Control(**values) if values else None


def _control(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Any:
    """The map of a kind, as its struct."""
    values = shapes.read_map(reader, node, key.shape.keys, scope, where, key.name)
    if values is None or any(values.get(inner.name) is None for inner in key.shape.keys if inner.required):
        return None
    if key.name == "debounce" and isinstance(values.get("max"), int) and values["max"] < values["for"]:
        message = "`max` is shorter than `for`, so there would never be a silence; raise it, or shorten `for`"
        reader.report("out-of-range", message, node.entries["max"] if isinstance(node, Mapping) else node)
        return None
    return _KINDS[key.name](**_fields(values))


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {"for_" if name == "for" else name: value for name, value in values.items() if value is not None}


def _singleton(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Singleton | None:
    """A map, or the key alone."""
    if not isinstance(node, Mapping):
        found = reader.expression(node, key.name, scope, where)
        return None if found is None else Singleton(key=found)
    values = shapes.read_map(reader, node, key.shape.keys, scope, where, key.name)
    return None if values is None else Singleton(**_fields(values))


def _concurrency(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Concurrency | None:
    """A map, or the limit alone."""
    if isinstance(node, Scalar):
        limit = key.shape.keys[0]
        found: int | None = shapes.READERS[limit.shape.kind](
            reader, node, Key(name=key.name, shape=limit.shape, doc="", example=limit.example), scope, where
        )
        return None if found is None else Concurrency(limit=found)
    values = shapes.read_map(reader, node, key.shape.keys, scope, where, key.name)
    if values is None or values.get("limit") is None:
        return None
    if values.get("scope") == "global" and "key" not in values and isinstance(node, Mapping):
        message = "`scope: global` shares the slots of a `key` with other flows; give it one, such as `key: '\"mail\"'`"
        reader.report("missing-key", message, node.entries["scope"], suggestion="key")
        return None
    return Concurrency(**_fields(values))


def _priority(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    """A number, or an expression that gives one."""
    if isinstance(node, Scalar) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return Constant(node.value)
    return reader.expression(node, key.name, scope, where)


shapes.READERS.update(
    {"control": _control, "singleton": _singleton, "concurrency": _concurrency, "priority": _priority}
)
