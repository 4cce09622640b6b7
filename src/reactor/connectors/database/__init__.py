"""SQL databases by way of SQLAlchemy: the actions `database.*`, the trigger `database`, and their connections."""

from reactor.connectors.database.actions import ACTIONS
from reactor.connectors.database.connections import CONNECTIONS
from reactor.connectors.database.trigger import DatabaseTrigger
from reactor.sdk import Connector


def _close() -> None:
    """Give back all pooled connections, if there are any."""
    import sys  # noqa: PLC0415

    work = sys.modules.get("reactor.connectors.database.work")
    if work is not None:
        work.ENGINES.close()


connector = Connector(
    name="database",
    doc="Queries, changes and new rows in PostgreSQL, SQLite and MySQL or MariaDB.",
    actions=ACTIONS,
    triggers=(DatabaseTrigger(),),
    types={"database.row": "A table or query has a new row."},
    connections=CONNECTIONS,
    close=_close,
)
