"""What every step takes, on every kind of step: each key of a step against each verb."""

import asyncio
import hashlib

import pytest

from reactor.testing.running import running_reactor

HEAD = "name: it\non: {event: go}\n"
SLOW = {
    "action": "action: http.request, with: {method: POST, url: 'https://x.example'}",
    "parallel": "parallel: {branches: {a: [{wait: 30s}], b: [{wait: 1s}]}}",
    "for_each": "for_each: [1, 2, 3], steps: [{wait: 10s}]",
    "while": "while: index < 3, steps: [{wait: 10s}]",
    "until": "until: index >= 2, steps: [{wait: 10s}]",
    "switch": "switch: [{if: 'false', steps: [{wait: 1s}]}, {else: [{wait: 30s}]}]",
    "call": "call: child",
    "wait_for": "wait_for: {event: told}",
    "approve": "approve: {title: May I?}",
    "wait": "wait: 30s",
    "steps": "steps: [{wait: 15s}, {wait: 15s}]",
}
"""Each of them takes 30 seconds."""
QUICK = {
    "emit": "emit: {type: mentioned}",
    "set": "set: {k: 1}",
    "state": "state: {key: k, add: 1}",
}
CHILD = "name: child\nsteps: [{wait: 30s}]\n"
MORE = {
    "action": "mock: {x: {output: 1, after: 30s}}, ",
    "wait_for": "send: [{type: told, after: 30s}], ",
    "approve": "approve: [{by: ann, after: 30s}], ",
}

every = pytest.mark.parametrize("verb", [*SLOW, *QUICK])
slow = pytest.mark.parametrize("verb", SLOW)


def flow(verb, keys, expect, *, after="", event="1", more=True):
    """A flow with one such step, and its test."""
    text = HEAD + f"vars: {{at: '', said: ''}}\nsteps:\n  - {{name: x, {keys}{SLOW.get(verb) or QUICK[verb]}}}\n{after}"
    answers = MORE.get(verb, "") if more else ""
    return text + f"tests: [{{name: t, event: {{data: {event}}}, {answers}expect: {{{expect}}}}}]\n"


def others(verb):
    return {"child": CHILD} if verb == "call" else {}


@pytest.mark.proves("step.{if,unless}")
@pytest.mark.parametrize("key", ["if: event.data > 1, ", "unless: event.data < 2, "])
@every
def test_conditions(shows, verb, key):
    shows(flow(verb, key, "steps: {x: skipped}", more=False), (key, ""), **others(verb))


@pytest.mark.proves("step.timeout", "step.deadline")
@pytest.mark.parametrize("key", ["timeout: 20s, ", "deadline: 20s, "])
@slow
def test_limits_of_time(shows, verb, key):
    shows(flow(verb, key, "error: timeout"), (key, ""), (key, key.replace("20s", "31s")), **others(verb))


@pytest.mark.proves("step.retry", "step.on_error")
@slow
def test_attempts_and_handlers(shows, verb):
    """Two attempts of 10 seconds with a pause of two: the handler comes after 22."""
    keys = "timeout: 10s, retry: {max: 2, delay: 2s, jitter: 0}, "
    keys += "on_error: [{name: h, set: {at: '{{ now() }}', said: '{{ error.kind }}'}}], "
    expect = "status: completed, vars: {at: '2026-01-01T00:00:22.000Z', said: timeout}"
    shows(
        flow(verb, keys, expect),
        ("retry: {max: 2, delay: 2s, jitter: 0}, ", ""),
        ("on_error: [{name: h, set: {at: '{{ now() }}', said: '{{ error.kind }}'}}], ", ""),
        **others(verb),
    )


@pytest.mark.proves("step.continue_on_error", "step.finally")
@slow
def test_going_on_and_tidying_up(shows, verb):
    keys = "timeout: 10s, continue_on_error: true, finally: [{name: f, set: {said: tidy}}], "
    after = "  - {name: next, set: {at: here}}\n"
    shows(
        flow(verb, keys, "steps: {x: failed}, vars: {said: tidy, at: here}", after=after),
        ("continue_on_error: true, ", ""),
        ("finally: [{name: f, set: {said: tidy}}], ", ""),
        **others(verb),
    )


@pytest.mark.proves("step.output")
@every
def test_output(shows, verb):
    after = "  - {name: r, return: steps.x.output}\n"
    shows(
        flow(verb, "output: 3 + 4, ", "output: 7, outputs: {x: 7}", after=after),
        ("output: 3 + 4, ", ""),
        **others(verb),
    )


@pytest.mark.proves("step.undo")
@every
def test_undo(shows, verb):
    undo = "undo: {set: {said: undone}}, "
    text = flow(verb, undo, "error: mine, vars: {said: undone}", after="  - {name: no, fail: {kind: mine}}\n")
    shows(text, (undo, ""), **others(verb))


@pytest.mark.proves("step.secret_output")
async def test_secret_output():
    """Whatever kind of step gives it."""
    secret = "'{{ event.data }}'"
    steps = {
        "action": f"action: log.info, message: {secret}",
        "parallel": f"parallel: {{branches: {{a: [{{name: i, secret_output: true, set: {{k: {secret}}}}}]}}}}",
        "for_each": f"for_each: [1], steps: [{{name: i, secret_output: true, return: {secret}}}]",
        "while": f"while: index < 1, steps: [{{name: i, secret_output: true, return: {secret}}}]",
        "switch": f"switch: [{{else: [{{name: i, secret_output: true, set: {{k: {secret}}}}}]}}]",
        "call": f"call: child, with: {{k: {secret}}}",
        "wait_for": "wait_for: go",
        "emit": f"emit: {{type: told, data: {secret}}}",
        "set": f"set: {{k: {secret}}}",
        "steps": f"steps: [{{name: j, secret_output: true, set: {{k: {secret}}}}}]",
    }
    listed = "".join(f"  - {{name: {verb}, secret_output: true, {own}}}\n" for verb, own in steps.items())
    flows = {"it": HEAD + f"steps:\n{listed}outputs: 1\n", "child": "name: child\nsteps: [{return: inputs.k}]\n"}
    async with running_reactor(flows) as reactor:
        assert (await reactor.get("/problems"))["items"] == []
        receipt = await reactor.send("go", "hunter22")
        await reactor.send("go", "hunter22")
        run = await reactor.finished(receipt["runs"][0]["id"])
        assert run["status"] == "completed", run["error"]
        outputs = {step["path"]: step["output"] for step in run["steps"]}
        # A block hands on what its last step gave, and nothing of one that is secret itself.
        nothing = {"switch": None, "steps": None}
        assert {verb: outputs[verb] for verb in steps} == {**dict.fromkeys(steps, "***"), **nothing}
        assert "hunter22" not in str(outputs)


@pytest.mark.proves("step.secret_output")
async def test_parts_of_a_secret_step_after_a_restart(tmp_path):
    """What iterations and branches gave is sealed with the whole, and is there again after a restart."""
    flow = (
        HEAD
        + """\
steps:
  - {name: e, secret_output: true, for_each: [1, 2], steps: [{name: r, secret_output: true, return: event.data}]}
  - name: p
    secret_output: true
    parallel:
      branches:
        a: [{name: r, secret_output: true, return: event.data}]
        b: [{name: w, wait_for: {event: further}}]
  - {name: l, action: data.hash, text: "{{ steps.e.output | join }}{{ steps.p.output.branches.a.output }}"}
outputs: "{{ steps.l.output.output }}"
"""
    )
    async with running_reactor({"it": flow}, data=tmp_path / "data") as reactor:
        run_id = (await reactor.send("go", "hunter22"))["runs"][0]["id"]
        async with asyncio.timeout(10):
            while "p.branches.a" not in str((seen := await reactor.get(f"/runs/{run_id}"))["steps"]):
                await asyncio.sleep(0.01)
        assert "hunter22" not in str(seen["steps"])
    async with running_reactor({"it": flow}, data=tmp_path / "data") as reactor:
        await reactor.send("further")
        run = await reactor.finished(run_id)
        assert run["output"] == hashlib.sha256(b"hunter22" * 3).hexdigest()
        outputs = {step["path"]: step["output"] for step in run["steps"]}
        assert "hunter22" not in str(outputs)
        assert [outputs[path] for path in ("e", "e[0]", "e[1]", "p", "p.branches.a")] == ["***"] * 5


@pytest.mark.proves("step.output")
async def test_a_reshaped_set_is_the_same_after_a_restart(tmp_path):
    """Its variables stay what was set, and its output what was made of it."""
    flow = (
        HEAD
        + """\
steps:
  - {name: x, set: {k: 1}, output: output.k + 6}
  - {name: w, wait_for: {event: further}}
outputs: {output: "{{ steps.x.output }}", k: "{{ vars.k }}"}
"""
    )
    async with running_reactor({"it": flow}, data=tmp_path / "data") as reactor:
        run_id = (await reactor.send("go"))["runs"][0]["id"]
    async with running_reactor({"it": flow}, data=tmp_path / "data") as reactor:
        await reactor.send("further")
        assert (await reactor.finished(run_id))["output"] == {"output": 7, "k": 1}
