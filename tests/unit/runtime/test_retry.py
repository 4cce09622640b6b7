"""Which failures are tried again, and after how long."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.model.errors import ErrorInfo
from reactor.model.flow import Retry
from reactor.runtime import retry

FLAKY = ErrorInfo("http.503", "the server is busy")
FINAL = ErrorInfo("http.404", "not there", retryable=False)


@pytest.mark.parametrize(
    ("pattern", "kind", "message", "fits"),
    [
        ("http.503", "http.503", "", True),
        ("http.5xx", "http.503", "", True),
        ("http.5xx", "http.429", "", False),
        ("http", "http.503", "", True),
        ("exit.*", "exit.3", "", True),
        ("timeout", "timeout", "", True),
        ("time", "timeout", "", False),
        ("deadlock found", "database.error", "a deadlock found here", True),
        ("busy", "x", "the server is busy", True),
        ("bus", "x", "the server is busy", False),
    ],
)
def test_patterns(pattern: str, kind: str, message: str, fits: bool) -> None:
    assert retry.matches(pattern, ErrorInfo(kind, message)) is fits


@pytest.mark.parametrize(
    ("policy", "error", "attempt", "explicit", "again"),
    [
        ({"max": 3}, FLAKY, 1, False, True),
        ({"max": 3}, FLAKY, 3, False, False),
        ({"max": 3}, FINAL, 1, False, False),
        ({"max": 3}, FINAL, 1, True, True),
        ({"max": 3}, ErrorInfo("input", "wrong"), 1, True, False),
        ({"max": 3}, ErrorInfo("expression.limit", "too long"), 1, True, False),
        ({"max": 3, "on": ("timeout",)}, FLAKY, 1, True, False),
        ({"max": 3, "on": ("http.4xx",)}, FINAL, 1, False, True),
        ({"max": 3, "stop_on": ("http.503",)}, FLAKY, 1, True, False),
        ({"max": 1}, FLAKY, 1, True, False),
        ({"max": 9}, ErrorInfo("cancelled", ""), 1, True, False),
    ],
)
def test_wanted(policy: dict[str, Any], error: ErrorInfo, attempt: int, explicit: bool, again: bool) -> None:
    assert retry.wanted(Retry(**policy), error, attempt, explicit=explicit) is again


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        ("fixed", [1000, 1000, 1000, 1000]),
        ("linear", [1000, 2000, 3000, 4000]),
        ("exponential", [1000, 2000, 4000, 5000]),
    ],
)
def test_delays_grow_to_their_limit(backoff: str, expected: list[int]) -> None:
    policy = Retry(backoff=backoff, jitter=0)
    found = [retry.delay(policy, n, base=1000, longest=5000, chance=0.9, asked=None) for n in (1, 2, 3, 4)]
    assert found == expected


def test_jitter_stays_within_its_share() -> None:
    policy = Retry(backoff="fixed", jitter=0.2)
    assert retry.delay(policy, 1, base=1000, longest=5000, chance=0.0, asked=None) == 800
    assert retry.delay(policy, 1, base=1000, longest=5000, chance=1.0, asked=None) == 1200


def test_random_backoff_is_anywhere_up_to_the_exponential() -> None:
    assert retry.delay(Retry(backoff="random"), 3, base=1000, longest=60_000, chance=0.5, asked=None) == 2000


def test_retry_after_is_a_lower_bound() -> None:
    assert retry.delay(Retry(jitter=0), 1, base=10, longest=60_000, chance=0.5, asked=7_000) == 7_000


def test_many_attempts_do_not_overflow() -> None:
    assert retry.delay(Retry(jitter=0, factor=10), 5_000, base=1000, longest=60_000, chance=0, asked=None) == 60_000
