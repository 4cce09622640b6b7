"""Flows in plain English, and as drawings."""

from pathlib import Path

import pytest

from reactor.language import reads
from reactor.language.loader import load
from reactor.language.reads import Diagram, Node
from reactor.model.flow import Flow, TriggerSpec, all_steps
from reactor.plugins import discovery
from reactor.sdk.manifest import Catalog

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = [file for file in sorted(EXAMPLES.rglob("*.yaml")) if ".test." not in file.name and "plugin" not in str(file)]
CATALOG: Catalog = discovery.discover()[0]


def made(text: str) -> Flow:
    loaded = load(text, file="f.yaml", catalog=CATALOG)
    assert loaded.flow is not None, loaded.problems
    return loaded.flow


def nodes(drawn: Diagram) -> list[Node]:
    waiting, found = [*drawn.steps, *drawn.on_failure, *drawn.on_cancel], []
    while waiting:
        found.append(waiting.pop(0))
        for part in found[-1].parts:
            waiting += part.steps
    return found


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_example_can_be_read_and_drawn(file: Path) -> None:
    flow = made(file.read_text())
    said = reads.sentence(flow)
    assert said.startswith("When ")
    assert said.endswith((".", "…"))
    assert len(said) <= 900
    assert "\n" not in said
    drawn = reads.diagram(flow)
    paths = [path for path, _ in all_steps(flow)]
    assert sorted(node.path for node in nodes(drawn)) == sorted(paths)
    assert drawn.count == len(paths)
    told = reads.lines(drawn)
    assert [line.path for line in told if line.path] == [node.path for node in _in_order(drawn)]
    for line in told:
        assert line.text.strip() == line.text != ""
        assert "{{" not in line.text
        assert "KIND" not in line.text


def _in_order(drawn: Diagram) -> list[Node]:
    def below(there: list[Node]) -> list[Node]:
        found = []
        for node in there:
            found += [node]
            for part in node.parts:
                found += below(part.steps)
        return found

    return below(drawn.steps) + below(drawn.on_failure) + below(drawn.on_cancel)


def test_the_words_of_the_promise() -> None:
    flow = made("""
name: orders
on: {webhook: /orders}
if: event.data.total > 100
unless: event.data.test
steps:
  - name: charge-the-card
    action: http.request
    with: {method: POST, url: "https://ann:secret@pay.example/{{ event.data.id }}"}
    retry: {max: 4, backoff: fixed, delay: 2s}
    on_error: [{emit: {type: order.failed}}]
  - wait: 2h
  - name: tell
    call: send-mail
    if: event.data.email is defined
on_failure: [{action: log.error, message: no}]
""")
    assert reads.sentence(flow) == (
        "When an HTTP POST to /orders comes, if total > 100, unless test: charge the card (HTTP POST to "
        "https://…@pay.example/{id}) (if it fails, tell the event order.failed), then wait 2h, "
        "then if email is defined, run flow send-mail. If it fails, log an error: no."
    )
    drawn = reads.diagram(flow)
    assert drawn.steps[0].retry == "up to 4 attempts, 2s apart"
    assert (drawn.steps[0].parts[0].kind, drawn.steps[0].parts[0].label) == ("on_error", "if it fails")
    assert (drawn.steps[2].flow, drawn.steps[2].if_) == ("send-mail", "email is defined")


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("event", {"": "order.created"}, "an event order.created comes"),
        ("event", {"event": "**", "source": "/shop"}, "any event comes from /shop"),
        ("webhook", {"path": "/a", "methods": ["get", "put"]}, "an HTTP GET or PUT to /a comes"),
        ("schedule", {"every": "1m"}, "another minute has passed"),
        ("schedule", {"every": "90s"}, "another 90s have passed"),
        ("schedule", {"after": "5m"}, "5m have passed since its last run"),
        ("schedule", {"at": ["2027-01-01T00:00:00Z"]}, "it is 2027-01-01T00:00:00Z"),
        ("schedule", {"": "0 8 * * 1-5", "timezone": "Europe/Oslo"}, "it is 08:00 on Mon to Fri (Europe/Oslo)"),
        ("schedule", {"cron": "30 7 * * *"}, "it is 07:30 on any day"),
        ("schedule", {"cron": "30 7 * * 0,6"}, "it is 07:30 on Sun or Sat"),
        ("schedule", {"cron": "0 * * * *"}, "an hour begins"),
        ("schedule", {"cron": "*/5 * * * *"}, "5 minutes of the clock have passed"),
        ("schedule", {"cron": "0 0 1 * *"}, "the clock fits 0 0 1 * *"),
        ("file", {"path": "in/*.csv", "changes": "created"}, "a file in/*.csv is created"),
        ("database", {"table": "orders"}, "a new row comes into orders"),
        ("cdc", {"tables": "a", "operations": ["insert", "delete"]}, "a row of a is inserted or deleted"),
        ("kafka", {"topics": ["a", "b"]}, "a message comes from Kafka (a or b)"),
        ("nats", {"stream": "S", "subject": "s.>"}, "a message comes from the NATS stream S, s.>"),
        ("redis", {"list": "jobs"}, "an entry comes into the Redis list jobs"),
        ("redis", {"channel": "a"}, "a message is published on the Redis channel a"),
        ("email", {}, "a mail comes into INBOX"),
        ("run", {"flow": "import", "status": ["failed"]}, "a run of flow import has failed"),
        ("run", {"": "*"}, "a run of any flow has ended"),
        (
            "pattern",
            {"within": "2m", "sequence": [{"event": "a.b"}, {"absent": "c"}]},
            "an a.b then no c come in this order within 2m",
        ),
        ("pattern", {"within": "2m", "any": [{"event": "x"}, {"event": "y"}]}, "a x or a y comes within 2m"),
        ("strange", {"where": "there"}, "the trigger strange fires (where there)"),
        ("strange", {}, "the trigger strange fires"),
    ],
)
def test_triggers_in_words(kind: str, config: dict[str, object], words: str) -> None:
    assert reads.when(TriggerSpec(key="f/0", kind=kind, config=config)) == words


def test_a_flow_without_a_trigger_is_started_by_hand() -> None:
    assert reads.sentence(made("name: f\nsteps: [{return: 1}]")) == (
        "When somebody starts it, or another flow calls it: give back 1."
    )


def test_steps_in_steps_are_drawn_at_their_paths() -> None:
    flow = made("""
name: f
steps:
  - name: each
    for_each: event.data.items
    as: order
    max_parallel: 4
    steps: [{name: read, action: file.read, path: x, undo: {action: file.delete, path: y}}]
  - name: both
    parallel: {join: first, branches: {sms: [{name: a, wait: 1s}], mail: [{name: b, wait: 1s}]}}
  - name: way
    switch: [{if: event.data.big, steps: [{name: c, set: {x: 1}}]}, {else: [{name: d, fail: no}]}]
  - name: ok
    approve: {title: "Pay {{ event.data.total }}", by: [ann, bob], quorum: 2, timeout: 1d, on_timeout: [{return: 1}]}
  - name: again
    until: steps.look.output.exists
    every: 5s
    steps: [{name: look, action: file.list, path: x}]
  - name: paid
    wait_for: {event: payment.done, if: received.data.id == 1, timeout: 1h}
""")
    drawn = reads.diagram(flow)
    titles = {node.path: node.title for node in nodes(drawn)}
    assert titles["each"] == "for each order of items, 4 at a time"
    assert titles["each[].read.undo"] == "delete y"
    assert titles["both"] == "side by side: sms and mail, until one succeeds"
    assert titles["ok"] == "ask ann or bob (2 of them) to approve: Pay {total}"
    assert titles["again"] == "again until look.exists, every 5s"
    assert titles["paid"] == "wait for the event payment.done with id == 1 for at most 1h"
    parts = {part.path: (part.kind, part.label) for node in nodes(drawn) for part in node.parts}
    assert parts["each[]."] == ("body", "for each")
    assert parts["each[].read."] == ("undo", "to take it back")
    assert parts["both.branches.sms."] == ("branch", "sms")
    assert parts["way.cases[0]."] == ("case", "if big")
    assert parts["way.cases[1]."] == ("case", "otherwise")
    assert parts["ok.on_timeout."] == ("on_timeout", "if nobody answers in time")


def test_a_hostile_flow_stays_on_one_short_line() -> None:
    flow = made('name: f\nsteps: [{action: log.info, message: "' + "<b>\\n" * 3_000 + '"}]')
    said = reads.sentence(flow)
    assert "\n" not in said
    assert len(said) < 200
