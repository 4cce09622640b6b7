"""Servers take seconds to start: modules share one, and the tests of a module run in one process."""

from pathlib import Path

import pytest

from reactor.testing.servers import Kafka

_WITH_SERVERS = tuple(f"test_{name}" for name in ("cdc", "database", "email", "kafka", "mqtt", "nats", "redis"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each server is started by one of the processes that `make test` has, not by all."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem.startswith(_WITH_SERVERS):
            shared = "broker" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("broker of Kafka" if shared else item.path.stem))


@pytest.fixture(scope="session")
def broker():
    """A Kafka broker that nobody does harm to."""
    with Kafka() as server:
        yield server
