"""Flow control as users write it, from the YAML to the answers of the server: one test a control."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reactor.testing.running import RunningReactor, running_reactor

HEAD = "name: it\non: {event: go}\n"
QUICK = "steps:\n  - {name: seen, set: {n: '{{ event.data.n }}'}}\n"
WAITS = "steps:\n  - {name: stay, wait_for: {event: 'leave.*', if: received.data.n == event.data.n}}\n"
NAPS = "steps:\n  - {name: nap, wait: 30s}\n"


async def started(reactor: RunningReactor, count: int, **data: Any) -> list[list[str]]:
    """The runs of each of so many events."""
    sent = [await reactor.send("go", {"n": n, **data}) for n in range(count)]
    return [[run["id"] for run in receipt["runs"]] for receipt in sent]


async def explained(reactor: RunningReactor, receipt: dict[str, Any]) -> dict[str, Any]:
    """What became of an event."""
    told = await reactor.get(f"/explain/event/{receipt['event_id']}")
    found: dict[str, Any] = told["flows"][0]
    return found


@pytest.mark.proves("flow.rate_limit", "flow.rate_limit.{max,per,key}")
async def test_rate_limit() -> None:
    flow = HEAD + "rate_limit: {max: 2, per: 1h, key: event.data.who}\n" + QUICK
    async with running_reactor({"it": flow}) as reactor:
        assert list(map(len, await started(reactor, 3, who="x"))) == [1, 1, 0]
        assert list(map(len, await started(reactor, 1, who="y"))) == [1]
        told = await explained(reactor, await reactor.send("go", {"n": 9, "who": "x"}))
        assert (told["rule"], told["started"]) == ("rate_limit", False)
        assert 'of key "x": 2 within 1h' in told["reason"]
        assert 'reactor_flow_control_total{rule="rate_limit"} 2' in (await reactor.http.get("/metrics")).text


@pytest.mark.proves("flow.batch", "flow.batch.size")
async def test_batch() -> None:
    flow = (
        HEAD
        + "batch: {size: 3, for: 1h}\nsteps:\n"
        + '  - {name: all, set: {list: \'{{ events | map(attribute="data") | map(attribute="n") | list }}\'}}\n'
        + "outputs: {list: '{{ vars.list }}', last: '{{ event.data.n }}'}\n"
    )
    async with running_reactor({"it": flow}) as reactor:
        [first], [second], [third] = await started(reactor, 3)
        assert first == second == third
        assert (await reactor.finished(first))["output"] == {"list": [0, 1, 2], "last": 2}


@pytest.mark.proves("flow.debounce", "flow.debounce.for")
async def test_debounce() -> None:
    flow = HEAD + "debounce: {for: 300ms}\n" + QUICK + "outputs: {n: '{{ vars.n }}'}\n"
    async with running_reactor({"it": flow}) as reactor:
        [first], [second], [third] = await started(reactor, 3)
        assert first == second == third
        assert "`debounce` until" in (await reactor.get(f"/explain/run/{first}"))["explanation"]
        assert (await reactor.finished(first))["output"] == {"n": 2}


@pytest.mark.proves("flow.hold", "flow.hold.{over,per}")
async def test_hold_and_release() -> None:
    async with running_reactor({"it": HEAD + "hold: {over: 1, per: 1h}\n" + QUICK}) as reactor:
        runs = [run for [run] in await started(reactor, 4)]
        await reactor.finished(runs[0])
        held = await reactor.get(f"/explain/run/{runs[1]}")
        assert held["status"] == "paused"
        assert "held by `hold`: more than 1 events within 1h" in held["explanation"]
        await reactor.post(f"/runs/{runs[1]}/resume")
        await reactor.finished(runs[1])
        assert await reactor.post("/flows/it/release") == {"released": 2}
        for run in runs:
            assert (await reactor.finished(run))["status"] == "completed"
        answer = await reactor.http.post("/api/v1/flows/nobody/release")
        assert answer.status_code == 404


@pytest.mark.proves("flow.singleton", "flow.singleton.key")
async def test_singleton_skip() -> None:
    async with running_reactor({"it": HEAD + "singleton: event.data.who\n" + NAPS}) as reactor:
        [[first], second] = await started(reactor, 2, who="x")
        assert second == []
        assert list(map(len, await started(reactor, 1, who="y"))) == [1]
        told = await explained(reactor, await reactor.send("go", {"n": 9, "who": "x"}))
        assert told["rule"] == "singleton"
        assert f"{first} has not ended" in told["reason"]


@pytest.mark.proves("flow.singleton.on_conflict")
async def test_singleton_cancel() -> None:
    async with running_reactor({"it": HEAD + "singleton: {on_conflict: cancel}\n" + NAPS}) as reactor:
        [first], [second] = await started(reactor, 2)
        assert (await reactor.finished(first))["status"] == "cancelled"
        assert (await reactor.get(f"/runs/{second}"))["status"] in ("pending", "running", "waiting")


@pytest.mark.proves("flow.throttle", "flow.throttle.{max,per}")
async def test_throttle() -> None:
    async with running_reactor({"it": HEAD + "throttle: {max: 1, per: 700ms}\n" + QUICK}) as reactor:
        runs = [run for [run] in await started(reactor, 3)]
        assert "`throttle`: 1 starts within 700ms" in (await reactor.get(f"/explain/run/{runs[2]}"))["explanation"]
        times = [(await reactor.finished(run))["started_at"] for run in runs]
        assert times == sorted(times)
        assert times[0][:19] < times[2][:19], "a second and more"


@pytest.mark.proves("flow.concurrency", "flow.concurrency.limit", "flow.priority")
async def test_concurrency_and_priority() -> None:
    flow = HEAD + "concurrency: 1\npriority: event.data.priority\n"
    flow += 'steps:\n  - {name: work, action: shell.exec, with: {command: "sleep 0.2"}}\n'
    async with running_reactor({"it": flow}) as reactor:
        sent = [await reactor.send("go", {"priority": priority}) for priority in (0, 0, 1)]
        first, low, high = ids = [receipt["runs"][0]["id"] for receipt in sent]
        why = (await reactor.get(f"/explain/run/{low}"))["explanation"]
        assert why == f"waits for a slot of `concurrency`: 1 of 1 taken by {first}; 1 of the same keys before it."
        assert "reactor_runs_queued 2" in (await reactor.http.get("/metrics")).text
        begun = {run: (await reactor.finished(run))["started_at"] for run in ids}
        assert begun[first] < begun[high] < begun[low]


async def test_a_sleeping_run_lets_others_work() -> None:
    flow = HEAD + "concurrency: {limit: 1, key: event.data.who}\n" + WAITS
    async with running_reactor({"it": flow}) as reactor:
        [first], [second] = await started(reactor, 2, who="x")
        for number in (1, 0):
            await asyncio.sleep(0)
            await reactor.send("leave.now", {"n": number})
        assert (await reactor.finished(second))["status"] == "completed"
        assert (await reactor.finished(first))["status"] == "completed"


@pytest.mark.proves("flow.dedupe", "flow.dedupe.key")
async def test_dedupe_tells_what_it_dropped() -> None:
    flow = HEAD + "dedupe: {key: event.data.who, for: 1h}\nconcurrency: 1\n" + QUICK
    async with running_reactor({"it": flow}) as reactor:
        assert list(map(len, await started(reactor, 2, who="x"))) == [1, 0]
        told = await explained(reactor, await reactor.send("go", {"who": "x"}))
        assert told["rule"] == "dedupe"
        assert '(`event.data.who` = "x")' in told["reason"]


async def test_a_webhook_waits_for_the_result_of_a_queued_run() -> None:
    flow = "name: it\non: {webhook: {path: /it, respond: result}}\nconcurrency: 1\nrate_limit: {max: 2, per: 1h}\n"
    flow += 'steps:\n  - {name: work, action: shell.exec, with: {command: "sleep 0.2"}}\n'
    flow += "outputs: {n: '{{ event.data.n }}'}\n"
    async with running_reactor({"it": flow}) as reactor:
        await reactor.armed()
        answers = await asyncio.gather(*(reactor.http.post("/it", json={"n": n}) for n in range(3)))
        assert sorted(answer.status_code for answer in answers)[:2] == [200, 200]
        assert sum("n" in answer.text and answer.status_code == 200 for answer in answers) >= 2


@pytest.mark.proves("refused: key that fails to evaluate")
@pytest.mark.parametrize("data", [{}, {"who": None, "n": 1}])
async def test_a_key_that_fails_is_seen(data: dict[str, Any]) -> None:
    flow = HEAD + "concurrency: {limit: 1, key: event.data.who.name}\n" + QUICK
    async with running_reactor({"it": flow}) as reactor:
        run = await reactor.finished((await reactor.send("go", data))["runs"][0]["id"])
        assert run["status"] == "failed"
        assert "the key of `concurrency` (`event.data.who.name`) cannot be evaluated" in run["error"]["message"]


async def test_batch_and_debounce_together_are_refused() -> None:
    flow = HEAD + "batch: {size: 3, for: 1m}\ndebounce: {for: 1s}\n" + QUICK
    async with running_reactor({"it": flow}) as reactor:
        [problem] = (await reactor.get("/problems"))["items"]
        assert "take one of them" in str(problem)


async def test_a_flood_on_a_singleton_is_over_at_once() -> None:
    """Before, every new run cancelled all before it: 500 events at once held the server for minutes."""
    text = """\
name: single
on: {event: s}
singleton: {on_conflict: cancel}
steps: [{wait: 1h}]
"""
    async with running_reactor({"single": text}) as reactor:
        events = [{"type": "s", "data": number} for number in range(400)]
        answer = await reactor.http.post("/events", json=events, timeout=20)
        last = answer.json()[-1]["runs"][0]["id"]
        left: list[dict[str, Any]] = []
        for _ in range(1000):
            left = (await reactor.get("/runs", status="waiting"))["items"]
            if [run["id"] for run in left] == [last]:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError(f"{len(left)} of them wait")
