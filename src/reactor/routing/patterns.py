"""Patterns of event types: `*` stands for one segment between dots, `**` for any number of them."""

from __future__ import annotations

import re
from functools import lru_cache

_SEGMENTS = {"**": r"(?:\.[^.]*)*", "*": r"\.[^.]*"}


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_SEGMENTS.get(segment) or r"\." + re.escape(segment) for segment in pattern.split(".")))


def fits(pattern: str, type_: str) -> bool:
    """Whether an event's type fits a pattern, as the routes say it."""
    if "*" not in pattern:
        return pattern == type_
    return _compiled(pattern).fullmatch("." + type_) is not None
