"""A flow as plain data: what the YAML says, with each expression already compiled behind `Expr`.

Nothing here knows YAML or Jinja. `language` makes these values, `routing` and `runtime` read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

CODE = "python:"
"""What `Flow.file` of a Python flow begins with; the function follows: `python:shop.flows:big_order`."""


class Expr(Protocol):
    """A compiled value: a constant, an expression, a text with `{{ … }}` in it, or a list or map of such."""

    @property
    def source(self) -> str:
        """The text as written, for messages."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Top-level names it reads (`event`, `steps`, `secrets`, `now` …); empty for a constant."""
        ...

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value in this scope.

        Raises:
            PermanentError: kind `expression`: an undefined name, a wrong type, or over a bound of time, size or depth.
        """
        ...


Delay = int | Expr
"""Milliseconds, or an expression that gives a duration."""
Number = int | Expr
"""A whole number, or an expression that gives one when the step begins."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`retry:`. Delays in milliseconds; `max` counts all attempts."""

    max: int = 3
    backoff: str = "exponential"
    """fixed | linear | exponential | random"""
    delay: Delay = 1_000
    factor: float = 2.0
    max_delay: Delay = 60_000
    jitter: float = 0.1
    """Share of each delay that is random, 0–1."""
    on: tuple[str, ...] = ()
    """Only these kinds (`http.5xx`, `exit.*`, `timeout`) or texts in the message; empty: what the error says of
    itself."""
    stop_on: tuple[str, ...] = ()
    if_: Expr | None = None
    """Asked with `error` and `attempt` in scope."""
    then: str = "fail"
    """fail | pause: what happens after the last attempt."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What every step has. The subclasses say what it does."""

    name: str
    line: int = 0
    if_: Expr | None = None
    unless: Expr | None = None
    timeout: Delay | None = None
    """Of one attempt."""
    deadline: Delay | None = None
    """Of all attempts together."""
    retry: Retry | None = None
    """None: the action's own policy. `Retry(max=1)`: none at all."""
    on_error: tuple[Step, ...] = ()
    continue_on_error: bool = False
    finally_: tuple[Step, ...] = ()
    output: Expr | None = None
    """Reshapes the output; sees `output`."""
    delivery: str = "at_least_once"
    """at_least_once | at_most_once"""
    undo: Step | None = None
    """Takes the effect of this step back when the run fails or is cancelled; its path is `PATH.undo`. A list of steps
    is a block."""
    secret_output: bool = False
    """The output is sealed in the journal and masked wherever it is shown."""


class ActionStep(Step, frozen=True, kw_only=True):
    """`action: NAME` with its parameters."""

    action: str
    params: Expr


class BlockStep(Step, frozen=True, kw_only=True):
    """`steps:`, several under one name. Transparent: the names inside belong to the list around it."""

    steps: tuple[Step, ...]


class SetStep(Step, frozen=True, kw_only=True):
    """`set:` variables of the run."""

    values: Expr


class WaitStep(Step, frozen=True, kw_only=True):
    """`wait: 2h` (`for_`) or `wait: {until: TIME}` (`until`): exactly one is given."""

    for_: Delay | None = None
    until: Expr | None = None


class EmitStep(Step, frozen=True, kw_only=True):
    """`emit:` an event to the door. `event` evaluates to `{type, data?, subject?}`."""

    event: Expr


class CallStep(Step, frozen=True, kw_only=True):
    """`call: FLOW`, and wait for it unless `wait` is false."""

    flow: str
    params: Expr
    version: int | None = None
    """None: the current one when the step begins."""
    wait: bool = True
    """False: the output is `{run_id}`, and the child goes its own way."""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One branch of `parallel`; its steps are at `PATH.branches.NAME.STEP`."""

    name: str
    steps: tuple[Step, ...]
    line: int = 0


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """When a `parallel` step is decided."""

    mode: str = "all"
    """all | any (first to finish, whatever its outcome) | first (first to succeed) | count | until"""
    count: Number | None = None
    """How many have to succeed; only of `count`."""
    until: Expr | None = None
    """Asked after each branch that ends, over `branches`; only of `until`."""


class ParallelStep(Step, frozen=True, kw_only=True):
    """`parallel:`. Its output is `{branches: {NAME: {status, output, error}}, winner}`."""

    branches: tuple[Branch, ...]
    join: Join = Join()
    max_parallel: Number | None = None
    fail_fast: bool = True
    """With `join: all`: the first branch that fails stops the others."""


class ForEachStep(Step, frozen=True, kw_only=True):
    """`for_each:` over a list, a map (`item` is `{key, value}`) or a stream; iterations are at `PATH[N].STEP`."""

    items: Expr
    as_: str | None = None
    """Another name of `item`."""
    max_parallel: Number = 1
    batch: Number | None = None
    """Items of one iteration: `item` is then a list."""
    steps: tuple[Step, ...]


class LoopStep(Step, frozen=True, kw_only=True):
    """`while:` (asked before each iteration) or `until:` (asked after it): exactly one is given. Sees `index`; `until`
    also the steps of the iteration that has just ended.
    """

    while_: Expr | None = None
    until: Expr | None = None
    max: Number = 1_000
    """So many iterations; one more fails with kind `loop.limit`."""
    every: Delay | None = None
    """Pause between two iterations."""
    steps: tuple[Step, ...]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case of `switch`; without a condition it is `else`."""

    if_: Expr | None = None
    steps: tuple[Step, ...]


class SwitchStep(Step, frozen=True, kw_only=True):
    """`switch:`, the first case that holds; its steps are at `PATH.cases[N].STEP` and, like those of a block, known by
    name in the list around it.
    """

    cases: tuple[Case, ...]


class WaitForStep(Step, frozen=True, kw_only=True):
    """`wait_for:` an event that came since the run began and that no earlier pass of this step took."""

    event: str
    """Pattern of the type, as in `on: {event: …}`."""
    source: str | None = None
    """Pattern of the source."""
    accept: Expr | None = None
    """`if:` with the candidate as `received`."""
    limit: Delay | None = None
    """`timeout:`; without `on_timeout` it fails the step with kind `timeout`."""
    on_timeout: tuple[Step, ...] | None = None
    """Steps at `PATH.on_timeout.STEP`; the output is then null."""


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """`escalate:` asks these people too, after so long without a decision."""

    after: Delay
    to: Expr
    """A person, or a list of them."""


class ApproveStep(Step, frozen=True, kw_only=True):
    """`approve:`. Its output is `{decision, by, at, form}`; `by` is a list when `quorum` is above 1."""

    title: Expr
    by: Expr | None = None
    """Who may decide: a person, or a list; None: whoever may act on runs."""
    quorum: Number = 1
    """So many have to approve; one rejection rejects."""
    form: dict[str, Any] | None = None
    """JSON Schema of what they fill in."""
    limit: Delay | None = None
    """`timeout:`"""
    on_timeout: str | tuple[Step, ...] | None = None
    """approve | reject, or steps at `PATH.on_timeout.STEP` (the output is then null); None: fails with kind
    `timeout`."""
    escalate: tuple[Escalation, ...] = ()
    notify: tuple[Step, ...] = ()
    """Steps at `PATH.notify[N].STEP` when people are asked (0) and at each escalation (1 …). They see `approval`:
    `{id, title, people, links: {PERSON: URL}, link}`; links are secrets, known only inside `with`."""


class StateStep(Step, frozen=True, kw_only=True):
    """`state:` one change of the flow's durable state."""

    key: Expr
    op: str
    """set | add | delete"""
    value: Expr | None = None
    """Of `set` and `add`."""


class BreakStep(Step, frozen=True, kw_only=True):
    """`break: true` leaves the nearest loop."""


class ReturnStep(Step, frozen=True, kw_only=True):
    """`return: EXPR` ends the nearest branch, iteration or run."""

    value: Expr


class FailStep(Step, frozen=True, kw_only=True):
    """`fail:`; evaluates to a text or `{kind?, message?, data?}`."""

    error: Expr


class TriggerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `on:`. `key` (`FLOW/INDEX`) names it everywhere."""

    key: str
    kind: str
    """`event`, `webhook`, `schedule`, `file`, or what a plugin declares."""
    config: dict[str, Any]
    """As written, constants only, checked against the trigger's own shape by `language`. A bare value stands under
    `""`."""
    line: int = 0
    if_: Expr | None = None
    type: str | None = None
    id: Expr | None = None
    enabled: bool = True
    expect: int | None = None
    """Milliseconds within which at least one event is expected."""
    exprs: dict[str, Expr] = msgspec.field(default_factory=dict)
    """The expressions in `config`, compiled, by their places: `by`, `count.if`, `sequence.0.if`. Conditions give truth
    or falsehood by `truth`."""


class Dedupe(msgspec.Struct, frozen=True, kw_only=True):
    """`dedupe: {key, for}`: no second run for the same key within the time (milliseconds)."""

    key: Expr
    for_: int


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """`rate_limit:` (drops) and `throttle:` (queues): so many starts in so many milliseconds, for each key."""

    max: int
    per: int
    key: Expr | None = None


class EventBatch(msgspec.Struct, frozen=True, kw_only=True):
    """`batch:` collects events of a key into one run: when there are `size`, or `for_` milliseconds after the first."""

    size: int
    for_: int
    key: Expr | None = None


class Debounce(msgspec.Struct, frozen=True, kw_only=True):
    """`debounce:` the last event of a key after `for_` milliseconds of silence, at the latest `max` after the first."""

    for_: int
    max: int | None = None
    key: Expr | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`hold:` what is over so many events in so many milliseconds waits for a person."""

    over: int
    per: int


class Singleton(msgspec.Struct, frozen=True, kw_only=True):
    """`singleton:` one unfinished run for each key."""

    key: Expr | None = None
    on_conflict: str = "skip"
    """skip (the new one) | cancel (the old one)"""


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """`concurrency:` so many running runs for each key; sleeping ones hold no slot."""

    limit: int
    key: Expr | None = None
    scope: str = "flow"
    """flow | global: whether flows that use the same key share its slots."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Flow control, asked in the order of the fields (`dedupe` comes before them, `priority` orders what queues)."""

    rate_limit: Rate | None = None
    batch: EventBatch | None = None
    debounce: Debounce | None = None
    hold: Hold | None = None
    singleton: Singleton | None = None
    throttle: Rate | None = None
    concurrency: Concurrency | None = None
    priority: Expr | None = None
    """A number; the higher comes first."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flow."""

    name: str
    source: str
    """The YAML text."""
    digest: str
    """SHA-256 of the meaning-bearing text, hex: two equal digests are one version."""
    file: str | None = None
    version: int = 0
    """From 1; 0 until the engine has registered it."""
    description: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    triggers: tuple[TriggerSpec, ...] = ()
    if_: Expr | None = None
    unless: Expr | None = None
    steps: tuple[Step, ...] = ()
    inputs: dict[str, Any] | None = None
    """JSON Schema of the inputs of a called or hand-started run."""
    outputs: Expr | None = None
    vars: Expr | None = None
    timeout: Delay | None = None
    on_failure: tuple[Step, ...] = ()
    on_cancel: tuple[Step, ...] = ()
    undo: str = "on_failure"
    """on_failure (also when it is cancelled) | never"""
    retention: int | None = None
    """Milliseconds that its finished runs are kept; None: as the server is set."""
    dedupe: Dedupe | None = None
    control: Control | None = None
    """None: whatever matches starts at once."""
    timezone: str = "UTC"
    connections: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Settings to reach systems, by name, as written: `{{ secrets.X }}` in them is filled in when they are used."""
    tests: tuple[dict[str, Any], ...] = ()
    """`tests:` as written, checked by `language.cases`."""
    code: Any = None
    """A Python flow (`@app.flow`): what runs in place of `steps`."""
    legacy: bool = False
    """Written for the older Go engine: missing fields are empty, `if` is rendered text."""


def inner_lists(step: Step) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """Every list of steps inside a step with what its paths begin with behind the step's own (`.branches.sms.`,
    `[].`, `.on_error.` …): the one place that knows where steps can stand in steps. `[]` stands for any number.
    """
    lists: list[tuple[str, tuple[Step, ...]]] = []
    if isinstance(step, BlockStep):
        lists.append((".", step.steps))
    elif isinstance(step, ParallelStep):
        lists += [(f".branches.{branch.name}.", branch.steps) for branch in step.branches]
    elif isinstance(step, (ForEachStep, LoopStep)):
        lists.append(("[].", step.steps))
    elif isinstance(step, SwitchStep):
        lists += [(f".cases[{number}].", case.steps) for number, case in enumerate(step.cases)]
    elif isinstance(step, WaitForStep):
        lists.append((".on_timeout.", step.on_timeout or ()))
    elif isinstance(step, ApproveStep):
        lists.append((".on_timeout.", step.on_timeout if isinstance(step.on_timeout, tuple) else ()))
        lists.append((".notify[].", step.notify))
    lists += [(".on_error.", step.on_error), (".finally.", step.finally_)]
    if step.undo is not None:
        lists.append((".", (step.undo,)))
    return tuple((prefix, steps) for prefix, steps in lists if steps)


def walk(steps: Iterable[Step], prefix: str = "") -> Iterator[tuple[str, Step]]:
    """Every step of a list and all below it, with its path, in the order of the file."""
    for step in steps:
        path = prefix + step.name
        yield path, step
        for below, inner in inner_lists(step):
            yield from walk(inner, path + below)


def all_steps(flow: Flow) -> Iterator[tuple[str, Step]]:
    """Every step of a flow with its path: its own, then those of `on_failure` and `on_cancel`."""
    yield from walk(flow.steps)
    yield from walk(flow.on_failure, "on_failure.")
    yield from walk(flow.on_cancel, "on_cancel.")
