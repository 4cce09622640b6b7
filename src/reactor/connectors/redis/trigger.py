"""The trigger `redis`: entries of a stream, messages of channels, elements of a list."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.connection import REDIS, Opening, driver
from reactor.sdk import DeadLetter, EventDraft, TriggerContext


class RedisTrigger:
    """Tells what comes into streams, channels and lists of Redis."""

    kind: ClassVar[str] = "redis"
    config: ClassVar[type[msgspec.Struct]] = RedisConfig
    short: ClassVar[str | None] = None
    doc: ClassVar[str] = (
        "An event for each entry of a stream, message of a channel, or element of a list. Streams and lists are "
        "acknowledged after the event is committed; channels keep nothing."
    )
    default_type: ClassVar[str] = "redis.message"

    def check(self, config: RedisConfig) -> list[str]:
        return config.problems()

    def redo(self, config: RedisConfig, letter: DeadLetter) -> EventDraft:
        from reactor.connectors.redis.entries import again  # noqa: PLC0415

        return again(config, letter)

    async def run(self, ctx: TriggerContext) -> None:
        config: RedisConfig = ctx.config
        opened = Opening.of(ctx.connection(config.connection, REDIS).settings, ctx.settings)
        driver()
        await _kind(config)(ctx, opened).run()


def _kind(config: RedisConfig) -> Any:
    """What reads this kind of source."""
    from reactor.connectors.redis.channels import Channels  # noqa: PLC0415 - paid by flows that use it
    from reactor.connectors.redis.lists import Elements  # noqa: PLC0415
    from reactor.connectors.redis.streams import Stream  # noqa: PLC0415

    if config.stream:
        return Stream
    return Elements if config.list_ else Channels
