"""Imported flows, run: what comes out of them is what the other engine would have given."""

import json

from reactor.language.importing import take_over
from reactor.plugins import discovery
from reactor.testing.running import running_reactor

CATALOG = discovery.discover()[0]


def imported(given, engine, file):
    made = take_over(json.dumps(given), engine, catalog=CATALOG, file=file)
    assert made.coverage.percent == 100, made.coverage.as_text()
    return made.text


def node(name, type_, parameters=None, version=1.0):
    return {"name": name, "type": f"n8n-nodes-base.{type_}", "typeVersion": version, "parameters": parameters or {}}


def sets(name, **fields):
    assignments = [{"name": key, "value": value} for key, value in fields.items()]
    return node(name, "set", {"assignments": {"assignments": assignments}}, 3.4)


def arrows(**targets):
    return {
        start: {"main": [[{"node": target, "type": "main", "index": 0} for target in port] for port in ports]}
        for start, ports in targets.items()
    }


ORDERS = {
    "name": "Orders",
    "nodes": [
        node("Hook", "webhook", {"path": "orders", "httpMethod": "POST", "responseMode": "responseNode"}, 2),
        node(
            "Big?",
            "if",
            {
                "conditions": {
                    "conditions": [
                        {
                            "leftValue": "={{ $json.body.total }}",
                            "rightValue": 100,
                            "operator": {"type": "number", "operation": "gt"},
                        }
                    ]
                }
            },
            2.2,
        ),
        sets("Big", kind="big", who="={{ $json.body.name.toUpperCase() }}"),
        sets("Small", kind="=small {{ $json.body.total }}"),
        sets("Left", side="={{ $json.kind }} left"),
        sets("Right", side="={{ $json.kind }} right"),
        node("Join", "merge", {}, 3),
        sets("All", items="={{ $('Hook').item.json.body.items }}", left="={{ $('Left').item.json.side }}"),
        node("Split", "splitOut", {"fieldToSplitOut": "items"}),
        sets("Double", n="={{ $json.n * 2 }}"),
        node("Gather", "aggregate", {"fieldsToAggregate": {"fieldToAggregate": [{"fieldToAggregate": "n"}]}}),
        node(
            "Answer",
            "respondToWebhook",
            {
                "respondWith": "json",
                "responseBody": '={"left": "{{ $(\'All\').item.json.left }}", "numbers": {{ $json.n }}}',
                "options": {"responseCode": 201},
            },
            1.1,
        ),
    ],
    "connections": arrows(
        **{
            "Hook": [["Big?"]],
            "Big?": [["Big"], ["Small"]],
            "Big": [["Left", "Right"]],
            "Small": [["Left", "Right"]],
            "Left": [["Join"]],
            "Right": [["Join"]],
            "Join": [["All"]],
            "All": [["Split"]],
            "Split": [["Double"]],
            "Double": [["Gather"]],
            "Gather": [["Answer"]],
        }
    ),
}
COUNTER = {
    "name": "Counter",
    "nodes": [
        node("Called", "executeWorkflowTrigger", {"workflowInputs": {"values": [{"name": "n"}]}}, 1.1),
        sets("More", n="={{ $json.n + 1 }}"),
        node(
            "Enough",
            "if",
            {"conditions": {"number": [{"value1": "={{ $json.n }}", "operation": "largerEqual", "value2": 5}]}},
        ),
        sets("Done", result="={{ $json.n }}"),
    ],
    "connections": arrows(Called=[["More"]], More=[["Enough"]], Enough=[["Done"], ["More"]]),
}


async def test_a_workflow_of_n8n_answers_as_it_did():
    flows = {"orders": imported(ORDERS, "n8n", "orders.json")}
    async with running_reactor(flows) as reactor:
        body = {"total": 250, "name": "ann", "items": [{"n": 1}, {"n": 2}]}
        answer = await reactor.http.post("/webhook/orders", json=body)
        assert (answer.status_code, answer.json()) == (201, {"left": "big left", "numbers": [2, 4]})
        answer = await reactor.http.post("/webhook/orders", json={**body, "total": 7, "items": []})
        assert answer.json() == {"left": "small 7 left", "numbers": []}


async def test_an_arrow_back_goes_round_until_it_is_enough():
    async with running_reactor({"counter": imported(COUNTER, "n8n", "counter.json")}) as reactor:
        receipt = await reactor.post("/flows/counter/run", {"inputs": {"n": 2}})
        run = await reactor.finished(receipt["runs"][0]["id"])
    assert (run["status"], run["output"]) == ("completed", {"Done": {"result": 5}})


MACHINE = {
    "StartAt": "Kind",
    "States": {
        "Kind": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.total", "NumericGreaterThan": 100, "Next": "Big"}],
            "Default": "Small",
        },
        "Big": {"Type": "Pass", "Parameters": {"size": "big", "id.$": "$.id"}, "ResultPath": "$.kind", "Next": "Items"},
        "Small": {"Type": "Pass", "Result": {"size": "small"}, "ResultPath": "$.kind", "Next": "Items"},
        "Items": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": {"n.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index"},
            "ItemProcessor": {
                "StartAt": "Say",
                "States": {
                    "Say": {
                        "Type": "Pass",
                        "Parameters": {"text.$": "States.Format('{}: {}', $.at, $.n)"},
                        "OutputPath": "$.text",
                        "End": True,
                    }
                },
            },
            "ResultPath": "$.said",
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "A", "States": {"A": {"Type": "Pass", "OutputPath": "$.kind.size", "End": True}}},
                {"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": {"b": 1}, "End": True}}},
            ],
            "ResultPath": "$.both",
            "Next": "Count",
        },
        "Count": {"Type": "Pass", "Parameters": {"v.$": "States.MathAdd($.n, 1)"}, "ResultPath": "$.c", "Next": "Move"},
        "Move": {"Type": "Pass", "InputPath": "$.c.v", "ResultPath": "$.n", "Next": "Enough"},
        "Enough": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.n", "NumericGreaterThanEquals": 3, "Next": "Told"},
                {"Variable": "$.id", "StringEquals": "bad", "Next": "Bad"},
            ],
            "Default": "Count",
        },
        "Told": {
            "Type": "Pass",
            "Parameters": {"n.$": "$.n", "kind.$": "$.kind", "said.$": "$.said", "both.$": "$.both"},
            "End": True,
        },
        "Bad": {"Type": "Fail", "Error": "order.bad", "Cause": "no such order"},
    },
}


async def test_a_state_machine_gives_what_it_gave():
    async with running_reactor({"machine": imported(MACHINE, "stepfunctions", "machine.asl.json")}) as reactor:

        async def run(**inputs):
            receipt = await reactor.post("/flows/machine/run", {"inputs": inputs})
            return await reactor.finished(receipt["runs"][0]["id"])

        found = await run(total=200, id="7", items=["x", "y"], n=0)
        assert found["output"] == {
            "n": 3,
            "kind": {"size": "big", "id": "7"},
            "said": ["0: x", "1: y"],
            "both": ["big", {"b": 1}],
        }
        found = await run(total=1, id="7", items=[], n=0)
        assert (found["output"]["kind"], found["output"]["said"]) == ({"size": "small"}, [])
        found = await run(total=1, id="bad", items=[], n=0)
        assert (found["status"], found["error"]["kind"]) == ("failed", "order.bad")
