"""One test of a flow as plain values."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from reactor.model.clock import Instant

UNSET = msgspec.UNSET


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error: of a mock, or as it is expected. None: whatever."""

    kind: str | None = None
    message: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a mocked step gives to one attempt."""

    output: Any = None
    error: Failure | None = None
    """It fails with this instead."""
    after: int = 0
    """Milliseconds of virtual time that it takes."""


class Mock(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a step: one an attempt (or iteration), in the order in which they are asked for."""

    at: str
    """Name or path, as `fits` takes it."""
    answers: tuple[Answer, ...]

    def answer(self, call: int) -> Answer:
        """That of the call with this number, from 0; the last one stays."""
        return self.answers[min(call, len(self.answers) - 1)]


class CaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event that starts the run."""

    type: str | None = None
    """None: the one that the flow's first trigger gives."""
    data: Any = None
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: Instant | None = None
    metadata: dict[str, Any] = {}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that comes while the run is under way, so many milliseconds after the beginning."""

    type: str
    after: int = 0
    data: Any = None
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    metadata: dict[str, Any] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one person decides, so many milliseconds after people were asked."""

    step: str | None = None
    """None: the only `approve` step of the flow."""
    after: int = 0
    decision: str = "approve"
    """approve | reject"""
    by: str | None = None
    form: dict[str, Any] = {}


class Emitted(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has to be emitted."""

    type: str
    data: Any = UNSET
    """UNSET: not looked at."""


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """What has to come of it. What is None, UNSET or not named is not looked at."""

    status: str | None = None
    output: Any = UNSET
    error: Failure | None = None
    steps: dict[str, str] = {}
    outputs: dict[str, Any] = {}
    called: tuple[str, ...] | None = None
    """All steps that called an action, in this order."""
    not_called: tuple[str, ...] = ()
    emitted: tuple[Emitted, ...] | None = None
    vars: dict[str, Any] = {}
    state: dict[str, Any] = {}
    matches: bool | None = None
    """False: no run begins."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a flow."""

    name: str
    line: int = 0
    file: str | None = None
    event: CaseEvent | None = None
    inputs: dict[str, Any] | None = None
    mock: tuple[Mock, ...] = ()
    send: tuple[Sent, ...] = ()
    approve: tuple[Decision, ...] = ()
    state: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    env: dict[str, str] = {}
    now: Instant | None = None
    """When the virtual clock begins."""
    advance: int | None = None
    """Milliseconds after which the run is stopped and looked at; None: when it has ended or nothing more can happen."""
    expect: Expect = Expect()


def fits(key: str, path: str) -> bool:
    """Whether what a test names is the step at this path.

    A key is a whole path, or the end of one: `charge` is the step `charge` wherever it stands, `each[3].charge` the one
    of the fourth iteration, `each[].charge` that of any.
    """
    return key == path or _pattern(key).fullmatch(path) is not None


@lru_cache(maxsize=4_096)
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(r"(?:.*\.)?" + re.escape(key).replace(r"\[\]", r"\[\d+\]"))
