"""What led to a run, and what it led to: events, runs that emitted them, callers, children. Bounded both ways."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.executor import Executor
from reactor.model import ids
from reactor.model.errors import NotFoundError
from reactor.model.event import Event
from reactor.model.journal import Run, index
from reactor.stores.port import History, RunFilter

MOST = 200
"""Runs and events of one answer."""
_DEEPEST = 8
_FAN = 50
"""Runs that one run called, or one event started, which are told."""
_FLOWS = "reactor/flows/"
_ENDS = "run."


class ChainLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run or an event, and how it belongs to the one before it."""

    kind: str
    """run or event."""
    how: str
    """Upwards: started_by, emitted_by, caused_by, called_by, forked_from; downwards: emitted, called, started,
    forked.
    """
    of: str
    """The id of the run or event that it belongs to."""
    depth: int
    """1: next to the run that was asked about."""
    id: str
    name: str
    """The run's flow, or the event's type."""
    status: str | None
    """Of a run."""
    at: str
    path: str | None = None
    """The step that called, or told the event."""


class Chain:
    """Walks the store."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history

    async def of(self, key: int) -> dict[str, Any]:
        """`{run, up, down, more}`: nearest first; `more`: there is more than is told.

        Raises:
            NotFoundError: there is no such run.
        """
        run = await self._history.run(key)
        if run is None:
            raise NotFoundError(f"there is no run {ids.to_text('run', key)}")
        up, down = _Walk(), _Walk()
        await self._up(run, up)
        await self._down(run, down)
        return {"run": views.run_row(run), "up": up.links, "down": down.links, "more": up.more or down.more}

    # --- up ---

    async def _up(self, run: Run, walk: _Walk) -> None:
        waiting: list[tuple[Run, int]] = [(run, 1)]
        while waiting:
            one, depth = waiting.pop(0)
            found: list[Run | None] = []
            own = ids.to_text("run", one.key)
            if one.parent_key is not None:
                found.append(await self._run_of(one.parent_key, "called_by", own, depth, walk, one.parent_path or None))
            elif one.event_key is not None:
                found.append(await self._event_up(one.event_key, own, depth, walk))
            if one.forked_from is not None:
                found.append(await self._run_of(one.forked_from, "forked_from", own, depth, walk, None))
            waiting += [(other, depth + 2) for other in found if other is not None and walk.deeper(depth)]

    async def _run_of(self, key: int, how: str, of: str, depth: int, walk: _Walk, path: str | None) -> Run | None:
        run = await self._history.run(key)
        return run if run is not None and walk.add(_run_link(run, how, of, depth, path)) else None

    async def _event_up(self, key: int, of: str, depth: int, walk: _Walk) -> Run | None:
        event = await self._history.event(key)
        if event is None or not walk.add(_event_link(event, "started_by", of, depth)):
            return None
        own = ids.to_text("evt", event.key)
        emitter = await self._emitter(event)
        if emitter is not None:
            run, path = emitter
            return run if walk.add(_run_link(run, "emitted_by", own, depth + 1, path)) else None
        for number, id_ in enumerate(reversed(event.causes), 1):
            cause = await self._history.event_by_id(id_)
            if cause is None or not walk.add(_event_link(cause, "caused_by", own, depth + number)):
                break
            own = ids.to_text("evt", cause.key)
        return None

    async def _emitter(self, event: Event) -> tuple[Run, str | None] | None:
        """The run that told an event: it has the event that caused it, and says so in its journal."""
        if event.type.startswith(_ENDS) and event.subject is not None:
            key = ids.from_text("run", event.subject)
            run = None if key is None else await self._history.run(key)
            if run is not None:
                return run, None
        if not event.causes:
            return None
        cause = await self._history.event_by_id(event.causes[-1])
        if cause is None:
            return None
        flow = event.source.removeprefix(_FLOWS) if event.source.startswith(_FLOWS) else None
        runs = await self._history.runs(RunFilter(event_key=cause.key, flow=flow, limit=_FAN))
        wanted = ids.to_text("evt", event.key)
        for loaded in await self._executor.store.load([run.key for run in runs]):
            for told, path in emitted(loaded.journal):
                if told == wanted:
                    return loaded.run, path
        return None

    # --- down ---

    async def _down(self, run: Run, walk: _Walk) -> None:
        waiting: list[tuple[Run, int]] = [(run, 1)]
        while waiting:
            one, depth = waiting.pop(0)
            found = await self._called(one, depth, walk) + await self._told(one, depth, walk)
            found += await self._forks(one, depth, walk)
            waiting += [(other, depth + 1) for other in found if walk.deeper(depth)]

    async def _called(self, run: Run, depth: int, walk: _Walk) -> list[Run]:
        children = await self._executor.store.children(run.key)
        walk.more = walk.more or len(children) > _FAN
        own = ids.to_text("run", run.key)
        return [
            child
            for child in children[:_FAN]
            if walk.add(_run_link(child, "called", own, depth, child.parent_path or None))
        ]

    async def _told(self, run: Run, depth: int, walk: _Walk) -> list[Run]:
        found: list[Run] = []
        own = ids.to_text("run", run.key)
        loaded = await self._executor.store.load([run.key])
        told = emitted(loaded[0].journal) if loaded else []
        walk.more = walk.more or len(told) > _FAN
        for id_, path in told[:_FAN]:
            key = ids.from_text("evt", id_)
            event = None if key is None else await self._history.event(key)
            if event is None or not walk.add(_event_link(event, "emitted", own, depth, path)):
                continue
            started = await self._history.runs(RunFilter(event_key=event.key, limit=_FAN + 1))
            walk.more = walk.more or len(started) > _FAN
            found += [
                other
                for other in started[:_FAN]
                if other.parent_key is None and walk.add(_run_link(other, "started", id_, depth + 1, None))
            ]
        return found

    async def _forks(self, run: Run, depth: int, walk: _Walk) -> list[Run]:
        if run.event_key is None:
            return []
        there = await self._history.runs(RunFilter(event_key=run.event_key, flow=run.flow, limit=_FAN))
        own = ids.to_text("run", run.key)
        return [
            one for one in there if one.forked_from == run.key and walk.add(_run_link(one, "forked", own, depth, None))
        ]


class _Walk:
    """What was found in one direction."""

    def __init__(self) -> None:
        self.links: list[ChainLink] = []
        self.more = False
        self._seen: set[str] = set()

    def add(self, link: ChainLink) -> bool:
        """Whether it is new, and there is room."""
        if link.id in self._seen:
            return False
        if len(self.links) >= MOST:
            self.more = True
            return False
        self._seen.add(link.id)
        self.links.append(link)
        return True

    def deeper(self, depth: int) -> bool:
        """Whether it is gone on from there."""
        self.more = self.more or depth >= _DEEPEST
        return depth < _DEEPEST


def emitted(journal: list[Any]) -> list[tuple[str, str]]:
    """(id, path) of the events that the `emit` steps of a run have told."""
    found = []
    for path, entry in index(journal).items():
        value = entry.value
        if "#" not in path and isinstance(value, dict) and value.keys() == {"event_id"}:
            found.append((str(value["event_id"]), path))
    return found


def _run_link(run: Run, how: str, of: str, depth: int, path: str | None) -> ChainLink:
    row = views.run_row(run)
    return ChainLink(
        kind="run", how=how, of=of, depth=depth, id=row["id"], name=run.flow, status=run.status.value,
        at=row["created_at"], path=path,
    )  # fmt: skip


def _event_link(event: Event, how: str, of: str, depth: int, path: str | None = None) -> ChainLink:
    shown = views.event_whole(event)
    return ChainLink(
        kind="event", how=how, of=of, depth=depth, id=shown["id"], name=event.type, status=None, at=shown["time"],
        path=path,
    )  # fmt: skip
