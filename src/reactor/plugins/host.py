"""One plugin as Reactor sees it: started when it is first needed, watched, and started again when it has died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from reactor.plugins.child import Child, Unstarted
from reactor.plugins.folder import PluginFolder
from reactor.plugins.limits import Limits
from reactor.sdk.plugin import protocol
from reactor.sdk.plugin.manifest import Manifest
from reactor.sdk.plugin.protocol import NotBuilt, message, message_class

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # we start programs while gRPC's threads run
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # a dead plugin is told by us, in one sentence
T = TypeVar("T")
_SHOWN = 300
"""Characters of what gRPC says."""
_LAST = 0.05
"""Seconds in which gRPC's thread hands over the ends of cancelled calls: it cannot be asked, and a loop that is closed
right away would leave them to the next one, which cannot do anything with them."""
_MOMENT = 1.0
"""Seconds in which a process that has closed its socket is seen to end."""


class Down(Exception):
    """The plugin does not run now: one sentence, and when (ms from now) it is tried again."""

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class Link:
    """A running plugin, and the calls to it."""

    def __init__(self, name: str, child: Child, limits: Limits) -> None:
        import grpc  # noqa: PLC0415 - heavy, and only where there are plugins

        self.name = name
        self.child = child
        self._limits = limits
        self._channel = grpc.aio.insecure_channel(f"unix:{child.socket}", options=protocol.OPTIONS)
        self._metadata = ((protocol.TOKEN_KEY, child.token),)
        self._calls = {call: self._multi(call, *kinds) for call, kinds in protocol.CALLS.items()}
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Set to the reason when it has ended, or has to."""

    def _multi(self, call: str, form: str, request: str, reply: str) -> Any:
        return getattr(self._channel, form)(
            f"/{protocol.SERVICE}/{call}",
            request_serializer=message_class(request).SerializeToString,
            response_deserializer=_reader(message_class(reply)),
        )

    def call(self, name: str, *request: Any, timeout: float | None = None) -> Any:
        """Begin a call of the protocol."""
        return self._calls[name](*request, metadata=self._metadata, timeout=timeout, wait_for_ready=False)

    async def living(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of this work, which is done as long as the plugin lives. A call on a channel that is being closed
        may never end by itself, or feel like a cancellation of ours.

        Raises:
            Down: the plugin has ended before.
        """
        task = asyncio.create_task(work)
        try:
            signs: set[asyncio.Future[Any]] = {task, self.over}
            await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=_MOMENT)  # what came before the end is taken
            if task.done() and not task.cancelled():
                return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        raise Down(await self._died("the call was cut off"))

    async def checked(self, call: Any) -> None:
        """Whether it is our plugin that answers; asked when a first answer is there.

        Raises:
            Down: somebody else does.
        """
        shown = dict(await call.initial_metadata() or ()).get(protocol.PROOF_KEY)
        if shown != self.child.proof:
            self.fail("who answers on its socket does not show the proof that it was given")
            raise Down(self.over.result())

    def fail(self, reason: str) -> None:
        """It has ended, or cannot be gone on with."""
        if not self.over.done():
            self.over.set_result(f"plugin {self.name}: {reason}")

    async def reason(self, error: BaseException) -> str:
        """Why a call broke off, in one sentence."""
        import grpc  # noqa: PLC0415

        if not isinstance(error, grpc.aio.AioRpcError):
            return await self._died(f"the call broke off: {error}")
        code, details = error.code(), (error.details() or "")[:_SHOWN]
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return await self._died("it has closed its connection")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            most = protocol.MOST_BYTES >> 20
            return f"plugin {self.name} sent a message of more than {most} MB, or refuses one ({details})"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"plugin {self.name} did not answer in time"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return f"plugin {self.name} does not offer this call ({details})"
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return f"plugin {self.name} refuses Reactor's token ({details})"
        return f"plugin {self.name} broke off the call: {code.name} {details}"

    async def _died(self, otherwise: str) -> str:
        """What is behind a lost connection: mostly the end of the process, which is about to be seen."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT):
                self.fail(f"it died{await self.child.ended()}")
        self.fail(otherwise)
        return self.over.result()

    async def ping(self) -> None:
        """Ask again and again whether it answers; returns when it does not."""
        import grpc  # noqa: PLC0415

        while True:
            await asyncio.sleep(self._limits.ping_every)
            try:
                await self.call("Ping", message("PingRequest"), timeout=self._limits.ping_within)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    self.fail(f"it hangs: no answer to a ping within {self._limits.ping_within:g} s, so it was ended")
                else:
                    self.fail(await self.reason(error))
                return

    async def close(self, grace: float) -> None:
        """End the process, then the channel: calls that are under way see the process go."""
        await self.child.end(grace)
        await self._channel.close()
        await asyncio.sleep(_LAST)


class Plugin:
    """One plugin, whether it runs or not. All its triggers and actions share one process."""

    def __init__(
        self,
        folder: PluginFolder,
        *,
        expected: Manifest | None = None,
        limits: Limits | None = None,
        chance: Callable[[], float] = lambda: 0.5,
        forget: Callable[[], object] = lambda: None,
    ) -> None:
        """`expected`: what it said of itself when it was taken in; `forget` is called when it says something else, so
        that it is asked at the next start. `chance`: 0–1, for the pauses.
        """
        self.folder = folder
        self.name = folder.name
        self.limits = limits or Limits()
        self.log = logging.getLogger(f"reactor.plugins.{folder.name}")
        self._expected = expected
        self._chance = chance
        self._forget = forget
        self._link: Link | None = None
        self._manifest: Manifest | None = None
        self._starting: asyncio.Task[Link] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._pause = self.limits.first_pause
        self._not_before = 0.0
        self._last = ""
        self._closed = False

    async def link(self) -> Link:
        """The running plugin; it is started if it is not there.

        Raises:
            Down: it cannot be, or has just died: it is not started again before its pause is over.
        """
        if self._link is not None and not self._link.over.done():
            return self._link
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._closed and (task := asyncio.current_task()) is not None and not task.cancelling():
                raise Down(f"plugin {self.name} is closed") from None
            raise

    async def describe(self) -> Manifest:
        """What it offers.

        Raises:
            Down: see `link`.
        """
        await self.link()
        assert self._manifest is not None  # noqa: S101 - every start sets it
        return self._manifest

    async def close(self) -> None:
        """End it; nothing is left behind. Safe to call twice."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._link is not None:
            self._link.fail("Reactor stops")
        if self._watching is not None:
            await self._watching

    async def _start(self) -> Link:
        if self._watching is not None:
            await asyncio.shield(self._watching)  # the one before is cleaned up
        loop = asyncio.get_running_loop()
        if self._closed:
            raise Down(f"plugin {self.name} is closed")
        if (left := self._not_before - loop.time()) > 0:
            raise Down(self._last, round(left * 1000))
        try:
            link = await self._up()
        except (Unstarted, NotBuilt) as error:
            raise self._down(f"plugin {self.name}: {error}") from None
        self._link = link
        self._watching = asyncio.create_task(self._watch(link, loop.time()))
        self.log.info("started, process %d", link.child.pid)
        return link

    async def _up(self) -> Link:
        message_class("Manifest")  # before anything is started
        child = Child(self.folder, self.limits, self.log)
        await child.start()
        link = Link(self.name, child, self.limits)
        try:
            self._manifest = await self._described(link)
        except BaseException:
            await asyncio.shield(link.close(0))
            raise
        return link

    async def _described(self, link: Link) -> Manifest:
        import grpc  # noqa: PLC0415

        call = link.call("Describe", message("DescribeRequest"), timeout=self.limits.call)
        try:
            wire = await call
            await link.checked(call)
            if wire is None:
                raise ValueError("it is no message of the protocol")
            manifest = protocol.manifest_from_wire(wire)
        except grpc.aio.AioRpcError as error:
            raise Unstarted(f"it was asked what it offers: {await _brief(link, error)}") from None
        except Down as error:
            raise Unstarted(error.reason.removeprefix(f"plugin {self.name}: ")) from None
        except ValueError as error:
            raise Unstarted(f"its manifest cannot be: {error}") from None
        declared = self.folder.declared
        if (manifest.name, manifest.version) != (declared.name, declared.version):
            raise Unstarted(
                f"it says that it is {manifest.name!r} {manifest.version!r}, and its reactor-plugin.toml says "
                f"{declared.name!r} {declared.version!r}; make them the same"
            )
        if self._expected is not None and manifest != self._expected:
            self._forget()
            raise Unstarted("what it offers has changed since Reactor was started; restart Reactor to take it in")
        return manifest

    async def _watch(self, link: Link, since: float) -> None:
        """Until this process is gone and cleaned up."""
        ending = asyncio.create_task(link.child.ended())
        pinging = asyncio.create_task(link.ping())
        signs: set[asyncio.Future[Any]] = {ending, pinging, link.over}
        try:
            await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                link.fail(f"it died{ending.result()}")
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            await link.close(self.limits.grace if self._closed else 0)
            await asyncio.gather(ending, return_exceptions=True)
        if not self._closed:
            if asyncio.get_running_loop().time() - since > self.limits.steady:
                self._pause = self.limits.first_pause
            self._down(link.over.result())

    def _down(self, reason: str) -> Down:
        """Note that it does not run, and when it is tried again."""
        pause = self._pause * (0.75 + self._chance() / 2)
        self._pause = min(self._pause * 2, self.limits.longest_pause)
        self._not_before = asyncio.get_running_loop().time() + pause
        self._last = reason
        self.log.error("%s; it is started again when it is needed, in %.1f s at the earliest", reason, pause)
        return Down(reason, round(pause * 1000))


def _reader(kind: Any) -> Callable[[bytes], Any]:
    """Messages of this kind out of bytes; None where they are none (gRPC's own way is to log a traceback)."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - an extra

    def read(wire: bytes) -> Any:
        try:
            return kind.FromString(wire)
        except DecodeError:
            return None

    return read


async def _brief(link: Link, error: BaseException) -> str:
    """The reason without the plugin's name in front."""
    reason = await link.reason(error)
    return reason.removeprefix(f"plugin {link.name}: ").removeprefix(f"plugin {link.name} ")
