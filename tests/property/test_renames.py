"""A run that is cut off at any border, its steps renamed, and taken up with the version that has the new names."""

from __future__ import annotations

import pytest

from reactor.engine.renames import MIGRATED, Renames
from reactor.model.journal import Entry, index
from reactor.runtime.replay import ReplayRuntime
from reactor.runtime.virtual import START, Crash, VirtualRuntime
from reactor.testing.runtime_scenarios import Scenario
from reactor.testing.runtime_suite import suite_catalog, suite_flow

CATALOG = suite_catalog([])
EVENT = {"id": "e", "type": "suite", "source": "", "data": [1, 2], "payload": [1, 2], "metadata": {}}
PAID = {"id": "p", "type": "paid", "source": "", "subject": None, "time": "", "data": 7}
STEPS = """
- {name: alpha, action: suite.write, give: 1, undo: {action: suite.write}}
- {name: beta, set: {v: "{{ steps.alpha.output + 1 }}"}}
- name: gamma
  for_each: event.data
  steps:
    - {name: delta, action: suite.write, give: "{{ item + vars.v }}", undo: {action: suite.write}}
- name: forks
  parallel:
    branches:
      left: [{name: eps, action: suite.write, give: 5, undo: {action: suite.write}}]
      right: [{name: zeta, wait: 10s}, {name: eta, action: suite.write, give: 6}]
- name: pick
  switch:
    - if: steps.forks.output.branches.left.output == 5
      steps:
        - {name: theta, action: suite.write, with: {fail: http.503, times: 1}, retry: {max: 2, delay: 5s}}
- {name: iota, wait_for: {event: paid}}
- {name: kappa, action: suite.write, with: {fail: final.no}, if: steps.iota.output.data == 7}
"""
NAMES = {
    "alpha": "alpha2", "gamma": "gamma2", "gamma[].delta": "gamma2[].delta2",
    "forks.branches.left": "forks.branches.l2",
    "forks.branches.left.eps": "forks.branches.l2.eps2", "pick": "pick2",
    "pick.cases[0].theta": "pick2.cases[0].theta2", "iota": "iota2", "beta": "beta2",
}  # fmt: skip
WORDS = ("alpha", "beta", "gamma", "delta", "eps", "pick", "theta", "iota")


def renamed() -> str:
    """The same flow under the new names."""
    text = STEPS.replace("left", "l2")
    for word in WORDS:
        text = text.replace(f"name: {word},", f"name: {word}2,").replace(f"name: {word}\n", f"name: {word}2\n")
        text = text.replace(f"steps.{word}.", f"steps.{word}2.")
    return text


OLD = suite_flow(Scenario(name="renames", steps=STEPS), CATALOG)
NEW = suite_flow(Scenario(name="renames", steps=renamed()), CATALOG)


def runtime(before: VirtualRuntime | None = None, crash_at: int | None = None) -> VirtualRuntime:
    return VirtualRuntime(
        actions=CATALOG.actions,
        journal=before.committed if before else [],
        clock=before.clock if before else None,
        crash_at=crash_at,
        inbox=[(START + 60_000, PAID)],
    )


async def test_it_fails_and_undoes_in_the_order_that_it_would_have_had() -> None:
    whole = runtime()
    end = await whole.play(OLD, event=EVENT)
    assert end.error is not None
    assert end.error.kind == "final.no"
    names = Renames(NAMES)
    wanted = [names.key(path) for path, _ in whole.effects]
    assert len([path for path in wanted if path.endswith(".undo")]) == 4
    for border in range(1, whole.borders + 1):
        part = runtime(crash_at=border)
        with pytest.raises(Crash):
            await part.play(OLD, event=EVENT)
        mark = Entry(MIGRATED, part.clock.now(), value={"from": 1, "to": 2, "map": NAMES, "forced": []})
        part.committed += names.journal(part.committed, mark)
        went = await ReplayRuntime(part.committed, CATALOG.actions.get).replay(NEW, event=EVENT)
        assert went.diverged == [], border
        again = runtime(part)
        ended = await again.play(NEW, event=EVENT)
        assert (ended.status, ended.error and ended.error.kind) == (end.status, end.error.kind), border
        made = [names.key(path) for path, _ in part.effects] + [path for path, _ in again.effects]
        once = list(dict.fromkeys(made))
        assert [p for p in once if p.endswith(".undo")] == [p for p in wanted if p.endswith(".undo")], border
        assert sorted(once) == sorted(dict.fromkeys(wanted)), border
        assert not [key for key in index(again.committed) if key.split(".")[0].split("[")[0].split("#")[0] in WORDS]
