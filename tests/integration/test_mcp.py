"""The Model Context Protocol, with the official client against a running server."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from reactor.model.access import Role
from reactor.sdk import Connector, Effect, action
from reactor.server.mcp import server as mcp_server
from tests.integration.access_kit import token
from tests.integration.server_kit import TOKEN, Nothing, flow, serving

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
MODES = ("legacy", "auto")


def answer(value):
    @action("big.answer", params=Nothing, effect=Effect.PURE)
    def big(ctx, params):
        return value

    return Connector(name="big", actions=(big,))


@asynccontextmanager
async def client(kit, mode="auto", headers=None, **more):
    headers = headers or kit.auth
    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        Client(streamable_http_client(f"{kit.running.url}/mcp", http_client=http), mode=mode, **more) as it,
    ):
        yield it


def text_of(result):
    (content,) = result.content
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_flows_are_tools(tmp_path, mode):
    shop = (
        flow("pay", description="Pay an order.", inputs=SCHEMA),
        flow("look", "test.hang", description="Look around."),
        flow("hidden", labels={"mcp": "off"}),
        flow("Größe.1", "test.fail"),
        flow("reactor_get_run"),
    )
    async with serving(tmp_path, *shop) as kit, client(kit, mode) as it:
        tools = {tool.name: tool for tool in (await it.list_tools()).tools}
        assert {name for name in tools if not name.startswith("reactor_")} == {
            "pay",
            "look",
            "Gr__e_1",
            "flow_reactor_get_run",
        }
        pay = tools["pay"]
        assert (pay.description, pay.input_schema["properties"]) == ("Pay an order.", SCHEMA["properties"])
        assert pay.annotations.read_only_hint is False
        assert pay.annotations.destructive_hint is True
        assert tools["look"].annotations.read_only_hint is True
        assert tools["reactor_list_runs"].annotations.read_only_hint is True
        assert tools["reactor_cancel_run"].annotations.destructive_hint is True
        assert all(tool.input_schema["type"] == "object" for tool in tools.values())

        done = await it.call_tool("pay", {"n": 3})
        assert not done.is_error
        assert done.structured_content["status"] == "completed"
        assert json.loads(text_of(done)) == done.structured_content["output"]
        run = (await kit.get(f"/api/v1/runs/{done.structured_content['run_id']}")).json()
        assert (run["flow"], run["inputs"]) == ("pay", {"n": 3})

        failed = await it.call_tool("Gr__e_1", {"data": {"a": 1}})
        assert failed.is_error
        assert "test.no: it never works" in text_of(failed)
        assert failed.structured_content["status"] == "failed"


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_wrong_is_said_and_harms_nothing(tmp_path, mode):
    async with serving(tmp_path, flow("pay", inputs=SCHEMA), flow("plain")) as kit, client(kit, mode) as it:
        hostile = [
            ("pay", {}, "n is missing"),
            ("plain", {"x": 1}, "no argument 'x'"),
            ("reactor_get_run", {}, "'id' is needed"),
            ("reactor_get_run", {"id": 7}, "'id' is needed"),
            ("reactor_get_run", {"id": "../flows"}, "there is no"),
            ("reactor_get_run", {"id": "run_x\r\nx: y"}, "no id of a run"),
            ("reactor_get_run", {"id": "run_0000000000001"}, "there is no run"),
            ("reactor_cancel_run", {"id": "run_1", "reason": {"a": 1}}, "does not fit"),
            ("reactor_list_runs", {"limit": 5_000}, "limit is 1 to 1000"),
            ("reactor_list_runs", {"limit": {"a": 1}}, "limit is one value"),
            ("reactor_list_runs", {"status": "'; drop table runs"}, "is not of pending"),
            ("reactor_list_runs", {"nothing": 1}, "no argument 'nothing'"),
            ("reactor_get_flow", {"name": "\ud800"}, ""),
        ]
        for name, arguments, reason in hostile[:-1]:
            result = await it.call_tool(name, arguments)
            assert result.is_error, (name, arguments)
            assert reason in text_of(result), (name, arguments, text_of(result))
        for name in ("nothing", "reactor_nothing", "", "x" * 10_000):
            with pytest.raises(MCPError):
                await it.call_tool(name, {})
        deep: dict = {}
        for _ in range(150):
            deep = {"a": deep}
        assert (await it.call_tool("plain", {"data": deep})).is_error in (True, False)
        assert not (await it.call_tool("pay", {"n": 1})).is_error
        raw = await kit.post("/mcp", content=b"{", headers={"content-type": "application/json"})
        assert raw.status_code == 400
        raw = await kit.post("/mcp", content=b"x" * (5 << 20), headers={"content-type": "application/json"})
        assert raw.status_code == 413
        assert (await kit.get("/mcp")).status_code == 405


async def test_the_same_guard_and_roles_as_the_api(tmp_path):
    async with serving(tmp_path, flow("pay")) as kit:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"accept": "application/json, text/event-stream"}
        assert (await kit.http.post("/mcp", json=message, headers=headers)).status_code == 401
        wrong = headers | {"authorization": "Bearer wrong"}
        assert (await kit.http.post("/mcp", json=message, headers=wrong)).status_code == 401
        foreign = headers | kit.auth | {"host": "evil.example"}
        assert (await kit.http.post("/mcp", json=message, headers=foreign)).status_code == 403
        async with client(kit, headers=await token(kit, Role.VIEWER, name="ann")) as it:
            names = {tool.name for tool in (await it.list_tools()).tools}
            assert "reactor_list_runs" in names
            assert not names & {"pay", "reactor_cancel_run", "reactor_retry_run"}
            for name, arguments in (("pay", {}), ("reactor_cancel_run", {"id": "run_0000000000001"})):
                refused = await it.call_tool(name, arguments)
                assert refused.is_error
                assert "needs the role editor" in text_of(refused)
            assert (await kit.get("/api/v1/runs")).json()["items"] == []
            assert not (await it.call_tool("reactor_list_runs", {})).is_error
        async with client(kit, headers=await token(kit, Role.EDITOR, name="bob")) as it:
            assert not (await it.call_tool("pay", {})).is_error
        # What was done, and what was refused, is in the audit log like all else.
        noted = [(one["action"], one["status"]) for one in (await kit.get("/api/v1/audit")).json()["items"]]
        assert ("POST /api/v1/flows/{name}/run", 202) in noted
        assert ("POST /api/v1/flows/{name}/run", 403) in noted
        assert ("POST /api/v1/runs/{id}/cancel", 403) in noted


async def test_a_token_for_some_flows_sees_no_other(tmp_path):
    async with serving(tmp_path, flow("pay"), flow("ship")) as kit:
        headers = await token(kit, Role.EDITOR, flows=("pa*",))
        async with client(kit, headers=headers) as it:
            names = {tool.name for tool in (await it.list_tools()).tools}
            assert "pay" in names
            assert "ship" not in names
            assert not (await it.call_tool("pay", {})).is_error
            assert "for the flows pa*" in text_of(await it.call_tool("ship", {}))
            uris = {str(one.uri) for one in (await it.list_resources()).resources}
            assert "reactor://flows/ship" not in uris
            with pytest.raises(MCPError, match="for the flows pa"):
                await it.read_resource("reactor://flows/ship")
        async with client(kit, headers=await token(kit, Role.EDITOR, scopes=("runs",))) as it:
            names = {tool.name for tool in (await it.list_tools()).tools}
            assert names == {
                "reactor_list_runs",
                "reactor_get_run",
                "reactor_run_logs",
                "reactor_cancel_run",
                "reactor_retry_run",
            }


async def test_runs_are_looked_after(tmp_path):
    async with serving(tmp_path, flow("a"), flow("b", "test.fail"), flow("c", "test.hang")) as kit, client(kit) as it:
        run = (await it.call_tool("a", {})).structured_content["run_id"]
        bad = (await it.call_tool("b", {})).structured_content["run_id"]
        listed = (await it.call_tool("reactor_list_runs", {"status": "failed"})).structured_content
        assert [row["id"] for row in listed["items"]] == [bad]
        assert (await it.call_tool("reactor_get_run", {"id": run})).structured_content["steps"]
        assert "it never works" in text_of(await it.call_tool("reactor_explain_run", {"id": bad}))
        assert "it never works" in text_of(await it.call_tool("reactor_run_logs", {"id": bad}))
        assert not (await it.call_tool("reactor_explain_flow", {"name": "a"})).is_error
        (event,) = (await it.call_tool("reactor_list_events", {"limit": 1})).structured_content["items"]
        assert not (await it.call_tool("reactor_explain_event", {"id": event["id"]})).is_error
        again = await it.call_tool("reactor_retry_run", {"id": bad})
        assert not again.is_error
        hanging = (await kit.post("/api/v1/flows/c/run", json={})).json()["runs"][0]["id"]
        stopped = await it.call_tool("reactor_cancel_run", {"id": hanging, "reason": "enough"})
        assert not stopped.is_error
        assert (await kit.finished(hanging))["status"] == "cancelled"
        uris = {str(one.uri) for one in (await it.list_resources()).resources}
        assert {f"reactor://runs/{run}", "reactor://flows/a"} <= uris
        templates = {one.uri_template for one in (await it.list_resource_templates()).resource_templates}
        assert templates == {"reactor://runs/{id}", "reactor://flows/{name}", "reactor://events/{id}"}
        (held,) = (await it.read_resource(f"reactor://runs/{run}")).contents
        assert json.loads(held.text)["id"] == run
        for uri in (
            "reactor://runs/run_0000000000001",
            "reactor://secrets/x",
            "file:///etc/passwd",
            "reactor://runs/a/b",
        ):
            with pytest.raises(MCPError):
                await it.read_resource(uri)


async def test_a_long_run_gives_a_handle(tmp_path, monkeypatch):
    monkeypatch.setattr(mcp_server, "WAIT", 0.3)
    monkeypatch.setattr(mcp_server, "_TELL", 0.1)
    async with serving(tmp_path, flow("c", "test.hang")) as kit, client(kit, "legacy") as it:
        words = []

        async def told(progress, total, message):
            words.append((progress, total, message))

        result = await it.call_tool("c", {}, progress_callback=told)
        assert not result.is_error
        assert result.structured_content["status"] == "running"
        run = result.structured_content["run_id"]
        assert f"{run} is running" in text_of(result)
        assert words
        assert all(total == 0.3 and run in message for _, total, message in words)


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_that_is_given_up_leaves_its_run(tmp_path, mode):
    async with serving(tmp_path, flow("c", "test.hang"), flow("a")) as kit, client(kit, mode) as it:
        call = asyncio.ensure_future(it.call_tool("c", {}))
        while not (found := (await kit.get("/api/v1/runs?status=running")).json()["items"]):
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({call})
        assert not (await it.call_tool("a", {})).is_error
        run = (await kit.get(f"/api/v1/runs/{found[0]['id']}")).json()
        assert run["status"] == "running"


async def test_huge_outputs_are_cut_with_a_note(tmp_path):
    huge = {"text": "ü" * 300_000}
    big = answer(huge)
    async with serving(tmp_path, flow("big", "big.answer")) as kit:
        kit.engine.catalog.add(big)
        async with client(kit) as it:
            result = await it.call_tool("big", {})
            assert not result.is_error
            assert result.structured_content["cut"] is True
            assert "output" not in result.structured_content
            assert "cut here" in text_of(result)
            shown = await it.call_tool("reactor_get_run", {"id": result.structured_content["run_id"], "whole": True})
            assert len(text_of(shown)) < 110_000
            assert "cut here" in text_of(shown)
            assert shown.structured_content is None


async def test_two_clients_at_once_and_a_stop_meanwhile(tmp_path):
    async with (
        serving(tmp_path, flow("a"), flow("c", "test.hang")) as kit,
        client(kit, "legacy") as one,
        client(kit, "auto") as two,
    ):
        results = await asyncio.gather(*(it.call_tool("a", {}) for it in (one, two) for _ in range(10)))
        assert len({result.structured_content["run_id"] for result in results}) == 20
        hanging = asyncio.ensure_future(two.call_tool("c", {}))
        while not (await kit.get("/api/v1/runs?status=running")).json()["items"]:
            await asyncio.sleep(0.01)
        kit.running.close_doors()
        result = await hanging
        assert result.structured_content["status"] == "running"


async def test_desktop_programs_come_over_stdio(tmp_path):
    async with serving(tmp_path, flow("pay", inputs=SCHEMA)) as kit:
        command = StdioServerParameters(
            command=str(Path(sys.executable).with_name("reactor")),
            args=["mcp", "--url", kit.running.url],
            env={"REACTOR_TOKEN": TOKEN, "HOME": str(tmp_path)},
            cwd=tmp_path,
        )
        async with Client(stdio_client(command)) as it:
            assert "pay" in {tool.name for tool in (await it.list_tools()).tools}
            assert (await it.call_tool("pay", {"n": 1})).structured_content["status"] == "completed"
            assert (await it.call_tool("pay", {})).is_error


async def test_many_flows_come_in_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(mcp_server, "PAGE", 10)
    async with serving(tmp_path, *(flow(f"f{n}") for n in range(25))) as kit, client(kit) as it:
        names, cursor = [], None
        while True:
            page = await it.list_tools(cursor=cursor)
            assert len(page.tools) <= 10
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert {f"f{n}" for n in range(25)} <= set(names)
        assert len(names) == len(set(names))
        with pytest.raises(MCPError):
            await it.list_tools(cursor="nonsense")
