"""A struct comes back from its description as it was, for all that a description can say."""

import enum
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from msgspec import Meta

from reactor.sdk import Connector, Effect, Expression, Trigger, action
from reactor.sdk.plugin import protocol
from reactor.sdk.plugin.manifest import FieldSpec, TypeSpec
from reactor.sdk.plugin.offering import Unservable, manifest_of
from reactor.sdk.plugin.shapes import Indescribable, described, struct_of


class Color(enum.Enum):
    RED = "red"


class Tls(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    ca: str | None = None
    verify: bool = True


class Everything(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename={"for_": "for"}):
    text: Annotated[str, Meta(min_length=1, max_length=5, pattern="^[a-z]+$", description="A word.")]
    number: Annotated[int, Meta(ge=1, le=10)] = 3
    ratio: float = 0.5
    flag: bool = False
    choice: Literal["a", "b"] = "a"
    color: Color = Color.RED
    several: list[str] = msgspec.field(default_factory=lambda: ["x"])
    pair: tuple[int, ...] = ()
    headers: dict[str, int] = msgspec.field(default_factory=dict)
    tls: Tls | None = None
    either: str | int | float = 1
    anything: Any = None
    for_: str = "1s"


MADE = struct_of("Everything", described(Everything), "tests.made")


@pytest.mark.parametrize(
    "given",
    [
        {"text": "abc"},
        {
            "text": "abc",
            "number": 10,
            "ratio": 2,
            "flag": True,
            "choice": "b",
            "color": "red",
            "several": [],
            "for": "x",
        },
        {"text": "a", "pair": [1, 2], "headers": {"a": 1}, "tls": {"ca": "x", "verify": False}, "either": "s"},
        {"text": "a", "either": 1.5, "anything": {"deep": [1]}, "tls": None},
    ],
)
def test_what_fits_one_fits_the_other(given):
    before = msgspec.convert(given, Everything)
    made = msgspec.convert(given, MADE)
    assert msgspec.json.encode(made) == msgspec.json.encode(before)
    assert msgspec.convert(msgspec.to_builtins(made), Everything) == before


@pytest.mark.parametrize(
    "given",
    [
        {}, {"text": 1}, {"text": ""}, {"text": "abcdef"}, {"text": "A"}, {"text": "a", "number": 0},
        {"text": "a", "number": 11}, {"text": "a", "flag": 1}, {"text": "a", "choice": "c"},
        {"text": "a", "color": "blue"}, {"text": "a", "several": "x"}, {"text": "a", "several": [1]},
        {"text": "a", "headers": {"a": "b"}}, {"text": "a", "tls": {"cb": 1}}, {"text": "a", "either": []},
        {"text": "a", "for_": "x"}, {"text": "a", "unknown": 1},
    ],
)  # fmt: skip
def test_what_does_not_fit_one_does_not_fit_the_other(given):
    for struct in (Everything, MADE):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(given, struct)


def test_docs_travel_along():
    schema = msgspec.json.schema(MADE)
    assert schema["$defs"]["Everything"]["properties"]["text"]["description"] == "A word."


def test_no_default_means_that_the_plugin_decides():
    made = struct_of("Open", (FieldSpec(name="x", type=TypeSpec(kind="TEXT")),), "tests.made")
    assert msgspec.json.encode(msgspec.convert({}, made)) == b"{}"


def test_deep_and_wide_descriptions_are_refused():
    deep = TypeSpec(kind="TEXT")
    for _ in range(20):
        deep = TypeSpec(kind="LIST", item=deep)
    for fields in ((FieldSpec(name="x", type=deep),), tuple(FieldSpec(name=f"x{n}") for n in range(300))):
        with pytest.raises(Indescribable):
            struct_of("Much", fields, "tests.made")


def test_a_manifest_survives_the_wire():
    @action("a.do", params=Everything, effect=lambda _: Effect.READ)
    async def do(ctx, params):
        """Do it."""

    manifest = manifest_of(Connector(name="a", actions=(do,), types={"a.b": "x"}), "1")
    wire = protocol.message_class("Manifest").FromString(protocol.manifest_to_wire(manifest).SerializeToString())
    assert protocol.manifest_from_wire(wire) == manifest
    assert manifest.actions[0].effect == "WRITE"  # what depends on the parameters may write


def test_what_works_inside_only_is_named():
    class Config(msgspec.Struct):
        if_: Expression = ""

    class Inside:
        kind, config, short, doc, default_type, passive = "t", Config, None, "", "t.t", True

    @action("a.do", params=Everything, effect=Effect.READ, views={"x": lambda output: 1})
    async def do(ctx, params):
        """Do it."""

    with pytest.raises(Unservable) as caught:
        manifest_of(Connector(name="a", actions=(do,), triggers=(cast("Trigger", Inside()),)), "1")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "action a.do",
        "trigger t",
        "trigger t",
    ]
