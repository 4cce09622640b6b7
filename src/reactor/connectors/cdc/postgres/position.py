"""How far a trigger has read the log of a PostgreSQL: what is saved with the events."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reactor.connectors.cdc.postgres.pgoutput import lsn_number, lsn_text
from reactor.sdk import JSON

WHOLE = -1
"""`index` of a transaction that was taken to its end."""


class Position(msgspec.Struct, frozen=True):
    """A place in the log."""

    slot: str
    system: str
    """Identifier of the database cluster: positions of another mean nothing."""
    lsn: int
    """Commit LSN of the last transaction of which something was taken."""
    index: int
    """The last change of it that was taken, or `WHOLE`."""
    confirmed: int
    """Up to here everything is committed by us. The server is told so only after this is saved, so a slot that stands
    further on was moved by somebody else."""

    def has(self, lsn: int, index: int) -> bool:
        """Whether this change was taken."""
        return lsn < self.lsn or (lsn == self.lsn and (self.index == WHOLE or index <= self.index))

    def saved(self) -> dict[str, JSON]:
        """To be saved."""
        return {
            "slot": self.slot,
            "system": self.system,
            "lsn": lsn_text(self.lsn),
            "index": self.index,
            "confirmed": lsn_text(self.confirmed),
        }


def loaded(saved: Mapping[str, JSON]) -> Position | None:
    """The position among what was saved."""
    found = saved.get("position")
    if not isinstance(found, dict):
        return None
    return Position(
        slot=str(found["slot"]),
        system=str(found["system"]),
        lsn=lsn_number(found["lsn"]),
        index=int(found["index"]),
        confirmed=lsn_number(found["confirmed"]),
    )
