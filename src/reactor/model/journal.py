"""The journal: what is known of a run, keyed by place, so that a run can be resumed, retried or forked.

A key is a step's path (`charge`, `notify.branches.sms.send`, `each[17].charge`) for its outcome, or the path and a
suffix for what else is recorded of it:

| key | says|
| --- | ---|
| `PATH` | the outcome: status, output, error, number of attempts|
| `PATH#started` | the step began (`at`; kept also as the base of its deadline), `value` is the masked input|
| `PATH#attempt` | the last attempt failed and another follows: `attempt`, `error`, `value` is the instant of the next|
| `PATH#set` | the outcome of a `set` step: `value` is what it set|
| `PATH#pause` | it waits for a person (status `paused`), or was told to go on (`resumed`)|
| `PATH#timer` | it sleeps until `value`|
| `PATH#body` | the outcome before the step's own `on_error` and `finally` steps|
| `PATH#timeout` | when a block's time is up|
| `PATH#child` | `value` is the number of the run that it called|
| `PATH[N]` | the outcome of one iteration of a loop|
| `PATH[N]#started` | a `while`/`until` loop went into iteration N|
| `PATH#items` | what `for_each` goes over, where that can change (else it is computed again)|
| `PATH#stream` | the action of this step has opened the stream `value`: the only ones that `for_each` follows|
| `PATH#page` | the last page of a stream that was done: `value` is `[first, cursor, page]`|
| `PATH.branches.NAME` | the outcome of one branch|
| `PATH#join` | a `parallel` step is decided: `value` is `{winner, done}`|
| `PATH#case` | `value` is the number of the case that was chosen; -1: none|
| `PATH#event` | `value` is `{id}` of the event that `wait_for` took; status `timeout`: none came in time|
| `PATH#decision.N` | `value` is one decision of `approve`: `{id, by, decision, at, form}`; `timeout` as above|
| `PATH#asked` | the approval as it was opened: `{id, title, people, quorum, form, until}`|
| `PATH[N]#break` | the iteration left its loop|
| `PATH#kind` | the code of a Python flow asked for this step: `value` is its kind, a blank, and what it calls|
| `PATH#patch.NAME` | the code of a Python flow goes the new way of a change here|
| `PATH#draw.S0`… | what `now()`, `uuid()`, `random()` gave in its slot S (`if`, `with`, `output` …)|
| `` (empty) | the outcome of the whole run|
| `#inputs` | the inputs of the run|
| `#batch.KEY` | `value` is the key of one more event that `batch` put into the run|
| `#cancel` | somebody asked to cancel it|
| `#retry` | somebody had it retried after it had failed|
| `#migrated` | it changed over to another version: `{from, to, map, forced}`; what follows has the new names|

Later entries of a key replace earlier ones; an entry with status `reset` makes its key unknown again, and all below
it too unless its value is true. With a value `[FIRST, COUNT]` it is these iterations of the loop `PATH` that are
forgotten, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.states import RunStatus

RESET = "reset"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One fact about one place of one run."""

    key: str
    at: Instant
    status: str = ""
    value: Any = None
    error: ErrorInfo | None = None
    attempt: int = 0
    started: Instant = 0
    input: Any = None
    """Of an outcome: the input with every secret masked (None where `#started` already holds it)."""


def forget(known: dict[str, Entry], reset: Entry) -> None:
    """Make the key of an entry with status `reset` unknown again, and all below it unless the entry's value is true;
    or the iterations that the value names.
    """
    path = reset.key
    if isinstance(reset.value, list):
        _forget_iterations(known, path + "[", *reset.value)
        return
    known.pop(path, None)
    if not reset.value:
        for key in [k for k in known if k.startswith((path + ".", path + "#", path + "["))]:
            del known[key]


def _forget_iterations(known: dict[str, Entry], prefix: str, first: int, count: int) -> None:
    for key in [k for k in known if k.startswith(prefix)]:
        number = key[len(prefix) : key.find("]", len(prefix))]
        if number.isdigit() and first <= int(number) < first + count:
            del known[key]


def index(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The journal by key, in the order in which the keys came first: later entries replace earlier ones."""
    known: dict[str, Entry] = {}
    for entry in entries:
        if entry.status == RESET:
            forget(known, entry)
        else:
            known[entry.key] = entry
    return known


class Outcome(msgspec.Struct, frozen=True):
    """How one attempt, or a child run, ended: an error or an output (or, for a failed command, both)."""

    output: Any = None
    error: ErrorInfo | None = None


class ActionCall(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one action, as a runtime is asked to make it."""

    action: str
    params: dict[str, Any]
    shown: Any
    """The parameters with every secret masked: what may be journaled."""
    attempt: int
    timeout: int | None
    """Milliseconds, or None."""
    delivery: str
    secret_output: bool = False
    """What it gives, and so what it says, is for nobody's eyes."""
    secrets: tuple[str, ...] = ()
    """Values that were put into `params` and must not be seen in outputs, errors and logs."""
    line: int = 0


class FlowCall(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-flow to start, and to wait for unless `wait` is false."""

    flow: str
    params: dict[str, Any]
    version: int | None = None
    wait: bool = True


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The events that a step waits for."""

    type: str
    """Pattern of the type, as in `on: {event: …}`."""
    accept: Callable[[dict[str, Any]], bool]
    """Whether this event (its view) is one. Quick, and changes nothing; an error in it is a no."""
    key: str | None = None
    """What the event's subject has to be: lets a runtime keep a hundred thousand waits apart without asking each."""
    match: tuple[tuple[str, ...], Any] | None = None
    """(place in the view, the value that stands there): as `key`, for any other place."""
    source: str | None = None
    what: str = ""
    """In words, for `explain`."""


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a flow's durable state."""

    key: str
    op: str
    """set | add | delete"""
    value: Any = None


class EventWait(msgspec.Struct, frozen=True, array_like=True):
    """What a run that has left memory waits for, as its record keeps it: enough to know which events wake it."""

    type: str
    """Pattern of the type."""
    key: str | None = None
    """What the subject has to be."""
    source: str | None = None
    """Pattern of the source."""
    seen: int = 0
    """Key of the event up to which it has seen all."""
    path: str = ""
    """The step that waits."""
    match: tuple[tuple[str, ...], Any] | None = None
    """See `Wanted.match`."""


class Controlled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What flow control knows of a run. Kept with its record: slots and rates are derived from records alone."""

    keys: dict[str, str] = {}
    """Control (`concurrency`, `throttle` …) → its key as JSON text; a control without a key is not here."""
    priority: float = 0
    stage: str = ""
    """Where it stands: empty (not asked yet), `batch`, `debounce`, `hold`, `queue`, or `in` (it passed)."""
    error: str = ""
    """Why a key could not be evaluated: the run fails with this."""


class Run(msgspec.Struct, kw_only=True):
    """The slim record of a run that lists show. Inputs and output are in the journal."""

    key: int
    flow: str
    version: int
    status: RunStatus
    event_key: int | None = None
    trigger: str = ""
    parent_key: int | None = None
    parent_path: str = ""
    forked_from: int | None = None
    created_at: Instant = 0
    started_at: Instant | None = None
    finished_at: Instant | None = None
    wake_at: Instant | None = None
    """When a waiting run must be looked at again; None: only a signal or a child wakes it."""
    waiting_for: str = ""
    """In words, for `explain`: `step cool-down sleeps`."""
    waits: tuple[EventWait, ...] = ()
    """The events that wake it, while it is out of memory."""
    detached: bool = False
    """Called with `wait: false`: it is not cancelled with its parent, and its end does not wake it."""
    error: ErrorInfo | None = None
    control: Controlled | None = None
    """None: nothing has to be asked before it starts."""
    owner: int = 0
    """The instance that holds its lease; 0 is nobody."""
    epoch: int = 0
    """Raised each time the lease changes hands, so a late writer is told from the holder."""
