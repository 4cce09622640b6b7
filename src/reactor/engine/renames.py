"""Steps that have other names in another version: what a journal says, under the new names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.errors import InvalidError
from reactor.model.flow import Flow, ParallelStep, SwitchStep, all_steps
from reactor.model.journal import RESET, Entry

MIGRATED = "#migrated"
_ROOT = re.compile(r"[.\[#]")
_BRANCH = re.compile(r"(.*)\.branches\.([^.\[#]+)")
_CASE = re.compile(r".*\.cases\[(\d+)\]")


def places(flow: Flow) -> frozenset[str]:
    """Every path that a step, branch or case of the flow has; `[]` for any iteration."""
    found = set[str]()
    for path, step in all_steps(flow):
        found.add(path)
        if isinstance(step, ParallelStep):
            found |= {f"{path}.branches.{branch.name}" for branch in step.branches}
        elif isinstance(step, SwitchStep):
            found |= {f"{path}.cases[{number}]" for number in range(len(step.cases))}
    return frozenset(found)


class Renames:
    """OLD → NEW paths; the longest OLD that fits a key counts."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """Raises:
        InvalidError: the two sides stand in another number of loops.
        """
        self.pairs = dict(pairs)
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for old in sorted(pairs, key=len, reverse=True):
            if old.count("[]") != pairs[old].count("[]"):
                raise InvalidError(f"{old}={pairs[old]}: both sides stand in the same number of loops (`[]`)")
            written = re.escape(old).replace(re.escape("[]"), r"(\[\d+\])")
            self._patterns.append((re.compile(written + r"(?=[.#\[]|$)"), pairs[old]))
        self._branches = {found[1] for old in pairs if (found := _BRANCH.fullmatch(old))}
        """Paths of `parallel` steps of which branches have other names."""

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def check(self, old: Flow | None, new: Flow) -> None:
        """Raises:
        InvalidError: a name is not in its version; two get the same name.
        """
        before, after = places(old) if old is not None else None, places(new)
        for name, to in self.pairs.items():
            if before is not None and name not in before:
                raise InvalidError(f"{name}={to}: the version that the run has knows no step {name!r}")
            if to not in after:
                raise InvalidError(f"{name}={to}: version {new.version} has no step {to!r}")
        twice = [to for to in self.pairs.values() if list(self.pairs.values()).count(to) > 1]
        if twice:
            raise InvalidError(f"two steps cannot both become {twice[0]!r}")

    def key(self, key: str) -> str:
        """A key of the journal under the new names."""
        for pattern, new in self._patterns:
            to = new
            found = pattern.match(key)
            if found is not None:
                for number in found.groups():
                    to = to.replace("[]", number, 1)
                return to + key[found.end() :]
        return key

    def entry(self, entry: Entry) -> Entry:
        """An entry under the new names, also those in what it says."""
        error = entry.error
        if error is not None and error.step is not None:
            error = msgspec.structs.replace(error, step=self.key(error.step))
        return msgspec.structs.replace(entry, key=self.key(entry.key), value=self._value(entry), error=error)

    def _value(self, entry: Entry) -> Any:
        path, mark, what = entry.key.partition("#")
        value = entry.value
        if what == "case" and isinstance(value, int) and value >= 0:
            found = _CASE.fullmatch(self.key(f"{path}.cases[{value}]"))
            return int(found[1]) if found is not None else value
        if re.sub(r"\[\d+\]", "[]", path) not in self._branches or not isinstance(value, dict):
            return value
        if what == "join":
            winner = value["winner"] and self._branch(path, value["winner"])
            return {"winner": winner, "done": [self._branch(path, name) for name in value["done"]]}
        if not mark and isinstance(value.get("branches"), dict):
            branches = {self._branch(path, name): one for name, one in value["branches"].items()}
            return {**value, "branches": branches, "winner": value["winner"] and self._branch(path, value["winner"])}
        return value

    def _branch(self, path: str, name: str) -> str:
        return self.key(f"{path}.branches.{name}").rpartition(".")[2]

    def journal(self, journal: Sequence[Entry], mark: Entry) -> list[Entry]:
        """What is to be appended to a journal: the mark alone; or behind it everything once more under the new names,
        in the old order, which says what was done before what.
        """
        if not self:
            return [mark]
        kept = [entry for entry in since(journal) if entry.key and not entry.key.startswith("#")]
        roots = dict.fromkeys(_ROOT.split(entry.key, maxsplit=1)[0] for entry in kept)
        forgotten = [Entry(root, mark.at, RESET) for root in roots]
        return [mark, *forgotten, *(self.entry(entry) for entry in kept)]


def since(journal: Sequence[Entry]) -> Sequence[Entry]:
    """The part of a journal that has the names of the run's version: all that it says of steps is there."""
    begin = max((n + 1 for n, entry in enumerate(journal) if entry.key == MIGRATED and entry.value["map"]), default=0)
    return journal[begin:]
