"""Keys of triggers that no other test shows."""

import asyncio

import pytest

from reactor.connectors.file.trigger import FileTrigger
from reactor.testing.actions import StillClock
from reactor.testing.running import running_reactor
from reactor.testing.triggers import TriggerBench
from tests.integration.test_patterns import rig


@pytest.mark.proves("on.if", "on.event", "on.event.{event,source}")
def test_event(shows):
    flow = (
        "name: it\non: {event: {event: order.*, source: 'shop/*'}, if: event.data > 5}\nsteps: [{wait: 1s}]\ntests:\n"
    )
    right = "{type: order.paid, source: shop/1, data: 6}"
    flow += f"  - {{name: right, event: {right}, expect: {{matches: true}}}}\n"
    for name, old, new in (("type", "order.paid", "order"), ("source", "shop/1", "bank"), ("if", "data: 6", "data: 5")):
        flow += f"  - {{name: {name}, event: {right.replace(old, new)}, expect: {{matches: false}}}}\n"
    shows(
        flow,
        (", if: event.data > 5", ""),
        ("event: order.*", 'event: "**"'),
        (", source: 'shop/*'", ""),
        ("event: order.*", "event: order.sent"),
    )


@pytest.mark.proves("on.type")
@pytest.mark.parametrize(("key", "type_"), [(", type: order.created", "order.created"), ("", "http.request")])
async def test_type(key, type_):
    """Events of a webhook have another type: for this flow, and for who listens for that type."""
    flow = f"name: it\non: {{webhook: /in{key}}}\nsteps: [{{return: event.type}}]\n"
    other = "name: other\non: {event: order.created}\nsteps: [{return: event.type}]\n"
    async with running_reactor({"it": flow, "other": other}) as reactor:
        await reactor.armed()
        answer = (await reactor.http.post("/in", json={})).json()
        assert (await reactor.get(f"/events/{answer['event_id']}"))["type"] == type_
        outputs = [(await reactor.finished(run["id"]))["output"] for run in answer["runs"] if run["flow"] == "it"]
        assert outputs == [type_]


@pytest.mark.proves("on.id")
@pytest.mark.parametrize(("key", "count"), [(", id: event.data.n", 1), ("", 2)])
async def test_id(key, count):
    flow = f"name: it\non: {{webhook: /in{key}}}\nsteps: [{{return: 1}}]\n"
    async with running_reactor({"it": flow}) as reactor:
        await reactor.armed()
        for _ in range(2):
            await reactor.http.post("/in", json={"n": 7})
        assert len((await reactor.get("/runs"))["items"]) == count


@pytest.mark.proves("on.type", "on.id")
@pytest.mark.parametrize("kind", ["event: go", "run: other"])
def test_events_of_others_keep_their_type_and_id(wrong, kind):
    text = f"name: it\non: {{{kind}, type: x.y, id: event.data.n}}\nsteps: [{{return: 1}}]\n"
    type_, id_ = wrong(text)
    assert (type_.rule, type_.line, type_.column) == ("not-here", 2, len(kind) + 8)
    assert type_.message.startswith("`type` is for triggers that make events, and ")
    assert id_.message.endswith("say `dedupe: {key: …, for: 7d}` in the flow")


@pytest.mark.proves("on.enabled")
@pytest.mark.parametrize(("key", "there"), [(", enabled: false", False), (", enabled: true", True), ("", True)])
async def test_enabled(key, there):
    flow = f"name: it\non: [{{webhook: /in{key}}}, {{event: go{key}}}]\nsteps: [{{return: 1}}]\n"
    async with running_reactor({"it": flow}) as reactor:
        await reactor.armed()
        assert (await reactor.http.post("/in", json={})).status_code == (202 if there else 404)
        assert bool((await reactor.send("go"))["runs"]) is there
        states = {row["kind"]: row["state"] for row in (await reactor.get("/triggers"))["items"]}
        assert states == dict.fromkeys(("webhook", "event"), "armed" if there else "disabled")


@pytest.mark.proves("on.file.paths")
async def test_several_paths(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    config = {"paths": [str(tmp_path / "a"), str(tmp_path / "b")], "settle": "50ms"}
    async with TriggerBench(FileTrigger(), config) as bench:
        await bench.until(lambda b: b.state() == "armed")
        for name in ("c", "b", "a"):
            (tmp_path / name / "x").write_text(name)
        await bench.until(lambda b: len(b.drafts) == 2)
    assert sorted(draft.data["dir"] for draft in bench.drafts) == config["paths"]


@pytest.mark.proves("on.pattern.sequence.if", "on.pattern.any.if")
@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("any: [{event: go, if: event.data > 5}, {event: never}]", [7]),
        ("any: [{event: go}, {event: never}]", [1]),
        ("sequence: [{event: go, if: event.data > 5}, {event: go, if: event.data < 3}]", [7, 2]),
        ("sequence: [{event: go}, {event: go}]", [1, 7]),
    ],
)
async def test_conditions_of_patterns(tmp_path, pattern, wanted):
    flow = f"name: it\non: {{pattern: {{within: 1h, {pattern}}}}}\nsteps: [{{return: event.data}}]\n"
    async with rig(tmp_path, flow, clock=StillClock()) as it:
        await it.armed()
        await it.send("go", 1, 7, 4, 2)
        async with asyncio.timeout(20):
            told = await it.told(1 if pattern != "sequence: [{event: go}, {event: go}]" else 2)
        assert [event["data"] for event in told[0]["events"]] == wanted


@pytest.mark.proves("on.webhook.timeout")
async def test_a_caller_is_kept_waiting_so_long():
    flow = (
        "name: it\non: {webhook: {path: /in, respond: result, timeout: 200ms}}\nsteps: [{wait: '{{ event.data }}'}]\n"
    )
    async with running_reactor({"it": flow}) as reactor:
        await reactor.armed()
        late = await reactor.http.post("/in", json="1h")
        assert (late.status_code, late.headers["location"][:13]) == (202, "/api/v1/runs/")
        assert (await reactor.http.post("/in", json="0s")).status_code == 200
