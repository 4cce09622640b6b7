"""Finds connectors: those behind entry points of the group `reactor.connectors`, the built-in ones and a stranger's
alike, and plugins that are processes of their own, in the folders that the operator names.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from reactor.sdk.manifest import Catalog, Connector

GROUP = "reactor.connectors"
_log = logging.getLogger("reactor.plugins")


class Broken(Exception):
    """An entry point that gives no usable connector."""


def discover(folders: Sequence[Path] = (), data: Path | None = None) -> tuple[Catalog, list[str]]:
    """All connectors that are installed, and a sentence for each that could not be taken in (the others work on).

    Args:
        folders: of plugins that run as processes of their own (the setting `plugins`).
        data: the data folder, where is kept what these offer.
    """
    catalog, problems = Catalog(), []
    found = sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.dist is None, point.name))
    for point in found:
        try:
            catalog.add(_load(point))
        except (Broken, ValueError) as error:
            problems.append(str(error))
    if folders:
        from reactor import __version__  # noqa: PLC0415 - most have no plugins
        from reactor.plugins import outside  # noqa: PLC0415

        connectors, refused = outside.connectors(folders, __version__, data)
        problems += refused
        for connector in connectors:
            try:
                catalog.add(connector)
            except ValueError as error:
                problems.append(f"plugin {str(error).removeprefix('connector ')}")
    for problem in problems:
        _log.error("%s", problem)
    return catalog, problems


def _load(point: metadata.EntryPoint) -> Connector:
    try:
        connector = point.load()
    except Exception as error:  # a stranger's module may raise anything while it is imported; reported, not hidden
        raise Broken(
            f"plugin {point.name!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(connector, Connector):
        raise Broken(
            f"plugin {point.name!r} ({point.value}) is a {type(connector).__name__}, not a reactor.sdk.Connector"
        )
    return connector
