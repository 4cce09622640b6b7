"""What the dialect puts behind `Expr`: a Python function over the scope of a run, and values with `${ … }` in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.language.dialects.openworkflow.jq import Program, Scope, Thunk, unwrapped, variables
from reactor.language.expressions.limits import OverLimit, Refusal
from reactor.language.expressions.missing import NeedsUnknown, Unknown, unknown_of
from reactor.language.expressions.references import Path, Reference
from reactor.language.expressions.values import to_json_value
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import PermanentError, ReactorError

# Nearly everything may hang on a variable of the run, so what loops go over is written down.
_NAMES = frozenset({"vars"})
_HIDDEN = frozenset({"secrets", "authorization"})
"""Variables that hold what may not be written down."""
_WITH_SECRETS = frozenset({"secrets", "vars"})


class Computed:
    """An `Expr` that is a function of the scope."""

    __slots__ = ("_make", "names", "source")
    references: tuple[Reference, ...] = ()
    paths: frozenset[Path] = frozenset()

    def __init__(self, make: Thunk, source: str, *, secrets: bool = False) -> None:
        self._make = make
        self.source = source
        self.names = _WITH_SECRETS if secrets else _NAMES

    def evaluate(self, scope: Scope) -> Any:
        """The value as JSON data.

        Raises:
            PermanentError: kind `expression` or `expression.limit`, or what the function raises itself.
        """
        try:
            return to_json_value(self._make(scope))
        except NeedsUnknown:
            return unknown_of(self.source)
        except Refusal as refusal:
            raise PermanentError(refusal.kind, f"{refusal.message} (in `{self.source[:80]}`)") from None
        except ReactorError:
            raise
        except (RecursionError, MemoryError):
            message = "it is nested too deep or takes too much memory"
            raise PermanentError(OverLimit.kind, f"{message} (in `{self.source[:80]}`)") from None
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Data of a shape that nobody thought of is an error of the run, not of the program.
            message = f"{type(error).__name__}: {error}"
            raise PermanentError(Refusal.kind, f"{message} (in `{self.source[:80]}`)") from error


class Env(msgspec.Struct, frozen=True, kw_only=True):
    """Where an expression stands: what `.` is, and which variables there are."""

    dot: Thunk
    variables: Mapping[str, Thunk]

    def plus(self, dot: Thunk | None = None, **more: Thunk) -> Env:
        """The same place with more variables, or on other data."""
        return Env(dot=dot or self.dot, variables={**self.variables, **more})


class Part(msgspec.Struct, frozen=True):
    """A compiled value, and whether it reads secrets."""

    make: Thunk
    secrets: bool = False
    constant: bool = False


def expression(text: str, env: Env) -> Part:
    """An expression field (`if`, `when`, `from` …): the enclosure may be left out.

    Raises:
        ExpressionSyntaxError: jq cannot read it.
    """
    inside = unwrapped(text)
    program = Program(text.strip() if inside is None else inside, env.variables)
    dot = env.dot
    return Part(lambda scope: program.run(dot, scope), not _HIDDEN.isdisjoint(variables(program.text)))


def value(given: Any, env: Env) -> Part:
    """Any value: a text that is one `${ … }` is an expression, all else is as written.

    Raises:
        ExpressionSyntaxError: one of the expressions cannot be read.
    """
    if isinstance(given, str):
        return expression(given, env) if unwrapped(given) is not None else constant(given)
    if isinstance(given, dict):
        parts = {name: value(item, env) for name, item in given.items()}
        if all(part.constant for part in parts.values()):
            return constant(given)
        makers = {name: part.make for name, part in parts.items()}
        return Part(
            lambda scope: {name: make(scope) for name, make in makers.items()},
            any(part.secrets for part in parts.values()),
        )
    if isinstance(given, list):
        items = [value(item, env) for item in given]
        if all(part.constant for part in items):
            return constant(given)
        each = [part.make for part in items]
        return Part(lambda scope: [make(scope) for make in each], any(part.secrets for part in items))
    return constant(given)


def constant(given: Any) -> Part:
    """A value as it stands there."""
    return Part(lambda _scope: given, constant=True)


def assigning(name: str, make: Thunk, source: str) -> Computed:
    """The values of a `set` step that sets one variable."""

    def values(scope: Scope) -> dict[str, Any]:
        try:
            return {name: make(scope)}
        except NeedsUnknown:
            return {name: unknown_of(source)}

    return Computed(values, source)


def moment(instant: Instant) -> dict[str, Any]:
    """A time as the specification describes one."""
    return {"iso8601": to_iso(instant), "epoch": {"seconds": instant // 1000, "milliseconds": instant}}


def started(task: Thunk) -> Thunk:
    """`$task` with `startedAt`: the time is drawn when it is asked for, and recorded."""
    return lambda scope: {**task(scope), "startedAt": moment(round(scope["now"]().timestamp() * 1000))}


def secret_value(text: str) -> Any:
    """A secret as expressions see it: JSON of a map or list as data, all else as its text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return text
    return text


def secrets_of(names: tuple[str, ...]) -> Thunk:
    """`$secrets` with these in it."""
    return lambda scope: {name: secret_value(scope["secrets"][name]) for name in names}


def holds(result: Any) -> bool:
    """Whether a condition holds: as in jq, everything does but false and null."""
    if isinstance(result, Unknown):
        result.refuse()
    return result is not None and result is not False
