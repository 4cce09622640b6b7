"""`run.state`: what the runs of a flow remember together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.model.flow import StateStep
from reactor.python.values import constant, plain

if TYPE_CHECKING:
    from reactor.python.run import Run


class State:
    """The durable state of the flow, shared by its runs. Every change is a step."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def set(self, key: str, value: Any, *, name: str | None = None) -> Any:
        """Set a value; gives it back."""
        return await self._change(key, "set", value, name)

    async def add(self, key: str, value: Any = 1, *, name: str | None = None) -> Any:
        """Add to a number (what is missing counts as 0), or to a list; gives what is there then.

        Raises:
            StepError: kind `input`: what is there cannot be added to.
        """
        return await self._change(key, "add", value, name)

    async def delete(self, key: str, *, name: str | None = None) -> None:
        """Forget a value."""
        await self._change(key, "delete", None, name)

    def get(self, key: str, default: Any = None) -> Any:
        """What is there now. The run remembers what it saw: it is the same at each replay."""
        place = self._run.place
        found = place.read("state", lambda: plain(place.scope["state"].get(key), f"the state {key!r}"))
        return default if found is None else found

    async def _change(self, key: str, op: str, value: Any, name: str | None) -> Any:
        amount = None if op == "delete" else constant(value, f"the state {key!r}")
        step = StateStep(name=self._run.step_name("state", name), key=constant(key, "a key"), op=op, value=amount)
        return await self._run.do(step, "state", f"{op} {key}")
