"""Answers of webhooks.

Sources: RFC 9457 (`application/problem+json`), RFC 9110 §10.2.3 (Retry-After).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from reactor.model.errors import RefusedError
from reactor.sdk import HttpResponse, Receipt, RunResult

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    413: "Too large",
    415: "Unsupported media type",
    500: "Internal error",
    503: "Busy",
}
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
# What a flow answers is often made of what strangers sent, and it is served from the origin of Reactor's own UI: so a
# browser must neither guess its type nor run scripts in it.
_HARMLESS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "date"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SHAPE = frozenset({"status", "headers", "body"})
_encode = msgspec.json.Encoder().encode


class _Run(msgspec.Struct):
    id: str
    flow: str


class _Accepted(msgspec.Struct):
    event_id: str
    runs: list[_Run]
    duplicate: bool


def accepted(receipt: Receipt) -> HttpResponse:
    """202: the event and its runs are committed."""
    runs = [_Run(run, flow) for run, flow in receipt.runs]
    return HttpResponse(status=202, body=_encode(_Accepted(receipt.event_id, runs, receipt.duplicate)))


def later(receipt: Receipt, run_id: str) -> HttpResponse:
    """202 for a run that takes longer than the caller waits, with the place where it can be asked for."""
    first = accepted(receipt)
    return HttpResponse(status=202, body=first.body, headers=(_JSON, (b"location", f"/api/v1/runs/{run_id}".encode())))


def problem(
    status: int, detail: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), **members: object
) -> HttpResponse:
    """A refusal, as RFC 9457 has it; members that are None are left out."""
    document: dict[str, object] = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status}
    document["detail"] = detail
    document.update((name, value) for name, value in members.items() if value is not None)
    return HttpResponse(status=status, body=_encode(document), headers=(_PROBLEM, *headers))


def refused(error: RefusedError) -> HttpResponse:
    """What the door refused."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if error.status == 503 or error.retry_after is not None:
        seconds = max(1, -(-(error.retry_after or 1000) // 1000))
        headers = ((b"retry-after", str(seconds).encode()),)
    return problem(error.status, error.message, headers=headers)


def outcome(result: RunResult) -> HttpResponse:
    """The answer that a finished run gives."""
    if result.status == "completed":
        return _from_output(result)
    error = result.error or {}
    kind = str(error.get("kind") or result.status)
    message = str(error.get("message") or f"the run was {result.status}")
    return problem(500, message, kind=kind, run_id=result.run_id)


def _from_output(result: RunResult) -> HttpResponse:
    output = result.output
    # Only `status` or `body` makes it an answer, so a run's output {"headers": …} or {} is still just data.
    if not (isinstance(output, dict) and output.keys() <= _SHAPE and output.keys() & {"status", "body"}):
        return _answer(200, {}, output, as_json=True)
    status, headers = output.get("status", 200), output.get("headers") or {}
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        return _answer(200, {}, output, as_json=True)
    try:
        return _answer(status, headers, output.get("body"))
    except (ValueError, AttributeError):
        return problem(500, "the flow's answer has headers that cannot be sent", kind="answer", run_id=result.run_id)


def fixed(status: int, headers: dict[str, str], body: Any) -> HttpResponse:
    """The configured answer, made once.

    Raises:
        ValueError: a header cannot be sent.
    """
    return _answer(status, headers, body)


def plain(text: str) -> HttpResponse:
    """200 with a text."""
    return _answer(200, {}, text)


def _answer(status: int, headers: dict[str, Any], body: Any, *, as_json: bool = False) -> HttpResponse:
    lines: dict[bytes, bytes] = {}
    for name, value in headers.items():
        text = str(value)
        if not _TOKEN.fullmatch(name) or _BAD_VALUE.search(text):
            raise ValueError(f"the header {name[:60]!r} cannot be sent")
        if name.lower() not in _FRAMING:
            lines[name.lower().encode()] = text.encode("utf-8", "replace")
    if status in {204, 304} or (body is None and not as_json):
        content = b""
    elif isinstance(body, str) and not as_json:
        content = body.encode("utf-8", "replace")
        lines.setdefault(b"content-type", b"text/plain; charset=utf-8")
    else:
        content = _encode(body)
        lines.setdefault(*_JSON)
    for default in _HARMLESS:
        lines.setdefault(*default)
    return HttpResponse(status=status, body=content, headers=tuple(lines.items()))
