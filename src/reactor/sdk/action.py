"""Actions: what a step calls."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from reactor.model.clock import Clock
from reactor.model.flow import Retry
from reactor.sdk.connection import Connection, ConnectionType, choose


class Effect(StrEnum):
    """What an action does to the world. It decides when the journal must be on disk, and what a dry run may do."""

    PURE = "pure"
    """Nothing: the result depends on the parameters alone. Waits for no disk."""
    READ = "read"
    """Looks, and changes nothing."""
    WRITE = "write"
    """Changes something: everything decided so far is durable before it starts."""


class ActionContext(msgspec.Struct, kw_only=True):
    """What an action is told beside its parameters."""

    run_id: str
    flow: str
    step: str
    """The step's path."""
    attempt: int
    """From 1."""
    idempotency_key: str
    """The same for every attempt of this step of this run, also after a crash: hand it to the other side."""
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    clock: Clock
    settings: Mapping[str, Any]
    """What the operator set: `http_allow` and `file_roots` (tuples of str; `reactor.sdk.paths` has the rule),
    `data_dir` (Path), `http_timeout` (ms), `http_max_body` and `output_max` (bytes)."""
    connections: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    """All that the flow sees, its own before saved ones; `connection` chooses and checks one."""
    secrets: tuple[str, ...] = ()
    """Secret values among the parameters: never log them."""
    say: Callable[[str], None] = lambda _: None
    """Takes a line of what a program or another system says meanwhile: it is kept with the run, beside what `log` was
    told (from `info` up), in bounds, and not in Reactor's own log."""
    trace: Mapping[str, str] = msgspec.field(default_factory=dict)
    """`traceparent`, perhaps `tracestate`, for whoever is called (W3C Trace Context): in headers under these names.
    Empty where there is no trace."""

    @property
    def data_dir(self) -> Path:
        """Reactor's data folder."""
        return Path(self.settings["data_dir"])

    def connection(self, name: str | None, *types: ConnectionType) -> Connection:
        """The connection that is meant by this name, or by none.

        Raises:
            PermanentError: see `reactor.sdk.connection.choose`.
        """
        return choose(self.connections, name, types, what=f"step {self.step}")

    def mask(self, text: str) -> str:
        """The text with every secret value among the parameters replaced by `***`: for logs, messages and outputs."""
        for secret in self.secrets:
            if secret:
                text = text.replace(secret, "***")
        return text


Handler = Callable[[ActionContext, Any], Any]
"""`async def f(ctx, params) -> output`, or a plain function when the effect is PURE (it is called in the loop: be
quick)."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action. `params` is a `msgspec.Struct` with `forbid_unknown_fields`; its fields are the parameters."""

    name: str
    handler: Handler
    params: type[msgspec.Struct]
    effect: Effect | Callable[[Any], Effect]
    """A constant, or a function of the converted parameters (a GET reads, a POST writes)."""
    doc: str = ""
    is_async: bool = True
    retry: Retry | None = None
    """The policy where the step names none; None: one attempt."""
    timeout: int | None = None
    """Default time of one attempt, milliseconds."""
    views: Mapping[str, Callable[[dict[str, Any]], Any]] = msgspec.field(default_factory=dict)
    """Names that expressions may read on the output though it does not hold them: computed when asked, never
    journaled."""
    open_params: str | None = None
    """Name of a `dict` field that takes every parameter that is no field itself (`log.info` takes any)."""
    literal: tuple[str, ...] = ()
    """Parameters that are code (`sql`; `statements.sql` in a list of maps): `validate` refuses a `{{ … }}` in them, so
    that data cannot become code."""

    stream: bool = False
    """It opens streams: its output holds `{"$stream": {action, with, cursor?}}`, which `for_each` goes over by calling
    that action (itself, or another with `stream`) with `cursor`, page after page `{items, cursor}`. A stream is good in
    the run that opened it alone; what only looks like one in data is never followed."""

    def effect_of(self, params: Any) -> Effect:
        """What this very call would do to the world."""
        return self.effect if isinstance(self.effect, Effect) else self.effect(params)


def action(  # noqa: PLR0913 - what can be declared of an action
    name: str,
    *,
    params: type[msgspec.Struct],
    effect: Effect | Callable[[Any], Effect],
    retry: Retry | None = None,
    timeout: int | None = None,
    views: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
    open_params: str | None = None,
    literal: tuple[str, ...] = (),
    stream: bool = False,
) -> Callable[[Callable[[ActionContext, Any], Any] | Callable[[ActionContext, Any], Awaitable[Any]]], Action]:
    """Declare a function as an action; its docstring is the action's documentation."""

    def declare(handler: Handler) -> Action:
        return Action(
            name=name,
            handler=handler,
            params=params,
            effect=effect,
            doc=inspect.getdoc(handler) or "",
            is_async=inspect.iscoroutinefunction(handler),
            retry=retry,
            timeout=timeout,
            views=views or {},
            open_params=open_params,
            literal=literal,
            stream=stream,
        )

    return declare
