"""Handing what a source gave to the door, with patience: whatever can be an event becomes one, the rest a dead letter,
and the call returns when all of it is committed. The source is acknowledged after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from reactor.model.errors import BusyError, InvalidError, TooLargeError
from reactor.model.event import JSON, EventDraft
from reactor.sdk.trigger import DeadLetter, Receipt, TriggerContext

_PAUSE, _LONGEST = 0.05, 2.0
"""Seconds between two tries while the queues are full."""
_encode = msgspec.json.Encoder().encode


async def deliver(
    ctx: TriggerContext, items: Sequence[EventDraft | DeadLetter], *, save: Mapping[str, JSON] | None = None
) -> list[Receipt]:
    """Returns when all of `items`, in their order, and `save` are committed together, with the receipts of those that
    became events. While the queues are full or the
    store cannot write it waits, and nothing more is taken from the source: that is the back-pressure.

    Raises:
        TriggerLost: too many dead letters lie there. StoreBrokenError: an operator must act.
    """
    pause = _PAUSE
    while True:
        drafts = [item for item in items if isinstance(item, EventDraft)]
        dead = [item for item in items if isinstance(item, DeadLetter)]
        try:
            return await ctx.emit(drafts, save=save, dead=dead)
        except BusyError:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST)
        except (InvalidError, TooLargeError):
            items = _sorted_out(ctx, items)


def _sorted_out(ctx: TriggerContext, items: Sequence[EventDraft | DeadLetter]) -> list[EventDraft | DeadLetter]:
    """The same with dead letters in place of the events that are refused whenever they come.

    Raises:
        InvalidError: none of them is: the door contradicts itself.
    """
    found = [_judged(ctx, item) if isinstance(item, EventDraft) else item for item in items]
    if all(a is b for a, b in zip(found, items, strict=True)):
        raise InvalidError("the door refused a batch of events of which it refuses none")
    return found


def _judged(ctx: TriggerContext, draft: EventDraft) -> EventDraft | DeadLetter:
    reason = ctx.refusal(draft)
    if reason is None:
        return draft
    raw = draft.raw if draft.raw is not None else _payload(draft)
    bare = msgspec.structs.replace(draft, data=None, raw=None)
    return DeadLetter(
        reason=reason, payload=raw, draft=bare, metadata=draft.metadata, subject=draft.subject, id=draft.id
    )


def _payload(draft: EventDraft) -> bytes:
    try:
        return _encode(draft.data)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return repr(draft.data)[:65_536].encode("utf-8", "replace")
