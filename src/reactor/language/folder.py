"""Several flows together: a folder of files, names that clash, calls that lead nowhere or in a circle."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from reactor.language.lists import Call
from reactor.language.loader import Loaded, load
from reactor.language.problems import Problem, closest, errors, in_order, listed
from reactor.language.source import MAX_BYTES
from reactor.model.flow import Flow
from reactor.sdk import Catalog

SUFFIXES = (".yaml", ".yml")
_TESTS = (".test.yaml", ".test.yml")


class Folder(msgspec.Struct):
    """All flows that were asked for."""

    flows: list[Flow]
    """Those without errors, by name."""
    problems: list[Problem]
    """Of all files, and between them."""
    files: dict[str, Loaded]
    """Each file by its name."""


def load_folder(paths: Iterable[Path | str], *, catalog: Catalog) -> Folder:
    """Read files, and folders with all below them. Tests, hidden names and those that begin with `_` are left out.

    A flow that calls one which is not there is an error where a folder is read, else (single files) a warning.
    """
    given = [Path(path) for path in paths]
    problems: list[Problem] = []
    files: dict[str, Loaded] = {}
    for path in dict.fromkeys(file for one in given for file in _files(one)):
        name = str(path)
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            problems.append(_unreadable(name, error))
            continue
        files[name] = load(content, file=name, catalog=catalog)
    if given and not files and not problems:
        names = listed(str(path) for path in given)
        message = f"there is no flow in {names}; flows are *.yaml files"
        problems.append(Problem(rule="empty", message=message, file=str(given[0])))
    complete = any(path.is_dir() for path in given)
    between = check_together(list(files.values()), complete=complete)
    bad = {problem.file for problem in errors(between)}
    flows = [loaded.flow for name, loaded in files.items() if loaded.flow is not None and name not in bad]
    everything = [*problems, *between, *(problem for loaded in files.values() for problem in loaded.problems)]
    return Folder(sorted(flows, key=lambda flow: flow.name), in_order(everything), files)


def is_flow_file(name: str) -> bool:
    """Whether a file of this name is a flow."""
    return name.endswith(SUFFIXES) and not name.endswith(_TESTS) and not name.startswith((".", "_"))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith((".", "_")))
        yield from (Path(folder) / name for name in sorted(names) if is_flow_file(name))


def _unreadable(name: str, error: OSError) -> Problem:
    reason = error.strerror or type(error).__name__
    message = f"it cannot be read: {reason}; check the path and its permissions"
    return Problem(rule="unreadable", message=message, file=name)


def check_together(loaded: list[Loaded], *, complete: bool) -> list[Problem]:
    """Problems between flows. `complete`: there are no others, so a call to an unknown flow is an error."""
    named: dict[str, Loaded] = {}
    problems: list[Problem] = []
    for one in loaded:
        if one.name is None:
            continue
        first = named.setdefault(one.name, one)
        if first is not one:
            line, _ = first.source.place(first.name_at.start if first.name_at else 0)
            message = f"there is a flow `{one.name}` already, in {first.source.file}:{line}; give one another name"
            problems.append(one.source.problem("duplicate-flow", message, one.name_at or 0))
    for one in loaded:
        problems += [_missing(one, call, named, complete) for call in one.calls if call.flow not in named]
    return problems + _circles(named)


def _missing(one: Loaded, call: Call, named: dict[str, Loaded], complete: bool) -> Problem:  # noqa: FBT001 - passed on
    meant = closest(call.flow, named)
    hint = f"did you mean `{meant}`?" if meant else f"there is {listed(sorted(named))}"
    if complete:
        message = f"there is no flow `{call.flow}` to call; {hint}"
    else:
        message = f"flow `{call.flow}` is in none of these files; validate the whole folder to be sure that it is there"
    severity = "error" if complete else "warning"
    return one.source.problem(
        "unknown-flow", message, call.at, severity=severity, suggestion=meant, fix=meant, allowed=tuple(sorted(named))
    )


def _circles(named: dict[str, Loaded]) -> list[Problem]:
    """Each circle of calls once, told at the call that closes it.

    One in which every call is made whatever happens never ends; where a condition decides, it is recursion, and a
    warning.
    """
    sure = {name: [call for call in one.calls if not call.guarded] for name, one in named.items()}
    every = {name: list(one.calls) for name, one in named.items()}
    endless = list(_closing(sure))
    told = {(name, call.at.start) for name, call, _ in endless}
    maybe = [found for found in _closing(every) if (found[0], found[1].at.start) not in told]
    return [
        *(_circle(named[name], call, path, sure=True) for name, call, path in endless),
        *(_circle(named[name], call, path, sure=False) for name, call, path in maybe if not _known(path, endless)),
    ]


def _known(path: list[str], endless: list[tuple[str, Call, list[str]]]) -> bool:
    """Whether these flows are told of as a circle that never ends."""
    return any(set(path) == set(other) for _, _, other in endless)


def _closing(calls: dict[str, list[Call]]) -> Iterator[tuple[str, Call, list[str]]]:
    """(flow, its call, the circle that it closes)."""
    done: set[str] = set()
    for start in sorted(calls):
        # (flow, its calls that are still to be followed), from `start` inwards: not recursive, chains may be long.
        stack = [(start, iter(calls[start]))] if start not in done else []
        while stack:
            name, left = stack[-1]
            call = next(left, None)
            path = [flow for flow, _ in stack]
            if call is None:
                done.add(name)
                stack.pop()
            elif call.flow in path:
                yield name, call, [*path[path.index(call.flow) :], call.flow]
            elif call.flow in calls and call.flow not in done:
                stack.append((call.flow, iter(calls[call.flow])))


def _circle(one: Loaded, call: Call, path: list[str], *, sure: bool) -> Problem:
    way = " → ".join(path)
    if sure:
        message = f"these calls go round in a circle and would never end: {way}; take one of them out"
        return one.source.problem("call-circle", message, call.at)
    message = f"these calls go round in a circle: {way}; make sure that a condition on the way ends it"
    return one.source.problem("call-circle", message, call.at, severity="warning")
