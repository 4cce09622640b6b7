"""Who may come in: names we are addressed by, browsers of other sites, tokens, sign-in links, sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from reactor.engine.access.access import Access
from reactor.engine.access.credentials import PREFIX, SESSION
from reactor.model.access import ADMIN, Principal, Role
from reactor.model.clock import Clock
from reactor.server.config import ServerConfig, is_loopback
from reactor.server.problems import Problem, Scope

LINK = 86_400_000
"""Milliseconds that an unused sign-in link is good for."""
_MOST_LINKS = 64
_MOST_REMEMBERED = 256
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WRONG = (
    "the token is wrong, or good no more; the admin's is in the data folder's file `token`, or what REACTOR_TOKEN says"
)
_NOBODY = "sign in, or send Authorization: Bearer TOKEN; `reactor run` shows a link that signs in at its start"
_CHALLENGE = (b"www-authenticate", b'Bearer realm="reactor"')

Head = Mapping[bytes, bytes]
"""The headers of a request, by name in lower case."""


class Guard:
    """One server's doorkeeper."""

    def __init__(self, config: ServerConfig, clock: Clock, access: Access | None = None) -> None:
        """`access`: None where nobody is known but who has the admin token."""
        self._clock = clock
        self._access = access
        self._token = _digest(config.token.encode())
        self._loopback = config.loopback
        self._names = {name.lower() for name in (config.host, *config.hosts)}
        self._known: set[bytes] = set()
        self._links: dict[bytes, tuple[int, str]] = {}
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

    async def check_sender(self, head: Head) -> None:
        """Whether this caller may hand in events, where that needs a token.

        Raises:
            Problem: 401 or 403.
        """
        if self._has_token(head):
            return
        who = await self.principal(head)
        if who is None:
            raise unauthorized("events need a token here: Authorization: Bearer TOKEN")
        if who.via == "session":
            self.check_change(head)
        if who.scopes and "ingest" not in who.scopes:
            raise Problem(403, "this token is not good for sending events: its scopes are " + ", ".join(who.scopes))
        if who.flows:
            raise Problem(403, "this token is for some flows only, and events go to all; start a flow by its name")
        if not who.may(Role.EDITOR):
            raise Problem(403, f"sending events needs the role editor; {who.name} is {who.role}")

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

    async def check_metrics(self, head: Head) -> None:
        """Metrics are open on this machine, behind a token elsewhere.

        Raises:
            Problem: 401 or 403.
        """
        self.check_host(head)
        if self._loopback:
            return
        who = await self.principal(head)
        if who is None:
            raise unauthorized("metrics need a token here: Authorization: Bearer TOKEN")
        if who.scopes and "metrics" not in who.scopes:
            raise Problem(403, "this token is not good for metrics: its scopes are " + ", ".join(who.scopes))

    # --- who it is --------------------------------------------------------------------------------------------------

    async def check_api(self, method: str, head: Head) -> Principal:
        """Who asks: by a token, or a session; with a session, changes must come from our own page.

        Raises:
            Problem: 400, 401 or 403. TooManyError: more calls than anybody needs.
        """
        self.check_host(head)
        who = await self.principal(head)
        if who is None:
            raise unauthorized(_WRONG if b"authorization" in head else _NOBODY)
        if who.via == "session" and method not in _SAFE:
            self.check_change(head)
        if self._access is not None:
            self._access.calls.take(f"{who.via} {who.person} {who.name}")
        return who

    async def principal(self, head: Head) -> Principal | None:
        """Who sends this, or None."""
        if b"authorization" in head:
            if self._has_token(head):
                return ADMIN
            text = _bearer(head)
            if self._access is None or not text.startswith(PREFIX):
                return None
            return await self._access.credentials.of_token(text)
        value = cookie_of(head, self.cookie)
        if self._access is None or not value:
            return None
        return await self._access.credentials.of_session(value, self._token)

    def check_change(self, head: Head) -> None:
        """A change by a browser comes from our own page.

        Raises:
            Problem: 403.
        """
        self.check_origin(head)
        if head.get(b"x-reactor") != b"1":
            raise Problem(403, "changes from a browser need the header X-Reactor: 1")

    def _has_token(self, head: Head) -> bool:
        return hmac.compare_digest(_digest(_bearer(head).encode("latin-1")), self._token)

    def is_token(self, text: str) -> bool:
        """Whether this is the admin token."""
        return hmac.compare_digest(_digest(text.encode("utf-8", "surrogatepass")), self._token)

    def new_code(self, user: str = "") -> str:
        """A code for one sign-in, as this user; empty: by the admin token."""
        now = self._clock.now()
        self._links = {code: link for code, link in self._links.items() if link[0] > now}
        while len(self._links) >= _MOST_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(24)
        self._links[_digest(code.encode())] = (now + LINK, user)
        return code

    def redeem(self, code: str) -> str | None:
        """For whom the code is good (see `new_code`); it is not a second time, and then it is None."""
        until, user = self._links.pop(_digest(code.encode("utf-8", "surrogatepass")), (0, ""))
        return user if until > self._clock.now() else None

    async def begin_session(self, user: str, via: str, address: str, head: Head) -> str:
        """The value of a new session's cookie; the browser's session before it ends. `user` empty: the admin token.

        Raises:
            Problem: 503: there is no store that keeps sessions.
        """
        if self._access is None:
            raise Problem(503, "this server keeps no sessions; use the token")
        await self.end_session(head)
        agent = head.get(b"user-agent", b"").decode("latin-1")
        stamp = b"" if user else self._token
        value, _ = await self._access.credentials.begin(user, via, address, agent, stamp)
        return value

    async def end_session(self, head: Head) -> Principal | None:
        """Sign out; tells who that was."""
        without = {name: value for name, value in head.items() if name != b"authorization"}
        who = await self.principal(without)
        if who is not None and who.credential is not None and self._access is not None:
            await self._access.credentials.end([who.credential])
        return who

    def set_cookie(self, value: str, *, secure: bool) -> bytes:
        """The header's value that gives a session to a browser, or (empty) takes it away."""
        age = SESSION // 1000 if value else 0
        parts = [f"{self.cookie}={value}", "Path=/", "HttpOnly", "SameSite=Strict", f"Max-Age={age}"]
        return "; ".join([*parts, "Secure"] if secure else parts).encode("latin-1")


def unauthorized(detail: str) -> Problem:
    """A 401."""
    return Problem(401, detail, headers=[_CHALLENGE])


def address_of(scope: Scope) -> str:
    """Where a request comes from."""
    client = scope.get("client")
    return client[0] if client else ""


def cookie_of(head: Head, name: str) -> str:
    """A cookie's value; empty: there is none."""
    return _cookie(head.get(b"cookie", b"").decode("latin-1"), name)


def _bearer(head: Head) -> str:
    """What stands behind `Bearer`."""
    given = head.get(b"authorization", b"").decode("latin-1")
    return given[7:].strip() if given[:7].lower() == "bearer " else ""


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
