"""Every route, asked by every kind of caller: the answers are those of the tables, and of nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from reactor.model.access import ADMIN, Role
from reactor.server.api import LINES
from reactor.server.entries import ENTRIES, Who, entry
from reactor.server.table import Line
from reactor.stores.access import ApiToken
from tests.integration.access_kit import CSRF, access_of, add, session, token
from tests.integration.server_kit import Kit, flow, serving

Callers = dict[str, tuple[dict[str, str], Role | None]]
"""Name → headers, and what they may; None: nothing at all."""
SCOPE = "runs"


async def callers(kit: Kit) -> Callers:
    """One of each kind."""
    found: Callers = {"nobody": ({}, None), "the admin token": (kit.auth, Role.ADMIN)}
    for role in Role:
        found[f"session of a {role}"] = (await add(kit, f"a-{role}", role), role)
        found[f"token of a {role}"] = (await token(kit, role), role)
    found["session by the admin token"] = (await session(kit, ""), Role.ADMIN)
    found["token with a scope"] = (await token(kit, scopes=(SCOPE,)), Role.ADMIN)
    found["wrong token"] = ({"authorization": "Bearer rct_wrong"}, None)
    expired = ApiToken(
        key=1,
        digest=hashlib.sha256(b"rct_old").digest(),
        name="old",
        owner="",
        role=Role.ADMIN,
        created_at=0,
        expires_at=1,
    )
    await access_of(kit).credentials._store.add_token(expired)
    found["expired token"] = ({"authorization": "Bearer rct_old"}, None)
    found["ended session"] = (await add(kit, "gone", Role.ADMIN), None)
    await access_of(kit).credentials.end([one.key for one in await access_of(kit).credentials.sessions("gone")])
    found["disabled user"] = (await add(kit, "shut", Role.ADMIN), None)
    await access_of(kit).people.change(ADMIN, "shut", disabled=True)
    return found


async def ask(kit: Kit, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of an answer, without waiting for all of it."""
    path = re.sub(r"\{[^}]*\}", "x", path)
    async with kit.http.stream(method, path, headers=headers) as answer:
        return answer.status_code


def wanted(line: Line, name: str, role: Role | None) -> set[int]:
    """What may be the status: refused for want of a name, for want of a role, or neither."""
    if role is None:
        return {401}
    if not role.covers(line.role) or (name == "token with a scope" and line.tag != SCOPE):
        return {403}
    if name.startswith("token") and line.path == "/api/v1/sign-in-links":
        return {403}
    return set(range(200, 600)) - {401, 403, 500}


async def test_every_line_of_the_api_is_for_those_whom_the_table_names(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        wrong = []
        for name, (headers, role) in (await callers(kit)).items():
            for line in LINES:
                status = await ask(kit, line.method, line.path, headers)
                if status not in wanted(line, name, role):
                    wrong.append((line.method, line.path, line.role, name, status))
        assert wrong == []


async def test_every_other_path_is_for_those_whom_its_entry_names(tmp_path: Path) -> None:
    for host, here in (("127.0.0.1", True), ("0.0.0.0", False)):
        folder = tmp_path / host
        folder.mkdir()
        async with serving(folder, flow("a"), host=host, token_configured=True) as kit:
            wrong = []
            for name, (headers, role) in (await callers(kit)).items():
                for one in sorted(ENTRIES, key=lambda one: one.path == "/logout"):
                    if one.who is Who.FLOW:
                        continue
                    for method in one.methods:
                        status = await ask(kit, method, one.path, {**CSRF, **headers})
                        least = {Who.SENDERS: Role.EDITOR, Who.READERS: Role.VIEWER}.get(one.who)
                        scoped = name == "token with a scope"
                        if one.who is Who.CALLERS:
                            fits = (status == 401) if role is None else status not in {401, 403, 500}
                        elif one.who is Who.LINK:
                            fits = status == 403  # nobody has the link, whoever they are
                        elif least is None or here:
                            fits = status not in {401, 403, 500}
                        elif role is None:
                            fits = status == 401
                        elif scoped or not role.covers(least):
                            fits = status == 403
                        else:
                            fits = status not in {401, 403, 500}
                        if not fits:
                            wrong.append((host, method, one.path, name, status))
            assert wrong == []


async def test_every_path_that_is_answered_has_its_entry(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        answered = set(kit.running.ingest.inner._plain)  # type: ignore[attr-defined]
        doors = {"/events", "/webhook/{type}", "{a webhook's path}"}
        assert answered | doors == {one.path for one in ENTRIES}
        with pytest.raises(KeyError):
            entry("/secret-door")
        for path in ("/secret-door", "/ui2", "/approvals", "/login/x", "/metrics/x", "/healthz"):
            assert await ask(kit, "GET", path, {}) == 404
        for one in ENTRIES:
            if one.who is not Who.FLOW:
                assert await ask(kit, "DELETE", one.path, {}) == 405
