"""The configuration of an email trigger."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from reactor.model import durations

Attachments = Literal["none", "metadata", "content"]
_SIZE = re.compile(r"(\d+)\s*(?:([kKmM])(?:i?[bB])?|[bB])?")
_UNITS = {"": 1, "k": 1024, "m": 1024**2}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MOST_BYTES = 256 * 1024**2
MOST_MESSAGES = 500
SHORTEST, LONGEST = 100, 86_400_000
"""Of `every`, in milliseconds."""


class EmailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `email:`."""

    connection: str | None = None
    """Name of a connection of type `imap`; without it the one that is called so, or the only one."""
    folder: str = "INBOX"
    """The folder that is watched, with the server's own separator: `INBOX`, `Orders/New`."""
    every: str | int | float = "1m"
    """How often the folder is looked at beside what the server tells by itself (IDLE); a server without IDLE is asked
    at least every 5 s."""
    search: str | None = None
    """Only messages that the server finds so when they come, in IMAP's words: `UNSEEN FROM "@shop.example"`. The
    others are passed over for good."""
    mark: str = "none"
    """What becomes of a message when its event is committed: `none`, `seen`, `delete`, or `move FOLDER`."""
    attachments: Attachments = "metadata"
    """`metadata`: name, type and size of each; `content`: those up to `max_attachment` as base64, too; `none`."""
    existing: Literal["ignore", "process"] = "ignore"
    """What happens at the very first start with messages that are there already."""
    max_size: str | int = "10MB"
    """A larger message becomes a dead letter, and is left as it is in the folder: bytes or `5MB`."""
    max_attachment: str | int = "1MB"
    """With `attachments: content`: a larger one has `content: null`."""
    batch: int = 50
    """So many messages, and about 8 MB, are read and committed at once."""

    def target(self) -> str | None:
        """Where messages are moved, with `mark: move FOLDER`."""
        word, _, folder = self.mark.strip().partition(" ")
        return folder.strip() if word == "move" else None

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        found = [*self._of_mark(), *self._of_sizes()]
        if not self.folder or _CONTROL.search(self.folder):
            found.append("folder is empty or has control characters in it; write one such as INBOX")
        if self.search is not None and (not self.search.strip() or _CONTROL.search(self.search)):
            found.append("search is empty or has control characters in it; write one such as UNSEEN, or leave it out")
        if not 1 <= self.batch <= MOST_MESSAGES:
            found.append(f"batch is from 1 to {MOST_MESSAGES}")
        try:
            if not SHORTEST <= durations.parse(self.every) <= LONGEST:
                found.append("every is from 100ms to a day")
        except ValueError as error:
            found.append(f"every: {error}")
        return found

    def _of_mark(self) -> list[str]:
        if self.mark in {"none", "seen", "delete"}:
            return []
        target = self.target()
        if not target or _CONTROL.search(target):
            return [f"mark: {self.mark[:60]!r} is none of none, seen, delete, or `move FOLDER` with the folder's name"]
        if target == self.folder:
            return ["mark: messages would be moved into the folder that they are in, and come again for ever"]
        return []

    def _of_sizes(self) -> list[str]:
        found = []
        for name in ("max_size", "max_attachment"):
            try:
                if not 0 < size(getattr(self, name)) <= MOST_BYTES:
                    found.append(f"{name} is from 1 byte to 256MB")
            except ValueError as error:
                found.append(f"{name}: {error}")
        return found


def size(text: str | int) -> int:
    """`10MB` in bytes.

    Raises:
        ValueError: it is not a size.
    """
    found = _SIZE.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is not a size such as 500KB or 10MB")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]
