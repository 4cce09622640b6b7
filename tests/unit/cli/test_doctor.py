"""What `reactor doctor` looks at."""

from importlib import metadata

from reactor.cli import doctor
from reactor.settings import Settings


def test_drivers_that_are_missing_are_told_with_what_to_do(monkeypatch):
    ((what, state, words),) = doctor._drivers(Settings())
    assert (what, state) == ("drivers", "ok")
    assert set(words.split(", ")) == {"grpc", "imap", "kafka", "mqtt", "mysql", "nats", "postgres", "redis"}

    without = [each for each in metadata.distributions() if each.name.lower() not in {"pymysql", "nats-py"}]
    monkeypatch.setattr(metadata, "distributions", lambda: without)
    ((_, state, words),) = doctor._drivers(Settings())
    assert state == "ok"
    assert words.endswith("; not installed: mysql, nats (pip install reactor-engine[mysql])")
    assert "redis" in words.partition(";")[0]
