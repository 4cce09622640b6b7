"""Who may come in: the token, sign-in links, sessions, other sites, and where the server may be bound."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from reactor.model.errors import SettingsError
from reactor.server.config import ServerConfig, check, is_loopback
from reactor.server.serve import start
from tests.integration.server_kit import TOKEN, Kit, flow, serving

CSRF = {"x-reactor": "1"}


@asynccontextmanager
async def signed_in(kit: Kit) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=kit.running.url) as browser:
        await sign_in(kit, browser)
        yield browser


async def sign_in(kit: Kit, browser: httpx2.AsyncClient) -> None:
    answer = await browser.get(kit.running.sign_in_link())
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie


async def test_without_credentials_nothing_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        for path in ("runs", "events", "flows", "triggers", "metrics", "stream", "nothing"):
            answer = await kit.http.get(f"/api/v1/{path}")
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
        for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer ü".encode("latin-1")):
            headers = {"authorization": wrong}
            assert (await kit.http.get("/api/v1/runs", headers=headers)).status_code == 401  # type: ignore[arg-type]
        assert (await kit.http.get("/api/v1/runs", headers={"authorization": f"bearer  {TOKEN}"})).status_code == 200


async def test_a_link_signs_in_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        link = kit.running.sign_in_link()
        async with httpx2.AsyncClient(base_url=kit.running.url) as other:
            assert (await other.head(link)).status_code == 405  # looking does not use it up
            assert (await other.get(link)).headers["location"] == "/ui/"
            assert (await other.get("/api/v1/runs")).status_code == 200
        async with httpx2.AsyncClient(base_url=kit.running.url) as late:
            again = await late.get(link)
            assert (again.headers["location"], "set-cookie" in again.headers) == ("/ui/sign-in?used=true", False)
            assert (await late.get("/api/v1/runs")).status_code == 401
        made = (await kit.post("/api/v1/sign-in-links")).json()
        assert (await kit.http.get(made["url"])).headers["location"] == "/ui/"


async def test_changes_by_a_session_need_our_own_page(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit, signed_in(kit) as browser:
        path, ours = "/api/v1/flows/a/disable", kit.running.url
        assert (await browser.post(path)).status_code == 403
        assert (await browser.post(path, headers=CSRF | {"origin": "https://evil.example"})).status_code == 403
        assert (await browser.post(path, headers=CSRF | {"origin": "null"})).status_code == 403
        assert (await browser.post(path, headers=CSRF | {"sec-fetch-site": "same-site"})).status_code == 403
        assert (await browser.post(path, headers=CSRF | {"origin": ours})).status_code == 200
        assert (await browser.post(path, headers=CSRF)).status_code == 200
        assert (await browser.get("/api/v1/runs", headers={"host": "evil.example"})).status_code == 403


async def test_signing_in_by_the_token_and_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit, httpx2.AsyncClient(base_url=kit.running.url) as browser:
        assert (await browser.post("/login", json={"token": TOKEN})).status_code == 403
        assert (await browser.post("/login", json={"token": TOKEN + "x"}, headers=CSRF)).status_code == 401
        assert (await browser.post("/login", json={"token": TOKEN}, headers=CSRF)).status_code == 204
        assert (await browser.get("/api/v1/runs")).status_code == 200
        session = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        assert (await browser.post("/logout", headers=CSRF)).status_code == 204
        assert (await browser.get("/api/v1/runs", headers={"cookie": session})).status_code == 401


async def test_a_session_outlives_a_restart_and_ends_with_its_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit, signed_in(kit) as browser:
        value = next(iter(browser.cookies.values()))
    async with serving(tmp_path) as kit:
        cookie = {"cookie": f"reactor_{kit.port}={value}"}
        assert (await kit.http.get("/api/v1/runs", headers=cookie)).status_code == 200
        forged = {"cookie": f"reactor_{kit.port}=9{value}"}
        assert (await kit.http.get("/api/v1/runs", headers=forged)).status_code == 401
    async with serving(tmp_path, token="another-token-0123456789") as kit:
        cookie = {"cookie": f"reactor_{kit.port}={value}"}
        assert (await kit.http.get("/api/v1/runs", headers=cookie)).status_code == 401


async def test_the_page_holds_nothing_and_lets_nothing_in(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("secret-flow")) as kit:
        home = await kit.http.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/ui/")
        answer, other = await kit.http.get("/ui/"), await kit.http.get("/ui/flows/secret-flow")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert len(nonce) > 20
        assert nonce not in other.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert "secret-flow" not in other.text
        assert TOKEN not in answer.text
        for word in ("https://", " style=", " onclick="):
            assert word not in answer.text
        assert (await kit.http.get("/ui/", headers={"host": "evil.example"})).status_code == 403
        assert (await kit.http.get("/ui/assets/no.js")).status_code == 404
        assert (await kit.http.post("/ui/")).status_code == 405
        for path in ("/ui/../guard.py", "/ui/%2e%2e/guard.py", "/ui/assets/../../guard.py"):
            assert "Guard" not in (await kit.http.get(path)).text


async def test_every_answer_is_safe_in_a_browser(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        told = {
            "referrer-policy": "no-referrer",
            "x-frame-options": "DENY",
            "cross-origin-resource-policy": "same-origin",
        }
        for path in (
            "/",
            "/health",
            "/metrics",
            "/openapi.json",
            "/api/v1/runs",
            "/api/v1/nothing",
            "/nothing",
            "/approvals/x",
        ):
            answer = await kit.get(path)
            assert {name: answer.headers.get(name) for name in told} == told, path
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"], path
            policy = answer.headers["content-security-policy"]
            assert ("frame-ancestors 'none'" in policy, "unsafe" in policy) == (True, False), path
            assert "strict-transport-security" not in answer.headers
        for answer in (
            await kit.http.post("/events", json={"type": "a"}),
            await kit.http.post("/events", json={"type": "a", "ce": 1}),
        ):
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST.", "::1", "a.localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "", "::", "127.0.0.1.evil", "10.0.0.1", "localhost.evil", "127.1.1")))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "set REACTOR_TOKEN"),
        ({"host": "::"}, "set REACTOR_TOKEN"),
        ({"host": "192.168.1.2", "token_configured": True, "token": "short"}, "has only 5 characters"),
        ({"token": ""}, "needs an admin token"),
        ({"port": 70_000}, "0 (any free one) to 65535"),
    ],
)
def test_what_would_be_open_to_strangers_does_not_start(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check(ServerConfig(**({"token": TOKEN} | given)))  # type: ignore[arg-type]
    assert words in str(caught.value)


async def test_a_port_in_use_is_told_with_who_holds_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            config = ServerConfig(token=TOKEN, port=port)
            with pytest.raises(SettingsError) as caught:
                await start(kit.engine, kit.claims, config)
            assert f"port {port} on 127.0.0.1 is in use by process" in str(caught.value)
            assert "--port" in str(caught.value)
        strange = ServerConfig(token=TOKEN, port=0, host="host.invalid", token_configured=True)
        with pytest.raises(SettingsError, match=r"'host\.invalid' cannot be found"):
            await start(kit.engine, kit.claims, strange)
        strange = ServerConfig(token=TOKEN, port=0, host="192.0.2.1", token_configured=True)
        with pytest.raises(SettingsError, match="no address of this machine"):
            await start(kit.engine, kit.claims, strange)


async def test_localhost_is_every_loopback_address(tmp_path: Path) -> None:
    async with serving(tmp_path, host="localhost") as kit:
        assert (await kit.http.get("/health")).status_code == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", kit.port)
        writer.close()
        await writer.wait_closed()
        del reader
