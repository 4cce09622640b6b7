"""Asks the API inside this process, as whoever asked us: with their credentials, past the same guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from reactor.server.problems import App, Message, Scope

_HANDED_ON = frozenset(
    {b"authorization", b"cookie", b"host", b"origin", b"sec-fetch-site", b"x-reactor", b"user-agent"}
)
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """What the API said."""

    status: int
    body: bytes

    @property
    def fine(self) -> bool:
        """Whether it did it."""
        return self.status < 300

    def data(self) -> Any:
        """The JSON."""
        return msgspec.json.decode(self.body) if self.body else None

    def reason(self) -> str:
        """Why it did not, as a caller may read it."""
        try:
            problem = self.data()
            return str(problem.get("detail") or problem.get("title") or problem)
        except (msgspec.DecodeError, AttributeError):
            return f"it answered {self.status}"


class Asking:
    """The API for one caller."""

    def __init__(self, api: App, scope: Scope) -> None:
        self._api = api
        self._scope = scope
        self._headers = [(name, value) for name, value in scope["headers"] if name in _HANDED_ON]

    async def __call__(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = msgspec.UNSET
    ) -> Answer:
        """One request; never raises for what the API refuses."""
        text = b"" if body is msgspec.UNSET else _encode(body)
        headers = [*self._headers, (b"content-length", b"%d" % len(text)), (b"content-type", b"application/json")]
        scope = {
            **self._scope,
            "extensions": {},
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": urlencode({k: _shown(v) for k, v in (query or {}).items() if v is not None}).encode(),
            "headers": headers,
        }
        status, chunks, given = 500, [], False

        async def receive() -> Message:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": text, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                chunks.append(message.get("body", b""))

        await self._api(scope, receive, send)
        return Answer(status, b"".join(chunks))


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
