"""Expressions inside the configuration of a trigger: where its struct says that a text is one (`sdk.Expression`)."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.language import source
from reactor.language.names import Scope
from reactor.language.reading import Reader
from reactor.language.source import Node
from reactor.language.structs import Struct, fields
from reactor.model.flow import Expr
from reactor.sdk.trigger import READ

Found = tuple[str, str, Node]
"""Its place (`sequence.0.if`), what it is (`expression`, `condition`), and its node."""


def expressions(struct: Struct, values: Mapping[str, Node]) -> list[Found]:
    """All expressions in the values for a struct."""
    known = fields(struct)
    return [found for name, node in values.items() if name in known for found in _walk(known[name].type, node, name)]


def _walk(kind: Any, node: Node, place: str) -> Iterator[Found]:
    for arm in _arms(kind):
        read = _mark(arm)
        if read is not None and isinstance(node, source.Scalar) and node.value is not None:
            yield place, read, node
        elif isinstance(arm, type) and issubclass(arm, msgspec.Struct) and isinstance(node, source.Mapping):
            for below, mark, found in expressions(arm, node.entries):
                yield f"{place}.{below}", mark, found
        elif typing.get_origin(arm) is list and isinstance(node, source.Sequence):
            for at, item in enumerate(node.items):
                yield from _walk(typing.get_args(arm)[0], item, f"{place}.{at}")


def _arms(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(arm for part in typing.get_args(kind) for arm in _arms(part))
    return (kind,)


def _mark(kind: Any) -> str | None:
    if typing.get_origin(kind) is not typing.Annotated:
        return None
    metas = (part for part in typing.get_args(kind)[1:] if isinstance(part, msgspec.Meta))
    return next((meta.extra[READ] for meta in metas if meta.extra and READ in meta.extra), None)


def compiled(reader: Reader, found: list[Found], scope: Scope) -> dict[str, Expr]:
    """The expressions by their places; what is wrong is told and left out."""
    made: dict[str, Expr] = {}
    for place, mark, node in found:
        read = reader.condition if mark == "condition" else reader.expression
        expr = read(node, place.rpartition(".")[2], scope, f"on.{place}")
        if expr is not None:
            made[place] = expr
    return made
