"""Random flows as YAML, of every kind of step, for the stories of `test_faults_orchestration`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

PINGS = 3
"""Numbers of the events that flows wait for."""
RETRY = {"max": 2, "delay": "5ms", "backoff": "fixed", "jitter": 0}
JOINS: list[Any] = ["all", "any", "first", {"count": 2}, {"until": "branches.a.status == 'completed'"}]
LEAVES = ("do", "do", "do", "set", "wait", "wait_for", "state", "emit", "call", "approve", "return", "fail", "secret")
HOLDERS = ("parallel", "parallel", "for_each", "loop", "switch", "block")


class Maker:
    """Makes one flow."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0

    def flow(self, name: str) -> str:
        """Its text."""
        told = {"on_failure": [self.do("sorry")], "on_cancel": [self.do("bye")]}
        made: dict[str, Any] = {
            "name": name,
            "on": {"event": name},
            **{key: steps for key, steps in told.items() if self.chance.random() < 0.6},
            "steps": self.steps(2, looped=False),
        }
        if self.chance.random() < 0.2:
            made["timeout"] = "400ms"
        return json.dumps(made)

    def do(self, name: str, **more: Any) -> dict[str, Any]:
        """A step with an effect."""
        return {"name": name, "action": "do", **more}

    def steps(self, depth: int, *, looped: bool) -> list[dict[str, Any]]:
        """One to three steps."""
        return [self.step(depth, looped=looped) for _ in range(self.chance.randint(1, 3))]

    def step(self, depth: int, *, looped: bool) -> dict[str, Any]:
        """One step with what may stand beside it."""
        self.count += 1
        number = self.count
        kind = self.chance.choice(LEAVES + (HOLDERS * 2 if depth else ()))
        step = getattr(self, "_" + kind)(depth, looped) if kind in HOLDERS else self._leaf(kind)
        step["name"] = f"{kind.replace('_', '-')}{number}"
        for key, odds, value in (
            ("continue_on_error", 0.25, True),
            ("undo", 0.4, {"action": "do"}),
            ("on_error", 0.15, [self.do("mend")]),
            ("finally", 0.25, [self.do("clean")]),
            ("if", 0.1, "event.data.n % 2 == 0"),
        ):
            if self.chance.random() < odds:
                step[key] = value
        if kind in HOLDERS and kind != "block" and self.chance.random() < 0.15:
            step["timeout"] = self.chance.choice(["20ms", "100ms", "5s"])
        if kind not in ("set", "return", "secret") and self.chance.random() < 0.2:
            step["retry"] = RETRY
        return step

    def _leaf(self, kind: str) -> dict[str, Any]:
        number = self.chance.randrange(PINGS)
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "do": lambda: {"action": "do"},
            "secret": lambda: {"action": "do", "secret_output": True},
            "set": lambda: {"set": {f"v{self.count}": "{{ event.data.n }}"}},
            "wait": lambda: {"wait": self.chance.choice(["1ms", "20ms", "60ms"])},
            "wait_for": lambda: {
                "wait_for": {
                    "event": "ping",
                    "if": f"received.data.n == {number}",
                    **self.chance.choice([{}, {"timeout": "80ms", "on_timeout": [self.do("late")]}]),
                }
            },
            "state": lambda: {"state": {"key": "n", "add": 1}},
            "emit": lambda: {"emit": {"type": "noted"}},
            "call": lambda: {"call": "callee", **self.chance.choice([{}, {"wait": False}])},
            "approve": lambda: {
                "approve": {"title": "so?", "by": ["ann", "bob"], **self.chance.choice([{}, {"quorum": 2}])}
            },
            "return": lambda: {"return": "1"},
            "fail": lambda: {"fail": "on purpose"} if self.chance.random() < 0.5 else {"action": "do"},
        }
        return made[kind]()

    def _parallel(self, depth: int, looped: bool) -> dict[str, Any]:
        del looped
        names = "abc"[: self.chance.randint(2, 3)]
        fork: dict[str, Any] = {"branches": {one: self.steps(depth - 1, looped=False) for one in names}}
        fork["join"] = self.chance.choice(JOINS)
        if fork["join"] == "all":
            fork["fail_fast"] = self.chance.random() < 0.5
        if self.chance.random() < 0.3:
            fork["max_parallel"] = self.chance.randint(1, 2)
        return {"parallel": fork}

    def _for_each(self, depth: int, looped: bool) -> dict[str, Any]:
        del looped
        most = self.chance.randint(1, 3)
        steps = self.steps(depth - 1, looped=True)
        return {"for_each": "[1, 2, 3]", "max_parallel": most, "steps": steps + self._break(most == 1)}

    def _loop(self, depth: int, looped: bool) -> dict[str, Any]:
        del looped
        condition = {"while": "index < 2"} if self.chance.random() < 0.5 else {"until": "index >= 1"}
        every = {"every": "10ms"} if self.chance.random() < 0.5 else {}
        return {**condition, **every, "max": 4, "steps": self.steps(depth - 1, looped=True) + self._break(True)}

    def _break(self, may: bool) -> list[dict[str, Any]]:
        return [{"name": "out", "if": "index == 1", "break": True}] if may and self.chance.random() < 0.2 else []

    def _switch(self, depth: int, looped: bool) -> dict[str, Any]:
        cases: list[dict[str, Any]] = [{"if": "event.data.n % 2 == 0", "steps": self.steps(depth - 1, looped=looped)}]
        if self.chance.random() < 0.5:
            cases.append({"else": self.steps(depth - 1, looped=looped)})
        return {"switch": cases}

    def _block(self, depth: int, looped: bool) -> dict[str, Any]:
        return {"steps": self.steps(depth - 1, looped=looped)}


CALLEE = json.dumps(
    {
        "name": "callee",
        "on_cancel": [{"name": "bye", "action": "do"}],
        "steps": [
            {"name": "one", "action": "do", "undo": {"action": "do"}},
            {"name": "nap", "wait": "30ms"},
            {"name": "two", "action": "do", "finally": [{"name": "clean", "action": "do"}]},
        ],
    }
)
