"""Who is asking, users, tokens of the API, sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from reactor.engine.access.access import Access
from reactor.model import ids
from reactor.model.access import ADMIN, Role
from reactor.model.clock import from_iso, to_iso
from reactor.model.durations import parse as duration
from reactor.model.errors import ForbiddenError, InvalidError, NotFoundError
from reactor.server import access_shapes, reach, shapes
from reactor.server.problems import Problem
from reactor.server.table import Call, Page, cursor_of, delete, get, patch, post, put
from reactor.stores.access import ApiToken, Session, User

T = TypeVar("T")


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to add."""

    name: str
    role: Role = Role.VIEWER
    password: str | None = None
    """Without one this person signs in by OIDC, with this name as the address that the issuer has verified."""


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed of a user; what is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another password of one's own."""

    old: str
    new: str


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make."""

    name: str
    role: Role = Role.VIEWER
    expires: str | None = None
    """A time, or how long from now (`90d`); left out: never."""
    scopes: list[str] = []
    """Parts of the API, and `ingest` for the doors of events; none: all that the role may."""
    flows: list[str] = []
    """Flows that it is for, `*` standing for any characters; none: all."""


class OwnedQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose."""

    user: str | None = None
    """Only this user's (`admin`: those of the admin token). Others than admins see their own anyway."""


def _access(call: Call) -> Access:
    if call.engine.access is None:
        raise Problem(503, "this server keeps no users")
    return call.engine.access


@get("/api/v1/me", access_shapes.Me)
async def me(call: Call) -> Any:
    """Who is asking: name, role, and how they came in."""
    who = call.who
    user = await _access(call).people.get(who.person) if who.person else None
    return {
        "name": who.name,
        "role": who.role,
        "via": who.via,
        "user": who.person or None,
        "session": ids.to_text("ses", who.credential or 0) if who.via == "session" else None,
        "password": user is not None and user.password is not None,
        "scopes": list(who.scopes),
        "flows": list(who.flows),
    }


@put("/api/v1/me/password", access_shapes.UserShape, body=PasswordChange, role=Role.VIEWER)
async def password(call: Call) -> Any:
    """Change one's own password. One's other sessions end."""
    access, who = _access(call), call.who
    if who.via != "session" or not who.person:
        raise ForbiddenError("a user changes the own password, signed in; an admin sets that of others")
    others = [one.key for one in await access.credentials.sessions(who.person) if one.key != who.credential]
    user = await access.people.change_own(who.person, call.body.old, call.body.new, call.address)
    await access.credentials.end(others)
    call.target = who.person
    return user_view(user)


# --- users -----------------------------------------------------------------------------------------------------------


@get("/api/v1/users", shapes.Listed[access_shapes.UserShape], query=Page, role=Role.ADMIN)
async def users(call: Call) -> Any:
    """Users, by name."""
    query: Page = call.query
    found = [one for one in await _access(call).people.all() if query.cursor is None or one.name > query.cursor]
    return _paged(found, query.limit, lambda one: one.name, user_view)


@post("/api/v1/users", access_shapes.UserShape, body=NewUser, status=201, role=Role.ADMIN)
async def add_user(call: Call) -> Any:
    """Add a user: with a password, or for OIDC without one."""
    body: NewUser = call.body
    call.target = body.name
    call.details |= {"role": body.role, "password": body.password is not None}
    return user_view(await _access(call).people.add(body.name, body.role, body.password))


@patch("/api/v1/users/{name}", access_shapes.UserShape, body=UserChange, role=Role.ADMIN)
async def change_user(call: Call) -> Any:
    """Change a user's role or password, or let them in no more. Their sessions end."""
    body: UserChange = call.body
    call.details |= {"role": body.role, "disabled": body.disabled, "password": body.password is not None or None}
    return user_view(
        await _access(call).people.change(
            call.who, call.params["name"], role=body.role, disabled=body.disabled, password=body.password
        )
    )


@delete("/api/v1/users/{name}", access_shapes.UserShape, role=Role.ADMIN)
async def remove_user(call: Call) -> Any:
    """Forget a user with all tokens and sessions; the answer is who it was."""
    return user_view(await _access(call).people.remove(call.who, call.params["name"]))


# --- tokens ----------------------------------------------------------------------------------------------------------


@get("/api/v1/tokens", shapes.Listed[access_shapes.TokenShape], query=OwnedQuery)
async def tokens(call: Call) -> Any:
    """One's own tokens; admins see everybody's."""
    query: OwnedQuery = call.query
    after = cursor_of("tok", query.cursor) or 0
    found = [one for one in await _access(call).credentials.tokens(_whose(call)) if one.key > after]
    return _paged(found, query.limit, lambda one: ids.to_text("tok", one.key), _token)


@post("/api/v1/tokens", access_shapes.TokenMade, body=NewToken, status=201, role=Role.VIEWER, audited=True)
async def make_token(call: Call) -> Any:
    """Make a token of one's own. It is told this once, and kept as a digest only."""
    body: NewToken = call.body
    if call.who.via == "api_token":
        raise ForbiddenError("a token makes no tokens; sign in, or use the admin token")
    call.target = body.name
    call.details |= {"role": body.role, "expires": body.expires, "scopes": body.scopes, "flows": body.flows}
    from reactor.server.api import LINES  # noqa: PLC0415 - the table holds this line, too

    reach.check_scopes(body.scopes, reach.scopes(LINES))
    if any(not flow.strip() for flow in body.flows):
        raise InvalidError("flows: give names of flows, in which `*` stands for any characters")
    text, token = await _access(call).credentials.make(
        call.who, body.name, body.role, expires_at=_expiry(call, body.expires), scopes=tuple(body.scopes),
        flows=tuple(body.flows),
    )  # fmt: skip
    return {**_token(token), "token": text}


@delete("/api/v1/tokens/{id}", access_shapes.TokenShape, role=Role.VIEWER)
async def revoke_token(call: Call) -> Any:
    """Revoke one of one's own tokens; admins any. The answer is what it was."""
    key = ids.from_text("tok", call.params["id"]) or 0
    token = await _access(call).credentials.revoke(key, _whose(call))
    call.details |= {"name": token.name, "owner": token.owner or ADMIN.name}
    return _token(token)


def _expiry(call: Call, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        pass
    try:
        return call.engine.clock.now() + int(duration(text))
    except (ValueError, InvalidError):
        raise InvalidError(f"expires: {text[:60]!r} is neither RFC 3339 nor a duration (90d)") from None


# --- sessions --------------------------------------------------------------------------------------------------------


@get("/api/v1/sessions", shapes.Listed[access_shapes.SessionShape], query=OwnedQuery)
async def sessions(call: Call) -> Any:
    """Browsers in which one is signed in; admins see everybody's."""
    query: OwnedQuery = call.query
    after = cursor_of("ses", query.cursor) or 0
    found = [one for one in await _access(call).credentials.sessions(_whose(call)) if one.key > after]
    return _paged(found, query.limit, lambda one: ids.to_text("ses", one.key), lambda one: _session(call, one))


@delete("/api/v1/sessions/{id}", access_shapes.SessionShape, role=Role.VIEWER)
async def end_session(call: Call) -> Any:
    """End one of one's own sessions; admins any. The answer is what it was."""
    key = ids.from_text("ses", call.params["id"])
    found = next((one for one in await _access(call).credentials.sessions(_whose(call)) if one.key == key), None)
    if found is None:
        raise NotFoundError("there is no such session; it may have ended already")
    await _access(call).credentials.end([found.key])
    call.details |= {"user": found.user or ADMIN.name}
    return _session(call, found)


# --- as they are shown -----------------------------------------------------------------------------------------------


def _whose(call: Call) -> str | None:
    """Whose things are meant: None for everybody's, which is for admins."""
    asked = getattr(call.query, "user", None)
    if call.who.may(Role.ADMIN):
        return "" if asked == ADMIN.name else asked
    if asked is not None and asked != call.who.person:
        raise ForbiddenError(f"this needs the role {Role.ADMIN}; {call.who.name} is {call.who.role}")
    return call.who.person


def _paged(found: Sequence[T], limit: int, cursor: Callable[[T], str], shown: Callable[[T], Any]) -> Any:
    there = found[:limit]
    return {"items": [shown(one) for one in there], "next": cursor(there[-1]) if len(found) > limit else None}


def user_view(user: User) -> dict[str, Any]:
    """A user as every door shows one."""
    return {
        "name": user.name,
        "role": user.role,
        "disabled": user.disabled,
        "password": user.password is not None,
        "issuer": user.issuer,
        "created_at": to_iso(user.created_at),
    }


def _token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": ids.to_text("tok", token.key),
        "name": token.name,
        "owner": token.owner or ADMIN.name,
        "role": token.role,
        "scopes": list(token.scopes),
        "flows": list(token.flows),
        "created_at": to_iso(token.created_at),
        "expires_at": None if token.expires_at is None else to_iso(token.expires_at),
        "used_at": None if token.used_at is None else to_iso(token.used_at),
    }


def _session(call: Call, session: Session) -> dict[str, Any]:
    return {
        "id": ids.to_text("ses", session.key),
        "user": session.user or ADMIN.name,
        "via": session.via,
        "address": session.address,
        "agent": session.agent,
        "created_at": to_iso(session.created_at),
        "seen_at": to_iso(session.seen_at),
        "expires_at": to_iso(session.expires_at),
        "current": call.who.via == "session" and call.who.credential == session.key,
    }


LINES = (
    me, password, users, add_user, change_user, remove_user, tokens, make_token, revoke_token, sessions, end_session,
)  # fmt: skip
