"""A flow as plain data: what the YAML says, with each expression already compiled behind `Expr`.

Nothing here knows YAML or Jinja. `language` makes these values, `routing` and `runtime` read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec


class Expr(Protocol):
    """A compiled value: a constant, an expression, a text with `{{ … }}` in it, or a list or map of such."""

    @property
    def source(self) -> str:
        """The text as written, for messages."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Top-level names it reads (`event`, `steps`, `secrets`, `now` …); empty for a constant."""
        ...

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value in this scope.

        Raises:
            PermanentError: kind `expression`: an undefined name, a wrong type, or over a bound of time, size or depth.
        """
        ...


Delay = int | Expr
"""Milliseconds, or an expression that gives a duration."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`retry:`. Delays in milliseconds; `max` counts all attempts."""

    max: int = 3
    backoff: str = "exponential"
    """fixed | linear | exponential | random"""
    delay: Delay = 1_000
    factor: float = 2.0
    max_delay: Delay = 60_000
    jitter: float = 0.1
    """Share of each delay that is random, 0–1."""
    on: tuple[str, ...] = ()
    """Only these kinds (`http.5xx`, `exit.*`, `timeout`) or texts in the message; empty: what the error says of
    itself."""
    stop_on: tuple[str, ...] = ()
    if_: Expr | None = None
    """Asked with `error` and `attempt` in scope."""
    then: str = "fail"
    """fail | pause: what happens after the last attempt."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What every step has. The subclasses say what it does."""

    name: str
    line: int = 0
    if_: Expr | None = None
    unless: Expr | None = None
    timeout: Delay | None = None
    """Of one attempt."""
    deadline: Delay | None = None
    """Of all attempts together."""
    retry: Retry | None = None
    """None: the action's own policy. `Retry(max=1)`: none at all."""
    on_error: tuple[Step, ...] = ()
    continue_on_error: bool = False
    finally_: tuple[Step, ...] = ()
    output: Expr | None = None
    """Reshapes the output; sees `output`."""
    delivery: str = "at_least_once"
    """at_least_once | at_most_once"""


class ActionStep(Step, frozen=True, kw_only=True):
    """`action: NAME` with its parameters."""

    action: str
    params: Expr


class BlockStep(Step, frozen=True, kw_only=True):
    """`steps:`, several under one name. Transparent: the names inside belong to the list around it."""

    steps: tuple[Step, ...]


class SetStep(Step, frozen=True, kw_only=True):
    """`set:` variables of the run."""

    values: Expr


class WaitStep(Step, frozen=True, kw_only=True):
    """`wait: 2h` (`for_`) or `wait: {until: TIME}` (`until`): exactly one is given."""

    for_: Delay | None = None
    until: Expr | None = None


class EmitStep(Step, frozen=True, kw_only=True):
    """`emit:` an event to the door. `event` evaluates to `{type, data?, subject?}`."""

    event: Expr


class CallStep(Step, frozen=True, kw_only=True):
    """`call: FLOW`, and wait for it."""

    flow: str
    params: Expr


class ReturnStep(Step, frozen=True, kw_only=True):
    """`return: EXPR` ends the run (later: the nearest branch or iteration)."""

    value: Expr


class FailStep(Step, frozen=True, kw_only=True):
    """`fail:`; evaluates to a text or `{kind?, message?, data?}`."""

    error: Expr


class TriggerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `on:`. `key` (`FLOW/INDEX`) names it everywhere."""

    key: str
    kind: str
    """`event`, `webhook`, `schedule`, `file`, or what a plugin declares."""
    config: dict[str, Any]
    """As written, constants only, checked against the trigger's own shape by `language`. A bare value stands under
    `""`."""
    line: int = 0
    if_: Expr | None = None
    type: str | None = None
    id: Expr | None = None
    enabled: bool = True


class Dedupe(msgspec.Struct, frozen=True, kw_only=True):
    """`dedupe: {key, for}`: no second run for the same key within the time (milliseconds)."""

    key: Expr
    for_: int


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flow."""

    name: str
    source: str
    """The YAML text."""
    digest: str
    """SHA-256 of the meaning-bearing text, hex: two equal digests are one version."""
    file: str | None = None
    version: int = 0
    """From 1; 0 until the engine has registered it."""
    description: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    triggers: tuple[TriggerSpec, ...] = ()
    if_: Expr | None = None
    unless: Expr | None = None
    steps: tuple[Step, ...] = ()
    inputs: dict[str, Any] | None = None
    """JSON Schema of the inputs of a called or hand-started run."""
    outputs: Expr | None = None
    vars: Expr | None = None
    timeout: Delay | None = None
    on_failure: tuple[Step, ...] = ()
    dedupe: Dedupe | None = None
    timezone: str = "UTC"
    connections: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Settings to reach systems, by name, as written: `{{ secrets.X }}` in them is filled in when they are used."""
    legacy: bool = False
    """Written for the older Go engine: missing fields are empty, `if` is rendered text."""
