"""The trigger `webhook`: its configuration, what can be wrong with it, and the claim of its path.

The handling of requests is in `reception`, imported when the first webhook is armed.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import msgspec

from reactor.model import durations
from reactor.sdk import TriggerContext, TriggerLost

Secret = str | list[str]
"""A secret, or several while keys are rotated. `{{ secrets.NAME }}` names a stored one, else it is the secret."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_NAME = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLACE = re.compile(r"\{(body|timestamp|method|path|header\.[a-z0-9-]+)\}")


class Hmac(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A signature in a header: an HMAC over the raw body, or over a text made of several parts."""

    secret: Secret
    header: str
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """What stands before the signature (`sha256=`)."""
    timestamp_header: str | None = None
    """Header with the time of signing, seconds since 1970 (or milliseconds); it has to be part of what is signed."""
    tolerance: str | int | float = "5m"
    template: str | None = None
    """What is signed: `{body} {timestamp} {method} {path} {header.NAME}`. Default `{body}` or `{timestamp}.{body}`."""


class BasicAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User and password (RFC 7617)."""

    user: str
    password: Secret


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may call. Exactly one."""

    github: Secret | None = None
    stripe: Secret | None = None
    slack: Secret | None = None
    standard: Secret | None = None
    hmac: Hmac | None = None
    basic: BasicAuth | None = None
    bearer: Secret | None = None

    @property
    def ways(self) -> list[str]:
        """The names of those that are set."""
        return [name for name in self.__struct_fields__ if getattr(self, name) is not None]


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same answer every time, sent after the event is committed."""

    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Any = None
    """A text is sent as it is, anything else as JSON."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`webhook: PATH`, or a map with these keys."""

    path: str
    """`/orders/{id}`: a name in braces takes one segment and is in `event.metadata.params`."""
    methods: str | list[str] = "POST"
    auth: Auth | None = None
    respond: Literal["accepted", "result"] | Fixed = "accepted"
    timeout: str | int | float = "30s"
    """How long `respond: result` keeps the caller waiting; then it is `202` with the run's address in `Location`."""

    @property
    def verbs(self) -> tuple[str, ...]:
        """The methods, in upper case, each once."""
        listed = [self.methods] if isinstance(self.methods, str) else self.methods
        return tuple(dict.fromkeys(method.strip().upper() for method in listed))


class Webhook:
    """A path of Reactor's HTTP server whose requests are events."""

    kind: ClassVar[str] = "webhook"
    config: ClassVar[type[msgspec.Struct]] = Config
    short: ClassVar[str | None] = "path"
    doc: ClassVar[str] = (
        "Requests to a path are events: `data` is the body (JSON, form, multipart or text), `metadata` has method, "
        "path, params, query, headers, client. Answered 202 when event and runs are committed, or with the flow's own "
        "output."
    )
    default_type: ClassVar[str] = "http.request"

    def check(self, config: Config) -> list[str]:
        """What is wrong with it."""
        problems = _path_problems(config.path)
        unknown = [method for method in config.verbs if method not in METHODS]
        if unknown or not config.verbs:
            shown = ", ".join(unknown) or "an empty list"
            problems.append(f"methods: {shown} cannot be; there are {', '.join(METHODS)}")
        if config.auth is not None:
            problems += _auth_problems(config.auth)
        if isinstance(config.respond, Fixed):
            problems += _fixed_problems(config.respond)
        return problems + _duration_problems("timeout", config.timeout)

    async def run(self, ctx: TriggerContext) -> None:
        """Answer the path until cancelled."""
        from reactor.connectors.http import reception  # noqa: PLC0415 - loaded with the first webhook that is armed

        config: Config = ctx.config
        if problems := self.check(config):
            raise TriggerLost("; ".join(problems))
        await reception.serve(ctx, config)


def _path_problems(path: str) -> list[str]:
    if not path.startswith("/"):
        return [f"path: {path!r} has to begin with /"]
    parts = path[1:].split("/")
    if path != "/" and not all(parts[:-1]):
        return [f"path: {path!r} has an empty segment"]
    wrong = [part for part in parts if part and not _LITERAL.fullmatch(part) and not _NAME.fullmatch(part)]
    if wrong or {".", ".."} & set(parts):
        shown = wrong[0] if wrong else ".."
        return [f"path: {shown!r} cannot be a segment; a segment is plain text, or a name in braces such as {{id}}"]
    names = [part for part in parts if _NAME.fullmatch(part)]
    return [f"path: {name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]


def _auth_problems(auth: Auth) -> list[str]:
    if len(auth.ways) != 1:
        named = ", ".join(Auth.__struct_fields__)
        return [f"auth: give exactly one of {named}" + (f" (not {' and '.join(auth.ways)})" if auth.ways else "")]
    if auth.hmac is None:
        return []
    problems = _duration_problems("auth.hmac.tolerance", auth.hmac.tolerance)
    if not _TOKEN.fullmatch(auth.hmac.header):
        problems.append(f"auth.hmac.header: {auth.hmac.header!r} is not a header's name")
    template = auth.hmac.template
    if template is not None:
        if "{body}" not in template:
            problems.append("auth.hmac.template: without {body} the content would not be signed")
        if "{" in _PLACE.sub("", template):
            problems.append("auth.hmac.template: {body} {timestamp} {method} {path} {header.NAME} are all it may hold")
        if "{timestamp}" in template and auth.hmac.timestamp_header is None:
            problems.append("auth.hmac.template: {timestamp} needs timestamp_header")
        if auth.hmac.timestamp_header is not None and "{timestamp}" not in template:
            problems.append("auth.hmac.template: without {timestamp} old requests could be sent again with a new time")
    return problems


def _fixed_problems(fixed: Fixed) -> list[str]:
    problems = []
    if not 200 <= fixed.status <= 599:
        problems.append(f"respond.status: {fixed.status} is no status of an answer; 200 to 599 are")
    for name, value in fixed.headers.items():
        if not _TOKEN.fullmatch(name) or any(ord(letter) < 32 and letter != "\t" for letter in value):
            problems.append(f"respond.headers: {name!r} or its value cannot be sent as a header")
    return problems


def _duration_problems(key: str, value: str | float) -> list[str]:
    try:
        durations.parse(value)
    except ValueError as error:
        return [f"{key}: {error}"]
    return []
