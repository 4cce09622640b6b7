"""The trigger `weather`."""

import asyncio
from pathlib import Path
from typing import ClassVar

import msgspec

from reactor.sdk import DeadLetter, EventDraft, StepError, TriggerContext, TriggerLost
from reactor.sdk.content import MalformedError, read_json
from reactor.sdk.delivery import deliver
from reactor.sdk.paths import inside_roots
from reactor_weather.station import READINGS, STATION

MOST = 500
"""Readings of one commit."""


class WeatherConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand under `weather:`."""

    connection: str | None = None
    """The station; may be left out where there is only one."""
    every: float = 1.0
    """Seconds between looks."""


class Weather:
    """One object for all triggers of this kind: whatever belongs to a single one lives in `run`."""

    kind: ClassVar[str] = "weather"
    config: ClassVar[type[msgspec.Struct]] = WeatherConfig
    short: ClassVar[str | None] = "connection"  # `weather: STATION` is enough
    doc: ClassVar[str] = "An event for each reading of a weather station."
    default_type: ClassVar[str] = "weather.reading"
    passive: ClassVar[bool] = False

    def check(self, config: WeatherConfig) -> list[str]:
        """Problems that types cannot tell."""
        return [] if 0.01 <= config.every <= 3600 else ["every: from 0.01 to 3600 seconds"]

    async def run(self, ctx: TriggerContext) -> None:
        """Listen until cancelled."""
        path = self._readings(ctx)
        offset = int(ctx.saved().get("offset", 0))  # where we were, also before a restart or crash
        if path.stat().st_size < offset:
            # The station began a new file: what stood in the old one and was not read is lost. Never silently.
            ctx.gap(f"{path} is shorter than what was read of it ({offset} bytes); it is read from its beginning")
            offset = 0
        while True:
            items, end = await asyncio.to_thread(self._read, path, offset)
            if items:
                # Events, the runs they start, dead letters and our place in the file are committed together, or not at
                # all. While Reactor's queues are full this waits, and nothing more is read.
                await deliver(ctx, items, save={"offset": end})
                offset = end
            ctx.armed()  # only what really listens is shown as armed
            ctx.lag(0)
            if len(items) < MOST:
                await ctx.sleep_until(ctx.clock.now() + round(ctx.config.every * 1000))

    def _readings(self, ctx: TriggerContext) -> Path:
        station = ctx.connection(ctx.config.connection, STATION)
        try:
            path = inside_roots(ctx.settings, station.settings.folder) / READINGS
        except StepError as error:
            raise TriggerLost(error.message) from error
        if not path.is_file():
            # Shown in red with this sentence, and tried again with growing pauses until it works.
            raise TriggerLost(f"station {station.name}: {path} is not there; is the station switched on?")
        return path

    def _read(self, path: Path, offset: int) -> tuple[list[EventDraft | DeadLetter], int]:
        """Whole lines from `offset` on as events, and where the last one ends."""
        items: list[EventDraft | DeadLetter] = []
        try:
            with path.open("rb") as readings:
                readings.seek(offset)
                while len(items) < MOST and (line := readings.readline()).endswith(b"\n"):
                    items.append(self._event(line[:-1], offset))
                    offset += len(line)
        except OSError as error:
            raise TriggerLost(f"{path} cannot be read: {error.strerror}") from error
        return items, offset

    def _event(self, line: bytes, offset: int) -> EventDraft | DeadLetter:
        """A line that is no reading does not stop the ones behind it."""
        metadata = {"offset": offset}
        try:
            reading = read_json(line)
        except MalformedError as error:
            return DeadLetter(reason=error.message, payload=line, metadata=metadata)
        return EventDraft(type=self.default_type, data=reading, raw=line, metadata=metadata)

    def redo(self, config: WeatherConfig, letter: DeadLetter) -> EventDraft:
        """A dead letter again, when somebody asks for it.

        Raises:
            MalformedError: it is still no JSON.
        """
        return EventDraft(type=self.default_type, data=read_json(letter.payload), metadata=letter.metadata)
