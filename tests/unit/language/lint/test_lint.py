"""Each rule of lint on a flow that breaks it, and on one that only looks so."""

import json
import time

import pytest

from reactor.connectors.data import connector as data
from reactor.connectors.database import connector as database
from reactor.connectors.event import connector as event
from reactor.connectors.file import connector as file
from reactor.connectors.http import connector as http
from reactor.connectors.log import connector as log
from reactor.language import report
from reactor.language.folder import load_folder
from reactor.language.lint import RULES, lint, lint_folder
from reactor.language.lint.tokens import secret_in
from reactor.language.loader import load
from reactor.model.patterns import fits
from reactor.sdk import Catalog

ALL = Catalog((event, http, file, log, data, database))


def found(text, rule=None):
    """`line rule` of all that lint says."""
    loaded = load(text, file="flow.yaml", catalog=ALL)
    assert loaded.flow is not None, [str(problem) for problem in loaded.problems]
    return [f"{one.line} {one.rule}" for one in lint(loaded, catalog=ALL) if rule in (None, one.rule)]


def flow(steps, **top):
    head = "".join(f"{name}: {value}\n" for name, value in top.items())
    return f"name: x\n{head}steps:\n{steps}"


def test_rules_say_what_why_and_what_to_do():
    assert len(RULES) >= 12
    for name, rule in RULES.items():
        assert name == rule.id
        assert name == name.lower()
        assert rule.severity in ("warning", "info")
        assert all(text.endswith(".") for text in (rule.reason, rule.fix)), name
        assert len(rule.title) > 10


SECRET = "  - {name: make, action: log.info, message: x, secret_output: true}\n"


@pytest.mark.parametrize(
    "step",
    [
        "return: steps.make.output",
        'set: {x: "Bearer {{ steps.make.output }}"}',
        "emit: {type: t, data: {token: \"{{ steps['make'].output }}\"}}",
        '{name: s, state: {key: k, set: "{{ steps.make.output }}"}}',
        'call: other\n    with: {token: "{{ steps.make.output }}"}',
        'fail: "no {{ steps.make.output }}"',
        '{action: log.info, message: y, output: "{{ steps.make.output }}"}',
    ],
)
def test_secret_outputs_that_are_handed_on_in_the_clear(step):
    assert found(flow(f"{SECRET}  - {step}\n"), "secret-handed-on") == ["4 secret-handed-on"]


def test_secret_outputs_in_outputs_and_from_variables():
    assert found(flow(SECRET, outputs='{t: "{{ steps.make.output }}"}'), "secret-handed-on") == ["2 secret-handed-on"]
    kept = SECRET + '  - {set: {t: "{{ steps.make.output }}"}, secret_output: true}\n'
    assert found(flow(kept), "secret-handed-on") == []
    assert found(flow(kept + "  - return: vars.t\n"), "secret-handed-on") == ["5 secret-handed-on"]


@pytest.mark.parametrize(
    "step",
    [
        "return: steps.make.status",
        '{action: log.info, message: "{{ steps.make.output }}"}',
        'return: "{{ event.data }}"',
        '{if: "steps.make.output", return: 1}',
    ],
)
def test_what_does_not_hand_a_secret_on(step):
    assert found(flow(f"{SECRET}  - {step}\n"), "secret-handed-on") == []


# --- the way through ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["return: 1", "fail: no"])
def test_steps_behind_an_end_are_unreachable(last):
    assert found(flow(f"  - {last}\n  - {{action: log.info}}\n")) == ["4 unreachable"]


@pytest.mark.parametrize(
    "before",
    [
        "{if: event.data.x, return: 1}",
        "{fail: no, on_error: [{action: log.info}]}",
        "{fail: no, continue_on_error: true}",
        "{switch: [{if: event.data.x, steps: [{return: 1}]}]}",
        "{fail: {kind: import.todo, message: later}}",
    ],
)
def test_steps_behind_what_may_go_on_are_not(before):
    assert found(flow(f"  - {before}\n  - {{action: log.info}}\n"), "unreachable") == []


def test_blocks_and_complete_switches_end_too():
    assert found(flow("  - steps: [{return: 1}]\n  - {action: log.info}\n")) == ["4 unreachable"]
    text = "  - switch: [{if: event.data.x, steps: [{return: 1}]}, {else: [{fail: no}]}]\n  - {action: log.info}\n"
    assert found(flow(text)) == ["4 unreachable"]


def test_conditions_that_never_hold():
    assert found(flow("  - {if: false, action: log.info}\n  - {unless: 'true', action: log.info}\n")) == [
        "3 unreachable",
        "4 unreachable",
    ]
    text = "  - switch:\n      - if: 'true'\n        steps: [{action: log.info}]\n      - if: event.data.x\n"
    assert found(flow(text + "        steps:\n          - action: log.info\n"), "unreachable") == ["8 unreachable"]


def test_what_stands_behind_a_break_in_a_loop():
    text = (
        "  - for_each: event.data.x\n    steps:\n      - break: true\n      - action: log.info\n  - action: log.info\n"
    )
    assert found(flow(text)) == ["6 unreachable"]


def test_waits_without_a_limit():
    wait = "  - wait_for: {event: order.paid}\n"
    assert found(flow(wait)) == ["3 waits-for-ever"]
    assert found(flow("  - approve: {title: Ship it}\n")) == ["3 waits-for-ever"]
    assert found(flow(wait, timeout="1d")) == []
    assert found(flow("  - wait_for: {event: order.paid, timeout: 1h}\n")) == []
    assert found(flow("  - timeout: 1h\n    steps: [{wait_for: {event: order.paid}}]\n")) == []


def test_placeholders_of_an_import_are_told():
    assert found(flow("  - fail: {kind: import.todo, message: later}\n")) == ["3 import-todo"]


# --- data -----------------------------------------------------------------------------------------------------------


def test_variables_that_nobody_reads():
    text = flow("  - set: {a: 1, b: 2}\n  - action: log.info\n    message: '{{ vars.b }}'\n", vars="{c: 3}")
    assert found(text) == ["2 unused-var", "4 unused-var"]


@pytest.mark.parametrize(
    "steps",
    [
        "  - set: {a: 1}\n",
        "  - {name: s, set: {a: 1}}\n  - return: steps.s.output.a\n",
        "  - set: {a: 1}\n  - return: vars\n",
        "  - set: {a: 1}\n  - switch: [{if: vars.a, steps: [{action: log.info}]}]\n",
        "  - set: {a: 1}\n  - {action: log.info, with: {message: 'x{{ vars.a }}'}}\n",
        '  - set: {a: 1}\n  - {return: "{{ vars[event.data.x] }}"}\n',
    ],
)
def test_variables_that_somebody_may_read(steps):
    assert found(flow(steps), "unused-var") == []


def test_work_whose_result_nobody_reads():
    read = "  - {name: r, action: file.read, path: a.txt}\n"
    assert found(flow(f"{read}  - action: log.info\n")) == ["3 unused-output"]
    assert found(flow(f"{read}  - return: steps.r.output\n")) == []
    assert found(flow(f"{read}  - return: steps.r.status\n")) == []
    assert found(flow(read)) == []
    assert found(flow("  - {action: file.write, path: a, content: b}\n  - action: log.info\n")) == []
    assert found(flow("  - action: log.info\n  - action: log.info\n")) == []


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_that_hide_others():
    text = (
        "  - {name: a, action: log.info}\n  - for_each: event.data.x\n    steps:\n      - {name: a, action: log.info}\n"
    )
    assert found(flow(text)) == ["6 shadowed-name"]
    text = "  - name: a\n    switch: [{if: event.data.x, steps: [{name: b, action: log.info}]}]\n"
    assert found(flow(text)) == []


def test_loops_in_loops_with_one_name_for_their_items():
    text = "  - for_each: event.data.x\n    as: one\n    steps:\n      - for_each: one.y\n        as: one\n"
    assert "6 shadowed-name" in found(flow(text + "        steps: [{action: log.info}]\n"))


def test_iterations_side_by_side_that_set_one_variable():
    text = "  - for_each: event.data.x\n    max_parallel: {}\n    steps:\n      - set: {{a: '{{{{ item }}}}'}}\n"
    read = "      - {action: log.info, message: '{{ vars.a }}'}\n"
    assert found(flow(text.format(2) + read)) == ["6 shared-var"]
    assert found(flow(text.format(1) + read)) == []


# --- outside --------------------------------------------------------------------------------------------------------


def test_writes_over_a_network_say_something_of_retries():
    post = "  - {action: http.request, method: POST, url: 'http://a.example', timeout: 5s"
    assert found(flow(f"{post}}}\n")) == ["3 network-retry"]
    assert found(flow(f"{post}, retry: none}}\n")) == []
    assert found(flow(f"{post}, retry: {{max: 2}}}}\n")) == []
    assert found(flow(f"{post}, delivery: at_most_once}}\n")) == []
    assert found(flow("  - {action: http.request, url: 'http://a.example', timeout: 5s}\n")) == []


def test_calls_over_a_network_have_a_limit():
    get = "  - {action: http.request, url: 'http://a.example'}\n"
    assert found(flow(get)) == ["3 network-timeout"]
    assert found(flow(get, timeout="1h")) == []
    assert found(flow("  - {deadline: 1m, steps: [{action: http.request, url: 'http://a.example'}]}\n")) == []
    assert found(flow("  - {action: http.request, with: {url: 'http://a.example', timeout: 5s}}\n")) == []
    query = "  - {action: database.query, url: 'sqlite:///a.db', sql: SELECT 1}\n"
    assert found(flow(query)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x", "ghp_" + "a1" * 18),
        ("x", "AKIA" + "A1B2C3D4E5F6G7H8"),
        ("x", "token is xoxb-" + "123456789012-abc"),
        ("x", "-----BEGIN RSA PRIVATE KEY-----"),
        ("password", "hunter2"),
        ("api_key", "abc123"),
        ("client_secret", "s3cret"),
        ("Authorization", "Bearer abcdefghijkl"),
        ("url", "postgresql://ann:hunter2@db.example/shop"),
        ("url", "https://hooks.slack.com/services/T0001/B0001/" + "x9" * 12),
    ],
)
def test_what_looks_like_a_secret(key, value):
    assert secret_in(value, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "{{ secrets.password }}"),
        ("password", ""),
        ("password", "your password"),
        ("token", "<token>"),
        ("Authorization", "Bearer {{ secrets.token }}"),
        ("url", "postgresql://ann:{{ secrets.pw }}@db.example/shop"),
        ("url", "https://example.com:443/a"),
        ("message", "the password is wrong"),
        ("max_tokens", "100"),
        ("key", "event.data.id"),
        ("tokenizer", "fast"),
    ],
)
def test_what_is_no_secret(key, value):
    assert secret_in(value, key) is None


def test_secrets_are_told_at_their_place_with_what_to_write():
    text = flow(
        "  - action: http.request\n    url: http://a.example\n    timeout: 5s\n"
        "    auth: {bearer: sk_live_0123456789ab}\n"
    )
    (problem,) = lint(load(text, file="f.yaml", catalog=ALL), catalog=ALL)
    assert (problem.rule, problem.line, problem.column, problem.text) == (
        "secret-in-clear",
        6,
        20,
        "sk_live_0123456789ab",
    )
    assert "reactor secrets set bearer" in problem.message
    assert "{{ secrets.bearer }}" in problem.message


@pytest.mark.parametrize(
    ("pattern", "kind", "wanted"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("**", "a.b.c", True),
        ("a.**.d", "a.d", True),
        ("a.**.d", "a.b.c.d", True),
        ("a.b", "a.c", False),
        ("*", "a.b", False),
    ],
)
def test_patterns_of_types(pattern, kind, wanted):
    assert fits(pattern, kind) is wanted


def test_flows_that_start_themselves():
    emit = "  - emit: {type: order.new, data: 1}\n"
    assert found(flow(emit, on="{event: order.*}")) == ["4 self-trigger"]
    assert found(flow(emit, on="{event: order.paid}")) == []
    assert found(flow(emit, on="{event: order.*, if: event.data.x}")) == []
    assert found(flow(emit, on="{event: order.*}", unless="event.data.x")) == []
    assert found(flow("  - {if: event.data.x, emit: {type: order.new}}\n", on="{event: order.*}")) == []
    assert found(flow(f"  - {{if: event.data.x, return: 1}}\n{emit}", on="{event: order.*}")) == []


def test_flows_that_start_each_other(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\non: {event: x}\nsteps: [{emit: {type: y}}]\n")
    (tmp_path / "b.yaml").write_text("name: b\non: {event: y}\nsteps: [{emit: {type: x}}]\n")
    (tmp_path / "c.yaml").write_text("name: c\non: {event: y}\nsteps: [{emit: {type: z}}]\n")
    problems = lint_folder(load_folder([tmp_path], catalog=ALL), catalog=ALL)
    assert [(one.file and one.file[-6:], one.rule) for one in problems] == [
        ("a.yaml", "self-trigger"),
        ("b.yaml", "self-trigger"),
    ]
    assert "a → b → a" in problems[0].message


# --- silence --------------------------------------------------------------------------------------------------------

END = "name: x\nsteps:\n  - return: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{END}  - action: log.info  # lint: ignore unreachable\n",
        f"{END}  # lint: ignore unreachable\n  - action: log.info\n",
        f"{END}  # lint: ignore unused-var, unreachable\n\n  # another word\n  - action: log.info\n",
        f"# lint: ignore unreachable\n{END}  - action: log.info\n",
    ],
)
def test_comments_silence(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        f"{END}  # lint: ignore unused-var\n  - action: log.info\n",
        f"{END}  - action: log.info\n  # lint: ignore unreachable\n",
        f"name: x\n# lint: ignore unreachable\n{END[8:]}  - action: log.info\n",
    ],
)
def test_comments_that_are_for_something_else(text):
    assert len(found(text)) == 1


def test_a_comment_for_a_rule_that_there_is_not():
    text = f"{END}  - action: log.info  # lint: ignore unreachabel\n"
    problems = lint(load(text, catalog=ALL), catalog=ALL)
    assert [problem.rule for problem in problems] == ["unreachable", "lint-ignore"]
    assert "`unreachable`" in problems[1].message
    assert problems[1].text == "unreachabel"
    assert found(f"{END}# lint: ignore\n") == ["4 lint-ignore"]


def test_warnings_of_the_loader_can_be_silenced_errors_cannot(tmp_path):
    text = "name: b\nsteps:\n  - while: 'true'  # lint: ignore endless-loop\n    steps: [{action: log.info}]\n"
    (tmp_path / "b.yaml").write_text(text)
    (tmp_path / "c.yaml").write_text("name: c\nsteps:\n  - actoin: log.info  # lint: ignore unknown-key\n")
    problems = lint_folder(load_folder([tmp_path], catalog=ALL), catalog=ALL)
    assert [(one.severity, one.rule) for one in problems] == [("error", "unknown-key")]


# --- how it is shown ------------------------------------------------------------------------------------------------


def problems_of(text):
    loaded = load(text, file="flows/a b.yaml", catalog=ALL)
    return [*loaded.problems, *lint(loaded, catalog=ALL)]


def test_sarif_has_rules_with_help_and_results_that_point_to_them():
    text = flow("  - {action: http.request, url: 'http://a.example'}\n  - return: 1\n  - action: log.info\n")
    shown = json.loads(report.render(problems_of(text), "sarif"))
    assert shown["version"] == "2.1.0"
    (run,) = shown["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["network-timeout", "unreachable"]
    for rule in rules:
        assert set(rule) == {"id", "shortDescription", "fullDescription", "help", "defaultConfiguration"}
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    assert {result["level"] for result in run["results"]} == {"note", "warning"}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == "flows/a%20b.yaml"
        assert location["region"]["startLine"] >= 1
        assert location["region"]["endColumn"] > location["region"]["startColumn"] >= 1


def test_sarif_of_errors_names_their_rules_too():
    shown = json.loads(report.render(load("name: x\nstep: []\n", file="a.yaml", catalog=ALL).problems, "sarif"))
    rules = shown["runs"][0]["tool"]["driver"]["rules"]
    assert {"id": "unknown-key", "shortDescription": {"text": "Unknown key"}} in rules


def test_other_formats_know_hints():
    text = flow("  - {action: http.request, url: 'http://a.example'}\n")
    assert report.render(problems_of(text), "github").startswith("::notice file=flows/a b.yaml,line=3,")
    body = json.loads(report.render(problems_of(text), "json"))
    assert (body["errors"], body["warnings"], body["hints"]) == (0, 0, 1)
    assert report.summary(problems_of(text)) == "1 hint"
    assert ": info: " in report.render(problems_of(text))


def test_nothing_is_said_of_flows_with_errors():
    assert lint(load("name: x\nsteps: [{return: 1}, {action: nope}]\n", catalog=ALL), catalog=ALL) == []


@pytest.mark.parametrize(
    "part",
    [
        "a.",
        "-eyJ",
        "a-",
        "a://",
        "SG.",
        "-----BEGIN ",
        "https://hooks.slack.com/services/T",
        "x" * 9 + ".eyJ",
        "a:@",
        "*",
    ],
)
def test_secrets_are_looked_for_in_time_that_grows_with_the_text(part):
    """Before, half a million of `a.` took hours, in `validate` as well as in `import`."""
    begun = time.process_time()
    secret_in(part * (600_000 // len(part)), "note")
    assert time.process_time() - begun < 3
