"""Shapes of what led to a run and what it led to."""

from __future__ import annotations

from reactor.engine.chain import ChainLink
from reactor.server.shapes import RunRow
from reactor.server.trigger_shapes import Shape


class ChainShape(Shape):
    """A run between its causes and its effects."""

    run: RunRow
    up: list[ChainLink]
    """What led to it, nearest first."""
    down: list[ChainLink]
    """What it led to, nearest first."""
    more: bool
    """There is more than is told here."""
