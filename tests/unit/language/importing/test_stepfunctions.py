"""State machines of Step Functions, written for these tests."""

import json
from typing import Any

import pytest

from reactor.language.expressions import compile_expression, compile_value
from reactor.language.importing import take_over
from reactor.language.importing.documents import Doc, Item
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.stepfunctions.paths import Paths
from reactor.language.importing.stepfunctions.rules import condition
from reactor.model.errors import InvalidError
from reactor.model.flow import all_steps

DATA: dict[str, Any] = {
    "a": {"b": [1, 2, 3], "c d": "x"},
    "n": 5,
    "s": "text",
    "list": [{"v": 1}, {"v": 2}],
    "t": "2026-01-02T03:04:05Z",
}
HTTP = "arn:aws:states:::http:invoke"


def machine(start, **states):
    return {"StartAt": start, "States": states}


def step(taken, path):
    return dict(all_steps(taken.flow))[path]


def paths(item=None):
    return Paths(Item(Doc("inputs")), "State", item)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DATA),
        ("$.n", 5),
        ("$.a.b[1]", 2),
        ("$['a']['c d']", "x"),
        ("$.list[*].v", [1, 2]),
        ("$.a.b[0:2]", [1, 2]),
        ("$.a.b[-1]", 3),
        ("$$.Execution.Id", "run-1"),
        ("$$.Execution.Input.n", 5),
        ("$$.State.Name", "State"),
        ("States.Format('{} of {}: \\{\\}', $.n, $.s)", "5 of text: {}"),
        ("States.Array($.n, 'x', 2)", [5, "x", 2]),
        ("States.ArrayLength($.a.b)", 3),
        ("States.ArrayContains($.a.b, 2)", True),
        ("States.ArrayGetItem($.a.b, 1)", 2),
        ("States.ArrayPartition($.a.b, 2)", [[1, 2], [3]]),
        ("States.ArrayRange(1, 7, 2)", [1, 3, 5, 7]),
        ("States.ArrayUnique(States.Array(1, 1, 2))", [1, 2]),
        ("States.JsonToString($.a.b)", "[1,2,3]"),
        ("States.StringToJson('{\"x\": 1}')", {"x": 1}),
        ("States.Base64Encode($.s)", "dGV4dA=="),
        ("States.MathAdd($.n, 1)", 6),
        ("States.StringSplit('a,b', ',')", ["a", "b"]),
        ("States.JsonMerge($.a, States.StringToJson('{\"z\": 1}'), false)", {**DATA["a"], "z": 1}),
    ],
)
def test_paths_and_functions_mean_the_same(path, value):
    ours = paths().path(path)
    scope = {"inputs": DATA, "run": {"id": "run-1"}, "flow": {"name": "x"}}
    assert compile_expression(ours).evaluate(scope) == value, ours


@pytest.mark.parametrize(
    "path", ["", "x", "$..a", "$.list[?(@.v > 1)]", "States.Nope(1)", "$$.Task.Token", "States.Format('{}')", None]
)
def test_paths_that_are_not_understood(path):
    with pytest.raises(NotUnderstood, match=r".{4,}"):
        paths().path(path)


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"Variable": "$.n", "NumericEquals": 5}, True),
        ({"Variable": "$.n", "NumericLessThanEquals": 4}, False),
        ({"Variable": "$.n", "NumericGreaterThanPath": "$.a.b[0]"}, True),
        ({"Variable": "$.s", "StringEquals": "text"}, True),
        ({"Variable": "$.s", "StringMatches": "t*t"}, True),
        ({"Variable": "$.s", "StringMatches": "t*x"}, False),
        ({"Variable": "$.nope.x", "IsPresent": False}, True),
        ({"Variable": "$.n", "IsPresent": True}, True),
        ({"Variable": "$.n", "IsNumeric": True}, True),
        ({"Variable": "$.s", "IsNumeric": False}, True),
        ({"Variable": "$.t", "IsTimestamp": True}, True),
        ({"Variable": "$.t", "TimestampLessThan": "2027-01-01T00:00:00Z"}, True),
        ({"Not": {"Variable": "$.n", "NumericEquals": 5}}, False),
        ({"And": [{"Variable": "$.n", "NumericEquals": 5}, {"Variable": "$.s", "StringLessThan": "z"}]}, True),
        ({"Or": [{"Variable": "$.n", "NumericEquals": 4}, {"Variable": "$.s", "StringEquals": "text"}]}, True),
    ],
)
def test_rules_mean_the_same(rule, holds):
    assert bool(compile_expression(condition(rule, paths())).evaluate({"inputs": DATA})) is holds


@pytest.mark.parametrize("rule", [{}, {"Variable": "$.n"}, {"Variable": "$.n", "NumericAlmost": 5}, {"And": []}])
def test_rules_that_are_not_understood(rule):
    with pytest.raises(NotUnderstood):
        condition(rule, paths())


def test_what_is_handed_on(take):
    taken = take(
        machine(
            "A",
            A={"Type": "Pass", "Result": {"x": 1}, "ResultPath": "$.a", "Next": "B"},
            B={
                "Type": "Pass",
                "InputPath": "$.a",
                "Parameters": {"y.$": "$.x", "z": "{{ no template }}"},
                "ResultPath": "$.b.c",
                "Next": "C",
            },
            C={"Type": "Pass", "OutputPath": "$.b", "Next": "D"},
            D={"Type": "Succeed"},
        ),
        "stepfunctions",
        file="order.asl.json",
    )
    assert taken.flow.name == "order"
    assert taken.steps == {"A": "set", "B": "set", "done": "return"}
    done = step(taken, "done").value
    b = step(taken, "B").values.evaluate({"steps": {"A": {"output": {"A": {"x": 1}}}}})
    assert b == {"B": {"y": 1, "z": "{{ no template }}"}}
    assert done.evaluate({"inputs": {"q": 0}, "steps": {"B": {"output": b}, "A": {"output": {"A": {"x": 1}}}}}) == {
        "c": b["B"]
    }


def test_http_with_retry_and_catch(take):
    call = {
        "Type": "Task",
        "Resource": HTTP,
        "Parameters": {
            "ApiEndpoint": "https://a.example",
            "Method": "POST",
            "Headers": {"x": "y"},
            "RequestBody": {"id.$": "$.id"},
            "Authentication": {"ConnectionArn": "arn:aws:events:eu-west-1:1:connection/pay-api/9"},
        },
        "ResultSelector": {"id.$": "$.ResponseBody.id", "code.$": "$.StatusCode"},
        "ResultPath": "$.call",
        "TimeoutSeconds": 20,
        "Retry": [
            {
                "ErrorEquals": ["States.Http.StatusCode.503", "States.Timeout"],
                "MaxAttempts": 2,
                "IntervalSeconds": 3,
                "BackoffRate": 1.5,
                "MaxDelaySeconds": 60,
            }
        ],
        "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.e", "Next": "Slow"}],
        "Next": "Good",
    }
    good = {"Type": "Pass", "Parameters": {"v.$": "$.call.id"}, "End": True}
    slow = {"Type": "Pass", "Parameters": {"v.$": "$.e.Cause"}, "End": True}
    taken = take(machine("Call", Call=call, Good=good, Slow=slow), "stepfunctions")
    made = step(taken, "Call")
    assert (made.retry.max, made.retry.delay, made.retry.factor, made.retry.max_delay) == (3, 3000, 1.5, 60_000)
    assert made.retry.on == ("http.503", "timeout")
    assert made.timeout == 20_000
    assert made.continue_on_error
    assert made.params.evaluate({"inputs": {"id": 7}, "secrets": {"pay_api": "T"}}) == {
        "url": "https://a.example",
        "method": "POST",
        "headers": {"x": "y"},
        "json": {"id": 7},
        "auth": {"bearer": "T"},
    }
    switch = step(taken, "after_Call")
    sources = [case.if_.source if case.if_ else None for case in switch.cases]
    assert sources == [
        "steps.Call.status == 'failed' and steps.Call.error.kind in ['timeout']",
        "steps.Call.status == 'failed'",
        None,
    ]
    assert switch.cases[1].steps[0].name == "not_caught"
    assert taken.coverage.percent == 100


def test_services_of_aws_are_placeholders_but_for_some(take):
    def task(resource, **parameters):
        return {"Type": "Task", "Resource": resource, "Parameters": parameters, "Next": "End"}

    resources = {
        "arn:aws:lambda:eu-west-1:1:function:f": "Lambda",
        "arn:aws:states:::lambda:invoke": "Lambda",
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken": "task token",
        "arn:aws:states:::dynamodb:putItem": "there is no action for `dynamodb:putItem`",
        "arn:aws:states:eu-west-1:1:activity:a": "activity",
        "arn:aws:states:::sns:publish": "sns:publish",
    }
    for resource, why in resources.items():
        taken = take(machine("T", T=task(resource, a=1), End={"Type": "Succeed"}), "stepfunctions")
        assert taken.outcomes["T"] == "placeholder"
        assert why in taken.reason("T")
        assert '"Resource"' in taken.text
    event = {"Entries": [{"DetailType": "order.paid", "Source": "x", "Detail": {"id.$": "$.id"}}]}
    taken = take(
        machine("T", T=task("arn:aws:states:::events:putEvents", **event), End={"Type": "Succeed"}), "stepfunctions"
    )
    assert step(taken, "T").event.evaluate({"inputs": {"id": 1}}) == {"type": "order.paid", "data": {"id": 1}}
    child = {"StateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:Other_One", "Input": {"x.$": "$.x"}}
    taken = take(
        machine("T", T=task("arn:aws:states:::states:startExecution.sync:2", **child), End={"Type": "Succeed"}),
        "stepfunctions",
    )
    assert (step(taken, "T").flow, step(taken, "T").wait) == ("other_one", True)


def test_waits_and_ends(take):
    taken = take(
        machine(
            "W",
            W={"Type": "Wait", "Seconds": 90, "Next": "X"},
            X={"Type": "Wait", "TimestampPath": "$.due", "Next": "Y"},
            Y={"Type": "Wait", "SecondsPath": "$.n", "Next": "Z"},
            Z={"Type": "Fail", "Error": "Bad", "Cause": "because"},
        )
        | {"TimeoutSeconds": 60, "Comment": "two\nlines"},
        "stepfunctions",
    )
    assert list(taken.steps.values()) == ["wait", "wait", "wait", "fail"]
    assert taken.flow.timeout == 60_000
    assert taken.flow.description == "two lines"
    assert step(taken, "Z").error.evaluate({}) == {"kind": "Bad", "message": "because"}


def test_loops_side_by_side_and_items(take):
    inner = machine("I", I={"Type": "Pass", "Parameters": {"v.$": "$.value", "i.$": "$.at"}, "End": True})
    items = {
        "Type": "Map",
        "ItemsPath": "$.list",
        "MaxConcurrency": 3,
        "ItemSelector": {"value.$": "$$.Map.Item.Value.v", "at.$": "$$.Map.Item.Index", "all.$": "$.n"},
        "ItemProcessor": inner,
        "ResultPath": "$.done",
        "Next": "Both",
    }
    both = {
        "Type": "Parallel",
        "Branches": [machine("L", L={"Type": "Pass", "End": True}), machine("R", R={"Type": "Fail", "Error": "x"})],
        "End": True,
    }
    taken = take(machine("Items", Items=items, Both=both), "stepfunctions")
    each = step(taken, "Items")
    assert (each.items.source, each.as_, each.max_parallel) == ("inputs.list", "items_item", 3)
    made = step(taken, "Items[].I").values.evaluate({"items_item": {"v": 8}, "index": 2, "inputs": {"n": 0}})
    assert made == {"I": {"v": 8, "i": 2}}
    assert {"Both.branches.L.done_2", "Both.branches.R.R"} <= set(taken.steps)
    assert taken.coverage.percent == 100


def test_a_loop_with_two_ends(take):
    choices = [
        {"Variable": "$.x", "NumericEquals": 1, "Next": "Good"},
        {"Variable": "$.x", "NumericEquals": 2, "Next": "Other"},
    ]
    taken = take(
        machine(
            "Ask",
            Ask={"Type": "Pass", "Next": "Look"},
            Look={"Type": "Choice", "Choices": choices, "Default": "Sleep"},
            Sleep={"Type": "Wait", "Seconds": 1, "Next": "Ask"},
            Good={"Type": "Pass", "Result": 1, "End": True},
            Other={"Type": "Succeed"},
        ),
        "stepfunctions",
    )
    assert taken.steps["loop_Ask"] == "loop"
    assert "break" in taken.steps.values()
    assert taken.steps["finish"] == "return"
    assert taken.coverage.percent == 100


def test_choices_without_a_default_fail(take):
    look = {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": 1, "Next": "End"}]}
    taken = take(machine("Look", Look=look, End={"Type": "Succeed"}), "stepfunctions")
    assert compile_value("{{ 1 }}").evaluate({}) == 1
    assert taken.steps["Look.cases[1].no_choice"] == "fail"


def test_jsonata_is_left_to_do(take):
    look = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.x = 1 %}", "Next": "End"}], "Default": "End"}
    work = {"Type": "Pass", "Output": "{% $states.input %}", "Next": "Look"}
    taken = take(
        {"QueryLanguage": "JSONata", **machine("W", W=work, Look=look, End={"Type": "Succeed"})}, "stepfunctions"
    )
    assert taken.outcomes == {"W": "placeholder", "Look": "placeholder", "End": "mapped"}
    assert "{% $states.input %}" in taken.text


def test_states_that_nothing_leads_to_and_keys_that_are_left(take):
    taken = take(
        machine(
            "A",
            A={
                "Type": "Task",
                "Resource": HTTP,
                "HeartbeatSeconds": 5,
                "End": True,
                "Parameters": {"ApiEndpoint": "https://a.example", "Method": "GET"},
            },
            B={"Type": "Pass", "End": True},
        ),
        "stepfunctions",
    )
    assert taken.outcomes["B"] == "ignored"
    assert [one.kind for one in taken.coverage.constructs if one.outcome == "placeholder"] == ["Task.HeartbeatSeconds"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"States": {}},
        {"StartAt": "A", "States": {}},
        {"StartAt": "A", "States": []},
        {"StartAt": 1, "States": {"A": {}}},
    ],
)
def test_what_is_no_machine_is_refused(catalog, given):
    with pytest.raises(InvalidError, match="state machine"):
        take_over(json.dumps(given), "stepfunctions", catalog=catalog)


def test_odd_machines_are_survived(take):
    taken = take(
        machine(
            "A",
            A={"Type": "Choice", "Choices": [None, {"Next": "B"}], "Default": "Nobody"},
            B={"Type": "Odd", "Next": "C"},
            C={"Type": "Map", "Next": "D"},
            D={"Type": "Parallel", "Branches": [], "Next": "E"},
            E={"Type": "Wait"},
            F=None,
        ),
        "stepfunctions",
    )
    assert {taken.outcomes[name] for name in "ABCDE"} == {"placeholder"}
