"""What is not there: a name, a key or an item that an expression asks for. Strict by default, empty in older flows.

A missing value may be asked whether it is there (`is defined`, `default(…)`) and may be looked into further; any other
use raises, and the message says what is missing, where, and what is there instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from reactor.language.expressions.limits import Refusal

_SHOWN = 10
_WHOLE = re.compile(r"\s*\{\{-?\s*((?:(?!\}\}).)*?)\s*-?\}\}\s*", re.DOTALL)
_PART = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)


class Site:
    """A place in a template, made once at compile time: what is asked of what, and at which character."""

    __slots__ = ("label", "offset", "owner")

    def __init__(self, owner: str, label: str, offset: int) -> None:
        self.owner = owner
        """The source text of what is asked, `event.data`; empty when it is not a plain path."""
        self.label = label
        """The source text of the whole, `event.data.total`."""
        self.offset = offset


class Missing:
    """Something that is not there, and why."""

    __slots__ = ("holder", "name", "site")

    def __init__(self, site: Site, holder: Any, name: Any) -> None:
        self.site = site
        self.holder = holder
        self.name = name

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Say what is missing.

        Raises:
            Refusal: always.
        """
        raise Refusal(describe(self), self.site.offset)

    def below(self, name: Any) -> Missing:
        """What is looked up in it."""
        return self

    if not TYPE_CHECKING:  # to a type checker it is a value like any other
        __bool__ = __str__ = __iter__ = __len__ = __hash__ = __contains__ = refuse
        __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = refuse
        __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = refuse
        __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = refuse
        __int__ = __float__ = __index__ = __round__ = __getitem__ = __call__ = __reversed__ = refuse


class Empty(Missing):
    """What is missing in a flow of the older engine, or the absent half of an `if` without `else`: empty."""

    __slots__ = ("plain",)

    def __init__(self, site: Site, plain: Any = "") -> None:
        super().__init__(site, None, None)
        self.plain = plain
        """What it is when it stands alone."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __contains__(self, item: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Empty) or (isinstance(other, str) and not other)

    def __ne__(self, other: object) -> bool:
        return not self.__eq__(other)

    def _never(self, other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never

    def __hash__(self) -> int:
        return hash("")


MARK = "\ue0ff"
"""Stands in texts that hold something unknown, so that they can be told from others; nobody is shown it."""


class NeedsUnknown(Refusal):
    """An expression does more with an unknown value than look into it or put it into a text."""

    kind = "unknown"


class Unknown(Missing):
    """What only a real run would know, as the output of a step that a dry run does not do.

    It may be looked into, be part of lists and maps, and stand in texts. An expression that does anything else with it
    is unknown itself; what then is to be decided by that can only be refused.
    """

    __slots__ = ("label", "text")

    def __init__(self, label: str, text: str | None = None) -> None:
        """`label`: the path or expression; `text`: a text that holds unknown parts."""
        super().__init__(Site("", label, 0), None, None)
        self.label = label
        self.text = f"<{label}>" if text is None else text.replace(MARK, "")
        """For people."""

    def below(self, name: Any) -> Unknown:
        """Unknown too, under its own path."""
        return Unknown(f"{self.label}[{name}]" if isinstance(name, int) else f"{self.label}.{name}")

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Say what is unknown.

        Raises:
            NeedsUnknown: always.
        """
        raise NeedsUnknown(f"`{self.label}` is known only when the flow really runs")

    def __str__(self) -> str:
        return MARK + self.text

    def __repr__(self) -> str:
        return f"Unknown({self.label!r})"

    if not TYPE_CHECKING:
        __bool__ = __iter__ = __len__ = __hash__ = __contains__ = refuse
        __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse


def unknown_of(source: str) -> Unknown:
    """The value of an expression or text that cannot be known; its parts in `{{ }}` are shown in `< >`."""
    whole = _WHOLE.fullmatch(source)
    if whole or "{{" not in source:
        return Unknown(whole[1] if whole else source.strip())
    return Unknown(source, _PART.sub(r"<\1>", source))


def describe(missing: Missing) -> str:
    """`event.data` has no `totl`; did you mean `total`?"""
    site, name = missing.site, missing.name
    holder: Any = missing.holder
    owner = f"`{site.owner}`" if site.owner else "the value"
    if holder is None:
        return f"{owner} is null, so it has no `{name}`"
    if isinstance(holder, Scope):
        return f"there is no `{name}` here{_suggest(name, holder.names)}"
    if isinstance(holder, Mapping):
        return f"{owner} has no `{name}`{_suggest(name, [str(key) for key in holder])}"
    if isinstance(holder, (list, tuple, str)) and isinstance(name, int):
        what = "character" if isinstance(holder, str) else "item"
        return f"{owner} has no {what} {name}: there are {len(holder)}"
    if isinstance(holder, (list, tuple)) and isinstance(name, str) and holder:
        return f"{owner} is a list, so it has no `{name}`; its first item is `{site.owner or '…'}[0]`"
    return f"{owner} is {kind_of(holder)}, so it has no `{name}`"


class Scope:
    """Stands for the scope as the holder of a top-level name."""

    __slots__ = ("names",)

    def __init__(self, names: list[str]) -> None:
        self.names = names


def _suggest(name: Any, there: list[str]) -> str:
    if not there:
        return "; it is empty"
    close = difflib.get_close_matches(str(name), there, 1)
    if not close:
        # `steps.my-step` reads as a subtraction: the name that was meant goes on after a dash.
        close = [key for key in there if key.startswith(f"{name}-")][:1]
    if close:
        word = close[0]
        return f"; did you mean `{word}`?" if word.isidentifier() else f"; did you mean `['{word}']`?"
    more = ", …" if len(there) > _SHOWN else ""
    return f"; there is: {', '.join(sorted(there)[:_SHOWN])}{more}"


_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    tuple: "a list",
    dict: "a map",
}


def kind_of(value: Any) -> str:
    """What a value is, in words of YAML."""
    if value is None:
        return "null"
    if isinstance(value, Missing):
        return "missing"
    for kind, words in _KINDS.items():
        if isinstance(value, kind):
            return words
    return {"datetime": "a time", "timedelta": "a duration"}.get(type(value).__name__, "no plain value")
