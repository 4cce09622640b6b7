"""Writing to the log. Quick: the line is rendered only if somebody reads it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from reactor.sdk import Action, ActionContext, Effect, action

LINE_LIMIT = 16_384
"""Characters of one log line; what is longer is cut there (the step's output keeps all of it)."""
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\t",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class LogParams(msgspec.Struct, forbid_unknown_fields=True):
    """`message`, and any further parameter as a field."""

    message: Any = ""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    """Values beside the message; parameters with other names land here."""


class Line:
    """A log line that is put together when a handler asks for its text. `fields` are for handlers that write JSON."""

    __slots__ = ("ctx", "fields", "message")

    def __init__(self, ctx: ActionContext, message: str, fields: dict[str, Any]) -> None:
        self.ctx = ctx
        self.message = message
        self.fields = fields

    def parts(self) -> tuple[str, dict[str, Any]]:
        """Message and fields, for lines of JSON; empty fields: all of it is in the message, because it is long."""
        size = sum(len(text_of(value)) + len(name) for name, value in self.fields.items())
        if size > LINE_LIMIT or len(self.message) > LINE_LIMIT:
            return str(self), {}
        return self.ctx.mask(self.message), _masked(self.ctx, self.fields)

    def __str__(self) -> str:
        parts = [self.message, *(f"{name}={text_of(value)}" for name, value in self.fields.items())]
        line = self.ctx.mask(" ".join(parts))
        if len(line) > LINE_LIMIT:
            line = f"{line[:LINE_LIMIT]}… ({len(line) - LINE_LIMIT} more)"
        # Values come from strangers: a line break or an escape code in them must not look like a line of ours.
        return line if line.isprintable() else line.translate(_ESCAPES)


def text_of(value: Any) -> str:
    """Any value as text: text as it is, the rest as JSON."""
    if type(value) is str:
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return str(value)


def _write(ctx: ActionContext, params: LogParams, level: int, name: str) -> dict[str, Any]:
    message = params.message
    if type(message) is not str:
        message = text_of(message)
    if ctx.log.isEnabledFor(level):
        ctx.log.log(level, Line(ctx, message, params.fields))
    return {
        "level": name,
        "message": ctx.mask(message) if ctx.secrets else message,
        "fields": _masked(ctx, params.fields) if ctx.secrets else params.fields,
        "success": True,
    }


def _masked(ctx: ActionContext, value: Any) -> Any:
    if isinstance(value, str):
        return ctx.mask(value)
    if isinstance(value, dict):
        return {key: _masked(ctx, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(ctx, inner) for inner in value]
    return value


@action("log.debug", params=LogParams, effect=Effect.PURE, open_params="fields")
def debug(ctx: ActionContext, params: LogParams) -> dict[str, Any]:
    """Write `message` to the log at level debug.

    Any further parameter is a field of the line. Output: `level message fields success`.
    """
    return _write(ctx, params, logging.DEBUG, "debug")


@action("log.info", params=LogParams, effect=Effect.PURE, open_params="fields")
def info(ctx: ActionContext, params: LogParams) -> dict[str, Any]:
    """Write `message` to the log at level info.

    Any further parameter is a field of the line. Output: `level message fields success`.
    """
    return _write(ctx, params, logging.INFO, "info")


@action("log.warn", params=LogParams, effect=Effect.PURE, open_params="fields")
def warn(ctx: ActionContext, params: LogParams) -> dict[str, Any]:
    """Write `message` to the log at level warning.

    Any further parameter is a field of the line. Output: `level message fields success`.
    """
    return _write(ctx, params, logging.WARNING, "warn")


@action("log.error", params=LogParams, effect=Effect.PURE, open_params="fields")
def error(ctx: ActionContext, params: LogParams) -> dict[str, Any]:
    """Write `message` to the log at level error; the step itself succeeds.

    Any further parameter is a field of the line. Output: `level message fields success`.
    """
    return _write(ctx, params, logging.ERROR, "error")


ACTIONS: tuple[Action, ...] = (debug, info, warn, error)
