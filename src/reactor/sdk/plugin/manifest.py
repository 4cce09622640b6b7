"""What a plugin says of itself, as plain data: the messages of the protocol that are kept beyond a call.

The names of the fields are those of `proto/reactor/plugin/v1/plugin.proto`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["ANY", "TEXT", "INTEGER", "NUMBER", "BOOLEAN", "CHOICE", "LIST", "MAP", "OBJECT", "UNION"]


class TypeSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The type of a parameter, key or setting."""

    kind: Kind = "ANY"
    nullable: bool = False
    choices: tuple[str, ...] = ()
    item: TypeSpec | None = None
    fields: tuple[FieldSpec, ...] = ()
    any_of: tuple[TypeSpec, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str = ""


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parameter of an action, a key of a trigger, a setting of a connection."""

    name: str
    type: TypeSpec = TypeSpec()
    required: bool = False
    default_json: bytes | None = None
    doc: str = ""


class RetrySpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an action is tried again. Milliseconds."""

    max: int = 1
    delay: int = 1_000
    max_delay: int | None = None


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action."""

    name: str
    doc: str = ""
    params: tuple[FieldSpec, ...] = ()
    effect: Literal["WRITE", "READ"] = "WRITE"
    retry: RetrySpec | None = None
    timeout: int | None = None
    open_params: str = ""
    literal: tuple[str, ...] = ()
    stream: bool = False


class TriggerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of trigger."""

    kind: str
    doc: str = ""
    config: tuple[FieldSpec, ...] = ()
    short: str = ""
    default_type: str = ""
    redo: bool = False


class ConnectionSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of connection."""

    name: str
    doc: str = ""
    settings: tuple[FieldSpec, ...] = ()
    secret: tuple[str, ...] = ()
    testable: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a plugin offers."""

    name: str = ""
    version: str = ""
    doc: str = ""
    actions: tuple[ActionSpec, ...] = ()
    triggers: tuple[TriggerSpec, ...] = ()
    connections: tuple[ConnectionSpec, ...] = ()
    types: dict[str, str] = msgspec.field(default_factory=dict)
