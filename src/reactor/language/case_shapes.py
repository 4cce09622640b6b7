"""Reads what stands behind the keys of tests, beside the shapes of the flow itself."""

from __future__ import annotations

import re
from typing import Any

from reactor.language import shapes
from reactor.language.case import Answer, Failure, Mock
from reactor.language.key import Key
from reactor.language.names import Scope
from reactor.language.problems import listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.model.clock import Instant, from_iso

_EVENT_TYPE = re.compile(r"[\w-]+(\.[\w-]+)*")


def _plain(_reader: Reader, node: Node, _key: Key, _scope: Scope, _where: str) -> Any:
    return node.plain


def _plain_map(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> dict[str, Any] | None:
    if isinstance(node, Mapping):
        return node.plain
    reader.wrong(node, key.name, f"a map such as {key.example}")
    return None


def _plain_list(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> list[Any] | None:
    if isinstance(node, Sequence) and node.items:
        return node.plain
    reader.wrong(node, key.name, f"a list such as {key.example}")
    return None


def _constant(reader: Reader, node: Node, key: Key) -> str | None:
    if isinstance(node, Scalar) and not isinstance(node.value, bool) and node.text:
        return node.text
    reader.wrong(node, key.name, f"a text such as {key.example}")
    return None


def _event_type(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> str | None:
    text = _constant(reader, node, key)
    if text is not None and not _EVENT_TYPE.fullmatch(text):
        message = f"`{shown(text)}` is no type of events: letters, digits, _ and - between dots, such as order.created"
        reader.report("name", message, node)
        return None
    return text


def _time(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> Instant | None:
    text = _constant(reader, node, key)
    try:
        return None if text is None else from_iso(text)
    except (ValueError, OverflowError):
        message = f"`{shown(text)}` is not a time; write ISO 8601 such as 2026-11-23T09:00:00Z"
        reader.report("time", message, node)
        return None


def _step_path(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> str | None:
    return _constant(reader, node, key)


def _places(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> tuple[str, ...] | None:
    """May be empty: nothing was called."""
    if not isinstance(node, Sequence):
        reader.wrong(node, key.name, f"a list of steps such as {key.example}")
        return None
    return tuple(text for item in node.items if (text := _constant(reader, item, key)) is not None)


def _by_place(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, Any] | None:
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a map of steps such as {key.example}")
        return None
    if not key.shape.words:
        return node.plain
    word = shapes.READERS["word"]
    return {name: word(reader, item, key, scope, where) for name, item in node.entries.items()}


def _map(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, Any] | None:
    return shapes.read_map(reader, node, key.shape.keys, scope, where, key.name)


def _maps(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> list[dict[str, Any]] | None:
    if not isinstance(node, Sequence):
        reader.wrong(node, key.name, f"a list such as {key.example}")
        return None
    found = (shapes.read_map(reader, item, key.shape.keys, scope, where, key.name) for item in node.items)
    return [values for values in found if values is not None]


def _failure(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Failure | None:
    if isinstance(node, Mapping) and node.entries:
        values = shapes.read_map(reader, node, key.shape.keys, scope, where, key.name) or {}
        return Failure(**values)
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.text:
        return Failure(kind=node.text)
    reader.wrong(node, key.name, "a kind such as http.500, or a map with `kind` and `message`")
    return None


def _mocks(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> tuple[Mock, ...] | None:
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a map of steps such as {key.example}")
        return None
    mocks = []
    for at, item in node.entries.items():
        parts = item.items if isinstance(item, Sequence) else [item]
        if not parts:
            reader.report("no-value", f"`{shown(at)}` has no answer; write for example `{{output: 1}}`", item)
        answers = [answer for part in parts for answer in _answers(reader, part, key, scope, f"{where}.{at}")]
        if answers:
            mocks.append(Mock(at=at, answers=tuple(answers)))
    return tuple(mocks)


def _answers(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> list[Answer]:
    if not isinstance(node, Mapping) or not node.entries:
        reader.wrong(node, key.name, "for each step a map with `output`, `error` or `outputs`, or a list of such")
        return []
    given = [name for name in ("output", "error", "outputs") if name in node]
    if len(given) > 1:
        message = f"an answer is one of {listed(given)}; several attempts are a list of answers"
        reader.report("several-keys", message, node.keys[given[1]])
    values = shapes.read_map(reader, node, key.shape.keys, scope, where, key.name) or {}
    after = values.get("after") or 0
    if values.get("outputs"):
        return [Answer(output=output, after=after) for output in values["outputs"]]
    return [Answer(output=values.get("output"), error=values.get("error"), after=after)]


READERS: dict[str, shapes.Read] = {
    "plain": _plain,
    "plain_map": _plain_map,
    "plain_list": _plain_list,
    "event_type": _event_type,
    "time": _time,
    "step_path": _step_path,
    "places": _places,
    "by_place": _by_place,
    "map": _map,
    "maps": _maps,
    "failure": _failure,
    "mocks": _mocks,
}
