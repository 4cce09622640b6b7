"""PostgreSQL's texts as JSON."""

import pytest

from reactor.connectors.cdc.postgres.slot import name_for
from reactor.connectors.cdc.postgres.values import Kind, reader

MADE = {20_001: Kind(23, array=False), 20_002: Kind(20_001, array=True), 20_003: Kind(99_999, array=True)}


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (16, "t", True),
        (17, "\\x00ff", "AP8="),
        (20, "9223372036854775807", 2**63 - 1),
        (701, "1e3", 1000.0),
        (701, "-Infinity", "-inf"),
        (1700, "1.50", "1.50"),
        (3802, '{"a": 1}', {"a": 1}),
        (3802, "1e999", "1e999"),
        (1082, "2026-01-02", "2026-01-02"),
        (1114, "2026-01-02 03:04:05.5", "2026-01-02T03:04:05.500000"),
        (1114, "infinity", "infinity"),
        (1114, "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
        (1184, "2026-01-02 03:04:05+00", "2026-01-02T03:04:05+00:00"),
        (1083, "24:00:00", "24:00:00"),
        (1266, "03:04:05+02", "03:04:05+02:00"),
        (1186, "1 year 2 mons 3 days 04:05:06.7", "PT36993906.7S"),
        (1186, "-1 days -00:00:01", "PT-86401S"),
        (1186, "00:00:00", "PT0S"),
        (1007, "{}", []),
        (1007, "[0:1]={1,2}", [1, 2]),
        (1009, '{"",a,"\\\\\\"",NULL,"NULL"}', ["", "a", '\\"', None, "NULL"]),
        (1115, '{"2026-01-02 03:04:05"}', ["2026-01-02T03:04:05"]),
        (20_001, "5", 5),
        (20_002, "{5,NULL}", [5, None]),
        (20_003, "{sad}", ["sad"]),
        (25, "as it is", "as it is"),
    ],
)
def test_values(type_, text, value):
    assert reader(type_, MADE)(text) == value


def test_names_of_slots():
    assert name_for("Order Flow/0").startswith("reactor_order_flow_0_")
    assert name_for("a-b/0") != name_for("a_b/0")
    assert len(name_for("x" * 200 + "/0")) <= 63
