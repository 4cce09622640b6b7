"""The types of connections that this connector offers, with their tests."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.sdk import ConnectionContext, ConnectionType
from reactor.sdk.connection import Test
from reactor.sdk.databases import MYSQL, POSTGRES, SQLITE


def _tested(type_: ConnectionType) -> ConnectionType:
    return msgspec.structs.replace(type_, test=_test(type_.name))


def _test(name: str) -> Test:
    async def test(ctx: ConnectionContext, settings: Any) -> str:
        from reactor.connectors.database.probe import probe  # noqa: PLC0415 - keeps the import of connectors cheap

        return await probe(ctx, name, settings)

    return test


CONNECTIONS = tuple(map(_tested, (POSTGRES, MYSQL, SQLITE)))
