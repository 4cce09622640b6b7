"""Errors of the specification (RFC 9457 problem details) and ours, both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

BASE = "https://serverlessworkflow.io/spec/1.0.0/errors/"
STANDARD = {
    "configuration": 400,
    "validation": 400,
    "expression": 400,
    "authentication": 401,
    "authorization": 403,
    "timeout": 408,
    "communication": 500,
    "runtime": 500,
}
"""Standard types and their usual status."""
_TITLES = {
    "configuration": "Configuration Error",
    "validation": "Validation Error",
    "expression": "Expression Error",
    "authentication": "Authentication Error",
    "authorization": "Authorization Error",
    "timeout": "Timeout",
    "communication": "Communication Error",
    "runtime": "Runtime Error",
}
# The specification has changed its home and the path of its types several times; all of them mean the same.
_ALIAS = re.compile(
    r"https?://(?:www\.)?(?:serverlessworkflow\.io(?:\.io)?|open-workflow-specification\.org)"
    r"/(?:spec/[\d.]+/errors|dsl/errors/types|errors/types|errors)/([a-z-]+)/?"
)
_HTTP = re.compile(r"http\.(\d{3})")
_KIND = re.compile(r"[^a-z0-9._-]+")
_TYPES = {
    "timeout": "timeout",
    "deadline": "timeout",
    "connection": "communication",
    "http": "communication",
    "input": "validation",
    "expression": "expression",
    "secret": "authorization",
    "action": "configuration",
    "configuration": "configuration",
}
_KINDS = {"validation": "input", "authentication": "http.401", "authorization": "http.403", "runtime": "failed"}


def standard(type: str) -> str | None:
    """The name of a standard type by any of its addresses."""
    match = _ALIAS.fullmatch(type)
    return match[1] if match and match[1] in STANDARD else None


def same_type(one: str, other: str) -> bool:
    """Whether two types mean the same."""
    return one == other or (standard(one) is not None and standard(one) == standard(other))


def kind_of(problem: Mapping[str, Any]) -> str:
    """Our kind of an error that a workflow raises."""
    name = standard(str(problem["type"]))
    if name is None:
        last = str(problem["type"]).rstrip("/").rpartition("/")[2] or "raised"
        return _KIND.sub("-", last.lower()).strip("-.") or "raised"
    if name == "communication" and isinstance(problem["status"], int) and 400 <= problem["status"] < 600:
        return f"http.{problem['status']}"
    return _KINDS.get(name, name)


def problem_of(error: Mapping[str, Any], references: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Our error (`{kind, message, step, data}`) as the specification has it: `{type, status, title, detail, instance}`.

    Args:
        error: as `ErrorInfo.view` shows it.
        references: name of a step → JSON Pointer of its task.
    """
    data = error.get("data")
    if isinstance(data, dict) and isinstance(data.get("type"), str) and "status" in data:
        return dict(data)
    kind = str(error.get("kind") or "")
    http = _HTTP.fullmatch(kind)
    name = _TYPES.get(kind.partition(".")[0], "runtime")
    status = int(http[1]) if http else STANDARD[name]
    found = {"type": BASE + name, "status": status, "title": _title(status, name, http=bool(http))}
    found["detail"] = error.get("message") or kind
    instance = _instance(str(error.get("step") or ""), references or {})
    if instance:
        found["instance"] = instance
    return found


def _title(status: int, name: str, *, http: bool) -> str:
    if http and status in HTTPStatus.__members__.values():
        return HTTPStatus(status).phrase
    return _TITLES[name]


def _instance(path: str, references: Mapping[str, str]) -> str | None:
    """The task that a step's path leads to: its innermost part that is one."""
    for part in reversed(re.split(r"[.\[\]]+", path)):
        if part in references:
            return references[part]
    return None
