"""The whole Reactor in this process: YAML in, runs out, by HTTP."""

import pytest

from reactor.testing.running import running_reactor

HELLO = """
name: hello
on: {event: hi}
steps:
  - name: greet
    action: log.info
    message: "Hello {{ event.data.name }}"
"""
HOOK = """
name: shop
on:
  event: http.request
  path: /webhook/shop
workflow:
  - name: say
    action: log.info
    message: "got {{ .event.payload.id }}"
"""
ASKED = """
name: asked
on: {webhook: {path: "/ask/{what}", respond: result}}
steps:
  - {name: answer, return: {what: "{{ event.metadata.params.what }}"}}
"""
STRICT = """
name: strict
on: {event: hi}
if: event.data.total > 100
inputs: {type: object, properties: {n: {type: integer, default: 7}}}
steps:
  - {name: told, return: "{{ inputs.n }}"}
"""


async def test_from_yaml_to_a_finished_run_by_http() -> None:
    async with running_reactor({"hello": HELLO, "strict": STRICT}) as reactor:
        receipt = await reactor.send("hi", {"name": "Ann", "total": 1})
        assert [run["flow"] for run in receipt["runs"]] == ["hello"]
        run = await reactor.finished(receipt["runs"][0]["id"])
        assert run["steps"][0]["output"]["message"] == "Hello Ann"
        logs = (await reactor.get(f"/runs/{run['id']}/logs"))["items"]
        assert [line["message"] for line in logs] == ["Hello Ann", "the run completed"]
        event = await reactor.get(f"/events/{receipt['event_id']}")
        verdicts = {each["flow"]: each for each in event["matches"]}
        assert verdicts["strict"]["rule"] == "if"
        assert "event.data.total = 1" in verdicts["strict"]["reason"]
        by_hand = await reactor.post("/flows/strict/run")
        assert (await reactor.finished(by_hand["runs"][0]["id"]))["output"] == 7
        wrong = await reactor.http.post("/api/v1/flows/strict/run", json={"inputs": {"n": "x"}})
        assert wrong.status_code == 400


async def test_webhooks_old_and_new_claim_their_paths() -> None:
    async with running_reactor({"hook": HOOK, "asked": ASKED}) as reactor:
        await reactor.armed()
        old = await reactor.http.post("/webhook/shop", json={"id": 7})
        run = await reactor.finished(old.json()["runs"][0]["id"])
        assert (run["flow"], run["steps"][0]["output"]["message"]) == ("shop", "got 7")
        new = await reactor.http.post("/ask/time", json={})
        assert (new.status_code, new.json()) == (200, {"what": "time"})
        await reactor.post("/flows/asked/disable")
        assert (await reactor.http.post("/ask/time", json={})).status_code == 404


async def test_broken_files_are_told_and_texts_validated() -> None:
    async with running_reactor({"hello": HELLO, "broken": "name: broken\nstesp: []\n"}) as reactor:
        problems = (await reactor.get("/problems"))["items"]
        assert any("steps" in (problem["suggestion"] or problem["message"]) for problem in problems)
        assert problems[0]["file"].endswith("broken.yaml")
        assert [flow["name"] for flow in (await reactor.get("/flows"))["items"]] == ["hello"]
        answer = await reactor.http.post("/api/v1/flows/validate", content=HELLO)
        told = answer.json()
        assert (told["valid"], told["problems"], told["name"]) == (True, [], "hello")


async def test_what_does_not_end_is_told_with_its_reason() -> None:
    sleepy = "name: z\non: {event: z}\nsteps:\n  - {name: nap, wait: 1h}\n"
    async with running_reactor({"z": sleepy}) as reactor:
        receipt = await reactor.send("z")
        with pytest.raises(TimeoutError, match="nap"):
            await reactor.finished(receipt["runs"][0]["id"], patience=0.3)


CALLER = """
name: caller
on: {event: go}
timeout: 1h
steps:
  - {name: sub, call: called, with: {n: 1}}
outputs: "{{ steps.sub.output }}"
"""
CALLED = """
name: called
inputs: {type: object}
vars: {given: "{{ inputs.n }}"}
steps:
  - {name: nap, wait: 200ms}
  - {name: end, return: "{{ vars.given }}"}
"""


async def test_a_call_within_a_timeout_ends_when_the_called_flow_has() -> None:
    async with running_reactor({"caller": CALLER, "called": CALLED}) as reactor:
        receipt = await reactor.send("go")
        run = await reactor.finished(receipt["runs"][0]["id"], patience=5)
        assert (run["status"], run["output"]) == ("completed", 1)


async def test_a_run_started_by_hand_has_the_vars_of_its_flow() -> None:
    async with running_reactor({"called": CALLED}) as reactor:
        receipt = await reactor.post("/flows/called/run", {"inputs": {"n": 2}})
        run = await reactor.finished(receipt["runs"][0]["id"])
        assert (run["status"], run["output"]) == ("completed", 2)
