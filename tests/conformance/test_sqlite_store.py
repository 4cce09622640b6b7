"""The SQLite store keeps the port's promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reactor.stores.sqlite import SqliteStore
from reactor.testing.actions import StillClock
from reactor.testing.store_kit import BLOB_LIMIT, Opened
from reactor.testing.store_suite import StoreSuite

pytestmark = pytest.mark.anyio


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    async def opened(self, tmp_path: Path) -> AsyncIterator[Opened]:
        clock = StillClock()
        store = SqliteStore(tmp_path / "reactor.db", clock=clock, durability="process", blob_limit=BLOB_LIMIT)
        await store.open()
        yield Opened(store, clock)
        await store.close()
