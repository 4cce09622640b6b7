"""What an expression reads, found without running it: so that a misspelt step or field is told by `validate`."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import nodes

from reactor.language.expressions.access import GLOBALS
from reactor.language.expressions.syntax import INTERNAL

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One path that is read, `("steps", "charge", "output", "body")`, and where."""

    path: Path
    """Names and constant keys; positions in lists as text."""
    offset: int
    """The character in the text it stands in."""
    optional: bool = False
    """It may be missing: behind `default(…)`, `is defined`, or in a flow of the older engine."""
    otherwise: Path | None = None
    """Where else it may be found: `.variables.x` is the output of step `x`, else the variable."""
    where: str = ""
    """The place of the text in a list or map, `with.json.order`."""


def references(tree: nodes.Template, *, lenient: bool) -> tuple[Reference, ...]:
    """Every path that the tree reads from the scope, longest first form only (`event.data`, not also `event`)."""
    finder = _Finder(lenient=lenient)
    if tree.find(nodes.For) is not None:
        finder.bound.add("loop")
    for name in tree.find_all(nodes.Name):
        if name.ctx != "load":
            finder.bound.add(name.name)
    finder.visit(tree, optional=False)
    found = finder.found
    return tuple(
        Reference(ref.path, ref.offset, ref.optional or _guarded(ref.path, finder.guarded), ref.otherwise)
        for ref in found
    )


def _guarded(path: Path, guards: set[Path]) -> bool:
    return any(path[: len(guard)] == guard for guard in guards)


class _Finder:
    def __init__(self, *, lenient: bool) -> None:
        self.lenient = lenient
        self.bound: set[str] = set()
        self.guarded: set[Path] = set()
        self.found: list[Reference] = []

    def visit(self, node: nodes.Node, *, optional: bool) -> None:
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            # `event.data.items()` reads `event.data`.
            self.visit(node.node.node, optional=optional)
            for child in node.iter_child_nodes(exclude=("node",)):
                self.visit(child, optional=optional)
            return
        path = self._path(node)
        if path is not None:
            self._add(node, path, optional=optional)
            return
        for child in node.iter_child_nodes():
            self.visit(child, optional=optional or self._asks(node, child))

    def _asks(self, node: nodes.Node, child: nodes.Node) -> bool:
        if isinstance(node, nodes.Test) and node.name in {"defined", "undefined"}:
            path = self._path(child)
            if path is not None:
                self.guarded.add(path[0])
            return True
        return isinstance(node, nodes.Filter) and node.name in {"default", "d"} and child is node.node

    def _add(self, node: nodes.Node, path: tuple[Path, Path | None], *, optional: bool) -> None:
        names, otherwise = path
        if names[0] not in self.bound and not names[0].startswith(INTERNAL) and names[0] not in GLOBALS:
            self.found.append(Reference(names, _start(node), optional or self.lenient, otherwise))

    def _path(self, node: nodes.Node) -> tuple[Path, Path | None] | None:
        if isinstance(node, nodes.Name):
            return ((node.name,), None) if node.ctx == "load" else None
        if isinstance(node, nodes.Getattr):
            return _longer(self._path(node.node), node.attr)
        if (
            isinstance(node, nodes.Getitem)
            and isinstance(node.arg, nodes.Const)
            and isinstance(node.arg.value, (str, int))
        ):
            return _longer(self._path(node.node), str(node.arg.value))
        if isinstance(node, nodes.Filter) and node.name == "_go_variable" and isinstance(node.args[0], nodes.Const):
            name = str(node.args[0].value)
            return ("steps", name, "output"), ("vars", name)
        return None


def _longer(path: tuple[Path, Path | None] | None, name: str) -> tuple[Path, Path | None] | None:
    if path is None:
        return None
    names, otherwise = path
    return (*names, name), (*otherwise, name) if otherwise is not None else None


def _start(node: nodes.Node) -> int:
    """Where the path begins in the text."""
    while isinstance(node, (nodes.Getattr, nodes.Getitem, nodes.Filter)) and node.node is not None:
        node = node.node
    return node.lineno or 0
