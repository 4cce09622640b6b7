"""Large values in answers: cut to their beginning, with their size and where the whole is."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from reactor.engine.texts import encode

CUT = "$cut"
"""The only key of a value that was cut."""
LIMIT = 32_768
"""Bytes of JSON of one value that is shown whole."""
_PREVIEW = 2_000
_SMALL = (type(None), bool, int, float)


def cut(value: Any, raw: str, limit: int = LIMIT) -> Any:
    """The value, or `{"$cut": {size, preview, raw}}` when it is too large: `raw` is where the whole is."""
    if isinstance(value, _SMALL) or (isinstance(value, str) and len(value) * 6 < limit):
        return value
    text = encode(value)
    if len(text) <= limit:
        return value
    preview = text[:_PREVIEW].decode("utf-8", "ignore")
    return {CUT: {"size": len(text), "preview": preview, "raw": raw}}


def cut_run(shown: dict[str, Any]) -> dict[str, Any]:
    """A run as the API shows it, with its large values cut."""
    for name in ("inputs", "output"):
        shown[name] = cut(shown[name], raw_of(shown["id"], name, None))
    shown["steps"] = [cut_step(shown["id"], step) for step in shown["steps"]]
    return shown


def cut_step(run: str, step: dict[str, Any]) -> dict[str, Any]:
    """A step with its large values cut."""
    for name in ("input", "output"):
        step[name] = cut(step[name], raw_of(run, name, step["path"]))
    if step["error"] is not None and "data" in step["error"]:
        data = cut(step["error"]["data"], raw_of(run, "error", step["path"]))
        step["error"] = {**step["error"], "data": data}
    return step


def raw_of(run: str, what: str, path: str | None) -> str:
    """Where the whole value is."""
    query = {"what": what} if path is None else {"what": what, "path": path}
    return f"/api/v1/runs/{quote(run)}/raw?{urlencode(query)}"
