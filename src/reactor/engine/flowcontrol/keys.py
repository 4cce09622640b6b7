"""The keys and the priority of a run, evaluated once, when its event comes in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reactor.engine.texts import encode
from reactor.model.errors import StepError
from reactor.model.flow import Control, Expr
from reactor.model.journal import Controlled

KEYED = ("rate_limit", "batch", "debounce", "singleton", "throttle", "concurrency")
LONGEST = 1_024
"""Characters of a key."""


def controlled(control: Control, scope: Mapping[str, Any], *, asked: bool) -> Controlled:
    """What flow control keeps of a new run. `asked`: no event has to be dropped or merged for it: it only queues.

    A key that cannot be evaluated is kept as `error`: nothing is lost, the run fails with it where everybody sees it.
    """
    keys: dict[str, str] = {}
    for name in KEYED:
        part = getattr(control, name)
        if part is None or part.key is None:
            continue
        try:
            keys[name] = _text(part.key, scope)
        except (StepError, TypeError, ValueError) as error:
            return Controlled(stage="queue", error=_why(f"the key of `{name}`", part.key, error))
    priority = 0.0
    if control.priority is not None:
        try:
            priority = _number(control.priority.evaluate(scope))
        except (StepError, TypeError, ValueError) as error:
            return Controlled(stage="queue", error=_why("`priority`", control.priority, error))
    return Controlled(keys=keys, priority=priority, stage="queue" if asked or only_queues(control) else "")


def only_queues(control: Control) -> bool:
    """Whether no event of this flow can be dropped, merged or held: its runs at most wait for their turn."""
    return (
        control.rate_limit is None
        and control.batch is None
        and control.debounce is None
        and control.hold is None
        and control.singleton is None
    )


def _text(key: Expr, scope: Mapping[str, Any]) -> str:
    text = encode(key.evaluate(scope)).decode()
    if len(text) > LONGEST:
        raise ValueError(f"it is {len(text)} characters long; the limit is {LONGEST}")
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"it has to be a number, not {value!r:.80}")
    return float(value)


def _why(what: str, expr: Expr, error: Exception) -> str:
    return f"{what} (`{expr.source}`) cannot be evaluated: {getattr(error, 'message', error)}"
