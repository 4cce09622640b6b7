"""What a database's error means: its kind, and whether another try may help."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc

from reactor.sdk import PermanentError, StepError, TransientError

# By SQLSTATE, the longest prefix wins (PostgreSQL, appendix A).
_STATES: dict[str, tuple[str, bool]] = {
    "08": ("connection", True),
    "57P0": ("connection", True),
    "53": ("connection", True),
    "28": ("connection", False),
    "3D": ("connection", False),
    "23": ("constraint", False),
    "22": ("data", False),
    "42": ("syntax", False),
    "42501": ("denied", False),
    "25006": ("denied", False),
    "0A": ("syntax", False),
    "40": ("deadlock", True),
    "55P03": ("locked", True),
    "57014": ("timeout", True),
    "25P03": ("timeout", True),
}
# sqlite3.h: primary result codes.
_SQLITE: dict[int, tuple[str, bool]] = {
    1: ("syntax", False),
    3: ("denied", False),
    5: ("locked", True),
    6: ("locked", True),
    8: ("denied", False),
    9: ("timeout", True),
    10: ("connection", True),
    11: ("data", False),
    13: ("connection", True),
    14: ("connection", False),
    18: ("data", False),
    19: ("constraint", False),
    20: ("data", False),
    23: ("denied", False),
    26: ("data", False),
}
# Error numbers of MySQL and MariaDB.
_MYSQL: dict[int, tuple[str, bool]] = {
    **dict.fromkeys((1040, 1053, 1158, 1159, 1160, 1161, 2002, 2003, 2006, 2013, 2055), ("connection", True)),
    **dict.fromkeys((1044, 1045, 1049, 1698, 2026), ("connection", False)),
    **dict.fromkeys((1022, 1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 3819, 4025), ("constraint", False)),
    **dict.fromkeys((1064, 1054, 1146, 1149, 1305, 1109, 1136), ("syntax", False)),
    **dict.fromkeys((1142, 1143, 1227, 1290, 1792), ("denied", False)),
    1205: ("locked", True),
    1213: ("deadlock", True),
    **dict.fromkeys((1317, 1969, 3024), ("timeout", True)),
}
# libpq gives no code for what fails while it connects.
_HOPELESS = (
    "password authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
    "does not support SSL",
    "server certificate",
)
_UNTRUSTED = "certificate verify failed"


def translate(error: exc.SQLAlchemyError) -> StepError:
    """The error as a step's failure. Its message is the database's, without the values of the statement."""
    if isinstance(error, exc.TimeoutError):
        return TransientError("database.connection", "all connections to the database are in use")
    if not isinstance(error, exc.DBAPIError) or error.orig is None:
        return PermanentError("database.syntax", _first_lines(str(error)))
    kind, again = _kind(error)
    made = TransientError if again else PermanentError
    return made(f"database.{kind}", _first_lines(_said(error.orig)))


def _said(error: BaseException) -> str:
    """What the database says; PyMySQL puts a number before it, and shows both as a tuple."""
    match error.args:
        case (int(number), str(text)):
            return f"{text} ({number})"
    return str(error)


def _kind(error: exc.DBAPIError) -> tuple[str, bool]:
    orig: Any = error.orig
    if _UNTRUSTED in str(orig):
        return "connection", False
    number = orig.args[0] if orig.args else None
    if isinstance(number, int) and number in _MYSQL:
        return _MYSQL[number]
    state = getattr(orig, "sqlstate", None)
    if state:
        prefixes = (state[:length] for length in range(len(state), 1, -1))
        return next((_STATES[prefix] for prefix in prefixes if prefix in _STATES), ("error", False))
    code = getattr(orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, ("error", False))
    return ("error", False) if isinstance(number, int) else _by_class(error)


def _by_class(error: exc.DBAPIError) -> tuple[str, bool]:
    """Without a code: psycopg that reached nobody, sqlite3 that was given what it cannot bind."""
    if isinstance(error, exc.OperationalError) or error.connection_invalidated:
        return "connection", not any(phrase in str(error.orig) for phrase in _HOPELESS)
    if isinstance(error, exc.IntegrityError):
        return "constraint", False
    if isinstance(error, exc.DataError | exc.InterfaceError):
        return "data", False
    return "syntax", False


def _first_lines(text: str) -> str:
    """Without the place in the text, which is the statement as the driver sent it."""
    lines = [line.strip() for line in text.strip().splitlines()]
    told = [line for line in lines if line.strip("^") and not line.startswith("LINE ")]
    return "; ".join(told[:3])[:1000]
