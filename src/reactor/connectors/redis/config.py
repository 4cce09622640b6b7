"""The configuration of a Redis trigger."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from reactor.model import durations
from reactor.sdk.payload import Format

MOST = 500
"""Messages in hand at most."""
_ID = re.compile(r"\d{1,20}(-\d{1,20})?")
_SOURCES = ("channel", "pattern", "stream", "list_")
_OF_STREAMS = ("group", "start", "claim_after", "field")


class RedisConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `redis:`: one of `channel`, `pattern`, `stream` and `list`, and how it is read."""

    channel: str | list[str] = msgspec.field(default_factory=list)
    """Channels of publish/subscribe. What is published while nobody listens is gone: at most once."""
    pattern: str | list[str] = msgspec.field(default_factory=list)
    """Patterns of channels: `*` any text, `?` one character, `[ab]`."""
    stream: str = ""
    """A stream, read by a consumer group: every entry once, also after crashes."""
    list_: str = msgspec.field(default="", name="list")
    """A list that is a queue: each element is taken once."""
    group: str = ""
    """The consumer group; it is made where it is missing. Members of one group share the entries. Default
    `reactor-FLOW`: a flow's own, so that it sees all of them."""
    start: str = "new"
    """Where a group that is made begins: `new`, `earliest`, or after the entry with this id."""
    claim_after: str | int | float = "30s"
    """Entries that another consumer of the group has taken and left for so long are taken over; `never`: they are not.
    At least 1s, and longer than the others need for an entry."""
    field: str | None = None
    """The field of an entry whose value is the event's data, read by `format`; the others are in `metadata.fields`.
    Without it the data is a map of all fields."""
    take: Literal["left", "right"] = "left"
    """The end of the list that is next: `left` where producers RPUSH, `right` where they LPUSH."""
    format: Format = "auto"
    """How a message is read. For a map of fields it holds for each value, and `auto` is text."""
    batch: int = MOST
    """So many messages are taken at a time, at most 500."""
    connection: str | None = None
    """Name of a connection of type `redis`."""

    def channels(self) -> tuple[str, ...]:
        """Channels by their names."""
        return (self.channel,) if isinstance(self.channel, str) else tuple(self.channel)

    def patterns(self) -> tuple[str, ...]:
        """Channels by patterns."""
        return (self.pattern,) if isinstance(self.pattern, str) else tuple(self.pattern)

    def claim_seconds(self) -> float | None:
        """`claim_after` in seconds, or None.

        Raises:
            ValueError: it is not a duration.
        """
        return None if self.claim_after == "never" else durations.parse(self.claim_after) / 1000

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        return [*self._of_sources(), *self._of_stream(), *self._of_rest()]

    def _given(self, names: tuple[str, ...]) -> tuple[str, ...]:
        plain = RedisConfig()
        return tuple(name for name in names if getattr(self, name) != getattr(plain, name))

    def _of_sources(self) -> tuple[str, ...]:
        given = self._given(_SOURCES)
        if not given or given in {("stream",), ("list_",)} or set(given) <= {"channel", "pattern"}:
            if given and not all((*self.channels(), *self.patterns())):
                return ("a channel or pattern is empty",)
            return () if given else ("nothing to listen to: give `stream`, `channel`, `pattern` or `list`",)
        names = " and ".join(f"`{name.rstrip('_')}`" for name in given)
        return (f"{names} do not go together; write a trigger for each",)

    def _of_stream(self) -> tuple[str, ...]:
        if not self.stream:
            astray = self._given(_OF_STREAMS)
            return tuple(f"{name} belongs to `stream`" for name in astray)
        if self.start in {"new", "earliest"} or _ID.fullmatch(self.start):
            return ()
        return (f"start: {self.start!r} is neither `new`, `earliest` nor an id such as 1732567890123-0",)

    def _of_rest(self) -> tuple[str, ...]:
        found = []
        if not 1 <= self.batch <= MOST:
            found.append(f"batch is 1 to {MOST}")
        if "take" in self._given(("take",)) and not self.list_:
            found.append("take belongs to `list`")
        try:
            seconds = self.claim_seconds()
            if seconds is not None and seconds < 1:
                found.append("claim_after is at least 1s; `never` turns it off")
        except ValueError as error:
            found.append(f"claim_after: {error}")
        return tuple(found)
