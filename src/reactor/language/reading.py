"""What every part of the loader works with: problems at places, expressions compiled and checked for their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from reactor.language import names
from reactor.language.expressions import (
    Compiled,
    Constant,
    ExpressionSyntaxError,
    ListOf,
    MapOf,
    Reference,
    compile_condition,
    compile_expression,
    compile_value,
    is_template,
)
from reactor.language.keys import LATER, Key
from reactor.language.names import Finding, Scope
from reactor.language.problems import Problem, closest, listed, shown
from reactor.language.source import Mapping, Node, Scalar, Sequence, Source, scalars
from reactor.model.flow import Step
from reactor.sdk import Catalog

_LOOKS_LIKE = re.compile(r"(?:event|steps|vars|inputs|run|flow|env)(?:\.[A-Za-z_][\w-]*|\[[^\]]+\])+")
Compile = Callable[[str], Compiled]


class Reader:
    """One file being read."""

    def __init__(self, source: Source, catalog: Catalog, *, legacy: bool = False) -> None:
        self.source = source
        self.catalog = catalog
        self.legacy = legacy
        self.problems: list[Problem] = []
        self.set_names: set[str] = set()
        """Names that `vars` and `set` steps give."""
        self.sets: list[Scalar] = []
        """The same of `set` steps, where they stand, in their order."""
        self.steps: Callable[[Node, Scope, str], tuple[Step, ...]] = lambda _node, _scope, _where: ()
        """Reads a list of steps that stands inside a step; set by what reads steps."""
        self._var_uses: list[tuple[Scalar, Reference, Finding | None]] = []

    # --- problems ------------------------------------------------------------------------------------------------

    def report(self, rule: str, message: str, at: Node | int, *, end: int | None = None, **more: Any) -> None:
        """Something is wrong at a node, or at a character."""
        self.problems.append(self.source.problem(rule, message, at, end=end, **more))

    def warn(self, rule: str, message: str, at: Node | int, *, end: int | None = None, **more: Any) -> None:
        """Something looks wrong."""
        self.report(rule, message, at, end=end, severity="warning", **more)

    def unknown(self, key: Scalar, table: Iterable[Key], what: str, hint: str = "") -> None:
        """A key that is not in this table."""
        keys = list(table)
        names_ = tuple(known.name for known in keys if not known.later)
        meant = closest(key.text, [known.name for known in keys])
        advice = f"did you mean `{meant}`?" if meant else f"it takes {listed(names_)}"
        message = f"{what} has no key `{shown(key.text)}`; {hint or advice}"
        self.report("unknown-key", message, key, allowed=names_, suggestion=meant, fix=meant)

    def later(self, key: Scalar, hint: str = "") -> None:
        """A key of the language that this version does not run."""
        self.report("not-yet", LATER.format(name=key.text) + hint, key)

    def wrong(self, node: Node, key: str, what: str, **more: Any) -> None:
        """A value of the wrong shape: `key` takes `what`."""
        value = f"`{shown(node.text, longest=40)}`" if isinstance(node, Scalar) and node.text else node.kind
        self.report("wrong-type", f"`{key}` takes {what}, not {value}", node, **more)

    # --- expressions ---------------------------------------------------------------------------------------------

    def condition(self, node: Node, key: str, scope: Scope, where: str) -> Compiled | None:
        """`if`, `unless`: a bare expression, or one `{{ … }}`."""
        if isinstance(node, Scalar) and isinstance(node.value, (str, bool)):
            return self._compiled(node, scope, lambda text: compile_condition(text, self.legacy, where=where))
        self.wrong(node, key, "a condition such as `event.data.total > 100`")
        return None

    def expression(self, node: Node, key: str, scope: Scope, where: str) -> Compiled | None:
        """A bare expression; with `{{ }}` in it, a template."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.wrong(node, key, "an expression such as `event.data.id`")
            return None
        if is_template(node.text):
            return self.value(node, scope, where)
        return self._compiled(node, scope, lambda text: compile_expression(text, self.legacy, where=where))

    def result(self, node: Node, key: str, scope: Scope, where: str) -> Compiled | None:
        """`return`, `output`: a text is an expression; in a list or map texts are templates."""
        if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.text):
            hint = f"; `{key}` takes an expression: put quotes around it once more if a text is meant"
            return self._compiled(node, scope, lambda text: compile_expression(text, self.legacy, where=where), hint)
        return self.value(node, scope, where)

    def value(self, node: Node, scope: Scope, where: str) -> Compiled | None:
        """Any value, with templates in its texts. None when something in it is wrong."""
        if isinstance(node, Sequence):
            items = [self.value(item, scope, f"{where}[{at}]") for at, item in enumerate(node.items)]
            return _list_of([item for item in items if item is not None], node) if None not in items else None
        if isinstance(node, Mapping):
            entries = {name: self.value(item, scope, f"{where}.{name}") for name, item in node.entries.items()}
            return self.assembled(entries, node, scope, where)
        if isinstance(node, Scalar) and isinstance(node.value, str) and is_template(node.text):
            return self._compiled(node, scope, lambda text: compile_value(text, legacy=self.legacy, where=where))
        return Constant(node.plain)

    def assembled(
        self, entries: dict[str, Compiled | None], node: Mapping, scope: Scope, where: str
    ) -> Compiled | None:
        """A map of compiled values; its keys may be templates too."""
        keys: dict[str, Compiled] = {}
        for name in entries:
            if is_template(name):
                key = self._compiled(
                    node.keys[name], scope, lambda text: compile_value(text, legacy=self.legacy, where=where)
                )
                if key is None:
                    return None
                keys[name] = key
        ready = {name: entry for name, entry in entries.items() if entry is not None}
        if len(ready) < len(entries):
            return None
        if not keys and all(isinstance(entry, Constant) for entry in ready.values()):
            return Constant({name: entry.value for name, entry in ready.items() if isinstance(entry, Constant)})
        return MapOf(ready, keys, self.text_of(node))

    def text_of(self, node: Node) -> str:
        """A node as it stands in the file, in one line."""
        return shown(self.source.text[node.start : node.end], longest=200)

    def custom(self, node: Scalar, scope: Scope, compile_: Compile) -> Compiled | None:
        """An expression that is compiled in a way of its own (a command line)."""
        return self._compiled(node, scope, compile_)

    def _compiled(self, node: Scalar, scope: Scope, compile_: Compile, hint: str = "") -> Compiled | None:
        text = node.text if isinstance(node.value, str) else str(node.value).lower()
        try:
            compiled = compile_(text)
        except ExpressionSyntaxError as error:
            index = self.source.locate(node, error.offset)
            self.report("expression", f"this expression cannot be read: {error.message}{hint}", index)
            return None
        for reference in compiled.references:
            self._check(node, reference, scope)
        return compiled

    # --- names ---------------------------------------------------------------------------------------------------

    def _check(self, node: Scalar, reference: Reference, scope: Scope) -> None:
        finding = names.check(reference.path, scope)
        if finding is None:
            if reference.path[0] == "vars" and len(reference.path) > 1:
                self._var_uses.append((node, reference, None))
        elif reference.otherwise is not None and finding.rule == "unknown-step":
            self._var_uses.append((node, reference, finding))
        else:
            self._tell(node, reference, finding)

    def _tell(self, node: Scalar, reference: Reference, finding: Finding) -> None:
        """Say it at the name that is wrong."""
        lenient = reference.optional and finding.rule != "not-here"
        severity = "warning" if lenient else finding.severity
        last = finding.path[-1]
        offset = reference.offset
        if node.text.startswith(finding.path[0], offset):
            for part in finding.path[:-1]:
                offset = max(offset, node.text.find(part, offset) + len(part))
        if len(finding.path) > 1:
            offset = node.text.find(last, offset)
        index = self.source.locate(node, offset if offset >= 0 else reference.offset)
        literal = self.source.text.startswith(last, index)
        self.report(
            finding.rule,
            finding.message,
            index,
            end=index + len(last) if literal else None,
            severity=severity,
            allowed=finding.allowed,
            suggestion=finding.suggestion,
            fix=finding.suggestion if literal and "-" not in (finding.suggestion or "") else None,
        )

    def check_vars(self) -> None:
        """Ask for every `vars.x` whether anything sets it, once all of the flow has been read."""
        for node, reference, unless_set in self._var_uses:
            name = (reference.otherwise or reference.path)[1]
            if name in self.set_names:
                continue
            finding = unless_set or _unknown_var(name, sorted(self.set_names))
            self._tell(node, reference, finding)

    def warn_of_plain(self, node: Node) -> None:
        """Plain texts that look as if an expression were meant."""
        for scalar in scalars(node):
            if isinstance(scalar.value, str) and _LOOKS_LIKE.fullmatch(scalar.text):
                fix = f'"{{{{ {scalar.text} }}}}"'
                message = f"this is the text `{shown(scalar.text)}`, not its value; for the value write {shown(fix)}"
                self.warn("looks-like-expression", message, scalar, fix=fix)


def _list_of(items: list[Compiled], node: Sequence) -> Compiled:
    if all(isinstance(item, Constant) for item in items):
        return Constant(node.plain)
    return ListOf(items, shown(node.plain, longest=200))


def _unknown_var(name: str, known: list[str]) -> Finding:
    meant = closest(name, known)
    hint = f"did you mean `{meant}`?" if meant else "give it in `vars:`, or with a `set:` step"
    return Finding(
        rule="unknown-var",
        message=f"nothing in this flow sets `vars.{name}`; {hint}",
        path=("vars", name),
        severity="warning",
        suggestion=meant,
        allowed=tuple(known),
    )


def has_template(node: Node) -> bool:
    """Whether something in it is to be filled in."""
    if isinstance(node, Mapping) and any(is_template(name) for name in node.entries):
        return True
    if isinstance(node, Mapping):
        return any(has_template(item) for item in node.entries.values())
    if isinstance(node, Sequence):
        return any(has_template(item) for item in node.items)
    return isinstance(node, Scalar) and isinstance(node.value, str) and is_template(node.text)
