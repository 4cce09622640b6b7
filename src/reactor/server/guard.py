"""Who may come in: names we are addressed by, browsers of other sites, the admin token, sign-in links, sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from reactor.model.access import ADMIN, Principal
from reactor.model.clock import Clock
from reactor.server.config import ServerConfig, is_loopback
from reactor.server.problems import Problem

SESSION = 30 * 86_400_000
"""Milliseconds that a sign-in lasts."""
LINK = 86_400_000
"""Milliseconds that an unused sign-in link is good for."""
_MOST_LINKS = 64
_MOST_REMEMBERED = 256
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE = (b"www-authenticate", b'Bearer realm="reactor"')

Head = Mapping[bytes, bytes]
"""The headers of a request, by name in lower case."""


class Guard:
    """One server's doorkeeper. Sessions are signed values, so they outlive a restart and end when the token changes."""

    def __init__(self, config: ServerConfig, clock: Clock) -> None:
        self._clock = clock
        self._bearer = _digest(b"Bearer " + config.token.encode())
        self._token = _digest(config.token.encode())
        self._key = hashlib.sha256(b"reactor session\0" + config.token.encode()).digest()
        self._loopback = config.loopback
        self._ingest_token = config.ingest_token
        self._names = {name.lower() for name in (config.host, *config.hosts)}
        self._known: set[bytes] = set()
        self._links: dict[bytes, int] = {}
        self._ended: dict[str, int] = {}
        self.cookie = "reactor"
        """Name of the cookie; `serve` adds the port, because browsers share cookies among the ports of a host."""

    # --- where a request says it is going, and where it comes from --------------------------------------------------

    def check_host(self, head: Head) -> None:
        """Bound to loopback, refuse to be addressed by a name that is not ours: DNS rebinding.

        Raises:
            Problem: 400 or 403.
        """
        host = head.get(b"host")
        if host in self._known or not self._loopback:
            return
        if not host:
            raise Problem(400, "the request has no Host header")
        name = _host_name(host.decode("latin-1"))
        if not is_loopback(name) and name not in self._names:
            raise Problem(
                403,
                f"this server is not {name[:100]!r}; if it is meant to be reached by that name, add it to the "
                "setting `hosts`",
            )
        if len(self._known) < _MOST_REMEMBERED:
            self._known.add(host)

    def check_origin(self, head: Head) -> None:
        """Refuse what a page of another site sends from a browser.

        Raises:
            Problem: 403.
        """
        origin = head.get(b"origin")
        if origin is None:
            if head.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
                raise Problem(403, "requests from pages of other sites are refused")
            return
        parts = urlsplit(origin.decode("latin-1"))
        if (
            parts.scheme not in ("http", "https")
            or parts.netloc.lower().encode("latin-1") != head.get(b"host", b"").lower()
        ):
            raise Problem(403, f"requests from pages of {origin.decode('latin-1')[:100]!r} are refused")

    def check_ingest(self, head: Head) -> None:
        """Whether this caller may hand in events.

        Raises:
            Problem: 400, 401 or 403.
        """
        self.check_browser(head)
        if self._ingest_token and not self._has_token(head):
            raise unauthorized("events need the token here: Authorization: Bearer TOKEN")

    def check_browser(self, head: Head) -> None:
        """Bound to loopback: nothing by a name that is not ours, nothing from pages of other sites.

        Raises:
            Problem: 400 or 403.
        """
        if self._loopback:
            if head.get(b"host") not in self._known:
                self.check_host(head)
            if b"origin" in head or b"sec-fetch-site" in head:
                self.check_origin(head)

    def check_metrics(self, head: Head) -> None:
        """Metrics are open on this machine, behind the token elsewhere.

        Raises:
            Problem: 401 or 403.
        """
        self.check_host(head)
        if not self._loopback and not self._has_token(head):
            raise unauthorized("metrics need the token here: Authorization: Bearer TOKEN")

    # --- who it is --------------------------------------------------------------------------------------------------

    def check_api(self, method: str, head: Head) -> Principal:
        """Who asks: by the token, or a session; with a session, changes must come from our own page.

        Raises:
            Problem: 400, 401 or 403.
        """
        self.check_host(head)
        if b"authorization" in head:
            if self._has_token(head):
                return ADMIN
            raise unauthorized(
                "the token is wrong; it is in the data folder's file `token`, or what REACTOR_TOKEN says"
            )
        if not self.signed_in(head):
            raise unauthorized(
                "sign in by the link that `reactor run` shows at its start, or send Authorization: Bearer TOKEN"
            )
        if method not in _SAFE:
            self.check_origin(head)
            if head.get(b"x-reactor") != b"1":
                raise Problem(403, "changes from a browser need the header X-Reactor: 1")
        return ADMIN

    def _has_token(self, head: Head) -> bool:
        given = head.get(b"authorization", b"")
        if given[:7].lower() == b"bearer ":
            given = b"Bearer " + given[7:].strip()
        return hmac.compare_digest(_digest(given), self._bearer)

    def is_token(self, text: str) -> bool:
        """Whether this is the admin token."""
        return hmac.compare_digest(_digest(text.encode("utf-8", "surrogatepass")), self._token)

    def new_code(self) -> str:
        """A code for one sign-in."""
        now = self._clock.now()
        self._links = {code: until for code, until in self._links.items() if until > now}
        while len(self._links) >= _MOST_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(24)
        self._links[_digest(code.encode())] = now + LINK
        return code

    def redeem(self, code: str) -> bool:
        """Whether the code is good; it is not a second time."""
        until = self._links.pop(_digest(code.encode("utf-8", "surrogatepass")), 0)
        return until > self._clock.now()

    def new_session(self) -> str:
        """The value of a session's cookie."""
        text = f"{self._clock.now() + SESSION}.{secrets.token_urlsafe(18)}"
        return f"{text}.{self._signature(text)}"

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def signed_in(self, head: Head) -> bool:
        """Whether the request has a session's cookie."""
        return self._session(head) is not None

    def _session(self, head: Head) -> tuple[str, int] | None:
        value = _cookie(head.get(b"cookie", b"").decode("latin-1"), self.cookie)
        text, _, signature = value.rpartition(".")
        expires, _, _ = text.partition(".")
        if not text.isascii() or not hmac.compare_digest(
            self._signature(text), signature.encode("ascii", "replace").decode()
        ):
            return None
        if int(expires) <= self._clock.now() or text in self._ended:
            return None
        return text, int(expires)

    def end_session(self, head: Head) -> None:
        """Sign out."""
        session = self._session(head)
        if session is not None:
            now = self._clock.now()
            self._ended = {text: until for text, until in self._ended.items() if until > now}
            self._ended[session[0]] = session[1]

    def set_cookie(self, value: str, *, secure: bool) -> bytes:
        """The header's value that gives a session to a browser, or (empty) takes it away."""
        age = SESSION // 1000 if value else 0
        parts = [f"{self.cookie}={value}", "Path=/", "HttpOnly", "SameSite=Strict", f"Max-Age={age}"]
        return "; ".join([*parts, "Secure"] if secure else parts).encode("latin-1")


def unauthorized(detail: str) -> Problem:
    """A 401."""
    return Problem(401, detail, headers=[_CHALLENGE])


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _host_name(host: str) -> str:
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if ":" in name else name


def _cookie(header: str, name: str) -> str:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
