"""The durable state of flows (`state:`): read when a flow first needs it, kept in memory, written with the outcome of
the step that changed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.committer import Committer
from reactor.engine.limits import Limits
from reactor.engine.texts import encode
from reactor.model.errors import PermanentError, StoreBusyError
from reactor.model.flow import Flow, StateStep, all_steps
from reactor.model.journal import StateChange
from reactor.runtime.values import changed
from reactor.stores.port import Store

if TYPE_CHECKING:
    from reactor.engine.live import LiveRun

_KEY_LIMIT = 512
"""Characters of a key."""
_PAUSE = 0.5


def place(flow: str) -> str:
    """Where a flow's state stands among what triggers keep."""
    return f"#state/{flow}"


class States:
    """Flow → key → value."""

    def __init__(self, store: Store, committer: Committer, limits: Limits) -> None:
        self._store = store
        self._committer = committer
        self._limits = limits
        self._values: dict[str, dict[str, Any]] = {}
        self._loading: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._uses: dict[int, tuple[Flow, bool]] = {}

    def has(self, flow: str) -> bool:
        """Whether the flow's state is in memory."""
        return flow in self._values

    async def load(self, flow: str) -> None:
        """Bring a flow's state into memory; those who ask at the same time share the reading."""
        while flow not in self._values:
            reading = self._loading.get(flow)
            if reading is None:
                reading = self._loading[flow] = asyncio.ensure_future(self._store.saved(place(flow)))
                reading.add_done_callback(lambda done: self._loaded(flow, done))
            try:
                # Set here, too: who comes between the end of the reading and its callback does not wait at all.
                self._values.setdefault(flow, await asyncio.shield(reading))
            except StoreBusyError:
                await asyncio.sleep(_PAUSE)

    def _loaded(self, flow: str, done: asyncio.Future[dict[str, Any]]) -> None:
        self._loading.pop(flow, None)
        if not done.cancelled() and done.exception() is None:
            self._values.setdefault(flow, done.result())

    def of(self, flow: str) -> Mapping[str, Any]:
        """The state as expressions see it: as it is at each moment. Empty where it is not in memory."""
        return MappingProxyType(self._values.get(flow, {}))

    def uses(self, flow: Flow) -> bool:
        """Whether the flow reads or changes its state."""
        known = self._uses.get(id(flow))
        if known is None or known[0] is not flow:
            if len(self._uses) > 20_000:
                self._uses.clear()
            found = flow.code is not None or any(isinstance(step, StateStep) for _, step in all_steps(flow))
            known = self._uses[id(flow)] = (flow, found or _names_state(flow))
        return known[1]

    def change(self, live: LiveRun, change: StateChange) -> Any:
        """Change it now; the value after it. Rides with what the run records next.

        Raises:
            PermanentError: kind `input`: it cannot be changed so; kind `state.limit`: there is no room.
        """
        flow = live.record_.flow
        values = self._values[flow]
        after = {change.key: values[change.key]} if change.key in values else {}
        value = changed(after, change)
        if change.key in after:
            encoded = self._checked(flow, values, change.key, value)
            values[change.key] = value
        else:
            values.pop(change.key, None)
            encoded = None
        self._committer.ride(live.key, [(place(flow), change.key, encoded)])
        return value

    def _checked(self, flow: str, values: Mapping[str, Any], key: str, value: Any) -> bytes:
        if len(key) > _KEY_LIMIT:
            raise PermanentError(
                "state.limit", f"state: a key has at most {_KEY_LIMIT} characters, this has {len(key)}"
            )
        if key not in values and len(values) >= self._limits.state_keys:
            raise PermanentError(
                "state.limit", f"state of flow {flow!r} has {len(values)} keys, as many as it may; delete some"
            )
        try:
            encoded = encode(value)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise PermanentError(
                "input", f"state: what {key!r} would hold cannot be written as JSON: {error}"
            ) from None
        if len(encoded) > self._limits.state_value:
            raise PermanentError(
                "state.limit",
                f"state: {key!r} would hold {len(encoded)} bytes; the limit is {self._limits.state_value}",
            )
        return encoded


def _names_state(value: Any) -> bool:
    """Whether an expression somewhere in a flow speaks of `state`."""
    names = getattr(value, "names", None)
    if names is not None and not isinstance(value, (dict, msgspec.Struct)):
        return "state" in names
    if isinstance(value, msgspec.Struct):
        return any(_names_state(getattr(value, field)) for field in value.__struct_fields__)
    if isinstance(value, (tuple, list)):
        return any(_names_state(item) for item in value)
    return False
