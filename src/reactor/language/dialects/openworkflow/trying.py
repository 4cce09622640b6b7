"""`try` and `catch`: filters, retries, handlers."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.language.dialects.openworkflow.expr import Computed, Env, holds
from reactor.language.dialects.openworkflow.flowing import output_of, variable
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task, Tasks, data_step
from reactor.language.dialects.openworkflow.problems import problem_of, same_type
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model import durations
from reactor.model.flow import BlockStep, Delay, FailStep, Retry, SetStep, Step

_CATCH = ("errors", "as", "when", "exceptWhen", "retry", "do", "then")
_FILTER = ("type", "status", "instance", "title", "detail")
_POLICY = ("when", "exceptWhen", "delay", "backoff", "limit", "jitter")
_ENDLESS = 1_000_000
"""Attempts where a policy has no limit."""
_LONGEST = 7 * 86_400_000
_BACKOFF = {"constant": "fixed", "linear": "linear", "exponential": "exponential"}


class _Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A retry policy and its limits of time."""

    retry: Retry
    attempt: Delay | None = None
    all: Delay | None = None


def directives(node: MapNode) -> list[Node | None]:
    """The directive of `catch`, if it has one."""
    catch = node.get("catch")
    return [catch.get("then")] if isinstance(catch, MapNode) and "then" in catch else []


def make(compiler: Compiler, task: Task) -> Core:
    """`try:` tasks; what they fail with is caught, tried again, handled."""
    reading = compiler.reading
    if "catch" not in task.node:
        message = "`try` has no `catch`; write `catch: {}` to catch everything"
        reading.report("missing-key", message, task.node.keys["try"])
    catch = reading.map(task.node.get("catch"), "catch", _CATCH)
    name = reading.literal(catch.get("as"), "catch.as") or "error"
    tasks = compiler.tasks(task.node.get("try"), "try", task.input, task.inside(), f"{task.reference}/try")
    policy = _policy(compiler, task, catch.get("retry"), catch, name)
    caught = f"caught@{task.name}" if "then" in catch else None
    steps: tuple[Step, ...] = tasks.steps
    if caught is not None:
        steps = (_note(compiler, task, caught, value=False), *steps)
    handling, ends = _handling(compiler, task, catch, name, caught)
    block = BlockStep(
        name=task.name,
        if_=task.if_,
        timeout=policy.attempt if policy is not None else None,
        deadline=policy.all if policy is not None else None,
        retry=policy.retry if policy is not None else None,
        steps=steps,
        on_error=handling,
        output=compiler.output(task, tasks.result, always=True),
    )
    return Core(
        steps=(block,),
        data=task.name,
        ends=ends or tasks.ended,
        directive=None if caught is None else _directive(catch, caught),
    )


def _note(compiler: Compiler, task: Task, key: str, *, value: bool) -> SetStep:
    name = compiler.name(f"{task.name}-{'caught' if value else 'begin'}", task.reference)
    return SetStep(name=name, values=Computed(lambda _scope: {key: value}, "catch"))


def _directive(catch: MapNode, key: str) -> Thunk:
    then = str(catch.entries["then"].plain)
    asked = variable(key)
    return lambda scope: then if asked(scope) else None


def _handling(
    compiler: Compiler, task: Task, catch: MapNode, name: str, caught: str | None
) -> tuple[tuple[Step, ...], bool]:
    """The steps of `on_error`: what is not caught is raised again, else `do` runs and gives the output."""
    told = compiler.name(f"{task.name}-error", task.reference)
    error = output_of(told)
    references = compiler.references
    steps: list[Step] = [data_step(told, Computed(lambda scope: problem_of(scope["error"], references), "error"))]
    matches = _matching(compiler, task, catch, name, error)
    hopeless = "retry" in catch and "do" not in catch
    steps.append(
        FailStep(
            name=compiler.name(f"{task.name}-uncaught", task.reference),
            if_=Computed(lambda scope: hopeless or not matches(scope), "catch"),
            error=Computed(lambda scope: _again(scope, error(scope)), "error"),
        )
    )
    tasks = Tasks(steps=(), result=task.input)
    if "do" in catch:
        place = task.inside(**{name: error})
        tasks = compiler.tasks(catch.get("do"), "catch.do", task.input, place, f"{task.reference}/catch/do")
    steps += tasks.steps
    if caught is not None:
        steps.append(_note(compiler, task, caught, value=True))
    output = compiler.output(task, tasks.result, always=True)
    steps.append(data_step(compiler.name(f"{task.name}-caught", task.reference), output or Computed(tasks.result, "")))
    return tuple(steps), tasks.ended


def _again(scope: Scope, problem: dict[str, Any]) -> dict[str, Any]:
    return {"kind": scope["error"]["kind"], "message": scope["error"]["message"], "data": problem}


def _matching(compiler: Compiler, task: Task, catch: MapNode, name: str, error: Thunk) -> Thunk:
    """Whether an error is caught: by the static filter, and by `when` and `exceptWhen`."""
    reading = compiler.reading
    given = reading.map(catch.get("errors"), "catch.errors", ("with",))
    wanted = reading.map(given.get("with"), "catch.errors.with", _FILTER)
    static = {key: reading.value(node, f"with.{key}", task.env) for key, node in wanted.entries.items()}
    env = task.env.plus(**{name: error})
    asked = _conditions(compiler, catch, "catch", env)

    def matches(scope: Scope) -> bool:
        problem = error(scope)
        for key, part in static.items():
            value, found = part.make(scope), problem.get(key)
            if value != found and not (key == "type" and same_type(str(value), str(found))):
                return False
        return bool(asked(scope))

    return matches


def _conditions(compiler: Compiler, node: MapNode, what: str, env: Env) -> Thunk:
    """`when` and `exceptWhen` together."""
    reading = compiler.reading
    when = reading.expression(node.get("when"), f"{what}.when", env) if "when" in node else None
    unless = reading.expression(node.get("exceptWhen"), f"{what}.exceptWhen", env) if "exceptWhen" in node else None

    def asked(scope: Scope) -> bool:
        if when is not None and not holds(when.make(scope)):
            return False
        return unless is None or not holds(unless.make(scope))

    return asked


# --- retries -----------------------------------------------------------------------------------------------------


def _policy(compiler: Compiler, task: Task, node: Node | None, catch: MapNode, name: str) -> _Policy | None:
    if isinstance(node, Scalar):
        node = compiler.used("retries", node, "retry")
    if node is None:
        return None
    reading = compiler.reading
    given = reading.map(node, "retry", _POLICY)
    references = compiler.references

    def failed(scope: Scope) -> dict[str, Any]:
        return problem_of(scope["error"], references)

    caught = _matching(compiler, task, catch, name, failed)
    asked = _conditions(compiler, given, "retry", task.env.plus(**{name: failed}))
    limit = reading.map(given.get("limit"), "retry.limit", ("attempt", "duration"))
    attempt = reading.map(limit.get("attempt"), "retry.limit.attempt", ("count", "duration"))
    retry = Retry(
        max=_count(compiler, attempt),
        backoff=_backoff(compiler, given),
        delay=_delay(compiler, task, given),
        factor=2.0,
        max_delay=_LONGEST,
        jitter=0.0,
        # Whatever the kind: what is tried again is said by the filter.
        on=("*",),
        if_=Computed(lambda scope: caught(scope) and asked(scope), "retry"),
    )
    return _Policy(
        retry=retry,
        attempt=reading.delay(attempt.get("duration"), "retry.limit.attempt.duration", task.env),
        all=reading.delay(limit.get("duration"), "retry.limit.duration", task.env),
    )


def _count(compiler: Compiler, attempt: MapNode) -> int:
    """All attempts: the first, and `count` further ones."""
    node = attempt.get("count")
    if node is None:
        return _ENDLESS
    count = node.value if isinstance(node, Scalar) else None
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < _ENDLESS:
        compiler.reading.report("wrong-value", "`retry.limit.attempt.count` is a whole number, zero or more", node)
        return 1
    return count + 1


def _backoff(compiler: Compiler, given: MapNode) -> str:
    node = compiler.reading.map(given.get("backoff"), "retry.backoff", _BACKOFF)
    if len(node.entries) > 1:
        compiler.reading.report("several-keys", "`retry.backoff` is one of constant, linear, exponential", node)
    return next((_BACKOFF[name] for name in node.entries if name in _BACKOFF), "fixed")


def _delay(compiler: Compiler, task: Task, given: MapNode) -> Delay:
    """The pause, with its jitter: somewhere between `from` and `to` on top of it."""
    reading = compiler.reading
    delay = reading.delay(given.get("delay"), "retry.delay", task.env) or 0
    if "jitter" not in given:
        return delay
    jitter = reading.map(given.get("jitter"), "retry.jitter", ("from", "to"))
    low, high = (reading.delay(jitter.get(name), f"retry.jitter.{name}", task.env) for name in ("from", "to"))
    if low is None or high is None:
        reading.report("missing-key", "`retry.jitter` has `from` and `to`", given.keys["jitter"])
        return delay

    def pause(scope: Scope) -> str:
        least, most = _millis(low, scope), _millis(high, scope)
        return f"{round(_millis(delay, scope) + least + (most - least) * scope['random']())}ms"

    return Computed(pause, "retry.delay")


def _millis(delay: Delay, scope: Scope) -> int:
    return delay if isinstance(delay, int) else durations.parse(delay.evaluate(scope))
