"""The states of a run on the drawing of its flow: by path, with all iterations of a loop in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
"""What a path has and the drawing's has not: `each[3].read` is drawn at `each[].read`."""
_WORST = ("failed", "running", "waiting", "paused", "pending", "cancelled", "completed", "skipped")


def overlay(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One state for each drawn step that the run has come to, in the order of their beginnings."""
    states: dict[str, dict[str, Any]] = {}
    for step in steps:
        path = ITERATION.sub("[]", step["path"])
        state = states.get(path)
        if state is None:
            state = states[path] = _blank(path)
        _add(state, step)
    for state in states.values():
        state["status"] = next((status for status in _WORST if status in state["counts"]), "pending")
    return list(states.values())


def _blank(path: str) -> dict[str, Any]:
    return {
        "path": path,
        "status": "pending",
        "counts": {},
        "total": 0,
        "attempts": 0,
        "started_at": None,
        "finished_at": None,
        "last": None,
        "failed": None,
        "error": None,
    }


def _add(state: dict[str, Any], step: Mapping[str, Any]) -> None:
    counts, status = state["counts"], step["status"]
    counts[status] = counts.get(status, 0) + 1
    state["total"] += 1
    state["attempts"] += step["attempts"]
    state["last"] = step["path"]
    began, ended = step["started_at"], step["finished_at"]
    if began is not None and (state["started_at"] is None or began < state["started_at"]):
        state["started_at"] = began
    if ended is not None and (state["finished_at"] is None or ended > state["finished_at"]):
        state["finished_at"] = ended
    if status == "failed" and state["failed"] is None:
        state["failed"], state["error"] = step["path"], step["error"]
