"""Reading an SQL text far enough to know its parameters, its kind, and that it is one statement."""

from __future__ import annotations

import functools
import re

import msgspec

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*(?!!)(?:[^*]|\*(?!/))*\*/)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    | (?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<escaped>\\:)
    | (?P<cast>::)
    | (?P<param>(?<![\w:]):(?P<name>[^\W\d]\w*))
    | (?P<word>[^\W\d][\w$]*)
    | (?P<end>;)
    | (?P<open>'|"|`|/\*)
    | (?P<other>\d[\w.]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_READS = {"SELECT", "WITH", "VALUES", "EXPLAIN", "SHOW", "DESCRIBE", "DESC", "TABLE"}
_STREAMS = {"SELECT", "WITH", "VALUES", "TABLE"}
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "CREATE", "ALTER", "DROP", "TRUNCATE", "CALL", "COPY", "LOCK"}


class Statement(msgspec.Struct, frozen=True):
    """What is known of an SQL text."""

    text: str
    """For SQLAlchemy: every colon that does not begin a parameter is escaped."""
    names: tuple[str, ...]
    """Its parameters, each once."""
    lists: frozenset[str]
    """Those that stand behind `IN` and take a list."""
    excluded: frozenset[str]
    """Those of them that stand behind `NOT IN`."""
    reads: bool
    """It changes nothing, as far as its words tell."""
    streams: bool
    """It gives rows that a server-side cursor can hold."""
    problem: str | None = None


@functools.lru_cache(maxsize=512)
def read(sql: str) -> Statement:
    """Take an SQL text apart. Linear in its length, and cached."""
    scan = _Scan()
    for token in _TOKEN.finditer(sql):
        scan.take(token)
    words = scan.words
    first = words[0] if words else ""
    reads = first in _READS and not _WRITES.intersection(words)
    return Statement(
        text="".join(scan.out),
        names=tuple(scan.names),
        lists=frozenset(scan.lists),
        excluded=frozenset(scan.excluded),
        reads=reads,
        streams=reads and first in _STREAMS,
        problem=scan.problem or (None if words else "it is empty"),
    )


class _Scan:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.names: dict[str, None] = {}
        self.lists: set[str] = set()
        self.excluded: set[str] = set()
        self.words: list[str] = []
        self.problem: str | None = None
        self._before = ""
        self._ended = False

    def take(self, token: re.Match[str]) -> None:
        kind, text = token.lastgroup or "", token.group()
        blank = kind in {"space", "comment"}
        if self._ended and not blank and kind != "end":
            self.problem = self.problem or "it holds more than one statement; give each its own step"
        if kind == "end":
            self._ended = True  # left out: drivers do not need it
            return
        if kind == "param":
            self._param(token["name"])
            self.out.append(text)
        else:
            self.out.append("\\:" if kind == "escaped" else text.replace(":", "\\:"))
        if kind == "open":
            self.problem = self.problem or f"{text} is opened and never closed"
        if kind == "word":
            self.words.append(text.upper())
        if not blank:
            self._before = text.upper()

    def _param(self, name: str) -> None:
        self.names[name] = None
        if self._before == "IN":
            self.lists.add(name)
            if self.words[-2:-1] == ["NOT"]:
                self.excluded.add(name)
