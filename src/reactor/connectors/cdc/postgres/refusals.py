"""What PostgreSQL refuses, in one sentence with what to do."""

from __future__ import annotations

import psycopg

from reactor.connectors.cdc.postgres.link import Refused
from reactor.sdk import TriggerLost

_BY_STATE = {
    "28P01": "check user and password of the connection",
    "28000": "check user, password and host of the connection, and pg_hba.conf of the server",
    "3D000": "check the database in the connection's url",
    "53300": "raise max_connections and max_wal_senders in postgresql.conf, or end other connections, and restart it",
    "53400": "raise max_replication_slots in postgresql.conf and restart it, or drop slots that nobody reads: SELECT "
    "slot_name, active FROM pg_replication_slots; SELECT pg_drop_replication_slot('NAME')",
    "57P03": "it is tried again",
}


def told(error: Refused, doing: str) -> TriggerLost:
    """The server's refusal as a reason."""
    hint = _BY_STATE.get(error.state)
    if hint is None and "requires wal_level" in error.message:
        hint = "set wal_level = logical in postgresql.conf and restart it"
    detail = f" ({error.detail})" if error.detail else ""
    return TriggerLost(f"PostgreSQL refuses to {doing}: {error.message}{detail}{f'; {hint}' if hint else ''}")


def unreachable(error: psycopg.Error, *, replication: bool) -> TriggerLost:
    """Why no connection could be made. libpq gives no codes here, only texts."""
    said = " ".join(str(error).split())
    if "start walsender" in said or "start WAL sender" in said:
        return TriggerLost(
            "the user of the connection may not replicate; run as a superuser: ALTER ROLE the_user REPLICATION "
            "(on Amazon RDS: GRANT rds_replication TO the_user)"
        )
    for phrase, hint in _PHRASES:
        if phrase in said:
            return TriggerLost(f"PostgreSQL refuses the connection: {_last(said)}; {hint}")
    what = "the replication connection" if replication else "PostgreSQL"
    return TriggerLost(f"{what} cannot be reached: {_last(said)}; see whether the server runs, and host and port")


_PHRASES = (
    ("password authentication failed", _BY_STATE["28P01"]),
    ("no password supplied", _BY_STATE["28P01"]),
    ("no pg_hba.conf entry", _BY_STATE["28000"]),
    ("authentication failed", _BY_STATE["28000"]),
    ("role ", "check the user of the connection"),
    ("database ", _BY_STATE["3D000"]),
    ("max_wal_senders", "raise max_wal_senders in postgresql.conf and restart it, or end other readers"),
    ("too many clients", _BY_STATE["53300"]),
    ("too many connections", _BY_STATE["53300"]),
    ("remaining connection slots", _BY_STATE["53300"]),
    ("starting up", "it is tried again"),
    ("shutting down", "it is tried again"),
    ("recovery mode", "it is tried again"),
)


def _last(said: str) -> str:
    """Without libpq's preface: `connection failed: connection to server at "::1", port 5432 failed: FATAL:  …`."""
    for mark in ("FATAL: ", "failed: "):
        if mark in said:
            said = said.rpartition(mark)[2]
    return said.strip()
