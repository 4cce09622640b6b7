"""Triggers as flows of the older Go engine write them, turned into ours. Spellings may be mixed: any file is asked."""

from __future__ import annotations

from collections.abc import Callable

from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence

_CHANGES = ("created", "modified", "deleted")
_OPERATIONS = ("INSERT", "UPDATE", "DELETE")
_NO_TABLE = (
    "`event: database.change` does not say which table is meant; write `table: NAME` beside it, or `on: {cdc: {tables: "
    "[NAME]}}`"
)


def translated(reader: Reader, node: Node) -> Node | None:
    """One entry of `on:` in today's spelling; None when it cannot be had."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.text:
        return _bare(reader, node)
    if not isinstance(node, Mapping):
        return node
    event = node.get("event")
    if not isinstance(event, Scalar):
        return node
    if event.text == "database.change" and "table" not in node:
        reader.report("missing-key", _NO_TABLE, event)
        return None
    for applies, translate in _RULES:
        if applies(event.text, node):
            return translate(event, node)
    return node


def _bare(reader: Reader, node: Scalar) -> Node | None:
    """`on: order.created`."""
    meant = f"{{event: {node.text}}}"
    if not reader.legacy:
        message = f"`on` takes a trigger with its kind; write `on: {meant}`"
        reader.report("wrong-type", message, node, suggestion=meant, fix=meant)
        return None
    reader.warn("wrong-type", f"taken as `on: {meant}`; write it so", node, suggestion=meant, fix=meant)
    return _map(node, ("event", node))


def _webhook(_event: Scalar, node: Mapping) -> Mapping:
    made = _map(node, ("webhook", node.entries["path"]))
    if "method" in node:
        made.put(_key("methods", node.keys["method"]), node.entries["method"])
    return _rest(made, node, "event", "path", "method")


def _file(event: Scalar, node: Mapping) -> Mapping:
    change = event.text.removeprefix("file.")
    changes = Sequence(event.start, event.end)
    changes.items.append(Scalar(event.start, event.end, change, change, ""))
    return _rest(_map(node, ("file", node.entries["path"]), ("changes", changes)), node, "event", "path")


def _schedule(_event: Scalar, node: Mapping) -> Mapping:
    config = Mapping(node.start, node.end)
    for name in ("cron", "timezone"):
        if name in node:
            config.put(node.keys[name], node.entries[name])
    return _rest(_map(node, ("schedule", config)), node, "event", "cron", "timezone")


def _change(event: Scalar, node: Mapping) -> Mapping:
    """Of the only database that the flow knows: who listens tells when there is none, or more than one."""
    config = Mapping(node.start, node.end)
    config.put(_key("tables", node.keys["table"]), _listed(node.entries["table"]))
    config.put(_key("operations", node.keys.get("operation", event)), _operations(event, node.get("operation")))
    return _rest(_map(node, ("cdc", config)), node, "event", "table", "operation")


def _operations(event: Scalar, given: Node | None) -> Sequence:
    """As they are called today."""
    if given is None:
        every = Sequence(event.start, event.end)
        every.items += [Scalar(event.start, event.end, name, name, "") for name in map(str.lower, _OPERATIONS)]
        return every
    found = _listed(given)
    found.items = [_lower(item) for item in found.items]
    return found


def _lower(node: Node) -> Node:
    if not isinstance(node, Scalar) or node.text not in _OPERATIONS:
        return node
    name = node.text.lower()
    return Scalar(node.start, node.end, name, name, node.style)


def _listed(node: Node) -> Sequence:
    """A list; of one value, where it is no list."""
    found = Sequence(node.start, node.end)
    found.items += node.items if isinstance(node, Sequence) else [node]
    return found


_Rule = tuple[Callable[[str, Mapping], bool], Callable[[Scalar, Mapping], Mapping]]
_RULES: tuple[_Rule, ...] = (
    (lambda event, node: event == "http.request" and "path" in node, _webhook),
    (lambda event, node: event in {f"file.{change}" for change in _CHANGES} and "path" in node, _file),
    (lambda event, node: event == "scheduled" and "cron" in node, _schedule),
    (lambda event, node: event == "database.change" and "table" in node, _change),
)


def _map(node: Node, *entries: tuple[str, Node]) -> Mapping:
    made = Mapping(node.start, node.end)
    for name, value in entries:
        made.put(_key(name, value), value)
    return made


def _key(name: str, at: Node) -> Scalar:
    return Scalar(at.start, at.end, name, name, "")


def _rest(made: Mapping, node: Mapping, *used: str) -> Mapping:
    for name, value in node.without(*used).entries.items():
        made.put(node.keys[name], value)
    return made
