"""Waits, approvals, state, sealed outputs and ends of runs as users write them, over HTTP, with restarts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from click.testing import CliRunner

from reactor.cli.main import cli
from reactor.testing.running import RunningReactor, running_reactor

FLOWS = {
    "order": """\
name: order
on: {event: order.created}
steps:
  - name: paid
    wait_for: {event: order.paid, if: received.data.id == event.data.id, timeout: 1h}
  - name: sign
    if: event.data.total > 100
    approve:
      title: "Ship order {{ event.data.id }} for {{ event.data.total }} €?"
      by: [ann@example.org]
      form: {type: object, required: [carrier], properties: {carrier: {enum: [post, courier]}}}
  - {name: count, state: {key: shipped, add: 1}}
  - name: label
    secret_output: true
    action: log.info
    message: "label of {{ event.data.id }}"
  - call: archive
    with: {id: "{{ event.data.id }}"}
    wait: false
    name: archived
outputs:
  amount: "{{ steps.paid.output.data.amount }}"
  by: "{{ steps.sign.output.by if steps.sign.output else 'nobody' }}"
  shipped: "{{ steps.count.output }}"
  archived: "{{ steps.archived.output.run_id }}"
""",
    "archive": """\
name: archive
inputs: {type: object, required: [id], properties: {id: {type: integer}}}
steps:
  - {name: keep, action: log.info, message: "kept {{ inputs.id }}"}
""",
    "watch": """\
name: watch
on: {run: {flow: ord*, status: [completed, failed]}}
steps:
  - {name: seen, return: "{{ event.data.flow }} {{ event.data.status }} {{ event.data.output.shipped }}"}
""",
}


async def waiting(reactor: RunningReactor, run_id: str, word: str) -> None:
    """Return when the run waits for that."""
    run: dict[str, Any] = {}
    for _ in range(1000):
        run = await reactor.get(f"/runs/{run_id}")
        if run["status"] == "waiting" and word in (run["waiting_for"] or ""):
            return
        assert run["status"] in ("running", "waiting"), run
        await asyncio.sleep(0.01)
    raise AssertionError(f"it never waits for {word!r}: {run}")


async def runs(reactor: RunningReactor, flow: str, count: int) -> list[dict[str, Any]]:
    """The finished runs of a flow, once there are so many."""
    found: list[dict[str, Any]] = []
    for _ in range(500):
        found = (await reactor.get("/runs", flow=flow, status="completed"))["items"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"there are {len(found)} runs of {flow}")


async def test_an_order_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": tmp_path / "data", "passivate_after": 30, "public_url": "https://flows.example"}
    async with running_reactor(FLOWS, **settings) as reactor:
        small = (await reactor.send("order.created", {"id": 1, "total": 5}))["runs"][0]["id"]
        large = (await reactor.send("order.created", {"id": 2, "total": 500}))["runs"][0]["id"]
        await waiting(reactor, small, "order.paid")
        await waiting(reactor, large, "order.paid")
        await reactor.send("order.paid", {"id": 2, "amount": 500})
        await waiting(reactor, large, "the decision of ann@example.org")
        assert (await reactor.get(f"/runs/{small}"))["status"] == "waiting"
    async with running_reactor(FLOWS, **settings) as reactor:
        await reactor.send("order.paid", {"id": 1, "amount": 5})
        done = await reactor.finished(small)
        assert (done["output"]["amount"], done["output"]["by"]) == (5, "nobody")
        assert next(step for step in done["steps"] if step["path"] == "label")["output"] == "***"
        [one] = (await reactor.get("/approvals"))["items"]
        assert one["title"] == "Ship order 2 for 500 €?"
        address = urlsplit(reactor.engine.executor.seals.link(one["id"], "ann@example.org"))
        assert address.netloc == "flows.example"
        fields = {name: value[0] for name, value in parse_qs(address.query).items()}
        fields |= {"decision": "approve", "field.carrier": "courier"}
        stranger = {"authorization": "", "host": "flows.example"}
        answer = await reactor.http.post(address.path, data=fields, headers=stranger)
        assert answer.status_code == 200, answer.text
        done = await reactor.finished(large)
        assert (done["output"]["by"], done["output"]["shipped"]) == ("ann@example.org", 2)
        assert (await reactor.finished(done["output"]["archived"]))["flow"] == "archive"
        told = await runs(reactor, "watch", 2)
        shown = [(await reactor.get(f"/runs/{run['id']}"))["output"] for run in told]
        assert sorted(shown) == ["order completed 1", "order completed 2"]


async def test_by_the_command_line(tmp_path: Path) -> None:
    flow = """\
name: ask
on: {event: ask}
steps:
  - name: sign
    approve: {title: "Really?", by: [ann, bob], quorum: 2, form: {properties: {why: {type: string, minLength: 2}}}}
"""
    async with running_reactor({"ask": flow}, data=tmp_path / "data") as reactor:

        async def reactor_(*words: str, code: int = 0) -> str:
            args = ["approvals", *words, "--data", str(tmp_path / "data")]
            result = await asyncio.to_thread(CliRunner().invoke, cli, args)
            assert (1 if result.exception else 0) == code, result.output
            return result.output + (str(result.exception) if code else "")

        assert "nothing waits for people" in await reactor_("list")
        run_id = (await reactor.send("ask"))["runs"][0]["id"]
        await waiting(reactor, run_id, "Really?")
        id_ = f"{run_id}:sign"
        listed = await reactor_("list")
        assert all(part in listed for part in (id_, "Really?", "ann, bob", "0 of 2"))
        assert json.loads(await reactor_("list", "--json"))["items"][0]["id"] == id_
        assert "quorum" in await reactor_("show", id_)
        assert "is not asked here" in await reactor_("approve", id_, code=1)
        assert "the form: why" in await reactor_("approve", id_, "--by", "ann", "--form", '{"why": "x"}', code=1)
        assert "ann: approve 'Really?'" in await reactor_("approve", id_, "--by", "ann", "--form", '{"why": "so"}')
        assert "ann has decided this already" in await reactor_("reject", id_, "--by", "ann", code=1)
        assert "ann: approve" in await reactor_("show", id_)
        await reactor_("reject", id_, "--by", "bob")
        assert (await reactor.finished(run_id))["output"]["decision"] == "rejected"
