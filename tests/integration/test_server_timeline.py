"""A run over time: attempts, waits, branches, iterations; only what has changed; one step whole."""

import asyncio
from typing import Any

from reactor.testing.running import RunningReactor, running_reactor

_FLOW = """
name: line
on: {event: go}
steps:
  - {name: flaky, action: shell.exec, with: {command: "exit 3"}, retry: {max: 2, delay: 100ms}, continue_on_error: true}
  - name: each
    for_each: "{{ range(3) | list }}"
    steps:
      - {name: say, action: log.info, with: {message: "it {{ item }}"}}
  - name: race
    parallel:
      join: any
      branches:
        quick: [{name: q, set: {y: 1}}]
        slow: [{name: s, wait: 1h}]
  - {name: sub, call: child}
  - {name: ask, approve: {title: "Go on?"}}
"""
_CHILD = "name: child\nsteps: [{name: c, set: {x: 1}}]\n"


async def _until(reactor: RunningReactor, run: str, path: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            line = await reactor.get(f"/runs/{run}/timeline")
            if any(lane["path"] == path for lane in line["lanes"]):
                return dict(line)
            await asyncio.sleep(0.01)


async def test_every_attempt_and_every_wait_has_its_place() -> None:
    async with running_reactor({"line": _FLOW, "child": _CHILD}) as reactor:
        run = (await reactor.send("go", {}))["runs"][0]["id"]
        line = await _until(reactor, run, "ask")
        lanes = {lane["path"]: lane for lane in line["lanes"]}
        first, wait, second = lanes["flaky"]["spans"]
        assert (first["kind"], first["attempt"], wait["kind"]) == ("work", 1, "retry")
        assert first["error"] == "exit.3: exit code 3"
        assert first["end"] == wait["start"]
        assert wait["end"] == second["start"]
        assert lanes["flaky"]["status"] == "failed"
        assert lanes["each[2].say"]["status"] == "completed"
        assert lanes["race.branches.slow.s"]["spans"][0]["kind"] == "sleep"
        assert lanes["race.branches.slow.s"]["status"] == "cancelled"
        assert lanes["sub"]["child"].startswith("run_")
        assert lanes["ask"]["spans"] == [{"kind": "approval", "start": lanes["ask"]["start"]}]
        assert lanes["ask"]["status"] == "waiting"

        again = await reactor.get(f"/runs/{run}/timeline", after=line["seen"])
        assert (again["whole"], [lane["path"] for lane in again["lanes"]]) == (False, ["ask"])
        await reactor.post(f"/runs/{run}/cancel")
        await reactor.finished(run)
        fresh = await reactor.get(f"/runs/{run}/timeline", after=line["seen"])
        assert [(lane["path"], lane["status"]) for lane in fresh["lanes"]] == [("ask", "cancelled")]
        assert [mark["kind"] for mark in fresh["marks"]] == ["cancel"]
        await reactor.post(f"/runs/{run}/retry")
        retried = await reactor.get(f"/runs/{run}/timeline", after=fresh["seen"])
        assert retried["whole"]
        await _step_whole(reactor, run)
        light = await reactor.get(f"/runs/{run}", steps="false")
        assert light["steps"] == []


async def _step(reactor: RunningReactor, run: str, path: str) -> Any:
    return (await reactor.http.get(f"/api/v1/runs/{run}/step", params={"path": path})).json()


async def _step_whole(reactor: RunningReactor, run: str) -> None:
    async with asyncio.timeout(10):
        while len((whole := await _step(reactor, run, "flaky"))["history"]) < 4:
            await asyncio.sleep(0.02)
    assert [attempt["attempt"] for attempt in whole["history"]] == [1, 2, 1, 2]
    assert whole["history"][0]["next_at"] is not None
    assert whole["history"][0]["error"]["kind"] == "exit.3"
    assert whole["input"] == {"command": "exit 3"}
    assert (await _step(reactor, run, "race"))["winner"] == "quick"
    child = (await _step(reactor, run, "sub"))["child_id"]
    assert (await reactor.get(f"/runs/{child}"))["parent_id"] == run
    for path, status in (("nowhere", 404), ("", 400), ("x" * 3_000, 400)):
        answer = await reactor.http.get(f"/api/v1/runs/{run}/step", params={"path": path})
        assert answer.status_code == status, path


_WITH_INPUTS = """
name: greet
inputs: {type: object, properties: {name: {type: string}}, required: [name]}
steps: [{name: say, set: {text: "hello {{ inputs.name }}"}}]
outputs: {text: "{{ steps.say.output.text }}"}
"""


async def test_a_fork_from_the_beginning_may_have_other_inputs() -> None:
    async with running_reactor({"greet": _WITH_INPUTS}) as reactor:
        run = (await reactor.post("/flows/greet/run", {"inputs": {"name": "Ann"}}))["runs"][0]["id"]
        assert (await reactor.finished(run))["output"] == {"text": "hello Ann"}
        forked = await reactor.post(f"/runs/{run}/fork", {"inputs": {"name": "Bob"}})
        whole = await reactor.finished(forked["id"])
        assert (whole["output"], whole["inputs"]) == ({"text": "hello Bob"}, {"name": "Bob"})
        for body, part in (
            ({"inputs": {"name": 7}}, "name"),
            ({"inputs": "Bob"}, "must be a map"),
            ({"inputs": {"name": "Eve"}, "step": "say"}, "from its beginning"),
        ):
            answer = await reactor.http.post(f"/api/v1/runs/{run}/fork", json=body)
            assert answer.status_code == 400
            assert part in answer.json()["detail"]
        assert (await reactor.get("/runs/count"))["count"] == 2
