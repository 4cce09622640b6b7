"""The configuration of an mqtt trigger."""

from __future__ import annotations

from typing import Literal

import msgspec

from reactor.model import durations
from reactor.sdk.payload import Format

_LONGEST_TOPIC = 65_535
_LONGEST_ID = 256
NEVER = 0xFFFF_FFFF
"""Seconds that mean: the session does not expire."""


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `mqtt:`."""

    topic: str | list[str]
    """The topic, or several; `+` stands for one level, `#` at the end for all below."""
    qos: Literal[0, 1, 2] = 1
    """What the broker promises: 0 at most once (what comes while we are away is lost), 1 at least once, 2 exactly
    once. At 1 and 2 each message gives one event."""
    shared: str | None = None
    """Name of a group: each message goes to one of the group's clients only (`$share/GROUP/TOPIC`)."""
    retained: Literal["new", "include", "ignore"] = "new"
    """Whether the last values that the broker keeps of topics are events when the subscription is new: `new` those that
    have not been events in the last week, `include` all, `ignore` none. A live message always is one."""
    client_id: str | None = None
    """Who the broker knows us as; the session hangs on it. Default: made once and kept."""
    session_expiry: str | int | float = "7d"
    """How long the broker keeps messages for us while we are away (MQTT 5; with 3.1.1 it decides by itself)."""
    connection: str | None = None
    """Name of a connection of type `mqtt`."""
    format: Format = "auto"
    """How messages are read: `auto` by their content type, else JSON or text; `json`, `text` or `binary` (base64)."""
    batch: int = 500
    """The most messages that are committed together; twice as many may be on their way to us."""

    def topics(self) -> list[str]:
        """All of them as written."""
        return [self.topic] if isinstance(self.topic, str) else list(self.topic)

    def filters(self) -> list[str]:
        """As the broker is asked."""
        lead = f"$share/{self.shared}/" if self.shared else ""
        return [f"{lead}{topic}" for topic in self.topics()]

    def expiry_seconds(self) -> int:
        """`session_expiry` as the protocol has it.

        Raises:
            ValueError: it is not a duration.
        """
        return min(max(durations.parse(self.session_expiry) // 1000, 1), NEVER)

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        topics = self.topics()
        found = [reason for topic in topics if (reason := wrong_filter(topic))]
        if not topics:
            found.append("topic is empty; write one such as sensors/+/temperature")
        if len(set(topics)) < len(topics):
            found.append("topic: the same topic is there twice")
        if self.shared is not None and (not self.shared or any(sign in self.shared for sign in "/+#")):
            found.append("shared: the name of a group has no / + or # in it, and is not empty")
        if self.client_id is not None and not 0 < len(self.client_id) <= _LONGEST_ID:
            found.append(f"client_id has 1 to {_LONGEST_ID} characters")
        if not 1 <= self.batch <= 5_000:
            found.append("batch has to be from 1 to 5000")
        try:
            if durations.parse(self.session_expiry) < 1_000:
                found.append("session_expiry is less than a second: what comes while we are away would be lost")
        except ValueError as error:
            found.append(f"session_expiry: {error}")
        return found


def wrong_filter(topic: str) -> str | None:
    """What is wrong with a topic filter (MQTT 5 §4.7.1), or None."""
    if not topic:
        return "topic: one is empty"
    if len(topic.encode()) > _LONGEST_TOPIC or "\0" in topic:
        return f"topic: {topic[:60]!r} is too long or has a NUL in it"
    if topic.startswith("$share/"):
        return f"topic: write `shared: GROUP` beside the topic in place of {topic!r}"
    levels = topic.split("/")
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):
            return f"topic: in {topic!r} `#` has to be the last level, by itself"
        if "+" in level and level != "+":
            return f"topic: in {topic!r} `+` stands for a whole level; write sensors/+/state"
    return None


def fits(topic: str, wanted: str) -> bool:
    """Whether a topic is meant by a filter (without `$share`)."""
    levels, parts = topic.split("/"), wanted.split("/")
    if topic.startswith("$") and parts[0] in {"+", "#"}:
        return False
    for place, part in enumerate(parts):
        if part == "#":
            return True
        if place >= len(levels) or part not in {"+", levels[place]}:
            return False
    return len(levels) == len(parts)
