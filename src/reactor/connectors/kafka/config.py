"""The configuration of a Kafka trigger. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Annotated

import msgspec

from reactor.model import durations
from reactor.model.clock import from_iso
from reactor.sdk.payload import Format

LATEST, EARLIEST = "latest", "earliest"
LONGEST_WAIT = 3_600_000
"""The longest `batch.for`, in milliseconds."""
NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""Of a topic."""
_WILD = frozenset("*?[")


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many messages as one event."""

    size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """At most so many messages in an event, and at most 4 MiB."""
    for_: str | int | float = msgspec.field(default="1s", name="for")
    """The event is made when its first message has waited so long, however few there are."""

    @property
    def wait(self) -> float:
        """`for` in seconds.

        Raises:
            ValueError: it is not a duration.
        """
        return durations.parse(self.for_) / 1000


class KafkaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `kafka:`."""

    topics: str | list[str]
    """A topic, or several: names, patterns (`orders.*`, `?`, `[a-z]`) or regular expressions between slashes
    (`/orders-\\d+/`). Topics that are made later and match are read from their beginning."""
    connection: str | None = None
    """Name of a connection of type `kafka`."""
    group: str | None = None
    """The consumer group; default `reactor.FLOW`. Those with the same group share the messages among them."""
    start: str = LATEST
    """Where a group that has never read a topic begins: `latest` (what comes from now on), `earliest` (all that is
    there), or a time such as `2026-01-01T00:00:00Z`."""
    format: Format = "auto"
    """How messages are read: `auto` (CloudEvents, by content type, JSON, text), `json`, `text` or `binary` (base64)."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | Batch | None = None
    """One event for so many messages of a topic; its data is the list of their values."""

    def selection(self) -> list[str]:
        """`topics` as a list."""
        return [self.topics] if isinstance(self.topics, str) else self.topics

    def names(self) -> list[str]:
        """Those of `topics` that are names: they have to be there."""
        return [text for text in self.selection() if not _is_pattern(text)]

    def expression(self) -> re.Pattern[str]:
        """What the names of the wanted topics match, as a whole.

        Raises:
            ValueError: a regular expression is none.
        """
        parts = []
        for text in self.selection():
            part = _expression(text)
            try:
                re.compile(part)
            except re.error as error:
                raise ValueError(f"topics: {text!r} is not a regular expression: {error}") from None
            parts.append(f"(?:{part})")
        return re.compile(f"(?:{'|'.join(parts)})\\Z")

    def batching(self) -> Batch | None:
        """`batch` in its long form."""
        return Batch(size=self.batch) if isinstance(self.batch, int) else self.batch

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        found = [] if self.selection() else ["topics is empty; write the name of a topic or a pattern such as orders.*"]
        found += [
            f"topics: {text!r} cannot be a topic; names are of letters, digits, `.`, `_` and `-`"
            for text in self.names()
            if not NAME.fullmatch(text)
        ]
        if not found:
            found += _why(self.expression)
        if self.start not in {LATEST, EARLIEST}:
            found += _why(lambda: start_time(self.start))
        if self.group is not None and not 0 < len(self.group.strip()) <= 255:
            found.append("group is empty or longer than 255 characters")
        if (batch := self.batching()) is not None:
            found += [f"batch: for: {reason}" for reason in _why(lambda: batch.wait)]
            if not found and batch.wait * 1000 > LONGEST_WAIT:
                found.append("batch: `for` is more than an hour; messages would wait in memory all the while")
        return found


def start_time(text: str) -> int:
    """A time to start at, in ms since 1970.

    Raises:
        ValueError: it is none.
    """
    try:
        at = from_iso(text)
    except (ValueError, OverflowError):
        at = -1
    if at < 0:
        raise ValueError(f"start: {text[:60]!r} is neither latest, earliest nor a time such as 2026-01-01T00:00:00Z")
    return at


def _why(check: Callable[[], object]) -> list[str]:
    """What is wrong, when `check` says so."""
    try:
        check()
    except ValueError as error:
        return [str(error)]
    return []


def _is_pattern(text: str) -> bool:
    return bool(_WILD & set(text)) or _is_regular(text)


def _is_regular(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _expression(text: str) -> str:
    if _is_regular(text):
        return text[1:-1]
    return fnmatch.translate(text).removesuffix("\\Z")
