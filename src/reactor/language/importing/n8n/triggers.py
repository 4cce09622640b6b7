"""n8n's triggers as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reactor.language.importing.coverage import IGNORED, MAPPED, PLACEHOLDER, Coverage
from reactor.language.importing.documents import Doc
from reactor.language.importing.making import identifier
from reactor.language.importing.n8n.nodes import Node, Workflow

_REQUEST = Doc(
    None,
    (
        (("body",), "event.data"),
        (("headers",), "event.metadata.headers"),
        (("query",), "event.metadata.query"),
        (("params",), "event.metadata.params"),
    ),
)
_DATA = Doc("event.data")
_FAILED = _DATA.put(("execution", "error"), "event.data.error").put(("workflow", "name"), "event.data.flow")
_DAYS = {0: "SUN", 1: "MON", 2: "TUE", 3: "WED", 4: "THU", 5: "FRI", 6: "SAT"}
_RESPONSE = {"lastNode": "result", "responseNode": "result"}


class Started:
    """One trigger of n8n as ours."""

    def __init__(self, node: Node, doc: Doc, specs: list[dict[str, Any]]) -> None:
        self.node = node
        self.doc = doc
        self.specs = specs
        """Entries of `on:`; none: it is started by hand, or called."""

    @property
    def type(self) -> str:
        """The type of its events where triggers have to be told apart."""
        return f"n8n.{identifier(self.node.name).lower() or 'trigger'}"


def started(workflow: Workflow, coverage: Coverage) -> list[Started]:
    """All triggers; each is told in the report."""
    return [_one(node, workflow, coverage) for node in workflow.triggers if not node.disabled]


def _one(node: Node, workflow: Workflow, coverage: Coverage) -> Started:
    kind = node.kind
    if kind == "webhook":
        return _webhook(node, coverage)
    if kind in ("scheduleTrigger", "cron", "interval"):
        return _schedule(node, workflow, coverage)
    if kind in ("manualTrigger", "start"):
        coverage.add(node.type, node.name, MAPPED, "", "started by hand: `reactor flows run NAME`")
        return Started(node, _DATA, [])
    if kind == "executeWorkflowTrigger":
        coverage.add(node.type, node.name, MAPPED, "inputs", "the flow is called by others: `call: NAME`")
        # Where the inputs are not declared, callers hand their item over as one input (see `actions.call`).
        declared = node.options("workflowInputs").get("values")
        return Started(node, Doc("inputs" if declared else "inputs.item"), [])
    if kind == "errorTrigger":
        coverage.add(node.type, node.name, MAPPED, "on: event", "when a run of any flow fails")
        return Started(node, _FAILED, [{"event": "run.failed"}])
    if kind in ("emailReadImap", "chatTrigger", "manualChatTrigger"):
        type_ = "email.received" if kind == "emailReadImap" else "chat.message"
        reason = "an event: something has to send it (`POST /events`, or a trigger of a plugin)"
        coverage.add(node.type, node.name, MAPPED, f"on: {type_}", reason)
        doc = _DATA.put(("textPlain",), "event.data.text") if kind == "emailReadImap" else _chat()
        return Started(node, doc, [{"event": type_}])
    type_ = f"n8n.{identifier(kind.split('.')[-1]).lower()}"
    reason = f"there is no such trigger; the flow waits for events of type `{type_}`, which nobody sends yet"
    coverage.add(node.type, node.name, PLACEHOLDER, f"on: {type_}", reason)
    return Started(node, _DATA, [{"event": type_}])


def _chat() -> Doc:
    return _DATA.put(("chatInput",), "event.data.text").put(("sessionId",), "event.subject")


def _webhook(node: Node, coverage: Coverage) -> Started:
    path = node.text("path") or node.raw.get("webhookId") or identifier(node.name).lower()
    segments = [f"{{{part[1:]}}}" if part.startswith(":") else part for part in str(path).strip("/").split("/")]
    clean = "/".join(part for part in segments if part) or "n8n"
    if not re.fullmatch(r"[\w.~/{}-]+", clean) or "{{" in clean:
        clean = identifier(node.name).lower() or "n8n"
    spec: dict[str, Any] = {"webhook": f"/webhook/{clean}"}
    methods = node.parameters.get("httpMethod", "GET")
    spec["methods"] = methods if isinstance(methods, (str, list)) else "GET"
    mode = _RESPONSE.get(node.text("responseMode", "onReceived"))
    if mode is not None:
        spec["respond"] = mode
    reasons = []
    auth = node.text("authentication", "none")
    if auth != "none":
        name = identifier(node.name).lower()
        if auth == "basicAuth":
            spec["auth"] = {"basic": {"user": "n8n", "password": f"{{{{ secrets.{name}_password }}}}"}}
            coverage.secrets[f"{name}_password"] = f'{node.name}: the password of the user "n8n"'
        else:
            spec["auth"] = {"bearer": f"{{{{ secrets.{name}_token }}}}"}
            coverage.secrets[f"{name}_token"] = f"{node.name}: what callers send as a bearer token"
        reasons.append(f"`{auth}` of n8n is now a {'user' if auth == 'basicAuth' else 'bearer token'}")
    coverage.add(node.type, node.name, MAPPED, "on: webhook", "; ".join(reasons))
    return Started(node, _REQUEST, [spec])


def _schedule(node: Node, workflow: Workflow, coverage: Coverage) -> Started:
    specs = list(_schedules(node))
    settings = workflow.data.get("settings")
    zone = settings.get("timezone") if isinstance(settings, dict) else None
    if isinstance(zone, str) and zone not in ("", "DEFAULT"):
        for spec in specs:
            spec["schedule"] = {**_as_map(spec["schedule"]), "timezone": zone}
    if specs:
        coverage.add(node.type, node.name, MAPPED, "on: schedule")
    else:
        reason = "its times are not understood; started by hand until they are written"
        coverage.add(node.type, node.name, PLACEHOLDER, "", reason)
    return Started(node, _DATA.put(("timestamp",), "event.time"), specs)


def _as_map(given: Any) -> dict[str, Any]:
    return dict(given) if isinstance(given, dict) else {"cron": given}


def _schedules(node: Node) -> Iterator[dict[str, Any]]:
    if node.kind == "interval":
        unit = {"seconds": "s", "minutes": "m", "hours": "h"}.get(node.text("unit", "seconds"), "s")
        yield {"schedule": {"every": f"{_whole(node.parameters.get('interval'), 1)}{unit}"}}
        return
    if node.kind == "cron":
        times = node.options("triggerTimes").get("item")
        for time in times if isinstance(times, list) else ():
            made = _cron(time) if isinstance(time, dict) else None
            if made is not None:
                yield {"schedule": made}
        return
    intervals = node.options("rule").get("interval")
    for interval in intervals if isinstance(intervals, list) else ():
        made = _interval(interval) if isinstance(interval, dict) else None
        if made is not None:
            yield {"schedule": made}


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _cron(time: dict[str, Any]) -> Any:
    """The older node's times."""
    mode = time.get("mode", "everyDay")
    minute, hour = _whole(time.get("minute"), 0), _whole(time.get("hour"), 14 if mode != "everyHour" else 0)
    week = str(time.get("weekday", "1"))
    fixed = {
        "everyMinute": {"every": "1m"},
        "everyHour": f"{minute} * * * *",
        "everyDay": f"{minute} {hour} * * *",
        "everyWeek": f"{minute} {hour} * * {week}",
        "everyMonth": f"{minute} {hour} {_whole(time.get('dayOfMonth'), 1)} * *",
    }
    if mode == "everyX":
        unit = "h" if time.get("unit", "hours") == "hours" else "m"
        return {"every": f"{_whole(time.get('value'), 2) or 1}{unit}"}
    if mode == "custom":
        return _fixed(time.get("cronExpression"))
    return fixed.get(str(mode))


def _fixed(expression: Any) -> str | None:
    """A cron expression; None when n8n computes it."""
    text = str(expression or "").removeprefix("=").strip()
    return text if text and "{{" not in text else None


def _interval(interval: dict[str, Any]) -> Any:
    """The newer node's rules."""
    field = interval.get("field", "days")
    minute, hour = _whole(interval.get("triggerAtMinute"), 0), _whole(interval.get("triggerAtHour"), 0)
    if field == "cronExpression":
        return _fixed(interval.get("expression"))
    if field in ("seconds", "minutes", "hours"):
        amount = _whole(interval.get(f"{field}Interval"), {"seconds": 30, "minutes": 5, "hours": 1}[field]) or 1
        if field == "hours":
            return (
                f"{minute} */{amount} * * *"
                if amount in (2, 3, 4, 6, 8, 12)
                else (f"{minute} * * * *" if amount == 1 else {"every": f"{amount}h"})
            )
        return {"every": f"{amount}{field[0]}"}
    if field == "days":
        amount = _whole(interval.get("daysInterval"), 1) or 1
        return f"{minute} {hour} * * *" if amount == 1 else {"every": f"{amount}d"}
    if field == "weeks":
        days = interval.get("triggerAtDay")
        named = [_DAYS[day] for day in days if day in _DAYS] if isinstance(days, list) else []
        return (
            f"{minute} {hour} * * {','.join(named) or 'SUN'}" if _whole(interval.get("weeksInterval"), 1) == 1 else None
        )
    if field == "months" and _whole(interval.get("monthsInterval"), 1) == 1:
        return f"{minute} {hour} {_whole(interval.get('triggerAtDayOfMonth'), 1)} * *"
    return None


def ignored(node: Node, coverage: Coverage, reason: str) -> None:
    """Say that a node means nothing here."""
    coverage.add(node.type, node.name, IGNORED, "", reason)
