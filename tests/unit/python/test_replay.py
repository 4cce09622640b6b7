"""Code that is run again over its journal: the same way, or a clear error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reactor import Reactor, Run
from reactor.app import catalog_of
from reactor.model.journal import Entry
from reactor.runtime.code import RETRIED
from reactor.runtime.interpreter import RunEnd
from reactor.runtime.virtual import VirtualRuntime

Code = Callable[[Run], Any]


async def _one() -> int:
    return 1


async def _two() -> int:
    return 2


async def play(code: Code, journal: Sequence[Entry] = (), *, was: Code | None = None) -> tuple[RunEnd, VirtualRuntime]:
    """Run a function as a flow over a journal; `was`: what it was when the run began."""
    app = Reactor()
    runtime = VirtualRuntime(actions={}, journal=journal)
    flow = app.flow(name="f")(code).load(catalog_of(None)[0])
    if was is not None:
        import msgspec

        before = Reactor().flow(name="f")(was).load(catalog_of(None)[0])
        flow = msgspec.structs.replace(flow, source=before.source)
    end = await runtime.play(flow)
    return end, runtime


def until(journal: Sequence[Entry], step: str) -> list[Entry]:
    """What a crash right behind this step leaves."""
    last = max(n for n, entry in enumerate(journal) if entry.key == step)
    return list(journal[: last + 1])


async def both(run: Run) -> Any:
    """Two steps."""
    return [await run.step("one", _one), await run.step("two", _two), run.uuid()]


async def test_what_was_done_is_not_done_again() -> None:
    first, before = await play(both)
    again, after = await play(both, until(before.committed, "one"))
    assert (first.output[:2], again.output[:2]) == ([1, 2], [1, 2])
    assert (before.called, after.called) == (["one", "two"], ["two"])
    whole, nothing = await play(both, before.committed)
    assert (whole.output, nothing.called) == (first.output, [])


async def other_name(run: Run) -> Any:
    """As `both`, with the second step named otherwise."""
    return [await run.step("one", _one), await run.step("three", _two)]


async def other_order(run: Run) -> Any:
    """As `both`, the other way round."""
    return [await run.step("two", _two), await run.step("one", _one)]


async def other_kind(run: Run) -> Any:
    """As `both`, with a pause in place of the second step."""
    first = await run.step("one", _one)
    await run.sleep("1s", name="two")
    return first


async def shorter(run: Run) -> Any:
    """As `both`, without the second step."""
    return await run.step("one", _one)


async def between(run: Run) -> Any:
    """As `both`, with one more in front."""
    await run.sleep(1)
    return [await run.step("one", _one), await run.step("two", _two)]


async def swallows(run: Run) -> Any:
    """Tries to go on whatever happens."""
    try:
        await run.step("one", _one)
        await run.step("three", _two)
    except Exception:
        return "fine"


async def test_code_that_does_not_fit_its_journal_is_caught() -> None:
    _, before = await play(both)
    journal = [entry for entry in before.committed if entry.key]
    one, two = (f"step '{name}' (step {__name__}._{name}) came next, " for name in ("one", "two"))
    for code, asked in (
        (other_name, two + "the code now asks for step 'three' (step)"),
        (other_order, one + "the code now asks for step 'two' (step)"),
        (other_kind, two + "the code now asks for step 'two' (sleep)"),
        (shorter, two + "the code now ends without it"),
        (between, one + "the code now asks for step 'sleep' (sleep)"),
        (swallows, two + "the code now asks for step 'three' (step)"),
    ):
        end, runtime = await play(code, journal, was=both)
        assert end.error is not None, code
        assert (end.status, end.error.kind) == ("failed", "nondeterminism")
        assert asked in end.error.message
        assert "the code has changed since; put the former code back" in end.error.message
        assert runtime.called == [], "nothing is done on a wrong way"
        assert not [entry for entry in runtime.committed[len(journal) :] if entry.key], "and nothing is recorded of it"


async def test_chance_outside_of_the_run_is_named_as_the_reason() -> None:
    way = iter("ab")

    async def flow(run: Run) -> Any:
        await run.step(next(way), _one)

    _, before = await play(flow)
    end, _ = await play(flow, [entry for entry in before.committed if entry.key])
    assert end.error is not None
    assert "what it does hangs on something that is not recorded" in end.error.message


async def test_a_longer_flow_goes_on_behind_what_was_done() -> None:
    _, before = await play(shorter)
    end, after = await play(both, [entry for entry in before.committed if entry.key], was=shorter)
    assert (end.output[:2], after.called) == ([1, 2], ["two"])


async def patched(run: Run) -> Any:
    """As `both`, with a check in front of the second step, for runs that have not come there yet."""
    first = await run.step("one", _one)
    if run.patched("check"):
        await run.step("check", _two)
    return [first, await run.step("two", _two)]


async def test_a_patch_is_for_runs_that_have_not_passed_it() -> None:
    _, before = await play(both)
    journal = [entry for entry in before.committed if entry.key]
    old, _ = await play(patched, journal, was=both)
    assert (old.status, old.output) == ("completed", [1, 2])
    new, runtime = await play(patched, until(journal, "one"), was=both)
    assert (new.output, runtime.called) == ([1, 2], ["check", "two"])
    again, runtime = await play(patched, [entry for entry in runtime.committed if entry.key])
    assert (again.output, runtime.called) == ([1, 2], [])


async def test_a_retried_run_may_go_another_way_from_what_failed() -> None:
    lucky: list[bool] = []

    async def first() -> str:
        if not lucky:
            raise ValueError("no luck")
        return "first"

    async def second() -> str:
        raise ValueError("no luck either")

    async def flow(run: Run) -> Any:
        await run.step("one", _one)
        try:
            return await run.step("first", first)
        except Exception:
            return await run.step("second", second)

    end, before = await play(flow)
    assert end.status == "failed"
    lucky.append(True)
    now = before.now()
    kept = [entry for entry in before.committed if not entry.key.startswith(("first", "second")) and entry.key]
    end, after = await play(flow, [*kept, Entry(RETRIED, now)])
    assert (end.output, after.called) == ("first", ["first"])


async def test_the_log_is_silent_while_it_replays(caplog: Any) -> None:
    async def flow(run: Run) -> None:
        run.log.warning("before")
        await run.step("one", _one)
        run.log.warning("after")

    _, before = await play(flow)
    assert [record.message for record in caplog.records] == ["before", "after"]
    caplog.clear()
    await play(flow, until(before.committed, "one"))
    assert [record.message for record in caplog.records] == ["after"]
