"""The action `http.request`: its parameters, what they do to the world, and the views on its output.

The exchange itself is in `exchange` (and `client`, `wire`, `guard`), imported with the first request.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from reactor.model import durations
from reactor.sdk import ActionContext, Effect, Retry, action

Scalar = str | int | float | bool | None
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SIZE = re.compile(r"(\d+)\s*(?:([kKmMgG])(?:i?[bB])?|[bB])?")
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SUCCESS = re.compile(r"(?P<digit>[1-5])[xX][xX]|(?P<low>[1-5]\d\d)(?:\s*-\s*(?P<high>[1-5]\d\d))?")


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User and password (RFC 7617)."""

    user: str
    password: str


class HeaderAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret in a header of its own."""

    name: str
    value: str


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token of OAuth 2.0 token exchange (RFC 8693)."""

    token: str
    type: str


class OAuth2(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bearer token that is fetched first (RFC 6749), and kept until it expires."""

    token_url: str | None = None
    discovery: str | None = None
    """In place of `token_url`: the address of an OpenID Connect configuration, which names it."""
    grant: str = "client_credentials"
    client_id: str | None = None
    client_secret: str | None = None
    client_auth: Literal["client_secret_post", "client_secret_basic", "none"] = "client_secret_post"
    client_assertion: str | None = None
    scope: str | None = None
    audience: list[str] | None = None
    username: str | None = None
    password: str | None = None
    refresh_token: str | None = None
    subject: Token | None = None
    actor: Token | None = None
    json: bool = False
    """Ask in JSON instead of a form."""

    def __post_init__(self) -> None:
        if (self.token_url is None) == (self.discovery is None):
            raise ValueError("oauth2 takes exactly one of token_url, discovery")


class RequestAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who we are. Exactly one."""

    basic: Basic | None = None
    bearer: str | None = None
    header: HeaderAuth | None = None
    oauth2: OAuth2 | None = None

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.basic, self.bearer, self.header, self.oauth2)) != 1:
            raise ValueError("auth takes exactly one of basic, bearer, header, oauth2")


class Params(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Parameters of `http.request`."""

    url: str
    """http or https. With `connection` it may be a path below its `base_url`."""
    method: str = "GET"
    headers: dict[str, Scalar] = msgspec.field(default_factory=dict)
    """A header that is null is left out."""
    query: dict[str, Scalar | list[Scalar]] = msgspec.field(default_factory=dict)
    """Added to the query of `url`, encoded; a list repeats its name, null is left out."""
    json: Any = msgspec.UNSET
    """Body as JSON (null too)."""
    form: dict[str, Scalar | list[Scalar]] | None = None
    """Body as application/x-www-form-urlencoded."""
    body: str | dict[str, Any] | list[Any] | None = None
    """Body as UTF-8 text; a map or a list goes as JSON, as with `json`."""
    body_base64: str | None = None
    """Body as bytes."""
    auth: RequestAuth | None = None
    connection: str | None = None
    """Name of a connection of type `http`: base_url, headers, auth."""
    timeout: str | int | float | None = None
    """Of the whole exchange with its redirects; a duration. Default: the operator's `http_timeout`."""
    follow_redirects: bool = True
    """At most 10."""
    max_body: str | int | None = None
    """Largest body taken, decompressed: bytes or `5MB`. In memory the operator's `http_max_body` is the most."""
    save_to: str | None = None
    """Write the body of a successful answer to this file (below `file_roots`) in place of returning it."""
    success: Annotated[list[int | str], msgspec.Meta(min_length=1)] | int | str = "2xx"
    """Which statuses are no failure: `404`, `2xx`, `200-204`, or a list of such."""
    verify: bool = True
    """False: do not check the certificate. For test systems."""
    raw: bool = False
    """The answer's body as base64 of its bytes, whatever its type."""

    def __post_init__(self) -> None:
        self.method = self.method.upper()
        if not _TOKEN.fullmatch(self.method) or self.method in {"CONNECT", "TRACE"}:
            raise ValueError(f"{self.method!r} is not a method that can be sent; GET, POST, PUT, PATCH, DELETE … are")
        bodies = [
            self.json is not msgspec.UNSET,
            *(part is not None for part in (self.form, self.body, self.body_base64)),
        ]
        if sum(bodies) > 1:
            raise ValueError("give at most one of json, form, body, body_base64")
        if self.timeout is not None:
            durations.parse(self.timeout)
        if self.max_body is not None:
            size(self.max_body)
        successes(self.success)


def size(value: str | int) -> int:
    """Bytes: a number, or `10MB` (`k`, `m`, `g` are powers of 1024).

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{str(value)[:40]!r} is not a size; write bytes or 500kB, 10MB, 1GB")
    return int(found[1]) * _SIZES[(found[2] or "").lower()]


def successes(value: list[int | str] | int | str) -> tuple[tuple[int, int], ...]:
    """The ranges of statuses that `success` means.

    Raises:
        ValueError: something in it is no status.
    """
    ranges = []
    for entry in value if isinstance(value, list) else [value]:
        found = _SUCCESS.fullmatch(str(entry).strip())
        if found is None:
            raise ValueError(f"success: {str(entry)[:40]!r} is no status; write 404, 2xx or 200-204")
        if found["digit"]:
            low = int(found["digit"]) * 100
            ranges.append((low, low + 99))
        else:
            ranges.append((int(found["low"]), int(found["high"] or found["low"])))
    return tuple(ranges)


def effect(params: Params) -> Effect:
    """GET, HEAD and OPTIONS look (RFC 9110 §9.2.1), unless the answer goes to a file; all else may change something."""
    return Effect.READ if params.method in _READS and params.save_to is None else Effect.WRITE


def _view_json(output: dict[str, Any]) -> Any:
    body = output.get("body")
    if not isinstance(body, str):
        return body
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _view_text(output: dict[str, Any]) -> str:
    body = output.get("body")
    if isinstance(body, str):
        return body
    return "" if body is None else msgspec.json.encode(body).decode()


@action(
    "http.request",
    params=Params,
    effect=effect,
    retry=Retry(max=3, backoff="exponential", delay=1_000),
    views={"status": lambda output: output.get("status_code"), "json": _view_json, "text": _view_text},
)
async def http_request(ctx: ActionContext, params: Params) -> dict[str, Any]:
    """Send an HTTP request and return the answer: `status_code headers body success`.

    `body` is the parsed JSON when the answer is JSON, else text; what is no text is base64, with `encoding: base64`
    beside it. A status that is no success fails with kind `http.STATUS` and keeps the output.

    Addresses that are not public are refused (kind `http.refused`) unless the operator allows them, after redirects
    too. POST and PATCH carry an `Idempotency-Key` that is the same for all attempts. They are tried again by default
    only when the request did not arrive (no connection, 429, 503), or when the flow sets an `Idempotency-Key` of its
    own.
    """
    from reactor.connectors.http import exchange  # noqa: PLC0415 - the client is loaded when it is first used

    return await exchange.perform(ctx, params)
