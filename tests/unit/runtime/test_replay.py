"""What a replay against another version tells: every kind of divergence, at its place, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reactor.model.journal import Entry
from reactor.runtime.divergences import Replayed
from reactor.runtime.replay import ReplayRuntime
from reactor.runtime.virtual import START, Stuck, VirtualRuntime
from reactor.testing.runtime_scenarios import Scenario
from reactor.testing.runtime_suite import suite_catalog, suite_flow

CATALOG = suite_catalog([])
EVENT = {"id": "e", "type": "suite", "source": "", "data": 50, "payload": 50, "metadata": {}}


def flow(steps: str, head: str = "") -> Any:
    return suite_flow(Scenario(name="replay", steps=steps, head=head), CATALOG)


async def recorded(steps: str, head: str = "", inbox: Any = (), **more: Any) -> list[Entry]:
    """The journal of a run of this flow, as far as it comes."""
    runtime = VirtualRuntime(actions=CATALOG.actions, inbox=inbox, **more)
    try:
        await runtime.play(flow(steps, head), event=EVENT)
    except Stuck:
        runtime.dead = False
        runtime.commit()
    return runtime.committed


async def replay(journal: list[Entry], steps: str, head: str = "", **more: Any) -> Replayed:
    return await ReplayRuntime(journal, CATALOG.actions.get, **more).replay(flow(steps, head), event=EVENT)


def told(went: Replayed) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in went.diverged]


A = "- {name: a, action: suite.read, give: 1}\n"
B = "- {name: b, action: suite.read, give: 2}\n"
C = "- {name: c, action: suite.read, give: 3}\n"
SWITCH = """
- name: pick
  switch:
    - if: event.data > {limit}
      steps: [{{name: x, action: suite.read, give: 1}}]
    - else: [{{name: y, action: suite.read, give: 2}}]
"""


async def test_a_step_that_is_added_at_the_end_of_a_finished_run() -> None:
    went = await replay(await recorded(A), A + B)
    assert told(went) == [("new", "b")]
    assert went.next == ("b",)
    assert went.end is None


async def test_a_step_that_is_taken_out() -> None:
    went = await replay(await recorded(A + B + C), A + C)
    assert told(went) == [("missing", "b")]
    assert went.end is not None


async def test_a_step_that_is_put_between() -> None:
    went = await replay(await recorded(A + C), A + B + C)
    assert told(went) == [("new", "b"), ("missing", "c")]


async def test_the_order_is_no_divergence_as_long_as_all_are_there() -> None:
    went = await replay(await recorded(A + B + "- return: 1"), B + A + "- return: 1")
    assert went.same


async def test_another_case() -> None:
    went = await replay(await recorded(SWITCH.format(limit=10)), SWITCH.format(limit=100))
    assert [(one.kind, one.path, one.recorded, one.replayed) for one in went.diverged[:1]] == [("case", "pick", 0, 1)]
    assert ("new", "pick.cases[1].y") in told(went)
    assert ("missing", "pick.cases[0].x") in told(went)


async def test_another_condition() -> None:
    on, off = A.replace("a,", 'a, if: "event.data > 10",'), A.replace("a,", 'a, if: "event.data > 100",')
    went = await replay(await recorded(on + B), off + B)
    assert told(went) == [("changed", "a")]
    assert went.diverged[0].recorded[0] == "completed"
    assert went.diverged[0].replayed[0] == "skipped"
    back = await replay(await recorded(off + B), on + B)
    assert told(back)[0] == ("changed", "a")


async def test_another_value() -> None:
    made = '- {name: s, set: {n: "{{ event.data + %d }}"}}\n'
    went = await replay(await recorded(made % 1 + A), made % 2 + A)
    assert told(went) == [("changed", "s")]
    assert went.diverged[0].recorded == ["completed", {"n": 51}]
    assert went.diverged[0].replayed == ["completed", {"n": 52}]


async def test_other_parameters_are_the_same_path() -> None:
    went = await replay(await recorded(A), A.replace("give: 1", "give: 7"))
    assert told(went) == [("input", "a")]
    assert went.same


async def test_a_step_that_touches_nothing_is_told_and_leaves_the_path() -> None:
    made = "- {name: s, set: {n: 1}}\n"
    went = await replay(await recorded(A + B), A + made + B)
    assert told(went) == [("extra", "s")]
    assert went.same
    assert told(await replay(await recorded(A + B), A + B + made)) != [], "a finished run goes on to its end"


async def test_another_join() -> None:
    text = """
- name: p
  parallel:
    branches:
      a: [{{name: w, wait: 10ms}}, {{name: x, action: suite.read, with: {{fail: final.no}}, continue_on_error: true}}]
      b: [{{name: w, wait: 20ms}}, {{name: x, action: suite.read, give: 2}}]
    join: {join}
"""
    went = await replay(await recorded(text.format(join="all")), text.format(join="any"))
    assert told(went)[0] == ("join", "p")
    assert went.diverged[0].recorded["done"] == ["a", "b"]
    assert went.diverged[0].replayed["done"] == ["a"]


async def test_fewer_attempts() -> None:
    text = """
- name: a
  action: suite.write
  with: {fail: http.503, times: 2, give: ok}
  retry: {max: %d, delay: 10ms, jitter: 0}
"""
    assert (await replay(await recorded(text % 3), text % 5)).same
    went = await replay(await recorded(text % 3), text % 2)
    assert told(went)[0] == ("changed", "a")


async def test_fewer_iterations() -> None:
    text = "- name: each\n  for_each: [1, 2, 3]\n  steps: [{name: x, action: suite.read, give: '{{ item }}'}]\n"
    went = await replay(await recorded(text), text.replace("[1, 2, 3]", "[1, 2]"))
    assert ("missing", "each[2]") in told(went)
    assert ("missing", "each[2].x") not in told(went), "what is around it says it"


async def test_another_correlation() -> None:
    text = "- {name: paid, wait_for: {event: paid, if: received.data == %d}}\n"
    event = {"id": "p", "type": "paid", "source": "", "subject": None, "time": "", "data": 7}
    journal = await recorded(text % 7, inbox=[(START + 5, event)])
    assert (await replay(journal, text % 7)).same
    assert told(await replay(journal, text % 8)) == [("changed", "paid")]


async def test_a_run_that_waits_stands_where_it_stood() -> None:
    waits = A + "- {name: paid, wait_for: {event: paid}}\n"
    journal = await recorded(waits)
    went = await replay(journal, waits + B)
    assert went.same
    assert went.next == ("paid",)


async def test_a_step_before_the_one_that_it_stands_in() -> None:
    wait = "- {name: paid, wait_for: {event: paid}}\n"
    journal = await recorded(A + wait)
    assert told(await replay(journal, A + B + wait)) == [("new", "b"), ("missing", "paid")]
    assert sorted(told(await replay(journal, A + B))) == [("missing", "paid"), ("new", "b")]
    went = await replay(journal, A + B + wait, forced=("b",))
    assert went.same
    assert went.next == ("paid",)


async def test_a_paused_run_may_go_on_with_new_steps() -> None:
    went = await replay([entry for entry in await recorded(A) if entry.key], A + B)
    assert went.same
    assert went.next == ("b",)


async def test_what_was_never_begun_has_no_answer() -> None:
    broken = '- {name: a, action: suite.read, give: "{{ event.data.no.where }}"}\n'
    went = await replay(await recorded(broken), A)
    assert told(went) == [("new", "a")]


async def test_a_cancelled_run_is_cancelled_again() -> None:
    text = A + "- {name: w, wait: 1h, finally: [{name: f, action: suite.read}]}\n"
    runtime = VirtualRuntime(actions=CATALOG.actions)
    runtime.cancelled = False
    journal = await recorded(text)
    cut = next(n for n, entry in enumerate(journal) if entry.key == "w#timer") + 1
    at = journal[cut - 1].at
    journal = [
        *journal[:cut],
        Entry("#cancel", at, value="by hand"),
        Entry("w#body", at, "cancelled"),
        Entry("w.finally.f#started", at, attempt=1),
        Entry("w.finally.f", at, "completed", None, attempt=1),
        Entry("w", at, "cancelled"),
        Entry("", at, "cancelled"),
    ]
    went = await replay(journal, text)
    assert went.diverged == []
    assert went.end is not None
    assert went.end.status == "cancelled"


@pytest.mark.parametrize("limit", [10, 100])
async def test_nothing_is_left_behind(limit: int) -> None:
    import asyncio

    journal = await recorded(SWITCH.format(limit=10))
    before = asyncio.all_tasks()
    await replay(journal, SWITCH.format(limit=limit))
    assert asyncio.all_tasks() == before


async def test_ten_thousand_iterations_take_less_than_a_second_or_so() -> None:
    import time

    text = "- name: each\n  for_each: event.data\n  steps: [{name: x, set: {x: '{{ item }}'}}]\n"
    many = {**EVENT, "data": list(range(10_000))}
    runtime = VirtualRuntime(actions=CATALOG.actions)
    one = flow(text)
    await runtime.play(one, event=many)
    begun = time.perf_counter()
    went = await ReplayRuntime(runtime.committed, CATALOG.actions.get).replay(one, event=many)
    took = time.perf_counter() - begun
    assert went.same
    assert took < 5, took


def test_a_divergence_is_plain_data() -> None:
    from reactor.runtime.divergences import Divergence

    assert msgspec.to_builtins(Divergence("a", "new")) == {
        "path": "a", "kind": "new", "recorded": None, "replayed": None, "at": 0,
    }  # fmt: skip
