"""The people: users with their roles, how they sign in, and what is refused so that nobody is locked out."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from reactor.engine.access.attempts import Attempts
from reactor.engine.access.passwords import Passwords
from reactor.model.access import ADMIN, Principal, Role
from reactor.model.clock import Clock
from reactor.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthorizedError
from reactor.stores.access import User, UserStore

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")
_MOST = 10_000


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an OIDC issuer says of somebody."""

    issuer: str
    subject: str
    name: str
    """What this person would be called here."""
    verified: bool
    """The name is an address of mail that the issuer has verified."""
    role: Role | None
    """By the claims; None: they say nothing of it."""


class People:
    """See the module."""

    def __init__(self, store: UserStore, clock: Clock, changed: Callable[[], None]) -> None:
        """`changed`: called after each change, so that nobody is believed to be what they were."""
        self._store = store
        self._clock = clock
        self._changed = changed
        self.passwords = Passwords()
        self.attempts = Attempts(clock)

    async def all(self) -> list[User]:
        """All, by name."""
        return await self._store.users()

    async def get(self, name: str) -> User:
        """One.

        Raises:
            NotFoundError: there is none.
        """
        found = await self._store.user(name_of(name))
        if found is None:
            raise NotFoundError(f"there is no user {name[:80]!r}; `reactor users list` shows who there is")
        return found

    async def add(self, name: str, role: Role, password: str | None = None) -> User:
        """A new user. Without a password this person signs in by OIDC, with this name as the verified address.

        Raises:
            InvalidError: the name or the password cannot be. ConflictError: the name is taken.
        """
        name = name_of(name)
        if len(await self._store.users()) >= _MOST:
            raise ConflictError(f"there are {_MOST} users already; that is the limit")
        hashed = None if password is None else await self.passwords.hashed(password, name)
        user = User(name=name, role=role, password=hashed, created_at=self._clock.now())
        if not await self._keep(user, new=True):
            raise ConflictError(f"there is a user {name!r} already")
        return user

    async def change(
        self,
        asker: Principal,
        name: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Another role or password, or to be let in no more (or again). The person's sessions end with it.

        Raises:
            NotFoundError: there is none. InvalidError: the password cannot be. ConflictError: it is the last admin.
        """
        old = await self.get(name)
        new = msgspec.structs.replace(
            old,
            role=old.role if role is None else role,
            disabled=old.disabled if disabled is None else disabled,
            password=old.password if password is None else await self.passwords.hashed(password, old.name),
        )
        if new == old:
            return old
        if not (new.role is Role.ADMIN and not new.disabled):
            await self._not_the_last(asker, old)
        if not await self._keep(new, new=False, end_sessions=True):
            raise NotFoundError(f"the user {name[:80]!r} has been removed meanwhile")
        return new

    async def remove(self, asker: Principal, name: str) -> User:
        """Forget a user with all tokens and sessions.

        Raises:
            NotFoundError: there is none. ConflictError: it is the last admin.
        """
        old = await self.get(name)
        await self._not_the_last(asker, old)
        await self._store.remove_user(old.name)
        self._changed()
        return old

    async def _keep(self, user: User, *, new: bool, end_sessions: bool = False) -> bool:
        kept = await self._store.keep_user(user, new=new, end_sessions=end_sessions)
        self._changed()
        return kept

    async def _not_the_last(self, asker: Principal, user: User) -> None:
        """Nobody but the admin token would be left: only whoever has that may do so."""
        if user.role is not Role.ADMIN or user.disabled or asker.has_admin_token:
            return
        others = [one for one in await self._store.users() if is_admin(one) and one.name != user.name]
        if not others:
            raise ConflictError(
                f"{user.name} is the last admin among the users; make another one first. Whoever has the admin token "
                "may do it all the same, and would be the only one left who can change this"
            )

    async def has_admin(self) -> bool:
        """Whether a user is there who may do everything."""
        return any(is_admin(user) for user in await self._store.users())

    # --- signing in -------------------------------------------------------------------------------------------------

    async def by_password(self, name: str, password: str, address: str) -> User:
        """Whose name and password these are.

        Raises:
            UnauthorizedError: nobody's; it does not say which of the two is wrong. TooManyError: wait. BusyError.
        """
        name = name.strip().lower()[:256]
        self.attempts.check(name, address)
        self.attempts.failed(name, address)
        user = await self._store.user(name) if _NAME.fullmatch(name) else None
        hashed = user.password if user is not None and not user.disabled else None
        fits, old = await self.passwords.fits(hashed, password)
        if user is None or not fits:
            raise UnauthorizedError("the name or the password is wrong")
        self.attempts.succeeded(name, address)
        if old:
            await self._keep(
                msgspec.structs.replace(user, password=await self.passwords.hashed(password, "")), new=False
            )
        return user

    async def change_own(self, name: str, old: str, new: str, address: str) -> User:
        """Another password, by whoever knows the one that is.

        Raises:
            UnauthorizedError: the old one is wrong. InvalidError: the new one cannot be. TooManyError, BusyError.
        """
        user = await self.get(name)
        if user.password is None:
            raise ConflictError(f"{user.name} has no password here, but signs in by {user.issuer or 'OIDC'}")
        await self.by_password(name, old, address)
        if old == new:
            raise InvalidError("the new password is the old one")
        changed = msgspec.structs.replace(user, password=await self.passwords.hashed(new, user.name))
        await self._keep(changed, new=False)
        return changed

    async def by_claims(self, claims: Claims, default: Role | None) -> User:
        """The user for whom an issuer vouches; a new one at first, with the role of the claims or the default.

        Raises:
            ForbiddenError: disabled, no role, or the name is another's.
        """
        user = await self._store.user_of(claims.issuer, claims.subject)
        if user is None:
            user = await self._invited(claims)
        if user is None:
            return await self._newcomer(claims, default)
        if user.disabled:
            raise ForbiddenError(f"{user.name} is not let in any more; ask an admin")
        if claims.role is not None and claims.role is not user.role:
            user = msgspec.structs.replace(user, role=claims.role)
            await self._keep(user, new=False, end_sessions=True)
        return user

    async def _invited(self, claims: Claims) -> User | None:
        """A user that an admin has added without a password, for whoever has this address."""
        user = await self._store.user(claims.name) if _NAME.fullmatch(claims.name) else None
        if user is None or user.password is not None or user.issuer is not None or not claims.verified:
            return None
        user = msgspec.structs.replace(user, issuer=claims.issuer, subject=claims.subject)
        return user if await self._keep(user, new=False) else None

    async def _newcomer(self, claims: Claims, default: Role | None) -> User:
        role = claims.role or default
        if role is None:
            raise ForbiddenError(f"{claims.name[:80]} has no role here; ask an admin")
        try:
            name = name_of(claims.name)
        except InvalidError as error:
            raise ForbiddenError(f"the issuer calls this person {claims.name[:80]!r}: {error.message}") from None
        user = User(name=name, role=role, created_at=self._clock.now(), issuer=claims.issuer, subject=claims.subject)
        if len(await self._store.users()) >= _MOST or not await self._keep(user, new=True):
            raise ForbiddenError(
                f"there is a user {name!r} already who is somebody else to this server (a password, another "
                "identity, or an address that the issuer has not verified); ask an admin"
            )
        return user


def name_of(text: str) -> str:
    """A user's name as it is kept.

    Raises:
        InvalidError: it cannot be one.
    """
    name = text.strip().lower()
    if name == ADMIN.name:
        raise InvalidError(f"{ADMIN.name!r} is who has the admin token; give the user another name")
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f"{text[:80]!r} cannot be a user's name: 1 to 128 of a-z 0-9 . _ @ + -, the first a letter or digit; an "
            "address of mail is a good one"
        )
    return name


def is_admin(user: User) -> bool:
    """Whether this one may do everything, and is let in."""
    return user.role is Role.ADMIN and not user.disabled
