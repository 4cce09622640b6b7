"""The API as one table: what is routed, what is checked, and what OpenAPI says come from the same lines."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from reactor.engine.engine import Engine
from reactor.model import durations, ids
from reactor.model.access import Principal, Role
from reactor.model.clock import Instant, from_iso
from reactor.model.errors import InvalidError
from reactor.sdk.content import MalformedError
from reactor.server.bodies import parse
from reactor.server.guard import Guard, Head
from reactor.server.problems import Problem
from reactor.server.stream import Stream

MOST = 1_000
"""Items of one page."""
_PARAMETERS = 100


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every list takes."""

    limit: int = 100
    cursor: str | None = None

    def __post_init__(self) -> None:
        """Bounds."""
        check_limit(self.limit)


def check_limit(limit: int) -> None:
    """Raises ValueError when a page cannot be so long."""
    if not 1 <= limit <= MOST:
        raise ValueError(f"limit is 1 to {MOST}")


class Call(msgspec.Struct, kw_only=True):
    """One request to one line of the table, checked."""

    engine: Engine
    guard: Guard
    stream: Stream
    doors: Any
    url: str
    head: Head
    who: Principal
    address: str = ""
    """Where the request comes from."""
    target: str = ""
    """What the audit log says that it was done to, where that is not in the path."""
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    """What the audit log says beside it: never a secret."""
    params: dict[str, str]
    query: Any
    body: Any
    text: bytes = b""
    """The body as it came, for lines that take no JSON."""


Handler = Callable[[Call], Awaitable[Any]]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    doc: str
    tag: str
    answer: Any
    """Type of the answer's JSON; a text is a media type."""
    role: Role
    """Who may."""
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    """Type of the JSON body, or None: there is none. `bytes`: as it is."""
    optional: bool = False
    """The body may be left out."""
    status: int = 200
    audited: bool = True
    """It changes something, so the audit log has it."""


def get(
    path: str, answer: Any, *, query: type[msgspec.Struct] = NoQuery, role: Role = Role.VIEWER
) -> Callable[[Handler], Line]:
    """A line that reads."""
    return _made("GET", path, answer, role, query=query, audited=False)


def post(
    path: str,
    answer: Any,
    *,
    query: type[msgspec.Struct] = NoQuery,
    body: Any = None,
    optional: bool = False,
    status: int = 200,
    role: Role = Role.EDITOR,
    audited: bool | None = None,
) -> Callable[[Handler], Line]:
    """A line that changes something; one for viewers reads, with a body, unless `audited` says otherwise."""
    audited = role is not Role.VIEWER if audited is None else audited
    more = {"query": query, "body": body, "optional": optional, "status": status, "audited": audited}
    return _made("POST", path, answer, role, **more)


def put(
    path: str, answer: Any, *, body: Any, query: type[msgspec.Struct] = NoQuery, role: Role = Role.EDITOR
) -> Callable[[Handler], Line]:
    """A line that makes a thing what the body says."""
    return _made("PUT", path, answer, role, body=body, query=query)


def patch(path: str, answer: Any, *, body: Any, role: Role = Role.EDITOR) -> Callable[[Handler], Line]:
    """A line that changes what the body names of a thing."""
    return _made("PATCH", path, answer, role, body=body)


def delete(
    path: str, answer: Any, *, query: type[msgspec.Struct] = NoQuery, role: Role = Role.EDITOR
) -> Callable[[Handler], Line]:
    """A line that takes a thing away."""
    return _made("DELETE", path, answer, role, query=query)


def _made(method: str, path: str, answer: Any, role: Role, **more: Any) -> Callable[[Handler], Line]:
    def make(handler: Handler) -> Line:
        doc, tag = _doc(handler), _tag(path)
        return Line(method=method, path=path, handler=handler, doc=doc, tag=tag, answer=answer, role=role, **more)

    return make


def _doc(handler: Handler) -> str:
    return " ".join((handler.__doc__ or "").split())


def _tag(path: str) -> str:
    return path.split("/")[3] if path.startswith("/api/") else "server"


def parse_query(kind: type[msgspec.Struct], text: bytes) -> Any:
    """Parameters as their struct.

    Raises:
        Problem: 400: one is unknown, twice there, or does not fit.
    """
    try:
        pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=_PARAMETERS, errors="strict")
    except ValueError:
        raise Problem(400, "the query cannot be read") from None
    known = kind.__struct_encode_fields__
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            there = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known) or 'none'}"
            raise Problem(400, f"there is no parameter {name!r}; {there}", parameter=name)
        if name in given:
            raise Problem(400, f"the parameter {name!r} is there twice", parameter=name)
        given[name] = value
    # What a form sends of a field that is left empty is as if it were not there.
    given = {name: value for name, value in given.items() if value}
    try:
        return _converted(given, kind)
    except msgspec.ValidationError as error:
        raise Problem(400, f"the query does not fit: {error}") from None


def _converted(given: dict[str, str], kind: type[msgspec.Struct]) -> Any:
    """Raises msgspec.ValidationError."""
    found = msgspec.convert(given, kind, strict=False)
    places = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    for name, value in given.items():
        if getattr(found, places[name]) is None:
            # `null` and its like are no values in a query.
            raise msgspec.ValidationError(f"{value!r} is no value of {name!r}; leave it out")
    return found


def parse_body(line: Line, head: Head, text: bytes) -> Any:
    """The body as the line's type.

    Raises:
        Problem: 400 or 415.
    """
    if line.body is None:
        if text.strip() not in (b"", b"{}", b"null"):
            raise Problem(400, f"{line.method} {line.path} takes no body")
        return None
    if line.body is bytes:
        if not text and not line.optional:
            raise Problem(400, "a YAML text is needed as the body")
        return text
    if not text.strip():
        if line.optional:
            return line.body()
        raise Problem(400, "a JSON body is needed")
    kind = head.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Problem(415, "the body is JSON: add the header content-type: application/json")
    try:
        return parse(msgspec.json.Decoder(line.body).decode, text)
    except MalformedError as problem:
        problem.message = problem.message.replace("the event does not fit", "the body does not fit")
        if problem.message.startswith("an event has no field"):
            names = ", ".join(line.body.__struct_fields__)
            problem.message = f"{problem.message.partition(';')[0].replace('an event', 'the body')}; there are {names}"
        raise


def key_of(prefix: str, text: str) -> int:
    """The number of an id.

    Raises:
        Problem: 404.
    """
    key = ids.from_text(prefix, text)
    if key is None:
        raise Problem(404, f"{text[:80]!r} is no id of {'a run' if prefix == 'run' else 'an event'} ({prefix}_…)")
    return key


def cursor_of(prefix: str, text: str | None) -> int | None:
    """Where a page goes on.

    Raises:
        Problem: 400.
    """
    if text is None:
        return None
    key = ids.from_text(prefix, text)
    if key is None:
        raise Problem(
            400, f"{text[:80]!r} is no cursor of this list: take `next` of the page before", parameter="cursor"
        )
    return key


def time_of(name: str, text: str | None, now: Instant) -> Instant | None:
    """A time, or how long ago (`24h`).

    Raises:
        Problem: 400.
    """
    if text is None:
        return None
    try:
        return from_iso(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        pass
    try:
        return now - int(durations.parse(text))
    except (ValueError, InvalidError):
        raise Problem(
            400,
            f"{name}: {text[:60]!r} is neither RFC 3339 (2026-11-23T04:36:11Z) nor a duration (24h)",
            parameter=name,
        ) from None


def page(items: Sequence[Any], limit: int, cursor: Callable[[Any], str], shown: Callable[[Any], Any]) -> dict[str, Any]:
    """The answer of a list that was asked for one more than its limit."""
    there = items[:limit]
    return {"items": [shown(item) for item in there], "next": cursor(there[-1]) if len(items) > limit else None}
