"""A session in a thread of its own, asked from the event loop. Cancelled at any moment it leaves at once: its socket is
shut down, so that nothing the thread waits for can take any longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from reactor.connectors.email import imap
from reactor.connectors.email.connections import ImapSettings
from reactor.sdk import ConnectionContext, PermanentError
from reactor.sdk.tls import context

P = ParamSpec("P")
T = TypeVar("T")
CONNECT = 8.0
"""Seconds until a connection has to be there."""


class Mailbox:
    """One session. Ask one thing after the other."""

    def __init__(self, where: imap.Address, plug: socket.socket) -> None:
        self.where = where
        self._plug = plug
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reactor-imap")

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something of the session in its thread.

        Raises:
            StepError: the server does not do it, or is gone.
        """
        future = asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.cut()
            await asyncio.wait({future})
            if not future.cancelled():
                future.exception()  # whatever came of it, nobody waits for it any more
            raise
        except (imap.RefusedError, *imap.TROUBLES) as error:
            raise imap.failure(error, self.where) from error

    def cut(self) -> None:
        """Whatever the thread waits for ends now."""
        with contextlib.suppress(OSError):
            self._plug.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """After the last call: the thread has nothing to do, so it ends at once."""
        self.cut()
        self._plug.close()
        self._thread.shutdown()


@contextlib.asynccontextmanager
async def opened(
    name: str, settings: ImapSettings, operator: Mapping[str, Any]
) -> AsyncIterator[tuple[Mailbox, imap.Session]]:
    """A session that is logged in, and how to ask it. `operator`: settings, as a context has them.

    Raises:
        StepError: it cannot be reached or does not let us in; one sentence with what to do.
    """
    where = imap.address(name, settings)
    tls = await asyncio.to_thread(context, settings.tls, operator)
    try:
        line = await _connected(where)
    except OSError as error:  # TimeoutError is one
        raise imap.failure(error, where) from error
    # A second handle of the same connection: shut down, it reaches the first whatever TLS has made of that meanwhile.
    mailbox = Mailbox(where, line.dup())
    made: list[imap.Session] = []

    def begin() -> None:
        made.append(imap.Session(line, where, tls, starttls=settings.starttls))

    try:
        await mailbox.call(begin)
        yield mailbox, made[0]
    finally:
        for session in made:
            session.close()
        line.close()
        mailbox.close()


async def _connected(where: imap.Address) -> socket.socket:
    loop = asyncio.get_running_loop()
    trouble: OSError = OSError("it has no address")
    async with asyncio.timeout(min(CONNECT, where.timeout)):
        for family, kind, protocol, _, address in await loop.getaddrinfo(
            where.host, where.port, type=socket.SOCK_STREAM
        ):
            line = socket.socket(family, kind, protocol)
            try:
                line.setblocking(False)
                await loop.sock_connect(line, address)
            except OSError as error:
                line.close()
                trouble = error
            except BaseException:
                line.close()
                raise
            else:
                line.settimeout(where.timeout)
                return line
    raise trouble


async def test(ctx: ConnectionContext, settings: ImapSettings) -> str:
    """See `ConnectionType.test`: log in and count the folders."""
    async with asyncio.timeout(10), opened(ctx.name, settings, ctx.settings) as (mailbox, session):
        folders = await mailbox.call(session.list_folders)
    if not folders:
        raise PermanentError("email.refused", f"{mailbox.where.place}: {mailbox.where.user!r} may see no folder")
    return f"IMAP, {len(folders)} folders for {mailbox.where.user}"
