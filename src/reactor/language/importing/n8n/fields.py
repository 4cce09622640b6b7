"""Nodes of n8n that only work on data: fields, lists, merges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reactor.language.importing.documents import Doc, Item, access
from reactor.language.importing.javascript import NotUnderstood, quoted
from reactor.language.importing.n8n.nodes import Node
from reactor.language.importing.n8n.place import At, Made
from reactor.language.importing.writing import Step


def assign(at: At) -> Made:
    """`set`, in all its versions: one variable of the node's name, with the fields in it."""
    node = at.node
    fields: dict[str, Any] = {}
    if node.text("mode") in ("raw", "json") or node.text("jsonOutput"):
        made = at.values.json(node.parameters.get("jsonOutput") or {})
        if not isinstance(made, dict):
            step = Step({"name": at.name, "set": {at.variable: made}})
            return Made([step], Item(Doc(f"vars.{at.variable}")))
        fields = made
    for name, value in _fields(node):
        fields[name] = at.values.value(value, name, secrets=False)
    kept = node.parameters.get("includeOtherFields", node.text("include") not in ("", "none"))
    if node.version < 3:
        kept = node.parameters.get("keepOnlySet") is not True
    if not fields:
        return Made([], at.item if kept else Item(Doc("{}")))
    step = Step({"name": at.name, "set": {at.variable: _nested(fields)}})
    doc = at.item.doc if kept else Doc(f"vars.{at.variable}")
    if kept:
        for name in fields:
            path = tuple(name.split("."))
            doc = doc.put(path, access(f"vars.{at.variable}", path))
    return Made([step], Item(doc))


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """`a.b` of n8n is `b` in `a`."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        *outer, last = name.split(".")
        inner = made
        for key in outer:
            below = inner.setdefault(key, {})
            inner = below if isinstance(below, dict) else {}
        inner[last] = value
    return made


def _fields(node: Node) -> Iterator[tuple[str, Any]]:
    assignments = node.options("assignments").get("assignments")
    for one in assignments if isinstance(assignments, list) else ():
        if isinstance(one, dict) and one.get("name"):
            yield str(one["name"]), _typed(one.get("value"), str(one.get("type", "")))
    newer = node.options("fields").get("values")
    for one in newer if isinstance(newer, list) else ():
        if isinstance(one, dict) and one.get("name"):
            kind = str(one.get("type") or "stringValue")
            yield str(one["name"]), _typed(one.get(kind), kind.removesuffix("Value"))
    for ones in node.options("values").values():
        for one in ones if isinstance(ones, list) else ():
            if isinstance(one, dict) and one.get("name"):
                yield str(one["name"]), one.get("value")


def _typed(value: Any, kind: str) -> Any:
    if isinstance(value, str) and not value.startswith("="):
        if kind == "boolean" and value in ("true", "false"):
            return value == "true"
        if kind == "number" and re.fullmatch(r"-?\d+", value):
            return int(value)
    return value


def aggregate(at: At) -> Made:
    """`aggregate`: the items as one list."""
    items = at.item.many or f"[{at.item.doc.whole}]"
    if at.node.kind == "aggregate" and at.node.text("aggregate") == "aggregateAllItemData":
        field = at.node.text("destinationFieldName", "data")
        return Made([], Item(Doc(None, (((field,), items),))))
    fields = at.node.options("fieldsToAggregate").get("fieldToAggregate")
    doc = Doc(None)
    for one in fields if isinstance(fields, list) else ():
        name = one.get("fieldToAggregate") if isinstance(one, dict) else None
        if isinstance(name, str) and name:
            made = f"({items}) | map(attribute={quoted(name)}) | list"
            doc = doc.put((str(one.get("outputFieldName") or name.split(".")[-1]),), f"({made})")
    if not doc.over:
        raise NotUnderstood("what it gathers is not said")
    return Made([], Item(doc))


def split(at: At) -> Made:
    """`splitOut` in front of a loop: the list itself."""
    return Made([], Item(Doc(f"{listed(at)}[0]"), listed(at), field_of(at.node)))


def listed(at: At) -> str:
    """The list that `splitOut` makes items of."""
    field = at.node.text("fieldToSplitOut", at.node.text("fieldToSplit"))
    if not field or field.startswith("=") or "," in field:
        raise NotUnderstood("which list it splits is not one fixed name")
    return at.item.doc.at(tuple(part for part in field.split(".") if part))


def field_of(node: Node) -> str:
    """The name by which items that are no maps are read behind a node that splits a list."""
    return node.text("fieldToSplitOut", node.text("fieldToSplit")).split(".")[-1]


def merge(at: At) -> Made:
    """`merge` where ways do not meet side by side: what came last."""
    if at.node.text("mode") in ("combineBySql", "mergeByKey", "combine") and at.node.options("mergeByFields"):
        raise NotUnderstood("it joins items by their fields")
    if at.node.text("mode") == "combineBySql":
        raise NotUnderstood("it joins items by SQL")
    return Made([], at.item)
