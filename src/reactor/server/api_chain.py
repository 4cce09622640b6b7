"""What led to a run and what it led to; signals; and the whole of what answers cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from reactor.engine.sealing import masked
from reactor.engine.texts import encode
from reactor.model.errors import NotFoundError
from reactor.model.journal import Entry, index
from reactor.server import shapes
from reactor.server.api_runs import load
from reactor.server.chain_shapes import ChainShape
from reactor.server.ingest import as_dict
from reactor.server.problems import Problem
from reactor.server.table import Call, get, key_of, post

_CHUNK = 65_536
_WHATS = ("inputs", "input", "output", "error")


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event for one run."""

    type: str
    """One that a `wait_for` of the run waits for."""
    data: Any = None
    id: str | None = None
    """The same id a second time is not told again."""


class RawQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which value."""

    what: str
    """inputs, input, output or error; `inputs` and, without a path, `output` and `error` are the run's own."""
    path: str | None = None
    """The step."""


@get("/api/v1/runs/{id}/chain", ChainShape)
async def chain(call: Call) -> Any:
    """What led to a run (its event, who told that, who called it …) and what it led to, nearest first, at most 200."""
    return await call.engine.chain.of(key_of("run", call.params["id"]))


@post("/api/v1/runs/{id}/signal", shapes.ReceiptShape, body=Signal, status=202)
async def signal(call: Call) -> Any:
    """Tell a run that waits an event of a type that it waits for; its subject is the run's id."""
    body: Signal = call.body
    key = key_of("run", call.params["id"])
    return as_dict(await call.engine.signals.send(key, body.type, body.data, call.who.name, body.id))


@get("/api/v1/runs/{id}/raw", "application/json", query=RawQuery)
async def raw(call: Call) -> Any:
    """One value of a run as JSON, whole: what other answers cut."""
    from starlette.responses import StreamingResponse  # noqa: PLC0415 - few ask for it

    query: RawQuery = call.query
    if query.what not in _WHATS:
        raise Problem(400, f"what: there are {', '.join(_WHATS)}", parameter="what")
    loaded = await load(call, key_of("run", call.params["id"]))
    text = encode(_value(index(loaded.journal), query, call.params["id"]))
    headers = {"content-length": str(len(text)), "cache-control": "no-store", "x-content-type-options": "nosniff"}
    return StreamingResponse(_chunks(text), media_type="application/json", headers=headers)


def _value(known: dict[str, Entry], query: RawQuery, run: str) -> Any:

    path = query.path or ""
    end, started, inputs = known.get(path), known.get(path + "#started"), known.get("#inputs")
    if query.what == "inputs" and not path and inputs is not None:
        return inputs.value
    if query.what == "output" and end is not None:
        return masked(end.value)
    if query.what == "error" and end is not None and end.error is not None:
        return end.error.view()
    if query.what == "input" and path:
        if end is not None and end.input is not None:
            return end.input
        if started is not None:
            return started.value
    where = f"step {path[:200]!r} of {run}" if path else run
    raise NotFoundError(f"{where} has no {query.what}")


async def _chunks(text: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(text), _CHUNK):
        yield text[start : start + _CHUNK]


LINES = (chain, signal, raw)
"""The API's lines of chains, signals and whole values."""
