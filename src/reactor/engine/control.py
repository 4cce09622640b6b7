"""What people do to runs: cancel, pause, resume, retry, fork."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.flowcontrol.collecting import BATCH
from reactor.engine.retaking import before, resets
from reactor.model import ids
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, StepError
from reactor.model.event import JSON, Event
from reactor.model.flow import Flow
from reactor.model.journal import RESET, Entry, Run, index
from reactor.model.states import RunStatus
from reactor.runtime.code import RETRIED
from reactor.stores.port import Acceptance, Batch, History, Loaded, RunFilter

_encode = msgspec.json.encode


def is_held(run: Run) -> bool:
    """Whether a paused run waits because of `hold`."""
    return run.control is not None and run.control.stage == "hold" and run.started_at is None


class Control:
    """Commands on runs, in whatever state they are."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history

    async def load(self, key: int) -> Loaded:
        """The run as stored, with everything it has recorded in memory so far.

        Raises:
            NotFoundError: there is no such run.
        """
        live = self._executor.live.get(key)
        if live is not None:
            await self._executor.committer.barrier(live)
        await self._executor.committer.settled([key])
        loaded = await self._executor.store.load([key])
        if not loaded:
            raise NotFoundError(f"there is no run {ids.to_text('run', key)}")
        return loaded[0]

    async def cancel(self, key: int, reason: str = "by hand") -> None:
        """Stop a run in any unfinished state; its `finally` steps run, its children are cancelled. Returns when it
        is asked.

        Raises:
            NotFoundError, ConflictError: there is none, or it has ended.
        """
        async with self._executor.aside(key) as live:
            if live is not None:
                live.cancel(reason)
                await self._executor.committer.barrier(live)
            else:
                async with self.out_of_the_gates(key):
                    loaded = await self.load(key)
                    run = loaded.run
                    self._unfinished(run)
                    run.status, run.wake_at = RunStatus.RUNNING, None
                    # Said once: a second word would stop the clean-up that the first has begun.
                    asked = "#cancel" in index(loaded.journal)
                    word = Entry("#cancel", self._executor.clock.now(), value=reason)
                    await self.write(run, [] if asked else [word])
                self._executor.wake([key])
        for child in await self._executor.store.children(key):
            if not child.status.finished and not child.detached:
                await self.cancel(child.key, f"its parent was cancelled: {reason}")

    @asynccontextmanager
    async def out_of_the_gates(self, key: int) -> AsyncIterator[None]:
        """A run that waits for its turn waits no more; it does again if the command fails."""
        inside = self._executor.flow_control.inside(key)
        self._executor.flow_control.withdraw(key)
        try:
            yield
        except BaseException:
            if inside:
                self._executor.wake([key])
            raise

    async def release(self, flow: str) -> int:
        """Let all runs of a flow go that `hold` has held; how many there were.

        Raises:
            NotFoundError: there is no such flow.
        """
        self._executor.book.get(flow)
        below, held = None, []
        while page := await self._history.runs(RunFilter(flow=flow, status=(RunStatus.PAUSED,), below=below)):
            held += [run.key for run in page if is_held(run)]
            below = page[-1].key
        for key in reversed(held):
            with suppress(NotFoundError, ConflictError):
                await self.resume(key)
        return len(held)

    async def pause(self, key: int) -> None:
        """Let a run stop at its next border, and leave memory there until it is resumed.

        Raises:
            NotFoundError, ConflictError: there is none, or it has ended or is paused.
        """
        async with self._executor.aside(key) as live:
            if live is not None:
                live.ask_pause()
                await self._executor.committer.barrier(live)
                return
            async with self.out_of_the_gates(key):
                run = (await self.load(key)).run
                self._unfinished(run)
                if run.status is RunStatus.PAUSED:
                    raise ConflictError(f"run {ids.to_text('run', key)} is paused already")
                run.status, run.waiting_for = RunStatus.PAUSED, "paused by hand"
                await self.write(run, [])

    async def resume(self, key: int) -> None:
        """Let a paused run go on; a step that had failed for good starts a new series of attempts.

        Raises:
            NotFoundError, ConflictError: there is none, or it is not paused.
        """
        async with self._executor.aside(key) as live:
            if live is not None and live.pausing:
                live.go_on()
                await self._executor.committer.barrier(live)
                return
            loaded = await self.load(key)
            run = loaded.run
            if run.status is not RunStatus.PAUSED:
                raise ConflictError(f"run {ids.to_text('run', key)} is {run.status}, not paused")
            now, entries = self._executor.clock.now(), index(loaded.journal).values()
            paused = [e.key for e in entries if e.key.endswith("#pause") and e.status == "paused"]
            run.status, run.waiting_for = RunStatus.PENDING, ""
            await self.write(run, [Entry(key_, now, "resumed") for key_ in paused])
            self._executor.wake([key])

    async def retry(self, key: int) -> None:
        """Take up a failed or cancelled run again, from the step at which it failed; what was completed stays so.

        Raises:
            NotFoundError, ConflictError: there is none, or it did not fail.
        """
        async with self._executor.aside(key):
            loaded = await self.load(key)
            run = loaded.run
            if run.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
                raise ConflictError(
                    f"run {ids.to_text('run', key)} is {run.status}; only a failed or cancelled run can be retried"
                )
            now = self._executor.clock.now()
            forgotten = [Entry(path, now, RESET, exact) for path, exact in resets(index(loaded.journal))]
            run.status, run.finished_at, run.error, run.wake_at = RunStatus.PENDING, None, None, None
            await self.write(run, [*forgotten, Entry(RETRIED, now)])
            self._executor.wake([key])

    async def fork(
        self,
        key: int,
        step: str | None = None,
        *,
        data: JSON = msgspec.UNSET,
        inputs: Any = msgspec.UNSET,
        latest: bool = True,
        version: int | None = None,
    ) -> str:
        """A new run like this one, from a step on (None: from the beginning): what came before the step is taken
        over. The event's data and the inputs may be replaced when it starts from the beginning. With this version; else
        with the current one or the run's own. Returns the new run's id.

        Raises:
            NotFoundError: there is no such run, step or version. InvalidError: new data or inputs with a step in the
            middle, or the inputs do not fit.
        """
        executor = self._executor
        loaded = await self.load(key)
        flow = await self.version_of(loaded.run, latest=latest, version=version)
        kept = self.kept(loaded, step)
        if step is not None and (data is not msgspec.UNSET or inputs is not msgspec.UNSET):
            raise InvalidError("new data can be given only when the run starts from its beginning")
        event, accepted = loaded.event, []
        if inputs is not msgspec.UNSET:
            kept = self._with_inputs(flow, kept, inputs)
        begun = next((entry.value for entry in kept if entry.key == "#inputs"), None)
        if executor.tracer is not None:
            kept = [*kept, executor.tracer.forked(loaded.run, loaded.event, loaded.journal, executor.clock.now())]
        control = executor.flow_control.new(flow, event, begun, asked=True)
        event_key = event.key if event else None
        record = executor.new_run(flow, event_key, loaded.run.trigger, forked_from=key, control=control)
        if data is not msgspec.UNSET and event is not None:
            event = self._with_data(event, data)
            record.event_key = event.key
            accepted = [Acceptance(event=event)]
        batch = Batch(
            accepted=accepted,
            runs={record.key: copy.copy(record)},
            journal=[(record.key, _encode(kept))] if kept else [],
        )
        if record.started_at is not None:
            executor.committer.sheet.began(record)
        await self._commit(batch)
        executor.begin(record, event, flow, kept)
        return ids.to_text("run", record.key)

    @staticmethod
    def kept(loaded: Loaded, step: str | None) -> list[Entry]:
        """What a fork takes over.

        Raises:
            NotFoundError: the run never came to that step.
        """
        if step is not None:
            return before(loaded.journal, step)
        return [entry for entry in loaded.journal if entry.key == "#inputs" or entry.key.startswith(BATCH)]

    async def version_of(self, run: Run, *, latest: bool, version: int | None = None) -> Flow:
        """A version of a run's flow: this one; else the current one, or the run's own.

        Raises:
            NotFoundError: there is none, or it cannot be loaded any more.
        """
        book = self._executor.book
        flow = book.current.get(run.flow) if latest and version is None else None
        number = run.version if version is None else version
        if flow is None:
            await book.prefetch([(run.flow, number)])
            flow = book.version(run.flow, number)
        if flow is None:
            raise NotFoundError(f"flow {run.flow!r} version {number} is not there, or cannot be loaded any more")
        return flow

    def _with_inputs(self, flow: Flow, kept: list[Entry], inputs: Any) -> list[Entry]:
        try:
            checked = self._executor.book.checked_inputs(flow, inputs)
        except StepError as error:
            raise InvalidError(error.message) from None
        begun = Entry("#inputs", self._executor.clock.now(), value=checked)
        return [begun, *(entry for entry in kept if entry.key != "#inputs")]

    def _with_data(self, event: Event, data: JSON) -> Event:
        key = self._executor.ids.next()
        return msgspec.structs.replace(event, key=key, id=ids.to_text("evt", key), data=data, raw=_encode(data), to=())

    @staticmethod
    def _unfinished(run: Run) -> None:
        if run.status.finished:
            raise ConflictError(f"run {ids.to_text('run', run.key)} has ended ({run.status})")

    async def write(self, run: Run, entries: list[Entry]) -> None:
        """A record and what is appended to its journal, in one commit."""
        journal = [(run.key, _encode(entries))] if entries else []
        await self._commit(Batch(runs={run.key: run}, journal=journal))

    async def _commit(self, batch: Batch) -> None:
        await self._executor.committer.add(batch)
