"""What a rule may say, and what is refused with a word about what would be right."""

from typing import Any

import pytest

from reactor.engine.alerts import rules, silences, states
from reactor.engine.alerts.rules import DEFAULTS, KINDS, Rule, Severity
from reactor.engine.alerts.states import Alert, Reading
from reactor.model.errors import InvalidError

NOW = 1_790_000_000_000


def checked(**given: Any) -> Rule:
    return rules.check({"name": "r", **given}, NOW, "me")


def test_the_rules_of_the_first_start_are_right_and_written_as_they_are_read():
    for given in DEFAULTS:
        rule = rules.check(given, NOW, "reactor")
        again = rules.check(rules.written(rule), NOW, "reactor")
        assert again == rule
    assert {given["kind"] for given in DEFAULTS} <= set(KINDS)


def test_what_a_rule_says_is_read():
    rule = checked(
        kind="failure_rate", threshold="25%", window="1h", severity="critical", flow="order*", labels={"team": "a"},
        min_runs=3, by="all", clear="5m", enabled=False, **{"for": "2m"},
    )  # fmt: skip
    assert (rule.threshold, rule.window, rule.for_, rule.clear) == (0.25, 3_600_000, 120_000, 300_000)
    assert (rule.severity, rule.flow, rule.by, rule.enabled) == (Severity.CRITICAL, "order*", "all", False)
    assert checked(kind="latency", threshold="1m30s").threshold == 90_000
    assert checked(kind="latency", threshold=2).threshold == 2_000
    assert checked(kind="failure_rate", flow="*").flow is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "there is no kind of rule 'None'"),
        ({"kind": "failrate"}, "did you mean 'failure_rate'"),
        ({"kind": ["disk"]}, "there is no kind"),
        ({"kind": "failure_rate", "treshold": 1}, "did you mean 'threshold'"),
        ({"kind": "disk", "flow": "a"}, "a rule of kind disk has no 'flow'; there are"),
        ({"kind": "trigger_failed", "threshold": 1}, "has no 'threshold'"),
        ({"kind": "latency"}, "needs a `threshold`, such as 30s"),
        ({"kind": "queue_depth"}, "needs a `threshold`, such as 100"),
        ({"kind": "latency", "threshold": "fast"}, "threshold: 'fast' is not a duration"),
        ({"kind": "latency", "threshold": 0}, "threshold is 1 or more"),
        ({"kind": "failure_rate", "threshold": "x%"}, "a share; write 0.5 or 50%"),
        ({"kind": "failure_rate", "threshold": 1.5}, "to 1, or 100%"),
        ({"kind": "failure_rate", "threshold": 0}, "not included"),
        ({"kind": "failure_rate", "threshold": True}, "is not a number"),
        ({"kind": "failure_rate", "threshold": "nan%"}, "to 1, or 100%"),
        ({"kind": "failure_rate", "threshold": None}, "is not a number"),
        ({"kind": "failure_rate", "window": "10s"}, "window is 1m to 1d"),
        ({"kind": "failure_rate", "window": "2d"}, "window is 1m to 1d"),
        ({"kind": "failure_rate", "for": "90d"}, "for is 0s to 30d"),
        ({"kind": "failure_rate", "for": "soon"}, "for: 'soon' is not a duration"),
        ({"kind": "failure_rate", "min_runs": 0}, "min_runs is a number from 1"),
        ({"kind": "failure_rate", "min_runs": True}, "min_runs is a number from 1"),
        ({"kind": "failure_rate", "by": "team"}, "by: 'team' is none of flow, all"),
        ({"kind": "failure_rate", "severity": "bad"}, "none of info, warning, critical"),
        ({"kind": "failure_rate", "severity": {}}, "none of info, warning, critical"),
        ({"kind": "failure_rate", "enabled": "yes"}, "enabled is true or false"),
        ({"kind": "failure_rate", "labels": ["a"]}, "a map of at most 20 labels"),
        ({"kind": "failure_rate", "labels": {"a": 1}}, "are texts"),
        ({"kind": "failure_rate", "description": "x" * 501}, "at most 500 characters"),
        ({"kind": "failure_rate", "flow": 7}, "flow is a text"),
        ({"kind": "queue_depth", "threshold": 5, "flow": "a"}, "are of no flow"),
        ({"kind": "disk", "name": "Über"}, "cannot be a rule's name"),
        ({"kind": "disk", "name": "a b"}, "cannot be a rule's name"),
        ({"kind": "disk", "name": "../etc"}, "cannot be a rule's name"),
        ({"kind": "disk", "name": "x" * 65}, "cannot be a rule's name"),
        ({"kind": "disk", "name": None}, "cannot be a rule's name"),
    ],
)
def test_rules_that_are_refused(given: dict[str, Any], words: str):
    with pytest.raises(InvalidError) as refused:
        checked(**given)
    assert words in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"until": NOW + 1}, "say which alerts"),
        ({"rule": "*", "until": NOW}, "is past"),
        ({"rule": "*", "until": NOW + 400 * 86_400_000}, "a year at most"),
        ({"rule": "x" * 501, "until": NOW + 1}, "at most 500"),
        ({"labels": {str(n): "" for n in range(21)}, "until": NOW + 1}, "at most 20"),
    ],
)
def test_silences_that_are_refused(given: dict[str, Any], words: str):
    with pytest.raises(InvalidError, match=words):
        silences.check(1, given, NOW, "me")


def _read(*, breach: bool | None, value: float = 1.0) -> Reading:
    return Reading(subject="f", flow="f", value=value, breach=breach, reason="because")


class Course:
    """One alert over time."""

    def __init__(self, **given: Any) -> None:
        self.rule = checked(kind="failure_rate", **given)
        self.now = NOW
        self.alert = states.begun(self.rule, _read(breach=True), 1, NOW)
        self.told: list[tuple[int, str]] = []

    def reads(self, breach: bool | None, seconds: int = 10) -> Alert:
        change = states.step(self.alert, self.rule, _read(breach=breach), self.now)
        if change is not None:
            self.told.append(((self.now - NOW) // 1000, change))
        self.now += seconds * 1000
        return self.alert


def test_an_alert_fires_only_when_it_has_been_so_long_enough():
    course = Course(**{"for": "30s"})
    for _ in range(6):
        course.reads(True)
    assert course.told == [(30, "firing")]
    early = Course(**{"for": "30s"})
    early.reads(True)
    early.reads(True)
    early.reads(False)
    assert early.told == [(20, "gone")]


def test_it_is_resolved_only_when_it_has_been_well_long_enough():
    course = Course(clear="1m")
    course.reads(True)
    for _ in range(3):
        course.reads(False, 20)
    course.reads(True)
    assert course.alert.state == "firing"
    assert course.alert.well_since is None
    for _ in range(4):
        course.reads(False, 20)
    assert [word for _, word in course.told] == ["firing", "resolved"]
    assert course.told[-1][0] >= 10 + 60 + 10 + 60 - 10


def test_what_cannot_be_known_changes_nothing():
    course = Course(clear="10s")
    course.reads(True)
    for _ in range(9):
        course.reads(None)
    assert course.alert.state == "firing"
    assert course.told == [(0, "firing")]
