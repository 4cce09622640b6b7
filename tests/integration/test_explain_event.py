"""`explain event` on the real server: for every rule an event that it stops, with the reason and the values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reactor.testing.running import RunningReactor, running_reactor

HEAD = "name: it\non: {event: go}\n"
QUICK = "steps:\n  - {name: seen, set: {n: '{{ event.data.n }}'}}\n"
STAYS = "steps:\n  - {name: stay, wait_for: {event: leave, if: received.data.n == event.data.n}}\n"
ORDER = ["type", "source", "trigger.if", "if", "unless", "dedupe", "rate_limit", "batch", "debounce", "hold",
         "singleton", "throttle", "concurrency", "priority"]  # fmt: skip


async def told(reactor: RunningReactor, receipt: dict[str, Any], flow: str = "it") -> dict[str, Any]:
    """The answer for one flow."""
    answer = await reactor.get(f"/events/{receipt['event_id']}/explain", flow=flow)
    [found] = answer["flows"]
    assert found["flow"] == flow
    return dict(found)


def rules(found: dict[str, Any]) -> dict[str, str]:
    """Rule → result; the order of asking is the documented one."""
    names = [row["rule"] for row in found["verdicts"]]
    assert names == sorted(names, key=lambda name: ORDER.index("type" if name == "address" else name))
    return {row["rule"]: row["result"] for row in found["verdicts"]}


def row(found: dict[str, Any], rule: str) -> dict[str, Any]:
    """One row of the table."""
    [one] = [row for row in found["verdicts"] if row["rule"] == rule]
    return dict(one)


CONDITIONS = """\
name: it
on: {event: "go.*", source: "shop/*", if: event.data.a > 1}
if: event.data.b > 1
unless: event.data.c > 1
dedupe: {key: event.data.a, for: 1h}
steps:
  - {name: seen, set: {n: 1}}
"""


async def until(look: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What is seen once it holds."""
    seen = await look()
    for _ in range(500):
        if holds(seen):
            return seen
        await asyncio.sleep(0.02)
        seen = await look()
    raise AssertionError(seen)


@pytest.mark.parametrize(
    ("event", "rule", "reason", "values"),
    [
        ({"type": "other"}, "type", "the event's type 'other' does not fit 'go.*'", {"event.type": "other"}),
        ({"source": "bank"}, "source", "source 'bank' does not fit 'shop/*'", {"event.source": "bank"}),
        ({"data": {"a": 1, "b": 9, "c": 0}}, "trigger.if", "`event.data.a > 1` is false", {"event.data.a": 1}),
        ({"data": {"a": 9, "b": 1, "c": 0}}, "if", "`event.data.b > 1` is false", {"event.data.b": 1}),
        ({"data": {"a": 9, "b": 9, "c": 2}}, "unless", "`event.data.c > 1` is true", {"event.data.c": 2}),
    ],
)
async def test_conditions(event: dict[str, Any], rule: str, reason: str, values: dict[str, Any]) -> None:
    async with running_reactor({"it": CONDITIONS}) as reactor:
        given = {"type": "go.now", "source": "shop/1", "data": {"a": 9, "b": 9, "c": 0}, **event}
        receipt = await reactor.send(given.pop("type"), given.pop("data"), **given)
        found = await told(reactor, receipt)
        assert (found["started"], found["rule"]) == (False, rule)
        stopped = row(found, rule)
        assert (stopped["result"], stopped["values"]) == ("stopped", values)
        assert reason in stopped["reason"]
        results = list(rules(found).values())
        assert results[: results.index("stopped")] == ["passed"] * results.index("stopped")
        assert set(results[results.index("stopped") + 1 :]) <= {"not_asked"}


async def test_a_condition_that_cannot_be_evaluated() -> None:
    async with running_reactor({"it": HEAD + "if: event.data.a.b > 1\n" + QUICK}) as reactor:
        found = await told(reactor, await reactor.send("go", {"a": 5}))
        assert (found["rule"], row(found, "if")["result"]) == ("error", "error")
        assert "could not be evaluated" in row(found, "if")["reason"]


async def test_address_and_no_trigger() -> None:
    hook = "name: it\non: {webhook: /hook}\n" + QUICK
    hand = "name: hand\n" + QUICK
    async with running_reactor({"it": hook, "hand": hand}) as reactor:
        receipt = await reactor.send("go", {"n": 1})
        found = await told(reactor, receipt)
        assert rules(found) == {"address": "stopped"}
        assert "listens through its own webhook trigger" in row(found, "address")["reason"]
        none = await told(reactor, receipt, "hand")
        assert none["rule"] == "enabled"
        assert "only when called or by hand" in none["reason"]
        answer = await reactor.http.post("/hook", json={"n": 1})
        passed = await told(reactor, {"event_id": answer.json()["event_id"]})
        assert (passed["started"], rules(passed)) == (True, {"address": "passed"})


async def test_dedupe() -> None:
    async with running_reactor({"it": HEAD + "dedupe: {key: event.data.n, for: 1h}\n" + QUICK}) as reactor:
        first = await told(reactor, await reactor.send("go", {"n": 7}))
        assert rules(first) == {"type": "passed", "dedupe": "passed"}
        found = await told(reactor, await reactor.send("go", {"n": 7}))
        stopped = row(found, "dedupe")
        assert (stopped["result"], stopped["expression"]) == ("stopped", "once in 1h, key event.data.n")
        assert stopped["values"] == {"key": 7}
        assert "a run with the same key was started less than 1h before" in stopped["reason"]


async def test_rate_limit() -> None:
    control = "rate_limit: {max: 1, per: 1h, key: event.data.who}\npriority: event.data.n\n"
    async with running_reactor({"it": HEAD + control + QUICK}) as reactor:
        await reactor.send("go", {"n": 1, "who": "x"})
        found = await told(reactor, await reactor.send("go", {"n": 2, "who": "x"}))
        assert rules(found) == {"type": "passed", "rate_limit": "stopped", "priority": "not_asked"}
        stopped = row(found, "rate_limit")
        assert 'dropped by `rate_limit` of key "x": 1 within 1h were let in already' in stopped["reason"]
        assert stopped["values"] == {"key": "x"}


async def test_batch_and_debounce() -> None:
    batch = HEAD + "batch: {size: 3, for: 1h}\n" + QUICK
    bounce = "name: last\non: {event: go}\ndebounce: {for: 1h}\n" + QUICK
    async with running_reactor({"it": batch, "last": bounce}) as reactor:
        sent = [await reactor.send("go", {"n": n}) for n in range(2)]
        merged = await told(reactor, sent[0])
        assert row(merged, "batch")["result"] == "merged"
        assert "it is one of the `events` of" in row(merged, "batch")["reason"]
        assert merged["run_id"] in row(merged, "batch")["reason"]
        queued = await told(reactor, sent[1])
        assert row(queued, "batch")["result"] == "queued"
        assert "2 of 3 events" in row(queued, "batch")["reason"]
        replaced = await told(reactor, sent[0], "last")
        assert row(replaced, "debounce")["result"] == "merged"
        assert "replaced by `debounce`" in row(replaced, "debounce")["reason"]
        waits = await told(reactor, sent[1], "last")
        assert row(waits, "debounce")["result"] == "queued"
        assert "`debounce` until" in row(waits, "debounce")["reason"]


async def test_hold_and_singleton() -> None:
    flows = {
        "it": HEAD + "hold: {over: 1, per: 1h}\n" + QUICK,
        "one": "name: one\non: {event: go}\nsingleton: {key: event.data.who}\n" + STAYS,
    }
    async with running_reactor(flows) as reactor:
        first = await reactor.send("go", {"n": 1, "who": "x"})
        second = await reactor.send("go", {"n": 2, "who": "x"})
        held = await told(reactor, second)
        assert row(held, "hold")["result"] == "queued"
        assert "held by `hold`: more than 1 events within 1h" in row(held, "hold")["reason"]
        skipped = await told(reactor, second, "one")
        assert row(skipped, "singleton")["result"] == "stopped"
        run = next(run["id"] for run in first["runs"] if run["flow"] == "one")
        assert f'skipped by `singleton` of key "x": {run} has not ended' in row(skipped, "singleton")["reason"]


async def test_throttle_concurrency_priority() -> None:
    flows = {
        "it": HEAD + "throttle: {max: 1, per: 1h}\n" + QUICK,
        "few": "name: few\non: {event: go}\nconcurrency: {limit: 1, key: event.data.who}\npriority: event.data.n\n"
        + STAYS,
    }
    async with running_reactor(flows) as reactor:
        first = await reactor.send("go", {"n": 1, "who": "x"})
        second = await reactor.send("go", {"n": 2, "who": "x"})
        throttled = await told(reactor, second)
        assert row(throttled, "throttle")["result"] == "queued"
        assert "1 starts within 1h; the next start is at" in row(throttled, "throttle")["reason"]
        queued = await told(reactor, second, "few")
        assert rules(queued) == {"type": "passed", "concurrency": "queued", "priority": "passed"}
        holder = next(run["id"] for run in first["runs"] if run["flow"] == "few")
        assert f"1 of 1 taken by {holder}" in row(queued, "concurrency")["reason"]
        assert row(queued, "priority")["values"] == {"priority": 2.0}


async def test_a_key_that_cannot_be_evaluated() -> None:
    async with running_reactor({"it": HEAD + "concurrency: {limit: 1, key: event.data.a.b}\n" + QUICK}) as reactor:
        found = await told(reactor, await reactor.send("go", {"a": 5}))
        assert row(found, "concurrency")["result"] == "error"
        assert "cannot be evaluated" in row(found, "concurrency")["reason"]


async def test_a_flow_that_came_later_and_one_that_is_disabled() -> None:
    async with running_reactor({"it": HEAD + QUICK, "off": "name: off\non: {event: go}\n" + QUICK}) as reactor:
        started = await reactor.send("go", {"n": 1})
        await reactor.post("/flows/off/disable")
        gone = await told(reactor, started, "off")
        assert gone["started"]
        assert "the flow is disabled" in gone["reason"]
        missed = await reactor.send("go", {"n": 2})
        await reactor.post("/flows/off/enable")
        later = await told(reactor, missed, "off")
        assert (later["rule"], later["started"]) == ("later", False)


async def test_the_version_that_ran_is_the_one_that_is_explained() -> None:
    async with running_reactor({"it": HEAD + "if: event.data.n > 1\n" + QUICK}) as reactor:
        receipt = await reactor.send("go", {"n": 2})
        [run] = receipt["runs"]
        await reactor.finished(run["id"])
        folder = reactor.app.settings.workflows
        assert folder is not None
        (folder / "it.yaml").write_text(HEAD + "if: event.data.n > 5\n" + QUICK)
        await until(lambda: reactor.get("/flows/it"), lambda flow: flow["version"] == 2)
        found = await told(reactor, receipt)
        assert (found["started"], found["version"]) == (True, 1)
        assert row(found, "if") == {
            "rule": "if", "result": "passed", "expression": "event.data.n > 1", "values": {"event.data.n": 2},
            "reason": "", "trigger": None,
        }  # fmt: skip
        assert "by the flow as it is now" in found["reason"]


SEVERAL = """\
name: it
on:
  - {event: go, if: event.data.n > 5}
  - {event: "go.**", if: event.data.n > 1}
steps:
  - {name: seen, set: {n: 1}}
"""


async def test_several_triggers_of_a_flow_are_one_answer() -> None:
    async with running_reactor({"it": SEVERAL}) as reactor:
        found = await told(reactor, await reactor.send("go", {"n": 3}))
        assert (found["started"], found["trigger"], found["rule"]) == (True, "it/1", "matched")
        assert [(row["trigger"], row["rule"], row["result"]) for row in found["verdicts"]] == [
            ("it/0", "type", "passed"), ("it/0", "trigger.if", "stopped"),
            ("it/1", "type", "passed"), ("it/1", "trigger.if", "passed"),
        ]  # fmt: skip
        none = await told(reactor, await reactor.send("go", {"n": 1}))
        assert (none["started"], none["rule"]) == (False, "trigger.if")
        assert {row["trigger"] for row in none["verdicts"]} == {"it/0", "it/1"}


async def test_a_flow_that_another_has_called() -> None:
    flows = {
        "it": HEAD + "if: event.data.n > 5\n" + QUICK,
        "over": "name: over\non: {event: go}\nsteps:\n  - {name: sub, call: it}\n",
    }
    async with running_reactor(flows) as reactor:
        receipt = await reactor.send("go", {"n": 1})
        await reactor.finished(receipt["runs"][0]["id"])
        found = await told(reactor, receipt)
        assert (found["started"], found["rule"]) == (True, "called")
        assert "step 'sub'" in found["reason"]
        assert rules(found) == {"type": "passed", "if": "stopped"}


async def test_what_was_started_by_hand_was_not_asked() -> None:
    async with running_reactor({"it": HEAD + "if: event.data.n > 5\n" + QUICK}) as reactor:
        found = await told(reactor, await reactor.post("/flows/it/run", {"data": {"n": 1}}))
        assert (found["started"], found["rule"], found["verdicts"]) == (True, "hand", [])
        assert "started by hand: no condition was asked" in found["reason"]


PATTERN = """\
name: it
on:
  pattern: {count: {event: login.failed, if: event.data.n > 0, at_least: 2}, within: 1h, by: event.data.who}
steps:
  - {name: seen, set: {n: 1}}
"""


async def test_what_an_event_gives_to_a_pattern() -> None:
    async with running_reactor({"it": PATTERN}) as reactor:
        await reactor.armed()
        other = await told(reactor, await reactor.send("else"))
        assert rules_of(other) == {"pattern": "stopped"}
        assert "'else' does not fit 'login.failed'" in other["reason"]
        no = await told(reactor, await reactor.send("login.failed", {"n": 0, "who": "x"}))
        assert "no part's `if` holds" in no["reason"]
        first = await reactor.send("login.failed", {"n": 1, "who": "x"})
        part = await eventually(reactor, first, "1 events of its key are open now")
        assert (part["rule"], rules_of(part)) == ("pattern", {"pattern": "merged"})
        assert part["verdicts"][0]["values"] == {"part": "count", "key": "x"}
        last = await reactor.send("login.failed", {"n": 1, "who": "x"})
        done = await eventually(reactor, last, "it completed the pattern")
        matched = done["verdicts"][0]["values"]["matched"]
        assert (await told(reactor, {"event_id": matched}))["started"]


def rules_of(found: dict[str, Any]) -> dict[str, str]:
    """As `rules`, for triggers that listen in their own way."""
    return {row["rule"]: row["result"] for row in found["verdicts"]}


async def eventually(reactor: RunningReactor, receipt: dict[str, Any], words: str) -> dict[str, Any]:
    """The answer, once the pattern has seen the event."""
    found: dict[str, Any] = await until(lambda: told(reactor, receipt), lambda one: words in one["reason"])
    return found


async def test_run_triggers() -> None:
    flows = {
        "it": "name: it\non: {run: {flow: imp-*, status: failed}}\n" + QUICK,
        "imp-a": "name: imp-a\non: {event: go}\n" + QUICK,
        "any": "name: any\non: {run: '*'}\n" + QUICK,
    }
    async with running_reactor(flows) as reactor:
        receipt = await reactor.send("go", {"n": 1})
        none = await told(reactor, receipt)
        assert (none["rule"], none["reason"]) == ("run", "it listens for ends of runs of 'imp-*'; this event is none")
        await reactor.finished(receipt["runs"][0]["id"])
        [end, *_] = (await reactor.get("/events", type="run.completed"))["items"][::-1]
        found = await told(reactor, {"event_id": end["id"]})
        assert "the run ended 'completed', and it listens for failed" in found["reason"]
        assert (await told(reactor, {"event_id": end["id"]}, "any"))["started"]


async def test_which_waiting_runs_took_an_event() -> None:
    async with running_reactor({"it": HEAD + STAYS}, passivate_after=20) as reactor:
        runs = [(await reactor.send("go", {"n": n}))["runs"][0]["id"] for n in range(3)]
        await left_memory(reactor, runs)
        event = await reactor.send("leave", {"n": 1})
        await reactor.finished(runs[1])
        late = (await reactor.send("go", {"n": 9}))["runs"][0]["id"]
        answer = await reactor.get(f"/events/{event['event_id']}/explain")
        assert not answer["waiting_more"]
        found = {one["run_id"]: one for one in answer["waiting"]}
        assert {run: found[run]["result"] for run in runs} == dict(
            zip(runs, ("stopped", "took", "stopped"), strict=True)
        )
        assert late not in found
        no = found[runs[0]]
        assert no["reason"] == "`received.data.n == event.data.n` is false"
        assert (no["path"], no["values"]) == ("stay", {"received.data.n": 1})
        second = await reactor.send("leave", {"n": 1})
        again = (await reactor.get(f"/events/{second['event_id']}/explain"))["waiting"]
        assert runs[1] not in {one["run_id"] for one in again}


async def left_memory(reactor: RunningReactor, runs: list[str]) -> None:
    """Wait until these runs only wait."""

    async def statuses() -> set[str]:
        return {(await reactor.get(f"/runs/{run}"))["status"] for run in runs}

    await until(statuses, lambda seen: seen == {"waiting"})


async def test_a_decision_tells_which_approval_took_it() -> None:
    flow = HEAD + "steps:\n  - {name: ok, approve: {title: Go on?, by: [ada, bob], quorum: 2}}\n"
    async with running_reactor({"it": flow}) as reactor:
        run = (await reactor.send("go", {"n": 1}))["runs"][0]["id"]
        approvals = await until(lambda: reactor.get("/approvals"), lambda page: bool(page["items"]))
        await reactor.post(f"/approvals/{approvals['items'][0]['id']}/decide", {"by": "ada", "decision": "approve"})

        async def waiting() -> Any:
            [event] = (await reactor.get("/events", type="reactor.approval.decided"))["items"]
            return (await reactor.get(f"/events/{event['id']}/explain"))["waiting"][0]

        one = await until(waiting, lambda seen: seen["result"] == "took")
        assert (one["run_id"], one["path"], one["result"]) == (run, "ok", "took")
        assert "approval 'Go on?'" in one["expression"]


async def test_wrong_ids() -> None:
    async with running_reactor({"it": HEAD + QUICK}) as reactor:
        answer = await reactor.http.get("/api/v1/events/evt_0000000000000/explain")
        assert answer.status_code == 404
        assert "there is no event" in answer.json()["detail"]
        answer = await reactor.http.get("/api/v1/events/nonsense/explain?flows=a")
        assert answer.status_code == 400
        assert "did you mean 'flow'?" in answer.json()["detail"]
