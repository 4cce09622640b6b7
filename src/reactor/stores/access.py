"""The ports of who may come in, and of what they did. As in `port.py`: stores hold no policy.

`UserStore` keeps people, `CredentialStore` what stands for them (tokens of the API, sessions of browsers; both by the
digest of what is sent, never by that itself), `AuditLog` what was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from reactor.model.access import Role
from reactor.model.audit import Entry, Fact
from reactor.model.clock import Instant


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person."""

    name: str
    role: Role
    created_at: Instant
    password: str | None = None
    """An argon2 hash; None: this person signs in otherwise, or not yet."""
    disabled: bool = False
    issuer: str | None = None
    """Who vouches for this person: an OIDC issuer, with its `subject`."""
    subject: str | None = None


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token of the API, as far as it is kept."""

    key: int
    digest: bytes
    """SHA-256 of the token."""
    name: str
    """One of its owner's."""
    owner: str
    """Name of a user, or empty: the admin token."""
    role: Role
    created_at: Instant
    scopes: tuple[str, ...] = ()
    """Parts of the API that it is good for; none: all."""
    flows: tuple[str, ...] = ()
    """Flows that it is good for, `*` standing for any characters; none: all."""
    expires_at: Instant | None = None
    used_at: Instant | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that somebody has signed in with."""

    key: int
    digest: bytes
    """SHA-256 of the cookie's value."""
    user: str
    """Name of a user, or empty: by the admin token."""
    via: str
    """`password`, `oidc`, `token`, `link`."""
    stamp: bytes = b""
    """What has to be as it was: for the admin token, its digest."""
    address: str = ""
    agent: str = ""
    """What the browser calls itself."""
    created_at: Instant
    seen_at: Instant
    expires_at: Instant


class UserStore(Protocol):
    """The people."""

    async def users(self) -> list[User]:
        """All, by name."""
        ...

    async def user(self, name: str) -> User | None:
        """One."""
        ...

    async def user_of(self, issuer: str, subject: str) -> User | None:
        """The one for whom this issuer vouches under this subject."""
        ...

    async def keep_user(self, user: User, *, new: bool, end_sessions: bool = False) -> bool:
        """Add a user (`new`), or replace one that is there; in the same transaction end this person's sessions.

        False, and nothing is written: the name (or issuer and subject) is taken, or there is no such user to replace.
        """
        ...

    async def remove_user(self, name: str) -> bool:
        """Forget a user with all tokens and sessions. False: there is none."""
        ...


class CredentialStore(Protocol):
    """What stands for people."""

    async def tokens(self, owner: str | None = None) -> list[ApiToken]:
        """Those of an owner, or all; oldest first."""
        ...

    async def token(self, digest: bytes) -> ApiToken | None:
        """The one with this digest."""
        ...

    async def add_token(self, token: ApiToken) -> bool:
        """Keep a new one. False, and nothing is written: its owner has one of that name."""
        ...

    async def remove_token(self, key: int) -> bool:
        """Forget one. False: there is none."""
        ...

    async def sessions(self, user: str | None = None) -> list[Session]:
        """Those of a user, or all; oldest first, also those that are over."""
        ...

    async def session(self, digest: bytes) -> Session | None:
        """The one with this digest."""
        ...

    async def add_session(self, session: Session) -> None:
        """Keep a new one."""
        ...

    async def end_sessions(self, keys: Sequence[int], over: Instant = 0) -> int:
        """Forget these, and those that were over at `over`. How many that were."""
        ...

    async def seen(self, tokens: Mapping[int, Instant], sessions: Mapping[int, Instant]) -> None:
        """Note when these were used last; what is gone stays gone."""
        ...


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries a list shows: the newest first, or with `above` the oldest first."""

    who: str | None = None
    action: str | None = None
    target: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    """Exclusive."""
    below: int | None = None
    """Cursor: keys smaller than this."""
    above: int | None = None
    limit: int = 100


class AuditLog(Protocol):
    """What was done. Entries are added and never changed; the oldest may be forgotten."""

    async def append(self, facts: Sequence[Fact]) -> None:
        """Add these in one transaction, each under the next key, with its hash (`model.audit.chained`)."""
        ...

    async def entries(self, wanted: AuditFilter) -> list[Entry]:
        """A page."""
        ...

    async def floor(self) -> tuple[int, bytes]:
        """Key and hash of the newest entry that has been forgotten; 0 and `START`: none has."""
        ...

    async def forget(self, before: Instant, limit: int) -> int:
        """Forget up to `limit` of the oldest entries, as far as all up to there are older. How many that were."""
        ...
