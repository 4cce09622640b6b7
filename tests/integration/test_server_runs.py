"""Runs over a real connection: found, counted, told apart, commanded by the hundred, and what led to them."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.model import ids
from reactor.model.flow import CallStep, EmitStep, ReturnStep, WaitStep
from reactor.server.api_many import ManyDone
from reactor.server.chain_shapes import ChainShape
from reactor.server.shapes import Count, Listed, RunRow, RunWhole
from reactor.testing.running import running_reactor
from tests.integration.server_kit import Const, Kit, flow, serving


async def asked(kit: Kit, path: str, shape: Any, body: Any = None) -> Any:
    answer = await (kit.get(path) if body is None else kit.post(path, json=body))
    assert answer.status_code in (200, 202), answer.text
    msgspec.convert(answer.json(), shape)
    return answer.json()


async def started(kit: Kit, *types: str) -> list[str]:
    return [(await kit.http.post("/events", json={"type": type_})).json()["runs"][0]["id"] for type_ in types]


async def listed(kit: Kit, query: str) -> list[str]:
    return [run["id"] for run in (await asked(kit, f"/api/v1/runs?{query}", Listed[RunRow]))["items"]]


async def test_runs_are_found_by_label_error_and_text(tmp_path: Path) -> None:
    flows = (flow("good", labels={"team": "a"}), flow("bad", "test.fail", labels={"team": "b"}), flow("other"))
    async with serving(tmp_path, *flows) as kit:
        good, bad, other = await started(kit, "good", "bad", "other")
        for run in (good, bad, other):
            await kit.finished(run)
        for query, expected in {
            "label=team": [bad, good],
            "label=team=a": [good],
            "label=team=c": [],
            "label=team&status=failed": [bad],
            "error=test.no": [bad],
            "error=test.*": [bad],
            "error=test": [],
            "error=*": [bad],
            "error=test.no&flow=good": [],
            "q=NEVER works": [bad],
            "q=oth": [other],
            "q=nothing": [],
            f"q={good}": [good],
            f"q={good[:8]}": [other, bad, good],
            "q=run_zzz": [],
            "q=": [other, bad, good],
        }.items():
            assert await listed(kit, query) == expected, query
            counted = await asked(kit, f"/api/v1/runs/count?{query}", Count)
            assert counted == {"count": len(expected), "exact": True}, query
        for query in (f"q={'x' * 201}", "error=" + "x" * 300, "status=x", "colour=red"):
            assert (await kit.get(f"/api/v1/runs?{query}")).status_code == 400
            assert (await kit.get(f"/api/v1/runs/count?{query}")).status_code == 400
        assert (await kit.get("/api/v1/runs/count?limit=1")).status_code == 400


def napping(name: str) -> Any:
    return msgspec.structs.replace(flow(name), steps=(WaitStep(name="nap", for_=3_600_000),))


async def test_many_are_commanded_a_page_at_a_time_and_each_is_accounted_for(tmp_path: Path) -> None:
    async with serving(tmp_path, napping("w"), flow("f", "test.fail"), flow("done")) as kit:
        waiting = await started(kit, *["w"] * 5)
        failed, done = await started(kit, "f", "done")
        await kit.finished(failed)
        await kit.finished(done)
        tried = await asked(kit, "/api/v1/runs/cancel", ManyDone, {"filter": {"flow": "w"}, "dry_run": True})
        assert (tried["matched"], tried["exact"], tried["done"], len(tried["items"])) == (5, True, 0, 5)
        first = await asked(kit, "/api/v1/runs/cancel", ManyDone, {"filter": {"flow": "w"}, "limit": 3, "reason": "no"})
        assert (first["done"], first["skipped"]) == (3, 0)
        assert [item["id"] for item in first["items"]] == waiting[:1:-1]
        rest = await asked(
            kit, "/api/v1/runs/cancel", ManyDone, {"filter": {"flow": "w"}, "limit": 3, "cursor": first["next"]}
        )
        assert ([item["id"] for item in rest["items"]], rest["next"]) == (waiting[1::-1], None)
        for run in waiting:
            assert (await kit.finished(run))["status"] == "cancelled"
        mixed = await asked(kit, "/api/v1/runs/retry", ManyDone, {"ids": [failed, done, failed, "run_0000000000001"]})
        assert (mixed["done"], mixed["skipped"]) == (1, 2)
        why = {item["id"]: item["reason"] for item in mixed["items"]}
        assert "only a failed or cancelled run" in why[done]
        assert "there is no run" in why["run_0000000000001"]
        await kit.finished(failed)
        # Pausing and letting go on.
        (last,) = await started(kit, "w")
        paused = await asked(kit, "/api/v1/runs/pause", ManyDone, {"filter": {"flow": "w"}})
        assert [(item["id"], item["done"]) for item in paused["items"]] == [(last, True)]
        resumed = await asked(kit, "/api/v1/runs/resume", ManyDone, {"filter": {"q": last}})
        assert (resumed["matched"], resumed["done"]) in ((1, 1), (0, 0))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "say which runs"),
        ({"filter": {}}, "an empty filter is every run"),
        ({"ids": []}, "`ids` are 1 to"),
        ({"ids": ["run_0000000000001"], "filter": {"flow": "w"}}, "say which runs"),
        ({"ids": ["x"]}, "no id of a run"),
        ({"filter": {"flwo": "x"}}, "flwo"),
        ({"filter": {"flow": "x"}, "limit": 0}, "limit is 1"),
        ({"filter": {"flow": "x"}, "cursor": "x"}, "no cursor"),
        ({"filter": {"status": "happy"}}, "is not of pending"),
    ],
)
async def test_commands_for_many_that_are_wrong(tmp_path: Path, body: Any, words: str) -> None:
    async with serving(tmp_path) as kit:
        answer = await kit.post("/api/v1/runs/cancel", json=body)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["detail"]


async def test_what_led_to_a_run_and_what_it_led_to(tmp_path: Path) -> None:
    first = msgspec.structs.replace(
        flow("first"), steps=(EmitStep(name="tell", event=Const({"type": "second", "data": 1})),)
    )
    second = msgspec.structs.replace(flow("second"), steps=(CallStep(name="ask", flow="third", params=Const({})),))
    async with serving(tmp_path, first, second, flow("third", on=[])) as kit:
        (run,) = await started(kit, "first")
        await kit.finished(run)
        down: list[Any] = []
        whole: Any = None
        for _ in range(200):
            whole = await asked(kit, f"/api/v1/runs/{run}/chain", ChainShape)
            down = whole["down"]
            if len(down) == 3:
                break
            await asyncio.sleep(0.01)
        assert [(link["kind"], link["how"], link["name"], link["path"]) for link in down] == [
            ("event", "emitted", "second", "tell"),
            ("run", "started", "second", None),
            ("run", "called", "third", "ask"),
        ]
        assert [(link["how"], link["name"]) for link in whole["up"]] == [("started_by", "first")]
        child = down[2]["id"]
        await kit.finished(child)
        up = (await asked(kit, f"/api/v1/runs/{child}/chain", ChainShape))["up"]
        assert [(link["how"], link["name"]) for link in up] == [
            ("called_by", "second"),
            ("started_by", "second"),
            ("emitted_by", "first"),
            ("started_by", "first"),
        ]
        fork = (await kit.post(f"/api/v1/runs/{run}/fork", json={})).json()["id"]
        await kit.finished(fork)
        assert ("forked", fork) in [
            (link["how"], link["id"]) for link in (await asked(kit, f"/api/v1/runs/{run}/chain", ChainShape))["down"]
        ]
        assert (await kit.get("/api/v1/runs/run_0000000000001/chain")).status_code == 404


async def test_large_values_are_cut_and_can_be_had_whole(tmp_path: Path) -> None:
    big = msgspec.structs.replace(
        flow("big"), steps=(ReturnStep(name="r", value=Const({"text": "ü" * 40_000, "n": 1})),)
    )
    async with serving(tmp_path, big) as kit:
        (run,) = await started(kit, "big")
        await kit.finished(run)
        shown = await asked(kit, f"/api/v1/runs/{run}", RunWhole)
        cut = shown["output"]["$cut"]
        assert cut["size"] > 80_000
        assert cut["preview"].startswith('{"text":"üü')
        raw = await kit.get(cut["raw"])
        assert raw.json() == {"text": "ü" * 40_000, "n": 1}
        assert int(raw.headers["content-length"]) == cut["size"]
        whole = await asked(kit, f"/api/v1/runs/{run}?whole=true", RunWhole)
        assert whole["output"] == raw.json()
        for query, status in (("what=x", 400), ("what=error", 404), ("what=input&path=none", 404), ("", 400)):
            assert (await kit.get(f"/api/v1/runs/{run}/raw?{query}")).status_code == status


async def test_half_characters_are_shown(tmp_path: Path) -> None:
    odd = msgspec.structs.replace(flow("odd"), steps=(ReturnStep(name="r", value=Const({"half": "\ud83d"})),))
    async with serving(tmp_path, odd) as kit:
        (run,) = await started(kit, "odd")
        await kit.finished(run)
        assert (await kit.get(f"/api/v1/runs/{run}")).json()["output"] == {"half": "\ud83d"}
        assert (await kit.get(f"/api/v1/runs/{run}/raw?what=output")).json() == {"half": "\ud83d"}


async def test_a_run_that_waits_is_told_what_it_waits_for(tmp_path: Path) -> None:
    text = "name: w\non: {event: go}\nsteps: [{name: paid, wait_for: {event: payment.*, if: received.data.n > 1}}]\n"
    async with running_reactor({"w": text}) as reactor:
        run = (await reactor.send("go"))["runs"][0]["id"]
        path = f"/api/v1/runs/{run}/signal"
        wrong: Any = None
        for _ in range(500):
            wrong = await reactor.http.post(path, json={"type": "other"})
            if "it waits for payment.*" in wrong.text:
                break
            await asyncio.sleep(0.01)
        assert wrong.status_code == 409, wrong.text
        told = await reactor.http.post(path, json={"type": "payment.done", "data": {"n": 7}})
        assert told.status_code == 202
        done = await reactor.finished(run)
        assert done["steps"][0]["output"]["data"] == {"n": 7}
        assert done["steps"][0]["output"]["subject"] == run
        assert (await reactor.http.post(path, json={"type": "payment.done"})).status_code == 409
        reserved = await reactor.http.post(path, json={"type": "reactor.approval.decided"})
        assert reserved.status_code == 400
        assert (await reactor.http.post("/api/v1/runs/run_0000000000001/signal", json={"type": "x"})).status_code == 404


def test_the_beginning_of_an_id_is_a_span() -> None:
    number = 0x0123_4567_89AB_CDEF
    text = ids.to_text("run", number)
    for length in range(4, len(text) + 1):
        span = ids.span("run", text[:length])
        assert span is not None
        assert span[0] <= number < span[1]
    assert ids.span("run", text) == (number, number + 1)
    for wrong in ("evt_0", "run", "run_!", "run_z", text + "0", ""):
        assert ids.span("run", wrong) is None
