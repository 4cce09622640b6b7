"""Go's text/template, as flows of the older engine are written, read into Jinja's syntax tree.

The tree then goes through the same checks, compiler and bounds as a text of ours, so there is one engine and not two.
`.event.payload` becomes `event.data`, `.variables.STEP.FIELD` becomes `steps.STEP.output.FIELD`. In a text that holds
both spellings each `{{ … }}` is read for itself; a missing field is empty in the whole text then. A text with `{% %}`
is ours alone.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Collection
from typing import Any

from jinja2 import nodes

from reactor.language.dialects.golexer import (
    FUNCTIONS,
    KEYWORDS,
    GoSyntaxError,
    Piece,
    Token,
    is_go,
    is_go_expression,
    refuse,
    split,
    tokens,
)

__all__ = ["GoSyntaxError", "is_go", "is_go_expression", "legacy_event_view", "parse", "parse_bare"]

ParseOurs = Callable[[str, int], nodes.Expr]
_VARIABLES = "_go_variables"
_ARITY = {
    **dict.fromkeys(
        [
            "not",
            "len",
            "quote",
            "upper",
            "lower",
            "title",
            "trim",
            "toJson",
            "fromJson",
            "urlquery",
            "html",
            "int",
            "float64",
            "toString",
            "empty",
        ],
        (1, 1),
    ),
    **dict.fromkeys(
        ["ne", "lt", "le", "gt", "ge", "default", "join", "contains", "hasPrefix", "hasSuffix", "sub", "div", "mod"],
        (2, 2),
    ),
    **dict.fromkeys(["replace", "ternary"], (3, 3)),
    **dict.fromkeys(["and", "or", "index", "printf"], (1, 99)),
    "eq": (2, 99),
    "now": (0, 0),
}
_FLOW_IDS = {"workflow_id": ("flow", "name"), "execution_id": ("run", "id")}
_OPERATORS = {
    "==": "eq a b",
    "!=": "ne a b",
    "<": "lt a b",
    "<=": "le a b",
    ">": "gt a b",
    ">=": "ge a b",
    "&&": "and a b",
    "||": "or a b",
    "!": "not a",
}


def parse(text: str, parse_ours: ParseOurs, filters: Collection[str]) -> nodes.Template:
    """The tree of a text in Go's spelling. `parse_ours` reads an action that is in ours; `filters` are known by name.

    Raises:
        GoSyntaxError: it cannot be read; with the character.
    """
    parser = _Parser(split(text), parse_ours, filters)
    if len(parser.pieces) == 1 and parser.pieces[0].action:
        sole = parser.expression(parser.pieces[0])
        if sole is not None:
            return nodes.Template([nodes.Output([sole], lineno=0)], lineno=0)
    return nodes.Template([_new_box(), *parser.body(())], lineno=0)


def parse_bare(text: str, parse_ours: ParseOurs, filters: Collection[str]) -> nodes.Template:
    """The tree of a bare expression in Go's spelling, `eq .event.type "x"`.

    Raises:
        GoSyntaxError: it cannot be read; with the character.
    """
    piece = Piece(text, 0, action=True)
    parser = _Parser([piece], parse_ours, filters)
    sole = parser.expression(piece)
    if sole is None:
        raise GoSyntaxError("an expression is wanted here, not a block", 0)
    return nodes.Template([nodes.Output([sole], lineno=0)], lineno=0)


def _new_box() -> nodes.Stmt:
    """`$x := …` lives in a box, so that an assignment inside `range` is seen behind it, as in Go."""
    return nodes.Assign(_name(_VARIABLES, 0, "store"), _internal("box", nodes.Const(None, lineno=0), [], 0), lineno=0)


def _name(name: str, at: int, ctx: str = "load") -> nodes.Name:
    return nodes.Name(name, ctx, lineno=at)


def _internal(name: str, value: nodes.Expr, args: list[nodes.Expr], at: int) -> nodes.Filter:
    return nodes.Filter(value, f"_go_{name}", args, [], None, None, lineno=at)


class _Stream:
    """The tokens of one action."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.tokens = tokens(piece)
        self.at = 0

    def peek(self) -> Token:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return Token("end", "", self.piece.offset + len(self.piece.value), glued=False)

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, kind: str) -> Token | None:
        return self.next() if self.peek().kind == kind else None


class _Parser:
    """Recursive descent over the pieces of a text."""

    def __init__(self, pieces: list[Piece], parse_ours: ParseOurs, filters: Collection[str]) -> None:
        self.pieces = pieces
        self.parse_ours = parse_ours
        self.filters = filters
        self.at = 0
        self.dots: list[str] = []
        self.scopes: list[dict[str, str]] = [{}]
        self.counter = 0

    # ---- blocks

    def body(self, ends: tuple[str, ...]) -> list[nodes.Node]:
        """The nodes up to one of the keywords (not taken), or the end of the text."""
        found: list[nodes.Node] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if not piece.action:
                found.append(nodes.Output([nodes.TemplateData(piece.value, lineno=piece.offset)], lineno=piece.offset))
                self.at += 1
                continue
            stream = _Stream(piece)
            word = stream.peek().value if _is_keyword(stream) else ""
            if word in ends:
                return found
            self.at += 1
            found += self._block(word, stream) if word else self._action(stream)
        if ends:
            raise GoSyntaxError("an `end` is missing", self.pieces[-1].offset + len(self.pieces[-1].value))
        return found

    def _block(self, word: str, stream: _Stream) -> list[nodes.Node]:
        token = stream.next()
        self.scopes.append({})
        try:
            if word == "if":
                return self._if(stream)
            if word == "with":
                return self._with(stream, token.offset)
            if word == "range":
                return self._range(stream, token.offset)
        finally:
            self.scopes.pop()
        if word not in {"break", "continue"}:
            refuse(f"`{word}` is not expected here" if word in {"end", "else"} else f"`{word}` is not supported", token)
        return [nodes.Break(lineno=token.offset) if word == "break" else nodes.Continue(lineno=token.offset)]

    def _if(self, stream: _Stream) -> list[nodes.Node]:
        at = stream.piece.offset
        before, test = self._condition(stream)
        then = self.body(("else", "end"))
        return [*before, nodes.If(test, then, [], self._else(), lineno=at)]

    def _else(self) -> list[nodes.Node]:
        """What stands behind `else`, up to and with the `end`."""
        stream = _Stream(self.pieces[self.at])
        word = stream.next().value
        self.at += 1
        if word == "end":
            return []
        following = stream.peek()
        if following.value in {"if", "with"}:
            stream.next()
            return self._if(stream) if following.value == "if" else self._with(stream, following.offset)
        if following.kind != "end":
            refuse(f"`{following.value}` is not expected behind `else`", following)
        found = self.body(("end",))
        self.at += 1
        return found

    def _with(self, stream: _Stream, at: int) -> list[nodes.Node]:
        before, value = self._condition(stream)
        dot = self._fresh("dot")
        self.dots.append(dot)
        then = self.body(("else", "end"))
        self.dots.pop()
        branch = nodes.If(_name(dot, at), then, [], self._else(), lineno=at)
        return [*before, nodes.With([_name(dot, at, "param")], [value], [branch], lineno=at)]

    def _range(self, stream: _Stream, at: int) -> list[nodes.Node]:
        declared = self._declared(stream)
        if len(declared) > 2:
            refuse("range takes at most two variables", stream.peek())
        value = self._pipeline(stream, "end")
        key, dot = self._fresh("key"), self._fresh("dot")
        self.dots.append(dot)
        sources = (dot,) if len(declared) == 1 else (key, dot)
        start = [self._assign(name, _name(source, at), at) for name, source in zip(declared, sources, strict=False)]
        then = [*start, *self.body(("else", "end"))]
        self.dots.pop()
        otherwise = self._else()
        target = nodes.Tuple([_name(key, at, "store"), _name(dot, at, "store")], "store", lineno=at)
        return [nodes.For(target, _internal("pairs", value, [], at), then, otherwise, None, False, lineno=at)]

    def _condition(self, stream: _Stream) -> tuple[list[nodes.Node], nodes.Expr]:
        """`pipeline` or `$x := pipeline`, as an assignment in front and the expression."""
        declared = self._declared(stream)
        if stream.peek().kind == "end":
            refuse("a value is missing", stream.peek())
        value = self._pipeline(stream, "end") if _reads_go(stream) else self._ours(stream)
        if not declared:
            return [], value
        at = stream.piece.offset
        return [self._assign(declared[0], value, at)], self._variable(declared[0], at)

    # ---- variables

    def _fresh(self, what: str) -> str:
        self.counter += 1
        return f"_go_{what}{self.counter}"

    def _declared(self, stream: _Stream) -> list[str]:
        """The variables in front of `:=`, now known."""
        start, names = stream.at, []
        while (token := stream.accept("variable")) is not None:
            names.append(token.value)
            if stream.accept(",") is None:
                break
        if not names or stream.accept(":=") is None:
            stream.at = start
            return []
        for name in names:
            self.counter += 1
            self.scopes[-1][name] = f"{name[1:]}_{self.counter}"
        return names

    def _assign(self, name: str, value: nodes.Expr, at: int) -> nodes.Node:
        return nodes.Assign(nodes.NSRef(_VARIABLES, self._slot(name, at), lineno=at), value, lineno=at)

    def _variable(self, name: str, at: int) -> nodes.Expr:
        return nodes.Getattr(_name(_VARIABLES, at), self._slot(name, at), "load", lineno=at)

    def _slot(self, name: str, at: int) -> str:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise GoSyntaxError(f"there is no variable `{name}`", at)

    # ---- expressions

    def expression(self, piece: Piece) -> nodes.Expr | None:
        """The value of an action that is one; None for a block or an assignment.

        Raises:
            GoSyntaxError: it cannot be read.
        """
        stream = _Stream(piece)
        if _is_keyword(stream) or any(token.kind in {":=", "="} for token in stream.tokens):
            return None
        return self._pipeline(stream, "end") if _reads_go(stream) else self._ours(stream)

    def _ours(self, stream: _Stream) -> nodes.Expr:
        """What is left of the action, in our own spelling."""
        start = stream.peek().offset
        return self.parse_ours(stream.piece.value[start - stream.piece.offset :], start)

    def _action(self, stream: _Stream) -> list[nodes.Node]:
        at = stream.piece.offset
        declared = self._declared(stream)
        if declared:
            return [self._assign(declared[0], self._pipeline(stream, "end"), at)]
        if len(stream.tokens) > 1 and stream.tokens[0].kind == "variable" and stream.tokens[1].kind == "=":
            name = stream.next().value
            stream.next()
            return [self._assign(name, self._pipeline(stream, "end"), at)]
        value = self._pipeline(stream, "end") if _reads_go(stream) else self._ours(stream)
        return [nodes.Output([_internal("shown", value, [], at)], lineno=at)]

    def _pipeline(self, stream: _Stream, end: str) -> nodes.Expr:
        value: nodes.Expr | None = None
        while True:
            value = self._command(stream, value)
            token = stream.next()
            if token.kind == end:
                return value
            if token.kind != "|":
                self._unexpected(token)

    def _unexpected(self, token: Token) -> None:
        if token.kind == "end":
            refuse("a `)` is missing", token)
        if token.value in _OPERATORS:
            refuse(
                f"Go templates have no `{token.value}`; write `{_OPERATORS[token.value]}`, or all of it in our own way",
                token,
            )
        if token.kind == ",":
            refuse("arguments are separated by blanks", token)
        refuse(f"`{token.value}` is not expected here", token)

    def _command(self, stream: _Stream, piped: nodes.Expr | None) -> nodes.Expr:
        first = stream.peek()
        if first.kind == "name" and first.value not in {"true", "false", "nil"}:
            stream.next()
            args = []
            while stream.peek().kind not in {"|", ")", "end"}:
                args.append(self._operand(stream))
            return self._apply(first, args, piped)
        value = self._operand(stream)
        if piped is not None or stream.peek().kind not in {"|", ")", "end"}:
            wrong = first if piped is not None else stream.peek()
            if wrong.kind in {"other", ",", "="}:
                self._unexpected(wrong)
            refuse(f"`{first.value}` is no function, so it takes no arguments", wrong)
        return value

    def _apply(self, name: Token, args: list[nodes.Expr], piped: nodes.Expr | None) -> nodes.Expr:
        word, at = name.value, name.offset
        if word not in FUNCTIONS:
            return self._filter(name, args, piped)
        args = [*args, piped] if piped is not None else args
        least, most = _ARITY.get(word, (0, 99))
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"at least {least}"
            refuse(f"`{word}` takes {wanted} arguments, {len(args)} given", name)
        if word == "not":
            return nodes.Not(args[0], lineno=at)
        if word in {"and", "or"}:
            value = args[0]
            for other in args[1:]:
                value = (nodes.And if word == "and" else nodes.Or)(value, other, lineno=at)
            return value
        if word == "now":
            return nodes.Call(_name("now", at), [], [], None, None, lineno=at)
        value, *rest = args or [nodes.Const("", lineno=at)]
        return _internal(word, value, rest, at)

    def _filter(self, name: Token, args: list[nodes.Expr], piped: nodes.Expr | None) -> nodes.Expr:
        """A filter of ours by its name, given the piped value or the last argument."""
        if name.value not in self.filters or not (args or piped is not None):
            close = difflib.get_close_matches(name.value, FUNCTIONS, 1)
            meant = f"did you mean `{close[0]}`?" if close else f"a field is written `.{name.value}`"
            refuse(f"there is no function `{name.value}`; {meant}", name)
        value = piped if piped is not None else args.pop()
        return nodes.Filter(value, name.value, args, [], None, None, lineno=name.offset)

    def _operand(self, stream: _Stream) -> nodes.Expr:
        token = stream.next()
        if token.kind == "field" or (token.kind == "variable" and token.value == "$"):
            return self._path(stream, token)
        value = self._term(stream, token)
        while stream.peek().kind == "field" and stream.peek().glued:
            field = stream.next()
            value = nodes.Getattr(value, field.value[1:], "load", lineno=field.offset)
        return value

    def _term(self, stream: _Stream, token: Token) -> nodes.Expr:
        at = token.offset
        if token.kind == "(":
            return self._pipeline(stream, ")")
        if token.kind == "variable":
            return self._variable(token.value, at)
        if token.kind == "dot":
            if not self.dots:
                refuse("`.` alone is everything here; name what you want, as in `.event`", token)
            return _name(self.dots[-1], at)
        if token.kind == "name":
            if token.value in {"true", "false", "nil"}:
                return nodes.Const({"true": True, "false": False, "nil": None}[token.value], lineno=at)
            return self._apply(token, [], None)
        if token.kind in {"number", "text"}:
            return nodes.Const(_literal(token), lineno=at)
        if token.kind == "end":
            refuse("a value is missing", token)
        self._unexpected(token)
        raise AssertionError(token)

    def _path(self, stream: _Stream, first: Token) -> nodes.Expr:
        """`.a.b` from the dot, `$.a.b` from the root."""
        fields = [] if first.kind == "variable" else [first]
        while stream.peek().kind == "field" and stream.peek().glued:
            fields.append(stream.next())
        if self.dots and first.kind == "field":
            value: nodes.Expr = _name(self.dots[-1], first.offset)
        elif fields:
            value, fields = _root(fields)
        else:
            refuse("`$` alone is everything here; name what you want, as in `$.event`", first)
        for field in fields:
            value = nodes.Getattr(value, field.value[1:], "load", lineno=field.offset)
        return value


def _root(fields: list[Token]) -> tuple[nodes.Expr, list[Token]]:
    """What the first names of a path mean in our words, and the names that are left."""
    head, at = fields[0].value[1:], fields[0].offset
    second = fields[1].value[1:] if len(fields) > 1 else None
    if head.startswith("_"):
        refuse(f"there is no `.{head}`", fields[0])
    if head == "event" and second == "payload":
        return nodes.Getattr(_name("event", at), "data", "load", lineno=fields[1].offset), fields[2:]
    if head == "variables" and second is None:
        return _name("vars", at), []
    if head == "variables" and second in _FLOW_IDS:
        owner, name = _FLOW_IDS[second]
        return nodes.Getattr(_name(owner, at), name, "load", lineno=at), fields[2:]
    if head == "variables":
        return _internal(
            "variable", _name("steps", at), [nodes.Const(second, lineno=at), _name("vars", at)], at
        ), fields[2:]
    return _name(head, at), fields[1:]


def _is_keyword(stream: _Stream) -> bool:
    first = stream.peek()
    return first.kind == "name" and first.value in KEYWORDS


def _reads_go(stream: _Stream) -> bool:
    """Whether the rest of an action is Go's: unless it begins with a name that is no function of Go's."""
    first = stream.peek()
    rest = stream.tokens[stream.at :]
    go = is_go_expression(stream.piece.value[first.offset - stream.piece.offset :])
    if go or first.kind in {"field", "dot", "variable"}:
        return True
    if first.kind == "name" and first.value in FUNCTIONS:
        return len(rest) == 1 or not rest[1].glued
    return len(rest) == 1 and (first.kind in {"text", "number"} or first.value in {"true", "false", "nil"})


def _literal(token: Token) -> Any:
    value = token.value
    if value[0] == "`":
        return value[1:-1]
    try:
        return ast.literal_eval(value.lstrip("+"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise GoSyntaxError(f"`{value[:40]}` cannot be read", token.offset) from None


_CHANGES = {"created": "CREATE", "modified": "WRITE", "deleted": "REMOVE"}
_ALIASES = {"file_path": "path", "file_name": "name", "file_ext": "extension", "file_dir": "dir"}


def legacy_event_view(event_view: dict[str, Any]) -> dict[str, Any]:
    """The event as flows of the older engine see it: a file event answers to its older names too.

    `file_path file_name file_ext file_dir` stand in `data` (so in `payload` too), in `metadata` and at the top;
    `operation` stands in `metadata`.
    """
    metadata = event_view.get("metadata")
    if not isinstance(metadata, dict) or "path" not in metadata or "change" not in metadata:
        return event_view
    names = {older: metadata[name] for older, name in _ALIASES.items() if name in metadata}
    data = event_view.get("data")
    data = {**names, **data} if isinstance(data, dict) else (names if data is None else data)
    change = metadata["change"]
    return {
        **event_view,
        **names,
        "data": data,
        "payload": data,
        "metadata": {**names, **metadata, "operation": _CHANGES.get(change, str(change).upper())},
    }
