"""`connections:`: settings by their types, told with places."""

from __future__ import annotations

import msgspec
import pytest

from reactor.language.loader import load
from reactor.language.schema import flow_schema
from reactor.sdk import Catalog, ConnectionType, Connector


class Sasl(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    password: str


class Broker(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    servers: str
    tries: int = 3
    sasl: Sasl | None = None


CATALOG = Catalog([Connector(name="x", connections=(ConnectionType(name="broker", settings=Broker),))])
TOP = "name: f\nsteps: [{set: {a: 1}}]\nconnections:\n"


def told(text: str) -> list[str]:
    found = load(TOP + text, catalog=CATALOG)
    return [f"{p.line}:{p.column} {p.severity} {p.message}" for p in found.problems]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("  a: {type: broker, servrs: h}", "4:21 error", "has no key `servrs`; did you mean `servers`?"),
        ("  a: {type: broker}", "4:13 error", "connection `a` (broker) needs its key `servers`; it takes "),
        ("  a: {type: broker, servers: h, tries: x}", "4:40 error", "key `tries` of connection `a` (broker)"),
        ("  a: {type: broker, servers: h, sasl: {user: a, pass: b}}", "4:4", "pass"),
        ("  a: {type: brokr, servers: h}", "4:13 warning", "knows the type `brokr`; did you mean `broker`?"),
        ("  a: {type: other}", "4:13 warning", "no connector here knows the type `other`; there is `broker`"),
        ("  a: {servers: h}", "4:6 error", "connection `a` needs a `type`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_connection(text: str, place: str, problem: str) -> None:
    found = told(text)
    assert any(one.startswith(place) and problem in one for one in found), found


@pytest.mark.parametrize(
    "text",
    [
        "  a: {type: broker, servers: h, tries: 5, sasl: {user: a, password: '{{ secrets.P }}'}}",
        "  a: {type: broker, servers: '{{ env.HOSTS }}', tries: '{{ env.TRIES }}'}",
    ],
)
def test_what_is_right(text: str) -> None:
    assert told(text) == []


def test_editors_know_the_keys_of_each_type() -> None:
    rule = flow_schema(CATALOG)["$defs"]["connection"]["allOf"][0]
    assert rule["if"]["properties"] == {"type": {"const": "broker"}}
    assert (sorted(rule["then"]["properties"]), rule["then"]["required"]) == (
        ["sasl", "servers", "tries", "type"], ["servers"],
    )  # fmt: skip
