"""How often somebody may try: sign-in attempts that failed cost a growing wait, calls a generous bound.

Waits grow by name and address together; by address alone where it tries many names; and by name alone, for guesses from
many addresses. The last never keeps out whoever has signed in from that address before, and no wait is longer than a
few minutes: nobody can lock out an owner for ever, who also still has the admin token and its links.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

import msgspec

from reactor.model.clock import Clock, Instant
from reactor.model.errors import TooManyError

K = TypeVar("K")
FORGET = 15 * 60_000
"""Milliseconds after which a failure is forgotten."""
_MOST = 10_000
"""Of each kind that are remembered; then the oldest is forgotten."""
_SECOND = 1_000


class Rule(msgspec.Struct, frozen=True):
    """So many failures are free; each one more doubles the wait, up to the longest."""

    free: int
    longest: Instant


PAIR = Rule(3, 300 * _SECOND)
ADDRESS = Rule(20, 60 * _SECOND)
NAME = Rule(10, 60 * _SECOND)


class _Failures(msgspec.Struct):
    count: int
    last: Instant


class _Ledger:
    """Failures by key."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._kept: OrderedDict[object, _Failures] = OrderedDict()

    def wait(self, key: object, now: Instant) -> int:
        """Milliseconds until the next attempt; 0: now."""
        found = self._kept.get(key)
        if found is None or now - found.last > FORGET:
            return 0
        over = found.count - self._rule.free
        if over < 0:
            return 0
        return max(0, found.last + min(_SECOND << min(over, 20), self._rule.longest) - now)

    def failed(self, key: object, now: Instant) -> None:
        """One more."""
        found = self._kept.pop(key, None)
        count = found.count + 1 if found is not None and now - found.last <= FORGET else 1
        self._kept[key] = _Failures(count, now)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def clear(self, key: object) -> None:
        """All is well again."""
        self._kept.pop(key, None)


class Attempts:
    """Sign-in attempts of one server. In memory: a restart forgets them, and takes longer than most waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pairs, self._addresses, self._names = _Ledger(PAIR), _Ledger(ADDRESS), _Ledger(NAME)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        """(name, address) that have been one before."""

    def check(self, name: str, address: str) -> None:
        """Before an attempt.

        Raises:
            TooManyError: with the time to wait.
        """
        now = self._clock.now()
        wait = max(self._pairs.wait((name, address), now), self._addresses.wait(address, now))
        if (name, address) not in self._known:
            wait = max(wait, self._names.wait(name, now))
        if wait:
            raise TooManyError(f"too many attempts failed; try again in {-(-wait // _SECOND)} s", retry_after=wait)

    def failed(self, name: str, address: str) -> None:
        """An attempt failed. Counted when it begins, so that many at once do not slip through together."""
        now = self._clock.now()
        self._pairs.failed((name, address), now)
        self._addresses.failed(address, now)
        self._names.failed(name, now)

    def succeeded(self, name: str, address: str) -> None:
        """It was them."""
        self._pairs.clear((name, address))
        self._addresses.clear(address)
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


class Calls:
    """A bucket for each principal that fills by `rate` a second."""

    def __init__(self, clock: Clock, rate: int = 500, burst: int = 5_000) -> None:
        self._clock = clock
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, Instant]] = OrderedDict()

    def take(self, key: str) -> None:
        """One call.

        Raises:
            TooManyError: with the time to wait.
        """
        now = self._clock.now()
        left, then = self._left.pop(key, (float(self._burst), now))
        left = min(self._burst, left + max(0, now - then) * self._rate / _SECOND)
        self._left[key] = (max(left - 1, 0.0), now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        if left < 1:
            raise TooManyError(
                f"more than {self._rate} calls a second for {self._burst // self._rate} s; try again a little later",
                retry_after=_SECOND,
            )
