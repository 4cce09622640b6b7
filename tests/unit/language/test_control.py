"""Flow control and the other keys of a flow that say when and how often it runs."""

import pytest

from reactor.model.flow import Concurrency, Control, Debounce, EventBatch, Hold, Rate, Singleton

TOP = "name: x\nsteps: [{action: log.info}]\n"


@pytest.fixture
def control(read):
    def load(text):
        loaded = read(TOP + text)
        assert loaded.flow is not None, [str(problem) for problem in loaded.problems]
        assert loaded.problems == []
        return loaded.flow.control

    return load


def test_a_flow_without_control_has_none(read):
    flow = read(TOP + "dedupe: {key: event.id, for: 1h}\n").flow
    assert flow.control is None
    assert (flow.undo, flow.retention, flow.on_cancel, flow.tests) == ("on_failure", None, (), ())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rate_limit: {max: 10, per: 1m}", Control(rate_limit=Rate(max=10, per=60_000))),
        ("throttle: {max: 1, per: 500ms}", Control(throttle=Rate(max=1, per=500))),
        ("batch: {size: 100, for: 10s}", Control(batch=EventBatch(size=100, for_=10_000))),
        ("debounce: {for: 5s, max: 1m}", Control(debounce=Debounce(for_=5_000, max=60_000))),
        ("hold: {over: 100, per: 1m}", Control(hold=Hold(over=100, per=60_000))),
        ("singleton: {}", Control(singleton=Singleton())),
        ("singleton: {on_conflict: cancel}", Control(singleton=Singleton(on_conflict="cancel"))),
        ("concurrency: 5", Control(concurrency=Concurrency(limit=5))),
        ("concurrency: {limit: 5, scope: flow}", Control(concurrency=Concurrency(limit=5))),
    ],
)
def test_what_is_constant(control, text, wanted):
    assert control(text) == wanted


@pytest.mark.parametrize("name", ["rate_limit", "throttle", "batch", "debounce", "singleton", "concurrency"])
def test_keys_are_expressions_over_the_event(control, name):
    rest = {
        "batch": "size: 1, for: 1s, ",
        "debounce": "for: 1s, ",
        "singleton": "",
        "concurrency": "limit: 1, scope: global, ",
    }.get(name, "max: 1, per: 1s, ")
    found = getattr(control(f"{name}: {{{rest}key: event.data.customer}}"), name)
    assert found.key.evaluate({"event": {"data": {"customer": "c"}}}) == "c"


def test_short_forms_and_priority(control):
    event = {"event": {"data": {"id": 7}}}
    assert control("singleton: event.data.id").singleton.key.evaluate(event) == 7
    assert control("priority: event.data.id * 2").priority.evaluate(event) == 14
    assert control("priority: '{{ event.data.id }}'").priority.evaluate(event) == 7
    assert control("priority: 5").priority.evaluate(event) == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rate_limit: {max: 0, per: 1m}", ["3:19 out-of-range"]),
        ("rate_limit: {max: 1}", ["3:13 missing-key"]),
        ("rate_limit: {per: 1m}", ["3:13 missing-key"]),
        ("rate_limit: {max: 1, per: 0s}", ["3:27 out-of-range"]),
        ("rate_limit: {max: 1, per: soon}", ["3:27 duration"]),
        ("rate_limit: {max: '{{ env.N }}', per: 1m}", ["3:19 wrong-type"]),
        ("rate_limit: {max: 1, pr: 1m}", ["3:13 missing-key", "3:22 unknown-key"]),
        ("rate_limit: 5", ["3:13 wrong-type"]),
        ("rate_limit:", ["3:12 no-value"]),
        ("throttle: {max: -1, per: 1m}", ["3:17 out-of-range"]),
        ("throttle: {max: 1.5, per: 1m}", ["3:17 wrong-type"]),
        ("throttle: {max: 1, per: 1m, key: vars.x}", ["3:34 not-here"]),
        ("throttle: {max: 1, per: 1m, key: now()}", ["3:34 not-here"]),
        ("throttle: {max: 1, per: 1m, key: env.X}", ["3:34 not-here"]),
        ("throttle: {max: 1, per: 1m, key: event.dta}", ["3:40 unknown-name"]),
        ("batch: {size: 0, for: 1s}", ["3:15 out-of-range"]),
        ("batch: {size: 5}", ["3:8 missing-key"]),
        ("batch: {size: 5, for: 1s, key: events}", ["3:32 not-here"]),
        ("debounce: {for: 1m, max: 1s}", ["3:26 out-of-range"]),
        ("debounce: {max: 1s}", ["3:11 missing-key"]),
        ("debounce: 5s", ["3:11 wrong-type"]),
        ("hold: {over: 0, per: 1m}", ["3:14 out-of-range"]),
        ("hold: {over: 5, per: 1m, key: event.id}", ["3:26 unknown-key"]),
        ("singleton: 5", ["3:12 wrong-type"]),
        ("singleton: true", ["3:12 wrong-type"]),
        ("singleton: {on_conflict: skp}", ["3:26 wrong-word"]),
        ("singleton: {key: steps.a}", ["3:18 not-here"]),
        ("concurrency: 0", ["3:14 out-of-range"]),
        ("concurrency: many", ["3:14 wrong-type"]),
        ("concurrency: [1]", ["3:14 wrong-type"]),
        ("concurrency: {limit: 0}", ["3:22 out-of-range"]),
        ("concurrency: {key: event.id}", ["3:14 missing-key"]),
        ("concurrency: {limit: 1, scope: globl, key: event.id}", ["3:32 wrong-word"]),
        ("concurrency: {limit: 1, scope: global}", ["3:32 missing-key"]),
        ("priority: [1]", ["3:11 wrong-type"]),
        ("priority: true", ["3:11 wrong-type"]),
        ("priority: random()", ["3:11 not-here"]),
        ("retention: soon", ["3:12 duration"]),
        ("retention: 0s", ["3:12 out-of-range"]),
        ("retention: '{{ env.X }}'", ["3:12 wrong-type"]),
        ("undo: allways", ["3:7 wrong-word"]),
        ("on_cancel:", ["3:1 no-value"]),
        ("on_cancel: []", ["3:12 no-value"]),
        ("on_cancel: [{action: log.info, message: '{{ error.kind }}'}]", ["3:45 not-here"]),
        ("on_cancel: [{wait: 1s, undo: {wait: 1s}}]", ["3:24 not-here"]),
        ("on_failure: [{break: true}]", ["3:15 break"]),
    ],
)
def test_problems(told, text, found):
    assert told(TOP + text) == found


def test_what_was_meant(read):
    (problem,) = read(TOP + "concurency: 5").problems
    assert problem.fix.replacement == "concurrency"


def test_the_other_keys_of_a_flow(read):
    flow = read(
        "name: x\nsteps: [{name: a, wait: 1s}]\nundo: never\nretention: 30d\n"
        "on_cancel: [{action: log.info, message: '{{ steps.a.status }}'}]\n"
    ).flow
    assert (flow.undo, flow.retention, flow.on_cancel[0].name) == ("never", 30 * 86_400_000, "log_info")


def test_events_are_known_in_flows_with_batch_only(read, told):
    text = "name: x\nsteps: [{action: log.info, message: '{{ events | length }} {{ event.id }}'}]\n"
    assert told(text) == ["2:41 not-here"]
    assert read(text + "batch: {size: 5, for: 1s}\n").problems == []
    assert told(text + "batch: {size: 5, for: 1s}\nif: events\n") == ["4:5 not-here"]


def test_tests_do_not_make_another_version(read):
    first = read(TOP).flow
    tested = read(TOP + "tests: [{name: a, expect: {status: completed}}]\n").flow
    assert tested.tests == ({"name": "a", "expect": {"status": "completed"}},)
    assert first.digest == tested.digest
    assert read(TOP + "undo: never\n").flow.digest != first.digest
