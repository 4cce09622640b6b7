"""Signals: an event for one run that waits for it."""

from __future__ import annotations

from typing import Any

from reactor.engine.executor import Executor
from reactor.engine.intake import Intake
from reactor.model import ids
from reactor.model.errors import ConflictError, InvalidError, NotFoundError
from reactor.model.event import RESERVED, EventDraft
from reactor.model.patterns import fits
from reactor.sdk.trigger import Receipt
from reactor.stores.port import History

SOURCE = "reactor/signals"


class Signals:
    """See the module."""

    def __init__(self, executor: Executor, intake: Intake, history: History) -> None:
        self._executor = executor
        self._intake = intake
        self._history = history

    async def send(self, key: int, type_: str, data: Any, by: str, id_: str | None = None) -> Receipt:
        """Tell a run that waits an event of a type that it waits for. Like any event it may start flows that listen for
        its type, and wake other runs whose conditions it fits.

        Raises:
            NotFoundError: there is no such run. ConflictError: it has ended, or waits for nothing of that type.
            InvalidError: the event cannot be.
        """
        if type_.startswith(RESERVED):
            raise InvalidError(f"types that begin with {RESERVED!r} are Reactor's own; approvals are decided at theirs")
        run = await self._history.run(key)
        name = ids.to_text("run", key)
        if run is None:
            raise NotFoundError(f"there is no run {name}")
        if run.status.finished:
            raise ConflictError(f"run {name} has ended ({run.status})")
        wanted = [wait.type for wait in self._executor.waits.of(key) if not wait.type.startswith(RESERVED)]
        if not any(fits(pattern, type_) for pattern in wanted):
            waits = f"; it waits for {', '.join(sorted(set(wanted)))}" if wanted else "; it waits for no event now"
            raise ConflictError(f"run {name} does not wait for {type_[:80]!r}{waits}")
        draft = EventDraft(type=type_, data=data, source=SOURCE, subject=name, id=id_, metadata={"by": by})
        return (await self._intake.accept((draft,)))[0]
