"""`app.test`: one flow in memory, with mocks, on a clock that jumps."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.language.inputs import check_inputs
from reactor.model.clock import to_iso
from reactor.model.errors import ErrorInfo, InvalidError, NotFoundError, StepError
from reactor.model.flow import Flow
from reactor.model.journal import ActionCall, FlowCall, Outcome
from reactor.model.states import RunStatus
from reactor.python.event import Event
from reactor.python.functions import Arguments
from reactor.python.values import Duration, millis, plain
from reactor.runtime.people import DECIDED
from reactor.runtime.virtual import START, VirtualRuntime
from reactor.sdk import Action, Catalog

Mock = Any
"""An output, an exception to raise, or a function of the arguments that gives or raises one."""
_NUMBER = re.compile(r"\[\d+\]")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow did."""

    status: RunStatus
    output: Any
    error: ErrorInfo | None
    outputs: dict[str, Any]
    """By the paths of the steps that completed."""
    errors: dict[str, ErrorInfo]
    """By the paths of the steps that failed."""
    steps: list[str]
    """Paths, in the order in which the steps ended."""
    emitted: list[dict[str, Any]]
    """`{type, data, subject}` of the events that it emitted."""
    state: dict[str, Any]
    """Of the flow, afterwards."""
    seconds: float
    """How long it took, on its clock."""


class _Mocked(VirtualRuntime):
    def __init__(self, mocks: Mapping[str, Mock], **given: Any) -> None:
        super().__init__(**given)
        self._mocks = mocks
        self.unused = set(mocks)

    def _found(self, *names: str) -> tuple[Mock] | None:
        for name in names:
            if name in self._mocks:
                self.unused.discard(name)
                return (self._mocks[name],)
        return None

    async def _attempt(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        found = self._found(path, _NUMBER.sub("", path), action.name, action.name.rpartition(".")[2])
        if found is None:
            return await super()._attempt(path, call, action, params)
        given = params.values if isinstance(params, Arguments) else msgspec.structs.asdict(params)
        return await _answer(found[0], given, path)

    async def child(self, path: str, call: FlowCall) -> Outcome:
        found = self._found(path, _NUMBER.sub("", path), call.flow)
        if found is None:
            return await super().child(path, call)
        self.called.append(path)
        return await _answer(found[0], call.params, path)


async def _answer(mock: Mock, given: Mapping[str, Any], path: str) -> Outcome:
    try:
        if isinstance(mock, BaseException):
            raise mock
        made = mock(**given) if callable(mock) else mock
        return Outcome(plain(await made if inspect.isawaitable(made) else made, f"the mock of {path}"))
    except StepError as error:
        return Outcome(error.output, error.info())
    except Exception as error:  # noqa: BLE001 - a mock may raise whatever the thing itself may
        return Outcome(error=ErrorInfo(type(error).__name__, f"{type(error).__name__}: {error}"))


async def trial(  # noqa: PLR0913 - a test says what it needs
    flows: Mapping[str, Flow],
    name: str,
    catalog: Catalog,
    *,
    event: Any,
    mocks: Mapping[str, Mock],
    inputs: Any,
    secrets: Mapping[str, str],
    later: Sequence[tuple[Duration, Mapping[str, Any]]],
    decisions: Mapping[str, str],
    state: Mapping[str, Any],
) -> Trial:
    """See `Reactor.test`."""
    flow = flows.get(name)
    if flow is None:
        raise NotFoundError(f"there is no flow {name!r}; the program has {', '.join(sorted(flows)) or 'none'}")
    given: Any = plain(inputs if inputs is not None else {}, "the inputs")
    if flow.inputs is not None:
        given, problems = check_inputs(flow.inputs, given)
        if problems:
            raise InvalidError(f"inputs of flow {name!r}: {'; '.join(problems)}")
    kept = dict(state)
    runtime = _Mocked(mocks, actions=catalog.actions, inbox=_inbox(flow, later, decisions), state=kept)
    end = await runtime.play(flow, event=_view(event, flow), inputs=given, secret=secrets.get)
    if runtime.unused and end.status is RunStatus.COMPLETED:
        raise InvalidError(
            f"no step asked for the mocks {', '.join(sorted(runtime.unused))}; the steps: {runtime.called}"
        )
    outcomes = [entry for entry in runtime.committed if entry.key and "#" not in entry.key]
    return Trial(
        status=end.status,
        output=end.output,
        error=end.error,
        outputs={entry.key: entry.value for entry in outcomes if entry.status == "completed"},
        errors={entry.key: entry.error for entry in outcomes if entry.error is not None},
        steps=[entry.key for entry in outcomes],
        emitted=runtime.emitted,
        state=runtime.state_,
        seconds=(runtime.clock.now() - START) / 1000,
    )


def _inbox(
    flow: Flow, later: Sequence[tuple[Duration, Mapping[str, Any]]], decisions: Mapping[str, str]
) -> list[tuple[int, dict[str, Any]]]:
    made = []
    for number, (after, event) in enumerate(later):
        at = START + (millis(after) or 0)
        view = _view({"data": None, "id": f"evt_later.{number}", "time": to_iso(at), **event}, flow)
        made.append((at, {**(view or {}), "timestamp": at / 1000}))
    for path, decision in decisions.items():
        data = {"decision": decision, "by": "somebody", "form": None}
        decided = {"type": DECIDED, "id": f"evt_decision.{path}", "subject": f"run_test:{path}", "data": data}
        made.append((START, _view(decided, flow) or {}))
    return made


def _view(event: Any, flow: Flow) -> dict[str, Any] | None:
    if event is None:
        return None
    if isinstance(event, Event):
        view = msgspec.to_builtins(event)
        return {**view, "payload": view["data"], "timestamp": event.time.timestamp()}
    if not isinstance(event, Mapping) or "data" not in event:
        raise InvalidError("event= is a map such as {'type': 'order.created', 'data': {…}}, or an Event")
    kind = next((str(trigger.config.get("event", "manual")) for trigger in flow.triggers), "manual")
    data = plain(event["data"], "the data of the event")
    made: dict[str, Any] = {
        "id": "evt_test",
        "type": kind,
        "source": "test",
        "subject": None,
        "time": to_iso(START),
        "metadata": {},
    }
    return {**made, **event, "data": data, "payload": data, "timestamp": START / 1000}


__all__ = ["Mock", "Trial", "trial"]
