"""What has to be refused: with a message that says what is wrong and what to do, at its place."""

import pytest

from reactor.language.folder import load_folder
from reactor.language.loader import load
from reactor.testing import run_flow_tests

HEAD = "name: it\non: {event: go}\nsteps:\n"


@pytest.fixture
def told(installed):
    """`LINE:COLUMN SEVERITY MESSAGE` of everything that is said of a text."""

    def read(text):
        found = load(text, file="it.yaml", catalog=installed).problems
        return [f"{one.line}:{one.column} {one.severity} {one.message}" for one in found]

    return read


@pytest.mark.proves("refused: unknown join")
@pytest.mark.parametrize(
    ("join", "said"),
    [
        ("most", "4:23 error `join` takes `all`, `any`, `first`, `{count: N}` and `{until: EXPR}`, not `most`"),
        ("al", "4:23 error `join` takes `all`, `any`, `first`, `{count: N}` and `{until: EXPR}`, not `al`"),
        ("{most: 3}", "4:24 error `join` has no key `most`; it takes `count` and `until`"),
        ("{count: 2}", "4:31 error `count: 2` wants more branches than there are (1): it could never be decided"),
    ],
)
def test_unknown_join(told, join, said):
    found = told(HEAD + f"  - {{parallel: {{join: {join}, branches: {{a: [{{wait: 1s}}]}}}}}}\n")
    assert any(one.startswith(said) for one in found), found
    assert told(HEAD + "  - {parallel: {join: any, branches: {a: [{wait: 1s}]}}}\n") == []


@pytest.mark.proves("refused: circular calls")
def test_circular_calls(tmp_path, installed):
    for name, called in {"a": "b", "b": "c", "c": "a", "d": "e", "e": "self-made"}.items():
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nsteps:\n  - {{name: sub, call: {called}}}\n")
    (tmp_path / "s.yaml").write_text("name: self-made\nsteps:\n  - {wait: 1s}\n")
    [problem] = load_folder([tmp_path], catalog=installed).problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "c.yaml"), 3, 23)
    assert "a → b → c → a" in problem.message
    assert problem.severity == "error"


@pytest.mark.proves("refused: loop without a bound")
@pytest.mark.parametrize(("condition", "column"), [("while: true", 22), ("until: false", 22)])
def test_a_loop_without_a_bound(told, shows, condition, column):
    """It is told, and it has one all the same."""
    loop = f"  - {{name: l, {condition}, steps: [{{wait: 1s}}]}}\n"
    [said] = told(HEAD + loop)
    word, _, value = condition.partition(": ")
    assert said == (
        f"4:{column} warning `{word}: {value}` never changes, so only `break`, `return` or the default `max` of 1,000 "
        "iterations ends this loop (with kind `loop.limit`); give it a `max`"
    )
    bounded = loop.replace(condition, f"{condition}, max: 5")
    assert told(HEAD + bounded) == []
    tests = "tests: [{name: t, event: {}, expect: {error: loop.limit}}]\n"
    shows(HEAD + loop + tests, ("steps: [{wait: 1s}]", "steps: [{break: true}]"))


@pytest.mark.proves("refused: correlation that never matches")
def test_a_correlation_that_never_matches(told):
    step = "  - {wait_for: {event: paid, if: COND}}\n"
    [said] = told(HEAD + step.replace("COND", "'false'"))
    assert said == (
        "4:34 error this never holds, so no event is ever taken; compare the event that came, as in "
        "`received.data.id == event.data.id`"
    )
    assert told(HEAD + step.replace("COND", "1 > 2")) == [said]
    [said] = told(HEAD + step.replace("COND", "event.data.id == 7"))
    assert said.startswith("4:34 warning this never looks at the event that came: it takes any, or none; compare it")
    for right in ("received.data.id == event.data.id", "'true'"):
        assert told(HEAD + step.replace("COND", right)) == []


@pytest.mark.proves("refused: limit of zero")
@pytest.mark.parametrize(
    ("key", "column", "said"),
    [
        ("concurrency: 0", 14, "`concurrency` takes a whole number from 1"),
        ("concurrency: {limit: 0}", 22, "`limit` takes a whole number from 1"),
        ("rate_limit: {max: 0, per: 1m}", 19, "`max` takes a whole number from 1"),
        ("rate_limit: {max: 1, per: 0s}", 27, "`per: 0s` leaves no time; write for example"),
        ("throttle: {max: 0, per: 1m}", 17, "`max` takes a whole number from 1"),
        ("batch: {size: 0, for: 1s}", 15, "`size` takes a whole number from 1"),
        ("hold: {over: 0, per: 1m}", 14, "`over` takes a whole number from 1"),
        ("debounce: {for: 0s}", 17, "`for: 0s` leaves no time; write for example"),
        ("dedupe: {key: event.id, for: 0s}", 30, "`for: 0s` leaves no time; write for example"),
        ("retention: 0s", 12, "`retention: 0s` leaves no time; write for example"),
        ("timeout: 0s", 10, "`timeout: 0s` leaves no time; write for example"),
    ],
)
def test_limits_of_zero(told, key, column, said):
    [found] = told(f"name: it\n{key}\nsteps: [{{wait: 1s}}]\n")
    assert found.startswith(f"2:{column} error {said}")


@pytest.mark.proves("refused: limit of zero")
@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "{for_each: event.data, max_parallel: 0, steps: [{wait: 1s}]}",
            "4:42 error `max_parallel` takes a whole number",
        ),
        ("{for_each: event.data, batch: 0, steps: [{wait: 1s}]}", "4:35 error `batch` takes a whole number from 1"),
        ("{while: true, max: 0, steps: [{wait: 1s}]}", "4:24 error `max` takes a whole number from 1"),
        ("{approve: {title: a, quorum: 0}}", "4:34 error `quorum` takes a whole number from 1"),
        ("{wait: 1s, retry: {max: 0}}", "4:29 error `max` takes a whole number from 1"),
        ("{parallel: {max_parallel: 0, branches: {a: [{wait: 1s}]}}}", "4:31 error `max_parallel` takes a whole"),
        (
            "{parallel: {join: {count: 0}, branches: {a: [{wait: 1s}]}}}",
            "4:31 error `count` takes a whole number from 1",
        ),
    ],
)
def test_limits_of_zero_in_steps(told, step, said):
    assert any(one.startswith(said) for one in told(HEAD + f"  - {step}\n")), told(HEAD + f"  - {step}\n")


@pytest.mark.proves("refused: limit of zero")
def test_a_limit_that_turns_out_to_be_zero(shows):
    """A template is known only when it runs: the step fails and says so."""
    flow = HEAD + "  - {name: e, for_each: [1, 2], max_parallel: '{{ event.data }}', steps: [{wait: 1s}]}\n"
    flow += "tests: [{name: t, event: {data: 0}, expect: {error: {kind: expression, "
    flow += "message: '`max_parallel` takes a whole number from 1, not'}}}]\n"
    shows(flow, ("{data: 0}", "{data: 1}"))


@pytest.mark.proves("refused: key that fails to evaluate")
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("concurrency: {limit: 1, key: evnt.data.x}", "2:30 error there is no `evnt` in flow control, which looks at"),
        ("concurrency: {limit: 1, key: 'event.data.('}", "2:42 error this expression cannot be read: expected name"),
        ("dedupe: {key: steps.a.output, for: 1h}", "2:15 error `steps` is not known in a dedupe key; there is `event`"),
        ("priority: event.dta", "2:17 error `event` has no `dta`; did you mean `event.data`?"),
    ],
)
def test_keys_that_can_never_be_evaluated(told, key, said):
    [found] = told(f"name: it\n{key}\nsteps: [{{wait: 1s}}]\n")
    assert found.startswith(said)


@pytest.mark.proves("refused: test of a step that is not there")
def test_tests_of_steps_that_are_not_there(tmp_path, installed):
    text = "name: it\nsteps: [{name: charge, wait: 1s}]\ntests:\n  - name: t\n    mock: {chrage: {output: 1}}\n"
    text += "    expect: {steps: {charge.x: completed}, called: [refund]}\n"
    (tmp_path / "it.yaml").write_text(text)
    report = run_flow_tests(tmp_path, catalog=installed)
    assert not report.passed
    assert [(one.line, one.column, one.message) for one in report.problems] == [
        (5, 12, "flow `it` has no step `chrage`; did you mean `charge`?"),
        (6, 22, "flow `it` has no step `charge.x`; did you mean `charge`?"),
        (6, 53, "flow `it` has no step `refund`; it has `charge`"),
    ]


@pytest.mark.proves("refused: unknown key")
def test_unknown_keys(told):
    assert told("name: it\nretantion: 1d\nsteps: [{wait: 1s, timeot: 3s}]\n") == [
        "2:1 error a flow has no key `retantion`; did you mean `retention`?",
        "3:20 error a step with `wait` has no key `timeot`; did you mean `timeout`?",
    ]
