"""The action `shell.exec`: a program of this machine."""

from reactor.connectors.shell.actions import execute
from reactor.sdk import Connector


def _close() -> None:
    """End the guard process, if one was ever started."""
    import sys  # noqa: PLC0415

    guard = sys.modules.get("reactor.connectors.shell.guard")
    if guard is not None:
        guard.GUARD.close()


connector = Connector(
    name="shell",
    doc="Runs programs and command lines on the machine that Reactor runs on.",
    actions=(execute,),
    close=_close,
)
