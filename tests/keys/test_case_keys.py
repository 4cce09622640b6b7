"""Keys of flow tests: the same test does not pass without the key, or with another value."""

import pytest

from reactor.testing import run_flow_tests

HEAD = "name: it\non: {event: go.*}\n"
CALL = "action: http.request, with: {method: POST, url: 'https://x.example'}"


@pytest.mark.proves("flow.tests.name")
def test_name(tmp_path, installed):
    """It is what is reported, and it is unique."""
    (tmp_path / "it.yaml").write_text(
        "name: it\nsteps: [{return: 1}]\ntests: [{name: one, expect: {output: 1}}, {name: two, expect: {output: 2}}]\n"
    )
    report = run_flow_tests(tmp_path, catalog=installed)
    assert [(result.name, result.passed) for result in report.results] == [("one", True), ("two", False)]
    assert "✗ it: two" in report.text()


@pytest.mark.proves("flow.tests.event", "flow.tests.event.{type,data,id,source,subject,time,metadata}")
def test_event(shows):
    flow = (
        HEAD
        + """\
steps: [{wait: 1s}]
outputs:
  - "{{ event.type }} {{ event.data }} {{ event.id }} {{ event.source }}"
  - "{{ event.subject }} {{ event.time }} {{ event.metadata.path | default('') }}"
tests:
  - name: t
    event: {type: go.on, data: 7, id: e1, source: shop, subject: o-7, time: "2026-02-03T04:05:06Z", metadata: {path: x}}
    expect: {output: [go.on 7 e1 shop, "o-7 2026-02-03T04:05:06.000Z x"]}
"""
    )
    event = flow.partition("event: {type")[2].partition("}}\n")[0]
    shows(
        flow,
        ("    event: {type" + event + "}}\n", ""),
        ("type: go.on", "type: go.off"),
        ("data: 7, ", ""),
        ("id: e1, ", ""),
        ("source: shop, ", ""),
        ("subject: o-7, ", ""),
        ('time: "2026-02-03T04:05:06Z", ', ""),
        (", metadata: {path: x}", ""),
    )


@pytest.mark.proves("flow.tests.event.type")
def test_event_type_of_the_trigger(shows):
    flow = "name: it\non: {event: go}\nsteps: [{return: event.type}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: go}}]\n"
    shows(flow, ("event: {},", "event: {type: other},"))


@pytest.mark.proves("flow.tests.inputs")
def test_inputs(shows):
    flow = (
        "name: it\ninputs: {type: object, properties: {n: {type: integer, default: 1}}}\nsteps: [{return: inputs.n}]\n"
    )
    shows(flow + "tests: [{name: t, inputs: {n: 7}, expect: {output: 7}}]\n", ("inputs: {n: 7}, ", ""))


MOCKED = (
    HEAD
    + f"""\
vars: {{at: ""}}
steps:
  - {{name: a, retry: {{max: 2, delay: 1s, jitter: 0}}, {CALL}}}
  - {{name: e, for_each: [1, 2, 3], steps: [{{name: b, {CALL}}}]}}
  - {{name: c, {CALL}}}
outputs: {{a: "{{{{ steps.a.output }}}}", e: "{{{{ steps.e.output }}}}", at: "{{{{ now() }}}}"}}
tests:
  - name: t
    event: {{type: go.on}}
    mock:
      a: [{{error: http.503, after: 2s}}, {{output: 1}}]
      b: {{outputs: [x, y]}}
      c: {{error: {{kind: shop.closed, message: until Monday}}}}
    expect:
      error: {{kind: shop.closed, message: Monday}}
      outputs: {{a: 1, e: [x, y, y]}}
"""
)


@pytest.mark.proves("flow.tests.mock", "flow.tests.mock.{output,outputs,error}", "flow.tests.mock.error.{kind,message}")
def test_mock(shows):
    shows(
        MOCKED,
        ("      c: {error: {kind: shop.closed, message: until Monday}}\n", ""),
        ("{output: 1}", "{output: 2}"),
        ("outputs: [x, y]", "outputs: [x, z]"),
        ("outputs: [x, y]", "output: x"),
        ("[{error: http.503, after: 2s}, {output: 1}]", "{error: http.503}"),
        ("[{error: http.503, after: 2s}, {output: 1}]", "[{error: http.404}, {error: http.404}]"),
        ("kind: shop.closed, message: until", "kind: shop.open, message: until"),
        ("message: until Monday", "message: until Tuesday"),
    )


@pytest.mark.proves("flow.tests.mock.after", "flow.tests.now")
def test_time(shows):
    flow = HEAD + f"steps: [{{name: a, {CALL}}}, {{return: now()}}]\n"
    flow += "tests: [{name: t, now: '2026-11-23T09:00:00Z', event: {type: go.on}, mock: {a: {output: 1, after: 2h}}, "
    flow += "expect: {output: '2026-11-23T11:00:00.000Z'}}]\n"
    shows(flow, (", after: 2h", ""), ("now: '2026-11-23T09:00:00Z', ", ""))


@pytest.mark.proves("flow.tests.send", "flow.tests.send.{after,type,data,subject,source,id,metadata}")
def test_send(shows):
    flow = (
        HEAD
        + """\
steps: [{name: w, wait_for: {event: "told.*", timeout: 1d}}]
outputs:
  - "{{ steps.w.output.type }} {{ steps.w.output.data }} {{ steps.w.output.subject }} {{ steps.w.output.source }}"
  - "{{ steps.w.output.id }} {{ steps.w.output.metadata.topic | default('') }} {{ now() }}"
tests:
  - name: t
    event: {type: go.on}
    send: [{after: 2h, type: told.it, data: 7, subject: o-7, source: shop, id: e-2, metadata: {topic: orders}}]
    expect: {output: [told.it 7 o-7 shop, "e-2 orders 2026-01-01T02:00:00.000Z"]}
"""
    )
    sent = flow[flow.index("    send:") : flow.index("    expect:")]
    shows(
        flow,
        (sent, ""),
        ("after: 2h, ", ""),
        ("type: told.it", "type: told.that"),
        ("data: 7, ", ""),
        ("subject: o-7, ", ""),
        ("source: shop, ", ""),
        ("id: e-2, ", ""),
        (", metadata: {topic: orders}", ""),
    )


ASK = (
    HEAD
    + """\
steps:
  - {name: one, approve: {title: A, by: [ann, bob], form: {type: object, properties: {why: {type: string}}}}}
  - {name: two, approve: {title: B, timeout: 1d}}
outputs:
  - "{{ steps.one.output.decision }} {{ steps.one.output.by }} {{ steps.one.output.form.why }}"
  - "{{ steps.two.output.by }} {{ now() }}"
tests:
  - name: t
    event: {type: go.on}
    approve:
      - {step: one, decision: reject, by: bob, after: 1h, form: {why: dear}}
      - {step: two, by: joe, after: 2h}
    expect: {output: [rejected bob dear, "joe 2026-01-01T03:00:00.000Z"]}
"""
)


@pytest.mark.proves("flow.tests.approve", "flow.tests.approve.{step,after,decision,by,form}")
def test_approve(shows):
    asked = ASK[ASK.index("    approve:\n") : ASK.index("    expect:")]
    shows(
        ASK,
        (asked, ""),
        ("step: one", "step: two"),
        ("decision: reject, ", ""),
        ("by: bob, ", ""),
        ("after: 1h, ", ""),
        (", form: {why: dear}", ", form: {why: cheap}"),
        ("by: joe, ", ""),
        ("by: bob, ", "by: eve, "),
    )


@pytest.mark.proves("flow.tests.approve.{by,form}")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "by: bob",
            "by: eve",
            "the decision on `one` is refused: eve is not asked; those who may decide then are ann, bob",
        ),
        ("{why: dear}", "{why: 7}", "the decision on `one` is refused: the form: why"),
        ("by: joe", "by: joe, form: {x: 1}", "the decision on `two` is refused: there is no form to fill in"),
    ],
)
def test_decisions_that_nobody_would_take(tmp_path, installed, old, new, told):
    (tmp_path / "it.yaml").write_text(ASK.replace(old, new))
    [result] = run_flow_tests(tmp_path, catalog=installed).results
    assert any(one.message.startswith(told) for one in result.mismatches), result.mismatches


@pytest.mark.proves("flow.tests.state", "flow.tests.expect.state")
def test_state(shows):
    flow = HEAD + "steps: [{name: s, state: {key: n, add: 1}}]\n"
    flow += "tests: [{name: t, event: {type: go.on}, state: {n: 3}, expect: {state: {n: 4}}}]\n"
    shows(flow, ("state: {n: 3}, ", ""), ("expect: {state: {n: 4}}", "expect: {state: {n: 5}}"))


@pytest.mark.proves("flow.tests.{secrets,env}")
def test_secrets_and_env(shows):
    flow = HEAD + "steps: [{name: h, action: data.hash, with: {text: '{{ secrets.KEY }}'}}]\n"
    flow += "outputs: \"{{ steps.h.output.output[:8] }} {{ env.REGION | default('none') }}\"\n"
    flow += "tests: [{name: t, event: {type: go.on}, secrets: {KEY: abc}, env: {REGION: eu}, "
    flow += "expect: {output: ba7816bf eu}}]\n"
    shows(flow, ("secrets: {KEY: abc}, ", ""), ("env: {REGION: eu}, ", ""))


@pytest.mark.proves("flow.tests.advance")
def test_advance(shows):
    flow = (
        HEAD + "steps: [{wait: 3d}]\ntests: [{name: t, event: {type: go.on}, advance: 2d, expect: {status: waiting}}]\n"
    )
    shows(flow, ("advance: 2d, ", ""), ("advance: 2d", "advance: 4d"))


EXPECT = (
    HEAD
    + f"""\
vars: {{n: 1}}
steps:
  - {{name: a, {CALL}}}
  - {{name: b, if: event.data.more, {CALL}}}
  - {{name: e, emit: {{type: told, data: {{n: 1}}}}}}
  - {{name: f, if: event.data.bad, fail: {{kind: mine, message: all wrong}}}}
  - {{name: r, return: 5}}
tests:
  - name: good
    event: {{type: go.on, data: {{more: false, bad: false}}}}
    mock: {{a: {{output: 3}}}}
    expect:
      status: completed
      output: 5
      steps: {{a: completed, b: skipped}}
      outputs: {{a: 3}}
      called: [a]
      not_called: [b]
      emitted: [{{type: told, data: {{n: 1}}}}]
      vars: {{n: 1}}
  - {{name: starts, event: {{type: go.on}}, expect: {{matches: true}}}}
  - name: bad
    event: {{type: go.on, data: {{more: true, bad: true}}}}
    mock: {{a: {{output: 3}}, b: {{output: 4}}}}
    expect: {{error: {{kind: mine, message: all wrong}}, emitted: [{{type: told}}]}}
"""
)


@pytest.mark.proves(
    "flow.tests.expect",
    "flow.tests.expect.{status,output,error,steps,outputs,called,not_called,emitted,vars,matches}",
    "flow.tests.expect.error.{kind,message}",
    "flow.tests.expect.emitted.{type,data}",
)
def test_expect(shows):
    """Whatever is expected otherwise than it is, fails."""
    shows(
        EXPECT,
        ("status: completed", "status: failed"),
        ("output: 5", "output: 6"),
        ("b: skipped", "b: completed"),
        ("outputs: {a: 3}", "outputs: {a: 4}"),
        ("called: [a]", "called: [a, b]"),
        ("not_called: [b]", "not_called: [a]"),
        ("data: {n: 1}}]", "data: {n: 2}}]"),
        ("emitted: [{type: told, data", "emitted: [{type: else, data"),
        ("      vars: {n: 1}", "      vars: {n: 2}"),
        ("matches: true", "matches: false"),
        ("error: {kind: mine", "error: {kind: yours"),
        ("mine, message: all wrong}, emitted", "mine, message: all right}, emitted"),
        ("{error: {kind: mine, message: all wrong}, emitted: [{type: told}]}", "{emitted: [{type: told}]}"),
    )
