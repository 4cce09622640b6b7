"""Connections: saved settings to reach a system, typed by the connector that uses them."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.errors import PermanentError

Settings = Mapping[str, Any]
"""A connection as it is written, with its secrets filled in: `{type: kafka, servers: "h:9092"}`."""


_LONGEST = 300
"""Characters that are shown of why settings do not fit: the name of a key may be of any length."""
_ENUM = re.compile(r"Invalid enum value '.*'", re.DOTALL)
"""msgspec shows what it was given, which may be a secret."""


class ConnectionContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a test of a connection is told beside its settings."""

    name: str
    settings: Mapping[str, Any]
    """As `ActionContext.settings`: what the operator set."""
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]


Test = Callable[[ConnectionContext, Any], Awaitable[str]]
"""`async def f(ctx, settings) -> what was found there`, in one sentence: `Kafka, 3 brokers`."""


class ConnectionType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of connection: what stands behind `type:`."""

    name: str
    settings: type[msgspec.Struct]
    """Its keys beside `type` (`forbid_unknown_fields`, `kw_only`); a nested struct for a map such as `tls`."""
    test: Test | None = None
    """Reaches the system as a trigger or action would, and changes nothing there. Within 10 s.

    Raises:
        StepError: it cannot be reached or refuses us; one sentence with what to do."""
    secret: tuple[str, ...] = ()
    """Keys whose value is secret (`password`, `tls.key`): a saved connection holds them as `{{ secrets.NAME }}`."""
    doc: str = ""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection, checked and with its secrets: never log it."""

    name: str
    type: str
    settings: Any
    """The type's `settings` struct."""


def choose(
    connections: Mapping[str, Settings], name: str | None, types: Sequence[ConnectionType], *, what: str
) -> Connection:
    """The connection that a trigger or action means.

    Without a name it is the one that is called like one of the types (`kafka`), else the only one of these types.

    Args:
        connections: all that the flow sees, its own before saved ones.
        name: what is written behind `connection:`.
        types: those that fit.
        what: who asks, for the message: `trigger kafka`.

    Raises:
        PermanentError: kind `input`: there is none or it does not fit; kind `secret`: a secret of it is not set.
    """
    kinds = {kind.name: kind for kind in types}
    found = name or _default(connections, kinds, what)
    if found not in connections:
        known = ", ".join(sorted(connections)) or "none"
        raise PermanentError("input", f"{what}: there is no connection {found!r} (there is: {known})")
    written = connections[found]
    type_ = str(written.get("type"))
    if type_ not in kinds:
        raise PermanentError(
            "input", f"{what}: connection {found!r} is of type {type_!r}; one of type {' or '.join(kinds)} is needed"
        )
    return Connection(name=found, type=type_, settings=converted(kinds[type_], found, written))


def converted(kind: ConnectionType, name: str, written: Settings) -> Any:
    """The settings as the type's struct.

    Raises:
        PermanentError: kind `input`: they do not fit. The message holds no value.
    """
    given = {key: value for key, value in written.items() if key != "type"}
    try:
        return msgspec.convert(given, kind.settings, strict=False)
    except msgspec.ValidationError as error:
        told = _ENUM.sub("Not one of the values that it takes", str(error))
        shown = told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
        raise PermanentError("input", f"connection {name!r} ({kind.name}): {shown}") from None


def _default(connections: Mapping[str, Settings], kinds: Mapping[str, ConnectionType], what: str) -> str:
    for kind in kinds:
        if kind in connections:
            return kind
    fitting = [name for name in connections if str(_type(connections, name)) in kinds]
    if len(fitting) == 1:
        return fitting[0]
    wanted = " or ".join(kinds)
    if fitting:
        raise PermanentError(
            "input", f"{what}: say which `connection` is meant; of type {wanted} there are {', '.join(sorted(fitting))}"
        )
    first = next(iter(kinds))
    raise PermanentError(
        "input",
        f"{what}: there is no connection of type {wanted}; write one under `connections:` of the flow, or save one: "
        f"reactor connections set {first} --type {first} …",
    )


def _type(connections: Mapping[str, Settings], name: str) -> Any:
    """The type alone: a connection that nobody means may lack a secret."""
    types = getattr(connections, "type_of", None)
    return types(name) if types is not None else connections[name].get("type")
