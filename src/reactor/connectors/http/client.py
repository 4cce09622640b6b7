"""The HTTP client behind `http.request`: one pool of connections per event loop and set of allowed hosts, kept warm.

A name is resolved once per connection, every address it has is checked, and the connection is made to the checked
address itself: between check and use there is no second look-up that could answer differently. Nothing is taken from
the environment: no proxies.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

from reactor.connectors.http import wire
from reactor.connectors.http.guard import Guard, Refused, literal

PER_ORIGIN = 256
"""Connections to one origin at a time; further requests wait for one."""
IDLE = 15.0
"""Seconds that a connection is kept unused; servers close theirs after 5 to 75."""
_FRESH = 3.0
# Below the 5 s after which common servers (uvicorn, Node.js) close: what must not be sent twice does not race with
# that.
_FIRST_TRY = 3.0
# Seconds for each address but the last: one dead address of several must not use up the time of the attempt.


class ConnectError(Exception):
    """No connection came about: nothing was sent. `tls`: because of TLS."""

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection goes. Connections are shared only between equals."""

    scheme: str
    host: str
    port: int
    verify: bool = True


@dataclass(slots=True)
class _Place:
    """The connections to one origin."""

    idle: list[wire.Wire] = field(default_factory=list)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_ORIGIN))
    users: int = 0


class Client:
    """A pool of checked connections. Belongs to one event loop."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._places: dict[Origin, _Place] = {}
        self._tls: dict[bool, ssl.SSLContext] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def open(self, origin: Origin, *, once: bool) -> wire.Wire:
        """A connection to `origin`, to be given back by `release`.

        With `once` (what must not be sent twice) a kept one is taken only if it was used a moment ago.

        Raises:
            Refused: the guard does not allow the address.
            ConnectError: there is none.
        """
        place = self._places.get(origin)
        if place is None:
            place = self._places[origin] = _Place()
        place.users += 1
        try:
            await place.slots.acquire()
            try:
                return self._kept(place, _FRESH if once else IDLE) or await self._connect(origin)
            except BaseException:
                place.slots.release()
                raise
        except BaseException:
            self._leave(origin, place)
            raise

    def release(self, origin: Origin, connection: wire.Wire) -> None:
        """Give a connection back after its exchange; it is kept when its answer was read to the end."""
        place = self._places[origin]
        if connection.finish() and self._closed:
            connection.close()
        elif not connection.closed:
            connection.idle_since = self._loop.time()
            place.idle.append(connection)
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(IDLE, self._sweep)
        place.slots.release()
        self._leave(origin, place)

    def _leave(self, origin: Origin, place: _Place) -> None:
        place.users -= 1
        if not place.users and not place.idle:
            self._places.pop(origin, None)

    def _kept(self, place: _Place, age: float) -> wire.Wire | None:
        oldest = self._loop.time() - age
        while place.idle:
            # The one used last: it is the least likely to have been closed by the other side.
            connection = place.idle.pop()
            if not connection.closed:
                if connection.idle_since > oldest:
                    return connection
                connection.close()
        return None

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = self._loop.time() - IDLE
        for origin, place in list(self._places.items()):
            for connection in place.idle:
                if connection.idle_since <= oldest:
                    connection.close()
            place.idle = [connection for connection in place.idle if not connection.closed]
            if not place.idle and not place.users:
                del self._places[origin]
        if any(place.idle for place in self._places.values()):
            self._sweeper = self._loop.call_later(IDLE, self._sweep)

    async def _connect(self, origin: Origin) -> wire.Wire:
        addresses = await self._addresses(origin)
        failure: ConnectError | None = None
        for number, address in enumerate(addresses, 1):
            limit = asyncio.timeout(None if number == len(addresses) else _FIRST_TRY)
            try:
                async with limit:
                    return await self._connect_to(origin, address)
            except OSError as error:  # TimeoutError is one: ours, or the system's
                failure = ConnectError(str(error) or f"{address} does not answer", tls=wire.tls_problem(error))
        raise failure or ConnectError(f"{origin.host} has no address")

    async def _connect_to(self, origin: Origin, address: str) -> wire.Wire:
        if origin.scheme == "http":
            _, connection = await self._loop.create_connection(wire.Wire, address, origin.port)
        else:
            _, connection = await self._loop.create_connection(
                wire.Wire,
                address,
                origin.port,
                ssl=await self._context(verify=origin.verify),
                server_hostname=origin.host,
            )
        return connection

    async def _addresses(self, origin: Origin) -> Sequence[str]:
        """The addresses of a host, every one of them checked."""
        known = self._guard.check_host(origin.host)
        if known is not None:
            self._guard.check(origin.host, known)
            return (str(known),)
        try:
            found = await self._loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"the name {origin.host} cannot be resolved: {error}") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for text in addresses:
            address = literal(text)
            # One private address among public ones is how a name is rebound: the whole name is refused, not only that
            # one.
            if address is None:
                raise Refused(f"{origin.host} resolves to {text}, which is no address")
            self._guard.check(origin.host, address)
        return addresses

    async def _context(self, *, verify: bool) -> ssl.SSLContext:
        if verify not in self._tls:
            # Reading the system's certificates takes some 20 ms: not in the loop.
            context = await self._loop.run_in_executor(None, ssl.create_default_context)
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls[verify] = context
        return self._tls[verify]

    async def close(self) -> None:
        """Close the connections that are idle; those in use end with their exchange."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for place in self._places.values():
            for connection in place.idle:
                connection.close()
            place.idle = []
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next turn


_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], Client]] = (
    weakref.WeakKeyDictionary()
)


def client_for(allow: tuple[str, ...]) -> Client:
    """The running loop's client for these allowed hosts; made when it is first asked for.

    Raises:
        ValueError: an entry of `allow` is no host, address or network.
    """
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    client = clients.get(allow)
    if client is None:
        client = clients[allow] = Client(Guard(allow))
    return client


async def close_clients() -> None:
    """Close the running loop's clients."""
    for client in (_clients.pop(asyncio.get_running_loop(), None) or {}).values():
        await client.close()
