"""Every key of a flow, once: name, shape, meaning, example. The checks, the JSON Schema and the docs are made from it.

A key that is part of the language but that this version cannot run has `later=True`: it is refused by name.
"""

from __future__ import annotations

from reactor.language import case_keys
from reactor.language.key import (
    ANY,
    CONDITION,
    COUNT,
    DURATION,
    EXPRESSION,
    FLAG,
    NAME,
    PAUSE,
    SPAN,
    STEP_NAME,
    STEPS,
    TEMPLATE,
    TEXT,
    VALUE,
    WHOLE,
    Key,
    Shape,
    make,
    shape,
    words,
)

__all__ = ["ANY", "NAME", "STEP_NAME", "Key", "Shape"]

BACKOFFS = ("fixed", "linear", "exponential", "random")
LATER = "`{name}` is part of the language but this version of Reactor does not run it yet"

RETRY_KEYS = (
    make("max", Shape(kind="whole", least=1, most=1_000_000), "All attempts, the first one counted; default 3.", "5"),
    make("backoff", words(*BACKOFFS), "How the pauses grow; default exponential.", "linear"),
    make("delay", PAUSE, "The first pause; default 1s.", "1s"),
    make(
        "factor",
        Shape(kind="number", least=1, most=1_000),
        "What an exponential pause is multiplied by; default 2.",
        "2",
    ),
    make("max_delay", DURATION, "The longest pause; default 1m, or ten times a `delay` that is longer itself.", "1m"),
    make("jitter", Shape(kind="number", least=0, most=1), "Share of each pause that is random; default 0.1.", "0.1"),
    make("on", shape("texts"), "Only these kinds of errors (or a text of the message).", "[timeout, http.5xx]"),
    make("stop_on", shape("texts"), "Never after these kinds of errors.", "[http.404]"),
    make(
        "if", Shape(kind="condition", sees=("error", "attempt")), "Only if; sees `error` and `attempt`.", "attempt < 3"
    ),
    make("then", words("fail", "pause"), "After the last attempt; default fail.", "pause"),
)
WAIT_KEYS = (
    make("until", TEMPLATE, "A point in time: ISO 8601, or a template.", '"{{ event.data.due }}"', required=True),
)
EMIT_KEYS = (
    make("type", TEMPLATE, "The event's type; none of Reactor's own (`reactor.…`, `run.failed`).", "order.charged",
         required=True),
    make("data", VALUE, "Its content.", '{id: "{{ event.data.id }}"}'),
    make("subject", TEMPLATE, "What it is about.", '"{{ event.data.id }}"'),
)  # fmt: skip
FAIL_KEYS = (
    make("kind", TEMPLATE, "The error's kind; default failed.", "order.refused"),
    make("message", TEMPLATE, "What went wrong.", "too expensive"),
    make("data", VALUE, "More about it.", '{total: "{{ event.data.total }}"}'),
)
JOIN_KEYS = (
    make("count", COUNT, "So many branches have succeeded.", "1"),
    make("until", Shape(kind="condition", sees=("branches",)), "It holds; sees `branches`.", "branches.a.output > 3"),
)
JOIN = Shape(kind="join", words=("all", "any", "first"), keys=JOIN_KEYS)
_SIDE_BY_SIDE = (
    make(
        "join",
        JOIN,
        "When it is decided: `all` (default) have ended, `any` has ended, the `first` has succeeded, or a map.",
        "first",
    ),
    make("max_parallel", COUNT, "So many at a time; default all.", "2"),
    make("fail_fast", FLAG, "With `join: all`: the first failure stops the others; default true.", "false"),
)
PARALLEL_KEYS = (
    make("branches", shape("branches"), "Lists of steps by the names of the branches.", "{a: [{wait: 1s}]}",
         required=True),
    *_SIDE_BY_SIDE,
    make("timeout", DURATION, "The step's `timeout`.", "1m"),
)  # fmt: skip
FOR_EACH_KEYS = (
    make("as", shape("as"), "Another name of `item`.", "order"),
    make("max_parallel", COUNT, "So many iterations at a time, at most 500; default 1.", "10"),
    make("batch", COUNT, "So many items in one iteration: `item` is then a list.", "100"),
    make("steps", STEPS, "What is done for each item.", "[{action: log.info, message: hi}]", required=True),
)
LOOP_KEYS = (
    make("max", COUNT, "So many iterations, default 1,000; one more fails with kind `loop.limit`.", "10"),
    make("every", DURATION, "The pause between two iterations.", "5s"),
    make("steps", STEPS, "What is done again.", "[{wait: 1s}]", required=True),
)
CASE_KEYS = (
    make("if", CONDITION, "When this case is taken.", "event.data.vip"),
    make("steps", STEPS, "What is done then.", "[{wait: 1s}]"),
    make("else", STEPS, "What is done when no case holds; stands alone and last.", "[{fail: nobody}]"),
)
WAIT_FOR_KEYS = (
    make("event", TEXT, "The type; `*` is one segment, `**` any number.", "order.paid", required=True),
    make("source", TEXT, "Who has to tell; `*` stands for any characters.", "shop"),
    make(
        "if",
        Shape(kind="condition", sees=("received",)),
        "Which one: `received` is the candidate, `event` the run's own.",
        "received.data.id == event.data.id",
    ),
    make("timeout", DURATION, "How long it waits; then it fails with kind `timeout`, or does `on_timeout`.", "2h"),
    make("on_timeout", STEPS, "Steps when nothing came in time; the output is then null.", "[{fail: not paid}]"),
)
ESCALATE_KEYS = (
    make("after", DURATION, "After so long without a decision.", "1d", required=True),
    make("to", shape("people"), "These people are asked too.", "[eve@example.org]", required=True),
)
APPROVE_KEYS = (
    make("title", TEMPLATE, "What is asked.", '"Ship order {{ event.data.id }}?"', required=True),
    make("by", shape("people"), "Who may decide; default: whoever may act on runs.", "[ann@example.org]"),
    make("quorum", COUNT, "So many have to approve, default 1; one rejection rejects.", "1"),
    make("form", shape("schema"), "JSON Schema of what they fill in.", "{properties: {reason: {type: string}}}"),
    make("timeout", DURATION, "How long it waits; then it fails with kind `timeout`, or does `on_timeout`.", "2d"),
    make(
        "on_timeout",
        Shape(kind="on_timeout", words=("approve", "reject")),
        "What a timeout means: approve, reject, or steps.",
        "reject",
    ),
    make("escalate", shape("escalations", *ESCALATE_KEYS), "Asks more people later: a map, or a list.",
         "{after: 1d, to: eve@example.org}"),
    make(
        "notify",
        Shape(kind="steps", sees=("approval",)),
        "Steps that tell people; see `approval`: `id title people`, and within `with` `link` and `links`.",
        '[{action: log.info, message: "{{ approval.title }}"}]',
    ),
)  # fmt: skip
STATE_KEYS = (
    make("key", TEMPLATE, "Its name.", "count", required=True),
    make("set", VALUE, "The value from now on.", "0"),
    make("add", VALUE, "What is added to the value.", "1"),
    make("delete", shape("true"), "Takes it out.", "true"),
)

STEP_KEYS = (
    make("name", shape("step_name"), "How other steps refer to it (`steps.NAME`); unique in its list.", "charge"),
    make("if", CONDITION, "Only if this holds; else the step is skipped.", "event.data.total > 100"),
    make("unless", CONDITION, "Skipped if this holds.", "event.data.test"),
    make("timeout", DURATION, "Of one attempt.", "20s"),
    make("deadline", DURATION, "Of all attempts together.", "5m"),
    make(
        "retry",
        shape("retry", *RETRY_KEYS),
        "Another attempt after a failure: a map, a number of attempts, or `none`.",
        "{max: 5, backoff: exponential, delay: 1s}",
    ),
    make("on_error", STEPS, "Steps when it has failed, with `error`; then the run goes on.", "[{fail: no stock}]"),
    make("continue_on_error", FLAG, "A failure leaves the step failed, and the run goes on.", "true"),
    make(
        "undo",
        Shape(kind="undo", sees=("output", "error")),
        "A step, or a list of steps, that takes its effect back when the run fails or is cancelled; sees the `output`.",
        "{action: http.request, url: u}",
    ),
    make("finally", STEPS, "Steps afterwards, whatever happened.", "[{action: file.delete, path: tmp.csv}]"),
    Key(
        name="delivery",
        shape=words("at_least_once", "at_most_once"),
        doc="After a crash during the action: do it again (default), or never twice.",
        example="at_most_once",
        verbs=("action",),
    ),
    make("output", Shape(kind="result", sees=("output",)), "Reshapes the output; sees `output`.", "output.body.id"),
    make("secret_output", FLAG, "Keeps the output sealed in the journal and out of API and UI.", "true"),
)


def _verb(name: str, form: Shape, doc: str, example: str, *takes: str) -> Key:
    return Key(name=name, shape=form, doc=doc, example=example, takes=takes)


VERBS = (
    _verb("action", shape("action"), "Calls an action; keys beside it are its parameters.", "log.info", "with"),
    _verb(
        "parallel",
        shape("parallel", *PARALLEL_KEYS),
        "Branches side by side; `true` makes a branch of each of the `steps` beside it.",
        "{branches: {a: [{wait: 1s}], b: [{wait: 2s}]}}",
        "steps",
        *(key.name for key in _SIDE_BY_SIDE),
    ),
    _verb(
        "for_each",
        shape("items", *FOR_EACH_KEYS),
        "Once for each item of a list, a map (`item` is `{key, value}`) or a stream; sees `item` and `index`.",
        "event.data.items",
        *(key.name for key in FOR_EACH_KEYS),
    ),
    _verb(
        "while",
        shape("loop", *LOOP_KEYS),
        "Again while it holds, asked before each iteration; sees `index`.",
        "vars.more",
        *(key.name for key in LOOP_KEYS),
    ),
    _verb(
        "until",
        shape("loop", *LOOP_KEYS),
        "Again until it holds, asked after each iteration; sees its steps, and `index`.",
        "vars.more == 0",
        *(key.name for key in LOOP_KEYS),
    ),
    _verb(
        "switch",
        shape("cases", *CASE_KEYS),
        "The first case that holds.",
        "[{if: event.data.vip, steps: [{wait: 1s}]}, {else: [{fail: nobody}]}]",
    ),
    _verb(
        "call",
        shape("flow_name"),
        "Runs another flow and waits for it, unless `wait: false` stands beside it; `version` fixes one.",
        "charge-order",
        "with",
        "version",
        "wait",
    ),
    _verb(
        "wait_for",
        shape("wait_for", *WAIT_FOR_KEYS),
        "Until an event that belongs to this run; a type, or a map.",
        "{event: order.paid, if: received.data.id == event.data.id}",
    ),
    _verb("approve", shape("approve", *APPROVE_KEYS), "Until people have decided.", "{title: Ship it?}"),
    _verb("wait", shape("wait", *WAIT_KEYS), "Sleeps; survives restarts.", "2h"),
    _verb("emit", shape("emit", *EMIT_KEYS), "An event to the door.", "{type: order.charged}"),
    _verb("set", shape("names"), "Variables of the run, read as `vars.NAME`.", '{total: "{{ event.data.total }}"}'),
    _verb("state", shape("state", *STATE_KEYS), "Changes the flow's durable state.", "{key: count, add: 1}"),
    _verb("return", shape("result"), "Ends the nearest branch, iteration or run.", "steps.charge.output"),
    _verb("break", shape("true"), "Leaves the nearest loop.", "true"),
    _verb("fail", shape("fail", *FAIL_KEYS), "Fails the step: a text, or a map.", "no stock"),
    _verb("steps", STEPS, "A block: one name, one handler, one timeout for several steps.", "[{action: log.info}]"),
)  # fmt: skip
"""In the order in which a step is asked for them; one that stands in another's `takes` is not asked."""

TRIGGER_KEYS = (
    make("if", CONDITION, "Cheap filter before a run exists.", "event.data.total > 100"),
    make("type", TEXT, "Renames the events; not with `event` and `run`, which take those of others.", "order.created"),
    make(
        "id",
        EXPRESSION,
        "The dedupe key: the same id twice starts nothing twice. With `event` and `run` say `dedupe`.",
        "event.data.id",
    ),
    make("enabled", FLAG, "Whether it listens.", "false"),
    make(
        "expect",
        SPAN,
        "At least one event is expected in this time; without one the trigger is shown as lagging, and the event "
        "`reactor.trigger.silent` tells of it.",
        "5m",
    ),
)

_KEY = make("key", EXPRESSION, "For each value of this, apart; sees the event.", "event.data.customer")
DEDUPE_KEYS = (
    make("key", EXPRESSION, "What makes two events the same.", "event.data.id", required=True),
    make("for", SPAN, "How long a key is remembered.", "1h", required=True),
)
RATE_KEYS = (
    make("max", WHOLE, "So many starts.", "10", required=True),
    make("per", SPAN, "In so long.", "1m", required=True),
    _KEY,
)
BATCH_KEYS = (
    make("size", Shape(kind="whole", least=1, most=100_000), "So many events make a run.", "100", required=True),
    make("for", SPAN, "Or what has come so long after the first.", "10s", required=True),
    _KEY,
)
DEBOUNCE_KEYS = (
    make("for", SPAN, "So long a silence.", "5s", required=True),
    make("max", SPAN, "At the latest so long after the first.", "1m"),
    _KEY,
)
HOLD_KEYS = (
    make("over", WHOLE, "More events than this.", "100", required=True),
    make("per", SPAN, "In so long.", "1m", required=True),
)
SINGLETON_KEYS = (
    _KEY,
    make("on_conflict", words("skip", "cancel"), "Skip the new run (default), or cancel the old one.", "cancel"),
)
CONCURRENCY_KEYS = (
    make("limit", WHOLE, "So many running runs; sleeping ones are not counted.", "5", required=True),
    _KEY,
    make("scope", words("flow", "global"), "Whether flows with the same key share its slots; default flow.", "flow"),
)
CONTROL_KEYS = (
    make("rate_limit", shape("control", *RATE_KEYS), "Drops what is too much.", "{max: 10, per: 1m}"),
    make("batch", shape("control", *BATCH_KEYS), "Several events, one run: `events`.", "{size: 100, for: 10s}"),
    make("debounce", shape("control", *DEBOUNCE_KEYS), "The last event after a silence.", "{for: 5s}"),
    make("hold", shape("control", *HOLD_KEYS), "A flood waits for a person.", "{over: 100, per: 1m}"),
    make("singleton", shape("singleton", *SINGLETON_KEYS), "One unfinished run; a map, or the key.", "event.data.id"),
    make("throttle", shape("control", *RATE_KEYS), "Queues what is too much.", "{max: 10, per: 1m}"),
    make(
        "concurrency",
        shape("concurrency", *CONCURRENCY_KEYS),
        "So many runs at a time, the others queue; a map, or the limit.",
        "{limit: 1, key: event.data.customer}",
    ),
    make("priority", shape("priority"), "A number; of what queues, the highest comes first.", "event.data.priority"),
)
"""In the order in which they are asked, behind `dedupe`."""

FLOW_KEYS = (
    make("name", shape("name"), "The flow's name; unique.", "big-order", required=True),
    make("description", TEXT, "What it does, for people.", "Charge a big order and tell sales"),
    make(
        "labels",
        shape("labels"),
        "Texts to find flows by: `reactor flows list --label team=sales`, `flow.labels`.",
        "{team: sales}",
    ),
    make(
        "on",
        shape("triggers"),
        "What starts it: one trigger, or a list; none: only by hand or `call`.",
        "{event: order.created}",
    ),
    make("if", CONDITION, "Only if this holds; else no run.", "event.data.total > 100"),
    make("unless", CONDITION, "No run if this holds.", "event.data.test"),
    make("steps", STEPS, "What it does.", "[{action: log.info, message: hi}]"),
    make("workflow", STEPS, "`steps` in flows of the older Go engine.", "[{name: hi, action: log.info, message: hi}]"),
    make("inputs", shape("schema"), "JSON Schema of the inputs.", "{type: object, properties: {id: {type: integer}}}"),
    make("outputs", VALUE, "The run's output.", '{id: "{{ steps.charge.output.body.id }}"}'),
    make("vars", shape("names"), "Variables at the beginning.", "{tries: 0}"),
    make("timeout", DURATION, "Of the whole run.", "1d"),
    make("on_failure", STEPS, "Steps when the run has failed, with `error`.", "[{action: log.error, message: failed}]"),
    make("on_cancel", STEPS, "Steps when the run is cancelled.", "[{action: log.info, message: stopped}]"),
    make("undo", words("on_failure", "never"), "When steps are undone; default on_failure (also when it is cancelled).",
         "never"),
    make(
        "dedupe",
        shape("dedupe", *DEDUPE_KEYS),
        "No second run for the same key within a time.",
        "{key: event.data.id, for: 1h}",
    ),
    *CONTROL_KEYS,
    make("retention", SPAN, "How long finished runs of this flow are kept; default: as the server is set.", "30d"),
    make(
        "timezone",
        shape("zone"),
        "Of schedules, and of times without an offset in `wait: {until: …}`; default UTC.",
        "Europe/Berlin",
    ),
    make("connections", shape("connections"), "Settings to reach systems.", "{db: {type: sqlite, url: orders.db}}"),
    make(
        "tests",
        shape("tests", *case_keys.TEST_KEYS),
        "The flow's own tests.",
        "[{name: it works, expect: {status: completed}}]",
    ),
)  # fmt: skip

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
        "parallel": PARALLEL_KEYS,
        "join": JOIN_KEYS,
        "for_each": FOR_EACH_KEYS,
        "loop": LOOP_KEYS,
        "case": CASE_KEYS,
        "wait": WAIT_KEYS,
        "wait_for": WAIT_FOR_KEYS,
        "approve": APPROVE_KEYS,
        "escalate": ESCALATE_KEYS,
        "state": STATE_KEYS,
        "emit": EMIT_KEYS,
        "fail": FAIL_KEYS,
        "dedupe": DEDUPE_KEYS,
        "rate": RATE_KEYS,
        "batch": BATCH_KEYS,
        "debounce": DEBOUNCE_KEYS,
        "hold": HOLD_KEYS,
        "singleton": SINGLETON_KEYS,
        "concurrency": CONCURRENCY_KEYS,
        **case_keys.TABLES,
    }
