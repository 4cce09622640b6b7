"""What the API shows that the engine does not know: the language and the folder of flows, handed in by `app`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

_NAMES = ("file", "line", "column", "severity", "rule", "message", "suggestion")


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """Each problem has some of `file line column severity rule message suggestion` as attributes."""

    validate: Callable[[str], Sequence[Any]] | None = None
    """YAML text → its problems."""
    load: Callable[[str, str | None], Any] | None = None
    """(YAML text, file) → what has `flow` (None when there are errors) and `problems`."""
    problems: Callable[[], Sequence[Any]] = tuple
    """Everything that is wrong in the folder of flows now."""


def shown(problem: Any) -> dict[str, Any]:
    """A problem as the API shows it."""
    found = {name: getattr(problem, name, None) for name in _NAMES}
    found["severity"] = str(found["severity"] or "error")
    found["message"] = str(found["message"] or problem)
    found["line"], found["column"] = found["line"] or None, found["column"] or None
    return found
