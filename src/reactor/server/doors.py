"""What the API shows that the engine does not know: the language and the folder of flows, handed in by `app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from reactor.engine.editing import Editing
from reactor.engine.vault import Vault
from reactor.model.flow import Flow

_NAMES = ("file", "line", "column", "end_column", "severity", "rule", "message", "suggestion")
_MOST_ALLOWED = 50


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """Each problem has some of `file line column severity rule message suggestion` as attributes."""

    load: Callable[[str, str | None], Any] | None = None
    """(YAML text, file) → what has `flow` (None when there are errors) and `problems`."""
    problems: Callable[[], Sequence[Any]] = tuple
    """Everything that is wrong in the folder of flows now."""
    editing: Editing | None = None
    """Changes flows; None: they are read only."""
    vault: Vault | None = None
    """Changes secrets; an object of its own, for it works on other threads."""
    run_tests: Callable[[Flow, str | None], Awaitable[dict[str, Any]]] | None = None
    """Runs the tests of a flow (with another text)."""
    schema: Callable[[], dict[str, Any]] | None = None
    """JSON Schema of flows with everything that is installed."""


def shown(problem: Any) -> dict[str, Any]:
    """A problem as the API shows it."""
    found = {name: getattr(problem, name, None) for name in _NAMES}
    found["severity"] = str(found["severity"] or "error")
    found["message"] = str(found["message"] or problem)
    for name in ("line", "column", "end_column"):
        found[name] = found[name] or None
    found["allowed"] = list(getattr(problem, "allowed", None) or ())[:_MOST_ALLOWED]
    fix = getattr(problem, "fix", None)
    found["fix"] = None if fix is None else msgspec.structs.asdict(fix)
    return found
