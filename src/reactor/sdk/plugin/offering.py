"""A connector's manifest as a plugin declares it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import inspect as types

from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Connector
from reactor.sdk.plugin.manifest import ActionSpec, ConnectionSpec, Manifest, RetrySpec, TriggerSpec
from reactor.sdk.plugin.shapes import described
from reactor.sdk.trigger import READ, Trigger


class Unservable(ValueError):
    """A part of the connector works inside Reactor only; one sentence for each."""


def manifest_of(connector: Connector, version: str) -> Manifest:
    """What the connector offers to a Reactor in another process.

    Raises:
        Unservable: it needs what only the inside has.
    """
    problems = list(_problems(connector))
    if problems:
        raise Unservable("\n".join(problems))
    return Manifest(
        name=connector.name,
        version=version,
        doc=connector.doc,
        actions=tuple(_action(action) for action in connector.actions),
        triggers=tuple(
            TriggerSpec(
                kind=trigger.kind,
                doc=trigger.doc,
                config=described(trigger.config),
                short=trigger.short or "",
                default_type=trigger.default_type,
                redo=hasattr(trigger, "redo"),
            )
            for trigger in connector.triggers
        ),
        connections=tuple(
            ConnectionSpec(
                name=kind.name,
                doc=kind.doc,
                settings=described(kind.settings),
                secret=kind.secret,
                testable=kind.test is not None,
            )
            for kind in connector.connections
        ),
        types=dict(connector.types),
    )


def _problems(connector: Connector) -> Iterator[str]:
    for action in connector.actions:
        if action.views:
            yield f"action {action.name}: `views` are computed inside Reactor only"
    for trigger in connector.triggers:
        if getattr(trigger, "passive", False):
            yield f"trigger {trigger.kind}: it is passive, so only Reactor itself can serve it"
        if _reads_expressions(trigger):
            yield f"trigger {trigger.kind}: expressions in its configuration are evaluated inside Reactor only"


def _reads_expressions(trigger: Trigger) -> bool:
    info = types.type_info(trigger.config)
    assert isinstance(info, types.StructType)  # noqa: S101 - by its type
    return any(isinstance(field.type, types.Metadata) and READ in (field.type.extra or {}) for field in info.fields)


def _action(action: Action) -> ActionSpec:
    retry = action.retry
    return ActionSpec(
        name=action.name,
        doc=action.doc,
        params=described(action.params),
        # What depends on the parameters may write.
        effect="READ" if action.effect in (Effect.READ, Effect.PURE) else "WRITE",
        retry=None if retry is None else RetrySpec(max=retry.max, delay=_millis(retry.delay, 1_000)),
        timeout=action.timeout,
        open_params=action.open_params or "",
        literal=action.literal,
        stream=action.stream,
    )


def _millis(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
