"""Connections, dead letters and gaps, as the API and the command line show them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.sdk.delivery import deliver
from reactor.server import shapes, trigger_shapes
from tests.integration.test_trigger_truth import USER, Rig, bad, good, running

pytestmark = pytest.mark.anyio
REACTOR = Path(sys.executable).with_name("reactor")


async def api(it: Rig, method: str, path: str, shape: Any = None, status: int = 200, **given: Any) -> Any:
    """One request; its answer has the shape that OpenAPI tells."""
    answer = await it.reactor.http.request(method, f"/api/v1{path}", **given)
    assert answer.status_code == status, answer.text
    if shape is not None:
        msgspec.convert(answer.json(), shape)
    return answer.json()


async def cli(it: Rig, *words: str, code: int = 0) -> str:
    """One command, as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        REACTOR,
        *words,
        "--data",
        str(it.reactor.app.settings.data),
        "--url",
        it.reactor.url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == code, told.decode()
    return told.decode()


SHAPE = trigger_shapes.ConnectionShape
PEM = {"cert": "c.pem", "key": "-----BEGIN PRIVATE KEY-----"}
OAUTH = {"oauth2": {"token_url": "http://h", "grant": "refresh_token", "refresh_token": "open"}}


async def test_connections_are_saved_shown_tested_and_forgotten(tmp_path: Path) -> None:
    async with running(text=USER, data=tmp_path / "data") as it:
        assert (await api(it, "GET", "/connections", shapes.Listed[SHAPE]))["items"] == []
        body = {"type": "station", "settings": {"url": "a", "password": "{{ secrets.PASS }}"}}
        it.reactor.app.vault.set("PASS", "s3cret")
        row = await api(it, "PUT", "/connections/main", SHAPE, json=body)
        assert (row["settings"]["password"], row["flow"]) == ("{{ secrets.PASS }}", None)
        await it.until(lambda: it.status.state == "armed")
        row = await api(it, "GET", "/connections/main", SHAPE)
        assert (row["health"], row["used_by"]) == ("ok", ["taker/0"])
        tested = await api(it, "POST", "/connections/main/test", trigger_shapes.TestShape)
        assert (tested["ok"], tested["message"]) == (True, "Station at a")
        assert "s3cret" not in json.dumps(await api(it, "GET", "/connections"))
        await api(it, "PUT", "/connections/spare", SHAPE, json={"type": "station", "settings": {"url": "down"}})
        await api(it, "POST", "/connections/spare/test")
        row = await api(it, "GET", "/connections/spare", SHAPE)
        assert (row["health"], row["reason"]) == ("failing", "the station does not answer; is it on?")
        first = await api(it, "GET", "/connections?limit=1&type=station", shapes.Listed[SHAPE])
        assert [one["name"] for one in first["items"]] == ["main"]
        rest = await api(it, "GET", f"/connections?limit=1&cursor={first['next']}")
        assert ([one["name"] for one in rest["items"]], rest["next"]) == (["spare"], None)
        await api(it, "DELETE", "/connections/main", SHAPE)
        await it.until(lambda: it.status.state == "failed")
        assert "no saved connection 'main'" in (await api(it, "GET", "/connections/main", status=404))["detail"]
        await api(it, "DELETE", "/connections/main", status=404)


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("main", {"type": "statoin"}, "no connection type 'statoin'"),
        ("main", {"type": "station", "settings": {"url": "a", "password": "open"}}, "`password` is secret"),
        ("main", {"type": "station", "settings": {"url": 7}}, "Expected `str`"),
        ("main", {"type": "station", "settings": {"url": "x" * 70_000}}, "at most 65536 bytes"),
        ("main", {"type": "station", "setings": {}}, "no field 'setings'"),
        ("a%20b", {"type": "station", "settings": {"url": "a"}}, "cannot be a connection's name"),
        ("a" * 65, {"type": "station", "settings": {"url": "a"}}, "cannot be a connection's name"),
        ("a%0A", {"type": "station", "settings": {"url": "a"}}, "cannot be a connection's name"),
        ("a%00", {"type": "station", "settings": {"url": "a"}}, "cannot be a connection's name"),
        ("%C3%A4", {"type": "station", "settings": {"url": "a"}}, "cannot be a connection's name"),
        ("main", {"type": "x" * 60_000}, "no connection type 'xxx"),
        ("main", {"type": "station", "settings": {"url": "{{ secrets.A | upper }}"}}, "takes only {{ secrets.NAME }}"),
        ("main", {"type": "station", "settings": {"url": "a", "x" * 60_000: 1}}, "unknown field"),
        ("main", {"type": "http", "settings": {"base_url": "http://u:open@h"}}, "the password in `base_url`"),
        ("main", {"type": "postgres", "settings": {"url": "postgresql://h/d?password=open"}}, "the password in `url`"),
        ("main", {"type": "redis", "settings": {"url": "redis://h", "tls": PEM}}, "`tls.key` is secret"),
        ("main", {"type": "http", "settings": {"base_url": "http://h", "auth": OAUTH}}, "refresh_token` is secret"),
        ("main", {"type": "mqtt", "settings": {"url": "mqtt://h", "version": "x" * 60_000}}, "`$.version`"),
    ],
)
async def test_what_cannot_be_a_connection_is_refused(name: str, body: dict[str, Any], why: str) -> None:
    async with running() as it:
        told = (await api(it, "PUT", f"/connections/{name}", status=400, json=body))["detail"]
        assert why in told
        assert len(told) < 500
        assert (await api(it, "GET", "/connections"))["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "station", "settings": {"url": "\xff\xfe"}}',
        b'{"type": "station", "settings": {"url": "\\ud800"}}',
        '{"type": "station"}'.encode("utf-16"),
        b'{"type": "station", "settings": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
        b'{"type": "station", "settings": {"url": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"type": "station", "settings": {"url": NaN}}',
        b"",
        b"[]",
        b"\0",
    ],
)
async def test_bodies_that_are_no_connection_are_refused(body: bytes) -> None:
    async with running() as it:
        headers = {"content-type": "application/json"}
        told = await api(it, "PUT", "/connections/main", status=400, content=body, headers=headers)
        assert 0 < len(told["detail"]) < 500
        assert (await api(it, "GET", "/connections"))["items"] == []


async def test_a_key_in_a_file_is_named_in_the_open() -> None:
    async with running() as it:
        settings = {"url": "redis://h", "tls": {"cert": "redis.pem", "key": "redis.key"}}
        row = await api(it, "PUT", "/connections/main", SHAPE, json={"type": "redis", "settings": settings})
        assert row["settings"] == settings


async def test_a_flow_s_own_connection_is_shown_without_what_may_be_secret() -> None:
    own = USER + "connections: {main: {type: station, url: own, password: open}}\n"
    async with running(text=own) as it:
        [row] = (await api(it, "GET", "/connections", shapes.Listed[SHAPE]))["items"]
        assert (row["name"], row["flow"], row["health"], row["used_by"]) == ("main", "taker", "ok", ["taker/0"])
        assert row["settings"] == {"url": "…", "password": "…"}


async def test_dead_letters_are_listed_shown_retried_and_dropped() -> None:
    async with running() as it:
        await deliver(it.ctx, [bad(b"one"), bad(b"\xff\x00"), bad(b"three"), good(4)])
        found = await api(it, "GET", "/dead-letters?limit=2", shapes.Listed[trigger_shapes.LetterRow])
        rest = await api(it, "GET", f"/dead-letters?limit=2&cursor={found['next']}")
        ids = [one["id"] for one in (*found["items"], *rest["items"])]
        assert (len(ids), rest["next"]) == (3, None)
        whole = await api(it, "GET", f"/dead-letters/{ids[0]}", trigger_shapes.LetterShape)
        assert (whole["text"], whole["reason"], whole["metadata"]) == ("three", "no JSON", {"topic": "a"})
        assert (await api(it, "GET", f"/dead-letters/{ids[1]}"))["base64"] == "/wA="
        assert "still no JSON" in (await api(it, "POST", f"/dead-letters/{ids[0]}/retry", status=409))["detail"]
        await api(it, "POST", f"/dead-letters/{ids[0]}/retry", shapes.ReceiptShape, json={"data": [3]})
        await api(it, "DELETE", f"/dead-letters/{ids[1]}", trigger_shapes.LetterShape)
        it.feed.readable = True
        receipt = await api(it, "POST", f"/dead-letters/{ids[2]}/retry", shapes.ReceiptShape)
        assert [run["flow"] for run in receipt["runs"]] == ["taker"]
        assert await it.runs() == [4, [3], "one"]
        [row] = (await api(it, "GET", "/triggers", shapes.Listed[trigger_shapes.TriggerShape]))["items"]
        assert (row["letters"], row["errors"], row["events"], row["connections"]) == (0, 3, 1, [])
        for method, path in [("GET", ids[0]), ("DELETE", ids[1]), ("GET", "ltr_none"), ("GET", "run_0000000000001")]:
            await api(it, method, f"/dead-letters/{path}", status=404)
        assert (await api(it, "GET", "/dead-letters?trigger=other/0"))["items"] == []


async def test_all_dead_letters_of_a_trigger_are_dropped_in_a_few_commits() -> None:
    async with running() as it:
        await deliver(it.ctx, [bad()] * 2_500)
        before = it.engine.executor.committer.commits
        assert await api(it, "POST", "/dead-letters/drop", json={"trigger": "other/0"}) == {"dropped": 0}
        shape = trigger_shapes.Dropped
        assert await api(it, "POST", "/dead-letters/drop", shape, json={"trigger": "taker/0"}) == {"dropped": 2_500}
        assert it.engine.executor.committer.commits - before < 10
        assert (it.status.letters, await it.engine.letters.page(None, None, 1)) == (0, [])
        await api(it, "POST", "/dead-letters/drop", status=400, json={})


async def test_a_gap_is_shown_until_it_is_confirmed() -> None:
    async with running() as it:
        it.ctx.gap("entries 5 to 9 were trimmed")
        await it.until(lambda: it.engine.intake.accepted)
        [row] = (await api(it, "GET", "/triggers", shapes.Listed[trigger_shapes.TriggerShape]))["items"]
        assert row["gap"]["reason"] == "entries 5 to 9 were trimmed"
        shape = trigger_shapes.TriggerShape
        assert (await api(it, "POST", "/triggers/taker/0/confirm-gap", shape))["gap"] is None
        await api(it, "POST", "/triggers/taker/0/confirm-gap", status=404)


async def test_connectors_are_listed() -> None:
    async with running() as it:
        found = await api(it, "GET", "/connectors?limit=1000", shapes.Listed[trigger_shapes.ConnectorShape])
        [feeds] = [one for one in found["items"] if one["name"] == "feeds"]
        assert feeds["triggers"] == ["feed"]
        assert feeds["connections"][0]["settings"] == [
            {"name": "url", "required": True, "secret": False},
            {"name": "password", "required": False, "secret": True},
        ]
        assert {"kafka", "http", "database"} <= {one["name"] for one in found["items"]}


async def test_figures_of_triggers_for_prometheus() -> None:
    async with running() as it:
        await deliver(it.ctx, [good(1), bad()])
        it.ctx.lag(17)
        text = (await it.reactor.http.get("/metrics")).text
        for line in (
            'reactor_trigger_lag{trigger="taker/0",kind="feed"} 17',
            'reactor_trigger_listening{trigger="taker/0",kind="feed"} 1',
            'reactor_trigger_events_total{trigger="taker/0",kind="feed"} 1',
            'reactor_trigger_errors_total{trigger="taker/0",kind="feed"} 1',
            'reactor_dead_letters{trigger="taker/0",kind="feed"} 1',
        ):
            assert line in text.splitlines()


async def test_the_command_line() -> None:
    async with running() as it:
        assert "saved" in await cli(it, "connections", "set", "main", "--type", "station", "url=a")
        assert "Station at a" in await cli(it, "connections", "test", "main")
        assert "all flows" in await cli(it, "connections", "list")
        await cli(it, "connections", "set", "bad", "--type", "station", "url=down")
        assert "is it on?" in await cli(it, "connections", "test", "bad", code=1)
        assert json.loads(await cli(it, "connections", "show", "bad", "--json"))["health"] == "failing"
        assert "`password` is secret" in await cli(
            it, "connections", "set", "x", "--type", "station", "url=a", "password=b", code=2
        )
        await cli(it, "connections", "delete", "bad")
        await deliver(it.ctx, [bad(b"one"), bad(b"two")])
        told = json.loads(await cli(it, "dead-letters", "list", "--json"))["items"]
        assert "one" in await cli(it, "dead-letters", "show", told[1]["id"])
        assert "name the dead letters" in await cli(it, "dead-letters", "retry", code=2)
        assert "still no JSON" in await cli(it, "dead-letters", "retry", "--all", code=1)
        await cli(it, "dead-letters", "retry", told[0]["id"], "--with", '{"n": 2}')
        await cli(it, "dead-letters", "drop", "--trigger", "taker/0", "--all")
        assert "no dead letters" in await cli(it, "dead-letters", "list")
        it.ctx.gap("lost 5 to 9")
        assert "lost 5 to 9" in await cli(it, "triggers", "list")
        assert "confirmed" in await cli(it, "triggers", "confirm-gap", "taker/0")


async def test_a_connection_tells_what_a_form_needs_and_who_uses_it() -> None:
    """The schema of every type stands alone, knows what is secret, and each setting has words."""
    flow = """
name: teller
on: {event: tell}
steps:
  - {action: http.request, with: {connection: shop, url: /a}}
  - {action: http.request, with: {connection: "{{ event.data.which }}", url: /a}}
"""
    async with running(text=flow) as it:
        await api(it, "PUT", "/connections/shop", json={"type": "http", "settings": {"base_url": "http://x.example"}})
        row = await api(it, "GET", "/connections/shop", trigger_shapes.ConnectionShape)
        assert row["flows"] == ["teller"]
        found = await api(it, "GET", "/connectors", shapes.Listed[trigger_shapes.ConnectorShape])
        forms = {kind["name"]: kind["form"] for one in found["items"] for kind in one["connections"]}
        assert "$ref" not in json.dumps(forms)
        assert {"http", "kafka", "nats", "redis", "mqtt", "postgres", "mysql", "imap", "smtp", "sqlite"} <= forms.keys()
        http = forms["http"]
        assert http["required"] == ["base_url"]
        assert http["properties"]["base_url"]["description"].startswith("http or https")
        (auth,) = [one for one in http["properties"]["auth"]["anyOf"] if one.get("type") == "object"]
        (basic,) = [one for one in auth["properties"]["basic"]["anyOf"] if one.get("type") == "object"]
        assert basic["properties"]["password"]["writeOnly"] is True
        assert "writeOnly" not in basic["properties"]["user"]
        assert auth["properties"]["bearer"]["writeOnly"] is True
        assert '"title"' not in json.dumps(forms)


async def test_a_trigger_says_in_plain_words_what_it_listens_for() -> None:
    async with running(text="name: taker\non: [{webhook: /orders, expect: 5m}]\nsteps: [{set: {x: 1}}]\n") as it:
        (row,) = (await api(it, "GET", "/triggers", shapes.Listed[trigger_shapes.TriggerShape]))["items"]
        assert (row["says"], row["expects_within_ms"]) == ("an HTTP POST to /orders comes", 300_000)
