"""Inputs of flows: a JSON Schema 2020-12 fills in its defaults and says everything that is wrong."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_MOST = 20
"""Problems that are told at once."""
_DEEPEST = 32
"""Levels of a schema in which defaults are filled in; also what ends a `$ref` in a circle."""
_WIDEST = 200
"""Characters of one message: it may quote the value."""
_REGEX_BYTES = 1 << 20


def check_inputs(schema: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values with defaults filled in, and a sentence for each problem.

    Args:
        schema: the flow's `inputs`.
        values: as given; not changed.
    """
    filled = _filled(schema, schema, values, 0)
    try:
        validator = _validator(msgspec.json.encode(schema))
    except ValueError as error:
        return filled, [f"`inputs` is no JSON Schema: {_short(error)}"]
    problems: list[str] = []
    for found in validator.iter_errors(filled):
        if len(problems) == _MOST:
            problems.append("… and more")
            break
        place = _place(found.instance_path)
        problems.append(f"{place}: {_first_line(found.message)}" if place else _first_line(found.message))
    return filled, problems


def check_schema(schema: Any) -> str | None:
    """What is wrong with a schema itself, or None."""
    if not isinstance(schema, Mapping):
        return f"a JSON Schema is a map, not {type(schema).__name__}"
    try:
        _validator(msgspec.json.encode(schema))
    except (ValueError, TypeError) as error:
        return _short(error)
    return None


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    # Imported when the first flow with inputs needs it: 55 ms and 8 MB.
    from jsonschema_rs import Draft202012Validator, RegexOptions  # noqa: PLC0415

    return Draft202012Validator(
        msgspec.json.decode(schema),
        validate_formats=True,
        # Never fetches a `$ref`, and matches patterns in linear time.
        offline=True,
        pattern_options=RegexOptions(size_limit=_REGEX_BYTES),
    )


def _filled(schema: Any, root: Mapping[str, Any], value: Any, depth: int) -> Any:
    """A copy of the value with the defaults of the schema wherever an object lacks a property."""
    schema = _resolved(schema, root)
    if depth > _DEEPEST or not isinstance(schema, Mapping):
        return value
    if isinstance(value, Mapping):
        return _object(schema, root, value, depth)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_filled(schema["items"], root, item, depth + 1) for item in value]
    return value


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    filled = dict(value)
    for part in schema.get("allOf", ()) if isinstance(schema.get("allOf"), list) else ():
        filled = _filled(part, root, filled, depth + 1)
    properties = schema.get("properties")
    for name, below in properties.items() if isinstance(properties, Mapping) else ():
        resolved = _resolved(below, root)
        if name not in filled and isinstance(resolved, Mapping) and "default" in resolved:
            filled[name] = copy.deepcopy(resolved["default"])
        if name in filled:
            filled[name] = _filled(resolved, root, filled[name], depth + 1)
    return filled


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """What a local `$ref` points to; keys beside it win, as 2020-12 has it."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping) or not str(schema.get("$ref", "")).startswith("#"):
            return schema
        target: Any = root
        for part in str(schema["$ref"])[1:].split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        beside = {name: item for name, item in schema.items() if name != "$ref"}
        schema = {**target, **beside} if isinstance(target, Mapping) else beside
    return schema


def _place(path: list[str | int]) -> str:
    """`customer.lines[0].sku`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _short(error: Exception) -> str:
    return _first_line(str(error))


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _WIDEST else line[:_WIDEST] + "…"
