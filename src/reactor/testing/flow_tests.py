"""Flows' own tests: found in files and folders, run on a virtual clock, told with their places.

```python
from reactor.testing import run_flow_tests

def test_flows():
    report = run_flow_tests("flows")
    assert report.passed, report.text()
```
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reactor.language.case import Case
from reactor.language.cases import cases_of, load_cases
from reactor.language.folder import Folder, is_flow_file, load_folder
from reactor.language.problems import Problem, errors, in_order
from reactor.model.errors import InvalidError
from reactor.model.flow import Flow
from reactor.plugins import discovery
from reactor.sdk.manifest import Catalog
from reactor.settings import load
from reactor.testing import flow_report
from reactor.testing.case_places import Places
from reactor.testing.flow_cases import LONGEST, Bench, CaseResult, run_case
from reactor.testing.flow_coverage import Coverage

_TESTS = (".test.yaml", ".test.yml")


class Suite(msgspec.Struct, frozen=True):
    """The tests of one flow."""

    flow: Flow
    cases: tuple[Case, ...]


class Found(msgspec.Struct, kw_only=True):
    """The tests of some files and folders."""

    suites: list[Suite]
    flows: dict[str, Flow]
    """Every flow that can be called."""
    tested: list[Flow]
    """Those that were asked for, with tests or without."""
    problems: list[Problem]
    """Of flows and tests that were asked for."""


class Report(msgspec.Struct, kw_only=True):
    """How the tests went."""

    results: list[CaseResult]
    problems: list[Problem]
    """What is wrong with the files themselves."""
    coverage: Coverage

    @property
    def failed(self) -> list[CaseResult]:
        """The tests that did not pass."""
        return [result for result in self.results if not result.passed]

    @property
    def passed(self) -> bool:
        """Whether there are tests, all of them passed, and no file is wrong."""
        return bool(self.results) and not self.failed and not errors(self.problems)

    def text(self) -> str:
        """What went wrong, for people, and a last line that counts."""
        return flow_report.text(self.results, self.problems)

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return flow_report.as_data(self.results, self.problems)


def run_flow_tests(
    *paths: Path | str,
    catalog: Catalog | None = None,
    settings: Mapping[str, Any] | None = None,
    longest: float = LONGEST,
) -> Report:
    """Run the tests of flows: `tests:` in their files, and `NAME.test.yaml` beside them.

    Args:
        paths: files (of flows or tests) and folders with all below them; none: the current folder.
        catalog: the actions and triggers that there are; None: those that are installed, and those of the plugins that
            the settings name (`REACTOR_PLUGINS`, `reactor.toml` in the current folder).
        settings: `ActionContext.settings` of the pure actions, which are really done.
        longest: seconds of real time for one test.

    Raises:
        InvalidError: a path is not there. SettingsError: without a catalog, a setting cannot be.
        RuntimeError: an event loop runs here already: await `play_flow_tests`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(play_flow_tests(*paths, catalog=catalog, settings=settings, longest=longest))
    raise RuntimeError("an event loop runs here already: await play_flow_tests(…) in place of run_flow_tests(…)")


async def play_flow_tests(
    *paths: Path | str,
    catalog: Catalog | None = None,
    settings: Mapping[str, Any] | None = None,
    longest: float = LONGEST,
) -> Report:
    """As `run_flow_tests`, on the event loop that runs.

    Raises:
        InvalidError: a path is not there.
    """
    known = _known() if catalog is None else catalog
    found = find_flow_tests([Path(path) for path in paths] or [Path()], known)
    bench = Bench(catalog=known, flows=found.flows, settings=settings or {}, longest=longest)
    coverage = Coverage(found.tested)
    results = []
    for suite in found.suites:
        for case in suite.cases:
            result = await run_case(bench, suite.flow, case)
            coverage.add(result.marks)
            results.append(result)
    _locate(results, found.flows)
    return Report(results=results, problems=found.problems, coverage=coverage)


def _known() -> Catalog:
    settings = load({}, os.environ, Path.cwd())
    return discovery.discover(settings.plugins, settings.data)[0]


def _locate(results: Iterable[CaseResult], flows: Mapping[str, Flow]) -> None:
    """Fill in the lines of what went wrong; files are read a second time only for that."""
    files: dict[str, Places] = {}
    for result in results:
        if result.mismatches and result.file:
            places = files.setdefault(result.file, Places.of(result.file, flows[result.flow]))
            result.line = places.line(result.name, ()) or result.line
            result.mismatches = [
                msgspec.structs.replace(one, line=places.line(result.name, one.at) or result.line)
                for one in result.mismatches
            ]


# --- finding ---------------------------------------------------------------------------------------------------------


def find_flow_tests(paths: Sequence[Path], catalog: Catalog) -> Found:
    """Read the flows and tests of these files and folders.

    Raises:
        InvalidError: a path is not there.
    """
    found = Found(suites=[], flows={}, tested=[], problems=[])
    for path in paths:
        if not path.exists():
            raise InvalidError(f"there is no {path}; give a file of a flow or of tests, or a folder")
        if path.is_dir():
            beside = [test for test in sorted(path.rglob("*.test.y*ml")) if not _hidden(test, path)]
            _take(found, load_folder([path], catalog=catalog), None, beside)
        else:
            _take(found, *_around(path, catalog), whole=not path.name.endswith(_TESTS))
    found.problems = in_order(found.problems)
    return found


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def _around(path: Path, catalog: Catalog) -> tuple[Folder, set[str], list[Path]]:
    """A single file: its flow (or, of a file of tests, the flow that it tests), and what lies beside it."""
    files = [one for one in sorted(path.parent.iterdir()) if one.is_file() and is_flow_file(one.name)]
    if path.name.endswith(_TESTS):
        return load_folder(files, catalog=catalog), {str(one) for one in files if _stem(path) == one.stem}, [path]
    if path not in files:
        files.append(path)
    beside = [path.with_name(path.stem + suffix) for suffix in _TESTS]
    return load_folder(files, catalog=catalog), {str(path)}, [test for test in beside if test.is_file()]


def _stem(path: Path) -> str:
    return path.name.rsplit(".test.", 1)[0]


def _take(found: Found, folder: Folder, wanted: set[str] | None, beside: list[Path], *, whole: bool = True) -> None:
    """Add what a folder has.

    Args:
        found: what is added to.
        folder: the flows.
        wanted: only the tests and problems of these files; None: all.
        beside: files of tests.
        whole: also the tests in the files of the flows.
    """
    found.problems += [problem for problem in folder.problems if wanted is None or problem.file in wanted]
    tests: dict[str, list[Case]] = {}
    for path in beside:
        flow = _tested_by(path, folder)
        if flow is None:
            if not any(Path(file).parent == path.parent and Path(file).stem == _stem(path) for file in folder.files):
                found.problems.append(_nothing_to_test(path))
            continue
        cases, problems = load_cases(path.read_bytes(), flow=flow, file=str(path))
        tests.setdefault(flow.name, []).extend(cases)
        found.problems += problems
    for flow in folder.flows:
        found.flows.setdefault(flow.name, flow)
        if wanted is not None and flow.file not in wanted:
            continue
        found.tested.append(flow)
        own = cases_of(flow) if flow.tests and whole else ()
        if cases := (*own, *tests.get(flow.name, ())):
            found.suites.append(Suite(flow, cases))


def _tested_by(path: Path, folder: Folder) -> Flow | None:
    stem = _stem(path)
    near = [flow for flow in folder.flows if flow.file is not None and Path(flow.file).parent == path.parent]
    return next(
        (flow for flow in near if Path(flow.file or "").stem == stem), next((f for f in near if f.name == stem), None)
    )


def _nothing_to_test(path: Path) -> Problem:
    name = _stem(path)
    message = f"this file tests nothing: there is no {name}.yaml beside it, and no flow `{name}`"
    return Problem(rule="unknown-flow", message=message, file=str(path))
