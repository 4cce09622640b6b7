"""Runs and the versions of their flow: what a fork would do, and runs that wait changing over to another version."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from reactor.engine.control import Control
from reactor.engine.executor import Executor
from reactor.engine.rehearsal import divergence_view, replayed
from reactor.engine.renames import MIGRATED, Renames, places
from reactor.model import failpoints, ids
from reactor.model.errors import ConflictError, NotFoundError, ReactorError, StepError
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.runtime.divergences import SAME_PATH, Divergence, Replayed
from reactor.stores.port import History, Loaded, RunFilter

_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_NO_STEP = re.compile(r"\]$|\.branches\.[^.]+$")
_MIGRATES = (RunStatus.WAITING, RunStatus.PAUSED, RunStatus.PENDING)
_UNFINISHED = (*_MIGRATES, RunStatus.RUNNING)
_COLLECTS = ("batch", "debounce")
_SAID = {
    "new": "is new there, and the run is past it",
    "missing": "is not there any more",
    "changed": "would have ended otherwise",
    "case": "would have taken another case",
    "join": "would have been decided otherwise",
}


class ForkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a fork would do."""

    run: int
    from_version: int
    to_version: int
    step: str | None
    taken_over: tuple[str, ...]
    """Steps whose outcomes it keeps."""
    again: tuple[str, ...]
    """Steps that the run has done, and that are done anew."""
    new: tuple[str, ...]
    """Steps that only the target version has."""
    gone: tuple[str, ...]
    """Steps that the run has done and that the target version does not have."""
    other: tuple[Divergence, ...]
    """Where it goes another way than the run, if the world answers as it did then."""
    unfit: tuple[Divergence, ...]
    """Where what it takes over is not what the target version would have done."""

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        return {
            "run": ids.to_text("run", self.run),
            "from": self.from_version,
            "to": self.to_version,
            "step": self.step,
            "taken_over": list(self.taken_over),
            "again": list(self.again),
            "new": list(self.new),
            "gone": list(self.gone),
            "other": [divergence_view(one) for one in self.other],
            "unfit": [divergence_view(one) for one in self.unfit],
        }


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A run's change to another version: as it would be, or as it was done."""

    run: int
    flow: str
    from_version: int
    to_version: int
    refused: str = ""
    """Why it cannot change over; empty: it can."""
    diverges: tuple[Divergence, ...] = ()
    """Where its past is not what the version would have done, forced ones too."""
    next: tuple[str, ...] = ()
    """Where it stands, or goes on."""
    done: bool = False

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        return {
            "run": ids.to_text("run", self.run),
            "flow": self.flow,
            "from": self.from_version,
            "to": self.to_version,
            "refused": self.refused or None,
            "diverges": [divergence_view(one) for one in self.diverges],
            "next": list(self.next),
            "migrated": self.done,
        }


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """To which version, and how."""

    to: int | None = None
    """None: the current one."""
    renames: Renames = msgspec.field(default_factory=lambda: Renames({}))
    forced: tuple[str, ...] = ()
    """Paths of steps that need not fit."""


class Versions:
    """See the module."""

    def __init__(self, executor: Executor, history: History, control: Control) -> None:
        self._executor = executor
        self._history = history
        self._control = control

    # --- fork ----------------------------------------------------------------------------------------------------

    async def fork_plan(
        self, key: int, step: str | None = None, *, latest: bool = True, version: int | None = None
    ) -> ForkPlan:
        """What `Control.fork` would do; nothing is changed.

        Raises:
            NotFoundError: there is no such run, step or version. InvalidError: it cannot be played.
        """
        loaded = await self._control.load(key)
        flow = await self._control.version_of(loaded.run, latest=latest, version=version)
        old = await self._old(loaded.run)
        kept = self._control.kept(loaded, step)
        past = await replayed(self._executor, loaded, flow, journal=kept)
        whole = await replayed(self._executor, loaded, flow)
        before, all_ = _steps(kept), _steps(loaded.journal)
        there, were = places(flow), places(old) if old is not None else frozenset()
        known = {path: _ITERATION.sub("[]", path) in there or ".page-" in path for path in all_}
        new = [one.path for one in whole.diverged if one.kind == "new"]
        return ForkPlan(
            run=key,
            from_version=loaded.run.version,
            to_version=flow.version,
            step=step,
            taken_over=tuple(path for path in before if known[path]),
            again=tuple(path for path in all_ if known[path] and path not in before),
            new=tuple(dict.fromkeys([*new, *(sorted(there - were) if old is not None else ())])),
            gone=tuple(path for path in all_ if not known[path]),
            other=tuple(one for one in whole.diverged if one.kind in ("case", "join", "changed")),
            unfit=_blocking(past, ()),
        )

    # --- migrate -------------------------------------------------------------------------------------------------

    async def plan(self, key: int, wish: Wish) -> Migration:
        """Whether a run can change over, and what that would change; nothing is changed.

        Raises:
            NotFoundError: there is no such run or version. InvalidError: the map is wrong.
        """
        loaded = await self._control.load(key)
        return (await self._planned(loaded, wish))[0]

    async def migrate(self, key: int, wish: Wish) -> Migration:
        """Change a run that is not in memory over to another version: its record and its journal in one commit. One
        that slept or queued is looked at again at once, with the new version.

        Raises:
            NotFoundError, InvalidError: see `plan`. ConflictError: it cannot change over; the message says why.
        """
        executor = self._executor
        async with executor.aside(key) as live:
            if live is not None:
                raise ConflictError(_under_way(key))
            loaded = await self._control.load(key)
            plan, more = await self._planned(loaded, wish)
            if plan.refused:
                raise ConflictError(plan.refused)
            run = loaded.run
            async with self._control.out_of_the_gates(key):
                run.version = plan.to_version
                if run.status is not RunStatus.PAUSED:
                    run.status, run.wake_at, run.waiting_for, run.waits = RunStatus.PENDING, None, "", ()
                failpoints.reach("migrate.before")
                await self._control.write(run, more)
            failpoints.reach("migrate.after")
            if run.status is not RunStatus.PAUSED:
                executor.wake([key])
        return msgspec.structs.replace(plan, done=True)

    async def migrate_all(self, flow: str, wish: Wish, *, preview: bool) -> list[Migration]:
        """All runs of a flow that have not ended and have another version, oldest first. Those that cannot change over
        stay as they are, and say why.

        Raises:
            NotFoundError: there is no such flow or version. InvalidError: the map is wrong.
        """
        to = wish.to if wish.to is not None else self._executor.book.get(flow).version
        wish = msgspec.structs.replace(wish, to=to)
        below, keys = None, list[int]()
        while page := await self._history.runs(RunFilter(flow=flow, status=_UNFINISHED, below=below)):
            keys += [run.key for run in page if run.version != to]
            below = page[-1].key
        found = list[Migration]()
        for key in reversed(keys):
            with suppress(NotFoundError):
                found.append(await self._one(key, wish, preview=preview))
        return found

    async def _one(self, key: int, wish: Wish, *, preview: bool) -> Migration:
        plan = await self.plan(key, wish)
        if preview or plan.refused:
            return plan
        try:
            return await self.migrate(key, wish)
        except ConflictError as error:
            # It has moved between the two looks.
            return msgspec.structs.replace(plan, refused=str(error))

    async def _old(self, run: Run) -> Flow | None:
        await self._executor.book.prefetch([(run.flow, run.version)])
        return self._executor.book.version(run.flow, run.version)

    async def _planned(self, loaded: Loaded, wish: Wish) -> tuple[Migration, list[Entry]]:
        """The plan, and what it would append to the journal."""
        run = loaded.run
        flow = await self._control.version_of(run, latest=wish.to is None, version=wish.to)
        wish.renames.check(await self._old(run), flow)
        plan = Migration(run=run.key, flow=run.flow, from_version=run.version, to_version=flow.version)
        refused = self._state_refuses(run, flow)
        more = wish.renames.journal(loaded.journal, self._mark(run, flow, wish))
        if not refused:
            refused = self._inputs(loaded, flow, more)
        if refused:
            return msgspec.structs.replace(plan, refused=refused), []
        journal = [*loaded.journal, *more]
        try:
            went = await replayed(self._executor, loaded, flow, journal=journal, forced=wish.forced)
        except ReactorError as error:
            return msgspec.structs.replace(plan, refused=f"it cannot be played against that version: {error}"), []
        blocking = _blocking(went, wish.forced)
        if blocking:
            refused = _refusal(run, flow, blocking)
        diverges = tuple(one for one in went.diverged if one.kind != "input")
        return msgspec.structs.replace(plan, refused=refused, diverges=diverges, next=went.next), more

    def _mark(self, run: Run, flow: Flow, wish: Wish) -> Entry:
        value = {
            "from": run.version,
            "to": flow.version,
            "map": wish.renames.pairs,
            "forced": list(wish.forced),
        }
        return Entry(MIGRATED, self._executor.clock.now(), value=value)

    def _state_refuses(self, run: Run, flow: Flow) -> str:
        name = ids.to_text("run", run.key)
        if run.status.finished:
            return f"run {name} has ended ({run.status}); `reactor runs fork` begins a new one"
        if run.version == flow.version:
            return f"run {name} has version {flow.version} already"
        live = self._executor.live.get(run.key)
        if live is not None or run.status not in _MIGRATES:
            return _under_way(run.key)
        if run.control is not None and run.control.stage in _COLLECTS:
            return f"run {name} still collects events (`{run.control.stage}`); it can change over when it has begun"
        return ""

    def _inputs(self, loaded: Loaded, flow: Flow, more: list[Entry]) -> str:
        """Why the run's inputs do not fit; defaults that only the new version has are added."""
        given = next((entry.value for entry in reversed(loaded.journal) if entry.key == "#inputs"), None)
        if given is None:
            return ""
        try:
            filled = self._executor.book.checked_inputs(flow, given)
        except StepError as error:
            return error.message
        if filled != given:
            more.append(Entry("#inputs", self._executor.clock.now(), value=filled))
        return ""


def _under_way(key: int) -> str:
    name = ids.to_text("run", key)
    hint = f"`reactor runs pause {name}` stops it"
    return f"run {name} is under way; only one that waits, is paused or queues can change over ({hint})"


def _blocking(went: Replayed, forced: Collection[str]) -> tuple[Divergence, ...]:
    return tuple(one for one in went.diverged if one.kind not in SAME_PATH and not _is_forced(one.path, forced))


def _is_forced(path: str, forced: Collection[str]) -> bool:
    """Whether the step, or one around it, is named."""
    for name in (path, _ITERATION.sub("[]", path)):
        if any(name == one or name.startswith((one + ".", one + "[")) for one in forced):
            return True
    return False


def _refusal(run: Run, flow: Flow, blocking: Sequence[Divergence]) -> str:
    told = "; ".join(f"{one.path or 'the run'} {_SAID[one.kind]}" for one in blocking[:5])
    more = f"; and {len(blocking) - 5} more" if len(blocking) > 5 else ""
    return (
        f"what run {ids.to_text('run', run.key)} has done does not fit version {flow.version} of {run.flow!r}: "
        f"{told}{more}. Name steps that have another name now (map OLD=NEW), or those that need not fit (force)"
    )


def _steps(journal: Sequence[Entry]) -> list[str]:
    """Paths of the steps that a journal has an outcome of, in its order."""
    found: dict[str, None] = {}
    for entry in journal:
        path, _, what = entry.key.partition("#")
        if path and what in ("", "set") and entry.status and not _NO_STEP.search(path):
            found[path] = None
            if entry.status == "reset":
                del found[path]
    return list(found)
