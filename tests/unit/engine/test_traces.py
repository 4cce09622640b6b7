import threading
from typing import Any

import pytest

from reactor.engine.tracing import tracer as tracing
from reactor.engine.tracing.tracer import Tracer
from reactor.model import traces
from reactor.model.clock import SystemClock
from reactor.model.errors import SettingsError
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.model.traces import TraceContext, of_metadata, parse
from reactor.settings import load

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", True),
        (f"cc-{TRACE}-{SPAN}-01-what-is-new", True),
        (f"00-{TRACE}-{SPAN}-01-what-is-new", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}", False),
        (f"00-{TRACE}-{SPAN}-01\n", False),
        (f"cc-{TRACE}-{SPAN}-01-{'x' * 500}", False),
        ("", False),
        (None, False),
        (7, False),
        (["00"], False),
    ],
)
def test_what_comes_in(text, there):
    found = parse(text)
    assert (found is not None) is there
    if found is not None:
        assert (found.trace, found.span) == (TRACE, SPAN)
        assert found.sampled is text[53:55].endswith("1")
        assert parse(found.headers()["traceparent"]) == found


@pytest.mark.parametrize("state", ["a=1\r\nx: y", "ä=1", "x" * 513, "", None, 5])
def test_a_state_that_cannot_go_out_again_is_left(state):
    found = parse(f"00-{TRACE}-{SPAN}-01", state)
    assert found is not None
    assert found.headers() == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_where_events_have_it():
    given = f"00-{TRACE}-{SPAN}-01"
    whole = TraceContext(TRACE, SPAN, state="a=1")
    assert of_metadata({"traceparent": given, "tracestate": "a=1"}) == whole
    assert of_metadata({"traceparent": given, "extensions": {"tracestate": "a=1"}}) == whole
    assert of_metadata({"headers": {"Traceparent": given, "TraceState": "a=1"}}) == whole
    headers: list[Any] = [{}, None, ["x"], {"traceparent": ["x"]}]
    for nothing in ({}, *({"headers": each} for each in headers)):
        assert of_metadata(nothing) is None
    assert of_metadata({"traceparent": "x", "headers": {"traceparent": given}}) is None


def test_a_share_of_the_traces_is_kept_the_same_each_time():
    kept = [traces.begun(f"run_{n}", b"salt", 0.25).sampled for n in range(2_000)]
    assert 400 < sum(kept) < 600
    assert kept == [traces.begun(f"run_{n}", b"salt", 0.25).sampled for n in range(2_000)]
    assert not traces.begun("run_1", b"salt", 0.0).sampled
    assert traces.begun("run_1", b"salt", 1.0).sampled
    assert traces.begun("run_1", b"salt", 1.0).trace != traces.begun("run_1", b"pepper", 1.0).trace


class Held:
    """An exporter that waits until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.got = []
        self.reason = None

    def export(self, found):
        self.let_go.wait(10)
        self.got += found
        return self.reason

    def close(self):
        self.let_go.set()


def end_one(tracer, key=1):
    now = SystemClock().now()
    run = Run(key=key, flow="f", version=1, status=RunStatus.COMPLETED, created_at=now, finished_at=now)
    tracer.ended(tracer.trail(run, None, [Entry("s", now, "completed", started=now)]), run, None, None, None, {}.get)


def test_the_queue_is_bounded_and_what_is_dropped_is_counted(monkeypatch):
    monkeypatch.setattr(tracing, "MOST_WAITING", 10)
    held = Held()
    tracer = Tracer(lambda: held, b"salt", 1.0)
    for number in range(1_000):
        end_one(tracer, number)
    assert tracer.waiting <= 10
    held.let_go.set()
    tracer.close()
    sent, dropped = tracer.spans["exported"], tracer.spans["dropped"]
    assert sent + dropped == 2_000
    assert 10 <= sent <= 20
    assert len(held.got) == sent
    end_one(tracer)
    assert tracer.spans["dropped"] == dropped + 2


def test_an_exporter_that_cannot_be_made_is_no_reason_to_fail(caplog):
    def broken():
        raise RuntimeError("no such thing")

    tracer = Tracer(broken, b"salt", 1.0)
    end_one(tracer)
    tracer.close()
    assert tracer.spans == {"failed": 2, "dropped": 0}
    assert "no such thing" in caplog.text


def test_what_nobody_keeps_is_not_made():
    tracer = Tracer(Held, b"salt", 0.0)
    end_one(tracer)
    assert not tracer.spans
    tracer.close()


def settings(tmp_path, **env):
    return load({}, env, tmp_path)


def test_the_endpoint_is_ours_or_the_standard_one(tmp_path):
    assert settings(tmp_path).otel_endpoint is None
    assert settings(tmp_path, REACTOR_OTEL_ENDPOINT="http://a:4318").otel_endpoint == "http://a:4318"
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:4318/"}
    found = settings(tmp_path, **standard)
    assert (found.otel_endpoint, found.origins["otel_endpoint"]) == (
        "http://b:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    exact = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}
    assert settings(tmp_path, **standard, **exact).otel_endpoint == "http://c/x"
    assert settings(tmp_path, **standard, REACTOR_OTEL_ENDPOINT="http://a").otel_endpoint == "http://a"
    for off in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert settings(tmp_path, **standard, **off).otel_endpoint is None
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT must begin with http"):
        settings(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="b:4317")


@pytest.mark.parametrize("share", ["-0.1", "1.1", "many", "nan", ""])
def test_a_share_is_a_share(tmp_path, share):
    if share:
        with pytest.raises(SettingsError, match="REACTOR_OTEL_SAMPLE must be a number from 0 to 1"):
            settings(tmp_path, REACTOR_OTEL_SAMPLE=share)
    assert settings(tmp_path, REACTOR_OTEL_SAMPLE="0.1").otel_sample == 0.1
