"""The configuration of a file trigger."""

from __future__ import annotations

from typing import Literal

import msgspec

from reactor.connectors.file import pattern
from reactor.model import durations

Kind = Literal["created", "modified", "deleted", "moved"]
KINDS: tuple[Kind, ...] = ("created", "modified", "deleted", "moved")
LONGEST = 86_400_000
"""The longest `settle`, in milliseconds."""


class FileConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `file:`."""

    path: str | list[str] = msgspec.field(default_factory=list)
    """A folder, or a pattern (`*` `?` `[a-z]` `{a,b}`, `**` for any folders); relative to the working directory."""
    paths: list[str] = msgspec.field(default_factory=list)
    """Several of them."""
    changes: Kind | list[Kind] = msgspec.field(default_factory=lambda: list(KINDS))
    """What is told. Without `moved` a move is told as `deleted` and `created`."""
    settle: str | int | float = "500ms"
    """A file is told when its size and time have not changed for so long."""
    existing: Literal["ignore", "process"] = "ignore"
    """What happens at the very first start with files that are there already."""
    content: Literal["none", "text", "json", "csv"] = "none"
    """Whether the event carries the content, up to 1 MiB."""

    def texts(self) -> list[str]:
        """All patterns as written."""
        return [*([self.path] if isinstance(self.path, str) else self.path), *self.paths]

    def wanted(self) -> set[str]:
        """The changes that are told."""
        return {self.changes} if isinstance(self.changes, str) else set(self.changes)

    def settle_seconds(self) -> float:
        """`settle` in seconds.

        Raises:
            ValueError: it is not a duration.
        """
        return durations.parse(self.settle) / 1000

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        found = [reason for text in self.texts() if (reason := pattern.problem(text))]
        if not self.texts():
            found.append("path is missing; write a folder or a pattern such as inbox/**/*.csv")
        if not self.wanted():
            found.append("changes is empty, so nothing would ever be told")
        try:
            if durations.parse(self.settle) > LONGEST:
                found.append("settle is more than a day")
        except ValueError as error:
            found.append(f"settle: {error}")
        return found
