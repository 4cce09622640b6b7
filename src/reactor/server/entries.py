"""The paths beside the API's table, and who may come in there: nothing is answered that stands in neither."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Who(StrEnum):
    """Who may, where no role is asked for."""

    ANYONE = "anyone"
    """No credentials are asked for; nothing is told that is not for everybody."""
    LINK = "whoever has the link"
    """The address holds a token that is good for this one thing."""
    SENDERS = "anyone on this machine; elsewhere the role editor"
    READERS = "anyone on this machine; elsewhere the role viewer"
    CALLERS = "the role viewer; each call is checked again as one of the API's"
    FLOW = "whoever the flow's webhook lets in"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One path."""

    path: str
    """`{…}` stands for anything."""
    methods: tuple[str, ...]
    who: Who
    doc: str


_READ = ("GET", "HEAD")
ENTRIES = (
    Entry(path="/", methods=_READ, who=Who.ANYONE, doc="To the control room."),
    Entry(path="/ui", methods=_READ, who=Who.ANYONE, doc="To the control room."),
    Entry(path="/ui/{…}", methods=_READ, who=Who.ANYONE, doc="The control room; what it shows it asks of the API."),
    Entry(
        path="/login", methods=("GET", "POST"), who=Who.ANYONE, doc="Sign in: by a one-time link, a token, a password."
    ),
    Entry(path="/login/options", methods=_READ, who=Who.ANYONE, doc="Which ways to sign in there are."),
    Entry(path="/login/oidc", methods=("GET",), who=Who.ANYONE, doc="Sign in by OIDC: on to the issuer."),
    Entry(path="/login/oidc/callback", methods=("GET",), who=Who.ANYONE, doc="Back from the issuer."),
    Entry(path="/logout", methods=("POST",), who=Who.ANYONE, doc="End the session."),
    Entry(path="/health", methods=_READ, who=Who.ANYONE, doc="Whether it lives."),
    Entry(path="/ready", methods=_READ, who=Who.ANYONE, doc="Whether it takes events."),
    Entry(path="/openapi.json", methods=_READ, who=Who.ANYONE, doc="The description of the API."),
    Entry(path="/metrics", methods=_READ, who=Who.READERS, doc="Figures for Prometheus."),
    Entry(path="/approvals/{id}", methods=(*_READ, "POST"), who=Who.LINK, doc="One person decides one thing."),
    Entry(path="/mcp", methods=("POST",), who=Who.CALLERS, doc="Flows as tools: the Model Context Protocol."),
    Entry(path="/events", methods=("POST",), who=Who.SENDERS, doc="Events."),
    Entry(path="/webhook/{type}", methods=("POST",), who=Who.SENDERS, doc="An event of that type."),
    Entry(path="{a webhook's path}", methods=("any",), who=Who.FLOW, doc="What a `webhook` trigger claims."),
)


def entry(path: str) -> Entry:
    """The entry of a path that is written as in the table.

    Raises:
        KeyError: there is none, so nobody may.
    """
    return {one.path: one for one in ENTRIES}[path]
