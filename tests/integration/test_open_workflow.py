"""Open Workflow documents in a whole Reactor: real processes, real HTTP, events, a restart."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.testing.running import RunningReactor, running_reactor

LOCAL = ("127.0.0.0/8",)
HEAD = "document: {dsl: '1.0.3', namespace: test, name: NAME, version: '0.1.0'}\n"


class Web:
    """A server that notes what it is asked; `answers`: path → body, or a function of the request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = head[0].split(" ")
        seen = {"method": method, "target": target, "headers": headers, "body": body.decode()}
        self.seen.append(seen)
        found = self.answers.get(target.partition("?")[0])
        status = 404 if found is None else 200
        made = found(seen) if callable(found) else found
        content = made if isinstance(made, bytes) else json.dumps(made).encode()
        reply = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        writer.write(reply.encode() + b"connection: close\r\n\r\n" + content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def web() -> AsyncIterator[Web]:
    made = Web()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


def documents(**texts: str) -> dict[str, str]:
    return {name: HEAD.replace("NAME", name) + text for name, text in texts.items()}


async def run(reactor: RunningReactor, name: str, data: Any = None) -> dict[str, Any]:
    receipt = await reactor.post(f"/flows/{name}/run", {"data": data})
    return await reactor.finished(receipt["runs"][0]["id"])


async def output(reactor: RunningReactor, name: str, data: Any = None) -> Any:
    ended = await run(reactor, name, data)
    assert ended["status"] == "completed", ended["error"]
    return ended["output"]


SHELL = """
do:
  - a:
      run:
        shell: {command: 'printf "%s|%s|%s" "$(cat)" "$1" "$FOO"', stdin: '${ .x }', arguments: ['${ .y }'],
          environment: {FOO: bar}}
"""
PYTHON = """
do:
  - a:
      run:
        script:
          language: python
          code: |
            import os, sys
            print(sys.stdin.read(), sys.argv[1], os.environ["FOO"], end="")
          stdin: '${ .x }'
          arguments: [hello]
          environment: {FOO: bar}
"""
NODE = """
do:
  - a:
      run:
        script:
          language: js
          code: |
            import { readFileSync } from 'node:fs';
            const [_, __, arg] = process.argv;
            process.stdout.write(readFileSync(process.stdin.fd, 'utf8') + arg + process.env.FOO);
          stdin: '${ .x }'
          arguments: [hello]
          environment: {FOO: bar}
"""


async def test_shell_and_scripts():
    bad = "do: [{a: {run: {shell: {command: exit 3}}}}]"
    code = "do: [{a: {run: {shell: {command: exit 3}, return: code}}}]"
    async with running_reactor(documents(shell=SHELL, python=PYTHON, node=NODE, bad=bad, code=code)) as reactor:
        assert await output(reactor, "code") == 3
        assert await output(reactor, "shell", {"x": "in", "y": "'; echo $HOME"}) == "in|'; echo $HOME|bar"
        assert await output(reactor, "python", {"x": "in"}) == "in hello bar"
        if shutil.which("node"):
            assert await output(reactor, "node", {"x": "in"}) == "inhellobar"
        assert (await run(reactor, "bad"))["error"]["kind"] == "exit.3"


async def test_raw_and_response_outputs():
    text = "do: [{a: {call: http, with: {method: get, endpoint: URL/x, output: %s}}}]"
    async with web() as site:
        site.answers["/x"] = b'{"a":  1}'
        made = {how: (text % how).replace("URL", site.url) for how in ("raw", "content", "response")}
        async with running_reactor(documents(**made), http_allow=LOCAL) as reactor:
            assert base64.b64decode(await output(reactor, "raw")) == b'{"a":  1}'
            assert await output(reactor, "content") == {"a": 1}
            response = await output(reactor, "response")
    assert response["request"] == {"method": "GET", "uri": f"{site.url}/x", "headers": {}}
    assert (response["statusCode"], response["content"]) == (200, {"a": 1})


OPENAPI = """
openapi: 3.1.0
info: {title: t, version: '1'}
servers: [{url: '/api/{v}', variables: {v: {default: v1}}}]
components:
  parameters: {id: {name: id, in: path, required: true, schema: {type: string}}}
paths:
  /things/{id}:
    parameters: [{$ref: '#/components/parameters/id'}]
    put:
      operationId: putThing
      parameters:
        - {name: tag, in: query, schema: {type: array}}
        - {name: X-Trace, in: header, schema: {type: string}}
      requestBody: {required: true, content: {application/json: {}}}
"""


async def test_openapi_operations():
    text = """
use: {secrets: [token]}
do:
  - a:
      call: openapi
      with:
        document: {endpoint: URL/openapi.yaml}
        operationId: OPERATION
        authentication: {bearer: {token: '${ $secrets.token }'}}
        parameters: PARAMETERS
        output: response
"""
    good = "{id: 'a/b', tag: [x, y z], X-Trace: t1, body: {n: '${ .n }'}}"
    cases = {"good": ("putThing", good), "unknown": ("nothing", "{}"), "missing": ("putThing", "{body: 1}")}
    async with web() as site:
        site.answers |= {"/openapi.yaml": OPENAPI.encode(), "/api/v1/things/a%2Fb": {"ok": True}}
        made = {
            name: text.replace("URL", site.url).replace("OPERATION", operation).replace("PARAMETERS", parameters)
            for name, (operation, parameters) in cases.items()
        }
        async with running_reactor(documents(**made), http_allow=LOCAL) as reactor:
            reactor.app.vault.set("token", "s3cret-token")
            response = await output(reactor, "good", {"n": 5})
            unknown, missing = [await run(reactor, name, {}) for name in ("unknown", "missing")]
    assert response["content"] == {"ok": True}
    assert response["request"]["uri"] == f"{site.url}/api/v1/things/a%2Fb"
    sent = next(one for one in site.seen if one["method"] == "PUT")
    assert (sent["target"], json.loads(sent["body"])) == ("/api/v1/things/a%2Fb?tag=x&tag=y+z", {"n": 5})
    assert (sent["headers"]["authorization"], sent["headers"]["x-trace"]) == ("Bearer s3cret-token", "t1")
    assert "has no operation 'nothing'; there is putThing" in unknown["error"]["message"]
    assert "needs the parameter 'id'" in missing["error"]["message"]


async def test_openapi_keeps_to_the_guard():
    text = "do: [{a: {call: openapi, with: {document: {endpoint: URL/x}, operationId: y}}}]"
    async with web() as site:
        async with running_reactor(documents(a=text.replace("URL", site.url))) as reactor:
            ended = await run(reactor, "a")
        assert ended["error"]["kind"] == "http.refused"
        assert site.seen == []


@pytest.mark.parametrize("kind", ["oauth2", "oidc"])
async def test_tokens_are_fetched_and_kept(kind):
    policy = "{authority: URL/realm, grant: client_credentials, client: {id: me, secret: pass}, scopes: [a, b]}"
    text = f"""
do:
  - a: {{call: http, with: {{method: get, endpoint: {{uri: URL/x, authentication: {{{kind}: {policy}}}}}}}}}
  - b: {{call: http, with: {{method: get, endpoint: {{uri: URL/x, authentication: {{{kind}: {policy}}}}}}}}}
"""
    async with web() as site:
        site.answers = {
            "/x": lambda seen: {"auth": seen["headers"].get("authorization")},
            "/realm/.well-known/openid-configuration": {"token_endpoint": f"{site.url}/realm/oauth2/token"},
            "/realm/oauth2/token": {"access_token": "tok-1", "expires_in": 300},
        }
        async with running_reactor(documents(a=text.replace("URL", site.url)), http_allow=LOCAL) as reactor:
            assert await output(reactor, "a") == {"auth": "Bearer tok-1"}
    asked = [one for one in site.seen if one["method"] == "POST"]
    assert len(asked) == 1
    assert sorted(asked[0]["body"].split("&")) == [
        "client_id=me",
        "client_secret=pass",
        "grant_type=client_credentials",
        "scope=a+b",
    ]


async def test_a_token_that_is_not_given():
    policy = "{oauth2: {authority: URL/no, grant: client_credentials, client: {id: me, secret: pass}}}"
    text = f"do: [{{a: {{call: http, with: {{method: get, endpoint: {{uri: URL/x, authentication: {policy}}}}}}}}}]"
    async with web() as site:
        site.answers["/no/oauth2/token"] = {"error": "nope"}
        async with running_reactor(documents(a=text.replace("URL", site.url)), http_allow=LOCAL) as reactor:
            ended = await run(reactor, "a")
    assert ended["error"]["kind"] == "http.401"
    assert all(one["target"] != "/x" for one in site.seen)


async def test_workflows_start_each_other_and_by_events():
    texts = documents(
        parent="schedule: {on: {one: {with: {type: order.created, data: '${ .n > 1 }'}}}}\n"
        "do: [{a: {run: {workflow: {namespace: test, name: child, version: latest, input: {n: '${ .[0].n }'}}}}},"
        " {b: {emit: {event: {with: {type: order.done, source: https://shop, data: '${ . }'}}}}}]",
        child="input: {schema: {document: {type: object, properties: {n: {type: integer}}}}}\n"
        "do: [{a: {set: {double: '${ .n * 2 }'}}}]",
    )
    async with running_reactor(texts) as reactor:
        assert (await reactor.send("order.created", {"n": 1}))["runs"] == []
        receipt = await reactor.send("order.created", {"n": 4})
        ended = await reactor.finished(receipt["runs"][0]["id"])
        events = (await reactor.get("/events"))["items"]
    assert ended["output"]["data"] == {"double": 8}
    assert next(one for one in events if one["type"] == "order.done")["source"] == "https://shop"


async def test_a_run_goes_on_after_a_restart(tmp_path: Path):
    """In the middle of a list that goes back, in a loop."""
    texts = documents(
        a="""
do:
  - init: {set: {n: 0, seen: []}}
  - rest: {wait: {milliseconds: 150}}
  - each: {for: {in: '[1, 2]'}, do: [{w: {wait: {milliseconds: 100}}}, {s: {set: '${ .seen += [$item] }'}}]}
  - add: {set: '${ .n += 1 }', export: {as: '{ n: .n }'}}
  - more: {switch: [{again: {when: .n < 3, then: rest}}, {done: {then: exit}}]}
output: {as: '. + { context: $context }'}
"""
    )
    async with running_reactor(texts, data=tmp_path / "data") as reactor:
        receipt = await reactor.post("/flows/a/run", {"data": {}})
        run_id = receipt["runs"][0]["id"]
        while not any("each" in step["path"] for step in (await reactor.get(f"/runs/{run_id}"))["steps"]):
            await asyncio.sleep(0.02)
    for _ in range(2):
        async with running_reactor(texts, data=tmp_path / "data") as reactor:
            await asyncio.sleep(0.3)
    async with running_reactor(texts, data=tmp_path / "data") as reactor:
        ended = await reactor.finished(run_id)
    assert ended["output"] == {"n": 3, "seen": [1, 2, 1, 2, 1, 2], "context": {"n": 3}}


async def test_listening_goes_on_after_a_restart(tmp_path: Path):
    """Events that come before, between and after; the pair is correlated, others are left alone."""
    texts = documents(
        a="""
do:
  - many:
      listen: {to: {any: [{with: {type: tick, data: '${ .n > 0 }'}}], until: '( . | length ) == 3'}}
      foreach: {item: e, do: [{x: {set: '${ $e.n * 10 }'}}]}
  - pair:
      listen:
        read: envelope
        to:
          all:
            - {with: {type: order}, correlate: {id: {from: .data.id}}}
            - {with: {type: paid}, correlate: {id: {from: .data.id}}}
      output: {as: '{ many: $input, pair: map(.data.id) }'}
      timeout: {after: PT20S}
"""
    )
    async with running_reactor(texts, data=tmp_path / "data") as reactor:
        run_id = (await reactor.post("/flows/a/run", {"data": {}}))["runs"][0]["id"]
        for number in (0, 1, 2):
            await reactor.send("tick", {"n": number})
        await reactor.send("order", {"id": 7})
        await reactor.send("paid", {"id": 8})
        while (await reactor.get(f"/runs/{run_id}"))["status"] != "waiting":
            await asyncio.sleep(0.02)
    async with running_reactor(texts, data=tmp_path / "data") as reactor:
        await reactor.send("tick", {"n": 3})
        await reactor.send("paid", {"id": 7})
        ended = await reactor.finished(run_id)
    assert ended["status"] == "completed", ended["error"]
    assert ended["output"] == {"many": [10, 20, 30], "pair": [7, 7]}


async def test_all_of_several_events_start_a_workflow():
    text = """
schedule:
  on:
    all:
      - {with: {type: temperature, source: sensor, data: '${ .v > 0 }'}, correlate: {room: {from: .data.room}}}
      - {with: {type: humidity}, correlate: {room: {from: .data.room}}}
do: [{a: {set: {got: '${ $workflow.input | map(.v) }'}}}]
"""
    async with running_reactor(documents(a=text)) as reactor:
        await reactor.armed()
        await reactor.send("temperature", {"v": 1, "room": "a"}, source="elsewhere")
        await reactor.send("temperature", {"v": 0, "room": "a"}, source="sensor")
        await reactor.send("humidity", {"v": 2, "room": "a"})
        await reactor.send("temperature", {"v": 3, "room": "b"}, source="sensor")
        await reactor.send("temperature", {"v": 4, "room": "a"}, source="sensor")
        runs: list[Any] = []
        while not runs:
            await asyncio.sleep(0.01)
            runs = (await reactor.get("/runs", flow="a"))["items"]
        ended = await reactor.finished(runs[0]["id"])
    assert ended["output"] == {"got": [2, 4]}
