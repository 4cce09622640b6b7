"""The shapes of the API's JSON, for OpenAPI and for the tests that hold the answers to them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from reactor.server.trigger_shapes import Shape, TriggerShape

_T = TypeVar("_T")


class Listed(msgspec.Struct, Generic[_T], kw_only=True, forbid_unknown_fields=True):
    """One page of a list."""

    items: list[_T]
    next: str | None
    """Give it as `cursor` for the page that follows; null: there is none."""


class Count(Shape):
    """How many."""

    count: int
    exact: bool
    """False: there are more than were counted."""


class StartedRun(Shape):
    """A run that an event started."""

    id: str
    flow: str


class ReceiptShape(Shape):
    """The event is committed, and so are these runs."""

    event_id: str
    runs: list[StartedRun]
    duplicate: bool
    """It had been accepted before; nothing was started."""


class Released(Shape):
    """Runs that were held and go on."""

    released: int


class ErrorShape(Shape):
    """Why a run or step failed."""

    kind: str
    message: str
    step: str | None
    data: Any = None


class RunRow(Shape):
    """A run in a list."""

    id: str
    flow: str
    version: int
    status: str
    event_id: str | None
    trigger: str | None
    parent_id: str | None
    forked_from: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    wake_at: str | None
    waiting_for: str | None
    error: ErrorShape | None


class StepShape(Shape):
    """One step of a run."""

    path: str
    name: str
    action: str | None
    status: str
    attempts: int
    started_at: str | None
    finished_at: str | None
    input: Any
    output: Any
    error: ErrorShape | None


class Migration(Shape):
    """A change to another version."""

    at: str
    from_: int = msgspec.field(name="from")
    to: int
    map: dict[str, str]
    """Old → new paths of what was renamed."""
    forced: list[str]
    """Steps that did not have to fit."""


class RunWhole(RunRow):
    """One run with its steps."""

    inputs: Any
    output: Any
    steps: list[StepShape]
    migrations: list[Migration]
    """Changes to another version, oldest first."""


class Blocker(Shape):
    """One thing that keeps a run from going on, and when that ends."""

    kind: str
    """timer, event, approval, child, retry, action, person, paused, held, batch, debounce, singleton, throttle,
    concurrency, memory, store, unreadable."""
    path: str | None
    """The step; none: the run as a whole."""
    reason: str
    until: str | None
    """When it ends by itself."""
    details: dict[str, Any]
    """What belongs to its kind: the runs that hold the slots, the people who are asked, the run that was called …"""


class RunExplained(RunRow):
    """What a run is doing or waiting for."""

    explanation: str
    blockers: list[Blocker]
    steps: list[StepShape]


class DecisionShape(Shape):
    """What one person has decided."""

    by: str
    decision: str
    at: str
    form: Any = None
    """What they have filled in."""


class Approval(Shape):
    """A question to people."""

    id: str
    run_id: str
    flow: str
    step: str
    title: str
    people: list[str]
    """Who may decide; none: whoever may act on runs."""
    quorum: int
    """So many have to approve; one rejection rejects."""
    form: dict[str, Any] | None
    """JSON Schema of what they fill in."""
    asked_at: str
    until: str | None
    escalates_at: str | None
    """When others are asked, too."""
    on_timeout: str | None
    """What happens at `until`: fail, approve, reject, steps."""
    decisions: list[DecisionShape]
    open: bool


class LogLine(Shape):
    """Something that happened in a run."""

    at: str
    level: str
    step: str | None
    message: str
    fields: Any = None
    attempt: int | None = None
    """Of what an action said."""


class RunRef(Shape):
    """A run as it is after a command."""

    id: str
    status: str


class EventRow(Shape):
    """An event in a list."""

    id: str
    source_id: str
    type: str
    source: str
    subject: str | None
    time: str
    size: int


class RunOfEvent(Shape):
    """A run that an event started, as it stands."""

    id: str
    flow: str
    status: str


class EventListed(EventRow):
    """An event in a list, with what it started."""

    runs: list[RunOfEvent]
    """The first of them."""
    run_count: int


class AnswerShape(Shape):
    """One rule that was asked about an event."""

    rule: str
    result: str
    """passed, stopped, merged, queued, error, not_asked."""
    expression: str | None
    values: dict[str, Any]
    """What decided."""
    reason: str
    trigger: str | None
    """Whose rule it is; none: the flow's."""


class Verdict(Shape):
    """Whether an event started a flow, and why or why not."""

    flow: str
    version: int | None
    trigger: str | None
    started: bool
    rule: str
    reason: str
    run_id: str | None
    verdicts: list[AnswerShape]
    """In the order of asking."""


class WaitedFor(Shape):
    """A step that waited when an event came."""

    run_id: str
    flow: str
    status: str
    path: str
    result: str
    """took, stopped (its condition refused it, or it had another), waits."""
    expression: str
    reason: str
    values: dict[str, Any]


class EventExplained(Shape):
    """An event and every flow's verdict."""

    event: EventRow
    flows: list[Verdict]
    waiting: list[WaitedFor]
    """Runs that waited for such events."""
    waiting_more: bool
    """There are more such runs than were looked at."""


class EventWhole(Shape):
    """One event with its data and what came of it."""

    id: str
    source_id: str
    type: str
    source: str
    subject: str | None
    time: str
    data: Any
    metadata: dict[str, Any]
    causes: list[str]
    to: list[str]
    matches: list[Verdict]


class FixShape(Shape):
    """A change of the text that mends a problem: what stands between two places is replaced."""

    line: int
    column: int
    end_line: int
    end_column: int
    replacement: str


class FileProblem(Shape):
    """What is wrong in a file of flows."""

    file: str | None
    line: int | None
    column: int | None
    end_column: int | None
    """Behind the last character that is wrong, in the same line."""
    severity: str
    rule: str | None
    message: str
    suggestion: str | None
    """What was probably meant."""
    allowed: list[str]
    """What could stand there instead, as far as it can be listed."""
    fix: FixShape | None


class FlowRow(Shape):
    """A flow in a list."""

    name: str
    description: str
    labels: dict[str, str]
    version: int
    enabled: bool
    file: str | None
    sentence: str
    """The flow as one sentence in plain English."""
    triggers: list[TriggerShape]
    problems: list[FileProblem]


class VersionRow(Shape):
    """A version of a flow."""

    flow: str
    version: int
    digest: str
    file: str | None
    created_at: str
    current: bool


class VersionWhole(VersionRow):
    """A version with its text."""

    yaml: str


class ChangeShape(Shape):
    """One thing that is different between two versions."""

    path: str
    """The step, `on[0]` for a trigger, or empty for the flow itself."""
    kind: str
    """added | removed | moved | changed | renamed"""
    what: str
    """`step`, `trigger`, `branch`, `case`, or the key that differs, such as `with.body.amount`."""
    before: Any
    after: Any
    touches: str | None
    """What it means for runs under way that change over; null: nothing."""


class Diff(Shape):
    """What is different between two versions."""

    flow: str
    from_: int = msgspec.field(name="from")
    to: int
    changes: list[ChangeShape]


class TextDiff(Shape):
    """What a text would change."""

    flow: str
    from_: int = msgspec.field(name="from")
    """The current version."""
    changes: list[ChangeShape]


class DivergenceShape(Shape):
    """A place where a version goes another way than a recorded run."""

    path: str
    kind: str
    """new | missing | changed | case | join | input | extra"""
    recorded: Any
    replayed: Any


class Migrated(Shape):
    """A run's change to another version, as it would be or was done."""

    run: str
    flow: str
    from_: int = msgspec.field(name="from")
    to: int
    refused: str | None
    """Why it cannot change over."""
    diverges: list[DivergenceShape]
    """Where its past is not what the version would have done."""
    next: list[str]
    """Where it stands, or goes on."""
    migrated: bool
    """False: this was a preview, or it is refused."""


class AllMigrated(Shape):
    """Runs of one flow, oldest first."""

    items: list[Migrated]


class ForkPlanShape(Shape):
    """What a fork would do."""

    run: str
    from_: int = msgspec.field(name="from")
    to: int
    step: str | None
    taken_over: list[str]
    again: list[str]
    """Steps that the run has done, and that are done anew."""
    new: list[str]
    gone: list[str]
    other: list[DivergenceShape]
    """Where it goes another way, if the world answers as it did then."""
    unfit: list[DivergenceShape]
    """Where what it takes over is not what the version would have done."""


class Forked(Shape):
    """The new run as it is now; in a preview what it would be, and no run."""

    id: str | None
    status: str | None
    plan: ForkPlanShape | None = None


class TriggerConfig(Shape):
    """What a trigger listens to."""

    key: str
    kind: str
    config: dict[str, Any]
    if_: str | None = msgspec.field(name="if")


class FlowExplained(Shape):
    """What starts a flow, and what of it is alive."""

    flow: str
    version: int
    enabled: bool
    triggers: list[TriggerConfig]
    if_: str | None = msgspec.field(name="if")
    unless: str | None
    control: dict[str, Any]
    """By control: what it allows, and by key what is in it; `queue`: who waits."""
    live_runs: list[RunRow]


class Link(Shape):
    """Signs one browser in, once."""

    url: str


class ProblemShape(msgspec.Struct, kw_only=True, rename={"type_": "type"}):
    """A refusal (RFC 9457). Some have more members, such as `line` and `column`."""

    type_: str
    title: str
    status: int
    detail: str
