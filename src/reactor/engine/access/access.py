"""Everything about who may come in, wired together. No rules here."""

from __future__ import annotations

from typing import Protocol

from reactor.engine.access.attempts import Calls
from reactor.engine.access.credentials import Credentials
from reactor.engine.access.people import People
from reactor.model.clock import Clock
from reactor.stores.access import CredentialStore, UserStore


class AccessStore(UserStore, CredentialStore, Protocol):
    """Both ports in one object."""


class Access:
    """People, what stands for them, and how much they may ask."""

    def __init__(self, store: AccessStore, clock: Clock, instance: int) -> None:
        self.credentials = Credentials(store, store, clock, instance)
        self.people = People(store, clock, self.credentials.changed)
        self.calls = Calls(clock)
