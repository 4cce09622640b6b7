"""`simulate` and the check before a flow is published, on the real server and the real command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from reactor.testing.running import RunningReactor, running_reactor

REACTOR = Path(sys.executable).with_name("reactor")
HEAD = "name: it\non: {event: go}\n"
STEPS = "steps:\n  - {name: seen, set: {n: '{{ event.data.n }}'}}\n"
OVER_ONE = HEAD + "if: event.data.n > 1\n" + STEPS


async def simulated(reactor: RunningReactor, text: str, **query: Any) -> dict[str, Any]:
    """The server's answer."""
    answer = await reactor.http.post("/api/v1/flows/simulate", content=text.encode(), params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def history(reactor: RunningReactor, *data: dict[str, Any]) -> list[str]:
    """Events, whose runs have ended; their ids."""
    sent = [await reactor.send("go", one) for one in data]
    for receipt in sent:
        for run in receipt["runs"]:
            await reactor.finished(run["id"])
    return [receipt["event_id"] for receipt in sent]


def fates(answer: dict[str, Any], side: str = "simulated") -> list[str]:
    """Outcome and rule of each event, oldest first."""
    rows = sorted(answer["items"], key=lambda item: item["event_id"])
    return [f"{row[side]['outcome']} {row[side]['rule']}".strip() for row in rows]


async def test_the_same_version_differs_in_nothing() -> None:
    flow = HEAD + "if: event.data.n > 0\nrate_limit: {max: 2, per: 1h}\ndedupe: {key: event.data.n, for: 1h}\n" + STEPS
    async with running_reactor({"it": flow}) as reactor:
        await history(reactor, *({"n": n} for n in (0, 1, 1, 2, 3)))
        answer = await simulated(reactor, flow)
        assert (answer["differences"], answer["same_version"], answer["events"]) == (0, True, 5)
        assert fates(answer) == ["not_started if", "started matched", "dropped dedupe", "started matched",
                                 "dropped rate_limit"]  # fmt: skip
        assert fates(answer, "recorded") == fates(answer)
        assert answer["simulated"] == answer["recorded"]


@pytest.mark.parametrize(
    "control",
    [
        "throttle: {max: 1, per: 1500ms}",
        "concurrency: {limit: 1}",
        "batch: {size: 2, for: 300ms}",
        "debounce: {for: 300ms}",
        "hold: {over: 1, per: 1h}",
        "singleton: {on_conflict: skip}",
        "rate_limit: {max: 1, per: 1h}",
    ],
)
async def test_what_the_gates_did_is_what_they_would_do(control: str) -> None:
    flow = HEAD + control + "\nsteps:\n  - {name: nap, wait: 1500ms}\n"
    async with running_reactor({"it": flow}, passivate_after=20) as reactor:
        sent = [await reactor.send("go", {"n": n}) for n in range(3)]
        for run in {run["id"]: None for receipt in sent for run in receipt["runs"]}:
            if (await reactor.get(f"/runs/{run}"))["status"] != "paused":
                await reactor.finished(run)
        answer = await simulated(reactor, flow)
        assert [item for item in answer["items"] if item["differs"]] == []
        assert answer["events"] == 3


async def test_a_condition_that_changes() -> None:
    async with running_reactor({"it": OVER_ONE}) as reactor:
        sent = await history(reactor, *({"n": n} for n in range(5)))
        before = await reactor.get("/runs")
        answer = await simulated(reactor, OVER_ONE.replace("n > 1", "n > 3"))
        assert answer["differences"] == 2
        first, second = answer["items"][:2]
        assert (first["event_id"], first["differs"]) == (sent[3], True)
        assert first["recorded"]["outcome"] == "started"
        assert first["recorded"]["run_id"] is not None
        assert first["simulated"]["outcome"] == "not_started"
        assert first["simulated"]["reason"] == "if: `event.data.n > 3` is false (event.data.n = 3)"
        assert second["event_id"] == sent[2]
        wider = await simulated(reactor, OVER_ONE.replace("n > 1", "n > 0"))
        [one] = [item for item in wider["items"] if item["differs"]]
        assert (one["event_id"], one["recorded"]["outcome"], one["simulated"]["outcome"]) == (
            sent[1], "not_started", "started",
        )  # fmt: skip
        assert await reactor.get("/runs") == before


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("dedupe: {key: event.data.who, for: 1h}", ["started matched", "dropped dedupe", "dropped dedupe"]),
        ("rate_limit: {max: 1, per: 1h}", ["started matched", "dropped rate_limit", "dropped rate_limit"]),
        ("batch: {size: 2, for: 1h}", ["merged batch", "started matched", "queued batch"]),
        ("debounce: {for: 1h}", ["merged debounce", "merged debounce", "queued debounce"]),
        ("hold: {over: 1, per: 1h}", ["started matched", "held hold", "held hold"]),
        ("throttle: {max: 1, per: 1h}", ["started matched", "queued throttle", "queued throttle"]),
    ],
)
async def test_flow_control(control: str, expected: list[str]) -> None:
    async with running_reactor({"it": HEAD + STEPS}) as reactor:
        await history(reactor, *({"n": n, "who": "x"} for n in range(3)))
        answer = await simulated(reactor, HEAD + control + "\n" + STEPS)
        assert fates(answer) == expected
        assert answer["differences"] == sum(not one.startswith("started") for one in expected)


async def test_slots_are_held_as_long_as_the_recorded_runs_lasted() -> None:
    nap = "steps:\n  - {name: work, action: shell.exec, command: sleep 1.2}\n"
    async with running_reactor({"it": HEAD + nap}) as reactor:
        sent = [await reactor.send("go", {"n": n}) for n in range(3)]
        for receipt in sent:
            await reactor.finished(receipt["runs"][0]["id"])
        answer = await simulated(reactor, HEAD + "concurrency: {limit: 1}\n" + nap)
        assert fates(answer) == ["started matched", "queued concurrency", "queued concurrency"]
        waits = sorted(item["simulated"]["starts_at"] for item in answer["items"])
        assert len(set(waits)) == 3
        assert "runs are taken to last as long as recorded" in answer["notes"][0]
        one = await simulated(reactor, HEAD + "singleton: {on_conflict: skip}\n" + nap)
        assert fates(one) == ["started matched", "dropped singleton", "dropped singleton"]
        other = await simulated(reactor, HEAD + "singleton: {on_conflict: cancel}\n" + nap)
        assert [fate.split()[0] for fate in fates(other)] == ["started"] * 3


async def test_another_path() -> None:
    old = HEAD + "steps:\n  - {name: a, action: data.hash, with: {text: x}}\n  - {name: b, set: {n: 1}}\n"
    new = old + "  - {name: c, if: event.data.n > 1, action: data.hash, with: {text: y}}\n"
    async with running_reactor({"it": old}) as reactor:
        sent = await history(reactor, {"n": 1}, {"n": 2})
        answer = await simulated(reactor, new)
        paths = {item["event_id"]: item["path"] for item in answer["items"]}
        assert [place["path"] for place in paths[sent[1]]["diverges"]] == ["c"]
        assert not paths[sent[1]]["same"]
        assert answer["paths"]["compared"] == 2
        assert (await simulated(reactor, new, paths=0))["paths"]["compared"] == 0


async def test_what_is_unknown_is_no_difference() -> None:
    async with running_reactor({"it": HEAD + STEPS, "other": "name: other\non: {event: x}\n" + STEPS}) as reactor:
        await reactor.post("/flows/it/disable")
        await reactor.send("go", {"n": 1})
        await reactor.post("/flows/it/enable")
        await reactor.post("/flows/it/run", {"data": {"n": 2}})
        answer = await simulated(reactor, HEAD + "if: event.data.n > 5\n" + STEPS)
        assert fates(answer, "recorded") == ["unknown later", "unknown hand"]
        assert answer["differences"] == 0
        new = await simulated(reactor, "name: new\non: {event: go}\n" + STEPS)
        assert (new["version"], new["differences"], new["simulated"]["started"]) == (None, 0, 1)


async def test_pages_and_limits() -> None:
    async with running_reactor({"it": HEAD + STEPS}) as reactor:
        answer = await reactor.http.post("/events", json=[{"type": "go", "data": {"n": n}} for n in range(700)])
        assert answer.status_code == 202
        whole = await simulated(reactor, HEAD + "if: event.data.n < 600\n" + STEPS, limit=650, items=3, paths=0)
        assert (whole["events"], whole["more"], len(whole["items"])) == (650, True, 3)
        assert whole["simulated"] == {"not_started": 100, "started": 550}
        assert whole["differences"] == 100
        none = await simulated(reactor, HEAD + STEPS, since="1970-01-01T00:00:00Z", until="2000-01-01T00:00:00Z")
        assert (none["events"], none["first_at"], none["items"]) == (0, None, [])


@pytest.mark.parametrize(
    ("query", "body", "words"),
    [
        ({"since": "2999-01-01T00:00:00Z"}, STEPS, "is in the future"),
        ({"since": "1h", "until": "2h"}, STEPS, "is not after since"),
        ({"since": "soon"}, STEPS, "neither RFC 3339"),
        ({"limit": 0}, STEPS, "limit is 1 to 10000, not 0"),
        ({"limit": 10_001}, STEPS, "limit is 1 to 10000"),
        ({"paths": 501}, STEPS, "paths is 0 to 500"),
        ({"items": -1}, STEPS, "items is 0 to 1000"),
        ({"limits": 1}, STEPS, "did you mean 'limit'?"),
        ({"file": "it.yaml"}, "setps: []\n", "the flow cannot be read: it.yaml:1:1"),
    ],
)
async def test_what_is_refused(query: dict[str, Any], body: str, words: str) -> None:
    async with running_reactor({"it": HEAD + STEPS}) as reactor:
        answer = await reactor.http.post("/api/v1/flows/simulate", content=(HEAD + body).encode(), params=query)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]


async def command(reactor: RunningReactor, *args: str, code: int = 0) -> str:
    """What `reactor …` says against this server."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "COVERAGE"))}
    made = await asyncio.create_subprocess_exec(
        REACTOR, *args, "--url", reactor.url, env={**env, "REACTOR_TOKEN": reactor.token},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await made.communicate()
    assert made.returncode == code, out.decode()
    return out.decode()


async def test_the_command(tmp_path: Path) -> None:
    async with running_reactor({"it": OVER_ONE}) as reactor:
        sent = await history(reactor, *({"n": n} for n in range(3)))
        file = tmp_path / "new.yaml"
        file.write_text(OVER_ONE.replace("n > 1", "n > 2"))
        shown = await command(reactor, "simulate", str(file), "--since", "24h")
        assert "differences  1" in shown
        assert "differs" in shown
        assert sent[2] in shown
        as_json = json.loads(await command(reactor, "simulate", "it", "--json"))
        assert (as_json["same_version"], as_json["differences"]) == (True, 0)
        assert "does not exist" in await command(reactor, "flows", "check", str(tmp_path / "none.yaml"), code=2)
        assert "cannot be read" in await command(reactor, "simulate", str(tmp_path / "none.yaml"), code=2)
        assert "there is no flow 'nobody'" in await command(reactor, "simulate", "nobody", code=1)
        file.write_text("name: it\nsetps: []\n")
        assert "new.yaml:2:1" in await command(reactor, "simulate", str(file), code=2)


async def test_the_gate(tmp_path: Path) -> None:
    async with running_reactor({"it": OVER_ONE}) as reactor:
        await history(reactor, *({"n": n} for n in range(3)))
        file = tmp_path / "it.yaml"
        file.write_text(OVER_ONE.replace("n > 1", "n > 0"))
        assert "differs" in await command(reactor, "flows", "check", str(file), code=1)
        assert "differences  0" in await command(reactor, "flows", "check", str(file), "--last", "1")
        file.write_text("# another comment\n" + OVER_ONE)
        assert "no differences" in await command(reactor, "flows", "check", str(file))
        await reactor.post("/flows/it/disable")
        folder = reactor.app.settings.workflows
        assert folder is not None
        (folder / "it.yaml").write_text(OVER_ONE.replace("n > 1", "n > 9"))
        for _ in range(500):
            if (await reactor.get("/flows/it"))["version"] == 2:
                break
            await asyncio.sleep(0.02)
        refused = await command(reactor, "flows", "enable", "it", "--check", code=1)
        assert "it was not enabled; --force enables it all the same" in refused
        assert not (await reactor.get("/flows/it"))["enabled"]
        assert "enabled" in await command(reactor, "flows", "enable", "it", "--check", "--force")
        assert (await reactor.get("/flows/it"))["enabled"]


async def test_explain_as_people_see_it() -> None:
    flow = OVER_ONE + "  - {name: nap, wait: 1h}\n"
    async with running_reactor({"it": flow + "concurrency: {limit: 1}\n"}) as reactor:
        no = await reactor.send("go", {"n": 1})
        yes = await reactor.send("go", {"n": 2})
        shown = await command(reactor, "explain", "event", no["event_id"])
        assert "it version 1" in shown
        [line] = [line.split() for line in shown.splitlines() if line.startswith("if ")]
        assert line[:2] == ["if", "stopped"]
        assert "(event.data.n = 1)" in shown
        assert "not asked" in shown
        run = await command(reactor, "explain", "run", yes["runs"][0]["id"])
        assert "timer" in run
        assert "step 'nap' sleeps until" in run
        about = await command(reactor, "explain", "flow", "it")
        assert "limit 1, scope flow" in about
        assert "0 wait" in about
        told = json.loads(await command(reactor, "explain", "event", yes["event_id"], "--json"))
        assert told["flows"][0]["verdicts"][0]["rule"] == "type"
