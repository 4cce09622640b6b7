"""What the HTTP server is told: where to listen, who may come in, how much it takes."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from reactor.model.access import Role
from reactor.model.errors import SettingsError

_LOOPBACK = frozenset({"localhost", "::1", "[::1]"})
SHORTEST_TOKEN = 16
"""Characters of an admin token: less can be guessed."""


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator said of the issuer."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    role_claim: str = "groups"
    """Where the ID token, or the issuer's user info, says what somebody is; dots lead into maps."""
    roles: tuple[tuple[str, Role], ...] = ()
    """(value of that claim, role): the highest one counts. None: the claims say nothing of roles."""
    default_role: Role | None = None
    """Of those whom no claim gives one; None: they are not let in."""
    domains: tuple[str, ...] = ()
    """Domains of verified addresses that are let in; none: all."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Built by `app` from the settings."""

    token: str
    """The admin token."""
    token_configured: bool = False
    """An operator chose it (`REACTOR_TOKEN`), rather than it being made at first start."""
    admins: bool = False
    """There are users, and one of them may do everything."""
    host: str = "127.0.0.1"
    port: int = 5000
    """0: any free port; `Running.port` tells which."""
    ingest_open: bool = False
    """Bound to more than loopback: take events without the token all the same."""
    hosts: tuple[str, ...] = ()
    """More names under which this server may be addressed (`Host`), such as a tunnel's or proxy's."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies that are believed who calls, and whether by TLS."""
    public_url: str | None = None
    """Where people reach this server; None: where they address it."""
    oidc: OidcConfig | None = None
    """Who vouches for people; None: nobody else."""
    body_limit: int = (10 << 20) + (64 << 10)
    """Bytes of one request's body: an event's data with its envelope."""
    body_timeout: float = 30.0
    """Seconds within which a body must have come whole."""
    head_timeout: float = 15.0
    """Seconds within which the head of a request must have come."""
    keep_alive: int = 75
    """Seconds that an idle connection is kept."""
    drain: int = 10
    """Seconds that answers under way get at shutdown."""
    streams: int = 1_000
    """Listeners of the event stream at one time."""

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def ingest_token(self) -> bool:
        """Whether events need the token too."""
        return not self.loopback and not self.ingest_open


def is_loopback(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    name = host.lower().rstrip(".")
    if name in _LOOPBACK or name.endswith(".localhost"):
        return True
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isascii() and part.isdigit() for part in parts)


def check(config: ServerConfig) -> None:
    """Refuse what would be open to strangers.

    Raises:
        SettingsError: what is wrong and what to do.
    """
    if not config.token:
        raise SettingsError("the server needs an admin token; set REACTOR_TOKEN")
    if not 0 <= config.port <= 65_535:
        raise SettingsError(f"port {config.port} cannot be; give 0 (any free one) to 65535")
    if config.oidc is not None:
        _check_oidc(config, config.oidc)
    if config.loopback:
        return
    if not config.token_configured and not config.admins:
        raise SettingsError(
            f"host {config.host} can be reached from other machines, and there is neither a user who is admin nor an "
            "admin token that was chosen; add one with `reactor users add NAME --role admin`, or set REACTOR_TOKEN (at "
            f"least {SHORTEST_TOKEN} characters), or bind to 127.0.0.1"
        )
    if len(config.token) < SHORTEST_TOKEN:
        raise SettingsError(
            f"host {config.host} can be reached from other machines, and REACTOR_TOKEN has only "
            f"{len(config.token)} characters; make it {SHORTEST_TOKEN} or more (openssl rand -hex 32)"
        )


def _check_oidc(config: ServerConfig, oidc: OidcConfig) -> None:
    parts = urlsplit(oidc.issuer)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise SettingsError(f"oidc_issuer {oidc.issuer} is not reached by TLS; it begins with https://")
    if parts.query or parts.fragment:
        raise SettingsError(f"oidc_issuer {oidc.issuer} is an address without ? and #")
    if config.public_url is None and not config.loopback:
        raise SettingsError("signing in by OIDC needs to know where people come back to: set public_url")
