"""Every kind of caller that a server knows, on a server of the tests."""

from __future__ import annotations

from typing import Any

import httpx2

from reactor.engine.access.access import Access
from reactor.model.access import ADMIN, Role
from tests.integration.server_kit import Kit

CSRF = {"x-reactor": "1"}
PASSWORD = "correct horse battery"


def access_of(kit: Kit) -> Access:
    assert kit.engine.access is not None
    return kit.engine.access


async def session(kit: Kit, user: str, **more: Any) -> dict[str, str]:
    """The headers of a browser in which somebody is signed in; empty: the admin token."""
    stamp = b"" if user else kit.running.guard._token
    value, _ = await access_of(kit).credentials.begin(user, "password", "127.0.0.1", "tests", stamp)
    return {"cookie": f"{kit.running.guard.cookie}={value}", **CSRF, **more}


async def add(kit: Kit, name: str, role: Role, *, password: bool = False) -> dict[str, str]:
    """A new user, signed in."""
    await access_of(kit).people.add(name, role, PASSWORD if password else None)
    return await session(kit, name)


async def token(kit: Kit, role: Role = Role.ADMIN, **given: Any) -> dict[str, str]:
    """The headers of a new token of the admin's."""
    name = given.pop("name", f"t{len(await access_of(kit).credentials.tokens(None))}")
    text, _ = await access_of(kit).credentials.make(given.pop("asker", ADMIN), name, role, **given)
    return {"authorization": f"Bearer {text}"}


async def signed_in(kit: Kit, name: str, password: str = PASSWORD) -> httpx2.Response:
    """What signing in by name and password answers."""
    async with httpx2.AsyncClient(base_url=kit.running.url) as browser:
        return await browser.post("/login", json={"name": name, "password": password}, headers=CSRF)


def cookie_of(kit: Kit, answer: httpx2.Response) -> dict[str, str]:
    """The headers of the browser that got this answer."""
    return {"cookie": f"{kit.running.guard.cookie}={answer.cookies[kit.running.guard.cookie]}", **CSRF}
