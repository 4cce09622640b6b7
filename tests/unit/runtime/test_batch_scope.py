"""What a run without an engine knows as `events`."""

from __future__ import annotations

from typing import Any

from reactor.model.flow import Control, EventBatch, Flow, SetStep
from reactor.runtime.virtual import VirtualRuntime
from tests.property.values import Given


async def test_a_flow_with_batch_sees_its_one_event_as_a_list() -> None:
    def names(scope: Any) -> Any:
        return {"list": scope.get("events")}

    steps = (SetStep(name="s", values=Given(names)),)
    batch = Control(batch=EventBatch(size=2, for_=1))
    for control, wanted in ((batch, [{"data": 1}]), (None, None)):
        flow = Flow(name="f", source="", digest="", steps=steps, control=control)
        end = await VirtualRuntime(actions={}).play(flow, event={"data": 1})
        assert end.output == {"list": wanted}
