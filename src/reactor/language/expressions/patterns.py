"""Regular expressions: with a time limit, which Python's own do not have, and of bounded size."""

from __future__ import annotations

import functools
from typing import Any

from reactor.language.expressions.filters import register
from reactor.language.expressions.limits import LIMITS, Meter, OverLimit, Refusal, out_of_time
from reactor.language.expressions.missing import kind_of
from reactor.language.expressions.values import text

_MATCHES = 10_000
_SECONDS = 0.1
_LARGEST = 20_000
"""Places of a pattern once `{n}` is written out, which is what compiling it does."""
_RECURSIONS = ("(?R", "(?&", "(?P>", *(f"(?{digit}" for digit in range(10)))


def _written_out(pattern: str) -> int:
    """How many places a pattern has when its counted repeats are written out; an upper bound."""
    sizes, last, at = [0], 0, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "(":
            sizes.append(0)
            last = 0
        elif char == ")" and len(sizes) > 1:
            last = max(1, sizes.pop())
            sizes[-1] += last
        elif char == "{":
            count, at = _count(pattern, at)
            sizes[-1] += last * (count - 1)
            last *= count
        else:
            at += char == "\\"
            last = 1
            sizes[-1] += 1
        at += 1
    return sum(sizes)


def _count(pattern: str, at: int) -> tuple[int, int]:
    """The larger number of `{n,m}` and where the brace ends; 1 when it is no repeat."""
    end = pattern.find("}", at)
    numbers = pattern[at + 1 : end].split(",") if end > 0 else []
    if not numbers or len(numbers) > 2 or not all(number.strip().isdigit() or not number for number in numbers):
        return 1, at
    return max(1, *(int(number[:9] or 0) for number in numbers)), end


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """A regular expression.

    Raises:
        Refusal: it is none.
        OverLimit: it is too long.
    """
    import regex  # noqa: PLC0415 - large, and few flows need it

    if len(pattern) > LIMITS.pattern:
        raise OverLimit(f"a regular expression has at most {LIMITS.pattern:,} characters")
    if _written_out(pattern) > _LARGEST or any(sign in pattern for sign in _RECURSIONS):
        raise OverLimit("the regular expression repeats or calls itself too much")
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError, MemoryError, ValueError) as error:
        raise Refusal(f"`{pattern[:80]}` is no regular expression: {error}") from None


def _search(meter: Meter, value: Any, pattern: Any, how: str, *args: Any) -> Any:
    if not isinstance(pattern, str):
        raise Refusal(f"a regular expression is a text, not {kind_of(pattern)}")
    shown = text(meter, value)
    try:
        return getattr(compiled(pattern), how)(*args, shown, timeout=min(_SECONDS, meter.remaining()), concurrent=False)
    except TimeoutError:
        out_of_time()


def regex_match(meter: Meter, value: Any, pattern: Any) -> bool:
    """Whether the text begins with a match of the pattern.

    Raises:
        Refusal: no pattern.
        OverLimit: out of time.
    """
    return _search(meter, value, pattern, "match") is not None


def regex_search(meter: Meter, value: Any, pattern: Any) -> Any:
    """The first match anywhere: its text, or its groups as a list when the pattern has some; null without a match.

    Raises:
        Refusal: no pattern.
        OverLimit: out of time.
    """
    found = _search(meter, value, pattern, "search")
    if found is None:
        return None
    return list(found.groups()) if found.re.groups else found.group()


def regex_findall(meter: Meter, value: Any, pattern: Any) -> list[Any]:
    """All matches, each as `regex_search` gives it.

    Raises:
        Refusal: no pattern.
        OverLimit: out of time, or too many.
    """
    matches: list[Any] = []
    try:
        for found in _search(meter, value, pattern, "finditer"):
            meter.tick()
            meter.spend(60 + found.end() - found.start())
            if len(matches) >= _MATCHES:
                raise OverLimit(f"the pattern matches more than {_MATCHES:,} times")
            matches.append(list(found.groups()) if found.re.groups else found.group())
    except TimeoutError:
        out_of_time()
    return matches


def regex_replace(meter: Meter, value: Any, pattern: Any, by: Any = "") -> str:
    r"""The text with every match replaced; `\1` and `\g<name>` stand for groups.

    Raises:
        Refusal: no pattern.
        OverLimit: out of time, or the result is too long.
    """
    shown, replacement, parts, at = text(meter, value), text(meter, by), [], 0
    try:
        for found in _search(meter, shown, pattern, "finditer"):
            meter.tick()
            piece = found.expand(replacement) if "\\" in replacement else replacement
            meter.spend(60 + len(piece))
            parts += [shown[at : found.start()], piece]
            at = found.end()
    except TimeoutError:
        out_of_time()
    except (LookupError, ValueError) as error:
        raise Refusal(f"the replacement does not fit the pattern: {error}") from None
    return "".join([*parts, shown[at:]])


register(
    {
        "regex_match": regex_match,
        "regex_search": regex_search,
        "regex_findall": regex_findall,
        "regex_replace": regex_replace,
    }
)
