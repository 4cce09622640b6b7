"""Where a node of n8n is turned into steps, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from reactor.language.importing.coverage import Coverage
from reactor.language.importing.documents import Doc, Item
from reactor.language.importing.n8n.nodes import Node
from reactor.language.importing.n8n.values import Values
from reactor.language.importing.writing import Step


class At(msgspec.Struct):
    """Where a node is turned into steps."""

    node: Node
    name: str
    """The step's name."""
    variable: str
    """A variable of the run that belongs to the node, however many steps it becomes."""
    item: Item
    """What comes in."""
    values: Values
    coverage: Coverage
    connections: dict[str, dict[str, Any]]
    """Of the flow; nodes add theirs."""
    output: Doc
    """`steps.NAME.output`."""
    response: list[str]
    """Names of variables that hold what a caller is answered."""


class Made(msgspec.Struct):
    """What became of a node."""

    steps: list[Step]
    item: Item
    note: str = ""
    """How it differs from what n8n did."""


Handler = Callable[[At], Made]
