"""What a run waits for, by its journal."""

from __future__ import annotations

from reactor.language.expressions import compile_expression, compile_value
from reactor.model.flow import ActionStep, Branch, Flow, ParallelStep, SetStep, Step, WaitForStep, WaitStep
from reactor.model.journal import Entry
from reactor.runtime.probing import ProbeRuntime


def wait_for(name: str, condition: str) -> WaitForStep:
    return WaitForStep(name=name, event="reply", accept=compile_expression(condition))


async def probe(journal: list[Entry], *steps: Step) -> ProbeRuntime:
    runtime = ProbeRuntime(journal, lambda _name: None)
    await runtime.replay(Flow(name="f", source="", digest="", steps=steps), event={"data": {"n": 7}})
    return runtime


async def test_the_condition_sees_what_the_run_knew() -> None:
    steps = (
        SetStep(name="s", values=compile_value({"n": "{{ event.data.n + 1 }}"})),
        wait_for("w", "received.n == vars.n"),
    )
    found = await probe([Entry("s", 1, "completed", {"n": 8})], *steps)
    [wanted] = found.wanted.values()
    assert list(found.wanted) == ["w"]
    assert wanted.accept({"id": "e", "n": 8})
    assert not wanted.accept({"id": "e", "n": 7})


async def test_branches_that_wait_for_other_things_are_no_obstacle() -> None:
    call = ActionStep(name="a", action="none", params=compile_value({}))
    branches = (
        Branch(name="acts", steps=(call,)),
        Branch(name="naps", steps=(WaitStep(name="nap", for_=1_000),)),
        Branch(name="hears", steps=(wait_for("w", "true"),)),
    )
    found = await probe([Entry("all#started", 1)], ParallelStep(name="all", branches=branches))
    assert list(found.wanted) == ["all.branches.hears.w"]


async def test_what_was_taken_does_not_stand_in_the_way() -> None:
    journal = [Entry("w#event", 1, value={"id": "e"}), Entry("w", 1, "completed", {"id": "e", "n": 1})]
    found = await probe(journal, wait_for("w", "true"), wait_for("v", "received.n == 2"))
    assert list(found.wanted) == ["w", "v"]
    assert not found.wanted["v"].accept({"id": "f", "n": 1})
