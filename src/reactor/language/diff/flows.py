"""Two flows, compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from reactor.language.diff.changes import Change, deep, holds_steps, plain, same, spelled
from reactor.language.diff.pairs import kind_of, likeness, matched, moved
from reactor.model.flow import Branch, Case, Flow, Step, TriggerSpec, WaitStep, walk

_FLOW = (
    "description", "labels", "if_", "unless", "inputs", "vars", "outputs", "timeout", "undo", "retention", "dedupe",
    "control", "timezone", "connections", "legacy",
)  # fmt: skip
_ALIKE = 0.5
_LISTS = {
    "steps": ("steps", "."),
    "on_error": ("on_error", ".on_error."),
    "finally_": ("finally", ".finally."),
    "on_timeout": ("on_timeout", ".on_timeout."),
    "notify": ("notify", ".notify[]."),
    "undo": ("undo", "."),
}
"""Field → (what it is called, what paths inside begin with)."""
_LOOPS = ("ForEachStep", "LoopStep")

PAST = "runs that are past it keep what they have done"
STANDS = "runs that stand in it keep what they began with"
ANEW = "runs that stand in it wait for this from then on"
GONE = "runs that have come to it do not fit: `--force` lets them forget it"
NEW = "runs that are past this place do not fit: `--force` lets them do it late"
ORDER = "runs between the two places may do it at another time"
NEXT = "counts for runs that stand in it, from the next attempt on"
NAMED = "runs under way need `--map {old}={new}`"
_TOUCHES = {
    "retry": NEXT, "timeout": NEXT, "deadline": NEXT, "delivery": NEXT,
    "limit": STANDS, "for_": STANDS, "until": STANDS, "escalate": STANDS, "quorum": STANDS, "by": STANDS,
    "event": ANEW, "accept": ANEW, "source": ANEW,
}  # fmt: skip
"""What the change of a field means for runs under way; all others: `PAST`."""


def diff(before: Flow, after: Flow) -> list[Change]:
    """What is different in `after`, in the order of the flow: the flow itself, triggers, steps, then its bad ends."""
    return list(_Diff().run(before, after))


_Root = tuple[str, Step, bool]
"""(path, step, whether nothing old comes after it)."""


class _Diff:
    """One comparison: steps that have left a list are looked for in all others."""

    def __init__(self) -> None:
        self._removed: list[_Root] = []
        self._added: list[_Root] = []

    def run(self, before: Flow, after: Flow) -> Iterator[Change]:
        """The changes."""
        for field in _FLOW:
            one, other = plain(getattr(before, field), field), plain(getattr(after, field), field)
            touches = PAST if field in ("vars", "outputs", "timeout", "undo") else None
            yield from deep("", spelled(field), one or None, other or None, touches)
        if (before.code is None) != (after.code is None) or (after.code is not None and before.source != after.source):
            yield Change("", "changed", "code", before.source, after.source, PAST)
        yield from self._triggers(before.triggers, after.triggers)
        found = [
            *self._steps(before.steps, after.steps, ""),
            *self._steps(before.on_failure, after.on_failure, "on_failure.", "on_failure."),
            *self._steps(before.on_cancel, after.on_cancel, "on_cancel.", "on_cancel."),
        ]
        yield from self._elsewhere()
        yield from found
        yield from self._left()

    # --- triggers ------------------------------------------------------------------------------------------------

    def _triggers(self, before: Sequence[TriggerSpec], after: Sequence[TriggerSpec]) -> Iterator[Change]:
        ours, theirs = [_trigger(one) for one in before], [_trigger(one) for one in after]
        pairs: dict[int, int] = {}
        for alike in (same, lambda one, other: one["kind"] == other["kind"]):
            for number, one in enumerate(ours):
                if number not in pairs:
                    free = [n for n, other in enumerate(theirs) if n not in pairs.values() and alike(one, other)]
                    if free:
                        pairs[number] = number if number in free else free[0]
        order = moved(sorted(pairs.items()))
        for number, one in enumerate(ours):
            if number not in pairs:
                yield Change(f"on[{number}]", "removed", "trigger", one)
            elif pairs[number] in order:
                yield Change(f"on[{pairs[number]}]", "moved", "trigger", f"on[{number}]", f"on[{pairs[number]}]")
        for number, other in enumerate(theirs):
            mine = next((n for n, to in pairs.items() if to == number), None)
            if mine is None:
                yield Change(f"on[{number}]", "added", "trigger", None, other)
            else:
                yield from deep(f"on[{number}]", "", ours[mine], other)

    # --- steps ---------------------------------------------------------------------------------------------------

    def _steps(self, before: Sequence[Step], after: Sequence[Step], prefix: str, was: str = "") -> list[Change]:
        """One list. `was`: what its paths began with."""
        pairs = matched(before, after)
        order = moved(pairs)
        found: list[Change] = []
        partner = {other: one for one, other in pairs}
        known = {one for one, _ in pairs}
        self._removed += [(was + step.name, step, True) for n, step in enumerate(before) if n not in known]
        for number, step in enumerate(after):
            path = prefix + step.name
            if number not in partner:
                last = not any(n in partner for n in range(number + 1, len(after))) and prefix == ""
                self._added.append((path, step, last))
                continue
            old = before[partner[number]]
            if old.name != step.name:
                touches = NAMED.format(old=was + old.name, new=path)
                found.append(Change(path, "renamed", "step", was + old.name, path, touches))
            if number in order:
                found.append(Change(path, "moved", "step", partner[number] + 1, number + 1, ORDER))
            found += self._step(old, step, path, was + old.name)
        return found

    def _step(self, old: Step, new: Step, path: str, was: str) -> Iterator[Change]:
        if type(old) is not type(new):
            yield Change(path, "changed", "step", kind_of(old), kind_of(new), GONE)
            yield from self._fields(old, new, path, was, type(old).__mro__[1].__struct_fields__)  # type: ignore[attr-defined]
            return
        yield from self._fields(old, new, path, was, new.__struct_fields__)

    def _fields(self, old: Step, new: Step, path: str, was: str, fields: Sequence[str]) -> Iterator[Change]:
        for field in fields:
            one, other = getattr(old, field), getattr(new, field)
            if field in ("name", "line"):
                continue
            if field == "branches":
                yield from self._branches(one, other, path, was)
            elif field == "cases":
                yield from self._cases(one, other, path, was)
            elif field in _LISTS and (holds_steps(one) or holds_steps(other)):
                yield from self._inner(field, one, other, path, was, in_loop=type(new).__name__ in _LOOPS)
            else:
                touches = _TOUCHES.get(field, PAST)
                what = "wait" if isinstance(new, WaitStep) and field in ("for_", "until") else spelled(field)
                yield from _values(path, what, one, other, touches)

    def _inner(self, field: str, one: Any, other: Any, path: str, was: str, *, in_loop: bool) -> Iterator[Change]:
        """The steps inside a step."""
        name, inner = _LISTS[field]
        if in_loop and field == "steps":
            inner = "[]."
        before, after = _as_list(one), _as_list(other)
        if isinstance(one, str) or isinstance(other, str):
            # `on_timeout: approve` and steps in its place.
            yield Change(path, "changed", name, _brief(one), _brief(other), STANDS)
        elif field != "steps" and not (before and after):
            kind = "added" if after else "removed"
            yield Change(path, kind, name, _names(before), _names(after), PAST)
        elif field == "undo" and type(before[0]) is not type(after[0]):
            yield Change(path, "changed", name, kind_of(before[0]), kind_of(after[0]), PAST)
        else:
            yield from self._steps(before, after, path + inner, was + inner)

    def _branches(self, before: Sequence[Branch], after: Sequence[Branch], path: str, was: str) -> Iterator[Change]:
        partner = {other: one for one, other in matched(before, after)}
        for number, branch in enumerate(before):
            if number not in partner.values():
                yield Change(f"{was}.branches.{branch.name}", "removed", "branch", _names(branch.steps), None, GONE)
        for number, branch in enumerate(after):
            place = f"{path}.branches.{branch.name}"
            if number not in partner:
                yield Change(place, "added", "branch", None, _names(branch.steps), NEW)
                continue
            old = before[partner[number]]
            before_ = f"{was}.branches.{old.name}"
            if old.name != branch.name:
                yield Change(place, "renamed", "branch", before_, place, NAMED.format(old=before_, new=place))
            yield from self._steps(old.steps, branch.steps, place + ".", before_ + ".")

    def _cases(self, before: Sequence[Case], after: Sequence[Case], path: str, was: str) -> Iterator[Change]:
        pairs = _matched_cases(before, after)
        partner = {other: one for one, other in pairs}
        order = moved(pairs)
        for number, case in enumerate(before):
            if number not in partner.values():
                yield Change(f"{was}.cases[{number}]", "removed", "case", _case(case), None, GONE)
        for number, case in enumerate(after):
            place = f"{path}.cases[{number}]"
            if number not in partner:
                yield Change(place, "added", "case", None, _case(case), PAST)
                continue
            mine = partner[number]
            before_ = f"{was}.cases[{mine}]"
            if number in order:
                yield Change(place, "moved", "case", before_, place, NAMED.format(old=before_, new=place))
            elif mine != number:
                yield Change(place, "renamed", "case", before_, place, NAMED.format(old=before_, new=place))
            yield from deep(place, "if", plain(before[mine].if_), plain(case.if_), PAST)
            yield from self._steps(before[mine].steps, case.steps, place + ".", before_ + ".")

    # --- steps that have gone elsewhere --------------------------------------------------------------------------

    def _elsewhere(self) -> Iterator[Change]:
        """Steps that stand in another list now: in a new block, or outside of one that is gone."""
        for was, old, path, new in _pairs_elsewhere(self._removed, self._added):
            yield Change(path, "moved", "step", was, path, NAMED.format(old=was, new=path))
            yield from self._step(old, new, path, was)
            self._removed = [one for one in self._removed if one[0] != was]
            self._added = [one for one in self._added if one[0] != path]

    def _left(self) -> Iterator[Change]:
        for path, step, _ in self._removed:
            yield Change(path, "removed", "step", kind_of(step), None, GONE)
        for path, step, last in self._added:
            yield Change(path, "added", "step", None, kind_of(step), None if last else NEW)


def _pairs_elsewhere(removed: Sequence[_Root], added: Sequence[_Root]) -> list[tuple[str, Step, str, Step]]:
    """(old path, step, new path, step) of steps of one name that have left one list for another."""
    there = {path for path, _, _ in (*removed, *added)}
    theirs: dict[str, list[tuple[str, Step]]] = {}
    for path, root, _ in added:
        for place, step in walk((root,), path[: len(path) - len(root.name)]):
            theirs.setdefault(step.name, []).append((place, step))
    found = []
    for path, root, _ in removed:
        for was, old in walk((root,), path[: len(path) - len(root.name)]):
            for place, new in theirs.get(old.name, ()):
                if (was in there or place in there) and likeness(old, new) >= _ALIKE:
                    found.append((was, old, place, new))
                    theirs[old.name].remove((place, new))
                    break
    return found


def _trigger(spec: TriggerSpec) -> dict[str, Any]:
    found: dict[str, Any] = plain(msgspec.structs.replace(spec, line=0))
    return found


def _values(path: str, what: str, one: Any, other: Any, touches: str) -> Iterator[Change]:
    key = "timeout" if what == "wait" else what
    before, after = plain(one, key), plain(other, key)
    if what in ("with", "set"):
        yield from deep(path, what, before, after, touches)
    else:
        yield from deep(path, what, _none(before), _none(after), touches)


def _none(value: Any) -> Any:
    """What is not said: a default that is empty or off."""
    return None if value is False or (isinstance(value, (dict, list)) and not value) else value


def _as_list(value: Any) -> tuple[Step, ...]:
    if isinstance(value, Step):
        return (value,)
    return value if isinstance(value, tuple) else ()


def _names(steps: Sequence[Step]) -> list[str] | None:
    return [f"{step.name}: {kind_of(step)}" for step in steps] or None


def _brief(value: Any) -> Any:
    return _names(value) if isinstance(value, tuple) else value


def _case(case: Case) -> dict[str, Any]:
    return {"if": plain(case.if_), "steps": _names(case.steps)}


def _matched_cases(before: Sequence[Case], after: Sequence[Case]) -> list[tuple[int, int]]:
    """By the condition first; what is left by likeness, then by its place."""
    pairs: dict[int, int] = {}
    for number, case in enumerate(before):
        for other, new in enumerate(after):
            if other not in pairs.values() and same(plain(case.if_), plain(new.if_)):
                pairs[number] = other
                break
    left = [n for n in range(len(before)) if n not in pairs]
    free = [n for n in range(len(after)) if n not in pairs.values()]
    for one, other in matched([before[n] for n in left], [after[n] for n in free]):
        pairs[left[one]] = free[other]
    for number in left:
        if number not in pairs and number in free and number not in pairs.values():
            pairs[number] = number
    return sorted(pairs.items())
