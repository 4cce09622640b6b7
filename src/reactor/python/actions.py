"""`@app.action`: a typed function as an action that flows call by its name, those in YAML too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import msgspec

from reactor.model.errors import InvalidError, PermanentError
from reactor.model.flow import Retry
from reactor.python.functions import invoke
from reactor.python.values import Duration, RetryOptions, hints, millis, named, policy
from reactor.sdk import Action, ActionContext, Effect

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


def declared(
    function: Callable[..., Any],
    name: str,
    *,
    effect: str,
    retry: int | Retry | RetryOptions | None,
    timeout: Duration | None,
) -> Action:
    """The action of a function: its parameters behind the first, which is the context, are those of the action.

    Raises:
        InvalidError: it cannot be one; says why.
    """
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f"an action cannot be named {name!r}; a name is lower case with a dot in it, as in geo.lookup"
        )
    params = _params(function, name)
    fields = params.__struct_fields__
    pure = effect == Effect.PURE and not inspect.iscoroutinefunction(function)

    async def handler(ctx: ActionContext, given: Any) -> Any:
        return await invoke(function, ctx, ctx, **{field: getattr(given, field) for field in fields})

    def quick(ctx: ActionContext, given: Any) -> Any:
        return function(ctx, **{field: getattr(given, field) for field in fields})

    try:
        return Action(
            name=name,
            handler=quick if pure else handler,
            params=params,
            effect=Effect(effect),
            doc=inspect.getdoc(function) or "",
            is_async=not pure,
            retry=policy(retry),
            timeout=millis(timeout),
        )
    except ValueError:
        raise InvalidError(f"action {name!r}: effect is pure, read or write, not {effect!r}") from None
    except PermanentError as error:
        raise InvalidError(f"action {name!r}: {error.message}") from None


def _params(function: Callable[..., Any], name: str) -> type[msgspec.Struct]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise InvalidError(f"action {name!r}: {named(function)} takes no context; write `async def f(ctx, …)`")
    types = hints(function)
    fields: list[Any] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InvalidError(f"action {name!r}: parameter {parameter} has no name that a step could give; name it")
        wanted = types.get(parameter.name, Any)
        if parameter.default is parameter.empty:
            fields.append((parameter.name, wanted))
        else:
            fields.append((parameter.name, wanted, _default(parameter.default)))
    made = msgspec.defstruct(
        "".join(word.title() for word in re.split(r"[._]", name)), fields, kw_only=True, forbid_unknown_fields=True
    )
    try:
        msgspec.json.schema(made)
    except TypeError as error:
        raise InvalidError(f"action {name!r}: a parameter's type is none that YAML can give: {error}") from None
    return made


def _default(value: Any) -> Any:
    if isinstance(value, (list, dict, set)):
        return msgspec.field(default_factory=lambda: type(value)(value))
    return value
