"""Rules: what they may say, and what is checked before one is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from reactor.language.problems import closest
from reactor.model import durations
from reactor.model.clock import Instant
from reactor.model.errors import InvalidError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MOST_LABELS, _LONGEST = 20, 500
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, checked; times in milliseconds."""

    name: str
    kind: str
    description: str = ""
    severity: Severity = Severity.WARNING
    enabled: bool = True
    flow: str | None = None
    """Which flows, `*` standing for any characters; None: all."""
    labels: dict[str, str] = {}
    by: str = "flow"
    """`flow`: each flow for itself; `all`: those flows together."""
    threshold: float | None = None
    window: int = 15 * MINUTE
    for_: int = 0
    """How long it has to be so before the alert fires."""
    clear: int = MINUTE
    """How long it has to be well again before the alert is resolved."""
    min_runs: int = 5
    percentile: str = "p95"
    queue: str = "events"
    updated_at: Instant = 0
    updated_by: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of rule."""

    doc: str
    keys: frozenset[str]
    """What its rules may say beside what all may."""
    unit: str
    """Of its value: `share`, `ms`, `count`, or empty: it is so or not."""
    threshold: float | None = None
    """Where a rule says none; None: it has to."""
    least: float = 0
    most: float = 1e15
    defaults: Mapping[str, Any] = {}


EVERY = frozenset({"name", "kind", "description", "severity", "enabled", "for", "clear"})
"""What all rules may say."""
_SCOPE = frozenset({"flow", "labels"})
_RUNS = _SCOPE | {"by", "threshold", "window", "min_runs"}
KINDS: dict[str, Kind] = {
    "failure_rate": Kind(
        doc="Failed of completed and failed runs in the window reach that share.",
        keys=_RUNS, unit="share", threshold=0.5, least=0.0001, most=1,
    ),
    "latency": Kind(
        doc="A percentile of the durations of runs in the window is above that time.",
        keys=_RUNS | {"percentile"}, unit="ms", least=1, defaults={"min_runs": 10},
    ),
    "throughput_drop": Kind(
        doc="Fewer runs end in the window than at the same time of the days before (their median, by that share).",
        keys=_RUNS, unit="share", threshold=0.7, least=0.0001, most=1,
        defaults={"window": HOUR, "min_runs": 20, "by": "all"},
    ),
    "queue_depth": Kind(
        doc="More than so many wait: `queue: events` for a commit, `runs` at flow control, `lag` at a source.",
        keys=_SCOPE | {"threshold", "queue"}, unit="count", least=0,
    ),
    "silent_trigger": Kind(
        doc="A trigger that listens has had no event for the `window`; without one, for the time of its `expect`.",
        keys=_SCOPE | {"window"}, unit="ms", threshold=0, defaults={"window": 0},
    ),
    "trigger_failed": Kind(doc="A trigger does not listen.", keys=_SCOPE, unit="", threshold=0),
    "dead_letters": Kind(
        doc="More than so many dead letters of a trigger wait for a decision.",
        keys=_SCOPE | {"threshold"}, unit="count", threshold=0, least=0,
    ),
    "long_running": Kind(
        doc="Runs have been running for longer than that; those that wait do not count.",
        keys=_SCOPE | {"threshold"}, unit="ms", threshold=DAY, least=1_000,
    ),
    "run_stuck": Kind(
        doc="Runs cannot be read from the store, and so cannot go on.", keys=frozenset(), unit="count", threshold=0
    ),
    "disk": Kind(
        doc="Less than that share of the data folder's disk is free.",
        keys=frozenset({"threshold"}), unit="share", threshold=0.1, least=0.0001, most=1,
    ),
    "store_trouble": Kind(doc="The store cannot write.", keys=frozenset(), unit="", threshold=0),
}  # fmt: skip
_CHOICES = {
    "by": ("flow", "all"),
    "severity": tuple(Severity),
    "percentile": ("p50", "p95", "p99"),
    "queue": ("events", "runs", "lag"),
}
_NAMES = {"for_": "for"}


def check(given: Mapping[str, Any], now: Instant, by: str) -> Rule:
    """A rule as it was written.

    Raises:
        InvalidError: what is wrong with it, and what would be right.
    """
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidError(
            f"{str(name)[:80]!r} cannot be a rule's name: small letters, digits, - and _, 64 at most, "
            "a letter or digit first"
        )
    kind = _kind(given.get("kind"))
    about = KINDS[kind]
    allowed = EVERY | about.keys
    for key in given:
        if key not in allowed:
            raise InvalidError(f"a rule of kind {kind} has no {str(key)[:80]!r}; {_meant(str(key), allowed)}")
    values = {**about.defaults, "name": name, "kind": kind, "updated_at": now, "updated_by": by}
    for key, value in given.items():
        if key not in {"name", "kind"}:
            values[_FIELD.get(key, key)] = _READ[key](key, value, about)
    if "threshold" not in values:
        if about.threshold is None:
            raise InvalidError(f"a rule of kind {kind} needs a `threshold`{_example(about)}")
        values["threshold"] = about.threshold
    rule = Rule(**values)
    if rule.queue != "events" or not (rule.flow or rule.labels) or kind != "queue_depth":
        return rule
    raise InvalidError(
        "events that wait for a commit are of no flow: leave `flow` and `labels` out, or take another queue"
    )


def _kind(value: Any) -> str:
    if isinstance(value, str) and value in KINDS:
        return value
    raise InvalidError(f"there is no kind of rule {str(value)[:80]!r}; {_meant(str(value), KINDS)}")


def _meant(word: str, allowed: Any) -> str:
    near = closest(word[:80], allowed)
    return f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(allowed))}"


def _example(about: Kind) -> str:
    return {"ms": ", such as 30s", "share": ", such as 0.5 or 50%"}.get(about.unit, ", such as 100")


def _text(key: str, value: Any, _: Kind) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise InvalidError(f"{key} is a text of at most {_LONGEST} characters")
    return value


def _choice(key: str, value: Any, _: Kind) -> Any:
    allowed = _CHOICES[key]
    if value not in allowed:
        raise InvalidError(f"{key}: {str(value)[:80]!r} is none of {', '.join(allowed)}")
    return Severity(value) if key == "severity" else value


def _flag(key: str, value: Any, _: Kind) -> bool:
    if not isinstance(value, bool):
        raise InvalidError(f"{key} is true or false")
    return value


def _flow(key: str, value: Any, about: Kind) -> str | None:
    return None if value is None or value == "*" else _text(key, value, about)


def _labels(key: str, value: Any, _: Kind) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_LABELS:
        raise InvalidError(f"{key} is a map of at most {_MOST_LABELS} labels, such as {{team: sales}}")
    for name, wanted in value.items():
        if not isinstance(name, str) or not isinstance(wanted, str) or len(name) + len(wanted) > _LONGEST:
            raise InvalidError(f"{key}: names and values of labels are texts")
    return dict(value)


def _duration(key: str, value: Any, _: Kind) -> int:
    longest = DAY if key == "window" else 30 * DAY
    try:
        millis = durations.parse(value)
    except ValueError as error:
        raise InvalidError(f"{key}: {error}") from None
    if millis > longest or (key == "window" and millis < MINUTE):
        raise InvalidError(f"{key} is {'1m' if key == 'window' else '0s'} to {durations.show(longest)}")
    return millis


def _count(key: str, value: Any, _: Kind) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise InvalidError(f"{key} is a number from 1 to 1000000")
    return value


def _threshold(key: str, value: Any, about: Kind) -> float:
    wrong = f"{key}: {str(value)[:80]!r} is not"
    if about.unit == "ms":
        try:
            number: float = durations.parse(value)
        except ValueError as error:
            raise InvalidError(f"{key}: {error}") from None
    elif about.unit == "share" and isinstance(value, str) and value.strip().endswith("%"):
        try:
            number = round(float(value.strip()[:-1]) / 100, 9)
        except ValueError:
            raise InvalidError(f"{wrong} a share; write 0.5 or 50%") from None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    else:
        raise InvalidError(f"{wrong} a number{_example(about)}")
    if not about.least <= number <= about.most:
        between = "0 (not included) to 1, or 100%" if about.unit == "share" else f"{about.least:g} or more"
        raise InvalidError(f"{key} is {between}")
    return number


_FIELD = {"for": "for_"}
_READ: dict[str, Callable[[str, Any, Kind], Any]] = {
    "description": _text, "severity": _choice, "enabled": _flag, "for": _duration, "clear": _duration, "flow": _flow,
    "labels": _labels, "by": _choice, "threshold": _threshold, "window": _duration, "min_runs": _count,
    "percentile": _choice, "queue": _choice,
}  # fmt: skip


def written(rule: Rule) -> dict[str, Any]:
    """A rule as people write it; what its kind does not know is left out."""
    about = KINDS[rule.kind]
    threshold: Any = rule.threshold
    if about.unit == "ms" and threshold is not None:
        threshold = durations.show(round(threshold))
    values = {
        "name": rule.name,
        "kind": rule.kind,
        "description": rule.description,
        "severity": rule.severity.value,
        "enabled": rule.enabled,
        "for": durations.show(rule.for_),
        "clear": durations.show(rule.clear),
        "flow": rule.flow,
        "labels": rule.labels,
        "by": rule.by,
        "threshold": threshold,
        "window": durations.show(rule.window) if rule.window else None,
        "min_runs": rule.min_runs,
        "percentile": rule.percentile,
        "queue": rule.queue,
    }
    allowed = EVERY | about.keys
    return {key: value for key, value in values.items() if key in allowed and value is not None}


DEFAULTS: tuple[dict[str, Any], ...] = (
    {
        "name": "flow-failing", "kind": "failure_rate", "threshold": 0.5, "window": "15m", "min_runs": 5,
        "description": "Half of a flow's runs fail.",
    },
    {
        "name": "throughput-drop", "kind": "throughput_drop", "severity": "info", "for": "5m",
        "description": "Far fewer runs than at this time of the days before.",
    },
    {
        "name": "trigger-failed", "kind": "trigger_failed", "severity": "critical", "for": "1m",
        "description": "A trigger does not listen: its events are missed or wait at their source.",
    },
    {
        "name": "trigger-silent", "kind": "silent_trigger",
        "description": "An event that was expected (`expect`) has not come.",
    },
    {
        "name": "dead-letters", "kind": "dead_letters", "threshold": 0,
        "description": "Messages that cannot be read wait for a decision.",
    },
    {
        "name": "queue-full", "kind": "queue_depth", "queue": "events", "threshold": 5000, "severity": "critical",
        "for": "30s", "description": "Events come faster than they can be written; at 10,000 they are refused.",
    },
    {
        "name": "disk-low", "kind": "disk", "threshold": 0.1, "for": "1m",
        "description": "The disk of the data folder fills up.",
    },
    {
        "name": "disk-full", "kind": "disk", "threshold": 0.03, "severity": "critical",  "for": "1m",
        "description": "The disk of the data folder is nearly full: soon nothing can be written.",
    },
    {
        "name": "store-trouble", "kind": "store_trouble", "severity": "critical", "for": "10s",
        "description": "Nothing can be written: events are refused, runs wait.",
    },
    {
        "name": "run-stuck", "kind": "run_stuck", "severity": "critical",
        "description": "Runs cannot be read from the store.",
    },
    {
        "name": "run-long", "kind": "long_running", "threshold": "24h", "severity": "info",
        "description": "A run has been running for a day.",
    },
)  # fmt: skip
"""What is there at the first start; each can be changed, switched off or removed."""
