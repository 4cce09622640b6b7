"""One connection to NATS, shared by all who use the same settings.

It never reconnects by itself: when the server is gone or does not answer pings for some seconds, it is dead for good,
and whoever uses it says so. The library tells much through callbacks only (permissions above all); here that becomes
errors at the call that they concern.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from reactor.connectors.nats import nkey
from reactor.connectors.nats.settings import NatsSettings
from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.sdk import tls
from reactor.sdk.drivers import needed
from reactor.sdk.sharing import Reach, Shared

_log = logging.getLogger("reactor.nats")
_PING = 2
"""Seconds between two pings; after three without an answer the connection is taken for dead."""
_CONNECT = 3.0
_ALL = 8.0
"""Seconds to reach one server, and any of them."""
_LEAVE = 1.0
ANSWER = 5.0
"""Seconds that a server may take to answer."""
_DENIED = "permissions violation"
_LOGIN = ("authorization violation", "authentication", "user authentication")

Message = Any
"""The library's: subject, reply, data, headers."""


class Link:
    """A connection that is open, or was."""

    def __init__(self, settings: NatsSettings) -> None:
        self.where = "none of its servers"
        self.denied: list[str] = []
        """What the server refused us, in its own words, in small letters."""
        self._settings = settings
        self._client: Any = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking: dict[asyncio.Future[str], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None

    # ------------------------------------------------------------ its life

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return self._client is not None and bool(self._client.is_connected)

    def check(self) -> None:
        """Nothing while it lives.

        Raises:
            TransientError: kind `nats.connection`: it does not any more.
        """
        if not self.alive:
            why = self._failure or (self._client and self._client.last_error)
            told = f" ({_plain(why)})" if why else ""
            raise TransientError(
                "nats.connection", f"the connection to {self.where} is lost{told}; is the server running?"
            )

    async def open(self, url: str, context: ssl.SSLContext | None) -> None:
        """Connect to one server. Raises whatever the library raises."""
        client = self._client = _client(insist=self._settings.tls is not None or url.startswith("tls://"))
        parts = urlsplit(url)
        self.where = f"{parts.hostname}:{parts.port}"
        try:
            await client.connect(
                servers=[url],
                error_cb=self._told,
                closed_cb=self._closed,
                name=self._settings.name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_CONNECT,
                ping_interval=_PING,
                max_outstanding_pings=2,
                dont_randomize=True,
                tls=context,
                inbox_prefix=self._settings.inbox_prefix,
                **_credentials(self._settings, client),
            )
        except (_error(), OSError) as error:
            raise self._failure or error from None  # "no servers" says less than what happened at this one
        finally:
            if not self.alive:
                await self.close()

    async def close(self) -> None:
        """Give back what it holds, whatever state it is in."""
        for task in self._tasks:
            task.cancel()
        if self._client is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._client.close()
        except (TimeoutError, OSError) as error:  # a peer that reads nothing: nothing more can be sent to it
            _log.debug("closing the connection to %s: %s", self.where, error)
        _abort(self._client)

    @property
    def version(self) -> str:
        """Of the server."""
        return str(self._client.connected_server_version).removeprefix("<nats server v").removesuffix(">")

    @property
    def max_payload(self) -> int:
        """Bytes of the largest message that the server takes."""
        return int(self._client.max_payload)

    # ------------------------------------------------------------ what it is for

    async def subscribe(
        self, subject: str, took: Callable[[Message], Awaitable[None]], *, queue: str = ""
    ) -> Callable[[], Awaitable[None]]:
        """Have `took` called for each message. Returns when the server has confirmed it; what is returned ends it.

        Raises:
            PermanentError: kind `nats.denied`. TransientError: kind `nats.connection`.
        """
        self.check()
        self.forget("subscription", subject)
        subscription = await self._client.subscribe(subject, queue=queue, cb=took)

        async def end() -> None:
            if self.alive:  # what is on its way still comes, so that it can be given back
                draining = self._noted(subscription.drain())
                await asyncio.wait({draining}, timeout=_LEAVE)

        try:
            await self.flush()
            self.permitted("subscription", subject, queue)
        except BaseException:
            await end()
            raise
        return end

    async def send(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Hand a message to the connection; `flush` tells that the server has it.

        Raises:
            TransientError: kind `nats.connection`.
        """
        self.check()
        try:
            await self._client.publish(subject, data, reply=reply, headers=headers)
        except (_error(), OSError) as error:
            raise self._translated(error, subject) from error

    async def flush(self) -> None:
        """Until the server has answered to all that was sent.

        Raises:
            TransientError: kind `nats.connection`.
        """
        self.check()
        flushing = self._noted(self._client.flush(timeout=ANSWER))
        await asyncio.wait({flushing, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        if not flushing.done():
            self.check()
        try:
            await asyncio.shield(flushing)
        except (_error(), OSError, TimeoutError) as error:
            self._failure = self._failure or error
            await self.close()
            self.check()

    def _noted(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """What waits for a pong runs by itself: a pong for somebody who has given up ends the library's reader."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits; if nobody does any more, there is nothing to tell

    async def ask(
        self, subject: str, data: bytes = b"", *, timeout: float = ANSWER, headers: dict[str, str] | None = None
    ) -> Message:
        """A request, and its answer.

        Raises:
            PermanentError: `nats.denied`, `nats.too_large`. TransientError: `nats.no_responders`, `nats.timeout`,
                `nats.connection`.
        """
        self.check()
        loop = asyncio.get_running_loop()
        refused: asyncio.Future[str] = loop.create_future()
        self._asking[refused] = subject.lower()
        request = loop.create_task(self._client.request(subject, data, timeout=timeout, headers=headers))
        try:
            await asyncio.wait({request, refused, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if refused.done():
                raise _denied(refused.result())
            if not request.done():
                self.check()
            return await request
        except (_error(), OSError) as error:
            raise self._translated(error, subject) from error
        finally:
            del self._asking[refused]
            request.cancel()
            await asyncio.wait({request})

    def new_inbox(self) -> str:
        """A subject that nobody else has."""
        return str(self._client.new_inbox())

    def permitted(self, what: str, subject: str, queue: str = "") -> None:
        """Nothing, unless the server has refused it.

        Args:
            what: `subscription` or `publish`.

        Raises:
            PermanentError: kind `nats.denied`.
        """
        wanted = f'{what} to "{subject.lower()}"'
        for told in self.denied:
            if wanted in told and ("using queue" not in told or f'"{queue.lower()}"' in told):
                raise _denied(told)

    def forget(self, what: str, subject: str) -> None:
        """Permissions may change while a connection lives: what was refused is asked for again."""
        wanted = f'{what} to "{subject.lower()}"'
        self.denied = [told for told in self.denied if wanted not in told]

    async def _closed(self) -> None:
        """The library's callback when the connection is over."""
        if not self._gone.done():
            self._gone.set_result(None)

    async def _told(self, error: Exception) -> None:
        """The library's error callback."""
        text = _plain(error).lower()
        if _DENIED not in text:
            self._failure = error
            _log.debug("%s: %s", self.where, text)
            return
        self.denied = [*self.denied[-99:], text]
        inbox = f'subscription to "{self._settings.inbox_prefix.lower()}'
        for refused, subject in self._asking.items():
            if not refused.done() and (inbox in text or f'publish to "{subject}"' in text):
                refused.set_result(text)

    def _translated(self, error: BaseException, subject: str) -> StepError:
        import nats.errors as known  # noqa: PLC0415 - heavy

        match error:
            case known.NoRespondersError():
                return TransientError(
                    "nats.no_responders", f"nobody answers on {subject!r} at {self.where}; is the service running?"
                )
            case known.MaxPayloadError():
                return PermanentError(
                    "nats.too_large",
                    f"the message is larger than {self.where} takes ({self.max_payload} bytes; `max_payload` there)",
                )
            case known.BadSubjectError():
                return PermanentError("nats.subject", f"{subject!r} is not a subject; write one such as orders.new")
            case known.BadHeaderError():
                return PermanentError("nats.header", f"{error.key!r} cannot be the name of a header")
            case known.TimeoutError() if self.alive:
                return TransientError("nats.timeout", f"no answer on {subject!r} from {self.where} in time")
        return TransientError("nats.connection", f"the connection to {self.where} is lost ({_plain(error)})")


# ---------------------------------------------------------------- opening


async def _open(reach: Reach[NatsSettings]) -> Link:
    """The first server that takes us."""
    settings = reach.settings
    context = await asyncio.to_thread(tls.context, settings.tls, reach.operator) if settings.tls is not None else None
    failures: list[str] = []
    addresses = settings.addresses
    each = max(1.0, _ALL / len(addresses))
    for url in addresses:
        link = Link(settings)
        try:
            async with asyncio.timeout(min(each, _CONNECT + 1)):
                await link.open(url, context)
        except (_error(), OSError, TimeoutError, ValueError) as error:  # the last: a name that no resolver takes
            text = _plain(error)
            if any(word in text.lower() for word in _LOGIN):
                raise _login(link.where, settings) from None
            failures.append(f"{link.where}: {text}")
        else:
            return link
    hint = "is it running, and is `servers` right?"
    if any("certificate" in failure or "ssl" in failure.lower() for failure in failures):
        hint = "check `tls` of the connection (`ca`: the authority that signed the server's certificate)"
    raise TransientError("nats.connection", f"NATS cannot be reached ({'; '.join(failures)}); {hint}")


def _login(where: str, settings: NatsSettings) -> PermanentError:
    given = [name for name in ("user", "token", "nkey", "creds") if getattr(settings, name) is not None]
    what = {"user": "user and password", "token": "the token", "nkey": "the NKey", "creds": "the credentials"}
    if given:
        return PermanentError(
            "nats.login", f"{where} refuses {what[given[0]]} of the connection; correct them and save it again"
        )
    return PermanentError(
        "nats.login",
        f"{where} wants credentials; give the connection `user` and `password`, `token`, `nkey` or `creds`",
    )


def _credentials(settings: NatsSettings, client: Any) -> dict[str, Any]:
    if settings.user is not None:
        return {"user": settings.user, "password": settings.password}
    if settings.token is not None:
        return {"token": settings.token}
    if settings.nkey is not None:
        key = nkey.NKey(settings.nkey)
        client.own_nkey = key.public
        return {"signature_cb": key.sign}
    if settings.creds is not None:
        jwt, key = nkey.read_creds(settings.creds)
        return {"signature_cb": key.sign, "user_jwt_cb": jwt.encode}
    return {}


def _client(*, insist: bool) -> Any:
    """The library's client, that sends no credentials in the clear where TLS was asked for."""
    with needed("nats"):
        from nats.aio.client import Client  # noqa: PLC0415 - heavy
        from nats.errors import SecureConnWantedError  # noqa: PLC0415

    class Own(Client):
        own_nkey: str | None = None

        def _connect_command(self) -> bytes:
            if insist and not self._server_info.get("tls_required"):
                raise SecureConnWantedError
            self._public_nkey = self.own_nkey
            return super()._connect_command()

    return Own()


def _abort(client: Any) -> None:
    """Let go of the socket at once: a polite close waits for a peer that may never read again."""
    transport = getattr(client, "_transport", None)
    writer = getattr(transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()


def _error() -> type[Exception]:
    """What the library raises."""
    try:
        from nats.errors import Error  # noqa: PLC0415 - heavy
    except ImportError:
        return OSError
    return Error


def _denied(told: str) -> PermanentError:
    what = told.partition(_DENIED)[2].strip().removeprefix("for ")
    return PermanentError("nats.denied", f"the server does not permit us {what}; change the permissions of the user")


def _plain(error: object) -> str:
    """What the library says, without its name in front."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (str(error).removeprefix("nats: ").strip("'") or type(error).__name__)[:300]


LINKS: Shared[Link] = Shared(_open, Link.close, usable=lambda link: link.alive)


async def describe(settings: NatsSettings, found: Mapping[str, Any]) -> str:
    """What a test of the connection tells."""
    async with LINKS.use(Reach.of(settings, found)) as link:
        await link.flush()
        try:
            await link.ask("$JS.API.INFO")
        except StepError:
            return f"NATS {link.version} at {link.where}, without JetStream for this user"
        return f"NATS {link.version} at {link.where}, with JetStream"
