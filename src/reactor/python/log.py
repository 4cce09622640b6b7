"""`run.log`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from reactor.runtime.code import Place


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """The log of a run: silent while it is replayed."""

    def __init__(self, place: Place, extra: Mapping[str, object]) -> None:
        super().__init__(logging.getLogger("reactor.run"), extra)
        self._place = place

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own
        return not self._place.replaying and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return super().process(msg, kwargs)
