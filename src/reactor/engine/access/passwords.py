"""Passwords: argon2id, in threads, a few at a time: each costs 19 MiB and tens of milliseconds, on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from reactor.model.errors import BusyError, InvalidError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")
SHORTEST, LONGEST = 12, 256
"""Characters."""
_DISTINCT = 5
_AT_ONCE = 2
_MOST_WAITING = 32
_MEMORY, _PASSES, _LANES = 19_456, 2, 1
"""KiB and so on: the first of the settings that OWASP recommends."""


class Passwords:
    """See the module."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._hasher: PasswordHasher | None = None
        self._nobody = ""

    async def hashed(self, password: str, name: str) -> str:
        """The hash of a new password of this user.

        Raises:
            InvalidError: it is too easy to guess, or cannot be. BusyError: too many wait.
        """
        check(password, name)
        return await self._in_turn(lambda hasher: hasher.hash(password))

    async def fits(self, hashed: str | None, password: str) -> tuple[bool, bool]:
        """Whether it is the password, and whether it should be hashed anew, by newer settings. Without a hash it is
        not, and that takes as long.

        Raises:
            BusyError: too many wait.
        """
        if len(password) > LONGEST:
            return False, False

        def compare(hasher: PasswordHasher) -> tuple[bool, bool]:
            from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - with the first sign-in

            if not self._nobody:
                self._nobody = hasher.hash("nobody has this password")
            try:
                hasher.verify(hashed or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False, False
            return hashed is not None, hashed is not None and hasher.check_needs_rehash(hashed)

        return await self._in_turn(compare)

    async def _in_turn(self, work: Callable[[PasswordHasher], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too many sign in at this moment; try again", retry_after=2_000)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(lambda: work(self._made()))
        finally:
            self._waiting -= 1

    def _made(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher  # noqa: PLC0415 - with the first password

            self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES)
        return self._hasher


def check(password: str, name: str) -> None:
    """What makes a password too easy to guess.

    Raises:
        InvalidError: says what.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidError(f"a password has {SHORTEST} to {LONGEST} characters, this one {len(password)}")
    if len(set(password)) < _DISTINCT:
        raise InvalidError(f"a password has at least {_DISTINCT} different characters; a few words make a good one")
    if name and name.lower() in password.lower():
        raise InvalidError("a password does not hold its user's name")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise InvalidError("the password is no text in Unicode") from None
