"""How far a snapshot has come: which rows were told, and as they were at which place of the log. Pure.

A snapshot reads each table in the order of its primary key. After a restart it reads on behind the last key, but sees
the rows as they are at a later place of the log. Which rows are of which place has to be known when the log is read: a
change that a row had in it already when it was told is not told again.
"""

from __future__ import annotations

from collections.abc import Sequence

from reactor.sdk import JSON

Place = tuple[int | bytes, ...]
"""A key, comparable in the order of reading."""


class Part:
    """Rows that were told as they were at one place of the log."""

    def __init__(self, mark: str, to: list[str] | None) -> None:
        self.mark = mark
        """The place of the log."""
        self.to = to
        """The last key, as texts; None: to the end of the table."""


class KeyOrder:
    """How the keys of a table compare: numbers as such, everything else by the bytes of its text."""

    def __init__(self, columns: tuple[str, ...], numbers: tuple[bool, ...]) -> None:
        self.columns = columns
        self.numbers = numbers

    def place(self, texts: Sequence[str]) -> Place:
        """Of a key, from the texts of its values."""
        return tuple(int(text) if number else text.encode() for text, number in zip(texts, self.numbers, strict=True))


class Progress:
    """Of all tables of one snapshot."""

    def __init__(self, saved: JSON = None) -> None:
        self.done = bool(saved and saved["done"])
        parts = saved["parts"] if saved else {}
        self._parts: dict[str, list[Part]] = {
            table: [Part(mark, to) for mark, to in found] for table, found in parts.items()
        }

    def saved(self) -> JSON:
        """To be saved."""
        parts = {table: [[part.mark, part.to] for part in found] for table, found in self._parts.items()}
        return {"done": self.done, "parts": parts}

    def after(self, table: str) -> list[str] | None:
        """The key behind which is read on; None: from the beginning."""
        parts = self._parts.get(table)
        return parts[-1].to if parts else None

    def ended(self, table: str) -> bool:
        """Whether all its rows have been told."""
        parts = self._parts.get(table)
        return bool(parts) and parts is not None and parts[-1].to is None

    def read(self, table: str, mark: str, to: list[str] | None) -> None:
        """Rows up to this key (None: to the end) have been told as they are at this place of the log."""
        parts = self._parts.setdefault(table, [])
        if parts and parts[-1].mark == mark:
            parts[-1].to = to
        else:
            parts.append(Part(mark, to))

    def interrupted(self, table: str) -> bool:
        """Whether its rows are of more than one place of the log."""
        return len(self._parts.get(table, ())) > 1

    def mark(self, table: str, order: KeyOrder, key: Sequence[str]) -> str | None:
        """The place of the log at which the row with this key was told, or would have been, had it been there."""
        place = order.place(key)
        parts = self._parts.get(table, ())
        return next((part.mark for part in parts if part.to is None or place <= order.place(part.to)), None)
