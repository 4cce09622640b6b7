"""The door of this package: the text of a file of another engine → a valid flow and a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from reactor.language.importing.conduktr import read_conduktr
from reactor.language.importing.coverage import MAPPED, Coverage
from reactor.language.importing.n8n import read_n8n
from reactor.language.importing.stepfunctions import read_states
from reactor.language.importing.writing import write
from reactor.language.loader import Loaded, load
from reactor.language.problems import Problem, errors
from reactor.language.source import Node
from reactor.language.yaml_events import read
from reactor.model.errors import InvalidError
from reactor.model.flow import all_steps
from reactor.sdk import Catalog

_ATTEMPTS = 40
_LARGEST = 16 << 20
Reading = tuple[dict[str, Any], list[str], dict[str, str]]


class Imported(msgspec.Struct):
    """What became of a file."""

    text: str
    """The flow as YAML."""
    loaded: Loaded
    """The same, read and checked: without errors."""
    coverage: Coverage


def take_over(data: str | bytes, engine: str, *, catalog: Catalog, file: str | None = None) -> Imported:
    """Turn a file of another engine into a flow.

    Args:
        data: what the file holds.
        engine: one of `ENGINES`.
        catalog: the actions and triggers that there are.
        file: its name, for messages and for the flow's name where it has none.

    Raises:
        InvalidError: it is no file of that engine, or nothing valid could be made of it.
    """
    if len(data) > _LARGEST:
        raise InvalidError(f"the file is larger than {_LARGEST >> 20} MB")
    return ENGINES[engine](data, catalog, file)


def _from_json(data: str | bytes, file: str | None) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{file or 'the file'} is no JSON: {error}") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise InvalidError(f"{file or 'the file'} holds {'several workflows' if isinstance(found, list) else 'no map'}")
    return found


def _n8n(data: str | bytes, catalog: Catalog, file: str | None) -> Imported:
    given = _from_json(data, file)
    stem = PurePath(file or "").stem

    def make(coverage: Coverage, doubtful: set[str]) -> Reading:
        return read_n8n(given, coverage, doubtful=doubtful, name=stem)

    return until_valid("n8n", make, catalog, f"Imported from n8n{f', {PurePath(file).name}' if file else ''}.")


def _states(data: str | bytes, catalog: Catalog, file: str | None) -> Imported:
    given = _from_json(data, file)
    stem = PurePath(file or "").name.split(".")[0]

    def make(coverage: Coverage, doubtful: set[str]) -> Reading:
        return read_states(given, coverage, doubtful=doubtful, name=stem)

    title = f"Imported from AWS Step Functions{f', {PurePath(file).name}' if file else ''}."
    return until_valid("stepfunctions", make, catalog, title)


def _conduktr(data: str | bytes, catalog: Catalog, file: str | None) -> Imported:
    coverage = Coverage("conduktr")
    flow, head = read_conduktr(data, coverage, catalog, file)
    text = write(flow, head)
    loaded = load(text, file=None, catalog=catalog)
    wrong = errors(loaded.problems)
    if wrong:
        # It runs as it is; nothing is gained by a flow that does not.
        raise InvalidError(f"it runs as it is, but in today's spelling it does not: {wrong[0].message}")
    return Imported(text, loaded, coverage)


def _open_workflow(data: str | bytes, catalog: Catalog, file: str | None) -> Imported:
    """Documents of this dialect run as they are: it is read and checked, and each task is told."""
    coverage = Coverage("openworkflow")
    loaded = load(data, file=file, catalog=catalog)
    wrong = errors(loaded.problems)
    if wrong or loaded.flow is None:
        raise InvalidError("\n".join(str(problem) for problem in wrong))
    for path, step in all_steps(loaded.flow):
        coverage.add(type(step).__name__.removesuffix("Step").lower(), path, MAPPED, path)
    coverage.note("documents of the Open Workflow Specification run as they are: put the file among the flows")
    return Imported(loaded.source.text, loaded, coverage)


def engine_of(data: str | bytes) -> str | None:
    """The engine that a file looks as if it were of; None: of none that is known."""
    root = read(data).root
    if not isinstance(root, Node):
        return None
    plain = root.plain
    if isinstance(plain, list) and len(plain) == 1:
        plain = plain[0]
    if not isinstance(plain, dict):
        return None
    for inner in ("definition", "Definition"):
        plain = plain[inner] if isinstance(plain.get(inner), dict) and "States" not in plain else plain
    signs = {
        "n8n": ("nodes", "connections"),
        "stepfunctions": ("States", "StartAt"),
        "openworkflow": ("document", "do"),
    }
    found = next((engine for engine, keys in signs.items() if all(key in plain for key in keys)), None)
    return found or ("conduktr" if "workflow" in plain else None)


def until_valid(engine: str, make: Callable[[Coverage, set[str]], Reading], catalog: Catalog, title: str) -> Imported:
    """Make a flow, load it, and make it again with placeholders for the steps that were refused, until none is.

    Raises:
        InvalidError: what is refused belongs to no step.
    """
    doubtful: set[str] = set()
    wrong: list[Problem] = []
    for _ in range(_ATTEMPTS):
        coverage = Coverage(engine)
        flow, head, _ = make(coverage, doubtful)
        text = write(flow, [title, *head, ""] if head else [title])
        loaded = load(text, file=None, catalog=catalog)
        wrong = errors(loaded.problems)
        if not wrong:
            return Imported(text, loaded, coverage)
        found = {name for problem in wrong for name in _blamed(loaded, problem)}
        if found <= doubtful:
            break
        doubtful |= found
    first = wrong[0]
    raise InvalidError(f"nothing valid could be made of it: {first.message} (line {first.line} of what was made)")


def _blamed(loaded: Loaded, problem: Problem) -> set[str]:
    """The innermost step around a problem; of an unknown step also the one that is read."""
    plain = loaded.source.text.splitlines()
    for number in range(min(problem.line, len(plain)) - 1, -1, -1):
        line = plain[number].lstrip()
        if line.startswith("- name: "):
            indent = len(plain[number]) - len(line)
            here = len(plain[problem.line - 1]) - len(plain[problem.line - 1].lstrip())
            if here > indent or number == problem.line - 1:
                return {line.removeprefix("- name: ").strip().strip('"')}
    return set()


ENGINES: Mapping[str, Callable[[str | bytes, Catalog, str | None], Imported]] = {
    "conduktr": _conduktr,
    "openworkflow": _open_workflow,
    "n8n": _n8n,
    "stepfunctions": _states,
}
"""Readers by the name of the engine."""
