"""The filters and tests of expressions, and how they deal with times."""

import datetime as dt

import pytest

from reactor.language.expressions import compile_value, reactor_callable

DATA = {
    "id": 7,
    "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"sku": "c", "n": 1}],
}


@reactor_callable
def now():
    return dt.datetime(2026, 11, 23, 5, 30, tzinfo=dt.UTC)


SCOPE = {"event": {"data": DATA, "time": "2026-11-23T04:30:00.250Z"}, "now": now}


def value(text):
    return compile_value(text).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ event.data.items | map(attribute='sku') | join('-') }}", "a-b-c"),
        ("{{ event.data.items | selectattr('n', 'eq', 1) | map(attribute='sku') }}", ["a", "c"]),
        ("{{ event.data.items | rejectattr('n', '==', 1) | list }}", [{"sku": "b", "n": 2}]),
        ("{{ [1, 2, 3] | select('odd') }}", [1, 3]),
        ("{{ [0, 1] | select }}", [1]),
        ("{{ ['b', 'A'] | sort }}", ["A", "b"]),
        ("{{ event.data.items | sort(attribute='n,sku', reverse=true) | map(attribute='sku') }}", ["b", "c", "a"]),
        ("{{ (event.data.items | groupby('n') | first).grouper }}", 1),
        ("{% for n, list in event.data.items | groupby('n') %}{{ n }}:{{ list | length }} {% endfor %}", "1:2 2:1 "),
        ("{{ event.data.items | sum(attribute='n') }}", 4),
        ("{{ [1, 1, 2] | unique }}", [1, 2]),
        ("{{ [[1], [1]] | unique }}", [[1]]),
        ("{{ [3, 1] | min }} {{ [3, 1] | max }}", "1 3"),
        ("{{ [1, 2, 3] | batch(2, 0) }}", [[1, 2], [3, 0]]),
        ("{{ [1, 2, 3] | slice(2) }}", [[1, 2], [3]]),
        ("{{ {'b': 1, 'a': 2} | dictsort }}", [["a", 2], ["b", 1]]),
        ("{{ {'a': 1} | items }}", [["a", 1]]),
        ("{{ 'x' | list }}", ["x"]),
        ("{{ [1, 2] | reverse }}", [2, 1]),
        ("{{ 'ab' | reverse }}", "ba"),
        ("{{ [1, 2] | first }}{{ [1, 2] | last }}", "12"),
        ("{{ 'abc' | length }}", 3),
        ("{{ '5' | int + 1 }}", 6),
        ("{{ 'x' | int(-1) }}", -1),
        ("{{ '1.5' | float }}", 1.5),
        ("{{ 2.567 | round(1) }}", 2.6),
        ("{{ 2.1 | round(0, 'ceil') | int }}", 3),
        ("{{ -5 | abs }}", 5),
        ("{{ (-5) | abs }}", 5),
        ("{{ 'hello world' | title }}", "Hello World"),
        ("{{ 'hello' | capitalize | replace('l', 'L', 1) }}", "HeLlo"),
        ("{{ ' a ' | trim }}", "a"),
        ("{{ 'a b c d e f g' | truncate(5, true, '…', 0) }}", "a b …"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{{ 'aa bb' | wordwrap(2) }}", "aa\nbb"),
        ("{{ '<b>x</b> &amp; y<!-- no -->' | striptags }}", "x & y"),
        ("{{ '<a>' | e }}", "&lt;a&gt;"),
        ("{{ 'a b/ü' | urlencode }}", "a%20b/%C3%BC"),
        ("{{ {'a': 'b c', 'd': 1} | urlencode }}", "a=b%20c&d=1"),
        ("{{ 'one two' | wordcount }}", 2),
        ("{{ '%s has %d (%.1f%%)' | format('x', 5, 2.25) }}", "x has 5 (2.2%)"),
        ("{{ '%03d' % 7 }}", "007"),
        ("{{ '%s-%s' % (1, 'a') }}", "1-a"),
        ("{{ 1000000 | filesizeformat }}", "1.0 MB"),
        ("{{ {'a': [1, none]} | json }}", '{"a":[1,null]}'),
        ("{{ {'a': 1} | tojson(2) }}", '{\n  "a": 1\n}'),
        ("{{ '{\"a\": [1]}' | from_json }}", {"a": [1]}),
        ("{{ 'x' | sha256 }}", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
        ("{{ 'hé' | b64 }}", "aMOp"),
        ("{{ 'aMOp' | b64decode }}", "hé"),
        ("{{ 'aMO_' | b64 | b64decode }}", "aMO_"),
        ("{{ \"it's\" | shellquote }}", "'it'\"'\"'s'"),
        ("{{ ['a', 'b c'] | shellquote }}", "'a' 'b c'"),
        ("{{ 'order-12' | regex_match('order-\\\\d+') }}", True),
        ("{{ 'an order-12' | regex_match('order') }}", False),
        ("{{ 'an order-12' | regex_search('order-(\\\\d+)') }}", ["12"]),
        ("{{ 'x' | regex_search('y') }}", None),
        ("{{ 'a1b22' | regex_findall('\\\\d+') }}", ["1", "22"]),
        ("{{ 'a1b22' | regex_replace('(\\\\d)', '<\\\\1>') }}", "a<1>b<2><2>"),
        ("{{ event.data | jq('.items | map(.n) | add') }}", 4),
        ("{{ event.data | jq('.gone') }}", None),
        ("{{ event.data | jq('empty') }}", None),
        ("{{ event.data | jq('.items[].n', all=true) }}", [1, 2, 1]),
        # tests
        ("{{ 4 is even and 3 is odd and 9 is divisibleby 3 }}", True),
        ("{{ 'a' is string and 1 is number and true is boolean and {} is mapping and [] is sequence }}", True),
        ("{{ true is number }}", False),
        ("{{ 1 is in [1] and 1 is eq 1 }}", True),
        ("{{ none is sameas none }}", True),
    ],
)  # fmt: skip
def test_filters_and_tests(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ now() - (event.time | as_time) > ('59m' | duration) }}", True),
        ("{{ now() - (event.time | as_time) > '1h' }}", False),
        ("{{ now() - event.time }}", "59m59s750ms"),
        ("{{ event.time < now() }}", True),
        ("{{ now() + '1h30m' }}", "2026-11-23T07:00:00.000Z"),
        ("{{ now() - ('1d' | duration) }}", "2026-11-22T05:30:00.000Z"),
        ("{{ '5m' | duration }}", "5m"),
        ("{{ ('5m' | duration) * 2 + '30s' }}", "10m30s"),
        ("{{ 90 | duration }}", "1m30s"),
        ("{{ '-5m' | duration }}", "-5m"),
        ("{{ ('1h' | duration).total_seconds() }}", 3600.0),
        ("{{ ('1h' | duration) == '60m' }}", True),
        ("{{ 0 | as_time }}", "1970-01-01T00:00:00.000Z"),
        ("{{ (event.time | as_time).year }}", 2026),
        ("{{ (event.time | as_time).strftime('%Y-%m-%d %H:%M') }}", "2026-11-23 04:30"),
        ("{{ (event.time | as_time).isoformat() }}", "2026-11-23T04:30:00.250000+00:00"),
        ("{{ (event.time | as_time).timestamp() | int }}", 1795408200),
        ("{{ (event.time | as_time).astimezone('Europe/Berlin').hour }}", 5),
        ("{{ (event.time | as_time).astimezone('Europe/Berlin') }}", "2026-11-23T05:30:00.250+01:00"),
        ("{{ (event.time | as_time).weekday() }}", 0),
        ("at {{ now() }}", "at 2026-11-23T05:30:00.000Z"),
    ],
)  # fmt: skip
def test_times_and_durations(text, expected):
    assert value(text) == expected


def test_seconds_and_milliseconds_are_told_apart():
    assert (
        value("{{ 1795411191 | as_time }}")
        == value("{{ 1795411191000 | as_time }}")
        == value("{{ '1795411191' | as_time }}")
    )
