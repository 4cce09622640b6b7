"""Asks all rules of lint about flows, and leaves out what comments silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reactor.language.folder import Folder
from reactor.language.lint import control, data, names, outside, secrets
from reactor.language.lint.registry import RULES, Finding, Subject
from reactor.language.loader import Loaded
from reactor.language.problems import Problem, closest, in_order, listed
from reactor.language.source import Source
from reactor.language.yaml_events import read
from reactor.model.flow import Flow
from reactor.sdk import Catalog

RULE_MODULES = (control, data, names, outside, secrets)
"""Where rules are: importing them fills the registry."""
_OTHERS = frozenset(
    {
        "bare-seconds",
        "call-circle",
        "leading-zero",
        "missing-key",
        "name",
        "not-run-yet",
        "unknown-flow",
        "unknown-name",
        "unknown-step",
        "wrong-type",
    }
)
"""Warnings of the loader that are no rules of lint; they can be silenced all the same."""
_IGNORE = re.compile(r"(?:^|\s)#\s*lint:\s*ignore\b:?\s*(?P<rules>[\w-]+(?:\s*,\s*[\w-]+)*)?(?P<rest>.*)$")
_COMMENT = re.compile(r"\s*(?:#.*)?$")


def lint(loaded: Loaded, *, catalog: Catalog, others: Sequence[Flow] = ()) -> list[Problem]:
    """What looks wrong with one flow; nothing is said of flows with errors or written in Python.

    Args:
        loaded: the file as it was read.
        catalog: the actions and triggers that there are.
        others: all flows of the folder, for rules that look at several.
    """
    flow, source = loaded.flow, loaded.source
    root = read(source.text, source.file).root
    if flow is None or root is None:
        return []
    silence = _Silence(source)
    subject = Subject(flow=flow, source=source, root=root, catalog=catalog, others=others or (flow,))
    found = [_problem(source, name, finding) for name, rule in RULES.items() for finding in rule.check(subject)]
    return in_order([*(one for one in found if not silence.covers(one)), *silence.mistakes])


def lint_folder(folder: Folder, *, catalog: Catalog) -> list[Problem]:
    """All problems of a folder: what looks wrong with its flows, one by one and together, beside what the loader has
    told. Comments silence warnings of both; errors cannot be silenced.
    """
    silences = {name: _Silence(loaded.source) for name, loaded in folder.files.items()}
    told = [one for one in folder.problems if not (one.file in silences and silences[one.file].covers(one))]
    found = [lint(loaded, catalog=catalog, others=folder.flows) for loaded in folder.files.values()]
    return in_order([*told, *(problem for problems in found for problem in problems)])


def _problem(source: Source, name: str, finding: Finding) -> Problem:
    rule = RULES[name]
    if finding.at is not None:
        return source.problem(name, finding.message, finding.at, fix=finding.fix, severity=rule.severity)
    line = source.line(max(1, finding.line))
    start = source.start(max(1, finding.line))
    at = start + len(line) - len(line.lstrip())
    return source.problem(name, finding.message, at, end=start + len(line.rstrip()), severity=rule.severity)


class _Silence:
    """The comments `# lint: ignore RULE` of one file.

    Behind a line it is for that line, in a line of its own for the next one, above the first key for the whole file.
    """

    def __init__(self, source: Source) -> None:
        self.mistakes: list[Problem] = []
        self._everywhere: set[str] = set()
        self._lines: dict[int, set[str]] = {}
        head, waiting = True, set[str]()
        for number, line in enumerate(source.text.splitlines(), start=1):
            names = set(self._names(source, number, line))
            if _COMMENT.fullmatch(line):
                waiting |= names
                self._everywhere |= names if head else set()
                continue
            head = False
            self._lines[number] = names | waiting
            waiting = set()

    def covers(self, problem: Problem) -> bool:
        """Whether somebody has said that this is meant."""
        if problem.severity == "error":
            return False
        return problem.rule in self._everywhere or problem.rule in self._lines.get(problem.line, ())

    def _names(self, source: Source, number: int, line: str) -> Iterable[str]:
        match = _IGNORE.search(line) if "lint:" in line else None
        return () if match is None else list(self._checked(source, number, match))

    def _checked(self, source: Source, number: int, match: re.Match[str]) -> Iterator[str]:
        start = source.start(number)
        if not match["rules"]:
            message = "name the rules that are to be silent here, as in `# lint: ignore unreachable`"
            self._mistake(source, message, start + match.start(), start + match.end())
            return
        for name in re.split(r"\s*,\s*", match["rules"]):
            if name in RULES or name in _OTHERS:
                yield name
                continue
            meant = closest(name, RULES)
            hint = f"did you mean `{meant}`?" if meant else f"there is {listed(sorted(RULES), most=20)}"
            at = start + match.start("rules") + match["rules"].find(name)
            self._mistake(source, f"lint has no rule `{name}`; {hint}", at, at + len(name))

    def _mistake(self, source: Source, message: str, start: int, end: int) -> None:
        self.mistakes.append(source.problem("lint-ignore", message, start, end=end, severity="warning"))
