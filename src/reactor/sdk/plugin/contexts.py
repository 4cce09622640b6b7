"""What triggers and actions are given when they run as a plugin: the same contexts, spoken over the protocol."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from reactor.model.clock import Clock, SystemClock
from reactor.model.errors import InvalidError, PermanentError, StepError
from reactor.model.event import JSON, EventDraft
from reactor.sdk.connection import Connection, ConnectionType, converted
from reactor.sdk.http import HttpRoutes
from reactor.sdk.plugin import wire
from reactor.sdk.plugin.protocol import message
from reactor.sdk.trigger import DeadLetter, Receipt, RunResult, TriggerLost

_MOST_NOTES = 1_000
"""Log lines and states that wait to be sent; log lines are left out beyond it."""
_NAP = 1.0
_LEVELS = ((logging.ERROR, "ERROR"), (logging.WARNING, "WARNING"), (logging.INFO, "INFO"), (0, "DEBUG"))


class Outbox:
    """Messages on their way to Reactor, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._there = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether so much waits that log lines are better left out."""
        return len(self._waiting) >= _MOST_NOTES

    def put(self, reply: Any) -> None:
        """Send as soon as may be."""
        self._waiting.append(reply)
        self._there.set()

    def end(self, reply: Any) -> None:
        """The last message; what is put behind it is not sent."""
        self._waiting += (reply, None)
        self._there.set()

    async def send(self, write: Callable[[Any], Awaitable[Any]]) -> None:
        """Send all until the last. Not to be cancelled while the call lives: half a write leaves it hanging."""
        while True:
            while not self._waiting:
                self._there.clear()
                await self._there.wait()
            reply = self._waiting.popleft()
            if reply is None:
                return
            await write(reply)


class LogLines(logging.Handler):
    """Log lines go to Reactor's own log."""

    def __init__(self, outbox: Outbox, reply: str) -> None:
        super().__init__()
        self._outbox, self._reply = outbox, reply

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if self._outbox.full:
            return
        level = next(word for least, word in _LEVELS if record.levelno >= least)
        log = message("Log", level=level, message=record.getMessage()[:4_096])
        self._outbox.put(message(self._reply, log=log))


def log_to(outbox: Outbox, reply: str) -> logging.LoggerAdapter[logging.Logger]:
    """A log whose lines are sent as messages of this kind."""
    logger = logging.Logger("reactor.plugin", logging.DEBUG)  # noqa: LOG001 - one for each call, known to nobody else
    logger.addHandler(LogLines(outbox, reply))
    return logging.LoggerAdapter(logger, {})


def connection_of(given: Any, name: str | None, types: Sequence[ConnectionType], *, what: str) -> Connection:
    """The connection that Reactor has sent along.

    Raises:
        PermanentError: there is none, or it is another one.
    """
    if given.problem:
        raise PermanentError("input", given.problem)
    kind = next((kind for kind in types if kind.name == given.type), None)
    if kind is None or (name is not None and name != given.name):
        raise PermanentError(
            "input", f"{what}: a plugin gets the one connection that stands under `connection`, of a type of its own"
        )
    written = wire.decoded_map(given.settings_json, "the settings of a connection")
    return Connection(name=given.name, type=kind.name, settings=converted(kind, given.name, written))


def settings_of(text: bytes) -> dict[str, Any]:
    """What the operator set, as connectors know it."""
    found = wire.decoded_map(text, "the settings")
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
    }
    if "data_dir" in settings:
        settings["data_dir"] = Path(settings["data_dir"])
    return settings


class PluginTriggerContext:
    """`TriggerContext` of one trigger that runs as a plugin."""

    def __init__(self, start: Any, config: msgspec.Struct, outbox: Outbox) -> None:
        self.key: str = start.key
        self.flow: str = start.flow
        self.config: Any = config
        self.timezone: str = start.timezone
        self.clock: Clock = SystemClock()
        self.settings: Mapping[str, Any] = settings_of(start.settings_json)
        self.log = log_to(outbox, "RunReply")
        self._connection = start.connection
        self._saved = wire.decoded_map(start.saved_json, "what was saved")
        self._outbox = outbox
        self._most = start.batch
        self._room = asyncio.Semaphore(start.window)
        self._number = 0
        self._waiting: dict[int, asyncio.Future[list[Receipt]]] = {}

    @property
    def http(self) -> HttpRoutes:
        """See `TriggerContext.http`."""
        self._inside_only("HTTP paths")

    def secret(self, name: str) -> str:
        """See `TriggerContext.secret`."""
        raise TriggerLost(f"a plugin may not read the secret {name!r} by itself; put it into its connection")

    def saved(self) -> Mapping[str, JSON]:
        """See `TriggerContext.saved`."""
        return self._saved

    def connection(self, name: str | None, *types: ConnectionType) -> Connection:
        """See `TriggerContext.connection`."""
        try:
            return connection_of(self._connection, name, types, what=f"trigger {self.key}")
        except StepError as error:
            raise TriggerLost(error.message) from None

    async def emit(
        self,
        drafts: Sequence[EventDraft],
        *,
        save: Mapping[str, JSON] | None = None,
        wait: bool = False,
        dead: Sequence[DeadLetter] = (),
    ) -> list[Receipt]:
        """See `TriggerContext.emit`. Reactor waits while its queues are full, and makes dead letters of the events that
        its door refuses: `BusyError` and `InvalidError` do not come.
        """
        if wait:
            self._inside_only("waiting for runs")
        items: list[EventDraft | DeadLetter] = [*drafts, *dead]
        if len(items) > self._most:
            raise InvalidError(f"a plugin hands over at most {self._most} events at once, not {len(items)}")
        batch = message("Batch", items=[wire.item_to_wire(item) for item in items])
        if save:
            batch.save_json = wire.encode(save)
        async with self._room:
            self._number += 1
            batch.number = self._number
            done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
            self._waiting[batch.number] = done
            self._outbox.put(message("RunReply", batch=batch))
            receipts = await done
        for name, value in (save or {}).items():
            self._saved.pop(name, None) if value is None else self._saved.update({name: value})
        return receipts

    def acknowledged(self, ack: Any) -> None:
        """Reactor has committed a batch."""
        done = self._waiting.pop(ack.batch, None)
        if done is not None and not done.done():
            done.set_result([wire.receipt_from_wire(receipt) for receipt in ack.receipts])

    def refusal(self, draft: EventDraft) -> str | None:
        """See `TriggerContext.refusal`: Reactor sorts out itself."""
        return None

    async def result(self, receipt: Receipt, timeout: int | None) -> RunResult | None:
        """See `TriggerContext.result`."""
        self._inside_only("waiting for runs")

    async def active_runs(self) -> list[str]:
        """See `TriggerContext.active_runs`."""
        self._inside_only("looking at runs")

    async def cancel_runs(self, reason: str) -> int:
        """See `TriggerContext.cancel_runs`."""
        self._inside_only("cancelling runs")

    def _inside_only(self, what: str) -> NoReturn:
        raise TriggerLost(f"{what}: only a connector inside Reactor can do that; install this one by its entry point")

    async def sleep_until(self, instant: int) -> None:
        """See `TriggerContext.sleep_until`."""
        while (left := instant - self.clock.now()) > 0:  # noqa: ASYNC110 - the clock may be set, so look again
            await asyncio.sleep(min(left / 1000, _NAP))

    def armed(self, *, next_at: int | None = None) -> None:
        """See `TriggerContext.armed`."""
        armed = message("Armed") if next_at is None else message("Armed", next_at=next_at)
        self._outbox.put(message("RunReply", armed=armed))

    def lagging(self, reason: str, lag: int | None = None) -> None:
        """See `TriggerContext.lagging`."""
        lagging = message("Lagging", reason=reason) if lag is None else message("Lagging", reason=reason, lag=lag)
        self._outbox.put(message("RunReply", lagging=lagging))

    def lag(self, behind: int | None) -> None:
        """See `TriggerContext.lag`."""
        lag = message("Lag") if behind is None else message("Lag", behind=behind)
        self._outbox.put(message("RunReply", lag=lag))

    def gap(self, reason: str) -> None:
        """See `TriggerContext.gap`."""
        self._outbox.put(message("RunReply", gap=message("Gap", reason=reason)))

    def error(self, reason: str) -> None:
        """See `TriggerContext.error`."""
        self._outbox.put(message("RunReply", refused=message("Refused", reason=reason)))
