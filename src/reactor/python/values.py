"""Values between Python code and the journal, which holds JSON: there and back, and the types that functions name."""

from __future__ import annotations

import datetime as dt
import inspect
import secrets as chance
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import to_json_value
from reactor.language.shapes import longest_pause
from reactor.model import durations
from reactor.model.errors import InvalidError, PermanentError
from reactor.model.flow import Expr, Retry

Duration = str | int | float | dt.timedelta
"""`"1h30m"`, `"PT5M"`, seconds, or a timedelta."""
_MARK = chance.token_hex(16)
_HIDING = ("steps",)
"""Read by values that may hold a secret output of an earlier step, so that it is masked."""
_PLAIN = (Any, object, None, type(None), inspect.Parameter.empty, typing.NoReturn)


class RetryOptions(typing.TypedDict, total=False):
    """`retry=` as YAML has it."""

    max: int
    """All attempts, the first one counted; 3 where none is given."""
    backoff: str
    """fixed | linear | exponential | random"""
    delay: Duration
    factor: float
    max_delay: Duration
    jitter: float
    on: list[str]
    """Only these kinds; the kind of an exception that is no StepError is the name of its class."""
    stop_on: list[str]
    then: str
    """fail | pause"""


class Secret:
    """The name of a secret: its value is filled in when the step begins, and masked wherever it is shown."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __str__(self) -> str:
        raise InvalidError(
            f"the value of secret {self.name!r} is known only inside a step; pass run.secret(…) as it is"
        )


class Computed:
    """An `Expr` that is a Python function of the scope."""

    def __init__(self, function: Callable[[Mapping[str, Any]], Any], source: str, *names: str) -> None:
        self._function = function
        self.source = source
        self.names = frozenset(names)

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """See `Expr.evaluate`."""
        return self._function(scope)


def plain(value: Any, what: str, kind: str = "output", found: dict[str, str] | None = None) -> Any:
    """The value as JSON data: dataclasses, structs, pydantic models, enums, times and the like become what JSON has.

    `found`: takes secrets in: a mark that stands in place of each → its name. Without it they are refused.

    Raises:
        PermanentError: it is no data; `what` says where it stands.
    """

    def encoded(item: Any) -> Any:
        if isinstance(item, Secret) and found is not None:
            mark = f"\0{_MARK}:{item.name}"
            found[mark] = item.name
            return mark
        dump = getattr(item, "model_dump", None)
        if callable(dump):
            return dump(mode="json")
        raise TypeError(f"it holds a {type(item).__module__}.{type(item).__qualname__}")

    try:
        return to_json_value(msgspec.to_builtins(value, str_keys=True, enc_hook=encoded))
    except Exception as error:  # noqa: BLE001 - what cannot be data is refused in many ways: by its type, depth, size
        raise PermanentError(kind, f"{what} is no JSON data: {error}") from None


def as_type(value: Any, wanted: Any, what: str, kind: str = "output") -> Any:
    """JSON data as the type that an annotation names; as it is where the annotation names none that data can have.

    Raises:
        PermanentError: it does not fit.
    """
    if wanted in _PLAIN or isinstance(wanted, typing.TypeVar):
        return value
    validate = getattr(wanted, "model_validate", None)
    try:
        if callable(validate):
            return validate(value)
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise PermanentError(kind, f"{what}: {error}") from None
    except TypeError:
        return value  # a type of Python's own that no data has
    except ValueError as error:
        raise PermanentError(kind, f"{what}: {error}") from None


def known_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, by parameter and `return`; a name that cannot be read stands for any type."""
    unknown: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(function, localns=unknown, include_extras=True)
        except NameError as error:
            if error.name is None or error.name in unknown:
                return {}
            unknown[error.name] = Any
        except (TypeError, AttributeError):
            return {}


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, by parameter and `return`.

    Raises:
        InvalidError: one of them names what is not imported.
    """
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidError(
            f"{named(function)}: an annotation cannot be read: {error}; import what it names outside of "
            "`if TYPE_CHECKING:`"
        ) from None


def named(function: Any) -> str:
    """`module.function`, for messages."""
    function = getattr(function, "func", function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', '?')}.{name}".replace(".<locals>", "")


def millis(value: Duration | None) -> int | None:
    """A duration in milliseconds.

    Raises:
        PermanentError: it is none.
    """
    if value is None:
        return None
    try:
        return durations.parse(value.total_seconds() if isinstance(value, dt.timedelta) else value)
    except ValueError as error:
        raise PermanentError("input", str(error)) from None


def policy(given: int | Retry | RetryOptions | None) -> Retry | None:
    """`retry=` as the model has it: a number of attempts, or options.

    Raises:
        PermanentError: an option is unknown or cannot be.
    """
    if given is None or isinstance(given, Retry):
        return given
    if isinstance(given, int):
        options: dict[str, Any] = {"max": given}
    else:
        options = dict(given)
        options |= {name: millis(options[name]) for name in ("delay", "max_delay") if name in options}
        options |= {name: tuple(options[name]) for name in ("on", "stop_on") if name in options}
    if "delay" in options:
        options.setdefault("max_delay", longest_pause(options["delay"]))
    try:
        made = Retry(**options)
    except TypeError as error:
        raise PermanentError("input", f"retry: {str(error).rpartition(') ')[2]}") from None
    if made.max < 1 or made.backoff not in ("fixed", "linear", "exponential", "random"):
        raise PermanentError("input", "retry: max is 1 or more; backoff is fixed, linear, exponential or random")
    return made


def constant(value: Any, what: str) -> Expr:
    """A value of the code as the expression that a step of the model wants; secrets in it are filled in late.

    Raises:
        PermanentError: kind `input`: it is no JSON data.
    """
    found: dict[str, str] = {}
    made = plain(value, what, "input", found)
    if not found:
        return Computed(lambda _scope: made, what, *_HIDING)
    return Computed(lambda scope: filled(made, found, scope["secrets"]), what, "secrets")


def filled(value: Any, found: Mapping[str, str], secrets: Mapping[str, str]) -> Any:
    """The value with each secret in place of its mark."""
    if isinstance(value, str):
        return secrets[found[value]] if value in found else value
    if isinstance(value, dict):
        return {name: filled(item, found, secrets) for name, item in value.items()}
    return [filled(item, found, secrets) for item in value] if isinstance(value, list) else value
