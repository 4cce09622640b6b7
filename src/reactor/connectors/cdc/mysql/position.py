"""How far a trigger has read the binlog of a MariaDB or MySQL: what is saved with the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from reactor.sdk import JSON

WHOLE = -1
"""`index` when no transaction has been taken in part."""


class Executed(Protocol):
    """A set of transactions: those that have been told."""

    def __contains__(self, gtid: str) -> bool: ...

    def plus(self, gtid: str) -> Executed:
        """With this one."""
        ...

    def within(self, other: Executed) -> bool:
        """Whether the other has all of them."""
        ...

    @property
    def text(self) -> str:
        """As the server takes it."""
        ...


class MariaDbExecuted(msgspec.Struct, frozen=True):
    """The last transaction of each domain: `0-1-100,1-2-5`."""

    domains: dict[int, tuple[int, int]]
    """domain → (server, number)."""

    def __contains__(self, gtid: str) -> bool:
        domain, _, number = _parts(gtid)
        return number <= self.domains.get(domain, (0, 0))[1]

    def within(self, other: Executed) -> bool:
        return all(f"{domain}-{server}-{number}" in other for domain, (server, number) in self.domains.items())

    def plus(self, gtid: str) -> MariaDbExecuted:
        domain, server, number = _parts(gtid)
        return MariaDbExecuted({**self.domains, domain: (server, number)})

    @property
    def text(self) -> str:
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in sorted(self.domains.items()))


class MySqlExecuted:
    """`uuid:1-100:105,…`."""

    def __init__(self, found: Any) -> None:
        self._set = found

    def __contains__(self, gtid: str) -> bool:
        from pymysqlreplication.gtid import Gtid  # noqa: PLC0415 - as everywhere here, only where it is used

        return Gtid(gtid) in self._set

    def within(self, other: Executed) -> bool:
        return isinstance(other, MySqlExecuted) and self._set in other._set  # noqa: SLF001 - one of its own kind

    def plus(self, gtid: str) -> MySqlExecuted:
        from pymysqlreplication.gtid import Gtid  # noqa: PLC0415

        return MySqlExecuted(self._set + Gtid(gtid))

    @property
    def text(self) -> str:
        return str(self._set)


def executed(text: str, *, mariadb: bool) -> Executed:
    """A set as the server writes it."""
    text = "".join(text.split())
    if mariadb:
        found = (_parts(each) for each in text.split(",") if each)
        return MariaDbExecuted({domain: (server, number) for domain, server, number in found})
    from pymysqlreplication.gtid import GtidSet  # noqa: PLC0415

    return MySqlExecuted(GtidSet(text))


def _parts(gtid: str) -> tuple[int, int, int]:
    domain, server, number = map(int, gtid.split("-"))
    return domain, server, number


class Position(msgspec.Struct, frozen=True):
    """A place in the binlog."""

    executed: Executed
    partial: str | None = None
    """The transaction after it that was taken in part."""
    index: int = WHOLE
    """Its last change that was taken."""
    tables: tuple[str, ...] = ()
    """Whose changes were counted by `index`."""
    file: str = ""
    """The binlog's file in which the last whole transaction ends, and where."""
    offset: int = 0
    server: int = 0
    """Number of the server whose file that is."""

    def taken(self, gtid: str, index: int, tables: tuple[str, ...]) -> bool:
        """Whether this change was taken before."""
        if gtid in self.executed:
            return True
        return gtid == self.partial and index <= self.index and tables == self.tables

    def saved(self, *, mariadb: bool) -> JSON:
        """To be saved."""
        return {
            "flavor": "mariadb" if mariadb else "mysql",
            "gtid": self.executed.text,
            "partial": self.partial,
            "index": self.index,
            "tables": list(self.tables),
            "file": self.file,
            "offset": self.offset,
            "server": self.server,
        }


def loaded(saved: Mapping[str, JSON], *, mariadb: bool) -> Position | None:
    """The position among what was saved; None: there is none, or of another kind of server."""
    found = saved.get("binlog")
    if not isinstance(found, dict) or (found["flavor"] == "mariadb") != mariadb:
        return None
    done = executed(found["gtid"], mariadb=mariadb)
    return Position(
        executed=done,
        partial=found["partial"],
        index=found["index"],
        tables=tuple(found["tables"]),
        file=found["file"],
        offset=found["offset"],
        server=found["server"],
    )
