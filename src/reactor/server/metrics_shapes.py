"""Shapes of figures in the API's JSON. Durations are milliseconds, times of charts whole seconds since 1970."""

from __future__ import annotations

from reactor.server.trigger_shapes import Shape


class Totals(Shape):
    """Everything of one stretch of time."""

    runs: int
    """Ends: completed, failed and cancelled ones together."""
    completed: int
    failed: int
    cancelled: int
    success_rate: float | None
    """Completed of completed and failed, 0 to 1; null: there were none."""
    mean: float | None
    """Of the durations of completed and failed runs, from their start; exact."""
    p50: float | None
    """So long did half of them take at most; within 6.25 % of the truth. null: there were none."""
    p95: float | None
    p99: float | None


class WindowTotals(Totals):
    """Of a whole window."""

    started: int
    events: int | None
    """null: events are of no flow."""


class Samples(Shape):
    """How the process and its machine were: arrays as long as `times`; null where nobody looked. Where several looks
    are in one slot: the mean of cpu, machine_cpu, events and ends, the least of machine_memory and disk_free, the most
    of the others.
    """

    step: int
    """Seconds."""
    times: list[int]
    cpu: list[float | None]
    """Percent of one core that the process used."""
    memory: list[float | None]
    """Bytes of the process."""
    machine_cpu: list[float | None]
    """Percent of all cores, by everything."""
    machine_memory: list[float | None]
    """Bytes that the machine has left."""
    disk_free: list[float | None]
    """Bytes on the disk of the data folder."""
    disk_size: list[float | None]
    store: list[float | None]
    """Bytes of the store's file and its log."""
    queued: list[float | None]
    """Events that wait for a commit."""
    live: list[float | None]
    """Runs in memory."""
    waiting: list[float | None]
    """Runs that wait outside of memory."""
    held: list[float | None]
    """Runs that flow control lets wait."""
    delay: list[float | None]
    """Milliseconds that the event loop was late."""
    events: list[float | None]
    """Accepted a second."""
    ends: list[float | None]
    """Runs that ended a second."""


class Series(Shape):
    """Counts and durations of a window: arrays as long as `times`. Slot n is from `times[n]` to `times[n] + step`."""

    since: str
    until: str
    step: int
    """Seconds."""
    times: list[int]
    completed: list[int]
    failed: list[int]
    cancelled: list[int]
    started: list[int]
    events: list[int] | None
    """Events accepted; null with a flow or trigger."""
    mean: list[float | None]
    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]
    totals: WindowTotals
    before: WindowTotals
    """Of the window of the same length before this one."""
    samples: Samples | None
    """With `samples=true`."""


class LastRun(Shape):
    """The newest run of a flow."""

    id: str
    status: str
    created_at: str
    finished_at: str | None


class FlowFigures(Totals):
    """A flow since then."""

    flow: str
    current: bool
    """There is such a flow now."""
    last_run: LastRun | None
    line_runs: list[int]
    """Ends over time, as long as `times`."""
    line_failed: list[int]
    """The failed ones among them."""


class AllFlowFigures(Shape):
    """Every flow, by name."""

    since: str
    step: int
    """Seconds."""
    times: list[int]
    items: list[FlowFigures]


class Instance(Shape):
    """One process of Reactor. What is null has not been looked at yet, or cannot be known here."""

    id: int
    name: str
    version: str
    host: str
    pid: int
    started_at: str | None
    url: str
    ready: bool
    reasons: list[str]
    """Why it is not ready."""
    trouble: str | None
    """Why the store cannot write now."""
    cpus: int
    cpu: float | None
    """Percent of one core."""
    memory: float | None
    machine_cpu: float | None
    machine_memory: float | None
    machine_memory_size: int
    disk_free: float | None
    disk_size: float | None
    store: float | None
    queued: int
    live: int
    waiting: float | None
    held: int
    delay: float | None
    """Milliseconds that the event loop was late, at most, in the last seconds."""
    triggers: dict[str, int]
    """How many in each state."""


class Figures(Shape):
    """The engine in numbers."""

    version: str
    started_at: str | None
    ready: bool
    trouble: str | None
    """Why the store cannot write now."""
    events: dict[str, int]
    runs: dict[str, int]
    live: int
    queued: int
    commits: int
    triggers: dict[str, int]
    letters: int
    """Dead letters that wait for a decision."""
    approvals: int
    """Questions that wait for people."""
    alerts: int
    """Alerts that fire, acknowledged and silenced ones too."""
    memory: int
    """Bytes of the process."""
