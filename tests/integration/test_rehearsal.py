"""Recorded runs on a real engine, played against candidates that were never registered."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.engine.rehearsal import Rehearsed, rehearse
from reactor.language.loader import load
from reactor.model.errors import InvalidError
from reactor.model.flow import Flow
from reactor.testing.running import RunningReactor, running_reactor

ORDER = """\
name: order
on: {event: order}
steps:
  - {name: sum, set: {total: "{{ event.data.n * 2 }}"}}
  - name: size
    switch:
      - if: vars.total > 100
        steps: [{name: ask, action: log.info, message: big}]
      - else: [{name: pay, action: log.info, message: small}]
  - {name: secret, set: {word: "s{{ event.data.n }}"}, secret_output: true}
  - {name: state, state: {key: count, add: 1}}
  - {name: done, return: "{{ state.count }}"}
"""
WAITS = """\
name: waits
on: {event: waits}
steps:
  - {name: first, action: log.info, message: one}
  - {name: paid, wait_for: {event: paid}}
"""


def candidate(it: RunningReactor, text: str) -> Flow:
    loaded = load(text, file=None, catalog=it.engine.catalog)
    assert loaded.flow is not None, loaded.problems
    return loaded.flow


async def went(it: RunningReactor, text: str, last: int = 20) -> list[Rehearsed]:
    return await rehearse(it.engine.executor, it.engine.history, candidate(it, text), last)


async def sent(it: RunningReactor, n: int, type_: str = "order") -> str:
    receipt: Any = await it.send(type_, {"n": n})
    return str(receipt["runs"][0]["id"])


async def test_the_same_version_takes_the_same_path() -> None:
    async with running_reactor({"order": ORDER}) as it:
        for n in (1, 60, 3):
            await it.finished(await sent(it, n))
        found = await went(it, ORDER)
        assert [one.same for one in found] == [True, True, True], [one.view() for one in found]
        assert (await it.get("/runs", flow="order"))["items"].__len__() == 3, "nothing was started"


async def test_a_candidate_tells_which_runs_part_and_where() -> None:
    async with running_reactor({"order": ORDER}) as it:
        runs = [await sent(it, n) for n in (1, 60, 3)]
        for run in runs:
            await it.finished(run)
        found = await went(it, ORDER.replace("> 100", "> 1000"))
        assert [one.same for one in found] == [True, False, True]
        parts = found[1].parts
        assert parts is not None
        assert (parts.kind, parts.path, parts.recorded, parts.replayed) == ("case", "size", 0, 1)
        assert found[1].view()["run"] == runs[1]
        assert [one.same for one in await went(it, ORDER.replace("> 100", "> 1000"), last=1)] == [True]


async def test_a_secret_output_is_compared_but_never_shown() -> None:
    async with running_reactor({"order": ORDER}) as it:
        await it.finished(await sent(it, 7))
        text = ORDER + "outputs: {s: '{{ steps.secret.output.word | length }}'}\n"
        [one] = await went(it, text)
        assert "s7" not in str(one.view())


async def test_a_run_that_waits_is_rehearsed_as_far_as_it_came() -> None:
    async with running_reactor({"waits": WAITS}, passivate_after=30) as it:
        run = await sent(it, 1, "waits")
        for _ in range(500):
            if (await it.get(f"/runs/{run}"))["status"] == "waiting":
                break
        assert [one.same for one in await went(it, WAITS + "  - {name: more, wait: 1s}\n")] == [True]
        [one] = await went(it, WAITS.replace("  - {name: paid", "  - {name: new, wait: 1s}\n  - {name: paid"))
        assert [(d.kind, d.path) for d in one.diverged] == [("new", "new"), ("missing", "paid")]


async def test_how_many_has_bounds() -> None:
    async with running_reactor({"order": ORDER}) as it:
        assert await went(it, ORDER) == []
        for last in (0, 501):
            with pytest.raises(InvalidError, match="1 to 500"):
                await went(it, ORDER, last)
