"""Tells the end of a run as an event, where somebody listens for it: written together with the end itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.model.errors import PermanentError
from reactor.model.event import EventDraft
from reactor.model.flow import Flow
from reactor.model.patterns import glob
from reactor.runtime.interpreter import RunEnd

if TYPE_CHECKING:
    from reactor.engine.borders import Borders
    from reactor.engine.executor import Executor

_log = logging.getLogger("reactor.engine")
KIND = "run"
"""The trigger that listens for ends of runs."""
STATUSES = ("completed", "failed", "cancelled")


class _Listener(msgspec.Struct, frozen=True):
    key: str
    flow: re.Pattern[str]
    statuses: Sequence[str]


class Endings:
    """Who listens for which ends."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._listeners: dict[str, list[_Listener]] = {}
        book = executor.book
        for name, flow in book.current.items():
            self._changed(name, flow if book.enabled.get(name, True) else None)
        book.on_change.append(self._changed)

    def _changed(self, name: str, flow: Flow | None) -> None:
        found = [
            _Listener(
                trigger.key,
                glob(str(trigger.config.get("flow", trigger.config.get("", "*")))),
                statuses(trigger.config.get("status")),
            )
            for trigger in (flow.triggers if flow is not None else ())
            if trigger.kind == KIND and trigger.enabled
        ]
        if found:
            self._listeners[name] = found
        else:
            self._listeners.pop(name, None)

    def tell(self, live: Borders, end: RunEnd) -> None:
        """A run ends now. Nothing is told of a run that never was, nor where a chain of causes has become too long."""
        if live.dropped:
            return
        record, executor = live.record_, self._executor
        type_ = f"run.{end.status.value}"
        to = self._fitting(record.flow, end.status.value)
        if not to and not executor.book.routes.listens(type_) and not executor.waits.listens(type_):
            return
        cause = getattr(live, "event", None)
        causes = (*cause.causes, cause.id) if cause is not None else ()
        if len(causes) > executor.limits.causes:
            _log.error(
                "run %s: its end is not told, because %d events led to one another (loop guard): %s",
                live.id, len(causes), causes[-3:],
            )  # fmt: skip
            return
        data = {
            "run_id": live.id,
            "flow": record.flow,
            "version": record.version,
            "status": end.status.value,
            "output": end.output,
            "error": None if end.error is None else end.error.view(),
        }
        self._offer(live, type_, data, to, causes)

    def _fitting(self, flow: str, status: str) -> tuple[str, ...]:
        return tuple(
            one.key
            for listeners in self._listeners.values()
            for one in listeners
            if status in one.statuses and one.flow.fullmatch(flow)
        )

    def _offer(self, live: Any, type_: str, data: dict[str, Any], to: tuple[str, ...], causes: tuple[str, ...]) -> None:
        draft = EventDraft(
            type=type_,
            source=f"reactor/flows/{live.record_.flow}",
            subject=live.id,
            data=data,
            to=to,
            causes=causes,
            metadata=live.trace_headers(""),
        )
        try:
            self._executor.intake.emit(draft, live, inside=True)
        except PermanentError as error:
            _log.error("run %s: its output is left out of the event that tells its end: %s", live.id, error.message)
            without = msgspec.structs.replace(draft, data={**data, "output": None})
            self._executor.intake.emit(without, live, inside=True)


def statuses(value: Any) -> Sequence[str]:
    """The states that a trigger names, or all."""
    if not value:
        return STATUSES
    return (value,) if isinstance(value, str) else tuple(map(str, value))
