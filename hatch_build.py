"""Compiles the plugin protocol when Reactor is built or installed (`make setup`, `make build`), and refuses a wheel
without its control room (`make ui`).

What is made is a descriptor set: unlike Python stubs it asks for no particular version of the protobuf runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO = "reactor/plugin/v1/plugin.proto"
PAGE = "src/reactor/server/ui/index.html"
MADE = "src/reactor/sdk/plugin/plugin.binpb"


class ProtocolHook(BuildHookInterface[Any]):
    """Writes `plugin.binpb` beside the code that reads it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        from grpc_tools import protoc  # noqa: PLC0415 - `clean` needs no compiler

        root = Path(self.root)
        if protoc.main(["protoc", f"-I{root / 'proto'}", f"--descriptor_set_out={root / MADE}", PROTO]) != 0:
            raise RuntimeError(f"protoc refuses proto/{PROTO}")
        if version != "editable" and self.target_name == "wheel" and not (root / PAGE).exists():
            raise RuntimeError(f"{PAGE} is not there: `make ui` builds the control room, `make build` both")
