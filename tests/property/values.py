"""Expressions for tests that need no language: a constant, or a function of the scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Given:
    """An `Expr` made of a Python function."""

    source = "given"
    names: frozenset[str] = frozenset()

    def __init__(self, function: Callable[[Mapping[str, Any]], Any]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return "Given(…)"

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """See `Expr.evaluate`."""
        return self._function(scope)


def plain(value: Any) -> Given:
    """A constant."""
    return Given(lambda _scope: value)
