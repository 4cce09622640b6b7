"""Which step, branch or case of one list is which of the other: by name, then by likeness."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any, TypeVar

from reactor.language.diff.changes import leaves, plain
from reactor.model.flow import ActionStep, Branch, Case, Step, inner_lists, walk

T = TypeVar("T", Step, Branch, Case)
_ALIKE = 0.5
"""Share of the content that two steps have in common when one is the other under a new name."""
_MOST = 300
"""Steps without a partner that are compared with each other; in longer lists only names count."""


def content(item: Step | Branch | Case) -> set[tuple[str, str]]:
    """What a step says, and all steps inside it, without its own name."""
    found = set(leaves(plain(item)))
    if isinstance(item, Step):
        found.add(("type", type(item).__name__))
        lists = inner_lists(item)
    else:
        lists = ((".", item.steps),)
    for prefix, steps in lists:
        for path, step in walk(steps, prefix):
            found.add((path, type(step).__name__))
            found |= {(path + place, text) for place, text in leaves(plain(step))}
    return found


def likeness(one: Step | Branch | Case, other: Step | Branch | Case) -> float:
    """0 (nothing in common) to 1 (the same but for the name)."""
    if type(one) is not type(other):
        return 0.0
    return _likeness(content(one), content(other))


def _likeness(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def matched(before: Sequence[T], after: Sequence[T]) -> list[tuple[int, int]]:
    """Pairs of numbers, in the order of `before`. Cases, which have no names, are matched by what they say."""
    names = {name: number for number, item in enumerate(after) if (name := _name(item))}
    pairs = {n: names[name] for n, item in enumerate(before) if (name := _name(item)) in names}
    taken = set(pairs.values())
    left = [number for number in range(len(before)) if number not in pairs]
    free = [number for number in range(len(after)) if number not in taken]
    if left and free and len(left) <= _MOST and len(free) <= _MOST:
        pairs.update(_by_likeness(before, after, left, free))
    return sorted(pairs.items())


def _name(item: Step | Branch | Case) -> str:
    return "" if isinstance(item, Case) else item.name


def _by_likeness(before: Sequence[T], after: Sequence[T], left: list[int], free: list[int]) -> dict[int, int]:
    ours, theirs = {n: content(before[n]) for n in left}, {n: content(after[n]) for n in free}
    found = []
    for one in left:
        for other in free:
            if type(before[one]) is not type(after[other]):
                continue
            alike = _likeness(ours[one], theirs[other])
            if one == other and kind_of(before[one]) == kind_of(after[other]):
                # The same action at the same place: very likely the same step.
                alike += 0.1
            if alike >= _ALIKE:
                found.append((-alike, abs(one - other), one, other))
    pairs: dict[int, int] = {}
    for _, _, one, other in sorted(found):
        if one not in pairs and other not in pairs.values():
            pairs[one] = other
    return pairs


def moved(pairs: Sequence[tuple[int, int]]) -> set[int]:
    """Those (by their number in `after`) that stand in another order: as few as explain it."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    numbers = [other for _, other in pairs]
    for place, number in enumerate(numbers):
        at = bisect.bisect_left(tails, number)
        before.append(ends[at - 1] if at else -1)
        tails[at : at + 1] = [number]
        ends[at : at + 1] = [place]
    kept: set[int] = set()
    place = ends[-1] if ends else -1
    while place >= 0:
        kept.add(numbers[place])
        place = before[place]
    return {number for number in numbers if number not in kept}


def kind_of(step: Any) -> str:
    """What a step does, in a word or two."""
    if isinstance(step, ActionStep):
        return f"action {step.action}"
    name = type(step).__name__.removesuffix("Step")
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
