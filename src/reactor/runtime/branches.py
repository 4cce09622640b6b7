"""`parallel`: branches side by side, and the join that decides when that is enough.

The order in which branches end is in the journal, and so is the decision; a replay decides the same. Branches that are
not wanted any more are cancelled, and what they had completed is undone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.flow import Branch, ParallelStep
from reactor.model.journal import Entry
from reactor.model.states import StepStatus
from reactor.runtime import restoring, timeouts, undoing
from reactor.runtime.frames import Frame, Undo
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

COMPLETED, FAILED, CANCELLED = StepStatus.COMPLETED.value, StepStatus.FAILED.value, StepStatus.CANCELLED.value


class Decision(msgspec.Struct, frozen=True):
    """The join is decided."""

    done: tuple[str, ...]
    """Branches that count, in the order of their ends; all others have lost."""
    winner: str | None = None
    error: ErrorInfo | None = None
    """Of a step that fails."""


async def parallel(it: Interpreter, step: ParallelStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`parallel:`."""
    begun = it.enter(path, started)
    fork = _Fork(it, step, path, frame)
    decision = await fork.run()
    output = {"branches": fork.view(), "winner": decision.winner}
    if decision.error is not None:
        raise Failure(decision.error, output, 1)
    return Entry(path, it.durable.now(), COMPLETED, output, None, 1, begun)


class _Fork:
    """One `parallel` step under way."""

    def __init__(self, it: Interpreter, step: ParallelStep, path: str, frame: Frame) -> None:
        self._it = it
        self._step = step
        self._path = path
        self._frame = frame
        self._frames = {branch.name: frame.branch() for branch in step.branches}
        self._ended: dict[str, Entry] = {}
        """Outcomes by branch, in the order of the ends."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()
        """Branches that were walked in this life of the run."""

    def _key(self, name: str) -> str:
        return f"{self._path}.branches.{name}"

    # --- the whole -----------------------------------------------------------------------------------------------

    async def run(self) -> Decision:
        """Run the branches until the join is decided; then cancel and undo the losers."""
        known = self._it.durable.recall(self._path + "#join")
        self._restore()
        try:
            decision = await self._decided(known)
            await self._drop_losers(decision)
        finally:
            # What is still to be undone is undone with what is around, if that comes to be.
            for branch in self._step.branches:
                self._frame.keep(self._frames[branch.name].undos)
        return decision

    def _restore(self) -> None:
        """Branches that the journal knows the end of, in the order of their ends."""
        if not self._it.resumed:
            return
        found = []
        for branch in self._step.branches:
            known = self._it.durable.recall(self._key(branch.name))
            if known is not None and known.status != CANCELLED:
                found.append((self._it.orders.of(known.key), branch, known))
        for _, branch, known in sorted(found, key=lambda one: one[0]):
            opened = self._it.opened(self._step, known.value)
            self._ended[branch.name] = msgspec.structs.replace(known, value=opened)
            restoring.collect(self._it, branch.steps, known.key + ".", self._frames[branch.name])
            self._share(branch.name)

    async def _decided(self, known: Entry | None) -> Decision:
        decision = self._as_recorded(known) if known is not None else self._decide()
        try:
            most = self._most()
            while decision is None:
                self._start(most)
                await timeouts.first(list(self._tasks.values()))
                self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
                decision = self._as_recorded(known) if known is not None else self._decide()
            if known is None:
                self._it.durable.record(_entry(self._path, self._it.durable.now(), decision))
        finally:
            await timeouts.stop_all(list(self._tasks.values()))
        return decision

    def _most(self) -> int:
        limit = self._step.max_parallel
        if limit is None:
            return len(self._step.branches)
        return self._it.number(limit, self._frame, self._path, "max_parallel")

    def _start(self, most: int) -> None:
        """Start branches in the order of the file, as many as may run side by side."""
        for branch in self._step.branches:
            if len(self._tasks) >= most:
                return
            if branch.name not in self._ended and branch.name not in self._tasks:
                self._begun.add(branch.name)
                self._tasks[branch.name] = asyncio.ensure_future(self._branch(branch))

    async def _branch(self, branch: Branch) -> None:
        it, key = self._it, self._key(branch.name)
        try:
            output = await it.body(branch.steps, key + ".", self._frames[branch.name])
            entry = Entry(key, it.durable.now(), COMPLETED, output)
        except Failure as failure:
            entry = Entry(key, it.durable.now(), FAILED, failure.output, failure.error)
        it.durable.record(it.sealed(self._step, entry))
        self._ended[branch.name] = entry
        self._share(branch.name)

    def _share(self, name: str) -> None:
        """In flows of the older engine every step is known everywhere by its name."""
        if self._it.flow.legacy:
            self._frame.steps.update(self._frames[name].steps)

    # --- the join ------------------------------------------------------------------------------------------------

    def _as_recorded(self, known: Entry | None) -> Decision | None:
        """The decision of the journal, once all branches that count in it have ended here, too."""
        names = {branch.name for branch in self._step.branches}
        done = tuple(name for name in known.value["done"] if name in names) if known is not None else ()
        if known is None or not all(name in self._ended for name in done):
            return None
        return Decision(done, known.value["winner"], known.error)

    def _decide(self) -> Decision | None:
        """Look at the ends one after the other: what comes after the one that decides has lost."""
        for count in range(1, len(self._ended) + 1):
            done = tuple(self._ended)[:count]
            decision = _JOINS[self._step.join.mode](self, done)
            if decision is not None:
                return decision
        return None

    def _succeeded(self, done: tuple[str, ...]) -> int:
        return sum(self._ended[name].status == COMPLETED for name in done)

    def _fails(self, done: tuple[str, ...], kind: str, what: str) -> Decision:
        errors = [(name, self._ended[name].error) for name in done]
        told = "; ".join(f"{name}: {error.message}" for name, error in errors if error is not None)
        message = f"{what} ({told})" if told else what
        return Decision(done, None, ErrorInfo(kind, message, self._path, retryable=False))

    def _is_last(self, done: tuple[str, ...]) -> bool:
        return len(done) == len(self._step.branches)

    def all(self, done: tuple[str, ...]) -> Decision | None:
        """Every branch; the first that failed is the step's error."""
        if self._ended[done[-1]].status == FAILED and self._step.fail_fast:
            return Decision(done, None, self._ended[done[-1]].error)
        if not self._is_last(done):
            return None
        failed = next((name for name in done if self._ended[name].status == FAILED), None)
        return Decision(done, None, self._ended[failed].error if failed is not None else None)

    def any(self, done: tuple[str, ...]) -> Decision | None:
        """The first to finish."""
        return Decision(done, done[-1])

    def first(self, done: tuple[str, ...]) -> Decision | None:
        """The first to succeed."""
        if self._ended[done[-1]].status == COMPLETED:
            return Decision(done, done[-1])
        return self._fails(done, "join.failed", "no branch succeeded") if self._is_last(done) else None

    def count(self, done: tuple[str, ...]) -> Decision | None:
        """So many have succeeded, or cannot any more."""
        join = self._step.join
        wanted = 1 if join.count is None else self._it.number(join.count, self._frame, self._path, "count")
        succeeded = self._succeeded(done)
        if succeeded >= wanted:
            return Decision(done)
        if succeeded + len(self._step.branches) - len(done) < wanted:
            what = f"{wanted} branches have to succeed, and no more than {succeeded} can"
            return self._fails(done, "join.failed", what)
        return None

    def until(self, done: tuple[str, ...]) -> Decision | None:
        """The condition holds."""
        condition = self._step.join.until
        seen = self._views(done)
        assert condition is not None  # noqa: S101 - the language sees to it
        if truth(self._it.evaluate(condition, self._frame, self._path, f"until{len(done)}.", branches=seen)):
            return Decision(done)
        if self._is_last(done):
            return self._fails(done, "join.unmet", f"all branches ended and `{condition.source}` does not hold")
        return None

    # --- losers --------------------------------------------------------------------------------------------------

    async def _drop_losers(self, decision: Decision) -> None:
        """Undo what they have completed, newest first, and record that they are cancelled."""
        it, undos = self._it, list[Undo]()
        losers = [b for b in self._step.branches if b.name not in decision.done]
        begun = timeouts.begun(it.durable, f"{self._path}.branches.") if it.resumed and losers else set[str]()
        for branch in losers:
            key, frame = self._key(branch.name), self._frames[branch.name]
            known = it.durable.recall(key) if it.resumed else None
            if known is not None and known.status == CANCELLED:
                self._ended[branch.name] = known
                continue
            if known is None and key in begun and branch.name not in self._begun:
                await self._settle(branch)
            undos += frame.undos
            frame.undos.clear()
        try:
            await undoing.undo(it, undos, decision.error)
        finally:
            self._frame.keep(undos)
        for branch in losers:
            if self._ended.get(branch.name, _NONE).status != CANCELLED:
                self._ended[branch.name] = Entry(self._key(branch.name), it.durable.now(), CANCELLED)
                it.durable.record(self._ended[branch.name])

    async def _settle(self, branch: Branch) -> None:
        """A loser that was cancelled before a crash unwinds to its end."""
        it, key, frame = self._it, self._key(branch.name), self._frames[branch.name]
        frame.dead = True
        await timeouts.settle(it.body(branch.steps, key + ".", frame))
        if it.durable.evicting:
            raise asyncio.CancelledError

    # --- what is seen --------------------------------------------------------------------------------------------

    def _views(self, done: tuple[str, ...]) -> dict[str, Any]:
        return {
            branch.name: _view(self._ended[branch.name] if branch.name in done else None)
            for branch in self._step.branches
        }

    def view(self) -> dict[str, Any]:
        """Every branch with status, output and error, in the order of the file."""
        return self._views(tuple(self._ended))


_NONE = Entry("", 0)


def _view(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"status": "running", "output": None, "error": None}
    error = entry.error.view() if entry.error is not None else None
    return {"status": entry.status, "output": entry.value, "error": error}


def _entry(path: str, now: Instant, decision: Decision) -> Entry:
    value = {"winner": decision.winner, "done": list(decision.done)}
    return Entry(path + "#join", now, value=value, error=decision.error)


_JOINS = {
    "all": _Fork.all,
    "any": _Fork.any,
    "first": _Fork.first,
    "count": _Fork.count,
    "until": _Fork.until,
}
KINDS: dict[Any, Any] = {ParallelStep: parallel}
