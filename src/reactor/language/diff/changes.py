"""Changes, and the comparison of plain values key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import Source, written
from reactor.model import durations
from reactor.model.flow import Branch, Case, Step

_DURATIONS = frozenset({"timeout", "deadline", "delay", "max_delay", "for", "every", "after", "per", "retention"})
"""Keys whose whole numbers are milliseconds."""
_NAMES = {"params": "with", "items": "for_each", "values": "set", "error": "fail", "limit": "timeout"}
"""Fields of steps that are spelled otherwise in a flow."""
_UNSAID = frozenset({"line", "name", "key", "exprs"})


class Change(msgspec.Struct, frozen=True):
    """One thing that is different."""

    path: str
    """The step (`each[].send`, in the new flow if it is there), `on[0]` for a trigger, or empty for the flow itself."""
    kind: str
    """added | removed | moved | changed | renamed"""
    what: str
    """`step`, `trigger`, `branch`, `case`, or the key, down to the one that differs: `with.body.amount`."""
    before: Any = None
    after: Any = None
    touches: str | None = None
    """What it means for runs that are under way when they change over; None: nothing."""

    def view(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "path": self.path,
            "kind": self.kind,
            "what": self.what,
            "before": shown(self.before),
            "after": shown(self.after),
            "touches": self.touches,
        }


def spelled(field: str) -> str:
    """A field of a step as a flow spells it."""
    return _NAMES.get(field, field.rstrip("_"))


def shown(value: Any) -> Any:
    """A plain value as people read it: an expression is its text."""
    if isinstance(value, Source):
        return f"{{{{ {value} }}}}" if "{{" not in value else str(value)
    if isinstance(value, Mapping):
        return {name: shown(item) for name, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def plain(value: Any, key: str = "") -> Any:
    """Anything of the model but steps, as data that can be compared: maps without what is as it is by default."""
    if isinstance(value, msgspec.Struct):
        return _plain_struct(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and key in _DURATIONS:
        return durations.show(value)
    return written(value) if hasattr(value, "evaluate") else value


def _plain_struct(value: msgspec.Struct) -> dict[str, Any]:
    found = {}
    defaults = dict(zip(reversed(value.__struct_fields__), reversed(value.__struct_defaults__), strict=False))
    for name in value.__struct_fields__:
        item = getattr(value, name)
        if name in _UNSAID or holds_steps(item) or (name in defaults and _is_default(item, defaults[name])):
            continue
        found[name.rstrip("_")] = plain(item, name.rstrip("_"))
    return found


def _is_default(item: Any, default: Any) -> bool:
    # A factory of msgspec makes an empty list or map.
    return bool(item is default or (type(item) is type(default) and item == default) or item in ({}, ()))


def holds_steps(value: Any) -> bool:
    """Whether this field holds steps, branches or cases."""
    if isinstance(value, Step):
        return True
    return isinstance(value, tuple) and any(isinstance(item, (Step, Branch, Case)) for item in value)


def deep(path: str, what: str, before: Any, after: Any, touches: str | None = None) -> Iterator[Change]:
    """The changes between two plain values, key by key."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            key = f"{what}.{name}" if what else str(name)
            if name not in after:
                yield Change(path, "removed", key, before[name], None, touches)
            elif name not in before:
                yield Change(path, "added", key, None, after[name], touches)
            else:
                yield from deep(path, key, before[name], after[name], touches)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from deep(path, f"{what}[{number}]", one, other, touches)
    elif not same(before, after):
        kind = "added" if before is None else "removed" if after is None else "changed"
        yield Change(path, kind, what, before, after, touches)


def same(before: Any, after: Any) -> bool:
    """Whether two plain values are one; 1 and 1.0 and true are three."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(same(before[name], after[name]) for name in before)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(same, before, after))
    return type(before) is type(after) and bool(before == after)


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every single value, to tell how alike two things are."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from leaves(item, f"{place}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{place}[{number}]")
    else:
        yield place, f"{type(value).__name__}:{value}"
