"""The test of a connection: GET its `base_url`, as a step would."""

from __future__ import annotations

import msgspec

from reactor.connectors.http.address import parse
from reactor.connectors.http.connection import HttpSettings
from reactor.connectors.http.exchange import perform
from reactor.connectors.http.request import Params
from reactor.model.clock import SystemClock
from reactor.sdk import ActionContext, ConnectionContext, PermanentError, TransientError

_WITHIN = 8_000
"""Milliseconds."""
_STRANGERS = frozenset({401, 403, 407})


async def ask(ctx: ConnectionContext, settings: HttpSettings) -> str:
    """What answers there. An address without a page of its own (404, 405) is as good as any.

    Raises:
        StepError: nothing answers, it fails, or it does not know us.
    """
    step = ActionContext(
        run_id="",
        flow="",
        step=f"test of {ctx.name}",
        attempt=1,
        idempotency_key="",
        log=ctx.log,
        clock=SystemClock(),
        settings=ctx.settings,
        connections={ctx.name: {"type": "http", **msgspec.to_builtins(settings)}},
    )
    output = await perform(step, Params(url="", connection=ctx.name, success="100-599", timeout=_WITHIN / 1000))
    status, place = output["status_code"], parse(settings.base_url, {}).authority
    if status in _STRANGERS:
        raise PermanentError(f"http.{status}", f"{place} answers {status}: it does not let us in; check `auth`")
    if status >= 500:
        raise TransientError(f"http.{status}", f"{place} answers {status}: it is there, and fails")
    return f"HTTP, {place} answers {status}"
