"""Which database is meant: a connection, or a url."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import exc
from sqlalchemy.engine import URL, make_url

from reactor.sdk import Connection, PermanentError
from reactor.sdk.databases import ALIASES, MYSQL, POSTGRES, SQLITE, ServerSettings, SqliteSettings
from reactor.sdk.paths import inside_roots
from reactor.sdk.tls import Tls, loaded

TYPES = (POSTGRES, MYSQL, SQLITE, *ALIASES)
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}
_NAMES = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mysql": "mysql",
    "mysql+pymysql": "mysql",
    "mariadb": "mysql",
    "mariadb+pymysql": "mysql",
    "sqlite": "sqlite",
}
_READS_FILES = {"local_infile", "read_default_file", "read_default_group"}
"""Options of MySQL's driver that read files of this machine."""
Chosen = Callable[..., Connection]
"""`ActionContext.connection` or `TriggerContext.connection`."""


class Place(msgspec.Struct, frozen=True):
    """A database, and how it is reached."""

    url: URL
    tls: Tls | None = None
    """With PEM texts in it, no files."""

    @property
    def kind(self) -> str:
        """`postgresql`, `mysql` or `sqlite`."""
        return _NAMES[self.url.drivername]

    @property
    def key(self) -> bytes:
        """Equal for equal places. It holds secrets."""
        return self.url.render_as_string(hide_password=False).encode() + b"\0" + msgspec.json.encode(self.tls)

    @property
    def shown(self) -> str:
        """For messages: no user and no password in it."""
        return str(self.url.database) if self.kind == "sqlite" else f"{self.url.host}:{self.port}"

    @property
    def port(self) -> int:
        """Of the server."""
        return self.url.port or {"postgresql": 5432, "mysql": 3306}[self.kind]


def place(chosen: Chosen, settings: Mapping[str, Any], connection: str | None, url: str | None) -> Place:
    """The database that a step or trigger means. Looks at the disk when it is SQLite, or TLS has files.

    Args:
        chosen: gives the connection of a name.
        settings: of the context, for the folders that are open.
        connection: the name that is written, or None for the default one.
        url: in its place.

    Raises:
        PermanentError: kind `input`: no such connection, not a database, a file outside the open folders. Whatever
        `chosen` raises.
    """
    if url is not None:
        return Place(_checked(settings, "url", url))
    found = chosen(connection, *TYPES)
    return of_settings(settings, f"connection {found.name!r}", found.type, found.settings)


def of_settings(settings: Mapping[str, Any], what: str, type_: str, written: ServerSettings | SqliteSettings) -> Place:
    """The database that the settings of a connection of this type name.

    Raises:
        PermanentError: kind `input`.
    """
    url = _checked(settings, what, written.url)
    if _NAMES[url.drivername] != _NAMES[type_]:
        raise PermanentError("input", f"{what} is of type {type_!r}, but its url is another's")
    if isinstance(written, SqliteSettings):
        return Place(url)
    if written.user is not None:
        url = url.set(username=written.user)
    if written.password is not None:
        url = url.set(password=written.password)
    return Place(url, None if written.tls is None else loaded(written.tls, settings))


def present(found: Place) -> None:
    """Refuse a file that is not there: only what writes may make one.

    Raises:
        PermanentError: kind `input`.
    """
    # Not `Path.is_file`, which raises when a name is too long.
    if found.kind == "sqlite" and not os.path.isfile(found.url.database or ""):  # noqa: PTH113
        raise PermanentError("input", f"there is no file {found.url.database}")


def _nameable(host: str | None) -> bool:
    """Resolvers raise what no driver translates."""
    try:
        return b"\0" not in (host or "").encode("idna")
    except UnicodeError:
        return False


def _checked(settings: Mapping[str, Any], what: str, text: str) -> URL:
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):  # neither message is shown: the text may hold a password
        raise PermanentError("input", f"{what}: not a database url such as postgresql://user@host/name") from None
    kind = _NAMES.get(url.drivername)
    if kind is None:
        raise PermanentError("input", f"{what}: {url.drivername!r} is not known; postgresql, mysql and sqlite are")
    if kind == "mysql" and (found := _READS_FILES & url.query.keys()):
        raise PermanentError("input", f"{what}: {min(found)} would read files of this machine; leave it out")
    if kind != "sqlite":
        if not _nameable(url.host):
            raise PermanentError("input", f"{what}: the host in its url cannot be the name of one")
        return url.set(drivername=_DRIVERS[kind])
    if url.query or url.host or not url.database or url.database.startswith(("file:", ":")):
        raise PermanentError("input", f"{what}: write sqlite:///PATH, the path of a file")
    return url.set(database=str(inside_roots(settings, url.database)))
