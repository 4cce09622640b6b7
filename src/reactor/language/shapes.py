"""Reads what stands behind a key, by the shape that `keys` gives it. What is wrong is told, and None comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from reactor.language.expressions import Compiled, is_template
from reactor.language.inputs import check_schema
from reactor.language.key import NAME, Key, Shape
from reactor.language.names import Scope
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence, scalars
from reactor.model import durations
from reactor.model.clock import from_iso
from reactor.model.event import is_reserved
from reactor.model.flow import Dedupe, Delay, Number, Retry

_NULL_MEANS_SOMETHING = frozenset({"result", "value", "plain"})
_VAR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
STATE_OPS = ("set", "add", "delete")
_LONG_PAUSE = 60_000
_HOUR = 3_600_000
# JSON Schema 2020-12.
_WORDS = """
$anchor $comment $defs $id $ref $schema additionalProperties allOf anyOf const contains contentEncoding contentMediaType
default dependentRequired dependentSchemas deprecated description else enum examples exclusiveMaximum exclusiveMinimum
format if items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not oneOf
pattern patternProperties prefixItems properties propertyNames readOnly required then title type unevaluatedItems
unevaluatedProperties uniqueItems writeOnly
"""
_SCHEMA_WORDS = frozenset(_WORDS.split())

Read = Callable[[Reader, Node, Key, Scope, str], Any]


def read(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Any:
    """The value of a key, checked and compiled; None when it is wrong."""
    shape = key.shape
    if isinstance(node, Scalar) and node.value is None and shape.kind not in _NULL_MEANS_SOMETHING:
        message = f"`{key.name}` has no value; write for example `{key.name}: {key.example}`, or take the key out"
        reader.report("no-value", message, node, end=max(node.end, node.start + 1))
        return None
    place = f"{where}.{key.name}" if where else key.name
    return READERS[shape.kind](reader, node, key, scope.plus(*shape.sees), place)


def read_map(
    reader: Reader, node: Node, keys: Iterable[Key], scope: Scope, where: str, what: str
) -> dict[str, Any] | None:
    """The values of a map by their keys, wrong ones left out. None when it is no map."""
    table = {key.name: key for key in keys}
    if not isinstance(node, Mapping):
        reader.wrong(node, what, f"a map with {listed(table)}")
        return None
    values: dict[str, Any] = {}
    for name, item in node.entries.items():
        key = table.get(name)
        if key is None:
            reader.unknown(node.keys[name], table.values(), f"`{what}`")
        elif key.later:
            reader.later(node.keys[name])
        else:
            values[name] = read(reader, item, key, scope, where)
    for key in table.values():
        if key.required and key.name not in node:
            message = f"`{what}` has no `{key.name}`; write for example `{key.name}: {key.example}`"
            reader.report("missing-key", message, node, suggestion=key.name)
    return values


# --- plain values ------------------------------------------------------------------------------------------------


def _text(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> str | None:
    if isinstance(node, Scalar) and not isinstance(node.value, bool):
        return _constant(reader, node, key)
    reader.wrong(node, key.name, "a text")
    return None


def _constant(reader: Reader, node: Scalar, key: Key) -> str | None:
    if is_template(node.text):
        message = f"`{key.name}` is decided before there is a run, so it cannot hold `{{{{ }}}}`; write it as it is"
        reader.report("constant", message, node)
        return None
    return node.text


def _flag(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> bool | None:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    fix = meant.get(node.text.lower()) if isinstance(node, Scalar) else None
    reader.wrong(node, key.name, "true or false", allowed=("true", "false"), suggestion=fix, fix=fix)
    return None


def _number(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> float | None:
    return _bounded(reader, node, key, (int, float), "a number")


def _whole(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> int | None:
    value = _bounded(reader, node, key, int, "a whole number")
    return None if value is None else int(value)


def _count(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Number | None:
    """A whole number, or a template that gives one."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and is_template(node.text):
        return reader.value(node, scope, where)
    return _whole(reader, node, key, scope, where)


def _true(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> bool | None:
    """`true`, which is all that can be said."""
    if isinstance(node, Scalar) and node.value is True:
        return True
    reader.wrong(node, key.name, "true, and nothing else: leave the key out if it is not meant", allowed=("true",))
    return None


def _bounded(reader: Reader, node: Node, key: Key, kinds: type | tuple[type, ...], what: str) -> float | None:
    least, most = key.shape.least, key.shape.most
    value = node.plain if isinstance(node, Scalar) else None
    if not isinstance(value, (int, float)) or not isinstance(value, kinds) or isinstance(value, bool):
        reader.wrong(node, key.name, f"{what} such as {key.example}")
        return None
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"from {least:,}" + (f" to {most:,}" if most is not None else "")
        reader.report("out-of-range", f"`{key.name}` takes {what} {bounds}, not {value}", node)
        return None
    return value


def _word(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> str | None:
    words = key.shape.words
    if isinstance(node, Scalar) and node.text in words:
        return node.text
    meant = closest(node.text, words) if isinstance(node, Scalar) else None
    hint = f"; did you mean `{meant}`?" if meant else ""
    value = f"`{shown(node.text)}`" if isinstance(node, Scalar) else node.kind
    message = f"`{key.name}` takes {listed(words)}, not {value}{hint}"
    reader.report("wrong-word", message, node, allowed=words, suggestion=meant, fix=meant)
    return None


def _texts(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> tuple[str, ...] | None:
    items = node.items if isinstance(node, Sequence) else [node]
    texts = [_text(reader, item, key, scope, where) for item in items]
    if not texts:
        reader.report("no-value", f"`{key.name}` is an empty list; write for example `{key.example}`", node)
    return tuple(text for text in texts if text is not None)


def _labels(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, str] | None:
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a map of texts such as {key.example}")
        return None
    return {name: _text(reader, item, key, scope, where) or "" for name, item in node.entries.items()}


def _name(reader: Reader, node: Node, _key: Key, _scope: Scope, _where: str) -> str | None:
    text = node.text if isinstance(node, Scalar) else ""
    if re.fullmatch(NAME, text):
        return text
    fix = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")
    if reader.legacy and text.strip() and "/" not in text and text.isprintable():
        reader.warn(
            "name", f"names of flows are of a-z 0-9 - _; `{shown(text)}` is kept as it is", node, suggestion=fix
        )
        return text.strip()
    hint = f"; write `{fix}`" if fix else ""
    message = f"a flow's name is made of a-z 0-9 - _, `{shown(text)}` is not{hint}"
    reader.report("name", message, node, suggestion=fix or None, fix=fix or None)
    return None


# --- times -------------------------------------------------------------------------------------------------------


def _duration(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Delay | None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and is_template(node.text):
        return reader.value(node, scope, where)
    return _span(reader, node, key, scope, where)


def _span(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> int | None:
    value = node.plain if isinstance(node, Scalar) else None
    if isinstance(value, str) and is_template(value):
        reader.wrong(node, key.name, f"a constant duration such as {key.example}")
        return None
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        reader.wrong(node, key.name, f"a duration such as {key.example}")
        return None
    try:
        millis = durations.parse(value)
    except ValueError as error:
        reader.report("duration", f"`{key.name}`: {error}", node)
        return None
    if not isinstance(value, str) and not reader.legacy:
        message = f"`{key.name}: {value}` is {value} seconds; write `{durations.show(millis)}`"
        reader.warn("bare-seconds", message, node, fix=durations.show(millis))
    if millis < (key.shape.least or 0):
        message = f"`{key.name}: {shown(value)}` leaves no time; write for example `{key.example}`, or take it out"
        reader.report("out-of-range", message, node)
        return None
    return millis


def _zone(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> str | None:
    name = _text(reader, node, key, scope, where)
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zones = sorted(available_timezones())
        meant = closest(name, zones) or next((z for z in zones if z.lower().endswith("/" + name.lower())), None)
        hint = f"did you mean `{meant}`?" if meant else "write an IANA name such as `Europe/Berlin`, or `UTC`"
        reader.report("timezone", f"there is no time zone `{shown(name)}`; {hint}", node, suggestion=meant, fix=meant)
        return None
    return name


def _instant(reader: Reader, node: Node) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.text):
        try:
            from_iso(node.text)
        except (ValueError, OverflowError):
            message = f"`{shown(node.text)}` is not a time; write ISO 8601 such as 2026-11-23T09:00:00Z, or a template"
            reader.report("time", message, node)


# --- expressions -------------------------------------------------------------------------------------------------


def _condition(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    return reader.condition(node, key.name, scope, where)


def _expression(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    return reader.expression(node, key.name, scope, where)


def _result(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    return reader.result(node, key.name, scope, where)


def _value(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    if key.name == "outputs":
        reader.warn_of_plain(node)
    return reader.value(node, scope, where)


def _template(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return reader.value(node, scope, where)
    if isinstance(node, Scalar) and not isinstance(node.value, bool) and node.value is not None:
        return reader.value(Scalar(node.start, node.end, node.text, node.text, node.style), scope, where)
    reader.wrong(node, key.name, f"a text such as {key.example}")
    return None


def _names(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    """`set`, `vars`: names and their values. A text without `{{ }}` stays a text."""
    if not isinstance(node, Mapping) or not node.entries:
        reader.wrong(node, key.name, f"a map of names and values such as {key.example}")
        return None
    for name, name_key in node.keys.items():
        if not _VAR_NAME.fullmatch(name):
            message = (
                f"`{shown(name)}` is no name of a variable: begin with a letter, go on with letters, digits, - and _"
            )
            reader.report("name", message, name_key)
        reader.set_names.add(name)
        if key.name == "set":
            reader.sets.append(name_key)
    reader.warn_of_plain(node)
    return reader.value(node, scope, where)


def _emit(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    parts = _parts(reader, node, key, scope, where)
    given = node.get("type") if isinstance(node, Mapping) else None
    if isinstance(given, Scalar) and is_reserved(given.text):
        message = f"`{given.text}` is told by Reactor itself; call the event otherwise"
        reader.report("reserved", message, given)
        return None
    return parts


def _parts(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    """A map of compiled values, complete."""
    parts = read_map(reader, node, key.shape.keys, scope, where, key.name)
    if parts is None or not isinstance(node, Mapping) or len(parts) < len(node.entries):
        return None
    return reader.assembled(parts, node, scope, where)


def _fail(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return reader.value(node, scope, where)
    if not isinstance(node, Mapping) or not node.entries:
        reader.wrong(node, key.name, "a text, or a map with `kind`, `message` and `data`")
        return None
    return _parts(reader, node, key, scope, where)


def _state(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, Any] | None:
    """The fields of a `StateStep`."""
    values = read_map(reader, node, key.shape.keys, scope, where, "state")
    if values is None or not isinstance(node, Mapping):
        return None
    given = [name for name in STATE_OPS if name in node]
    if len(given) != 1:
        told = f"this has {listed(given)}" if given else "this has none"
        message = f"`state` makes one change, one of {listed(STATE_OPS)}; {told}"
        reader.report("several-keys" if given else "missing-key", message, node.keys[given[1]] if given else node)
        return None
    at = node.get("key")
    if isinstance(at, Scalar) and at.value is not None and not at.text.strip():
        reader.report("no-value", "the `key` is empty; write for example `key: count`", at)
    if values.get("key") is None or values.get(given[0]) is None:
        return None
    fields = {"key": values["key"], "op": given[0]}
    return fields if given[0] == "delete" else {**fields, "value": values[given[0]]}


# --- small maps --------------------------------------------------------------------------------------------------


def _retry(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Retry | None:
    first: dict[str, Any] = {"delay": 2_000, "jitter": 0.0} if reader.legacy else {}
    if isinstance(node, Scalar) and node.text == "none":
        return Retry(max=1)
    if isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool):
        most = _whole(reader, node, msgspec.structs.replace(key.shape.keys[0], name="retry"), scope, where)
        return None if most is None else Retry(max=most, **first)
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a map such as {key.example}, a number of attempts, or `none`")
        return None
    values = read_map(reader, node, key.shape.keys, scope, where, "retry") or {}
    given = {"if_" if name == "if" else name: value for name, value in values.items() if value is not None}
    policy = Retry(**{**first, **given})
    if "max_delay" in given and _is_longer(policy.delay, policy.max_delay):
        message = "`delay` is longer than `max_delay`, which would cut every pause; raise it, or shorten `delay`"
        reader.report("out-of-range", message, node.entries["delay"] if "delay" in node else node)
    if "max_delay" not in given:
        policy = msgspec.structs.replace(policy, max_delay=longest_pause(policy.delay))
    return policy


def _is_longer(delay: Delay, limit: Delay) -> bool:
    return isinstance(delay, int) and isinstance(limit, int) and delay > limit


def longest_pause(delay: Delay) -> int:
    """A minute; ten times a `delay` that is longer than that; an hour when nobody knows."""
    if not isinstance(delay, int):
        return _HOUR
    return _LONG_PAUSE if delay <= _LONG_PAUSE else min(10 * delay, durations.LONGEST)


def _dedupe(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Dedupe | None:
    values = read_map(reader, node, key.shape.keys, scope, where, "dedupe") or {}
    if values.get("key") is None or values.get("for") is None:
        return None
    return Dedupe(key=values["key"], for_=values["for"])


def _wait(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, Any] | None:
    """The fields of a `WaitStep`."""
    if isinstance(node, Mapping):
        until = (read_map(reader, node, key.shape.keys, scope, where, "wait") or {}).get("until")
        if "until" in node:
            _instant(reader, node.entries["until"])
        return None if until is None else {"until": until}
    pause = _duration(reader, node, msgspec.structs.replace(key, shape=Shape(kind="duration", least=0)), scope, where)
    return None if pause is None else {"for_": pause}


def _schema(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> dict[str, Any] | None:
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a JSON Schema such as {key.example}")
        return None
    unknown = [name for name in node.entries if name not in _SCHEMA_WORDS]
    if node.entries and len(unknown) == len(node.entries):
        message = f"`{key.name}` is a JSON Schema and this has none of its words; put the names under `properties:`"
        reader.report("schema", message, node, suggestion="properties")
        return None
    for name in unknown:
        meant = closest(name, _SCHEMA_WORDS)
        hint = f"; did you mean `{meant}`?" if meant else " and would be ignored"
        reader.warn("schema", f"`{shown(name)}` is no word of JSON Schema{hint}", node.keys[name], suggestion=meant)
    wrong = check_schema(node.plain)
    if wrong is not None:
        reader.report("schema", f"`{key.name}` is no JSON Schema: {wrong}", node)
        return None
    return node.plain


def no_templates(
    reader: Reader, node: Node, allowed: re.Pattern[str], message: str, skip: AbstractSet[int] = frozenset()
) -> bool:
    """Whether nothing in it has to be filled in, but what fits `allowed`; else it is told. `skip`: `id` of scalars."""
    wrong = [
        s
        for s in scalars(node)
        if isinstance(s.value, str) and id(s) not in skip and is_template(s.text) and not allowed.fullmatch(s.text)
    ]
    for scalar in wrong:
        reader.report("constant", message, reader.source.locate(scalar, max(scalar.text.find("{{"), 0)))
    return not wrong


READERS: dict[str, Read] = {
    "text": _text,
    "flag": _flag,
    "number": _number,
    "whole": _whole,
    "count": _count,
    "true": _true,
    "word": _word,
    "texts": _texts,
    "labels": _labels,
    "name": _name,
    "duration": _duration,
    "span": _span,
    "zone": _zone,
    "condition": _condition,
    "expression": _expression,
    "result": _result,
    "value": _value,
    "template": _template,
    "names": _names,
    "emit": _emit,
    "fail": _fail,
    "state": _state,
    "retry": _retry,
    "dedupe": _dedupe,
    "wait": _wait,
    "schema": _schema,
}
"""`people`, `control`, `cases`, `orchestration` and the loader add theirs; `triggers`, `action`, names and the like are
read by the parts that they belong to.
"""
