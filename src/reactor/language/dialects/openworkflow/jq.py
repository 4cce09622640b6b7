"""jq expressions of the dialect. Plain paths and comparisons are read in Python; everything else by jq itself.

The Python part gives an answer only where it is certain to be jq's own; in any doubt (a wrong type, a container that
is compared) it steps back and the real jq answers or says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reactor.language.expressions import jq
from reactor.language.expressions.limits import LIMITS, ExpressionSyntaxError, OverLimit, Refusal
from reactor.language.expressions.missing import MARK, NeedsUnknown, Unknown, unknown_of
from reactor.language.expressions.values import json_text, to_json_value

Scope = Mapping[str, Any]
Thunk = Callable[[Scope], Any]
"""What an expression becomes: the scope of a run → a value."""

_WHOLE = re.compile(r"\s*\$\{(.*)\}\s*", re.DOTALL)
_SIMPLE = re.compile(
    r"""\s*(?:(?P<text>"[^"\\]*")|(?P<number>-?(?:0|[1-9]\d{0,14}))|(?P<word>true|false|null)
    |(?P<path>(?:\$[A-Za-z_]\w*|\.(?!\.))(?:\.?[A-Za-z_]\w*|\.?\["[^"\\]*"\]|\."[^"\\]*"|\[-?\d{1,9}\])*))\s*""",
    re.VERBOSE,
)
_PART = re.compile(r"""\.?([A-Za-z_]\w*)|\.?\["([^"\\]*)"\]|\."([^"\\]*)"|\[(-?\d+)\]""")
_HEAD = re.compile(r"\$[A-Za-z_]\w*|\.")
_WORDS = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({"and", "or", "not", "if", "then", "else", "end", "as", "def", "reduce", "foreach", "try"})
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
UNSURE: Final = object()
"""Jq has to be asked."""


def unwrapped(text: str) -> str | None:
    """What stands in a text that is one `${ … }`, or None when it is none."""
    match = _WHOLE.fullmatch(text)
    return match[1].strip() if match else None


def variables(program: str) -> frozenset[str]:
    """Names after `$` in a program, those inside texts too: rather one too many."""
    return frozenset(_VARIABLE.findall(program))


def is_pattern_free(program: str) -> bool:
    """Whether nothing in it binds names of its own (`as`, `def`, `reduce`)."""
    return not re.search(r"\b(?:as|def|reduce|foreach|label)\b", _STRING.sub('""', program))


class Program:
    """One jq program with the variables that it may use."""

    __slots__ = ("_full", "_quick", "_used", "text")

    def __init__(self, text: str, given: Mapping[str, Thunk]) -> None:
        """`given`: what each variable is, by its name.

        Raises:
            ExpressionSyntaxError: jq cannot read it, or it uses a variable that is not given.
        """
        if len(text) > LIMITS.source:
            raise ExpressionSyntaxError(f"an expression has at most {LIMITS.source:,} characters")
        self.text = text
        self._used = {name: given[name] for name in sorted(variables(text)) if name in given}
        bound = "".join(f".v.{name} as ${name} | " for name in self._used)
        # A line break in front of the bracket: the program may end in a comment.
        self._full = f"{bound}.i | (\n{text}\n)"
        self._quick = _quick(text)
        if self._quick is None:
            self._check(given)
        elif (unknown := variables(text) - set(given)) and text.lstrip().startswith("$"):
            raise ExpressionSyntaxError(_unknown(min(unknown), given))

    def _check(self, given: Mapping[str, Thunk]) -> None:
        try:
            wrong = jq.check(self._full)
        except OverLimit:
            return  # The machine is busy; when it runs, jq says what is wrong.
        except Refusal as refusal:
            raise ExpressionSyntaxError(refusal.message) from None
        if wrong is None:
            return
        missing = re.search(r"\$([A-Za-z_]\w*) is not defined", wrong)
        raise ExpressionSyntaxError(_unknown(missing[1], given) if missing else f"jq cannot read it: {wrong}")

    def run(self, dot: Thunk, scope: Scope) -> Any:
        """Its one result; null when it gives none.

        Raises:
            Refusal: it failed, gave several results, or took too long.
        """
        try:
            return self._run(dot, scope)
        except NeedsUnknown:
            # In a dry run: what hangs on something unknown is unknown itself.
            return unknown_of(self.text)

    def _run(self, dot: Thunk, scope: Scope) -> Any:
        if self._quick is not None:
            value = self._quick(dot, self._used, scope)
            if value is not UNSURE:
                return value
        data = {"i": dot(scope), "v": {name: make(scope) for name, make in self._used.items()}}
        encoded = json_text(to_json_value(data))
        if MARK in encoded:
            return unknown_of(self.text)
        results = jq.run(self._full, encoded, everything=False)
        if len(results) > 1:
            raise Refusal(f"the expression `{self.text[:80]}` gives several results; put it in [ ]")
        return results[0] if results else None


_Quick = Callable[[Thunk, Mapping[str, Thunk], Scope], Any]


def _quick(text: str) -> _Quick | None:
    """The program as a Python function, where it is a path, a constant, or two of these compared."""
    left = _SIMPLE.match(text)
    if left is None:
        return None
    first = _operand(left)
    if first is None:
        return None
    if left.end() == len(text):
        return first
    operator = text[left.end() : left.end() + 2]
    right = _SIMPLE.match(text, left.end() + 2)
    second = _operand(right) if right is not None and right.end() == len(text) else None
    if operator not in ("==", "!=") or second is None:
        return None
    return _comparing(first, second, equal=operator == "==")


def _comparing(first: _Quick, second: _Quick, *, equal: bool) -> _Quick:
    def compare(dot: Thunk, used: Mapping[str, Thunk], scope: Scope) -> Any:
        one, other = first(dot, used, scope), second(dot, used, scope)
        same = _same(one, other)
        return same if same is UNSURE else same is equal

    return compare


def _same(one: Any, other: Any) -> Any:
    """Whether two values are equal as jq has it: 1 is not true. Containers are left to jq."""
    if any(value is UNSURE or isinstance(value, (dict, list, Unknown)) for value in (one, other)):
        return UNSURE
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        # Jq compares as doubles: beyond 2^53 its answer is not Python's.
        if max(abs(one), abs(other)) > 2**53:
            return UNSURE
        return isinstance(one, bool) == isinstance(other, bool) and one == other
    return type(one) is type(other) and one == other


def _operand(match: re.Match[str]) -> _Quick | None:
    if match["path"] is not None:
        return _path(match["path"])
    if match["word"] is not None:
        value: Any = _WORDS[match["word"]]
    elif match["number"] is not None:
        value = int(match["number"])
        if match["number"].startswith("-"):
            return None
    else:
        value = match["text"][1:-1]
    return lambda _dot, _used, _scope: value


def _path(text: str) -> _Quick | None:
    head = _HEAD.match(text)
    if head is None:
        return None
    name = head[0][1:]
    # `.a` has its dot in the head and its name behind it.
    rest = text[head.end() :] if name else text
    if not name and (rest == "." or rest.startswith(".[")):
        rest = rest[1:]
    parts: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or (match[1] is not None and not match[0].startswith(".")) or match[1] in _KEYWORDS:
            return None
        key = next((group for group in match.groups()[:3] if group is not None), None)
        parts.append(int(match[4]) if key is None else key)
        at = match.end()

    def look(dot: Thunk, used: Mapping[str, Thunk], scope: Scope) -> Any:
        value = used[name](scope) if name else dot(scope)
        for part in parts:
            value = _step(value, part)
            if value is UNSURE:
                return value
        return value

    return look


def _step(value: Any, part: str | int) -> Any:
    if value is None:
        return None
    if isinstance(value, Unknown):
        return value.below(part)
    if isinstance(part, str):
        return value.get(part) if type(value) is dict else UNSURE
    if type(value) is not list:
        return UNSURE
    return value[part] if -len(value) <= part < len(value) else None


def _unknown(name: str, given: Mapping[str, Thunk]) -> str:
    known = ", ".join(f"${one}" for one in sorted(given))
    return f"there is no `${name}` here; there is {known}"
