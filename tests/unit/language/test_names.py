"""Names in expressions are checked before any run, at their place."""

import pytest

HEAD = "name: x\nsteps:\n"


@pytest.fixture
def one(read):
    """The only problem of a text."""

    def find(text):
        (problem,) = read(text).problems
        return problem

    return find


def of(expression, before=""):
    return f'{HEAD}{before}- {{action: log.info, message: "{{{{ {expression} }}}}"}}\n'


@pytest.mark.parametrize(
    "expression",
    [
        "event.data.anything.goes",
        "event.payload + event.id + event.type + event.source + event.subject + event.time",
        "event['data']['x y']",
        "event.metadata.headers",
        "inputs.any",
        "run.id",
        "flow.name",
        "env.HOME",
        "now()",
        "uuid()",
        "random()",
        "state.count",
        "state['a b']",
        "state.get('a', 0)",
        "secrets.KEY",
        "steps | length",
        "{% for item in event.data.list %}{{ item }}{{ loop.index }}{% endfor %}",
        "{% set y = 1 %}{{ y }}",
        "foo is defined and foo",
    ],
)
def test_names_that_are_there(read, expression):
    text = of(expression) if "{%" not in expression else f'{HEAD}- {{action: log.info, message: "{expression}"}}\n'
    assert [p for p in read(text).problems if p.severity == "error"] == []


@pytest.mark.parametrize(
    ("expression", "rule", "column", "words"),
    [
        ("evnt.data", "unknown-name", 35, "did you mean `event`?"),
        ("event.dta.x", "unknown-name", 41, "did you mean `event.data`?"),
        ("event.total", "unknown-name", 41, "did you mean `event.data.total`?"),
        ("1 + steps.nope.output", "unknown-step", 45, "no step comes before this"),
        ("item.x", "not-here", 35, "for_each"),
        ("error.message", "not-here", 35, "on_error"),
        ("attempt", "not-here", 35, "retry.if"),
        ("output.x", "not-here", 35, "steps.NAME.output"),
        ("index", "not-here", 35, "while"),
        ("received.id", "not-here", 35, "wait_for"),
        ("branches.a", "not-here", 35, "join.until"),
        ("events[0]", "not-here", 35, "batch"),
        ("approval.id", "not-here", 35, "notify"),
        ("frobnicate", "unknown-name", 35, "put quotes around it"),
    ],
)
def test_names_that_are_not_there(one, expression, rule, column, words):
    problem = one(of(expression))
    assert (problem.severity, problem.rule, problem.line, problem.column) == ("error", rule, 3, column)
    assert words in problem.message


def test_steps_that_come_before_are_known_and_others_suggested(one):
    before = "- {name: charge, action: http.request, url: u}\n"
    assert "did you mean `charge`?" in one(of("steps.chrage.output", before)).message
    problem = one(of("steps.charge.body", before))
    assert (problem.rule, problem.line, problem.column) == ("unknown-name", 4, 48)
    assert "did you mean `steps.charge.output.body`?" in problem.message
    assert problem.fix.replacement == "output.body"


def test_a_name_with_a_dash_needs_brackets(read, one):
    before = "- {name: my-step, wait: 1s}\n"
    assert "steps['my-step']" in one(of("steps.my-step.output".replace("-step.output", ""), before)).message
    assert read(of("steps['my-step'].output", before)).problems == []


def test_a_later_step_has_not_run_yet(one):
    problem = one(HEAD + "- {name: a, if: steps.b.output, wait: 1s}\n- {name: b, wait: 1s}\n")
    assert (problem.rule, problem.line, problem.column) == ("not-run-yet", 3, 23)
    assert "(line 4)" in problem.message


def test_a_step_does_not_know_itself(one):
    assert one(HEAD + "- {name: a, if: steps.a.output, wait: 1s}\n").rule == "not-run-yet"
    problem = one(HEAD + "- {name: a, wait: 1s, on_error: [{fail: '{{ steps.a.error }}'}]}\n")
    assert (problem.rule, "its error is `error`" in problem.message) == ("not-run-yet", True)


def test_blocks_are_transparent(read, told):
    text = HEAD + "- {name: b, steps: [{name: i, wait: 1s}, {name: j, if: steps.i.status, wait: 1s}]}\n"
    assert read(text + "- {return: 'steps.i.status + steps.b.output'}\n").problems == []
    assert told(HEAD + "- {name: b, steps: [{name: i, if: steps.b.status, wait: 1s}]}\n") == ["3:41 not-run-yet"]
    assert told(HEAD + "- {name: b, steps: [{wait: 1s, if: steps.late.x}]}\n- {name: late, wait: 1s}\n") == [
        "3:42 not-run-yet"
    ]


def test_handlers_see_outwards_and_are_not_seen(read, told):
    text = """\
name: x
steps:
  - {name: first, wait: 1s}
  - name: b
    steps: [{name: i, wait: 1s}]
    on_error:
      - {name: h, if: steps.i.status and steps.first.status and error.kind, wait: 1s}
      - {return: steps.h.output}
    finally:
      - {if: error, wait: 1s}
  - {return: steps.i.output}
on_failure:
  - {action: log.info, message: "{{ error.message }} {{ steps.i.status }} {{ steps.b.status }}"}
"""
    assert read(text).problems == []
    assert told(text.replace("return: steps.i.output", "return: steps.h.output")) == ["11:20 unknown-step"]


def test_names_in_handlers_may_repeat_outer_ones(read):
    text = HEAD + "- {name: a, wait: 1s, on_error: [{name: a, wait: 1s}, {return: steps.a.output}]}\n"
    assert read(text).problems == []


def test_retry_if_and_output_see_more(read, told):
    good = "- {action: log.info, retry: {if: attempt < 3 and error.kind}, output: output.message}\n"
    assert read(HEAD + good).problems == []
    assert told(HEAD + "- {action: log.info, output: error.kind}\n") == ["3:30 not-here"]


def test_secrets_are_for_parameters_only(read, told):
    assert told(HEAD + "- {set: {x: '{{ secrets.KEY }}'}}\n") == ["3:17 not-here"]
    assert told(HEAD + "- {wait: 1s, if: secrets.KEY}\n") == ["3:18 not-here"]
    assert told(HEAD + "- {call: y, with: {x: '{{ secrets.KEY }}'}}\n") == ["3:27 not-here"]
    assert told(HEAD + "- {emit: {type: a, data: '{{ secrets.KEY | default(1) }}'}}\n") == ["3:30 not-here"]
    assert read(HEAD + "- {action: log.info, with: {message: '{{ secrets.KEY }}'}}\n").problems == []


def test_before_a_run_there_is_only_the_event(told):
    top = HEAD + "- wait: 1s\n"
    assert told(top + "if: vars.x\nunless: inputs.y\n") == ["4:5 not-here", "5:9 not-here"]
    assert told(top + "if: event.data.x == env.Y\n") == []
    assert told(top + "dedupe: {key: now(), for: 1h}\n") == ["4:15 not-here"]
    assert told(top + "vars: {a: '{{ steps.wait.output }}'}\n") == ["4:15 not-here"]
    assert told(top + "vars: {a: '{{ event.id }}', b: '{{ inputs.x }}'}\ntimeout: '{{ vars.a }}'\n") == []
    assert told(top + "timeout: '{{ steps.wait.output }}'\n") == ["4:14 not-here"]
    assert told(top + "connections: {d: {type: x, url: '{{ event.id }}'}}\n") == ["4:37 not-here"]


def test_inputs_by_their_schema(one):
    schema = "inputs: {type: object, properties: {days: {type: integer}}%s}\n"
    problem = one(schema % "" + of("inputs.dys"))
    assert (problem.severity, problem.rule, problem.suggestion) == ("warning", "unknown-input", "days")
    assert one(schema % ", additionalProperties: false" + of("inputs.dys")).severity == "error"


def test_inputs_of_a_schema_in_parts_are_not_judged(read):
    schema = "inputs: {properties: {days: {type: integer}}, allOf: [{properties: {b: {}}}]}\n"
    assert read(schema + of("inputs.b")).problems == []


def test_vars_that_nothing_sets_are_warned_of(read, one):
    problem = one("vars: {total: 1}\n" + of("vars.totl"))
    assert (problem.severity, problem.rule, problem.line, problem.column) == ("warning", "unknown-var", 4, 40)
    assert "did you mean `total`?" in problem.message
    assert "set:" in one(of("vars.x")).message
    later = of("vars.x") + "- {set: {x: 1}}\n"
    assert read(later).problems == []


def test_run_and_flow_are_warned_of_only(one):
    assert (one(of("run.nme")).severity, one(of("flow.nam")).suggestion) == ("warning", "name")


def test_what_may_be_missing_is_warned_of_only(one):
    assert one(of("steps.nope.output | default(1)")).severity == "warning"


def test_places_in_block_texts(one):
    text = """\
name: x
steps:
  - action: log.info
    message: >-
      Dear {{ event.data.name }},
      your order {{ evnt.id }} is on its way
"""
    problem = one(text)
    assert (problem.line, problem.column, problem.end_column, problem.text) == (6, 21, 25, "evnt")
    assert problem.fix.replacement == "event"


def test_places_behind_escapes(one):
    problem = one(HEAD + '- {action: log.info, message: "\\"\\u00e9\\n {{ evnt }}"}\n')
    assert problem.text == "evnt"


def test_every_wrong_name_of_a_value_is_told(told):
    text = HEAD + "- {action: log.info, json: {a: ['{{ aa }}', '{{ bb }} {{ cc }}'], '{{ dd }}': 1}}\n"
    assert told(text) == ["3:37 unknown-name", "3:49 unknown-name", "3:58 unknown-name", "3:71 unknown-name"]
