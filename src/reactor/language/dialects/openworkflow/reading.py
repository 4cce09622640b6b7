"""Reads the nodes of a document: known keys, shapes, expressions, durations; and collects what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reactor.language.dialects.openworkflow import expr
from reactor.language.dialects.openworkflow.expr import Computed, Env, Part
from reactor.language.dialects.openworkflow.jq import unwrapped
from reactor.language.expressions.limits import ExpressionSyntaxError
from reactor.language.inputs import check_schema
from reactor.language.problems import Problem, closest, listed, shown
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar, Sequence, Source
from reactor.model import durations
from reactor.model.flow import Delay
from reactor.sdk import Catalog

_UNITS = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000, "milliseconds": 1}
_NOT_IN_STEP_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_SECRET = re.compile(r"""\$secrets(?:\.([A-Za-z_]\w*)|\.?\["([^"\\]+)"\])""")
_INSIDE = re.compile(r"\$\{\s*[.$]")


class Reading:
    """One document being read."""

    def __init__(self, source: Source, catalog: Catalog) -> None:
        self.source = source
        self.catalog = catalog
        self.problems: list[Problem] = []
        self.secrets: dict[str, Scalar] = {}
        """Names under `use.secrets`."""
        self._taken: set[str] = set()

    # --- problems ------------------------------------------------------------------------------------------------

    def report(self, rule: str, message: str, at: Node | int, **more: Any) -> None:
        """Something that keeps the flow from running."""
        self.problems.append(self.source.problem(rule, message, at, **more))

    def warn(self, rule: str, message: str, at: Node | int) -> None:
        """Something that looks wrong."""
        self.report(rule, message, at, severity="warning")

    def refuse(self, what: str, instead: str, at: Node) -> None:
        """Something of the specification that is not done here, by its name, and what to use in its place."""
        self.report("not-supported", f"{what} is not supported; {instead}", at)

    def wrong(self, node: Node, what: str, wanted: str) -> None:
        """A value of the wrong shape."""
        self.report("wrong-type", f"`{what}` is {wanted}, not {node.kind}", node)

    @property
    def failed(self) -> bool:
        """Whether there is an error among the problems."""
        return any(problem.severity == "error" for problem in self.problems)

    # --- shapes --------------------------------------------------------------------------------------------------

    def map(self, node: Node | None, what: str, keys: Iterable[str] | None = None) -> MapNode:
        """A map whose keys are among `keys` (None: any); an empty one when it is none."""
        if node is None or isinstance(node, MapNode):
            found = node or MapNode(0, 0)
            allowed = tuple(keys) if keys is not None else None
            for name, key in found.keys.items() if allowed is not None else ():
                if name not in (allowed or ()):
                    self._unknown(key, allowed or (), what)
            return found
        self.wrong(node, what, "a map")
        return MapNode(node.start, node.start)

    def _unknown(self, key: Scalar, allowed: tuple[str, ...], what: str) -> None:
        meant = closest(key.text, allowed)
        hint = f"did you mean `{meant}`?" if meant else f"there is {listed(allowed)}"
        message = f"`{what}` has no key `{shown(key.text)}`; {hint}"
        self.report("unknown-key", message, key, allowed=allowed, suggestion=meant, fix=meant)

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The items of a list."""
        if isinstance(node, Sequence):
            return node.items
        if node is not None:
            self.wrong(node, what, "a list")
        return []

    def named(self, node: Node, what: str) -> tuple[Scalar, Node] | None:
        """The one entry of a map such as `- NAME: {…}`."""
        if isinstance(node, MapNode) and len(node.entries) == 1:
            name, value = next(iter(node.entries.items()))
            return node.keys[name], value
        self.report("wrong-type", f"each of `{what}` is a map with one name, as in `- name: {{…}}`", node)
        return None

    def text(self, node: Node | None, what: str) -> str | None:
        """A text."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        if node is not None:
            self.wrong(node, what, "a text")
        return None

    def literal(self, node: Node | None, what: str) -> str | None:
        """A text that is fixed: it stands in the file, not in data."""
        found = self.text(node, what)
        if found is not None and node is not None and unwrapped(found) is not None:
            self.report("fixed", f"`{what}` is fixed in the file and cannot be an expression", node)
            return None
        return found

    def flag(self, node: Node | None, what: str, *, default: bool) -> bool:
        """True or false."""
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.wrong(node, what, "true or false")
        return default

    def one_of(self, node: Node | None, what: str, allowed: tuple[str, ...]) -> str:
        """One of some words; the first is what it is when nothing is given."""
        if node is None:
            return allowed[0]
        found = self.text(node, what)
        if found is not None and found not in allowed:
            meant = closest(found, allowed)
            message = f"`{what}` is one of {listed(allowed)}, not `{shown(found)}`"
            self.report("wrong-value", message, node, allowed=allowed, suggestion=meant, fix=meant)
        return found if found in allowed else allowed[0]

    # --- names ---------------------------------------------------------------------------------------------------

    def step_name(self, wanted: str) -> str:
        """A name for a step that no other step of the flow has."""
        base = _NOT_IN_STEP_NAMES.sub("_", wanted).strip("_") or "task"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}-{count}"
        self._taken.add(name)
        return name

    # --- values --------------------------------------------------------------------------------------------------

    def expression(self, node: Node | None, what: str, env: Env, *, secrets: bool = False) -> Part:
        """An expression; where it cannot be read that is told and the result is a stand-in."""
        text = self.text(node, what)
        if text is None or node is None:
            return expr.constant(None)
        named = {one or other for one, other in _SECRET.findall(text)}
        if named:
            self._known_secrets(named, what, node)
            env = env.plus(secrets=expr.secrets_of(tuple(sorted(named & set(self.secrets)))))
        if "startedAt" in text and "task" in env.variables:
            env = env.plus(task=expr.started(env.variables["task"]))
        try:
            part = expr.expression(text, env)
        except ExpressionSyntaxError as error:
            self.report("expression", f"`{what}`: {error.message}", node)
            return expr.constant(None)
        return self._allowed(part, what, node, secrets=secrets)

    def _known_secrets(self, names: set[str], what: str, node: Node) -> None:
        for name in sorted(names - set(self.secrets)):
            meant = closest(name, self.secrets)
            hint = f"did you mean `{meant}`?" if meant else "add it there"
            message = f"`{what}`: there is no secret `{shown(name)}` under `use.secrets`; {hint}"
            self.report("unknown-name", message, node, suggestion=meant)

    def value(self, node: Node | None, what: str, env: Env, *, secrets: bool = False) -> Part:
        """A value with `${ … }` in it."""
        if node is None:
            return expr.constant(None)
        if isinstance(node, Scalar):
            if isinstance(node.value, str) and unwrapped(node.value) is not None:
                return self.expression(node, what, env, secrets=secrets)
            self._warn_inside(node, what)
            return expr.constant(node.value)
        if isinstance(node, Sequence):
            each = [self.value(item, f"{what}[{at}]", env, secrets=secrets) for at, item in enumerate(node.items)]
            return _joined(node.plain, each, lambda scope: [part.make(scope) for part in each])
        if isinstance(node, MapNode):
            entries = {
                name: self.value(item, f"{what}.{name}", env, secrets=secrets) for name, item in node.entries.items()
            }
            return _joined(
                node.plain,
                list(entries.values()),
                lambda scope: {name: part.make(scope) for name, part in entries.items()},
            )
        return expr.constant(node.plain)

    def transformation(self, node: Node | None, what: str, env: Env) -> Part:
        """`from` and `as`: an expression without enclosure, or a map of values."""
        return self.expression(node, what, env) if isinstance(node, Scalar) else self.value(node, what, env)

    def _warn_inside(self, node: Scalar, what: str) -> None:
        if isinstance(node.value, str) and _INSIDE.search(node.value):
            message = (
                f"`{what}`: only a text that is one `${{ … }}` is an expression, this is taken as it is written; "
                r'join texts inside, as in `${ "Hello \(.name)" }`'
            )
            self.warn("looks-like-expression", message, node)

    def _allowed(self, part: Part, what: str, node: Node, *, secrets: bool) -> Part:
        if part.secrets and not secrets:
            message = f"`{what}`: `$secrets` can be used in the parameters of `call` and `run` only, where it is masked"
            self.report("secret-here", message, node)
        return part

    def delay(self, node: Node | None, what: str, env: Env) -> Delay | None:
        """A duration: ISO 8601, a map of units, or an expression."""
        if node is None:
            return None
        if isinstance(node, MapNode):
            return self._units(node, what)
        text = self.text(node, what)
        if text is None:
            return None
        if unwrapped(text) is not None:
            return Computed(self.expression(node, what, env).make, text)
        try:
            return durations.parse(text)
        except ValueError as error:
            self.report("wrong-value", f"`{what}`: {error}", node)
            return None

    def _units(self, node: MapNode, what: str) -> int:
        total = 0
        for name, item in self.map(node, what, _UNITS).entries.items():
            number = item.value if isinstance(item, Scalar) else None
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                self.report("wrong-value", f"`{what}.{name}` is a whole number, zero or more", item)
            else:
                total += number * _UNITS.get(name, 0)
        if not node.entries:
            self.report("no-value", f"`{what}` is empty; write `{{seconds: 30}}` or `PT30S`", node)
        return total

    def schema(self, node: Node | None, what: str) -> dict[str, Any] | None:
        """`schema`: an inline JSON Schema."""
        if node is None:
            return None
        given = self.map(node, what, ("format", "document", "resource"))
        if "resource" in given:
            self.refuse(f"`{what}.resource`", "write the schema inline under `document`", given.keys["resource"])
            return None
        kind = self.text(given.get("format"), f"{what}.format") or "json"
        if kind.partition(":")[0] != "json":
            at = given.entries["format"]
            self.refuse(f"the schema format `{shown(kind)}`", "use JSON Schema (`format: json`)", at)
            return None
        document = given.get("document")
        if document is None:
            self.report("missing-key", f"`{what}` has no `document`", node)
            return None
        plain = document.plain
        wrong = check_schema(plain)
        if wrong is not None:
            self.report("schema", f"`{what}.document`: {wrong}", document)
            return None
        return dict(plain)


def _joined(plain: Any, parts: list[Part], make: Any) -> Part:
    if all(part.constant for part in parts):
        return expr.constant(plain)
    return Part(make, any(part.secrets for part in parts))


def require(reading: Reading, node: MapNode, keys: Mapping[str, str], what: str, at: Node) -> bool:
    """Whether all these keys are there; `keys`: name → an example."""
    missing = [name for name in keys if name not in node]
    for name in missing:
        reading.report("missing-key", f"`{what}` has no `{name}`; write `{name}: {keys[name]}`", at)
    return not missing
