"""The tree of errors. What a retry may do is part of the type.

ReactorError
├── StepError                what an action or step fails with: has a `kind`, a `message`, `data`; retried by policy
│   ├── TransientError       worth another try by default (network, 5xx, 429, timeout)
│   └── PermanentError       never retried by default (bad input, 4xx, refused)
├── RefusedError             what a door refuses, with the reason for the caller; nothing was changed
│   ├── InvalidError         the thing itself is wrong (400 / exit 2)
│   ├── NotFoundError        no such run, event, flow (404)
│   ├── ConflictError        the thing is not in a state for this (409)
│   ├── TooLargeError        over a configured limit (413)
│   ├── UnauthorizedError    no or wrong credentials (401)
│   ├── ForbiddenError       known, but not one who may do this (403)
│   └── BusyError            queues are full, try again later (503 + Retry-After)
├── StoreError               the store could not do it
│   ├── StoreBusyError       locked or out of space for now: the same call may work later
│   └── StoreBrokenError     corrupt, newer than this program, or used by another process: an operator must act
└── SettingsError            a setting, flag or environment variable is wrong
"""

from __future__ import annotations

from typing import Any

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True, array_like=True):
    """A failure as plain data: what the journal keeps and `error` is in expressions."""

    kind: str
    """`http.503`, `timeout`, `exit.1`, `connection`, `expression`, `input`, `cancelled`, or one's own."""
    message: str
    step: str | None = None
    """The path of the step that failed."""
    data: Any = None
    retryable: bool = True
    """Whether the default policy tries again."""
    retry_after: int | None = None
    """Milliseconds that the other side asked to wait (`Retry-After`)."""

    def view(self) -> dict[str, Any]:
        """As expressions, the API and the UI see it."""
        shown: dict[str, Any] = {"kind": self.kind, "message": self.message, "step": self.step}
        if self.data is not None:
            shown["data"] = self.data
        return shown


class ReactorError(Exception):
    """Everything that Reactor raises on purpose."""


class StepError(ReactorError):
    """A step failed. `kind` is what `retry.on` and handlers look at; `output` is kept beside the failure."""

    retryable = True

    def __init__(
        self, kind: str, message: str, *, data: Any = None, output: Any = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.data = data
        self.output = output
        self.retry_after = retry_after

    def info(self, step: str | None = None) -> ErrorInfo:
        """The failure as plain data, for the journal."""
        return ErrorInfo(self.kind, self.message, step, self.data, self.retryable, self.retry_after)


class TransientError(StepError):
    """Worth another try."""


class PermanentError(StepError):
    """Trying again cannot help."""

    retryable = False


class RefusedError(ReactorError):
    """A door said no. `status` is the HTTP status; the message is for the caller."""

    status = 400

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class InvalidError(RefusedError):
    """The request, file or value itself is wrong."""


class UnauthorizedError(RefusedError):
    """No credentials, or wrong ones."""

    status = 401


class ForbiddenError(RefusedError):
    """This one may not do this."""

    status = 403


class NotFoundError(RefusedError):
    """There is no such thing."""

    status = 404


class ConflictError(RefusedError):
    """The thing is there, but in a state in which this cannot be done."""

    status = 409


class TooLargeError(RefusedError):
    """Over a configured limit."""

    status = 413


class TooManyError(RefusedError):
    """More often than is allowed. `retry_after` in milliseconds."""

    status = 429


class BusyError(RefusedError):
    """The queues are full; nothing was taken. `retry_after` in milliseconds."""

    status = 503


class StoreError(ReactorError):
    """The store could not do what was asked."""


class StoreBusyError(StoreError):
    """Locked or out of disk space; the same call may succeed later. Nothing of the batch was written."""


class StoreBrokenError(StoreError):
    """Corrupt, newer than this program, or in use by another instance: a person must act."""


class SettingsError(ReactorError):
    """A setting is unknown or has a value that cannot be."""
