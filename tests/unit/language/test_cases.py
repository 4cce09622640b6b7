"""`tests:` of a flow and `NAME.test.yaml`: checked with their places, and made into values."""

import msgspec
import pytest

from reactor.language.cases import (
    UNSET,
    Answer,
    CaseEvent,
    Decision,
    Emitted,
    Failure,
    Sent,
    cases_of,
    fits,
    load_cases,
)
from reactor.model.errors import InvalidError

FLOW = """\
name: x
on: {event: order.created}
steps:
  - {name: charge, action: http.request, url: u, undo: {action: log.info}}
  - {name: each, for_each: event.data.items, steps: [{name: pack, action: log.info}]}
  - name: ways
    parallel: {branches: {a: [{name: send, action: log.info}], b: [{name: send, action: log.info}]}}
  - {switch: [{if: event.data.a, steps: [{name: left, wait: 1s}]}, {else: [{name: right, wait: 1s}]}]}
  - {name: ask, approve: {title: a, notify: [{name: mail, action: log.info}]}}
"""
FULL = """\
tests:
  - name: everything
    event:
      {type: order.created, data: {id: 7}, id: e, source: s, subject: j, time: 2026-11-23T09:00:00Z, metadata: {a: 1}}
    mock:
      charge: [{error: http.503}, {error: {kind: k, message: m}}, {output: {body: 1}, after: 2s}]
      pack: {outputs: [1, 2]}
      "each[3].pack": {output: "{{ not a template }}"}
      ways.branches.a.send: {output: }
    send: [{after: 2h, type: order.paid, data: {id: 7}, subject: j}]
    approve: [{step: ask, after: 1h, decision: reject, by: ann, form: {reason: r}}, {}]
    state: {count: 3}
    secrets: {KEY: k}
    env: {REGION: eu}
    now: "2026-11-23T09:00:00Z"
    advance: 3d
    expect:
      status: failed
      output: null
      error: order.refused
      steps: {charge: completed, "each[0]": failed, ways.branches.a: completed}
      outputs: {charge: 250, "each[0].pack": null}
      called: [charge, "each[0].pack", charge.undo]
      not_called: [ways.branches.b.send]
      emitted: [{type: a, data: null}, {type: b}]
      vars: {a: 1}
      state: {count: 4}
  - {name: by hand, inputs: {id: 7}, expect: {called: []}}
  - {name: not at all, event: {data: 1}, expect: {matches: false}}
"""


@pytest.fixture
def flow(read):
    return read(FLOW).flow


@pytest.fixture
def found(read):
    """`line:column rule` of the problems of a flow's tests; lines count from where the tests begin."""

    def problems(text):
        first = FLOW.count("\n")
        return [f"{p.line - first}:{p.column} {p.rule}" for p in read(FLOW + text).problems]

    return problems


def test_a_test_with_everything(read):
    loaded = read(FLOW + FULL)
    assert [str(problem) for problem in loaded.problems] == []
    full, by_hand, no = cases_of(loaded.flow)
    assert (full.name, full.now, full.advance, full.file) == ("everything", 1795424400000, 259_200_000, "flow.yaml")
    assert full.event == CaseEvent(
        type="order.created", data={"id": 7}, id="e", source="s", subject="j", time=1795424400000, metadata={"a": 1}
    )
    assert {mock.at: mock.answers for mock in full.mock} == {
        "charge": (
            Answer(error=Failure(kind="http.503")),
            Answer(error=Failure(kind="k", message="m")),
            Answer(output={"body": 1}, after=2_000),
        ),
        "pack": (Answer(output=1), Answer(output=2)),
        "each[3].pack": (Answer(output="{{ not a template }}"),),
        "ways.branches.a.send": (Answer(),),
    }
    assert full.send == (Sent(type="order.paid", after=7_200_000, data={"id": 7}, subject="j"),)
    assert full.approve == (
        Decision(step="ask", after=3_600_000, decision="reject", by="ann", form={"reason": "r"}),
        Decision(),
    )
    assert (full.state, full.secrets, full.env) == ({"count": 3}, {"KEY": "k"}, {"REGION": "eu"})
    assert (by_hand.event, by_hand.inputs, by_hand.expect.called) == (None, {"id": 7}, ())
    assert (no.event, no.expect.matches) == (CaseEvent(data=1), False)


def test_what_is_expected(read):
    expect = cases_of(read(FLOW + FULL).flow)[0].expect
    assert (expect.status, expect.output, expect.error) == ("failed", None, Failure(kind="order.refused"))
    assert expect.steps == {"charge": "completed", "each[0]": "failed", "ways.branches.a": "completed"}
    assert expect.outputs == {"charge": 250, "each[0].pack": None}
    assert (expect.called, expect.not_called) == (
        ("charge", "each[0].pack", "charge.undo"),
        ("ways.branches.b.send",),
    )
    assert expect.emitted == (Emitted(type="a", data=None), Emitted(type="b"))
    assert (expect.vars, expect.state, expect.matches) == ({"a": 1}, {"count": 4}, None)


def test_what_is_not_named_is_not_looked_at(read):
    expect = cases_of(read(FLOW + "tests: [{name: a}]").flow)[0].expect
    assert (expect.output, expect.emitted, expect.called, expect.status) == (UNSET, None, None, None)


def test_answers_one_after_another(read):
    (mock, *_) = cases_of(read(FLOW + FULL).flow)[0].mock
    assert [mock.answer(call).error is None for call in range(5)] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("key", "path", "wanted"),
    [
        ("charge", "charge", True),
        ("charge", "block.charge", True),
        ("charge", "recharge", False),
        ("charge.undo", "charge.undo", True),
        ("charge", "charge.undo", False),
        ("pack", "each[3].pack", True),
        ("each[3].pack", "each[3].pack", True),
        ("each[3].pack", "each[30].pack", False),
        ("each[].pack", "each[30].pack", True),
        ("each[3].pack", "outer[0].each[3].pack", True),
        ("each[3]", "each[3]", True),
        ("a.send", "ways.branches.a.send", True),
        ("a.send", "ways.branches.b.send", False),
    ],
)
def test_what_a_key_fits(key, path, wanted):
    assert fits(key, path) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tests:", ["1:7 wrong-type"]),
        ("tests: []", ["1:8 wrong-type"]),
        ("tests: {name: a}", ["1:8 wrong-type"]),
        ("tests: [a]", ["1:9 wrong-type"]),
        ("tests: [{}]", ["1:9 missing-key"]),
        ("tests: [{name: a, evnt: {}}]", ["1:19 unknown-key"]),
        ("tests: [{name: a}, {name: a}]", ["1:27 duplicate-name"]),
        ("tests: [{name: a, event: order.created}]", ["1:26 wrong-type"]),
        ("tests: [{name: a, event: {type: 'a b'}}]", ["1:33 name"]),
        ("tests: [{name: a, event: {time: today}}]", ["1:33 time"]),
        ("tests: [{name: a, event: {metadata: 1}}]", ["1:37 wrong-type"]),
        ("tests: [{name: a, inputs: 5}]", ["1:27 wrong-type"]),
        ("tests: [{name: a, now: soon}]", ["1:24 time"]),
        ("tests: [{name: a, advance: soon}]", ["1:28 duration"]),
        ("tests: [{name: a, advance: 0s}]", ["1:28 out-of-range"]),
        ("tests: [{name: a, mock: [charge]}]", ["1:25 wrong-type"]),
        ("tests: [{name: a, mock: {chrage: {output: 1}}}]", ["1:26 unknown-step"]),
        ("tests: [{name: a, mock: {charge: }}]", ["1:34 wrong-type"]),
        ("tests: [{name: a, mock: {charge: {}}}]", ["1:34 wrong-type"]),
        ("tests: [{name: a, mock: {charge: []}}]", ["1:34 no-value"]),
        ("tests: [{name: a, mock: {charge: {outptu: 1}}}]", ["1:35 unknown-key"]),
        ("tests: [{name: a, mock: {charge: {output: 1, error: x}}}]", ["1:46 several-keys"]),
        ("tests: [{name: a, mock: {charge: {error: 5}}}]", ["1:42 wrong-type"]),
        ("tests: [{name: a, mock: {charge: {error: {knd: 5}}}}]", ["1:43 unknown-key"]),
        ("tests: [{name: a, mock: {charge: {outputs: 5}}}]", ["1:44 wrong-type"]),
        ("tests: [{name: a, mock: {charge: {outputs: []}}}]", ["1:44 wrong-type"]),
        ("tests: [{name: a, mock: {'each[0]': {output: 1}}}]", ["1:26 unknown-step"]),
        ("tests: [{name: a, mock: {'switch.cases[1].right': {output: 1}}}]", []),
        ("tests: [{name: a, mock: {'switch.cases[0].right': {output: 1}}}]", ["1:26 unknown-step"]),
        ("tests: [{name: a, mock: {'pack[0]': {output: 1}}}]", ["1:26 unknown-step"]),
        ("tests: [{name: a, mock: {'ask.notify[0].mail': {output: 1}}}]", []),
        ("tests: [{name: a, send: {type: a}}]", ["1:25 wrong-type"]),
        ("tests: [{name: a, send: [{after: 1h}]}]", ["1:26 missing-key"]),
        ("tests: [{name: a, approve: [{decision: maybe}]}]", ["1:40 wrong-word"]),
        ("tests: [{name: a, approve: [{step: aks}]}]", ["1:36 unknown-step"]),
        ("tests: [{name: a, approve: [{step: charge}]}]", ["1:36 unknown-step"]),
        ("tests: [{name: a, secrets: {A: [1]}}]", ["1:32 wrong-type"]),
        ("tests: [{name: a, expect: completed}]", ["1:27 wrong-type"]),
        ("tests: [{name: a, expect: {status: done}}]", ["1:36 wrong-word"]),
        ("tests: [{name: a, expect: {steps: {charge: done}}}]", ["1:44 wrong-word"]),
        ("tests: [{name: a, expect: {steps: {chrge: failed}}}]", ["1:36 unknown-step"]),
        ("tests: [{name: a, expect: {steps: [charge]}}]", ["1:35 wrong-type"]),
        ("tests: [{name: a, expect: {outputs: {'ways.branches.c': 1}}}]", ["1:38 unknown-step"]),
        ("tests: [{name: a, expect: {called: charge}}]", ["1:36 wrong-type"]),
        ("tests: [{name: a, expect: {called: [charge, pck]}}]", ["1:45 unknown-step"]),
        ("tests: [{name: a, expect: {called: ['each[0]']}}]", ["1:37 unknown-step"]),
        ("tests: [{name: a, expect: {not_called: [nope]}}]", ["1:41 unknown-step"]),
        ("tests: [{name: a, expect: {emitted: [{data: 1}]}}]", ["1:38 missing-key"]),
        ("tests: [{name: a, expect: {matches: maybe}}]", ["1:37 wrong-type"]),
        ("tests: [{name: a, expect: {matches: false, status: failed}}]", ["1:44 several-keys"]),
        ("tests: [{name: a, expect: {sttus: failed}}]", ["1:28 unknown-key"]),
    ],
)
def test_problems_of_tests(found, text, wanted):
    assert found(text) == wanted


def test_which_step_was_meant(read):
    (problem,) = read(FLOW + "tests: [{name: a, mock: {chrage: {output: 1}}}]").problems
    assert (problem.suggestion, problem.fix.replacement) == ("charge", "charge")
    assert problem.message == "flow `x` has no step `chrage`; did you mean `charge`?"
    (problem,) = read(FLOW + "tests: [{name: a, approve: [{step: charge}]}]").problems
    assert "asks nobody" in problem.message
    assert problem.suggestion == "ask"


def test_who_decides_must_be_asked(read):
    text = "name: x\nsteps:\n- {name: a, %s}\n- {name: b, %s}\ntests: [{name: t, approve: [{by: ann}]}]\n"
    ask = "approve: {title: a}"
    assert [p.rule for p in read(text % (ask, "wait: 1s")).problems] == []
    (problem,) = read(text % (ask, ask)).problems
    assert (problem.rule, problem.allowed) == ("missing-key", ("a", "b"))
    (problem,) = read(text % ("wait: 1s", "wait: 1s")).problems
    assert (problem.rule, "nobody can decide" in problem.message) == ("unknown-step", True)


def test_a_broken_flow_is_told_without_its_steps(read):
    """Whether a step is there cannot be said, the keys of the test can."""
    text = "name: x\nsteps: [{name: a, wait: soon}]\ntests: [{name: t, mock: {b: {output: 1}}, expct: 1}]\n"
    assert [problem.rule for problem in read(text).problems] == ["duration", "unknown-key"]


@pytest.mark.parametrize("text", [FULL, FULL.removeprefix("tests:\n")], ids=["map", "list"])
def test_a_file_of_tests(flow, text):
    cases, problems = load_cases(text, flow=flow, file="x.test.yaml")
    assert problems == []
    assert [case.name for case in cases] == ["everything", "by hand", "not at all"]
    assert cases[0].file == "x.test.yaml"
    assert cases[1].line > cases[0].line > 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["1:1 empty"]),
        ("{}", ["1:1 missing-key"]),
        ("just text", ["1:1 wrong-type"]),
        ("test: [{name: a}]", ["1:1 missing-key", "1:1 unknown-key"]),
        ("tests: [{name: a, mock: {nope: {output: 1}}}]", ["1:26 unknown-step"]),
        ("tests: [{name: a", ["1:9 yaml"]),
    ],
)
def test_problems_of_a_file(flow, text, wanted):
    cases, problems = load_cases(text, flow=flow)
    assert [f"{p.line}:{p.column} {p.rule}" for p in problems] == wanted
    assert cases == ()


def test_a_file_beside_a_broken_flow(flow):
    cases, problems = load_cases("[{name: a, mock: {nope: {output: 1}}}]", flow=None)
    assert (len(cases), problems) == (1, [])


def test_one_wrong_test_does_not_hide_the_others(flow):
    cases, problems = load_cases("[{name: a, advance: x}, {name: b}]", flow=flow)
    assert ([case.name for case in cases], [problem.rule for problem in problems]) == (["b"], ["duration"])


def test_tests_that_are_no_yaml(flow):
    """A Python flow gives them as plain data."""
    tested = msgspec.structs.replace(flow, tests=({"name": "a", "advance": "1h", "expect": {"matches": True}},))
    (case,) = cases_of(tested)
    assert (case.advance, case.expect.matches) == (3_600_000, True)
    with pytest.raises(InvalidError, match=r"`tests` of flow `x`: `tests` has no key `nme`"):
        cases_of(msgspec.structs.replace(flow, tests=({"nme": "a"},)))
