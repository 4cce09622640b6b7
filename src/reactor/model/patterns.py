"""Patterns of event types (`*` stands for one segment between dots, `**` for any number) and of other texts."""

from __future__ import annotations

import re
from functools import lru_cache

from reactor.model.journal import EventWait, Wanted


def fits(pattern: str, type_: str) -> bool:
    """Whether an event's type fits a pattern, as the routes say it."""
    if "*" not in pattern:
        return pattern == type_
    wanted = _segments(pattern)
    reached = _skipped(wanted, {0})
    # Which places of the pattern can be reached after each segment: linear in both, however many stars there are.
    for segment in type_.split("."):
        following = {at + (wanted[at] != "**") for at in reached if at < len(wanted) and _takes(wanted[at], segment)}
        reached = _skipped(wanted, following)
    return len(wanted) in reached


def concerns(wanted: Wanted | EventWait, type_: str, subject: str | None, source: str) -> bool:
    """Whether an event may be one that a step waits for, before its condition is asked."""
    return (
        fits(wanted.type, type_)
        and (wanted.key is None or wanted.key == subject)
        and (wanted.source is None or glob(wanted.source).fullmatch(source) is not None)
    )


@lru_cache(maxsize=1_024)
def glob(pattern: str) -> re.Pattern[str]:
    """A text pattern in which `*` stands for anything."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


@lru_cache(maxsize=4_096)
def _segments(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("."))


def _takes(wanted: str, segment: str) -> bool:
    return wanted in {"*", "**", segment}


def _skipped(wanted: tuple[str, ...], places: set[int]) -> set[int]:
    """A `**` may stand for nothing."""
    found = set(places)
    for at in places:
        end = at
        while end < len(wanted) and wanted[end] == "**":
            end += 1
            found.add(end)
    return found
