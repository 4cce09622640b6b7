"""Shapes of flows in the API's JSON: what they read like, how they are drawn, how a run stands on the drawing."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine.neighbours import Neighbour
from reactor.language.reads import Diagram, Told
from reactor.server.shapes import ErrorShape, FileProblem, FlowRow
from reactor.server.trigger_shapes import Shape


class FlowWhole(FlowRow):
    """One flow with its text."""

    yaml: str
    """The text of the version that runs."""
    draft: str | None
    """What its file holds now, where that is not (yet) what runs: it has errors, or was saved a moment ago."""
    etag: str
    """Of the draft, else of the text: a change has to name it."""
    writable: bool
    """Whether it can be changed through the API."""
    reason: str
    """Why it cannot."""
    inputs: dict[str, Any] | None
    steps: list[str]
    reads: list[Told]
    """The flow in plain English, line by line."""


class Validated(Shape):
    """What is wrong with a text, and what it would be."""

    valid: bool
    problems: list[FileProblem]
    name: str | None
    sentence: str | None
    """Of a valid flow: what it does in plain English."""
    reads: list[Told]
    diagram: Diagram | None


class FlowDiagram(Shape):
    """The drawing of a flow."""

    diagram: Diagram
    before: list[Neighbour]
    """Flows that lead here."""
    after: list[Neighbour]
    """Flows that this one leads to."""


class DrawnState(Shape):
    """How the step at one place of the drawing stands in a run, all its iterations together."""

    path: str
    """As in the drawing, `[]` for any iteration."""
    status: str
    """The worst of `counts`: failed before running before waiting … before completed."""
    counts: dict[str, int]
    """Status → how many iterations have it."""
    total: int
    attempts: int
    started_at: str | None
    finished_at: str | None
    last: str | None
    """The run's own path of the last iteration."""
    failed: str | None
    """The run's own path of the first one that failed."""
    error: ErrorShape | None


class RunDiagram(Shape):
    """A run on the drawing of its version of the flow."""

    id: str
    flow: str
    version: int
    status: str
    diagram: Diagram | None
    """Null: that version cannot be read any more."""
    states: list[DrawnState]
    gone: list[str] = msgspec.field(default_factory=list)
    """Paths that the run has come to and that are not drawn: of a version before it changed over, or of Python code."""


class FlowGone(Shape):
    """A flow that was taken away."""

    name: str
    version: int
    file: str | None
    yaml: str
