"""What an error of Redis means: its kind, whether another try may help, and one sentence with what to do."""

from __future__ import annotations

from redis import exceptions as driver

from reactor.sdk import PermanentError, StepError, TransientError

_OVER: tuple[tuple[type[Exception], type[StepError], str, str], ...] = (
    (driver.BusyLoadingError, TransientError, "redis.loading", "is loading its data; it will answer when that is done"),
    (
        driver.ReadOnlyError,
        TransientError,
        "redis.readonly",
        "is a replica and takes no writes; connect to the primary (or wait for the failover)",
    ),
    (driver.OutOfMemoryError, TransientError, "redis.memory", "is out of memory (its `maxmemory`); make room there"),
    (driver.MasterDownError, TransientError, "redis.connection", "is a replica whose primary is down"),
    (driver.ClusterDownError, TransientError, "redis.connection", "belongs to a cluster that is down"),
    (driver.TryAgainError, TransientError, "redis.connection", "is moving the key to another node"),
    (
        driver.AskError,
        PermanentError,
        "redis.cluster",
        "is a node of a cluster, and the key lies on another one; give the address of that node",
    ),
)
"""(error, what it becomes, kind, what to say after `Redis at PLACE`). Subclasses first."""


def translate(error: Exception, place: str) -> StepError:
    """The error as a step's failure."""
    who = f"Redis at {place}"
    for kind, made, name, text in _OVER:
        if isinstance(error, kind):
            return made(name, f"{who} {text}")
    if isinstance(error, driver.AuthenticationError):
        return PermanentError("redis.login", f"{who} does not let us in ({_text(error)}); {_login(str(error))}")
    if isinstance(error, driver.NoPermissionError):
        return PermanentError("redis.denied", f"{who}: {_text(error)}; grant it with ACL SETUSER, or use another user")
    if isinstance(error, driver.ResponseError):
        return _refused(error, who)
    if isinstance(error, driver.DataError):
        return PermanentError("input", f"redis: {_text(error)}")
    if isinstance(error, driver.ConnectionError) and "max number of clients" in str(error):
        return TransientError("redis.connection", f"{who} has no room for another client (its `maxclients`)")
    return TransientError("redis.connection", f"{who} cannot be reached ({_text(error)}); look whether it runs there")


def _login(text: str) -> str:
    if "required" in text.lower():
        return "give the connection a `password`"
    if "without any password configured" in text.lower():
        return "it has no password: leave `password` out of the connection, or name a `user`"
    return "look at `user` and `password` of the connection"


def _refused(error: Exception, who: str) -> StepError:
    text = _text(error)
    if text.startswith("WRONGTYPE"):
        return PermanentError("redis.type", f"{who}: the key holds another kind of value ({text}); use another key")
    if text.startswith("NOGROUP"):
        return TransientError("redis.group", f"{who}: {text}")
    if text.startswith(("MISCONF", "NOREPLICAS", "BUSY ", "UNBLOCKED")):
        return TransientError("redis.refused", f"{who}: {text}")
    if "unknown command" in text.lower():
        return PermanentError("redis.refused", f"{who} is too old, or has the command renamed: {text[:80]}")
    return PermanentError("redis.refused", f"{who}: {text}")


def _text(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
