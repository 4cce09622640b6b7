"""The store on SQLite: the default."""

from reactor.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
