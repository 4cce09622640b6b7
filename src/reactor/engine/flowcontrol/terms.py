"""What a run needs to start, by its keys and the flow as it is now."""

from __future__ import annotations

from reactor.engine.flowcontrol.lanes import SHARED, Terms
from reactor.model.flow import Control
from reactor.model.journal import Controlled, Run

_NONE = Controlled()


def slot_of(run: Run, control: Control) -> str | None:
    """The set of slots that a run of this flow takes one of; None: it needs none."""
    part = control.concurrency
    if part is None:
        return None
    key = (run.control or _NONE).keys.get("concurrency", "")
    return SHARED + key if part.scope == "global" else f"{run.flow}\0{key}"


def terms_of(run: Run, control: Control) -> Terms:
    """A run that has started before takes a slot again, and is no start for `throttle`."""
    info, again = run.control or _NONE, run.started_at is not None
    concurrency, throttle = control.concurrency, None if again else control.throttle
    keys = "\0".join(f"{name}={key}" for name, key in info.keys.items())
    return Terms(
        lane=f"{run.flow}\0{'again' if again else 'new'}\0{keys}",
        flow=run.flow,
        slot=slot_of(run, control),
        limit=concurrency.limit if concurrency is not None else 0,
        meter=None if throttle is None else info.keys.get("throttle", ""),
        max=max(1, throttle.max) if throttle is not None else 0,
        per=throttle.per if throttle is not None else 0,
    )
