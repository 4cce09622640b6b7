"""The plugin protocol in Python: its messages, its calls, and the words that both sides have to agree on.

The messages are made from the compiled `proto/reactor/plugin/v1/plugin.proto` (`hatch_build.py` writes it beside this
file), not from generated stubs: those would ask for one version of the protobuf runtime.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from reactor.sdk.plugin.manifest import Manifest

VERSION = 1
"""Of the protocol."""
SERVICE = "reactor.plugin.v1.Plugin"
MOST_BYTES = 16 << 20
"""Of one message."""
WINDOW = 4
"""Unacknowledged batches of one trigger."""
BATCH = 1_000
"""Items of one batch."""
SOCKET, TOKEN, PROOF, PROTOCOLS = (
    "REACTOR_PLUGIN_SOCKET",
    "REACTOR_PLUGIN_TOKEN",
    "REACTOR_PLUGIN_PROOF",
    "REACTOR_PLUGIN_PROTOCOLS",
)
"""Environment of a plugin: where to listen, what to ask of a caller, what to show to him, which versions he speaks."""
TOKEN_KEY, PROOF_KEY = "reactor-token", "reactor-proof"
"""The same in the metadata of calls and answers."""

Form = Literal["unary_unary", "unary_stream", "stream_stream"]
CALLS: Mapping[str, tuple[Form, str, str]] = {
    "Describe": ("unary_unary", "DescribeRequest", "Manifest"),
    "Ping": ("unary_unary", "PingRequest", "PingReply"),
    "Run": ("stream_stream", "RunRequest", "RunReply"),
    "Act": ("unary_stream", "ActRequest", "ActReply"),
    "TestConnection": ("unary_unary", "TestConnectionRequest", "TestConnectionReply"),
    "Redo": ("unary_unary", "RedoRequest", "RedoReply"),
}
OPTIONS = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_send_message_length", MOST_BYTES),
    ("grpc.http2.bdp_probe", 0),  # the window stays as it is: what is not read is not buffered
    ("grpc.enable_http_proxy", 0),
)
"""Of channels and servers."""


class Handshake(msgspec.Struct, frozen=True):
    """The first line that a plugin writes to its standard output, as JSON, when its socket listens."""

    protocol: int
    ready: bool = True


class NotBuilt(RuntimeError):
    """The protocol has not been compiled, or gRPC is not installed."""


@functools.cache
def _classes() -> Mapping[str, Any]:
    try:
        import grpc  # noqa: F401, PLC0415 - whoever needs messages sends them
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415 - an extra
    except ImportError:
        raise NotBuilt("plugins need gRPC: pip install reactor-engine[grpc]") from None
    try:
        compiled = Path(__file__).with_name("plugin.binpb").read_bytes()
    except FileNotFoundError:
        raise NotBuilt("the plugin protocol has not been compiled; in a checkout: make setup") from None
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled).file
    pool = descriptor_pool.DescriptorPool()  # one of our own: an author's stubs of the same file do not clash
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type
    }


def message(name: str, /, **fields: Any) -> Any:
    """A message of the protocol.

    Raises:
        NotBuilt: see there.
    """
    return _classes()[name](**fields)


def message_class(name: str) -> Any:
    """The class of a message.

    Raises:
        NotBuilt: see there.
    """
    return _classes()[name]


def manifest_to_wire(manifest: Manifest) -> Any:
    """The message `Manifest`."""
    from google.protobuf import json_format  # noqa: PLC0415

    return json_format.ParseDict(msgspec.to_builtins(manifest), message("Manifest"))


def manifest_from_wire(wire: Any) -> Manifest:
    """The manifest in the message.

    Raises:
        ValueError: it holds what cannot be.
    """
    from google.protobuf import json_format  # noqa: PLC0415

    found = json_format.MessageToDict(wire, preserving_proto_field_name=True)
    return msgspec.convert(found, Manifest, strict=False)
