"""A stream, read by a consumer group.

An entry is acknowledged (XACK) after its event is committed, and the position is in that commit. So after a crash the
entries that are still pending tell what to do: those of the last committed batch only lack their acknowledgement, the
others are taken again. Entries that were taken over from other consumers have no place in that order; they are pending
under a name of their own, and their id says whether they were taken before.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.connection import Link, Opening, link
from reactor.connectors.redis.entries import of_entry
from reactor.connectors.redis.groups import Look, Position, look, order, position, text
from reactor.connectors.redis.handing import BEAT, hand_over
from reactor.model import failpoints
from reactor.sdk import JSON, StepError, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

BLOCK = 2.0
"""Seconds that Redis lets us wait for entries; a server that hangs is noticed `connection.WITHIN` later."""
_BYTES = 4_000_000
_FIRST_COUNT = 32
Entry = tuple[bytes, list[bytes]]


class Stream:
    """One trigger on one stream."""

    def __init__(self, ctx: TriggerContext, opened: Opening) -> None:
        config: RedisConfig = ctx.config
        self._ctx, self._config, self._opened = ctx, config, opened
        self._name = config.stream
        self._group = config.group or f"reactor-{ctx.flow}"
        self._at = f"{opened.place} {self._name} {self._group}"
        self._claim_after = config.claim_seconds()
        self._most = min(_FIRST_COUNT, config.batch)
        self._told_at = self._claimed_at = 0.0
        self._empty = False
        self._position = Position(at=self._at)
        self._consumer = ""
        self._link: Link

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            StepError: the server is lost, or refuses. TriggerLost: the group is deleted again and again.
        """
        async with link(self._opened) as self._link:
            begun = 0.0
            while True:
                if (now := asyncio.get_running_loop().time()) - begun < 1 and begun:
                    raise TriggerLost(f"the group {self._group!r} of stream {self._name!r} is deleted by somebody")
                begun = now
                try:
                    await self._begin()
                    await self._follow()
                except StepError as error:
                    if error.kind != "redis.group":
                        raise

    # ------------------------------------------------------------ the group

    async def _begin(self) -> None:
        """Find or make the group, and know where we are in it."""
        await self._named()
        found = await self._look()
        known = position(self._ctx.saved(), self._at)
        if found is None or not found.grouped:
            await self._make(found, known)
        else:
            await self._join(found, known)
        # Whether we may acknowledge is better known before than after.
        await self._link.call("XACK", self._name, self._group, "0-0")

    async def _named(self) -> None:
        """Our consumer's name: the same after a restart, another one for each installation."""
        self._consumer = str(self._ctx.saved().get("consumer") or "")
        if not self._consumer:
            self._consumer = f"reactor-{self._ctx.key}-{secrets.token_hex(4)}"
            await deliver(self._ctx, [], save={"consumer": self._consumer})

    async def _look(self) -> Look | None:
        """Stream and group as they are; None: there is no such stream."""
        stream, groups = await self._link.together(("XINFO", "STREAM", self._name), ("XINFO", "GROUPS", self._name))
        if "no such key" in str(stream):
            return None
        return look(self._link.answered(stream), self._link.answered(groups), self._group)

    async def _make(self, found: Look | None, known: Position | None) -> None:
        made = self._after(found, known)
        counts = known is None and found is not None and found.added is not None and made.index is not None
        counted = ("ENTRIESREAD", made.index) if counts else ()  # else Redis counts anew when it is read
        create = ("XGROUP", "CREATE", self._name, self._group, made.to, "MKSTREAM", *counted)
        try:
            await self._link.call(*create)
        except StepError as error:
            if "BUSYGROUP" not in error.message:
                raise
        await self._keep(made)

    def _after(self, found: Look | None, known: Position | None) -> Position:
        """Where a group that is made begins."""
        why = "it is not there any more" if found is None else known.foreign(found) if known is not None else None
        if known is not None and why is None:  # only the group was deleted
            return msgspec.structs.replace(known, first=None, told=0)
        if known is not None:
            self._renewed(known, why or "")
        index = 0 if found is None else found.trimmed
        start = "earliest" if known is not None else self._config.start
        if start == "earliest":
            return Position(at=self._at, index=index)
        if start == "new":
            return Position(
                at=self._at, to=text(found.generated) if found else "0-0", index=found.added if found else 0
            )
        return Position(at=self._at, to=text(order(start)))

    async def _join(self, found: Look, known: Position | None) -> None:
        """The group is there."""
        index = None if found.read is None else found.read
        here = Position(at=self._at, to=text(found.delivered), index=index)
        if known is None:
            await self._keep(here)
            return
        if found.delivered < order(known.to) and await self._older(found, known):
            await self._skip(found, known)
        elif (why := known.foreign(found)) is not None:
            self._renewed(known, why)
            await self._keep(here)
        elif found.delivered < order(known.to):
            self._ctx.log.warning(
                "the group %s of stream %s was set back from %s to %s: its entries come again",
                *(self._group, self._name, known.to, here.to),
            )
            await self._keep(here)
        else:
            self._position = known

    async def _older(self, found: Look, known: Position) -> bool:
        """Whether Redis has come back with an older state (its last snapshot, a replica that lagged), and all that it
        would give again was ours. In a stream that was made anew nobody knows our consumer; in a group that was set
        back by hand the last entry that we had is still there.
        """
        told = await self._link.call("XINFO", "CONSUMERS", self._name, self._group)
        names = {one[1].decode() for one in told}
        if self._consumer not in names or names - {self._consumer, self._claims}:
            return False
        if found.generated < order(known.to):
            return True
        there = await self._link.call("XRANGE", self._name, known.to, known.to, "COUNT", 1)
        return not there and found.first is not None and found.first < order(known.to)

    async def _skip(self, found: Look, known: Position) -> None:
        """What is in the older state has all been committed."""
        until = text(min(order(known.to), found.generated))
        await self._link.call("XGROUP", "SETID", self._name, self._group, until)
        await self._keep(Position(at=self._at, first="0-0", to=until))
        self._ctx.gap(
            f"Redis has come back with an older state of stream {self._name!r}: entries that it has forgotten and that "
            f"had not been read are lost; {known.to} was the last that had been read. Use `appendonly yes`"
        )

    def _renewed(self, known: Position, why: str) -> None:
        self._ctx.gap(
            f"the stream {self._name!r} was deleted or made anew ({why}): what was added after {known.to} and had not "
            "been read is lost; what is there now is read from its beginning"
        )

    async def _keep(self, new: Position) -> None:
        self._position = new
        await deliver(self._ctx, [], save={"position": _plain(new)})

    # ------------------------------------------------------------ reading

    async def _follow(self) -> None:
        """Take what is pending, then what comes."""
        pending = await self._pending(self._consumer, "0")
        self._ctx.armed()
        self._empty = False
        while pending:
            await self._again(pending)
            pending = await self._pending(self._consumer, pending[-1][0])
        await self._taken_over()
        self._claimed_at = 0.0
        while True:
            await self._claim()
            if entries := await self._waiting() or await self._coming():
                await self._take(entries)

    async def _pending(self, consumer: str, after: bytes | str) -> list[Any]:
        """Entries that were given to us and not acknowledged; one that is gone has None in place of its fields."""
        ask = ("XREADGROUP", "GROUP", self._group, consumer, "COUNT", self._most, "STREAMS", self._name, after)
        return self._sized(await self._link.call(*ask))

    async def _again(self, pending: list[Any]) -> None:
        """Entries that were pending when we began."""
        done = [id_ for id_, _ in pending if self._position.committed(id_)]
        if done:
            await self._acknowledge(done)
        left = [(id_, fields) for id_, fields in pending if not self._position.committed(id_)]
        await self._gone([id_ for id_, fields in left if fields is None], held=True)
        there = [(id_, fields) for id_, fields in left if fields is not None]
        # Before our position are only those that somebody has given us by hand.
        early = [entry for entry in there if order(entry[0]) <= order(self._position.to)]
        await self._take(early, claimed=True)
        await self._take(there[len(early) :])

    async def _waiting(self) -> list[Entry]:
        """What is there already, with a look at the stream in the same moment."""
        told = await self._link.together(
            ("XINFO", "STREAM", self._name),
            ("XINFO", "GROUPS", self._name),
            self._reading(),
            ("XINFO", "GROUPS", self._name),
        )
        stream, groups, entries, after = (self._link.answered(one) for one in told)
        before = look(stream, groups, self._group)
        found = self._sized(entries)
        self._judge(before, look(stream, after, self._group), len(found))
        return found

    async def _coming(self) -> list[Entry]:
        """What comes within two seconds."""
        found = self._sized(await self._link.call(*self._reading(BLOCK), wait=BLOCK))
        if self._position.index is not None:
            self._position.index += len(found)
        return found

    def _reading(self, block: float | None = None) -> tuple[Any, ...]:
        blocking = () if block is None else ("BLOCK", int(block * 1000))
        who = ("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", self._most)
        return (*who, *blocking, "STREAMS", self._name, ">")

    def _sized(self, answer: Any) -> list[Any]:
        """The entries of an answer; the next one is asked for as many as fit into memory."""
        if not answer:
            return []
        entries: list[Any] = answer[0][1]
        size = sum(len(part) for _, fields in entries if fields for part in fields)
        if size > _BYTES:
            self._most = max(1, len(entries) * _BYTES // size)
        elif len(entries) == self._most:
            self._most = min(self._config.batch, self._most * 2)
        return entries

    def _judge(self, before: Look, after: Look, count: int) -> None:
        """Tell what is missing and how far we are behind."""
        here = self._position
        if missed := before.missed(here.told):
            first = "the next" if before.first is None else text(before.first)
            self._ctx.gap(
                f"{missed} entries of stream {self._name!r} after {text(before.delivered)} and before {first} were "
                "trimmed or deleted before they were read; let the stream keep more (MAXLEN), or add consumers"
            )
            here.told += missed
        if after.read is None or (before.read is not None and after.read != before.read + count):
            here.told = 0  # Redis counts anew, and knows of what is missing
        here.index = None if after.read is None else after.read + here.told
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= BEAT or not count:
            self._told_at = now
            self._say(after)

    def _say(self, now: Look) -> None:
        empty = now.added == 0
        if empty and not self._empty:
            self._ctx.lagging(
                f"the stream {self._name!r} has no entry yet and never had one; is its name right? The first entry is "
                "waited for"
            )
        elif self._empty and not empty:
            self._ctx.armed()
        self._empty = empty
        self._ctx.lag(now.behind(self._position.told))

    # ------------------------------------------------------------ handing over

    async def _take(self, entries: Sequence[Entry], *, claimed: bool = False) -> None:
        """Hand entries to the door, and acknowledge them after that."""
        if not entries:
            return
        ids = [id_ for id_, _ in entries]
        items = [of_entry(self._config, id_, fields, claimed=claimed) for id_, fields in entries]
        save: dict[str, JSON] | None = None
        if not claimed:
            here = self._position
            here.first, here.to = ids[0].decode(), ids[-1].decode()
            save = {"position": _plain(here)}
        await hand_over(self._ctx, items, save, meanwhile=lambda: self._hold(ids, claimed=claimed))
        await self._acknowledge(ids)

    async def _acknowledge(self, ids: Sequence[bytes]) -> None:
        await self._link.call("XACK", self._name, self._group, *ids)
        failpoints.reach("source.acknowledged")

    async def _hold(self, ids: Sequence[bytes], *, claimed: bool) -> None:
        """The door is busy: the entries stay ours meanwhile, and a server that is gone is noticed."""
        who = self._claims if claimed else self._consumer
        await self._link.call("XCLAIM", self._name, self._group, who, 0, *ids, "JUSTID")

    async def _gone(self, ids: Sequence[bytes], *, held: bool) -> None:
        """Entries that were deleted or trimmed after they had been given to a consumer, and before they were done."""
        if not ids:
            return
        span = ids[0].decode() if len(ids) == 1 else f"{ids[0].decode()} to {ids[-1].decode()}"
        self._ctx.gap(
            f"{len(ids)} entries of stream {self._name!r} ({span}) were trimmed or deleted while they were pending; "
            "let the stream keep more (MAXLEN)"
        )
        if held:
            await self._acknowledge(ids)

    # ------------------------------------------------------------ other consumers' entries

    @property
    def _claims(self) -> str:
        """Who holds what was taken over."""
        return f"{self._consumer}-claims"

    async def _taken_over(self) -> None:
        """What had been taken over before a crash."""
        after: bytes | str = "0"
        while pending := await self._pending(self._claims, after):
            await self._gone([id_ for id_, fields in pending if fields is None], held=True)
            await self._take([entry for entry in pending if entry[1] is not None], claimed=True)
            after = pending[-1][0]

    async def _claim(self) -> None:
        """Take over what other consumers have left behind."""
        now = asyncio.get_running_loop().time()
        if self._claim_after is None or now < self._claimed_at:
            return
        idle, cursor = int(self._claim_after * 1000), b"0-0"
        while True:
            ask = ("XAUTOCLAIM", self._name, self._group, self._claims, idle, cursor, "COUNT", self._most)
            cursor, entries, *rest = await self._link.call(*ask)
            await self._gone(rest[0] if rest else [], held=False)
            await self._take([entry for entry in entries if entry and entry[1] is not None], claimed=True)
            if cursor == b"0-0":
                break
        self._claimed_at = asyncio.get_running_loop().time() + min(max(self._claim_after / 2, 0.5), 15)


def _plain(kept: Position) -> dict[str, JSON]:
    found: dict[str, JSON] = msgspec.to_builtins(kept)
    return found
