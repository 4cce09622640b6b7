"""The audit log's entries, each of which holds the digest of all before it."""

from __future__ import annotations

import hashlib

import msgspec

from reactor.model.clock import Instant

START = bytes(32)
"""What the first entry follows."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, and how it ended."""

    at: Instant
    who: str
    """Name of the principal; what somebody called themselves where they were not let in."""
    via: str
    """`token`, `session`, `api_token`, `password`, `oidc`, `link`, `cli`; empty: nobody was known."""
    address: str
    """Where it came from; empty: this machine's command line."""
    action: str
    """`POST /api/v1/runs/{id}/cancel`, `sign-in`, `sign-out`."""
    target: str
    """What it was done to: the values of the path's names."""
    status: int
    """Of the answer, as in HTTP."""
    details: str = "{}"
    """JSON; never a secret, never a body."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in its place."""

    key: int
    """1, 2, 3, … without a gap."""
    fact: Fact
    hash: bytes
    """Of this entry and of the hash before it."""


def chained(before: bytes, key: int, fact: Fact) -> bytes:
    """The hash of an entry. Any other fact, place or past has another one."""
    text = msgspec.json.encode([key, *msgspec.structs.astuple(fact)])
    return hashlib.sha256(before + text).digest()
