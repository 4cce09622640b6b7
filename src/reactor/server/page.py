"""`/`, the control room below `/ui/`, and signing in and out. The pages hold no value of ours: they ask the API."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from reactor.server import control_room
from reactor.server.bodies import parse
from reactor.server.guard import Guard, Head
from reactor.server.headers import PAGE
from reactor.server.problems import Problem, Receive, Scope, Send, answer, read_body

_LARGEST = 4_096
_HOME = control_room.PREFIX.encode()


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the form sends."""

    token: str


_decode = msgspec.json.Decoder(SignIn).decode


class Page:
    """`/`, `/ui/…`, `/login` and `/logout`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def home(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/`: to the control room."""
        self._guard.check_host(dict(scope["headers"]))
        if scope["method"] not in ("GET", "HEAD"):
            raise Problem(405, "the page is read with GET", headers=[(b"allow", b"GET, HEAD")])
        await self._moved(send, _HOME)

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The control room. It tells nothing before its reader has signed in."""
        self._guard.check_host(dict(scope["headers"]))
        await control_room.show(scope, send)

    async def login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By a one-time link (GET), or by the token (POST, from the page)."""
        head: Head = dict(scope["headers"])
        self._guard.check_host(head)
        if scope["method"] == "GET":
            code = parse_qs(scope["query_string"].decode("latin-1")).get("code", [""])[0]
            if self._guard.redeem(code):
                await self._moved(send, _HOME, self._cookie(scope, self._guard.new_session()))
            else:
                await self._moved(send, _HOME if self._guard.signed_in(head) else _HOME + b"sign-in?used=true")
            return
        await self._change(scope, head)
        form = parse(_decode, await read_body(receive, _LARGEST))
        if not self._guard.is_token(form.token.strip()):
            raise Problem(401, "this is not the token")
        await answer(send, 204, [self._cookie(scope, self._guard.new_session()), *PAGE], b"")

    async def logout(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the session."""
        head: Head = dict(scope["headers"])
        self._guard.check_host(head)
        await self._change(scope, head)
        self._guard.end_session(head)
        await answer(send, 204, [self._cookie(scope, ""), *PAGE], b"")

    async def _change(self, scope: Scope, head: Head) -> None:
        if scope["method"] != "POST":
            raise Problem(405, f"{scope['method']} is not answered here; POST is", headers=[(b"allow", b"POST")])
        self._guard.check_origin(head)
        if head.get(b"x-reactor") != b"1":
            raise Problem(403, "changes from a browser need the header X-Reactor: 1")

    def _cookie(self, scope: Scope, value: str) -> tuple[bytes, bytes]:
        return b"set-cookie", self._guard.set_cookie(value, secure=scope["scheme"] == "https")

    @staticmethod
    async def _moved(send: Send, place: bytes, *more: tuple[bytes, bytes]) -> None:
        await answer(send, 303, [(b"location", place), (b"content-length", b"0"), *more, *PAGE], b"")
