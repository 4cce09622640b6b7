"""n8n's workflows: small ones, written for these tests in the shapes that n8n exports."""

import json

import pytest

from reactor.language.importing import engine_of, take_over
from reactor.language.importing.n8n.values import pieces
from reactor.model.errors import InvalidError
from reactor.model.flow import all_steps


def node(name, type_, parameters=None, version=1, **more):
    kind = type_ if "." in type_ else f"n8n-nodes-base.{type_}"
    return {"name": name, "type": kind, "typeVersion": version, "parameters": parameters or {}, **more}


def sets(name, **fields):
    """An `Edit Fields` node."""
    assignments = [{"name": key, "value": value} for key, value in fields.items()]
    return node(name, "set", {"assignments": {"assignments": assignments}}, 3.4)


GO = node("Go", "manualTrigger")
HOOK = node("Hook", "webhook", {"path": "orders/:id", "httpMethod": "POST", "responseMode": "responseNode"}, 2)


def workflow(*nodes, name="Orders: new", settings=None, **arrows):
    """Arrows by name: a list of targets, or a list of lists for several ways out."""
    connections = {}
    for start, targets in arrows.items():
        ports = targets if targets and isinstance(targets[0], list) else [targets]
        connections[start] = {"main": [[{"node": t, "type": "main", "index": 0} for t in port] for port in ports]}
    return {"name": name, "nodes": list(nodes), "connections": connections, "settings": settings or {}}


def step(taken, path):
    return dict(all_steps(taken.flow))[path]


# --- triggers -------------------------------------------------------------------------------------------------------


def test_a_webhook(take):
    taken = take(workflow(HOOK, node("Stop", "noOp"), Hook=["Stop"]), "n8n")
    assert taken.flow.name == "orders-new"
    (trigger,) = taken.flow.triggers
    assert trigger.kind == "webhook"
    assert trigger.config["respond"] == "result"
    assert trigger.config[""] == "/webhook/orders/{id}"
    assert taken.outcomes == {"Hook": "mapped", "Stop": "mapped"}


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"field": "cronExpression", "expression": "0 9 * * 1-5"}, "0 9 * * 1-5"),
        ({"triggerAtHour": 7, "triggerAtMinute": 30}, "30 7 * * *"),
        ({"field": "minutes", "minutesInterval": 10}, {"every": "10m"}),
        ({"field": "hours", "hoursInterval": 6, "triggerAtMinute": 5}, "5 */6 * * *"),
        ({"field": "weeks", "triggerAtDay": [1, 3], "triggerAtHour": 8}, "0 8 * * MON,WED"),
        ({"field": "months", "triggerAtDayOfMonth": 15}, "0 0 15 * *"),
        ({}, "0 0 * * *"),
    ],
)
def test_schedules(take, rule, wanted):
    taken = take(workflow(node("Tick", "scheduleTrigger", {"rule": {"interval": [rule]}}, 1.2)), "n8n")
    config = taken.flow.triggers[0].config
    assert (config.get("") or config) == wanted


def test_older_schedules_and_time_zones(take):
    times = [{"hour": 8}, {"mode": "everyX", "value": 3, "unit": "hours"}]
    cron = node("Tick", "cron", {"triggerTimes": {"item": times}})
    taken = take(workflow(cron, settings={"timezone": "Europe/Berlin"}), "n8n")
    assert [trigger.config for trigger in taken.flow.triggers] == [
        {"cron": "0 8 * * *", "timezone": "Europe/Berlin"},
        {"every": "3h", "timezone": "Europe/Berlin"},
    ]
    odd = node("Tick", "scheduleTrigger", {"rule": {"interval": [{"field": "months", "monthsInterval": 2}]}})
    taken = take(workflow(odd), "n8n")
    assert taken.flow.triggers == ()
    assert taken.outcomes["Tick"] == "placeholder"


def test_triggers_that_are_not_here_wait_for_an_event_and_say_so(take):
    nodes = (node("On message", "telegramTrigger"), node("Mail", "emailReadImap"), node("Bad", "errorTrigger"))
    taken = take(workflow(*nodes), "n8n")
    assert [trigger.config for trigger in taken.flow.triggers] == [
        {"": "n8n.telegramtrigger"},
        {"": "email.received"},
        {"": "run.failed"},
    ]
    assert taken.outcomes == {"On message": "placeholder", "Mail": "mapped", "Bad": "mapped"}


def test_triggers_that_lead_to_different_nodes(take):
    tick = node("Tick", "interval", {"interval": 5, "unit": "minutes"})
    nodes = (HOOK, tick, GO, sets("A", a="={{ $json.body.x }}"), sets("B", a=2), sets("C", c="={{ $json.a }}"))
    taken = take(workflow(*nodes, Hook=["A"], Tick=["B"], Go=["B"], A=["C"], B=["C"]), "n8n")
    assert {trigger.type for trigger in taken.flow.triggers} == {"n8n.hook", "n8n.tick"}
    assert "event.type == 'n8n.hook'" in taken.text
    assert taken.steps["by_trigger"] == "switch"
    assert taken.steps["C"] == "set"


# --- nodes ----------------------------------------------------------------------------------------------------------


def test_http_in_its_newer_shape(take):
    body = '={"id": {{ $json.body.id }}, "who": "{{ $json.body.name }}", "text": "Hi {{ $json.body.name }}!"}'
    parameters = {
        "method": "POST",
        "url": "=https://api.example/orders/{{ $json.params.id }}",
        "authentication": "predefinedCredentialType",
        "nodeCredentialType": "exampleApi",
        "queryParameters": {"parameters": [{"name": "q", "value": "={{ $json.query.q }}"}]},
        "headerParameters": {"parameters": [{"name": "X-Token", "value": "sk_live_0123456789abcdef"}]},
        "specifyBody": "json",
        "jsonBody": body,
        "options": {"timeout": 5000},
    }
    credentials = {"exampleApi": {"id": "7", "name": "Example account"}}
    call = node("Call API", "httpRequest", parameters, 4.2, retryOnFail=True, maxTries=4, credentials=credentials)
    taken = take(workflow(HOOK, call, Hook=["Call API"]), "n8n")
    made = step(taken, "Call_API")
    assert made.action == "http.request"
    assert made.timeout == 5000
    assert (made.retry.max, made.retry.backoff, made.retry.delay) == (4, "fixed", 1000)
    event = {"data": {"id": 3, "name": "Ann"}, "metadata": {"params": {"id": "9"}, "query": {"q": "x"}, "headers": {}}}
    names = {name: f"<{name}>" for name in taken.coverage.secrets}
    assert made.params.evaluate({"event": event, "secrets": names}) == {
        "method": "POST",
        "url": "https://api.example/orders/9",
        "query": {"q": "x"},
        "headers": {"X-Token": "<call_api_x_token>"},
        "json": {"id": 3, "who": "Ann", "text": "Hi Ann!"},
        "auth": {"bearer": "<example_account>"},
    }
    assert "sk_live" not in taken.text
    assert taken.reason("Call API").startswith("n8n goes on once for each item")


def test_http_in_its_older_shape(take):
    parameters = {
        "requestMethod": "PUT",
        "url": "https://a.example",
        "jsonParameters": True,
        "bodyParametersJson": '={"x": "{{$json["x"]}}"}',
        "headerParametersUi": {"parameter": [{"name": "A", "value": "b"}]},
    }
    taken = take(workflow(GO, node("Call", "httpRequest", parameters), Go=["Call"]), "n8n")
    value = step(taken, "Call").params.evaluate({"event": {"data": {"x": 5}}})
    assert value == {"method": "PUT", "url": "https://a.example", "headers": {"A": "b"}, "json": {"x": "5"}}


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"url": "https://a.example", "method": "POST", "contentType": "multipart-form-data"}, "multipart"),
        ({"url": "https://a.example", "options": {"pagination": {}}}, "page after page"),
        ({"url": ""}, "no URL"),
        ({"url": "={{ $json.x.match(/a/)[0] }}"}, "the method `match`"),
        ({"url": "https://a.example", "method": "POST", "jsonBody": "={ nope {{ $json.x }} }"}, "no JSON"),
    ],
)
def test_http_that_is_left_to_do(take, parameters, why):
    taken = take(workflow(GO, node("Call", "httpRequest", parameters, 4), Go=["Call"]), "n8n")
    assert taken.steps == {"Call": "fail"}
    assert taken.outcomes["Call"] == "placeholder"
    assert why in taken.reason("Call")
    assert "TODO import" in taken.text


def test_set_in_all_versions(take):
    typed = {"assignments": [{"name": "a.b", "type": "number", "value": "5"}, {"name": "c", "value": "={{ $json.x }}"}]}
    middle = {"values": [{"name": "d", "type": "stringValue", "stringValue": "=n {{ $json.a.b }}"}]}
    older = {"values": {"string": [{"name": "e", "value": "={{ $json.d }}{{ $json.c }}"}]}}
    raw = {"mode": "raw", "jsonOutput": '={"f": {{ $json.e.length }}, "keep": "{{ $node["New"].json["c"] }}"}'}
    nodes = (
        node("New", "set", {"assignments": typed}, 3.4),
        node("Mid", "set", {"fields": middle, "include": "all"}, 3.2),
        node("Old", "set", older),
        node("Raw", "set", raw, 3.4),
    )
    taken = take(workflow(GO, *nodes, Go=["New"], New=["Mid"], Mid=["Old"], Old=["Raw"]), "n8n")
    scope = {"event": {"data": {"x": "X"}}, "vars": {}}
    for one in taken.flow.steps:
        scope["vars"] |= one.values.evaluate(scope)
    assert scope["vars"] == {
        "New": {"a": {"b": 5}, "c": "X"},
        "Mid": {"d": "n 5"},
        "Old": {"e": "n 5X"},
        "Raw": {"f": 4, "keep": "X"},
    }


def test_secrets_in_fields_are_left_out(take):
    taken = take(workflow(GO, sets("S", apiKey="abcdef123456", n=1), Go=["S"]), "n8n")
    assert "abcdef123456" not in taken.text
    assert list(taken.coverage.secrets) == ["s_apikey"]


def test_small_nodes(take):
    query = {"operation": "executeQuery", "query": "=SELECT * FROM t WHERE id = {{ $json.id }}"}
    mail = {"toEmail": "a@b.example", "subject": "=x {{ $json.name }}", "text": "hi"}
    nodes = (
        node("Sleep", "wait", {"amount": 2, "unit": "minutes"}, 1.1),
        node("Run", "executeCommand", {"command": "=echo {{ $json.id }}"}),
        node("Look", "postgres", query, 2.5, credentials={"postgres": {"id": "1", "name": "Shop DB"}}),
        node("Mail", "emailSend", mail, 2),
        node("Sub", "executeWorkflow", {"workflowId": {"value": "1", "cachedResultName": "Other One"}}, 1.2),
        node("Die", "stopAndError", {"errorMessage": "=no {{ $json.x }}"}),
    )
    arrows = {"Go": ["Sleep"], "Sleep": ["Run"], "Run": ["Look"], "Look": ["Mail"], "Mail": ["Sub"], "Sub": ["Die"]}
    taken = take(workflow(GO, *nodes, **arrows), "n8n")
    assert list(taken.steps.values()) == ["wait", "action", "action", "action", "call", "fail"]
    assert taken.coverage.percent == 100
    look = step(taken, "Look").params.evaluate({"steps": {"Run": {"output": {"id": 4}}}})
    assert look == {"connection": "shop_db", "sql": "SELECT * FROM t WHERE id = :p1", "params": {"p1": 4}}
    assert taken.flow.connections["shop_db"] == {"type": "postgres", "url": "{{ secrets.shop_db_url }}"}
    assert step(taken, "Sub").flow == "other-one"


def test_values_never_become_part_of_sql(take):
    query = {"operation": "executeQuery", "query": "=SELECT * FROM t WHERE name = '{{ $json.name }}'"}
    taken = take(workflow(GO, node("Look", "mySql", query), Go=["Look"]), "n8n")
    assert taken.steps == {"Look": "fail"}
    assert "values are parameters here" in taken.reason("Look")


def test_what_has_no_counterpart_is_kept_whole(take):
    tell = {"channel": "#sales", "text": "={{ $json.x }}", "token": "xoxb-1234567890-abcdef"}
    nodes = (
        node("Think", "code", {"jsCode": "// two lines\nreturn items;"}, 2, notes="why it is here"),
        node("Tell", "slack", tell),
        node("Note", "stickyNote", {"content": "## Read\nme"}),
        node("Loose", "set", {}),
        node("Off", "slack", {}, disabled=True),
        node("Last", "@n8n/n8n-nodes-langchain.agent", {"text": "do"}),
    )
    taken = take(workflow(GO, *nodes, Go=["Think"], Think=["Tell"], Tell=["Off"], Off=["Last"]), "n8n")
    assert taken.outcomes == {
        "Go": "mapped",
        "Think": "placeholder",
        "Tell": "placeholder",
        "Off": "ignored",
        "Last": "placeholder",
        "Note": "ignored",
        "Loose": "ignored",
    }
    assert "#   // two lines\n" in taken.text
    assert "# why it is here" in taken.text
    assert "xoxb" not in taken.text
    assert "# Note: ## Read\n# me" in taken.text
    assert list(taken.steps) == ["Think", "Tell", "Last"]


def test_parts_of_agents_are_told_with_their_owner(take):
    agent = node("Agent", "@n8n/n8n-nodes-langchain.agent")
    given = workflow(GO, agent, node("Model", "x.lm"), Go=["Agent"])
    given["connections"]["Model"] = {"ai_languageModel": [[{"node": "Agent", "type": "ai_languageModel", "index": 0}]]}
    taken = take(given, "n8n")
    assert taken.reason("Model") == 'it is a part of "Agent", and kept in the comment there'
    assert 'with n8n node "Model"' in taken.text


# --- conditions -----------------------------------------------------------------------------------------------------


def asked(left, operation, right=None, kind="string"):
    return {"leftValue": left, "rightValue": right, "operator": {"type": kind, "operation": operation}}


def fork(*ones, name="If", combinator="and"):
    return node(name, "if", {"conditions": {"combinator": combinator, "conditions": list(ones)}}, 2.2)


@pytest.mark.parametrize(
    ("one", "data", "holds"),
    [
        (asked("={{ $json.a }}", "equals", "x"), {"a": "x"}, True),
        (asked("={{ $json.a }}", "notEquals", "x"), {"a": "x"}, False),
        (asked("={{ $json.a }}", "gt", "5", "number"), {"a": 6}, True),
        (asked("={{ $json.a }}", "contains", "b"), {"a": "abc"}, True),
        (asked("={{ $json.a }}", "notContains", "b"), {"a": "abc"}, False),
        (asked("={{ $json.a }}", "exists"), {}, False),
        (asked("={{ $json.a }}", "notExists"), {}, True),
        (asked("={{ $json.a }}", "notEmpty", kind="array"), {"a": [1]}, True),
        (asked("={{ $json.a }}", "true", kind="boolean"), {"a": True}, True),
        (asked("={{ $json.a }}", "equals", "true", "boolean"), {"a": True}, True),
        (asked("={{ $json.a }}", "regex", "^a.c$"), {"a": "abc"}, True),
        (asked("={{ $json.a }}", "startsWith", "ab"), {"a": "abc"}, True),
        (asked("={{ $json.a }}", "lengthGt", 2, "array"), {"a": [1, 2, 3]}, True),
        (asked("={{ $json.a }}", "after", "2026-01-01", "dateTime"), {"a": "2026-02-01"}, True),
        (asked("=x{{ $json.a }}", "equals", "=x{{ $json.b }}"), {"a": "1", "b": "1"}, True),
    ],
)
def test_conditions_mean_the_same(take, one, data, holds):
    taken = take(workflow(GO, fork(one), sets("Yes", y=1), Go=["If"], If=[["Yes"], []]), "n8n")
    (switch,) = taken.flow.steps
    assert bool(switch.cases[0].if_.evaluate({"event": {"data": data}})) is holds
    assert taken.coverage.percent == 100


def test_older_conditions_and_switches(take):
    conditions = {
        "number": [{"value1": "={{$json.n}}", "operation": "larger", "value2": 5}],
        "string": [{"value1": "={{$json.s}}", "value2": "a"}],
    }
    older = node("If", "if", {"conditions": conditions, "combineOperation": "any"})
    rules = {"rules": [{"value2": "a"}, {"output": 1, "operation": "startsWith", "value2": "b"}]}
    switch = node("Sw", "switch", {"dataType": "string", "value1": "={{$json.s}}", "fallbackOutput": 2, "rules": rules})
    ends = [sets(name, x=name) for name in "PQR"]
    taken = take(
        workflow(GO, older, switch, *ends, Go=["If"], If=[["Sw"], []], Sw=[["P"], ["Q"], ["R"]]),
        "n8n",
    )
    (made,) = taken.flow.steps
    assert made.cases[0].if_.evaluate({"event": {"data": {"n": 6, "s": ""}}}) is True
    assert made.cases[0].if_.evaluate({"event": {"data": {"n": 1, "s": "b"}}}) is False
    inner = made.cases[0].steps[0]
    assert [case.if_ is None for case in inner.cases] == [False, False, True]
    assert [case.steps[0].name for case in inner.cases] == ["P", "Q", "R"]


def test_conditions_that_are_not_understood_take_no_way(take):
    odd = fork(asked("={{ $json.a.match(/x/) }}", "exists"))
    taken = take(workflow(GO, odd, sets("Yes", y=1), sets("No", y=1), Go=["If"], If=[["Yes"], ["No"]]), "n8n")
    assert taken.outcomes["If"] == "placeholder"
    assert taken.steps["decide_If"] == "fail"
    assert {"If.cases[0].Yes", "If.cases[1].No"} <= set(taken.steps)


def test_errors_have_a_way_of_their_own(take):
    call = node("Call", "httpRequest", {"url": "https://a.example"}, 4, onError="continueErrorOutput")
    nodes = (call, sets("Good", y=1), sets("Bad", y="={{ $json.error.message }}"))
    taken = take(workflow(GO, *nodes, Go=["Call"], Call=[["Good"], ["Bad"]]), "n8n")
    assert step(taken, "Call").continue_on_error
    switch = taken.flow.steps[1]
    assert switch.cases[0].if_.source == "steps.Call.status == 'failed'"
    assert "steps.Call.error.message" in switch.cases[0].steps[0].values.source


# --- loops, side by side, names -------------------------------------------------------------------------------------


def test_loops_over_items(take):
    nodes = (
        node("Split", "splitOut", {"fieldToSplitOut": "orders"}),
        node("Loop", "splitInBatches", {}, 3),
        sets("Work", id="={{ $json.id }}"),
        sets("Done", all="={{ $input.all().length }}"),
    )
    arrows = {"Go": ["Split"], "Split": ["Loop"], "Loop": [["Done"], ["Work"]], "Work": ["Loop"]}
    taken = take(workflow(GO, *nodes, **arrows), "n8n")
    loop = step(taken, "Loop")
    assert (loop.items.source, loop.as_) == ("event.data.orders", "loop_item")
    assert "Loop[].Work" in taken.steps
    assert step(taken, "Done").values.evaluate({"steps": {"Loop": {"output": [1, 2]}}}) == {"Done": {"all": 2}}


def test_split_and_aggregate(take):
    nodes = (
        node("Split", "splitOut", {"fieldToSplitOut": "a.list"}),
        sets("Each", v="={{ $json.n }}"),
        node("Gather", "aggregate", {"fieldsToAggregate": {"fieldToAggregate": [{"fieldToAggregate": "v"}]}}),
        sets("End", w="={{ $json.v }}"),
    )
    taken = take(workflow(GO, *nodes, Go=["Split"], Split=["Each"], Each=["Gather"], Gather=["End"]), "n8n")
    assert step(taken, "Split").items.source == "event.data.a.list"
    scope = {"steps": {"Split": {"output": [{"v": 1}, {"v": 2}]}}}
    assert step(taken, "End").values.evaluate(scope) == {"End": {"w": [1, 2]}}


def test_side_by_side_until_a_merge(take):
    nodes = (
        sets("A", v="A"),
        sets("B", v="B"),
        node("Merge", "merge", {}, 3),
        sets("End", v="={{ $('B').item.json.v }}"),
    )
    taken = take(workflow(GO, *nodes, Go=["A", "B"], A=["Merge"], B=["Merge"], Merge=["End"]), "n8n")
    assert {"parallel.branches.A.A", "parallel.branches.B.B", "End"} <= set(taken.steps)
    assert "vars.B.v" in step(taken, "End").values.source


def test_what_is_read_from_inside_a_branch_is_kept_in_a_variable(take):
    calls = [node(name, "httpRequest", {"url": "https://a.example"}, 4) for name in "AB"]
    nodes = (*calls, node("Merge", "merge", {}, 3), sets("End", v="={{ $('B').first().json.v }}"))
    taken = take(workflow(GO, *nodes, Go=["A", "B"], A=["Merge"], B=["Merge"], Merge=["End"]), "n8n")
    assert "parallel.branches.B.keep_B" in taken.steps
    assert "vars.B.v" in step(taken, "End").values.source


def test_an_arrow_back_is_a_while(take):
    nodes = (
        node("Ask", "httpRequest", {"url": "=https://a.example/{{ $json.id }}"}, 4),
        fork(asked("={{ $json.state }}", "equals", "done"), name="Ready"),
        node("Sleep", "wait", {"amount": 5}, 1.1),
        sets("Use", v="={{ $json.state }}"),
    )
    taken = take(workflow(GO, *nodes, Go=["Ask"], Ask=["Ready"], Ready=[["Use"], ["Sleep"]], Sleep=["Ask"]), "n8n")
    assert taken.steps["loop_Ask"] == "loop"
    assert {"loop_Ask[].Ask", "Use"} <= set(taken.steps)
    assert taken.coverage.percent == 100


# --- what is no workflow --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1, 2]", "{}", '{"nodes": {}}', '{"nodes": [], "connections": []}', "null", "[" * 100_000]
)
def test_what_is_no_workflow_is_refused(catalog, text):
    with pytest.raises(InvalidError, match=r".{10,}"):
        take_over(text, "n8n", catalog=catalog, file="x.json")


def test_odd_workflows_are_survived(take):
    odd = [
        None,
        1,
        {"name": "A"},
        {"name": "B", "type": 5},
        node("C", "set", None),
        node("D", "if"),
        node("E", "switch"),
        node("F", "cron", {"triggerTimes": 7}),
        {"name": "G", "type": "x.y", "parameters": [], "typeVersion": "z"},
    ]
    arrows = {"F": {"main": [None, [{"node": "D"}, {"node": "nobody"}, 5]]}, "D": 7, "Z": {}}
    taken = take({"nodes": odd, "connections": arrows}, "n8n", file="Odd one.json")
    assert taken.flow.name == "odd-one"
    assert taken.outcomes["F"] == "placeholder"
    assert take({"nodes": [], "connections": {}}, "n8n").steps == {"nothing": "action"}


def test_engines_are_found_out():
    assert engine_of(json.dumps(workflow(HOOK))) == "n8n"
    assert engine_of('{"StartAt": "a", "States": {}}') == "stepfunctions"
    assert engine_of('{"definition": {"StartAt": "a", "States": {}}}') == "stepfunctions"
    assert engine_of("name: a\nworkflow: []\n") == "conduktr"
    assert engine_of("document: {dsl: '1.0.3'}\ndo: []\n") == "openworkflow"
    assert engine_of("name: a\nsteps: []\n") is None
    assert engine_of("") is None


def test_pieces():
    assert pieces("plain {{ x }}") == [("plain {{ x }}", False)]
    assert pieces("={{ a }}") == [("a", True)]
    assert pieces("=a {{ {b: {c: '}}'}} }} d") == [("a ", False), ("{b: {c: '}}'}}", True), (" d", False)]
    assert pieces("=") == [("", False)]
    assert pieces("=a {{ b") == [("a {{ b", False)]


def test_a_flow_that_is_called_and_started_by_hand(take):
    called = node("Called", "executeWorkflowTrigger", {}, 1.1)
    more = node("Again", "manualTrigger")
    nodes = (GO, called, more, sets("A", a=1), sets("B", b="={{ $json.x }}"), sets("C", c=1))
    taken = take(workflow(*nodes, Go=["A"], Called=["B"], Again=["C"]), "n8n")
    (switch,) = taken.flow.steps
    assert [case.if_.source if case.if_ else None for case in switch.cases] == ["inputs | length > 0", "false", None]
    assert switch.cases[0].steps[0].values.evaluate({"inputs": {"item": {"x": 3}}}) == {"B": {"b": 3}}
    assert taken.outcomes["Again"] == "placeholder"
    assert "never taken" in taken.reason("Again")


def test_items_that_are_no_maps_are_read_by_the_name_of_their_list(take):
    nodes = (
        node("Split", "splitOut", {"fieldToSplitOut": "a.tags"}),
        sets("Use", tag="={{ $json.tags }}", all="={{ $json }}"),
    )
    taken = take(workflow(GO, *nodes, Go=["Split"], Split=["Use"]), "n8n")
    use = step(taken, "Split[].Use").values
    assert use.evaluate({"split_item": "x"}) == {"Use": {"tag": "x", "all": "x"}}
    assert use.evaluate({"split_item": {"tags": 1}}) == {"Use": {"tag": 1, "all": {"tags": 1}}}


def test_arrows_that_lead_nowhere_are_told(take):
    taken = take(workflow(GO, sets("A", a=1), Go=["A", "Gone"], Lost=["A"]), "n8n")
    assert taken.coverage.notes == ["arrows lead to or from nodes that are not in the file: `Gone` and `Lost`"]


def test_times_that_are_computed_are_left_to_do(take):
    rule = {"field": "cronExpression", "expression": "=0 {{ Math.floor(3.5) }} * * *"}
    taken = take(workflow(node("Tick", "scheduleTrigger", {"rule": {"interval": [rule]}})), "n8n")
    assert taken.outcomes["Tick"] == "placeholder"


def test_branches_do_not_share_a_variable_though_a_node_stands_in_both(take):
    nodes = (sets("A", v=1), sets("B", v=2), sets("Both", w="={{ $json.v }}"))
    taken = take(workflow(GO, *nodes, Go=["A", "B"], A=["Both"], B=["Both"]), "n8n")
    assert {"parallel.branches.A.Both", "parallel.branches.B.Both_2"} <= set(taken.steps)
    assert step(taken, "parallel.branches.A.Both").values.evaluate({"vars": {"A": {"v": 1}}}) == {"Both": {"w": 1}}
    assert step(taken, "parallel.branches.B.Both_2").values.evaluate({"vars": {"B": {"v": 2}}}) == {"Both_2": {"w": 2}}
