"""A source under test: a real server behind a wire, something that sends, and a real `reactor run` that takes."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reactor.testing.servers import Server, Wire
from tests.crash.harness import Server as Reactor

FLOW = """\
name: taker
on: {on}
connections: {connections}
steps:
  - name: take
    set: {{n: "{{{{ {n} }}}}"}}
outputs: {{n: "{{{{ vars.n }}}}"}}
"""
PATIENCE = 30.0


class Rig:
    """One source. Subclasses say how to send; a rig is made once a module and begins each test with `fresh`."""

    name = "source"
    ordered = True
    """Whether messages of one `key` come in the order in which they were sent."""
    n = "event.data.n"
    """The expression that reads a message's number."""

    begins_when_armed = False
    """Whether the source's stream has no place for us before the trigger was armed once."""

    server: Server
    """The server program; `kill`, `start`, `hang`, `wake`."""
    wire: Wire
    """Between Reactor and the server. Whoever sends goes to the server directly."""

    def close(self) -> None:
        """Everything that was opened once."""

    def fresh(self, number: int) -> None:
        """A topic, queue or table of its own for test `number`; drop what the tests before have left."""
        raise NotImplementedError

    def on(self) -> str:
        """The trigger as flow-style YAML: `{kafka: {topics: [t7], group: g7}}`."""
        raise NotImplementedError

    def connections(self) -> str:
        """The flow's connections as flow-style YAML, through the wire."""
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        """What Reactor's environment has to have besides."""
        return {}

    def send(self, numbers: Sequence[int]) -> None:
        """Send messages `{"n": N}` of one key, in this order; on return the server has them for good."""
        raise NotImplementedError

    def remember(self) -> None:
        """What is sent next will have to come `again`: prepare whatever that needs."""

    def again(self, numbers: Sequence[int]) -> None:
        """Let the source deliver these, which were taken and acknowledged, once more, as the same messages."""
        raise NotImplementedError

    def poison(self) -> None:
        """Send a message that the trigger cannot read."""
        raise NotImplementedError

    def left(self) -> int:
        """How many messages the server still counts as not acknowledged by Reactor."""
        raise NotImplementedError

    def member(self) -> contextlib.AbstractContextManager[None]:
        """A second consumer of the same group, of the flow `other` in the same Reactor: see `Taking.other`."""
        raise NotImplementedError


class Taking:
    """`reactor run` with one flow that takes from a rig."""

    def __init__(self, folder: Path, rig: Rig, *, limits: dict[str, str] | None = None) -> None:
        self.rig = rig
        env = {"REACTOR_FILE_ROOTS": str(folder), **rig.settings(), **(limits or {})}
        self.reactor = Reactor(folder, {"taker": self.flow("taker")}, **env)

    def flow(self, name: str) -> str:
        """The flow's text under another name."""
        rig = self.rig
        text = FLOW.format(on=rig.on(), connections=rig.connections(), n=rig.n)
        return text.replace("taker", name)

    def trigger(self, flow: str = "taker") -> dict[str, Any]:
        """What the API says of the trigger."""
        status, found = self.reactor.get(f"/api/v1/triggers?flow={flow}")
        assert status == 200, found
        return found["items"][0] if found["items"] else {"state": "missing", "reason": ""}

    def until(self, wanted: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Wait until something is so; tell how things stand if it does not come."""
        end = time.monotonic() + patience
        while not wanted():
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {patience} s; {self.trigger()}\n{self.reactor.log()[-3000:]}")
            time.sleep(0.05)

    def armed(self) -> None:
        """Wait until the trigger listens."""
        self.until(lambda: self.trigger()["state"] in ("armed", "lagging"), "armed")

    def red(self, within: float) -> float:
        """Wait until the trigger is shown as failed; after how many seconds, and that it says something."""
        begun = time.monotonic()
        self.until(lambda: self.trigger()["state"] == "failed", "red", within)
        assert len(self.trigger()["reason"]) > 10
        return time.monotonic() - begun

    def runs(self, flow: str = "taker") -> int:
        """How many runs there are."""
        return len(self._runs(flow))

    def _runs(self, flow: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            status, page = self.reactor.get(f"/api/v1/runs?flow={flow}&limit=1000{cursor}")
            assert status == 200, page
            found += page["items"]
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    def taken(self, *flows: str) -> list[Any]:
        """The numbers of all runs, in the order in which the runs were made; every run has to have ended well."""
        self.reactor.until_idle(PATIENCE)
        runs = sorted((run for flow in flows or ("taker",) for run in self._runs(flow)), key=lambda run: run["id"])
        found = []
        for run in runs:
            assert run["status"] == "completed", self.reactor.get(f"/api/v1/runs/{run['id']}")
            found.append(self.reactor.get(f"/api/v1/runs/{run['id']}")[1]["output"]["n"])
        return found

    def check(self, sent: Sequence[int], *flows: str, ordered: bool | None = None) -> None:
        """All that was sent is taken once, in order where the source promises it, and the source knows it."""
        wanted = len(sent)
        self.until(lambda: sum(self.runs(flow) for flow in flows or ("taker",)) >= wanted, f"{wanted} runs")
        taken = self.taken(*flows)
        assert sorted(taken) == sorted(sent), _difference(taken, sent)
        if self.rig.ordered if ordered is None else ordered:
            assert taken == list(sent), _order(taken)
        self.until(lambda: self.rig.left() == 0, "all acknowledged at the source")
        self.until(lambda: self.trigger()["state"] == "armed", "armed at the end")
        assert self.trigger()["gap"] is None


def _order(taken: Sequence[int]) -> str:
    late = [(a, b) for a, b in itertools.pairwise(taken) if a > b]
    return f"not in order: {late[:20]}"


def _difference(taken: Sequence[int], sent: Sequence[int]) -> str:
    lost = sorted(set(sent) - set(taken))
    doubled = sorted(n for n in set(taken) if list(taken).count(n) > 1)
    return f"lost {lost[:20]}, doubled {doubled[:20]}, strange {sorted(set(taken) - set(sent))[:20]}"


@contextlib.contextmanager
def taking(folder: Path, rig: Rig, *, start: bool = True) -> Iterator[Taking]:
    """A Reactor that is gone at the end of the block; armed when it begins."""
    it = Taking(folder, rig)
    try:
        if start:
            it.reactor.start()
            it.armed()
        yield it
    finally:
        it.reactor.end()


def number_of(text: str | bytes) -> int:
    """The number in a message's JSON."""
    found: int = json.loads(text)["n"]
    return found
