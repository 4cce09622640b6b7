"""`explain run` and `explain flow` on the real server: the exact blocker, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reactor.model.clock import from_iso
from reactor.model.errors import StoreBusyError
from reactor.testing.running import RunningReactor, running_reactor

HEAD = "name: it\non: {event: go}\n"
STAYS = "steps:\n  - {name: stay, wait_for: {event: leave, if: received.data.n == event.data.n}}\n"
QUICK = "steps:\n  - {name: seen, set: {n: 1}}\n"


async def run_of(reactor: RunningReactor, flow: str = "it", **data: Any) -> str:
    """The run of a new event."""
    receipt = await reactor.send("go", data)
    return str(next(run["id"] for run in receipt["runs"] if run["flow"] == flow))


async def until(look: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What is seen once it holds."""
    seen = await look()
    for _ in range(500):
        if holds(seen):
            return seen
        await asyncio.sleep(0.02)
        seen = await look()
    raise AssertionError(seen)


async def blocked(reactor: RunningReactor, run: str, kind: str) -> dict[str, Any]:
    """What blocks a run, once it is of this kind."""
    found: list[dict[str, Any]] = []
    for _ in range(500):
        found = (await reactor.get(f"/explain/run/{run}"))["blockers"]
        if found and found[0]["kind"] == kind:
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError(found)


async def test_steps_that_wait() -> None:
    flow = (
        HEAD
        + """\
steps:
  - name: all
    parallel:
     branches:
      naps: [{name: nap, wait: 1h}]
      asks: [{name: ok, approve: {title: Go on?, by: [ada, bob], quorum: 2, timeout: 2h}}]
      hears: [{name: hear, wait_for: {event: "reply.*", if: received.data.n == 1, timeout: 3h}}]
      loops:
        - name: each
          for_each: [1]
          steps: [{name: rest, wait: 4h}]
"""
    )
    async with running_reactor({"it": flow}, passivate_after=20) as reactor:
        run = await run_of(reactor)
        await blocked(reactor, run, "timer")
        answer = await until(
            lambda: reactor.get(f"/explain/run/{run}"), lambda a: len(a["blockers"]) == 4 and a["status"] == "waiting"
        )
        found = {one["path"]: one for one in answer["blockers"]}
        begun = from_iso(answer["started_at"])
        nap = found["all.branches.naps.nap"]
        assert nap["kind"] == "timer"
        assert 3_590_000 < from_iso(nap["until"]) - begun <= 3_610_000
        asks = found["all.branches.asks.ok"]
        assert asks["kind"] == "approval"
        assert "waits for the decision of ada, bob on 'Go on?' (0 of 2)" in asks["reason"]
        assert (asks["details"]["people"], asks["details"]["quorum"]) == (["ada", "bob"], 2)
        assert from_iso(asks["until"]) - begun > 7_100_000
        hears = found["all.branches.hears.hear"]
        assert hears["kind"] == "event"
        assert hears["details"] == {"type": "reply.*", "source": None, "condition": "received.data.n == 1"}
        assert from_iso(hears["until"]) - begun > 10_700_000
        assert found["all.branches.loops.each[0].rest"]["kind"] == "timer"
        await reactor.post(f"/approvals/{asks['details']['id']}/decide", {"by": "ada", "decision": "approve"})

        async def approval() -> Any:
            return next(b for b in (await reactor.get(f"/explain/run/{run}"))["blockers"] if b["kind"] == "approval")

        asks = await until(approval, lambda one: bool(one["details"]["decided"]))
        assert "(1 of 2, ada did)" in asks["reason"]


async def test_a_child_and_what_it_waits_for() -> None:
    flows = {
        "it": HEAD + "steps:\n  - {name: sub, call: mid}\n",
        "mid": "name: mid\nsteps:\n  - {name: low, call: deep}\n",
        "deep": "name: deep\nsteps:\n  - {name: nap, wait: 1h}\n",
    }
    async with running_reactor(flows) as reactor:
        run = await run_of(reactor)
        child = await until(
            lambda: blocked(reactor, run, "child"),
            lambda c: any(b["details"].get("run", {}).get("blockers") for b in c["details"]["run"]["blockers"]),
        )
        mid = child["details"]["run"]
        deep = mid["blockers"][0]["details"]["run"]
        assert (child["path"], mid["flow"], deep["flow"]) == ("sub", "mid", "deep")
        assert (deep["blockers"][0]["kind"], deep["blockers"][0]["path"]) == ("timer", "nap")


async def test_retries_and_people() -> None:
    fails = "action: http.request, with: {url: 'http://127.0.0.1:1/'}"
    flows = {
        "it": HEAD + f"steps:\n  - {{name: again, {fails}, retry: {{max: 5, delay: 1h, max_delay: 1h, jitter: 0}}}}\n",
        "held": f"name: held\non: {{event: go}}\nsteps:\n  - {{name: once, {fails}, retry: {{max: 1, then: pause}}}}\n",
    }
    async with running_reactor(flows, http_allow=("127.0.0.0/8",)) as reactor:
        receipt = await reactor.send("go", {})
        runs = {run["flow"]: run["id"] for run in receipt["runs"]}
        again = await blocked(reactor, runs["it"], "retry")
        assert "attempt 1 failed" in again["reason"]
        assert "the next is at" in again["reason"]
        assert again["until"] is not None
        person = await blocked(reactor, runs["held"], "person")
        assert "failed for good and waits for a person" in person["reason"]


async def test_paused_by_hand_and_held() -> None:
    flows = {
        "it": HEAD + "steps:\n  - {name: nap, wait: 1h}\n",
        "flood": "name: flood\non: {event: go}\nhold: {over: 1, per: 1h}\n" + QUICK,
    }
    async with running_reactor(flows, passivate_after=20) as reactor:
        run = await run_of(reactor)
        await blocked(reactor, run, "timer")
        await reactor.post(f"/runs/{run}/pause")
        paused = await blocked(reactor, run, "paused")
        assert f"`reactor runs resume {run}` lets it go on" in paused["reason"]
        over = await run_of(reactor, "flood")
        held = await blocked(reactor, over, "held")
        assert "held by `hold`: more than 1 events within 1h" in held["reason"]
        assert "`reactor flows release flood`" in held["reason"]


async def test_gates() -> None:
    flows = {
        "slots": "name: slots\non: {event: go}\nconcurrency: {limit: 1, key: event.data.who}\n" + STAYS,
        "slow": "name: slow\non: {event: go}\nthrottle: {max: 1, per: 1h}\n" + QUICK,
        "many": "name: many\non: {event: go}\nbatch: {size: 9, for: 1h}\n" + QUICK,
        "last": "name: last\non: {event: go}\ndebounce: {for: 1h}\n" + QUICK,
    }
    async with running_reactor(flows) as reactor:
        first = {r["flow"]: r["id"] for r in (await reactor.send("go", {"n": 1, "who": "x"}))["runs"]}
        second = {r["flow"]: r["id"] for r in (await reactor.send("go", {"n": 2, "who": "x"}))["runs"]}
        slot = await blocked(reactor, second["slots"], "concurrency")
        assert slot["details"] == {"ahead": 0, "taken": 1, "limit": 1, "runs": [first["slots"]]}
        assert slot["until"] is None
        assert (await blocked(reactor, second["slow"], "throttle"))["until"] is not None
        batch = await blocked(reactor, second["many"], "batch")
        assert (batch["details"], batch["until"] is not None) == ({"events": 2}, True)
        assert (await blocked(reactor, second["last"], "debounce"))["until"] is not None
        slots = (await reactor.get("/explain/flow/slots"))["control"]
        assert slots["queue"] == {"waiting": 1, "next_at": None, "oldest": second["slots"]}
        assert slots["concurrency"] == {
            "limit": 1, "scope": "flow", "keys_in_all": 1,
            "keys": [{"key": '"x"', "used": 1, "queued": 1, "runs": [first["slots"]]}],
        }  # fmt: skip
        slow = (await reactor.get("/explain/flow/slow"))["control"]
        assert (slow["throttle"]["max"], slow["throttle"]["keys"][0]["used"]) == (1, 1)
        assert slow["queue"]["next_at"] == slow["throttle"]["keys"][0]["until"]
        many = (await reactor.get("/explain/flow/many"))["control"]
        assert many["batch"]["keys"][0]["used"] == 2


async def test_a_flow_shows_its_fullest_keys_only() -> None:
    flow = HEAD + "concurrency: {limit: 2, key: event.data.who}\nsingleton: {key: event.data.who}\n" + STAYS
    async with running_reactor({"it": flow}) as reactor:
        for who in range(25):
            await reactor.send("go", {"n": 1, "who": who})
        control = (await reactor.get("/explain/flow/it"))["control"]
        assert (len(control["concurrency"]["keys"]), control["concurrency"]["keys_in_all"]) == (20, 25)
        assert control["singleton"]["keys_in_all"] == 25


async def test_room_in_memory_and_a_store_that_cannot_write() -> None:
    hang = "steps:\n  - {name: work, action: shell.exec, command: sleep 30}\n"
    async with running_reactor({"it": HEAD + hang}, live_runs=1) as reactor:
        first, second = await run_of(reactor), await run_of(reactor)
        memory = await blocked(reactor, second, "memory")
        assert memory["reason"] == "it waits for room in memory (1 of 1 runs)"
        action = await blocked(reactor, first, "action")
        assert "step 'work': shell.exec is under way since" in action["reason"]
        committer = reactor.engine.executor.committer
        committer.trouble = str(StoreBusyError("the disk is full"))
        store = await blocked(reactor, second, "store")
        assert store["reason"] == "the store cannot write: the disk is full"
        committer.trouble = None
        await reactor.post(f"/runs/{first}/cancel")
        await reactor.post(f"/runs/{second}/cancel")


async def test_what_is_not_there() -> None:
    async with running_reactor({"it": HEAD + QUICK}) as reactor:
        for path, words in (("run/run_0000000000000", "there is no run"), ("flow/none", "there is no flow 'none'")):
            answer = await reactor.http.get(f"/api/v1/explain/{path}")
            assert answer.status_code == 404
            assert words in answer.json()["detail"]
        done = await run_of(reactor)
        await reactor.finished(done)
        assert (await reactor.get(f"/explain/run/{done}"))["blockers"] == []
