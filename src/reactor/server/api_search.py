"""Search everywhere, for the palette: a few of each kind, from memory or by one step of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from reactor.language import reads
from reactor.model import ids
from reactor.model.access import Role
from reactor.model.errors import PermanentError
from reactor.runtime.people import DECIDED
from reactor.server.api_triggers import trigger_rows
from reactor.server.problems import Problem
from reactor.server.table import Call, get
from reactor.server.trigger_shapes import Shape
from reactor.stores.port import EventFilter, RunFilter

_LONGEST = 200
_MOST = 20
_SHORTEST_ID = 3
"""Letters of an id behind `run_` or `evt_` from which on it is looked for."""


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for."""

    q: str = ""
    """Letters of a name, or the beginning of an id."""
    limit: int = 5
    """Of each kind, 1 to 20."""

    def __post_init__(self) -> None:
        """Bounds."""
        if not 1 <= self.limit <= _MOST:
            raise ValueError(f"limit is 1 to {_MOST}")


class Hit(Shape):
    """Something that was found."""

    kind: str
    """flow, run, event, trigger, connection, secret or approval."""
    id: str
    """What names it in the API."""
    title: str
    detail: str


class Hits(Shape):
    """What was found: flows first, the best of each kind first."""

    items: list[Hit]


@get("/api/v1/search", Hits, query=SearchQuery)
async def search(call: Call) -> Any:
    """Flows, runs and events by the beginning of their id, triggers, connections, secrets (operators), approvals."""
    text = call.query.q.strip()
    if len(text) > _LONGEST:
        raise Problem(400, f"q has at most {_LONGEST} characters", parameter="q")
    if not text:
        return {"items": []}
    found = [*_flows(call, text), *await _runs(call, text), *await _events(call, text)]
    for part in (_triggers, _connections, _secrets, _approvals):
        found += part(call, text)
    return {"items": found}


def _hit(kind: str, id_: str, title: str, detail: str) -> dict[str, str]:
    return {"kind": kind, "id": id_, "title": title, "detail": detail}


def _best(call: Call, text: str, names: Iterable[str], more: Callable[[str], str] = str) -> list[str]:
    """The names that hold the text: those that are it, then those that begin with it; then those of which more holds
    it.
    """
    wanted = text.lower()
    ranked: list[tuple[int, str]] = []
    for name in names:
        low = name.lower()
        if wanted in low:
            ranked.append((0 if low == wanted else 1 if low.startswith(wanted) else 2, name))
        elif more is not str and wanted in more(name).lower():
            ranked.append((3, name))
    return [name for _, name in sorted(ranked)[: call.query.limit]]


def _flows(call: Call, text: str) -> list[dict[str, str]]:
    flows = call.engine.book.current

    def more(name: str) -> str:
        labels = " ".join(f"{key}={value}" for key, value in flows[name].labels.items())
        return f"{flows[name].description} {labels}"

    return [
        _hit("flow", name, name, flows[name].description or reads.sentence(flows[name]))
        for name in _best(call, text, flows, more)
    ]


def _span(prefix: str, text: str) -> tuple[int, int] | None:
    """The keys of the ids that begin so; also without the prefix, as somebody reads them out."""
    given = text if text.startswith(f"{prefix}_") else f"{prefix}_{text}"
    return ids.span(prefix, given) if len(given) >= len(prefix) + 1 + _SHORTEST_ID else None


async def _runs(call: Call, text: str) -> list[dict[str, str]]:
    span = _span("run", text)
    if span is None:
        return []
    found = await call.engine.history.runs(RunFilter(least=span[0], below=span[1], limit=call.query.limit))
    return [_hit("run", ids.to_text("run", run.key), run.flow, run.status.value) for run in found]


async def _events(call: Call, text: str) -> list[dict[str, str]]:
    span = _span("evt", text)
    found = []
    if span is not None:
        wanted = EventFilter(above=max(span[0] - 1, 0), below=span[1], limit=call.query.limit)
        found = await call.engine.history.events(wanted)
    rows = [_hit("event", ids.to_text("evt", row.key), row.type, row.subject or row.source) for row in found]
    if not rows:
        event = await call.engine.history.event_by_id(text)
        if event is not None:
            rows = [_hit("event", ids.to_text("evt", event.key), event.type, event.id)]
    return rows


def _triggers(call: Call, text: str) -> list[dict[str, str]]:
    rows = {row["key"]: row for row in trigger_rows(call)}
    found = _best(call, text, rows, lambda key: rows[key]["kind"])
    return [_hit("trigger", key, f"{rows[key]['kind']} of {rows[key]['flow']}", rows[key]["state"]) for key in found]


def _connections(call: Call, text: str) -> list[dict[str, str]]:
    saved = {one.name: one for one in call.engine.connections.list()}
    return [
        _hit("connection", name, name, saved[name].type) for name in _best(call, text, saved, lambda n: saved[n].type)
    ]


def _secrets(call: Call, text: str) -> list[dict[str, str]]:
    if call.doors.vault is None or not call.who.may(Role.OPERATOR):
        return []
    try:
        names = [info.name for info in call.doors.vault.list()]
    except PermanentError:
        return []  # the page of secrets says what is wrong with them
    return [_hit("secret", name, name, "secret") for name in _best(call, text, names)]


def _approvals(call: Call, text: str) -> list[dict[str, str]]:
    """By the id, which is the run's and the step's path."""
    waiting = [id_ for _, id_ in call.engine.executor.waits.subjects(DECIDED)]
    return [_hit("approval", id_, id_.partition(":")[2], id_.partition(":")[0]) for id_ in _best(call, text, waiting)]


LINES = (search,)
"""The API's line of the palette."""
