"""Removes runs and events that are older than the operator or their flow wants, and claims that are over, in small
batches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from reactor.engine.access.audit import Audit
from reactor.model.clock import Clock
from reactor.model.errors import StoreError
from reactor.stores.port import Store

_log = logging.getLogger("reactor.retention")
_BATCH = 500
"""Rows of one purge: about five milliseconds of the store's writer."""
_BREATH = 0.01
"""Seconds between two batches: the store's writer is free two thirds of the time, and 30,000 rows a second can go."""
_PERIOD = 60.0
"""Seconds between two looks."""


class Retention:
    """Looks every minute whether something has become too old."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keep: int | None,
        own: Callable[[], Mapping[str, int]],
        audit: Audit | None = None,
        keep_audit: int | None = None,
    ) -> None:
        """`keep`: milliseconds; None keeps runs and events for ever. `own`: flow → how long its runs are kept.
        `keep_audit`: the same for the entries of the audit log.
        """
        self._audit, self._keep_audit = audit, keep_audit
        self._store = store
        self._clock = clock
        self._keep = keep
        self._own = own
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Stop after the batch under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD)
            try:
                await self.look()
            except StoreError as error:
                _log.error("cannot remove what is older than the retention, trying again in a minute: %s", error)

    async def look(self) -> None:
        """Remove what is too old now.

        Raises:
            StoreError: see `Store.purge`.
        """
        now, own = self._clock.now(), self._own()
        before = 0 if self._keep is None else now - self._keep
        while await self._store.purge(before, _BATCH, but=own.keys()):  # noqa: ASYNC110 - a breath, not a wait
            await asyncio.sleep(_BREATH)
        for flow, keep in own.items():
            while await self._store.purge(now - keep, _BATCH, flow=flow):  # noqa: ASYNC110 - the same
                await asyncio.sleep(_BREATH)
        if self._audit is not None and self._keep_audit is not None:
            await self._audit.forget(now - self._keep_audit)
