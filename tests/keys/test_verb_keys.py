"""What steps do, and the keys of each kind: by flows whose own tests fail without the key."""

import asyncio

import pytest

from reactor.testing import run_flow_tests
from reactor.testing.running import running_reactor

HEAD = "name: it\non: {event: go}\n"
CALL = "action: http.request, with: {method: POST, url: 'https://x.example'}"


@pytest.mark.proves("step.action", "step.action.with")
def test_action(shows):
    """`with` also takes parameters that are named like a key of a step."""
    flow = HEAD + "steps: [{name: a, action: data.hash, text: abc}, {name: b, action: data.hash, with: {text: abc}}]\n"
    flow += "outputs: '{{ steps.a.output.output == steps.b.output.output }}'\n"
    flow += "tests: [{name: t, event: {}, expect: {output: true}}]\n"
    shows(flow, ("action: data.hash, text: abc", "set: {output: abc}"), ("with: {text: abc}", "with: {text: abd}"))


PARALLEL = (
    HEAD
    + f"""\
steps:
  - name: p
    parallel:
      branches:
        a: [{{name: x, {CALL}}}, {{name: y, return: '"a"'}}]
        b: [{{name: x, {CALL}}}, {{name: y, return: '"b"'}}]
        c: [{{name: x, {CALL}}}, {{name: y, return: '"c"'}}]
  - {{name: at, set: {{at: "{{{{ now() }}}}"}}}}
outputs:
  a: "{{{{ steps.p.output.branches.a.output }}}}"
  b: "{{{{ steps.p.output.branches.b.output }}}}"
  c: "{{{{ steps.p.output.branches.c.output }}}}"
tests:
  - name: t
    event: {{}}
    mock:
      p.branches.a.x: {{output: 1, after: 10s}}
      p.branches.b.x: {{output: 2, after: 20s}}
      p.branches.c.x: {{output: 3, after: 30s}}
    expect: {{output: {{a: a, b: b, c: c}}, vars: {{at: "2026-01-01T00:00:30.000Z"}}}}
"""
)


def joined(join, output, seconds):
    """The flow with another join and what comes of it."""
    flow = PARALLEL.replace("parallel:\n", f"parallel:\n      join: {join}\n")
    return flow.replace("{a: a, b: b, c: c}", output).replace(":30.000Z", f":{seconds}.000Z")


@pytest.mark.proves("step.parallel", "step.parallel.branches")
def test_parallel(shows):
    shows(PARALLEL, ("return: '\"b\"'", "return: 1"), ("after: 30s", "after: 31s"))


@pytest.mark.proves("step.parallel.max_parallel")
def test_max_parallel(shows):
    flow = PARALLEL.replace("parallel:\n", "parallel:\n      max_parallel: 2\n").replace(":30.000Z", ":40.000Z")
    shows(flow, ("      max_parallel: 2\n", ""), ("max_parallel: 2", "max_parallel: 1"))
    shows(flow.replace("max_parallel: 2", 'max_parallel: "{{ 1 + 1 }}"'), ("1 + 1", "1 + 2"))


@pytest.mark.proves("step.parallel.join")
@pytest.mark.parametrize("join", ["any", "first"])
def test_join(shows, join):
    shows(joined(join, "{a: a, b: null, c: null}", 10), (f"join: {join}", "join: all"))


@pytest.mark.proves("step.parallel.join")
def test_any_and_first_differ_when_the_quickest_fails(shows):
    flow = PARALLEL.replace("{output: 1, after: 10s}", "{error: http.404, after: 10s}")
    shows(
        flow.replace("parallel:\n", "parallel:\n      join: first\n")
        .replace("{a: a, b: b, c: c}", "{a: null, b: b, c: null}")
        .replace(":30.000Z", ":20.000Z"),
        ("join: first", "join: any"),
        ("join: first", "join: all"),
    )


@pytest.mark.proves("step.parallel.join.count")
def test_join_count(shows):
    shows(joined("{count: 2}", "{a: a, b: b, c: null}", 20), ("count: 2", "count: 1"), ("count: 2", "count: 3"))


@pytest.mark.proves("step.parallel.join.until")
def test_join_until(shows):
    until = "{until: branches.b.output == 'b'}"
    shows(joined(until, "{a: a, b: b, c: null}", 20), ("branches.b.output == 'b'", "branches.a.output == 'a'"))


@pytest.mark.proves("step.parallel.fail_fast")
def test_fail_fast(shows):
    flow = PARALLEL.replace("{output: 1, after: 10s}", "{error: http.404, after: 10s}")
    flow = flow.replace("parallel:\n", "parallel:\n      fail_fast: false\n")
    expect = "{error: http.404, steps: {p.branches.b.y: completed, p.branches.c.y: completed}}"
    flow = flow[: flow.index("    expect:")] + f"    expect: {expect}\n"
    shows(flow, ("      fail_fast: false\n", ""), ("fail_fast: false", "fail_fast: true"))


@pytest.mark.proves("step.parallel.timeout")
def test_parallel_timeout(shows):
    flow = PARALLEL.replace("parallel:\n", "parallel:\n      timeout: 25s\n")
    flow = flow[: flow.index("    expect:")] + "    expect: {error: timeout, steps: {p.branches.c.x: cancelled}}\n"
    shows(flow, ("      timeout: 25s\n", ""))


@pytest.mark.proves("step.parallel.steps")
def test_parallel_true(shows):
    flow = HEAD + "steps:\n  - {name: p, parallel: true, steps: [{name: a, wait: 1m}, {name: b, wait: 1m}]}\n"
    flow += "outputs: '{{ now() }}'\ntests: [{name: t, event: {}, expect: {output: '2026-01-01T00:01:00.000Z'}}]\n"
    shows(flow, ("parallel: true, ", ""), ("b, wait: 1m", "b, wait: 2m"))


EACH = (
    HEAD
    + f"""\
steps:
  - name: e
    for_each: event.data
    as: order
    steps: [{{name: x, {CALL}}}, {{name: y, return: "{{{{ order }}}}-{{{{ index }}}}"}}]
  - {{name: at, set: {{at: "{{{{ now() }}}}"}}}}
outputs: "{{{{ steps.e.output }}}}"
tests:
  - name: t
    event: {{data: [a, b, c, d]}}
    mock: {{x: {{output: 1, after: 10s}}}}
    expect: {{output: [a-0, b-1, c-2, d-3], vars: {{at: "2026-01-01T00:00:40.000Z"}}}}
"""
)


@pytest.mark.proves("step.for_each", "step.for_each.{as,steps}")
def test_for_each(shows):
    shows(
        EACH,
        ("for_each: event.data", "for_each: event.data[1:]"),
        ("{{ order }}-", "{{ item }}+"),
        ("{{ index }}", "0"),
    )
    over = EACH.replace("[a, b, c, d]", "{k: v}").replace("{{ order }}-", "{{ order.key }}{{ order.value }}-")
    shows(over.replace("[a-0, b-1, c-2, d-3]", "[kv-0]").replace(":40.000Z", ":10.000Z"), ("{k: v}", "{k: w}"))


@pytest.mark.proves("step.for_each.as")
def test_as(wrong):
    """Without it there is no such name."""
    assert wrong(EACH) == []
    [error] = wrong(EACH.replace("    as: order\n", ""))
    assert (error.rule, error.line) == ("unknown-name", 6)


@pytest.mark.proves("step.for_each.max_parallel")
def test_for_each_max_parallel(shows):
    flow = EACH.replace("    as: order\n", "    as: order\n    max_parallel: 3\n").replace(":40.000Z", ":20.000Z")
    shows(flow, ("    max_parallel: 3\n", ""), ("max_parallel: 3", "max_parallel: 4"))
    shows(flow.replace("max_parallel: 3", 'max_parallel: "{{ 1 + 2 }}"'), ("1 + 2", "1 + 3"))


@pytest.mark.proves("step.for_each.batch")
def test_for_each_batch(shows):
    flow = EACH.replace("    as: order\n", "    as: order\n    batch: 3\n").replace(":40.000Z", ":20.000Z")
    flow = flow.replace("{{ order }}", "{{ order | join }}").replace("[a-0, b-1, c-2, d-3]", "[abc-0, d-1]")
    shows(flow, ("    batch: 3\n", ""), ("batch: 3", "batch: 2"))


LOOP = (
    HEAD
    + """\
vars: {n: 0}
steps:
  - {name: l, KIND, every: 5s, max: 4, steps: [{name: more, set: {n: "{{ vars.n + 1 }}"}}]}
outputs: "{{ now() }}"
tests:
  - {name: t, event: {}, expect: {output: "2026-01-01T00:00:10.000Z", vars: {n: 3}}}
"""
)


@pytest.mark.proves("step.while", "step.while.{every,steps}")
def test_while(shows):
    flow = LOOP.replace("KIND", "while: vars.n < 3")
    shows(flow, ("n < 3", "n < 2"), ("every: 5s, ", ""), ("vars.n + 1", "vars.n + 2"))
    shows(flow.replace("vars.n < 3", "vars.n > 3").replace("00:10", "00:00").replace("n: 3}", "n: 0}"), ("> 3", "< 1"))


@pytest.mark.proves("step.until", "step.until.{every,steps}")
def test_until(shows):
    flow = LOOP.replace("KIND", "until: vars.n >= 3")
    shows(flow, ("n >= 3", "n >= 2"), ("every: 5s, ", ""), ("vars.n + 1", "vars.n + 2"))
    once = flow.replace("vars.n >= 3", "vars.n >= 0").replace("00:10", "00:00").replace("n: 3}", "n: 1}")
    shows(once, ("until: vars.n >= 0", "while: vars.n < 0"))


@pytest.mark.proves("step.{while,until}.max")
@pytest.mark.parametrize("kind", ["while: true", "until: false"])
def test_loop_max(shows, kind):
    flow = LOOP.replace("KIND", kind).replace(
        '{output: "2026-01-01T00:00:10.000Z", vars: {n: 3}}', "{error: loop.limit}"
    )
    flow = flow.replace("expect: {error", "expect: {vars: {n: 4}, error")
    shows(flow, ("max: 4", "max: 5"), ("max: 4, ", ""))


@pytest.mark.proves("step.switch", "step.switch.{if,steps,else}")
def test_switch(shows):
    flow = (
        HEAD
        + """\
steps:
  - name: s
    switch:
      - {if: event.data > 10, steps: [{name: big, return: 1}]}
      - {if: event.data > 5, steps: [{name: middle, return: 2}]}
      - {else: [{name: small, return: 3}]}
tests:
  - {name: big, event: {data: 11}, expect: {output: 1, steps: {big: completed}}}
  - {name: middle, event: {data: 6}, expect: {output: 2}}
  - {name: small, event: {data: 1}, expect: {output: 3}}
"""
    )
    shows(
        flow,
        ("if: event.data > 10", "if: event.data > 11"),
        ("if: event.data > 5", "if: event.data > 6"),
        ("return: 2", "return: 4"),
        ("      - {else: [{name: small, return: 3}]}\n", ""),
    )


CHILD = "name: child\ninputs: {type: object, properties: {n: {type: integer, default: 5}}}\n"
CHILD += "steps: [{name: nap, wait: 1m}, {name: r, return: inputs.n}]\n"


@pytest.mark.proves("step.call", "step.call.with")
def test_call(shows):
    flow = HEAD + "steps: [{name: c, call: child, with: {n: 7}}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: 7, called: [c], steps: {c.nap: completed}}}]\n"
    shows(
        flow,
        (", with: {n: 7}", ""),
        ("call: child", "call: other"),
        child=CHILD,
        other=CHILD.replace("child", "other").replace("inputs.n", "1"),
    )


@pytest.mark.proves("step.call.wait")
def test_call_without_waiting(shows):
    flow = HEAD + "steps: [{name: c, call: child, wait: false}, {name: at, return: '{{ now() }}'}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: '2026-01-01T00:00:00.000Z'}}]\n"
    shows(flow, (", wait: false", ""), child=CHILD)


@pytest.mark.proves("step.call.version")
async def test_call_of_a_version():
    """The flow as it was then; without it, as it is now."""
    child = "name: child\nsteps: [{return: 1}]\n"
    calls = "steps: [{name: c, call: child, version: 1}, {name: d, call: child}]\n"
    flow = HEAD + calls + "outputs: ['{{ steps.c.output }}', '{{ steps.d.output }}']\n"
    async with running_reactor({"it": flow, "child": child}) as reactor:
        folder = reactor.app.settings.workflows
        assert folder is not None
        (folder / "child.yaml").write_text(child.replace("return: 1", "return: 2"))
        async with asyncio.timeout(10):
            while (await reactor.get("/flows/child"))["version"] != 2:
                await asyncio.sleep(0.02)
        run = await reactor.finished((await reactor.send("go"))["runs"][0]["id"])
        assert run["output"] == [1, 2]


@pytest.mark.proves("step.call.version")
def test_a_version_in_a_flow_test_has_to_be_mocked(tmp_path, installed):
    (tmp_path / "child.yaml").write_text(CHILD)
    flow = HEAD + "steps: [{name: c, call: child, version: 3}]\n"
    (tmp_path / "it.yaml").write_text(flow + "tests: [{name: t, event: {}, expect: {output: 5}}]\n")
    [result] = run_flow_tests(tmp_path, catalog=installed).results
    assert "calls the flow `child`, version 3, and files have no versions; add" in result.mismatches[0].message
    mocked = "tests: [{name: t, event: {}, mock: {c: {output: 5}}, expect: {output: 5}}]\n"
    (tmp_path / "it.yaml").write_text(flow + mocked)
    assert run_flow_tests(tmp_path, catalog=installed).passed


PAID = (
    HEAD
    + """\
steps:
  - name: w
    wait_for:
      event: order.paid
      source: shop
      if: received.data.id == event.data.id
      timeout: 2h
      on_timeout: [{name: late, emit: {type: reminded}}]
outputs: "{{ steps.w.output.data.by if steps.w.output else 'nobody' }}"
tests:
  - name: comes
    event: {data: {id: 4}}
    send:
      - {after: 1m, type: order.sent, source: shop, data: {id: 4, by: another type}}
      - {after: 2m, type: order.paid, source: bank, data: {id: 4, by: another source}}
      - {after: 3m, type: order.paid, source: shop, data: {id: 5, by: another order}}
      - {after: 1h, type: order.paid, source: shop, data: {id: 4, by: ann}}
    expect: {output: ann, emitted: []}
  - name: comes too late
    event: {data: {id: 4}}
    send: [{after: 3h, type: order.paid, source: shop, data: {id: 4, by: late}}]
    expect: {output: nobody, emitted: [{type: reminded}]}
"""
)


@pytest.mark.proves("step.wait_for", "step.wait_for.{event,source,if,timeout,on_timeout}")
def test_wait_for(shows):
    shows(
        PAID,
        ("event: order.paid", "event: order.*"),
        ("      source: shop\n", ""),
        ("      if: received.data.id == event.data.id\n", ""),
        ("      timeout: 2h\n      on_timeout: [{name: late, emit: {type: reminded}}]\n", ""),
        ("timeout: 2h", "timeout: 4h"),
        ("      on_timeout: [{name: late, emit: {type: reminded}}]\n", ""),
    )


ASK = (
    HEAD
    + """\
steps:
  - name: ok
    approve:
      title: "Ship {{ event.data.id }}?"
      by: [ann]
      timeout: 2d
      on_timeout: reject
      escalate: {after: 1d, to: eve}
      notify: [{name: tell, emit: {type: asked, data: "{{ approval.title }} {{ approval.people | join }}"}}]
outputs: "{{ steps.ok.output.decision }} {{ steps.ok.output.by }}"
tests:
  - name: ann
    event: {data: {id: 7}}
    approve: [{by: ann, after: 1h}]
    expect: {output: approved ann, emitted: [{type: asked, data: Ship 7? ann}]}
"""
)
LATE = """\
  - name: nobody
    event: {data: {id: 7}}
    expect: {status: completed, outputs: {ok: DECISION}}
"""


@pytest.mark.proves("step.approve", "step.approve.{title,by,notify}")
def test_approve(shows):
    shows(
        ASK,
        ("Ship {{ event.data.id }}?", "Pack {{ event.data.id }}?"),
        ("by: [ann]", "by: [bob]"),
        (
            'notify: [{name: tell, emit: {type: asked, data: "{{ approval.title }} {{ approval.people | join }}"}}]',
            "quorum: 1",
        ),
    )


@pytest.mark.proves("step.approve.quorum")
def test_quorum(shows):
    flow = ASK.replace("by: [ann]", "by: [ann, bob]\n      quorum: 2").replace(
        "{by: ann, after: 1h}", "{by: ann}, {by: bob}"
    )
    flow = flow.replace("output: approved ann, emitted: [{type: asked, data: Ship 7? ann}]", "output: approved ann+bob")
    flow = flow.replace("steps.ok.output.by }}", "steps.ok.output.by | join('+') }}")
    shows(flow, ("quorum: 2", "quorum: 1"))


@pytest.mark.proves("step.approve.form")
def test_form(shows):
    """Whoever fills in what does not fit has not decided."""
    form = "form: {type: object, required: [why], properties: {why: {type: string}}}"
    flow = ASK.replace("by: [ann]", f"by: [ann]\n      {form}").replace("after: 1h}", "after: 1h, form: {why: so}}")
    flow = flow.replace("outputs: ", "outputs: '{{ steps.ok.output.form.why }}' # ").replace(
        "approved ann, emitted: [{type: asked, data: Ship 7? ann}]", "so"
    )
    shows(flow, (f"\n      {form}", ""), ("form: {why: so}", "form: {who: me}"))


@pytest.mark.proves("step.approve.escalate", "step.approve.escalate.{after,to}")
def test_escalate(shows):
    flow = ASK.replace("{by: ann, after: 1h}", "{by: eve, after: 25h}").replace("approved ann", "approved eve")
    shows(
        flow.replace(
            "    expect: {output: approved eve, emitted: [{type: asked, data: Ship 7? ann}]}",
            "    expect: {output: approved eve}",
        ),
        ("      escalate: {after: 1d, to: eve}\n", ""),
        ("escalate: {after: 1d", "escalate: {after: 26h"),
        ("to: eve", "to: joe"),
    )


@pytest.mark.proves("step.approve.{timeout,on_timeout}")
def test_nobody_decides(shows):
    flow = ASK[: ASK.index("tests:")].replace("outputs:", "outputs: '{{ steps.ok.output.decision }} {{ now() }}' #")
    flow += "tests: [{name: t, event: {data: {id: 7}}, expect: {output: 'rejected 2026-01-03T00:00:00.000Z'}}]\n"
    shows(
        flow,
        ("timeout: 2d", "timeout: 3d"),
        ("on_timeout: reject", "on_timeout: approve"),
        ("      on_timeout: reject\n", ""),
        ("      timeout: 2d\n      on_timeout: reject\n", ""),
    )
    steps = flow.replace("on_timeout: reject", "on_timeout: [{name: late, emit: {type: late}}]")
    steps = steps.replace("expect: {output: 'rejected 2026-01-03T00:00:00.000Z'}", "expect: {steps: {late: completed}}")
    shows(
        steps.replace("outputs: ", "# outputs: "),
        ("on_timeout: [{name: late", "on_timeout: [{name: other, wait: 1s}, {name: late, if: 'false'"),
    )


@pytest.mark.proves("step.wait")
def test_wait(shows):
    flow = HEAD + "steps: [{name: w, wait: '{{ event.data }}'}]\noutputs: '{{ now() }}'\n"
    flow += "tests: [{name: t, event: {data: 90m}, expect: {output: '2026-01-01T01:30:00.000Z'}}]\n"
    shows(flow, ("wait: '{{ event.data }}'", "wait: 1s"))


@pytest.mark.proves("step.wait.until")
def test_wait_until(shows):
    flow = HEAD + "steps: [{name: w, wait: {until: '{{ event.data.due }}'}}]\noutputs: '{{ now() }}'\n"
    flow += "tests: [{name: t, event: {data: {due: '2026-01-02T08:00:00Z'}}, "
    flow += "expect: {output: '2026-01-02T08:00:00.000Z'}}]\n"
    shows(flow, ("wait: {until: '{{ event.data.due }}'}", "wait: 1h"))


@pytest.mark.proves("step.emit", "step.emit.{type,data,subject}")
def test_emit(shows):
    """Told to whoever waits, too."""
    flow = (
        HEAD
        + """\
steps:
  - name: p
    parallel:
      branches:
        a: [{name: e, emit: {type: told, data: {id: 7}, subject: order-7}}]
        b: [{name: w, wait_for: {event: told, timeout: 1m}}, {name: r, return: received}]
outputs: "{{ steps.p.output.branches.b.output }}"
tests:
  - {name: t, event: {}, expect: {output: order-7, emitted: [{type: told, data: {id: 7}}]}}
"""
    )
    flow = flow.replace("return: received", "return: steps.w.output.subject")
    shows(
        flow,
        ("emit: {type: told, data: {id: 7}, subject: order-7}", "wait: 1s"),
        ("type: told, data", "type: other, data"),
        ("data: {id: 7}, subject", "data: {id: 8}, subject"),
        (", data: {id: 7}, subject", ", subject"),
        (", subject: order-7", ""),
    )


@pytest.mark.proves("step.set")
def test_set(shows):
    flow = HEAD + "vars: {n: 1}\nsteps: [{name: s, set: {n: '{{ vars.n + 1 }}'}}]\noutputs: '{{ vars.n }}'\n"
    flow += "tests: [{name: t, event: {}, expect: {output: 2}}]\n"
    shows(flow, ("set: {n: '{{ vars.n + 1 }}'}", "wait: 1s"), ("set: {n", "set: {m"))


@pytest.mark.proves("step.state", "step.state.{key,set,add,delete}")
def test_state(shows):
    flow = (
        HEAD
        + """\
steps:
  - {name: a, state: {key: "n-{{ event.data }}", add: 2}}
  - {name: b, state: {key: last, set: "{{ event.data }}"}}
  - {name: c, state: {key: old, delete: true}}
outputs: "{{ state.get('old', 'gone') }}"
tests:
  - {name: t, event: {data: x}, state: {n-x: 3, old: 1}, expect: {state: {n-x: 5, last: x}, output: gone}}
"""
    )
    shows(
        flow,
        ('state: {key: "n-{{ event.data }}", add: 2}', "wait: 1s"),
        ("n-{{ event.data }}", "n"),
        ("add: 2", "add: 1"),
        ('set: "{{ event.data }}"', "set: y"),
        ("state: {key: old, delete: true}", "state: {key: older, delete: true}"),
    )


@pytest.mark.proves("step.return")
def test_return(shows):
    """It ends the nearest branch, iteration or run."""
    flow = (
        HEAD
        + """\
steps:
  - {name: e, for_each: [1, 2], steps: [{name: r, return: item * 2}, {name: never, fail: no}]}
  - {name: end, return: steps.e.output}
  - {name: never, fail: no}
tests: [{name: t, event: {}, expect: {output: [2, 4]}}]
"""
    )
    shows(
        flow,
        ("name: r, return: item * 2", "name: r, wait: 1s"),
        ("name: end, return: steps.e.output", "name: end, wait: 1s"),
    )


@pytest.mark.proves("step.break")
def test_break(shows):
    flow = HEAD + "steps:\n  - name: e\n    for_each: [1, 2, 3]\n    steps:\n"
    flow += "      - {name: n, set: {seen: '{{ item }}'}}\n      - {name: out, if: item == 2, break: true}\n"
    flow += "vars: {seen: 0}\ntests: [{name: t, event: {}, expect: {vars: {seen: 2}, status: completed}}]\n"
    shows(flow, ("break: true", "wait: 1s"))


@pytest.mark.proves("step.fail", "step.fail.{kind,message,data}")
def test_fail(shows):
    flow = (
        HEAD
        + """\
vars: {more: 0}
steps: [{name: f, fail: {kind: order.refused, message: "too {{ event.data }}", data: {total: 7}}}]
on_failure: [{name: note, set: {more: "{{ error.data.total | default('none') }}"}}]
tests:
  - {name: t, event: {data: dear}, expect: {error: {kind: order.refused, message: too dear}, vars: {more: 7}}}
"""
    )
    shows(
        flow,
        ('kind: order.refused, message: "', 'message: "'),
        (', message: "too {{ event.data }}"', ""),
        (", data: {total: 7}", ""),
        ('fail: {kind: order.refused, message: "too {{ event.data }}", data: {total: 7}}', "wait: 1s"),
    )


@pytest.mark.proves("step.steps")
def test_block(shows):
    """One handler for several steps."""
    flow = HEAD + "steps:\n  - name: b\n    steps: [{name: x, set: {a: 1}}, {name: y, fail: no}]\n"
    flow += "    on_error: [{name: h, return: error.step}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: b.y, vars: {a: 1}, steps: {b.x: completed}}}]\n"
    shows(flow, ("{name: y, fail: no}", "{name: y, wait: 1s}"), ("set: {a: 1}", "set: {a: 2}"))
