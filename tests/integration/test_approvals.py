"""Approvals: who may decide, once, in time, with a form that fits; by the API, by links, over crashes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from reactor.model.flow import ActionStep, ApproveStep, Escalation, Flow, ReturnStep, TriggerSpec
from reactor.model.states import RunStatus
from reactor.testing.running import RunningReactor, running_reactor
from tests.integration.rig_kit import WaitingRig, ex, val
from tests.integration.test_engine import flow

SOON = Limits(passivate_after=30)
FORM = {
    "type": "object",
    "required": ["reason", "amount"],
    "additionalProperties": False,
    "properties": {
        "reason": {"type": "string", "title": "Why?", "description": "A word or two", "minLength": 2},
        "amount": {"type": "integer", "minimum": 1},
        "urgent": {"type": "boolean"},
        "colour": {"enum": ["red", "green"]},
    },
}


def approve(name: str = "ok", **more: Any) -> ApproveStep:
    """A step that asks people."""
    more.setdefault("title", val("Pay 5 €?"))
    return ApproveStep(name=name, **more)


def asking(step: ApproveStep, **more: Any) -> Flow:
    """A flow that asks, and gives what was decided."""
    return flow("a", step, ReturnStep(name="r", value=ex(f"steps.{step.name}.output")), **more)


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes a rig, and stops it."""
    made: list[WaitingRig] = []

    async def make(*flows: Any, limits: Limits = SOON) -> WaitingRig:
        made.append(WaitingRig(tmp_path, {f.name: f for f in flows}, limits))
        await made[0].start()
        return made[0]

    yield make
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def output(it: WaitingRig, receipt: Any) -> Any:
    """What the run ended with."""
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED, run.error
    [loaded] = await it.engine.store.load([run.key])
    return loaded.journal[-1].value


async def opened(it: WaitingRig, count: int = 1) -> list[Any]:
    """The open approvals, once there are so many."""
    for _ in range(500):
        found, _more = await it.engine.approvals.page()
        if len(found) == count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("nobody is asked")


@pytest.mark.proves("step.approve", "step.approve.by", "refused: approval by the wrong person")
async def test_one_person_decides(rig: Any) -> None:
    it = await rig(asking(approve(by=val(["ann", "bob"]))))
    receipt = await it.send()
    await it.asleep(receipt)
    [one] = await opened(it)
    assert one.id == f"{receipt.runs[0][0]}:ok"
    assert (one.title, one.people, one.open, one.decisions) == ("Pay 5 €?", ("ann", "bob"), True, ())
    with pytest.raises(ForbiddenError, match="those who may decide are ann, bob"):
        await it.engine.approvals.decide(one.id, "approve", "eve")
    with pytest.raises(InvalidError, match="`approve` or `reject`"):
        await it.engine.approvals.decide(one.id, "yes", "ann")
    for name in ("", "  ", "x" * 257, "a\x1b]0;owned\x07", "a\r\nb", "\u202eann"):
        with pytest.raises(InvalidError, match="characters that can be printed"):
            await it.engine.approvals.decide(one.id, "approve", name)
    with pytest.raises(InvalidError, match="no form"):
        await it.engine.approvals.decide(one.id, "approve", "ann", {"x": 1})
    await it.engine.approvals.decide(one.id, "approve", "ann")
    decided = await output(it, receipt)
    assert (decided["decision"], decided["by"], decided["form"]) == ("approved", "ann", None)
    with pytest.raises(ConflictError, match="ann has decided this already"):
        await it.engine.approvals.decide(one.id, "approve", "ann")
    with pytest.raises(ConflictError, match="no longer open"):
        await it.engine.approvals.decide(one.id, "approve", "bob")
    assert await opened(it, 0) == []
    assert not (await it.engine.approvals.get(one.id)).open


@pytest.mark.parametrize("id_", ["", "x", "run_0000000000001:ok", ":", "run_0000000000001"])
async def test_what_was_never_asked(rig: Any, id_: str) -> None:
    it = await rig(asking(approve()))
    with pytest.raises(NotFoundError, match="there is no approval"):
        await it.engine.approvals.decide(id_, "approve", "ann")


@pytest.mark.proves("step.approve.quorum", "refused: approval twice")
async def test_a_double_click_counts_once(rig: Any) -> None:
    it = await rig(asking(approve(by=val(["ann", "bob"]), quorum=2)))
    receipt = await it.send()
    [one] = await opened(it)
    decide = it.engine.approvals.decide
    done = await asyncio.gather(*[decide(one.id, "approve", "ann") for _ in range(4)], return_exceptions=True)
    assert sum(isinstance(answer, ConflictError) for answer in done) == 3
    assert (await it.asleep(receipt)).status is RunStatus.WAITING
    await decide(one.id, "approve", "bob")
    assert (await output(it, receipt))["by"] == ["ann", "bob"]


async def test_a_rejection_rejects(rig: Any) -> None:
    it = await rig(asking(approve(quorum=3)))
    receipt = await it.send()
    [one] = await opened(it)
    await it.engine.approvals.decide(one.id, "approve", "ann")
    await it.engine.approvals.decide(one.id, "reject", "bob")
    with pytest.raises(ConflictError, match="no longer open"):
        await it.engine.approvals.decide(one.id, "approve", "cid")
    assert (await output(it, receipt))["decision"] == "rejected"


@pytest.mark.proves("step.approve.form")
async def test_a_form(rig: Any) -> None:
    it = await rig(asking(approve(form=FORM)))
    receipt = await it.send()
    [one] = await opened(it)
    right: dict[str, Any] = {"reason": "so", "amount": 1}
    for form in (None, {}, {**right, "reason": "x"}, {**right, "amount": "1"}, {**right, "z": 1}):
        with pytest.raises(InvalidError, match="the form: "):
            await it.engine.approvals.decide(one.id, "approve", "ann", form)
    await it.engine.approvals.decide(one.id, "approve", "ann", {"reason": "so", "amount": 1})
    assert (await output(it, receipt))["form"] == {"reason": "so", "amount": 1}


@pytest.mark.proves("refused: approval too late")
async def test_too_late(rig: Any) -> None:
    it = await rig(asking(approve(limit=60_000)))
    receipt = await it.send()
    [one] = await opened(it)
    await it.asleep(receipt)
    it.engine.approvals._executor.clock = type("Later", (), {"now": lambda self: one.until + 1})()
    with pytest.raises(ConflictError, match="too late"):
        await it.engine.approvals.decide(one.id, "approve", "ann")


async def test_nobody_decides_in_time(rig: Any) -> None:
    it = await rig(asking(approve(limit=80, on_timeout="reject")))
    assert (await output(it, await it.send()))["decision"] == "rejected"


@pytest.mark.proves("step.approve.escalate")
async def test_those_who_are_asked_later_may_decide_too(rig: Any) -> None:
    step = approve(by=val("ann"), escalate=(Escalation(after=60, to=val("boss")),))
    it = await rig(asking(step))
    receipt = await it.send()
    [one] = await opened(it)
    for _ in range(300):
        if "boss" in (await it.engine.approvals.get(one.id)).people:
            break
        await asyncio.sleep(0.01)
    await it.engine.approvals.decide(one.id, "approve", "boss")
    assert (await output(it, receipt))["by"] == "boss"


async def test_a_decision_outlives_a_crash_before_the_run_has_seen_it(rig: Any) -> None:
    it = await rig(asking(approve()))
    receipt = await it.send()
    await it.asleep(receipt)
    [one] = await opened(it)
    it.engine.executor.waits.arrived = lambda event: None
    await it.engine.approvals.decide(one.id, "approve", "ann")
    await it.kill()
    assert (await output(it, receipt))["by"] == "ann"


async def test_open_approvals_after_a_restart_in_pages(rig: Any) -> None:
    it = await rig(asking(approve(by=val("ann"))))
    receipts = [await it.send(data=n) for n in range(5)]
    for receipt in receipts:
        await it.asleep(receipt)
    await it.kill()
    assert len(await opened(it, 5)) == 5
    assert not it.engine.executor.live
    first, after = await it.engine.approvals.page(0, 2)
    assert after is not None
    second, _ = await it.engine.approvals.page(after, 2)
    assert [one.run for one in (*first, *second)] == [it.key(receipt) for receipt in receipts[:4]]
    assert all(one.title == "Pay 5 €?" for one in first)


# --- over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def reactor(tmp_path: Path) -> Any:
    """A whole Reactor."""
    async with running_reactor(data=tmp_path / "data", passivate_after=30) as running:
        yield running


async def ask(reactor: RunningReactor, step: ApproveStep) -> tuple[str, Any]:
    """A run that asks; its id and the approval's."""
    trigger = TriggerSpec(key="a/0", kind="event", config={"event": "go"})
    value = ReturnStep(name="r", value=ex("steps.ok.output"))
    await reactor.engine.book.take(Flow(name="a", source="a", digest="a", triggers=(trigger,), steps=(step, value)))
    run_id = (await reactor.send("go"))["runs"][0]["id"]
    for _ in range(500):
        items = (await reactor.get("/approvals"))["items"]
        if items:
            return run_id, items[0]
        await asyncio.sleep(0.01)
    raise AssertionError("nobody is asked")


def link(reactor: RunningReactor, id_: str, person: str) -> str:
    """The link of a person, without the server's address."""
    address = urlsplit(reactor.engine.executor.seals.link(id_, person))
    assert f"{address.scheme}://{address.netloc}" == reactor.url
    return f"{address.path}?{address.query}"


async def test_by_the_api(reactor: RunningReactor) -> None:
    run_id, one = await ask(reactor, approve(by=val(["ann"]), form=FORM))
    assert (one["run_id"], one["step"], one["people"], one["open"]) == (run_id, "ok", ["ann"], True)
    assert await reactor.get(f"/approvals/{one['id']}") == one
    place = f"/api/v1/approvals/{one['id']}/decide"
    for body, status, told in (
        ({"decision": "approve"}, 403, "admin is not asked here"),
        ({"decision": "approve", "by": "ann"}, 400, "the form: "),
        ({"decision": "maybe", "by": "ann"}, 400, "`approve` or `reject`"),
        ({"decision": "approve", "by": ""}, 400, "says who decides"),
        ({"decision": "approve", "who": "ann"}, 400, "no field"),
    ):
        answer = await reactor.http.post(place, json=body)
        assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text
    form = {"reason": "so", "amount": 3}
    await reactor.post(f"/approvals/{one['id']}/decide", {"decision": "approve", "by": "ann", "form": form})
    run = await reactor.finished(run_id)
    assert (run["output"]["decision"], run["output"]["form"]) == ("approved", form)
    again = await reactor.http.post(place, json={"decision": "approve", "by": "ann", "form": form})
    assert again.status_code == 409
    assert (await reactor.http.get(place.removesuffix("/decide"), headers={"authorization": "no"})).status_code == 401


async def test_by_a_link(reactor: RunningReactor) -> None:
    run_id, one = await ask(reactor, approve(by=val(["ann", "bob"]), form=FORM))
    stranger = {"authorization": ""}
    place = link(reactor, one["id"], "ann")
    assert (await reactor.http.get(place, headers=stranger)).status_code == 200
    page = await reactor.http.get(place, headers=stranger)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.text.count("<button") == 2
    for part in ("Pay 5 €?", "you decide as ann", "Why? (required)", "A word or two", '<option value="red">'):
        assert part in page.text
    assert (await reactor.get(f"/approvals/{one['id']}"))["decisions"] == []
    fields = {name: value[0] for name, value in parse_qs(urlsplit(place).query).items()}
    bad = await reactor.http.post(place, data={**fields, "decision": "approve", "field.reason": "x"}, headers=stranger)
    assert (bad.status_code, 'role="alert"' in bad.text) == (400, True)
    assert 'value="x"' in bad.text
    filled = {"field.reason": "so & so", "field.amount": "7", "field.urgent": "on", "field.colour": "green"}
    done = await reactor.http.post(place, data={**fields, "decision": "approve", **filled}, headers=stranger)
    assert (done.status_code, "You have approved this" in done.text) == (200, True)
    run = await reactor.finished(run_id)
    assert run["output"]["form"] == {"reason": "so & so", "amount": 7, "urgent": True, "colour": "green"}
    assert run["output"]["by"] == "ann"
    twice = await reactor.http.post(place, data={**fields, "decision": "reject"}, headers=stranger)
    assert (twice.status_code, "ann has decided this already" in twice.text) == (409, True)
    late = link(reactor, one["id"], "bob")
    fields["person"], fields["token"] = "bob", parse_qs(urlsplit(late).query)["token"][0]
    answer = await reactor.http.post(late, data={**fields, "decision": "approve", **filled}, headers=stranger)
    assert (answer.status_code, "no longer open" in answer.text) == (409, True)
    assert "This has been decided" in (await reactor.http.get(late)).text


async def test_links_that_are_not_theirs(reactor: RunningReactor) -> None:
    _, one = await ask(reactor, approve(by=val(["ann", "bob"])))
    place = link(reactor, one["id"], "ann")
    token = parse_qs(urlsplit(place).query)["token"][0]
    path = urlsplit(place).path
    forged = [
        f"{path}?person=bob&token={token}",
        f"{path}?person=ann&token={token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"{path}?person=ann&token=",
        f"{path}?person=ann",
        path,
        f"{path}x?person=ann&token={token}",
    ]
    for address in forged:
        for method in ("GET", "POST"):
            body = {"person": "bob", "token": token, "decision": "approve"} if method == "POST" else None
            answer = await reactor.http.request(method, address, data=body)
            assert (answer.status_code, "Pay" in answer.text) == (403, False), (method, address)
    # The token is asked for in what is sent, not in the address: no other page can make a browser decide.
    answer = await reactor.http.post(place, data={"decision": "approve"})
    assert answer.status_code == 403
    for method in ("PUT", "DELETE"):
        assert (await reactor.http.request(method, place)).status_code == 405
    assert (await reactor.get(f"/approvals/{one['id']}"))["decisions"] == []


async def test_a_link_for_anybody(reactor: RunningReactor) -> None:
    run_id, one = await ask(reactor, approve(quorum=2))
    place = link(reactor, one["id"], "")
    assert "Your name" in (await reactor.http.get(place)).text
    fields = {"person": "", "token": parse_qs(urlsplit(place).query)["token"][0], "decision": "approve"}
    nameless = await reactor.http.post(place, data=fields)
    assert (nameless.status_code, "who decides" in nameless.text) == (400, True)
    for name, status in (("ann", 200), ("ann", 409), ("bob", 200)):
        assert (await reactor.http.post(place, data={**fields, "by": name})).status_code == status
    assert (await reactor.finished(run_id))["output"]["by"] == ["ann", "bob"]


async def test_a_link_for_anybody_does_not_stand_for_somebody(reactor: RunningReactor) -> None:
    _, one = await ask(reactor, approve(by=val("ann")))
    place = link(reactor, one["id"], "")
    page = await reactor.http.get(place)
    assert (page.status_code, "<button" in page.text) == (200, False)
    fields = {"person": "", "token": parse_qs(urlsplit(place).query)["token"][0], "by": "ann", "decision": "approve"}
    assert (await reactor.http.post(place, data=fields)).status_code == 403


async def test_hostile_texts_stay_texts(reactor: RunningReactor) -> None:
    evil = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    form = {
        "type": "object",
        "properties": {
            evil: {"type": "string", "title": evil, "description": evil, "default": evil},
            "b": {"enum": [evil]},
        },
    }
    person = "<b onclick='x()'>ann</b>"
    _, one = await ask(reactor, approve(title=val(evil.replace("{", "(")), by=val([person]), form=form))
    place = link(reactor, one["id"], person)
    pages = [await reactor.http.get(place)]
    fields = {name: value[0] for name, value in parse_qs(urlsplit(place).query).items()}
    pages.append(await reactor.http.post(place, data={**fields, "decision": evil, f"field.{evil}": evil}))
    for page in pages:
        body = page.text.partition("</style>")[2]
        assert not re.search(r"<(script|img|b)\b", page.text)
        assert "&lt;script&gt;" in body
        assert page.text.count("<title>") == 1
    assert pages[1].status_code == 400


@pytest.mark.proves("step.approve.notify")
async def test_notify_gets_links_that_nobody_else_sees(reactor: RunningReactor) -> None:
    message = val({"message": "{{ approval.links.ann }} {{ approval.link }}"})
    told = ActionStep(name="tell", action="log.info", params=message)
    run_id, one = await ask(reactor, approve(by=val(["ann"]), notify=(told,)))
    token = parse_qs(urlsplit(link(reactor, one["id"], "ann")).query)["token"][0]
    shown = (await reactor.http.get(f"/api/v1/runs/{run_id}")).text
    assert "ok.notify[0].tell" in shown
    assert token not in shown
    assert token not in (await reactor.http.get(f"/api/v1/runs/{run_id}/logs")).text


@pytest.mark.proves("step.secret_output")
async def test_secret_outputs_are_masked_at_every_door(reactor: RunningReactor) -> None:
    make = ActionStep(name="make", action="log.info", params=val({"message": "hunter22"}), secret_output=True)
    trigger = TriggerSpec(key="s/0", kind="event", config={"event": "go"})
    last = ReturnStep(name="r", value=ex("steps.make.output is defined"))
    await reactor.engine.book.take(Flow(name="s", source="s", digest="s", triggers=(trigger,), steps=(make, last)))
    run = await reactor.finished((await reactor.send("go"))["runs"][0]["id"])
    step = next(step for step in run["steps"] if step["path"] == "make")
    assert step["output"] == "***"
    key = ids.from_text("run", run["id"])
    assert key is not None
    [loaded] = await reactor.engine.store.load([key])
    sealed = next(entry.value for entry in loaded.journal if entry.key == "make")
    assert list(sealed) == ["$sealed"]
    assert reactor.engine.executor.seals.unseal(sealed)


async def test_reserved_types_over_http(reactor: RunningReactor) -> None:
    for call in (
        reactor.http.post("/events", json={"type": "reactor.approval.decided", "subject": "x", "data": {}}),
        reactor.http.post("/webhook/reactor.approval.decided", json={}),
        reactor.http.post("/webhook/run.failed", json={"flow": "a"}),
        reactor.http.post(
            "/events",
            content='{"specversion":"1.0","id":"1","source":"s","type":"reactor.x"}',
            headers={"content-type": "application/cloudevents+json"},
        ),
    ):
        answer = await call
        assert (answer.status_code, "Reactor's own" in answer.json()["detail"]) == (400, True)


async def test_what_was_decided_is_listed_the_newest_first() -> None:
    text = """
name: pay
on: {event: pay}
steps:
  - name: ok
    approve:
      title: "Pay {{ event.data }}?"
      quorum: 2
      timeout: 1h
      on_timeout: reject
      escalate: [{after: 10m, to: boss}]
      form: {type: object, properties: {why: {type: string}}}
"""
    async with running_reactor({"pay": text}) as it:
        runs = [(await it.send("pay", number))["runs"][0]["id"] for number in range(3)]

        async def asked() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while len(found) < 3:
                await asyncio.sleep(0.01)
                found = (await it.get("/approvals"))["items"]
            return found

        one = (await asked())[0]
        assert one["on_timeout"] == "reject"
        assert one["asked_at"] < one["escalates_at"] < one["until"]
        ids_ = [f"{run}:ok" for run in runs]
        for id_, by in [(ids_[1], "ann"), (ids_[0], "ann"), (ids_[0], "bob")]:
            await it.post(f"/approvals/{id_}/decide", {"decision": "approve", "by": by, "form": {"why": "so"}})
        first = await it.get("/approvals", open=False, limit=1)
        second = await it.get("/approvals", open=False, limit=10, cursor=first["next"])
        assert [one["id"] for one in first["items"]] == [ids_[0]]
        assert [one["id"] for one in second["items"]] == [ids_[0], ids_[1]], "again: its other decision is older"
        assert second["next"] is None
        assert [(made["by"], made["form"]) for made in second["items"][0]["decisions"]] == [
            ("ann", {"why": "so"}),
            ("bob", {"why": "so"}),
        ]
        await it.finished(runs[0])
        shown = await it.get(f"/approvals/{ids_[0]}")
        assert not shown["open"]
        refused = await it.http.get("/api/v1/approvals?open=perhaps")
        assert refused.status_code == 400
