"""Drivers that may not be installed."""

import sys

import pytest

from reactor.sdk import PermanentError
from reactor.sdk.drivers import needed


def test_a_missing_driver_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with (
        pytest.raises(PermanentError, match=r"\(aiokafka\): pip install reactor-engine\[kafka\]") as caught,
        needed("kafka"),
    ):
        import aiokafka  # noqa: F401
    assert caught.value.kind == "input"


def test_a_fault_of_ours_is_not_blamed_on_a_driver(monkeypatch):
    monkeypatch.setitem(sys.modules, "reactor.connectors.kafka.cluster", None)
    with pytest.raises(ImportError, match=r"cluster"), needed("kafka"):
        import reactor.connectors.kafka.cluster  # noqa: F401
