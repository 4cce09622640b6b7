"""The description of the API is true: schemathesis asks every operation with what fits it and what does not."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.server.api import LINES
from reactor.server.openapi import document
from reactor.testing.running import RunningReactor, running_reactor

HERE = Path(__file__).parent
FLOWS = {
    "hello": "name: hello\non: {event: hi}\nsteps: [{return: {hello: world}}]\n",
    "bad": "name: bad\non: {event: no}\nsteps: [{fail: {kind: test.no, message: it never works}}]\n",
    "ask": "name: ask\non: {event: ask}\nsteps: [{name: ok, approve: {title: Pay}}]\n",
    "nap": "name: nap\non: [{event: nap}, {schedule: {every: 1d}}]\nsteps: [{wait: 1d}]\n",
}


async def _tried(reactor: RunningReactor, folder: Path) -> tuple[int, str]:
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"),
        "run", f"{reactor.url}/openapi.json", "-H", f"Authorization: Bearer {reactor.token}",
        # An endless answer says nothing to a client that waits for its end.
        "--exclude-path", "/api/v1/stream",
        "--phases", "examples,coverage", "--checks", "all", "--seed", "6", "--no-shrink",
        "--continue-on-failure", "--warnings", "off",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"}
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_operation_does_what_its_description_says(tmp_path: Path) -> None:
    async with running_reactor(FLOWS) as reactor:
        for type_ in ("hi", "no", "ask", "nap"):
            await reactor.send(type_, {"n": 1})
        code, said = await _tried(reactor, tmp_path)
    assert code == 0, said[-20_000:]


def _all(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [found, *(inner for value in found.values() for inner in _all(value))]
    return [inner for value in found for inner in _all(value)] if isinstance(found, list) else []


def test_everything_is_told_of_every_operation() -> None:
    told = json.loads(msgspec.json.encode(document(LINES, "/")))
    operations = [operation for methods in told["paths"].values() for operation in methods.values()]
    tags = {tag["name"] for tag in told["tags"]}
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        name = operation["operationId"]
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        assert all(parameter["description"] for parameter in operation.get("parameters", ())), name
        assert all(parameter["schema"] for parameter in operation.get("parameters", ())), name
        for status, answer in operation["responses"].items():
            kinds = set(answer["content"])
            assert (kinds == {"application/problem+json"}) == (int(status) >= 400), (name, status)
    components = told["components"]["schemas"]
    for part in _all(told):
        if "$ref" in part:
            assert part["$ref"].rpartition("/")[2] in components
    assert "Behind the last character" in components["FileProblem"]["properties"]["end_column"]["description"]
    roles = {operation.get("x-role") for operation in operations}
    assert {"viewer", "editor", "operator", "admin"} <= roles


def test_every_list_has_the_same_shape_and_can_be_paged() -> None:
    told = document(LINES, "/")
    for line in LINES:
        if line.method != "GET" or not repr(line.answer).startswith("reactor.server.shapes.Listed"):
            continue
        parameters = {one["name"]: one for one in told["paths"][line.path]["get"].get("parameters", ())}
        if {"limit", "cursor"} <= parameters.keys():
            assert parameters["limit"]["schema"]["maximum"] == 1_000, line.path
        else:
            # Those that are whole: what one run, flow or folder has, and what people set by hand.
            assert line.path in {
                "/api/v1/runs/{id}/logs", "/api/v1/flows/{name}/versions", "/api/v1/problems", "/api/v1/instances",
                "/api/v1/alerts/rules", "/api/v1/alerts/kinds", "/api/v1/alerts/silences",
            }, line.path  # fmt: skip
