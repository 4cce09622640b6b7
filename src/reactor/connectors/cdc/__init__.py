"""Changes of database tables as they are committed: PostgreSQL, MariaDB and MySQL."""

from reactor.connectors.cdc.trigger import CdcTrigger
from reactor.sdk import Connector

connector = Connector(
    name="cdc",
    doc="Changes of tables as they are committed: PostgreSQL, MariaDB and MySQL.",
    triggers=(CdcTrigger(),),
    types={
        "database.insert": "A row was inserted; with `metadata.snapshot` it had been there before.",
        "database.update": "A row was changed.",
        "database.delete": "A row was deleted.",
        "database.truncate": "All rows of a table were deleted at once.",
    },
)
