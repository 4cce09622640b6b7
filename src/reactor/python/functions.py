"""Functions behind `run.step`: each call is an action of its own, made for it, so that the attempts, timeouts and the
journal are those of every other step.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.model.flow import Expr
from reactor.python.values import as_type, constant, known_hints, named, plain
from reactor.runtime.code import Misused
from reactor.sdk import Action, ActionContext, Effect

ACTION = "__reactor_action__"
"""Attribute of functions that `@app.action` has declared: the name of their action."""


class Arguments(msgspec.Struct):
    """The arguments of a function by parameter, as JSON data."""

    values: dict[str, Any]


class Call(msgspec.Struct, frozen=True):
    """A call that a step is to make."""

    action: str
    """What the step names."""
    made: Action | None
    """The action, where it was made for this call."""
    params: Expr
    shown: str
    """What people see it called."""
    output: Any
    """The type of its output; None: as it comes."""


def call(function: Any, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], effect: Effect) -> Call:
    """What a step calls: a function, or an action by its name.

    Raises:
        Misused: it is neither. PermanentError: kind `input`: the arguments do not fit.
    """
    if isinstance(function, str):
        if args:
            raise Misused(f"the parameters of action {function!r} are given by name, as in url=…")
        return Call(function, None, constant(dict(kwargs), f"a parameter of {function}"), function, None)
    if not callable(function):
        raise Misused(f"run.step calls a function or an action, not a {type(function).__name__}")
    declared = getattr(function, ACTION, None)
    types = known_hints(function)
    if declared is not None:
        bound = _bound(function, (None, *args), kwargs)
        given = dict([*bound.arguments.items()][1:])
        return Call(declared, None, constant(given, f"a parameter of {declared}"), declared, types.get("return"))
    name = named(function)
    context = next((p for p, wanted in types.items() if wanted is ActionContext and p != "return"), None)
    bound = _bound(function, args, {**kwargs, context: None} if context else kwargs)
    shown = {p: _shown(value) for p, value in bound.arguments.items() if p != context}
    params = constant(shown, f"an argument of {name}")
    secret = "secrets" in params.names

    async def handler(ctx: ActionContext, given: Arguments) -> Any:
        for parameter in given.values if secret else ():
            bound.arguments[parameter] = _merged(bound.arguments[parameter], given.values[parameter])
        if context is not None:
            bound.arguments[context] = ctx
        return await invoke(function, ctx, *bound.args, **bound.kwargs)

    made = Action(name=name, handler=handler, params=Arguments, effect=effect, open_params="values")
    return Call(f"{name}@{path}", made, params, name, types.get("return"))


def undo(function: Any, path: str, output: Any) -> Action:
    """The action that takes back what a step has done: the function is called with the step's output.

    Raises:
        Misused: it is no function.
    """
    if not callable(function):
        raise Misused(f"undo= of step {path!r} is a function that is called with the step's output")
    name = named(function)
    types = known_hints(function)
    context = next((p for p, wanted in types.items() if wanted is ActionContext and p != "return"), None)
    declared = getattr(function, ACTION, None) is not None
    wants = list(inspect.signature(function).parameters)
    wants = wants[1:] if declared else [p for p in wants if p != context]

    async def handler(ctx: ActionContext, given: Arguments) -> Any:
        done = [as_type(given.values["output"], output, f"the output of step {path}")][: len(wants)]
        if declared:
            return await invoke(function, ctx, ctx, *done)
        more = {} if context is None else {context: ctx}
        return await invoke(function, ctx, **dict(zip(wants, done, strict=False)), **more)

    return Action(name=name, handler=handler, params=Arguments, effect=Effect.WRITE, open_params="values")


async def invoke(function: Callable[..., Any], ctx: ActionContext, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function and give its result as JSON data; a plain function runs in a thread, so that it may block.

    Raises:
        StepError: it failed. What is no StepError becomes one, its kind the name of its class.
    """
    try:
        if inspect.iscoroutinefunction(function):
            made = await function(*args, **kwargs)
        else:
            made = await asyncio.to_thread(function, *args, **kwargs)
            made = await made if inspect.isawaitable(made) else made
    except StepError:
        raise
    except TimeoutError as error:
        raise TransientError("timeout", f"{named(function)}: {str(error) or 'it took too long'}") from error
    except Exception as error:
        if not ctx.secrets:
            ctx.log.warning("%s raised %s", named(function), type(error).__name__, exc_info=error)
        raise StepError(type(error).__name__, f"{named(function)} raised {type(error).__name__}: {error}") from error
    return plain(made, f"what {named(function)} gave")


def _bound(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    try:
        return inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise PermanentError("input", f"{named(function)}: {error}") from None
    except ValueError:
        raise Misused(f"the parameters of {named(function)} cannot be read, wrap it in a function of yours") from None


def _shown(value: Any) -> Any:
    """An argument as the journal has it. What is no data (a client, a file) is named by its type only."""
    try:
        plain(value, "", found={})
    except PermanentError:
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
    return value


def _merged(value: Any, filled: Any) -> Any:
    """The argument itself, or its data with secrets filled in where it holds any."""
    found: dict[str, str] = {}
    plain(value, "", found=found) if _shown(value) is value else None
    return filled if found else value
