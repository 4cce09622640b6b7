"""The wiring: settings → concrete parts, in their order of starting and stopping. No rules here."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import reactor
from reactor.engine.access.access import Access
from reactor.engine.access.audit import Actor, Audit
from reactor.engine.access.people import People
from reactor.engine.editing import Editing
from reactor.engine.engine import Engine, Parts
from reactor.engine.flow_tester import FlowTester
from reactor.engine.folder import Folder
from reactor.engine.limits import Limits
from reactor.engine.saved_connections import FILE as CONNECTIONS_FILE
from reactor.engine.saved_connections import SavedConnections
from reactor.engine.statistics.machine import Machine
from reactor.engine.tracing.tracer import Exporter, Tracer
from reactor.engine.vault import Vault, write_private
from reactor.language import loader
from reactor.language.inputs import check_inputs
from reactor.language.problems import Problem
from reactor.model import failpoints
from reactor.model.access import ADMIN
from reactor.model.clock import SystemClock, SystemEntropy
from reactor.model.errors import InvalidError, SettingsError
from reactor.model.flow import Flow
from reactor.plugins import discovery
from reactor.sdk.http import HttpRoutes
from reactor.sdk.manifest import Catalog, Connector
from reactor.settings import Settings
from reactor.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from reactor.server.config import OidcConfig
    from reactor.server.serve import Running

_log = logging.getLogger("reactor")
TOKEN_FILE, ADDRESS_FILE = "token", "address"
Noted = Callable[[str, str, int, Mapping[str, Any]], Awaitable[None]]
"""Keeps (action, target, status, details) in the audit log."""
INSTANCE = 1
"""Of one: a SQLite file belongs to a single process."""
_ENVELOPE = 64 << 10
"""Bytes of a request around an event's data."""
_OURS = {TOKEN_FILE, "reactor.db", "lock"}


class Compiler:
    """YAML text → flow, with its problems. While the program starts nothing is compiled a second time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen: dict[tuple[str | None, bytes], loader.Loaded] | None = {}

    def load(self, text: str, file: str | None) -> loader.Loaded:
        """The flow, or None, and what is wrong."""
        if self._seen is None:
            return loader.load(text, file=file, catalog=self._catalog)
        key = (file, hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        if key not in self._seen:
            self._seen[key] = loader.load(text, file=file, catalog=self._catalog)
        return self._seen[key]

    def flow(self, text: str, file: str | None) -> Flow | None:
        """See `flows.Compile`."""
        return self.load(text, file).flow

    def schema(self) -> dict[str, Any]:
        """JSON Schema of flows."""
        from reactor.language.schema import flow_schema  # noqa: PLC0415 - for editors only

        return flow_schema(self._catalog)

    def started(self) -> None:
        """From now on a text that is seen again is a rarity."""
        self._seen = None


class Additions(Protocol):
    """What a program adds to the connectors that are installed: actions and flows of its own."""

    @property
    def connectors(self) -> Sequence[Connector]:
        """Its actions."""
        ...

    def flows(self, catalog: Catalog) -> Sequence[Flow]:
        """Its flows, checked against everything that there is.

        Raises:
            InvalidError: one of them is wrong.
        """
        ...


class NoRoutes:
    """Stands for the HTTP server where there is none: paths may be claimed, nobody calls."""

    def claim(self, methods: tuple[str, ...], path: str, handler: Any) -> Any:
        """See `HttpRoutes.claim`."""
        del methods, path, handler
        return lambda: None


class App:
    """One Reactor: made by `build`, started and stopped once."""

    def __init__(self, settings: Settings, engine: Engine, compiler: Compiler, vault: Vault, broken: list[str]) -> None:
        self.settings = settings
        self.engine = engine
        self.compiler = compiler
        self.vault = vault
        self.broken = broken
        """Plugins that could not be taken in."""
        self.folder: Folder | None = None
        self.running: Running | None = None

    @property
    def problems(self) -> Sequence[Problem]:
        """Everything that is wrong in the folder of flows now."""
        return self.folder.problems if self.folder is not None else ()

    async def start(self) -> None:
        """Open the store, read the flows, listen, take up what was under way: what can be refused comes first.

        Raises:
            SettingsError: the address cannot be used. StoreError, InvalidError: the data or the flows' folder cannot.
        """
        try:
            await self.open()
            await self._open_folder()
            await self._open_doors()
            await self.engine.start()
        except BaseException:
            await self.stop()
            raise
        self.compiler.started()
        if self.folder is not None:
            self.folder.start()

    async def open(self) -> None:
        """Open the store and read the flows in it, and those of the program; nothing runs yet.

        Raises:
            StoreError: see `Store.open`.
        """
        await self.engine.open()
        for flow in (self.engine.book.code or {}).values():
            await self.engine.book.take(flow)

    async def _open_folder(self) -> None:
        root = self.settings.workflows
        if root is None:
            return
        self.folder = Folder(
            root,
            self.engine.book,
            self.compiler.load,
            shown=_shown(root),
            every=self.settings.rescan / 1000,
            told=self.engine.told,
        )
        await self.folder.open()

    async def _open_doors(self) -> None:
        from reactor.server.config import ServerConfig  # noqa: PLC0415 - `execute` has no server
        from reactor.server.doors import Doors  # noqa: PLC0415
        from reactor.server.routes import RouteClaims  # noqa: PLC0415
        from reactor.server.serve import start  # noqa: PLC0415

        settings = self.settings
        claims = self.engine.parts.http
        if not isinstance(claims, RouteClaims):
            return
        config = ServerConfig(
            token=token_of(settings, make=True) or "",
            token_configured=settings.token is not None,
            admins=self.engine.access is not None and await self.engine.access.people.has_admin(),
            host=settings.host,
            port=settings.port,
            ingest_open=settings.ingest_open,
            hosts=_hosts(settings),
            proxies=settings.proxies,
            public_url=settings.public_url,
            oidc=_oidc(settings),
            body_limit=settings.max_body + _ENVELOPE,
        )
        doors = Doors(
            load=self.compiler.load,
            problems=lambda: self.problems,
            editing=Editing(self.engine.book, self.compiler.load, self.folder),
            schema=self.compiler.schema,
            # One of its own: it is worked with in threads, and the engine's is on the loop.
            vault=Vault(settings.data, self.engine.clock, settings.secret_key),
            run_tests=FlowTester(self.engine.book, settings.workflows, _shown_or_none(settings.workflows)).run,
        )
        self.running = await start(self.engine, claims, config, doors)
        self.engine.executor.seals.base = settings.public_url or self.running.url
        address = {"url": self.running.url, "pid": os.getpid()}
        write_private(settings.data / ADDRESS_FILE, json.dumps(address).encode())

    async def stop(self) -> None:
        """Close the doors, answer what is under way, let runs come to a border, write the rest. Safe to call twice."""
        if self.folder is not None:
            await self.folder.stop()
        if self.running is not None:
            await self.running.stop()
            with contextlib.suppress(OSError):
                (self.settings.data / ADDRESS_FILE).unlink()
            self.running = None
        await self.engine.stop()

    def start_lines(self) -> list[str]:
        """What a person wants to see at the start."""
        lines = []
        if self.running is not None:
            lines.append(f"Reactor is ready on {self.running.url}")
            lines.append(f"  sign in    {self.running.sign_in_link()}  (once)")
        flows = len(self.engine.book.current)
        if self.folder is not None and self.settings.workflows is not None:
            lines.append(f"  flows      {flows} from {_shown(self.settings.workflows)}, followed as it changes")
        else:
            lines.append(f"  flows      {flows}; no folder given (reactor run DIR)")
        lines.append(f"  data       {_shown(self.settings.data)}")
        errors = [problem for problem in self.problems if problem.severity == "error"]
        lines += [f"  problem    {problem.place}: {problem.message}" for problem in errors[:_MOST_PROBLEMS]]
        if len(errors) > _MOST_PROBLEMS:
            lines.append(f"  problem    … and {len(errors) - _MOST_PROBLEMS} more; `reactor validate` lists them")
        lines += [f"  problem    {text}" for text in self.broken]
        return lines


def _oidc(settings: Settings) -> OidcConfig | None:
    """Who vouches for people, where that is set."""
    if settings.oidc_issuer is None:
        return None
    from reactor.server.config import OidcConfig  # noqa: PLC0415 - `execute` has no server

    if settings.oidc_client_id is None:
        raise SettingsError("oidc_issuer needs oidc_client_id, too: what the issuer calls this server")
    if not all(map(find_spec, ("authlib", "joserfc"))):
        raise SettingsError("signing in by OIDC needs more packages: pip install reactor-engine[oidc]")
    return OidcConfig(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        role_claim=settings.oidc_role_claim,
        roles=settings.oidc_roles,
        default_role=settings.oidc_default_role,
        domains=settings.oidc_domains,
    )


def _hosts(settings: Settings) -> tuple[str, ...]:
    """The names under which this server may be addressed: also the one that its own links use."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return settings.hosts if public is None else (*settings.hosts, public)


_MOST_PROBLEMS = 10


def build(settings: Settings, *, server: bool = True, program: Additions | None = None) -> App:
    """Choose and connect the parts. Touches nothing but the data folder, which is made.

    Args:
        settings: what the operator decided.
        server: with HTTP doors; without, nothing listens.
        program: flows and actions in Python.

    Raises:
        SettingsError: the data folder cannot be used.
        InvalidError: a flow or action of the program is wrong.
    """
    failpoints.arm(settings.failpoint)
    make_data_folder(settings.data)
    catalog, broken = catalog_of(program, settings)
    flows = None if program is None else {flow.name: flow for flow in program.flows(catalog)}
    clock = SystemClock()
    vault = Vault(settings.data, clock, settings.secret_key)
    compiler = Compiler(catalog)
    store = SqliteStore(
        settings.store_file, clock=clock, durability="full" if settings.durability == "full" else "process"
    )
    engine = Engine(
        Parts(
            store=store,
            history=store,
            log=store,
            letters=store,
            statistics=store,
            alerts=server,
            machine=Machine(settings.data, settings.store_file),
            access=store,
            audit=store,
            connections=SavedConnections(settings.data / CONNECTIONS_FILE, catalog, clock),
            catalog=catalog,
            clock=clock,
            entropy=SystemEntropy(),
            limits=Limits(
                queued_events=settings.queue,
                live_runs=settings.live_runs,
                passivate_after=settings.passivate_after,
                drain=settings.drain,
                event_data=settings.max_body,
            ),
            http=_routes(server=server),
            compile=compiler.flow,
            check_inputs=check_inputs,
            action_settings=action_settings(settings),
            env={name: os.environ[name] for name in settings.env_allow if name in os.environ},
            secret=vault.read,
            derive=vault.derived,
            instance=INSTANCE,
            retention=settings.retention,
            tracer=tracer_of(settings, vault),
            audit_retention=settings.audit_retention,
        )
    )
    engine.book.code = flows
    return App(settings, engine, compiler, vault, broken)


def tracer_of(settings: Settings, vault: Vault) -> Tracer | None:
    """What takes the traces of runs, where somebody wants them.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    endpoint = settings.otel_endpoint
    if endpoint is None:
        return None
    origin = settings.origins.get("otel_endpoint", "")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        message = f"traces are wanted ({origin}), and OpenTelemetry is not installed: pip install reactor-engine[otel]"
        if not origin.startswith("OTEL_"):
            raise SettingsError(message)
        _log.warning("%s", message)
        return None

    def exporter() -> Exporter:
        from reactor.engine.tracing.otlp import OtlpExporter  # noqa: PLC0415 - with the first spans

        return OtlpExporter(endpoint, os.environ, reactor.__version__)

    return Tracer(exporter, vault.derived("traces"), settings.otel_sample)


def catalog_of(program: Additions | None, settings: Settings | None = None) -> tuple[Catalog, list[str]]:
    """All connectors, those of the program and of the plugins that are set too, and a sentence for each that could not
    be taken in.

    Raises:
        InvalidError: an action of the program has the name of another.
    """
    catalog, broken = discovery.discover() if settings is None else discovery.discover(settings.plugins, settings.data)
    for connector in program.connectors if program is not None else ():
        try:
            catalog.add(connector)
        except ValueError as error:
            raise InvalidError(str(error)) from None
    return catalog, broken


def _routes(*, server: bool) -> HttpRoutes:
    if not server:
        return NoRoutes()
    from reactor.server.routes import RouteClaims  # noqa: PLC0415

    return RouteClaims()


def action_settings(settings: Settings) -> Mapping[str, Any]:
    """What connectors may know (`ActionContext.settings`)."""
    return {
        "http_allow": settings.http_allow,
        "file_roots": tuple(str(root) for root in settings.file_roots),
        "data_dir": settings.data.resolve(),  # a link on the way that is moved later does not open the folder
        "http_timeout": settings.http_timeout,
        "http_max_body": settings.http_max_body,
        "output_max": settings.output_max,
        "shell_env": settings.shell_env,
    }


def make_data_folder(folder: Path) -> None:
    """The data folder, for its owner alone.

    Raises:
        SettingsError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise SettingsError(
                f"the data folder {folder} is a file; name another with --data or REACTOR_DATA"
            ) from None
        _close_to_others(folder)
    except OSError as error:
        raise SettingsError(
            f"the data folder {folder} cannot be made: {error.strerror}; name another with --data"
        ) from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsError(f"the data folder {folder} may not be written by this user; name another with --data")


def _close_to_others(folder: Path) -> None:
    stat = folder.stat()
    if stat.st_mode & 0o077 == 0:
        return
    names = {path.name for path in folder.iterdir()} if os.access(folder, os.R_OK) else {""}
    if stat.st_uid == os.getuid() and (not names or names & _OURS):
        folder.chmod(0o700)
    else:
        _log.warning("the data folder %s may be entered by other users; better: chmod 700", folder)


def token_of(settings: Settings, *, make: bool = False) -> str | None:
    """The admin token: the operator's, or the one in the data folder, which is made when it is wanted and not there.

    Raises:
        SettingsError: its file cannot be read.
    """
    if settings.token is not None:
        return settings.token
    path = settings.data / TOKEN_FILE
    try:
        token = path.read_text("ascii").strip()
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except FileNotFoundError:
        token = ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the token's file {path} cannot be read: {error}") from None
    if token or not make:
        return token or None
    token = secrets.token_urlsafe(32)
    write_private(path, token.encode() + b"\n")
    return token


@contextlib.asynccontextmanager
async def people_of(settings: Settings) -> AsyncIterator[tuple[People, Noted]]:
    """The users of a data folder on which no server runs, and the way to its audit log.

    Raises:
        StoreError: the folder is in use, or cannot be.
    """
    make_data_folder(settings.data)
    clock = SystemClock()
    store = SqliteStore(settings.store_file, clock=clock)
    audit = Audit(store, clock)
    await store.open()
    try:
        actor = Actor(who=ADMIN.name, via="cli")
        yield Access(store, clock, INSTANCE).people, functools.partial(audit.note, actor)
    finally:
        await audit.close()
        await store.close()


def _shown_or_none(path: Path | None) -> str | None:
    return None if path is None else _shown(path)


def _shown(path: Path) -> str:
    """A path as people like it: from the folder they are in, where that is shorter."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
