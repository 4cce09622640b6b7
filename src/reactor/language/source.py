"""YAML text → nodes that know where they stand. YAML 1.2 core schema: `on`, `yes`, `off` are texts.

The parser's events are put together here, not by PyYAML's composer: so depth, size and aliases are bounded, all
duplicate keys are told at once, and every key and value keeps its place.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import Any

from reactor.language.problems import Fix, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_NODES = 50_000
"""Values of one file, each alias counted as often as it is used."""
_LINE = re.compile(r"\r\n|\r|\n")
_WORD_END = re.compile(r"[\s,:\]}]|$")


class Node:
    """A value and its place: character offsets into the text."""

    __slots__ = ("end", "start", "weight")
    kind = "value"
    """In words, for messages."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.weight = 1

    @property
    def plain(self) -> Any:
        """The value as plain data."""
        raise NotImplementedError


class Scalar(Node):
    """A text, number, true, false or null."""

    __slots__ = ("style", "text", "value")

    def __init__(self, start: int, end: int, text: str, value: Any, style: str) -> None:
        super().__init__(start, end)
        self.text = text
        """As written, quotes and escapes resolved."""
        self.value = value
        self.style = style
        """`'`, `"`, `|`, `>`, or empty for a plain one."""

    @property
    def kind(self) -> str:  # type: ignore[override]
        """What it is, in words."""
        if self.value is None:
            return "nothing" if not self.text else "null"
        if isinstance(self.value, bool):
            return "true or false"
        return "a text" if isinstance(self.value, str) else "a number"

    @property
    def plain(self) -> Any:
        return self.value


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)
    kind = "a list"

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.items: list[Node] = []

    @property
    def plain(self) -> list[Any]:
        return [item.plain for item in self.items]


class Mapping(Node):
    """A map. Keys are texts, whatever they look like."""

    __slots__ = ("entries", "keys")
    kind = "a map"

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Scalar] = {}

    @property
    def plain(self) -> dict[str, Any]:
        return {name: value.plain for name, value in self.entries.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def get(self, name: str) -> Node | None:
        """The value of a key, if it is there."""
        return self.entries.get(name)

    def without(self, *names: str) -> Mapping:
        """The same map, in the same place, without these keys."""
        rest = Mapping(self.start, self.end)
        for name, value in self.entries.items():
            if name not in names:
                rest.put(self.keys[name], value)
        return rest

    def put(self, key: Scalar, value: Node) -> None:
        """Add an entry."""
        self.entries[key.text] = value
        self.keys[key.text] = key


def scalars(node: Node) -> Iterator[Scalar]:
    """All scalars in it, in their order."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
    elif isinstance(node, Mapping):
        for value in node.entries.values():
            yield from scalars(value)


class Source:
    """The text of one file, and where things are in it."""

    def __init__(self, text: str, file: str | None = None) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(match.end() for match in _LINE.finditer(text))]

    def place(self, index: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        index = max(0, min(index, len(self.text)))
        line = bisect.bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def start(self, number: int) -> int:
        """Where a line begins."""
        return self._starts[number - 1]

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def problem(
        self, rule: str, message: str, at: Node | int, *, end: int | None = None, fix: str | None = None, **more: Any
    ) -> Problem:
        """A problem at a node, or at a character. `fix` is what the text between there and `end` should be."""
        start = at if isinstance(at, int) else at.start
        stop = end if end is not None else (self._word_end(at) if isinstance(at, int) else at.end)
        line, column = self.place(start)
        excerpt = self.line(line)
        within = self.text[start:stop]
        first = _LINE.split(within, maxsplit=1)[0].rstrip()
        mend = None
        if fix is not None:
            end_line, end_column = self.place(start + len(within.rstrip()))
            mend = Fix(line=line, column=column, end_line=end_line, end_column=end_column, replacement=fix)
        return Problem(
            rule=rule,
            message=message,
            file=self.file,
            line=line,
            column=column,
            end_column=max(column + 1, min(column + len(first), len(excerpt) + 1)),
            text=first[:200],
            excerpt=excerpt[:400],
            fix=mend,
            **more,
        )

    def _word_end(self, start: int) -> int:
        match = _WORD_END.search(self.text, start)
        return match.start() if match else start

    def locate(self, node: Scalar, offset: int) -> int:
        """Where the character `offset` of a scalar's text stands in the file.

        Line breaks, folding, indentation and escapes change blanks only, so characters that are no blanks are counted.
        """
        wanted = sum(1 for char in node.text[: max(0, offset)] if not char.isspace())
        last = node.start
        for index, count in _visible(self.text, node):
            last = index
            if wanted < count:
                return index
            wanted -= count
        return last


_PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)*")
_HEADER = re.compile(r"[|>][^\r\n]*(?:\r\n|\r|\n)?")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("ntrvfNLP_ \n\r\te0ab")


def _visible(text: str, node: Scalar) -> Iterator[tuple[int, int]]:
    """(offset in the file, how many) of each character of a scalar that is no blank."""
    match = _PROPERTIES.match(text, node.start, node.end)
    index, end = match.end() if match else node.start, node.end
    if node.style in ("|", ">"):
        header = _HEADER.match(text, index, end)
        index = header.end() if header else index
    elif node.style:
        index, end = index + 1, end - 1
    while index < end:
        char = text[index]
        step = 1
        if node.style == '"' and char == "\\":
            escape = _ESCAPE.match(text, index, end)
            step = escape.end() - index if escape else 1
            if step > 2 or text[index + 1 : index + 2] not in _BLANK_ESCAPES:
                yield index, 1
        elif node.style == "'" and char == "'":
            step = 2
            yield index, 1
        elif not char.isspace():
            yield index, 1
        index += step
