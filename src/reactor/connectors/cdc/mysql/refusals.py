"""What MariaDB and MySQL refuse, in one sentence with what to do."""

from __future__ import annotations

from typing import Any

from reactor.connectors.cdc.mysql.server import ANSWER_WITHIN
from reactor.sdk import TriggerLost

PURGED = 1236
_GAPS = ("could not find", "purged", "not in the master's binlog", "not in the source's binlog", "diverged")
_HINTS = {
    1045: "check user and password of the connection",
    1698: "check user and password of the connection",
    1044: "run: GRANT SELECT ON the_database.* TO the_user",
    1142: "run: GRANT SELECT ON the_table TO the_user",
    1227: "run: GRANT REPLICATION SLAVE ON *.* TO the_user",
    1049: "check the database in the connection's url",
    1040: "raise max_connections, or end other connections",
    1130: "let the user log in from this machine",
    2003: "see whether the server runs, and host and port of the connection",
}
_LOST = {0, 2006, 2013, 2055}


def is_gap(error: Any) -> bool:
    """Whether the server no longer has what we ask for."""
    text = str(error).lower()
    return bool(error.args) and error.args[0] == PURGED and any(phrase in text for phrase in _GAPS)


def told(error: Any, where: str) -> TriggerLost:
    """An error of the driver as a reason. `where`: host and port."""
    code = error.args[0] if error.args else None
    said = " ".join(str(error.args[1] if len(error.args) > 1 else error).split())
    if "server_uuid/server_id" in said:
        return TriggerLost(f"another reader of the binlog has our server_id ({said}); set another `server_id`")
    if code in _LOST:
        if "timed out" in said:
            return TriggerLost(
                f"the server at {where} has not answered for {ANSWER_WITHIN} s; see whether it hangs or the network is "
                "cut"
            )
        return TriggerLost(f"the connection to {where} is lost: {said}; it is tried again")
    hint = _HINTS.get(code) if isinstance(code, int) else None
    return TriggerLost(f"the server at {where} refuses: {said}{f'; {hint}' if hint else ''}")
