"""Coverage, and how results are told: text, JSON, JUnit XML."""

import textwrap
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from reactor.language.problems import Problem
from reactor.testing import flow_coverage, flow_report, run_flow_tests
from reactor.testing.expectations import Mismatch, diff
from reactor.testing.flow_cases import CaseResult

FLOW = """\
name: ways
on: {event: go}
unless: event.data.skip is defined
steps:
  - name: maybe
    if: event.data.n > 1
    set: {big: true}
  - name: pick
    switch:
      - if: event.data.n == 1
        steps: [{name: one, set: {x: 1}}]
      - if: event.data.n == 2
        steps: [{name: two, set: {x: 2}}]
  - name: fan
    parallel:
      join: first
      branches:
        quick: [{name: a, return: 1}]
        slow: [{name: b, wait: 1h}, {name: c, return: 2}]
  - name: each
    for_each: "{{ event.data.list }}"
    steps: [{name: item, set: {y: "{{ item }}"}}]
  - name: try
    action: file.read
    with: {path: /x}
    on_error: [{name: none, return: "'nothing'"}]
  - name: heard
    wait_for: {event: heard, timeout: 1h, on_timeout: [{name: silence, set: {z: 1}}]}
on_failure:
  - {name: alarm, action: log.error, message: "{{ error.message }}"}
"""


@pytest.fixture
def covered(tmp_path):
    def run(*cases):
        (tmp_path / "ways.yaml").write_text(FLOW)
        text = "\n".join(f"- name: t{number}\n{textwrap.indent(case, '  ')}" for number, case in enumerate(cases))
        (tmp_path / "ways.test.yaml").write_text(text)
        report = run_flow_tests(tmp_path)
        assert report.passed, report.text()
        (flow,) = report.coverage.flows()
        return flow

    return run


ONE = "event: {data: {n: 1, list: [5]}}\nmock: {try: {output: {content: a}}}\nexpect: {status: completed}\n"
NONE = "event: {data: {n: 3, list: []}}\nmock: {try: {error: file.not_found}}\nexpect: {output: nothing}\n"


def test_one_test_leaves_ways_open(covered):
    flow = covered(ONE)
    assert flow.count(branch=False) == (10, 15)
    assert {point.what for point in flow.missed} == {
        "the event does not start it",
        "maybe",
        "maybe: not skipped",
        "pick: case 2",
        "pick: no case",
        "pick.cases[1].two",
        "fan.branches.slow.c",
        "each: no iteration",
        "try: on_error",
        "try.on_error.none",
        "heard: the event",
        "on_failure.alarm",
    }
    lines = {point.what: point.line for point in flow.missed}
    assert lines["pick: case 2"] == lines["pick.cases[1].two"] == 13
    assert lines["maybe"] == 5


def test_several_tests_add_up(covered):
    flow = covered(
        ONE,
        NONE,
        "event: {data: {skip: true}}\nexpect: {matches: false}\n",
        "event: {data: {n: 2, list: []}}\nmock: {try: {output: {}}}\nsend: [{type: heard, after: 2m}]\n"
        "expect: {status: completed}\n",
        "event: {data: {n: 2, list: 5}}\nmock: {try: {output: {}}}\nexpect: {error: input}\n",
    )
    assert {point.what for point in flow.missed} == {"fan.branches.slow.c"}
    assert 90 < flow.percent < 100


def test_flows_without_tests_count_as_not_covered(tmp_path):
    test = "tests: [{name: t, expect: {output: 1}}]\n"
    (tmp_path / "a.yaml").write_text("name: a\nsteps: [{name: r, return: 1}]\n" + test)
    (tmp_path / "b.yaml").write_text("name: b\nsteps:\n  - {name: r, return: 1}\n")
    report = run_flow_tests(tmp_path)
    assert report.coverage.percent == 50
    assert report.coverage.as_data()["flows"][1] == {
        "flow": "b",
        "file": f"{tmp_path}/b.yaml",
        "percent": 0.0,
        "steps": [0, 1],
        "branches": [0, 0],
        "missed": [{"what": "r", "line": 3}],
    }
    table = flow_coverage.table(report.coverage)
    assert "a           1 of 1            -   100.0%" in table
    assert f"    {tmp_path}/b.yaml:3: r" in table


HOSTILE = "<&\"'>]]>\x00\x1b[31m\ud800\ufffe\N{GRINNING FACE}\u2028"


def result(**given):
    values: dict[str, Any] = {"flow": "f", "name": "n", "file": "f.yaml", "line": 3, "mismatches": [], "seconds": 0.25}
    return CaseResult(**(values | given))


# The schema of Apache Ant's task, as most build servers check it: what each element has to have, in this order.
REQUIRED = {
    "testsuite": {"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type"},
    "error": {"type"},
}
OPTIONAL = {"failure": {"message"}, "error": {"message"}, "testsuites": {"name"}}


def number(element: ET.Element, name: str) -> float:
    return float(element.get(name) or "nan")


def check_junit(text):
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        required = REQUIRED.get(element.tag, set())
        assert required <= set(element.attrib) <= required | OPTIONAL.get(element.tag, set())
    for suite in root:
        tags = [child.tag for child in suite]
        cases = ["testcase"] * round(number(suite, "tests"))
        assert tags == ["properties", *cases, "system-out", "system-err"]
        assert len(suite.findall("testcase/failure")) == number(suite, "failures")
        assert len(suite.findall("testcase/error")) == number(suite, "errors")
        assert number(suite, "time") >= 0
    return root


def test_junit_is_valid_whatever_names_hold():
    bad = Mismatch(at=("expect",), message=f"expected {HOSTILE}\nmore", line=7)
    results = [result(name=HOSTILE, mismatches=[bad]), result(), result(flow="other", file=HOSTILE)]
    problem = Problem(rule="yaml", message=HOSTILE, file=HOSTILE)
    text = flow_report.junit(results, [problem], 1_767_225_600_000)
    root = check_junit(text.encode())
    assert [suite.get("name") for suite in root] == ["f", "other", "files"]
    assert [suite.get("id") for suite in root] == ["0", "1", "2"]
    assert root[0].get("timestamp") == "2026-01-01T00:00:00"
    assert root[0].get("time") == "0.500"
    name = root[0].find("testcase").get("name")
    assert name.startswith("<&\"'>]]>\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31m")
    assert "\N{GRINNING FACE}" in name
    assert root[0].find("testcase/failure").text.startswith("f.yaml:7: expected <&")


def test_a_terminal_obeys_nothing_of_it():
    bad = Mismatch(at=("expect",), message=HOSTILE.replace("\ud800", ""), line=7)
    text = flow_report.text([result(name="\x1b[2J", mismatches=[bad])], [])
    assert "\x1b" not in text
    assert "\x00" not in text


@pytest.mark.parametrize(
    ("wanted", "came", "told"),
    [
        (1, 1.0, ""),
        (1, True, "expected 1, got true"),
        (None, 0, "expected null, got 0"),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": True}]}, ""),
        ({"a": 1}, {"a": 1, "b": 2}, 'expected {"a": 1}, got {"a": 1, "b": 2}'),
        ("a", "b", 'expected "a", got "b"'),
    ],
)
def test_differences(wanted, came, told):
    assert diff(wanted, came) == told


def test_long_values_are_compared_quickly_and_shown_in_part():
    wanted = [f"each[{number}].put" for number in range(20_000)]
    lines = diff(wanted, [*wanted[:10_000], "other", *wanted[10_002:]]).split("\n")
    assert len(lines) < 20
    assert '-  "each[10000].put",' in lines
    assert '+  "other",' in lines
    assert diff(wanted, []).endswith(" lines more")
