"""Frames: what expressions of one list of steps see, and what is to be undone of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reactor.model.flow import Step
from reactor.runtime.scope import Steps


class Undo(msgspec.Struct):
    """A completed step whose effect can be taken back."""

    order: int
    """Rises with each completion in the run."""
    path: str
    step: Step
    """The `undo` step."""
    frame: Frame
    output: Any


class Frame:
    """One scope of names: the run's own list, or that of a handler, branch or iteration."""

    __slots__ = ("dead", "scope", "steps", "undos")

    def __init__(self, scope: dict[str, Any], outer: Steps | None = None, undos: list[Undo] | None = None) -> None:
        self.steps = Steps(outer)
        self.scope = scope
        self.undos: list[Undo] = [] if undos is None else undos
        """What has completed here, and in the frames inside that share this list."""
        self.dead = False
        """What is walked here was cancelled before a crash: it unwinds, and no step is done in it any more."""
        scope["steps"] = self.steps

    def inner(self, **extra: Any) -> Frame:
        """A frame for a handler or an iteration: it sees everything here, what it adds is not seen outside."""
        frame = Frame({**self.scope, **extra}, self.steps, self.undos)
        frame.dead = self.dead
        return frame

    def last(self, **extra: Any) -> Frame:
        """A frame for what is done even so: `finally`, `undo`."""
        return Frame({**self.scope, **extra}, self.steps, self.undos)

    def alive(self) -> None:
        """Go on only where something may still be done.

        Raises:
            asyncio.CancelledError: the frame is dead.
        """
        if self.dead:
            raise asyncio.CancelledError

    def branch(self) -> Frame:
        """A frame whose completed steps are undone apart from those here, until `keep` takes them over."""
        frame = Frame({**self.scope}, self.steps, [])
        frame.dead = self.dead
        return frame

    def attempt(self) -> Frame:
        """The same names, with a list of its own of what to undo: one attempt of a step that may be made again."""
        same = Frame.__new__(Frame)
        same.steps, same.scope, same.undos, same.dead = self.steps, self.scope, [], self.dead
        return same

    def keep(self, undos: list[Undo]) -> None:
        """What a branch or an attempt has completed counts from now on as completed here."""
        self.undos.extend(undos)
