"""Keys of a flow: by its own tests, and on a real Reactor where it is the engine that keeps them."""

import asyncio

import pytest

from reactor.model.states import RunStatus
from reactor.stores.port import RunFilter
from reactor.testing.actions import StillClock
from reactor.testing.running import running_reactor
from tests.integration.test_patterns import rig

HEAD = "name: it\non: {event: go}\n"
CALL = "action: http.request, with: {method: POST, url: 'https://x.example'}"
HOUR = 3_600_000


@pytest.mark.proves("flow.{name,description,labels,on,steps,tests}")
async def test_what_a_flow_is():
    """It is listed and found by its name and labels, starts by its trigger, and does its steps; tests are no part."""
    one = "name: one\ndescription: The first\nlabels: {team: sales, kind: a}\non: {event: go}\nsteps: [{return: 1}]\n"
    one += "tests: [{name: t, event: {}, expect: {output: 1}}]\n"
    two = "name: two\nlabels: {team: it}\non: {event: other}\nsteps: [{return: 2}]\n"
    async with running_reactor({"a": one, "b": two}) as reactor:
        rows = (await reactor.get("/flows"))["items"]
        assert [(row["name"], row["description"]) for row in rows] == [("one", "The first"), ("two", "")]
        assert rows[0]["labels"] == {"team": "sales", "kind": "a"}
        for label, names in (("team=sales", ["one"]), ("team", ["one", "two"]), ("kind=b", []), ("x", [])):
            assert [row["name"] for row in (await reactor.get("/flows", label=label))["items"]] == names
        [run] = (await reactor.send("go"))["runs"]
        assert run["flow"] == "one"
        assert (await reactor.finished(run["id"]))["output"] == 1
        [run] = (await reactor.send("other"))["runs"]
        assert (await reactor.finished(run["id"]))["output"] == 2


@pytest.mark.proves("flow.labels")
def test_labels_in_expressions(shows):
    flow = HEAD + "labels: {team: sales}\nsteps: [{return: \"flow.labels.get('team', 'nobody')\"}]\n"
    flow += "tests: [{name: t, event: {}, expect: {output: sales}}]\n"
    shows(flow, ("labels: {team: sales}\n", ""))


@pytest.mark.proves("flow.{if,unless}")
def test_conditions(shows):
    flow = HEAD + "if: event.data.total > 100\nunless: event.data.test\nsteps: [{wait: 1s}]\ntests:\n"
    flow += "  - {name: small, event: {data: {total: 1, test: false}}, expect: {matches: false}}\n"
    flow += "  - {name: test, event: {data: {total: 200, test: true}}, expect: {matches: false}}\n"
    flow += "  - {name: right, event: {data: {total: 200, test: false}}, expect: {matches: true}}\n"
    shows(flow, ("if: event.data.total > 100\n", ""), ("unless: event.data.test\n", ""), ("> 100", "> 300"))


@pytest.mark.proves("flow.workflow", "on.older.{event,path,cron}")
async def test_flows_of_the_older_engine():
    hook = "name: hook\non: {event: http.request, path: /old}\nworkflow:\n"
    hook += "  - {name: s, action: log.info, message: 'got {{ .event.payload.id }}'}\n"
    tick = 'name: tick\non: {event: scheduled, cron: "* * * * * *"}\n'
    tick += "workflow: [{name: s, action: log.info, message: hi}]\n"
    async with running_reactor({"hook": hook, "tick": tick}) as reactor:
        await reactor.armed()
        answer = await reactor.http.post("/old", json={"id": 7})
        run = await reactor.finished(answer.json()["runs"][0]["id"])
        assert run["steps"][0]["output"]["message"] == "got 7"
        async with asyncio.timeout(5):
            while not (found := (await reactor.get("/runs", flow="tick"))["items"]):
                await asyncio.sleep(0.02)
        assert (await reactor.finished(found[0]["id"]))["steps"][0]["output"]["message"] == "hi"


@pytest.mark.proves("flow.inputs")
def test_inputs(shows):
    schema = "inputs: {type: object, properties: {n: {type: integer, default: 3}}}\n"
    flow = "name: it\n" + schema + "steps: [{name: r, return: inputs.n}]\ntests: [{name: t, expect: {output: 3}}]\n"
    shows(flow, ("default: 3", "default: 4"), (", default: 3", ""))


@pytest.mark.proves("flow.inputs")
async def test_inputs_that_do_not_fit_start_nothing():
    flow = "name: it\ninputs: {type: object, properties: {n: {type: integer}}}\nsteps: [{return: 1}]\n"
    async with running_reactor({"it": flow, "any": "name: any\nsteps: [{return: 1}]\n"}) as reactor:
        answer = await reactor.http.post("/api/v1/flows/it/run", json={"inputs": {"n": "x"}})
        assert (answer.status_code, "n" in answer.json()["detail"]) == (400, True)
        assert (await reactor.get("/runs"))["items"] == []
        await reactor.post("/flows/any/run", {"inputs": {"n": "x"}})


@pytest.mark.proves("flow.{outputs,vars}")
def test_outputs_and_vars(shows):
    flow = HEAD + "vars: {n: 7, m: '{{ event.data }}'}\noutputs: {n: '{{ vars.n }}', m: '{{ vars.m }}'}\n"
    flow += "steps: [{wait: 1s}]\ntests: [{name: t, event: {data: 1}, expect: {output: {n: 7, m: 1}, vars: {n: 7}}}]\n"
    shows(
        flow,
        ("outputs: {n: '{{ vars.n }}', m: '{{ vars.m }}'}\n", ""),
        ("n: 7, m", "n: 8, m"),
        ("'{{ event.data }}'", "2"),
    )


@pytest.mark.proves("flow.timeout")
def test_timeout(shows):
    flow = HEAD + "timeout: 1h\nsteps: [{wait: 2h}]\non_failure: [{name: f, emit: {type: told}}]\n"
    flow += "tests: [{name: t, event: {}, expect: {error: timeout, emitted: [{type: told}]}}]\n"
    shows(flow, ("timeout: 1h\n", ""), ("timeout: 1h", "timeout: 3h"))


@pytest.mark.proves("flow.on_failure")
def test_on_failure(shows):
    flow = HEAD + "steps: [{fail: no}]\non_failure: [{name: f, emit: {type: told, data: '{{ error.message }}'}}]\n"
    flow += "tests: [{name: t, event: {}, expect: {error: failed, emitted: [{type: told, data: no}]}}]\n"
    shows(
        flow,
        ("on_failure: [{name: f, emit: {type: told, data: '{{ error.message }}'}}]\n", ""),
        ("fail: no", "wait: 1s"),
    )


@pytest.mark.proves("flow.on_cancel")
@pytest.mark.parametrize("key", ["", "on_cancel: [{name: c, action: log.info, message: stopped}]\n"])
async def test_on_cancel(key):
    async with running_reactor({"it": HEAD + key + "steps: [{name: w, wait: 1h}]\n"}) as reactor:
        run_id = (await reactor.send("go"))["runs"][0]["id"]
        await reactor.post(f"/runs/{run_id}/cancel")
        run = await reactor.finished(run_id)
        assert run["status"] == "cancelled"
        assert ("on_cancel.c" in [step["path"] for step in run["steps"]]) is bool(key)


async def ended(it, flow, count):
    """The runs of a flow, when so many have ended."""
    async with asyncio.timeout(10):
        while True:
            runs = await it.engine.history.runs(RunFilter(flow=flow, limit=1_000))
            if sum(run.status.finished for run in runs) >= count:
                return runs
            await asyncio.sleep(0.005)


@pytest.mark.proves("flow.retention")
async def test_retention(tmp_path):
    """Each flow's runs go after the time that it says; the others stay as long as the server keeps them."""
    texts = [
        "name: short\nretention: 1h\non: {event: go}\nsteps: [{return: 1}]\n",
        "name: long\nretention: 30d\non: {event: go}\nsteps: [{return: 1}]\n",
        "name: plain\non: {event: go}\nsteps: [{return: 1}]\n",
        "name: sleeps\nretention: 1h\non: {event: go}\nsteps: [{wait: 300d}]\n",
    ]
    names = ("short", "long", "plain", "sleeps")
    clock = StillClock()
    async with rig(tmp_path, *texts, clock=clock) as it:
        it.engine.retention._keep = 7 * 24 * HOUR
        await it.send("go", *range(3))
        for name in names[:3]:
            await ended(it, name, 3)

        async def left():
            await it.engine.retention.look()
            return [len(await it.engine.history.runs(RunFilter(flow=name, limit=10))) for name in names]

        assert await left() == [3, 3, 3, 3]
        clock.time += HOUR - 1_000
        assert await left() == [3, 3, 3, 3]
        clock.time += 2_000
        assert await left() == [0, 3, 3, 3]
        clock.time += 7 * 24 * HOUR
        assert await left() == [0, 3, 0, 3]
        clock.time += 24 * 24 * HOUR
        assert await left() == [0, 0, 0, 3]


@pytest.mark.proves("flow.timezone")
def test_timezone_of_times(shows):
    flow = (
        HEAD
        + "timezone: Europe/Berlin\nsteps: [{name: w, wait: {until: '{{ event.data }}'}}]\noutputs: '{{ now() }}'\n"
    )
    flow += (
        "tests:\n  - {name: local, event: {data: '2026-07-01T09:00'}, expect: {output: '2026-07-01T07:00:00.000Z'}}\n"
    )
    flow += "  - {name: said, event: {data: '2026-07-01T09:00:00Z'}, expect: {output: '2026-07-01T09:00:00.000Z'}}\n"
    shows(flow, ("timezone: Europe/Berlin\n", ""), ("Europe/Berlin", "Asia/Tokyo"))


@pytest.mark.proves("flow.timezone")
async def test_timezone_of_schedules():
    flow = 'name: it\ntimezone: Asia/Tokyo\non: {schedule: "0 9 * * *"}\nsteps: [{wait: 1s}]\n'
    async with running_reactor(
        {"it": flow, "utc": flow.replace("it", "utc", 1).replace("timezone: Asia/Tokyo\n", "")}
    ) as reactor:
        await reactor.armed()
        rows = (await reactor.get("/triggers"))["items"]
        assert [(row["flow"], row["next_at"][11:16]) for row in rows] == [("it", "00:00"), ("utc", "09:00")]


@pytest.mark.proves("flow.connections", "flow.connections.type", "database.{query,insert,update,delete}.connection")
async def test_connections(tmp_path):
    flow = (
        HEAD
        + f"connections: {{db: {{type: sqlite, url: 'sqlite:///{tmp_path}/t.db'}}}}\n"
        + """\
steps:
  - {name: make, action: database.query, connection: db, sql: CREATE TABLE t (a int)}
  - {name: put, action: database.insert, connection: db, with: {table: t, row: {a: 1}}}
  - {name: more, action: database.insert, connection: db, with: {table: t, row: {a: 5}}}
  - name: change
    action: database.update
    connection: db
    with: {table: t, set: {a: 2}, where: {a: 1}, returning: [a]}
  - {name: drop, action: database.delete, connection: db, with: {table: t, where: {a: 5}}}
  - {name: get, action: database.query, connection: db, sql: SELECT a FROM t}
outputs: {rows: "{{ steps.get.output.rows }}", changed: "{{ steps.change.output.rows }}"}
"""
    )
    others = {name: flow.replace("name: it", f"name: {name}", 1) for name in ("none", "kind")}
    others["none"] = others["none"].replace("connections: {db:", "connections: {other:")
    others["kind"] = others["kind"].replace("type: sqlite", "type: smtp")
    async with running_reactor({"it": flow, **others}, file_roots=(tmp_path,)) as reactor:
        runs = {run["flow"]: await reactor.finished(run["id"]) for run in (await reactor.send("go"))["runs"]}
        assert runs["it"]["output"] == {"rows": [{"a": 2}], "changed": [{"a": 2}]}
        assert {runs[name]["status"] for name in others if name in runs} <= {"failed"}
        known = {row["name"] for row in (await reactor.get("/flows"))["items"]}
        assert "kind" not in known or runs["kind"]["status"] == "failed"
        assert "none" not in known or runs["none"]["status"] == "failed"


@pytest.mark.proves("flow.dedupe.for")
async def test_dedupe_forgets(tmp_path):
    clock = StillClock()
    async with rig(tmp_path, HEAD + "dedupe: {key: event.data, for: 1h}\nsteps: [{return: 1}]\n", clock=clock) as it:
        for passed, count in ((0, 1), (HOUR - 1, 1), (1, 2)):
            clock.time += passed
            await it.send("go", "same")
            assert len(await ended(it, "it", count)) == count


@pytest.mark.proves("flow.batch.{for,key}")
async def test_batch_of_one_key_in_a_time():
    flow = HEAD + "batch: {size: 100, for: 300ms, key: event.data}\nsteps: [{return: 'events | length'}]\n"
    async with running_reactor({"it": flow}) as reactor:
        sent = [(await reactor.send("go", who))["runs"][0]["id"] for who in ("a", "b", "a")]
        assert sent[0] == sent[2] != sent[1]
        assert [(await reactor.finished(run))["output"] for run in sent[:2]] == [2, 1]


@pytest.mark.proves("flow.debounce.{max,key}")
@pytest.mark.parametrize(("most", "later"), [(", max: 90s", 1), ("", 0)])
async def test_debounce_of_a_key_comes_to_an_end(tmp_path, most, later):
    """Events every 50 s: there is never a silence of a minute."""
    flow = HEAD + f"debounce: {{for: 1m{most}, key: event.data}}\nsteps: [{{return: 1}}]\n"
    clock = StillClock()
    async with rig(tmp_path, flow, clock=clock) as it:
        for _ in range(3):
            await it.send("go", "busy", "other")
            async with asyncio.timeout(10):
                # What goes into a run that is there is a run of its own for a moment.
                while len(waiting := await it.engine.history.runs(RunFilter(status=(RunStatus.PENDING,)))) != 2:
                    await asyncio.sleep(0.005)
            assert all(run.flow == "it" for run in waiting)
            clock.time += 50_000
            it.engine.executor.timers._fire()
        assert len(await ended(it, "it", 2 * later)) == 2 + 2 * later


@pytest.mark.proves("flow.throttle.key")
async def test_throttle_of_a_key():
    flow = HEAD + "throttle: {max: 1, per: 1h, key: event.data}\nsteps: [{return: 1}]\n"
    async with running_reactor({"it": flow}) as reactor:
        first, second, other = [(await reactor.send("go", who))["runs"][0]["id"] for who in ("a", "a", "b")]
        for run in (first, other):
            assert (await reactor.finished(run))["status"] == "completed"
        assert (await reactor.get(f"/runs/{second}"))["status"] == "pending"


@pytest.mark.proves("flow.concurrency.{key,scope}")
@pytest.mark.parametrize(
    ("more", "running"), [("", 3), (", key: event.data", 2), (", key: event.data, scope: global", 1)]
)
async def test_concurrency_of_a_key(more, running):
    """Two flows, two events of one key and one of another that goes to the first flow only."""
    text = "concurrency: {limit: 1MORE}\nsteps: [{name: work, action: shell.exec, with: {command: sleep 20}}]\n"
    text = text.replace("MORE", more)
    flows = {name: f"name: {name}\non: {{event: {name}}}\n{text}" for name in ("one", "two")}
    if not more:
        flows = {name: flow.replace("concurrency: {limit: 1}\n", "") for name, flow in flows.items()}
    async with running_reactor(flows) as reactor:
        sent = [(await reactor.send(type_, "a"))["runs"][0]["id"] for type_ in ("one", "one", "two")]
        async with asyncio.timeout(10):
            while True:
                found = [await reactor.get(f"/runs/{run}") for run in sent]
                if sum(any(step["path"] == "work" for step in run["steps"]) for run in found) == running:
                    break
                await asyncio.sleep(0.02)
        begun = [bool(run["steps"]) for run in found]
        assert begun == {3: [True] * 3, 2: [True, False, True], 1: [True, False, False]}[running]
        for run in sent:
            await reactor.post(f"/runs/{run}/cancel")
