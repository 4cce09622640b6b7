"""Who signed a webhook. All compares take constant time and are over the raw bytes, before anything is parsed.

Sources:
    GitHub — https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    Stripe — https://docs.stripe.com/webhooks#verify-manually
    Slack — https://docs.slack.dev/authentication/verifying-requests-from-slack
    Standard Webhooks — https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    Basic, Bearer — RFC 7617, RFC 6750
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

from reactor.connectors.http.webhook import Auth, BasicAuth, Hmac, Secret
from reactor.model import durations
from reactor.sdk import Clock, HttpRequest, TriggerLost

TOLERANCE = 5 * 60_000
"""How far a signature's time may be from ours, milliseconds: what Stripe, Slack and Standard Webhooks recommend."""
_NAMED = re.compile(r"\s*(?:\{\{\s*secrets\.([A-Za-z_][\w-]*)\s*\}\}|secrets\.([A-Za-z_][\w-]*))\s*")
_PLACE = re.compile(r"\{(body|timestamp|method|path|header\.[a-z0-9-]+)\}")

Headers = Mapping[str, str]


class Wrong(Exception):
    """It is not from who it should be. The message is for our log, never for the caller."""


class Verifier:
    """One way of knowing the sender. Made when a webhook is armed; `check` is called for each request."""

    hidden: frozenset[str] = frozenset()
    """Headers that must not get into an event: whoever has them could send in the sender's name."""
    challenge: str | None = None
    """`WWW-Authenticate` of the refusal."""

    def check(self, request: HttpRequest, headers: Headers) -> None:
        """Return if it is right.

        Raises:
            Wrong: it is not.
        """
        raise NotImplementedError

    def identify(self, headers: Headers, data: Any) -> str | None:
        """The sender's own id of this event, the same when it is sent again."""
        return None

    def describe(self, headers: Headers, data: Any) -> tuple[dict[str, str], str | None]:
        """What goes into the metadata, and the subject."""
        return {}, None

    def greeting(self, data: Any) -> str | None:
        """What the sender's question whether we are there is answered with; None for an event."""
        return None


def verifier(auth: Auth, secret: Callable[[str], str], clock: Clock) -> Verifier:
    """The way that the configuration names (checked: it is exactly one).

    Raises:
        TriggerLost: a secret is missing, empty or not of its kind.
    """
    if auth.github is not None:
        return GitHub(_keys(auth.github, secret))
    if auth.stripe is not None:
        return Stripe(_keys(auth.stripe, secret), clock)
    if auth.slack is not None:
        return Slack(_keys(auth.slack, secret), clock)
    if auth.standard is not None:
        return Standard(resolve(auth.standard, secret), clock)
    if auth.hmac is not None:
        return Generic(auth.hmac, _keys(auth.hmac.secret, secret), clock)
    if auth.basic is not None:
        return Basic(auth.basic, secret)
    return Bearer(_keys(auth.bearer or "", secret))


def resolve(value: Secret, secret: Callable[[str], str]) -> tuple[str, ...]:
    """The secrets themselves.

    Raises:
        TriggerLost: one is missing or empty: an empty key would let everybody in.
    """
    found = []
    for text in [value] if isinstance(value, str) else value:
        named = _NAMED.fullmatch(text)
        found.append(secret(named[1] or named[2]) if named else text)
    if not found or not all(found):
        raise TriggerLost("auth: a secret is empty; set it, or leave auth out if everybody may call")
    return tuple(found)


def _keys(value: Secret, secret: Callable[[str], str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in resolve(value, secret))


def _one_of(given: bytes, expected: list[bytes]) -> bool:
    """Whether `given` is among `expected`, in a time that does not tell which or how much of it was right."""
    right = False
    for value in expected:
        right |= hmac.compare_digest(given, value)
    return right


def _need(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise Wrong(f"the header {name} is missing")
    return value


def _fresh(text: str, clock: Clock, tolerance: int = TOLERANCE) -> None:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Wrong("the timestamp is not a number")
    # 1e11 seconds are the year 5138: a larger number is milliseconds.
    stamp = int(text) * (1 if len(text) > 11 else 1000)
    age = clock.now() - stamp
    if abs(age) > tolerance:
        when = "old" if age > 0 else "in the future"
        raise Wrong(f"the timestamp is {abs(age) // 1000} s {when}; {tolerance // 1000} s are allowed")


class GitHub(Verifier):
    """`X-Hub-Signature-256: sha256=HEX` over the body. Gitea, Forgejo and Meta send the same."""

    hidden = frozenset({"x-hub-signature", "x-hub-signature-256"})

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = keys

    def check(self, request: HttpRequest, headers: Headers) -> None:
        given = _need(headers, "x-hub-signature-256").encode()
        if not _one_of(
            given, [b"sha256=" + hmac.digest(key, request.body, "sha256").hex().encode() for key in self._keys]
        ):
            raise Wrong("the signature is wrong")

    def identify(self, headers: Headers, data: Any) -> str | None:
        return headers.get("x-github-delivery")

    def describe(self, headers: Headers, data: Any) -> tuple[dict[str, str], str | None]:
        event = headers.get("x-github-event")
        repository = data.get("repository") if isinstance(data, dict) else None
        name = repository.get("full_name") if isinstance(repository, dict) else None
        return ({"event": event} if event else {}), name if isinstance(name, str) else None


class Stripe(Verifier):
    """`Stripe-Signature: t=SECONDS,v1=HEX,…` over `SECONDS.BODY`; other schemes than v1 are ignored."""

    hidden = frozenset({"stripe-signature"})

    def __init__(self, keys: tuple[bytes, ...], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def check(self, request: HttpRequest, headers: Headers) -> None:
        pairs = [part.partition("=") for part in _need(headers, "stripe-signature").split(",")]
        stamps = [value.strip() for name, _, value in pairs if name.strip() == "t"]
        given = [value.strip().encode() for name, _, value in pairs if name.strip() == "v1"]
        if len(stamps) != 1 or not given:
            raise Wrong("Stripe-Signature has no t or no v1")
        content = stamps[0].encode() + b"." + request.body
        expected = [hmac.digest(key, content, "sha256").hex().encode() for key in self._keys]
        if not any([_one_of(value, expected) for value in given]):  # noqa: C419 - a list: all are compared, always
            raise Wrong("the signature is wrong")
        _fresh(stamps[0], self._clock)

    def identify(self, headers: Headers, data: Any) -> str | None:
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None


class Slack(Verifier):
    """`X-Slack-Signature: v0=HEX` over `v0:SECONDS:BODY`."""

    hidden = frozenset({"x-slack-signature"})

    def __init__(self, keys: tuple[bytes, ...], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def check(self, request: HttpRequest, headers: Headers) -> None:
        given = _need(headers, "x-slack-signature").encode()
        stamp = _need(headers, "x-slack-request-timestamp")
        content = b"v0:" + stamp.encode() + b":" + request.body
        if not _one_of(given, [b"v0=" + hmac.digest(key, content, "sha256").hex().encode() for key in self._keys]):
            raise Wrong("the signature is wrong")
        _fresh(stamp, self._clock)

    def identify(self, headers: Headers, data: Any) -> str | None:
        # The Events API sends an event again, under the same event_id, when it was not answered within 3 s.
        found = data.get("event_id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None

    def greeting(self, data: Any) -> str | None:
        if isinstance(data, dict) and data.get("type") == "url_verification" and isinstance(data.get("challenge"), str):
            return str(data["challenge"])
        return None


class Standard(Verifier):
    """`webhook-signature: v1,BASE64 v1a,BASE64 …` over `ID.SECONDS.BODY`.

    A secret is `whsec_` and base64 (v1, HMAC) or `whpk_` and base64 (v1a, the sender's public Ed25519 key).
    """

    hidden = frozenset({"webhook-signature", "svix-signature"})

    def __init__(self, secrets: tuple[str, ...], clock: Clock) -> None:
        self._clock = clock
        self._keys = [_base64_key(text.removeprefix("whsec_")) for text in secrets if not text.startswith("whpk_")]
        self._public = [_public_key(text) for text in secrets if text.startswith("whpk_")]

    def check(self, request: HttpRequest, headers: Headers) -> None:
        brand = self._brand(headers)
        stamp = _need(headers, f"{brand}-timestamp")
        content = f"{_need(headers, f'{brand}-id')}.{stamp}.".encode("latin-1") + request.body
        expected = [base64.b64encode(hmac.digest(key, content, "sha256")) for key in self._keys]
        right = False
        for entry in _need(headers, f"{brand}-signature").split(" ")[:32]:
            version, _, text = entry.partition(",")
            if version == "v1":
                right |= _one_of(text.encode(), expected)
            elif version == "v1a":
                right |= self._signed(text, content)
        if not right:
            raise Wrong("no signature is right")
        _fresh(stamp, self._clock)

    def _signed(self, text: str, content: bytes) -> bool:
        try:
            signature = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return False
        return any([_verifies(key, signature, content) for key in self._public])  # noqa: C419 - all, always

    def identify(self, headers: Headers, data: Any) -> str | None:
        return headers.get(f"{self._brand(headers)}-id")

    @staticmethod
    def _brand(headers: Headers) -> str:
        """Svix, where the standard comes from, sends the same under its own name."""
        return "svix" if "svix-id" in headers and "webhook-id" not in headers else "webhook"


def _base64_key(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TriggerLost("auth.standard: the secret has to be whsec_ and base64, or whpk_ and base64") from None


def _public_key(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - few need it

    try:
        return Ed25519PublicKey.from_public_bytes(_base64_key(text.removeprefix("whpk_")))
    except ValueError:
        raise TriggerLost("auth.standard: the whpk_ key is not an Ed25519 public key of 32 bytes") from None


def _verifies(key: Any, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - there is a key, so it is loaded

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


class Generic(Verifier):
    """An HMAC in a header of any name, over the body or over a template."""

    def __init__(self, config: Hmac, keys: tuple[bytes, ...], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._header = config.header.lower()
        self._algorithm = config.algorithm
        self._hex = config.encoding == "hex"
        self._prefix = config.prefix
        self._stamp = config.timestamp_header.lower() if config.timestamp_header else None
        self._tolerance = durations.parse(config.tolerance)
        template = config.template or ("{timestamp}.{body}" if self._stamp else "{body}")
        self._parts = _PLACE.split(template)
        self.hidden = frozenset({self._header})

    def check(self, request: HttpRequest, headers: Headers) -> None:
        given = _need(headers, self._header)
        if not given.startswith(self._prefix):
            raise Wrong(f"the signature does not begin with {self._prefix}")
        given = given[len(self._prefix) :]
        stamp = _need(headers, self._stamp) if self._stamp else ""
        content = self._content(request, headers, stamp)
        digests = [hmac.digest(key, content, self._algorithm) for key in self._keys]
        expected = [digest.hex().encode() if self._hex else base64.b64encode(digest) for digest in digests]
        if not _one_of((given.lower() if self._hex else given).encode(), expected):
            raise Wrong("the signature is wrong")
        if self._stamp:
            _fresh(stamp, self._clock, self._tolerance)

    def _content(self, request: HttpRequest, headers: Headers, stamp: str) -> bytes:
        known = {"timestamp": stamp, "method": request.method, "path": request.path}
        content = bytearray()
        for number, part in enumerate(self._parts):
            if number % 2 == 0:
                content += part.encode()
            elif part == "body":
                content += request.body
            else:
                text = known[part] if part in known else headers.get(part.removeprefix("header."), "")
                content += text.encode("latin-1", "replace")
        return bytes(content)


class Basic(Verifier):
    """User and password."""

    hidden = frozenset({"authorization"})
    challenge = 'Basic realm="webhook", charset="UTF-8"'

    def __init__(self, config: BasicAuth, secret: Callable[[str], str]) -> None:
        users = resolve(config.user, secret)
        self._expected = [
            base64.b64encode(f"{users[0]}:{password}".encode()) for password in resolve(config.password, secret)
        ]

    def check(self, request: HttpRequest, headers: Headers) -> None:
        scheme, _, given = _need(headers, "authorization").partition(" ")
        if scheme.lower() != "basic" or not _one_of(given.strip().encode(), self._expected):
            raise Wrong("user or password is wrong")


class Bearer(Verifier):
    """A token."""

    hidden = frozenset({"authorization"})
    challenge = "Bearer"

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = list(keys)

    def check(self, request: HttpRequest, headers: Headers) -> None:
        scheme, _, given = _need(headers, "authorization").partition(" ")
        if scheme.lower() != "bearer" or not _one_of(given.strip().encode(), self._keys):
            raise Wrong("the token is wrong")
