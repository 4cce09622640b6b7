"""What is known of the members of shapes and of parameters beyond their types, for OpenAPI."""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

_DURATION = r"^([0-9]{1,5}(\.[0-9]{1,3})?(ms|s|m|h|d|w)?|([0-9]{1,5}(ms|s|m|h|d)){1,4})$"
_LETTERS = "[0-7][0-9a-hjkmnp-tv-z]{12}"
_STATUS = "(pending|running|waiting|paused|completed|failed|cancelled)"
_DATE = r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,3})?Z"
_ALERT = "(pending|firing|resolved|active)"
TIME: dict[str, Any] = {
    "type": "string",
    "pattern": f"^({_DURATION[1:-1]}|{_DATE}T{_CLOCK})?$",
    "description": "A time (RFC 3339, with any offset), or how long ago.",
    "examples": ["24h", "2026-11-23T04:36:11Z"],
}
_LIMIT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}


def _id(prefix: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({prefix}_{_LETTERS})?$"}


PARAMETERS: dict[str, dict[str, Any]] = {
    "since": TIME,
    "until": TIME,
    "finished_since": TIME,
    "finished_until": TIME,
    "step": {"type": "string", "pattern": f"^({_DURATION[1:-1]})?$", "examples": ["1m"]},
    "limit": _LIMIT,
    "status": {"type": "string", "pattern": f"^({_STATUS}(,{_STATUS})*)?$", "examples": ["failed,cancelled"]},
    "parent": _id("run"),
    "state": {"enum": ["arming", "armed", "lagging", "failed", "disabled", ""]},
    "what": {"enum": ["inputs", "input", "output", "error"]},
    "path": {"type": "string", "minLength": 1, "maxLength": 2000, "examples": ["each[3].read"]},
    "q": {"type": "string", "maxLength": 200},
    "error": {"type": "string", "maxLength": 200, "examples": ["http.*"]},
    "file": {"type": "string", "examples": ["orders/order.yaml"]},
}
"""By the name of a parameter: what it has to be, as its handler checks it."""
AT: dict[tuple[str, str], dict[str, Any]] = {
    ("/api/v1/runs", "cursor"): _id("run"),
    ("/api/v1/events", "cursor"): _id("evt"),
    ("/api/v1/dead-letters", "cursor"): _id("ltr"),
    ("/api/v1/approvals", "cursor"): _id("run"),
    ("/api/v1/alerts", "state"): {"type": "string", "pattern": f"^({_ALERT}(,{_ALERT})*)?$", "examples": ["active"]},
    ("/api/v1/runs/{id}/logs", "step"): {"type": "string", "examples": ["each[3].read"]},
    ("/api/v1/runs/{id}/logs", "q"): {"type": "string"},
    ("/api/v1/runs/{id}/logs", "level"): {"enum": ["debug", "info", "warn", "warning", "error", ""]},
    ("/api/v1/runs/{id}/logs", "cursor"): {"type": "string", "pattern": "^([0-9]{1,15}-[0-9]{1,7})?$"},
    ("/api/v1/search", "limit"): {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
    ("/api/v1/triggers/{flow}/{index}/upcoming", "limit"): {
        "type": "integer", "minimum": 1, "maximum": 100, "default": 10,
    },
}  # fmt: skip
"""By path and name, where it is special."""
PLACES: dict[str, str] = {
    "id": "The thing's id, as lists show it.",
    "name": "The thing's name.",
    "flow": "The flow's name.",
    "index": "The trigger's number in its flow, from 0.",
    "version": "The version's number, from 1.",
    "type": "The event's type.",
}
"""Names in paths."""
BODIES: dict[str, Any] = {
    "/api/v1/runs/cancel": {"filter": {"flow": "order", "status": "waiting"}, "dry_run": True},
    "/api/v1/runs/retry": {"filter": {"error": "http.*", "since": "1h"}, "dry_run": True},
    "/api/v1/runs/pause": {"filter": {"flow": "order"}, "dry_run": True},
    "/api/v1/runs/resume": {"filter": {"flow": "order"}, "dry_run": True},
    "/api/v1/runs/{id}/signal": {"type": "payment.done", "data": {"amount": 7}},
    "/api/v1/runs/{id}/cancel": {"reason": "wrong order"},
    "/api/v1/flows/{name}/run": {"data": {"id": "7", "total": 250}},
    "/api/v1/approvals/{id}/decide": {"decision": "approve"},
    "/api/v1/secrets/{name}": {"value": "a long random text"},
    "/events": {"type": "order.placed", "data": {"id": "7", "total": 250}, "id": "order-7", "source": "/shop"},
}
"""Path → an example of its body."""
FLOW = "name: hello\non: {webhook: /hello, respond: result}\nsteps:\n  - return: {hello: world}\n"
TAGS: dict[str, str] = {
    "runs": "Runs: found, shown, commanded, one or many.",
    "events": "Events as they were taken in, and what came of them.",
    "ingest": "The doors for events.",
    "flows": "Flows: their text, versions, drawing, tests.",
    "triggers": "What listens, and whether it does.",
    "approvals": "What waits for people.",
    "dead-letters": "Messages that made no event.",
    "connections": "Ways to reach systems.",
    "secrets": "Names of secrets; values go in and never come out.",
    "search": "A few of everything, for a palette.",
    "stream": "Everything that changes, as it changes.",
    "metrics": "The engine in numbers, now and over time.",
    "instances": "Processes of Reactor, and the machines they are on.",
    "alerts": "What is not as it should be: rules, states, silences.",
    "me": "Who is signed in.",
    "users": "People who may sign in.",
    "tokens": "Tokens for programs.",
    "sessions": "Browsers that are signed in.",
    "audit": "Who changed what, and when.",
}


def structs(types: Iterable[Any]) -> Iterator[type]:
    """Every struct in these types."""
    seen: set[Any] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(list(types)))
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            yield typing.get_origin(info.cls) or info.cls
            waiting += [field.type for field in info.fields]
        for name in ("item_type", "key_type", "value_type"):
            waiting += [getattr(info, name)] if hasattr(info, name) else []
        for name in ("types", "item_types"):
            waiting += getattr(info, name, ())


@cache
def members(kind: type) -> dict[str, str]:
    """What the text below each member of a struct says, by the name that it has in JSON."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        found |= _module(base.__module__).get(base.__qualname__, {})
    fields = msgspec.structs.fields(kind)
    return {field.encode_name: found[field.name] for field in fields if field.name in found}


@cache
def _module(name: str) -> dict[str, dict[str, str]]:
    """Class → member → text, of a module of ours. Without sources there are no descriptions."""
    module = sys.modules.get(name)
    if module is None or not name.startswith("reactor."):
        return {}
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, SyntaxError):
        return {}
    return {node.name: _documented(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _documented(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, below in pairwise(node.body):
        said = below.value if isinstance(below, ast.Expr) else None
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(said, ast.Constant)
            and isinstance(said.value, str)
        ):
            found[field.target.id] = " ".join(said.value.split())
    return found
