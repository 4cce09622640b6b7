"""Refusals as RFC 9457 problem documents, and the plain ASGI answer that everything on the hot path is sent as."""

from __future__ import annotations

import http
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from reactor.engine.texts import encode
from reactor.model.errors import BusyError, RefusedError, StoreBrokenError, StoreBusyError, StoreError
from reactor.sdk.content import MalformedError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MEDIA_TYPE = b"application/problem+json"


class Problem(RefusedError):
    """A refusal with everything its answer holds."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        headers: Headers | None = None,
        retry_after: int | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.status = status
        self.title = title
        self.headers = headers or []
        self.members = members


def title_of(status: int) -> str:
    """The status in words."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def of_error(error: BaseException) -> Problem:
    """What a caller is told of an error: its own words when meant for callers, nothing of the inside otherwise."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, MalformedError):
        return Problem(error.status, error.message, **error.members)
    if isinstance(error, RefusedError):
        retry_after = error.retry_after
        if isinstance(error, BusyError) and retry_after is None:
            retry_after = 1_000
        return Problem(error.status, error.message, retry_after=retry_after)
    if isinstance(error, StoreBusyError):
        return Problem(503, "the store cannot write now; try again", retry_after=2_000)
    if isinstance(error, StoreBrokenError):
        return Problem(503, f"nothing is accepted, because the store needs an operator: {error}")
    if isinstance(error, StoreError):
        return Problem(503, f"the store could not do it: {error}", retry_after=2_000)
    return Problem(500, "an error inside Reactor; the log has its details")


def render(problem: Problem) -> tuple[int, Headers, bytes]:
    """Status, headers and body."""
    shown: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title or title_of(problem.status),
        "status": problem.status,
        "detail": problem.message,
        **{name: value for name, value in problem.members.items() if value is not None},
    }
    body = encode(shown)
    headers: Headers = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", b"%d" % len(body)),
        *problem.headers,
    ]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(problem.retry_after / 1000))))
    return problem.status, headers, body


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, error: BaseException) -> None:
    """Send what a caller is told of an error."""
    await answer(send, *render(of_error(error)))


async def read_body(receive: Receive, limit: int) -> bytes:
    """A body within a limit.

    Raises:
        Problem: 413.
    """
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "the caller went away")
        chunks.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise Problem(413, f"the body has more than {limit} bytes")
        more = message["more_body"]
    return b"".join(chunks)
