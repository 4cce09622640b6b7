"""Durations as counts in fixed buckets: sums of histograms are histograms, so percentiles can be had of any window.

The buckets are those of HdrHistogram with three bits: whole milliseconds up to 15, then eight to each doubling. Any
value is at most an eighth away from every other of its bucket, and at most 1/16 (6.25 %) from the middle.
"""

from __future__ import annotations

from collections.abc import Mapping

NO_DURATION = -1
"""Bucket of what took no time that means something: a run that was cancelled before it began."""
ERROR = 1 / 16
"""How far a percentile may be from the truth, as a share of it."""
_EXACT = 4
"""Bits of a number that are told apart."""
_EIGHT = 1 << (_EXACT - 1)


def bucket(duration: int) -> int:
    """Where a duration in milliseconds is counted."""
    if duration <= 0:
        return 0
    shift = max(duration.bit_length() - _EXACT, 0)
    return shift * _EIGHT + (duration >> shift)


def bounds(number: int) -> tuple[int, int]:
    """The smallest duration of a bucket, and the smallest that is above it."""
    if number < 2 * _EIGHT:
        return number, number + 1
    shift = number // _EIGHT - 1
    low = (number - shift * _EIGHT) << shift
    return low, low + (1 << shift)


def middle(number: int) -> float:
    """What stands for all durations of a bucket."""
    low, above = bounds(number)
    return float(low) if above - low == 1 else (low + above) / 2


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The duration that `share` (0 to 1) of all are not above, by the nearest rank; None: there are none."""
    there = sorted(number for number, count in counts.items() if number != NO_DURATION and count > 0)
    total = sum(counts[number] for number in there)
    if not total:
        return None
    rank, seen = max(share * total, 1), 0
    for number in there:
        seen += counts[number]
        # A hair of tolerance: 0.95 * 20 is a little more than 19.
        if seen >= rank - 1e-9 * total:
            return middle(number)
    return middle(there[-1])
