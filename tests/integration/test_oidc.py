"""Signing in by OIDC: with a real issuer, and with one that lies."""

import base64
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from reactor.model.access import ADMIN, Role
from reactor.model.errors import SettingsError
from reactor.server.config import OidcConfig, ServerConfig, check
from tests.integration.access_kit import access_of, add
from tests.integration.oidc_kit import BACK, BASE, CLIENT, OTHER_KEY, SECRET, Liar, provider, sign_in_there
from tests.integration.server_kit import TOKEN, Kit, serving

ANN = {"email": "ann@example.com", "email_verified": True, "groups": ["staff", "devs"]}


def server(folder: Path, issuer: str, **given: Any) -> AbstractAsyncContextManager[Kit]:
    """A server of which people sign in at that issuer."""
    values = {"client_id": CLIENT, "client_secret": SECRET, "default_role": Role.VIEWER} | given
    return serving(folder, public_url=BASE, hosts=("reactor.test",), oidc=OidcConfig(issuer=issuer, **values))


def browser_of(kit: Kit) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=kit.running.url)


async def come_back(browser: httpx2.AsyncClient, **query: str) -> httpx2.Response:
    return await browser.get(f"/login/oidc/callback?{urlencode(query)}")


async def lied(kit: Kit, liar: Liar) -> httpx2.Response:
    """A whole sign-in at the liar's; the last answer."""
    async with browser_of(kit) as browser:
        state = liar.came((await browser.get("/login/oidc")).headers["location"])
        return await come_back(browser, state=state, code="c")


def outcome(answer: httpx2.Response) -> str:
    """`in`, or why not."""
    assert answer.status_code == 303
    place = answer.headers["location"]
    signed_in = any(cookie.startswith("reactor_") and "_oidc" not in cookie.partition("=")[0]
                    for cookie in answer.headers.get_list("set-cookie"))  # fmt: skip
    assert signed_in == (place == "/ui/")
    return "in" if signed_in else place.partition("oidc=")[2]


async def test_a_real_issuer_vouches_for_somebody(tmp_path: Path) -> None:
    accounts = {"ann": ANN, "eve": {"email": "eve@elsewhere.com", "email_verified": True}}
    roles = (("devs", Role.EDITOR), ("staff", Role.VIEWER), ("root", Role.ADMIN))
    async with provider(accounts) as issuer, server(tmp_path, issuer, roles=roles, default_role=None) as kit:
        options = (await kit.http.get("/login/options")).json()
        assert options["oidc"] == {"name": issuer.partition("//")[2], "url": "/login/oidc"}
        async with browser_of(kit) as browser, httpx2.AsyncClient() as there:
            begun = await browser.get("/login/oidc", params={"to": "/ui/runs?status=failed"})
            cookie = begun.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert "Path=/login/oidc" in cookie
            back = (await sign_in_there(there, begun.headers["location"], "ann")).removeprefix(BASE)
            kept = dict(browser.cookies)
            done = await browser.get(back)
            assert (done.status_code, done.headers["location"]) == (303, "/ui/runs?status=failed")
            me = (await browser.get("/api/v1/me")).json()
            assert (me["name"], me["role"], me["password"]) == ("ann@example.com", "editor", False)
            (session,) = (await browser.get("/api/v1/sessions")).json()["items"]
            assert session["via"] == "oidc"
            # The same answer once more, in the same browser and in one that has stolen its cookie: no.
            assert outcome(await browser.get(back)) == "again"
            async with httpx2.AsyncClient(base_url=kit.running.url, cookies=kept) as thief:
                assert outcome(await thief.get(back)) == "again"
        async with browser_of(kit) as browser, httpx2.AsyncClient() as there:
            begun = await browser.get("/login/oidc")
            back = (await sign_in_there(there, begun.headers["location"], "eve")).removeprefix(BASE)
            assert outcome(await browser.get(back)) == "denied"
        (user,) = (await kit.get("/api/v1/users")).json()["items"]
        assert (user["name"], user["issuer"]) == ("ann@example.com", issuer)
        log = (await kit.get("/api/v1/audit")).json()["items"]
        assert [(one["who"], one["via"], one["status"]) for one in log][::-1] == [
            ("ann@example.com", "oidc", 303), ("", "oidc", 401), ("", "oidc", 401), ("", "oidc", 403),
        ]  # fmt: skip


def unsigned(claims: dict[str, Any]) -> str:
    texts = [json.dumps(one).encode() for one in ({"alg": "none"}, claims)]
    parts = [base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in texts]
    return ".".join([*parts, ""])


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, OTHER_KEY)


def by_the_secret(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(SECRET))


LIES: dict[str, dict[str, Any]] = {
    "another nonce": {"claims": {"nonce": "x"}},
    "no nonce": {"claims": {"nonce": None}},
    "it is over": {"claims": {"exp": 1_000_000_000}},
    "it never ends": {"claims": {"exp": None}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "another audience": {"claims": {"aud": "somebody else"}},
    "ours among others, for somebody else": {"claims": {"aud": [CLIENT, "x"], "azp": "x"}},
    "nobody": {"claims": {"sub": None}},
    "somebody by number": {"claims": {"sub": 7}},
    "of times to come": {"claims": {"nbf": 9_000_000_000}},
    "not signed": {"sign": unsigned},
    "signed by another key": {"sign": by_another_key},
    "signed by our secret": {"sign": by_the_secret},
    "no token": {"sign": lambda claims: None},
    "no token at all": {"sign": lambda claims: "x.y"},
    "info about somebody else": {"claims": {"email": None}, "info": {"sub": "8", "email": "ann@example.com"}},
    "the code is no good": {"answers": {"/token": (400, b'{"error": "invalid_grant"}')}},
}


async def test_no_lie_lets_anybody_in(tmp_path: Path) -> None:
    async with Liar().listening() as liar, server(tmp_path, liar.issuer) as kit:
        right = dict(vars(liar))
        for name, lie in LIES.items():
            vars(liar).update({"claims": {}, "sign": right["sign"], "answers": {}, **lie})
            if "info" in lie:
                kit.running.ingest.inner._oidc._issuer._until = 0  # type: ignore[attr-defined] # it has doors more
            assert outcome(await lied(kit, liar)) == "again", name
        assert (await kit.get("/api/v1/users")).json()["items"] == []
        vars(liar).update({"claims": {}, "sign": right["sign"], "answers": {}})
        assert outcome(await lied(kit, liar)) == "in"
        (form,) = [one["form"] for one in liar.asked[-1:]]
        assert len(form["code_verifier"]) >= 43
        assert form["redirect_uri"] == BACK
        assert SECRET not in str(form)


async def test_only_the_browser_that_began_comes_back(tmp_path: Path) -> None:
    async with Liar().listening() as liar, server(tmp_path, liar.issuer) as kit:
        async with browser_of(kit) as browser, browser_of(kit) as other:
            state = liar.came((await browser.get("/login/oidc")).headers["location"])
            assert outcome(await come_back(other, state=state, code="c")) == "again"
            for wrong in ({"state": "x"}, {"state": ""}, {"iss": "https://evil.example"}, {"error": "no"}):
                state = liar.came((await browser.get("/login/oidc")).headers["location"])
                assert outcome(await come_back(browser, **{"state": state, "code": "c", **wrong})) == "again", wrong
            state = liar.came((await browser.get("/login/oidc")).headers["location"])
            forged = {name: value[:-1] + ("0" if value[-1] != "0" else "1") for name, value in browser.cookies.items()}
            async with httpx2.AsyncClient(base_url=kit.running.url, cookies=forged) as forger:
                assert outcome(await come_back(forger, state=state, code="c")) == "again"
            assert outcome(await come_back(browser, state=state, code="c")) == "in"
        assert (await kit.http.post("/login/oidc")).status_code == 405


async def test_nobody_is_led_elsewhere(tmp_path: Path) -> None:
    elsewhere = (
        "//evil.example", "https://evil.example", "/\\evil.example", "/ui//evil.example", "/ui/\r\nx: y",
        "/api/v1/me", "/ui/ü",
    )  # fmt: skip
    async with Liar().listening() as liar, server(tmp_path, liar.issuer) as kit, browser_of(kit) as browser:
        for to in elsewhere:
            state = liar.came((await browser.get("/login/oidc", params={"to": to})).headers["location"])
            answer = await come_back(browser, state=state, code="c")
            assert (outcome(answer), answer.headers["location"]) == ("in", "/ui/"), to


async def test_who_is_let_in_and_as_what(tmp_path: Path) -> None:
    async with Liar().listening() as liar:
        given: dict[str, Any] = {"roles": (("ops", Role.OPERATOR),), "role_claim": "realm.roles"}
        given["domains"] = ("example.com",)
        async with server(tmp_path, liar.issuer, default_role=None, **given) as kit:
            people = access_of(kit).people

            async def comes(**claims: Any) -> str:
                liar.claims = {"realm": {"roles": ["ops"]}, **claims}
                return outcome(await lied(kit, liar))

            assert await comes(email="ann@example.com.evil.org") == "denied"
            assert await comes(email_verified=False) == "denied"
            assert await comes(email_verified="true") == "denied"
            assert await comes(realm={"roles": ["other"]}) == "denied"
            assert await comes(realm=None) == "denied"
            await add(kit, "bob@example.com", Role.ADMIN, password=True)
            assert await comes(email="bob@example.com") == "denied"  # he has a password here, and is somebody else
            assert await comes(email="Ann@Example.com") == "in"
            ann = await people.get("ann@example.com")
            assert (ann.role, ann.subject) == (Role.OPERATOR, "7")
            await people.change(ADMIN, "ann@example.com", disabled=True)
            assert await comes() == "denied"
            await people.change(ADMIN, "ann@example.com", disabled=False)
            assert await comes(realm={"roles": []}) == "denied"  # she is in no such group any more
            await people.add("cid@example.com", Role.ADMIN)
            assert await comes(sub="9", email="cid@example.com") == "in"
            cid = await people.get("cid@example.com")
            assert (cid.role, cid.issuer) == (Role.OPERATOR, liar.issuer)
            assert await comes(sub="10", email="cid@example.com") == "denied"


async def test_an_issuer_that_is_not_there_or_is_another(tmp_path: Path) -> None:
    async with Liar().listening() as liar, server(tmp_path, liar.issuer) as kit:
        place = "/.well-known/openid-configuration"
        evil = b'{"issuer": "https://evil.example"}'
        for answer in ((500, b"no"), (200, b"[]"), (200, evil), (200, b"x" * (2 << 20))):
            liar.answers = {place: answer}
            begun = await kit.http.get("/login/oidc")
            assert begun.headers["location"] in ("/ui/sign-in?oidc=issuer", "/ui/sign-in?oidc=again")
        liar.answers = {}
        assert outcome(await lied(kit, liar)) == "in"
        liar.key = OTHER_KEY
        assert outcome(await lied(kit, liar)) == "again"  # the keys were looked for a moment ago
        kit.running.ingest.inner._oidc._issuer._looked = 0  # type: ignore[attr-defined]
        assert outcome(await lied(kit, liar)) == "in"
    async with server(tmp_path, "http://127.0.0.1:9") as kit:
        assert (await kit.http.get("/login/oidc")).headers["location"] == "/ui/sign-in?oidc=issuer"


async def test_without_oidc(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        for path in ("/login/oidc", "/login/oidc/callback"):
            answer = await kit.http.get(path)
            assert (answer.status_code, "oidc_issuer" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"oidc": OidcConfig(issuer="http://id.example.com", client_id="x")}, "not reached by TLS"),
        ({"oidc": OidcConfig(issuer="https://id.example.com/?a=b", client_id="x")}, "without ? and #"),
        ({"oidc": OidcConfig(issuer="https://id.example.com", client_id="x"), "host": "0.0.0.0"}, "public_url"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check(ServerConfig(token=TOKEN, token_configured=True, **given))
    assert words in str(caught.value)
