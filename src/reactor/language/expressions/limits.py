"""What one evaluation may cost, and how it is refused when it costs more.

Nothing in an expression may run for ever or take gigabytes, whoever wrote it and whatever data it meets. Loops pay in
ticks, everything that makes a text or a list pays its size, and the clock is looked at whenever either is paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import NoReturn

from reactor.model.errors import ReactorError


@dataclass(slots=True)
class Limits:
    """The bounds of expressions. `LIMITS` is the one in force; a program may set its fields at start."""

    source: int = 64 * 1024
    """Characters of one template."""
    nesting: int = 90
    """Operators and brackets inside each other in a template. Python's own compiler allows 200 brackets."""
    nodes: int = 5_000
    """Parts of one template: names, operators, calls, pieces of text."""
    ticks: int = 100_000
    """Steps of loops and filters in one evaluation."""
    seconds: float = 0.25
    """Time of one evaluation."""
    text: int = 1024 * 1024
    """Characters of a rendered text."""
    memory: int = 16 * 1024 * 1024
    """What one evaluation may make in all, in characters; an item of a list counts for eight."""
    integer_bits: int = 2_048
    depth: int = 100
    """Lists inside lists in a value."""
    items: int = 1_000_000
    """Items in a value, all levels together."""
    result: int = 64 * 1024 * 1024
    """Characters in a value, all levels together."""
    pattern: int = 1_000
    """Characters of a regular expression."""
    jq_seconds: float = 0.25
    jq_memory: int = 512 * 1024 * 1024


LIMITS = Limits()


class ExpressionSyntaxError(ReactorError):
    """A template or expression that cannot be compiled; found before anything runs.

    `message` is for people, `offset` the character in the text it speaks of, `where` the place in the value.
    """

    def __init__(self, message: str, offset: int = 0, *, where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.where = where


class Refusal(Exception):
    """Inside this package: why an evaluation ends. `Expression.evaluate` makes a `PermanentError` of it."""

    kind = "expression"

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class OverLimit(Refusal):
    """Too long, too large or too deep."""

    kind = "expression.limit"


class Meter:
    """What one evaluation has cost so far."""

    __slots__ = ("_mark", "deadline", "spent", "ticks")

    def __init__(self) -> None:
        self.ticks = 0
        self.spent = 0
        self.deadline = perf_counter() + LIMITS.seconds
        self._mark: float | None = None

    def tick(self, count: int = 1) -> None:
        """Pay for steps of a loop.

        Raises:
            OverLimit: too many, or out of time.
        """
        self.ticks += count
        if self.ticks > LIMITS.ticks:
            raise OverLimit(f"it takes more than {LIMITS.ticks:,} steps; give it less data, or use `for_each`")
        if perf_counter() > self.deadline:
            self._overdue()

    def spend(self, size: int) -> None:
        """Pay for something of this size, before it is made.

        Raises:
            OverLimit: more than one evaluation may make, or out of time.
        """
        self.spent += size
        if self.spent > LIMITS.memory:
            raise OverLimit(f"it makes more than {LIMITS.memory:,} characters of text and lists")
        if perf_counter() > self.deadline:
            self._overdue()

    def remaining(self) -> float:
        """Seconds left, never less than a few milliseconds: for what takes a timeout of its own."""
        return max(0.005, self.deadline - perf_counter())

    def _overdue(self) -> None:
        """Out of time by the clock. A machine that stood still is no fault of the expression: ask for its own time."""
        used = thread_time()
        if self._mark is None:
            self._mark = used
        elif used - self._mark > LIMITS.seconds / 4:
            out_of_time()
        self.deadline = perf_counter() + LIMITS.seconds / 10


def out_of_time() -> NoReturn:
    """Refuse for want of time.

    Raises:
        OverLimit: always.
    """
    raise OverLimit(f"it takes longer than {round(LIMITS.seconds * 1000)} ms")
