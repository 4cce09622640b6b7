"""The conformance kit of the Open Workflow Specification, on a whole Reactor. Its hosts are a stub on loopback."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest

from reactor.language.dialects.openworkflow import problem_of
from reactor.language.yaml_events import read as read_yaml
from reactor.testing.running import RunningReactor, running_reactor
from tests.conformance import gherkin
from tests.conformance.open_workflow_data import folder, needs_data

pytestmark = needs_data
DATA = folder()
SCENARIOS = (
    [one for path in sorted((DATA / "ctk/features").glob("*.feature")) for one in gherkin.read(path)] if DATA else []
)
PETS = [{"id": number, "name": f"Pet {number}", "status": "available"} for number in (1, 2)]
HOSTS = re.compile(r"https://(petstore\.swagger\.io|httpbin\.org)\b")


def answer(path: str, headers: dict[str, str], host: str) -> tuple[int, Any]:
    """The part of the pet store and of httpbin that the kit asks for."""
    if path == "/v2/swagger.json":
        return 200, {
            "swagger": "2.0",
            "host": host,
            "basePath": "/v2",
            "schemes": ["http"],
            "paths": {
                "/pet/findByStatus": {
                    "get": {
                        "operationId": "findPetsByStatus",
                        "parameters": [
                            {
                                "name": "status",
                                "in": "query",
                                "type": "array",
                                "collectionFormat": "multi",
                                "required": True,
                            }
                        ],
                    }
                },
                "/pet/{petId}": {
                    "get": {
                        "operationId": "getPetById",
                        "parameters": [{"name": "petId", "in": "path", "type": "integer", "required": True}],
                    }
                },
            },
        }
    if path == "/v2/pet/findByStatus?status=available":
        return 200, PETS
    if match := re.fullmatch(r"/v2/pet/(\d+)", path):
        return next(((200, pet) for pet in PETS if pet["id"] == int(match[1])), (404, {"message": "Pet not found"}))
    if match := re.fullmatch(r"/basic-auth/([^/]+)/([^/]+)", path):
        wanted = "Basic " + base64.b64encode(f"{match[1]}:{match[2]}".encode()).decode()
        return (200, {"authenticated": True}) if headers.get("authorization") == wanted else (401, None)
    return 404, {"message": f"nothing at {path}"}


@asynccontextmanager
async def stub() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        status, body = answer(head[0].split(" ")[1], headers, headers["host"])
        content = json.dumps(body).encode()
        reply = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        reply += f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        writer.write(reply.encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def plain(text: str | None) -> Any:
    root = read_yaml(text or "").root
    return root.plain if root is not None else None


def at(value: Any, path: str) -> Any:
    for part in path.split("."):
        assert isinstance(value, dict), f"{path}: {value!r} is no map"
        assert part in value, f"{path}: there is only {sorted(value)}"
        value = value[part]
    return value


class World:
    """One scenario being played: what was given, and the run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.definition = ""
        self.input: Any = None
        self.run: dict[str, Any] = {}

    async def play(self, scenario: gherkin.Scenario) -> None:
        for step in scenario.steps:
            for pattern, do in STEPS.items():
                if match := re.fullmatch(pattern, step.text):
                    result = do(self, *match.groups(), *([] if step.doc is None else [plain(step.doc), step.doc]))
                    if result is not None:
                        await result
                    break
            else:
                raise AssertionError(f"no step fits {step.text!r}")

    def define(self, _plain: Any, text: str) -> None:
        self.definition = HOSTS.sub(self.url, text)

    def give(self, value: Any, _text: str) -> None:
        self.input = value

    async def execute(self) -> None:
        async with running_reactor({"flow": self.definition}, http_allow=("127.0.0.0/8",)) as reactor:
            assert reactor.app.engine.book.current, "the workflow was not loaded"
            self.run = await self._run(reactor)

    async def _run(self, reactor: RunningReactor) -> dict[str, Any]:
        name = next(iter(reactor.app.engine.book.current))
        has_inputs = reactor.app.engine.book.current[name].inputs is not None
        body = {"inputs": self.input} if has_inputs else {"data": self.input}
        receipt = await reactor.post(f"/flows/{name}/run", body)
        return await reactor.finished(receipt["runs"][0]["id"])

    def completes(self, value: Any = None, text: str | None = None) -> None:
        assert self.run["status"] == "completed", self.run["error"]
        if text is not None:
            assert self.run["output"] == value

    def faults(self, value: Any = None, text: str | None = None) -> None:
        assert self.run["status"] == "failed"
        if text is not None:
            found = problem_of(self.run["error"])
            assert {name: found.get(name) for name in value} == value

    def has_all(self, names: str) -> None:
        for path in re.findall(r"'([^']+)'", names):
            at(self.run["output"], path)

    def has_value(self, path: str, value: Any, _text: str) -> None:
        assert at(self.run["output"], path) == value

    def has_count(self, path: str, count: str) -> None:
        assert len(at(self.run["output"], path)) == int(count)

    @property
    def ran(self) -> list[str]:
        """Tasks that ran, by their names, in the order in which they did."""
        return [step["name"] for step in self.run["steps"] if step["status"] == "completed"]

    def order(self, name: str, where: str, other: str | None = None) -> None:
        tasks = [one for one in self.ran if re.search(rf"^\s*- {re.escape(one)}:\s*$", self.definition, re.MULTILINE)]
        assert name in tasks
        if where == "first":
            assert tasks[0] == name
        elif where == "last":
            assert tasks[-1] == name
        else:
            assert other in tasks
            assert (tasks.index(name) < tasks.index(other)) == (where == "before")

    def ended(self, name: str, how: str, value: Any = None, text: str | None = None) -> None:
        step = next(one for one in self.run["steps"] if one["name"] == name)
        assert step["status"] == {"cancel": "cancelled", "complete": "completed", "fault": "failed"}[how]
        if text is not None:
            found = step["output"] if how == "complete" else problem_of(step["error"])
            assert found == value


STEPS: dict[str, Callable[..., Any]] = {
    r"a workflow with definition:": World.define,
    r"the workflow input is:": World.give,
    r"the workflow is executed": World.execute,
    r"the workflow should complete(?: with output:)?": World.completes,
    r"the workflow should fault(?: with error:)?": World.faults,
    r"the workflow output should have properties (.*)": World.has_all,
    r"the workflow output should have a '([^']+)' property with value:": World.has_value,
    r"the workflow output should have a '([^']+)' property containing (\d+) items": World.has_count,
    r"(\w+) should run (first|last)": World.order,
    r"(\w+) should run (before|after) (\w+)": World.order,
    r"(\w+) should (cancel|complete|fault)(?: with (?:output|error):)?": World.ended,
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: f"{one.feature}: {one.name}")
async def test_scenario(scenario: gherkin.Scenario) -> None:
    async with stub() as url:
        await World(url).play(scenario)


def test_all_scenarios_are_here() -> None:
    assert len(SCENARIOS) == 21
