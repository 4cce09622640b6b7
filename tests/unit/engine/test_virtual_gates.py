"""Flow control on a clock of its own: what would become of events, without an engine."""

from __future__ import annotations

import pytest

from reactor.engine.simulation.gates import VirtualGates
from reactor.engine.simulation.outcomes import Fate, differ
from reactor.engine.simulation.recorded import asleep
from reactor.language.expressions import compile_expression
from reactor.model import ids
from reactor.model.event import Event
from reactor.model.flow import Concurrency, Control, Debounce, Dedupe, EventBatch, Flow, Hold, Rate, Singleton
from reactor.model.journal import Entry

START = 1_700_000_000_000
SECOND = 1_000
KEY = compile_expression("event.data.who")


def played(flow: Flow, *arrivals: float, lasting: int = 0, who: str = "x") -> list[tuple[str, str, float | None]]:
    """Outcome, rule and second of the start of each event that arrives at these seconds."""
    gates = VirtualGates(flow, lambda _key: (lasting, lasting))
    keys: list[int] = []
    for second in arrivals:
        at = START + int(second * SECOND)
        key = ids.first_at(at) + len(keys)
        keys.append(key)
        gates.take(Event(key=key, id="e", type="go", source="", subject=None, time=at, data={"who": who}), at)
    while gates.pass_time(10):
        pass
    fates = [gates.fate(key) for key in keys]
    return [
        (fate.outcome, fate.rule, None if fate.starts_at is None else (fate.starts_at - START) / SECOND)
        for fate in fates
    ]


def flow(control: Control | None = None, dedupe: Dedupe | None = None) -> Flow:
    return Flow(name="f", source="", digest="", control=control, dedupe=dedupe)


@pytest.mark.parametrize(
    ("made", "arrivals", "lasting", "expected"),
    [
        (flow(), (0, 1), 0, [("started", "matched", 0), ("started", "matched", 1)]),
        (
            flow(dedupe=Dedupe(key=KEY, for_=10 * SECOND)), (0, 9, 10), 0,
            [("started", "matched", 0), ("dropped", "dedupe", None), ("started", "matched", 10)],
        ),
        (
            flow(Control(rate_limit=Rate(max=1, per=10 * SECOND, key=KEY))), (0, 5, 10), 0,
            [("started", "matched", 0), ("dropped", "rate_limit", None), ("started", "matched", 10)],
        ),
        (
            flow(Control(throttle=Rate(max=1, per=10 * SECOND))), (0, 1, 2), 0,
            [("started", "matched", 0), ("queued", "throttle", 10), ("queued", "throttle", 20)],
        ),
        (
            flow(Control(concurrency=Concurrency(limit=1, key=KEY))), (0, 1, 2), 5 * SECOND,
            [("started", "matched", 0), ("queued", "concurrency", 5), ("queued", "concurrency", 10)],
        ),
        (
            flow(Control(batch=EventBatch(size=2, for_=60 * SECOND))), (0, 5, 6), 0,
            [("merged", "batch", None), ("queued", "batch", 5), ("queued", "batch", 66)],
        ),
        (
            flow(Control(debounce=Debounce(for_=10 * SECOND))), (0, 5, 30), 0,
            [("merged", "debounce", None), ("queued", "debounce", 15), ("queued", "debounce", 40)],
        ),
        (
            flow(Control(hold=Hold(over=1, per=10 * SECOND))), (0, 1, 20), 0,
            [("started", "matched", 0), ("held", "hold", None), ("started", "matched", 20)],
        ),
        (
            flow(Control(singleton=Singleton())), (0, 1, 6), 5 * SECOND,
            [("started", "matched", 0), ("dropped", "singleton", None), ("started", "matched", 6)],
        ),
        (
            flow(Control(singleton=Singleton(on_conflict="cancel"))), (0, 1), 5 * SECOND,
            [("started", "matched", 0), ("started", "matched", 1)],
        ),
    ],
)  # fmt: skip
def test_each_control(
    made: Flow, arrivals: tuple[float, ...], lasting: int, expected: list[tuple[str, str, float | None]]
) -> None:
    assert played(made, *arrivals, lasting=lasting) == expected


def test_a_key_that_cannot_be_evaluated_starts_a_run_that_fails() -> None:
    wrong = compile_expression("event.data.who.name.first")
    [(outcome, rule, _)] = played(flow(Control(concurrency=Concurrency(limit=1, key=wrong))), 0)
    assert (outcome, rule) == ("started", "error")


def test_a_sleeping_run_holds_no_slot() -> None:
    entries = [
        Entry("a#timer", 1_000, value=9_000), Entry("a", 9_000, "completed"),
        Entry("b#started", 8_000), Entry("b#event", 12_000, value={"id": "e"}), Entry("b", 12_000, "completed"),
        Entry("c#timer", 13_000, value=13_010), Entry("c", 13_010, "completed"), Entry("d#timer", 14_000, value=99_000),
    ]  # fmt: skip
    assert asleep(entries, least=100) == 11_000
    assert asleep([], least=100) == 0


def test_thousands_of_events() -> None:
    made = flow(Control(throttle=Rate(max=10, per=SECOND), concurrency=Concurrency(limit=50)))
    found = played(made, *(n / 1000 for n in range(3_000)), lasting=100)
    starts = sorted(at for _, _, at in found if at is not None)
    assert len(starts) == 3_000
    assert all(later - first > 0.9995 for first, later in zip(starts, starts[10:], strict=False))


@pytest.mark.parametrize(
    ("recorded", "simulated", "differs"),
    [
        (("started", "matched"), ("started", "error"), False),
        (("started", "matched"), ("queued", "throttle"), True),
        (("queued", "throttle"), ("queued", "concurrency"), False),
        (("dropped", "dedupe"), ("dropped", "rate_limit"), True),
        (("not_started", "if"), ("not_started", "unless"), False),
        (("not_started", "if"), ("started", "matched"), True),
        (("unknown", "later"), ("started", "matched"), False),
    ],
)
def test_what_differs(recorded: tuple[str, str], simulated: tuple[str, str], *, differs: bool) -> None:
    one, other = (Fate(outcome=outcome, rule=rule) for outcome, rule in (recorded, simulated))
    assert differ(one, other) is differs
