"""What stands for people: sessions of browsers and tokens of the API. What is sent is random; its digest is kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
from collections import OrderedDict

from reactor.engine.access.people import name_of
from reactor.model import ids
from reactor.model.access import ADMIN, Principal, Role
from reactor.model.clock import Clock, Instant
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, StoreError
from reactor.stores.access import ApiToken, CredentialStore, Session, UserStore

PREFIX = "rct_"
"""What tokens begin with, so that scanners of repositories find them."""
SESSION = 30 * 86_400_000
"""Milliseconds that a sign-in lasts."""
_SECRET = 32
_MOST_SESSIONS, _MOST_TOKENS = 100, 200
"""Of one person."""
_NEVER = 1 << 62
_FRESH = 5_000
"""Milliseconds that what was found is believed. Changes of this process are seen at once."""
_MOST_KNOWN = 4_096
_NOTE = 60.0
"""Seconds between two notes of when something was used."""
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")
_AGENT = 200


class Credentials:
    """See the module."""

    def __init__(self, store: CredentialStore, users: UserStore, clock: Clock, instance: int) -> None:
        self._store = store
        self._users = users
        self._clock = clock
        self._ids = ids.IdMaker(clock, instance)
        self._known: OrderedDict[bytes, tuple[Instant, Principal | None, Instant]] = OrderedDict()
        """Digest → (until when it is believed, who it is, when it is over)."""
        self._changes = 0
        self._used: tuple[dict[int, Instant], dict[int, Instant]] = ({}, {})
        self._noting: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Something of people or credentials has changed: believe nothing that was found before."""
        self._changes += 1
        self._known.clear()

    # --- who it is --------------------------------------------------------------------------------------------------

    async def of_token(self, text: str) -> Principal | None:
        """Who has this token, as long as it is good."""
        return await self._of(_digest(text), b"", token=True)

    async def of_session(self, value: str, stamp: bytes) -> Principal | None:
        """Who has this cookie, as long as it is good. `stamp`: see `Session.stamp`."""
        return await self._of(_digest(value), stamp, token=False)

    async def _of(self, digest: bytes, stamp: bytes, *, token: bool) -> Principal | None:
        now = self._clock.now()
        found = self._known.get(digest)
        if found is None or found[0] <= now:
            changes = self._changes
            who, over = await (self._token(digest) if token else self._session(digest, stamp))
            found = (now + _FRESH, who, over)
            if changes == self._changes:  # else it may be of before
                self._known[digest] = found
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
        _, who, over = found
        if who is None or over <= now:
            return None
        self._note(who, now, token=token)
        return who

    async def _token(self, digest: bytes) -> tuple[Principal | None, Instant]:
        token = await self._store.token(digest)
        if token is None:
            return None, 0
        owner = await self._owner(token.owner)
        if owner is None:
            return None, 0
        over = _NEVER if token.expires_at is None else token.expires_at
        return Principal(
            name=f"token:{token.name}",
            role=min(token.role, owner, key=lambda role: role.rank),
            via="api_token",
            person=token.owner,
            credential=token.key,
            scopes=token.scopes,
            flows=token.flows,
        ), over

    async def _session(self, digest: bytes, stamp: bytes) -> tuple[Principal | None, Instant]:
        session = await self._store.session(digest)
        if session is None or (not session.user and session.stamp != stamp):
            return None, 0
        role = await self._owner(session.user)
        if role is None:
            return None, 0
        name = session.user or ADMIN.name
        who = Principal(name=name, role=role, via="session", person=session.user, credential=session.key)
        return who, session.expires_at

    async def _owner(self, name: str) -> Role | None:
        """The role of a user who is let in."""
        if not name:
            return Role.ADMIN
        user = await self._users.user(name)
        return None if user is None or user.disabled else user.role

    # --- when it was used -------------------------------------------------------------------------------------------

    def _note(self, who: Principal, now: Instant, *, token: bool) -> None:
        if who.credential is not None:
            self._used[0 if token else 1][who.credential] = now
            if self._noting is None or self._noting.done():
                self._noting = asyncio.get_running_loop().create_task(self._write_later())

    async def _write_later(self) -> None:
        await asyncio.sleep(_NOTE)
        await self.flush()

    async def flush(self) -> None:
        """Write when what was used. Lost when it cannot be: it is not worth waiting for."""
        tokens, sessions = self._used
        self._used = ({}, {})
        if tokens or sessions:
            with contextlib.suppress(StoreError):
                await self._store.seen(tokens, sessions)

    async def close(self) -> None:
        """Write what is left."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.wait({self._noting})
        await self.flush()

    # --- sessions ---------------------------------------------------------------------------------------------------

    async def begin(self, user: str, via: str, address: str, agent: str, stamp: bytes = b"") -> tuple[str, Session]:
        """A new session, and the value of its cookie. The oldest of somebody who has very many end."""
        now = self._clock.now()
        value = secrets.token_urlsafe(_SECRET)
        session = Session(
            key=self._ids.next(), digest=_digest(value), user=user, via=via, stamp=stamp, address=address,
            agent=_printable(agent), created_at=now, seen_at=now, expires_at=now + SESSION,
        )  # fmt: skip
        there = await self._store.sessions(user)
        await self._store.end_sessions([one.key for one in there[: -(_MOST_SESSIONS - 1)]], over=now)
        await self._store.add_session(session)
        self.changed()
        return value, session

    async def sessions(self, user: str | None) -> list[Session]:
        """Those that are not over: of a user, or all."""
        now = self._clock.now()
        await self.flush()
        return [one for one in await self._store.sessions(user) if one.expires_at > now]

    async def end(self, keys: list[int]) -> int:
        """End these sessions."""
        gone = await self._store.end_sessions(keys)
        self.changed()
        return gone

    # --- tokens -----------------------------------------------------------------------------------------------------

    async def make(
        self,
        asker: Principal,
        name: str,
        role: Role,
        *,
        expires_at: Instant | None = None,
        scopes: tuple[str, ...] = (),
        flows: tuple[str, ...] = (),
    ) -> tuple[str, ApiToken]:
        """A new token of whoever asks; the text is told this once.

        Raises:
            InvalidError: the name, role or time cannot be. ConflictError: there is one of that name.
        """
        if not _LABEL.fullmatch(name):
            raise InvalidError(f"{name[:80]!r} cannot be a token's name: 1 to 64 letters, digits and . _ - or blanks")
        if not asker.role.covers(role):
            raise InvalidError(f"a token may do no more than who makes it: at most {asker.role}, not {role}")
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidError("the token would be over before it begins; `expires_at` is a time to come")
        if len(await self._store.tokens(asker.person)) >= _MOST_TOKENS:
            raise ConflictError(f"there are {_MOST_TOKENS} tokens already; revoke some that are not used")
        text = PREFIX + secrets.token_urlsafe(_SECRET)
        token = ApiToken(
            key=self._ids.next(), digest=_digest(text), name=name, owner=asker.person, role=role, created_at=now,
            scopes=scopes, flows=flows, expires_at=expires_at,
        )  # fmt: skip
        if not await self._store.add_token(token):
            raise ConflictError(f"there is a token {name!r} already; revoke it first, or give another name")
        return text, token

    async def tokens(self, owner: str | None) -> list[ApiToken]:
        """Those of an owner, or all."""
        await self.flush()
        return await self._store.tokens(None if owner is None else owner and name_of(owner))

    async def revoke(self, key: int, owner: str | None) -> ApiToken:
        """A token that is good no more: one of this owner's, or any.

        Raises:
            NotFoundError: there is none such.
        """
        found = next((one for one in await self._store.tokens(owner) if one.key == key), None)
        if found is None or not await self._store.remove_token(key):
            raise NotFoundError("there is no such token; `reactor tokens list` shows those that there are")
        self.changed()
        return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _printable(text: str) -> str:
    return "".join(letter for letter in text[:_AGENT] if letter.isprintable() and not "\ud800" <= letter <= "\udfff")
