"""The actions `data.*`: turning values and texts into others."""

from reactor.connectors.data.actions import ACTIONS
from reactor.sdk import Connector


def _close() -> None:
    """End the sandbox's processes, if any were ever started."""
    import sys  # noqa: PLC0415

    sandbox = sys.modules.get("reactor.connectors.data.sandbox")
    if sandbox is not None:
        sandbox.SANDBOX.close()


connector = Connector(
    name="data",
    doc="JSON, CSV and XML to values and back; jq, regular expressions, digests.",
    actions=ACTIONS,
    close=_close,
)
