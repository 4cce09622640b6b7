"""Finds connectors behind entry points of the group `reactor.connectors`: the built-in ones and a stranger's alike."""

from __future__ import annotations

import logging
from importlib import metadata

from reactor.sdk.manifest import Catalog, Connector

GROUP = "reactor.connectors"
_log = logging.getLogger("reactor.plugins")


class Broken(Exception):
    """An entry point that gives no usable connector."""


def discover() -> tuple[Catalog, list[str]]:
    """All connectors that are installed, and a sentence for each that could not be taken in (the others work on)."""
    catalog, problems = Catalog(), []
    found = sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.dist is None, point.name))
    for point in found:
        try:
            catalog.add(_load(point))
        except (Broken, ValueError) as error:
            problems.append(str(error))
            _log.error("%s", error)
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
