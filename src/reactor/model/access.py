"""Who may do what: four roles, each of which may do all that the one before it may.

The ladder is Airflow's (viewer < user < op < admin), for whoever changes flows may make them do anything that their
connections can, and whoever changes connections may do more.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    """Look at everything but secrets, people and the audit log."""
    EDITOR = "editor"
    """Also change flows, start them, and act on their runs and approvals."""
    OPERATOR = "operator"
    """Also connections, secrets, dead letters, triggers, alerts, and many runs at once."""
    ADMIN = "admin"
    """Also people, tokens of others, and the audit log."""

    @property
    def rank(self) -> int:
        """0 for the one who may do least."""
        return _LADDER.index(self)

    def covers(self, needed: Role) -> bool:
        """Whether it may do what `needed` may."""
        return self.rank >= needed.rank


_LADDER = tuple(Role)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking."""

    name: str
    """A user's name; `admin` for the admin token, `token:NAME` for one of the API's."""
    role: Role
    via: str
    """`token` (the admin token), `session`, `api_token`."""
    person: str = ""
    """Name of the user who is asking, or for whom a token does; empty: whoever has the admin token."""
    credential: int | None = None
    """Key of the session or token."""
    scopes: tuple[str, ...] = ()
    """Parts of the API that a token is good for; none: all."""
    flows: tuple[str, ...] = ()
    """Flows that a token is good for, `*` standing for any characters; none: all."""

    def may(self, needed: Role) -> bool:
        """Whether the role is enough."""
        return self.role.covers(needed)

    @property
    def has_admin_token(self) -> bool:
        """Whether it is nobody in particular, who has the admin token (or came by its link)."""
        return not self.person and self.via != "api_token"


ADMIN = Principal(name="admin", role=Role.ADMIN, via="token")
"""Who has the admin token, or came by the link that is shown at the start."""
