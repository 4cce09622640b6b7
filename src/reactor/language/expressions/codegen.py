"""From a checked syntax tree to a Python function: Jinja's code generator, with every operation in our own hands.

What Jinja would do through its environment (look up, call, filter, compare, add) becomes a plain call of a function of
this package; so what an expression can do is what these functions do, and what it costs is seen by the meter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateRuntimeError, TemplateSyntaxError
from jinja2.idtracking import VAR_LOAD_ALIAS, VAR_LOAD_PARAMETER, VAR_LOAD_RESOLVE
from jinja2.nodes import EvalContext
from jinja2.runtime import LoopContext
from jinja2.utils import missing

from reactor.language.expressions import access, filters, operators, predicates
from reactor.language.expressions.internal import INTERNALS
from reactor.language.expressions.limits import ExpressionSyntaxError, Meter
from reactor.language.expressions.missing import Empty, Missing, Scope, Site
from reactor.language.expressions.syntax import ENVIRONMENT, INTERNAL
from reactor.language.expressions.values import concat, text

Root = Callable[[Mapping[str, Any], Meter], Any]
_BINARY = {
    nodes.Add: "add",
    nodes.Sub: "sub",
    nodes.Mul: "mul",
    nodes.Div: "div",
    nodes.FloorDiv: "floordiv",
    nodes.Mod: "mod",
    nodes.Pow: "power",
}


class _Plain:
    """What the code for `{% set %}…{% endset %}` asks about escaping: there is none."""

    class eval_ctx:  # noqa: N801 - Jinja's name
        autoescape = False


def _undefined(hint: str) -> Missing:
    """What loops give for `previtem` and `nextitem` at their ends."""
    return Missing(Site("loop", hint, 0), {}, "previtem" if "previous" in hint else "nextitem")


def _unknown(scope: Mapping[str, Any], site: Site) -> Missing:
    return Missing(site, Scope([name for name in scope if not name.startswith("_")]), site.label)


def _unknown_empty(_scope: Mapping[str, Any], site: Site) -> Missing:
    return Empty(site)


_NAMESPACE: dict[str, Any] = {
    "__builtins__": {"isinstance": isinstance},
    "missing": missing,
    "LoopContext": LoopContext,
    "Namespace": access.Box,
    "TemplateRuntimeError": TemplateRuntimeError,
    "undefined": _undefined,
    "context": _Plain,
    "Markup": str,
    "identity": lambda value: value,
    "concat": concat,
    "text": text,
    "item": access.item,
    "attr": access.attr,
    "unknown": _unknown,
    "cut": access.cut,
    "key": access.key,
    "made": access.made,
    "each": access.each,
    "call": access.call,
    "method": access.method,
    "apply": filters.apply,
    "check": predicates.check,
    "tilde": operators.tilde,
    "negative": operators.negative,
    "chain": operators.chain,
    "Empty": Empty,
    **{name: getattr(operators, name) for name in _BINARY.values()},
    **{f"is_{name}": function for name, function in operators.COMPARE.items()},
    **{f"global_{name}": function for name, function in access.GLOBALS.items()},
    **INTERNALS,
}
_LENIENT = {"item": access.lenient_item, "attr": access.lenient_attr, "unknown": _unknown_empty}


class Code:
    """A compiled template: its function, the names it reads, and where its statements stand in the text."""

    __slots__ = ("lines", "names", "root")

    def __init__(self, root: Root, names: frozenset[str], lines: dict[int, int]) -> None:
        self.root = root
        self.names = names
        self.lines = lines
        """Line of the generated function → offset in the text."""

    def offset_of(self, error: BaseException) -> int | None:
        """Where in the text an error came up, as far as a statement."""
        trace, found = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code is self.root.__code__:
                found = trace.tb_lineno
            trace = trace.tb_next
        if found is None:
            return None
        return max(((line, at) for line, at in self.lines.items() if line <= found), default=(0, None))[1]


def generate(tree: nodes.Template, *, native: bool, lenient: bool) -> Code:
    """Compile a checked tree. `native`: it is one expression, whose value is wanted rather than a text.

    Raises:
        ExpressionSyntaxError: it is nested deeper than Python can compile.
    """
    tree.set_environment(ENVIRONMENT)
    generator = _Generator(native=native)
    try:
        generator.visit(tree)
        code = compile(generator.stream.getvalue(), "<expression>", "exec")  # type: ignore[attr-defined]
    except TemplateSyntaxError as error:
        raise ExpressionSyntaxError(error.message or "it cannot be compiled", error.lineno) from None
    except (SyntaxError, RecursionError, MemoryError):
        raise ExpressionSyntaxError("it is nested too deep") from None
    namespace = {**_NAMESPACE, **(_LENIENT if lenient else {}), **generator.sites}
    exec(code, namespace)  # noqa: S102 - our own code; what a template says stands in it only as constants
    lines = {line: offset for offset, line in generator.debug_info}
    return Code(namespace["root"], frozenset(generator.names), lines)


class _Generator(CodeGenerator):
    def __init__(self, *, native: bool) -> None:
        super().__init__(ENVIRONMENT, None, None, optimized=False)
        self.native = native
        self.names: set[str] = set()
        self.sites: dict[str, Site] = {}
        self.heavy = False

    def get_visitor(self, node: nodes.Node) -> Any:
        """Our way to write a kind of node (`write_getattr`), else Jinja's."""
        return getattr(self, f"write_{type(node).__name__.lower()}", None) or super().get_visitor(node)

    # ---- the frame around everything

    def write_template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        self.heavy = node.find(nodes.For) is not None
        self.writeline("def root(scope, meter):")
        self.indent()
        frame = Frame(EvalContext(self.environment, None))
        frame.symbols.analyze_node(node)
        frame.toplevel = frame.rootlevel = True
        self.enter_frame(frame)
        if self.native:
            output = cast("nodes.Output", node.body[0])
            self.writeline("return ", output.nodes[0])
            self.visit(output.nodes[0], frame)
        else:
            frame.buffer = "out"
            self.writeline("out = []")
            self.blockvisit(node.body, frame)
            self.writeline("return concat(out)")
        self.outdent()

    def enter_frame(self, frame: Frame) -> None:
        for target, (action, name) in frame.symbols.loads.items():
            if action == VAR_LOAD_PARAMETER:
                continue
            if action == VAR_LOAD_RESOLVE:
                self._load(target, cast("str", name))
            elif action == VAR_LOAD_ALIAS:
                self.writeline(f"{target} = {name}")
            else:
                self.writeline(f"{target} = missing")

    def _load(self, target: str, name: str) -> None:
        fallback = "missing"
        if name in access.GLOBALS:
            fallback = f"global_{name}"
        elif not name.startswith(INTERNAL):
            self.names.add(name)
        self.writeline(f"{target} = scope.get({name!r}, {fallback})")

    def pop_assign_tracking(self, frame: Frame) -> None:
        self._assign_stack.pop()

    def pull_dependencies(self, nodes: Any) -> None:
        pass

    def site(self, node: nodes.Node, owner: nodes.Node | None = None) -> str:
        """A constant that holds this place, for messages."""
        name = f"site_{len(self.sites)}"
        self.sites[name] = Site(describe(owner) if owner is not None else "", describe(node), node.lineno or 0)
        return name

    # ---- text

    def write_output(self, node: nodes.Output, frame: Frame) -> None:
        for child in node.nodes:
            self.writeline(f"{frame.buffer}.append(", child)
            if isinstance(child, nodes.TemplateData):
                self.write(f"text(meter, {child.data!r})" if self.heavy else repr(child.data))
            else:
                self.write("text(meter, ")
                self.visit(child, frame)
                self.write(")")
            self.write(")")

    def write_for(self, node: nodes.For, frame: Frame) -> None:
        node.iter = nodes.Filter(node.iter, "_go_each", [], [], None, None, lineno=node.iter.lineno)
        super().visit_For(node, frame)

    # ---- names and paths

    def write_name(self, node: nodes.Name, frame: Frame) -> None:
        ref = frame.symbols.ref(node.name)
        load = frame.symbols.find_load(ref) if node.ctx == "load" else None
        if node.ctx != "load" or (load is not None and load[0] == VAR_LOAD_PARAMETER):
            self.write(ref)
        else:
            self.write(f"({ref} if {ref} is not missing else unknown(scope, {self.site(node)}))")

    def write_getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        self._call("attr", frame, node.node, repr(node.attr), self.site(node, node.node))

    def write_getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if isinstance(node.arg, nodes.Slice):
            bounds = [part if part is not None else "None" for part in (node.arg.start, node.arg.stop, node.arg.step)]
            self._call("cut", frame, "meter", node.node, *bounds)
        else:
            self._call("item", frame, node.node, node.arg, self.site(node, node.node))

    # ---- calls, filters, tests

    def write_call(self, node: nodes.Call, frame: Frame) -> None:
        target = node.node
        if isinstance(target, nodes.Getattr):
            site = self.site(target, target.node)
            self._call("method", frame, "meter", target.node, repr(target.attr), site, signature=node)
        else:
            self._call("call", frame, "meter", target, self.site(target), signature=node)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:  # noqa: N802 - Jinja calls it by its name
        value: Any = node.node if node.node is not None else f"concat({frame.buffer})"
        if node.name.startswith(INTERNAL):
            self._call(node.name, frame, "meter", value, signature=node)
        else:
            self._call("apply", frame, "meter", repr(node.name), value, signature=node)

    def write_test(self, node: nodes.Test, frame: Frame) -> None:
        self._call("check", frame, "meter", repr(node.name), node.node, signature=node)

    def _call(self, function: str, frame: Frame, *args: Any, signature: Any = None) -> None:
        """`function(args…)`: nodes are visited, texts written as they are."""
        self.write(f"{function}(")
        for index, arg in enumerate(args):
            if index:
                self.write(", ")
            if isinstance(arg, str):
                self.write(arg)
            else:
                self.visit(arg, frame)
        if signature is not None:
            self.signature(signature, frame)
        self.write(")")

    # ---- operators and literals

    def _binary(self, node: nodes.BinExpr, frame: Frame) -> None:
        self._call(_BINARY[type(node)], frame, "meter", node.left, node.right)

    write_add = write_sub = write_mul = write_div = write_floordiv = write_mod = write_pow = _binary

    def write_neg(self, node: nodes.Neg, frame: Frame) -> None:
        self._call("negative", frame, node.node)

    def write_pos(self, node: nodes.Pos, frame: Frame) -> None:
        self._call("negative(negative", frame, node.node)
        self.write(")")

    def write_concat(self, node: nodes.Concat, frame: Frame) -> None:
        self._call("tilde", frame, "meter", *node.nodes)

    def write_compare(self, node: nodes.Compare, frame: Frame) -> None:
        if len(node.ops) == 1:
            self._call(f"is_{node.ops[0].op}", frame, "meter", node.expr, node.ops[0].expr)
        else:
            rest = [part for operand in node.ops for part in (repr(operand.op), operand.expr)]
            self._call("chain", frame, "meter", node.expr, *rest)

    def write_condexpr(self, node: nodes.CondExpr, frame: Frame) -> None:
        frame = frame.soft()
        self.write("(")
        self.visit(node.expr1, frame)
        self.write(" if ")
        self.visit(node.test, frame)
        self.write(" else ")
        if node.expr2 is not None:
            self.visit(node.expr2, frame)
        else:
            self.write(f"Empty({self.site(node)}, None)")
        self.write(")")

    def _literal(self, node: nodes.Node, frame: Frame, visit: Callable[[Any, Any], None]) -> None:
        if self.heavy:
            self.write("made(meter, ")
        visit(node, frame)
        if self.heavy:
            self.write(")")

    def write_list(self, node: nodes.List, frame: Frame) -> None:
        self._literal(node, frame, super().visit_List)

    def write_tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._literal(node, frame, super().visit_Tuple)
        else:
            super().visit_Tuple(node, frame)

    def write_dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._literal(node, frame, self._map)

    def _map(self, node: nodes.Dict, frame: Frame) -> None:
        self.write("{")
        for pair in node.items:
            self._call("key", frame, pair.key)
            self.write(": ")
            self.visit(pair.value, frame)
            self.write(", ")
        self.write("}")


def describe(node: nodes.Node | None) -> str:
    """The source text of a path (`event.data.items[0]`); empty for anything else."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        owner = describe(node.node)
        return f"{owner}.{node.attr}" if owner else ""
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        owner = describe(node.node)
        return f"{owner}[{node.arg.value!r}]" if owner else ""
    return ""
