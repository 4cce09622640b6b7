"""What the Model Context Protocol's requests do. Needs the extra `mcp`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

import reactor
from reactor.engine.engine import Engine
from reactor.model import ids
from reactor.model.access import Principal
from reactor.model.patterns import glob
from reactor.server.mcp import flows, lines
from reactor.server.mcp.asking import Answer, Asking
from reactor.server.mcp.door import WHO
from reactor.server.mcp.flows import FlowTool
from reactor.server.mcp.lines import LineTool
from reactor.server.problems import App, Scope

WAIT = 50.0
"""Seconds that a call of a flow waits for its run: clients give up after 60 by default."""
_TELL = 5.0
"""Seconds between two words of progress."""
LONGEST = 100_000
"""Characters of one answer."""
PAGE = 100
"""Tools or resources of one page."""
_FRESH = 20
"""Runs that are listed as resources."""
_URI = re.compile(r"reactor://(runs|flows|events)/([^/?#]+)")
_RUN_FLOW = "/api/v1/flows/{name}/run"
_HINT = (
    "Flows of Reactor, a workflow engine, are tools of their own; the tools that begin with reactor_ look after runs, "
    "events and approvals. A flow that takes longer than {wait:.0f} s goes on by itself: ask reactor_get_run for it. "
    "A call that is given up does not stop its run either; reactor_cancel_run does."
)
Context = ServerRequestContext[Any, Any]


class Tools:
    """The handlers of one engine."""

    def __init__(self, engine: Engine, api: App, closing: asyncio.Event) -> None:
        """`closing`: set when the server stops."""
        from reactor.server.api import LINES  # noqa: PLC0415 - the API holds the door that leads here

        self._engine = engine
        self._api = api
        self._closing = closing
        self._lines = lines.tools(LINES)
        self._flow_role = next(line.role for line in LINES if line.path == _RUN_FLOW)
        self._schemas = {name: tool.schema() for name, tool in self._lines.items()}

    def server(self) -> Server[Any]:
        """A server of the library with these handlers."""
        return Server(
            "reactor",
            version=reactor.__version__,
            title="Reactor",
            instructions=_HINT.format(wait=WAIT),
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
        )

    def _asking(self, ctx: Context) -> Asking:
        return Asking(self._api, _scope(ctx))

    # --- tools -------------------------------------------------------------------------------------------------------

    async def list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """What the caller may call."""
        who = _who(ctx)
        shown = [
            self._line(tool) for tool in self._lines.values() if who.may(tool.role) and _is_in_scope(who, tool.line.tag)
        ]
        if who.may(self._flow_role):
            found = flows.tools(self._engine.book).values()
            shown += [self._flow(tool) for tool in found if _is_in_scope(who, "flows", tool.flow.name)]
        page, after = _page(shown, params)
        return types.ListToolsResult(tools=page, next_cursor=after)

    def _line(self, tool: LineTool) -> types.Tool:
        return types.Tool(
            name=tool.name,
            description=tool.doc,
            input_schema=self._schemas[tool.name],
            annotations=types.ToolAnnotations(
                read_only_hint=tool.reads, destructive_hint=tool.destroys, open_world_hint=False
            ),
        )

    def _flow(self, tool: FlowTool) -> types.Tool:
        reads, reaches = flows.effects(tool.flow, self._engine.book, self._engine.catalog)
        text = tool.flow.description or f"Run the flow {tool.flow.name}."
        return types.Tool(
            name=tool.name,
            title=tool.flow.name,
            description=text[:LONGEST],
            input_schema=tool.schema(),
            annotations=types.ToolAnnotations(
                title=tool.flow.name, read_only_hint=reads, destructive_hint=not reads, open_world_hint=reaches
            ),
        )

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Do it. What is refused is told in the answer, so that who called can do better."""
        ask, given = self._asking(ctx), params.arguments or {}
        line = self._lines.get(params.name)
        try:
            if line is not None:
                path, query, body = line.request(given)
                return _told(await ask(line.line.method, path, query, body))
            flow = flows.tools(self._engine.book).get(params.name)
            if flow is None:
                raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name[:100]!r}; list them again")
            return await self._run(ctx, ask, flow, flow.body(given))
        except ValueError as error:
            return _failed(str(error))

    async def _run(self, ctx: Context, ask: Asking, tool: FlowTool, body: dict[str, Any]) -> types.CallToolResult:
        started = await ask("POST", _RUN_FLOW.replace("{name}", tool.flow.name), None, body)
        if not started.fine:
            return _failed(started.reason())
        run = started.data()["runs"][0]["id"]
        ended = await self._end(ctx, run)
        found = await ask("GET", f"/api/v1/runs/{run}", {"steps": False, "whole": True})
        if not found.fine:
            return _failed(f"the run {run} has begun, and cannot be shown: {found.reason()}")
        shown = found.data()
        if not ended and shown["status"] not in ("completed", "failed", "cancelled"):
            waiting = f" ({shown['waiting_for']})" if shown.get("waiting_for") else ""
            text = f"{run} is {shown['status']}{waiting} and goes on by itself; ask reactor_get_run for its end"
            return _result(text, {"run_id": run, "status": shown["status"]})
        return _of_run(run, shown)

    async def _end(self, ctx: Context, run: str) -> bool:
        """Wait for the end of a run, as long as that is; whether it came."""
        end = asyncio.ensure_future(self._engine.executor.end_of(ids.from_text("run", run) or 0))
        closing = asyncio.ensure_future(self._closing.wait())
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            while (left := begun + WAIT - loop.time()) > 0:
                await asyncio.wait({end, closing}, timeout=min(_TELL, left), return_when=asyncio.FIRST_COMPLETED)
                if end.done() or closing.done():
                    return end.done() and end.exception() is None
                await ctx.session.report_progress(loop.time() - begun, WAIT, f"{run} is under way")
            return False
        finally:
            end.cancel()
            closing.cancel()

    # --- resources ---------------------------------------------------------------------------------------------------

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """The flows, and the newest runs."""
        ask = self._asking(ctx)
        found = await ask("GET", "/api/v1/runs", {"limit": _FRESH})
        shown = [
            _resource(f"reactor://runs/{run['id']}", run["id"], f"{run['flow']}, {run['status']}, {run['created_at']}")
            for run in (found.data()["items"] if found.fine else ())
        ]
        who = _who(ctx)
        for name, flow in sorted(self._engine.book.current.items()):
            if _is_in_scope(who, "flows", name):
                shown.append(_resource(f"reactor://flows/{name}", name, flow.description))
        page, after = _page(shown, params)
        return types.ListResourcesResult(resources=page, next_cursor=after)

    async def list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """What can be read by name."""
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(name=name, uri_template=uri, description=doc, mime_type="application/json")
                for name, uri, doc in (
                    ("run", "reactor://runs/{id}", "A run with its steps"),
                    ("flow", "reactor://flows/{name}", "A flow with its YAML"),
                    ("event", "reactor://events/{id}", "An event with its data"),
                )
            ]
        )

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """One of them, as the API shows it."""
        uri = str(params.uri)
        found = _URI.fullmatch(uri)
        if found is None:
            raise MCPError(
                types.INVALID_PARAMS, f"{uri[:100]!r} is no resource; there are reactor://runs/ID and others"
            )
        answer = await self._asking(ctx)("GET", f"/api/v1/{found[1]}/{found[2]}")
        if not answer.fine:
            raise MCPError(types.INVALID_PARAMS, answer.reason())
        text = _cut(answer.body.decode())
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type="application/json", text=text)]
        )


def _who(ctx: Context) -> Principal:
    who: Principal = _scope(ctx)[WHO]
    return who


def _is_in_scope(who: Principal, part: str, flow: str | None = None) -> bool:
    """Whether a token is good for this part of the API, and for this flow."""
    if who.scopes and part not in who.scopes:
        return False
    return flow is None or not who.flows or any(glob(pattern).fullmatch(flow) for pattern in who.flows)


def _scope(ctx: Context) -> Scope:
    if ctx.request is None:
        raise MCPError(types.INTERNAL_ERROR, "this came in by no door of ours")
    scope: Scope = ctx.request.scope
    return scope


def _page(items: Sequence[Any], params: types.PaginatedRequestParams | None) -> tuple[list[Any], str | None]:
    cursor = params.cursor if params is not None else None
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 8):
        raise MCPError(types.INVALID_PARAMS, "this is no cursor of that list")
    first = int(cursor or 0)
    last = first + PAGE
    return list(items[first:last]), str(last) if last < len(items) else None


def _resource(uri: str, name: str, doc: str | None) -> types.Resource:
    return types.Resource(uri=uri, name=name, description=doc or None, mime_type="application/json")


def _told(answer: Answer) -> types.CallToolResult:
    if not answer.fine:
        return _failed(answer.reason())
    return _result(_cut(answer.body.decode()), answer.data() if len(answer.body) <= LONGEST else None)


def _of_run(run: str, shown: Mapping[str, Any]) -> types.CallToolResult:
    status, output, error = shown["status"], shown["output"], shown["error"]
    about = {"run_id": run, "status": status}
    if status != "completed":
        why = f": {error['kind']}: {error['message']}" if error else ""
        return _result(f"{run} {status}{why}", {**about, "error": error}, failed=True)
    text = msgspec.json.encode(output).decode()
    if len(text) > LONGEST:
        return _result(f"{_cut(text)}\n(of {run})", {**about, "cut": True})
    return _result(text, {**about, "output": output})


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… cut here: {len(text) - LONGEST} of {len(text)} characters are left out"


def _failed(text: str) -> types.CallToolResult:
    return _result(text, None, failed=True)


def _result(text: str, data: Any, *, failed: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=data, is_error=failed
    )
