"""Loads and plays Open Workflow documents in memory, on a clock that jumps."""

from typing import Any

from reactor.language.loader import Loaded, load
from reactor.model.flow import Flow
from reactor.model.journal import ActionCall, Outcome
from reactor.plugins.discovery import discover
from reactor.runtime.interpreter import RunEnd
from reactor.runtime.virtual import START, VirtualRuntime

CATALOG = discover()[0]
HEAD = "document: {dsl: '1.0.3', namespace: test, name: probe, version: '0.1.0'}\n"


def read(text: str) -> Loaded:
    """The head is added where it is missing."""
    return load(text if text.startswith("document") else HEAD + text, catalog=CATALOG)


def flow_of(text: str) -> Flow:
    loaded = read(text)
    assert loaded.flow is not None, [str(problem) for problem in loaded.problems]
    return loaded.flow


def refusals(text: str) -> list[str]:
    """The messages of the errors, with their lines."""
    loaded = read(text)
    assert loaded.flow is None
    return [f"{problem.line}: {problem.message}" for problem in loaded.problems if problem.severity == "error"]


class Played:
    """A run that has ended."""

    def __init__(self, end: RunEnd, runtime: VirtualRuntime, calls: list[tuple[str, Any]]) -> None:
        self.end = end
        self.runtime = runtime
        self.calls = calls

    @property
    def output(self) -> Any:
        assert self.end.status == "completed", self.end.error
        return self.end.output

    @property
    def error(self) -> dict[str, Any]:
        assert self.end.error is not None, self.end.output
        return self.end.error.view()


def event(type: str, data: Any = None, number: int = 0, **more: Any) -> dict[str, Any]:
    """An event as the runtime shows it."""
    return {
        "id": f"e{number}",
        "type": type,
        "source": "test",
        "subject": None,
        "time": "2026-01-01T00:00:00.000Z",
        "data": data,
        "metadata": {},
        **more,
    }


async def play(
    text: str, data: Any = None, mock: Any = None, child: Any = None, inbox: Any = (), start: Any = None, **secrets: str
) -> Played:
    """Run a document to its end.

    `mock`: answers of actions, `(path, parameters)` → output or `Outcome`; `inbox`: events that come, each a second
    after the one before; `start`: the event that starts it.
    """
    calls: list[tuple[str, Any]] = []

    def answer(path: str, call: ActionCall, params: Any) -> Outcome:
        calls.append((path, params))
        made = mock(path, params)
        return made if isinstance(made, Outcome) else Outcome(made)

    coming = [(START + 1_000 * (at + 1), one) for at, one in enumerate(inbox)]
    runtime = VirtualRuntime(
        actions=CATALOG.actions, mock=answer if mock is not None else None, child=child, inbox=coming
    )
    first = start or event("probe", data, metadata={"by": "hand"})
    end = await runtime.play(flow_of(text), event=first, secret=secrets.get)
    return Played(end, runtime, calls)
