"""The action `weather.announce`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from reactor.sdk import ActionContext, Effect, PermanentError, Retry, TransientError, action
from reactor.sdk.paths import inside_roots
from reactor_weather.station import ANNOUNCEMENTS, STATION


class AnnounceParams(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The fields are the action's parameters: `validate`, the editor's completion and the docs know them from here."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="What the station shows.")]
    level: Literal["info", "warning", "storm"] = "info"
    connection: str | None = None
    key: str = ""
    """The station's key, where it has one."""

    def __post_init__(self) -> None:
        """Check what types cannot say; the message is shown to whoever wrote the flow."""
        if "\n" in self.text:
            raise ValueError("text: it has a line break in it, and the station shows one line")


@action("weather.announce", params=AnnounceParams, effect=Effect.WRITE, retry=Retry(max=3, delay=500))
async def announce(ctx: ActionContext, params: AnnounceParams) -> dict[str, Any]:
    """Show a text at a station. Output: `announced` (false when an earlier attempt had done it), `count`."""
    station = ctx.connection(params.connection, STATION)
    if station.settings.key != params.key:
        raise PermanentError("weather.denied", f"station {station.name} wants its key in the parameter `key`")
    path = inside_roots(ctx.settings, station.settings.folder) / ANNOUNCEMENTS
    # Reactor calls again after a crash or a failed attempt, with the same key: whoever keeps it does nothing twice.
    line = json.dumps({"text": params.text, "level": params.level, "key": ctx.idempotency_key})
    try:
        announced, count = await asyncio.to_thread(_append, path, line)
    except OSError as error:  # a full disk may have room again: worth another try
        raise TransientError("weather.io", f"{path}: {error.strerror}") from error
    ctx.log.info("station %s: %s", station.name, "announced" if announced else "was announced before")
    return {"announced": announced, "count": count}


def _append(path: Path, line: str) -> tuple[bool, int]:
    with path.open("a+", encoding="utf-8") as file:
        file.seek(0)
        lines = file.read().splitlines()
        if line in lines:
            return False, len(lines)
        file.write(line + "\n")
    return True, len(lines) + 1
