"""The shapes of people, tokens, sessions and the audit log in the API's JSON."""

from __future__ import annotations

from typing import Any

from reactor.model.access import Role
from reactor.server.trigger_shapes import Shape


class Me(Shape):
    """Who is asking."""

    name: str
    """A user's name; `admin` for whoever has the admin token; `token:NAME` for a token of the API."""
    role: Role
    via: str
    """`token` (the admin token), `session`, `api_token`."""
    user: str | None
    """The user that this is, or for whom a token stands; null: nobody in particular."""
    session: str | None
    """Id of this session, where it is one."""
    password: bool
    """This user has a password, which `PUT /api/v1/me/password` changes."""
    scopes: list[str]
    flows: list[str]


class UserShape(Shape):
    """A user."""

    name: str
    role: Role
    disabled: bool
    password: bool
    """Signs in by a password."""
    issuer: str | None
    """Signs in by this OIDC issuer."""
    created_at: str


class TokenShape(Shape):
    """A token of the API, without itself."""

    id: str
    name: str
    owner: str
    """A user's name, or `admin`."""
    role: Role
    """It may do no more than this, nor than its owner."""
    scopes: list[str]
    flows: list[str]
    created_at: str
    expires_at: str | None
    used_at: str | None
    """To the minute."""


class TokenMade(TokenShape):
    """A new token: the only time that it is told."""

    token: str


class SessionShape(Shape):
    """A browser that somebody has signed in with."""

    id: str
    user: str
    """A user's name, or `admin`."""
    via: str
    """`password`, `oidc`, `token`, `link`."""
    address: str
    agent: str
    """What the browser calls itself."""
    created_at: str
    seen_at: str
    """To the minute."""
    expires_at: str
    current: bool
    """It is the one that asks."""


class AuditShape(Shape):
    """An entry of the audit log."""

    id: int
    """1, 2, 3, … without a gap."""
    at: str
    who: str
    via: str
    address: str
    action: str
    target: str
    status: int
    details: dict[str, Any]
    hash: str


class VerifiedShape(Shape):
    """What reading the whole audit log found."""

    entries: int
    first: int | None
    last: int | None
    head: str
    """Hash of the newest entry: keep it elsewhere, and ask later whether it is still there (`head`)."""
    broken_at: int | None
    """The first entry that is not what was written, or follows a gap; null: all is well."""
    known: bool | None
    """Whether the hash that was asked for is in the log; null: none was."""
