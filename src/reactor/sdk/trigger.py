"""Triggers: configured listeners that hand events to the door."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol

import msgspec

from reactor.model.clock import Clock
from reactor.model.event import JSON, EventDraft
from reactor.sdk.connection import Connection, ConnectionType
from reactor.sdk.http import HttpRoutes

READ = "expression"
"""The word in the annotation of a field that is an expression."""
Expression = Annotated[str, msgspec.Meta(extra={READ: "expression"})]
"""Type of a text in a trigger's `config` that is an expression over `event`: `validate` reads it, its names are
checked, and the engine has it compiled (`TriggerSpec.exprs`). In the struct it stays the text."""
Condition = Annotated[str | bool, msgspec.Meta(extra={READ: "condition"})]
"""As `Expression`, for what holds or does not."""


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended, for a caller that waits for it."""

    run_id: str
    status: str
    output: JSON = None
    error: dict[str, JSON] | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The event is committed, and so are these runs."""

    event_id: str
    runs: tuple[tuple[str, str], ...]
    """(run id, flow name) of each run that the event started."""
    duplicate: bool = False
    """It had been accepted before; `runs` are those of the first time. Nothing was started."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that makes no event: kept beside the events, so that the source can go on, until somebody decides."""

    reason: str
    """What is wrong with it, one sentence."""
    payload: bytes
    """As it came; or the JSON of its data, when the door refused the event."""
    draft: EventDraft | None = None
    """The event that the door refused; None: it could not be read."""
    metadata: dict[str, JSON] = msgspec.field(default_factory=dict)
    """Where it came from: topic, partition, offset, headers … as the event would have had it."""
    subject: str | None = None
    id: str | None = None
    """The source's own id, as `EventDraft.id`."""


class TriggerLost(Exception):
    """Raise from `Trigger.run`: it cannot listen now; the message says why and what to do. It is tried again with
    backoff. A `StepError` that comes out of `run` means the same.
    """


class TriggerContext(Protocol):
    """What a running trigger is given. One per configured trigger of one flow."""

    @property
    def key(self) -> str:
        """`FLOW/INDEX`."""
        ...

    @property
    def flow(self) -> str:
        """The flow it starts."""
        ...

    @property
    def config(self) -> Any:
        """The trigger's `config` struct, converted and checked."""
        ...

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `ActionContext.settings`."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log lines carry the trigger's key."""
        ...

    @property
    def http(self) -> HttpRoutes:
        """The HTTP server."""
        ...

    @property
    def timezone(self) -> str:
        """The flow's time zone name."""
        ...

    def secret(self, name: str) -> str:
        """The value of a secret.

        Raises:
            TriggerLost: there is no secret of that name.
        """
        ...

    def saved(self) -> Mapping[str, JSON]:
        """What was saved by earlier `emit` calls of this trigger (its cursor), also before a restart."""
        ...

    def connection(self, name: str | None, *types: ConnectionType) -> Connection:
        """The connection that is meant by this name, or by none. When it is saved anew, the trigger is started anew.

        Raises:
            TriggerLost: there is none, it does not fit, or a secret of it is not set.
        """
        ...

    async def emit(
        self,
        drafts: Sequence[EventDraft],
        *,
        save: Mapping[str, JSON] | None = None,
        wait: bool = False,
        dead: Sequence[DeadLetter] = (),
    ) -> list[Receipt]:
        """Hand events to the door, addressed to this trigger's flow. Returns when they, the runs they start, `save`
        (keys to keep; None removes a key) and `dead` are committed together. Acknowledge the source after it, never
        before. `drafts` may be empty to save alone. With `wait`, `result()` can be asked for the runs of the receipts.
        `reactor.sdk.delivery.deliver` does this with patience: use it for sources that can wait.

        Raises:
            BusyError: queues are full; nothing was taken: wait and call again.
            InvalidError, TooLargeError: one of the events is refused whenever it comes; nothing was taken.
            TriggerLost: too many dead letters lie there; nothing was taken.
        """
        ...

    def refusal(self, draft: EventDraft) -> str | None:
        """Why the door would refuse this event whenever it comes, or None."""
        ...

    async def result(self, receipt: Receipt, timeout: int | None) -> RunResult | None:
        """The end of this flow's run, or None when `timeout` (ms) is over first or the event started no run of this
        flow.
        """
        ...

    async def active_runs(self) -> list[str]:
        """Ids of the unfinished runs that this trigger started."""
        ...

    async def cancel_runs(self, reason: str) -> int:
        """Ask all of them to stop; how many there were."""
        ...

    async def sleep_until(self, instant: int) -> None:
        """Until this instant (ms since 1970) of `clock`; safe against clock changes."""
        ...

    def armed(self, *, next_at: int | None = None) -> None:
        """Say: I am listening now. `next_at`: when the next event is due, if known."""
        ...

    def lagging(self, reason: str, lag: int | None = None) -> None:
        """Say: I listen, but am behind."""
        ...

    def error(self, reason: str) -> None:
        """Count one refused or unreadable input; the trigger stays as it is."""
        ...

    def lag(self, behind: int | None) -> None:
        """Say how many messages wait at the source (None: it cannot be known); call it every few seconds. Armed or
        lagging follows from it: behind by 1,000 or more for 10 s is lagging.
        """
        ...

    def gap(self, reason: str) -> None:
        """Say: what came in between is lost to us for ever (a trimmed stream, a purged log), from where to where. Kept,
        shown until somebody confirms it, and told as an event `reactor.trigger.gap`; never silent.
        """
        ...


class Trigger(Protocol):
    """A kind of trigger. Implement as a class without state of its own; `run` is started once per configured one.

    A trigger that makes dead letters also has `redo(self, config, letter: DeadLetter) -> EventDraft`, plain or async:
    reads one again when somebody asks for that, with the configuration as it is now; raises MalformedError with the
    reason if it still cannot be read.

    A trigger that fires by the clock may have `upcoming(self, config, key, timezone, after, count) -> list[Instant]`:
    when it fires next after an instant, at most so many times.

    With a class attribute `passive = True` it has nothing to listen to by itself (`event`: the router does it all), and
    `run` is never called.
    """

    kind: ClassVar[str]
    """The key under `on:`."""
    config: ClassVar[type[msgspec.Struct]]
    """Shape of the configuration (`forbid_unknown_fields`). A bare value (`schedule: "@daily"`) fills the field
    `short`."""
    short: ClassVar[str | None]
    """Name of the field that a bare value fills, or None when only the map form is allowed."""
    doc: ClassVar[str]
    default_type: ClassVar[str]
    """The event type when the flow does not rename it."""

    def check(self, config: Any) -> list[str]:
        """Problems of a configuration that its shape cannot tell (a cron line that never fires); for `validate`."""
        ...

    async def run(self, ctx: TriggerContext) -> None:
        """Listen until cancelled. Call `ctx.armed()` once listening. Raise `TriggerLost` when it cannot go on.

        Cancellation means stop: release what you hold and leave; what was not emitted is not acknowledged.
        """
        ...
