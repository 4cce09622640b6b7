"""Ids that sort by time: one 63-bit integer inside, 13 letters outside.

An id is `milliseconds since 2020-01-01 (41 bits) | instance (8 bits) | sequence (14 bits)`. The integer is the row
id of its
table, so inserts append; the text is the same number in Crockford's base 32 (https://www.crockford.com/base32.html)
behind a prefix that tells the kind (`evt_`, `run_`), so text sorts as the number does and needs no index of its own.
"""

from __future__ import annotations

from reactor.model.clock import Clock

EPOCH = 1_577_836_800_000
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_PAIRS = [a + b for a in _LETTERS for b in _LETTERS]
_WIDTH = 13
_SEQUENCE_BITS = 14
_INSTANCE_BITS = 8


class IdMaker:
    """Makes integer ids that rise strictly within one instance and differ between instances."""

    def __init__(self, clock: Clock, instance: int = 0, above: int = 0) -> None:
        """`instance`: 0–255, this process's number among those sharing a store; `above`: every id is greater than
        this.
        """
        self._clock = clock
        self._instance = (instance & ((1 << _INSTANCE_BITS) - 1)) << _SEQUENCE_BITS
        self._tick = above >> (_SEQUENCE_BITS + _INSTANCE_BITS)
        self._sequence = (1 << _SEQUENCE_BITS) - 1 if above else -1

    def next(self) -> int:
        """The next id. When a millisecond's 16,384 numbers are used up it borrows the next millisecond's."""
        tick = self._clock.now() - EPOCH
        if tick > self._tick:
            self._tick = tick
            self._sequence = 0
        else:
            self._sequence += 1
            if self._sequence >> _SEQUENCE_BITS:
                self._tick += 1
                self._sequence = 0
        return (self._tick << (_SEQUENCE_BITS + _INSTANCE_BITS)) | self._instance | self._sequence

    @property
    def newest(self) -> int:
        """The last id that was made (or what the first has to be above)."""
        return (self._tick << (_SEQUENCE_BITS + _INSTANCE_BITS)) | self._instance | max(self._sequence, 0)


def instant_of(number: int) -> int:
    """When the id was made, in milliseconds since 1970 (exact unless ids were borrowed from the next millisecond)."""
    return (number >> (_SEQUENCE_BITS + _INSTANCE_BITS)) + EPOCH


def first_at(instant: int) -> int:
    """The smallest id that could have been made at `instant`: a time filter as a range over row ids."""
    return max(0, instant - EPOCH) << (_SEQUENCE_BITS + _INSTANCE_BITS)


def to_text(prefix: str, number: int) -> str:
    """`to_text("run", 1)` is `run_0000000000001`."""
    pairs = _PAIRS
    return (
        f"{prefix}_{_LETTERS[number >> 60]}{pairs[(number >> 50) & 1023]}{pairs[(number >> 40) & 1023]}"
        f"{pairs[(number >> 30) & 1023]}{pairs[(number >> 20) & 1023]}"
        f"{pairs[(number >> 10) & 1023]}{pairs[number & 1023]}"
    )


def _number(letters: str) -> int | None:
    """What the letters say, or None when one is none of ours."""
    number = 0
    for letter in letters:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = number << 5 | value
    return number


def from_text(prefix: str, text: str) -> int | None:
    """The number of an id's text, or None when it is not an id of that kind."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _WIDTH:
        return None
    number = _number(tail)
    return number if number is not None and number < 1 << 63 else None


def span(prefix: str, text: str) -> tuple[int, int] | None:
    """The numbers of all ids whose text begins so, as (first, below); None when no id of that kind does."""
    head, line, tail = text.partition("_")
    if head != prefix or not line or len(tail) > _WIDTH:
        return None
    number = _number(tail)
    if number is None:
        return None
    open_bits = 5 * (_WIDTH - len(tail))
    first = number << open_bits
    return (first, min(first + (1 << open_bits), (1 << 63) - 1)) if first < 1 << 63 else None
