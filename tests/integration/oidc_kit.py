"""Issuers for tests of OIDC: a real one (npm's oidc-provider) as a process, and one that lies as it is told."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "ui" / "node_modules"
BASE = "http://reactor.test"
BACK = f"{BASE}/login/oidc/callback"
CLIENT, SECRET = "reactor", "a secret with / and :"

KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))


@asynccontextmanager
async def provider(accounts: dict[str, Any]) -> AsyncIterator[str]:
    """A real issuer with these accounts; its address."""
    node = shutil.which("node")
    if node is None or not (MODULES / "oidc-provider").is_dir():
        pytest.skip("service: oidc-provider is missing; install it with: make ui")
    given = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uri": BACK, "accounts": accounts}
    script = Path(__file__).with_name("oidc_provider.mjs")
    process = await asyncio.create_subprocess_exec(
        node, str(script), str(MODULES), json.dumps(given),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def sign_in_there(there: httpx2.AsyncClient, place: str, login: str) -> str:
    """Fill in the issuer's forms; where it sends the browser then."""
    answer = await there.get(place)
    for _ in range(12):
        if answer.is_redirect:
            place = urljoin(str(answer.url), answer.headers["location"])
            if place.startswith(BASE):
                return place
            answer = await there.get(place)
        else:
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None, answer.text
            form = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = await there.post(urljoin(str(answer.url), action[1]), data=form)
    raise AssertionError(f"the issuer does not come to an end: {answer.text[:500]}")


class Liar:
    """An issuer whose answers are made by a test."""

    def __init__(self) -> None:
        self.key = KEY
        self.issuer = ""
        self.nonce = ""
        self.claims: dict[str, Any] = {}
        """In place of, or beside, the right ones; None leaves one out."""
        self.sign: Callable[[dict[str, Any]], str | None] = self.signed
        self.info: dict[str, Any] | None = None
        self.answers: dict[str, tuple[int, bytes]] = {}
        """Path → what is answered in place of the right thing."""
        self.asked: list[dict[str, Any]] = []

    def signed(self, claims: dict[str, Any]) -> str:
        """As it should be."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def came(self, place: str) -> str:
        """A browser comes to be signed in: its state."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
        self.nonce = query["nonce"]
        return query["state"]

    def _token(self) -> str | None:
        now = int(time.time())
        right = {
            "iss": self.issuer, "sub": "7", "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": self.nonce,
            "email": "ann@example.com", "email_verified": True,
        }  # fmt: skip
        return self.sign({name: value for name, value in (right | self.claims).items() if value is not None})

    def _found(self, path: str) -> tuple[int, bytes]:
        if path in self.answers:
            return self.answers[path]
        found: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                **({} if self.info is None else {"userinfo_endpoint": f"{self.issuer}/me"}),
            },
            "/jwks": {"keys": [self.key.as_dict(private=False)]},
            "/token": {"access_token": "a", "token_type": "Bearer", "id_token": self._token()},
            "/me": self.info,
        }
        return 200, json.dumps(found[path]).encode()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.asked.append({"head": head, "form": {k: v[0] for k, v in parse_qs(body.decode()).items()}})
        status, text = self._found(head.split(" ")[1])
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(text), text))
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Liar]:
        """At its address."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
