"""Plugins that are processes of their own, taken into the catalog. What one offers is asked once, and kept beside the
data until its folder changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reactor.plugins.folder import PluginFolder, Refused, find, read
from reactor.plugins.host import Down, Plugin
from reactor.plugins.limits import Limits
from reactor.plugins.remote import PluginConnector, connector_of
from reactor.sdk.manifest import Catalog, Connector
from reactor.sdk.plugin import protocol
from reactor.sdk.plugin.manifest import Manifest

_log = logging.getLogger("reactor.plugins")


class Kept(msgspec.Struct, frozen=True):
    """A manifest on disk."""

    digest: str
    protocol: int
    reactor: str
    manifest: Manifest


def connectors(
    folders: Sequence[Path], version: str, data: Path | None, limits: Limits | None = None
) -> tuple[list[Connector], list[str]]:
    """The connectors that stand for the plugins in these folders, and a sentence for each that is not taken in.

    Args:
        folders: of plugins, or folders of such.
        version: of this Reactor.
        data: the data folder; what plugins offer is kept there, if it exists.
        limits: how long they may take.
    """
    found: list[Connector] = []
    problems: list[str] = []
    for path in _paths(folders, problems):
        try:
            plugin = read(path, version)
            manifest = _manifest(plugin, version, data, limits)
            chance = random.Random().random  # noqa: S311 - only spreads out pauses
            forget = functools.partial(_forget, _file(plugin, data))
            host = Plugin(plugin, expected=manifest, limits=limits, chance=chance, forget=forget)
            found.append(connector_of(host, manifest))
        except Refused as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"plugin in {path}: {error}")
    return found, problems


async def end(catalog: Catalog) -> None:
    """End the processes that belong to this catalog alone. Connectors inside Reactor are shared by all catalogs."""
    for connector in catalog.connectors.values():
        if isinstance(connector, PluginConnector) and connector.close is not None:
            closing = connector.close()
            if inspect.isawaitable(closing):
                await closing


def _paths(folders: Sequence[Path], problems: list[str]) -> list[Path]:
    paths: list[Path] = []
    for folder in folders:
        try:
            paths += find([folder])
        except Refused as error:
            problems.append(str(error))
    return list(dict.fromkeys(paths))


def _file(plugin: PluginFolder, data: Path | None) -> Path | None:
    return None if data is None else data / "plugins" / f"{plugin.name}.manifest.json"


def _forget(file: Path | None) -> None:
    if file is not None:
        with contextlib.suppress(OSError):
            file.unlink()


def _manifest(plugin: PluginFolder, version: str, data: Path | None, limits: Limits | None) -> Manifest:
    file = _file(plugin, data)
    known = (plugin.digest, protocol.VERSION, version)
    if file is not None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            kept = msgspec.json.decode(file.read_bytes(), type=Kept)
            if (kept.digest, kept.protocol, kept.reactor) == known:
                return kept.manifest
    manifest = described(plugin, limits)
    connector_of(Plugin(plugin), manifest)  # what cannot be taken in is not kept
    if file is not None and data is not None and data.is_dir():
        try:
            file.parent.mkdir(exist_ok=True, mode=0o700)
            new = file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(Kept(*known, manifest)))
            new.replace(file)
        except OSError as error:
            _log.warning("what plugin %s offers cannot be kept in %s: %s", plugin.name, file, error.strerror)
    return manifest


def described(plugin: PluginFolder, limits: Limits | None = None) -> Manifest:
    """Start the plugin, ask what it offers, end it.

    Raises:
        Refused: it does not come up; one sentence.
    """
    answer: list[Manifest | Refused | BaseException] = []

    async def ask() -> Manifest:
        host = Plugin(plugin, limits=limits)
        try:
            return await host.describe()
        finally:
            await host.close()

    def run() -> None:
        try:
            answer.append(asyncio.run(ask()))
        except Down as error:
            answer.append(Refused(error.reason))
        except BaseException as error:  # noqa: BLE001 - handed on to who waits
            answer.append(error)

    # A thread of its own, because an event loop may run in this one.
    thread = threading.Thread(target=run, name=f"plugin {plugin.name}")
    thread.start()
    thread.join()
    (result,) = answer
    if isinstance(result, BaseException):
        raise result
    return result
