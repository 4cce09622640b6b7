"""Command lines of `shell.exec`: values reach `sh` as values, whatever quotes they stand in.

The literal parts of the template are read as `sh` reads them, so that for every `{{ }}` it is known in which quotes it
stands; the value is quoted for exactly these. Where `sh` would read the value as more than a value (inside `$( )`, back
quotes, a here-document, code for `eval` or `sh -c`) or where it cannot be told, the command line is refused.
"""

from __future__ import annotations

from typing import NoReturn

from jinja2 import nodes

from reactor.language.expressions import build
from reactor.language.expressions.compiled import Compiled, Constant, Expression
from reactor.language.expressions.limits import ExpressionSyntaxError
from reactor.language.expressions.shellwords import BARE, DOUBLE, SINGLE, Cursor

_QUOTERS = {BARE: "_go_sh_bare", SINGLE: "_go_sh_single", DOUBLE: "_go_sh_double"}
_ADVICE = 'give it as an argument (`argv: [program, "{{ … }}"]`) or through `env:` and write "$NAME" in the command'
_MOST_VISITS = 20_000
_NO_QUOTES = "`| shellquote` is not needed: values in a command line are quoted by themselves"


def compile_command(text: str, legacy: bool = False, *, where: str = "") -> Compiled:  # noqa: FBT001, FBT002 - as the loader calls it
    """Compile a command line for `sh -c`. Each value becomes part of one word, whatever it holds; a list is its JSON.

    Raises:
        ExpressionSyntaxError: it cannot be read, or a value stands where it could not be kept a value.
    """
    if not build.is_template(text):
        return Constant(text)
    try:
        tree, go = build.parse(text, "template", legacy=legacy)
        quoter = _Quoter()
        quoter.block(tree.body, Cursor())
        quoter.wrap(tree)
        code, found = build.compile_tree(tree, native=False, lenient=legacy or go)
    except ExpressionSyntaxError as error:
        raise ExpressionSyntaxError(error.message, error.offset, where=where) from None
    return Expression(text, code, found, where=where)


class _Quoter:
    """Walks a template as `sh` would read what it renders, and notes in which quotes each value stands."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self.visits = 0

    def block(self, body: list[nodes.Node], cursor: Cursor) -> Cursor:
        """Go through these nodes; the cursor behind them."""
        for node in body:
            self.visits += 1
            if self.visits > _MOST_VISITS:
                _refuse(node, "the loops of this command line are nested too deep")
            cursor = self._node(node, cursor)
        return cursor

    def _node(self, node: nodes.Node, cursor: Cursor) -> Cursor:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                self._part(part, cursor)
            return cursor
        if isinstance(node, nodes.If):
            return self._if(node, cursor)
        if isinstance(node, nodes.For):
            return self._for(node, cursor)
        if isinstance(node, nodes.With):
            return self.block(node.body, cursor)
        if isinstance(node, (nodes.Assign, nodes.AssignBlock)):
            return cursor
        loops = isinstance(node, (nodes.Break, nodes.Continue))
        return _refuse(
            node, f"{'break and continue are' if loops else '{% filter %} is'} not possible in a command line"
        )

    def _if(self, node: nodes.If, cursor: Cursor) -> Cursor:
        bodies = [node.body, *(branch.body for branch in node.elif_), node.else_]
        merged, *ends = [self.block(body, cursor.copy()) for body in bodies]
        for end in ends:
            _same(merged, end, node)
            merged = merged.merged(end)
        return merged

    def _for(self, node: nodes.For, cursor: Cursor) -> Cursor:
        """Twice, because a later turn meets what the turn before it has left."""
        for _ in range(2):
            end = self.block(node.body, cursor.copy())
            _same(cursor, end, node)
            cursor = cursor.merged(end)
        other = self.block(node.else_, cursor.copy())
        _same(cursor, other, node)
        return cursor.merged(other)

    def _part(self, part: nodes.Expr, cursor: Cursor) -> None:
        if isinstance(part, nodes.TemplateData):
            cursor.read(part.data)
            return
        at = part.lineno or 0
        problem = cursor.problem()
        if problem:
            raise ExpressionSyntaxError(f"a value cannot stand {problem}; {_ADVICE}", at)
        if _quotes_itself(part) and cursor.state != BARE:
            raise ExpressionSyntaxError(_NO_QUOTES, at)
        if self.states.setdefault(id(part), cursor.state) != cursor.state:
            raise ExpressionSyntaxError("this value stands in other quotes when the loop comes round", at)
        cursor.value()

    def wrap(self, tree: nodes.Template) -> None:
        """Put every value into the quoter of its quotes."""
        for output in tree.find_all(nodes.Output):
            output.nodes = [self._wrapped(part) for part in output.nodes]

    def _wrapped(self, part: nodes.Expr) -> nodes.Expr:
        state = self.states.get(id(part))
        if state is None or _quotes_itself(part):
            return part
        return nodes.Filter(part, _QUOTERS[state], [], [], None, None, lineno=part.lineno)


def _quotes_itself(part: nodes.Expr) -> bool:
    value = part.node if isinstance(part, nodes.Filter) and part.name == "_go_shown" else part
    return isinstance(value, nodes.Filter) and value.name == "shellquote"


def _same(one: Cursor, other: Cursor, node: nodes.Node) -> None:
    if not one.agrees(other):
        _refuse(
            node, "the quotes must be open or closed alike behind each branch: close them inside, or open them behind"
        )


def _refuse(node: nodes.Node, message: str) -> NoReturn:
    raise ExpressionSyntaxError(message, node.lineno or 0)
