"""One running email trigger: the mailbox on one side, the door on the other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from reactor.connectors.email.config import EmailConfig
from reactor.connectors.email.connections import IMAP
from reactor.connectors.email.imap import Folder, Session, Taken
from reactor.connectors.email.mailbox import Mailbox, opened
from reactor.model import durations, failpoints
from reactor.sdk import JSON, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

WINDOW, WIDEST = 1_000, 50_000
"""UIDs that are asked for at once; more where there is nothing. An answer of so many is well below what `imaplib`
takes as one line."""
AT, MARKS = "position", "marks"
"""The saved keys."""


class Position(msgspec.Struct, forbid_unknown_fields=True):
    """How far a folder was read."""

    place: str
    """Whose folder."""
    validity: int
    uid: int
    """The last message that is done, or passed over."""
    arrived: int
    """When the newest of them arrived, seconds since 1970."""
    until: int = 0
    """Messages below this UID were in the folder when it was found made anew: those that arrived before `arrived_old`
    are old ones."""
    arrived_old: int = 0

    def is_old(self, taken: Taken) -> bool:
        """Whether a message of a folder made anew has been seen in the old one, for all that can be known."""
        return taken.uid < self.until and taken.arrived < self.arrived_old


class Watching:
    """The state of one running email trigger."""

    def __init__(self, ctx: TriggerContext) -> None:
        self._ctx = ctx
        self._config: EmailConfig = ctx.config
        if problems := self._config.problems():
            raise TriggerLost("; ".join(problems))
        self._at = Position("", 0, 0, 0)
        self._saved_at = self._at.uid
        self._about: dict[str, JSON] = {}

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            StepError: the mailbox cannot be reached, or does not do what is configured.
        """
        connection = self._ctx.connection(self._config.connection, IMAP)
        async with opened(connection.name, connection.settings, self._ctx.settings) as (mailbox, session):
            self._about = {"connection": connection.name, "folder": self._config.folder}
            await self._follow(mailbox, session)

    async def _follow(self, mailbox: Mailbox, session: Session) -> None:
        config = self._config
        folder = await self._enter(mailbox, session)
        if (target := config.target()) is not None:
            await mailbox.call(session.require, target)
        if config.search is not None:
            await mailbox.call(session.uids, folder.next, folder.next, config.search)
        await self._begin(folder, mailbox.where.user)
        await self._finish_marks(mailbox, session)
        self._ctx.armed()
        every = durations.parse(config.every) / 1000
        while True:
            await self._read(mailbox, session, folder)
            self._ctx.lag(0)
            await mailbox.call(session.rest, every)
            folder = await self._enter(mailbox, session)
            if folder.validity != self._at.validity or folder.next <= self._at.uid:
                await self._anew(folder)

    async def _enter(self, mailbox: Mailbox, session: Session) -> Folder:
        """The folder as it is now; nothing in it is changed by looking."""
        return await mailbox.call(session.enter, self._config.folder, readonly=self._config.mark == "none")

    # ------------------------------------------------------------ where to begin

    async def _begin(self, folder: Folder, user: str) -> None:
        saved = self._ctx.saved().get(AT)
        place = f"{user} {self._config.folder}"
        if saved is not None:
            self._at = msgspec.convert(saved, Position)
            self._saved_at = self._at.uid
        if self._at.place != place:
            uid = folder.next - 1 if self._config.existing == "ignore" else 0
            self._at = Position(place, folder.validity, uid, self._ctx.clock.now() // 1000)
            await self._save({MARKS: None})
        elif folder.validity != self._at.validity or folder.next <= self._at.uid:
            await self._anew(folder)

    async def _anew(self, folder: Folder) -> None:
        """The numbers mean other messages now. What arrived since the last one that was seen is new."""
        old = self._at
        since = dt.datetime.fromtimestamp(old.arrived, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._ctx.gap(
            f"folder {self._config.folder!r} was deleted and made anew, or restored (UIDVALIDITY {old.validity} → "
            f"{folder.validity}): what came after message {old.uid} of the old one and was not read is lost; of the "
            f"{folder.messages} messages that are there now, those that arrived before {since} are passed over"
        )
        self._at = Position(old.place, folder.validity, 0, old.arrived, until=folder.next, arrived_old=old.arrived)
        await self._save({MARKS: None})

    # ------------------------------------------------------------ reading

    async def _read(self, mailbox: Mailbox, session: Session, folder: Folder) -> None:
        """All messages that are there, window by window."""
        width = WINDOW
        while self._at.uid < folder.next - 1:
            first, last = self._at.uid + 1, min(self._at.uid + width, folder.next - 1)
            found = await mailbox.call(session.uids, first, last, self._config.search)
            width = WINDOW if found else min(width * 2, WIDEST)
            await self._read_window(mailbox, session, found, folder.next - 1 - last)
            self._at.uid = last
        if self._at.uid != self._saved_at:
            await self._save({})

    async def _read_window(self, mailbox: Mailbox, session: Session, left: list[int], behind: int) -> None:
        while left:
            self._ctx.lag(len(left) + behind)
            some = left[: self._config.batch]
            taken = await mailbox.call(session.take, some, self._config, self._about)
            # Whoever is missing up to the last one that was read is gone; after it nobody was asked for.
            last = taken[-1].uid if taken else some[-1]
            left = [uid for uid in left if uid > last]
            await self._hand_over(mailbox, session, taken, last)

    async def _hand_over(self, mailbox: Mailbox, session: Session, taken: Sequence[Taken], last: int) -> None:
        """Commit some messages, then mark them."""
        fresh = [one for one in taken if not self._at.is_old(one)]
        marks = [one.uid for one in fresh if one.whole] if self._config.mark != "none" else []
        self._at.uid = last
        self._at.arrived = max([self._at.arrived, *(one.arrived for one in fresh)])
        await deliver(self._ctx, [one.item for one in fresh], save=self._state({MARKS: marks or None}))
        self._saved_at = last
        if marks:
            await mailbox.call(session.mark, marks, self._config.mark, self._config.target())
        failpoints.reach("source.acknowledged")
        if marks:
            await self._save({MARKS: None})

    async def _finish_marks(self, mailbox: Mailbox, session: Session) -> None:
        """What was committed and not marked when it ended last time."""
        left = self._ctx.saved().get(MARKS)
        if left and self._config.mark != "none":
            await mailbox.call(session.mark, left, self._config.mark, self._config.target())
        if left:
            await self._save({MARKS: None})

    # ------------------------------------------------------------ saving

    def _state(self, more: dict[str, JSON]) -> dict[str, Any]:
        return {AT: msgspec.to_builtins(self._at), **more}

    async def _save(self, more: dict[str, JSON]) -> None:
        await deliver(self._ctx, [], save=self._state(more))
        self._saved_at = self._at.uid
