"""Writes the audit log: facts that come together share a transaction, and what cannot be written is kept and told."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reactor.model.audit import START, Fact, chained
from reactor.model.clock import Clock, Instant
from reactor.model.errors import BusyError, StoreError
from reactor.stores.access import AuditFilter, AuditLog

_log = logging.getLogger("reactor.audit")
_encode = msgspec.json.Encoder(order="deterministic").encode
_LONGEST = 500
"""Characters of a text in an entry."""
_MOST = 1_000
"""Facts that wait for a store that cannot write."""
_TOGETHER = 500
_AGAIN = 1.0
_PAGE = 1_000
_BURST, _EVERY = 10, 60_000
"""Refusals of one address: so many at once, then one in so many milliseconds."""
_ALL = 100
"""The same for those of all addresses together, in `_EVERY`."""
_ADDRESSES = 10_000


Details = Mapping[str, Any]
"""Small JSON values; None ones are left out."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something, as the log names them. See `Fact`."""

    who: str
    via: str
    address: str = ""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the whole log found."""

    entries: int
    first: int | None
    """Key of the oldest that is there."""
    last: int | None
    head: str
    """Hash of the newest, in hex: kept elsewhere, it shows later whether all up to there is still as it was."""
    broken_at: int | None
    """Key of the first entry that is not what was written, or follows a gap; None: all is well."""
    known: bool | None
    """Whether the hash that was asked for is one of the log's; None: none was."""


class Audit:
    """The audit log of one server."""

    def __init__(self, log: AuditLog | None, clock: Clock) -> None:
        """`log`: None where nothing is kept; then everything is noted in vain."""
        self._log = log
        self._clock = clock
        self._waiting: list[tuple[Fact, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self.trouble: StoreError | None = None
        """Why nothing can be written now."""
        self._budget: OrderedDict[str, tuple[float, Instant]] = OrderedDict()
        self._unsaid = 0

    def check(self) -> None:
        """Before a change: without a log nothing is changed.

        Raises:
            BusyError: the log cannot be written now.
        """
        if self.trouble is not None:
            raise BusyError("the audit log cannot be written now, so nothing is changed; try again", retry_after=2_000)

    async def note(self, actor: Actor, action: str, target: str, status: int, details: Details | None = None) -> None:
        """Keep a fact. Returns when it is durable, or when it is clear that it has to wait for the store."""
        if self._log is None:
            return
        fact = Fact(
            at=self._clock.now(),
            who=_clean(actor.who),
            via=actor.via,
            address=_clean(actor.address),
            action=_clean(action),
            target=_clean(target),
            status=status,
            details=_encode(_plain(details or {})).decode(),
        )
        if len(self._waiting) >= _MOST:
            _log.error("the audit log cannot be written (%s); lost: %s", self.trouble, fact)
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((fact, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(self._log))
        if self.trouble is None:
            await asyncio.shield(written)

    async def refused(
        self, actor: Actor, action: str, target: str, status: int, details: Details | None = None
    ) -> None:
        """Keep that somebody was refused: of a flood only its beginning, and how many more there were."""
        if not self._room(actor.address):
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        await self.note(actor, action, target, status, {**(details or {}), "unsaid": unsaid or None})

    def _room(self, address: str) -> bool:
        now = self._clock.now()
        for key, most in ((address, _BURST), ("", _ALL)):
            rate = most if not key else 1
            left, then = self._budget.pop(key, (float(most), now))
            left = min(most, left + max(0, now - then) * rate / _EVERY)
            self._budget[key] = (left, now)
            if left < 1:
                return False
            self._budget[key] = (left - 1, now)
        while len(self._budget) > _ADDRESSES:
            oldest = next(iter(self._budget))
            self._budget.move_to_end("")
            self._budget.pop(oldest, None)
        return True

    async def _write(self, log: AuditLog) -> None:
        while self._waiting:
            batch = self._waiting[:_TOGETHER]
            try:
                await log.append([fact for fact, _ in batch])
            except StoreError as error:
                if self.trouble is None:
                    _log.error("the audit log cannot be written, so changes are refused until it can: %s", error)
                self.trouble = error
                _answer(self._waiting)
                await asyncio.sleep(_AGAIN)
                continue
            self.trouble = None
            del self._waiting[: len(batch)]
            _answer(batch)

    async def close(self) -> None:
        """Write what is left, if it can be."""
        if self._writing is None:
            return
        if self.trouble is not None:
            _log.error("%d entries of the audit log are lost: %s", len(self._waiting), self.trouble)
            self._writing.cancel()
        await asyncio.wait({self._writing})

    # --- reading it -------------------------------------------------------------------------------------------------

    async def entries(self, wanted: AuditFilter) -> list[Any]:
        """A page."""
        return [] if self._log is None else await self._log.entries(wanted)

    async def verify(self, head: str | None = None) -> Verified:
        """Read the whole log. `head`: a hash in hex that was told earlier."""
        key, before = (0, START) if self._log is None else await self._log.floor()
        known = None if head is None else head == before.hex()
        entries, first, broken = 0, None, None
        while page := await self.entries(AuditFilter(above=key, limit=_PAGE)):
            first = page[0].key if first is None else first
            for entry in page:
                if broken is None and (entry.key != key + 1 or entry.hash != chained(before, entry.key, entry.fact)):
                    broken = entry.key
                key, before, entries = entry.key, entry.hash, entries + 1
                known = known or (None if head is None else head == before.hex())
        last = key if entries else None
        return Verified(entries=entries, first=first, last=last, head=before.hex(), broken_at=broken, known=known)

    async def forget(self, before: Instant) -> None:
        """Forget what is older."""
        while self._log is not None and await self._log.forget(before, _TOGETHER):  # noqa: ASYNC110 - a breath
            await asyncio.sleep(0)


def _answer(batch: Iterable[tuple[Fact, asyncio.Future[None]]]) -> None:
    for _, written in batch:
        if not written.done():
            written.set_result(None)


def _plain(details: Details) -> dict[str, Any]:
    return {name: _short(value) for name, value in details.items() if value is not None}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value[:20]]
    return value


def _clean(text: str) -> str:
    """A text that UTF-8 can hold, of bounded length."""
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
