"""n8n's expressions and parameters as our values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.importing import javascript as js
from reactor.language.importing.coverage import Coverage
from reactor.language.importing.documents import Doc, Item
from reactor.language.importing.javascript import NotUnderstood, quoted
from reactor.language.importing.making import LEFT_OUT, identifier, literal
from reactor.language.importing.translating import Roots, Translator, dotted
from reactor.language.lint.tokens import secret_in

_FIXED = {
    "$execution.id": "run.id",
    "$executionId": "run.id",
    "$workflow.name": "flow.name",
    "$workflow.id": "flow.name",
    "$now": "now()",
    "$today": "now().date()",
    "$runIndex": "index",
    "$itemIndex": "0",
}
_ITEMS = ("$input.item", "$input.first()", "$input.last()", "$input.all()[0]", "items[0]", "$items()[0]", "item")
_INDEX = re.compile(r"(?:item|first\(\)|last\(\)|all\(\)\[0\])")


class Names(Roots):
    """What `$json`, `$('A')` and the like mean at one place."""

    def __init__(self, current: Item, find: Callable[[str], Item]) -> None:
        self.current = current
        self.find = find
        """The item of a node by its name; raises NotUnderstood."""

    def document(self, tree: js.Expression) -> Doc | None:
        if isinstance(tree, js.Name) and tree.name in ("$json", "$data"):
            return self.current.doc
        if isinstance(tree, js.Member) and tree.key == js.Literal("json"):
            return self._item(tree.owner)
        return None

    def _item(self, tree: js.Expression) -> Doc | None:
        shown = _written(tree)
        if shown in _ITEMS:
            return self.current.doc
        name = _node_of(tree)
        return self.find(name).doc if name is not None else None

    def expression(self, tree: js.Expression) -> str | None:
        name = dotted(tree)
        if name in _FIXED:
            return _FIXED[name]
        owner, _, key = name.partition(".")
        if owner in ("$env", "$vars") and key and "." not in key:
            return f"env.{key}" if key.isidentifier() else f"env[{quoted(key)}]"
        if isinstance(tree, js.Call) and _written(tree) in ("$input.all()", "$items()") and self.current.many:
            return self.current.many
        if owner in ("$binary", "$parameter", "$prevNode", "$secrets", "$credentials", "$position", "$request"):
            raise NotUnderstood(f"`{owner}` has no counterpart")
        return None


def _written(tree: js.Expression) -> str:
    """A tree of names, members and calls without arguments, as it is written."""
    if isinstance(tree, js.Name):
        return tree.name
    if isinstance(tree, js.Member) and isinstance(tree.key, js.Literal):
        key = tree.key.value
        return f"{_written(tree.owner)}[{key}]" if isinstance(key, int) else f"{_written(tree.owner)}.{key}"
    if isinstance(tree, js.Call) and not tree.arguments:
        return f"{_written(tree.function)}()"
    return "…"


def _node_of(tree: js.Expression) -> str | None:
    """The name of the node whose item this is."""
    if isinstance(tree, js.Member) and isinstance(tree.key, js.Literal):
        if tree.key.value == "item":
            return _called(tree.owner)
        if dotted(tree.owner) == "$node" or (
            isinstance(tree.owner, js.Member) and tree.owner.key == js.Literal("$node")
        ):
            return str(tree.key.value)
        if tree.key.value == 0 and isinstance(tree.owner, js.Call):
            called = _called(tree.owner, "$items")
            if called is not None:
                return called
            function = tree.owner.function
            return (
                _called(function.owner)
                if isinstance(function, js.Member) and function.key == js.Literal("all")
                else None
            )
    if not isinstance(tree, js.Call) or not isinstance(tree.function, js.Member):
        return None
    key = tree.function.key
    reading = isinstance(key, js.Literal) and key.value in ("first", "last", "itemMatching")
    return _called(tree.function.owner) if reading else None


def _called(tree: js.Expression, function: str = "$") -> str | None:
    if not isinstance(tree, js.Call) or dotted(tree.function) != function or not tree.arguments:
        return None
    name = tree.arguments[0]
    return name.value if isinstance(name, js.Literal) and isinstance(name.value, str) else None


class Values:
    """Parameters of one node as values of a step."""

    def __init__(self, names: Names, coverage: Coverage, node: str) -> None:
        self.translator = Translator(names)
        self.coverage = coverage
        self.node = node

    def value(self, given: Any, key: str = "", *, secrets: bool = True) -> Any:
        """A parameter with all in it. `secrets`: whether a secret may be read at its place.

        Raises:
            NotUnderstood: an expression in it cannot be said in ours.
        """
        if isinstance(given, str):
            return self.text(given, key, secrets=secrets)
        if isinstance(given, Mapping):
            return {literal(str(name)): self.value(item, str(name), secrets=secrets) for name, item in given.items()}
        if isinstance(given, list):
            return [self.value(item, key, secrets=secrets) for item in given]
        return given

    def text(self, given: str, key: str = "", *, secrets: bool = True) -> str:
        """A text, with its expressions translated."""
        fixed = "".join(part for part, code in pieces(given) if not code)
        found = secret_in(fixed, key)
        if found is not None:
            name = identifier(f"{self.node}_{key}").lower()
            self.coverage.secrets[name] = f"{self.node}: {key or 'a token'}"
            return f"{{{{ secrets.{name} }}}}" if secrets else LEFT_OUT
        return "".join(self._filled(part) if code else literal(part) for part, code in pieces(given))

    def _filled(self, code: str) -> str:
        try:
            return f"{{{{ {self.translator.expression(code)} }}}}"
        except NotUnderstood as error:
            raise NotUnderstood(f"the expression `{code.strip()}`: {error}") from None

    def expression(self, given: Any, key: str = "") -> str:
        """A parameter as a bare expression."""
        if not isinstance(given, str):
            return _constant(given)
        found = list(pieces(given))
        parts = []
        for part, code in found:
            if code:
                made = self._filled(part)[3:-3]
                parts.append(made if len(found) == 1 else f"({made})")
            elif part or len(found) == 1:
                parts.append(quoted(part))
        del key
        return " ~ ".join(parts) if parts else "''"

    def json(self, given: Any) -> Any:
        """A text of JSON with expressions in it, or an expression that makes JSON, as a value.

        Raises:
            NotUnderstood: it is no JSON, or holds what cannot be said.
        """
        if not isinstance(given, str):
            return self.value(given)
        found = [(part, code) for part, code in pieces(given) if code or part.strip()]
        if len(found) == 1 and found[0][1]:
            return self._whole(found[0][0])
        holes: list[str] = []
        try:
            plain = json.loads(_with_marks(pieces(given), holes))
        except ValueError:
            raise NotUnderstood("its body is no JSON once the expressions are taken out") from None
        made = [self._filled(code)[3:-3] for code in holes]
        return self._holes(plain, made, "")

    def _whole(self, code: str) -> Any:
        tree = js.parse(code)
        if isinstance(tree, js.Call) and dotted(tree.function) == "JSON.stringify" and tree.arguments:
            made = self.translator.value(tree.arguments[0])
            return f"{{{{ {made} }}}}"
        if isinstance(tree, js.Object):
            return {name: f"{{{{ {self.translator.value(item)} }}}}" for name, item in tree.entries}
        return self._filled(code)

    def _holes(self, plain: Any, made: list[str], key: str) -> Any:
        if isinstance(plain, dict):
            return {name: self._holes(item, made, name) for name, item in plain.items()}
        if isinstance(plain, list):
            return [self._holes(item, made, key) for item in plain]
        if not isinstance(plain, str):
            return plain
        bare = re.fullmatch("\ue000(\\d+)\ue001", plain)
        if bare:
            return f"{{{{ {made[int(bare[1])]} }}}}"
        if "\ue002" not in plain:
            return self.text(plain, key)
        parts = re.split("\ue002(\\d+)\ue003", plain)
        if len(parts) == 3 and not parts[0] and not parts[2]:
            # It stands in quotes, so it is a text whatever it is.
            return f"{{{{ ({made[int(parts[1])]}) | string }}}}"
        return "".join(f"{{{{ {made[int(part)]} }}}}" if at % 2 else literal(part) for at, part in enumerate(parts))


def _with_marks(found: list[tuple[str, bool]], holes: list[str]) -> str:
    """The text with marks for its expressions: quoted ones where no text is around them."""
    made, inside = "", False
    for part, code in found:
        if code:
            number = len(holes)
            holes.append(part)
            made += f"\ue002{number}\ue003" if inside else f'"\ue000{number}\ue001"'
            continue
        escaped = False
        for char in part:
            if char == '"' and not escaped:
                inside = not inside
            escaped = char == "\\" and not escaped
            made += "\\n" if inside and char == "\n" else char
    return made


def pieces(given: str) -> list[tuple[str, bool]]:
    """A parameter in pieces: texts, and the code between `{{` and `}}`. Without `=` in front it is all text."""
    if not given.startswith("="):
        return [(given, False)]
    found: list[tuple[str, bool]] = []
    text = given[1:]
    at = 0
    while at < len(text):
        start = text.find("{{", at)
        end = _end(text, start + 2) if start >= 0 else -1
        if start < 0 or end < 0:
            break
        if start > at:
            found.append((text[at:start], False))
        found.append((text[start + 2 : end].strip(), True))
        at = end + 2
    if at < len(text) or not found:
        found.append((text[at:], False))
    return found


def _end(text: str, at: int) -> int:
    """Where the code ends that begins here: at `}}` outside of quotes and maps."""
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        elif text.startswith("}}", at):
            return at
        at += 1
    return text.find("}}") if not quote else -1


def _constant(given: Any) -> str:
    if given is None:
        return "none"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, (int, float)):
        return repr(given)
    return json.dumps(given)
