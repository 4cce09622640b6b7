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
from reactor.runtime.durable import Durable, Record
from reactor.runtime.signals import Broke, Failure, Returned

OVER = "over"
"""Status of `PATH#timeout` once the time is up."""


async def limited(durable: Durable, work: Coroutine[Any, Any, Any], path: str, until: Instant, what: str) -> Any:
    """The result of the work, unless it takes longer: then it is cancelled and waited for, its `finally` steps
    included.

    Raises:
        Failure: kind `timeout`, or what the work fails with.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(durable.sleep(path + "#timeout", until))
    try:
        await asyncio.wait([task, timer], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        timer.result()
        durable.record(Entry(path + "#timeout", durable.now(), OVER, until))
        await stop(task)
        raise Failure(_over(path, what))
    finally:
        await stop(task)
        await stop(timer)


async def unwound(durable: Durable, work: Coroutine[Any, Any, Any], path: str, what: str) -> Any:
    """As `limited`, where the journal says that the time was up before a crash: the work, in a dead frame, unwinds.

    Raises:
        Failure: kind `timeout`.
    """
    await settle(work)
    if durable.evicting:
        raise asyncio.CancelledError
    raise Failure(_over(path, what))


def _over(path: str, what: str) -> ErrorInfo:
    return ErrorInfo("timeout", f"{what} took longer than its timeout", path or None)


def begun(durable: Durable, head: str) -> set[str]:
    """Branches (`PATH.branches.`) or iterations (`PATH[`) that the journal knew any step of, each by its whole path."""
    known = (e.key for e in durable.known() if e.key.startswith(head) and durable.recall(e.key) is not None)
    return {key[:end] for key in known if (end := key.find(".", len(head))) >= 0}


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


async def undisturbed(durable: Record, work: Coroutine[Any, Any, None]) -> bool:
    """Do this work to its end; whether we were cancelled meanwhile, which is then for the caller to raise, and counts
    more than how the work ends.

    Raises:
        asyncio.CancelledError: the run leaves memory.
    """
    task, late = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            if durable.evicting:
                await stop(task)
                raise
            late = True
    if not late or not isinstance(task.exception(), (Failure, Returned, Broke)):
        task.result()
    return late


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
