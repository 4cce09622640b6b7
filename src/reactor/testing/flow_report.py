"""How the tests of flows are told: to people, to programs, and as JUnit XML to build servers. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from reactor.language import report
from reactor.language.problems import Problem, errors
from reactor.model.clock import Instant
from reactor.testing.flow_cases import CaseResult

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, however it is written (section 2.2)."""
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def text(results: Sequence[CaseResult], problems: Sequence[Problem]) -> str:
    """What went wrong, each with its place, and a last line that counts."""
    parts = [report.human(list(problems))] if problems else []
    parts += [failure(result) for result in results if not result.passed]
    return "".join([*parts, summary(results, problems), "\n"])


def failure(result: CaseResult) -> str:
    """One test that failed."""
    lines = [f"✗ {_clean(result.flow)}: {_clean(result.name)}"]
    for one in result.mismatches:
        first, *more = _clean(one.message).split("\n")
        lines.append(f"    {result.file}:{one.line}: {first}")
        lines += [f"        {line}" for line in more]
    return "\n".join(lines) + "\n"


def summary(results: Sequence[CaseResult], problems: Sequence[Problem]) -> str:
    """`12 tests of 3 flows: 11 passed, 1 failed (0.2 s)`."""
    bad, wrong = sum(not result.passed for result in results), len(errors(problems))
    flows = len({result.flow for result in results})
    counts = [f"{len(results) - bad} passed", *([f"{bad} failed"] if bad else [])]
    counts += [f"{wrong} error{'s' if wrong != 1 else ''} in the files"] if wrong else []
    took = sum(result.seconds for result in results)
    tests = f"{len(results)} test{'s' if len(results) != 1 else ''} of {flows} flow{'s' if flows != 1 else ''}"
    return f"{tests}: {', '.join(counts)} ({took:.1f} s)"


def _clean(text_: str) -> str:
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text_)


def as_data(results: Sequence[CaseResult], problems: Sequence[Problem]) -> dict[str, Any]:
    """`{passed, failed, problems, tests}`; a test is `{flow, name, file, line, passed, seconds, problems}`."""
    bad = sum(not result.passed for result in results)
    return {
        "passed": len(results) - bad,
        "failed": bad,
        "tests": [_as_data(result) for result in results],
        "problems": [
            {"severity": one.severity, "rule": one.rule, "file": one.file, "line": one.line, "message": one.message}
            for one in problems
        ],
    }


def _as_data(result: CaseResult) -> dict[str, Any]:
    return {
        "flow": result.flow,
        "name": result.name,
        "file": result.file,
        "line": result.line,
        "passed": result.passed,
        "seconds": round(result.seconds, 6),
        "problems": [{"line": one.line, "at": list(one.at), "message": one.message} for one in result.mismatches],
    }


# --- JUnit -----------------------------------------------------------------------------------------------------------


def junit(results: Iterable[CaseResult], problems: Iterable[Problem], now: Instant) -> str:
    """JUnit XML as the schemas of Ant and Jenkins want it: a suite for each flow, one more for files that are wrong."""
    root = ET.Element("testsuites", name="reactor test")
    moment = dt.datetime.fromtimestamp(now // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    flows: dict[str, list[CaseResult]] = {}
    for result in results:
        flows.setdefault(result.flow, []).append(result)
    for name, tests in flows.items():
        suite = _suite(root, name, tests[0].file, moment)
        for test in tests:
            _case(suite, test)
        _end(suite, len(tests), sum(not test.passed for test in tests), 0, sum(test.seconds for test in tests))
    wrong = errors(problems)
    if wrong:
        suite = _suite(root, "files", "files", moment)
        for problem in wrong:
            case = ET.SubElement(suite, "testcase", name=_xml(problem.place), classname="files", time="0.000")
            element = ET.SubElement(case, "error", message=_xml(problem.message), type=_xml(problem.rule))
            element.text = _xml(str(problem))
        _end(suite, len(wrong), 0, len(wrong), 0.0)
    for number, suite in enumerate(root):
        suite.set("id", str(number))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, package: str, moment: str) -> ET.Element:
    suite = ET.SubElement(
        root, "testsuite", name=_xml(name), package=_xml(package), timestamp=moment, hostname="localhost"
    )
    ET.SubElement(suite, "properties")
    return suite


def _end(suite: ET.Element, tests: int, failures: int, wrong: int, seconds: float) -> None:
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    suite.attrib |= {"tests": str(tests), "failures": str(failures), "errors": str(wrong), "time": f"{seconds:.3f}"}


def _case(suite: ET.Element, result: CaseResult) -> None:
    case = ET.SubElement(
        suite, "testcase", name=_xml(result.name), classname=_xml(result.flow), time=f"{result.seconds:.3f}"
    )
    if result.mismatches:
        first = result.mismatches[0].message.partition("\n")[0]
        element = ET.SubElement(case, "failure", message=_xml(first), type="expectation")
        element.text = _xml("\n".join(f"{result.file}:{one.line}: {one.message}" for one in result.mismatches))


def _xml(text_: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text_)
