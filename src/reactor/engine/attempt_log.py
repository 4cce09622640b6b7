"""What an action says while it works (`ctx.log`): into Reactor's log, with where it comes from."""

from __future__ import annotations

import logging
from typing import Any

from reactor.model.doing import Doing, masked


class AttemptLog(logging.LoggerAdapter[logging.Logger]):
    """The log of one attempt. Values of secrets among its parameters are masked."""

    def __init__(self, logger: logging.Logger, doing: Doing) -> None:
        about = {"run": doing.run, "flow": doing.flow, "step": doing.step, "attempt": doing.attempt}
        super().__init__(logger, about | {"trace": doing.trace} if doing.trace else about)
        self._secrets = doing.secrets

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.LoggerAdapter.log`."""
        if self._secrets and self.isEnabledFor(level):
            msg, args = masked(str(msg) % args if args else str(msg), self._secrets), ()
        super().log(level, msg, *args, **kwargs)
