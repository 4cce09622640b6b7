"""Reads YAML text into the nodes of `source`, within bounds, and explains what is no YAML."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from reactor.language.problems import Problem, shown
from reactor.language.source import MAX_BYTES, MAX_DEPTH, MAX_NODES, Mapping, Node, Scalar, Sequence, Source

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.2.2 §10.3.2, the core schema.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NUMBER_START = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_LONGEST_NUMBER = 400
_CONTROL = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32 (little-endian)"),
    (b"\x00\x00\xfe\xff", "UTF-32 (big-endian)"),
    (b"\xff\xfe", "UTF-16 (little-endian)"),
    (b"\xfe\xff", "UTF-16 (big-endian)"),
    (b"\x2b\x2f\x76", "UTF-7"),
)
_TAG = "tag:yaml.org,2002:"
_TAGS = {yaml.ScalarEvent: "str", yaml.SequenceStartEvent: "seq", yaml.MappingStartEvent: "map"}
_ANCHOR = re.compile(r"&[^\s]+\s+")


class Document(msgspec.Struct):
    """What a file holds."""

    source: Source
    root: Node | None
    """None when it is empty or no YAML; `problems` say why."""
    problems: list[Problem]


class _Stop(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read(data: str | bytes, file: str | None = None) -> Document:
    """Read one YAML document. Never raises; what is wrong is in `problems`."""
    source = Source("", file)
    try:
        source = Source(_decoded(data, file), file)
        reader = _Reader(source)
        root = reader.read()
    except _Stop as stop:
        return Document(source, None, [stop.problem])
    if reader.failure is not None:
        return Document(source, None, [*reader.problems, reader.failure])
    return Document(source, root, reader.problems)


def _decoded(data: str | bytes, file: str | None) -> str:
    size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the file has {size:,} bytes; a flow may have {MAX_BYTES:,}: split it with `call:`"
        raise _Stop(Problem(rule="too-large", message=message, file=file))
    if isinstance(data, bytes):
        data = _utf8(data, file)
    text = data.removeprefix("\ufeff")
    match = _CONTROL.search(text)
    if match:
        code = f"U+{ord(match[0]):04X}"
        message = f"the character {code} cannot stand in YAML; delete it, or write it as an escape in double quotes"
        raise _Stop(Source(text, file).problem("encoding", message, match.start(), end=match.end()))
    return text


def _utf8(data: bytes, file: str | None) -> str:
    named = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if named is None and b"\x00" in data[:4]:
        named = "UTF-16 or UTF-32"
    if named is not None:
        message = f"the file is written in {named}; save it as UTF-8"
        raise _Stop(Problem(rule="encoding", message=message, file=file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = len(data[: error.start].decode("utf-8-sig", "replace"))
        byte = f"0x{data[error.start]:02X}"
        message = f"byte {byte} is no UTF-8 (perhaps the file is Latin-1 or Windows-1252); save it as UTF-8"
        source = Source(data.decode("utf-8-sig", "replace"), file)
        raise _Stop(source.problem("encoding", message, before)) from None


class _Reader:
    """Puts the parser's events together. Not recursive: what strangers nest deeply must not end the process."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.failure: Problem | None = None
        self._stack: list[tuple[Node, Scalar | None]] = []
        self._anchors: dict[str, Node] = {}
        self._anchored: dict[int, str] = {}
        self._open: set[str] = set()
        self._total = 0
        self._root: Node | None = None
        self._documents = 0

    def read(self) -> Node | None:
        try:
            for event in yaml.parse(self.source.text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self.failure = _explained(self.source, error)
        except yaml.YAMLError as error:
            self.failure = self.source.problem("yaml", f"this is no YAML: {shown(error)}", 0)
        except _Stop as stop:
            self.failure = stop.problem
        else:
            if self._root is None:
                self.failure = self.source.problem("empty", "the file is empty; a flow begins with `name:`", 0)
        return self._root

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._add(self._scalar(event), event.anchor)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._begin(event, Mapping if kind is yaml.MappingStartEvent else Sequence)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._finish(event)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                message = "a second document begins here; one file holds one flow: put the other into a file of its own"
                raise _Stop(self.source.problem("documents", message, event.start_mark.index))

    def _begin(self, event: Any, make: type[Mapping | Sequence]) -> None:
        start = self._past_anchor(event)
        self._check_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            message = f"this is nested deeper than {MAX_DEPTH} levels; take something out into a flow of its own"
            raise _Stop(self.source.problem("too-deep", message, start))
        node = make(start, event.end_mark.index)
        if event.anchor is not None:
            self._anchored[id(node)] = event.anchor
            self._open.add(event.anchor)
        self._stack.append((node, None))

    def _finish(self, event: Any) -> None:
        node, key = self._stack.pop()
        node.end = max(event.end_mark.index, node.start)
        if event.start_mark.index == event.end_mark.index:  # in block style the end is at the next token
            node.end = node.start + len(self.source.text[node.start : node.end].rstrip())
        if key is not None and isinstance(node, Mapping):
            self._entry(node, key, Scalar(key.end, key.end, "", None, ""))
        if isinstance(node, Mapping):
            self._merge(node)
        anchor = self._anchored.pop(id(node), None)
        if anchor is not None:
            self._open.discard(anchor)
        self._add(node, anchor)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        start, end = event.start_mark.index, event.end_mark.index
        if event.anchor in self._open:
            message = f"`*{event.anchor}` stands inside `&{event.anchor}` itself, so it would never end"
            raise _Stop(self.source.problem("alias", message, start, end=end))
        if node is None:
            message = (
                f"nothing before this is named `&{event.anchor}`; a text that begins with `*` has to stand in quotes"
            )
            raise _Stop(self.source.problem("alias", message, start, end=end))
        self._count(node.weight - 1, start)
        self._add(node, None)

    def _count(self, more: int, index: int) -> None:
        self._total += more
        if self._total > MAX_NODES:
            message = f"the file has more than {MAX_NODES:,} values when its aliases are filled in; make it smaller"
            raise _Stop(self.source.problem("too-large", message, index))

    def _add(self, node: Node, anchor: str | None) -> None:
        """Give a finished node to the list or map around it."""
        if anchor is not None:
            self._anchors[anchor] = node
        self._count(1, node.start)
        if not self._stack:
            self._root = node
            return
        parent, key = self._stack[-1]
        parent.weight += node.weight
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is None:
            self._stack[-1] = (parent, self._key(node))
        elif isinstance(parent, Mapping):
            self._stack[-1] = (parent, None)
            self._entry(parent, key, node)

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            if not node.text and not node.style:
                self._problem("key", "the key before this `:` is missing", node.start)
            return node
        if self.source.text.startswith(("{{", "{%"), node.start - 1) or self.source.text.startswith("{", node.start):
            raise _Stop(_unquoted(self.source, node.start))
        raise _Stop(self.source.problem("key", f"a key has to be a text, this is {node.kind}", node))

    def _entry(self, parent: Mapping, key: Scalar, value: Node) -> None:
        first = parent.keys.get(key.text)
        if first is not None:
            line, column = self.source.place(first.start)
            message = f"`{shown(key.text)}` is here twice, first in line {line}, column {column}; keep one of them"
            self.problems.append(self.source.problem("duplicate-key", message, key))
            return
        parent.put(key, value)

    def _merge(self, node: Mapping) -> None:
        """`<<: *base` (YAML 1.1, which the older engine knew): keys of the map itself win, then earlier ones."""
        key = node.keys.get("<<")
        if key is None or key.style:
            return
        value = node.entries.pop("<<")
        del node.keys["<<"]
        for base in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(base, Mapping):
                self._problem("merge", f"`<<` takes a map, or a list of maps; this is {base.kind}", key.start)
                continue
            for name, item in base.entries.items():
                if name not in node.entries:
                    node.put(base.keys[name], item)

    def _problem(self, rule: str, message: str, index: int, **more: Any) -> None:
        self.problems.append(self.source.problem(rule, message, index, **more))

    def _past_anchor(self, event: Any) -> int:
        start: int = event.start_mark.index
        if event.anchor is not None:
            match = _ANCHOR.match(self.source.text, start)
            return match.end() if match else start
        return start

    def _check_tag(self, event: Any) -> None:
        if event.tag is None or event.tag in ("!", _TAG + _TAGS[type(event)]):
            return
        named = event.tag.replace(_TAG, "!!")
        message = f"the tag `{shown(named)}` is not supported; leave it out (a text in quotes stays a text)"
        self._problem("tag", message, event.start_mark.index)

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark.index, event.end_mark.index
        if event.tag is not None:
            self._check_tag(event)
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.source.text[start:end].rstrip())
        text = event.value
        if not event.implicit[0] or event.tag is not None:
            return Scalar(start, end, text, text, style)
        node = Scalar(start, end, text, text, "")
        if text in _NULL:
            node.value = None
        elif text in _TRUE or text in _FALSE:
            node.value = text in _TRUE
        elif text[0] in _NUMBER_START:
            node.value = self._number(text, node)
        return node

    def _number(self, text: str, node: Scalar) -> Any:
        if _NO_NUMBER.fullmatch(text):
            message = f"{text} is no number that JSON can hold; put it in quotes if a text is meant"
            self._problem("number", message, node.start)
            return text
        whole = _INT.fullmatch(text)
        if not whole and not _BASED.fullmatch(text) and not _FLOAT.fullmatch(text):
            return text
        if len(text) > _LONGEST_NUMBER:
            value: float = float("inf")
        elif whole:
            value = int(text)
        else:
            value = int(text, 0) if text[:2] in ("0x", "0o") else float(text)
        if not -(1 << 63) <= value < 1 << 64 if isinstance(value, int) else abs(value) == float("inf"):
            self._problem("number", "this number is too large; put it in quotes to keep it as a text", node.start)
            return text
        if whole and _LEADING_ZERO.fullmatch(text):
            message = f"{text} is the number {value}; put it in quotes to keep the zeros"
            self._problem("leading-zero", message, node.start, severity="warning", fix=f'"{text}"')
        return value


_EXPLAINED: tuple[tuple[str, str], ...] = (
    ("found a tab character", "TAB"),
    ("mapping values are not allowed", "a `: ` cannot stand here: put the text in quotes, or mend the indentation"),
    ("could not find expected ':'", "a `:` is missing behind this key, or the indentation is wrong"),
    ("did not find expected key", "the indentation does not fit the lines above, or a text goes on behind its quotes"),
    ("did not find expected '-' indicator", "the indentation does not fit the list above"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("block sequence entries are not allowed", "a list item cannot begin here; put it on a line of its own"),
    ("found unexpected end of stream", "a quote is opened here and never closed"),
    ("unknown escape character", "there is no such escape: in double quotes a backslash begins one; use single quotes"),
    ("expected alphabetic or numeric character", "a text that begins with `*` or `&` has to stand in quotes"),
    ("expected ',' or ']'", "a `[` is opened here and not closed; texts inside that hold `,` or brackets need quotes"),
    ("expected ',' or '}'", "a `{` is opened here and not closed; texts inside that hold `,` or braces need quotes"),
    ("expected the node content", "a value is missing here"),
    ("did not find expected node content", "a value is missing here"),
    ("did not find expected <document start>", "the flow ends above; this does not belong to it"),
    ("found undefined tag handle", "a text that begins with `!` has to stand in quotes"),
)
_AT_CONTEXT = ("found unexpected end of stream", "expected ',' or ']'", "expected ',' or '}'", "expected alphabetic")
_BARE_TEMPLATE = re.compile(r"^\s*(?:- +)?(?:[^\s'\"#][^'\"#]*?:\s+|- +)(\{\{|\{%)", re.MULTILINE)


def _explained(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    """What the parser says, in words that help."""
    problem = error.problem or "this is no YAML"
    mark = error.problem_mark or error.context_mark
    index = int(mark.index) if mark is not None else 0
    if error.context_mark is not None and any(words in problem for words in _AT_CONTEXT):
        index = int(error.context_mark.index)
    bare = _bare_template(source, index)
    if bare is not None:
        return _unquoted(source, bare)
    message = next((text for words, text in _EXPLAINED if words in problem), None)
    char = source.text[index : index + 1]
    if message == "TAB" or (message is None and char == "\t"):
        return source.problem("tab", "there is a tab here; YAML indents with spaces", index, end=index + 1, fix="  ")
    if message is None and "cannot start any token" in problem:
        message = f"a text that begins with `{char}` has to stand in quotes"
    return source.problem("yaml", message or f"this is no YAML: {problem}", min(index, max(0, len(source.text) - 1)))


def _bare_template(source: Source, index: int) -> int | None:
    """The `{{` of a value without quotes, if there is one in the line of a problem or the one above."""
    number, _ = source.place(index)
    for line in (number, number - 1):
        if line >= 1:
            match = _BARE_TEMPLATE.match(source.line(line))
            if match:
                return source.start(line) + match.start(1)
    return None


def _unquoted(source: Source, index: int) -> Problem:
    start = source.text.rfind("{", 0, index + 1) if source.text[index : index + 1] == "{" else index
    if source.text[start - 1 : start] == "{":
        start -= 1
    line = source.line(source.place(start)[0])
    column = source.place(start)[1] - 1
    rest = line[column:].split(" #")[0].rstrip()
    if any(bracket in line[:column] for bracket in "[{"):  # in `{a: {{ x }}}` the braces around it go on
        rest = rest[: rest.find("}}") + 2] if "}}" in rest else rest
    quoted = "'" + rest.replace("'", "''") + "'"
    message = f"a value that begins with `{{{{` has to stand in quotes: {shown(quoted, longest=80)}"
    return source.problem("quotes", message, start, end=start + len(rest), fix=quoted)
