"""Tests of flows, as `tests:` in the file or as `NAME.test.yaml` beside it says them: checked, and made into values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from reactor.language import case_shapes, shapes
from reactor.language.case import (
    UNSET,
    Answer,
    Case,
    CaseEvent,
    Decision,
    Emitted,
    Expect,
    Failure,
    Mock,
    Sent,
    fits,
)
from reactor.language.case_keys import TEST_KEYS
from reactor.language.names import Scope
from reactor.language.problems import Problem, closest, errors, in_order, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence, Source
from reactor.language.yaml_events import read
from reactor.model.errors import InvalidError
from reactor.model.flow import ApproveStep, CallStep, Flow, ForEachStep, LoopStep, ParallelStep, all_steps
from reactor.sdk import Catalog

__all__ = [
    "UNSET",
    "Answer",
    "Case",
    "CaseEvent",
    "Decision",
    "Emitted",
    "Expect",
    "Failure",
    "Mock",
    "Sent",
    "cases_of",
    "fits",
    "load_cases",
    "read_cases",
]

_NOTHING = Scope(names=frozenset(), place="in a test")
_NUMBER = re.compile(r"\[\d*\]")
shapes.READERS.update(case_shapes.READERS)


def cases_of(flow: Flow) -> tuple[Case, ...]:
    """The tests that a flow holds.

    Raises:
        InvalidError: they are wrong, which a flow from YAML cannot be.
    """
    reader = Reader(Source("", flow.file), Catalog(()))
    cases = read_cases(reader, _node(list(flow.tests)), flow) if flow.tests else ()
    wrong = errors(reader.problems)
    if wrong:
        raise InvalidError(f"`tests` of flow `{flow.name}`: {wrong[0].message}")
    return cases


def load_cases(
    text: str | bytes, *, flow: Flow | None, file: str | None = None
) -> tuple[tuple[Case, ...], list[Problem]]:
    """Read a `NAME.test.yaml`: a list of tests, or a map with `tests:`. Never raises for what stands in the text.

    Args:
        text: the YAML.
        flow: the flow that they test; None when it is broken: then nothing is said of its steps.
        file: its name, for messages.
    """
    document = read(text, file)
    root = document.root
    if root is None:
        return (), in_order(document.problems)
    reader = Reader(document.source, Catalog(()))
    node: Node | None = root
    if isinstance(root, Mapping):
        for name, key in root.keys.items():
            if name != "tests":
                meant = closest(name, ["tests"])
                message = f"a file of tests has `tests:` and nothing else, not `{shown(name)}`"
                reader.report("unknown-key", message, key, suggestion=meant, fix=meant, allowed=("tests",))
        node = root.get("tests")
    cases: tuple[Case, ...] = ()
    if node is None:
        reader.report("missing-key", "this file has no tests; write `tests:` and below it `- name: …`", root)
    else:
        cases = read_cases(reader, node, flow)
    return cases, in_order([*document.problems, *reader.problems])


def read_cases(reader: Reader, node: Node, flow: Flow | None) -> tuple[Case, ...]:
    """The tests of a list that are right; what is wrong is told at its place."""
    if not isinstance(node, Sequence) or not node.items:
        reader.wrong(node, "tests", "a list of tests such as `[{name: it works, expect: {status: completed}}]`")
        return ()
    places = _Places(flow) if flow is not None else None
    taken: dict[str, int] = {}
    cases = []
    for item in node.items:
        before = len(errors(reader.problems))
        values = shapes.read_map(reader, item, TEST_KEYS, _NOTHING, "", "tests") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or values is None:
            reader.wrong(item, "tests", "tests, each a map such as `- name: it works`")
            continue
        _check(reader, item, places)
        name, line = values.get("name"), reader.source.place(item.start)[0]
        if name in taken:
            message = f"there is a test of this name already (line {taken[name]}); give one another name"
            reader.report("duplicate-name", message, item.entries["name"])
        elif name:
            taken[name] = line
        if len(errors(reader.problems)) == before:
            cases.append(_case(values, line, reader.source.file))
    return tuple(cases)


def _case(values: dict[str, Any], line: int, file: str | None) -> Case:
    made = dict(values)
    if "event" in made:
        made["event"] = CaseEvent(**made["event"])
    if "expect" in made:
        expect = made["expect"]
        emitted = {"emitted": tuple(Emitted(**one) for one in expect["emitted"])} if "emitted" in expect else {}
        made["expect"] = Expect(**{**expect, **emitted})
    made["send"] = tuple(Sent(**one) for one in made.get("send", ()))
    made["approve"] = tuple(Decision(**one) for one in made.get("approve", ()))
    return Case(line=line, file=file, **made)


# --- steps that are named ------------------------------------------------------------------------------------------


class _Places:
    """What a test may name of a flow: steps, and the iterations and branches in between."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.steps: dict[str, list[str]] = {}
        self.between: dict[str, list[str]] = {}
        self.paths = tuple(path for path, _ in all_steps(flow))
        self.approvals: list[str] = []
        self.calls: dict[str, list[str]] = {}
        for path, step in all_steps(flow):
            _put(self.steps, path)
            if isinstance(step, (ForEachStep, LoopStep)):
                _put(self.between, f"{path}[]")
            elif isinstance(step, ParallelStep):
                for branch in step.branches:
                    _put(self.between, f"{path}.branches.{branch.name}")
            elif isinstance(step, ApproveStep):
                self.approvals.append(path)
            elif isinstance(step, CallStep):
                _put(self.calls, path)

    def known(self, place: str, *, between: bool) -> bool:
        """Whether there is such a step (or, with `between`, such an iteration or branch)."""
        folded = _NUMBER.sub("[]", place)
        tails = [*self.steps.get(folded, ()), *(self.between.get(folded, ()) if between else ())]
        return any(re.fullmatch(re.escape(tail).replace(r"\[\]", r"\[\d*\]"), place) for tail in tails)

    def called(self, place: str) -> bool:
        """Whether it is in a flow that a step here calls (`pay.charge`); which steps that has is not known here."""
        parts = place.split(".")
        return any(_NUMBER.sub("[]", ".".join(parts[:end])) in self.calls for end in range(1, len(parts)))

    def meant(self, place: str) -> str | None:
        """The step that was probably meant."""
        return closest(place, [tail for tails in self.steps.values() for tail in tails])


def _put(table: dict[str, list[str]], path: str) -> None:
    tail = path
    while tail:
        table.setdefault(_NUMBER.sub("[]", tail), []).append(tail)
        tail = tail.partition(".")[2]


def _check(reader: Reader, case: Mapping, places: _Places | None) -> None:
    """What keys say together, and whether the steps are there."""
    expect = case.get("expect")
    if isinstance(expect, Mapping):
        _check_expect(reader, expect)
    if places is None:
        return
    mock = case.get("mock")
    for key in mock.keys.values() if isinstance(mock, Mapping) else ():
        _check_place(reader, key, places, between=False)
    for name, between in (("steps", True), ("outputs", True), ("called", False), ("not_called", False)):
        node = expect.get(name) if isinstance(expect, Mapping) else None
        named: Iterable[Node] = node.keys.values() if isinstance(node, Mapping) else _items(node)
        for place in named:
            _check_place(reader, place, places, between=between)
    decisions = case.get("approve")
    for item in _items(decisions):
        if isinstance(item, Mapping):
            _check_decision(reader, item, places)


def _items(node: Node | None) -> Iterator[Node]:
    if isinstance(node, Sequence):
        yield from node.items
    elif isinstance(node, Scalar):
        yield node


def _check_place(reader: Reader, node: Node, places: _Places, *, between: bool) -> bool:
    if not isinstance(node, Scalar) or places.known(node.text, between=between) or places.called(node.text):
        return True
    meant = places.meant(node.text)
    known = places.paths
    hint = f"did you mean `{meant}`?" if meant else f"it has {listed(known)}"
    message = f"flow `{places.flow.name}` has no step `{shown(node.text)}`; {hint}"
    reader.report("unknown-step", message, node, suggestion=meant, fix=meant, allowed=known)
    return False


def _check_decision(reader: Reader, item: Mapping, places: _Places) -> None:
    given, known = item.get("step"), tuple(places.approvals)
    if not known:
        message = f"flow `{places.flow.name}` has no `approve` step, so nobody can decide; take `approve` out"
        reader.report("unknown-step", message, given or item)
    elif given is None:
        if len(known) > 1:
            message = f"the flow has several `approve` steps; say which one: `step:` {listed(known)}"
            reader.report("missing-key", message, item, suggestion="step", allowed=known)
    elif isinstance(given, Scalar) and _check_place(reader, given, places, between=False):
        tails = [path for path in known if fits(given.text, path.replace("[]", "[0]")) or _same(given.text, path)]
        if not tails:
            meant = closest(given.text, known) or (known[0] if len(known) == 1 else None)
            message = f"step `{shown(given.text)}` asks nobody; the `approve` steps are {listed(known)}"
            reader.report("unknown-step", message, given, suggestion=meant, fix=meant, allowed=known)


def _same(place: str, path: str) -> bool:
    folded = _NUMBER.sub("[]", path)
    place = _NUMBER.sub("[]", place)
    return folded == place or folded.endswith(f".{place}")


def _check_expect(reader: Reader, expect: Mapping) -> None:
    matches = expect.get("matches")
    if isinstance(matches, Scalar) and matches.value is False:
        for name, key in expect.keys.items():
            if name not in ("matches", "emitted"):
                message = f"with `matches: false` no run begins, so there is no `{name}` to look at; keep one of them"
                reader.report("several-keys", message, key)


# --- plain data ----------------------------------------------------------------------------------------------------


def _node(value: Any) -> Node:
    """Plain data as if it had been read; its places mean nothing."""
    if isinstance(value, AnyMapping):
        made = Mapping(0, 0)
        for name, item in value.items():
            made.put(Scalar(0, 0, str(name), str(name), ""), _node(item))
        return made
    if isinstance(value, (list, tuple)):
        listed_ = Sequence(0, 0)
        listed_.items.extend(_node(item) for item in value)
        return listed_
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return Scalar(0, 0, text, value, "")
