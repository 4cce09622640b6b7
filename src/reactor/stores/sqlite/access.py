"""People, what stands for them, and the audit log, in the store's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from reactor.model.access import Role
from reactor.model.audit import Entry, Fact, chained
from reactor.model.clock import Instant
from reactor.stores.access import ApiToken, AuditFilter, Session, User
from reactor.stores.sqlite.rows import from_text, to_text

T = TypeVar("T")
_USER = "SELECT name, role, created_at, password, disabled, issuer, subject FROM users"
_TOKEN = "SELECT key, digest, name, owner, role, created_at, more, expires_at, used_at FROM tokens"  # noqa: S105 - no token
_SESSION = "SELECT key, digest, user, via, stamp, address, agent, created_at, seen_at, expires_at FROM sessions"
_ENTRY = "SELECT key, at, who, via, address, action, target, status, details, hash FROM audit"
_ADD_USER = """INSERT INTO users (name, role, created_at, password, disabled, issuer, subject)
 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_CHANGE_USER = """UPDATE OR IGNORE users SET role = ?2, created_at = ?3, password = ?4, disabled = ?5, issuer = ?6,
 subject = ?7 WHERE name = ?1"""
_ADD_TOKEN = """INSERT INTO tokens (key, digest, name, owner, role, created_at, more, expires_at, used_at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""  # noqa: S105 - SQL
_ADD_SESSION = """INSERT INTO sessions
 (key, digest, user, via, stamp, address, agent, created_at, seen_at, expires_at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ADD_ENTRY = """INSERT INTO audit (key, at, who, via, address, action, target, status, details, hash)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_FLOOR = "SELECT key, hash FROM audit_floor"
_OLDEST = "SELECT key, at, hash FROM audit ORDER BY key LIMIT ?"


class _Thread(Protocol):
    """A thread with a connection."""

    def call(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """Run it there."""
        ...


class AccessTables:
    """`UserStore`, `CredentialStore` and `AuditLog`: a part of `SqliteStore`."""

    @property
    def _write(self) -> _Thread:
        raise NotImplementedError

    @property
    def _read(self) -> _Thread:
        raise NotImplementedError

    # --- people -----------------------------------------------------------------------------------------------------

    async def users(self) -> list[User]:
        return await self._read.call(lambda c: [_to_user(row) for row in c.execute(f"{_USER} ORDER BY name")])

    async def user(self, name: str) -> User | None:
        return await self._one(f"{_USER} WHERE name = ?", (from_text(name),), _to_user)

    async def user_of(self, issuer: str, subject: str) -> User | None:
        values = (from_text(issuer), from_text(subject))
        return await self._one(f"{_USER} WHERE issuer = ? AND subject = ?", values, _to_user)

    async def keep_user(self, user: User, *, new: bool, end_sessions: bool = False) -> bool:
        values = (
            from_text(user.name), user.role.value, user.created_at, _text(user.password), user.disabled,
            _text(user.issuer), _text(user.subject),
        )  # fmt: skip

        def keep(connection: sqlite3.Connection) -> bool:
            connection.execute("BEGIN IMMEDIATE")
            done = connection.execute(_ADD_USER if new else _CHANGE_USER, values).rowcount > 0
            if done and end_sessions:
                connection.execute("DELETE FROM sessions WHERE user = ?", (values[0],))
            connection.execute("COMMIT")
            return done

        return await self._write.call(keep)

    async def remove_user(self, name: str) -> bool:
        def remove(connection: sqlite3.Connection) -> bool:
            values = (from_text(name),)
            connection.execute("BEGIN IMMEDIATE")
            done = connection.execute("DELETE FROM users WHERE name = ?", values).rowcount > 0
            if done:
                connection.execute("DELETE FROM tokens WHERE owner = ?", values)
                connection.execute("DELETE FROM sessions WHERE user = ?", values)
            connection.execute("COMMIT")
            return done

        return await self._write.call(remove)

    # --- what stands for them ---------------------------------------------------------------------------------------

    async def tokens(self, owner: str | None = None) -> list[ApiToken]:
        return await self._owned(_TOKEN, "owner", owner, _to_token)

    async def token(self, digest: bytes) -> ApiToken | None:
        return await self._one(f"{_TOKEN} WHERE digest = ?", (digest,), _to_token)

    async def add_token(self, token: ApiToken) -> bool:
        values = (
            token.key, token.digest, from_text(token.name), from_text(token.owner), token.role.value, token.created_at,
            msgspec.json.encode((token.scopes, token.flows)), token.expires_at, token.used_at,
        )  # fmt: skip
        return await self._write.call(lambda connection: connection.execute(_ADD_TOKEN, values).rowcount > 0)

    async def remove_token(self, key: int) -> bool:
        return await self._write.call(lambda c: c.execute("DELETE FROM tokens WHERE key = ?", (key,)).rowcount > 0)

    async def sessions(self, user: str | None = None) -> list[Session]:
        return await self._owned(_SESSION, "user", user, _to_session)

    async def session(self, digest: bytes) -> Session | None:
        return await self._one(f"{_SESSION} WHERE digest = ?", (digest,), _to_session)

    async def add_session(self, session: Session) -> None:
        values = (
            session.key, session.digest, from_text(session.user), session.via, session.stamp,
            from_text(session.address), from_text(session.agent), session.created_at, session.seen_at,
            session.expires_at,
        )  # fmt: skip
        await self._write.call(lambda connection: connection.execute(_ADD_SESSION, values).rowcount)

    async def end_sessions(self, keys: Sequence[int], over: Instant = 0) -> int:
        def end(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            gone = connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (over,)).rowcount
            for key in keys:
                gone += connection.execute("DELETE FROM sessions WHERE key = ?", (key,)).rowcount
            connection.execute("COMMIT")
            return gone

        return await self._write.call(end)

    async def seen(self, tokens: Mapping[int, Instant], sessions: Mapping[int, Instant]) -> None:
        def note(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            for key, at in tokens.items():
                connection.execute("UPDATE tokens SET used_at = ? WHERE key = ?", (at, key))
            for key, at in sessions.items():
                connection.execute("UPDATE sessions SET seen_at = ? WHERE key = ?", (at, key))
            connection.execute("COMMIT")

        await self._write.call(note)

    # --- the audit log ----------------------------------------------------------------------------------------------

    async def append(self, facts: Sequence[Fact]) -> None:
        def add(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            newest = connection.execute("SELECT key, hash FROM audit ORDER BY key DESC LIMIT 1").fetchone()
            key, before = newest or connection.execute(_FLOOR).fetchone()
            for fact in facts:
                key += 1
                before = chained(before, key, fact)
                connection.execute(_ADD_ENTRY, (key, *_columns(fact), before))
            connection.execute("COMMIT")

        await self._write.call(add)

    async def entries(self, wanted: AuditFilter) -> list[Entry]:
        terms, values = _terms(wanted)
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        order = "" if wanted.above is not None else " DESC"
        query = f"{_ENTRY}{where} ORDER BY key{order} LIMIT ?"
        values.append(max(wanted.limit, 0))
        return await self._read.call(lambda connection: [_to_entry(row) for row in connection.execute(query, values)])

    async def floor(self) -> tuple[int, bytes]:
        key, hash_ = await self._read.call(lambda connection: connection.execute(_FLOOR).fetchone())
        return int(key), bytes(hash_)

    async def forget(self, before: Instant, limit: int) -> int:
        def drop(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            gone, floor = 0, None
            for key, at, hash_ in connection.execute(_OLDEST, (max(limit, 0),)).fetchall():
                if at >= before:
                    break
                gone, floor = gone + 1, (key, hash_)
            if floor is not None:
                connection.execute("UPDATE audit_floor SET key = ?, hash = ?", floor)
                connection.execute("DELETE FROM audit WHERE key <= ?", (floor[0],))
            connection.execute("COMMIT")
            return gone

        return await self._write.call(drop)

    # --- parts of it ------------------------------------------------------------------------------------------------

    async def _one(self, query: str, values: Sequence[Any], made: Callable[[Sequence[Any]], T]) -> T | None:
        def ask(connection: sqlite3.Connection) -> T | None:
            row = connection.execute(query, values).fetchone()
            return made(row) if row is not None else None

        return await self._read.call(ask)

    async def _owned(self, query: str, column: str, owner: str | None, made: Callable[[Sequence[Any]], T]) -> list[T]:
        where, values = ("", ()) if owner is None else (f" WHERE {column} = ?", (from_text(owner),))
        query = f"{query}{where} ORDER BY key"
        return await self._read.call(lambda connection: [made(row) for row in connection.execute(query, values)])


def _text(value: str | None) -> str | bytes | None:
    return None if value is None else from_text(value)


def _plain(value: bytes | None) -> str | None:
    return None if value is None else to_text(value)


def _to_user(row: Sequence[Any]) -> User:
    name, role, created_at, password, disabled, issuer, subject = row
    return User(
        name=to_text(name), role=Role(to_text(role)), created_at=created_at, password=_plain(password),
        disabled=bool(disabled), issuer=_plain(issuer), subject=_plain(subject),
    )  # fmt: skip


def _to_token(row: Sequence[Any]) -> ApiToken:
    key, digest, name, owner, role, created_at, more, expires_at, used_at = row
    scopes, flows = msgspec.json.decode(more)
    return ApiToken(
        key=key, digest=digest, name=to_text(name), owner=to_text(owner), role=Role(to_text(role)),
        created_at=created_at, scopes=tuple(scopes), flows=tuple(flows), expires_at=expires_at, used_at=used_at,
    )  # fmt: skip


def _to_session(row: Sequence[Any]) -> Session:
    key, digest, user, via, stamp, address, agent, created_at, seen_at, expires_at = row
    return Session(
        key=key, digest=digest, user=to_text(user), via=to_text(via), stamp=stamp, address=to_text(address),
        agent=to_text(agent), created_at=created_at, seen_at=seen_at, expires_at=expires_at,
    )  # fmt: skip


def _columns(fact: Fact) -> tuple[Any, ...]:
    return tuple(from_text(value) if isinstance(value, str) else value for value in msgspec.structs.astuple(fact))


def _to_entry(row: Sequence[Any]) -> Entry:
    key, at, who, via, address, action, target, status, details, hash_ = row
    fact = Fact(
        at=at, who=to_text(who), via=to_text(via), address=to_text(address), action=to_text(action),
        target=to_text(target), status=status, details=to_text(details),
    )  # fmt: skip
    return Entry(key=key, fact=fact, hash=bytes(hash_))


def _terms(wanted: AuditFilter) -> tuple[list[str], list[Any]]:
    asked = (
        ("who = ?", _text(wanted.who)),
        ("action = ?", _text(wanted.action)),
        ("target = ?", _text(wanted.target)),
        ("at >= ?", wanted.since),
        ("at < ?", wanted.until),
        ("key < ?", wanted.below),
        ("key > ?", wanted.above),
    )
    given = [(term, value) for term, value in asked if value is not None]
    return [term for term, _ in given], [value for _, value in given]
