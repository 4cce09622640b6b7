"""`/login` and `/logout`: by a one-time link, the admin token, or name and password; and what a sign-in page offers."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from reactor.engine.access.access import Access
from reactor.engine.access.audit import Actor, Audit
from reactor.model.access import ADMIN
from reactor.model.errors import InvalidError, RefusedError
from reactor.server import control_room
from reactor.server.bodies import parse
from reactor.server.guard import Guard, Head, address_of
from reactor.server.headers import PAGE
from reactor.server.problems import Problem, Receive, Scope, Send, answer, read_body

_LARGEST = 4_096
_encode = msgspec.json.Encoder().encode


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sign-in page sends: the admin token, or name and password."""

    token: str | None = None
    name: str | None = None
    password: str | None = None


_decode = msgspec.json.Decoder(Given).decode


class SignIn:
    """See the module."""

    def __init__(self, guard: Guard, access: Access | None, audit: Audit) -> None:
        self._guard = guard
        self._access = access
        self._audit = audit
        self.oidc: str | None = None
        """What the way by OIDC is called, where there is one."""

    async def options(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Which ways there are."""
        people = [] if self._access is None else await self._access.people.all()
        shown = {
            "token": True,
            "password": any(user.password is not None and not user.disabled for user in people),
            "oidc": None if self.oidc is None else {"name": self.oidc, "url": "/login/oidc"},
        }
        body = _encode(shown)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *PAGE]
        await answer(send, 200, headers, body)

    async def login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By a one-time link (GET), or by what the page sends (POST)."""
        head: Head = dict(scope["headers"])
        if scope["method"] == "GET":
            await self._by_link(scope, head, send)
            return
        self._guard.check_change(head)
        if self._access is None:
            raise Problem(503, "this server keeps no sessions; use the token")
        given = parse(_decode, await read_body(receive, _LARGEST))
        address = address_of(scope)
        user, via = _named(given), "token" if given.token is not None else "password"
        try:
            self._audit.check()
            name = await self._checked(self._access, given, address)
        except RefusedError as error:
            if error.status in (401, 429):
                actor = Actor(who=user, via=via, address=address)
                await self._audit.refused(actor, "sign-in", user, error.status)
            raise
        value = await self._guard.begin_session(name, via, address, head)
        await self._audit.note(Actor(who=name or ADMIN.name, via=via, address=address), "sign-in", user, 204)
        await answer(send, 204, [self.cookie(scope, value), *PAGE], b"")

    async def _checked(self, access: Access, given: Given, address: str) -> str:
        """The user who this is; empty: whoever has the admin token."""
        if given.token is not None:
            access.people.attempts.check(ADMIN.name, address)
            if not self._guard.is_token(given.token.strip()):
                access.people.attempts.failed(ADMIN.name, address)
                raise Problem(401, "this is not the token")
            access.people.attempts.succeeded(ADMIN.name, address)
            return ""
        return (await access.people.by_password(given.name or "", given.password or "", address)).name

    async def _by_link(self, scope: Scope, head: Head, send: Send) -> None:
        code = parse_qs(scope["query_string"].decode("latin-1")).get("code", [""])[0]
        user = self._guard.redeem(code)
        name = user or ADMIN.name
        actor = Actor(who=name, via="link", address=address_of(scope))
        if user is not None:
            value = await self._guard.begin_session(user, "link", actor.address, head)
            await self._audit.note(actor, "sign-in", name, 303)
            await moved(send, control_room.PREFIX, self.cookie(scope, value))
            return
        there = await self._guard.principal(head)
        if code and there is None:
            await self._audit.refused(actor, "sign-in", ADMIN.name, 401)
        await moved(send, control_room.PREFIX + ("" if there is not None else "sign-in?used=true"))

    async def logout(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the session."""
        head: Head = dict(scope["headers"])
        self._guard.check_change(head)
        who = await self._guard.end_session(head)
        if who is not None:
            actor = Actor(who=who.name, via=who.via, address=address_of(scope))
            await self._audit.note(actor, "sign-out", who.name, 204)
        await answer(send, 204, [self.cookie(scope, ""), *PAGE], b"")

    def cookie(self, scope: Scope, value: str) -> tuple[bytes, bytes]:
        """The header that gives a session to a browser, or takes it away."""
        return b"set-cookie", self._guard.set_cookie(value, secure=scope["scheme"] == "https")


async def moved(send: Send, place: str, *more: tuple[bytes, bytes]) -> None:
    """Send a browser on."""
    headers = [(b"location", place.encode("latin-1")), (b"content-length", b"0"), *more, *PAGE]
    await answer(send, 303, headers, b"")


def _named(given: Given) -> str:
    """Who it says that it is.

    Raises:
        InvalidError: it does not say so in one of the ways.
    """
    if given.token is not None and given.name is None and given.password is None:
        return ADMIN.name
    if given.token is None and given.name and given.password:
        return given.name.strip().lower()[:128]
    raise InvalidError('sign in with {"token": …}, or with {"name": …, "password": …}')
