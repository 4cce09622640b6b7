"""Calling one action as the engine does: for the tests of connectors and plugins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.model.errors import PermanentError
from reactor.sdk import Action, ActionContext


class StillClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


def action_context(**given: Any) -> ActionContext:
    """A context for one call, the first attempt of a step `step` of a run `run`; name what should be different."""
    values: dict[str, Any] = {
        "run_id": "run",
        "flow": "flow",
        "step": "step",
        "attempt": 1,
        "idempotency_key": "run/step",
        "log": logging.getLogger("reactor.testing"),
        "clock": StillClock(),
        "settings": {},
    }
    return ActionContext(**(values | given))


async def call(action: Action, params: Mapping[str, Any], ctx: ActionContext | None = None) -> Any:
    """Convert the parameters as the engine does, call the action, and give its output.

    Raises:
        PermanentError: kind `input`: the parameters are not what the action takes.
        StepError: what the action failed with.
    """
    given = dict(params)
    if action.open_params is not None:
        known = {field.encode_name for field in msgspec.structs.fields(action.params)}
        others = {name: given.pop(name) for name in list(given) if name not in known}
        given[action.open_params] = {**given.get(action.open_params, {}), **others}
    try:
        converted = msgspec.convert(given, action.params, strict=False)
    except msgspec.ValidationError as error:
        raise PermanentError("input", f"{action.name}: {error}") from error
    result = action.handler(ctx or action_context(), converted)
    return await result if action.is_async else result
