"""`make crash` (`-m crash`) runs the long tests of this folder, every other call the short ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.harness import World


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out where nobody asks for them."""
    if "crash" in str(config.getoption("markexpr")):
        return
    long = [item for item in items if item.get_closest_marker("crash") is not None]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def world() -> Iterator[World]:
    """What the flows of a test call."""
    made = World()
    yield made
    made.close()
