"""The configuration of a cdc trigger."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

Operation = Literal["insert", "update", "delete", "truncate"]
_DEFAULT: tuple[Operation, ...] = ("insert", "update", "delete")
_SLOT = re.compile(r"[a-z0-9_]{1,63}")


class CdcConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `cdc:`."""

    connection: str | None = None
    """Name of a connection of type `postgres` or `mysql` (MariaDB too); not needed where there is only one."""
    tables: str | list[str] = msgspec.field(default_factory=list)
    """The tables, as `schema.table` (MySQL: `database.table`); without a schema it is `public`, or the connection's
    database. May be left out with a `publication`: then all its tables."""
    operations: Operation | list[Operation] = msgspec.field(default_factory=lambda: list(_DEFAULT))
    """What is told: `insert`, `update`, `delete`; `truncate` only when it is named here."""
    columns: list[str] = msgspec.field(default_factory=list)
    """The columns that `new` and `old` hold; default all. `key` is always whole."""
    snapshot: bool = False
    """Whether the rows that are there at the very first start are told first, each once, as `database.insert` with
    `metadata.snapshot`."""
    slot: str | None = None
    """PostgreSQL: name of the replication slot, made when it is not there. Default: `reactor_`, the trigger's name."""
    publication: str | None = None
    """PostgreSQL: name of the publication. One that is there is used as it is; default: one is made and kept up to
    date."""
    server_id: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)] | None = None
    """MySQL, MariaDB: the number under which it reads the binlog, unlike that of every server and other reader.
    Default: one is drawn once."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 500
    """At most so many changes are taken in one commit."""

    def names(self) -> list[str]:
        """The tables as written."""
        return [self.tables] if isinstance(self.tables, str) else list(self.tables)

    def wanted(self) -> frozenset[str]:
        """The operations that are told."""
        return frozenset({self.operations} if isinstance(self.operations, str) else self.operations)

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        found = []
        if not self.names() and self.publication is None:
            found.append("tables is missing; write those whose changes are wanted, such as [public.orders]")
        found += [f"tables: {name!r} is no name of a table; write schema.table" for name in self.names() if _odd(name)]
        if not self.wanted():
            found.append("operations is empty, so nothing would ever be told")
        if self.snapshot and "insert" not in self.wanted():
            found.append("snapshot tells rows as `database.insert`, which operations leaves out; add insert")
        if self.slot is not None and not _SLOT.fullmatch(self.slot):
            found.append(f"slot: {self.slot!r} is no name of a slot; it has a-z, 0-9 and _ only, 63 at most")
        return found


def _odd(name: str) -> bool:
    return not all(part.strip() == part and part for part in name.split(".", 1)) or "\0" in name
