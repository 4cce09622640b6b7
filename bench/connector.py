"""Actions that only the bench needs. Copied beside a dist-info, so the server finds them as it finds any plugin."""

from __future__ import annotations

import asyncio
import os

import msgspec

from reactor.sdk import ActionContext, Connector, Effect, action

_TRACE = os.environ.get("BENCH_TRACE")


class Params(msgspec.Struct, forbid_unknown_fields=True):
    """One value, handed back."""

    value: int | str | float | None = None


class Slow(msgspec.Struct, forbid_unknown_fields=True):
    """How long it takes."""

    seconds: float = 60.0


@action("bench.pure", params=Params, effect=Effect.PURE)
def pure(_: ActionContext, params: Params) -> dict[str, object]:
    """Give the value back."""
    return {"value": params.value}


@action("bench.write", params=Params, effect=Effect.WRITE)
async def write(_: ActionContext, params: Params) -> dict[str, object]:
    """Declared as a change of the world, so everything before it must be on disk; returns at once."""
    return {"value": params.value}


@action("bench.slow", params=Slow, effect=Effect.WRITE)
async def slow(ctx: ActionContext, params: Slow) -> dict[str, object]:
    """Note in a file that the attempt has begun, then take long."""
    if _TRACE:
        handle = os.open(_TRACE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, f"{ctx.run_id}\n".encode())
        os.close(handle)
    await asyncio.sleep(params.seconds)
    return {}


connector = Connector(name="bench", doc="Actions of the bench.", actions=(pure, write, slow))
