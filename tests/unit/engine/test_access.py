"""Waits after failed attempts, calls a second, and the audit log when it is flooded or cannot be written."""

import asyncio
from collections.abc import Sequence

import pytest

from reactor.engine.access.attempts import ADDRESS, FORGET, NAME, PAIR, Attempts, Calls
from reactor.engine.access.audit import Actor, Audit
from reactor.engine.access.passwords import Passwords, check
from reactor.model.audit import START, Entry, Fact, chained
from reactor.model.errors import BusyError, InvalidError, StoreBusyError, TooManyError
from reactor.stores.access import AuditFilter
from reactor.testing.actions import StillClock

HERE, EVE = "192.0.2.1", "198.51.100.9"


def waits(attempts: Attempts, name: str = "ann", address: str = HERE) -> int:
    """Seconds until the next attempt."""
    try:
        attempts.check(name, address)
    except TooManyError as error:
        return (error.retry_after or 0) // 1000
    return 0


def test_the_wait_doubles_and_ends() -> None:
    clock = StillClock()
    attempts = Attempts(clock)
    found = []
    for _ in range(15):
        attempts.failed("ann", HERE)
        found.append(waits(attempts))
        clock.time += found[-1] * 1000
    assert found == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert waits(attempts, "bob") == 0
    clock.time += FORGET + 1
    assert waits(attempts) == 0
    attempts.failed("ann", HERE)
    assert waits(attempts) == 0


def test_many_names_from_one_address_and_one_name_from_many() -> None:
    attempts = Attempts(StillClock())
    for n in range(ADDRESS.free):
        attempts.failed(f"user{n}", EVE)
    assert (waits(attempts, "somebody", EVE), waits(attempts, "somebody", HERE)) == (1, 0)
    attempts = Attempts(StillClock())
    attempts.succeeded("ann", HERE)
    for n in range(100):
        attempts.failed("ann", f"203.0.113.{n}")
    assert (waits(attempts, "ann", EVE), waits(attempts, "ann", HERE)) == (NAME.longest // 1000, 0)
    assert PAIR.free == 3


def test_a_success_forgives() -> None:
    attempts = Attempts(StillClock())
    for _ in range(5):
        attempts.failed("ann", HERE)
    attempts.succeeded("ann", HERE)
    assert waits(attempts) == 0


def test_memory_is_bounded() -> None:
    attempts, calls = Attempts(StillClock()), Calls(StillClock())
    for n in range(12_000):
        attempts.failed(f"n{n}", str(n))
        attempts.succeeded(f"m{n}", str(n))
        calls.take(str(n))
    sizes = [len(attempts._names._kept), len(attempts._pairs._kept), len(attempts._known), len(calls._left)]
    assert sizes == [10_000] * 4


def test_calls_fill_up_again() -> None:
    clock = StillClock()
    calls = Calls(clock, rate=2, burst=4)
    for _ in range(4):
        calls.take("ann")
    with pytest.raises(TooManyError):
        calls.take("ann")
    calls.take("bob")
    clock.time += 1_000
    calls.take("ann")
    calls.take("ann")
    with pytest.raises(TooManyError):
        calls.take("ann")


@pytest.mark.parametrize("password", ["short", "x" * 257, "abababababab", "it is ann's own", "lone \ud800 surrogate"])
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(InvalidError):
        check(password, "ann")


async def test_too_many_hash_at_once() -> None:
    passwords = Passwords()
    attempts = [passwords.fits(None, "nobody's password") for _ in range(40)]
    asked = await asyncio.gather(*attempts, return_exceptions=True)
    busy = [one for one in asked if isinstance(one, BusyError)]
    assert len(busy) == 8
    assert {one for one in asked if not isinstance(one, BaseException)} == {(False, False)}


async def test_a_hash_of_weaker_settings_is_made_anew() -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse battery")
    assert await Passwords().fits(weak, "correct horse battery") == (True, True)
    assert await Passwords().fits("no hash at all", "correct horse battery") == (False, False)


class Log:
    """An audit log in memory that may be told to fail."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self.broken = False
        self.calls = 0

    async def append(self, facts: Sequence[Fact]) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if self.broken:
            raise StoreBusyError("the disk is full")
        for fact in facts:
            before = self.kept[-1].hash if self.kept else START
            key = len(self.kept) + 1
            self.kept.append(Entry(key=key, fact=fact, hash=chained(before, key, fact)))

    async def entries(self, wanted: AuditFilter) -> list[Entry]:
        return [entry for entry in self.kept if entry.key > (wanted.above or 0)][: wanted.limit]

    async def floor(self) -> tuple[int, bytes]:
        return 0, START

    async def forget(self, before: int, limit: int) -> int:
        return 0


ANN = Actor(who="ann", via="session", address=HERE)


async def test_facts_that_come_together_share_a_transaction() -> None:
    log = Log()
    audit = Audit(log, StillClock())
    await asyncio.gather(*[audit.note(ANN, "x", str(n), 200) for n in range(100)])
    assert [entry.fact.target for entry in log.kept] == [str(n) for n in range(100)]
    assert log.calls <= 2
    assert (await audit.verify()).broken_at is None


async def test_of_a_flood_of_refusals_the_beginning_is_kept() -> None:
    log, clock = Log(), StillClock()
    audit = Audit(log, clock)
    for _ in range(500):
        await audit.refused(Actor(who="", via="", address=EVE), "sign-in", "ann", 401)
    await audit.refused(ANN, "sign-in", "ann", 401)
    assert [entry.fact.address for entry in log.kept] == [EVE] * 10 + [HERE]
    assert log.kept[-1].fact.details == '{"unsaid":490}'
    for n in range(1_000):
        await audit.refused(Actor(who="", via="", address=f"a{n}"), "sign-in", "ann", 401)
    assert len(log.kept) <= 111


async def test_without_a_log_nothing_is_changed_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    audit = Audit(log, StillClock())
    log.broken = True
    await audit.note(ANN, "x", "1", 200)  # it has been done: whoever did it does not wait
    with pytest.raises(BusyError, match="audit log cannot be written"):
        audit.check()
    await audit.note(ANN, "x", "2", 200)
    assert caplog.text.count("the audit log cannot be written") == 1
    log.broken = False
    while audit.trouble is not None:
        await asyncio.sleep(0.01)
    audit.check()
    assert [entry.fact.target for entry in log.kept] == ["1", "2"]
    await audit.close()


async def test_every_tampering_shows() -> None:
    log = Log()
    audit = Audit(log, StillClock())
    for n in range(5):
        await audit.note(ANN, "x", str(n), 200, {"n": n})
    good = list(log.kept)
    head = (await audit.verify()).head
    eve = Fact(at=good[2].fact.at, who="eve", via="", address="", action="x", target="2", status=200)
    cases = {
        3: [*good[:2], Entry(key=3, fact=eve, hash=good[2].hash), *good[3:]],
        4: [*good[:3], *good[4:]],
        2: [good[1], good[0], *good[2:]],
    }
    for broken, kept in cases.items():
        log.kept = kept
        found = (await audit.verify(head)).broken_at
        assert found is not None
        assert found in (broken, broken + 1)
    log.kept = good[:3]
    cut = await audit.verify(head)
    assert (cut.broken_at, cut.known) == (None, False)
    again: list[Entry] = []
    for entry in good:
        fact = eve if entry.key == 3 else entry.fact
        again.append(Entry(key=entry.key, fact=fact, hash=chained(again[-1].hash if again else START, entry.key, fact)))
    log.kept = again
    rewritten = await audit.verify(head)
    assert (rewritten.broken_at, rewritten.known) == (None, False)
