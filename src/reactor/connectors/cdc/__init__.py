"""Changes of database tables as they are committed: PostgreSQL, MariaDB and MySQL."""

from reactor.sdk import Connector

connector = Connector(name="cdc", doc="Changes of tables as they are committed: PostgreSQL, MariaDB and MySQL.")
