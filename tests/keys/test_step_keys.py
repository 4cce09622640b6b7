"""Keys of every step: each one by a flow whose own tests fail without it."""

import pytest

HEAD = "name: it\non: {event: go}\n"
CALL = "action: http.request, with: {method: POST, url: 'https://x.example'}"


@pytest.mark.proves("step.name")
def test_name(shows):
    flow = HEAD + "vars: {where: ''}\nsteps: [{name: charge, fail: no}]\n"
    flow += "on_failure: [{name: note, set: {where: '{{ error.step }}'}}]\n"
    flow += "tests: [{name: t, event: {}, expect: {status: failed, vars: {where: charge}}}]\n"
    shows(flow, ("name: charge", "name: pay"))


@pytest.mark.proves("step.if")
def test_if(shows):
    flow = HEAD + "steps: [{name: a, if: event.data.big, return: 1}]\n"
    flow += "tests: [{name: t, event: {data: {big: false}}, expect: {output: null, steps: {a: skipped}}},\n"
    flow += "        {name: u, event: {data: {big: true}}, expect: {output: 1}}]\n"
    shows(flow, ("if: event.data.big, ", ""), ("if: event", "unless: event"))


@pytest.mark.proves("step.unless")
def test_unless(shows):
    flow = HEAD + "steps: [{name: a, unless: event.data.test, return: 1}]\n"
    flow += "tests: [{name: t, event: {data: {test: true}}, expect: {output: null, steps: {a: skipped}}}]\n"
    shows(flow, ("unless: event.data.test, ", ""))


@pytest.mark.proves("step.timeout")
def test_timeout(shows):
    flow = HEAD + f"steps: [{{name: a, timeout: 20s, {CALL}}}]\n"
    flow += "tests: [{name: t, event: {}, mock: {a: {output: 1, after: 21s}}, expect: {error: timeout}}]\n"
    shows(flow, ("timeout: 20s, ", ""), ("timeout: 20s", "timeout: 22s"))


@pytest.mark.proves("step.deadline")
def test_deadline(shows):
    """Of all attempts together: neither another attempt nor the one under way goes beyond it."""
    flow = (
        HEAD
        + f"""\
vars: {{at: ""}}
steps: [{{name: a, deadline: 25s, retry: {{max: 9, backoff: fixed, delay: 10s, jitter: 0}}, {CALL}}}]
on_failure: [{{name: note, set: {{at: "{{{{ now() }}}}"}}}}]
tests:
  - name: attempts at 0, 10 and 20 s
    event: {{}}
    mock: {{a: {{error: http.503}}}}
    expect: {{error: http.503, vars: {{at: "2026-01-01T00:00:20.000Z"}}}}
  - {{name: one that lasts, event: {{}}, mock: {{a: {{output: 1, after: 26s}}}}, expect: {{error: timeout}}}}
"""
    )
    shows(flow, ("deadline: 25s, ", ""), ("deadline: 25s, ", "deadline: 15s, "))


RETRY = (
    HEAD
    + f"""\
steps:
  - {{name: a, retry: {{max: 4, backoff: exponential, delay: 2s, factor: 3, max_delay: 15s, jitter: 0}}, {CALL}}}
  - {{name: at, return: "{{{{ now() }}}}"}}
tests:
  - name: pauses of 2, 6 and 15 seconds
    event: {{}}
    mock: {{a: [{{error: http.503}}, {{error: http.503}}, {{error: http.503}}, {{output: 1}}]}}
    expect: {{output: "2026-01-01T00:00:23.000Z"}}
"""
)


@pytest.mark.proves("step.retry", "step.retry.{max,delay,factor,max_delay}")
def test_retry(shows):
    shows(
        RETRY,
        ("retry: {max: 4, backoff: exponential, delay: 2s, factor: 3, max_delay: 15s, jitter: 0}, ", ""),
        ("retry: {max: 4, backoff: exponential, delay: 2s, factor: 3, max_delay: 15s, jitter: 0}", "retry: none"),
        ("max: 4", "max: 3"),
        ("delay: 2s", "delay: 1s"),
        ("factor: 3, ", ""),
        (", max_delay: 15s", ""),
    )


@pytest.mark.proves("step.retry.backoff")
@pytest.mark.parametrize(("backoff", "seconds"), [("fixed", 6), ("linear", 12), ("exponential", 23)])
def test_backoff(shows, backoff, seconds):
    flow = RETRY.replace("exponential", backoff).replace("00:23", f"00:{seconds:02}")
    shows(flow, (f"backoff: {backoff}", f"backoff: {'linear' if backoff == 'fixed' else 'fixed'}"))


@pytest.mark.proves("step.retry.jitter")
@pytest.mark.parametrize("jitter", [0.5, 1])
def test_jitter(tmp_path, installed, jitter):
    """Pauses are spread over their share on either side, and are the same again when the test is run again."""
    from reactor.language.loader import load
    from reactor.runtime.retry import delay

    text = HEAD + f"steps: [{{name: a, retry: {{max: 2, delay: 100s, max_delay: 1h, jitter: {jitter}}}, {CALL}}}]\n"
    flow = load(text, file=None, catalog=installed).flow
    policy = flow.steps[0].retry if flow else None
    assert policy is not None
    pauses = [delay(policy, 1, base=100_000, longest=3_600_000, chance=n / 8, asked=None) for n in range(8)]
    assert pauses[0] == 100_000 * (1 - jitter)
    assert pauses[-1] == 100_000 * (1 + jitter * 0.75)
    assert pauses == sorted(set(pauses))


@pytest.mark.proves("step.retry.jitter")
def test_no_jitter(shows):
    flow = HEAD + f"steps: [{{name: a, retry: {{max: 2, delay: 100s, max_delay: 1h, jitter: 0}}, {CALL}}}]\n"
    flow += "outputs: '{{ now() }}'\ntests: [{name: t, event: {}, mock: {a: [{error: http.503}, {output: 1}]}, "
    flow += "expect: {output: '2026-01-01T00:01:40.000Z'}}]\n"
    shows(flow, (", jitter: 0", ", jitter: 1"), (", jitter: 0", ""))


@pytest.mark.proves("step.retry.on")
def test_retry_on(shows):
    flow = HEAD + f"steps: [{{name: a, retry: {{max: 3, on: [timeout]}}, {CALL}}}]\n"
    flow += "tests: [{name: t, event: {}, mock: {a: [{error: http.503}, {output: 1}]}, expect: {error: http.503}},\n"
    flow += "        {name: u, event: {}, mock: {a: [{error: timeout}, {output: 1}]}, expect: {output: 1}}]\n"
    shows(flow, (", on: [timeout]", ""), ("on: [timeout]", "on: [http.5xx]"))


@pytest.mark.proves("step.retry.stop_on")
def test_retry_stop_on(shows):
    flow = HEAD + f"steps: [{{name: a, retry: {{max: 3, stop_on: [http.4xx]}}, {CALL}}}]\n"
    flow += "tests: [{name: t, event: {}, mock: {a: [{error: http.404}, {output: 1}]}, expect: {error: http.404}}]\n"
    shows(flow, (", stop_on: [http.4xx]", ""))


@pytest.mark.proves("step.retry.if")
def test_retry_if(shows):
    flow = HEAD + f"steps: [{{name: a, retry: {{max: 9, if: attempt < 2 and error.kind == 'http.503'}}, {CALL}}}]\n"
    flow += "tests: [{name: t, event: {}, mock: {a: [{error: http.503}, {error: http.503}, {output: 1}]}, "
    flow += "expect: {error: http.503}}, {name: u, event: {}, mock: {a: [{error: http.503}, {output: 1}]}, "
    flow += "expect: {output: 1}}]\n"
    shows(flow, (", if: attempt < 2 and error.kind == 'http.503'", ""), ("http.503'}", "http.500'}"))


@pytest.mark.proves("step.on_error")
def test_on_error(shows):
    flow = HEAD + "steps:\n  - {name: a, fail: no, on_error: [{name: h, set: {said: '{{ error.message }}'}}]}\n"
    flow += "  - {name: b, return: 2}\n"
    flow += "tests: [{name: t, event: {}, expect: {output: 2, vars: {said: no}}}]\n"
    shows(flow, (", on_error: [{name: h, set: {said: '{{ error.message }}'}}]", ""))


@pytest.mark.proves("step.continue_on_error")
def test_continue_on_error(shows):
    flow = HEAD + "steps: [{name: a, fail: no, continue_on_error: true}, {name: b, return: 2}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: 2, steps: {a: failed}}}]\n"
    shows(flow, (", continue_on_error: true", ""), ("continue_on_error: true", "continue_on_error: false"))


UNDO = (
    HEAD
    + f"""\
steps:
  - {{name: a, {CALL}, undo: {{action: http.request, with: {{method: POST, url: "https://x.example/a"}}}}}}
  - {{name: b, {CALL}, undo: [{{name: back, emit: {{type: undone, data: "{{{{ output }}}} {{{{ error.kind }}}}"}}}}]}}
  - {{name: c, fail: {{kind: late, message: too late}}}}
tests:
  - name: last first
    event: {{}}
    mock: {{a: {{output: 1}}, b: {{output: two}}}}
    expect: {{error: late, called: [a, b, a.undo], emitted: [{{type: undone, data: two late}}]}}
"""
)


@pytest.mark.proves("step.undo")
def test_undo(shows):
    shows(
        UNDO,
        ('undo: {action: http.request, with: {method: POST, url: "https://x.example/a"}}', "undo: {wait: 1s}"),
        (', undo: [{name: back, emit: {type: undone, data: "{{ output }} {{ error.kind }}"}}]', ""),
    )


@pytest.mark.proves("flow.undo")
def test_undo_never(shows):
    flow = UNDO.replace("steps:", "undo: never\nsteps:", 1).replace(", a.undo]", "]")
    flow = flow.replace("[{type: undone, data: two late}]", "[]")
    shows(flow, ("undo: never\n", ""), ("undo: never", "undo: on_failure"))


@pytest.mark.proves("step.finally")
def test_finally(shows):
    flow = HEAD + "steps: [{name: a, if: 'true', fail: no, finally: [{name: f, emit: {type: tidied}}]}]\n"
    flow += "tests: [{name: t, event: {}, expect: {error: failed, emitted: [{type: tidied}]}}]\n"
    shows(flow, (", finally: [{name: f, emit: {type: tidied}}]", ""))
    shows(flow.replace("fail: no", "set: {x: 1}").replace("error: failed, ", ""), ("emit: {type: tidied}", "wait: 1s"))


@pytest.mark.proves("step.output")
def test_output(shows):
    flow = HEAD + f"steps: [{{name: a, {CALL}, output: output.body.id}}, {{name: b, return: steps.a.output}}]\n"
    flow += (
        "tests: [{name: t, event: {}, mock: {a: {output: {body: {id: 7}}}}, expect: {output: 7, outputs: {a: 7}}}]\n"
    )
    shows(flow, (", output: output.body.id", ""))
