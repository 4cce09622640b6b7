"""Parameters of actions that no other test shows; above all OAuth 2.0, in each of the places where it may stand."""

import asyncio
import base64
import contextlib
import logging
import sqlite3

import pytest

from reactor.connectors.database import connector as database
from reactor.connectors.database.engines import ENGINES
from reactor.connectors.file import connector as file
from reactor.connectors.http import connector as http
from reactor.connectors.http import oauth
from reactor.connectors.log import connector as log
from reactor.model.clock import SystemClock
from reactor.sdk import PermanentError, StepError
from reactor.testing.actions import action_context, call
from tests.integration.test_http_request import serve

ACTIONS = {action.name: action for connector in (http, file, log, database) for action in connector.actions}
DOCUMENT = """
openapi: 3.1.0
info: {title: Things, version: "1"}
servers: [{url: URL/api}]
paths:
  /things/{id}:
    get:
      operationId: get
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: q, in: query, schema: {type: string}}
      responses: {"200": {description: fine}}
    post:
      operationId: put
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {"200": {description: fine}}
"""


@pytest.fixture
async def site():
    """Serves the document, tokens and things, and notes what it is asked."""

    async def app(server, seen, answer, send):
        path = seen["path"]
        json = {"content-type": "application/json"}
        if path == "/doc":
            await answer(200, {"content-type": "application/yaml"}, DOCUMENT.replace("URL", server.url).encode())
        elif path == "/found":
            await answer(200, json, f'{{"token_endpoint": "{server.url}/token?by=discovery"}}'.encode())
        elif path == "/token":
            await answer(200, json, b'{"access_token": "tok", "expires_in": 60}')
        elif path.endswith("/moved"):
            await answer(302, {"location": "/there"})
        elif path.endswith("/gone"):
            await answer(410, json, b"{}")
        elif path.endswith("/slow"):
            await asyncio.sleep(20)
        else:
            await answer(200, json, b'{"a": 1}')

    oauth._tokens.clear()
    async with serve(app) as server:
        yield server


def context(**connections):
    return action_context(
        connections=connections,
        clock=SystemClock(),
        log=logging.getLogger("test"),
        settings={"http_allow": ("127.0.0.1",), "http_timeout": 10_000, "http_max_body": 1_000_000},
    )


async def ask(site, action="http.openapi", /, **params):
    """One call; its output."""
    if action == "connection":
        saved = {"type": "http", "base_url": site.url, **params}
        return await call(ACTIONS["http.request"], {"url": "/plain", "connection": "shop"}, context(shop=saved))
    base = {"document": f"{site.url}/doc?{len(site.seen)}", "operation": "get", "parameters": {"id": "7"}}
    given = {"url": f"{site.url}/plain"} if action == "http.request" else base
    return await call(ACTIONS[action], {**given, **params}, context())


def asked(site, path):
    """The requests for a path."""
    return [seen for seen in site.seen if seen["path"] == path]


PLACES = {
    "http.request.auth": ("http.request", "auth", "/plain"),
    "http.openapi.auth": ("http.openapi", "auth", "/api/things/7"),
    "http.openapi.document_auth": ("http.openapi", "document_auth", "/doc"),
    "connection.http.auth": ("connection", "auth", "/plain"),
}
everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
BASIC = "Basic " + base64.b64encode(b"ann:pw").decode()


@pytest.mark.proves(
    "{http.openapi.auth,http.openapi.document_auth,connection.http.auth}",
    "{http.openapi.auth,http.openapi.document_auth,connection.http.auth}.{basic,bearer,header}",
    "{http.openapi.auth,http.openapi.document_auth,connection.http.auth}.basic.{user,password}",
    "{http.openapi.auth,http.openapi.document_auth,connection.http.auth}.header.{name,value}",
)
@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"basic": {"user": "ann", "password": "pw"}}, "authorization", BASIC),
        ({"bearer": "tok"}, "authorization", "Bearer tok"),
        ({"header": {"name": "X-Key", "value": "k"}}, "x-key", "k"),
        (None, "authorization", None),
    ],
)
@everywhere
async def test_credentials(site, place, auth, name, value):
    action, key, path = place
    await ask(site, action, **{key: auth})
    [seen] = asked(site, path)
    assert seen["headers"].get(name) == value
    # And nowhere else: who we are at one place is nobody's business at the other.
    assert all(name not in other["headers"] for other in site.seen if other["path"] != path)


OAUTH = {
    "client_id": "me",
    "client_secret": "pass",
    "client_assertion": "jwt",
    "scope": "read",
    "audience": ["shop"],
    "username": "ann",
    "password": "pw",
    "refresh_token": "again",
}


@pytest.mark.proves(
    "{http.request.auth,http.openapi.auth,http.openapi.document_auth,connection.http.auth}.oauth2",
    "{http.request.auth,http.openapi.auth,http.openapi.document_auth,connection.http.auth}.oauth2.{token_url,grant,client_id,client_secret,"
    "client_assertion,scope,audience,username,password,refresh_token}",
)
@everywhere
async def test_oauth2(site, place):
    """The token is asked for with what is given, and with nothing else."""
    action, key, path = place
    for number, (name, value) in enumerate(OAUTH.items(), 1):
        grant = {"password": "password", "username": "password", "refresh_token": "refresh_token"}.get(
            name, "client_credentials"
        )
        oauth2 = {"token_url": f"{site.url}/token?{number}", "grant": grant, name: value}
        await ask(site, action, **{key: {"oauth2": oauth2}})
        token = asked(site, "/token")[-1]
        fields = dict(pair.split("=") for pair in token["body"].split("&"))
        assert token["headers"]["content-type"] == "application/x-www-form-urlencoded"
        fields.pop("client_assertion_type", None)
        assert fields == {"grant_type": grant, name: value[0] if isinstance(value, list) else value}
        assert asked(site, path)[-1]["headers"]["authorization"] == "Bearer tok"
        assert len(asked(site, "/token")) == number


@pytest.mark.proves(
    "{http.request.auth,http.openapi.auth,http.openapi.document_auth,connection.http.auth}.oauth2.{discovery,client_auth,json,subject,actor}",
    "{http.request.auth,http.openapi.auth,http.openapi.document_auth,connection.http.auth}.oauth2.{subject,actor}.{token,type}",
)
@everywhere
async def test_more_of_oauth2(site, place):
    action, key, path = place
    client = {"client_id": "ann", "client_secret": "pw"}

    async def token(**more):
        await ask(site, action, **{key: {"oauth2": {**client, **more}}})
        assert asked(site, path)[-1]["headers"]["authorization"] == "Bearer tok"
        return asked(site, "/token")[-1]

    url = f"{site.url}/token"
    assert (await token(discovery=f"{site.url}/found"))["query"] == "by=discovery"
    in_form = await token(token_url=url + "?1")
    assert ("client_secret=pw" in in_form["body"], "authorization" in in_form["headers"]) == (True, False)
    in_header = await token(token_url=url + "?2", client_auth="client_secret_basic")
    assert (in_header["body"], in_header["headers"]["authorization"]) == ("grant_type=client_credentials", BASIC)
    not_at_all = await token(token_url=url + "?3", client_auth="none")
    assert "pw" not in not_at_all["body"] + not_at_all["headers"].get("authorization", "")
    in_json = await token(token_url=url + "?4", json=True)
    assert in_json["headers"]["content-type"] == "application/json"
    assert '"client_secret":"pw"' in in_json["body"]
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    for_whom = {"subject": {"token": "s-tok", "type": "s-type"}, "actor": {"token": "a-tok", "type": "a-type"}}
    body = (await token(token_url=url + "?5", grant=exchange, **for_whom))["body"]
    for pair in ("subject_token=s-tok", "subject_token_type=s-type", "actor_token=a-tok", "actor_token_type=a-type"):
        assert pair in body.split("&")


@pytest.mark.proves("http.openapi.{document,operation,parameters}")
async def test_operations(site):
    output = await ask(site, parameters={"id": "a/b", "q": "x y"})
    assert output["body"] == {"a": 1}
    get = site.seen[-1]
    assert (get["method"], get["path"], get["query"]) == ("GET", "/api/things/a/b", "q=x+y")
    await ask(site, operation="put", parameters={"id": "8", "body": {"n": 1}})
    put = site.seen[-1]
    assert (put["method"], put["path"], put["body"]) == ("POST", "/api/things/8", '{"n":1}')
    with pytest.raises(PermanentError, match="nothing"):
        await ask(site, operation="nothing")


@pytest.mark.proves("http.openapi.{follow_redirects,success,timeout,raw}", "http.request.raw")
async def test_how_operations_are_called(site):
    assert (await ask(site, parameters={"id": "moved"}))["status_code"] == 200
    with pytest.raises(StepError, match="302"):
        await ask(site, parameters={"id": "moved"}, follow_redirects=False)
    assert (await ask(site, parameters={"id": "gone"}, success=410))["success"]
    with pytest.raises(StepError, match="410"):
        await ask(site, parameters={"id": "gone"})
    with pytest.raises(StepError, match="longer than 200ms"):
        await ask(site, parameters={"id": "slow"}, timeout="200ms")
    for action in ("http.openapi", "http.request"):
        assert (await ask(site, action))["body"] == {"a": 1}
        assert (await ask(site, action, raw=True))["body"] == base64.b64encode(b'{"a": 1}').decode()


@pytest.mark.proves("file.{copy,move}.make_dirs")
@pytest.mark.parametrize("name", ["file.copy", "file.move"])
async def test_make_dirs(tmp_path, name):
    (tmp_path / "a").write_text("1")
    ctx = action_context(settings={"file_roots": (str(tmp_path),)})
    params = {"path": str(tmp_path / "a"), "to": str(tmp_path / "new" / "b")}
    with pytest.raises(PermanentError) as caught:
        await call(ACTIONS[name], {**params, "make_dirs": False}, ctx)
    assert caught.value.kind == "file.not_found"
    assert not (tmp_path / "new").exists()
    await call(ACTIONS[name], params, ctx)
    assert (tmp_path / "new" / "b").read_text() == "1"


@pytest.mark.proves("log.{debug,info,warn,error}.fields")
@pytest.mark.parametrize("name", ["debug", "info", "warn", "error"])
async def test_fields(caplog, name):
    with caplog.at_level(logging.DEBUG):
        output = await call(ACTIONS[f"log.{name}"], {"message": "m", "fields": {"a": 1}, "b": 2})
    assert output["fields"] == {"a": 1, "b": 2}
    assert caplog.records[-1].getMessage() == "m a=1 b=2"


@pytest.mark.proves("database.{insert,update,delete}.timeout", "database.update.returning")
async def test_changes_are_bounded_in_time(tmp_path):
    """A trigger of the database that never ends is stopped, and nothing of it stays."""
    ctx = action_context(settings={"file_roots": (str(tmp_path),)})

    async def run(name, /, **params):
        return await call(ACTIONS[f"database.{name}"], {"url": "sqlite:///t.db", **params}, ctx)

    def execute(sql):
        with contextlib.closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as direct:
            direct.execute(sql)

    try:
        await run("query", sql="CREATE TABLE t (id integer PRIMARY KEY, a int)")
        await run("insert", table="t", row={"a": 1})
        assert (await run("update", table="t", set={"a": 2}, all=True))["row_count"] == 1
        changed = await run("update", table="t", set={"a": 1}, all=True, returning=["id", "a"])
        assert changed["rows"] == [{"id": 1, "a": 1}]
        endless = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)"
        for kind, name, params in (
            ("INSERT", "insert", {"row": {"a": 5}}),
            ("UPDATE", "update", {"set": {"a": 5}, "all": True}),
            ("DELETE", "delete", {"all": True}),
        ):
            execute(f"CREATE TRIGGER slow AFTER {kind} ON t BEGIN SELECT {endless}; END")
            with pytest.raises(StepError) as caught:
                await run(name, table="t", timeout="200ms", **params)
            assert caught.value.kind == "database.timeout"
            execute("DROP TRIGGER slow")
            assert (await run("query", sql="SELECT a FROM t"))["rows"] == [{"a": 1}]
    finally:
        ENGINES.close()
