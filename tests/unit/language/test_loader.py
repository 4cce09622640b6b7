"""From YAML to the model: what is taken, what is refused, and where it is said."""

import pytest

from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    EmitStep,
    FailStep,
    Retry,
    ReturnStep,
    SetStep,
    WaitStep,
)

BIG = """\
name: big-order
description: Charge a big order and tell sales
labels: {team: sales, level: 3}
on:
  - {event: order.*, source: shop, if: event.data.total > 100, id: event.data.id}
  - {webhook: "/orders/{id}", methods: [POST], secret: "{{ secrets.HOOK }}", type: order.posted, enabled: false}
  - file: {path: inbox, changes: [created], settle: 2s}
  - schedule: "@daily"
if: event.data.total > 100
unless: event.data.test
inputs: {type: object, properties: {days: {type: integer}}, additionalProperties: false}
vars: {tries: 0, who: "{{ event.data.name }}"}
timeout: 1d
timezone: Europe/Berlin
connections: {db: {type: sqlite, url: "{{ secrets.DB }}"}}
dedupe: {key: event.data.id, for: 1h}
steps:
  - name: charge
    action: http.request
    method: POST
    with: {url: "https://pay.example/charge", json: {order: "{{ event.data.id }}"}, headers: {x: "{{ secrets.KEY }}"}}
    retry: {max: 5, backoff: linear, delay: 1s, factor: 3, max_delay: 2m, jitter: 0, on: [timeout, http.5xx],
            stop_on: http.404, if: "error.kind != 'x' and attempt < 4", then: pause}
    timeout: 20s
    deadline: "{{ inputs.days }}d"
    delivery: at_most_once
    continue_on_error: true
    output: output.body
    on_error:
      - {action: log.info, message: "{{ error.message }}"}
    finally:
      - set: {tries: "{{ vars.tries + 1 }}"}
  - name: block
    timeout: 5m
    steps:
      - {name: inner, wait: 2h}
      - {wait: {until: "2026-11-23T09:00:00Z"}}
      - {wait: "{{ event.data.pause }}"}
  - emit: {type: order.charged, data: {id: "{{ event.data.id }}"}, subject: "{{ steps.inner.status }}"}
  - {call: other-flow, with: {id: "{{ steps.charge.output.id }}"}, wait: true}
  - {if: vars.tries > 3, fail: {kind: too.often, message: "{{ vars.tries }} times", data: [1]}}
  - {unless: steps.call.output, fail: no answer}
  - return: {a: "{{ steps.charge.output }}", b: [1, true, null]}
outputs: {paid: "{{ steps.charge.output }}"}
on_failure:
  - {action: log.info, message: "{{ error.kind }} {{ steps.block.status }}"}
"""


def test_a_flow_with_everything(read):
    loaded = read(BIG)
    assert [str(problem) for problem in loaded.problems] == []
    flow = loaded.flow
    assert (flow.name, flow.labels, flow.timeout, flow.timezone) == (
        "big-order",
        {"team": "sales", "level": "3"},
        86_400_000,
        "Europe/Berlin",
    )
    assert flow.connections == {"db": {"type": "sqlite", "url": "{{ secrets.DB }}"}}
    assert flow.dedupe.for_ == 3_600_000
    assert flow.dedupe.key.evaluate({"event": {"data": {"id": 7}}}) == 7
    assert [type(step) for step in flow.steps] == [
        ActionStep, BlockStep, EmitStep, CallStep, FailStep, FailStep, ReturnStep,
    ]  # fmt: skip
    assert [step.name for step in flow.steps] == ["charge", "block", "emit", "call", "fail", "fail-2", "return"]
    assert [step.line for step in flow.steps] == [18, 33, 39, 40, 41, 42, 43]
    assert flow.source == BIG
    assert not flow.legacy


def test_triggers_as_the_model_wants_them(read):
    triggers = read(BIG).flow.triggers
    assert [(t.key, t.kind, t.config, t.line) for t in triggers] == [
        ("big-order/0", "event", {"": "order.*", "source": "shop"}, 5),
        ("big-order/1", "webhook", {"": "/orders/{id}", "methods": ["POST"], "secret": "{{ secrets.HOOK }}"}, 6),
        ("big-order/2", "file", {"path": "inbox", "changes": ["created"], "settle": "2s"}, 7),
        ("big-order/3", "schedule", {"": "@daily"}, 8),
    ]
    assert triggers[0].if_.evaluate({"event": {"data": {"total": 101}}}) is True
    assert (triggers[1].type, triggers[1].enabled) == ("order.posted", False)


def test_an_action_step(read):
    step = read(BIG).flow.steps[0]
    assert (step.timeout, step.delivery, step.continue_on_error) == (20_000, "at_most_once", True)
    assert step.deadline.evaluate({"inputs": {"days": 3}}) == "3d"
    params = step.params.evaluate({"event": {"data": {"id": 7}}, "secrets": {"KEY": "k"}})
    assert params == {
        "method": "POST",
        "url": "https://pay.example/charge",
        "json": {"order": 7},
        "headers": {"x": "k"},
    }
    assert step.params.names == {"event", "secrets"}
    assert step.output.evaluate({"output": {"body": 1}}) == 1
    assert [inner.name for inner in (*step.on_error, *step.finally_)] == ["log_info", "set"]
    retry = step.retry
    assert (retry.max, retry.backoff, retry.delay, retry.factor, retry.max_delay) == (5, "linear", 1_000, 3, 120_000)
    assert (retry.jitter, retry.on, retry.stop_on, retry.then) == (0, ("timeout", "http.5xx"), ("http.404",), "pause")
    assert retry.if_.evaluate({"error": {"kind": "y"}, "attempt": 3}) is True


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("none", Retry(max=1)),
        ("3", Retry(max=3)),
        ("{}", Retry()),
        ("{max: 2, backoff: fixed, delay: 0s}", Retry(max=2, backoff="fixed", delay=0)),
        ("{delay: 5m}", Retry(delay=300_000, max_delay=3_000_000)),
    ],
)
def test_retry(steps, text, policy):
    assert steps(f"- {{action: log.info, retry: {text}}}")[0].retry == policy


def test_a_templated_delay_is_not_cut_short(steps):
    retry = steps('- {action: log.info, retry: {delay: "{{ event.data.pause }}"}}')[0].retry
    assert retry.max_delay == 3_600_000


def test_waits(steps):
    short, until, computed = steps("- wait: 1h30m\n- wait: {until: 2026-11-23}\n- wait: '{{ event.data.x }}'")
    assert isinstance(short, WaitStep)
    assert short.for_ == 5_400_000
    assert until.until.evaluate({}) == "2026-11-23"
    assert computed.for_.evaluate({"event": {"data": {"x": "5m"}}}) == "5m"
    assert steps("- wait: 0s")[0].for_ == 0


def test_plain_texts_in_set_stay_texts(steps):
    (step,) = steps(
        "- set: {a: hello, b: '{{ 1 + 1 }}', c: [x, '{{ 2 }}'], '{{ 3 }}x': 1}".replace(", '{{ 3 }}x': 1", "")
    )
    assert isinstance(step, SetStep)
    assert step.values.evaluate({}) == {"a": "hello", "b": 2, "c": ["x", 2]}


def test_return_and_output_take_bare_expressions(steps):
    first, second, third, fourth = steps(
        "- {name: a, action: log.info, output: \"{'x': output.y}\"}\n"
        "- {if: 'true', return: 1 + 1}\n- {if: true, return: '{{ 2 }}'}\n- return:"
    )
    assert first.output.evaluate({"output": {"y": 5}}) == {"x": 5}
    assert [step.value.evaluate({}) for step in (second, third, fourth)] == [2, 2, None]


def test_keys_of_maps_may_be_templates(steps):
    (step,) = steps('- {action: http.request, url: u, method: POST, json: {"{{ event.id }}": "{{ event.type }}"}}')
    assert step.params.evaluate({"event": {"id": "1", "type": "t"}})["json"] == {"1": "t"}


def test_command_lines_are_quoted(steps):
    (step,) = steps("- {action: shell.exec, command: \"echo 'Hi {{ event.data.name }}'\"}")
    command = step.params.evaluate({"event": {"data": {"name": "'; rm -rf ~"}}})["command"]
    assert command != "echo 'Hi '; rm -rf ~'"


def test_unknown_parameters_of_an_open_action_are_its_fields(steps):
    (step,) = steps("- {action: log.info, message: m, color: red, with: {name: n}}")
    assert step.params.evaluate({}) == {"name": "n", "message": "m", "color": "red"}


def test_the_digest_is_of_the_content(read):
    first = read("name: x # comment\nsteps:\n  - action: log.info\n    message: 'hi'\n").flow.digest
    same = read('---\nname: "x"\nsteps: [{action: log.info, message: hi}]\n').flow.digest
    other = read("name: x\nsteps: [{action: log.info, message: ho}]\n").flow.digest
    assert first == same != other
    assert len(first) == 64


# --- what is wrong ---------------------------------------------------------------------------------------------------

STEP = "name: x\nsteps:\n"
TOP = "name: x\nsteps: [{action: log.info}]\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", ["1:1 wrong-type"]),
        ("just text", ["1:1 wrong-type"]),
        ("{}", ["1:1 missing-key", "1:1 missing-key"]),
        ("steps: [{action: log.info}]", ["1:1 missing-key"]),
        ("name: x", ["1:1 missing-key"]),
        ("name: x\nsteps:", ["2:1 no-value"]),
        ("name: x\nsteps: []", ["2:8 no-value"]),
        ("name: x\nsteps: {a: 1}", ["2:8 wrong-type"]),
        ("name: x\nsteps: [1]", ["2:9 wrong-type"]),
        ("name: Big Order\nsteps: [{action: log.info}]", ["1:7 name"]),
        ("name: [x]\nsteps: [{action: log.info}]", ["1:7 name"]),
        ("name:\nsteps: [{action: log.info}]", ["1:6 no-value"]),
        (TOP + "descripton: x", ["3:1 unknown-key"]),
        (TOP + "description: [x]", ["3:14 wrong-type"]),
        (TOP + "description: '{{ event.id }}'", ["3:14 constant"]),
        (TOP + "labels: [a]", ["3:9 wrong-type"]),
        (TOP + "labels: {a: {b: c}}", ["3:13 wrong-type"]),
        (TOP + "timeout: soon", ["3:10 duration"]),
        (TOP + "timeout: -5s", ["3:10 duration"]),
        (TOP + "timeout: 0s", ["3:10 out-of-range"]),
        (TOP + "timeout: 10", ["3:10 bare-seconds?"]),
        (TOP + "timeout: [1s]", ["3:10 wrong-type"]),
        (TOP + "timeout:", ["3:9 no-value"]),
        (TOP + "timezone: Berlin", ["3:11 timezone"]),
        (TOP + "timezone: ../../etc/passwd", ["3:11 timezone"]),
        (TOP + "if: [a]", ["3:5 wrong-type"]),
        (TOP + "if: event.data.total >", ["3:22 expression"]),
        (TOP + "if: 'a {{ b }} c'", ["3:8 expression"]),
        (TOP + "vars: [a]", ["3:7 wrong-type"]),
        (TOP + "vars: {1a: 2}", ["3:8 name"]),
        (TOP + "inputs: text", ["3:9 wrong-type"]),
        (TOP + "inputs: {id: {type: integer}}", ["3:9 schema"]),
        (TOP + "inputs: {type: object, requird: [a]}", ["3:24 schema?"]),
        (TOP + "inputs: {type: objct}", ["3:9 schema"]),
        (TOP + "dedupe: {key: event.id}", ["3:9 missing-key"]),
        (TOP + "dedupe: {key: event.id, for: '{{ x }}'}", ["3:30 wrong-type"]),
        (TOP + "dedupe: event.id", ["3:9 wrong-type"]),
        (TOP + "connections: {db: {url: x}}", ["3:19 missing-key"]),
        (TOP + "connections: [db]", ["3:14 wrong-type"]),
        (TOP + "connections: {db: {type: x, url: '{{ secrets.A | lower }}'}}", ["3:35 constant"]),
        (TOP + "connections: {db: {type: x, url: 'a://{{ secrets.A }}@{{ env.B }}/c'}}", []),
        ("name: x\nworkflow: [{action: log.info}]\nsteps: [{action: log.info}]", ["2:1 several-keys"]),
    ],
)
def test_problems_of_the_flow(told, text, found):
    assert told(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- acton: log.info", ["3:3 unknown-key"]),
        ("- {}", ["3:3 no-verb"]),
        ("- name: a\n  message: hi", ["3:3 no-verb"]),
        ("- wait: 1s\n  set: {a: 1}", ["4:3 several-verbs"]),
        ("- action: log.info\n  emit: {type: a}", ["4:3 several-verbs"]),
        ("- action: log.inof", ["3:11 unknown-action"]),
        ("- action: [a]", ["3:11 wrong-type"]),
        ("- action: '{{ event.id }}'", ["3:11 wrong-type"]),
        ("- action: http.request", ["3:11 missing-parameter"]),
        ("- {action: http.request, url: x, methd: GET}", ["3:34 unknown-parameter"]),
        ("- {action: http.request, url: x, method: GTE}", ["3:42 wrong-type"]),
        ("- {action: http.request, url: [x]}", ["3:31 wrong-type"]),
        ("- {action: http.request, url: x, headers: {a: [1]}}", ["3:43 wrong-type"]),
        ("- {action: http.request, url: x, tries: many}", ["3:41 wrong-type"]),
        ("- {action: http.request, url: x, tries: '3'}", []),
        ("- {action: http.request, url: x, tries: '{{ event.id }}'}", []),
        ("- {action: http.request, url: x, auth: {user: u}}", ["3:40 wrong-type"]),
        ("- {action: http.request, url: x, auth: {user: u, pasword: p, password: p}}", ["3:50 wrong-type"]),
        ("- {action: http.request, url: x, auth: {user: '{{ event.id }}', pasword: p}}", ["3:65 unknown-parameter"]),
        ("- {action: http.request, url: x, auth: {user: '{{ event.id }}', password: [p]}}", ["3:75 wrong-type"]),
        ("- {action: http.request, url: x, parts: ['{{ event.id }}', 5]}", ["3:60 wrong-type"]),
        ("- {action: http.request, url: x, json: 1}", ["3:12 wrong-type"]),
        ("- {action: http.request, url: x, with: {url: y}}", ["3:26 duplicate-key"]),
        ("- {action: http.request, with: [url]}", ["3:12 missing-parameter", "3:32 wrong-type"]),
        ("- {action: log.info, with: }", []),
        ("- {action: shell.exec, command: 'echo $({{ event.id }})'}", ["3:49 expression"]),
        ("- {action: log.info, retry: often}", ["3:29 wrong-type"]),
        ("- {action: log.info, retry: 0}", ["3:29 out-of-range"]),
        ("- {action: log.info, retry: {max: 0}}", ["3:35 out-of-range"]),
        ("- {action: log.info, retry: {max: 2.5}}", ["3:35 wrong-type"]),
        ("- {action: log.info, retry: {max: '{{ vars.n }}'}}", ["3:35 wrong-type"]),
        ("- {action: log.info, retry: {maxx: 1}}", ["3:30 unknown-key"]),
        ("- {action: log.info, retry: {backoff: exponental}}", ["3:39 wrong-word"]),
        ("- {action: log.info, retry: {factor: 0.5}}", ["3:38 out-of-range"]),
        ("- {action: log.info, retry: {jitter: 2}}", ["3:38 out-of-range"]),
        ("- {action: log.info, retry: {delay: 2m, max_delay: 1m}}", ["3:37 out-of-range"]),
        ("- {action: log.info, retry: {on: []}}", ["3:34 no-value"]),
        ("- {action: log.info, retry: {on: [true]}}", ["3:35 wrong-type"]),
        ("- {action: log.info, retry: {then: stop}}", ["3:36 wrong-word"]),
        ("- {action: log.info, delivery: once}", ["3:32 wrong-word"]),
        ("- {action: log.info, continue_on_error: yes}", ["3:41 wrong-type"]),
        ("- {action: log.info, on_error: }", ["3:22 no-value"]),
        ("- {action: log.info, on_error: {fail: x}}", ["3:32 wrong-type"]),
        ("- {action: log.info, on_error: [{fial: x}]}", ["3:34 unknown-key"]),
        ("- {action: log.info, output: 'a b'}", ["3:33 expression"]),
        ("- {wait: 1s, retry: 3}", []),
        ("- {wait: 1s, timeout: 3s}", []),
        ("- {call: y, deadline: 3s}", []),
        ("- {set: {a: 1}, delivery: at_most_once}", ["3:17 not-here"]),
        ("- {steps: [{wait: 1s}], retry: 2, timeout: 1m, deadline: 1m}", []),
        ("- {steps: }", ["3:4 no-value"]),
        ("- {steps: [{wait: 1s}], message: hi}", ["3:25 unknown-key"]),
        ("- {name: a b, wait: 1s}", ["3:10 name"]),
        ("- {name: a, wait: 1s}\n- {name: a, wait: 1s}", ["4:10 duplicate-name"]),
        ("- {name: a, wait: 1s}\n- {name: b, steps: [{name: a, wait: 1s}]}", ["4:28 duplicate-name"]),
        ("- {wait: soon}", ["3:10 duration"]),
        ("- {wait: {untill: x}}", ["3:10 missing-key", "3:11 unknown-key"]),
        ("- {wait: {until: tomorrow}}", ["3:18 time"]),
        ("- {wait: true}", ["3:10 wrong-type"]),
        ("- {emit: order.created}", ["3:10 wrong-type"]),
        ("- {emit: {data: 1}}", ["3:10 missing-key"]),
        ("- {emit: {type: [a]}}", ["3:17 wrong-type"]),
        ("- {emit: {type: a, dta: 1}}", ["3:20 unknown-key"]),
        ("- {set: x}", ["3:9 wrong-type"]),
        ("- {set: {}}", ["3:9 wrong-type"]),
        ("- {set: {x: event.data.total}}", ["3:13 looks-like-expression?"]),
        ("- {set: {x: 'event.data of today'}}", []),
        ("- {call: '{{ event.data.flow }}'}", ["3:10 wrong-type"]),
        ("- {call: y, id: 7}", ["3:13 unknown-key"]),
        ("- {call: y, with: [7]}", ["3:19 wrong-type"]),
        ("- {call: y, wait: false}", []),
        ("- {call: y, wait: 2h}", ["3:19 wrong-type"]),
        ("- {call: y, version: 2}", []),
        ("- {call: y, version: 0}", ["3:22 out-of-range"]),
        ("- {call: y, version: '2'}", ["3:22 wrong-type"]),
        ("- {call: y, version: '{{ vars.v }}'}", ["3:22 wrong-type"]),
        ("- {call: y, version: -1}", ["3:22 out-of-range"]),
        ("- {emit: {type: reactor.approval.decided}}", ["3:17 reserved"]),
        ("- {emit: {type: 'reactor.{{ event.id }}'}}", ["3:17 reserved"]),
        ("- {action: log.info, secret_output: 1}", ["3:37 wrong-type"]),
        ("- {return: hello world}", ["3:18 expression"]),
        ("- {fail: true}", ["3:10 wrong-type"]),
        ("- {fail: {}}", ["3:10 wrong-type"]),
        ("- {fail: {knd: x}}", ["3:11 unknown-key"]),
        ("- {action: log.info, message: 'a {{ event.id'}", ["3:43 expression"]),
    ],
)
def test_problems_of_steps(told, text, found):
    assert told(STEP + text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("on: order.created", ["3:5 wrong-type"]),
        ("on: []", ["3:5 no-value"]),
        ("on:", ["3:4 no-value"]),
        ("on: [1]", ["3:6 wrong-type"]),
        ("on: {webook: /x}", ["3:6 unknown-trigger"]),
        ("on: {if: event.id, id: event.id}", ["3:5 unknown-trigger"]),
        ("on: {event: a, webhook: /x}", ["3:16 several-triggers"]),
        ("on: {event: a, sorce: b}", ["3:16 unknown-parameter"]),
        ("on: {event: [a]}", ["3:13 wrong-type"]),
        ("on: {event: }", ["3:6 no-value"]),
        ("on: {feed: a}", ["3:12 wrong-type"]),
        ("on: {feed: {}}", ["3:6 missing-parameter"]),
        ("on: {feed: {topic: a}}", []),
        ("on: {feed: {topic: a}, topic: b}", ["3:24 duplicate-key"]),
        ("on: {event: a, event.type: b}", ["3:16 unknown-parameter"]),
        ("on: {event: '{{ env.TYPE }}'}", ["3:14 constant"]),
        ("on: {webhook: /x, secret: 'x{{ secrets.A }}'}", ["3:29 constant"]),
        ("on: {webhook: /x, secret: '{{ secrets.A }}'}", []),
        ("on: {file: in, settle: 0s}", ["3:24 trigger"]),
        ("on: {schedule: {cron: a, every: b}}", ["3:16 trigger"]),
        ("on: {file: in, changes: [creatd]}", ["3:26 wrong-type"]),
        ("on: {event: a, enabled: no}", ["3:25 wrong-type"]),
        ("on: {event: a, type: 'a b'}", ["3:22 name"]),
        ("on: {event: a, type: reactor.x}", ["3:22 reserved"]),
        ("on: {event: a, if: vars.x}", ["3:20 not-here"]),
        ("on: {event: a, id: now()}", ["3:20 not-here"]),
        ("on: {event: a, id: 5}", ["3:20 wrong-type"]),
    ],
)
def test_problems_of_triggers(told, text, found):
    assert told(TOP + text) == found


def test_all_problems_are_told_at_once_and_in_order(told):
    text = "name: X\non: {evnt: a}\ntimeout: x\nsteps:\n  - acton: a\n  - {action: log.info, if: '('}\nfoo: 1\n"
    assert told(text) == [
        "1:7 name",
        "2:6 unknown-trigger",
        "3:10 duration",
        "5:5 unknown-key",
        "6:29 expression",
        "7:1 unknown-key",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (TOP + "on_failur: []", "on_failure"),
        (TOP + "retension: 1d", "retention"),
        (STEP + "- {action: log.info, continue-on-error: true, onerror: []}", None),
        (STEP + "- {wait: 1s, unles: x}", "unless"),
        (STEP + "- {action: http.requst, url: x}", "http.request"),
        (STEP + "- {action: http.request, uri: x}", "url"),
        (TOP + "on: {shedule: '@daily'}", "schedule"),
        (TOP + "timezone: europe/berlin", "Europe/Berlin"),
    ],
)
def test_did_you_mean(read, text, meant):
    suggestions = [problem.suggestion for problem in read(text).problems]
    assert (meant in suggestions) if meant else not suggestions


def test_beside_an_action_a_key_of_the_step_may_have_been_meant(read):
    (problem,) = read("name: x\nsteps:\n- {action: http.request, url: x, rety: 3}").problems
    assert problem.suggestion == "retry"
