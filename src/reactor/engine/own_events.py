"""Reactor's own changes of state, told as events where somebody listens for them: one for each change, and bounded.

Of triggers (`failed`, `armed` again), flows (`changed`, `enabled`, `disabled`, `removed`), the instance (`started`,
`stopping`) and the store (`recovered`: while it cannot write, nothing can be told). Gaps and silences of triggers, ends
of runs and alerts are told where they come about.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ReactorError
from reactor.model.event import EventDraft
from reactor.model.flow import Flow
from reactor.model.states import TriggerState

if TYPE_CHECKING:
    from reactor.engine.engine import Engine

_log = logging.getLogger("reactor.engine")
FAILED, ARMED = "reactor.trigger.failed", "reactor.trigger.armed"
CHANGED, ENABLED = "reactor.flow.changed", "reactor.flow.enabled"
DISABLED, REMOVED = "reactor.flow.disabled", "reactor.flow.removed"
STARTED, STOPPING = "reactor.instance.started", "reactor.instance.stopping"
RECOVERED = "reactor.store.recovered"
QUIET = 60_000
"""Milliseconds between two events of one trigger: one that comes and goes every second is told once a minute."""
MOST = 100
"""Flows of one look that are told singly; of more (a whole folder was replaced) one event tells the number."""
_PATIENCE = 5.0
"""Seconds that a start or stop waits for its event to be written."""
_WORDS = {
    TriggerState.FAILED: FAILED,
    TriggerState.ARMED: ARMED,
    TriggerState.LAGGING: ARMED,
}
_Known = tuple[int, bool]
"""Version of a flow, and whether it is enabled."""


class OwnEvents:
    """Looks once a second (with the watch of triggers) what has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._told: dict[str, tuple[str, Instant]] = {}
        """Trigger → what was told of it last, and when."""
        self._flows: dict[str, _Known] = {}
        self._touched: set[str] = set()
        self._trouble: tuple[str, Instant] | None = None

    def start(self) -> None:
        """From now on changes are told."""
        book = self._engine.book
        self._flows = {name: (flow.version, book.enabled.get(name, True)) for name, flow in book.current.items()}
        book.on_change.append(self._flow_changed)
        self._engine.triggers.watch.on_look.append(self.look)

    def _flow_changed(self, name: str, _: Flow | None) -> None:
        self._touched.add(name)

    def look(self) -> None:
        """What is new since the last look."""
        drafts = [*self._of_triggers(), *self._of_flows(), *self._of_store()]
        if drafts:
            self._engine.triggers.soon(self.tell(drafts))

    async def tell_instance(self, type_: str) -> None:
        """This process starts or stops."""
        engine = self._engine
        if not self._listens(type_):
            return
        data = {"instance": engine.parts.instance, **engine.machine.about(), "flows": len(engine.book.current)}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.tell([_draft(type_, "reactor/instances/local", data)])

    async def tell(self, drafts: Sequence[EventDraft]) -> None:
        """Let events in; what cannot be told now is not told later: the state itself is shown."""
        try:
            await self._engine.intake.accept(drafts, inside=True)
        except ReactorError as error:
            _log.warning("%s could not be told: %s", ", ".join(draft.type for draft in drafts), error)

    def _listens(self, type_: str) -> bool:
        return self._engine.book.routes.listens(type_) or self._engine.executor.waits.listens(type_)

    def _of_triggers(self) -> list[EventDraft]:
        now, drafts, told = self._clock.now(), [], {}
        for status in self._engine.triggers.status():
            before, at = self._told.get(status.key, (ARMED, 0))
            word = _WORDS.get(status.state, before)
            if word != before and now - at >= QUIET:
                before, at = word, now
                data = {"trigger": status.key, "flow": status.flow, "kind": status.kind, "reason": status.reason}
                data["since"] = to_iso(status.since)
                if self._listens(word):
                    drafts.append(_draft(word, f"reactor/triggers/{status.key}", data))
            told[status.key] = (before, at)
        self._told = told
        return drafts

    def _of_flows(self) -> list[EventDraft]:
        if not self._touched:
            return []
        book, (touched, self._touched) = self._engine.book, (self._touched, set())
        drafts = []
        for name in sorted(touched):
            flow, known = book.current.get(name), self._flows.get(name)
            if flow is None:
                self._flows.pop(name, None)
                type_ = REMOVED if known is not None else None
            else:
                self._flows[name] = is_now = (flow.version, book.enabled.get(name, True))
                type_ = _change(known, is_now)
            if type_ is not None and self._listens(type_):
                version = flow.version if flow is not None else None
                data = {"flow": name, "version": version, "before": known[0] if known is not None else None}
                data["file"] = flow.file if flow is not None else None
                drafts.append(_draft(type_, f"reactor/flows/{name}", data, name))
        if len(drafts) <= MOST:
            return drafts
        counts: dict[str, int] = {}
        for draft in drafts:
            counts[draft.type] = counts.get(draft.type, 0) + 1
        return [_draft(type_, "reactor/flows", {"flow": None, "count": count}) for type_, count in counts.items()]

    def _of_store(self) -> list[EventDraft]:
        committer, now = self._engine.executor.committer, self._clock.now()
        if committer.trouble is not None:
            self._trouble = self._trouble or (committer.trouble, now)
            return []
        trouble, self._trouble = self._trouble, None
        if trouble is None or not self._listens(RECOVERED):
            return []
        data = {"reason": trouble[0], "since": to_iso(trouble[1]), "until": to_iso(now)}
        return [_draft(RECOVERED, "reactor/store", data)]


def _change(known: _Known | None, is_now: _Known) -> str | None:
    if known is None or known[0] != is_now[0]:
        return CHANGED
    if known[1] != is_now[1]:
        return ENABLED if is_now[1] else DISABLED
    return None


def _draft(type_: str, source: str, data: dict[str, Any], subject: str | None = None) -> EventDraft:
    return EventDraft(type=type_, source=source, data=data, subject=subject)
