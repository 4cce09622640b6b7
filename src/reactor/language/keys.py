"""Every key of a flow, once: name, shape, meaning, example. The checks, the JSON Schema and the docs are made from it.

A key that is part of the language but that this version cannot run has `later=True`: it is refused by name.
"""

from __future__ import annotations

import msgspec

NAME = r"[a-z0-9_-]+"
STEP_NAME = r"[a-zA-Z0-9_-]+"
BACKOFFS = ("fixed", "linear", "exponential", "random")
LATER = "`{name}` is part of the language but this version of Reactor does not run it yet"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand behind a key."""

    kind: str
    """Name of the reader in `shapes` and of the maker in `schema`."""
    words: tuple[str, ...] = ()
    """The words that are allowed."""
    keys: tuple[Key, ...] = ()
    """The keys of a map."""
    least: float | None = None
    most: float | None = None
    sees: tuple[str, ...] = ()
    """Names that only expressions here may read, beside those of the place."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    name: str
    shape: Shape
    doc: str
    example: str = ""
    """As YAML: what may stand behind it."""
    required: bool = False
    later: bool = False
    verbs: tuple[str, ...] = ()
    """Of a step's key: the kinds of steps where it works in this version; empty: all."""
    takes: tuple[str, ...] = ()
    """Of a verb: names that belong to it, beside the keys of every step."""


def _shape(kind: str) -> Shape:
    return Shape(kind=kind)


TEXT = _shape("text")
FLAG = _shape("flag")
DURATION = Shape(kind="duration", least=1)
PAUSE = Shape(kind="duration", least=0)
SPAN = Shape(kind="span", least=1)
CONDITION = _shape("condition")
EXPRESSION = _shape("expression")
VALUE = _shape("value")
TEMPLATE = _shape("template")
STEPS = _shape("steps")
ANY = _shape("any")


def _key(name: str, shape: Shape, doc: str, example: str = "", *, required: bool = False, later: bool = False) -> Key:
    return Key(name=name, shape=shape, doc=doc, example=example, required=required, later=later)


def _later(name: str, doc: str, example: str) -> Key:
    return Key(name=name, shape=ANY, doc=doc, example=example, later=True)


RETRY_KEYS = (
    _key("max", Shape(kind="whole", least=1, most=1_000_000), "All attempts, the first one counted; default 3.", "5"),
    _key("backoff", Shape(kind="word", words=BACKOFFS), "How the pauses grow; default exponential.", "linear"),
    _key("delay", PAUSE, "The first pause; default 1s.", "1s"),
    _key(
        "factor",
        Shape(kind="number", least=1, most=1_000),
        "What an exponential pause is multiplied by; default 2.",
        "2",
    ),
    _key("max_delay", DURATION, "The longest pause; default 1m, or ten times a `delay` that is longer itself.", "1m"),
    _key("jitter", Shape(kind="number", least=0, most=1), "Share of each pause that is random; default 0.1.", "0.1"),
    _key("on", _shape("texts"), "Only these kinds of errors (or a text of the message).", "[timeout, http.5xx]"),
    _key("stop_on", _shape("texts"), "Never after these kinds of errors.", "[http.404]"),
    _key(
        "if", Shape(kind="condition", sees=("error", "attempt")), "Only if; sees `error` and `attempt`.", "attempt < 3"
    ),
    _key("then", Shape(kind="word", words=("fail", "pause")), "After the last attempt; default fail.", "pause"),
)
DEDUPE_KEYS = (
    _key("key", EXPRESSION, "What makes two events the same.", "event.data.id", required=True),
    _key("for", SPAN, "How long a key is remembered.", "1h", required=True),
)
WAIT_KEYS = (
    _key("until", TEMPLATE, "A point in time: ISO 8601, or a template.", '"{{ event.data.due }}"', required=True),
)
EMIT_KEYS = (
    _key("type", TEMPLATE, "The event's type.", "order.charged", required=True),
    _key("data", VALUE, "Its content.", '{id: "{{ event.data.id }}"}'),
    _key("subject", TEMPLATE, "What it is about.", '"{{ event.data.id }}"'),
)
FAIL_KEYS = (
    _key("kind", TEMPLATE, "The error's kind; default failed.", "order.refused"),
    _key("message", TEMPLATE, "What went wrong.", "too expensive"),
    _key("data", VALUE, "More about it.", '{total: "{{ event.data.total }}"}'),
)

_ONCE = ("action", "steps")
STEP_KEYS = (
    _key("name", _shape("step_name"), "How other steps refer to it (`steps.NAME`); unique in its list.", "charge"),
    _key("if", CONDITION, "Only if this holds; else the step is skipped.", "event.data.total > 100"),
    _key("unless", CONDITION, "Skipped if this holds.", "event.data.test"),
    Key(name="timeout", shape=DURATION, doc="Of one attempt.", example="20s", verbs=_ONCE),
    Key(name="deadline", shape=DURATION, doc="Of all attempts together.", example="5m", verbs=_ONCE),
    Key(
        name="retry",
        shape=Shape(kind="retry", keys=RETRY_KEYS),
        doc="Another attempt after a failure: a map, a number of attempts, or `none`.",
        example="{max: 5, backoff: exponential, delay: 1s}",
        verbs=("action",),
    ),
    _key("on_error", STEPS, "Steps when it has failed, with `error`; then the run goes on.", "[{fail: no stock}]"),
    _key("continue_on_error", FLAG, "A failure leaves the step failed, and the run goes on.", "true"),
    _later("undo", "What takes its effect back when the run fails.", "{action: http.request}"),
    _key("finally", STEPS, "Steps afterwards, whatever happened.", "[{action: file.delete, path: tmp.csv}]"),
    Key(
        name="delivery",
        shape=Shape(kind="word", words=("at_least_once", "at_most_once")),
        doc="After a crash during the action: do it again (default), or never twice.",
        example="at_most_once",
        verbs=("action",),
    ),
    _key("output", Shape(kind="result", sees=("output",)), "Reshapes the output; sees `output`.", "output.body.id"),
    _later("secret_output", "Keeps the output out of journal, API and UI.", "true"),
)


def _verb(name: str, shape: Shape, doc: str, example: str, *takes: str) -> Key:
    return Key(name=name, shape=shape, doc=doc, example=example, takes=takes)


def _later_verb(name: str, doc: str, example: str, *takes: str) -> Key:
    return Key(name=name, shape=ANY, doc=doc, example=example, later=True, takes=takes)


VERBS = (
    _verb("action", _shape("action"), "Calls an action; keys beside it are its parameters.", "log.info", "with"),
    _later_verb(
        "parallel",
        "Branches side by side.",
        "{branches: {a: [{wait: 1s}]}}",
        "steps",
        "join",
        "max_parallel",
        "fail_fast",
    ),
    _later_verb(
        "for_each", "Once for each item of a list.", "event.data.items", "as", "max_parallel", "batch", "steps"
    ),
    _later_verb("while", "Again while it holds.", "vars.more", "max", "every", "steps"),
    _later_verb("until", "Again until it holds.", "steps.poll.output.done", "max", "every", "steps"),
    _later_verb("switch", "The first case that holds.", "[{if: event.data.vip, steps: [{wait: 1s}]}]"),
    _verb(
        "call", _shape("flow_name"), "Runs another flow and waits for it.", "charge-order", "with", "version", "wait"
    ),
    _later_verb("wait_for", "Until an event that belongs to this run.", "{event: order.paid}"),
    _later_verb("approve", "Until people have decided.", "{title: Ship it?}"),
    _verb("wait", Shape(kind="wait", keys=WAIT_KEYS), "Sleeps; survives restarts.", "2h"),
    _verb("emit", Shape(kind="emit", keys=EMIT_KEYS), "An event to the door.", "{type: order.charged}"),
    _verb("set", _shape("names"), "Variables of the run, read as `vars.NAME`.", '{total: "{{ event.data.total }}"}'),
    _later_verb("state", "Durable state of the flow.", "{key: count, add: 1}"),
    _verb("return", _shape("result"), "Ends the run with this output.", "steps.charge.output"),
    _later_verb("break", "Leaves the nearest loop.", "true"),
    _verb("fail", Shape(kind="fail", keys=FAIL_KEYS), "Fails the step: a text, or a map.", "no stock"),
    _verb("steps", STEPS, "A block: one name, one handler, one timeout for several steps.", "[{action: log.info}]"),
)
"""In the order in which a step is asked for them; one that stands in another's `takes` is not asked."""

TRIGGER_KEYS = (
    _key("if", CONDITION, "Cheap filter before a run exists.", "event.data.total > 100"),
    _key("type", TEXT, "Renames the events.", "order.created"),
    _key("id", EXPRESSION, "The dedupe key: the same id twice starts nothing twice.", "event.data.id"),
    _key("enabled", FLAG, "Whether it listens.", "false"),
)
LATER_TRIGGERS = ("kafka", "nats", "redis", "mqtt", "database", "cdc", "email", "run", "pattern")
"""Kinds that are part of the language; refused by name as long as no connector brings them."""

FLOW_KEYS = (
    _key("name", _shape("name"), "The flow's name; unique.", "big-order", required=True),
    _key("description", TEXT, "What it does, for people.", "Charge a big order and tell sales"),
    _key("labels", _shape("labels"), "Texts to find flows by.", "{team: sales}"),
    _key(
        "on",
        _shape("triggers"),
        "What starts it: one trigger, or a list; none: only by hand or `call`.",
        "{event: order.created}",
    ),
    _key("if", CONDITION, "Only if this holds; else no run.", "event.data.total > 100"),
    _key("unless", CONDITION, "No run if this holds.", "event.data.test"),
    _key("steps", STEPS, "What it does.", "[{action: log.info, message: hi}]"),
    _key("workflow", STEPS, "`steps` in flows of the older Go engine.", "[{name: hi, action: log.info, message: hi}]"),
    _key("inputs", _shape("schema"), "JSON Schema of the inputs.", "{type: object, properties: {id: {type: integer}}}"),
    _key("outputs", VALUE, "The run's output.", '{id: "{{ steps.charge.output.body.id }}"}'),
    _key("vars", _shape("names"), "Variables at the beginning.", "{tries: 0}"),
    _key("timeout", DURATION, "Of the whole run.", "1d"),
    _key("on_failure", STEPS, "Steps when the run has failed, with `error`.", "[{action: log.error, message: failed}]"),
    _key(
        "dedupe",
        Shape(kind="dedupe", keys=DEDUPE_KEYS),
        "No second run for the same key within a time.",
        "{key: event.data.id, for: 1h}",
    ),
    _key("timezone", _shape("zone"), "For schedules and times; default UTC.", "Europe/Berlin"),
    _key("connections", _shape("connections"), "Settings to reach systems.", "{db: {type: sqlite, url: orders.db}}"),
    _later("rate_limit", "Drops what is too much.", "{max: 10, per: 1m}"),
    _later("batch", "Several events, one run.", "{size: 100, for: 10s}"),
    _later("debounce", "The last event after a silence.", "{for: 5s}"),
    _later("hold", "A flood waits for a person.", "{over: 100, per: 1m}"),
    _later("singleton", "One run at a time, the others dropped.", "{key: event.data.id}"),
    _later("throttle", "Queues what is too much.", "{max: 10, per: 1m}"),
    _later("concurrency", "So many runs at a time.", "{limit: 1}"),
    _later("priority", "Who comes first.", "event.data.priority"),
    _later("on_cancel", "Steps when the run is cancelled.", "[{action: log.info}]"),
    _later("undo", "When steps are undone.", "never"),
    _later("retention", "How long finished runs are kept.", "30d"),
    _later("tests", "The flow's own tests.", "[{name: it works}]"),
)

FLOW = {key.name: key for key in FLOW_KEYS}
STEP = {key.name: key for key in STEP_KEYS}
VERB = {key.name: key for key in VERBS}
TRIGGER = {key.name: key for key in TRIGGER_KEYS}
OWN_NAMES = frozenset({*STEP, *VERB, "with"})
"""What a step uses itself: a parameter of such a name stands under `with:`."""


def tables() -> dict[str, tuple[Key, ...]]:
    """Every table by what its keys belong to."""
    return {
        "flow": FLOW_KEYS,
        "step": STEP_KEYS,
        "verb": VERBS,
        "trigger": TRIGGER_KEYS,
        "retry": RETRY_KEYS,
        "dedupe": DEDUPE_KEYS,
        "wait": WAIT_KEYS,
        "emit": EMIT_KEYS,
        "fail": FAIL_KEYS,
    }
