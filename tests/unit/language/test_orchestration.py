"""Steps that hold steps: branches, loops, cases, undo. What they are in the model, and what is refused where."""

import pytest

from reactor.model.flow import (
    BlockStep,
    BreakStep,
    SwitchStep,
    WaitStep,
    walk,
)

HEAD = "name: x\nsteps:\n"
PAIR = "branches: {a: [{wait: 1s}], b: [{wait: 2s}]}"


def paths(steps):
    return [path for path, _ in walk(steps)]


# --- parallel ------------------------------------------------------------------------------------------------------


def test_branches_of_a_map(steps):
    (step,) = steps(
        "- name: ask\n"
        "  parallel:\n"
        "    branches:\n"
        "      a: [{wait: 1s}, {set: {x: 1}}]\n"
        "      b: [{name: same, wait: 2s}]\n"
        "    join: {count: 1}\n"
        "    max_parallel: '{{ event.data.n }}'\n"
        "    timeout: 5m\n"
    )
    assert type(step).__name__ == "ParallelStep"
    assert paths([step]) == ["ask", "ask.branches.a.wait", "ask.branches.a.set", "ask.branches.b.same"]
    assert [(branch.name, branch.line) for branch in step.branches] == [("a", 6), ("b", 7)]
    assert (step.join.mode, step.join.count, step.timeout, step.fail_fast) == ("count", 1, 300_000, True)
    assert step.max_parallel.evaluate({"event": {"data": {"n": 3}}}) == 3


def test_true_makes_a_branch_of_each_step(steps):
    (step,) = steps(
        "- parallel: true\n"
        "  join: first\n"
        "  max_parallel: 2\n"
        "  timeout: 1m\n"
        "  steps:\n"
        "    - {wait: 1s}\n"
        "    - {wait: 2s}\n"
        "    - {name: both, steps: [{name: i, wait: 1s}]}\n"
        "    - {name: other, steps: [{name: i, wait: 1s}]}\n"
    )
    assert paths([step]) == [
        "parallel",
        "parallel.branches.wait.wait",
        "parallel.branches.wait-2.wait-2",
        "parallel.branches.both.both",
        "parallel.branches.both.both.i",
        "parallel.branches.other.other",
        "parallel.branches.other.other.i",
    ]
    assert (step.join.mode, step.max_parallel, step.timeout, step.fail_fast) == ("first", 2, 60_000, True)


@pytest.mark.parametrize("mode", ["all", "any", "first"])
def test_joins_by_a_word(steps, mode):
    assert steps(f"- parallel: {{{PAIR}, join: {mode}}}")[0].join.mode == mode


def test_a_join_that_asks(steps):
    (step,) = steps(
        f"- parallel: {{{PAIR}, join: {{until: \"branches.a.status == 'failed' or branches['b'].output\"}}}}"
    )
    assert step.join.mode == "until"
    assert step.join.until.evaluate({"branches": {"a": {"status": "failed"}, "b": {"output": 0}}}) is True


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- parallel: {}", ["3:13 missing-key"]),
        ("- parallel: {branches: {}}", ["3:24 no-value"]),
        ("- parallel: {branches: }", ["3:24 wrong-type"]),
        ("- parallel: {branches: [a]}", ["3:24 wrong-type"]),
        ("- parallel: {branches: {a: []}}", ["3:28 no-value"]),
        ("- parallel: {branches: {a: }}", ["3:25 no-value"]),
        ("- parallel: {branches: {a: {wait: 1s}}}", ["3:28 wrong-type"]),
        ("- parallel: {branches: {a b: [{wait: 1s}]}}", ["3:25 name"]),
        ("- parallel: {branches: {a: [{wait: 1s}], a: [{wait: 1s}]}}", ["3:42 duplicate-key"]),
        ("- parallel: {branchs: {a: [{wait: 1s}]}}", ["3:13 missing-key", "3:14 unknown-key"]),
        ("- parallel: true", ["3:3 missing-key"]),
        ("- parallel: false", ["3:13 wrong-type"]),
        ("- parallel: 3", ["3:13 wrong-type"]),
        ("- parallel:", ["3:12 wrong-type"]),
        ("- {parallel: true, steps: []}", ["3:27 no-value"]),
        ("- {parallel: true, steps: }", ["3:20 no-value"]),
        (f"- {{parallel: {{{PAIR}}}, steps: [{{wait: 1s}}]}}", ["3:62 several-keys"]),
        (f"- {{parallel: {{{PAIR}}}, join: any}}", ["3:62 several-keys"]),
        (f"- {{parallel: {{{PAIR}, timeout: 1s}}, timeout: 1s}}", ["3:75 several-keys"]),
        (f"- {{parallel: {{{PAIR}, join: frist}}}}", ["3:67 wrong-word"]),
        (f"- {{parallel: {{{PAIR}, join: 2}}}}", ["3:67 wrong-word"]),
        (f"- {{parallel: {{{PAIR}, join: {{}}}}}}", ["3:67 missing-key"]),
        (f"- {{parallel: {{{PAIR}, join: {{count: 0}}}}}}", ["3:75 out-of-range"]),
        (f"- {{parallel: {{{PAIR}, join: {{count: 3}}}}}}", ["3:75 out-of-range"]),
        (f"- {{parallel: {{{PAIR}, join: {{count: two}}}}}}", ["3:75 wrong-type"]),
        (f"- {{parallel: {{{PAIR}, join: {{count: '{{{{ event.data.n }}}}'}}}}}}", []),
        (f"- {{parallel: {{{PAIR}, join: {{count: 1, until: branches.a}}}}}}", ["3:67 several-keys"]),
        (f"- {{parallel: {{{PAIR}, join: {{untill: branches.a}}}}}}", ["3:67 missing-key", "3:68 unknown-key"]),
        (f"- {{parallel: {{{PAIR}, join: {{until: branches.c.output}}}}}}", ["3:84 unknown-branch"]),
        (f"- {{parallel: {{{PAIR}, join: {{until: branches.a.body}}}}}}", ["3:86 unknown-name"]),
        (f"- {{parallel: {{{PAIR}, max_parallel: 0}}}}", ["3:75 out-of-range"]),
        (f"- {{parallel: {{{PAIR}, fail_fast: 1}}}}", ["3:72 wrong-type"]),
        (f"- {{parallel: {{{PAIR}, join: any, fail_fast: false}}}}", ["3:72 no-effect?"]),
        (f"- {{parallel: {{{PAIR}, timeout: 0s}}}}", ["3:70 out-of-range"]),
    ],
)
def test_problems_of_parallel(told, text, found):
    assert told(HEAD + text) == found


def test_what_a_join_should_have_been(read):
    (problem,) = read(f"{HEAD}- {{parallel: {{{PAIR}, join: frist}}}}").problems
    assert (problem.suggestion, problem.fix.replacement) == ("first", "first")
    assert "{count: N}" in problem.message


def test_names_inside_branches_are_not_seen_outside(read, told):
    text = HEAD + (
        "- {name: before, wait: 1s}\n"
        "- {name: p, parallel: {branches: {a: [{name: i, wait: 1s},"
        " {if: steps.i.status and steps.before.status, wait: 1s}], b: [{name: i, wait: 1s}]}}}\n"
        "- {if: steps.p.output.branches.a.output, return: 1}\n"
    )
    assert read(text).problems == []
    assert told(text + "- {if: steps.i.output, wait: 1s}\n") == ["6:14 unknown-step"]
    beside = "- {parallel: {branches: {a: [{name: i, wait: 1s}], b: [{if: steps.i.status, wait: 1s}]}}}"
    assert told(HEAD + beside) == ["3:67 unknown-step"]
    assert told(HEAD + "- {name: p, parallel: {branches: {a: [{if: steps.p.status, wait: 1s}]}}}") == [
        "3:50 not-run-yet"
    ]


def test_two_branches_that_set_one_name_are_warned_of(told, read):
    text = (
        "- {set: {a: 1, n: 0}}\n"
        "- {parallel: {branches: {one: [{set: {a: 1}}, {set: {a: 2}}], two: [{steps: [{set: {b: 1, a: 2}}]}]}}}\n"
        "- {parallel: true, steps: [{set: {n: 1}}, {name: s, set: {n: 2}}]}\n"
    )
    assert told(HEAD + text) == ["4:91 shared-var?", "5:59 shared-var?"]
    assert "branch `one` sets `a` too (line 4)" in read(HEAD + text).problems[0].message


# --- loops ---------------------------------------------------------------------------------------------------------


def test_for_each(steps):
    (step,) = steps(
        "- name: each\n"
        "  for_each: event.data.orders\n"
        "  as: order\n"
        "  max_parallel: 10\n"
        "  batch: '{{ event.data.n }}'\n"
        "  steps: [{name: one, action: log.info, message: '{{ order.id }} {{ item }} {{ index }}'}]\n"
    )
    assert type(step).__name__ == "ForEachStep"
    assert paths([step]) == ["each", "each[].one"]
    assert step.items.evaluate({"event": {"data": {"orders": [1, 2]}}}) == [1, 2]
    assert (step.as_, step.max_parallel, step.batch.evaluate({"event": {"data": {"n": "5"}}})) == ("order", 10, "5")
    scope = {"order": {"id": 7}, "item": 1, "index": 2}
    assert step.steps[0].params.evaluate(scope)["message"] == "7 1 2"


def test_for_each_over_constants(steps):
    first, second, third = steps(
        "- {for_each: [1, '{{ event.id }}'], steps: [{wait: 1s}]}\n"
        "- {for_each: {a: 1}, steps: [{wait: 1s}]}\n"
        "- {for_each: '{{ event.data }}', steps: [{wait: 1s}]}\n"
    )
    assert first.items.evaluate({"event": {"id": "e"}}) == [1, "e"]
    assert second.items.evaluate({}) == {"a": 1}
    assert third.items.evaluate({"event": {"data": [3]}}) == [3]
    assert (first.max_parallel, first.batch, first.as_) == (1, None, None)


def test_while_and_until(steps):
    _, again, poll = steps(
        "- set: {more: true}\n"
        "- {name: a, while: vars.more and index < 5, steps: [{set: {more: false}}]}\n"
        "- {name: b, until: steps.poll.output.done, max: 20, every: 5s, steps: [{name: poll, action: log.info}]}\n"
    )
    assert type(again).__name__ == "LoopStep"
    assert again.while_.evaluate({"vars": {"more": True}, "index": 1}) is True
    assert (again.until, again.max, again.every) == (None, 1_000, None)
    assert (poll.while_, poll.max, poll.every) == (None, 20, 5_000)
    assert poll.until.evaluate({"steps": {"poll": {"output": {"done": True}}}}) is True
    assert paths([poll]) == ["b", "b[].poll"]


def test_break_in_a_loop(steps):
    (step,) = steps("- {for_each: event.data, steps: [{if: item.last, break: true}, {steps: [{break: true}]}]}")
    assert isinstance(step.steps[0], BreakStep)
    assert step.steps[0].if_ is not None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- {for_each: event.data}", ["3:4 missing-key"]),
        ("- {for_each: event.data, steps: }", ["3:26 no-value"]),
        ("- {for_each: event.data, steps: []}", ["3:33 no-value"]),
        ("- {for_each: , steps: [{wait: 1s}]}", ["3:14 wrong-type"]),
        ("- {for_each: 5, steps: [{wait: 1s}]}", ["3:14 wrong-type"]),
        ("- {for_each: [], steps: [{wait: 1s}]}", ["3:14 no-value"]),
        ("- {for_each: {}, steps: [{wait: 1s}]}", ["3:14 no-value"]),
        ("- {for_each: evnt.data, steps: [{wait: 1s}]}", ["3:14 unknown-name"]),
        ("- {for_each: event.data, as: event, steps: [{wait: 1s}]}", ["3:30 name"]),
        ("- {for_each: event.data, as: index, steps: [{wait: 1s}]}", ["3:30 name"]),
        ("- {for_each: event.data, as: 'not', steps: [{wait: 1s}]}", ["3:30 name"]),
        ("- {for_each: event.data, as: a-b, steps: [{wait: 1s}]}", ["3:30 name"]),
        ("- {for_each: event.data, as: [a], steps: [{wait: 1s}]}", ["3:30 name"]),
        ("- {for_each: event.data, as: item, steps: [{wait: 1s}]}", []),
        ("- {for_each: event.data, max_parallel: 0, steps: [{wait: 1s}]}", ["3:40 out-of-range"]),
        ("- {for_each: event.data, batch: 0, steps: [{wait: 1s}]}", ["3:33 out-of-range"]),
        ("- {for_each: event.data, bach: 2, steps: [{wait: 1s}]}", ["3:26 unknown-key"]),
        ("- {for_each: event.data, max: 2, steps: [{wait: 1s}]}", ["3:26 unknown-key"]),
        ("- {while: event.id}", ["3:4 missing-key"]),
        ("- {while: , steps: [{wait: 1s}]}", ["3:11 no-value"]),
        ("- {while: 5, steps: [{wait: 1s}]}", ["3:11 wrong-type"]),
        ("- {while: event.id, max: 0, steps: [{wait: 1s}]}", ["3:26 out-of-range"]),
        ("- {while: event.id, max: many, steps: [{wait: 1s}]}", ["3:26 wrong-type"]),
        ("- {while: event.id, every: 0s, steps: [{wait: 1s}]}", ["3:28 out-of-range"]),
        ("- {while: true, steps: [{wait: 1s}]}", ["3:11 endless-loop?"]),
        ("- {until: false, steps: [{wait: 1s}]}", ["3:11 endless-loop?"]),
        ("- {until: 1 > 2, steps: [{wait: 1s}]}", ["3:11 endless-loop?"]),
        ("- {while: true, max: 5, steps: [{wait: 1s}]}", []),
        ("- {while: event.id, until: event.id, steps: [{wait: 1s}]}", ["3:21 several-verbs"]),
        ("- {while: steps.i.status, steps: [{name: i, wait: 1s}]}", ["3:17 unknown-step"]),
        ("- {until: steps.j.status, steps: [{name: i, wait: 1s}]}", ["3:17 unknown-step"]),
        ("- {while: item, steps: [{wait: 1s}]}", ["3:11 not-here"]),
        ("- break: true", ["3:3 break"]),
        ("- {break: false}", ["3:11 wrong-type"]),
        ("- {steps: [{if: event.id, break: true}]}", ["3:27 break"]),
        ("- {parallel: {branches: {a: [{break: true}]}}}", ["3:31 break"]),
        ("- {while: event.id, steps: [{parallel: true, steps: [{break: true}]}]}", ["3:55 break"]),
        ("- {while: event.id, steps: [{action: log.info, undo: {break: true}}]}", ["3:55 break"]),
        ("- {while: event.id, steps: [{wait: 1s, on_error: [{break: true}]}]}", []),
        ("- {parallel: {branches: {a: [{while: event.id, steps: [{break: true}]}]}}}", []),
    ],
)
def test_problems_of_loops(told, text, found):
    assert told(HEAD + text) == found


def test_an_endless_loop_is_told_of_its_bound(read):
    (problem,) = read(HEAD + "- {while: true, steps: [{wait: 1s}]}").problems
    assert "default `max` of 1,000" in problem.message


def test_why_break_cannot_stand_there(read):
    (problem,) = read(HEAD + "- {while: event.id, steps: [{parallel: true, steps: [{break: true}]}]}").problems
    assert "cannot leave a branch" in problem.message
    (problem,) = read(HEAD + "- break: true").problems
    assert "there is none around it" in problem.message


def test_names_inside_iterations_are_not_seen_outside(told):
    loop = (
        "- {name: l, for_each: event.data, as: order, steps: [{name: i, wait: 1s}, {if: steps.i.status, wait: 1s}]}\n"
    )
    assert told(HEAD + loop + "- {if: steps.l.output, wait: 1s}\n") == []
    assert told(HEAD + loop + "- {if: steps.i.output, wait: 1s}\n") == ["4:14 unknown-step"]
    assert told(HEAD + loop + "- {if: order.id, wait: 1s}\n") == ["4:8 unknown-name"]
    assert told(HEAD + loop + "- {if: item, wait: 1s}\n") == ["4:8 not-here"]


def test_loops_in_loops(told):
    text = HEAD + (
        "- for_each: event.data\n"
        "  as: order\n"
        "  steps:\n"
        "    - {for_each: order.lines, as: line, steps: [{action: log.info, message: '{{ order.id }} {{ line }}'}]}\n"
        "    - {for_each: item.lines, as: order, steps: [{wait: 1s}]}\n"
    )
    assert told(text) == ["7:34 shadowed-name?"]


# --- switch --------------------------------------------------------------------------------------------------------

SWITCH = """\
- name: which
  switch:
    - {if: event.data.a, steps: [{name: x, wait: 1s}, {name: y, wait: 1s}]}
    - {if: event.data.b, steps: [{name: x, wait: 2s}]}
    - else: [{fail: neither}]
"""


def test_switch(steps):
    step, after = steps(SWITCH + "- {if: steps.x.status or steps.y.status or steps.which.output, wait: 1s}\n")
    assert isinstance(step, SwitchStep)
    assert [case.if_ is not None for case in step.cases] == [True, True, False]
    assert paths([step]) == ["which", "which.cases[0].x", "which.cases[0].y", "which.cases[1].x", "which.cases[2].fail"]
    assert isinstance(after, WaitStep)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- switch: []", ["3:11 wrong-type"]),
        ("- switch:", ["3:10 wrong-type"]),
        ("- switch: {if: event.id}", ["3:11 wrong-type"]),
        ("- switch: [a]", ["3:12 wrong-type"]),
        ("- switch: [{if: event.id}]", ["3:12 missing-key"]),
        ("- switch: [{steps: [{wait: 1s}]}]", ["3:12 missing-key"]),
        ("- switch: [{if: event.id, steps: }]", ["3:27 no-value"]),
        ("- switch: [{if: event.id, steps: []}]", ["3:34 no-value"]),
        ("- switch: [{if: event.id, step: [{wait: 1s}]}]", ["3:12 missing-key", "3:27 unknown-key"]),
        ("- switch: [{if: , steps: [{wait: 1s}]}]", ["3:17 no-value"]),
        ("- switch: [{if: evnt, steps: [{wait: 1s}]}]", ["3:17 unknown-name"]),
        ("- switch: [{else: [{wait: 1s}]}]", []),
        ("- switch: [{else: [{wait: 1s}]}, {if: event.id, steps: [{wait: 1s}]}]", ["3:13 not-here"]),
        ("- switch: [{else: [{wait: 1s}]}, {else: [{wait: 1s}]}]", ["3:13 not-here"]),
        ("- switch: [{if: event.id, else: [{wait: 1s}]}]", ["3:13 several-keys"]),
        ("- switch: [{else: }]", ["3:13 no-value"]),
        ("- {switch: [{else: [{wait: 1s}]}], with: {a: 1}}", ["3:36 unknown-key"]),
    ],
)
def test_problems_of_switch(told, text, found):
    assert told(HEAD + text) == found


def test_names_in_cases_are_those_of_the_list_around(told):
    clash = HEAD + "- {name: x, wait: 1s}\n" + SWITCH
    assert told(clash) == ["6:41 duplicate-name", "7:41 duplicate-name"]
    twice = "- {switch: [{if: event.id, steps: [{name: a, wait: 1s}, {steps: [{name: a, wait: 1s}]}]}]}"
    assert told(HEAD + twice) == ["3:73 duplicate-name"]
    other = "- {switch: [{else: [{name: x, wait: 1s}]}]}\n"
    assert told(HEAD + SWITCH + other) == ["8:28 duplicate-name"]


def test_names_in_cases_of_cases(told):
    inner = "{switch: [{if: event.id, steps: [{name: x, wait: 1s}]}, {else: [{name: x, wait: 1s}]}]}"
    outer = "- {switch: [{if: event.id, steps: [%s]}, {else: [{name: x, wait: 1s}]}]}\n"
    assert told(HEAD + outer % inner) == []
    assert told(HEAD + outer % f"{inner}, {{name: x, wait: 1s}}") == ["3:132 duplicate-name"]
    assert told(HEAD + outer % f"{{name: x, wait: 1s}}, {inner}") == ["3:97 duplicate-name", "3:128 duplicate-name"]
    assert told(HEAD + outer % f"{inner}, {inner}") == ["3:165 duplicate-name", "3:196 duplicate-name"]


def test_unnamed_steps_of_cases_get_names_of_their_own(steps):
    (step,) = steps("- {switch: [{if: event.id, steps: [{wait: 1s}]}, {else: [{wait: 2s}]}]}")
    assert paths([step]) == ["switch", "switch.cases[0].wait", "switch.cases[1].wait-2"]


def test_a_case_does_not_know_what_another_one_does(read, told):
    text = (
        HEAD + "- switch:\n  - {if: event.id, steps: [{name: a, wait: 1s}]}\n"
        "  - {if: %s, steps: [{name: b, if: %s, wait: 1s}]}\n"
    )
    assert told(text % ("event.id", "steps.a.status")) == ["5:48 not-run-yet"]
    assert told(text % ("steps.a.status", "event.id")) == ["5:16 not-run-yet"]
    (problem,) = read(text % ("event.id", "steps.a.status")).problems
    assert "another case" in problem.message


# --- undo ----------------------------------------------------------------------------------------------------------


def test_undo_of_a_step(steps):
    (step,) = steps(
        "- name: charge\n"
        "  action: http.request\n"
        "  url: u\n"
        "  secret_output: true\n"
        "  undo: {action: http.request, retry: 5,"
        " url: '{{ steps.charge.output.id }} {{ output.id }} {{ error.kind }}'}\n"
    )
    assert (step.undo.name, step.secret_output, step.undo.retry.max) == ("undo", True, 5)
    assert paths([step]) == ["charge", "charge.undo"]
    scope = {"steps": {"charge": {"output": {"id": 1}}}, "output": {"id": 2}, "error": {"kind": "k"}}
    assert step.undo.params.evaluate(scope)["url"] == "1 2 k"


def test_undo_in_several_steps_is_a_block(steps):
    (step,) = steps(
        "- {name: a, wait: 1s, undo: [{wait: 1s}, {name: b, if: steps.wait.status and steps.a.output, wait: 1s}]}"
    )
    assert isinstance(step.undo, BlockStep)
    assert paths([step]) == ["a", "a.undo", "a.undo.wait", "a.undo.b"]


def test_undo_of_a_block_sees_what_is_in_it(read):
    text = HEAD + "- {name: b, steps: [{name: i, wait: 1s}], undo: {if: steps.i.output and steps.b.output, wait: 1s}}\n"
    assert read(text).problems == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- {wait: 1s, undo: }", ["3:20 wrong-type"]),
        ("- {wait: 1s, undo: true}", ["3:20 wrong-type"]),
        ("- {wait: 1s, undo: []}", ["3:20 no-value"]),
        ("- {wait: 1s, undo: [a]}", ["3:21 wrong-type"]),
        ("- {wait: 1s, undo: {}}", ["3:20 no-verb"]),
        ("- {wait: 1s, undo: {name: back, wait: 1s}}", ["3:21 name"]),
        ("- {wait: 1s, undo: {acton: log.info}}", ["3:21 unknown-key"]),
        ("- {wait: 1s, undo: {wait: 1s, undo: {wait: 1s}}}", ["3:31 not-here"]),
        ("- {wait: 1s, undo: [{wait: 1s, undo: {wait: 1s}}]}", ["3:32 not-here"]),
        ("- {wait: 1s, undo: {wait: 1s, if: steps.late.status}}\n- {name: late, wait: 1s}", ["3:41 not-run-yet"]),
        ("- {name: a, wait: 1s, undo: [{name: i, wait: 1s}]}\n- {if: steps.i.status, wait: 1s}", ["4:14 unknown-step"]),
        ("- {name: a, wait: 1s, undo: {wait: 1s}}\n- {if: steps.undo.status, wait: 1s}", ["4:14 unknown-step"]),
        ("- {name: a, steps: [{name: undo, wait: 1s}], undo: {wait: 1s}}", ["3:28 duplicate-name"]),
        ("- {name: a, steps: [{name: finally, wait: 1s}], finally: [{wait: 1s}]}", ["3:28 duplicate-name"]),
        ("- {name: a, steps: [{name: undo, wait: 1s}]}", []),
    ],
)
def test_problems_of_undo(told, text, found):
    assert told(HEAD + text) == found


# --- the rest ------------------------------------------------------------------------------------------------------


def test_calls(steps):
    first, second = steps(
        "- {call: other, version: 3, wait: false, with: {a: 1}}\n- {call: other, timeout: 1m, retry: 2}\n"
    )
    assert type(first).__name__ == "CallStep"
    assert (first.version, first.wait, first.params.evaluate({})) == (3, False, {"a": 1})
    assert (second.version, second.wait, second.timeout, second.retry.max) == (None, True, 60_000, 2)


def test_state(steps):
    put, add, delete, null = steps(
        "- state: {key: 'a-{{ event.id }}', set: {n: '{{ event.id }}'}}\n"
        "- state: {key: a, add: '{{ state.a }}'}\n"
        "- state: {key: a, delete: true}\n"
        "- state: {key: a, set: }\n"
    )
    assert type(put).__name__ == "StateStep"
    assert (put.key.evaluate({"event": {"id": 7}}), put.value.evaluate({"event": {"id": 7}})) == ("a-7", {"n": 7})
    assert (add.op, add.value.evaluate({"state": {"a": 2}})) == ("add", 2)
    assert (delete.op, delete.value) == ("delete", None)
    assert (null.op, null.value.evaluate({})) == ("set", None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- state: a", ["3:10 wrong-type"]),
        ("- state: {}", ["3:10 missing-key", "3:10 missing-key"]),
        ("- state: {key: a}", ["3:10 missing-key"]),
        ("- state: {set: 1}", ["3:10 missing-key"]),
        ("- state: {key: a, set: 1, add: 2}", ["3:27 several-keys"]),
        ("- state: {key: a, delete: false}", ["3:27 wrong-type"]),
        ("- state: {key: a, delte: true}", ["3:10 missing-key", "3:19 unknown-key"]),
        ("- state: {key: '', set: 1}", ["3:16 no-value"]),
        ("- state: {key: [a], set: 1}", ["3:16 wrong-type"]),
        ("- state: {key: a, set: '{{ secrets.A }}'}", ["3:28 not-here"]),
        ("- state: {key: '{{ secrets.A }}', set: 1}", ["3:20 not-here"]),
    ],
)
def test_problems_of_state(told, text, found):
    assert told(HEAD + text) == found
