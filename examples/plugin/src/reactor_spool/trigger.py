"""The trigger `spool`."""

import asyncio
from pathlib import Path
from typing import ClassVar

import msgspec

from reactor.sdk import EventDraft, TriggerContext, TriggerLost
from reactor.sdk.paths import inside_roots

MOST = 500
"""Lines of one commit."""


class SpoolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand under `spool:`."""

    path: str
    every: float = 1.0
    """Seconds between looks."""


class Spool:
    """One object for all triggers of this kind: whatever belongs to a single one lives in `run`."""

    kind: ClassVar[str] = "spool"
    config: ClassVar[type[msgspec.Struct]] = SpoolConfig
    short: ClassVar[str | None] = "path"  # `spool: FILE` is enough
    doc: ClassVar[str] = "An event for each line that is added to a file."
    default_type: ClassVar[str] = "spool.line"
    passive: ClassVar[bool] = False

    def check(self, config: SpoolConfig) -> list[str]:
        """Problems that types cannot tell; `reactor validate` shows them at their place."""
        return [] if 0.01 <= config.every <= 3600 else ["every: from 0.01 to 3600 seconds"]

    async def run(self, ctx: TriggerContext) -> None:
        """Listen until cancelled."""
        config: SpoolConfig = ctx.config
        path = inside_roots(ctx.settings, config.path)
        offset = int(ctx.saved().get("offset", 0))  # where we were, also before a restart or crash
        while True:
            lines, end = await asyncio.to_thread(_read, path, offset)
            drafts = [EventDraft(type=self.default_type, data={"line": line}, id=f"{path}@{at}") for at, line in lines]
            if drafts:
                # Events, the runs they start and our place in the file are committed together, or not at all. When the
                # queues are full `emit` raises BusyError: Reactor starts us again in a while, from what was saved.
                await ctx.emit(drafts, save={"offset": end})
                offset = end
            ctx.armed()  # only what really listens is shown as armed
            if len(lines) < MOST:
                await ctx.sleep_until(ctx.clock.now() + round(config.every * 1000))


def _read(path: Path, offset: int) -> tuple[list[tuple[int, str]], int]:
    """Whole lines from `offset` on, each with its place, and where the last one ends."""
    lines: list[tuple[int, str]] = []
    try:
        with path.open("rb") as spool:
            spool.seek(offset)
            while len(lines) < MOST and (raw := spool.readline()).endswith(b"\n"):
                lines.append((offset, raw[:-1].decode("utf-8", "replace").partition("\t")[0]))
                offset += len(raw)
    except OSError as error:
        # Shown in red with this sentence, and tried again with growing pauses until it works.
        raise TriggerLost(f"{path} cannot be read: {error.strerror}") from error
    return lines, offset
