"""What a journal keeps when its run is taken up again from a step: by a retry, or by a fork."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reactor.model.errors import NotFoundError
from reactor.model.journal import Entry
from reactor.model.states import StepStatus

COMPLETED, FAILED, CANCELLED = StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED
_UNDO = ".undo"
_OWN = ("#started", "#timeout", "#body", "#join", "#attempt")
"""What is recorded of a step with steps inside, and belongs to the attempt that failed."""
_HANDLERS = (".on_error", ".finally")
_RUN = ("", "#cancel", "#pause", "#timeout", "#body")


def around(path: str) -> Iterator[str]:
    """The places around a path, from the outside in: `each`, `each[3]` and `each[3].pay` for `each[3].pay.card`."""
    for at, letter in enumerate(path):
        if letter in ".[":
            yield path[:at]


def resets(known: Mapping[str, Entry]) -> list[tuple[str, bool]]:
    """(path, alone) of what a retry must forget: failed steps with all below them; of a step around a failed one only
    its own outcome and handlers, so that what was completed inside it stays. A step that was undone is done again.
    What failed inside something that completed all the same (a loser of a join) stays as it is.
    """
    found: dict[str, bool] = dict.fromkeys(_RUN, True) | {"on_failure": False, "on_cancel": False}
    for path, entry in known.items():
        if not path or "#" in path or path.startswith(("on_failure.", "on_cancel.")):
            continue
        if path.endswith(_UNDO):
            _undone(path, entry, known, found)
        elif entry.status in (FAILED, CANCELLED) and not _within_completed(path, known):
            _failed(path, known, found)
    return list(found.items())


def _within_completed(path: str, known: Mapping[str, Entry]) -> bool:
    return any(place in known and known[place].status == COMPLETED for place in around(path))


def _undone(path: str, entry: Entry, known: Mapping[str, Entry], found: dict[str, bool]) -> None:
    of = path.removesuffix(_UNDO)
    if _within_completed(of, known):
        return
    if entry.status == COMPLETED:
        found[of] = False
        _open(of, found)
    elif of not in found:
        # Its effect may still be there: the step stays done, and may be undone another time.
        found[path] = False
        _open(of, found)


def _failed(path: str, known: Mapping[str, Entry], found: dict[str, bool]) -> None:
    handlers = tuple(path + handler + "." for handler in _HANDLERS)
    inside = any(key.startswith((path + ".", path + "[")) and not key.startswith(handlers) for key in known)
    found[path] = inside and found.get(path, True)
    _open(path, found)
    if inside:
        for mark in _OWN:
            found[path + mark] = True
        for handler in _HANDLERS:
            found[path + handler] = False


def _open(path: str, found: dict[str, bool]) -> None:
    """What stands around something that is done again has not ended."""
    for place in around(path):
        found.setdefault(place, True)
        for mark in ("#body", "#join"):
            found.setdefault(place + mark, True)


def before(journal: list[Entry], step: str) -> list[Entry]:
    """The entries before the first that belongs to the step, without outcomes of what stands around it.

    Raises:
        NotFoundError: the run never came to that step.
    """
    places = {place + mark for place in around(step) for mark in ("", "#body", "#join")}
    for position, entry in enumerate(journal):
        if entry.key == step or entry.key.startswith((step + "#", step + ".", step + "[")):
            return [e for e in journal[:position] if e.key not in places and e.key != ""]
    raise NotFoundError(f"the run never came to a step {step!r}; `reactor runs show` lists its steps")
