"""PostgreSQL's dates that Python has no value for: years before 1 and after 9999, and infinity."""

from __future__ import annotations

from typing import Any

from reactor.connectors.database.values import OutOfRange

_TYPES = ("date", "timestamp", "timestamptz")


def teach(connection: Any) -> None:
    """Let a connection of psycopg give these as text, so that one such row does not stop all that follow."""
    from psycopg import pq  # noqa: PLC0415 - wanted for PostgreSQL alone

    adapters = connection.adapters
    for name in _TYPES:
        oid = adapters.types[name].oid
        adapters.register_loader(oid, _lenient(adapters.get_loader(oid, pq.Format.TEXT)))


def _lenient(given: Any) -> Any:
    from psycopg import DataError  # noqa: PLC0415
    from psycopg.adapt import Loader  # noqa: PLC0415

    class Lenient(Loader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._inner = given(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self._inner.load(data)
            except DataError:
                return OutOfRange(bytes(data).decode())

    return Lenient
