"""`/login/oidc` and its callback: the authorization code flow with PKCE, state and nonce.

What has to be remembered meanwhile is in a cookie of this browser alone, signed by a key of this process: a page of
somebody else's can neither begin a sign-in for it nor end one, and nothing grows here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import parse_qs, urlencode

import msgspec

from reactor.engine.access.access import Access
from reactor.engine.access.audit import Actor, Audit
from reactor.model.clock import Clock, Instant
from reactor.model.errors import RefusedError
from reactor.server import control_room
from reactor.server.guard import Guard, Head, address_of, cookie_of
from reactor.server.oidc_issuer import Issuer, IssuerError, NotVouchedError
from reactor.server.problems import Problem, Receive, Scope, Send
from reactor.server.sign_in import moved

BEGIN, BACK = "/login/oidc", "/login/oidc/callback"
_MINUTES = 10
_LONGEST = 2_000


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """A sign-in under way."""

    state: str
    nonce: str
    verifier: str
    redirect: str
    to: str
    until: Instant


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Begun).decode


class Oidc:
    """ASGI callables."""

    def __init__(
        self, issuer: Issuer, guard: Guard, access: Access, audit: Audit, clock: Clock, base: str | None
    ) -> None:
        """`base`: where people reach this server; None: where they address it (bound to loopback)."""
        self._issuer = issuer
        self._guard = guard
        self._access = access
        self._audit = audit
        self._clock = clock
        self._base = base
        self._key = secrets.token_bytes(32)

    async def begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the browser to the issuer."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        try:
            place = await self._issuer.endpoint("authorization_endpoint")
        except RefusedError as error:
            await self._refused(scope, send, "", error)
            return
        begun = Begun(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            redirect=self._redirect(scope),
            to=_inside(query.get("to", [""])[0]),
            until=self._clock.now() + _MINUTES * 60_000,
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._issuer.config.client_id,
            "redirect_uri": begun.redirect,
            "scope": "openid email profile",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in place else "?"
        await moved(send, f"{place}{joint}{urlencode(asked)}", self._cookie(scope, self._signed(begun)))

    async def back(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The browser comes back from the issuer."""
        head: Head = dict(scope["headers"])
        given = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        who = ""
        try:
            self._audit.check()
            begun = self._begun(head, given)
            claims = await self._issuer.redeem(given.get("code", ""), begun.verifier, begun.redirect, begun.nonce)
            who = claims.name
            user = await self._access.people.by_claims(claims, self._issuer.config.default_role)
        except RefusedError as error:
            await self._refused(scope, send, who, error)
            return
        value = await self._guard.begin_session(user.name, "oidc", address_of(scope), head)
        await self._audit.note(Actor(who=user.name, via="oidc", address=address_of(scope)), "sign-in", user.name, 303)
        session = self._guard.set_cookie(value, secure=scope["scheme"] == "https")
        await moved(send, begun.to, (b"set-cookie", session), self._cookie(scope, ""))

    def _begun(self, head: Head, given: dict[str, str]) -> Begun:
        """The sign-in that this one ends.

        Raises:
            NotVouchedError: there is none, or the issuer did not let them in.
        """
        text, _, signature = cookie_of(head, self._name).rpartition(".")
        if not text or not hmac.compare_digest(self._signature(text), signature.encode("ascii", "replace")):
            raise NotVouchedError("this browser has begun no sign-in here, or the server was started anew; try again")
        begun = _decode(base64.urlsafe_b64decode(text))
        if not hmac.compare_digest(begun.state.encode(), given.get("state", "").encode("utf-8", "replace")):
            raise NotVouchedError("the answer is not to the sign-in that this browser began; try again")
        if begun.until <= self._clock.now():
            raise NotVouchedError(f"the sign-in took longer than {_MINUTES} minutes; try again")
        if given.get("iss", self._issuer.config.issuer) != self._issuer.config.issuer:
            raise NotVouchedError("the answer is another issuer's")
        if "error" in given:
            raise NotVouchedError(f"the issuer says no: {given['error'][:100]}")
        return begun

    async def _refused(self, scope: Scope, send: Send, who: str, error: RefusedError) -> None:
        actor = Actor(who=who, via="oidc", address=address_of(scope))
        await self._audit.refused(actor, "sign-in", who, error.status, {"reason": error.message})
        code = "issuer" if isinstance(error, IssuerError) else "denied" if error.status == 403 else "again"
        await moved(send, f"{control_room.PREFIX}sign-in?oidc={code}", self._cookie(scope, ""))

    # --- the cookie -------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self._guard.cookie}_oidc"

    def _signature(self, text: str) -> bytes:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest().encode()

    def _signed(self, begun: Begun) -> str:
        text = base64.urlsafe_b64encode(_encode(begun)).decode()
        return f"{text}.{self._signature(text).decode()}"

    def _cookie(self, scope: Scope, value: str) -> tuple[bytes, bytes]:
        # Lax: the issuer's page leads back here, and the browser has to bring it along.
        age = _MINUTES * 60 if value else 0
        parts = [f"{self._name}={value}", f"Path={BEGIN}", "HttpOnly", "SameSite=Lax", f"Max-Age={age}"]
        return b"set-cookie", "; ".join([*parts, "Secure"] if scope["scheme"] == "https" else parts).encode("latin-1")

    def _redirect(self, scope: Scope) -> str:
        if self._base is not None:
            return self._base + BACK
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not host:
            raise Problem(400, "the request has no Host header")
        return f"{scope['scheme']}://{host}{BACK}"


def _inside(path: str) -> str:
    """Where to go on, if that is a page of the control room: nobody else's address."""
    fits = path.startswith(control_room.PREFIX) and len(path) <= _LONGEST and path.isascii() and path.isprintable()
    return path if fits and "\\" not in path and "//" not in path else control_room.PREFIX
