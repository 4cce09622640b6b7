"""The connections that a flow sees, with their secrets put in at the moment somebody asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reactor.language.connections import FILLED
from reactor.model.errors import PermanentError


class Connections(Mapping[str, Mapping[str, Any]]):
    """Name → settings. What is written `{{ secrets.NAME }}` is read each time, so a changed secret is used at once."""

    def __init__(
        self,
        written: Mapping[str, Mapping[str, Any]],
        secret: Callable[[str], str | None],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._written = written
        self._secret = secret
        self._env = env or {}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """The settings of one connection.

        Raises:
            KeyError: the flow names none so. PermanentError: kind `secret` or `input`: one of its secrets is not set,
            or a name of the environment is not open to flows.
        """
        filled: Mapping[str, Any] = self._filled(self._written[name])
        return filled

    def type_of(self, name: str) -> Any:
        """The type of one, without looking for its secrets."""
        return self._written[name].get("type")

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return FILLED.sub(lambda found: self._read(found[1], found[2]), value) if "{{" in value else value
        if isinstance(value, Mapping):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return value

    def _read(self, source: str, name: str) -> str:
        if source == "env":
            if name not in self._env:
                reason = "is not set, or not named in REACTOR_ENV_ALLOW"
                raise PermanentError("input", f"a connection needs env.{name}, which {reason}")
            return self._env[name]
        value = self._secret(name)
        if value is None:
            raise PermanentError("secret", f"there is no secret {name!r}; set it with: reactor secrets set {name}")
        return value
