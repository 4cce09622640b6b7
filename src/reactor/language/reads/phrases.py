"""The small change of the sentences: conditions, durations, lists and values as one reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reactor.language.expressions.compiled import Source, shown, written
from reactor.model import durations
from reactor.model.flow import Delay, Expr

LONGEST = 90
"""Characters of one value in a sentence."""
_WHOLE = re.compile(r"\{\{([^{}]*)\}\}")
_DATA = re.compile(r"\bevent\.(?:data|payload)\.(?=\w)")
_OUTPUT = re.compile(r"\bsteps\.(\w+)\.output\b")
_SIGNED_IN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_BLANKS = re.compile(r"\s+")


def clipped(text: str, most: int = LONGEST) -> str:
    """One line of at most so many characters."""
    line = _BLANKS.sub(" ", text).strip()
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def condition(expr: Expr) -> str:
    """`event.data.total > 100` → `total > 100`."""
    text = expr.source.strip()
    whole = _WHOLE.fullmatch(text)
    return clipped(_spoken(whole[1] if whole else text))


def value(given: Any, most: int = LONGEST) -> str:
    """A value, a template or an expression; of a map its keys. `…` stands for who signs in within an address."""
    if isinstance(given, Source) and "{{" not in given:
        return clipped(_spoken(str(given)), most)
    if isinstance(given, Mapping) and given:
        return joined([str(key) for key in given])
    if isinstance(given, str):
        return clipped(_SIGNED_IN.sub("…", _WHOLE.sub(lambda m: "{" + _spoken(m[1]) + "}", str(given))), most)
    return clipped(_SIGNED_IN.sub("…", shown(given)), most)


def of(expr: Expr, most: int = LONGEST) -> str:
    """A compiled value, as `value`."""
    return value(written(expr), most)


def _spoken(text: str) -> str:
    return _OUTPUT.sub(r"\1", _DATA.sub("", text.strip()))


def span(delay: Delay) -> str:
    """`5m`, or the expression that gives it."""
    return durations.show(delay) if isinstance(delay, int) else of(delay)


def joined(parts: Iterable[str], word: str = "and", most: int = 6) -> str:
    """`a, b and c`."""
    there = [part for part in parts if part]
    if len(there) > most:
        there = [*there[: most - 1], f"{len(there) - most + 1} more"]
    if len(there) < 2:
        return "".join(there)
    return f"{', '.join(there[:-1])} {word} {there[-1]}"


def texts(given: Any) -> list[str]:
    """A text, or a list of them, as a list."""
    items = given if isinstance(given, list) else [given]
    return [value(item) for item in items if item is not None and item != ""]


def article(word: str) -> str:
    """`a` or `an` before a word, by its first letter."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def spoken_name(name: str) -> str:
    """`charge-the-card` → `charge the card`."""
    return _BLANKS.sub(" ", name.replace("_", " ").replace("-", " ")).strip()
