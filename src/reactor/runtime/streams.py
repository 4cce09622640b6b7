"""`for_each`, also over a stream: an action is asked for page after page, so memory holds one page whatever the length.

A stream is plain data that some actions give: `{"$stream": {"action": NAME, "with": {…}}}`. The action is called with
these parameters and `cursor` (null at first) and gives `{items: […], cursor: NEXT or null}`. When a page is done the
journal forgets its iterations and keeps the cursor, so taking up such a run costs one page, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.flow import ActionStep, ForEachStep
from reactor.model.journal import RESET, Entry
from reactor.model.states import StepStatus
from reactor.runtime import loops
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

COMPLETED = StepStatus.COMPLETED.value


class _Constant:
    """Parameters that are there already, as an `Expr`."""

    source = "the stream"
    names: frozenset[str] = frozenset()

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def evaluate(self, _scope: Any) -> dict[str, Any]:
        """The parameters."""
        return self._value


async def for_each(it: Interpreter, step: ForEachStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`for_each:` the outputs of the iterations in the order of the items."""
    begun = it.enter(path, started)
    items = loops.items_of(it, step, path, frame)
    if isinstance(items, dict):
        return await _over_pages(it, step, path, frame, begun, items["$stream"])
    outputs = await loops.over(it, step, path, frame, items, 0)
    return Entry(path, it.durable.now(), COMPLETED, outputs.values, None, 1, begun)


async def _over_pages(
    it: Interpreter, step: ForEachStep, path: str, frame: Frame, begun: Instant, stream: Any
) -> Entry:
    """The iterations over all pages. The output is `{count}`: outputs of a stream are not collected.

    Raises:
        Failure: kind `input`: it is no stream; or what the action or an iteration failed with.
    """
    if not isinstance(stream, dict) or not isinstance(stream.get("action"), str):
        error = ErrorInfo("input", "a stream is {action: NAME, with: {…}}", path, retryable=False)
        raise Failure(error)
    at = it.durable.recall(path + "#page") if it.resumed else None
    first, cursor, page = at.value if at is not None else (0, None, 0)
    while True:
        items, cursor = await _page(it, path, frame, stream, cursor, page)
        outputs = await loops.over(it, step, path, frame, loops.batched(it, step, path, frame, items), first)
        _forget(it, path, first, len(items), page)
        first += len(outputs.values)
        page += 1
        it.durable.record(Entry(path + "#page", it.durable.now(), value=[first, cursor, page]))
        if cursor is None or outputs.left:
            return Entry(path, it.durable.now(), COMPLETED, {"count": first}, None, 1, begun)


def _forget(it: Interpreter, path: str, first: int, count: int, page: int) -> None:
    if it.flow.undo != "never" and it.holds_undo():
        return
    for number in range(first, first + count):
        it.durable.record(Entry(f"{path}[{number}]", it.durable.now(), RESET))
    it.durable.record(Entry(f"{path}.page-{page}", it.durable.now(), RESET))


async def _page(
    it: Interpreter, path: str, frame: Frame, stream: dict[str, Any], cursor: Any, page: int
) -> tuple[list[Any], Any]:
    """One page: an action step of its own at `PATH.page-N`."""
    params = _Constant({**(stream.get("with") or {}), "cursor": cursor})
    name = f"page-{page}"
    reading = ActionStep(name=name, action=stream["action"], params=params)
    found = await it.steps((reading,), path + ".", frame.inner())
    if not isinstance(found, dict) or not isinstance(found.get("items"), list):
        error = ErrorInfo("output", f"{stream['action']} gave no page {{items, cursor}}", path, retryable=False)
        raise Failure(error)
    return found["items"], found.get("cursor")


KINDS: dict[Any, Any] = {ForEachStep: for_each}
