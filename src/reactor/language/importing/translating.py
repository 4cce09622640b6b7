"""JavaScript's expressions → ours, as far as they mean the same. What does not is refused with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable

from reactor.language.expressions import ExpressionSyntaxError, compile_expression
from reactor.language.importing import javascript as js
from reactor.language.importing.documents import Doc, Key, access, mapping
from reactor.language.importing.javascript import NotUnderstood, quoted

_SIMPLE = re.compile(r"[\w.]+(?:\[[^\[\]]*\]|\.\w+|\(\))*|'[^'{}]*'|\"[^\"{}]*\"|\[[^\[\]]*\]")
_OPERATORS = {"===": "==", "!==": "!=", "&&": "and"}
_PIPES = {
    "toString": "string", "toNumber": "float", "toInt": "int", "toFloat": "float", "toJsonString": "json",
    "base64Encode": "b64", "base64Decode": "b64decode", "urlEncode": "urlencode", "toTitleCase": "title",
    "first": "first", "last": "last", "unique": "unique | list", "removeDuplicates": "unique | list",
    "sum": "sum", "max": "max", "min": "min", "toDateTime": "as_time", "parseJson": "from_json", "round": "round",
    "removeTags": "striptags", "keys": "list",
}  # fmt: skip
"""Methods without arguments that are filters here."""
_METHODS = {
    "toLowerCase": "lower", "toUpperCase": "upper", "trim": "strip", "trimStart": "lstrip", "trimEnd": "rstrip",
    "startsWith": "startswith", "endsWith": "endswith", "indexOf": "find", "lastIndexOf": "rfind", "values": "values",
}  # fmt: skip
_FUNCTIONS = {
    "JSON.stringify": "{0} | json", "JSON.parse": "{0} | from_json", "Number": "{0} | float", "String": "{0} | string",
    "parseFloat": "{0} | float", "parseInt": "{0} | int", "Math.round": "{0} | round | int", "Boolean": "not not {0}",
    "Math.floor": "{0} | round(0, 'floor') | int", "Math.ceil": "{0} | round(0, 'ceil') | int",
    "Math.abs": "{0} | abs", "encodeURIComponent": "{0} | urlencode", "encodeURI": "{0} | urlencode",
    "Object.keys": "{0} | list", "Object.values": "{0}.values() | list", "Object.entries": "{0}.items() | list",
    "Array.isArray": "{0} is sequence and {0} is not string", "DateTime.fromISO": "{0} | as_time",
    "Date": "{0} | as_time", "Array.from": "{0} | list", "Date.parse": "({0} | as_time).timestamp() * 1000",
}  # fmt: skip
_NOTHING = {
    "DateTime.now": "now()", "DateTime.local": "now()", "DateTime.utc": "now()", "Date": "now()",
    "Date.now": "(now().timestamp() * 1000) | int", "Math.random": "random()", "crypto.randomUUID": "uuid()",
}  # fmt: skip
_LUXON = {
    "yyyy": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "dd": "%d", "DD": "%d",
    "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "SSS": "%f", "a": "%p", "EEEE": "%A", "EEE": "%a", "cccc": "%A",
    "ccc": "%a", "ZZ": "%z", "o": "%j",
}  # fmt: skip
_LUXON_TOKEN = re.compile(r"'(?P<text>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z']+)")
_UNITS = {
    "year": "d",
    "month": "d",
    "week": "d",
    "day": "d",
    "hour": "h",
    "minute": "m",
    "second": "s",
    "millisecond": "ms",
}
_TIMES = {"year": 365, "month": 30, "week": 7}
_DYNAMIC = "a name that only the run knows"


class Roots:
    """What the names of another engine mean. Subclasses know an engine; this one knows none."""

    def document(self, tree: js.Expression) -> Doc | None:
        """The value that an expression names as a whole (`$json`, `$('A').item.json`), or None."""
        del tree
        return None

    def expression(self, tree: js.Expression) -> str | None:
        """Our expression for one of the engine's own (`$now`, `$execution.id`), or None."""
        del tree
        return None


def dotted(tree: js.Expression) -> str:
    """`a.b.c` of names and fixed members, else an empty text."""
    if isinstance(tree, js.Name):
        return tree.name
    if isinstance(tree, js.Member) and isinstance(tree.key, js.Literal) and isinstance(tree.key.value, str):
        owner = dotted(tree.owner)
        return f"{owner}.{tree.key.value}" if owner else ""
    return ""


class Translator:
    """Translates expressions against what its roots know."""

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self.bound: dict[str, str] = {}

    def expression(self, text: str) -> str:
        """Our expression for one of theirs.

        Raises:
            NotUnderstood: it means something that ours cannot say; with what that is.
        """
        made = self.value(js.parse(text))
        try:
            compile_expression(made)
        except ExpressionSyntaxError as error:
            raise NotUnderstood(error.message) from None
        return made

    # --- trees ---------------------------------------------------------------------------------------------------

    def value(self, tree: js.Expression) -> str:
        """One tree."""
        known = self.roots.expression(tree)
        if known is not None:
            return known
        path = self.path(tree)
        if path is not None:
            return path
        for kind, method in _TREES.items():
            if isinstance(tree, kind):
                return method(self, tree)
        raise NotUnderstood("a function where a value is wanted")

    def atom(self, tree: js.Expression) -> str:
        """The same, in brackets where another operator may stand beside it."""
        made = self.value(tree)
        return made if _SIMPLE.fullmatch(made) else f"({made})"

    def path(self, tree: js.Expression) -> str | None:
        """A part of a document."""
        keys: list[Key] = []
        optional = False
        while True:
            found = self.roots.document(tree)
            if found is not None:
                made = found.at(tuple(reversed(keys)))
                return f"{made} | default(none)" if optional else made
            if not isinstance(tree, js.Member) or not isinstance(tree.key, js.Literal):
                return None
            key = tree.key.value
            if not isinstance(key, (str, int)) or isinstance(key, bool) or key == "length":
                return None
            keys.append(key)
            optional = optional or tree.optional
            tree = tree.owner

    def literal(self, tree: js.Literal) -> str:
        if isinstance(tree.value, str):
            return quoted(tree.value)
        if tree.value is None or isinstance(tree.value, bool):
            return {None: "none", True: "true", False: "false"}[tree.value]
        return repr(tree.value)

    def name(self, tree: js.Name) -> str:
        if tree.name in self.bound:
            return self.bound[tree.name]
        raise NotUnderstood(f"`{tree.name}` is not known here")

    def member(self, tree: js.Member) -> str:
        owner = self.atom(tree.owner)
        if isinstance(tree.key, js.Literal):
            if tree.key.value == "length":
                return f"{owner} | length"
            if isinstance(tree.key.value, (str, int)):
                made = access(owner, (tree.key.value,))
                return f"{made} | default(none)" if tree.optional else made
        return f"{owner}[{self.value(tree.key)}]"

    def unary(self, tree: js.Unary) -> str:
        if tree.operator == "!":
            return f"not {self.lenient(tree.operand)}"
        if tree.operator == "-":
            return f"-{self.atom(tree.operand)}"
        if tree.operator == "+":
            return f"{self.atom(tree.operand)} | float"
        raise NotUnderstood(f"`{tree.operator}`")

    def lenient(self, tree: js.Expression) -> str:
        """A value that may be missing, as everything may in JavaScript."""
        made = self.atom(tree)
        return f"({made} | default(none))" if self.path(tree) is not None and "default(" not in made else made

    def binary(self, tree: js.Binary) -> str:
        left, right = tree.left, tree.right
        if tree.operator in ("||", "??"):
            return f"{self.lenient(left)} or {self.atom(right)}"
        if tree.operator == "&&":
            return f"{self.lenient(left)} and {self.lenient(right)}"
        if tree.operator == "+" and (_is_text(left) or _is_text(right)):
            return f"{self.atom(left)} ~ {self.atom(right)}"
        operator = _OPERATORS.get(tree.operator, tree.operator)
        nothing = js.Literal(None)
        if operator in ("==", "!=") and nothing in (left, right):
            negation = "not " if operator == "!=" else ""
            return f"{self.lenient(left if right == nothing else right)} is {negation}none"
        return f"{self.atom(left)} {operator} {self.atom(right)}"

    def conditional(self, tree: js.Conditional) -> str:
        return f"{self.atom(tree.yes)} if {self.lenient(tree.test)} else {self.atom(tree.no)}"

    def array(self, tree: js.Array) -> str:
        return f"[{', '.join(self.value(item) for item in tree.items)}]"

    def object(self, tree: js.Object) -> str:
        return mapping({key: self.value(item) for key, item in tree.entries})

    def template(self, tree: js.Template) -> str:
        parts = [self.atom(part) for part in tree.parts]
        return " ~ ".join(parts) if len(parts) > 1 else f"{parts[0]} | string" if parts else "''"

    # --- calls ---------------------------------------------------------------------------------------------------

    def call(self, tree: js.Call) -> str:
        name = dotted(tree.function)
        if not tree.arguments and name in _NOTHING:
            return _NOTHING[name]
        if len(tree.arguments) in (1, 2) and name in _FUNCTIONS:
            return _FUNCTIONS[name].format(self.atom(tree.arguments[0]))
        if name == "$ifEmpty" and len(tree.arguments) == 2:
            return f"{self.lenient(tree.arguments[0])} or {self.atom(tree.arguments[1])}"
        if name == "$if" and len(tree.arguments) == 3:
            return self.conditional(js.Conditional(*tree.arguments))
        if name in ("Math.max", "Math.min"):
            return f"{self.array(js.Array(tree.arguments))} | {name[5:]}"
        if not isinstance(tree.function, js.Member) or not isinstance(tree.function.key, js.Literal):
            raise NotUnderstood(f"the function `{name or '…'}`")
        return self.method(tree.function.owner, str(tree.function.key.value), tree.arguments)

    def method(self, owner: js.Expression, name: str, given: tuple[js.Expression, ...]) -> str:
        if name == "substr" and len(given) == 2 and given[0] == js.Literal(0):
            return self.cut(owner, given)
        special = _SPECIAL.get(name)
        if special is not None:
            return special(self, owner, given)
        if not given and name in _PIPES:
            return f"{self.atom(owner)} | {_PIPES[name]}"
        if name in _METHODS and len(given) <= 1:
            arguments = ", ".join(self.value(one) for one in given)
            return f"{self.atom(owner)}.{_METHODS[name]}({arguments})"
        raise NotUnderstood(f"the method `{name}`")

    def each(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        """`list.map(x => x.name)`."""
        if len(given) == 1 and isinstance(given[0], js.Arrow):
            path = _behind(given[0].body, given[0].parameter)
            if path:
                return f"{self.atom(owner)} | map(attribute={quoted('.'.join(path))}) | list"
        raise NotUnderstood("a function over a list")

    def replace(self, owner: js.Expression, given: tuple[js.Expression, ...], *, every: bool) -> str:
        if len(given) != 2 or isinstance(given[1], js.Arrow):
            raise NotUnderstood("`replace` with a function")
        made, new = self.atom(owner), self.value(given[1])
        old = given[0]
        if isinstance(old, js.Regex):
            if set(old.flags) - {"g", "i"} or "g" not in old.flags or "$" in new:
                raise NotUnderstood(f"the pattern /{old.body}/{old.flags}")
            body = f"(?i){old.body}" if "i" in old.flags else old.body
            return f"{made} | regex_replace({quoted(body)}, {new})"
        return f"{made} | replace({self.value(old)}, {new}{'' if every else ', 1'})"

    def cut(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        """`slice`, `substring`."""
        if not 1 <= len(given) <= 2:
            raise NotUnderstood("`slice` without a place")
        return f"{self.atom(owner)}[{':'.join(self.value(one) for one in given)}{':' if len(given) == 1 else ''}]"

    def split(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        if len(given) != 1 or isinstance(given[0], js.Regex) or given[0] == js.Literal(""):
            raise NotUnderstood("`split` by a pattern")
        return f"{self.atom(owner)}.split({self.value(given[0])})"

    def shift(self, owner: js.Expression, given: tuple[js.Expression, ...], *, sign: str) -> str:
        """`time.plus({days: 1})`, `time.plus(1, 'day')`."""
        amounts: list[tuple[str, js.Expression]] = []
        if len(given) == 1 and isinstance(given[0], js.Object):
            amounts = list(given[0].entries)
        elif len(given) == 2 and isinstance(given[1], js.Literal):
            amounts = [(str(given[1].value), given[0])]
        made = self.atom(owner)
        for unit, amount in amounts:
            name = unit.removesuffix("s")
            if name not in _UNITS or not isinstance(amount, js.Literal) or not isinstance(amount.value, int):
                raise NotUnderstood("a span of time that is computed")
            made = f"{made} {sign} ('{amount.value * _TIMES.get(name, 1)}{_UNITS[name]}' | duration)"
        if not amounts:
            raise NotUnderstood("a span of time that is computed")
        return f"({made})"

    def formatted(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        """`time.toFormat('yyyy-MM-dd')`."""
        if len(given) != 1 or not isinstance(given[0], js.Literal) or not isinstance(given[0].value, str):
            raise NotUnderstood("a format that is computed")
        pattern = ""
        for match in _LUXON_TOKEN.finditer(given[0].value):
            letters = match["letters"]
            if letters is not None and letters not in _LUXON and letters != "T":
                raise NotUnderstood(f"`{letters}` in the format of a time")
            plain = match["text"] if match["text"] is not None else match["other"]
            pattern += "T" if letters == "T" else _LUXON[letters] if letters else str(plain).replace("%", "%%")
        return f"{self.time(owner)}.strftime({quoted(pattern)})"

    def time(self, owner: js.Expression) -> str:
        made = self.atom(owner)
        return made if self.path(owner) is None else f"({made} | as_time)"

    def fixed(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        """`number.toFixed(2)`."""
        digits = given[0].value if given and isinstance(given[0], js.Literal) else 0
        if not isinstance(digits, int):
            raise NotUnderstood("`toFixed` with digits that are computed")
        return f"'%.{digits}f' | format({self.atom(owner)} | float)"

    def contains(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        return f"{self.atom(given[0])} in {self.atom(owner)}"

    def empty(self, owner: js.Expression, given: tuple[js.Expression, ...], *, wanted: bool) -> str:
        del given
        return f"not {self.lenient(owner)}" if wanted else f"not not {self.lenient(owner)}"

    def joined(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        return f"{self.atom(owner)} | join({self.value(given[0]) if given else quoted(',')})"

    def concat(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        operator = " ~ " if _is_text(owner) or any(_is_text(one) for one in given) else " + "
        return operator.join(self.atom(one) for one in (owner, *given))

    def iso(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        del given
        return f"{self.time(owner)}.isoformat()"

    def millis(self, owner: js.Expression, given: tuple[js.Expression, ...], *, seconds: bool = False) -> str:
        del given
        stamp = f"{self.time(owner)}.timestamp()"
        return f"{stamp} | int" if seconds else f"({stamp} * 1000) | int"

    def day(self, owner: js.Expression, given: tuple[js.Expression, ...]) -> str:
        del given
        return f"{self.time(owner)}.date().isoformat()"


_Special = Callable[[Translator, js.Expression, tuple[js.Expression, ...]], str]
_SPECIAL: dict[str, _Special] = {
    "map": Translator.each,
    "replace": lambda t, o, g: t.replace(o, g, every=False),
    "replaceAll": lambda t, o, g: t.replace(o, g, every=True),
    "slice": Translator.cut,
    "substring": Translator.cut,
    "split": Translator.split,
    "plus": lambda t, o, g: t.shift(o, g, sign="+"),
    "minus": lambda t, o, g: t.shift(o, g, sign="-"),
    "format": Translator.formatted,
    "toFormat": Translator.formatted,
    "toFixed": Translator.fixed,
    "includes": Translator.contains,
    "isEmpty": lambda t, o, g: t.empty(o, g, wanted=True),
    "isNotEmpty": lambda t, o, g: t.empty(o, g, wanted=False),
    "join": Translator.joined,
    "concat": Translator.concat,
    "toISO": Translator.iso,
    "toISOString": Translator.iso,
    "toISODate": Translator.day,
    "toDateString": Translator.day,
    "toMillis": Translator.millis,
    "getTime": Translator.millis,
    "toUnixInteger": lambda t, o, g: t.millis(o, g, seconds=True),
    "toSeconds": lambda t, o, g: t.millis(o, g, seconds=True),
}
_TREES: dict[type, Callable[[Translator, object], str]] = {
    js.Literal: Translator.literal,  # type: ignore[dict-item] # each is asked for its own kind only
    js.Name: Translator.name,  # type: ignore[dict-item] # the same
    js.Member: Translator.member,  # type: ignore[dict-item] # the same
    js.Unary: Translator.unary,  # type: ignore[dict-item] # the same
    js.Binary: Translator.binary,  # type: ignore[dict-item] # the same
    js.Conditional: Translator.conditional,  # type: ignore[dict-item] # the same
    js.Array: Translator.array,  # type: ignore[dict-item] # the same
    js.Object: Translator.object,  # type: ignore[dict-item] # the same
    js.Template: Translator.template,  # type: ignore[dict-item] # the same
    js.Call: Translator.call,  # type: ignore[dict-item] # the same
}


def _is_text(tree: js.Expression) -> bool:
    if isinstance(tree, js.Literal):
        return isinstance(tree.value, str)
    if isinstance(tree, js.Binary) and tree.operator == "+":
        return _is_text(tree.left) or _is_text(tree.right)
    return isinstance(tree, js.Template)


def _behind(tree: js.Expression, name: str) -> tuple[str, ...]:
    """The members of `x.a.b` behind `x`; empty when it is something else."""
    keys = dotted(tree).split(".")
    return tuple(keys[1:]) if keys[0] == name and len(keys) > 1 else ()
