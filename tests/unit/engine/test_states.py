"""Reading the state of a flow: those who need it at the same time share the reading, and nobody spins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.engine.states import States


class Store:
    """Keeps one value."""

    reads = 0

    async def saved(self, _place: str) -> dict[str, Any]:
        """It, after a turn of the loop."""
        self.reads += 1
        await asyncio.sleep(0)
        return {"n": 1}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("turns", range(6))
async def test_a_second_one_comes_while_the_reading_ends(turns: int) -> None:
    store = Store()
    states = States(store, None, Limits())  # type: ignore[arg-type]
    first = asyncio.ensure_future(states.load("a"))
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.gather(first, states.load("a"))
    assert (states.of("a"), store.reads) == ({"n": 1}, 1)
