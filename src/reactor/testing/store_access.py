"""The part of the store's suite that is about people, what stands for them, and the audit log."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from reactor.model.access import Role
from reactor.model.audit import START, Entry, Fact, chained
from reactor.stores.access import ApiToken, AuditFilter, Session, User
from reactor.testing.store_kit import Opened, same

_HARD = (
    "plain",
    "ünïcödé 🎉",
    "nul\0inside",
    "quote\" back\\slash 'single'",
    "%_*?",
    "line\nbreak\u2028",
    "x" * 10_000,
)


class PeopleSuite:
    """Users, tokens and sessions."""

    async def test_users_come_change_and_go(self, opened: Opened) -> None:
        store = opened.store
        ann, bob = user("ann", password="hash"), user("bob", issuer="https://id", subject="7")  # noqa: S106 - no password
        same([await store.keep_user(one, new=True) for one in (bob, ann)], [True, True])
        same(await store.users(), [ann, bob])
        same([await store.user("ann"), await store.user("Ann"), await store.user("")], [ann, None, None])
        same([await store.user_of("https://id", "7"), await store.user_of("https://other", "7")], [bob, None])
        changed = msgspec.structs.replace(ann, role=Role.ADMIN, disabled=True, password=None)
        same(await store.keep_user(changed, new=False), True)
        same(await store.user("ann"), changed)
        same([await store.remove_user("ann"), await store.remove_user("ann")], [True, False])
        same(await store.users(), [bob])

    async def test_a_name_or_an_identity_is_taken_once(self, opened: Opened) -> None:
        store = opened.store
        ann, bob = user("ann", issuer="https://id", subject="7"), user("bob", issuer="https://id", subject="8")
        same([await store.keep_user(one, new=True) for one in (ann, bob)], [True, True])
        same(await store.keep_user(user("ann", role=Role.ADMIN), new=True), False)
        same(await store.keep_user(user("eve", issuer="https://id", subject="7"), new=True), False)
        same(await store.keep_user(msgspec.structs.replace(bob, subject="7"), new=False), False)
        same(await store.keep_user(user("eve"), new=False), False)
        same(await store.users(), [ann, bob])

    async def test_names_of_any_kind(self, opened: Opened) -> None:
        people = sorted((user(name, password=name) for name in _HARD), key=lambda one: one.name.encode())
        for one in people:
            await opened.store.keep_user(one, new=True)
        same(await opened.store.users(), people)
        same([await opened.store.user(name) for name in _HARD], [user(name, password=name) for name in _HARD])

    async def test_tokens_are_found_by_their_digest(self, opened: Opened) -> None:
        store = opened.store
        one = token(opened, "ci", scopes=("runs", "events"), flows=("import-*",), expires_at=5)
        two, other = token(opened, "deploy"), token(opened, "ci", owner="")
        same([await store.add_token(each) for each in (one, two, other)], [True, True, True])
        same(await store.add_token(token(opened, "ci")), False)
        same(await store.tokens(), [one, two, other])
        same([await store.tokens("ann"), await store.tokens(""), await store.tokens("bob")], [[one, two], [other], []])
        same([await store.token(one.digest), await store.token(bytes(32))], [one, None])
        same([await store.remove_token(one.key), await store.remove_token(one.key)], [True, False])
        same(await store.token(one.digest), None)

    async def test_sessions_begin_and_end(self, opened: Opened) -> None:
        store = opened.store
        kept = [session(opened, "ann", expires_at=10 * n) for n in range(5)]
        for one in (*kept, other := session(opened, "", via="token", stamp=b"\0\xff", agent="Läufer\0", expires_at=99)):
            await store.add_session(one)
        same(await store.sessions("ann"), kept)
        same(await store.sessions(), [*kept, other])
        same([await store.session(other.digest), await store.session(bytes(32))], [other, None])
        same(await store.end_sessions([kept[4].key, 12345], over=10), 3)
        same(await store.sessions("ann"), kept[2:4])
        same([await store.end_sessions([]), await store.session(kept[0].digest)], [0, None])

    async def test_who_changes_loses_the_sessions_and_who_goes_everything(self, opened: Opened) -> None:
        store = opened.store
        ann, bob = user("ann"), user("bob")
        for one in (ann, bob):
            await store.keep_user(one, new=True)
            await store.add_session(session(opened, one.name))
            await store.add_token(token(opened, "t", owner=one.name))
        await store.keep_user(msgspec.structs.replace(ann, role=Role.ADMIN), new=False)
        same([one.user for one in await store.sessions()], ["ann", "bob"])
        await store.keep_user(ann, new=False, end_sessions=True)
        same([one.user for one in await store.sessions()], ["bob"])
        same([one.owner for one in await store.tokens()], ["ann", "bob"])
        await store.remove_user("bob")
        same([await store.sessions(), [one.owner for one in await store.tokens()]], [[], ["ann"]])
        same(await store.keep_user(user("eve"), new=False, end_sessions=True), False)

    async def test_what_is_gone_is_not_seen(self, opened: Opened) -> None:
        store = opened.store
        one, gone, browser = token(opened, "a"), token(opened, "b"), session(opened, "ann")
        await store.add_token(one)
        await store.add_session(browser)
        await store.seen({one.key: 77, gone.key: 77}, {browser.key: 78, 12345: 78})
        same(await store.tokens(), [msgspec.structs.replace(one, used_at=77)])
        same(await store.sessions(), [msgspec.structs.replace(browser, seen_at=78)])
        await store.seen({}, {})


class AuditSuite:
    """The audit log."""

    async def test_entries_follow_one_another(self, opened: Opened) -> None:
        store = opened.store
        facts = [fact(n, who=who, details=msgspec.json.encode({"x": who}).decode()) for n, who in enumerate(_HARD)]
        same([await store.floor(), await store.entries(AuditFilter())], [(0, START), []])
        await store.append(facts[:3])
        await store.append([])
        await store.append(facts[3:])
        wanted, before = [], START
        for key, one in enumerate(facts, 1):
            before = chained(before, key, one)
            wanted.append(Entry(key=key, fact=one, hash=before))
        same(await store.entries(AuditFilter(above=0)), wanted)
        same(await store.entries(AuditFilter()), wanted[::-1])

    async def test_pages_and_filters(self, opened: Opened) -> None:
        store = opened.store
        await store.append([fact(n, who=f"w{n % 2}", action=f"a{n % 3}", target=f"t{n % 5}") for n in range(30)])
        same(await keys(opened, limit=2), [30, 29])
        same(await keys(opened, below=29, limit=2), [28, 27])
        same(await keys(opened, above=28), [29, 30])
        same(await keys(opened, who="w1", action="a1", target="t2"), [8])
        same(await keys(opened, since=27, until=29), [29, 28])
        same([await keys(opened, who="nobody"), await keys(opened, limit=0)], [[], []])

    async def test_only_the_oldest_are_forgotten(self, opened: Opened) -> None:
        store = opened.store
        await store.append([fact(at) for at in (1, 2, 9, 3, 10)])
        entries = await store.entries(AuditFilter(above=0))
        same([await store.forget(5, 1), await store.floor()], [1, (1, entries[0].hash)])
        # The fourth is older than the third, which stays: so it stays, too.
        same([await store.forget(5, 100), await store.forget(5, 100)], [1, 0])
        same(await store.entries(AuditFilter(above=0)), entries[2:])
        same(await store.forget(100, 100), 3)
        await store.append([fact(11)])
        (last,) = await store.entries(AuditFilter())
        same(last, Entry(key=6, fact=fact(11), hash=chained(entries[-1].hash, 6, fact(11))))


def user(name: str, **given: Any) -> User:
    """A user."""
    values: dict[str, Any] = {"name": name, "role": Role.EDITOR, "created_at": 5}
    return User(**values | given)


def token(opened: Opened, name: str, **given: Any) -> ApiToken:
    """A token of ann's."""
    key = opened.ids.next()
    values: dict[str, Any] = {
        "key": key,
        "digest": _digest(key),
        "name": name,
        "owner": "ann",
        "role": Role.VIEWER,
        "created_at": 3,
    }
    return ApiToken(**values | given)


def session(opened: Opened, user: str, **given: Any) -> Session:
    """A session."""
    key = opened.ids.next()
    values: dict[str, Any] = {"key": key, "digest": _digest(key), "user": user, "via": "password"}
    values |= {"created_at": 3, "seen_at": 4, "expires_at": 5}
    return Session(**values | given)


def fact(at: int, **given: Any) -> Fact:
    """Something that was done."""
    values: dict[str, Any] = {
        "who": "ann",
        "via": "session",
        "address": "::1",
        "action": "POST /x",
        "target": "x",
        "status": 200,
    }
    return Fact(at=at, **values | given)


async def keys(opened: Opened, **given: Any) -> list[int]:
    """Keys of a page of entries."""
    return [entry.key for entry in await opened.store.entries(AuditFilter(**given))]


def _digest(key: int) -> bytes:
    return hashlib.sha256(b"%d" % key).digest()
