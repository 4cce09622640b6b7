"""What one step does, in a few plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.expressions.compiled import written
from reactor.language.reads.phrases import joined, of, span, spoken_name, value
from reactor.model.flow import (
    ActionStep,
    ApproveStep,
    BlockStep,
    BreakStep,
    CallStep,
    EmitStep,
    FailStep,
    ForEachStep,
    LoopStep,
    Number,
    ParallelStep,
    ReturnStep,
    SetStep,
    StateStep,
    Step,
    SwitchStep,
    WaitForStep,
    WaitStep,
)

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ACTIONS = {
    "http.request": "HTTP {method:GET} to {url}",
    "http.openapi": "call {operation} of an HTTP API",
    "shell.exec": "run a command: {command}{argv}",
    "email.send": "mail to {to}: {subject}",
    "file.read": "read {path}",
    "file.lines": "read {path} line by line",
    "file.write": "write {path}",
    "file.copy": "copy {path} to {to}",
    "file.move": "move {path} to {to}",
    "file.delete": "delete {path}",
    "file.list": "list {path}",
    "log.debug": "log: {message}",
    "log.info": "log: {message}",
    "log.warn": "log a warning: {message}",
    "log.error": "log an error: {message}",
    "database.query": "SQL: {sql}",
    "database.insert": "insert into {table}",
    "database.update": "update {table}",
    "database.delete": "delete from {table}",
    "kafka.publish": "send to Kafka topic {topic}",
    "mqtt.publish": "publish on MQTT topic {topic}",
    "nats.publish": "publish on NATS subject {subject}",
    "nats.request": "ask on NATS subject {subject}",
    "redis.publish": "publish on Redis channel {channel}",
    "redis.add": "add to the Redis stream {stream}",
    "redis.get": "get {key} from Redis",
    "redis.set": "set {key} in Redis",
    "data.jq": "transform with jq: {program}",
    "data.regex": "match {pattern}",
    "data.json": "read or write JSON",
    "data.csv": "read or write CSV",
    "data.xml": "read or write XML",
    "data.hash": "make a hash",
}
"""Action → its words. What is not here reads by its name and its first parameter."""
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_SHORT = 60


def kind_of(step: Step) -> str:
    """`ForEachStep` → `for_each`; loops say which they are."""
    if isinstance(step, LoopStep):
        return "while" if step.while_ is not None else "until"
    return _CAPITAL.sub("_", type(step).__name__.removesuffix("Step")).lower()


def title(step: Step) -> str:
    """`HTTP POST to https://pay.example/charge`, `wait 2h`, `ask ann to approve: …`."""
    maker = _TITLES.get(type(step))
    return maker(step) if maker is not None else spoken_name(step.name)


def is_named(step: Step) -> bool:
    """Whether a person gave it its name (else it is called by what it does: `log_info_2`)."""
    verb = step.action.replace(".", "_") if isinstance(step, ActionStep) else kind_of(step)
    own = re.sub(r"[_-]?\d+$", "", step.name).replace("-", "_")
    return own not in (verb, verb.rpartition("_")[2], kind_of(step))


def _action(step: ActionStep) -> str:
    params = written(step.params)
    params = params if isinstance(params, Mapping) else {}
    words = _ACTIONS.get(step.action)
    if words is None:
        first = next(((key, item) for key, item in params.items() if isinstance(item, str)), None)
        return f"{step.action} ({first[0]}: {value(first[1], _SHORT)})" if first else step.action
    return _PLACE.sub(lambda place: _param(params, place[1], place[2]), words).rstrip(": ")


def _param(params: Mapping[str, Any], name: str, otherwise: str | None) -> str:
    given = params.get(name)
    if given is None or given == "":
        return otherwise or ""
    return value(" ".join(map(str, given)) if isinstance(given, list) else given, _SHORT)


def _set(step: SetStep) -> str:
    values = written(step.values)
    return f"set {joined(list(values))}" if isinstance(values, Mapping) else "set variables"


def _wait(step: WaitStep) -> str:
    return f"wait until {of(step.until)}" if step.until is not None else f"wait {span(step.for_ or 0)}"


def emitted(step: EmitStep) -> str | None:
    """The type of the event, as written; None when an expression gives all of it."""
    event = written(step.event)
    return value(event["type"]) if isinstance(event, Mapping) and "type" in event else None


def _emit(step: EmitStep) -> str:
    return f"tell the event {emitted(step) or of(step.event)}"


def _call(step: CallStep) -> str:
    version = f" (version {step.version})" if step.version else ""
    return f"run flow {step.flow}{version}" if step.wait else f"start flow {step.flow}{version} and go on"


_JOINS = {
    "any": "until one ends",
    "first": "until one succeeds",
    "count": "until enough succeed",
    "until": "until it is enough",
}


def _parallel(step: ParallelStep) -> str:
    until = f", {_JOINS[step.join.mode]}" if step.join.mode in _JOINS else ""
    return f"side by side: {joined([branch.name for branch in step.branches])}{until}"


def _for_each(step: ForEachStep) -> str:
    many = f", {step.max_parallel if isinstance(step.max_parallel, int) else of(step.max_parallel)} at a time"
    at_once = "" if step.max_parallel == 1 else many
    what = step.as_ or "item"
    what = (
        what if step.batch is None else f"{of(step.batch) if not isinstance(step.batch, int) else step.batch} {what}s"
    )
    return f"for each {what} of {of(step.items)}{at_once}"


def _number(number: Number) -> str:
    return str(number) if isinstance(number, int) else of(number)


def _loop(step: LoopStep) -> str:
    every = f", every {span(step.every)}" if step.every is not None else ""
    if step.while_ is not None:
        return f"while {of(step.while_)}{every}"
    return f"again until {of(step.until) if step.until is not None else 'it is done'}{every}"


def _switch(step: SwitchStep) -> str:
    return f"one of {len(step.cases)} ways"


def _wait_for(step: WaitForStep) -> str:
    within = f" for at most {span(step.limit)}" if step.limit is not None else ""
    accept = f" with {of(step.accept).replace('received.data.', '')}" if step.accept is not None else ""
    return f"wait for the event {value(step.event)}{accept}{within}"


def _approve(step: ApproveStep) -> str:
    who = "somebody" if step.by is None else _people(written(step.by))
    count = f" ({step.quorum} of them)" if isinstance(step.quorum, int) and step.quorum > 1 else ""
    return f"ask {who}{count} to approve: {of(step.title)}"


def _people(given: Any) -> str:
    return joined([value(one) for one in given], "or") if isinstance(given, list) else value(given)


def _state(step: StateStep) -> str:
    key = of(step.key)
    what = of(step.value) if step.value is not None else ""
    return {"add": f"add {what} to the state {key}", "delete": f"forget the state {key}"}.get(
        step.op, f"keep {what} as the state {key}"
    )


def _fail(step: FailStep) -> str:
    error = written(step.error)
    if isinstance(error, Mapping):
        said = error.get("message", error.get("kind", ""))
        return f"fail: {value(said)}" if said else "fail"
    return f"fail: {value(error)}"


def _return(step: ReturnStep) -> str:
    return f"give back {of(step.value, _SHORT)}"


_TITLES: dict[type[Step], Callable[[Any], str]] = {
    ActionStep: _action,
    SetStep: _set,
    WaitStep: _wait,
    EmitStep: _emit,
    CallStep: _call,
    ParallelStep: _parallel,
    ForEachStep: _for_each,
    LoopStep: _loop,
    SwitchStep: _switch,
    WaitForStep: _wait_for,
    ApproveStep: _approve,
    StateStep: _state,
    BreakStep: lambda _: "leave the loop",
    ReturnStep: _return,
    FailStep: _fail,
    BlockStep: lambda step: spoken_name(step.name),
}
