"""The connection: a weather station."""

from pathlib import Path

import msgspec

from reactor.sdk import ConnectionContext, ConnectionType, PermanentError
from reactor.sdk.paths import inside_roots

READINGS, ANNOUNCEMENTS = "readings.jsonl", "announcements.jsonl"


class StationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands beside `type: weather-station`."""

    folder: str
    """Where the station keeps its files."""
    key: str = ""
    """The station's key: whoever announces has to know it."""


async def look(ctx: ConnectionContext, settings: StationSettings) -> str:
    """Whether the station is there. Changes nothing."""
    folder = inside_roots(ctx.settings, settings.folder)
    if not (folder / READINGS).is_file():
        raise PermanentError("weather.station", f"there is no station in {folder}: it has no {READINGS}")
    return f"a weather station, {count(folder / READINGS)} readings"


def count(path: Path) -> int:
    """Whole lines of a file."""
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)


STATION = ConnectionType(
    name="weather-station", settings=StationSettings, test=look, secret=("key",), doc="A weather station."
)
