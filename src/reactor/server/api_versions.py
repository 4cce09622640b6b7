"""Versions of flows: what is different between two, and runs that change over to another."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reactor.engine.renames import Renames
from reactor.engine.versions import Wish
from reactor.language.diff import diff
from reactor.model.access import Role
from reactor.model.errors import InvalidError, NotFoundError
from reactor.model.flow import Flow
from reactor.server import shapes
from reactor.server.api_simulate import read_flow
from reactor.server.table import Call, get, key_of, post


class DiffQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which versions."""

    from_: int | None = msgspec.field(name="from", default=None)
    """None: the one before `to`."""
    to: int | None = None
    """None: the current one."""


class Migrate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which version, and how."""

    to: int | None = None
    """null: the current one."""
    map: dict[str, str] = {}
    """Old path → new path of steps, branches or cases that have another name there; `[]` for any iteration."""
    force: tuple[str, ...] = ()
    """Paths of steps that need not fit."""
    preview: bool = False
    """Only say what would be."""


@get("/api/v1/flows/{name}/diff", shapes.Diff, query=DiffQuery)
async def compare(call: Call) -> Any:
    """What is different between two versions of a flow, by meaning."""
    query: DiffQuery = call.query
    name = call.params["name"]
    numbers = [one.version for one in await call.engine.store.versions(name)]
    to = query.to if query.to is not None else _current(call, name, numbers)
    before = query.from_ if query.from_ is not None else max((n for n in numbers if n < to), default=None)
    if before is None:
        raise InvalidError(f"version {to} of flow {name!r} is its first; there is nothing to compare it with")
    old, new = await _version(call, name, before), await _version(call, name, to)
    return {"flow": name, "from": before, "to": to, "changes": [one.view() for one in diff(old, new)]}


@post("/api/v1/flows/{name}/diff", shapes.TextDiff, body=bytes, role=Role.VIEWER)
async def compare_text(call: Call) -> Any:
    """What the YAML text that is the body would change in a flow, by meaning. Nothing is changed."""
    current = call.engine.book.get(call.params["name"])
    wanted = read_flow(call, current.file)
    if wanted.name != current.name:
        raise InvalidError(f"the text is of a flow {wanted.name!r}, and not of {current.name!r}")
    changes = await asyncio.to_thread(diff, current, wanted)
    return {"flow": current.name, "from": current.version, "changes": [one.view() for one in changes]}


def _current(call: Call, name: str, numbers: list[int]) -> int:
    current = call.engine.book.current.get(name)
    if current is not None:
        return current.version
    if not numbers:
        raise NotFoundError(f"there is no flow {name!r}; `reactor flows list` shows those that are there")
    return max(numbers)


async def _version(call: Call, name: str, number: int) -> Flow:
    await call.engine.book.prefetch([(name, number)])
    flow = call.engine.book.version(name, number)
    if flow is None:
        raise NotFoundError(f"there is no version {number} of flow {name!r}, or it cannot be read any more")
    return flow


def _wish(body: Migrate) -> Wish:
    for old, new in body.map.items():
        if not old or not new:
            raise InvalidError(f"map: {old!r} to {new!r}: both are paths of steps")
    return Wish(to=body.to, renames=Renames(body.map), forced=body.force)


@post("/api/v1/runs/{id}/migrate", shapes.Migrated, body=Migrate, optional=True)
async def migrate_run(call: Call) -> Any:
    """Let a run that waits, is paused or queues change over to another version, if its past fits that."""
    body: Migrate = call.body
    key = key_of("run", call.params["id"])
    versions = call.engine.versions
    found = await (versions.plan(key, _wish(body)) if body.preview else versions.migrate(key, _wish(body)))
    return found.view()


@post("/api/v1/flows/{name}/migrate", shapes.AllMigrated, body=Migrate, optional=True, role=Role.OPERATOR)
async def migrate_flow(call: Call) -> Any:
    """The same for all such runs of a flow that have another version; those that do not fit stay, and say why."""
    body: Migrate = call.body
    found = await call.engine.versions.migrate_all(call.params["name"], _wish(body), preview=body.preview)
    return {"items": [one.view() for one in found]}


LINES = (compare, compare_text, migrate_run, migrate_flow)
