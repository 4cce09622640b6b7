"""How libpq reaches the server of a connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from reactor.sdk import TriggerLost
from reactor.sdk.databases import ServerSettings
from reactor.sdk.tls import Tls, files, loaded

CONNECT_WITHIN = 8.0
"""Seconds."""
# As a subscriber of PostgreSQL itself sets them: texts of values do not depend on the server's settings, and no time
# limit of the server ends what waits for our store.
_SESSION = (
    "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c timezone=UTC "
    "-c standard_conforming_strings=on "
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
)


class Address:
    """Of one connection. It holds secrets."""

    def __init__(self, written: ServerSettings, settings: Mapping[str, Any], name: str) -> None:
        """`settings`: the context's, for the folders that are open. `name`: the application's, seen by the server.

        Raises:
            PermanentError: kind `input`: a certificate of them cannot be read.
        """
        self._written = written
        self.name = name
        self._tls: Tls | None = None if written.tls is None else loaded(written.tls, settings)

    @contextlib.contextmanager
    def info(self, *, replication: bool) -> Iterator[str]:
        """Parameters for libpq, good within the block. `replication`: whether a walsender is wanted.

        Raises:
            TriggerLost: the url is none.
        """
        params: dict[str, str | int] = {
            "application_name": self.name,
            "client_encoding": "UTF8",
            "connect_timeout": int(CONNECT_WITHIN),
            "tcp_user_timeout": 8_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "options": _SESSION,
        }
        if replication:
            params["replication"] = "database"
        if self._written.user is not None:
            params["user"] = self._written.user
        if self._written.password is not None:
            params["password"] = self._written.password
        url = self._written.url.replace("postgresql+psycopg://", "postgresql://", 1)
        with files(self._tls) as found:
            try:
                made = make_conninfo(url, **params, **found)
            except psycopg.ProgrammingError:  # its message may hold the password
                raise TriggerLost(
                    "the connection's url cannot be read; write postgresql://user@host/database"
                ) from None
            yield made
