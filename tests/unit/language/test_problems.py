"""How problems are shown."""

import msgspec
import pytest
from inline_snapshot import snapshot

from reactor.language.folder import load_folder
from reactor.language.problems import Problem, closest, in_order, listed, shown
from reactor.language.report import render, summary

BROKEN = """\
nam: big
steps:
  - name: charge
    action: http.requst
  - action: log.info
    message: "日本 {{ evnt.id }}"
  - {wait: 5}
"""


@pytest.fixture
def problems(read):
    return read(BROKEN, "f/big.yaml").problems


def test_for_people(problems):
    assert render(problems) == snapshot("""\
f/big.yaml:1:1: error: the flow has no name; write `name: big` at its top [missing-key]
    nam: big
    ^^^
f/big.yaml:1:1: error: a flow has no key `nam`; did you mean `name`? [unknown-key]
    nam: big
    ^^^
f/big.yaml:4:13: error: there is no action `http.requst`; did you mean `http.request`? [unknown-action]
        action: http.requst
                ^^^^^^^^^^^
f/big.yaml:6:21: error: there is no `evnt` here; did you mean `event`? [unknown-name]
        message: "日本 {{ evnt.id }}"
                          ^^^^
f/big.yaml:7:12: warning: `wait: 5` is 5 seconds; write `5s` [bare-seconds]
      - {wait: 5}
               ^
""")


def test_for_people_with_tabs_and_without_a_line():
    problem = Problem(rule="r", message="m", file="f", line=2, column=3, end_column=4, excerpt="\t\tx")
    assert render([problem]) == "f:2:3: error: m [r]\n    \t\tx\n    \t\t^\n"
    assert render([Problem(rule="r", message="m")]) == "<flow>:1:1: error: m [r]\n"


def test_for_programs(problems):
    body = msgspec.json.decode(render(problems, "json"))
    assert (body["errors"], body["warnings"], len(body["problems"])) == (4, 1, 5)
    assert body["problems"][2] == {
        "severity": "error",
        "rule": "unknown-action",
        "message": "there is no action `http.requst`; did you mean `http.request`?",
        "file": "f/big.yaml",
        "line": 4,
        "column": 13,
        "end_column": 24,
        "text": "http.requst",
        "excerpt": "    action: http.requst",
        "allowed": ["http.request", "log.info", "shell.exec"],
        "suggestion": "http.request",
        "fix": {"line": 4, "column": 13, "end_line": 4, "end_column": 24, "replacement": "http.request"},
    }


def test_for_github(problems):
    assert render(problems[3:], "github") == snapshot("""\
::error file=f/big.yaml,line=6,col=21,endColumn=25,title=unknown-name::there is no `evnt` here; did you mean `event`?
::warning file=f/big.yaml,line=7,col=12,endColumn=13,title=bare-seconds::`wait: 5` is 5 seconds; write `5s`
""")


def test_for_github_nothing_of_a_flow_becomes_a_command():
    text = render([Problem(rule="r", message="a\n::error::b 100%", file="x,y:z.yaml")], "github")
    assert text == "::error file=x%2Cy%3Az.yaml,line=1,col=1,endColumn=1,title=r::a%0A::error::b 100%25\n"


def test_for_code_scanning(problems):
    body = msgspec.json.decode(render(problems, "sarif"))
    assert body["version"] == "2.1.0"
    (run,) = body["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == sorted({p.rule for p in problems})
    result = run["results"][2]
    assert (result["ruleId"], result["level"]) == ("unknown-action", "error")
    location = result["locations"][0]["physicalLocation"]
    assert location == {
        "artifactLocation": {"uri": "f/big.yaml"},
        "region": {"startLine": 4, "startColumn": 13, "endColumn": 24},
    }
    replacement = result["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement["insertedContent"] == {"text": "http.request"}


def test_nothing_to_show():
    assert render([]) == ""
    assert render([], "github") == ""
    assert msgspec.json.decode(render([], "json"))["problems"] == []
    assert msgspec.json.decode(render([], "sarif"))["runs"][0]["results"] == []


def test_a_folder_ends_with_its_count(tmp_path, catalog):
    (tmp_path / "a.yaml").write_text("name: a\nsteps: [{wait: 1s}]\n")
    assert render(load_folder([tmp_path], catalog=catalog)) == "1 flow: no problems\n"
    (tmp_path / "b.yaml").write_text("name: b\nsteps: [{wait: soon}]\n")
    assert render(load_folder([tmp_path], catalog=catalog)).endswith("\n2 flows: 1 error\n")


def test_fixes_mend_the_text(read):
    text = BROKEN
    problems = [problem for problem in read(text).problems if problem.fix]
    assert len(problems) == 4
    for problem in reversed(problems):
        fix = problem.fix
        lines = text.split("\n")
        line = lines[fix.line - 1]
        lines[fix.line - 1] = line[: fix.column - 1] + fix.replacement + line[fix.end_column - 1 :]
        text = "\n".join(lines)
    assert [str(problem) for problem in read(text).problems] == [
        "flow.yaml:4:13: error: action `http.request` needs its parameter `url`; it takes `url`, `method`, `headers`, "
        "`json`, `auth`, `parts` and `tries`".replace("`headers`, `json`", "`json`, `headers`")
    ]


def test_order_and_summary():
    late = Problem(rule="b", message="m", file="a", line=3)
    early = Problem(rule="a", message="m", file="a", line=1, column=9, severity="warning")
    other = Problem(rule="a", message="m", file="b")
    assert in_order([other, late, early, late]) == [early, late, other]
    assert summary([late, other, early]) == "2 errors, 1 warning"
    assert summary([]) == "no problems"


def test_words():
    assert closest("retires", ["retry", "retries"]) == "retries"
    assert closest("on-error", ["on_error"]) == "on_error"
    assert closest("TimeOut", ["timeout"]) == "timeout"
    assert closest("zzz", ["timeout"]) is None
    assert listed([]) == ""
    assert listed("ab") == "`a` and `b`"
    assert listed("abcdef", most=2) == "`a`, `b`, … (6 in all)"
    assert shown("a\n  b" + "c" * 99, longest=10) == "a bcccccc…"
