"""From text to Jinja's syntax tree: parsed by Jinja's own parser, checked against what we allow.

Jinja's nodes know only their line: our lexer puts the character offset where the line number would be, so `lineno` of
every node (and of every syntax error) is an offset into the text.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterator
from typing import NoReturn

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

from reactor.language.expressions import filters, jq, patterns, predicates
from reactor.language.expressions.limits import LIMITS, ExpressionSyntaxError, Refusal

INTERNAL = "_go_"
"""Names, filters and tests that begin so are ours: no text can write them."""
_OPEN, _CLOSE = "([{", ")]}"

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.With,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.FilterBlock,
    nodes.Name,
    nodes.NSRef,
    nodes.Const,
    nodes.Tuple,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Getitem,
    nodes.Getattr,
    nodes.Slice,
    nodes.Concat,
    nodes.Compare,
    nodes.Operand,
    nodes.BinExpr,
    nodes.UnaryExpr,
)
_TAGS: dict[type[nodes.Node], str] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Scope: "autoescape",
}
_DROPPED = {
    "safe": "nothing is escaped here, so it is not needed",
    "forceescape": "use `| escape`",
    "urlize": "it makes HTML; build the text yourself",
    "xmlattr": "it makes HTML; build the text yourself",
    "pprint": "use `| json(indent=2)`",
    "random": "it would differ when a run is replayed; use `random()`, which is recorded",
    "attr": "write `value.name` or `value['name']`",
    "upperfirst": "use `| capitalize`",
}


class ExpressionEnvironment(Environment):
    """Jinja's settings, and a lexer that knows offsets."""

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        stream = self.lexer.tokeniter(source, name, filename, state)
        return TokenStream(self.lexer.wrap(_with_offsets(source, stream), name, filename), name, filename)


def _with_offsets(source: str, stream: Iterator[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Offsets in place of lines. What is too long or too deep is refused here, before the parser goes down into it."""
    position = count = depth = 0
    try:
        for _, kind, value in stream:
            # What `{{-` strips never becomes a token: go on to where this one stands.
            while source[position : position + len(value)] != value and source[position : position + 1].isspace():
                position += 1
            count += 1
            depth += kind == "operator" and (value in _OPEN) - (value in _CLOSE)
            if count > 3 * LIMITS.nodes:
                raise TemplateSyntaxError(f"it has more than {LIMITS.nodes:,} parts; split it up", position)
            if depth > LIMITS.nesting:
                raise TemplateSyntaxError(f"it is nested deeper than {LIMITS.nesting} levels", position)
            yield position, kind, value
            position += len(value)
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(error.message or "syntax error", position) from None


ENVIRONMENT = ExpressionEnvironment(keep_trailing_newline=True, cache_size=0, autoescape=False)


def parse_template(text: str) -> nodes.Template:
    """The tree of a text with `{{ }}` and `{% %}` in it.

    Raises:
        ExpressionSyntaxError: it cannot be read, or holds what is not allowed here.
    """
    precheck(text)
    with _translated():
        tree = Parser(ENVIRONMENT, text).parse()
        check(tree)
    return tree


def parse_expression(text: str, offset: int = 0) -> nodes.Expr:
    """The tree of a bare expression that begins at `offset` of a larger text.

    Raises:
        ExpressionSyntaxError: it cannot be read, or holds what is not allowed here.
    """
    if not text.strip():
        raise ExpressionSyntaxError("there is no expression here", offset)
    precheck(text)
    with _translated(offset):
        parser = Parser(ENVIRONMENT, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise TemplateSyntaxError(_leftover(text, token.lineno), token.lineno)
        assert isinstance(tree, nodes.Expr)  # noqa: S101 - for the type checker
        check(tree)
    if offset:
        for node in (tree, *tree.find_all(nodes.Node)):
            node.lineno = (node.lineno or 0) + offset
    return tree


def _leftover(text: str, at: int) -> str:
    rest = text[at:].lstrip()
    if rest.startswith("="):
        return "`=` sets nothing here; compare with `==`"
    if rest.startswith(("&&", "&")):
        return "write `and` for `&&`"
    if rest.startswith("?"):
        return "write `a if condition else b` for `condition ? a : b`"
    return f"the expression ends before `{rest[:20]}`; is an operator missing, or a quote?"


class _translated:  # noqa: N801 - used as a statement
    """Turns what Jinja's parser raises into our error."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemplateSyntaxError):
            raise ExpressionSyntaxError(_advice(error.message or ""), self.offset + error.lineno) from None
        if isinstance(error, (RecursionError, MemoryError)):
            raise ExpressionSyntaxError("it is nested too deep", self.offset) from None
        if isinstance(error, ExpressionSyntaxError):
            error.offset += self.offset
        elif isinstance(error, (ValueError, SyntaxError)):
            raise ExpressionSyntaxError(f"it cannot be read: {error}", self.offset) from None


_HINTS = {
    "unexpected char '&'": "write `and` for `&&`",
    "unexpected char '!'": "write `not` for `!`",
    "unexpected char '?'": "write `a if condition else b` for `condition ? a : b`, `| default(b)` for `??`",
    "unexpected char '|'": "write `or` for `||`",
    "got '|'": "write `or` for `||`",
    "unexpected '|'": "write `or` for `||`",
    "end of template, expected 'end of print": "`}}` is missing",
    "unexpected '.'": "unexpected `.`; is a quote or a name missing?",
    "Missing end of comment": "`{#` begins a comment that does not end; write {% raw %}{#{% endraw %} for the signs",
}


def _advice(message: str) -> str:
    """Jinja's message in our words where it says little."""
    for part, hint in _HINTS.items():
        if part in message:
            return hint
    if "unexpected char" in message:
        return message.split(" at ", 1)[0] + "; is a quote missing?"
    return message.replace("Jinja was looking for", "looking for").replace("Jinja is expecting", "expecting")


def precheck(text: str) -> None:
    """Refuse what is too long before anything reads it.

    Raises:
        ExpressionSyntaxError: over the limit.
    """
    if len(text) > LIMITS.source:
        raise ExpressionSyntaxError(f"it is longer than {LIMITS.source:,} characters", LIMITS.source)


def check_go(tree: nodes.Node) -> None:
    """Refuse a tree of Go's spelling that is too large, or holds a filter or number that is not allowed.

    Raises:
        ExpressionSyntaxError: with the place of the first.
    """
    check(tree, internal=True)


def check(tree: nodes.Node, *, internal: bool = False) -> None:
    """Refuse every node, name, filter and number that is not allowed. `internal` trees may hold names of ours.

    Raises:
        ExpressionSyntaxError: with the place of the first.
    """
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        if count > LIMITS.nodes:
            _refuse(node, f"it has more than {LIMITS.nodes:,} parts; split it up")
        if depth > LIMITS.nesting:
            _refuse(node, f"it is nested deeper than {LIMITS.nesting} levels")
        if not internal or not _is_ours(node):
            _check_node(node)
        stack.extend((child, depth + 1) for child in node.iter_child_nodes())


def _is_ours(node: nodes.Node) -> bool:
    return isinstance(node, (nodes.Break, nodes.Continue)) or getattr(node, "name", "").startswith(INTERNAL)


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        tag = _TAGS.get(type(node))
        _refuse(node, f"{{% {tag} %}} is not available here" if tag else f"{type(node).__name__} is not available here")
    if isinstance(node, (nodes.Name, nodes.NSRef)):
        _check_name(node, node.name)
    elif isinstance(node, nodes.Keyword):
        _check_name(node, node.key)
    elif isinstance(node, nodes.Const):
        _check_constant(node)
    elif isinstance(node, nodes.For):
        if node.recursive:
            _refuse(node, "recursive loops are not available here")
    elif isinstance(node, nodes.Filter):
        _check_filter(node)
    elif isinstance(node, nodes.Test):
        _check_test(node)
    if isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)) and (node.dyn_args or node.dyn_kwargs):
        _refuse(node, "`*` and `**` are not available in calls")


def _check_name(node: nodes.Node, name: str) -> None:
    if name.startswith((INTERNAL, "__")):
        _refuse(node, f"there is no `{name}`")
    if not name.isascii() and unicodedata.normalize("NFKC", name) != name:
        _refuse(node, f"`{name}` is written with characters that look like others")


def _check_constant(node: nodes.Const) -> None:
    value = node.value
    if isinstance(value, int) and value.bit_length() > LIMITS.integer_bits:
        _refuse(node, "the number is too large")
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(node, "the number is too large")


def _check_filter(node: nodes.Filter) -> None:
    name = node.name
    if name in _DROPPED and name not in filters.FILTERS:
        _refuse(node, f"there is no filter `{name}`: {_DROPPED[name]}")
    if name not in filters.FILTERS:
        _refuse(node, f"there is no filter `{name}`{_meant(name, list(filters.FILTERS))}")
    constant = node.args[0].value if node.args and isinstance(node.args[0], nodes.Const) else None
    if not isinstance(constant, str):
        return
    try:
        if name == "jq":
            problem = jq.check(constant)
            if problem is not None:
                _refuse(node, f"the jq program cannot be compiled: {problem}")
        elif name.startswith("regex_"):
            patterns.compiled(constant)
        elif name == "map" and constant not in filters.FILTERS:
            _refuse(node, f"there is no filter `{constant}`{_meant(constant, list(filters.FILTERS))}")
    except Refusal as refusal:
        _refuse(node, refusal.message)


def _check_test(node: nodes.Test) -> None:
    if node.name not in predicates.TESTS:
        _refuse(node, f"there is no test `{node.name}`{_meant(node.name, list(predicates.TESTS))}")


def _meant(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _refuse(node: nodes.Node, message: str) -> NoReturn:
    raise ExpressionSyntaxError(message, node.lineno or 0)
