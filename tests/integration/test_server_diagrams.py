"""Drawings over a real connection: of flows, and of runs on them."""

from pathlib import Path
from typing import Any

import msgspec

from reactor.model.flow import ActionStep, CallStep, EmitStep, ForEachStep
from reactor.server.flow_shapes import FlowDiagram, RunDiagram
from tests.integration.server_kit import Const, Kit, flow, serving


def looping(name: str, items: list[Any], *actions: str) -> Any:
    steps = tuple(
        ActionStep(name=f"s{n}", action=called, params=Const({}), continue_on_error=True)
        for n, called in enumerate(actions)
    )
    return msgspec.structs.replace(flow(name), steps=(ForEachStep(name="each", items=Const(items), steps=steps),))


async def drawn(kit: Kit, path: str, shape: Any) -> Any:
    response = await kit.get(path)
    assert response.status_code == 200, response.text
    msgspec.convert(response.json(), shape)
    return response.json()


async def test_a_flow_is_drawn_with_its_neighbours(tmp_path: Path) -> None:
    first = msgspec.structs.replace(
        flow("a"),
        steps=(
            EmitStep(name="tell", event=Const({"type": "a.done"})),
            CallStep(name="ask", flow="c", params=Const({})),
        ),
    )
    heard = flow("b", on=[{"kind": "event", "config": {"": "a.*"}}])
    called = flow("c", on=[])
    async with serving(tmp_path, first, heard, called) as kit:
        shown = await drawn(kit, "/api/v1/flows/a/diagram", FlowDiagram)
        assert [step["path"] for step in shown["diagram"]["steps"]] == ["tell", "ask"]
        assert shown["diagram"]["triggers"][0]["when"] == "an event a comes"
        assert {(one["flow"], one["by"]) for one in shown["after"]} >= {("c", "call")}
        before = (await drawn(kit, "/api/v1/flows/c/diagram", FlowDiagram))["before"]
        assert [(one["flow"], one["by"], one["path"]) for one in before] == [("a", "call", "ask")]
        same = await drawn(kit, "/api/v1/flows/a/diagram?version=1", FlowDiagram)
        assert same["diagram"] == shown["diagram"]
        for path in ("none/diagram", "a/diagram?version=9", "a/diagram?version=-1"):
            assert (await kit.get(f"/api/v1/flows/{path}")).status_code == 404
        assert (await kit.get("/api/v1/flows/a/diagram?version=x")).status_code == 400
        whole = (await kit.get("/api/v1/flows/a")).json()
        assert whole["sentence"].startswith("When an event a comes: tell the event")
        assert whole["reads"][0] == {"depth": 0, "path": None, "text": "When an event a comes"}


async def test_a_run_is_drawn_with_all_iterations_in_one_place(tmp_path: Path) -> None:
    async with serving(tmp_path, looping("l", [1, 2, 3], "test.ok", "test.fail")) as kit:
        run = (await kit.http.post("/events", json={"type": "l"})).json()["runs"][0]["id"]
        await kit.finished(run)
        shown = await drawn(kit, f"/api/v1/runs/{run}/diagram", RunDiagram)
        states = {state["path"]: state for state in shown["states"]}
        assert states["each[].s0"]["counts"] == {"completed": 3}
        assert (states["each[].s1"]["status"], states["each[].s1"]["counts"]) == ("failed", {"failed": 3})
        assert states["each[].s1"]["failed"] == "each[0].s1"
        assert states["each[].s1"]["error"]["kind"] == "test.no"
        assert shown["gone"] == []
        assert (await kit.get("/api/v1/runs/run_0000000000001/diagram")).status_code == 404


async def test_five_hundred_steps_and_a_thousand_iterations(tmp_path: Path) -> None:
    big = flow("big", *["test.ok"] * 500)
    async with serving(tmp_path, big, looping("l", list(range(1_000)), "test.ok")) as kit:
        shown = await drawn(kit, "/api/v1/flows/big/diagram", FlowDiagram)
        assert shown["diagram"]["count"] == len(shown["diagram"]["steps"]) == 500
        run = (await kit.http.post("/events", json={"type": "l"})).json()["runs"][0]["id"]
        await kit.finished(run)
        states = (await drawn(kit, f"/api/v1/runs/{run}/diagram", RunDiagram))["states"]
        assert states[-1]["total"] == 1_000 or states[0]["total"] == 1_000
