"""What a plugin says of itself goes into our log, line by line, with its name, and not without bound."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

_LONGEST = 4_096
"""Bytes of one line."""
_BURST, _A_SECOND = 500, 100
"""Lines at once, and for ever."""
_PAUSE = 0.05
"""Seconds that nothing is read from who says too much."""


class Noise:
    """Lines into a log, at most so many."""

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[logging.Logger], *, prefix: str = "") -> None:
        self._log, self._prefix = log, prefix
        self._room, self._at = float(_BURST), time.monotonic()
        self._left_out = 0

    def say(self, line: str, level: int = logging.INFO) -> bool:
        """Log the line, if there is room; whether there was."""
        now = time.monotonic()
        self._room = min(_BURST, self._room + (now - self._at) * _A_SECOND)
        self._at = now
        if self._room < 1:
            self._left_out += 1
            return False
        self._room -= 1
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._log.warning("%s… %d lines were left out: it says too much", self._prefix, left_out)
        self._log.log(level, "%s%s", self._prefix, line)
        return True

    async def drain(self, stream: asyncio.StreamReader, seen: Callable[[str], None] = lambda _: None) -> None:
        """Everything that comes, until the other end is closed."""
        rest = b""
        while chunk := await stream.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST:
                lines.append(rest)
                rest = b""
            if not self._all(lines, seen):
                await asyncio.sleep(_PAUSE)
        if rest:
            self._all([rest], seen)

    def _all(self, lines: list[bytes], seen: Callable[[str], None]) -> bool:
        room = True
        for line in lines:
            text = line[:_LONGEST].decode("utf-8", "replace").rstrip()
            if text:
                room = self.say(text) and room
                seen(text)
        return room
