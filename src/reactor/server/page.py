"""The page at `/`: one file without a value of ours in it; what it shows it asks of the API."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from urllib.parse import parse_qs

import msgspec

from reactor.server.bodies import parse
from reactor.server.guard import Guard, Head
from reactor.server.headers import PAGE, page_policy
from reactor.server.problems import Problem, Receive, Scope, Send, answer, read_body

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)
_LARGEST = 4_096


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the form sends."""

    token: str


_decode = msgspec.json.Decoder(SignIn).decode


@cache
def html() -> tuple[bytes, tuple[bytes, bytes]]:
    """The page, and its Content-Security-Policy: nothing but its own script and style."""
    text = resources.files("reactor.server").joinpath("page.html").read_bytes()
    found: dict[bytes, list[bytes]] = {b"script": [], b"style": []}
    for kind, content in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(content).digest())
        found[kind].append(b"'sha256-" + digest + b"'")
    return text, page_policy(found[b"script"], found[b"style"])


class Page:
    """`/`, `/login` and `/logout`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The page itself. It tells nothing before its reader has signed in."""
        self._guard.check_host(dict(scope["headers"]))
        if scope["method"] not in ("GET", "HEAD"):
            raise Problem(405, "the page is read with GET", headers=[(b"allow", b"GET, HEAD")])
        text, policy = html()
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            policy,
            *PAGE,
        ]
        await answer(send, 200, headers, text)

    async def login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By a one-time link (GET), or by the token (POST, from the page)."""
        head: Head = dict(scope["headers"])
        self._guard.check_host(head)
        if scope["method"] == "GET":
            code = parse_qs(scope["query_string"].decode("latin-1")).get("code", [""])[0]
            if self._guard.redeem(code):
                await self._moved(send, b"/", self._cookie(scope, self._guard.new_session()))
            else:
                await self._moved(send, b"/" if self._guard.signed_in(head) else b"/#used")
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
