"""What `reactor doctor` looks at."""

from importlib import metadata

from reactor.cli import doctor
from reactor.settings import Settings


def test_extras_that_are_missing_are_told_with_what_to_do(monkeypatch):
    ((what, state, words),) = doctor._extras(Settings())
    assert (what, state) == ("extras", "ok")
    drivers = {"grpc", "imap", "kafka", "mqtt", "mysql", "nats", "postgres", "redis"}
    assert set(words.split(", ")) == drivers | {"oidc", "mcp", "otel"}

    without = [
        each
        for each in metadata.distributions()
        if each.name.lower() not in {"pymysql", "nats-py", "joserfc", "opentelemetry-sdk"}
    ]
    monkeypatch.setattr(metadata, "distributions", lambda: without)
    ((_, state, words),) = doctor._extras(Settings())
    assert state == "ok"
    assert words.endswith("; not installed: mysql, nats, oidc, otel (pip install reactor-engine[mysql])")
    assert "redis" in words.partition(";")[0]
