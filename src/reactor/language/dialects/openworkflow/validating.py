"""Data against the JSON Schemas of a document."""

from __future__ import annotations

from typing import Any

from reactor.language.expressions.missing import Unknown
from reactor.language.inputs import check_inputs
from reactor.model.errors import PermanentError

_SHOWN = 3


def valid(schema: dict[str, Any] | None, value: Any, what: str) -> Any:
    """The value itself, if it fits.

    Raises:
        PermanentError: kind `input`: it does not; the message says where.
    """
    if schema is None or isinstance(value, Unknown):
        return value
    _, problems = check_inputs(schema, value)
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        raise PermanentError("input", f"{what} does not fit its schema: {'; '.join(problems[:_SHOWN])}{more}")
    return value
