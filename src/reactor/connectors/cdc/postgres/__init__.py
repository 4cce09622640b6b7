"""PostgreSQL, by logical replication."""
