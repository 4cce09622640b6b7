"""What JetStream tells of streams and consumers, and the durable consumer of a trigger.

Its API is asked directly: the answers are kept as they are written (`created` has nanoseconds), and fields that a
server does not know come back missing, which is how a setting that it silently dropped is noticed.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from reactor.connectors.nats.config import ACK_WAIT, MAX_ACK_PENDING, NatsConfig, policy
from reactor.connectors.nats.link import Link
from reactor.connectors.nats.taken import Taken
from reactor.model import durations
from reactor.model.errors import PermanentError, TransientError

_T = TypeVar("_T")
_NANOS = 1_000_000
"""Of a millisecond."""
_NO_STREAM, _NO_CONSUMER, _NOT_ENABLED = 10059, 10014, (10076, 10039)


class Failure(msgspec.Struct, frozen=True):
    """Why JetStream would not."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class StreamConfig(msgspec.Struct, frozen=True):
    """Of a stream: what decides whether messages leave it unread."""

    retention: str = "limits"
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1


class StreamState(msgspec.Struct, frozen=True):
    """What is in a stream."""

    first_seq: int = 0
    last_seq: int = 0


class Stream(msgspec.Struct, frozen=True):
    """A stream."""

    created: str = ""
    config: StreamConfig = StreamConfig()
    state: StreamState = StreamState()
    error: Failure | None = None

    @property
    def keeps(self) -> bool:
        """Whether a message leaves it only when its consumers are done with it."""
        config = self.config
        return config.retention != "limits" and config.max_msgs < 0 and config.max_bytes < 0 and not config.max_age

    @property
    def newest_only(self) -> bool:
        """Whether older messages of a subject give way to newer ones, by design."""
        return self.config.max_msgs_per_subject > 0


class Point(msgspec.Struct, frozen=True):
    """A place of a consumer: in its own deliveries, and in the stream."""

    consumer_seq: int = 0
    stream_seq: int = 0


class ConsumerConfig(msgspec.Struct, frozen=True):
    """Of a consumer."""

    ack_policy: str = "none"
    ack_wait: int = 0
    max_deliver: int = -1
    max_ack_pending: int = 0
    filter_subject: str = ""
    filter_subjects: list[str] = []
    deliver_subject: str = ""
    headers_only: bool = False
    backoff: list[int] = []


class Consumer(msgspec.Struct, frozen=True):
    """A consumer, and how far it is."""

    created: str = ""
    config: ConsumerConfig = ConsumerConfig()
    delivered: Point = Point()
    ack_floor: Point = Point()
    num_ack_pending: int = 0
    num_pending: int = 0
    num_waiting: int = 0
    error: Failure | None = None

    @property
    def settled(self) -> int:
        """All of the stream that it has given out up to here is acknowledged."""
        return self.ack_floor.stream_seq if self.num_ack_pending else self.delivered.stream_seq

    @property
    def patience(self) -> float:
        """Seconds until the server gives a message to somebody else."""
        return min([self.config.ack_wait, *self.config.backoff]) / 1e9


class _Whole(msgspec.Struct, frozen=True):
    """An answer with all that a consumer is configured to."""

    config: dict[str, Any] = {}
    error: Failure | None = None


async def stream_info(link: Link, name: str) -> Stream:
    """A stream as it is now.

    Raises:
        PermanentError: `nats.stream`: there is none, or no JetStream. TransientError: the server does not answer.
    """
    found = await _ask(link, f"STREAM.INFO.{name}", None, Stream)
    if found.error is not None:
        if found.error.err_code == _NO_STREAM:
            raise PermanentError(
                "nats.stream", f"there is no stream {name!r} at {link.where}; make it: nats stream add {name}"
            )
        raise _failed(link, found.error)
    return found


async def consumer_info(link: Link, stream: str, durable: str) -> Consumer | None:
    """A consumer as it is now, or None when there is none.

    Raises:
        PermanentError, TransientError: as `stream_info`.
    """
    found = await _ask(link, f"CONSUMER.INFO.{stream}.{durable}", None, Consumer)
    if found.error is not None:
        if found.error.err_code == _NO_CONSUMER:
            return None
        raise _failed(link, found.error)
    return found


async def make_consumer(link: Link, config: NatsConfig, durable: str, taken: Taken | None) -> Consumer:
    """Make the durable consumer of a trigger: it begins behind what was `taken`, else where the trigger says.

    Raises:
        PermanentError, TransientError: as `stream_info`.
    """
    wait = durations.parse(config.ack_wait) if config.ack_wait is not None else ACK_WAIT
    wanted: dict[str, Any] = {
        "durable_name": durable,
        "description": "of Reactor",
        "ack_policy": "explicit",
        "ack_wait": wait * _NANOS,
        "max_ack_pending": config.max_ack_pending or MAX_ACK_PENDING,
        "max_deliver": -1,
        "replay_policy": "instant",
    }
    if taken is not None:
        wanted |= {"deliver_policy": "by_start_sequence", "opt_start_seq": taken.floor + 1}
    else:
        wanted |= policy(config.start)
    if config.subject is not None:
        wanted["filter_subject"] = config.subject
    stream = config.stream
    request = {"stream_name": stream, "config": wanted}
    found = await _ask(link, f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", request, Consumer)
    if found.error is not None:
        raise _failed(link, found.error)
    return found


def alone(taken: Taken, found: Consumer) -> bool:
    """Whether what the consumer has given out and nobody acknowledged was surely given to us, before we were cut off:
    nothing that it gave out since our last commit is acknowledged, and nobody waits for more.
    """
    given = found.delivered.consumer_seq - taken.number
    return taken.of(found.created) and 0 < given <= found.num_ack_pending and not found.num_waiting


async def begin_again(link: Link, config: NatsConfig, durable: str, taken: Taken) -> Consumer:
    """Make a consumer that is ours alone anew, as it was but behind what was taken: what was in flight comes at once
    and in its order. Else it would come when the time for acknowledgements is over, after newer messages.

    Raises:
        PermanentError, TransientError: as `stream_info`.
    """
    stream = config.stream
    was = await _ask(link, f"CONSUMER.INFO.{stream}.{durable}", None, _Whole)
    wanted = {name: value for name, value in was.config.items() if name not in ("opt_start_time", "metadata")}
    wanted |= {"deliver_policy": "by_start_sequence", "opt_start_seq": taken.floor + 1}
    gone = await _ask(link, f"CONSUMER.DELETE.{stream}.{durable}", None, _Whole)
    if gone.error is not None:
        raise _failed(link, gone.error)
    request = {"stream_name": stream, "config": wanted}
    found = await _ask(link, f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", request, Consumer)
    if found.error is not None:
        raise _failed(link, found.error)
    return found


def differences(config: NatsConfig, found: ConsumerConfig) -> list[str]:
    """In what a consumer is not as the trigger wants it; settings that the trigger does not name are as they are."""
    told = []
    if found.deliver_subject:
        told.append("it pushes its messages, and a trigger pulls them")
    if found.ack_policy != "explicit":
        told.append(f"its ack_policy is {found.ack_policy}, not explicit")
    filters = sorted(found.filter_subjects) or ([found.filter_subject] if found.filter_subject else [])
    wanted = [config.subject] if config.subject is not None else []
    if filters != wanted and not (filters == [">"] and not wanted):
        told.append(f"its subject is {', '.join(filters) or 'all'}, not {', '.join(wanted) or 'all'}")
    if config.ack_wait is not None and found.ack_wait != durations.parse(config.ack_wait) * _NANOS:
        told.append(f"its ack_wait is {durations.show(found.ack_wait // _NANOS)}, not {config.ack_wait}")
    if config.max_ack_pending is not None and found.max_ack_pending != config.max_ack_pending:
        told.append(f"its max_ack_pending is {found.max_ack_pending}, not {config.max_ack_pending}")
    if found.max_deliver > 0:
        told.append(f"its max_deliver is {found.max_deliver}, which gives messages up")
    if found.headers_only:
        told.append("it gives headers only")
    return told


def checked(config: NatsConfig, durable: str, found: Consumer) -> Consumer:
    """The consumer, if it is as the trigger wants it.

    Raises:
        PermanentError: kind `nats.consumer`.
    """
    told = differences(config, found.config)
    if told:
        raise PermanentError(
            "nats.consumer",
            f"the consumer {durable!r} of stream {config.stream!r} is not as the flow says: {'; '.join(told)}; change "
            f"the flow, name another `durable`, or delete it (nats consumer rm {config.stream} {durable}): it is made "
            "anew and goes on where this trigger was",
        )
    return found


async def _ask(link: Link, what: str, request: Any, shape: type[_T]) -> _T:
    body = msgspec.json.encode(request) if request is not None else b""
    try:
        answer = await link.ask(f"$JS.API.{what}", body)
    except TransientError as error:
        if error.kind == "nats.no_responders":
            raise PermanentError("nats.jetstream", _without(link)) from None
        raise
    try:
        return msgspec.json.decode(answer.data, type=shape)
    except msgspec.MsgspecError as error:
        raise TransientError(
            "nats.jetstream", f"{link.where} answered to {what} with something else: {error}"
        ) from error


def _failed(link: Link, failure: Failure) -> PermanentError | TransientError:
    if failure.err_code in _NOT_ENABLED:
        return PermanentError("nats.jetstream", _without(link))
    kind = TransientError if failure.code >= 500 else PermanentError  # as in HTTP
    return kind("nats.jetstream", f"JetStream at {link.where} refuses: {failure.description or failure.code}")


def _without(link: Link) -> str:
    return (
        f"{link.where} has no JetStream for this user; enable it there (`jetstream` in its configuration), or "
        "leave out `stream`"
    )
