"""`run.log`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from reactor.model.doing import DOING
from reactor.runtime.code import Place


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """The log of a run: silent while it is replayed."""

    def __init__(self, place: Place, extra: Mapping[str, object]) -> None:
        super().__init__(logging.getLogger("reactor.run"), extra)
        self._place = place

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own
        return not self._place.replaying and super().isEnabledFor(level)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.LoggerAdapter.log`. Kept with the run, too."""
        doing = DOING.get()
        if doing is not None and doing.keep is not None and level >= logging.INFO and not self._place.replaying:
            doing.keep(level, str(msg) % args if args else str(msg), self._place.prefix.rstrip("."))
        super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return super().process(msg, kwargs)
