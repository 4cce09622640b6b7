"""Flows of the older Go engine run as they are."""

import pytest

from reactor.model.flow import BlockStep, Retry

OLD = """\
name: greet
on:
  event: http.request
  path: /webhook/greet
workflow:
  - name: fetch
    action: http.request
    url: "https://api.example/{{ .event.payload.id }}"
    timeout: 10
    retry: {max: 3, backoff: exponential}
  - name: tell
    action: log.info
    message: "{{ .variables.fetch.name }} {{ .variables.execution_id }}{{ if .event.id }}{{ end }}"
    if: "{{ .variables.fetch.success }}"
"""


def test_a_flow_of_the_older_engine(read):
    loaded = read(OLD)
    assert loaded.problems == []
    flow = loaded.flow
    assert flow.legacy
    (trigger,) = flow.triggers
    assert (trigger.kind, trigger.config, trigger.line) == ("webhook", {"": "/webhook/greet"}, 3)
    fetch, tell = flow.steps
    assert fetch.timeout == 10_000
    assert fetch.retry == Retry(max=3, backoff="exponential", delay=2_000, factor=2.0, jitter=0.0)
    scope = {
        "event": {"data": {"id": 7}},
        "response": {"body": "B"},
        "run": {"id": "R"},
        "steps": {"fetch": {"output": {"name": "Ann", "success": "no"}}},
    }
    assert fetch.params.evaluate(scope)["url"] == "https://api.example/7"
    assert tell.params.evaluate(scope)["message"] == "Ann R"
    assert tell.if_.evaluate(scope) is False


@pytest.mark.parametrize(
    ("on", "kind", "config"),
    [
        ("{event: http.request, path: /x, method: PUT}", "webhook", {"": "/x", "methods": "PUT"}),
        ("{event: http.request}", "event", {"": "http.request"}),
        ("{event: file.created, path: in}", "file", {"": "in", "changes": ["created"]}),
        ("{event: file.modified, path: in, settle: 5s}", "file", {"": "in", "changes": ["modified"], "settle": "5s"}),
        ("{event: file.deleted, path: in}", "file", {"": "in", "changes": ["deleted"]}),
        ("{event: file.created}", "event", {"": "file.created"}),
        ("{event: scheduled, cron: 0 9 * * 1-5}", "schedule", {"cron": "0 9 * * 1-5"}),
        ("{event: scheduled, cron: 0 9 * * *, timezone: UTC}", "schedule", {"cron": "0 9 * * *", "timezone": "UTC"}),
        (
            "{event: database.change, table: users}",
            "cdc",
            {"tables": ["users"], "operations": ["insert", "update", "delete"]},
        ),
        (
            "{event: database.change, table: users, operation: INSERT, connection: db}",
            "cdc",
            {"tables": ["users"], "operations": ["insert"], "connection": "db"},
        ),
        (
            "{event: database.change, table: [a.b, c], operation: [UPDATE, delete]}",
            "cdc",
            {"tables": ["a.b", "c"], "operations": ["update", "delete"]},
        ),
        ("{event: order.created}", "event", {"": "order.created"}),
        ("{webhook: /new}", "webhook", {"": "/new"}),
    ],
)
@pytest.mark.parametrize("steps", ["workflow", "steps"])
def test_triggers(read, on, kind, config, steps):
    flow = read(f"name: x\non: {on}\n{steps}: [{{action: log.info}}]\n").flow
    assert [(t.kind, t.config) for t in flow.triggers] == [(kind, config)]


def test_a_list_of_triggers(read):
    text = "name: x\non:\n  - {event: a.b, if: '{{ .event.payload.ok }}'}\n  - c.d\nworkflow: [{action: log.info}]\n"
    loaded = read(text)
    assert [(t.kind, t.config) for t in loaded.flow.triggers] == [("event", {"": "a.b"}), ("event", {"": "c.d"})]
    assert [problem.severity for problem in loaded.problems] == ["warning"]
    assert loaded.problems[0].fix.replacement == "{event: c.d}"


def test_places_stay_those_of_the_file(told):
    text = "name: x\non: {event: file.created, path: [in], settel: 1s}\nworkflow: [{action: log.info}]\n"
    assert told(text) == ["2:33 wrong-type", "2:39 unknown-parameter"]


def test_database_changes_of_no_table_are_refused(read):
    (problem,) = read("name: x\non: {event: database.change, operation: INSERT}\nworkflow: [{wait: 1s}]\n").problems
    assert (problem.rule, problem.column) == ("missing-key", 13)
    assert "table: NAME" in problem.message


def test_places_in_database_changes_stay_those_of_the_file(told):
    text = "name: x\non: {event: database.change, table: t, operation: UPSERT}\nworkflow: [{wait: 1s}]\n"
    assert told(text) == ["2:51 wrong-type"]


def test_parallel_makes_a_branch_of_each_step(read):
    text = """\
name: x
workflow:
  - parallel: true
    steps:
      - {name: Send mail, action: log.info}
      - {action: log.info}
      - {name: off, parallel: false, steps: [{action: log.info}]}
"""
    (step,) = read(text).flow.steps
    assert [(branch.name, branch.steps[0].name) for branch in step.branches] == [
        ("Send_mail", "Send_mail"), ("log_info", "log_info"), ("off", "off"),
    ]  # fmt: skip
    assert isinstance(step.branches[2].steps[0], BlockStep)
    assert (step.join.mode, step.fail_fast, step.max_parallel) == ("all", False, None)


def test_missing_fields_are_warned_of(read):
    text = "name: x\nworkflow:\n  - {action: log.info, message: '{{ .variables.nope.x }} {{ .event.payload.any }}'}\n"
    loaded = read(text)
    assert loaded.flow is not None
    assert [(p.severity, p.rule) for p in loaded.problems] == [("warning", "unknown-step")]


def test_the_last_response_is_known_in_flows_of_the_older_engine(read, told):
    step = "{action: log.info, message: '{{ response.body }}{{ .response.body }}'}"
    assert read(f"name: x\nworkflow: [{step}]\n").problems == []
    assert told(f"name: x\nsteps: [{step}]\n")[0] == "2:41 unknown-name?"


def test_variables_may_be_variables(read):
    text = "name: x\nvars: {who: Ann}\nworkflow:\n  - {action: log.info, message: '{{ .variables.who }}'}\n"
    assert read(text).problems == []


def test_names_are_taken_as_they_are_with_a_warning(read):
    text = "name: My Flow\nworkflow:\n  - {name: Send e-mail!, action: log.info}\n"
    loaded = read(text)
    assert (loaded.flow.name, loaded.flow.steps[0].name) == ("My Flow", "Send_e-mail")
    assert [(p.severity, p.rule) for p in loaded.problems] == [("warning", "name")] * 2


def test_a_missing_name_is_that_of_the_file(read):
    loaded = read("workflow: [{action: log.info}]\n", file="flows/Daily Report.yaml")
    assert loaded.flow.name == "daily-report"
    assert [problem.severity for problem in loaded.problems] == ["warning"]


def test_a_bare_number_is_seconds_and_no_warning(read):
    assert read("name: x\ntimeout: 90\nworkflow: [{wait: 10}]\n").problems == []


def test_unknown_keys_are_refused_here_too(told):
    assert told("name: x\nauthor: me\nworkflow: [{action: log.info}]\n") == ["2:1 unknown-key"]


async def test_steps_of_branches_are_known_by_name_afterwards(read):
    from reactor.runtime.virtual import VirtualRuntime
    from reactor.testing.runtime_suite import suite_catalog

    loaded = read("""
name: checks
workflow:
  - {name: both, parallel: true, steps: [{name: a, set: {x: 1}}, {name: b, set: {y: "{{ 1 + 1 }}"}}]}
  - {name: after, set: {sum: "{{ .variables.a.x }}{{ .variables.b.y }}"}}
""")
    assert [p for p in loaded.problems if p.severity == "error"] == []
    assert not [p for p in loaded.problems if p.rule == "unknown-step"]
    end = await VirtualRuntime(actions=suite_catalog([]).actions).play(loaded.flow)
    assert end.output == {"sum": "12"}


def test_a_map_where_a_text_belongs_is_refused_also_with_templates_in_it(read):
    text = """\
name: post
on: {event: x}
workflow:
  - {name: say, action: http.request, url: {id: "{{ .event.payload.id }}"}}
"""
    (problem,) = [p for p in read(text).problems if p.severity == "error"]
    assert (problem.line, problem.rule) == (4, "wrong-type")
    assert "has to be a text, not a map" in problem.message
