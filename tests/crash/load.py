"""Flows of every kind, clients that send events and remember every answer, and the count afterwards: what was
acknowledged against what is in the journal and in the world.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec

from reactor.engine.states import place
from reactor.model import ids
from reactor.model.clock import SystemClock
from reactor.model.states import RunStatus
from reactor.stores.port import EventFilter, Loaded, RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.crash.harness import World

CONCURRENCY = 64
"""Runs in memory: no more than these can be in flight at a kill."""
SETTINGS = {
    "REACTOR_LIVE_RUNS": str(CONCURRENCY),
    "REACTOR_PASSIVATE_AFTER": "100ms",
    "REACTOR_HTTP_ALLOW": "127.0.0.0/8",
}


def _line(step: str) -> str:
    """A step whose effect can be counted: one line at the end of a file."""
    return f"  - {{name: {step}, {_write(step)}}}\n"


def _write(what: str) -> str:
    return f'action: file.write, with: {{path: lines, mode: append, content: "{{{{ run.id }}}} {what}\\n"}}'


def _saga() -> str:
    """Branches of which one loses and is undone, iterations side by side, and clean-ups."""
    last = f"[{{name: z, {_write('b.z')}}}]"
    slow = f"[{{name: b, {_write('b')}, undo: {{{_write('b.undo')}}}, finally: {last}}}, {{wait: 1h}}]"
    fast = f"[{{name: a, {_write('a')}, undo: {{{_write('a.undo')}}}}}, {{name: rest, wait: 150ms}}]"
    each = f"[{{name: x, {_write('x{{ index }}')}}}, {{name: rest, wait: 20ms}}]"
    return (
        f"  - {{name: p, timeout: 1m, parallel: {{branches: {{a: {fast}, b: {slow}}}, join: first}}}}\n"
        f"  - {{name: e, for_each: '[1, 2, 3]', max_parallel: 2, steps: {each}}}\n"
    )


def flows(world: World) -> dict[str, str]:
    """Name → YAML."""
    return {
        "pure": _flow("pure", "pure", "  - {name: s, set: {n: '{{ event.data.n }}'}}\n"),
        "write": _flow("write", "write", _line("one"), _line("two"), _line("three")),
        "big": _flow("big", "big", _line("one")),
        "flaky": _flow("flaky", "flaky", _ask(world), _line("after")),
        "nap": _flow("nap", "nap", _line("one"), "  - {name: rest, wait: 300ms}\n", _line("two")),
        "chain-a": _flow("chain-a", "chain", _line("one"), _emit("chain.b"), _line("two")),
        "chain-b": _flow("chain-b", "chain.b", _emit("chain.c"), _line("one")),
        "chain-c": _flow("chain-c", "chain.c", _line("one")),
        "asker": _flow(
            "asker",
            "ask",
            _line("one"),
            _emit("asked"),
            "  - {name: told, wait_for: {event: told, if: received.data.n == event.data.n}}\n",
            "  - {name: sum, state: {key: n, add: 1}}\n",
            _line("two"),
        ),
        "teller": _flow("teller", "asked", "  - {name: rest, wait: 150ms}\n", _emit("told")),
        "caller": _flow(
            "caller",
            "call",
            _line("one"),
            "  - {name: sub, call: callee, with: {n: '{{ event.data.n }}'}}\n",
            _line("two"),
        ),
        "saga": _flow("saga", "saga", _saga()),
        "callee": _flow(
            "callee",
            None,
            _line("inner"),
            "  - {name: rest, wait: 150ms}\n",
            "  - {name: done, return: '{{ inputs.n }}'}\n",
        ),
    }


def _flow(name: str, event: str | None, *steps: str) -> str:
    listens = f"on: {{event: {event}}}\n" if event else ""
    return f"name: {name}\n{listens}steps:\n{''.join(steps)}"


def _emit(kind: str) -> str:
    return f"  - {{name: on, emit: {{type: {kind}, data: {{n: '{{{{ event.data.n }}}}'}}}}}}\n"


def _ask(world: World) -> str:
    request = f"{{method: POST, url: '{world.url}/{{{{ run.id }}}}/ask'}}"
    retry = "{max: 50, delay: 20ms, backoff: fixed}"
    return f"  - {{name: ask, action: http.request, with: {request}, retry: {retry}}}\n"


KINDS = {"pure": 28, "saga": 6, "write": 18, "big": 1, "flaky": 4, "nap": 12, "chain": 12, "call": 12, "ask": 7}
"""Type of event → how often, of a hundred."""
STARTS = {
    "pure": ("pure",),
    "write": ("write",),
    "big": ("big",),
    "flaky": ("flaky",),
    "nap": ("nap",),
    "chain": ("chain-a", "chain-b", "chain-c"),
    "call": ("caller", "callee"),
    "ask": ("asker", "teller"),
    "saga": ("saga",),
}
"""Type of event → the flows of which it causes one run each, in the end."""
STEPS = {
    "pure": ["s#set"],
    "write": ["one", "two", "three"],
    "big": ["one"],
    "flaky": ["ask", "after"],
    "nap": ["one", "rest", "two"],
    "chain-a": ["one", "on", "two"],
    "chain-b": ["on", "one"],
    "chain-c": ["one"],
    "caller": ["one", "sub", "two"],
    "callee": ["inner", "rest", "done"],
    "asker": ["one", "on", "told", "sum", "two"],
    "teller": ["rest", "on"],
}
"""Flow → keys of the outcomes of its steps, in order."""


class Sent(msgspec.Struct):
    """One event of ours, and what we were told of it."""

    number: int
    kind: str
    id: str | None
    receipts: list[dict[str, Any]] = []
    refused: int = 0
    unheard: int = 0
    """Times that it was sent and no answer came."""

    def draft(self) -> dict[str, Any]:
        """As it goes over the wire."""
        draft: dict[str, Any] = {"type": self.kind, "data": {"n": self.number}}
        if self.kind == "big":
            # Beyond what the database holds itself, and another content each time.
            draft["data"]["much"] = f"{self.number:08}" * 9_000
        if self.id is not None:
            draft |= {"id": self.id, "source": "the-client"}
        return draft


class Clients:
    """Threads with a connection each. Events with an id of their own are sent until they are acknowledged, some once
    more after that; those without are sent once.
    """

    def __init__(self, port: int, count: int, seed: int, pause: float = 0.0) -> None:
        self._port = port
        self._pause = pause
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.sent: list[Sent] = []
        self.faults: list[str] = []
        """Answers that should not be."""
        self.first_answer: float | None = None
        """Monotonic time of the first acknowledgement since it was set to None."""
        self.stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new events; those under way are brought to their end."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        assert not self.faults, self.faults[:5]

    def _new(self, own: bool) -> Sent:
        with self._lock:
            number = len(self.sent)
            kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
            made = Sent(number, kind, f"id-{number}" if own else None)
            self.sent.append(made)
            return made

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.stopping.is_set():
            own = self._chance.random() < 0.5
            count = self._chance.randint(2, 20) if self._chance.random() < 0.1 else 1
            events = [self._new(own) for _ in range(count)]
            again = 1 + (own and self._chance.random() < 0.1)
            patience = time.monotonic() + 25
            while again and time.monotonic() < patience:
                connection, answered = self._send(connection, events)
                if not own or answered:
                    again -= 1
                if not own:
                    break
                if not answered:
                    time.sleep(0.02)
            if self._pause:
                time.sleep(self._pause)
        if connection is not None:
            connection.close()

    def _send(
        self, connection: http.client.HTTPConnection | None, events: list[Sent]
    ) -> tuple[http.client.HTTPConnection | None, bool]:
        drafts = [event.draft() for event in events]
        body = json.dumps(drafts if len(drafts) > 1 else drafts[0])
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            connection.request("POST", "/events", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            if connection is not None:
                connection.close()
            for event in events:
                event.unheard += 1
            if events[0].id is None:
                time.sleep(0.02)
            return None, False
        if answer.status != 202:
            if answer.status != 503 or not answer.getheader("retry-after"):
                self.faults.append(f"{answer.status} {answer.getheaders()} {found}")
            for event in events:
                event.refused += 1
            return connection, False
        self.first_answer = self.first_answer or time.monotonic()
        for event, receipt in zip(events, found if len(events) > 1 else [found], strict=True):
            event.receipts.append(receipt)
        return connection, True


class Count(msgspec.Struct):
    """What came out."""

    sent: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    refused: int = 0
    runs: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    wrong: list[str] = []
    redone: int = 0


async def journal(data: Path) -> tuple[dict[int, Loaded], set[int]]:
    """Every run with its journal, and the key of every event."""
    store = SqliteStore(data / "reactor.db", clock=SystemClock())
    await store.open()
    try:
        loaded: dict[int, Loaded] = {}
        below: int | None = None
        while page := await store.runs(RunFilter(below=below, limit=500)):
            below = page[-1].key
            loaded.update({one.run.key: one for one in await store.load([run.key for run in page])})
        events: set[int] = set()
        below = None
        while rows := await store.events(EventFilter(below=below, limit=1_000)):
            below = rows[-1].key
            events.update(row.key for row in rows)
        return loaded, events
    finally:
        await store.close()


async def count(folder: Path, sent: list[Sent], world: World) -> Count:
    """Hold what was acknowledged against the journal and the world."""
    runs, events = await journal(folder / "data")
    result = Count(sent=len(sent), runs=len(runs))
    by_number: Counter[tuple[str, int]] = Counter(
        (one.run.flow, one.event.data["n"]) for one in runs.values() if one.event is not None and "n" in one.event.data
    )
    for event in sent:
        _one_event(event, result, runs, events, by_number)
    for one in runs.values():
        _one_run(one, result, world)
    _lines(folder / "lines", runs, result)
    _sums(await _state(folder / "data", "asker"), runs, result)
    return result


async def _state(data: Path, flow: str) -> dict[str, Any]:
    """What a flow keeps."""
    store = SqliteStore(data / "reactor.db", clock=SystemClock())
    await store.open()
    try:
        return await store.saved(place(flow))
    finally:
        await store.close()


def _sums(state: dict[str, Any], runs: dict[int, Loaded], result: Count) -> None:
    """Each run has added one, once, and saw a sum of its own."""
    entries = [entry for one in runs.values() if one.run.flow == "asker" for entry in one.journal]
    seen = sorted(entry.value for entry in entries if entry.key == "sum")
    if seen != list(range(1, len(seen) + 1)) or state.get("n", 0) != len(seen):
        result.wrong.append(f"{len(seen)} runs saw the sums {seen[:5]} … {seen[-5:]}; kept is {state}")
    taken = [entry.value["id"] for entry in entries if entry.key == "told#event"]
    if len(set(taken)) != len(taken):
        result.doubled.append("an event was taken by two runs")


def _one_event(
    sent: Sent, result: Count, runs: dict[int, Loaded], events: set[int], by_number: Counter[tuple[str, int]]
) -> None:
    what = f"event {sent.number} ({sent.kind}, id {sent.id})"
    counts = {flow: by_number[flow, sent.number] for flow in STARTS[sent.kind]}
    result.refused += bool(sent.refused)
    if any(number > 1 for number in counts.values()):
        result.doubled.append(f"{what}: {counts}")
    if not sent.receipts:
        result.unanswered += bool(sent.unheard)
        if not sent.unheard and any(counts.values()):
            result.wrong.append(f"{what} was refused and started runs all the same: {counts}")
        if len(set(counts.values())) > 1:
            result.wrong.append(f"{what} began and did not come to its end: {counts}")
        return
    result.acknowledged += 1
    named = {(receipt["event_id"], *(run["id"] for run in receipt["runs"])) for receipt in sent.receipts}
    if len(named) > 1:
        result.doubled.append(f"{what} was acknowledged in several ways: {named}")
    for event_id, *run_ids in named:
        if ids.from_text("evt", event_id) not in events:
            result.lost.append(f"{what} was acknowledged as {event_id}, which is not there")
        if len(run_ids) != 1:
            result.wrong.append(f"{what} was acknowledged with runs {run_ids}")
        for run_id in run_ids:
            found = runs.get(ids.from_text("run", run_id) or 0)
            if found is None:
                result.lost.append(f"{what} was acknowledged with {run_id}, which is not there")
            elif found.run.status is not RunStatus.COMPLETED:
                result.wrong.append(f"{what}: {run_id} is {found.run.status}: {found.run.error}")
    if any(number == 0 for number in counts.values()):
        result.lost.append(f"{what}: {counts}")


def _one_run(one: Loaded, result: Count, world: World) -> None:
    """Each step has one outcome, in the order of the flow, and the run has one end."""
    run_id = ids.to_text("run", one.run.key)
    wanted = STEPS.get(one.run.flow)
    if wanted is None:
        return
    outcomes = [entry.key for entry in one.journal if "#" not in entry.key or entry.key.endswith("#set")]
    if outcomes != [*wanted, ""]:
        result.wrong.append(f"{run_id} of {one.run.flow} has the outcomes {outcomes}")
    for entry in one.journal:
        calls = world.calls.get((run_id, entry.key), [])
        if any(call > entry.at for call in calls) and "#" not in entry.key:
            result.doubled.append(f"{run_id}/{entry.key} was done again after its outcome of {entry.at}: {calls}")


def _undone(one: Loaded, steps: list[str], result: Count) -> None:
    """The branch that lost was undone, once and after what it had done; nothing else was."""
    known = {entry.key: entry.status for entry in one.journal}
    lost = known.get("p.branches.b.b") == "completed"
    wanted = {"a", "x0", "x1", "x2", *(("b", "b.z", "b.undo") if lost else ())}
    result.redone += len(steps) - len(set(steps))
    # What was under way in the loser when it was cancelled may have had its effect.
    if set(steps) - {"b", "b.z"} != wanted - {"b", "b.z"} or not wanted <= set(steps):
        result.wrong.append(f"the effects of {ids.to_text('run', one.run.key)} (saga) are {steps}, its journal {known}")
    if lost and steps.index("b") > steps.index("b.undo"):
        result.wrong.append(f"undone before it was done: {steps}")
    if len([entry for entry in one.journal if entry.key == "p.branches.b.b.undo"]) != lost:
        result.doubled.append(f"{ids.to_text('run', one.run.key)}: the undo has several outcomes")


def _lines(path: Path, runs: dict[int, Loaded], result: Count) -> None:
    """Effects in the order in which they came: none of an earlier step after one of a later step."""
    done: defaultdict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        run_id, step = line.split()
        done[run_id].append(step)
    for key, one in runs.items():
        run_id = ids.to_text("run", key)
        steps = done.pop(run_id, [])
        if one.run.flow == "saga":
            _undone(one, steps, result)
            continue
        wanted = [s for s in STEPS.get(one.run.flow, []) if s in {"one", "two", "three", "after", "inner"}]
        result.redone += len(steps) - len(set(steps))
        if [step for n, step in enumerate(steps) if n == 0 or steps[n - 1] != step] != wanted:
            result.wrong.append(f"the effects of {run_id} ({one.run.flow}) came as {steps}")
    if done:
        result.wrong.append(f"effects of runs that are not in the journal: {list(done.items())[:5]}")
