"""What another engine hands from node to node, as our expressions: a value, with parts of it replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from reactor.language.importing.javascript import quoted

Key = str | int
Path = tuple[Key, ...]
_WORD = re.compile(r"[A-Za-z_]\w*")
_TAKEN = frozenset(
    {"items", "keys", "values", "get", "copy", "count", "index", "not", "and", "or", "in", "is", "if", "else"}
)
"""Names that mean something else behind a dot."""
_ATOM = re.compile(r"[A-Za-z_][\w.]*(?:\[[^\[\]]*\]|\.[A-Za-z_]\w*|\(\))*")


class Doc(msgspec.Struct, frozen=True):
    """A value."""

    base: str | None
    """The expression of all of it; None: there is nothing but what `over` holds."""
    over: tuple[tuple[Path, str], ...] = ()
    """Parts that are something else, the later ones first."""
    alias: tuple[Key, str] | None = None
    """A name by which the value may be read though it need not have a part of that name, and what that gives."""

    def put(self, path: Path, expression: str) -> Doc:
        """The same with a part replaced."""
        if not path:
            return Doc(expression)
        kept = tuple((at, known) for at, known in self.over if at[: len(path)] != path)
        return Doc(self.base, ((path, expression), *kept), self.alias)

    def at(self, path: Path) -> str:
        """The expression of a part."""
        for place, expression in self.over:
            if path[: len(place)] == place:
                return access(expression, path[len(place) :])
        if self.alias is not None and path[:1] == (self.alias[0],):
            return access(self.alias[1], path[1:])
        inner = [(place, expression) for place, expression in self.over if place[: len(path)] == path]
        own = access(self.base, path) if self.base is not None else None
        if not inner:
            return own if own is not None else "none"
        if own is not None and path:
            own = f"({own} | default({{}}))"
        return _merged(own, [(place[len(path) :], expression) for place, expression in reversed(inner)])

    @property
    def whole(self) -> str:
        """The expression of all of it."""
        return self.at(())


class Item(msgspec.Struct, frozen=True):
    """What is handed from one place to the next."""

    doc: Doc
    many: str | None = None
    """The expression of the list of all of them, where there are several."""
    field: str | None = None
    """The name of the list that they were taken from: items that are no maps are read by it."""


def _merged(own: str | None, parts: list[tuple[Path, str]]) -> str:
    groups: dict[Key, list[tuple[Path, str]]] = {}
    for place, expression in parts:
        groups.setdefault(place[0], []).append((place[1:], expression))
    entries = {}
    for key, inner in groups.items():
        direct = [expression for place, expression in inner if not place]
        below = None if own is None else access(own, (key,))
        entries[str(key)] = direct[-1] if direct else _merged(f"({below} | default({{}}))" if below else None, inner)
    return mapping(entries, own)


def mapping(entries: Mapping[str, str], own: str | None = None) -> str:
    """A map of expressions, over another one."""
    if own is not None and all(_WORD.fullmatch(key) for key in entries):
        return f"dict({own}, {', '.join(f'{key}={value}' for key, value in entries.items())})"
    literal = "{" + ", ".join(f"{quoted(key)}: {value}" for key, value in entries.items()) + "}"
    return literal if own is None else f"dict(({own}).items() | list + {literal}.items() | list)"


def access(expression: str, path: Path) -> str:
    """A part of an expression."""
    if not path:
        return expression
    if not _ATOM.fullmatch(expression):
        expression = f"({expression})"
    for key in path:
        if isinstance(key, int):
            expression += f"[{key}]"
        elif _WORD.fullmatch(key) and key not in _TAKEN:
            expression += f".{key}"
        else:
            expression += f"[{quoted(key)}]"
    return expression
