"""The trigger `spool` and the action `spool.add`: lines of a growing file.

This module is imported at every start of Reactor, so it is cheap: heavy libraries are imported where they are used.
"""

from reactor.sdk import Connector
from reactor_spool.actions import add
from reactor_spool.trigger import Spool

connector = Connector(
    name="spool",
    doc="Lines of a growing file as events, and an action that adds some.",
    actions=(add,),
    triggers=(Spool(),),
    types={"spool.line": "A line was added to a spool file."},
)
