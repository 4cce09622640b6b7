"""When a failed attempt is followed by another, and after how long. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from reactor.model.errors import ErrorInfo
from reactor.model.flow import Retry

ONCE = Retry(max=1)
_HOPELESS = (
    "input",
    "expression",
    "secret",
    "action",
    "output",
    "http.refused",
    "loop.guard",
    "interrupted",
    "version",
)
"""Kinds that no number of attempts can mend, whatever a step's own policy says."""


def matches(pattern: str, error: ErrorInfo) -> bool:
    """Whether `http.5xx`, `exit.*`, `timeout` or a text in the message fits this error.

    `x` stands for one digit, as in `5xx`; a kind also fits the kinds below it (`http` fits `http.503`).
    """
    kind = error.kind
    if pattern == kind or kind.startswith(pattern + "."):
        return True
    if "*" in pattern and fnmatchcase(kind, pattern):
        return True
    head, _, tail = pattern.rpartition(".")
    if head and tail.endswith("xx") and kind.startswith(head + "." + tail[:-2]):
        return True
    return (" " in pattern and pattern in error.message) or pattern in error.message.split()


def wanted(policy: Retry, error: ErrorInfo, attempt: int, *, explicit: bool = False) -> bool:
    """Whether this error, on this attempt (from 1), is worth another by `max`, `on` and `stop_on` alone.

    Without `on`, an action's default policy goes by what the error says of itself; an explicit one, written in the
    flow, tries
    again whatever may change: who writes `retry: {max: 3}` wants three attempts at a POST that was answered 500, too.
    """
    if attempt >= policy.max or error.kind in ("cancelled", "deadline"):
        return False
    if any(matches(pattern, error) for pattern in policy.stop_on):
        return False
    if policy.on:
        return any(matches(pattern, error) for pattern in policy.on)
    if explicit:
        return not any(error.kind == kind or error.kind.startswith(kind + ".") for kind in _HOPELESS)
    return error.retryable


def delay(policy: Retry, attempt: int, *, base: int, longest: int, chance: float, asked: int | None) -> int:
    """Milliseconds until the attempt after number `attempt`. `chance` is a random number in [0, 1).

    Exponential: base·factor^(n-1). Linear: base·n. Random: anywhere up to base·factor^(n-1) ("full jitter",
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). What the other side asked for
    (`Retry-After`) is a lower bound.
    """
    grown = min(float(longest), base * policy.factor ** min(attempt - 1, 64))
    if policy.backoff == "fixed":
        pause = float(base)
    elif policy.backoff == "linear":
        pause = float(base * attempt)
    elif policy.backoff == "random":
        pause = grown * chance
    else:
        pause = grown
    pause = min(pause, longest)
    if policy.backoff != "random":
        pause += pause * policy.jitter * (chance * 2 - 1)
    return max(round(pause), asked or 0)
