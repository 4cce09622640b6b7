"""Handing over while something has to be done at Redis, however long the door is busy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from reactor.sdk import JSON, DeadLetter, EventDraft, TriggerContext
from reactor.sdk.delivery import deliver

BEAT = 2.0
"""Seconds between two signs of life."""


async def hand_over(
    ctx: TriggerContext,
    items: Sequence[EventDraft | DeadLetter],
    save: Mapping[str, JSON] | None,
    *,
    meanwhile: Callable[[], Awaitable[object]],
) -> None:
    """`deliver`, and `meanwhile` every two seconds until that is done.

    Raises:
        StepError: `meanwhile` failed. Nothing more is waited for: whether the commit came in time is known from what
        is saved when the trigger begins anew.
    """
    handing = asyncio.ensure_future(deliver(ctx, items, save=save))
    try:
        while not (await asyncio.wait({handing}, timeout=BEAT))[0]:
            await meanwhile()
    finally:
        if not handing.done():
            handing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await handing
    handing.result()
