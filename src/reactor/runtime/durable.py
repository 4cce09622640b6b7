"""The port that the interpreter runs on (`Record` and `Durable`): whatever touches world, time or chance goes through
it.

A runtime knows nothing of retries, handlers, joins or loops; the interpreter knows nothing of disks, clocks or sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from reactor.model.clock import Instant
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted
from reactor.sdk.action import Action


class Record(Protocol):
    """What is known of a run, and what it draws: nothing here waits."""

    @property
    def evicting(self) -> bool:
        """The run only leaves memory: a cancellation felt now must unwind without running any step."""
        ...

    def recall(self, key: str) -> Entry | None:
        """What the journal already says of this place, or None."""
        ...

    def known(self) -> Sequence[Entry]:
        """The journal as it was when the run came into memory, oldest first, with what was forgotten since; empty for a
        run that has just begun.
        """
        ...

    def record(self, entry: Entry) -> None:
        """A decision or a result: rides with the next commit. Nobody waits. With status `reset`, `recall` knows its
        key, and what is below, no more from now on (`journal.forget`).
        """
        ...

    def now(self) -> Instant:
        """The time as the journal knows it; the interpreter records what flows see of it."""
        ...

    def draw(self, what: str) -> Any:
        """A random number (`random`) or id (`uuid`); the interpreter records it."""
        ...


class Durable(Record, Protocol):
    """What a runtime offers to one run. Its methods are called from the run's own tasks on one event loop."""

    def find(self, action: str) -> Action | None:
        """The action of that name."""
        ...

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """Make ONE attempt. Before a write, all that was recorded so far is made durable. Failures are outcomes.

        Raises:
            asyncio.CancelledError: the attempt was cancelled.
        """
        ...

    async def sleep(self, path: str, until: Instant) -> None:
        """Return when it is `until` or later. The run may leave memory meanwhile."""
        ...

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """Hand an event to the door; it, the runs that it starts and the step's outcome are committed together.

        `entry` is the outcome to record, its value still empty; returns that value, `{event_id}`.

        Raises:
            StepError: kind `loop.guard` (the chain of causes is too long) or `input`.
        """
        ...

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """Start a run of another flow, or find the one started before a crash, and wait for its end; with
        `call.wait` false return `{run_id}` as soon as it is durable.
        """
        ...

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The oldest wanted event since the run began, as its view, as soon as there is one; None when it is `until`
        first. The run may leave memory meanwhile. The caller records what it took.
        """
        ...

    async def state(self, path: str, change: StateChange) -> Any:
        """Change the flow's durable state; the value after it. The caller records the outcome without awaiting
        anything first, and both are committed together.

        Raises:
            StepError: kind `input`: what is there cannot be added to; kind `state.limit`: there is no room.
        """
        ...

    async def turn(self, path: str) -> None:
        """Let others have the loop: called now and then by long walks that wait for nothing. The run may be stopped or
        paused here (`path`: of the loop).
        """
        ...

    async def pause(self, path: str, reason: str) -> None:
        """Stop here until a person resumes the run; the run may leave memory meanwhile."""
        ...
