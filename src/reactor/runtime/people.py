"""`approve`: people are asked, reminded, and their decisions counted. A decision is an event like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ErrorInfo, PermanentError
from reactor.model.flow import ApproveStep
from reactor.model.journal import Entry, Wanted
from reactor.model.states import StepStatus
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

COMPLETED = StepStatus.COMPLETED.value
DECIDED = "reactor.approval.decided"
"""Type of the event that is a decision; its subject is the approval's id, its data `{decision, by, form}`."""
TIMEOUT = "timeout"
_WORDS = {"approve": "approved", "reject": "rejected"}
_ASKED = "approval"


class Asked(msgspec.Struct):
    """An approval under way."""

    id: str
    title: str
    people: list[str]
    """Empty: whoever may act on runs."""
    quorum: int
    until: Instant | None
    escalations: list[Instant]
    """When the next ones are due, as they stand in the flow."""
    escalated: int = 0
    """So many have been carried out."""

    def entry(self, path: str, now: Instant, form: Any) -> Entry:
        """As the journal keeps it."""
        return Entry(path + "#asked", now, value={**msgspec.to_builtins(self), "form": form})

    def shown(self) -> dict[str, Any]:
        """`approval` in the steps of `notify`."""
        return {"id": self.id, "title": self.title, "people": self.people}


async def approve(it: Interpreter, step: ApproveStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`approve:`."""
    begun = it.enter(path, started)
    asked = _asked(it, step, path, frame, begun)
    approvals = _Decisions(it, path)
    await _notify(it, step, path, frame, asked, 0)
    while True:
        decision = approvals.over(asked.quorum)
        if decision is not None:
            return Entry(path, it.durable.now(), COMPLETED, decision, None, 1, begun)
        due = asked.escalations[asked.escalated] if asked.escalated < len(asked.escalations) else None
        until = asked.until if due is None or (asked.until is not None and asked.until <= due) else due
        frame.alive()
        if await approvals.next(asked, until):
            continue
        if until == due and until != asked.until:
            await _escalate(it, step, path, frame, asked)
        else:
            return await _late(it, step, path, frame, begun)


def _asked(it: Interpreter, step: ApproveStep, path: str, frame: Frame, begun: Instant) -> Asked:
    """The approval as it was opened, or opened now."""
    known = it.durable.recall(path + "#asked") if it.resumed else None
    if known is not None:
        return msgspec.convert({k: v for k, v in known.value.items() if k != "form"}, Asked)
    asked = Asked(
        id=f"{it.root.scope['run']['id']}:{path}",
        title=str(it.evaluate(step.title, frame, path, "title")),
        people=_people(it.evaluate(step.by, frame, path, "by"), path) if step.by is not None else [],
        quorum=it.number(step.quorum, frame, path, "quorum"),
        until=None if step.limit is None else begun + it.delay(step.limit, frame, path, "limit"),
        escalations=[
            begun + it.delay(one.after, frame, path, f"after{number}.") for number, one in enumerate(step.escalate)
        ],
    )
    if asked.people and not step.escalate and asked.quorum > len(asked.people):
        message = f"{asked.quorum} have to approve, and only {len(asked.people)} are asked"
        raise Failure(ErrorInfo("input", message, path, retryable=False))
    it.durable.record(asked.entry(path, it.durable.now(), step.form))
    return asked


def _people(value: Any, path: str) -> list[str]:
    people = value if isinstance(value, list) else [value]
    if not people or not all(isinstance(one, str) and one for one in people):
        raise PermanentError("expression", f"{path}: `by` takes a person or a list of them, not {str(value)[:60]!r}")
    return list(dict.fromkeys(people))


class _Decisions:
    """What has been decided so far, each an entry `PATH#decision.N`."""

    def __init__(self, it: Interpreter, path: str) -> None:
        self._it = it
        self._path = path
        self._made: list[dict[str, Any]] = []
        while it.resumed and (known := it.durable.recall(f"{path}#decision.{len(self._made)}")) is not None:
            self._made.append(known.value)

    def over(self, quorum: int) -> dict[str, Any] | None:
        """The step's output, when it is decided: one rejection, or enough approvals."""
        rejected = next((one for one in self._made if one["decision"] == "reject"), None)
        if rejected is not None:
            return {**_kept(rejected), "decision": "rejected"}
        if len(self._made) < quorum:
            return None
        last = {**_kept(self._made[-1]), "decision": "approved"}
        return last if quorum == 1 else {**last, "by": [one["by"] for one in self._made]}

    async def next(self, asked: Asked, until: Instant | None) -> bool:
        """Wait for one more decision; whether one came in time."""
        people = {one["by"] for one in self._made}
        durable = self._it.durable

        def accept(event: dict[str, Any]) -> bool:
            data = event["data"]
            return event["subject"] == asked.id and isinstance(data, dict) and data.get("by") not in people

        who = ", ".join(asked.people) or "somebody"
        what = f"the decision of {who} on {asked.title!r} ({len(self._made)} of {asked.quorum})"
        event = await durable.receive(self._path, Wanted(type=DECIDED, key=asked.id, accept=accept, what=what), until)
        if event is None:
            return False
        data = event["data"]
        made = {
            "id": event["id"],
            "by": data.get("by"),
            "decision": data.get("decision"),
            "at": event["time"],
            "form": data.get("form"),
        }
        durable.record(Entry(f"{self._path}#decision.{len(self._made)}", durable.now(), value=made))
        self._made.append(made)
        return True


def _kept(decision: dict[str, Any]) -> dict[str, Any]:
    return {"decision": "", "by": decision["by"], "at": decision["at"], "form": decision["form"]}


async def _notify(it: Interpreter, step: ApproveStep, path: str, frame: Frame, asked: Asked, number: int) -> None:
    """The steps that tell people; a replay meets their outcomes."""
    if step.notify:
        inner = frame.inner(**{_ASKED: asked.shown()})
        await it.steps(step.notify, f"{path}.notify[{number}].", inner)


async def _escalate(it: Interpreter, step: ApproveStep, path: str, frame: Frame, asked: Asked) -> None:
    """Ask the next people, too. Where none were named, nobody is left out by naming some: the names are told only."""
    number = asked.escalated
    more = _people(it.evaluate(step.escalate[number].to, frame, path, f"to{number}."), path)
    if asked.people:
        asked.people = list(dict.fromkeys([*asked.people, *more]))
    asked.escalated = number + 1
    it.durable.record(asked.entry(path, it.durable.now(), step.form))
    told = Asked(asked.id, asked.title, more, asked.quorum, asked.until, asked.escalations, asked.escalated)
    await _notify(it, step, path, frame, told, asked.escalated)


async def _late(it: Interpreter, step: ApproveStep, path: str, frame: Frame, begun: Instant) -> Entry:
    """Nobody has decided in time."""
    if step.on_timeout is None:
        raise Failure(ErrorInfo(TIMEOUT, "nobody has decided in time", path), attempts=1)
    output: dict[str, Any] | None = None
    if isinstance(step.on_timeout, str):
        output = {"decision": _WORDS[step.on_timeout], "by": None, "at": to_iso(it.durable.now()), "form": None}
    else:
        await it.steps(step.on_timeout, path + ".on_timeout.", frame.inner())
    return Entry(path, it.durable.now(), COMPLETED, output, None, 1, begun)


def with_links(it: Interpreter, frame: Frame) -> Frame:
    """`approval` with the one-time links, for the parameters of an action alone: they are secrets."""
    shown = frame.scope.get(_ASKED)
    if shown is None:
        return frame
    links = {person: it.hands.link(shown["id"], person) for person in shown["people"]}
    link = it.hands.link(shown["id"], "")
    it.secrets.hide([*links.values(), link])
    return frame.inner(**{_ASKED: {**shown, "links": links, "link": link}})


KINDS: dict[Any, Any] = {ApproveStep: approve}
