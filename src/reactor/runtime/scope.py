"""What expressions see: the scope of a run, views on outputs, and secrets that are remembered so that they can be
masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactor.model.errors import PermanentError

MASK = "***"
_SHORTEST_MASKED = 4


class Steps(dict[str, Any]):
    """`steps` of one list: a name that is not here is looked up in the list around it."""

    def __init__(self, outer: Steps | None = None) -> None:
        super().__init__()
        self.outer = outer

    def __missing__(self, name: str) -> Any:
        if self.outer is None:
            raise KeyError(name)
        return self.outer[name]

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or (self.outer is not None and name in self.outer)


class Viewed(dict[str, Any]):
    """An output with names that are computed when asked (`output.json` of `http.request`) and never journaled."""

    def __init__(self, output: dict[str, Any], views: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
        super().__init__(output)
        self._views = views

    def __missing__(self, name: str) -> Any:
        view = self._views.get(name)
        if view is None:
            raise KeyError(name)
        return view(self)


class Secrets(dict[str, str]):
    """`secrets` inside `with`: reads a secret when it is named and remembers which were read."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        super().__init__()
        self._read = read
        self.hidden: set[str] = set()
        """Texts out of secret outputs, and one-time links."""

    def hide(self, value: Any) -> None:
        """Whatever text is in this value is a secret from now on."""
        if isinstance(value, str):
            self.hidden.add(value)
        elif isinstance(value, dict):
            for item in value.values():
                self.hide(item)
        elif isinstance(value, list):
            for item in value:
                self.hide(item)

    def __missing__(self, name: str) -> str:
        value = self._read(name)
        if value is None:
            raise PermanentError("secret", f"there is no secret {name!r}; set it with: reactor secrets set {name}")
        self[name] = value
        return value

    def used(self) -> tuple[str, ...]:
        """The values read so far and the hidden ones, longest first so that one inside another is masked whole."""
        return tuple(sorted({v for v in (*self.values(), *self.hidden) if v}, key=len, reverse=True))


def mask(value: Any, secrets: tuple[str, ...]) -> Any:
    """A copy of `value` in which no text holds any of these secrets. The value itself when there are none."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            if secret == value or (len(secret) >= _SHORTEST_MASKED and secret in value):
                value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {mask(key, secrets): mask(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item, secrets) for item in value]
    return value


def step_view(status: str, output: Any = None, error: Any = None, attempts: int = 0) -> dict[str, Any]:
    """One `steps.NAME`."""
    return {"status": status, "output": output, "error": error, "attempts": attempts}
