"""Approvals: what waits for people, and what they decide. A decision is an event that only this door lets in."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.intake import Intake
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from reactor.model.event import EventDraft
from reactor.model.flow import ApproveStep, all_steps
from reactor.model.journal import Entry, Run, index
from reactor.runtime.people import DECIDED
from reactor.stores.port import EventFilter, Loaded

DECISIONS = ("approve", "reject")
SOURCE = "reactor/approvals"
_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_LONGEST_NAME = 256
_MOST_DECISIONS = 1_000


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One question to people, as it stands."""

    id: str
    run: int
    path: str
    flow: str
    title: str
    people: tuple[str, ...]
    """Who may decide; none: whoever may act on runs."""
    quorum: int
    form: dict[str, Any] | None
    asked_at: Instant
    until: Instant | None
    escalates_at: Instant | None = None
    """When others are asked, too."""
    on_timeout: str | None = None
    """What happens at `until`: `fail`, `approve`, `reject`, `steps`; None: nothing, or it cannot be known any more."""
    decisions: tuple[dict[str, Any], ...]
    """Those so far: `{by, decision, at, form}`, oldest first."""
    open: bool

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        return {
            "id": self.id,
            "run_id": ids.to_text("run", self.run),
            "flow": self.flow,
            "step": self.path,
            "title": self.title,
            "people": list(self.people),
            "quorum": self.quorum,
            "form": self.form,
            "asked_at": to_iso(self.asked_at),
            "until": None if self.until is None else to_iso(self.until),
            "escalates_at": None if self.escalates_at is None else to_iso(self.escalates_at),
            "on_timeout": self.on_timeout,
            "decisions": list(self.decisions),
            "open": self.open,
        }


class Approvals:
    """See the module."""

    def __init__(self, executor: Executor, intake: Intake) -> None:
        self._executor = executor
        self._intake = intake

    @property
    def waiting(self) -> int:
        """How many questions wait for people, without a look at what has been decided this moment."""
        return sum(1 for _ in self._executor.waits.subjects(DECIDED))

    async def page(self, after: int = 0, limit: int = 100) -> tuple[list[Approval], int | None]:
        """Open approvals of runs above `after`, oldest run first; then where the next page goes on. Those of one run
        are never parted, so there may be a few more than `limit`.
        """
        executor = self._executor
        await executor.waits.restored.wait()
        waiting = [(run, id_) for run, id_ in executor.waits.subjects(DECIDED) if run > after]
        runs = list(dict.fromkeys(run for run, _ in waiting))
        there, more = runs[:limit], len(runs) > limit
        loaded = {found.run.key: found for found in await self._loaded(there)}
        found: list[Approval] = []
        for run, id_ in waiting:
            if run in loaded and (approval := await self._of(loaded[run], id_)) is not None and approval.open:
                found.append(approval)
        return found, there[-1] if more else None

    async def _loaded(self, runs: list[int]) -> list[Loaded]:
        executor = self._executor
        for run in runs:
            live = executor.live.get(run)
            if live is not None:
                await executor.committer.barrier(live)
        await executor.committer.settled(runs)
        return await executor.store.load(runs)

    async def get(self, id_: str) -> Approval:
        """One approval, open or not.

        Raises:
            NotFoundError: nobody was ever asked that.
        """
        run = ids.from_text("run", id_.partition(":")[0])
        loaded = await self._loaded([run]) if run is not None else []
        approval = await self._of(loaded[0], id_) if loaded else None
        if approval is None:
            raise NotFoundError(f"there is no approval {id_[:200]!r}; `reactor approvals list` shows the open ones")
        return approval

    async def _of(self, loaded: Loaded, id_: str) -> Approval | None:
        known = index(loaded.journal)
        path = _path(id_)
        asked = known.get(path + "#asked")
        if asked is None:
            # Its step has another name since the run changed over to another version.
            asked = next((entry for entry in known.values() if _is_asked(entry, id_)), None)
        if asked is None or not isinstance(asked.value, dict):
            return None
        path, value = asked.key.removesuffix("#asked"), asked.value
        first = next(entry for entry in loaded.journal if entry.key == asked.key)
        return Approval(
            id=id_,
            run=loaded.run.key,
            path=path,
            flow=loaded.run.flow,
            title=str(value["title"]),
            people=tuple(value.get("people") or ()),
            quorum=int(value.get("quorum") or 1),
            form=value.get("form"),
            asked_at=first.at,
            until=value.get("until"),
            escalates_at=next(iter((value.get("escalations") or [])[int(value.get("escalated") or 0) :]), None),
            on_timeout=await self._on_timeout(loaded.run, path) if value.get("until") is not None else None,
            decisions=tuple(await self._decisions(id_, known)),
            open=path not in known and path + "#body" not in known and not loaded.run.status.finished,
        )

    async def _on_timeout(self, run: Run, path: str) -> str | None:
        """What the flow says of a decision that does not come in time."""
        book = self._executor.book
        await book.prefetch([(run.flow, run.version)])
        flow = book.version(run.flow, run.version)
        step = dict(all_steps(flow)).get(_ITERATION.sub("[]", path)) if flow is not None else None
        if not isinstance(step, ApproveStep):
            return None
        if step.on_timeout is None:
            return "fail"
        return step.on_timeout if isinstance(step.on_timeout, str) else "steps"

    async def decided(self, below: int | None, limit: int) -> tuple[list[Approval], int | None]:
        """Approvals of which somebody has decided, the newest decision first, each once a page; then where the next
        page goes on.
        """
        history = self._executor.history
        rows = await history.events(EventFilter(type=DECIDED, below=below, limit=limit + 1))
        there, more = rows[:limit], len(rows) > limit
        wanted = list(dict.fromkeys(row.subject for row in there if row.subject))
        runs = {id_: ids.from_text("run", id_.partition(":")[0]) for id_ in wanted}
        keys = list(dict.fromkeys(key for key in runs.values() if key is not None))
        loaded = {found.run.key: found for found in await self._loaded(keys)}
        found = [await self._of(loaded[run], id_) for id_, run in runs.items() if run in loaded]
        return [one for one in found if one is not None], there[-1].key if more else None

    async def _decisions(self, id_: str, known: dict[str, Entry]) -> list[dict[str, Any]]:
        """What was decided, also what the run has not seen yet."""
        history = self._executor.history
        rows = await history.events(EventFilter(type=DECIDED, subject=id_, above=0, limit=_MOST_DECISIONS))
        events = await history.read([row.key for row in rows])
        return [
            {
                "by": event.data.get("by"),
                "decision": event.data.get("decision"),
                "at": to_iso(event.time),
                "form": event.data.get("form"),
            }
            for event in events
            if isinstance(event.data, dict)
        ]

    async def decide(self, id_: str, decision: str, by: str, form: Any = None) -> Approval:
        """One person's decision. Returns the approval as it was before it; the decision is durable then.

        Raises:
            NotFoundError: nobody was asked that. ConflictError: it is decided, or over, or this person has decided.
            ForbiddenError: this person is not asked. InvalidError: the decision or the form cannot be.
        """
        if decision not in DECISIONS:
            raise InvalidError(f"the decision is `approve` or `reject`, not {decision[:40]!r}")
        if not by.strip() or len(by) > _LONGEST_NAME or not by.isprintable():
            raise InvalidError(f"`by` says who decides: a name of 1 to {_LONGEST_NAME} characters that can be printed")
        approval = await self.get(id_)
        self._still_open(approval, by)
        values = self._checked(approval, decision, form)
        draft = EventDraft(
            type=DECIDED,
            source=SOURCE,
            # A second click is the same event, also when both come at once.
            id=f"{id_}:{by}",
            subject=id_,
            data={"approval": id_, "decision": decision, "by": by, "form": values},
        )
        (receipt,) = await self._intake.accept([draft], inside=True)
        if receipt.duplicate:
            raise ConflictError(f"{by} has decided this already")
        return approval

    def _still_open(self, approval: Approval, by: str) -> None:
        decided = next((made for made in approval.decisions if made["by"] == by), None)
        if decided is not None:
            raise ConflictError(f"{by} has decided this already ({decided['decision']}, {decided['at']})")
        if approval.people and by not in approval.people:
            raise ForbiddenError(f"{by} is not asked here; those who may decide are {', '.join(approval.people)}")
        rejected = any(made["decision"] == "reject" for made in approval.decisions)
        if not approval.open or rejected or len(approval.decisions) >= approval.quorum:
            raise ConflictError(f"this is no longer open: {approval.title!r} has been decided, or its run has ended")
        if approval.until is not None and approval.until < self._executor.clock.now():
            raise ConflictError(f"this is too late: the time to decide ended {to_iso(approval.until)}")

    def _checked(self, approval: Approval, decision: str, form: Any) -> Any:
        if form is not None and not isinstance(form, dict):
            raise InvalidError("the form is a map of its fields")
        if approval.form is None:
            if form:
                raise InvalidError("there is no form to fill in here")
            return None
        if decision == "reject" and not form:
            return None
        values, problems = self._executor.book.check_inputs(approval.form, form or {})
        if problems:
            raise InvalidError(f"the form: {'; '.join(problems)}")
        return values


def _path(id_: str) -> str:
    return id_.partition(":")[2]


def _is_asked(entry: Entry, id_: str) -> bool:
    return entry.key.endswith("#asked") and isinstance(entry.value, dict) and entry.value.get("id") == id_
