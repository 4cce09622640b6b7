"""Servers that several modules share, one for all tests of a process: they take seconds to start."""

import pytest

from reactor.testing.servers import Kafka


@pytest.fixture(scope="session")
def broker():
    """A Kafka broker that nobody does harm to."""
    with Kafka() as server:
        yield server
