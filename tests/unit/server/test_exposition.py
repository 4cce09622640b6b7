import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from reactor.engine.meters import MOST_CONNECTORS, MOST_FLOWS, Histogram, Meters, Spread
from reactor.server.exposition import Exposition, wants_open
from reactor.server.requests import MOST_ROUTES, Requests

OPEN = "application/openmetrics-text"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        (OPEN, True),
        (f"{OPEN}; version=1.0.0; charset=utf-8", True),
        (f'{OPEN}; version="1.0.0"', True),
        (f"{OPEN}; version=2.0.0", False),
        (f"{OPEN};q=0", False),
        (f"{OPEN};q=0.5,text/plain;version=0.0.4;q=0.9", False),
        (f"{OPEN};version=1.0.0;q=0.6,{OPEN};version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
        (f"{OPEN};q=much", False),
        (f"{OPEN};q=nan", False),
        (";;;=,=;q", False),
        ("a" * 1_000_000, False),
    ],
)
def test_who_gets_open_metrics(accept, wanted):
    assert wants_open(accept) is wanted


def test_a_value_falls_into_the_first_bucket_that_holds_it():
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.11, 1.0, 7.0):
        histogram.take(seconds)
    assert histogram.counts == [2, 2, 1]
    assert histogram.sum == pytest.approx(8.21)


@pytest.mark.parametrize("modern", [False, True])
def test_both_forms_are_read_by_the_official_parsers(modern):
    page = Exposition(open_metrics=modern)
    histogram = Histogram((0.1, 1.0))
    histogram.take(0.5)
    hostile = 'a"b\\c\nd{}e="1" \u2028'
    page.add("build_info", "gauge", "The program.", [({"version": "1"}, 1)])
    page.add("things_total", "counter", "Things.", [({"name": hostile}, 3)])
    page.add("wait_seconds", "histogram", "Waits.", [({"flow": "a"}, histogram), ({"flow": "b"}, Histogram((1.0,)))])
    page.add("nothing", "gauge", "No samples.", [])
    text = page.text()
    read = open_parser.text_string_to_metric_families if modern else parser.text_string_to_metric_families
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in read(text) for s in f.samples}
    assert samples["reactor_things_total", (("name", hostile),)] == 3
    assert samples["reactor_wait_seconds_bucket", (("flow", "a"), ("le", "1.0"))] == 1
    assert samples["reactor_wait_seconds_bucket", (("flow", "a"), ("le", "0.1"))] == 0
    assert samples["reactor_wait_seconds_count", (("flow", "a"),)] == 1
    assert text.endswith("# EOF\n") is modern
    assert ("# UNIT reactor_wait_seconds seconds" in text) is modern


def test_labels_are_bounded():
    meters, requests, spread = Meters(), Requests(), Spread(lambda: Histogram((1.0,)), 2)
    for number in range(1_000):
        meters.run_ended(f"flow-{number}", "completed", 10)
        meters.step_ended(f"flow-{number}", 10)
        meters.attempted(f"c{number}.do", None if number % 2 else "timeout", 0.1)
        requests.took(f"/hooks/{number}", f"M{number}", 200, 0.1)
        spread.of(str(number)).take(0.1)
    assert len(meters.runs.by) == len(meters.steps.by) == MOST_FLOWS + 1
    assert len(meters.actions.by) == MOST_CONNECTORS + 1
    assert meters.runs.by["other"].by == {"completed": 1_000 - MOST_FLOWS}
    assert sum(sum(meter.by.values()) for meter in meters.actions.by.values()) == 1_000
    assert {how for meter in meters.actions.by.values() for how in meter.by} == {"completed", "timeout"}
    answered = list(requests.answered())
    assert len(answered) == len(list(requests.durations())) == MOST_ROUTES + 1
    assert {method for _, method, _, _ in answered} == {"other"}
    assert sum(number for *_, number in answered) == 1_000
    assert len(requests._keys) == 1, "methods that strangers think of are not remembered"
    assert set(spread.by) == {"0", "1", "other"}


def test_listening_to_the_stream_is_no_slow_answer():
    requests = Requests()
    requests.took("/api/v1/stream", "GET", 200, 3600)
    assert list(requests.answered()) == [("/api/v1/stream", "GET", "200", 1)]
    assert not list(requests.durations())
