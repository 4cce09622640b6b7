"""The examples, run as a user would."""

import pytest

from tests.examples.shop import Shop


@pytest.fixture
def shop(tmp_path):
    """A copy of the examples; not started yet."""
    made = Shop(tmp_path)
    yield made
    made.stop()
    made.http.close()
