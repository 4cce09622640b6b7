"""Users, sign-in by password, tokens of the API, sessions, roles on what is more than a line of the table."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from reactor.engine.access.attempts import Calls
from reactor.model.access import Principal, Role
from reactor.model.flow import ApproveStep
from reactor.testing.actions import StillClock
from tests.integration.access_kit import CSRF, PASSWORD, access_of, add, cookie_of, session, signed_in, token
from tests.integration.rig_kit import val
from tests.integration.server_kit import TOKEN, Kit, flow, serving


async def audit(kit: Kit, **query: Any) -> list[dict[str, Any]]:
    """The audit log, oldest first."""
    return list(reversed((await kit.get("/api/v1/audit", params=query)).json()["items"]))


async def test_a_user_signs_in_by_name_and_password(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        options = (await kit.http.get("/login/options")).json()
        assert options == {"token": True, "password": False, "oidc": None}
        made = await kit.post("/api/v1/users", json={"name": "Ann@Example.com", "role": "editor", "password": PASSWORD})
        assert made.status_code == 201
        assert made.json() | {"created_at": ""} == {
            "name": "ann@example.com", "role": "editor", "disabled": False, "password": True, "issuer": None,
            "created_at": "",
        }  # fmt: skip
        assert (await kit.http.get("/login/options")).json()["password"] is True
        answer = await signed_in(kit, " ann@EXAMPLE.com ")
        assert (answer.status_code, answer.content) == (204, b"")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie
        me = (await kit.http.get("/api/v1/me", headers=cookie_of(kit, answer))).json()
        assert me["session"].startswith("ses_")
        assert me | {"session": ""} == {
            "name": "ann@example.com", "role": "editor", "via": "session", "user": "ann@example.com", "session": "",
            "password": True, "scopes": [], "flows": [],
        }  # fmt: skip
        for name, password in (
            ("ann@example.com", PASSWORD + "x"),
            ("nobody", PASSWORD),
            ("", "x" * 300),
            ("a\0", "b"),
        ):
            wrong = await signed_in(kit, name, password)
            assert wrong.status_code in (400, 401)
            assert "set-cookie" not in wrong.headers
        told = (await signed_in(kit, "ann@example.com", "wrong")).json()["detail"]
        assert told == (await signed_in(kit, "bob@example.com", "wrong")).json()["detail"]


WRONG_USERS: list[tuple[dict[str, Any], str]] = [
    ({"name": "admin"}, "who has the admin token"),
    ({"name": "token:x"}, "cannot be a user's name"),
    ({"name": "ann b"}, "cannot be a user's name"),
    ({"name": "a" * 200}, "cannot be a user's name"),
    ({"name": "ann\u0000"}, "cannot be a user's name"),
    ({"name": "ann", "password": "short"}, "12 to 256 characters"),
    ({"name": "ann", "password": "x" * 300}, "12 to 256 characters"),
    ({"name": "ann", "password": "aaaaaaaaaaaaaaa"}, "different characters"),
    ({"name": "annabell", "password": "I-am-Annabell-1"}, "does not hold its user's name"),
    ({"name": "ann", "role": "root"}, "role"),
    ({"name": "ann", "admin": True}, "no field 'admin'"),
    ({"name": "there"}, "there is a user 'there' already"),
]


async def test_users_that_cannot_be(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        await add(kit, "there", Role.VIEWER)
        for body, words in WRONG_USERS:
            answer = await kit.post("/api/v1/users", json=body)
            assert answer.status_code in (400, 409), body
            assert words in answer.json()["detail"]
            assert body.get("password", "no password") not in answer.text
        assert [one["name"] for one in (await kit.get("/api/v1/users")).json()["items"]] == ["there"]


async def test_a_change_ends_sessions_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        ann = await add(kit, "ann", Role.ADMIN, password=True)
        reads = lambda headers: kit.http.get("/api/v1/runs", headers=headers)  # noqa: E731 - once, shortly
        for change in ({"role": "viewer"}, {"password": "another good battery"}, {"disabled": True}):
            assert (await reads(ann)).status_code == 200
            changed = await kit.http.patch("/api/v1/users/ann", headers=kit.auth, json=change)
            assert changed.status_code == 200
            assert (await reads(ann)).status_code == 401
            if not change.get("disabled"):
                ann = await session(kit, "ann")
        assert (await signed_in(kit, "ann", "another good battery")).status_code == 401
        assert (await reads(await session(kit, "ann"))).status_code == 401
        assert (
            await kit.http.patch("/api/v1/users/ann", headers=kit.auth, json={"disabled": False})
        ).status_code == 200
        ann = cookie_of(kit, await signed_in(kit, "ann", "another good battery"))
        assert (await kit.http.delete("/api/v1/users/ann", headers=kit.auth)).status_code == 200
        assert (await reads(ann)).status_code == 401
        assert (await kit.http.delete("/api/v1/users/ann", headers=kit.auth)).status_code == 404


async def test_the_last_admin_stays_unless_the_token_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        ann = await add(kit, "ann", Role.ADMIN)
        bob = await add(kit, "bob", Role.VIEWER)
        change = lambda name, headers, body: kit.http.patch(f"/api/v1/users/{name}", headers=headers, json=body)  # noqa: E731
        for body in ({"role": "operator"}, {"disabled": True}):
            refused = await change("ann", ann, body)
            assert (refused.status_code, "last admin" in refused.json()["detail"]) == (409, True)
        assert (await kit.http.delete("/api/v1/users/ann", headers=ann)).status_code == 409
        assert (await change("bob", ann, {"role": "admin"})).status_code == 200
        assert (await change("ann", ann, {"role": "operator"})).status_code == 200
        assert (await kit.http.get("/api/v1/runs", headers=bob)).status_code == 401
        assert (await change("bob", kit.auth, {"role": "viewer"})).status_code == 200


async def test_sessions_outlive_a_restart_are_listed_and_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        await add(kit, "ann", Role.VIEWER, password=True)
        value = cookie_of(kit, await signed_in(kit, "ann"))["cookie"].partition("=")[2]
    async with serving(tmp_path) as kit:
        ann = {"cookie": f"{kit.running.guard.cookie}={value}", **CSRF}
        bob = await add(kit, "bob", Role.OPERATOR)
        listed = (await kit.http.get("/api/v1/sessions", headers=ann)).json()["items"]
        assert {one["user"] for one in listed} == {"ann"}
        assert [one["current"] for one in listed].count(True) == 1
        assert all(one["address"] and one["agent"] for one in listed)
        (its,) = [one["id"] for one in listed if one["current"]]
        assert (await kit.http.delete(f"/api/v1/sessions/{its}", headers=bob)).status_code == 404
        assert (await kit.http.get("/api/v1/sessions", headers=bob, params={"user": "ann"})).status_code == 403
        everybody = (await kit.get("/api/v1/sessions")).json()["items"]
        assert {one["user"] for one in everybody} == {"ann", "bob"}
        page = (await kit.get("/api/v1/sessions", params={"limit": 1})).json()
        rest = (await kit.get("/api/v1/sessions", params={"cursor": page["next"]})).json()
        assert page["items"] + rest["items"] == everybody
        assert (await kit.http.delete(f"/api/v1/sessions/{its}", headers=ann)).status_code == 200
        assert (await kit.http.get("/api/v1/runs", headers=ann)).status_code == 401
        assert (await kit.http.get("/api/v1/runs", headers=bob)).status_code == 200


async def test_ones_own_password(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        other = await add(kit, "ann", Role.VIEWER, password=True)
        here = cookie_of(kit, await signed_in(kit, "ann"))
        change = lambda headers, old, new: kit.http.put(  # noqa: E731
            "/api/v1/me/password", headers=headers, json={"old": old, "new": new}
        )
        assert (await change(here, "wrong wrong wrong", "a new good battery")).status_code == 401
        assert (await change(here, PASSWORD, "short")).status_code == 400
        assert (await change(here, PASSWORD, PASSWORD)).status_code == 400
        assert (await change(kit.auth, PASSWORD, "a new good battery")).status_code == 403
        assert (await change(here, PASSWORD, "a new good battery")).status_code == 200
        assert (await kit.http.get("/api/v1/me", headers=here)).status_code == 200
        assert (await kit.http.get("/api/v1/me", headers=other)).status_code == 401
        assert (await signed_in(kit, "ann", "a new good battery")).status_code == 204


async def test_signing_in_ends_the_session_before(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit, httpx2.AsyncClient(base_url=kit.running.url) as browser:
        await add(kit, "ann", Role.VIEWER, password=True)
        first = await browser.post("/login", json={"token": TOKEN}, headers=CSRF)
        assert (
            await browser.post("/login", json={"name": "ann", "password": PASSWORD}, headers=CSRF)
        ).status_code == 204
        assert (await browser.get("/api/v1/me")).json()["name"] == "ann"
        assert (await kit.http.get("/api/v1/me", headers=cookie_of(kit, first))).status_code == 401


async def test_guessing_costs_a_growing_wait_but_locks_nobody_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        await add(kit, "ann", Role.VIEWER, password=True)
        attempts = access_of(kit).people.attempts
        attempts._clock = StillClock()  # a slow machine does not wait
        assert (await signed_in(kit, "ann")).status_code == 204
        for _ in range(3):
            assert (await signed_in(kit, "ann", "a wrong password")).status_code == 401
        answer = await signed_in(kit, "ann", "a wrong password")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert "try again in" in answer.json()["detail"]
        assert (await signed_in(kit, "ann")).status_code == 429  # not even by the right one
        assert (await kit.get("/api/v1/me")).status_code == 200
        assert (await kit.http.get(kit.running.sign_in_link())).status_code == 303
        attempts._pairs.clear(("ann", "127.0.0.1"))
        # From everywhere else somebody guesses at ann; from where she has been before she comes in.
        for n in range(30):
            attempts.failed("ann", f"198.51.100.{n}")
        assert (await signed_in(kit, "ann")).status_code == 204


async def test_hashing_does_not_stop_the_loop(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        await add(kit, "ann", Role.VIEWER, password=True)
        hashing = asyncio.ensure_future(access_of(kit).people.passwords.hashed("another good battery", "ann"))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 20


async def test_tokens_are_told_once_and_work_until_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        ann = await add(kit, "ann", Role.EDITOR)
        made = (await kit.http.post("/api/v1/tokens", headers=ann, json={"name": "ci", "role": "editor"})).json()
        headers = {"authorization": f"Bearer {made['token']}"}
        assert made["token"].startswith("rct_")
        me = (await kit.http.get("/api/v1/me", headers=headers)).json()
        assert (me["name"], me["user"], me["role"], me["via"]) == ("token:ci", "ann", "editor", "api_token")
        listed = await kit.http.get("/api/v1/tokens", headers=ann)
        assert made["token"] not in listed.text
        (one,) = listed.json()["items"]
        assert (one["owner"], one["role"], one["expires_at"]) == ("ann", "editor", None)
        assert one["used_at"] is not None
        assert made["token"].encode() not in (tmp_path / "reactor.db").read_bytes()
        await kit.http.patch("/api/v1/users/ann", headers=kit.auth, json={"role": "viewer"})
        assert (await kit.http.get("/api/v1/me", headers=headers)).json()["role"] == "viewer"
        await kit.http.patch("/api/v1/users/ann", headers=kit.auth, json={"disabled": True})
        assert (await kit.http.get("/api/v1/me", headers=headers)).status_code == 401
        await kit.http.patch("/api/v1/users/ann", headers=kit.auth, json={"disabled": False})
        assert (await kit.http.get("/api/v1/me", headers=headers)).status_code == 200
        bob = await add(kit, "bob", Role.OPERATOR)
        assert (await kit.http.get("/api/v1/tokens", headers=bob)).json()["items"] == []
        assert (await kit.http.delete(f"/api/v1/tokens/{one['id']}", headers=bob)).status_code == 404
        assert (await kit.http.delete(f"/api/v1/tokens/{one['id']}", headers=kit.auth)).status_code == 200
        assert (await kit.http.get("/api/v1/me", headers=headers)).status_code == 401


WRONG_TOKENS: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "x", "role": "operator"}, 400, "at most editor"),
    ({"name": ""}, 400, "cannot be a token's name"),
    ({"name": "x", "expires": "soon"}, 400, "neither RFC 3339 nor a duration"),
    ({"name": "x", "expires": "2020-01-01T00:00:00Z"}, 400, "over before it begins"),
    ({"name": "x", "scopes": ["everything"]}, 400, "there is no scope 'everything'"),
    ({"name": "x", "flows": [" "]}, 400, "names of flows"),
    ({"name": "there"}, 409, "there is a token 'there' already"),
]


async def test_tokens_that_cannot_be(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        ann = await add(kit, "ann", Role.EDITOR)
        asker = Principal(name="ann", role=Role.EDITOR, via="session", person="ann")
        await token(kit, Role.VIEWER, asker=asker, name="there")
        for body, status, words in WRONG_TOKENS:
            answer = await kit.http.post("/api/v1/tokens", headers=ann, json=body)
            assert (answer.status_code, words in answer.json()["detail"]) == (status, True), body


async def test_a_token_makes_no_tokens_and_reaches_only_its_flows(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("import-a"), flow("secret")) as kit:
        only = await token(kit, Role.ADMIN, flows=("import-*",))
        ids = {}
        for name in ("import-a", "secret"):
            ids[name] = (await kit.post("/events", json={"type": name})).json()["runs"][0]["id"]
            await kit.finished(ids[name])
        expected = {
            "/api/v1/flows/import-a": 200, "/api/v1/flows/secret": 403, "/api/v1/flows": 403,
            "/api/v1/runs?flow=import-a": 200, "/api/v1/runs?flow=secret": 403, "/api/v1/runs": 403,
            "/api/v1/runs?flow=import-a,secret": 403,
            f"/api/v1/runs/{ids['import-a']}": 200, f"/api/v1/runs/{ids['secret']}": 403, "/api/v1/runs/x": 403,
            "/api/v1/events": 403, "/api/v1/audit": 403, "/api/v1/users": 403, "/api/v1/me": 403,
        }  # fmt: skip
        assert {path: (await kit.http.get(path, headers=only)).status_code for path in expected} == expected
        assert (await kit.http.post("/api/v1/flows/import-a/run", headers=only)).status_code == 202
        assert (await kit.http.post("/api/v1/flows/secret/run", headers=only)).status_code == 403
        made = await kit.http.post("/api/v1/tokens", headers=await token(kit), json={"name": "child"})
        assert made.status_code == 403


async def test_what_is_done_is_in_the_audit_log_and_secrets_are_not(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        await kit.post("/api/v1/users", json={"name": "ann", "role": "editor", "password": PASSWORD})
        ann = cookie_of(kit, await signed_in(kit, "ann"))
        await signed_in(kit, "ann", "a wrong password")
        await kit.http.post("/api/v1/flows/a/disable", headers=ann)
        await kit.http.post("/api/v1/flows/nothing/disable", headers=ann)
        await kit.http.delete("/api/v1/users/ann", headers=ann)
        made = (await kit.http.post("/api/v1/tokens", headers=ann, json={"name": "ci", "expires": "1d"})).json()[
            "token"
        ]
        await kit.http.get("/api/v1/runs", headers={"authorization": "Bearer rct_wrong"})
        await kit.http.get("/api/v1/runs", headers=ann)
        await kit.http.get("/api/v1/runs")
        await kit.http.post("/logout", headers=ann)
        entries = await audit(kit)
        assert [(one["who"], one["via"], one["action"], one["target"], one["status"]) for one in entries] == [
            ("admin", "token", "POST /api/v1/users", "ann", 201),
            ("ann", "password", "sign-in", "ann", 204),
            ("ann", "password", "sign-in", "ann", 401),
            ("ann", "session", "POST /api/v1/flows/{name}/disable", "a", 200),
            ("ann", "session", "POST /api/v1/flows/{name}/disable", "nothing", 404),
            ("ann", "session", "DELETE /api/v1/users/{name}", "ann", 403),
            ("ann", "session", "POST /api/v1/tokens", "ci", 201),
            ("", "", "GET /api/v1/runs", "", 401),
            ("ann", "session", "sign-out", "ann", 204),
        ]
        assert entries[0]["details"] == {"role": "editor", "password": True}
        assert {one["address"] for one in entries} == {"127.0.0.1"}
        whole = (await kit.get("/api/v1/audit")).text
        assert PASSWORD not in whole
        assert made not in whole
        assert "wrong password" not in whole
        assert [one["id"] for one in entries] == list(range(1, 10))
        assert [one["id"] for one in await audit(kit, who="ann", action="sign-in")] == [2, 3]
        assert await audit(kit, since="1h") == entries
        assert await audit(kit, until="1h") == []
        page = (await kit.get("/api/v1/audit", params={"limit": 2})).json()
        assert ([one["id"] for one in page["items"]], page["next"]) == ([9, 8], "8")
        assert (await kit.get("/api/v1/audit", params={"cursor": "x"})).status_code == 400
        found = (await kit.get("/api/v1/audit/verify", params={"head": entries[3]["hash"]})).json()
        assert found == {
            "entries": 9, "first": 1, "last": 9, "head": entries[-1]["hash"], "broken_at": None, "known": True,
        }  # fmt: skip
        assert (await kit.get("/api/v1/audit/verify", params={"head": "00"})).json()["known"] is False


async def test_events_and_reading_leave_no_entry(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        await kit.http.post("/events", json={"type": "a"})
        for path in ("/api/v1/runs", "/api/v1/me", "/metrics", "/", "/login/options"):
            await kit.get(path)
        await kit.http.post("/api/v1/flows/validate", headers=kit.auth, content=b"name: x")
        assert await audit(kit) == []


async def test_more_calls_than_anybody_needs(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        access_of(kit).calls = Calls(StillClock(), rate=1, burst=2)
        assert [(await kit.get("/api/v1/runs")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await kit.get("/api/v1/runs")).headers["retry-after"] == "1"
        ann = await add(kit, "ann", Role.VIEWER)
        assert (await kit.http.get("/api/v1/runs", headers=ann)).status_code == 200


async def test_behind_a_proxy_that_is_trusted_cookies_are_secure(tmp_path: Path) -> None:
    told = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    async with serving(tmp_path, proxies=("127.0.0.1",)) as kit:
        answer = await kit.http.post("/login", json={"token": TOKEN}, headers={**CSRF, **told})
        assert answer.headers["set-cookie"].endswith("; Secure")
        assert answer.headers["strict-transport-security"]
        assert (await audit(kit))[0]["address"] == "203.0.113.9"
    async with serving(tmp_path) as kit:
        answer = await kit.http.post("/login", json={"token": TOKEN}, headers={**CSRF, **told})
        assert "Secure" not in answer.headers["set-cookie"]
        assert (await audit(kit))[-1]["address"] == "127.0.0.1"


async def test_who_is_signed_in_decides_as_that_person(tmp_path: Path) -> None:
    asks = [ApproveStep(name="s", title=val("Pay?"), by=val(["Ann@Example.com", "bob"]))]
    asks.append(ApproveStep(name="s", title=val("Pay?")))
    flows = [msgspec.structs.replace(flow(name), steps=(step,)) for name, step in zip("ab", asks, strict=True)]
    async with serving(tmp_path, *flows) as kit:
        roles = {"ann@example.com": Role.VIEWER, "eve": Role.ADMIN, "view": Role.VIEWER, "ed": Role.EDITOR}
        people = {name: await add(kit, name, role) for name, role in roles.items()}
        owner = Principal(name="ann@example.com", role=Role.VIEWER, via="session", person="ann@example.com")
        people["her token"] = await token(kit, Role.VIEWER, asker=owner)
        for name in "ab":
            await kit.http.post("/events", json={"type": name})
        while len(found := (await kit.get("/api/v1/approvals")).json()["items"]) < 2:
            await asyncio.sleep(0.01)
        named, open_ = sorted(found, key=lambda one: one["flow"])

        async def decide(one: dict[str, Any], headers: dict[str, str], **body: Any) -> tuple[int, str]:
            path = f"/api/v1/approvals/{one['id']}/decide"
            answer = await kit.http.post(path, headers=headers, json={"decision": "approve", **body})
            return answer.status_code, answer.json().get("detail", "")

        refused = [
            (named, people["eve"], {}, "eve is not asked here"),
            (named, people["eve"], {"by": "Ann@Example.com"}, "not as 'Ann@Example.com'"),
            (named, people["her token"], {}, "this needs the role editor, or to be asked by name"),
            (named, people["view"], {}, "this needs the role editor"),
            (open_, people["view"], {}, "this needs the role editor"),
        ]
        for one, headers, body, words in refused:
            status, detail = await decide(one, headers, **body)
            assert (status, words in detail) == (403, True), detail
        assert (await decide(named, people["ann@example.com"]))[0] == 200
        assert (await decide(open_, people["ed"], by="ed"))[0] == 200
        shown = {one["flow"]: one["decisions"] for one in [
            (await kit.get(f"/api/v1/approvals/{one['id']}")).json() for one in (named, open_)
        ]}  # fmt: skip
        assert {name: [made["by"] for made in decisions] for name, decisions in shown.items()} == {
            "a": ["Ann@Example.com"], "b": ["ed"],
        }  # fmt: skip
        assert (await audit(kit))[-1]["details"] == {"decision": "approve", "by": "ed"}


async def test_a_stream_ends_with_its_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.server.stream.HEARTBEAT", 0.05)
    async with serving(tmp_path) as kit:
        ann = await add(kit, "ann", Role.VIEWER)
        async with kit.http.stream("GET", "/api/v1/stream", headers=ann) as answer:
            chunks = answer.aiter_bytes()
            while b"still here" not in await anext(chunks):
                pass
            (key,) = [one.key for one in await access_of(kit).credentials.sessions("ann")]
            await access_of(kit).credentials.end([key])
            assert [chunk async for chunk in chunks if b"still here" not in chunk] == []


async def test_a_link_is_for_whoever_makes_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit, httpx2.AsyncClient(base_url=kit.running.url) as browser:
        ann = await add(kit, "ann", Role.ADMIN)
        link = (await kit.http.post("/api/v1/sign-in-links", headers=ann)).json()["url"]
        assert (await browser.get(link)).headers["location"] == "/ui/"
        assert (await browser.get("/api/v1/me")).json()["name"] == "ann"
        assert [(one["who"], one["via"]) for one in await audit(kit)] == [("ann", "session"), ("ann", "link")]
        assert (await kit.http.post("/api/v1/sign-in-links", headers=await token(kit))).status_code == 403
