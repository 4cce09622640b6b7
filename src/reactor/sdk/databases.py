"""Connections to SQL databases: what stands behind `type: postgres`, `mysql` and `sqlite`.

Shared by the connectors that read them; the database connector offers the types to people, with their tests.
"""

from __future__ import annotations

import msgspec

from reactor.sdk.connection import ConnectionType
from reactor.sdk.tls import Tls


class SqliteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A SQLite file."""

    url: str
    """`sqlite:///PATH`, of a file inside the open folders."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A database server and who logs in."""

    url: str
    """`postgresql://user@host:port/name` or `mysql://user@host:port/name`. A password fits better into `password`."""
    user: str | None = None
    """Who logs in, in place of the url's."""
    password: str | None = None
    """In place of the url's; any text, nothing in it needs to be escaped."""
    tls: Tls | None = None
    """Encrypt, and check who answers. Without it a server's offer of encryption is taken, unchecked."""


POSTGRES = ConnectionType(
    name="postgres", settings=ServerSettings, secret=("password", "tls.key"), doc="PostgreSQL, and what speaks like it."
)
MYSQL = ConnectionType(name="mysql", settings=ServerSettings, secret=("password", "tls.key"), doc="MySQL and MariaDB.")
SQLITE = ConnectionType(name="sqlite", settings=SqliteSettings, doc="A SQLite file.")
ALIASES = (
    msgspec.structs.replace(POSTGRES, name="postgresql"),
    msgspec.structs.replace(MYSQL, name="mariadb"),
)
"""Other names of types that flows may use."""
