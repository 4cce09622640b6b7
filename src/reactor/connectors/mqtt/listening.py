"""A trigger while it listens: from the broker to the door, and the acknowledgement back."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from reactor.connectors.mqtt import message as messages
from reactor.connectors.mqtt.config import MqttConfig, fits
from reactor.connectors.mqtt.connection import MQTT, Mqtt
from reactor.connectors.mqtt.driver import link_of
from reactor.connectors.mqtt.memory import Memory
from reactor.connectors.mqtt.message import Message
from reactor.model import failpoints
from reactor.model.clock import to_iso
from reactor.sdk import JSON, DeadLetter, EventDraft, StepError, TriggerContext
from reactor.sdk.delivery import deliver
from reactor.sdk.sharing import Reach

if TYPE_CHECKING:
    from reactor.connectors.mqtt.link import Link

_IDLE = 1.0
"""Seconds without a message after which it is saved alone that acknowledgements have arrived."""
_WINDOW = 65_535
"""The most that MQTT lets be on its way."""


class Listening:
    """One attempt: it ends when it is cancelled or lost."""

    def __init__(self, ctx: TriggerContext) -> None:
        self.ctx = ctx
        self.config: MqttConfig = ctx.config
        self.settings: Mqtt = ctx.connection(self.config.connection, MQTT).settings
        self.memory = Memory(ctx.saved())
        self.stale: list[str] = []
        """What the session was subscribed to before the flow was changed."""

    async def run(self) -> None:
        client = await self._client_id()
        link = link_of(
            Reach.of(self.settings, self.ctx.settings),
            client_id=client,
            clean=False,
            expiry=self.config.expiry_seconds(),
            window=min(2 * self.config.batch, _WINDOW),
        )
        try:
            present = await link.open()
            await self._judge(client, present=present)
            arming = asyncio.create_task(self._arm(link, client, present=present))
            try:
                await self._pump(link)
            finally:
                arming.cancel()
                await asyncio.wait([arming])
        finally:
            await link.close()

    # ------------------------------------------------------------ the session

    async def _client_id(self) -> str:
        """Who we are, the same for ever: committed before the broker hears it."""
        if self.config.client_id:
            return self.config.client_id
        kept = self.ctx.saved().get("client")
        if kept:
            return str(kept)
        made = f"reactor-{self.ctx.key.replace('/', '-')[:60]}-{secrets.token_hex(4)}"
        await deliver(self.ctx, [], save={"client": made})
        return made

    async def _judge(self, client: str, *, present: bool) -> None:
        """Compare what the broker has of our session with what we know of it."""
        session: dict[str, Any] = dict(self.ctx.saved().get("session") or {})
        before = session.get("client")
        elsewhere = session.get("broker") not in {None, self.settings.address}
        if present and before == client:
            self.stale = [topic for topic in session.get("filters", []) if topic not in self.config.filters()]
            return
        if before and session.get("filters") and self.config.qos and not elsewhere:
            self._gap(str(before), client)
        # Whose the remembered ids are is known before the first of them: messages may come before we have subscribed.
        known = self._session(client, [])
        await deliver(self.ctx, [], save={**self.memory.clear(), "session": known})

    def _session(self, client: str, filters: list[str]) -> dict[str, JSON]:
        """What is saved of a session that has these subscriptions."""
        return {"client": client, "broker": self.settings.address, "filters": [*filters], "qos": self.config.qos}

    def _gap(self, before: str, client: str) -> None:
        at = self.ctx.saved().get("at")
        since = f" since {to_iso(int(at))}" if at else ""
        now = to_iso(self.ctx.clock.now())
        if before == client:
            self.ctx.gap(
                f"the broker {self.settings.address} no longer has the session of client {client!r}: what was "
                f"published{since} while we were away, until {now}, is lost; see that it keeps sessions (persistence, "
                "`session_expiry`)"
            )
        else:
            self.ctx.gap(
                f"the client id was changed from {before!r} to {client!r}: what the broker {self.settings.address} "
                f"kept for the old one{since}, until {now}, does not come any more"
            )

    async def _arm(self, link: Link, client: str, *, present: bool) -> None:
        """Subscribe while messages of the session may be coming already."""
        try:
            await self._subscribe(link, present=present)
            session = self._session(client, self.config.filters())
            if self.ctx.saved().get("session") != session:
                await deliver(self.ctx, [], save={"session": session, "at": self.ctx.clock.now()})
        except StepError as error:
            link.fail(error)
        else:
            self.ctx.armed()

    async def _subscribe(self, link: Link, *, present: bool) -> None:
        from reactor.connectors.mqtt.link import Filter  # noqa: PLC0415 - loaded by then

        config = self.config
        if self.stale:
            await link.unsubscribe(self.stale)
        session: dict[str, Any] = dict(self.ctx.saved().get("session") or {})
        same = present and session.get("filters") == config.filters() and session.get("qos") == config.qos
        if same and not self.settings.five and config.retained != "ignore":
            return  # MQTT 3.1.1 would send all retained messages anew, and the broker has the subscription
        handling = 2 if config.retained == "ignore" else 1
        await link.subscribe([Filter(topic, config.qos, handling) for topic in config.filters()])

    # ------------------------------------------------------------ messages

    async def _pump(self, link: Link) -> None:
        while True:
            batch = await link.take(self.config.batch, _IDLE if self.memory.hasty else None)
            if not batch:
                if self.memory.pending(link.pongs):
                    await deliver(self.ctx, [], save=self.memory.commit([], link.pongs))
                continue
            await self._hand_over(link, batch)

    async def _hand_over(self, link: Link, batch: list[Message]) -> None:
        items: list[EventDraft | DeadLetter] = []
        ids: list[tuple[int, str]] = []
        for message in batch:
            if message.qos:
                known = messages.digest(message)
                if self.memory.has(message.mid, known, dup=message.dup, fresh=message.fresh):
                    continue
                ids.append((message.mid, known))
            if self._wanted(message):
                items.append(messages.item(self.config, message))
        if items or ids:
            save: dict[str, JSON] = {**self.memory.commit(ids, link.pongs), "at": self.ctx.clock.now()}
            await deliver(self.ctx, items, save=save)
        answers = [(message.mid, message.qos) for message in batch if message.qos]
        if answers:
            self.memory.acknowledged(link.acknowledge(answers))
            failpoints.reach("source.acknowledged")

    def _wanted(self, message: Message) -> bool:
        """Not: what an older form of the flow had subscribed to, and last values that are not to be told."""
        if message.retain and self.config.retained == "ignore":
            return False
        return not self.stale or any(fits(message.name, wanted) for wanted in self.config.topics())
