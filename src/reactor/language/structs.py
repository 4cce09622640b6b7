"""Constants checked against a `msgspec.Struct`: parameters of actions, configurations of triggers."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from reactor.language.keys import STEP
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader, has_template
from reactor.language.source import Mapping, Node, Scalar, Sequence

Struct = type[msgspec.Struct]
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `(?P<got>[^`]*)`)?")
_AT = re.compile(r" - at `(?:key in )?(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_ENUM = re.compile(r"Invalid enum value (.*)")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}


@cache
def fields(struct: Struct) -> dict[str, Any]:
    """The fields of a struct by the names that stand in the YAML."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


class Given(msgspec.Struct):
    """What is given for a struct: keys and values with their places."""

    keys: dict[str, Node]
    values: dict[str, Node]
    at: Node
    """Where to say what is missing."""
    owner: str
    """`action `http.request``, `trigger `file``."""
    noun: str = "parameter"
    opened: str | None = None
    """The field that takes what is no field."""
    strict: bool = False
    fixed: bool = False
    """Texts with `{{ }}` are constants like any other."""

    def open(self, node: Node) -> bool:
        """Whether a value is known only when the flow runs."""
        return not self.fixed and has_template(node)

    def plain(self, known: dict[str, Any]) -> dict[str, Any]:
        """As the struct wants it."""
        data = {name: node.plain for name, node in self.values.items()}
        if self.opened is not None:
            extra = {name: data.pop(name) for name in list(data) if name not in known}
            own = data.get(self.opened)
            data[self.opened] = {**(own if isinstance(own, dict) else {}), **extra}
        return data


def check(reader: Reader, struct: Struct, given: Given) -> Any:
    """Tell what is wrong; the struct when everything is constant and right, else None."""
    known = fields(struct)
    before = len(reader.problems)
    names = [name for name in known if name != given.opened or name in given.values]
    for name, key in given.keys.items():
        if name not in known and given.opened is None:
            _unknown(reader, key, name, names, given)
    for name, field in known.items():
        node = given.values.get(name)
        if node is not None:
            what = f"{given.noun} `{name}` of {given.owner}"
            look = _check_value if given.open(node) else _check_constant
            look(reader, node, field.type, what, strict=given.strict)
        elif field.required:
            _missing(reader, name, names, given)
    if len(reader.problems) > before or any(given.open(node) for node in given.values.values()):
        return None
    try:
        return msgspec.convert(given.plain(known), struct, strict=given.strict)
    except msgspec.ValidationError as error:
        reader.report("wrong-type", f"{given.owner}: {_AT.sub('', str(error))}", given.at)
        return None


def _unknown(reader: Reader, key: Node, name: str, names: list[str], given: Given) -> None:
    # Beside `action: …` a key of the step may have been meant.
    meant = closest(name, names) or (closest(name, STEP) if given.noun == "parameter" else None)
    hint = f"did you mean `{meant}`?" if meant else f"it takes {listed(names)}" if names else "it takes none"
    message = f"{given.owner} has no {given.noun} `{shown(name)}`; {hint}"
    reader.report("unknown-parameter", message, key, allowed=tuple(names), suggestion=meant, fix=meant)


def _missing(reader: Reader, name: str, names: list[str], given: Given) -> None:
    message = f"{given.owner} needs its {given.noun} `{name}`; it takes {listed(names)}"
    reader.report("missing-parameter", message, given.at, allowed=tuple(names), suggestion=name)


def _check_value(reader: Reader, node: Node, kind: Any, what: str, *, strict: bool) -> None:
    """Constants as a whole; in what holds templates, the parts that do not."""
    if not has_template(node):
        _check_constant(reader, node, kind, what, strict=strict)
    elif isinstance(node, Mapping):
        inner = next((arm for arm in _arms(kind) if isinstance(arm, type) and issubclass(arm, msgspec.Struct)), None)
        if inner is None:
            _check_holds(reader, node, kind, (dict, Any), {}, what, strict=strict)
            return
        known = fields(inner)
        for name, item in node.entries.items():
            if name in known:
                _check_value(reader, item, known[name].type, f"`{name}` in {what}", strict=strict)
            elif "{{" not in name:
                meant = closest(name, known)
                hint = f"did you mean `{meant}`?" if meant else f"it takes {listed(known)}"
                reader.report("unknown-parameter", f"{what} has no `{name}`; {hint}", node.keys[name], suggestion=meant)
    elif isinstance(node, Sequence):
        inner = next((typing.get_args(arm)[0] for arm in _arms(kind) if typing.get_origin(arm) is list), None)
        if inner is None:
            _check_holds(reader, node, kind, (list, tuple, Any), [], what, strict=strict)
            return
        for item in node.items:
            _check_value(reader, item, inner, f"an item of {what}", strict=strict)


def _check_holds(
    reader: Reader, node: Node, kind: Any, holders: tuple[Any, ...], empty: Any, what: str, *, strict: bool
) -> None:
    """Whether a map (or list) can stand here at all, whatever the templates in it give."""
    if any(arm in holders or typing.get_origin(arm) in holders for arm in _arms(kind)):
        return
    try:
        msgspec.convert(empty, kind, strict=strict)
    except msgspec.ValidationError as error:
        text, allowed, _ = _in_words(str(error), kind, node)
        reader.report("wrong-type", f"{what} {text}", node, allowed=allowed)


def _check_constant(reader: Reader, node: Node, kind: Any, what: str, *, strict: bool) -> None:
    try:
        msgspec.convert(node.plain, kind, strict=strict)
    except msgspec.ValidationError as error:
        at, inside = _at(node, str(error))
        where = f"an item of {what}" if inside.startswith("[") else f"`{inside}` in {what}" if inside else what
        text, allowed, meant = _in_words(str(error), kind, at)
        reader.report("wrong-type", f"{where} {text}", at, allowed=allowed, suggestion=meant, fix=meant)


def _at(node: Node, error: str) -> tuple[Node, str]:
    """The part of a value that msgspec speaks of."""
    unknown = _UNKNOWN.search(error)
    match = _AT.search(error)
    inside = ""
    for name, index in _STEP.findall(match["path"]) if match else ():
        below: Node | None = None
        if name and isinstance(node, Mapping):
            below = node.get(name)
        elif index.isdigit() and isinstance(node, Sequence) and int(index) < len(node.items):
            below = node.items[int(index)]
        if below is None:
            break
        node, inside = below, f"{inside}.{name}" if name else f"{inside}[{index}]"
    if unknown and isinstance(node, Mapping) and unknown[1] in node.keys:
        return node.keys[unknown[1]], inside.removeprefix(".")
    return node, inside.removeprefix(".")


def _in_words(error: str, kind: Any, at: Node) -> tuple[str, tuple[str, ...], str | None]:
    """The message of msgspec in words of YAML, what is allowed, and what was meant."""
    text = _AT.sub("", error)
    if _ENUM.match(text) and isinstance(at, Scalar):
        words = tuple(dict.fromkeys(str(word) for word in _literals(kind)))
        meant = closest(at.text, words)
        hint = f"; did you mean `{meant}`?" if meant else ""
        return f"cannot be `{shown(at.text)}`{hint or f'; it takes {listed(words)}' if words else ''}", words, meant
    unknown = _UNKNOWN.search(text)
    if unknown:
        return f"has no `{unknown[1]}`; take it out, or mend its name", (), None
    match = _EXPECTED.fullmatch(text)
    if match and match["got"]:
        wanted = " or ".join(
            dict.fromkeys(_WORDS.get(part.strip(), part.strip()) for part in match["wanted"].split("|"))
        )
        return f"has to be {wanted}, not {_WORDS.get(match['got'], match['got'])}", (), None
    return f"cannot be: {text[:1].lower()}{text[1:]}", (), None


def _arms(kind: Any) -> tuple[Any, ...]:
    """The types that a union allows; of any other type, itself."""
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(arm for part in typing.get_args(kind) for arm in _arms(part))
    return (kind,)


def _literals(kind: Any) -> Iterator[Any]:
    for arm in _arms(kind):
        if typing.get_origin(arm) is typing.Literal:
            yield from typing.get_args(arm)
        elif isinstance(arm, type) and issubclass(arm, msgspec.Struct):
            for field in msgspec.structs.fields(arm):
                yield from _literals(field.type)
        else:
            for inner in typing.get_args(arm):
                yield from _literals(inner)
