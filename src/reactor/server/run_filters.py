"""Which runs a list, a count or a command for many is about."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model import ids
from reactor.model.flow import Flow
from reactor.model.states import RunStatus
from reactor.server.problems import Problem
from reactor.server.table import Call, cursor_of, key_of, time_of
from reactor.stores.port import RunFilter

LOOK = 20_000
"""Runs that a page looks at where no index knows the filter (a text, when a run ended)."""
_LONGEST = 200


class RunWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs."""

    status: str | None = None
    """One or several of pending, running, waiting, paused, completed, failed, cancelled, with commas between."""
    flow: str | None = None
    label: str | None = None
    """Of flows with this label: `NAME=VALUE`, or `NAME` with any value."""
    event: str | None = None
    """Started by this event."""
    parent: str | None = None
    """Called by this run."""
    trigger: str | None = None
    """Key of a trigger: `FLOW/INDEX`."""
    error: str | None = None
    """Failed with this kind of error, such as `http.503`; `http.*`: any that begins so."""
    q: str | None = None
    """The beginning of an id, or a text in the flow's name, in the error or in what the run waits for."""
    since: str | None = None
    """Made then or later: a time, or how long ago (`24h`)."""
    until: str | None = None
    """Made before."""
    finished_since: str | None = None
    """Only runs that ended then or later."""
    finished_until: str | None = None
    """Only runs that ended before."""


async def filter_of(call: Call, wanted: RunWanted, cursor: str | None, limit: int) -> RunFilter:
    """The store's filter.

    Raises:
        Problem: 400: a value cannot be.
    """
    now = call.engine.clock.now()
    asked, least, below, text = await _asked(call, wanted.q)
    at = cursor_of("run", cursor)
    return RunFilter(
        flow=wanted.flow,
        flows=None if wanted.label is None else _labelled(call, wanted.label),
        status=_statuses(wanted.status),
        event_key=asked if wanted.event is None else await _event_key(call, wanted.event),
        parent_key=None if wanted.parent is None else key_of("run", wanted.parent),
        trigger=wanted.trigger,
        error=_short("error", wanted.error),
        text=text,
        least=least,
        since=time_of("since", wanted.since, now),
        until=time_of("until", wanted.until, now),
        finished_since=time_of("finished_since", wanted.finished_since, now),
        finished_until=time_of("finished_until", wanted.finished_until, now),
        below=below if at is None else at if below is None else min(at, below),
        limit=limit,
    )


async def _asked(call: Call, q: str | None) -> tuple[int | None, int | None, int | None, str | None]:
    """(event, least key, keys below, text) that a text asks for."""
    text = (_short("q", q) or "").strip()
    if not text:
        return None, None, None, None
    span = ids.span("run", text)
    if span is not None:
        return None, span[0], span[1], None
    if ids.from_text("evt", text) is not None:
        return await _event_key(call, text), None, None, None
    return None, None, None, text


def _short(name: str, text: str | None) -> str | None:
    if text is not None and len(text) > _LONGEST:
        raise Problem(400, f"{name} has at most {_LONGEST} characters", parameter=name)
    return text or None


def _labelled(call: Call, wanted: str) -> tuple[str, ...]:
    return tuple(flow.name for flow in call.engine.book.current.values() if labelled(flow, wanted))


def labelled(flow: Flow, wanted: str) -> bool:
    """Whether a flow has a label: `NAME=VALUE`, or `NAME` with any value."""
    name, given, value = wanted.partition("=")
    return name in flow.labels and (not given or flow.labels[name] == value)


def _statuses(text: str | None) -> tuple[RunStatus, ...]:
    try:
        return tuple(RunStatus(part.strip()) for part in text.split(",")) if text else ()
    except ValueError:
        known = ", ".join(status.value for status in RunStatus)
        raise Problem(400, f"status: {text!r} is not of {known}", parameter="status") from None


async def _event_key(call: Call, text: str) -> int:
    key = ids.from_text("evt", text)
    if key is not None:
        return key
    event = await call.engine.history.event_by_id(text)
    if event is None:
        raise Problem(400, f"there is no event {text[:80]!r}", parameter="event")
    return event.key


def same_as(query: Any) -> RunWanted:
    """The filter's part of a query that takes more."""
    names = RunWanted.__struct_fields__
    return RunWanted(**{name: getattr(query, name) for name in names})
