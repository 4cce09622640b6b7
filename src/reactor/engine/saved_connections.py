"""Saved connections: named settings to reach systems, in one file of the data folder, secrets by reference only."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from reactor.engine.connections import Connections
from reactor.engine.vault import write_private
from reactor.language.connections import FILLED
from reactor.model.clock import Clock, Instant
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, StepError, StoreBrokenError
from reactor.sdk.connection import ConnectionContext, ConnectionType, converted
from reactor.sdk.manifest import Catalog

FILE = "connections.json"
PATIENCE = 10.0
"""Seconds that a test of a connection may take."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_LARGEST = 64 << 10
_LONGEST = 500
"""Characters of what a test tells."""
_log = logging.getLogger("reactor.connections")


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One saved connection, as it was written."""

    name: str
    type: str
    settings: dict[str, Any]
    updated_at: Instant


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """How the last test went."""

    at: Instant
    ok: bool
    message: str
    """What was found there, or why it cannot be reached."""
    took: int
    """Milliseconds."""


class SavedConnections:
    """All of one data folder. Read once; this process alone changes the file."""

    def __init__(self, path: Path | None, catalog: Catalog, clock: Clock) -> None:
        """`path`: None keeps them in memory alone."""
        self._path = path
        self._catalog = catalog
        self._clock = clock
        self._saved: dict[str, Saved] = {}
        self.written: dict[str, dict[str, Any]] = {}
        """Name → settings with `type`, as a flow writes them; the same map for ever."""
        self.tested: dict[str, Tested] = {}
        self.on_change: list[Callable[[str], None]] = []
        """Told the name of one that has changed or is gone."""

    def open(self) -> None:
        """Read the file.

        Raises:
            StoreBrokenError: it is damaged.
        """
        if self._path is None or not self._path.exists():
            return
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=list[Saved])
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreBrokenError(f"{self._path} cannot be read: {error}; restore it from a backup") from None
        for one in found:
            self._saved[one.name] = one
            self.written[one.name] = {"type": one.type, **one.settings}

    def list(self) -> list[Saved]:
        """All, by name."""
        return [self._saved[name] for name in sorted(self._saved)]

    def get(self, name: str) -> Saved:
        """One.

        Raises:
            NotFoundError: there is none of that name.
        """
        found = self._saved.get(name)
        if found is None:
            known = ", ".join(sorted(self._saved)) or "none"
            raise NotFoundError(f"there is no saved connection {name[:80]!r} (there is: {known})")
        return found

    def put(self, name: str, type_: str, settings: dict[str, Any]) -> Saved:
        """Save one, or another in its place.

        Raises:
            InvalidError: name, type or settings cannot be; a secret is written out.
        """
        if not _NAME.fullmatch(name):
            raise InvalidError(f"{name[:80]!r} cannot be a connection's name: letters, digits, - and _, a letter first")
        kind = self._kind(type_)
        if len(msgspec.json.encode(settings)) > _LARGEST:
            raise InvalidError(f"the settings of a connection have at most {_LARGEST} bytes")
        _refuse_templates(settings)
        _refuse_secrets(kind, settings)
        _check(kind, name, settings)
        saved = Saved(name=name, type=type_, settings=settings, updated_at=self._clock.now())
        self._write({**self._saved, name: saved})
        return saved

    def delete(self, name: str) -> None:
        """Forget one.

        Raises:
            NotFoundError: there is none of that name.
        """
        self.get(name)
        self._write({key: one for key, one in self._saved.items() if key != name}, gone=name)

    async def test(self, name: str, connections: Connections, settings: Mapping[str, Any]) -> Tested:
        """Reach the system as a trigger or action would.

        Args:
            name: which one of `connections`.
            connections: with secrets filled in when asked.
            settings: what the operator set.

        Raises:
            NotFoundError: there is no such connection. ConflictError: its type cannot be tested.
        """
        if name not in connections:
            raise NotFoundError(f"there is no connection {name[:80]!r}")
        kind = self._kind(str(connections.type_of(name)))
        if kind.test is None:
            raise ConflictError(f"connections of type {kind.name!r} cannot be tested")
        begun = asyncio.get_running_loop().time()
        try:
            given = converted(kind, name, connections[name])
            async with asyncio.timeout(PATIENCE):
                ok, message = True, await kind.test(ConnectionContext(name=name, settings=settings, log=_log), given)
        except TimeoutError:
            ok, message = False, f"no answer within {PATIENCE:g} s; is the address right, and open to this machine?"
        except StepError as error:
            ok, message = False, error.message
        except Exception as error:  # noqa: BLE001 - a plugin's test may raise anything; it is the answer
            _log.exception("test of connection %s", name)
            ok, message = False, f"{type(error).__name__}: {error}"
        took = round((asyncio.get_running_loop().time() - begun) * 1000)
        self.tested[name] = Tested(at=self._clock.now(), ok=ok, message=_sentence(message), took=took)
        return self.tested[name]

    def _kind(self, type_: str) -> ConnectionType:
        kind = self._catalog.connections.get(type_)
        if kind is None:
            known = ", ".join(sorted(self._catalog.connections)) or "none"
            raise InvalidError(f"there is no connection type {type_[:80]!r}; there is {known}")
        return kind

    def _write(self, saved: dict[str, Saved], gone: str | None = None) -> None:
        if self._path is not None:
            write_private(self._path, msgspec.json.format(msgspec.json.encode([saved[name] for name in sorted(saved)])))
        changed = [gone] if gone else [name for name, one in saved.items() if self._saved.get(name) is not one]
        self._saved = saved
        self.written.clear()
        self.written.update((name, {"type": one.type, **one.settings}) for name, one in saved.items())
        for name in changed:
            self.tested.pop(name, None)
            for tell in self.on_change:
                tell(name)


def _sentence(message: str) -> str:
    """On one line, and not without end: it may quote what a server or a setting says."""
    text = "".join(character if character.isprintable() else " " for character in message)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _refuse_secrets(kind: ConnectionType, settings: Mapping[str, Any]) -> None:
    for place in kind.secret:
        value: Any = settings
        for part in place.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str) and value and not FILLED.search(value) and not _is_file(place, value):
            raise InvalidError(
                f"`{place}` is secret; keep it with: reactor secrets set NAME, and write {{{{ secrets.NAME }}}}"
            )
    for key in ("url", "base_url"):
        url = settings.get(key)
        if isinstance(url, str) and any(not FILLED.search(password) for password in _passwords(url)):
            raise InvalidError(
                f"the password in `{key}` is not saved as it is: reactor secrets set NAME, then write "
                "{{ secrets.NAME }} there"
            )


def _is_file(place: str, value: str) -> bool:
    """A private key may stand in a file, whose name is no secret."""
    return place.endswith("tls.key") and "-----BEGIN " not in value


def _passwords(url: str) -> list[str]:
    """Those in front of the host, and those that drivers of databases read from the query."""
    # A template holds no `/` or `@`, so the parts of the address are found all the same.
    try:
        parts = urlsplit(url)
        return [word for word in (parts.password, *parse_qs(parts.query).get("password", [])) if word]
    except ValueError:
        return []


def _refuse_templates(value: Any) -> None:
    if isinstance(value, str) and "{{" in FILLED.sub("", value):
        raise InvalidError(
            "a connection takes only {{ secrets.NAME }} and {{ env.NAME }}, without filters and operators"
        )
    if isinstance(value, Mapping):
        for inner in value.values():
            _refuse_templates(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_templates(inner)


def _check(kind: ConnectionType, name: str, settings: dict[str, Any]) -> None:
    """What can be told before templates are filled in."""
    try:
        converted(kind, name, settings)
    except StepError as error:
        if "{{" not in msgspec.json.encode(settings).decode() or "unknown field" in error.message:
            raise InvalidError(error.message) from None
