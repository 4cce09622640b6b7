"""The tools that look after runs, flows, events and approvals: each is a line of the API under another name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.access import Role
from reactor.server.table import Line, NoQuery

_PLACE = re.compile(r"\{([a-z_]+)\}")
_DEFINITIONS = "#/$defs/{name}"
_MEANINGS = {
    "id": "An id as lists show it, such as run_… or evt_…",
    "name": "Name of a flow",
    "limit": "Most items of the answer",
    "cursor": "`next` of the page before",
    "status": "One or several of pending, running, waiting, paused, completed, failed, cancelled, with commas between",
    "since": "A time (RFC 3339), or how long ago (24h)",
    "until": "A time (RFC 3339), or how long ago (1h)",
    "decision": "approve or reject",
    "inputs": "The flow's inputs",
}
_SMALL_PAGE = 20
"""Items of a page where the caller says nothing: what reads them has little room."""


class LineTool(msgspec.Struct, frozen=True, kw_only=True):
    """A line as a tool."""

    name: str
    line: Line
    doc: str
    reads: bool = True
    destroys: bool = False
    fixed: dict[str, Any] = msgspec.field(default_factory=dict)
    """Parameters that the caller is not asked for."""

    @property
    def role(self) -> Role:
        """Who may."""
        return self.line.role

    def schema(self) -> dict[str, Any]:
        """Of its arguments."""
        places = {name: {"type": "string"} for name in _PLACE.findall(self.line.path)}
        properties: dict[str, Any] = dict(places)
        required = list(places)
        definitions: dict[str, Any] = {}
        for kind in _parts(self.line):
            (shape,), found = msgspec.json.schema_components([kind], ref_template=_DEFINITIONS)
            own = found.pop(shape["$ref"].rpartition("/")[2])
            properties |= own["properties"]
            required += own.get("required", [])
            definitions |= found
        shown = {name: _described(name, shape) for name, shape in properties.items() if name not in self.fixed}
        schema = {"type": "object", "properties": shown, "required": required, "additionalProperties": False}
        return schema | ({"$defs": definitions} if definitions else {})

    def request(self, given: Mapping[str, Any]) -> tuple[str, dict[str, Any], Any]:
        """Path, query and body of the request that these arguments mean.

        Raises:
            ValueError: one is unknown, missing, or no text where a path needs one.
        """
        arguments = {**self.fixed, **{name: value for name, value in given.items() if value is not None}}
        path = _PLACE.sub(lambda place: _segment(arguments, place[1]), self.line.path)
        body_fields = () if self.line.body is None else self.line.body.__struct_encode_fields__
        query_fields = self.line.query.__struct_encode_fields__
        body = {name: arguments.pop(name) for name in list(arguments) if name in body_fields}
        query = {name: arguments.pop(name) for name in list(arguments) if name in query_fields}
        if arguments:
            raise ValueError(f"there is no argument {next(iter(arguments))[:60]!r}; there are: {self._known()}")
        if "limit" in query_fields:
            query.setdefault("limit", _SMALL_PAGE)
        if wrong := next((name for name, value in query.items() if isinstance(value, (dict, list))), None):
            raise ValueError(f"{wrong} is one value, not a {type(query[wrong]).__name__}")
        return path, query, msgspec.UNSET if self.line.body is None else body

    def _known(self) -> str:
        return ", ".join(self.schema()["properties"]) or "none"


def _segment(arguments: dict[str, Any], name: str) -> str:
    value = arguments.pop(name, None)
    if not isinstance(value, str) or not value:
        raise ValueError(f"the argument {name!r} is needed, and is a text: {_MEANINGS.get(name, '')}")
    if "/" in value:
        raise ValueError(f"{name}: there is no {value[:60]!r}")
    return value


def _parts(line: Line) -> list[Any]:
    return [kind for kind in (line.query, line.body) if kind not in (None, bytes, NoQuery)]


def _described(name: str, shape: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    plain = kinds[0] if len(kinds) == 1 else {key: value for key, value in shape.items() if value is not None}
    meaning = _MEANINGS.get(name)
    return {**plain, "description": meaning} if meaning else plain


_READING = (
    # name, path, what it is for
    ("list_flows", "/api/v1/flows", "List flows with what they do, their triggers and problems."),
    ("get_flow", "/api/v1/flows/{name}", "Show a flow: its YAML, steps and triggers."),
    ("explain_flow", "/api/v1/explain/flow/{name}", "Explain when a flow starts, and why it does not."),
    ("list_runs", "/api/v1/runs", "List runs, the newest first, by flow, status or time."),
    ("get_run", "/api/v1/runs/{id}", "Show a run: status, output, error, each step."),
    ("run_logs", "/api/v1/runs/{id}/logs", "Show what happened in a run, and what it logged."),
    ("explain_run", "/api/v1/explain/run/{id}", "Explain what a run waits for, or why it failed."),
    ("list_events", "/api/v1/events", "List the events that came, the newest first."),
    ("get_event", "/api/v1/events/{id}", "Show an event with its data."),
    ("explain_event", "/api/v1/explain/event/{id}", "Explain what an event started, and why not more."),
    ("list_approvals", "/api/v1/approvals", "List approvals that wait for a person."),
    ("list_triggers", "/api/v1/triggers", "List triggers: which listen, and why the others do not."),
)
_DECIDE = "Approve or reject what a run waits for. Ask a person first: the decision counts as theirs."
_CHANGING = (
    # name, path, what it is for, whether it takes something away
    ("cancel_run", "/api/v1/runs/{id}/cancel", "Stop a run; its clean-up steps are done.", True),
    ("retry_run", "/api/v1/runs/{id}/retry", "Take up a failed run where it failed.", False),
    ("decide_approval", "/api/v1/approvals/{id}/decide", _DECIDE, True),
)
PREFIX = "reactor_"
"""What the names of these tools begin with, so that flows have all others."""


def tools(lines: Sequence[Line]) -> dict[str, LineTool]:
    """By name, made of the API's table."""
    by_place = {(line.method, line.path): line for line in lines}
    reading = [LineTool(name=PREFIX + name, line=by_place["GET", path], doc=doc) for name, path, doc in _READING]
    changing = [
        LineTool(name=PREFIX + name, line=by_place["POST", path], doc=doc, reads=False, destroys=destroys)
        for name, path, doc, destroys in _CHANGING
    ]
    return {tool.name: tool for tool in (*reading, *changing)}
