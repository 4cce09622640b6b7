"""Messages of a stream that are gone before they were read: found, and told."""

from __future__ import annotations

from collections.abc import Sequence

from reactor.connectors.nats import jetstream
from reactor.connectors.nats.config import NatsConfig
from reactor.connectors.nats.link import Link
from reactor.connectors.nats.taken import Stretch, Taken
from reactor.sdk import TriggerContext


class Gaps:
    """Of one trigger."""

    def __init__(self, ctx: TriggerContext, link: Link, config: NatsConfig, stream: jetstream.Stream) -> None:
        self._ctx = ctx
        self._link = link
        self._config = config
        self._unread = not stream.newest_only
        """Whether what is missing was lost. Where newer messages replace older ones, that is the stream's purpose."""
        self._keeps = stream.keeps and config.subject is not None

    def passed_over(self, taken: Taken, consumer: jetstream.Consumer) -> None:
        """At the start: somebody has made the consumer anew, beyond where we were."""
        begins = consumer.delivered.stream_seq
        if not taken.of(consumer.created) and consumer.delivered.consumer_seq == 0 and begins > taken.top:
            self._ctx.gap(
                f"the consumer {taken.durable!r} of stream {taken.stream!r} was made anew by somebody, and begins "
                f"behind message {begins}; {taken.top + 1} to {begins} are not read by it"
            )

    def trimmed(self, taken: Taken, stream: jetstream.Stream) -> None:
        """At the start: what was removed since, and not read. It counts as taken then."""
        lost = list(taken.missing(stream.state.first_seq))
        for first, last in lost:
            taken.add(first, last)
        if lost and self._unread and not self._keeps:
            self._tell(lost)

    async def look(self, holes: Sequence[Stretch]) -> None:
        """Between messages that came one after the other something is missing.

        Without a subject nothing should be; with one, messages on other subjects are, so that only what the stream does
        not reach back to any more can have been ours.
        """
        if not holes or not self._unread or self._keeps:
            return
        if self._config.subject is not None:
            stream = await jetstream.stream_info(self._link, self._config.stream or "")
            begins = stream.state.first_seq
            holes = [(first, min(last, begins - 1)) for first, last in holes if first < begins]
        if holes:
            self._tell(holes)

    def _tell(self, lost: Sequence[Stretch]) -> None:
        number = sum(last - first + 1 for first, last in lost)
        ours = f"; those of them on {self._config.subject} are lost" if self._config.subject else ""
        apart = f" ({number} of them)" if len(lost) > 1 else ""
        self._ctx.gap(
            f"messages {lost[0][0]} to {lost[-1][1]}{apart} of stream {self._config.stream!r} were removed before they "
            f"were read{ours}; its limits (max_age, max_msgs, max_bytes) are too tight for how far behind we were"
        )
