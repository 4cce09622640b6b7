"""A plugin that misbehaves as it is told. `plugin_adversary.py HOW`: what it does at its start; its trigger and its
action take more of such words.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import cast

import grpc
import msgspec

from reactor.sdk import Connector, Effect, EventDraft, Trigger, action
from reactor.sdk.content import read_json
from reactor.sdk.plugin import protocol
from reactor.sdk.plugin.offering import manifest_of
from reactor.sdk.plugin.protocol import message
from reactor.sdk.plugin.serving import Served, _watch_stdin

HOW, _, WORD = sys.argv[1].partition("=")
NOTES = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(os.devnull)
LIMITLESS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


class BadConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    how: str = "well"


class Bad:
    kind, config, short, doc, default_type, passive = "bad", BadConfig, "how", "Misbehaves.", "bad.event", False

    def check(self, config):
        return []

    async def run(self, ctx):
        number = int(ctx.saved().get("n", 0))
        while True:
            number += 1
            await ctx.emit([EventDraft(type="bad.event", data={"n": number})], save={"n": number})
            if ctx.config.how == "die-after-commit":
                os.kill(os.getpid(), signal.SIGKILL)
            ctx.armed()
            await asyncio.sleep(0.01)

    async def redo(self, config, letter):
        if letter.payload == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if letter.payload == b"bug":
            raise KeyError("oh")
        data = read_json(letter.payload)
        subject, metadata = letter.subject, {**letter.metadata, "how": config.how}
        return EventDraft(type="bad.event", data=data, subject=subject, metadata=metadata)


class BadParams(msgspec.Struct, forbid_unknown_fields=True):
    how: str = "well"


@action("bad.act", params=BadParams, effect=Effect.WRITE)
async def act(ctx, params):
    """Misbehaves."""
    if params.how == "hang":
        NOTES.write_text("hanging")
        try:
            await asyncio.sleep(1_000)
        finally:
            NOTES.write_text("cancelled")
    if params.how == "block":
        time.sleep(1_000)  # noqa: ASYNC251 - the whole plugin stands still
    if params.how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if params.how == "bug":
        raise KeyError("oh")
    if params.how == "log":
        for number in range(100_000):
            ctx.log.info("line %d", number)
    if params.how == "environment":
        return dict(os.environ)
    return {"key": ctx.idempotency_key, "attempt": ctx.attempt}


connector = Connector(name="bad", doc="Misbehaves.", actions=(act,), triggers=(cast("Trigger", Bad()),))


def batch(number, count=1, data=b"1"):
    event = message("Event", data_json=data)
    return message("RunReply", batch=message("Batch", number=number, items=[message("Item", event=event)] * count))


class Misserved(Served):
    async def _describe(self, request, context):
        if HOW == "hang-describe":
            await asyncio.sleep(1_000)
        if HOW == "garbage-describe":
            await self._admit(context)
            return b"\xff\xff\xff\xff"
        if HOW == "die-describe":
            os.kill(os.getpid(), signal.SIGKILL)
        return await super()._describe(request, context)

    async def _run(self, requests, context):
        requests = aiter(requests)
        first = await anext(requests)
        how = json.loads(first.start.config_json)["how"]
        found = getattr(self, "run_" + how.replace("-", "_"), None)
        if found is None:

            async def again():
                yield first
                async for request in requests:
                    yield request

            await super()._run(again(), context)
            return
        await self._admit(context)
        await found(requests, context)

    async def run_silence(self, requests, context):
        await asyncio.sleep(1_000)

    async def run_end(self, requests, context):
        """Ends without a word."""

    async def run_garbage(self, requests, context):
        await context.write(b"\xff\xff\xff\xff")
        await asyncio.sleep(1_000)

    async def run_empty(self, requests, context):
        await context.write(message("RunReply"))
        await asyncio.sleep(1_000)

    async def run_not_json(self, requests, context):
        await context.write(batch(1, data=b"{no"))
        await asyncio.sleep(1_000)

    async def run_wrong_number(self, requests, context):
        await context.write(batch(7))
        await asyncio.sleep(1_000)

    async def run_too_many(self, requests, context):
        await context.write(batch(1, 1_001))
        await asyncio.sleep(1_000)

    async def run_huge(self, requests, context):
        await context.write(batch(1, data=b'"' + b"x" * (100 << 20) + b'"'))
        await asyncio.sleep(1_000)

    async def run_gaps(self, requests, context):
        while True:
            await context.write(message("RunReply", gap=message("Gap", reason="again")))

    async def run_notes(self, requests, context):
        """A million states without an event."""
        for _ in range(1_000_000):
            await context.write(message("RunReply", armed=message("Armed")))

    async def run_flood(self, requests, context):
        """A million events, and never a look at the acknowledgements."""
        await context.write(message("RunReply", armed=message("Armed")))
        for number in range(1, 1_001):
            await context.write(batch(number, 1_000, b'"' + b"x" * 90 + b'"'))
            NOTES.write_text(str(number))

    async def run_die_at_once(self, requests, context):
        os.kill(os.getpid(), signal.SIGKILL)

    async def run_die_after_batch(self, requests, context):
        await context.write(batch(1))
        os.kill(os.getpid(), signal.SIGKILL)

    async def _redo(self, request, context):
        replies = {b"garbage": lambda: b"\xff\xff\xff\xff", b"empty": lambda: message("RedoReply")}
        if request.letter.payload not in replies:
            return await super()._redo(request, context)
        await self._admit(context)
        return replies[request.letter.payload]()

    async def _act(self, request, context):
        how = json.loads(request.params_json)["how"]
        replies = {
            "garbage": lambda: b"\xff\xff\xff\xff",
            "empty": lambda: message("ActReply"),
            "not-json": lambda: message("ActReply", output=message("Output", json=b"{no")),
            "huge": lambda: message("ActReply", output=message("Output", json=b'"' + b"x" * (100 << 20) + b'"')),
        }
        if how not in {*replies, "no-output"}:
            await super()._act(request, context)
            return
        await self._admit(context)
        if how in replies:
            await context.write(replies[how]())


def _bytes(wire):
    return wire if isinstance(wire, bytes) else wire.SerializeToString()


async def main():
    gone = asyncio.Event()
    _watch_stdin(asyncio.get_running_loop(), gone)
    if HOW == "stay":
        gone = asyncio.Event()  # it does not care whether Reactor is there
    manifest = manifest_of(connector, "1.0.0")
    if HOW == "other-name":
        manifest = msgspec.structs.replace(manifest, name="good")
    if HOW == "other-version":
        manifest = msgspec.structs.replace(manifest, version="2.0.0")
    if HOW == "other-manifest" and NOTES.exists():
        manifest = msgspec.structs.replace(manifest, doc="Something else.")
    if HOW == "manifest":
        manifest = msgspec.convert({"name": "bad", "version": "1.0.0", **json.loads(WORD)}, type(manifest))
    token = "another" if HOW == "wrong-token" else os.environ[protocol.TOKEN]
    proof = "another" if HOW == "wrong-proof" else os.environ[protocol.PROOF]
    served = Misserved(connector, manifest, token, proof)
    answers = {
        "Describe": served._describe, "Ping": served._ping, "Run": served._run, "Act": served._act,
        "TestConnection": served._test, "Redo": served._redo,
    }  # fmt: skip
    made = {
        name: getattr(grpc, f"{form}_rpc_method_handler")(
            answers[name],
            request_deserializer=protocol.message_class(request).FromString,
            response_serializer=_bytes,
        )
        for name, (form, request, _) in protocol.CALLS.items()
    }
    server = grpc.aio.server(options=LIMITLESS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(protocol.SERVICE, made),))
    server.add_insecure_port(f"unix:{os.environ[protocol.SOCKET]}")
    await server.start()
    if HOW == "chatter":
        threading.Thread(target=chatter, daemon=True).start()
    if HOW == "other-manifest":
        NOTES.write_text("started")
    say(1)
    if HOW == "stop-itself":
        os.kill(os.getpid(), signal.SIGSTOP)
    if HOW == "family":
        child = await asyncio.create_subprocess_exec("sleep", "1000")
        NOTES.write_text(str(child.pid))
    await gone.wait()
    await server.stop(1)


def say(version):
    """The handshake."""
    os.write(1, json.dumps({"protocol": version, "ready": True}).encode() + b"\n")


def chatter():
    while True:
        os.write(2, b"noise " * 10_000 + b"\n")


def start():
    """What goes wrong before anything is served."""
    match HOW:
        case "no-handshake":
            time.sleep(1_000)
        case "hello":
            os.write(1, b"Hello, I am a plugin!\n")
            time.sleep(1_000)
        case "endless":
            os.write(1, b"x" * 1_000_000)
            time.sleep(1_000)
        case "exit":
            sys.exit("the database of words is missing")
        case "protocol":
            say(9)
            time.sleep(1_000)
        case "no-socket":
            say(1)
            time.sleep(1_000)
        case _:
            asyncio.run(main())


start()
