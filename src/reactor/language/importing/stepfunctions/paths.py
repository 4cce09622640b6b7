"""JSONPath, the context object and intrinsic functions as our expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from reactor.language.importing import javascript as js
from reactor.language.importing.documents import Doc, Item, access, mapping
from reactor.language.importing.javascript import NotUnderstood, quoted
from reactor.language.importing.making import literal
from reactor.language.importing.translating import Roots, Translator, dotted

_STEP = re.compile(
    r"\.(?P<name>[^.\[\]\s()*'\"]+)|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]|\[(?P<index>-?\d+)\]|(?P<all>\[\*\]|\.\*)"
    r"|\[(?P<from>-?\d*):(?P<to>-?\d*)\]"
)
_CONTEXT = {
    "$$.Execution.Id": "run.id",
    "$$.Execution.Name": "run.id",
    "$$.Execution.StartTime": "run.started_at",
    "$$.Execution.Input": "inputs",
    "$$.StateMachine.Name": "flow.name",
    "$$.StateMachine.Id": "flow.name",
    "$$.State.EnteredTime": "now()",
}
_WORD = re.compile(r"[A-Za-z_]\w*")


class Paths(Roots):
    """What `$` and `$$` mean in one state."""

    def __init__(self, current: Item, state: str, item: str | None = None) -> None:
        self.current = current
        self.state = state
        self.item = item
        """The name of the item in a `Map`."""
        self.translator = Translator(self)

    # --- JSONPath ------------------------------------------------------------------------------------------------

    def path(self, given: Any) -> str:
        """A path, or an intrinsic function, as an expression.

        Raises:
            NotUnderstood: it says more than ours can.
        """
        if not isinstance(given, str):
            raise NotUnderstood("a path that is no text")
        text = given.strip()
        if text.startswith("States."):
            return self.translator.value(js.parse(_calls(text)))
        if text.startswith("$$"):
            return self._context(text)
        if text.startswith("$"):
            return self._steps(text)
        raise NotUnderstood(f"`{text}` is no path")

    def keys(self, given: Any) -> tuple[str | int, ...]:
        """A path of names and places only, as `ResultPath` is.

        Raises:
            NotUnderstood: it is another one.
        """
        found: list[str | int] = []
        at, text = 1, str(given).strip()
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None or match["all"] or match["from"] is not None:
                raise NotUnderstood(f"the path `{text}`")
            found.append(int(match["index"]) if match["index"] is not None else match["name"] or match["key"])
            at = match.end()
        return tuple(found)

    def doc(self, given: Any) -> Doc:
        """The part of the input that a path picks."""
        if given is None:
            return Doc("{}")
        if given == "$":
            return self.current.doc
        return Doc(self.path(given))

    def _steps(self, text: str) -> str:
        keys: list[str | int] = []
        at = 1
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None:
                raise NotUnderstood(f"the path `{text}` (filters and `..` have no counterpart)")
            if match["all"] or match["from"] is not None:
                return self._many(self.current.doc.at(tuple(keys)), text, at)
            keys.append(int(match["index"]) if match["index"] is not None else match["name"] or match["key"])
            at = match.end()
        return self.current.doc.at(tuple(keys))

    def _many(self, owner: str, text: str, at: int) -> str:
        """`[*]` and what follows it."""
        made = owner
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None:
                raise NotUnderstood(f"the path `{text}` (filters and `..` have no counterpart)")
            if match["all"]:
                names = re.match(r"(?:\.[A-Za-z_]\w*)*", text[match.end() :])
                name = names[0].strip(".") if names else ""
                if name:
                    made = f"({made} | map(attribute={quoted(name)}) | list)"
                at = match.end() + (len(names[0]) if names else 0)
                continue
            if match["from"] is not None:
                made = f"{_bracketed(made)}[{match['from']}:{match['to']}]"
            else:
                key = int(match["index"]) if match["index"] is not None else match["name"] or match["key"]
                made = access(made, (key,))
            at = match.end()
        return made

    def _context(self, text: str) -> str:
        if text == "$$.State.Name":
            return quoted(self.state)
        if self.item is not None and text.startswith("$$.Map.Item."):
            if text == "$$.Map.Item.Index":
                return "index"
            if text.startswith("$$.Map.Item.Value"):
                return Paths(Item(Doc(self.item)), self.state).path(f"${text.removeprefix('$$.Map.Item.Value')}")
        for known, ours in _CONTEXT.items():
            if text == known:
                return ours
            if text.startswith(f"{known}.") and known == "$$.Execution.Input":
                return Paths(Item(Doc(ours)), self.state).path(f"${text.removeprefix(known)}")
        raise NotUnderstood(f"`{text}` of the context")

    # --- templates -----------------------------------------------------------------------------------------------

    def template(self, given: Any) -> Any:
        """`Parameters`, `ResultSelector`: keys that end in `.$` hold paths.

        Raises:
            NotUnderstood: one of them cannot be said.
        """
        if isinstance(given, dict):
            return {
                (key.removesuffix(".$") if key.endswith(".$") else literal(key)): (
                    f"{{{{ {self.path(value)} }}}}" if key.endswith(".$") else self.template(value)
                )
                for key, value in given.items()
            }
        if isinstance(given, list):
            return [self.template(item) for item in given]
        if isinstance(given, str):
            return literal(given)
        return given

    def selected(self, given: Any) -> str:
        """The same as one expression."""
        if isinstance(given, dict):
            entries = {
                key.removesuffix(".$"): self.path(value) if key.endswith(".$") else self.selected(value)
                for key, value in given.items()
            }
            return mapping(entries)
        if isinstance(given, list):
            return f"[{', '.join(self.selected(item) for item in given)}]"
        if isinstance(given, str):
            return quoted(given)
        if given is None or isinstance(given, bool):
            return {None: "none", True: "true", False: "false"}[given]
        return repr(given)

    # --- what the translator asks --------------------------------------------------------------------------------

    def document(self, tree: js.Expression) -> Doc | None:
        return self.current.doc if tree == js.Name("$") else None

    def expression(self, tree: js.Expression) -> str | None:
        if not isinstance(tree, js.Call):
            return None
        name = dotted(tree.function)
        if name == "path" and len(tree.arguments) == 1 and isinstance(tree.arguments[0], js.Literal):
            return self.path(tree.arguments[0].value)
        if not name.startswith("States."):
            return None
        return self._intrinsic(name.removeprefix("States."), tree.arguments)

    def _intrinsic(self, name: str, given: tuple[js.Expression, ...]) -> str:
        if name == "Format" and given and isinstance(given[0], js.Literal) and isinstance(given[0].value, str):
            return self._format(given[0].value, [self.translator.atom(one) for one in given[1:]])
        made = [self.translator.atom(one) for one in given]
        if name == "Array":
            return f"[{', '.join(made)}]"
        if name == "Hash" and given[1:] == (js.Literal("SHA-256"),):
            return f"{made[0]} | sha256"
        count, pattern = _INTRINSICS.get(name, (0, None))
        if pattern is None or len(made) < count:
            raise NotUnderstood(f"`States.{name}`")
        return pattern(made)

    def _format(self, text: str, values: list[str]) -> str:
        parts = re.split(r"(?<!\\)\{\}", text)
        if len(parts) != len(values) + 1:
            raise NotUnderstood("`States.Format` with another number of values than `{}`")
        made = []
        for number, part in enumerate(parts):
            if part:
                made.append(quoted(part.replace("\\{", "{").replace("\\}", "}").replace("\\'", "'")))
            made += [values[number]] if number < len(values) else []
        return " ~ ".join(made) if len(made) > 1 else f"{made[0]} | string" if made else "''"


_INTRINSICS: dict[str, tuple[int, Callable[[list[str]], str]]] = {
    "StringToJson": (1, lambda made: f"{made[0]} | from_json"),
    "JsonToString": (1, lambda made: f"{made[0]} | json"),
    "ArrayPartition": (2, lambda made: f"{made[0]} | batch({made[1]}) | list"),
    "ArrayContains": (2, lambda made: f"{made[1]} in {made[0]}"),
    "ArrayRange": (3, lambda made: f"range({made[0]}, {made[1]} + 1, {made[2]}) | list"),
    "ArrayGetItem": (2, lambda made: f"{made[0]}[{made[1]}]"),
    "ArrayLength": (1, lambda made: f"{made[0]} | length"),
    "ArrayUnique": (1, lambda made: f"{made[0]} | unique | list"),
    "Base64Encode": (1, lambda made: f"{made[0]} | b64"),
    "Base64Decode": (1, lambda made: f"{made[0]} | b64decode"),
    "JsonMerge": (2, lambda made: f"dict({made[0]}.items() | list + ({made[1]}.items() | list))"),
    "MathRandom": (2, lambda made: f"(random() * ({made[1]} - {made[0]}) + {made[0]}) | int"),
    "MathAdd": (2, lambda made: f"{made[0]} + {made[1]}"),
    "StringSplit": (2, lambda made: f"{made[0]}.split({made[1]})"),
    "UUID": (0, lambda _: "uuid()"),
}


def _bracketed(text: str) -> str:
    return text if " " not in text else f"({text})"


def _calls(text: str) -> str:
    """Paths in an intrinsic function as calls of `path`, which the parser of JavaScript can read."""
    made, at, quote = "", 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            made += char
            if char == "\\":
                # `\{` has to reach `States.Format` as it is.
                made += ("\\" if text[at + 1 : at + 2] in ("{", "}") else "") + text[at + 1 : at + 2]
                at += 1
            elif char == quote:
                quote = ""
        elif char == "'":
            quote = char
            made += char
        elif char == "$":
            end = _path_end(text, at)
            made += f"path({json.dumps(text[at:end].strip())})"
            at = end
            continue
        else:
            made += char
        at += 1
    return made


def _path_end(text: str, at: int) -> int:
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
        elif not depth and char in ",)":
            return at
        at += 1
    return at
