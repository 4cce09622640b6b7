"""Secrets: their names and where they are used. Values go in and never come out."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reactor.engine.vault import SecretInfo, Vault
from reactor.model.access import Role
from reactor.model.clock import to_iso
from reactor.model.errors import InvalidError, NotFoundError, PermanentError
from reactor.server import shapes
from reactor.server.problems import Problem
from reactor.server.table import Call, Page, delete, get, page, put
from reactor.server.trigger_shapes import Shape


class SecretValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of a secret."""

    value: str


class SecretShape(Shape):
    """What may be shown of a secret."""

    name: str
    version: int | None
    """Rises by one with each change; null: it is used, and not set."""
    updated_at: str | None
    flows: list[str]
    """Flows that name it."""
    connections: list[str]
    """Saved connections that name it."""


@get("/api/v1/secrets", shapes.Listed[SecretShape], query=Page, role=Role.OPERATOR)
async def secrets(call: Call) -> Any:
    """The names of all secrets that are set, and of those that flows or connections want; never a value."""
    query: Page = call.query
    rows = await _rows(call)
    names = [name for name in sorted(rows) if query.cursor is None or name > query.cursor]
    return page(names[: query.limit + 1], query.limit, str, lambda name: rows[name])


@put("/api/v1/secrets/{name}", SecretShape, body=SecretValue, role=Role.OPERATOR)
async def save(call: Call) -> Any:
    """Keep a secret, or another value in its place. What uses it has the new value from its next step or start on."""
    name, body = call.params["name"], call.body
    await _changed(_vault(call).set, name, body.value)
    return (await _rows(call))[name]


@delete("/api/v1/secrets/{name}", SecretShape, role=Role.OPERATOR)
async def forget(call: Call) -> Any:
    """Forget a secret; the answer is what was known of it, and who will miss it."""
    name = call.params["name"]
    row = (await _rows(call)).get(name)
    if row is None or row["version"] is None:
        raise NotFoundError(f"there is no secret {name[:80]!r}")
    await _changed(_vault(call).delete, name)
    return row


async def _changed(work: Any, *given: str) -> None:
    try:
        await asyncio.to_thread(work, *given)
    except PermanentError as error:
        raise Problem(409, error.message) from None
    except UnicodeEncodeError:
        raise InvalidError("the value holds half a character, which no text can") from None
    except OSError as error:
        raise Problem(503, f"the file of secrets cannot be written: {error.strerror or error}") from None


def _vault(call: Call) -> Vault:
    vault: Vault | None = call.doors.vault
    if vault is None:
        raise Problem(503, "there are no secrets here")
    return vault


async def _rows(call: Call) -> dict[str, dict[str, Any]]:
    vault = _vault(call)
    try:
        there = {info.name: info for info in await asyncio.to_thread(vault.list)}
    except PermanentError as error:
        raise Problem(409, error.message) from None
    used = call.engine.usage.secrets()
    return {name: _row(name, there.get(name), *used.get(name, ([], []))) for name in there.keys() | used.keys()}


def _row(name: str, info: SecretInfo | None, flows: list[str], connections: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "version": None if info is None else info.version,
        "updated_at": None if info is None else to_iso(info.updated_at),
        "flows": flows,
        "connections": connections,
    }


LINES = (secrets, save, forget)
"""The API's lines of secrets."""
