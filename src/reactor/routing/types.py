"""Patterns of event types: in `order.*` the star is one segment, in `order.**` any number of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def fits(pattern: str) -> Callable[[str], bool]:
    """Whether a type fits the pattern, as the route table sees it."""
    if "*" not in pattern:
        return lambda name: name == pattern
    if pattern == "**":
        return lambda _name: True
    wanted = pattern.split(".")
    return lambda name: _fits(wanted, name.split("."))


def _fits(wanted: Sequence[str], segments: Sequence[str]) -> bool:
    """Which ends of the pattern can be reached after each segment: linear in both, whatever the stars."""
    reached = _skipped(wanted, {0})
    for segment in segments:
        following = set()
        for at in reached:
            if at == len(wanted):
                continue
            if wanted[at] == "**":
                following.add(at)
            elif wanted[at] in {"*", segment}:
                following.add(at + 1)
        reached = _skipped(wanted, following)
    return len(wanted) in reached


def _skipped(wanted: Sequence[str], places: set[int]) -> set[int]:
    """A `**` may stand for nothing."""
    found = set(places)
    for at in sorted(places):
        end = at
        while end < len(wanted) and wanted[end] == "**":
            end += 1
            found.add(end)
    return found
