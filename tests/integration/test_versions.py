"""Versions on a real server: what is different, forks previewed, and runs that change over while they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from reactor.engine.renames import Renames
from reactor.language.loader import load
from reactor.model import ids
from reactor.model.errors import InvalidError
from reactor.testing.running import RunningReactor, running_reactor

ORDER = """\
name: order
on: {event: order}
steps:
  - {name: begin, set: {n: "{{ event.data.n }}"}}
  - {name: charge, action: log.info, message: "charge {{ vars.n }}"}
  - {name: paid, wait_for: {event: paid, if: received.data.n == vars.n}}
  - {name: ship, action: log.info, message: "ship {{ vars.n }}"}
  - {name: done, return: "one {{ vars.n }}"}
"""
LATER = ORDER.replace("one {{", "two {{").replace("  - {name: done", "  - {name: thank, set: {x: 1}}\n  - {name: done")
RENAMED = LATER.replace("name: charge", "name: pay").replace("name: paid", "name: money")
INSERTED = LATER.replace("  - {name: paid", "  - {name: check, action: log.info, message: c}\n  - {name: paid")
BRANCHES = """\
name: branches
on: {event: branches}
steps:
  - name: p
    parallel:
      branches:
        a: [{name: x, action: log.info, message: a}]
        b: [{name: y, wait_for: {event: never}}]
  - name: each
    for_each: [1, 2]
    steps: [{name: z, action: log.info, message: z}]
"""


@pytest.fixture
async def it() -> AsyncIterator[RunningReactor]:
    """A server with one flow, whose runs leave memory soon."""
    async with running_reactor({"order": ORDER, "branches": BRANCHES}, passivate_after=30) as reactor:
        yield reactor


async def take(it: RunningReactor, text: str) -> int:
    """Another version of a flow; its number."""
    loaded = load(text, file=None, catalog=it.engine.catalog)
    assert loaded.flow is not None, loaded.problems
    return (await it.engine.book.take(loaded.flow)).version


async def begin(it: RunningReactor, n: int = 1, type_: str = "order") -> str:
    """A run that waits and has left memory."""
    run = str((await it.send(type_, {"n": n}))["runs"][0]["id"])
    await asleep(it, run)
    return run


async def asleep(it: RunningReactor, run: str) -> None:
    key = ids.from_text("run", run)
    assert key is not None
    for _ in range(1000):
        status = (await it.get(f"/runs/{run}"))["status"]
        if status in ("waiting", "paused") and not it.engine.executor.knows(key):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it stays in memory")


async def refused(it: RunningReactor, path: str, body: Any = None) -> tuple[int, str]:
    answer = await it.http.post(f"/api/v1{path}", json=body or {})
    return answer.status_code, str(answer.json().get("detail"))


# --- diff, versions ---


async def test_versions_are_compared(it: RunningReactor) -> None:
    assert await take(it, LATER) == 2
    await take(it, RENAMED)
    answer = await it.get("/flows/order/diff", **{"from": 1, "to": 2})
    assert (answer["flow"], answer["from"], answer["to"]) == ("order", 1, 2)
    assert {one["path"] for one in answer["changes"]} == {"done", "thank"}
    last = await it.get("/flows/order/diff")
    assert (last["from"], last["to"]) == (2, 3)
    assert {one["kind"] for one in last["changes"]} == {"renamed"}
    assert len((await it.get("/flows/order/versions"))["items"]) == 3


async def test_what_cannot_be_compared(it: RunningReactor) -> None:
    for path, status, words in (
        ("/flows/order/diff", 400, "its first"),
        ("/flows/nothing/diff", 404, "no flow"),
        ("/flows/order/diff?from=1&to=9", 404, "no version 9"),
        ("/flows/order/diff?from=x", 400, "from"),
    ):
        answer = await it.http.get(f"/api/v1{path}")
        assert (answer.status_code, words in str(answer.json())) == (status, True), answer.json()


# --- fork ---


async def test_a_fork_is_previewed(it: RunningReactor) -> None:
    run = await begin(it)
    await it.send("paid", {"n": 1})
    await it.finished(run)
    await take(it, INSERTED)
    before = len((await it.get("/runs"))["items"])
    answer = await it.post(f"/runs/{run}/fork", {"step": "ship", "preview": True})
    assert answer["id"] is None
    plan = answer["plan"]
    assert (plan["from"], plan["to"]) == (1, 2)
    assert plan["taken_over"] == ["begin", "charge", "paid"]
    assert plan["again"] == ["ship", "done"]
    assert plan["new"] == ["check", "thank"]
    assert plan["gone"] == []
    assert [(one["kind"], one["path"]) for one in plan["unfit"]] == [("new", "check"), ("missing", "paid")]
    assert len((await it.get("/runs"))["items"]) == before
    old = (await it.post(f"/runs/{run}/fork", {"step": "ship", "version": 1, "preview": True}))["plan"]
    assert (old["to"], old["new"], old["unfit"], old["other"]) == (1, [], [], [])


async def test_a_fork_takes_a_version(it: RunningReactor) -> None:
    run = await begin(it)
    await it.send("paid", {"n": 1})
    await it.finished(run)
    await take(it, LATER)
    forked = await it.post(f"/runs/{run}/fork", {"step": "ship", "version": 1})
    assert (await it.finished(forked["id"]))["output"] == "one 1"
    forked = await it.post(f"/runs/{run}/fork", {"step": "ship"})
    assert (await it.finished(forked["id"]))["output"] == "two 1"
    assert (await refused(it, f"/runs/{run}/fork", {"version": 9}))[0] == 404


# --- migrate ---


async def test_a_run_that_waits_changes_over(it: RunningReactor) -> None:
    run = await begin(it)
    await take(it, LATER)
    plan = await it.post(f"/runs/{run}/migrate", {"preview": True})
    assert (plan["from"], plan["to"], plan["refused"], plan["diverges"]) == (1, 2, None, [])
    assert (plan["next"], plan["migrated"]) == (["paid"], False)
    assert (await it.get(f"/runs/{run}"))["version"] == 1
    done = await it.post(f"/runs/{run}/migrate")
    assert done["migrated"]
    await asleep(it, run)
    await it.send("paid", {"n": 1})
    ended = await it.finished(run)
    assert (ended["version"], ended["output"]) == (2, "two 1")
    [one] = ended["migrations"]
    assert (one["from"], one["to"], one["map"], one["forced"]) == (1, 2, {}, [])
    lines = [line["message"] for line in (await it.get(f"/runs/{run}/logs"))["items"]]
    assert "changed over from version 1 to 2" in lines
    assert [step["path"] for step in ended["steps"]] == ["begin", "charge", "paid", "ship", "thank", "done"]


async def test_a_past_that_does_not_fit_is_refused_and_can_be_forced(it: RunningReactor) -> None:
    run = await begin(it)
    await take(it, INSERTED)
    plan = await it.post(f"/runs/{run}/migrate", {"preview": True})
    assert "check is new there" in plan["refused"]
    assert [(one["kind"], one["path"]) for one in plan["diverges"]] == [("new", "check"), ("missing", "paid")]
    status, why = await refused(it, f"/runs/{run}/migrate")
    assert status == 409
    assert "check is new there" in why
    assert (await it.get(f"/runs/{run}"))["version"] == 1
    done = await it.post(f"/runs/{run}/migrate", {"force": ["check"]})
    assert done["migrated"]
    await asleep(it, run)
    await it.send("paid", {"n": 1})
    ended = await it.finished(run)
    assert ended["output"] == "two 1"
    assert "check" in [step["path"] for step in ended["steps"]]
    assert ended["migrations"][0]["forced"] == ["check"]


async def test_a_step_that_touches_nothing_may_come_late(it: RunningReactor) -> None:
    run = await begin(it)
    await take(it, LATER.replace("  - {name: paid", "  - {name: more, set: {more: 1}}\n  - {name: paid"))
    done = await it.post(f"/runs/{run}/migrate")
    assert done["migrated"]
    assert [(one["kind"], one["path"]) for one in done["diverges"]] == [("extra", "more")]
    await asleep(it, run)
    await it.send("paid", {"n": 1})
    assert (await it.finished(run))["output"] == "two 1"


async def test_renamed_steps_are_mapped(it: RunningReactor) -> None:
    run = await begin(it)
    await take(it, RENAMED)
    assert "charge" in (await it.post(f"/runs/{run}/migrate", {"preview": True}))["refused"]
    names = {"charge": "pay", "paid": "money"}
    assert (await it.post(f"/runs/{run}/migrate", {"map": names}))["migrated"]
    await asleep(it, run)
    shown = await it.get(f"/runs/{run}")
    assert [step["path"] for step in shown["steps"]] == ["begin", "pay", "money"]
    assert "money" in shown["waiting_for"]
    await take(it, LATER)
    back = {new: old for old, new in names.items()}
    assert (await it.post(f"/runs/{run}/migrate", {"to": 3, "map": back}))["migrated"]
    await asleep(it, run)
    await it.send("paid", {"n": 1})
    ended = await it.finished(run)
    assert ended["output"] == "two 1"
    assert [step["path"] for step in ended["steps"] if step["path"] in ("charge", "pay")] == ["charge"]
    assert len(ended["migrations"]) == 2
    logs = [line["message"] for line in (await it.get(f"/runs/{run}/logs"))["items"]]
    assert len([line for line in logs if line == "charge 1"]) == 1, "its action was not done again"


async def test_branches_are_mapped(it: RunningReactor) -> None:
    run = await begin(it, type_="branches")
    text = BRANCHES.replace("        a: [{name: x", "        left: [{name: x").replace("event: never", "event: now")
    await take(it, text)
    plan = await it.post(f"/runs/{run}/migrate", {"map": {"p.branches.a": "p.branches.left"}})
    assert plan["migrated"], plan
    await asleep(it, run)
    await it.send("now")
    ended = await it.finished(run)
    assert ended["status"] == "completed"
    outputs = {step["path"]: step["output"] for step in ended["steps"]}
    assert set(outputs["p"]["branches"]) == {"left", "b"}
    assert "p.branches.left.x" in outputs


async def test_an_open_approval_keeps_its_links_under_another_name(it: RunningReactor) -> None:
    text = (
        "name: ask\non: {event: ask}\nsteps:\n  - {name: ok, approve: {title: Go on, by: ann}}\n"
        "  - {name: r, return: steps.ok.output.by}\n"
    )
    await take(it, text)
    run = await begin(it, type_="ask")
    [before] = (await it.get("/approvals"))["items"]
    await take(it, text.replace("name: ok", "name: may").replace("steps.ok", "steps.may"))
    assert (await it.post(f"/runs/{run}/migrate", {"map": {"ok": "may"}}))["migrated"]
    await asleep(it, run)
    [after] = (await it.get("/approvals"))["items"]
    assert (after["id"], after["step"]) == (before["id"], "may")
    await it.post(f"/approvals/{before['id']}/decide", {"decision": "approve", "by": "ann"})
    assert (await it.finished(run))["output"] == "ann"


async def test_a_paused_run_changes_over_and_stays_paused(it: RunningReactor) -> None:
    run = await begin(it)
    await it.post(f"/runs/{run}/pause")
    await take(it, LATER)
    assert (await it.post(f"/runs/{run}/migrate"))["migrated"]
    shown = await it.get(f"/runs/{run}")
    assert (shown["status"], shown["version"]) == ("paused", 2)
    await it.post(f"/runs/{run}/resume")
    await it.send("paid", {"n": 1})
    assert (await it.finished(run))["output"] == "two 1"


async def test_a_queued_run_changes_over() -> None:
    text = ORDER.replace("steps:", "concurrency: {limit: 1}\nsteps:")
    nap = "  - {name: nap, action: shell.exec, command: 'sleep 2'}\n"
    hold = text.replace("  - {name: begin", nap + "  - {name: begin")
    async with running_reactor({"order": hold}) as it:
        first = str((await it.send("order", {"n": 1}))["runs"][0]["id"])
        second = str((await it.send("order", {"n": 2}))["runs"][0]["id"])
        await take(it, text.replace("one {{", "two {{"))
        plan = await it.post(f"/runs/{second}/migrate", {"preview": True})
        assert plan["refused"] is None, plan
        status, why = await refused(it, f"/runs/{first}/migrate")
        assert (status, "is under way" in why) == (409, True)
        assert (await it.post(f"/runs/{second}/migrate"))["migrated"]
        await it.post(f"/runs/{first}/cancel")
        await it.send("paid", {"n": 2})
        assert (await it.finished(second))["output"] == "two 2"


async def test_all_runs_of_a_flow(it: RunningReactor) -> None:
    runs = [await begin(it, n) for n in range(1, 4)]
    await it.post(f"/runs/{runs[1]}/pause")
    await it.send("paid", {"n": 3})
    await it.finished(runs[2])
    for run in runs[:2]:
        await asleep(it, run)
    await take(it, LATER)
    seen = (await it.post("/flows/order/migrate", {"preview": True}))["items"]
    assert [(one["run"], one["migrated"], one["refused"]) for one in seen] == [(run, False, None) for run in runs[:2]]
    done = (await it.post("/flows/order/migrate"))["items"]
    assert [(one["run"], one["migrated"]) for one in done] == [(run, True) for run in runs[:2]]
    assert (await it.post("/flows/order/migrate"))["items"] == []
    assert (await refused(it, "/flows/nothing/migrate"))[0] == 404


async def test_what_is_refused(it: RunningReactor) -> None:
    run = await begin(it)
    assert "already" in (await refused(it, f"/runs/{run}/migrate"))[1]
    await take(it, RENAMED)
    for body, status, words in (
        ({"to": 9}, 404, "version 9"),
        ({"map": {"nothing": "pay"}}, 400, "knows no step 'nothing'"),
        ({"map": {"charge": "nothing"}}, 400, "has no step 'nothing'"),
        ({"map": {"charge": "pay", "paid": "pay"}}, 400, "cannot both become"),
        ({"map": {"": "pay"}}, 400, "paths of steps"),
        ({"maps": {}}, 400, "maps"),
    ):
        got, why = await refused(it, f"/runs/{run}/migrate", body)
        assert (got, words in why) == (status, True), (body, got, why)
    assert (await refused(it, "/runs/run_0000000000000/migrate"))[0] == 404
    await it.send("paid", {"n": 1})
    await it.finished(run)
    status, why = await refused(it, f"/runs/{run}/migrate")
    assert (status, "has ended" in why) == (409, True)


async def test_inputs_that_do_not_fit(it: RunningReactor) -> None:
    text = (
        "name: given\ninputs: {properties: {n: {type: integer}}}\nsteps:\n"
        "  - {name: w, wait_for: {event: never}}\n  - {name: r, return: '{{ inputs }}'}\n"
    )
    await take(it, text)
    receipt = await it.post("/flows/given/run", {"inputs": {"n": 1}})
    run = receipt["runs"][0]["id"]
    await asleep(it, run)
    await take(it, text.replace("type: integer", "type: string"))
    assert "inputs" in (await it.post(f"/runs/{run}/migrate", {"preview": True}))["refused"]
    await take(it, text.replace("integer}}", "integer}, m: {default: 5}}").replace("never", "now"))
    assert (await it.post(f"/runs/{run}/migrate"))["migrated"]
    await asleep(it, run)
    await it.send("now")
    assert (await it.finished(run))["output"] == {"n": 1, "m": 5}


def test_renames_keep_the_numbers_of_iterations() -> None:
    names = Renames({"each[].a": "all[].b", "each": "all", "p.cases[0]": "p.cases[2]"})
    assert names.key("each[12].a#started") == "all[12].b#started"
    assert names.key("each[12].ab") == "all[12].ab"
    assert names.key("each[3]") == "all[3]"
    assert names.key("each#items") == "all#items"
    assert names.key("p.cases[0].x") == "p.cases[2].x"
    assert names.key("other.each") == "other.each"
    with pytest.raises(InvalidError, match="same number of loops"):
        Renames({"each[].a": "a"})
