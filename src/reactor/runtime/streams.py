"""`for_each`, also over a stream: an action is asked for page after page, so memory holds one page however long it is.

Actions that are declared with `stream` give one as plain data: `{"$stream": {"action": NAME, "with": {…}, "cursor"?}}`.
The action is called with these parameters and `cursor` and gives `{items: […], cursor: NEXT or null}`.

Data is never code: `for_each` follows only what an action of this very run has opened (`PATH#stream` in the journal),
so a map that looks like a stream in an event, a file or an answer calls nothing.

The journal keeps the first pages whole, so that short streams can be replayed; of every page behind them its cursor and
digest: a run that is taken up reads the page again, and fails if it is another by now. When a page is done its
iterations are forgotten.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

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
MARK = "$stream"
"""The key of an output under which its stream stands."""
WHOLE = 8
"""So many pages of a stream stand in the journal whole."""


def opened(it: Interpreter, path: str, stream: Any) -> None:
    """An action of this run has opened a stream: `for_each` may follow it."""
    it.streams.append(stream)
    it.durable.record(Entry(path + "#stream", it.durable.now(), value=stream))


class _Constant:
    """Parameters that are there already, as an `Expr`."""

    source = "the stream"
    names: frozenset[str] = frozenset()

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def evaluate(self, _scope: Any) -> dict[str, Any]:
        """The parameters."""
        return self._value


class _Items:
    """The `output:` of a page: has its items for the loop, and gives what the journal keeps of them."""

    source = "the page"
    names: frozenset[str] = frozenset()

    def __init__(self, action: str, path: str, *, whole: bool) -> None:
        self._action = action
        self._whole = whole
        self._path = path
        self.items: list[Any] = []

    def evaluate(self, scope: Any) -> dict[str, Any]:
        """The page `output`, or `{count, cursor, digest}` of it."""
        return self.taken(scope["output"])

    def taken(self, found: Any) -> dict[str, Any]:
        """As `evaluate`.

        Raises:
            Failure: kind `output`: it is no page.
        """
        if not isinstance(found, dict) or not isinstance(found.get("items"), list):
            raise _refused("output", f"{self._action} gave no page {{items, cursor}}", self._path)
        self.items = found["items"]
        if self._whole:
            return {"items": self.items, "cursor": found.get("cursor")}
        digest = hashlib.blake2b(msgspec.json.encode(self.items), digest_size=16).hexdigest()
        return {"count": len(self.items), "cursor": found.get("cursor"), "digest": digest}


def _refused(kind: str, message: str, path: str) -> Failure:
    return Failure(ErrorInfo(kind, message, path, retryable=False))


async def for_each(it: Interpreter, step: ForEachStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`for_each:` the outputs of the iterations in the order of the items."""
    begun = it.enter(path, started)
    items = loops.items_of(it, step, path, frame)
    if isinstance(items, dict):
        return await _over_pages(it, step, path, frame, begun, items[MARK])
    outputs = await loops.over(it, step, path, frame, items, 0)
    return Entry(path, it.durable.now(), COMPLETED, outputs.values, None, 1, begun)


def _checked(it: Interpreter, stream: Any, path: str) -> None:
    """Refuse what no action of this run has opened, or what is not declared to give pages.

    Raises:
        Failure: kind `input`.
    """
    if not any(stream == one for one in it.streams):
        message = (
            f"`for_each` follows a stream only as a step of this run has opened it; this map merely has a key {MARK!r}"
        )
        raise _refused("input", message, path)
    name = stream.get("action") if isinstance(stream, dict) else None
    action = it.durable.find(name) if isinstance(name, str) else None
    if action is None or not action.stream:
        raise _refused("input", f"a stream is {{action: NAME, with: {{…}}}} of an action with `stream`: {name!r}", path)


async def _over_pages(
    it: Interpreter, step: ForEachStep, path: str, frame: Frame, begun: Instant, stream: Any
) -> Entry:
    """The iterations over all pages. The output is `{count}`: outputs of a stream are not collected.

    Raises:
        Failure: kind `input`: it is no stream; or what the action or an iteration failed with.
    """
    _checked(it, stream, path)
    # What may have to be undone is met again by walking over it.
    at = it.durable.recall(path + "#page") if it.resumed and not it.undoes else None
    forgets = it.flow.undo == "never" or not it.holds_undo()
    first, cursor, page = at.value if at is not None else (0, stream.get("cursor"), 0)
    while at is None or cursor is not None:
        items, cursor = await _page(it, path, frame, stream, cursor, page)
        outputs = await loops.over(it, step, path, frame, loops.batched(it, step, path, frame, items), first)
        if forgets:
            it.durable.record(Entry(path, it.durable.now(), RESET, [first, len(outputs.values)]))
            it.durable.record(Entry(f"{path}.page-{page}", it.durable.now(), RESET))
        first += len(outputs.values)
        page += 1
        if outputs.left:
            cursor = None
        at = Entry(path + "#page", it.durable.now(), value=[first, cursor, page])
        it.durable.record(at)
    return Entry(path, it.durable.now(), COMPLETED, {"count": first}, None, 1, begun)


async def _page(
    it: Interpreter, path: str, frame: Frame, stream: dict[str, Any], cursor: Any, page: int
) -> tuple[list[Any], Any]:
    """One page: an action step of its own at `PATH.page-N`. One that is known is read again.

    Raises:
        Failure: kind `stream.changed`: it is not what it was when iterations over it began.
    """
    taking = _Items(stream["action"], path, whole=page < WHOLE)
    params = _Constant({**(stream.get("with") or {}), "cursor": cursor})
    reading = ActionStep(name=f"page-{page}", action=stream["action"], params=params, output=taking)
    where = f"{path}.{reading.name}"
    known = it.durable.recall(where) if it.resumed else None
    if known is None or known.status != COMPLETED or page < WHOLE:
        found = await it.steps((reading,), path + ".", frame.inner())
        return found["items"] if page < WHOLE else taking.items, found["cursor"]
    again = await it.attempts.of(reading, where, frame.inner(), known.started)
    if again.error is not None:
        raise Failure(again.error, again.value, again.attempt)
    found = taking.taken(again.value)
    if found["digest"] != known.value["digest"]:
        message = f"page {page} of the stream has changed since it was begun, so the rest of it cannot be done"
        raise _refused("stream.changed", message, path)
    return taking.items, found["cursor"]


KINDS: dict[Any, Any] = {ForEachStep: for_each}
