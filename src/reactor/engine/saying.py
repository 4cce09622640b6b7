"""What a run's actions say is kept with it, in bounds: written with the run's next commit, told to who listens now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reactor.engine.texts import encode
from reactor.model.lines import LEVELS, LogLine

if TYPE_CHECKING:
    from reactor.engine.executor import Executor
    from reactor.engine.written import Written

LONGEST = 4_000
"""Characters of one line."""
ATTEMPT_LINES, ATTEMPT_CHARACTERS = 1_000, 200_000
RUN_LINES, RUN_CHARACTERS = 10_000, 2_000_000
"""For each time that a run is in memory."""


class Room:
    """How much may still be said."""

    def __init__(self, lines: int, characters: int, whole: Room | None = None) -> None:
        """`whole`: what this is a part of."""
        self._lines = lines
        self._characters = characters
        self._whole = whole
        self.left_out = 0

    def take(self, size: int) -> bool:
        """Whether there is room for a line of so many characters."""
        fits = self._lines > 0 and self._characters >= size and (self._whole is None or self._whole.take(size))
        if fits:
            self._lines -= 1
            self._characters -= size
        else:
            self.left_out += 1
        return fits


class Saying:
    """Of one run in memory."""

    def __init__(self, live: Written, executor: Executor) -> None:
        self._live = live
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self.room = Room(RUN_LINES, RUN_CHARACTERS)
        self._fresh: list[LogLine] = []

    def say(self, line: LogLine) -> None:
        """Keep it. May be called from any thread."""
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - the only question that raises nothing elsewhere
            self._keep(line)
        else:
            self._loop.call_soon_threadsafe(self._keep, line)

    def _keep(self, line: LogLine) -> None:
        if self._live.dropped:
            return
        self._fresh.append(line)
        self._executor.committer.touch(self._live)
        changes = self._executor.changes
        if changes.log_listeners:
            about = {"run": self._live.id, "flow": self._live.record_.flow, "step": line.step or None}
            more = {"attempt": line.attempt or None, "level": line.level, "message": line.message}
            changes.publish("log", line.at, {**about, **more})

    def take(self) -> bytes | None:
        """What is to be written, as a JSON list; it counts as written now."""
        if not self._fresh:
            return None
        fresh, self._fresh = self._fresh, []
        return encode(fresh)


def level_of(number: int) -> str:
    """The name of a level of `logging`."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


def whole(text: str) -> str:
    """As it is kept: not too long, and as UTF-8 can hold it."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more)"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
