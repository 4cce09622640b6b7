"""The audit log in SQLite refuses to be changed, whoever asks."""

import sqlite3
from pathlib import Path

import pytest

from reactor.stores.access import AuditFilter
from reactor.stores.sqlite import SqliteStore
from reactor.testing.actions import StillClock
from reactor.testing.store_access import fact

REST = "via, address, action, target, status, details, hash"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE audit SET who = 'eve' WHERE key = 2", "not changed"),
        ("UPDATE audit SET key = 9 WHERE key = 2", "not changed"),
        ("DELETE FROM audit WHERE key = 3", "not removed"),
        ("DELETE FROM audit", "not removed"),
        (f"INSERT OR REPLACE INTO audit SELECT key, at, 'eve', {REST} FROM audit WHERE key = 2", "at its end"),
        (f"INSERT INTO audit SELECT 9, at, who, {REST} FROM audit WHERE key = 2", "at its end"),
        ("UPDATE audit_floor SET key = 0", "only rises"),
        ("DELETE FROM audit_floor", "stays"),
        ("INSERT OR REPLACE INTO audit_floor VALUES (1, 0, zeroblob(32))", "one floor"),
    ],
)
async def test_the_log_is_append_only(tmp_path: Path, sql: str, words: str) -> None:
    store = SqliteStore(tmp_path / "reactor.db", clock=StillClock(), durability="process")
    await store.open()
    await store.append([fact(at) for at in (1, 2, 3, 4)])
    await store.forget(2, 10)
    before = await store.entries(AuditFilter())
    with sqlite3.connect(tmp_path / "reactor.db") as other, pytest.raises(sqlite3.IntegrityError, match=words):
        other.execute(sql)
    assert (await store.entries(AuditFilter()), (await store.floor())[0]) == (before, 1)
    await store.close()
