"""A plugin's actions, triggers and connections as they stand in the catalog: like built-in ones."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec

from reactor.language.keys import TRIGGER_KEYS
from reactor.model import failpoints
from reactor.model.errors import ConflictError, PermanentError, StepError, TransientError
from reactor.model.event import EventDraft
from reactor.model.flow import Retry
from reactor.plugins.folder import Refused
from reactor.plugins.host import Down, Link, Plugin
from reactor.plugins.noise import Noise
from reactor.sdk.action import Action, ActionContext, Effect
from reactor.sdk.connection import Connection, ConnectionContext, ConnectionType
from reactor.sdk.delivery import deliver
from reactor.sdk.manifest import Connector
from reactor.sdk.plugin import protocol, wire
from reactor.sdk.plugin.manifest import ActionSpec, ConnectionSpec, FieldSpec, Manifest, TriggerSpec
from reactor.sdk.plugin.protocol import message
from reactor.sdk.plugin.shapes import Indescribable, struct_of
from reactor.sdk.trigger import DeadLetter, Trigger, TriggerContext, TriggerLost

_WORD = r"[a-z][a-z0-9_]{0,63}"
_KIND = re.compile(_WORD)
_ACTION = re.compile(rf"{_WORD}(\.{_WORD})+")
_CONNECTION = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SETTINGS = ("http_allow", "file_roots", "http_timeout", "http_max_body", "output_max")
"""What plugins are told of the operator's settings."""
_LEVELS = (logging.INFO, logging.DEBUG, logging.WARNING, logging.ERROR)
_LONGEST = 2_000
"""Characters of a sentence."""
_MODULE = "reactor.plugins.made"


class PluginConnector(Connector, frozen=True, kw_only=True):
    """A connector that stands for a process of its own."""


def connector_of(plugin: Plugin, manifest: Manifest) -> PluginConnector:
    """The connector that stands for a plugin.

    Raises:
        Refused: its manifest holds what cannot be.
    """
    try:
        connections = tuple(_connection(plugin, spec) for spec in manifest.connections)
        return PluginConnector(
            name=manifest.name,
            doc=manifest.doc,
            actions=tuple(_action(plugin, spec, connections) for spec in manifest.actions),
            triggers=tuple(cast("Trigger", RemoteTrigger(plugin, spec, connections)) for spec in manifest.triggers),
            connections=connections,
            close=plugin.close,
            types=manifest.types,
        )
    except Indescribable as error:
        raise Refused(f"plugin {plugin.name}: {error}") from None


def _struct(plugin: Plugin, name: str, fields: tuple[FieldSpec, ...]) -> type[msgspec.Struct]:
    return struct_of("_".join(re.split(r"[^A-Za-z0-9]+", f"{plugin.name} {name}")), fields, _MODULE)


def _named(pattern: re.Pattern[str], name: str, what: str) -> str:
    if not pattern.fullmatch(name):
        raise Indescribable(f"{what} cannot be called {name[:80]!r}; it has to be of a-z 0-9 _, as in weather.report")
    return name


# ---------------------------------------------------------------- connections


def _connection(plugin: Plugin, spec: ConnectionSpec) -> ConnectionType:
    async def test(ctx: ConnectionContext, settings: Any) -> str:
        request = message(
            "TestConnectionRequest",
            name=ctx.name,
            type=spec.name,
            connection_json=wire.encode(settings),
            settings_json=_settings(plugin, ctx.settings),
        )
        link = await _up(plugin)
        try:
            reply = await _told(link, link.call("TestConnection", request, timeout=plugin.limits.call))
        except _broken() as error:
            raise TransientError("plugin.unavailable", await link.reason(error)) from None
        except Down as error:
            raise TransientError("plugin.unavailable", error.reason) from None
        except wire.Malformed as error:
            raise PermanentError("plugin.protocol", f"plugin {plugin.name} sent what cannot be: {error}") from None
        if reply.HasField("error"):
            raise _failure(plugin, reply.error)
        return str(reply.found)[:_LONGEST]

    return ConnectionType(
        name=_named(_CONNECTION, spec.name, "a connection"),
        settings=_struct(plugin, f"{spec.name} settings", spec.settings),
        test=test if spec.testable else None,
        secret=spec.secret,
        doc=spec.doc,
    )


def _chosen(
    choose: Callable[[str | None], Connection], given: Any, connections: tuple[ConnectionType, ...]
) -> Any | None:
    """The connection that goes along with a call, or why there is none: the plugin may not need it."""
    if not connections:
        return None
    name = getattr(given, "connection", None)
    try:
        found = choose(name if isinstance(name, str) else None)
    except (StepError, TriggerLost) as error:
        return message("Connection", problem=str(error))
    return message("Connection", name=found.name, type=found.type, settings_json=wire.encode(found.settings))


def _settings(plugin: Plugin, settings: Mapping[str, Any]) -> bytes:
    found = wire.plain_settings(settings, _SETTINGS)
    if "data_dir" in settings:
        own = Path(settings["data_dir"]) / "plugins" / plugin.name
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
        found["data_dir"] = str(own)
    return wire.encode(found)


# ---------------------------------------------------------------- actions


def _action(plugin: Plugin, spec: ActionSpec, connections: tuple[ConnectionType, ...]) -> Action:
    async def handler(ctx: ActionContext, params: Any) -> Any:
        request = message(
            "ActRequest",
            action=spec.name,
            params_json=wire.encode(params),
            run_id=ctx.run_id,
            flow=ctx.flow,
            step=ctx.step,
            attempt=ctx.attempt,
            idempotency_key=ctx.idempotency_key,
            settings_json=_settings(plugin, ctx.settings),
            secrets=[secret for secret in ctx.secrets if secret],
            connection=_chosen(lambda name: ctx.connection(name, *connections), params, connections),
        )
        if request.ByteSize() > protocol.MOST_BYTES:
            raise PermanentError("input", f"{spec.name}: the parameters are more than {protocol.MOST_BYTES >> 20} MB")
        return await _attempt(plugin, request, ctx)

    retry = spec.retry
    return Action(
        name=_named(_ACTION, spec.name, "an action"),
        handler=handler,
        params=_struct(plugin, f"{spec.name} params", spec.params),
        effect=Effect.READ if spec.effect == "READ" else Effect.WRITE,
        doc=spec.doc,
        retry=None if retry is None else _retry(retry.max, retry.delay, retry.max_delay),
        timeout=spec.timeout,
        open_params=spec.open_params or None,
        literal=spec.literal,
        stream=spec.stream,
    )


def _retry(most: int, delay: int, max_delay: int | None) -> Retry:
    usual = Retry()
    return Retry(
        max=max(1, most), delay=max(0, delay), max_delay=usual.max_delay if max_delay is None else max(0, max_delay)
    )


async def _up(plugin: Plugin) -> Link:
    try:
        return await plugin.link()
    except Down as error:
        raise TransientError("plugin.unavailable", error.reason, retry_after=error.retry_after) from None


def _broken() -> tuple[type[BaseException], ...]:
    """What a call raises that breaks off by itself."""
    import grpc  # noqa: PLC0415 - only where there are plugins

    return (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError)


async def _attempt(plugin: Plugin, request: Any, ctx: ActionContext) -> Any:
    link = await _up(plugin)
    call = link.call("Act", request)
    noise = Noise(ctx.log)
    try:
        answer = _answer(link, call, lambda log: noise.say(ctx.mask(log.message), _LEVELS[log.level]))
        return await link.living(answer)
    except _broken() as error:
        raise _act_failed(await link.reason(error), error) from None
    except wire.Malformed as error:
        raise PermanentError("plugin.protocol", f"plugin {plugin.name} sent what cannot be: {error}") from None
    except Down as error:
        raise TransientError("plugin.unavailable", error.reason) from None
    finally:
        call.cancel()


def _act_failed(reason: str, error: BaseException) -> StepError:
    """Worth another try when the plugin has gone; when it answers wrongly, it will again."""
    import grpc  # noqa: PLC0415

    code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
    gone = (None, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
    return TransientError("plugin.unavailable", reason) if code in gone else PermanentError("plugin.protocol", reason)


async def _told(link: Link, call: Any) -> Any:
    """The one reply of a call."""
    reply = await call
    await link.checked(call)
    _readable(reply)
    return reply


def _readable(reply: Any) -> None:
    """Whether a message could be read.

    Raises:
        Malformed: it could not.
    """
    if reply is None:
        raise wire.Malformed("what is no message of the protocol")


async def _answer(link: Link, call: Any, log: Callable[[Any], object]) -> Any:
    import grpc  # noqa: PLC0415

    checked = False
    while True:
        reply = await call.read()
        if reply is grpc.aio.EOF:
            code = await call.code()
            if code is not grpc.StatusCode.OK:
                raise grpc.aio.AioRpcError(code, (), (), await call.details())
            raise wire.Malformed("it ended the call with neither output nor error")
        _readable(reply)
        if not checked:
            await link.checked(call)
            checked = True
        match reply.WhichOneof("message"):
            case "log":
                log(reply.log)
            case "output":
                return wire.decoded(reply.output.json, "the output")
            case "error":
                raise _failure(None, reply.error)
            case _:
                raise wire.Malformed("a message with nothing in it")


def _failure(_: Plugin | None, error: Any) -> StepError:
    try:
        made = wire.error_from_wire(error)
    except wire.Malformed as wrong:
        return PermanentError("plugin.protocol", str(wrong))
    made.kind, made.message = made.kind[:100], made.message[:_LONGEST]
    return made


# ---------------------------------------------------------------- triggers


class RemoteTrigger:
    """`Trigger` of a plugin."""

    passive: ClassVar[bool] = False

    def __init__(self, plugin: Plugin, spec: TriggerSpec, connections: tuple[ConnectionType, ...]) -> None:
        self._plugin = plugin
        self._connections = connections
        self.kind = _named(_KIND, spec.kind, "a trigger")
        self.config = _struct(plugin, f"{spec.kind} trigger", spec.config)
        self.short = spec.short or None
        self.doc = spec.doc
        self.default_type = spec.default_type or f"{plugin.name}.event"
        self.redo = self._redo if spec.redo else None
        if spec.kind in {key.name for key in TRIGGER_KEYS}:
            raise Indescribable(f"a trigger cannot be called {spec.kind!r}: that is a key of all triggers")
        if self.short is not None and self.short not in {field.name for field in spec.config}:
            raise Indescribable(f"trigger {spec.kind!r} has no field {self.short!r} that a bare value could fill")

    def check(self, config: Any) -> list[str]:
        """See `Trigger.check`: the plugin itself checks at its start, because it does not run while flows are read."""
        return []

    async def run(self, ctx: TriggerContext) -> None:
        """See `Trigger.run`."""
        plugin = self._plugin
        try:
            link = await plugin.link()
        except Down as error:
            raise TriggerLost(error.reason) from None
        call = link.call("Run")
        try:
            start = message("RunRequest", start=self._start(ctx))
            await link.living(_Conversation(self, plugin, link, call, ctx).go_on(start))
        except _broken() as error:
            raise TriggerLost(await link.reason(error)) from None
        except Down as error:
            raise TriggerLost(error.reason) from None
        except wire.Malformed as error:
            raise TriggerLost(f"plugin {plugin.name} sent what cannot be: {error}") from None
        finally:
            call.cancel()

    async def _redo(self, config: Any, letter: DeadLetter) -> EventDraft:
        """See `Trigger`: the plugin reads it again."""
        plugin = self._plugin
        request = message(
            "RedoRequest", kind=self.kind, config_json=wire.encode(config), letter=wire.dead_to_wire(letter)
        )
        try:
            link = await plugin.link()
        except Down as error:
            raise ConflictError(error.reason) from None
        try:
            reply = await link.living(_told(link, link.call("Redo", request, timeout=plugin.limits.call)))
            if reply.WhichOneof("message") == "event":
                return wire.event_from_wire(reply.event, self.default_type)
        except _broken() as error:
            raise ConflictError(await link.reason(error)) from None
        except Down as error:
            raise ConflictError(error.reason) from None
        except wire.Malformed as error:
            raise ConflictError(f"plugin {plugin.name} sent what cannot be: {error}") from None
        raise ConflictError(reply.reason[:_LONGEST] or f"plugin {plugin.name} gave no reason")

    def _start(self, ctx: TriggerContext) -> Any:
        types = self._connections
        return message(
            "Start",
            kind=self.kind,
            key=ctx.key,
            flow=ctx.flow,
            config_json=wire.encode(ctx.config),
            saved_json=wire.encode(dict(ctx.saved())),
            connection=_chosen(lambda name: ctx.connection(name, *types), ctx.config, types),
            timezone=ctx.timezone,
            settings_json=_settings(self._plugin, ctx.settings),
            window=protocol.WINDOW,
            batch=protocol.BATCH,
        )


class _Conversation:
    """One trigger that listens. One message at a time is read, and nothing more while a batch is committed."""

    def __init__(self, trigger: RemoteTrigger, plugin: Plugin, link: Link, call: Any, ctx: TriggerContext) -> None:
        self._trigger, self._plugin, self._link, self._call, self._ctx = trigger, plugin, link, call, ctx
        self._noise = Noise(ctx.log)
        self._number = 0
        self._gaps = 0

    async def go_on(self, start: Any) -> None:
        """From the first message on, until it is cancelled.

        Raises:
            TriggerLost: the plugin cannot listen, or does not keep to the protocol.
        """
        reply = await self._first(start)
        await self._link.checked(self._call)
        while True:
            await self._take(reply)
            reply = await self._read()

    async def _first(self, start: Any) -> Any:
        limit = self._plugin.limits.call
        try:
            async with asyncio.timeout(limit):
                await self._call.write(start)
                return await self._read()
        except TimeoutError:
            raise TriggerLost(
                f"plugin {self._plugin.name} has not said within {limit:g} s whether {self._trigger.kind} listens"
            ) from None

    async def _read(self) -> Any:
        import grpc  # noqa: PLC0415

        reply = await self._call.read()
        if reply is grpc.aio.EOF:
            code = await self._call.code()
            if code is not grpc.StatusCode.OK:
                raise grpc.aio.AioRpcError(code, (), (), await self._call.details())
            raise TriggerLost(f"plugin {self._plugin.name} ended trigger {self._trigger.kind} without a reason")
        _readable(reply)
        return reply

    async def _take(self, reply: Any) -> None:
        ctx = self._ctx
        match reply.WhichOneof("message"):
            case "batch":
                await self._batch(reply.batch)
            case "armed":
                ctx.armed(next_at=wire.optional(reply.armed, "next_at"))
            case "lagging":
                ctx.lagging(reply.lagging.reason[:_LONGEST], wire.optional(reply.lagging, "lag"))
            case "lag":
                ctx.lag(wire.optional(reply.lag, "behind"))
            case "gap":
                self._gap(reply.gap.reason[:_LONGEST])
            case "refused":
                ctx.error(reply.refused.reason[:_LONGEST])
            case "lost":
                raise TriggerLost(reply.lost.reason[:_LONGEST] or f"plugin {self._plugin.name} gave no reason")
            case "log":
                self._noise.say(reply.log.message, _LEVELS[reply.log.level])
            case _:
                raise wire.Malformed("a message with nothing in it")

    def _gap(self, reason: str) -> None:
        self._gaps += 1
        if self._gaps > self._plugin.limits.gaps:
            raise TriggerLost(f"plugin {self._plugin.name} tells of more than {self._plugin.limits.gaps} gaps")
        self._ctx.gap(reason)

    async def _batch(self, batch: Any) -> None:
        self._number += 1
        if batch.number != self._number:
            raise wire.Malformed(f"batch {batch.number} where batch {self._number} is next")
        if len(batch.items) > protocol.BATCH:
            raise wire.Malformed(f"{len(batch.items)} items in one batch; at most {protocol.BATCH} are allowed")
        items = [wire.item_from_wire(item, self._trigger.default_type) for item in batch.items]
        save = wire.decoded_map(batch.save_json, "what is to be saved")
        receipts = await deliver(self._ctx, items, save=save or None)
        ack = message("Ack", batch=batch.number, receipts=[wire.receipt_to_wire(receipt) for receipt in receipts])
        try:
            async with asyncio.timeout(self._plugin.limits.call):
                await self._call.write(message("RunRequest", ack=ack))
        except TimeoutError:
            raise TriggerLost(f"plugin {self._plugin.name} takes no acknowledgements") from None
        failpoints.reach("source.acknowledged")
