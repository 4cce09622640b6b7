"""The small part of JavaScript that stands in other engines' expressions, read into a tree. It is never run."""

from __future__ import annotations

import json
import re

import msgspec

_TOKEN = re.compile(
    r"""(?x)
      (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<number>(?:\d[\d_]*)?\.\d+(?:[eE][+-]?\d+)?|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_$][\w$]*)
    | (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    | (?P<op>=>|\.\.\.|===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?!\d)|\*\*|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.DOTALL,
)
_REGEX = re.compile(r"/(?P<body>(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/(?P<flags>[a-z]*)")
_BINARY = {
    "??": 1, "||": 2, "&&": 3,
    "==": 4, "!=": 4, "===": 4, "!==": 4,
    "<": 5, ">": 5, "<=": 5, ">=": 5,
    "+": 6, "-": 6, "*": 7, "/": 7, "%": 7,
}  # fmt: skip
_LONGEST = 4_000
_DEEPEST = 60


class NotUnderstood(Exception):
    """Something that is not in this small part of the language; the message says what."""


class Literal(msgspec.Struct, frozen=True):
    """A text, number, true, false or null."""

    value: str | float | int | bool | None


class Name(msgspec.Struct, frozen=True):
    """`$json`, `Math`."""

    name: str


class Member(msgspec.Struct, frozen=True):
    """`owner.key`, `owner["key"]`, `owner[0]`."""

    owner: Expression
    key: Expression
    optional: bool = False


class Call(msgspec.Struct, frozen=True):
    """`function(arguments)`; `new` before it is left out."""

    function: Expression
    arguments: tuple[Expression, ...]


class Unary(msgspec.Struct, frozen=True):
    """`!x`, `-x`, `typeof x`."""

    operator: str
    operand: Expression


class Binary(msgspec.Struct, frozen=True):
    """`a + b` and the like."""

    operator: str
    left: Expression
    right: Expression


class Conditional(msgspec.Struct, frozen=True):
    """`test ? yes : no`."""

    test: Expression
    yes: Expression
    no: Expression


class Array(msgspec.Struct, frozen=True):
    """`[a, b]`."""

    items: tuple[Expression, ...]


class Object(msgspec.Struct, frozen=True):
    """`{a: b}`."""

    entries: tuple[tuple[str, Expression], ...]


class Template(msgspec.Struct, frozen=True):
    """`` `a ${b}` ``."""

    parts: tuple[Expression, ...]


class Regex(msgspec.Struct, frozen=True):
    """`/a/g`."""

    body: str
    flags: str


class Arrow(msgspec.Struct, frozen=True):
    """`x => expression`."""

    parameter: str
    body: Expression


Expression = Literal | Name | Member | Call | Unary | Binary | Conditional | Array | Object | Template | Regex | Arrow


def parse(text: str) -> Expression:
    """The tree of one expression.

    Raises:
        NotUnderstood: it holds something else: statements, functions of several lines, classes.
    """
    if len(text) > _LONGEST:
        raise NotUnderstood("it is longer than an expression should be")
    parser = _Parser(_tokens(text))
    tree = parser.expression()
    if parser.kind == "op" and parser.text == ";":
        parser.step()
    if parser.kind != "end":
        raise NotUnderstood(f"`{parser.text}` is more than an expression")
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        regex = _REGEX.match(text, at) if text[at] == "/" and _may_be_regex(found) else None
        if regex is not None and text[at : at + 2] not in ("//", "/*"):
            found.append(("regex", regex[0]))
            at = regex.end()
            continue
        if text[at] == "`":
            end = _template_end(text, at)
            found.append(("template", text[at + 1 : end]))
            at = end + 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotUnderstood(f"`{text[at]}` is no part of an expression that can be taken over")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        at = match.end()
    return found


def _may_be_regex(before: list[tuple[str, str]]) -> bool:
    return not before or (before[-1][0] == "op" and before[-1][1] not in (")", "]", "}"))


def _template_end(text: str, start: int) -> int:
    at, depth = start + 1, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}" and depth:
            depth -= 1
        elif text[at] == "`" and not depth:
            return at
        at += 1
    raise NotUnderstood("a text in back quotes has no end")


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else "end"

    @property
    def text(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def step(self) -> str:
        text = self.text
        self.at += 1
        return text

    def is_op(self, *texts: str) -> bool:
        return self.kind == "op" and self.text in texts

    def need(self, text: str) -> None:
        if not self.is_op(text):
            raise NotUnderstood(f"`{text}` is missing before `{self.text or 'the end'}`")
        self.step()

    def expression(self) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotUnderstood("it is nested too deep")
        arrow = self.arrow()
        tree = arrow if arrow is not None else self.conditional()
        self.depth -= 1
        return tree

    def arrow(self) -> Arrow | None:
        ahead = [token[1] for token in self.tokens[self.at : self.at + 4]]
        names = [token[0] for token in self.tokens[self.at : self.at + 4]]
        if ahead[1:2] == ["=>"] and names[0] == "name":
            self.at += 2
            name = ahead[0]
        elif ahead[:1] == ["("] and ahead[2:4] == [")", "=>"] and names[1] == "name":
            self.at += 4
            name = ahead[1]
        else:
            return None
        if self.is_op("{"):
            raise NotUnderstood("a function with statements")
        return Arrow(name, self.expression())

    def conditional(self) -> Expression:
        test = self.binary(1)
        if not self.is_op("?"):
            return test
        self.step()
        yes = self.expression()
        self.need(":")
        return Conditional(test, yes, self.expression())

    def binary(self, least: int) -> Expression:
        left = self.unary()
        while self.kind == "op" and _BINARY.get(self.text, 0) >= least:
            operator = self.step()
            left = Binary(operator, left, self.binary(_BINARY[operator] + 1))
        return left

    def unary(self) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotUnderstood("it is nested too deep")
        try:
            if self.is_op("!", "-", "+"):
                return Unary(self.step(), self.unary())
            if self.kind == "name" and self.text in ("typeof", "await", "void", "delete"):
                return Unary(self.step(), self.unary())
            return self.postfix(self.primary())
        finally:
            self.depth -= 1

    def postfix(self, tree: Expression) -> Expression:
        while self.is_op(".", "?.", "[", "("):
            operator = self.step()
            if operator == "(":
                tree = Call(tree, self.several(")"))
            elif operator == "[":
                tree = Member(tree, self.expression())
                self.need("]")
            elif self.is_op("[") and operator == "?.":
                self.step()
                tree = Member(tree, self.expression(), optional=True)
                self.need("]")
            elif self.kind == "name":
                tree = Member(tree, Literal(self.step()), optional=operator == "?.")
            else:
                raise NotUnderstood(f"`{operator}` before `{self.text or 'the end'}`")
        return tree

    def several(self, end: str) -> tuple[Expression, ...]:
        found = []
        while not self.is_op(end):
            if self.is_op("..."):
                raise NotUnderstood("`...`")
            found.append(self.expression())
            if not self.is_op(end):
                self.need(",")
        self.step()
        return tuple(found)

    def primary(self) -> Expression:
        kind, text = self.kind, self.step()
        if kind == "number":
            plain = text.replace("_", "")
            return Literal(float(plain) if re.search(r"[.eE]", plain) else int(plain))
        if kind == "text":
            return Literal(_unquoted(text))
        if kind == "template":
            return _template(text)
        if kind == "regex":
            match = _REGEX.fullmatch(text)
            return Regex(match["body"], match["flags"]) if match else Literal(text)
        if kind == "name":
            return self.word(text)
        if (kind, text) == ("op", "("):
            tree = self.expression()
            self.need(")")
            return tree
        if (kind, text) == ("op", "["):
            return Array(self.several("]"))
        if (kind, text) == ("op", "{"):
            return self.object()
        raise NotUnderstood(f"`{text}` where a value is wanted" if text else "it ends where a value is wanted")

    def word(self, text: str) -> Expression:
        if text in ("true", "false", "null", "undefined"):
            return Literal({"true": True, "false": False}.get(text))
        if text == "new":
            return self.postfix(self.primary())
        if text in ("function", "const", "let", "var", "return", "if", "for", "class", "async", "throw", "switch"):
            raise NotUnderstood(f"`{text}`: these are statements")
        return Name(text)

    def object(self) -> Object:
        entries = []
        while not self.is_op("}"):
            if self.kind not in ("name", "text", "number"):
                raise NotUnderstood(f"`{self.text}` in a map")
            kind, key = self.kind, self.step()
            name = _unquoted(key) if kind == "text" else key
            if self.is_op(":"):
                self.step()
                entries.append((name, self.expression()))
            else:
                entries.append((name, Name(name)))
            if not self.is_op("}"):
                self.need(",")
        self.step()
        return Object(tuple(entries))


def _template(text: str) -> Template:
    parts: list[Expression] = []
    at, begin = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            end = _hole_end(text, at + 2)
            parts += [Literal(_unescaped(text[begin:at])), parse(text[at + 2 : end])]
            at = begin = end + 1
        else:
            at += 1
    parts.append(Literal(_unescaped(text[begin:])))
    return Template(tuple(part for part in parts if not (isinstance(part, Literal) and part.value == "")))


def _hole_end(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            if not depth:
                return at
            depth -= 1
        at += 1
    raise NotUnderstood("`${` has no end")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


def _unquoted(text: str) -> str:
    return _unescaped(text[1:-1])


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        found = match[1]
        if found[0] in "ux" and len(found) > 1:
            code = int(found[1:].strip("{}"), 16)
            return chr(code) if code < 0x110000 else "\ufffd"
        return _ESCAPES.get(found, found)

    return _ESCAPE.sub(one, text)


def quoted(text: str) -> str:
    """A text as our expressions write it."""
    if "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
