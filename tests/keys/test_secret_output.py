"""`secret_output`: what such a step gave is used, and seen nowhere."""

import asyncio
import json

import pytest

from reactor.testing.running import running_reactor

SECRET = "hunter-twenty-two"
FLOW = """\
name: it
on: {event: go}
steps:
  - {name: ask, action: shell.exec, with: {command: "COMMAND"}, output: output.stdout, secret_output: true}
  - {name: block, steps: [{name: inner, action: shell.exec, with: {command: "COMMAND"}, secret_output: true}]}
  - {name: used, action: data.hash, with: {text: "{{ steps.ask.output }}"}}
  - {name: told, action: log.info, message: "it is {{ steps.ask.output }}"}
  - {name: bad, action: shell.exec, with: {argv: [sh, -c, "exit 3", "{{ steps.ask.output }}"]}, continue_on_error: true}
  - {name: no, fail: "not {{ steps.ask.output }}", continue_on_error: true}
  - {name: e, for_each: [1], steps: [{name: i, action: shell.exec, with: {command: "COMMAND"}, secret_output: true}]}
outputs: {hash: "{{ steps.used.output.output[:8] }}"}
""".replace("COMMAND", "printf hunter-twenty-two")


async def doors(flow, data):
    """Everything that can be seen of one run, by the name of the door."""
    async with running_reactor({"it": flow}, data=data) as reactor:
        heard: list[str] = []

        async def listen():
            async with reactor.http.stream("GET", "/api/v1/stream", timeout=10) as answer:
                async for chunk in answer.aiter_text():
                    heard.append(chunk)  # noqa: PERF401 - as they come

        listening = asyncio.create_task(listen())
        async with asyncio.timeout(10):
            while not heard:
                await asyncio.sleep(0.01)
        receipt = await reactor.send("go")
        run = await reactor.finished(receipt["runs"][0]["id"])
        place = f"/runs/{run['id']}"
        seen = {"run": json.dumps(run), "receipt": json.dumps(receipt)}
        for path in (
            f"{place}/logs",
            "/runs",
            f"/explain{place}".replace("runs", "run"),
            f"/events/{receipt['event_id']}",
        ):
            seen[path] = json.dumps(await reactor.get(path))
        async with asyncio.timeout(10):
            while run["id"] not in "".join(heard) or "completed" not in "".join(heard):
                await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.wait({listening})
        seen["stream"] = "".join(heard)
    seen["disk"] = b"".join(file.read_bytes() for file in sorted(data.rglob("*")) if file.is_file()).decode("latin-1")
    return run, seen


@pytest.mark.proves("step.secret_output")
async def test_a_secret_output_is_seen_nowhere(tmp_path):
    run, seen = await doors(FLOW, tmp_path / "data")
    # The flow's own text is on the disk, and the command is in it, which is not what the step gave.
    text = json.dumps(FLOW)[1:-1]
    seen["disk"] = seen["disk"].replace(FLOW, "").replace(text, "").replace("printf hunter-twenty-two", "")
    seen["run"] = seen["run"].replace("printf hunter-twenty-two", "")
    assert run["output"]["hash"], "it was really used"
    assert [name for name, what in seen.items() if SECRET in what] == []
    plain, open_ = await doors(FLOW.replace(", secret_output: true", ""), tmp_path / "open")
    assert plain["output"] == run["output"]
    assert SECRET in open_["run"].replace("printf hunter-twenty-two", "")
