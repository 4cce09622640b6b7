"""The program of an out-of-process plugin: a connector behind a gRPC server on the socket that Reactor names."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import inspect
import logging
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.model.clock import SystemClock
from reactor.model.errors import PermanentError, ReactorError, StepError
from reactor.model.event import EventDraft
from reactor.sdk.action import Action, ActionContext
from reactor.sdk.connection import Connection, ConnectionContext, converted
from reactor.sdk.manifest import Connector
from reactor.sdk.plugin import protocol, wire
from reactor.sdk.plugin.contexts import Outbox, PluginTriggerContext, connection_of, log_to, settings_of
from reactor.sdk.plugin.manifest import Manifest
from reactor.sdk.plugin.offering import manifest_of
from reactor.sdk.plugin.protocol import message, message_class
from reactor.sdk.trigger import DeadLetter, Trigger, TriggerLost

_LEAVING = 2.0
"""Seconds that calls have to end when Reactor is gone."""
_log = logging.getLogger("reactor.plugin")


def serve(connector: Connector, *, version: str) -> None:
    """Serve the connector until Reactor closes our standard input. What is printed goes to Reactor's log.

    Args:
        connector: the same object as behind an entry point `reactor.connectors`.
        version: of the plugin, as in `reactor-plugin.toml`.

    Raises:
        Unservable: a part of it works inside Reactor only.
    """
    manifest = manifest_of(connector, version)
    if protocol.SOCKET not in os.environ:
        sys.exit(
            f"{connector.name} is a plugin for Reactor, which starts it by itself: name its folder in the setting "
            "`plugins` (REACTOR_PLUGINS)"
        )
    handshake, sys.stdout = sys.stdout, sys.stderr  # the one line on stdout is ours
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")

    def ready() -> None:
        print(msgspec.json.encode(protocol.Handshake(protocol.VERSION)).decode(), file=handshake, flush=True)

    asyncio.run(_until_left(connector, manifest, ready))


async def _until_left(connector: Connector, manifest: Manifest, ready: Any) -> None:
    import grpc  # noqa: PLC0415 - heavy

    gone = asyncio.Event()
    _watch_stdin(asyncio.get_running_loop(), gone)
    served = Served(connector, manifest, os.environ[protocol.TOKEN], os.environ.get(protocol.PROOF, ""))
    server = grpc.aio.server(options=protocol.OPTIONS)
    server.add_generic_rpc_handlers((served.handlers(),))
    server.add_insecure_port(f"unix:{os.environ[protocol.SOCKET]}")
    await server.start()
    ready()
    await gone.wait()
    await server.stop(_LEAVING)
    if connector.close is not None:
        closing = connector.close()
        if inspect.isawaitable(closing):
            await closing


def _watch_stdin(loop: asyncio.AbstractEventLoop, gone: asyncio.Event) -> None:
    """Reactor's end of the pipe closes when it stops, and when it dies."""

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4_096):
                pass
        loop.call_soon_threadsafe(gone.set)
        last.start()

    last = threading.Timer(_LEAVING * 2, lambda: os._exit(1))  # whatever hangs, we do not stay behind
    last.daemon = True
    threading.Thread(target=watch, daemon=True, name="stdin").start()


class Served:
    """The calls of the protocol, answered for one connector."""

    def __init__(self, connector: Connector, manifest: Manifest, token: str, proof: str) -> None:
        self._manifest = manifest
        self._token, self._proof = token, proof
        self._actions: Mapping[str, Action] = {action.name: action for action in connector.actions}
        self._triggers: Mapping[str, Trigger] = {trigger.kind: trigger for trigger in connector.triggers}
        self._connections = connector.connections

    def handlers(self) -> Any:
        """What a gRPC server is given."""
        import grpc  # noqa: PLC0415

        answers = {
            "Describe": self._describe,
            "Ping": self._ping,
            "Run": self._run,
            "Act": self._act,
            "TestConnection": self._test,
            "Redo": self._redo,
        }
        made = {}
        for name, (form, request, reply) in protocol.CALLS.items():
            make = getattr(grpc, f"{form}_rpc_method_handler")
            made[name] = make(
                answers[name],
                request_deserializer=message_class(request).FromString,
                response_serializer=message_class(reply).SerializeToString,
            )
        return grpc.method_handlers_generic_handler(protocol.SERVICE, made)

    async def _admit(self, context: Any) -> None:
        """Only who knows the token, and he gets our proof."""
        import grpc  # noqa: PLC0415

        given = dict(context.invocation_metadata() or ()).get(protocol.TOKEN_KEY, "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not the one that this plugin was given")
        await context.send_initial_metadata(((protocol.PROOF_KEY, self._proof),))

    async def _describe(self, _: Any, context: Any) -> Any:
        await self._admit(context)
        return protocol.manifest_to_wire(self._manifest)

    async def _ping(self, _: Any, context: Any) -> Any:
        await self._admit(context)
        return message("PingReply")

    # --- triggers ---

    async def _run(self, requests: Any, context: Any) -> None:
        await self._admit(context)
        start = (await anext(aiter(requests))).start
        outbox = Outbox()
        sending = asyncio.create_task(outbox.send(context.write))
        tasks: list[asyncio.Task[Any]] = [sending]
        try:
            try:
                trigger, config = self._configured(start)
                running = PluginTriggerContext(start, config, outbox)
            except (TriggerLost, wire.Malformed) as error:
                lost = str(error)
            else:
                listening = asyncio.create_task(_listen(trigger, running))
                tasks += [listening, asyncio.create_task(_acknowledge(requests, running))]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                lost = listening.result() if listening.done() else "Reactor listens no more"
            outbox.end(message("RunReply", lost=message("Lost", reason=lost)))
            await sending
        finally:
            await _left(tasks)

    def _configured(self, start: Any) -> tuple[Trigger, msgspec.Struct]:
        trigger = self._triggers.get(start.kind)
        if trigger is None:
            raise TriggerLost(f"the plugin has no trigger {start.kind!r}")
        try:
            config = msgspec.convert(wire.decoded_map(start.config_json, "the configuration"), trigger.config)
        except (msgspec.ValidationError, wire.Malformed) as error:
            raise TriggerLost(f"the configuration does not fit: {error}") from None
        problems = trigger.check(config)
        if problems:
            raise TriggerLost("; ".join(problems))
        return trigger, config

    async def _redo(self, request: Any, context: Any) -> Any:
        await self._admit(context)
        try:
            trigger, config = self._configured(request)
            draft = await _read_again(trigger, config, wire.dead_from_wire(request.letter))
            return message("RedoReply", event=wire.event_to_wire(draft))
        except (ReactorError, wire.Malformed, msgspec.ValidationError) as error:
            return message("RedoReply", reason=str(error))
        except Exception as error:  # noqa: BLE001 - as in `_attempt`
            _log.exception("dead letter of %s", request.kind)
            return message("RedoReply", reason=f"{request.kind} raised {type(error).__name__}: {error}")

    # --- actions ---

    async def _act(self, request: Any, context: Any) -> None:
        await self._admit(context)
        outbox = Outbox()
        sending = asyncio.create_task(outbox.send(context.write))
        try:
            outbox.end(await self._attempt(request, outbox))
            await sending
        finally:
            await _left([sending])

    async def _attempt(self, request: Any, outbox: Outbox) -> Any:
        try:
            output = await self._acted(request, outbox)
            return message("ActReply", output=message("Output", json=wire.encode(output)))
        except StepError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a connector may raise anything; it becomes the step's failure
            _log.exception("%s", request.action)
            failure = PermanentError("bug", f"{request.action} raised {type(error).__name__}: {error}")
        return message("ActReply", error=wire.error_to_wire(failure))

    async def _acted(self, request: Any, outbox: Outbox) -> Any:
        action = self._actions.get(request.action)
        if action is None:
            raise PermanentError("action", f"the plugin has no action {request.action!r}")
        try:
            params = msgspec.convert(wire.decoded_map(request.params_json, "params"), action.params, strict=False)
        except (msgspec.ValidationError, wire.Malformed) as error:
            raise PermanentError("input", f"{action.name}: {error}") from None
        ctx = PluginActionContext(
            run_id=request.run_id,
            flow=request.flow,
            step=request.step,
            attempt=request.attempt,
            idempotency_key=request.idempotency_key,
            log=log_to(outbox, "ActReply"),
            clock=SystemClock(),
            settings=settings_of(request.settings_json),
            secrets=tuple(request.secrets),
            sent=request.connection,
        )
        made = action.handler(ctx, params)
        return await made if inspect.isawaitable(made) else made

    # --- connections ---

    async def _test(self, request: Any, context: Any) -> Any:
        await self._admit(context)
        try:
            found = await self._tested(request)
        except StepError as error:
            return message("TestConnectionReply", error=wire.error_to_wire(error))
        except Exception as error:  # noqa: BLE001 - as in `_attempt`
            _log.exception("test of connection %s", request.name)
            failure = PermanentError("bug", f"the test raised {type(error).__name__}: {error}")
            return message("TestConnectionReply", error=wire.error_to_wire(failure))
        return message("TestConnectionReply", found=found)

    async def _tested(self, request: Any) -> str:
        kind = next((kind for kind in self._connections if kind.name == request.type), None)
        if kind is None or kind.test is None:
            raise PermanentError("input", f"connections of type {request.type!r} cannot be tested")
        written = wire.decoded_map(request.connection_json, "the settings of the connection")
        ctx = ConnectionContext(name=request.name, settings=settings_of(request.settings_json), log=_log)
        return await kind.test(ctx, converted(kind, request.name, written))


class PluginActionContext(ActionContext, kw_only=True):
    """`ActionContext` of an action that runs as a plugin."""

    sent: Any = None

    def connection(self, name: str | None, *types: Any) -> Connection:
        """See `ActionContext.connection`."""
        return connection_of(self.sent, name, types, what=f"step {self.step}")


async def _read_again(trigger: Trigger, config: msgspec.Struct, letter: DeadLetter) -> EventDraft:
    redo: Any = getattr(trigger, "redo", None)
    if redo is None:
        raise TriggerLost(f"a trigger of kind {trigger.kind!r} cannot read a message again")
    made = redo(config, letter)
    draft: EventDraft = await made if inspect.isawaitable(made) else made
    return draft


async def _listen(trigger: Trigger, context: PluginTriggerContext) -> str:
    """Until it can listen no more; why."""
    try:
        await trigger.run(context)
    except (TriggerLost, ReactorError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it shows as the trigger's reason
        _log.exception("trigger %s", context.key)
        return f"{type(error).__name__}: {error}"
    return "the trigger stopped listening by itself"


async def _acknowledge(requests: Any, context: PluginTriggerContext) -> None:
    async for request in requests:
        if request.HasField("ack"):
            context.acknowledged(request.ack)


async def _left(tasks: list[asyncio.Task[Any]]) -> None:
    """Nothing goes on behind a call."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
