"""Listening for the ends of runs. The engine hands these events to whom they fit, so there is nothing to do here."""

from __future__ import annotations

import difflib
from typing import Any, ClassVar

import msgspec

from reactor.sdk import TriggerContext

STATUSES = ("completed", "failed", "cancelled")


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`on: {run: {flow: import-*, status: [failed]}}`."""

    flow: str
    """Name of the flow whose runs are meant; `*` stands for any characters."""
    status: str | list[str] = msgspec.field(default_factory=lambda: list(STATUSES))
    """How they ended: one or several of completed, failed, cancelled; all of them if left out."""


class RunTrigger:
    """A flow that starts when runs of other flows end."""

    kind: ClassVar[str] = "run"
    config: ClassVar[type[msgspec.Struct]] = RunConfig
    short: ClassVar[str | None] = "flow"
    doc: ClassVar[str] = (
        "The ends of other flows' runs. `run: import` takes every end of a run of `import`, "
        "`run: {flow: import-*, status: [failed]}` the failures of all whose name begins so. "
        "`event.data` is `{run_id, flow, version, status, output, error}`, the type `run.completed`, `run.failed` or "
        "`run.cancelled`, the subject the run's id."
    )
    default_type: ClassVar[str] = ""
    """One for each way to end."""
    passive: ClassVar[bool] = True

    def check(self, config: Any) -> list[str]:
        """What is wrong with the name and the states."""
        problems = []
        if not config.flow.strip():
            problems.append("flow: is empty; give the name of a flow, or `*` for every one")
        given = [config.status] if isinstance(config.status, str) else config.status
        if not given:
            problems.append(f"status: is empty; leave it out, or give one of {', '.join(STATUSES)}")
        for status in given:
            if status not in STATUSES:
                close = difflib.get_close_matches(status, STATUSES, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(STATUSES)}"
                problems.append(f"status: a run does not end {status!r}; {hint}")
        return problems

    async def run(self, ctx: TriggerContext) -> None:
        """Armed at once and until cancelled."""
        import asyncio  # noqa: PLC0415 - keeps the import of connectors cheap

        ctx.armed()
        await asyncio.Event().wait()
