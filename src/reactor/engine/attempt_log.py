"""What an action says while it works (`ctx.log`): into Reactor's log, and kept with its run."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from reactor.engine.saying import ATTEMPT_CHARACTERS, ATTEMPT_LINES, Room, Saying, level_of, whole
from reactor.model.clock import Clock
from reactor.model.doing import Doing, masked
from reactor.model.lines import LogLine


class AttemptLog(logging.LoggerAdapter[logging.Logger]):
    """The log of one attempt. Values of secrets among its parameters are masked."""

    def __init__(
        self, logger: logging.Logger, doing: Doing, saying: Saying | None = None, clock: Clock | None = None
    ) -> None:
        """`saying`: where it is kept, with the time of `clock`; None: nowhere."""
        # Made for each attempt, and most say nothing: what a record carries is put together when there is one.
        self.logger = logger
        self._doing = doing
        self._saying = saying
        self._clock = clock
        self._room: Room | None = None

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """See `logging.LoggerAdapter.process`."""
        doing = self._doing
        about = {"run": doing.run, "flow": doing.flow, "step": doing.step, "attempt": doing.attempt}
        kwargs["extra"] = about | {"trace": doing.trace} if doing.trace else about
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.LoggerAdapter.log`."""
        shown = self.isEnabledFor(level)
        kept = self._saying is not None and (shown or level >= logging.INFO)
        if kept or (shown and self._doing.secrets):
            msg, args = _text(msg, args), ()
            if self._doing.secrets:
                msg = masked(msg, self._doing.secrets)
            if kept:
                self._keep(level, msg)
        if shown:
            super().log(level, msg, *args, **kwargs)

    def say(self, text: str) -> None:
        """A line of what a program says: kept with the run, and not in Reactor's own log."""
        if self._saying is not None:
            self._keep(logging.INFO, masked(text, self._doing.secrets))

    def _keep(self, level: int, text: str) -> None:
        saying, doing = self._saying, self._doing
        if saying is None or self._clock is None:
            return
        if self._room is None:
            self._room = Room(ATTEMPT_LINES, ATTEMPT_CHARACTERS, saying.room)
        text = whole(text)
        if self._room.take(len(text)):
            saying.say(LogLine(self._clock.now(), level_of(level), doing.step, doing.attempt, text))

    def close(self) -> None:
        """The attempt is over: tell what was left out."""
        if self._room is not None and self._room.left_out and self._saying is not None and self._clock is not None:
            text = f"{self._room.left_out} more lines were left out: an attempt keeps {ATTEMPT_LINES} at most"
            doing = self._doing
            self._saying.say(LogLine(self._clock.now(), "warning", doing.step, doing.attempt, text))


def _text(msg: object, args: tuple[object, ...]) -> str:
    try:
        return str(msg) % args if args else str(msg)
    except Exception as error:  # noqa: BLE001 - a line with wrong arguments is worth more than none
        return f"{msg!r} with {args!r} ({type(error).__name__}: {error})"
