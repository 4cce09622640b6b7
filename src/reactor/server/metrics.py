"""What the engine does, in numbers: for the API, and for Prometheus.

Labels have a fixed set of values, but for the figures of single triggers, which are told of the first 500 only, and
those by flow, connector and route (`engine/meters.py`, `requests.py`): so the number of series is bounded whatever
flows there are.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import reactor
from reactor.engine.alerts.states import FIRING
from reactor.engine.engine import Engine
from reactor.model.clock import to_iso
from reactor.model.states import RunStatus, TriggerState
from reactor.server.exposition import Exposition, Labels, Value
from reactor.server.ingest import Ingest
from reactor.server.stream import Stream

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LIVE = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
_LISTENING = (TriggerState.ARMED, TriggerState.LAGGING)
MOST_TRIGGERS = 500
_PATIENCE = 2.0


def memory() -> int:
    """Resident bytes of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


async def counts(engine: Engine) -> dict[str, int]:
    """Live runs by status, and events and runs in all; empty when the store does not answer in time."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await engine.history.counts()
    except TimeoutError:
        return {}


async def figures(engine: Engine) -> dict[str, Any]:
    """The engine in numbers, as the API shows it."""
    found, committer = await counts(engine), engine.executor.committer
    return {
        "version": reactor.__version__,
        "started_at": to_iso(engine.started_at) if engine.started_at else None,
        "ready": engine.ready,
        "trouble": str(committer.broken) if committer.broken is not None else committer.trouble,
        "events": {
            "stored": found.get("events", 0),
            "accepted": engine.intake.accepted,
            "duplicates": engine.intake.duplicates,
            "refused": engine.intake.refused,
        },
        "runs": {
            "stored": found.get("runs", 0),
            "finished": engine.executor.finished,
            "failed": engine.executor.failed,
            **{status.value: found.get(status.value, 0) for status in _LIVE},
        },
        "live": len(engine.executor.live),
        "queued": committer.queued,
        "commits": committer.commits,
        "triggers": triggers(engine),
        "letters": sum(engine.letters.counts.values()),
        "approvals": engine.approvals.waiting,
        "alerts": sum(one.state == FIRING for one in engine.alerts.active.values()),
        "memory": memory(),
    }


def triggers(engine: Engine) -> dict[str, int]:
    """How many triggers are in each state."""
    found = dict.fromkeys((state.value for state in TriggerState), 0)
    for status in engine.triggers.status():
        found[status.state.value] += 1
    return found


def open_files() -> int:
    """Descriptors that this process holds; 0 where the system does not tell."""
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0


async def text(engine: Engine, ingest: Ingest, stream: Stream, *, open_metrics: bool = False) -> str:
    """Everything for a scraper."""
    lines = Exposition(open_metrics=open_metrics)
    _add(lines, "build_info", "gauge", "The program.", [({"version": reactor.__version__}, 1)])
    _add(lines, "ready", "gauge", "1 while events are taken.", [({}, int(engine.ready))])
    _process(lines, engine)
    refused = [({"status": str(status)}, number) for status, number in sorted(ingest.refused.items())]
    _add(lines, "http_refused_total", "counter", "Requests for ingest that were refused.", refused)
    _requests(lines, ingest)
    _add(lines, "stream_listeners", "gauge", "Listeners of the event stream.", [({}, stream.listeners)])
    if hasattr(engine, "executor"):
        _engine(lines, engine, await counts(engine))
        _meters(lines, engine)
    return lines.text()


def _process(lines: Exposition, engine: Engine) -> None:
    _add(lines, "process_resident_memory_bytes", "gauge", "Memory of the process.", [({}, memory())])
    cpu = round(time.process_time(), 3)
    _add(lines, "process_cpu_seconds_total", "counter", "Processor time of the process.", [({}, cpu)])
    _add(lines, "process_open_fds", "gauge", "Files and sockets that the process holds open.", [({}, open_files())])
    began: list[tuple[Labels, Value]] = [({}, engine.started_at / 1000)] if engine.started_at else []
    _add(lines, "process_start_time_seconds", "gauge", "When the engine started, since 1970.", began)


def _requests(lines: Exposition, ingest: Ingest) -> None:
    answered = [
        ({"route": route, "method": method, "status": status}, number)
        for route, method, status, number in ingest.requests.answered()
    ]
    _add(lines, "http_requests_total", "counter", "Requests by the template of their route, and status.", answered)
    took = [({"route": route}, found) for route, found in ingest.requests.durations()]
    _add(lines, "http_request_duration_seconds", "histogram", "From a request's head to its answer, by route.", took)


def _engine(lines: Exposition, engine: Engine, found: Mapping[str, int]) -> None:
    intake, executor, committer = engine.intake, engine.executor, engine.executor.committer
    _add(lines, "events_accepted_total", "counter", "Events committed since the start.", [({}, intake.accepted)])
    _add(lines, "events_duplicate_total", "counter", "Events that had been accepted before.", [({}, intake.duplicates)])
    _add(lines, "events_refused_total", "counter", "Events refused for want of room or store.", [({}, intake.refused)])
    _add(lines, "runs_finished_total", "counter", "Runs that ended since the start.", [({}, executor.finished)])
    _add(lines, "runs_failed_total", "counter", "Of these, the failed ones.", [({}, executor.failed)])
    live = [({"status": status.value}, found[status.value]) for status in _LIVE if status.value in found]
    _add(lines, "runs_live", "gauge", "Unfinished runs in the store.", live)
    _add(lines, "runs_in_memory", "gauge", "Runs in memory.", [({}, len(executor.live))])
    control = executor.flow_control
    _add(lines, "runs_queued", "gauge", "Runs that flow control lets wait for their turn.", [({}, control.waiting)])
    by_rule = [({"rule": rule}, number) for rule, number in sorted(control.decisions.counts.items())]
    _add(lines, "flow_control_total", "counter", "Events that flow control kept from a run, by rule.", by_rule)
    _add(lines, "queue_events", "gauge", "Events that wait for a commit.", [({}, committer.queued)])
    _add(lines, "commits_total", "counter", "Transactions since the start.", [({}, committer.commits)])
    trouble = int(committer.trouble is not None or committer.broken is not None)
    _add(lines, "commit_trouble", "gauge", "1 while the store cannot write.", [({}, trouble)])
    tracer = engine.parts.tracer
    sent = [({"outcome": how}, number) for how, number in sorted(tracer.spans.items())] if tracer is not None else []
    _add(lines, "trace_spans_total", "counter", "Spans: `exported`, `failed` (lost on the way) or `dropped`.", sent)
    by_state = [({"state": state}, number) for state, number in triggers(engine).items()]
    _add(lines, "triggers", "gauge", "Triggers by state.", by_state)
    alerts = [({"state": state, "severity": how}, n) for (state, how), n in sorted(engine.alerts.counts().items())]
    _add(
        lines, "alerts", "gauge", "Alerts that are not resolved; an acknowledged one does not count as firing.", alerts
    )
    _sources(lines, engine)


def _sources(lines: Exposition, engine: Engine) -> None:
    """Figures of single triggers, of so many at most: names of flows are not bounded otherwise."""
    found = engine.triggers.status()[:MOST_TRIGGERS]
    labels = [({"trigger": one.key, "kind": one.kind}, one) for one in found]
    behind = [(label, one.lag) for label, one in labels if one.lag is not None]
    _add(lines, "trigger_lag", "gauge", "Messages that wait at a trigger's source.", behind)
    listening = [(label, int(one.state in _LISTENING)) for label, one in labels]
    _add(lines, "trigger_listening", "gauge", "1 while a trigger listens.", listening)
    events = [(label, one.events) for label, one in labels]
    _add(lines, "trigger_events_total", "counter", "Events of a trigger since the start.", events)
    errors = [(label, one.errors) for label, one in labels]
    _add(lines, "trigger_errors_total", "counter", "Faults of a trigger since the start.", errors)
    letters = [(label, one.letters) for label, one in labels if one.letters]
    _add(lines, "dead_letters", "gauge", "Dead letters that wait for a decision.", letters)
    last = [(label, one.last_event_at // 1000) for label, one in labels if one.last_event_at is not None]
    _add(lines, "trigger_last_event_seconds", "gauge", "When a trigger's last event came, since 1970.", last)


def _meters(lines: Exposition, engine: Engine) -> None:
    """What the engine has measured since its start."""
    meters = engine.executor.meters
    by_flow, by_connector = sorted(meters.runs.by.items()), sorted(meters.actions.by.items())
    ended = [({"flow": flow, "status": how}, n) for flow, one in by_flow for how, n in sorted(one.by.items())]
    _add(lines, "flow_runs_total", "counter", "Runs that ended, by flow (the first 100; the rest `other`).", ended)
    runs = [({"flow": flow}, one.durations) for flow, one in by_flow]
    _add(lines, "run_duration_seconds", "histogram", "Runs from start to end, by flow, waits included.", runs)
    steps = [({"flow": flow}, found) for flow, found in sorted(meters.steps.by.items())]
    _add(lines, "step_duration_seconds", "histogram", "Steps with all their attempts, by flow.", steps)
    attempts = [
        ({"connector": name, "outcome": how}, n) for name, one in by_connector for how, n in sorted(one.by.items())
    ]
    _add(lines, "action_attempts_total", "counter", "Attempts: `completed`, `failed` or `timeout`.", attempts)
    actions = [({"connector": name}, one.durations) for name, one in by_connector]
    _add(lines, "action_duration_seconds", "histogram", "Single attempts of actions, by connector.", actions)
    _add(lines, "commit_duration_seconds", "histogram", "Transactions of the store.", [({}, meters.commits)])
    delay = meters.loop_delay
    _add(lines, "event_loop_delay_seconds", "histogram", "How late the event loop is, once a second.", [({}, delay)])


def _add(lines: Exposition, name: str, kind: str, doc: str, samples: Iterable[tuple[Labels, Value]]) -> None:
    lines.add(name, kind, doc, samples)
