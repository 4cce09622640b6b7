"""The actions `redis.publish`, `redis.add`, `redis.get` and `redis.set`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from reactor.connectors.redis.connection import REDIS, Opening, client
from reactor.model import durations
from reactor.sdk import JSON, ActionContext, Effect, PermanentError, Retry, StepError, action
from reactor.sdk.content import MalformedError
from reactor.sdk.payload import Format, decode, encode

_AGAIN = Retry(max=4, delay=1_000, max_delay=30_000)
_REMEMBERED = 86_400_000
"""Milliseconds that a command is known after it was done once."""
_ONCE = """
local seen = redis.call('GET', KEYS[1])
if seen then return seen end
local made = redis.call(unpack(ARGV, 2))
if type(made) == 'table' then made = made.ok end
made = made and ('+' .. made) or '-'
redis.call('SET', KEYS[1], made, 'PX', ARGV[1])
return made
"""
"""Does a command once for a key: another try gets the first one's answer, `+` and a text, or `-` for none."""


class _OnConnection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    connection: str | None = None
    """Name of a connection of type `redis`."""


class PublishParams(_OnConnection, kw_only=True):
    """A message to a channel."""

    channel: str
    message: JSON
    """A text goes out as it is, everything else as JSON."""


class AddParams(_OnConnection, kw_only=True):
    """An entry of a stream."""

    stream: str
    fields: dict[str, JSON] | None = None
    """The fields of the entry; texts as they are, everything else as JSON."""
    data: JSON | msgspec.UnsetType = msgspec.UNSET
    """In place of `fields`: one field `data` with this as JSON (`redis: {stream, field: data}` reads it)."""
    id: str = "*"
    """The entry's id; by default Redis makes one of the time."""
    maxlen: int | None = None
    """About so many entries are kept: older ones are trimmed."""
    once: bool = True
    """Another attempt of the step, also after a crash, adds nothing again: a key `reactor:once:…` remembers it for a
    day. That needs leave to run scripts (EVAL)."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if (self.fields is None) == (self.data is msgspec.UNSET):
            raise ValueError("give either `fields` (a map) or `data`")
        if self.fields is not None and not self.fields:
            raise ValueError("fields: an entry has at least one field")
        if self.maxlen is not None and self.maxlen < 1:
            raise ValueError("maxlen: is 1 or more")


class GetParams(_OnConnection, kw_only=True):
    """A key."""

    key: str
    format: Format = "auto"
    """How the value is read: `auto` takes JSON for JSON and the rest for text."""


class SetParams(_OnConnection, kw_only=True):
    """A key and its value."""

    key: str
    value: JSON
    """A text is kept as it is, everything else as JSON."""
    ttl: str | int | float | None = None
    """The key is gone after so long; without it, it stays."""
    only_if: Literal["absent", "present"] | None = None
    """Set it only when the key is not there, or only when it is."""
    previous: bool = False
    """Whether the output has `previous`: the value before, or null."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if self.ttl is not None and not durations.parse(self.ttl):
            raise ValueError("ttl: is more than nothing")


@action("redis.publish", params=PublishParams, effect=Effect.WRITE, retry=_AGAIN, timeout=30_000)
async def publish(ctx: ActionContext, params: PublishParams) -> dict[str, Any]:
    """Publish a message to a channel. Output: `receivers`, how many listened there.

    An attempt that is made again publishes again. Kinds of failure: `redis.connection`, `redis.login`, `redis.denied`,
    `redis.loading`, `redis.readonly`, `redis.memory`, `redis.refused`.
    """
    receivers = await _call(ctx, params, "PUBLISH", params.channel, encode(params.message))
    return {"receivers": receivers}


@action("redis.add", params=AddParams, effect=Effect.WRITE, retry=_AGAIN, timeout=30_000)
async def add(ctx: ActionContext, params: AddParams) -> dict[str, Any]:
    """Add an entry to a stream, once however often the step is tried. Output: `id`.

    Kinds of failure: as `redis.publish`, and `redis.type` when the key is no stream.
    """
    fields = {name: encode(value) for name, value in (params.fields or {}).items()} or {"data": _json(params.data)}
    trim = () if params.maxlen is None else ("MAXLEN", "~", params.maxlen)
    flat = [part for name, value in fields.items() for part in (name, value)]
    command = ("XADD", params.stream, *trim, params.id, *flat)
    made = await (_once(ctx, params, *command) if params.once else _call(ctx, params, *command))
    return {"id": (made or b"").decode()}


@action("redis.get", params=GetParams, effect=Effect.READ, retry=_AGAIN, timeout=30_000)
async def get(ctx: ActionContext, params: GetParams) -> dict[str, Any]:
    """Read a key. Output: `value` (null where there is none) and `found`.

    Kinds of failure: as `redis.publish`, `redis.type` when it holds no text, and `input` when `format` does not fit.
    """
    value = await _call(ctx, params, "GET", params.key)
    return {"value": _read(params.key, value, params.format), "found": value is not None}


@action("redis.set", params=SetParams, effect=Effect.WRITE, retry=_AGAIN, timeout=30_000)
async def set_(ctx: ActionContext, params: SetParams) -> dict[str, Any]:
    """Set a key. Output: `set` (false where `only_if` did not hold), and `previous` where it was asked for.

    With `only_if` another attempt of the step gets the first one's answer, so that a lock that was taken stays taken.
    """
    life = () if params.ttl is None else ("PX", durations.parse(params.ttl))
    only = {None: (), "absent": ("NX",), "present": ("XX",)}[params.only_if]
    told = ("GET",) if params.previous else ()
    command = ("SET", params.key, encode(params.value), *life, *only, *told)
    made = await (_call(ctx, params, *command) if params.only_if is None else _once(ctx, params, *command))
    if not params.previous:
        return {"set": made is not None}
    done = params.only_if is None or (made is None) == (params.only_if == "absent")
    return {"set": done, "previous": _read(params.key, made, "auto")}


async def _call(ctx: ActionContext, params: _OnConnection, *command: Any) -> Any:
    settings = ctx.connection(params.connection, REDIS).settings
    async with client(Opening.of(settings, ctx.settings)) as redis:
        # Not the client's own methods: they reshape answers.
        connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_command(*command)
            return await connection.read_response()
        finally:
            await redis.connection_pool.release(connection)


async def _once(ctx: ActionContext, params: _OnConnection, *command: Any) -> bytes | None:
    """A command that is done once for all attempts of the step."""
    # The braces keep the key beside the other one, should there be a cluster.
    marker = f"reactor:once:{{{command[1]}}}:{ctx.idempotency_key}"
    try:
        answer: bytes = await _call(ctx, params, "EVAL", _ONCE, 2, marker, command[1], _REMEMBERED, *command)
    except StepError as error:
        if error.kind == "redis.denied" and isinstance(params, AddParams):
            raise PermanentError(error.kind, f"{error.message} (or say `once: false`)") from error
        raise
    return None if answer == b"-" else answer[1:]


def _json(value: JSON) -> bytes:
    return msgspec.json.encode(value)


def _read(key: str, value: bytes | None, form: Format) -> JSON:
    if value is None:
        return None
    try:
        return decode(value, form=form).data
    except MalformedError as error:
        raise PermanentError("input", f"key {key!r}: {error.message}") from None
