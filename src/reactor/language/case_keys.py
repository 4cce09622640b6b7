"""The keys of `tests:` and of `NAME.test.yaml`. Nothing in them is a template: a test says constants."""

from __future__ import annotations

from reactor.language.key import FLAG, PLAIN, SPAN, TEXT, Shape, make, shape, words
from reactor.model.states import RunStatus, StepStatus

_AFTER = Shape(kind="span", least=0)
_NAMED = shape("plain_map")
_TYPE = shape("event_type")
_TIME = shape("time")
_PATH = shape("step_path")

TEST_EVENT_KEYS = (
    make("type", _TYPE, "Its type; without it, the one that the flow's first trigger gives.", "order.created"),
    make("data", PLAIN, "Its content.", "{id: 7, total: 250}"),
    make("id", TEXT, "Its id.", "e-1"),
    make("source", TEXT, "Who tells.", "shop"),
    make("subject", TEXT, "What it is about.", "order-7"),
    make("time", _TIME, "When it happened, ISO 8601; without it, when the test begins.", "2026-11-23T09:00:00Z"),
    make("metadata", _NAMED, "What a transport would add.", "{path: /orders}"),
)
FAILURE_KEYS = (
    make("kind", TEXT, "The error's kind.", "http.503"),
    make("message", TEXT, "Its message.", "no stock"),
)
FAILURE = shape("failure", *FAILURE_KEYS)
MOCK_KEYS = (
    make("output", PLAIN, "What the step gives.", "{body: {amount: 250}}"),
    make("error", FAILURE, "How it fails: a kind, or `{kind, message}`.", "http.503"),
    make("outputs", shape("plain_list"), "What it gives one time after another; the last one stays.", "[1, 2, 3]"),
    make("after", _AFTER, "How long the answer takes, on the virtual clock.", "2s"),
)
SEND_KEYS = (
    make("after", _AFTER, "How long after the beginning; default at once.", "2h"),
    make("type", _TYPE, "Its type.", "order.paid", required=True),
    make("data", PLAIN, "Its content.", "{id: 7}"),
    make("subject", TEXT, "What it is about.", "order-7"),
    make("source", TEXT, "Who tells.", "shop"),
    make("id", TEXT, "Its id.", "e-2"),
    make("metadata", _NAMED, "What a transport would add.", "{topic: orders}"),
)
DECISION_KEYS = (
    make("step", _PATH, "The `approve` step; may be left out when the flow has only one.", "ask"),
    make("after", _AFTER, "How long after people were asked; default at once.", "1h"),
    make("decision", words("approve", "reject"), "What is decided; default approve.", "reject"),
    make("by", TEXT, "Who decides.", "ann@example.org"),
    make("form", _NAMED, "What they fill in.", "{reason: too expensive}"),
)
EMITTED_KEYS = (
    make("type", _TYPE, "Its type.", "order.charged", required=True),
    make("data", PLAIN, "Its content; not looked at when it is left out.", "{id: 7}"),
)
EXPECT_KEYS = (
    make("status", words(*RunStatus), "How the run stands in the end.", "completed"),
    make("output", PLAIN, "The run's output.", "{paid: 250}"),
    make("error", FAILURE, "The run's error: its kind, or `{kind, message}`.", "order.refused"),
    make(
        "steps",
        Shape(kind="by_place", words=tuple(StepStatus)),
        "Steps by name or path, and how each of them stands.",
        "{charge: completed}",
    ),
    make("outputs", shape("by_place"), "Steps by name or path, and what each of them gave.", "{charge: 250}"),
    make("called", shape("places"), "The steps that called an action, in this order.", "[charge]"),
    make("not_called", shape("places"), "Steps that called nothing.", "[charge]"),
    make("emitted", shape("maps", *EMITTED_KEYS), "The events that were emitted, in this order.", "[{type: a}]"),
    make("vars", _NAMED, "Variables of the run, those that are named.", "{tries: 1}"),
    make("state", _NAMED, "Durable state of the flow, the keys that are named.", "{count: 1}"),
    make("matches", FLAG, "Whether the event starts the flow at all.", "false"),
)
TEST_KEYS = (
    make("name", TEXT, "What it shows; unique.", "a big order is charged", required=True),
    make("event", shape("map", *TEST_EVENT_KEYS), "What starts the run; none: by hand.", "{type: order.created}"),
    make("inputs", _NAMED, "Inputs of a run that is started by hand.", "{id: 7}"),
    make(
        "mock",
        shape("mocks", *MOCK_KEYS),
        "Steps by name or path, and their answers: a map, or a list with one an attempt (the last one stays).",
        "{charge: {output: {body: {amount: 250}}}}",
    ),
    make("send", shape("maps", *SEND_KEYS), "Events that come while it runs.", "[{after: 2h, type: order.paid}]"),
    make("approve", shape("maps", *DECISION_KEYS), "What people decide.", "[{decision: approve, by: ann}]"),
    make("state", _NAMED, "Durable state of the flow at the beginning.", "{count: 3}"),
    make("secrets", shape("labels"), "Secrets by name.", "{KEY: k}"),
    make("env", shape("labels"), "The environment by name.", "{REGION: eu}"),
    make("now", _TIME, "When the virtual clock begins, ISO 8601.", "2026-11-23T09:00:00Z"),
    make("advance", SPAN, "Virtual time after which the run is stopped and looked at.", "3d"),
    make("expect", shape("map", *EXPECT_KEYS), "What has to come of it.", "{status: completed}"),
)
TABLES = {
    "test": TEST_KEYS,
    "test-event": TEST_EVENT_KEYS,
    "mock": MOCK_KEYS,
    "failure": FAILURE_KEYS,
    "send": SEND_KEYS,
    "decision": DECISION_KEYS,
    "expect": EXPECT_KEYS,
    "emitted": EMITTED_KEYS,
}
