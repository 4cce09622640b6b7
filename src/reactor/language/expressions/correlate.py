"""By what a condition tells one candidate from another: `received.data.id == event.data.id` asks for one value at one
place, so that whoever waits for a hundred thousand of them can look it up instead of asking each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from jinja2 import nodes

from reactor.language.expressions import syntax
from reactor.language.expressions.access import GLOBALS
from reactor.language.expressions.build import compile_expression, is_template
from reactor.language.expressions.compiled import Compiled, Constant
from reactor.language.expressions.limits import ExpressionSyntaxError

Path = tuple[str, ...]
_CHANGING = frozenset({"vars", "state", "branches"})
"""Names whose values may be others by the time that a candidate comes."""


@functools.lru_cache(maxsize=2_048)
def correlations(text: str, candidate: str) -> tuple[tuple[Path, Compiled], ...]:
    """(path below the candidate, what has to equal it) for each `==` that has to hold for the whole condition to hold.
    What it has to equal reads nothing that changes. Empty for a condition that is no plain expression.
    """
    bare = text.strip()
    if bare.startswith("{{") and bare.endswith("}}"):
        bare = bare[2:-2]
    if is_template(bare):
        return ()
    try:
        tree = syntax.parse_expression(bare)
        return tuple(_found(tree, candidate))
    except (ExpressionSyntaxError, RecursionError):
        return ()


def _found(node: nodes.Node, candidate: str) -> Iterator[tuple[Path, Compiled]]:
    if isinstance(node, nodes.And):
        yield from _found(node.left, candidate)
        yield from _found(node.right, candidate)
    elif isinstance(node, nodes.Compare) and len(node.ops) == 1 and node.ops[0].op == "eq":
        left, right = node.expr, node.ops[0].expr
        for here, there in ((left, right), (right, left)):
            path, other = _path(here), _other(there, candidate)
            if path is not None and path[0] == candidate and len(path) > 1 and other is not None:
                yield path[1:], other
                return


def _path(node: nodes.Node) -> Path | None:
    """Names and text keys; None for anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    inner = _path(node.node) if isinstance(node, (nodes.Getattr, nodes.Getitem)) else None
    if inner is None:
        return None
    if isinstance(node, nodes.Getattr):
        return (*inner, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return (*inner, node.arg.value)
    return None


def _other(node: nodes.Node, candidate: str) -> Compiled | None:
    if isinstance(node, nodes.Const):
        return Constant(node.value)
    path = _path(node)
    if path is None or path[0] == candidate or path[0] in _CHANGING or path[0] in GLOBALS:
        return None
    return compile_expression(_text(node))


def _text(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_text(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{_text(node.node)}[{node.arg.value!r}]"
    return str(node.name) if isinstance(node, nodes.Name) else ""
