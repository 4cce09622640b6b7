"""A race between work and a durable timer. That the timer has won is an entry, because unwinding takes time of its
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.journal import Entry
from reactor.model.states import StepStatus
from reactor.runtime.durable import Durable
from reactor.runtime.signals import Failure

OVER = "over"
"""Status of `PATH#timeout` once the time is up."""


async def limited(
    durable: Durable, work: Coroutine[Any, Any, Any], path: str, until: Instant, what: str, *, over: bool
) -> Any:
    """The result of the work, unless it takes longer: then it is cancelled and waited for, its `finally` steps
    included.

    `over`: the journal says that the time was up before a crash. Work that was unwinding then goes on unwinding and
    is not cancelled a second time among its `finally` steps.

    Raises:
        Failure: kind `timeout`, or what the work fails with.
    """
    task = asyncio.ensure_future(work)
    error = ErrorInfo("timeout", f"{what} took longer than its timeout", path or None)
    if over and _unwinding(durable, path):
        await settle(task)
        if durable.evicting:
            raise asyncio.CancelledError
        raise Failure(error)
    timer = asyncio.ensure_future(durable.sleep(path + "#timeout", until))
    try:
        await asyncio.wait([task, timer], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        timer.result()
        durable.record(Entry(path + "#timeout", durable.now(), OVER, until))
        await stop(task)
        raise Failure(error)
    finally:
        await stop(task)
        await stop(timer)


def _unwinding(durable: Durable, path: str) -> bool:
    """Whether something below was cancelled after the time was up (a join cancels its losers at any time)."""
    below = (path + ".", path + "[") if path else ""
    known = durable.known()
    up = max((n for n, e in enumerate(known) if e.key == path + "#timeout" and e.status == OVER), default=len(known))
    return any(e.status == StepStatus.CANCELLED and e.key and e.key.startswith(below) for e in known[up:])


def is_unwinding(durable: Durable, path: str) -> bool:
    """Whether something below a loser was being cancelled when the process died."""
    below = (path + ".", path + "[")
    return any(e.status == StepStatus.CANCELLED and e.key.startswith(below) for e in durable.known())


async def settle(work: Awaitable[Any]) -> None:
    """Wait for the end, whatever it is; take the work along when we are cancelled ourselves."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    finally:
        await stop(task)


async def stop_all(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel all of them at once, and wait until they have unwound; their ends are of no interest any more."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    try:
        if pending:
            await asyncio.wait(pending)
    finally:
        # Cancelled ourselves meanwhile: they must not outlive us.
        for task in tasks:
            await stop(task)


async def first(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until one of them is done.

    Raises:
        asyncio.CancelledError: one was cancelled from inside: somebody cancels the run.
        BaseException: what one of them has raised.
    """
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()


async def stop(task: asyncio.Future[Any]) -> None:
    """Cancel and wait until it has unwound; its own end is of no interest any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
