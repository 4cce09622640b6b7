"""The connection type `redis`, and the two ways to talk to a server: a link of one's own, and a client for all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.sdk import ConnectionContext, ConnectionType, PermanentError, StepError, TransientError
from reactor.sdk.drivers import needed
from reactor.sdk.sharing import Reach, Shared
from reactor.sdk.tls import Tls, context

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

WITHIN = 5.0
"""Seconds that a server has to answer (and to let us in), beside the time that a command itself waits."""
_SCHEMES = ("redis://", "rediss://", "unix://")


class RedisSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A Redis server, or one that speaks its protocol (Valkey, KeyDB, Dragonfly)."""

    url: str
    """`redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:///PATH` for a socket; may hold user and password."""
    user: str | None = None
    """A user of its ACL; without it the default user."""
    password: str | None = None
    """The user's password, or the server's `requirepass`."""
    db: int | None = None
    """Number of the database; else the one of the URL, else 0."""
    tls: Tls | None = None
    """Certificates; with it TLS is used though the URL says `redis://`."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not self.url.startswith(_SCHEMES):
            raise ValueError("url: write redis://HOST:PORT/DB, rediss://… for TLS, or unix:///PATH")
        if self.db is not None and self.db < 0:
            raise ValueError("db: is the number of a database, 0 or more")
        if self.tls is not None and self.url.startswith("unix://"):
            raise ValueError("tls: a unix socket has none")


class Opening(Reach[RedisSettings], frozen=True):
    """What is needed to open a connection."""

    @property
    def place(self) -> str:
        """Host, port and database, without secrets: for messages, and to tell two servers apart."""
        given = arguments(self)
        where = given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
        return f"{where}/{given.get('db', 0)}"


def driver() -> Any:
    """The package `redis`.

    Raises:
        PermanentError: kind `input`: it is not installed.
    """
    with needed("redis"):
        import redis.asyncio  # noqa: PLC0415 - paid by flows that use it
    return redis


def arguments(opened: Opening) -> dict[str, Any]:
    """The driver's arguments for one connection.

    Raises:
        PermanentError: kind `input`: the URL cannot be read.
    """
    driver()
    from redis.asyncio import connection as connections  # noqa: PLC0415

    settings = opened.settings
    try:
        parsed = connections.parse_url(settings.url.partition("?")[0])
    except ValueError:  # its message may hold the password
        raise PermanentError("input", "redis: url cannot be read; write redis://HOST:PORT/DB") from None
    given: dict[str, Any] = {name: parsed[name] for name in ("host", "port", "path", "db") if name in parsed}
    given["username"] = settings.user or parsed.get("username")
    given["password"] = settings.password or parsed.get("password")
    if settings.db is not None:
        given["db"] = settings.db
    return given | {"socket_timeout": None, "socket_connect_timeout": WITHIN, "protocol": 2}


def connection_of(opened: Opening) -> AbstractConnection:
    """One connection to the server, not open yet.

    Raises:
        PermanentError: kind `input`: URL or TLS cannot be.
    """
    given = arguments(opened)
    from redis.asyncio import connection as connections  # noqa: PLC0415

    if "path" in given:
        return connections.UnixDomainSocketConnection(**given)
    settings = opened.settings
    if settings.tls is None and not settings.url.startswith("rediss://"):
        return connections.Connection(**given)
    secured = context(settings.tls or Tls(), opened.operator)

    class Secured(connections.Connection):
        """The driver's own takes files only, and no context."""

        def _connection_arguments(self) -> dict[str, Any]:
            return {**super()._connection_arguments(), "ssl": secured}

    return Secured(**given)


class Link:
    """One connection for one task: commands go out and answers come in, in their order, as the server gives them.

    The driver's client would retry, reconnect and reshape in silence.
    """

    def __init__(self, connection: AbstractConnection, place: str) -> None:
        self._connection = connection
        self.place = place

    async def call(self, *command: Any, wait: float = 0.0) -> Any:
        """The answer to one command, which itself waits up to `wait` seconds.

        Raises:
            StepError: it failed; one sentence.
        """
        with told(self.place):
            async with asyncio.timeout(wait + WITHIN):
                await self._connection.send_command(*command)
                return await self._connection.read_response()

    async def together(self, *commands: Sequence[Any]) -> list[Any]:
        """The answers to commands that are done in one transaction: nobody's come between. An answer may be an
        exception of the driver (`answered` raises it).

        Raises:
            StepError: nothing was done.
        """
        with told(self.place):
            async with asyncio.timeout(WITHIN):
                packed = self._connection.pack_commands([("MULTI",), *commands, ("EXEC",)])
                await self._connection.send_packed_command(packed)
                queued = [await self._quiet() for _ in range(len(commands) + 1)]
                if (refused := next((one for one in queued if isinstance(one, Exception)), None)) is not None:
                    await self._quiet()
                    raise refused
                answers: list[Any] = await self._connection.read_response()
                return answers

    async def send(self, *command: Any) -> None:
        """A command whose answers are read by `receive`."""
        with told(self.place):
            async with asyncio.timeout(WITHIN):
                await self._connection.send_command(*command)

    async def receive(self, wait: float) -> Any:
        """The next answer or message, or None when none has come in so many seconds."""
        with told(self.place):
            return await self._connection.read_response(timeout=wait)

    def answered(self, answer: Any) -> Any:
        """One answer of `together`.

        Raises:
            StepError: it is a failure.
        """
        if isinstance(answer, Exception):
            with told(self.place):
                raise answer
        return answer

    async def _quiet(self) -> Any:
        """An answer, be it a refusal."""
        from redis.exceptions import ResponseError  # noqa: PLC0415

        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error


@contextlib.contextmanager
def told(place: str) -> Iterator[None]:
    """Failures of the driver become those of steps."""
    from redis.exceptions import RedisError  # noqa: PLC0415

    from reactor.connectors.redis.failures import translate  # noqa: PLC0415

    try:
        yield
    except TimeoutError:
        raise TransientError(
            "redis.connection", f"Redis at {place} has not answered within {WITHIN:.0f} s; look whether it hangs"
        ) from None
    except (RedisError, OSError) as error:
        raise translate(error, place) from error


@contextlib.asynccontextmanager
async def link(opened: Opening) -> AsyncIterator[Link]:
    """An open link, closed at the end.

    Raises:
        StepError: the server cannot be reached, or refuses us.
    """
    connection, place = connection_of(opened), opened.place
    try:
        with told(place):
            async with asyncio.timeout(WITHIN):
                await connection.connect()  # type: ignore[no-untyped-call]
        yield Link(connection, place)
    finally:
        from redis.exceptions import RedisError  # noqa: PLC0415

        with contextlib.suppress(RedisError, OSError):
            await connection.disconnect()


# ---------------------------------------------------------------- for actions


async def _open(opened: Opening) -> Redis:
    driver()
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    made = connection_of(opened)
    given = arguments(opened) | {"socket_timeout": WITHIN, "retry": Retry(NoBackoff(), 0)}
    pool = BlockingConnectionPool(connection_class=type(made), max_connections=16, timeout=WITHIN, **given)
    return Redis(connection_pool=pool, decode_responses=False)


async def _close(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.disconnect()


clients: Shared[Redis] = Shared(_open, _close)
"""Clients for actions: one for each connection, with up to 16 sockets."""


@contextlib.asynccontextmanager
async def client(opened: Opening) -> AsyncIterator[Redis]:
    """A client whose failures are those of steps.

    Raises:
        StepError: see `failures`.
    """
    driver()
    with told(opened.place):
        async with clients.use(opened) as found:
            yield found


async def test(ctx: ConnectionContext, settings: RedisSettings) -> str:
    """Log in, and ask what is there."""
    opened = Opening.of(settings, ctx.settings)
    async with link(opened) as linked:
        await linked.call("PING")
        try:
            found = await linked.call("INFO", "server")
        except StepError as error:
            if error.kind != "redis.denied":
                raise
            return f"Redis at {opened.place}"
    told_by = dict(line.split(":", 1) for line in found.decode().splitlines() if ":" in line)
    return f"Redis {told_by.get('redis_version', '?')}, {told_by.get('redis_mode', '?')}, at {opened.place}"


REDIS = ConnectionType(
    name="redis",
    settings=RedisSettings,
    test=test,
    secret=("password", "tls.key"),
    doc="A Redis server, or one that speaks its protocol.",
)
