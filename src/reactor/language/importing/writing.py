"""Writes YAML that people will read and change: blocks, comments above steps, short maps in one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.@-]*(?: [A-Za-z0-9_/.@(-][A-Za-z0-9_/.@()'-]*)*")
_LOOSE = re.compile(r"[A-Za-z_/(][^\n]*")
"""Plain in a block, where nothing but `: ` and ` #` ends it."""
_SPAN = re.compile(r"\d+(?:ms|s|m|h|d)")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LONE = re.compile("[\ud800-\udfff]")
_WIDTH = 100
_INLINE = 88


class Step(dict[str, Any]):
    """A map with a comment above it."""

    def __init__(self, fields: Mapping[str, Any], comment: Sequence[str] = ()) -> None:
        super().__init__(fields)
        self.comment = tuple(comment)


def write(flow: Mapping[str, Any], head: Sequence[str] = ()) -> str:
    """A flow as YAML, with comments above it. Top-level lists of steps get blank lines between their steps."""
    lines = [*comment(head, "")]
    for key, value in flow.items():
        spaced = key in ("steps", "workflow")
        lines += _entry(key, value, "", spaced=spaced)
    return "\n".join(lines) + "\n"


def comment(texts: Sequence[str], indent: str) -> Iterator[str]:
    """Texts as lines of comments; long ones are kept in one line, so that code in them stays code."""
    for text in texts:
        for line in clean(text).split("\n"):
            yield f"{indent}# {line}".rstrip()


def clean(text: str) -> str:
    """Without what cannot stand in YAML: control characters, halves of surrogate pairs."""
    return _UNSAFE.sub(" ", _LONE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")))


def _entry(key: str, value: Any, indent: str, *, spaced: bool = False) -> Iterator[str]:
    # YAML 1.2: `on` is a text, and as a key everybody writes it so.
    name = key if key == "on" else scalar(key)
    short = _inline(value, _INLINE - len(indent) - len(name))
    if short is not None:
        yield f"{indent}{name}: {short}"
    elif isinstance(value, str):
        yield f"{indent}{name}: {_text(value, indent)}"
    elif isinstance(value, Mapping):
        yield f"{indent}{name}:"
        for inner, item in value.items():
            yield from _entry(inner, item, indent + "  ")
    else:
        yield f"{indent}{name}:"
        yield from _items(value, indent + "  ", spaced=spaced)


def _items(items: Sequence[Any], indent: str, *, spaced: bool) -> Iterator[str]:
    for number, item in enumerate(items):
        if spaced and number:
            yield ""
        yield from comment(getattr(item, "comment", ()), indent)
        short = None if isinstance(item, Step) else _inline(item, _INLINE - len(indent))
        if short is not None:
            yield f"{indent}- {short}"
        elif isinstance(item, str):
            yield f"{indent}- {_text(item, indent)}"
        else:
            below = (
                _map(item, indent + "  ") if isinstance(item, Mapping) else _items(item, indent + "  ", spaced=False)
            )
            first, *rest = below
            yield f"{indent}- {first.lstrip()}"
            yield from rest


def _map(value: Mapping[str, Any], indent: str) -> list[str]:
    if not value:
        return [f"{indent}{{}}"]
    return [line for key, item in value.items() for line in _entry(key, item, indent)]


def _text(value: str, indent: str) -> str:
    """A long text, or one of several lines."""
    lines = value.split("\n")
    body = lines[:-1] if lines[-1] == "" else lines
    literal = (
        len(lines) > 1
        and len(body) > 0
        and body[-1] != ""
        and not _UNSAFE.search(value)
        and not _LONE.search(value)
        and not body[0].startswith((" ", "\t"))
        and body[0] != ""
        and not any(line != line.rstrip() for line in body)
    )
    if not literal:
        return scalar(value)
    mark = "|" if lines[-1] == "" else "|-"
    return "\n".join([mark, *(f"{indent}  {line}" if line else "" for line in body)])


def _inline(value: Any, room: int) -> str | None:
    """A value in one line, or None when it is better written in several."""
    if isinstance(value, Step) or (isinstance(value, str) and "\n" in value):
        return None
    if not isinstance(value, (Mapping, list, tuple)):
        shown = scalar(value, block=True)
        return shown if not isinstance(value, str) or len(shown) <= _WIDTH * 2 else None
    if not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    line = _flow(value, room)
    return line if line is not None and len(line) <= room else None


def _flow(value: Any, room: int) -> str | None:
    if isinstance(value, Step) or (isinstance(value, str) and "\n" in value) or room < 0:
        return None
    if isinstance(value, Mapping):
        parts = [(scalar(key), _flow(item, room - len(key))) for key, item in value.items()]
        if any(part is None for _, part in parts):
            return None
        return "{" + ", ".join(f"{key}: {part}" for key, part in parts) + "}"
    if isinstance(value, (list, tuple)):
        items = [_flow(item, room) for item in value]
        return None if None in items else "[" + ", ".join(str(item) for item in items) + "]"
    return scalar(value)


def _is_plain(text: str) -> bool:
    return (
        len(text) <= _WIDTH
        and text.isprintable()
        and ": " not in text
        and " #" not in text
        and not text.endswith((":", " "))
        and text.lower() not in _WORDS
    )


def scalar(value: Any, *, block: bool = False) -> str:
    """A text, number, true, false or null as it can stand anywhere in YAML; `block`: not in `[]` and `{}`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return json.dumps(value) if math.isfinite(value) else "null"
    text = _LONE.sub("\ufffd", str(value))
    if _SPAN.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS and len(text) <= _WIDTH):
        return text
    if block and _LOOSE.fullmatch(text) and _is_plain(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
