"""What may stand under `nats:`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec

from reactor.model import durations
from reactor.sdk.payload import Format

BATCH = 250
MOST = 500
ACK_WAIT = 10_000
"""Milliseconds."""
MAX_ACK_PENDING = 1_000
_SHORTEST_WAIT = 1_000
_STARTS = ("new", "all", "last")
_FORBIDDEN = frozenset(" .*>/\\\t\r\n")
"""What cannot be in the name of a stream or consumer."""

Duration = str | int | float


class NatsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `nats:`."""

    subject: str | None = None
    """The subject, with `*` for one part and `>` for the rest. Of a stream only the messages on it; without it all."""
    queue: str | None = None
    """Without a stream: a queue group; each message goes to one of its members."""
    stream: str | None = None
    """A stream of JetStream. Without it messages come as they are published, at most once."""
    durable: str | None = None
    """Name of the stream's durable consumer, made if it is not there; by default `reactor_FLOW_INDEX`."""
    start: str | int = "new"
    """Where a consumer that is made begins: `new` messages, `all`, the `last` one, from a sequence, or from a time (ISO
    8601). A consumer that was there before, or is made anew, goes on where it was."""
    ack_wait: Duration | None = None
    """After so long the server gives a message to somebody else, unless told that it is still worked on; default 10s
    for a consumer that is made."""
    max_ack_pending: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """So many messages may be given out and not acknowledged; default 1,000 for a consumer that is made. 1 keeps the
    order also after a crash, and is slow."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = BATCH
    """At most so many messages are committed together."""
    pending: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Without a stream: so many messages may wait here; what comes beyond them is dropped, and told as a gap."""
    format: Format = "auto"
    """`auto`: by the header `Content-Type`, else JSON if it is that, else text · `json` · `text` · `binary`: base64."""
    connection: str | None = None
    """Name of a connection `{type: nats, servers}`."""


def problems(config: NatsConfig) -> list[str]:
    """What the shape cannot tell."""
    found = [*_needs(config)]
    if config.subject is not None and (wrong := wrong_subject(config.subject)):
        found.append(f"subject: {wrong}")
    for name in ("stream", "durable"):
        value = getattr(config, name)
        if value is not None and (not value or _FORBIDDEN & set(value)):
            found.append(f"{name}: {value!r} cannot be a name; it is empty, or has a blank, a dot, a slash, * or >")
    if config.queue is not None and (not config.queue or any(map(str.isspace, config.queue))):
        found.append("queue: the name of a queue group is not empty and has no blanks")
    found += _of_start(config.start)
    if config.ack_wait is not None:
        found += _of_wait(config.ack_wait)
    return found


def _needs(config: NatsConfig) -> list[str]:
    if config.stream is None:
        if config.subject is None:
            return ["give `subject`, or `stream`"]
        given = [name for name in ("durable", "ack_wait", "max_ack_pending") if getattr(config, name) is not None]
        given += ["start"] if config.start != "new" else []
        return [f"`{name}` is for streams; give `stream` too, or leave it out" for name in given]
    if config.queue is not None:
        return ["`queue` is not for streams: triggers that share a `durable` share its messages"]
    return []


def _of_start(start: str | int) -> list[str]:
    try:
        policy(start)
    except ValueError as error:
        return [f"start: {error}"]
    return []


def _of_wait(written: Duration) -> list[str]:
    try:
        short = durations.parse(written) < _SHORTEST_WAIT
    except ValueError as error:
        return [f"ack_wait: {error}"]
    return ["ack_wait: should be 1s at least"] if short else []


def wrong_subject(subject: str) -> str | None:
    """What is wrong with a subject that may have wildcards, or None."""
    if not subject or any(map(str.isspace, subject)):
        return "is empty or has blanks; write one such as orders.*"
    parts = subject.split(".")
    if not all(parts):
        return f"{subject!r} has nothing between two dots, or a dot at an end"
    if any(len(part) > 1 and {"*", ">"} & set(part) for part in parts):
        return f"in {subject!r} a wildcard is only part of a name; `*` and `>` stand for whole parts"
    if ">" in parts[:-1]:
        return f"in {subject!r} `>` is not at the end; use `*` for one part"
    return None


def policy(start: str | int) -> dict[str, Any]:
    """`start`, as the configuration of a consumer has it.

    Raises:
        ValueError: it is nothing of that.
    """
    if isinstance(start, int) or start.isdecimal():
        if int(start) < 1:
            raise ValueError("sequences begin with 1")
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": int(start)}
    if start in _STARTS:
        return {"deliver_policy": start}
    try:
        time = dt.datetime.fromisoformat(start)
    except ValueError:
        raise ValueError(
            f"{start!r} is none of new, all, last, a sequence and a time such as 2026-01-31T08:00:00Z"
        ) from None
    if time.tzinfo is None:
        raise ValueError(f"{start!r} has no offset; write Z at its end for UTC")
    return {
        "deliver_policy": "by_start_time",
        "opt_start_time": time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    }
