"""What a key of the language is, and the shapes that many of them share. The tables stand in `keys`."""

from __future__ import annotations

import msgspec

NAME = r"[a-z0-9_-]+"
STEP_NAME = r"[a-zA-Z0-9_-]+"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand behind a key."""

    kind: str
    """Name of the reader in `shapes` and of the maker in `schema`."""
    words: tuple[str, ...] = ()
    """The words that are allowed."""
    keys: tuple[Key, ...] = ()
    """The keys of a map."""
    least: float | None = None
    most: float | None = None
    sees: tuple[str, ...] = ()
    """Names that only expressions here may read, beside those of the place."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    name: str
    shape: Shape
    doc: str
    example: str = ""
    """As YAML: what may stand behind it."""
    required: bool = False
    later: bool = False
    verbs: tuple[str, ...] = ()
    """Of a step's key: the kinds of steps that take it; empty: all."""
    takes: tuple[str, ...] = ()
    """Of a verb: names that belong to it, beside the keys of every step."""


def shape(kind: str, *keys: Key) -> Shape:
    """A shape that is its kind alone, or a map with these keys."""
    return Shape(kind=kind, keys=keys)


def make(name: str, form: Shape, doc: str, example: str = "", *, required: bool = False) -> Key:
    """One key."""
    return Key(name=name, shape=form, doc=doc, example=example, required=required)


def words(*allowed: str) -> Shape:
    """One of these words."""
    return Shape(kind="word", words=allowed)


TEXT = shape("text")
FLAG = shape("flag")
DURATION = Shape(kind="duration", least=1)
PAUSE = Shape(kind="duration", least=0)
SPAN = Shape(kind="span", least=1)
COUNT = Shape(kind="count", least=1, most=1_000_000)
WHOLE = Shape(kind="whole", least=1, most=1_000_000_000)
CONDITION = shape("condition")
EXPRESSION = shape("expression")
VALUE = shape("value")
TEMPLATE = shape("template")
STEPS = shape("steps")
ANY = shape("any")
PLAIN = shape("plain")
