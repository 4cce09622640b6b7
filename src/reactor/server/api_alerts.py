"""Alerts: what fires and what did, who looks after it; rules and silences."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine.alerts import rules, silences, states
from reactor.engine.alerts.preview import preview
from reactor.engine.alerts.rules import KINDS, Rule
from reactor.engine.alerts.silences import Silence
from reactor.engine.alerts.states import FIRING, PENDING, STATES
from reactor.model import ids
from reactor.model.access import Role
from reactor.model.clock import Instant, to_iso
from reactor.model.durations import parse
from reactor.model.errors import InvalidError
from reactor.server import alerts_shapes, shapes
from reactor.server.problems import Problem
from reactor.server.table import Call, Page, cursor_of, delete, get, page, post, put, time_of


class AlertQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts."""

    state: str | None = None
    """One or several of pending, firing, resolved, with commas between; `active`: the first two."""
    severity: str | None = None
    """One or several of info, warning, critical."""
    rule: str | None = None
    flow: str | None = None
    since: str | None = None
    """Only alerts that began then or later."""


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who looks after an alert."""

    note: str = ""


class GivenSilence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A silence as it is to be; at least one of rule, flow and labels, and one of until and for."""

    rule: str | None = None
    flow: str | None = None
    labels: dict[str, str] = {}
    until: str | None = None
    """A time."""
    for_: str | None = None
    """Or how long from now on (`2h`)."""
    reason: str = ""


@get("/api/v1/alerts", shapes.Listed[alerts_shapes.AlertShape], query=AlertQuery)
async def alerts(call: Call) -> Any:
    """Alerts, the newest first: those that fire or may soon, and the last thousand that are over."""
    query: AlertQuery = call.query
    wanted = _some("state", query.state, {**{state: (state,) for state in STATES}, "active": (PENDING, FIRING)})
    severities = _some("severity", query.severity, {one.value: (one.value,) for one in rules.Severity})
    below, since = cursor_of(states.PREFIX, query.cursor), time_of("since", query.since, call.engine.clock.now())
    found = [
        one
        for one in sorted(call.engine.alerts.list(), key=lambda one: -one.key)
        if (not wanted or one.state in wanted)
        and (not severities or one.severity in severities)
        and query.rule in (None, one.rule)
        and query.flow in (None, one.flow)
        and (since is None or one.since >= since)
        and (below is None or one.key < below)
    ]
    base = _base(call)
    return page(found[: query.limit + 1], query.limit, lambda one: str(one.id), lambda one: states.view(one, base))


def _base(call: Call) -> str:
    return call.engine.executor.seals.base


def _some(name: str, text: str | None, known: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    for part in (text or "").split(","):
        word = part.strip()
        if word and word not in known:
            raise Problem(400, f"{name}: {word[:80]!r} is none of {', '.join(known)}", parameter=name)
        found.update(known.get(word, ()))
    return found


@get("/api/v1/alerts/{id}", alerts_shapes.AlertShape)
async def alert(call: Call) -> Any:
    """One alert."""
    return states.view(call.engine.alerts.get(_key(call, states.PREFIX, "an alert")), _base(call))


@post("/api/v1/alerts/{id}/acknowledge", alerts_shapes.AlertShape, body=Note, optional=True)
async def acknowledge(call: Call) -> Any:
    """Say that somebody looks after it: whoever is signed in."""
    key = _key(call, states.PREFIX, "an alert")
    return states.view(await call.engine.alerts.acknowledge(key, call.who.name, call.body.note), _base(call))


def _key(call: Call, prefix: str, what: str) -> int:
    key = ids.from_text(prefix, call.params["id"])
    if key is None:
        raise Problem(404, f"{call.params['id'][:80]!r} is no id of {what} ({prefix}_…)")
    return key


# --- rules ---


@get("/api/v1/alerts/rules", shapes.Listed[alerts_shapes.RuleShape])
async def list_rules(call: Call) -> Any:
    """All rules, by name, with how they stand."""
    return {"items": [_rule(call, call.engine.alerts.rules[name]) for name in sorted(call.engine.alerts.rules)]} | {
        "next": None
    }


@get("/api/v1/alerts/kinds", shapes.Listed[alerts_shapes.KindShape])
async def kinds(call: Call) -> Any:
    """The kinds of rules that there are, and what their rules may say."""
    del call
    items = [
        {
            "name": name,
            "doc": kind.doc,
            "keys": sorted(rules.EVERY | kind.keys),
            "unit": kind.unit,
            "threshold": kind.threshold,
        }
        for name, kind in KINDS.items()
    ]
    return {"items": items, "next": None}


@get("/api/v1/alerts/rules/{name}", alerts_shapes.RuleShape)
async def show_rule(call: Call) -> Any:
    """One rule."""
    return _rule(call, call.engine.alerts.rule(call.params["name"]))


@post("/api/v1/alerts/rules", alerts_shapes.RuleShape, body=dict[str, Any], status=201, role=Role.OPERATOR)
async def add_rule(call: Call) -> Any:
    """Add a rule: `{name, kind, severity, threshold, window, …}`; `/api/v1/alerts/kinds` tells what each kind knows."""
    return _rule(call, await call.engine.alerts.put_rule(call.body, call.who.name, new=True))


@put("/api/v1/alerts/rules/{name}", alerts_shapes.RuleShape, body=dict[str, Any], role=Role.OPERATOR)
async def put_rule(call: Call) -> Any:
    """Make a rule what the body says; what it does not say is as if it never had."""
    return _rule(call, await call.engine.alerts.put_rule(_named(call), call.who.name))


def _named(call: Call) -> dict[str, Any]:
    name = call.params["name"]
    if call.body.get("name", name) != name:
        raise Problem(400, f"the rule is {name!r}, and the body calls it {str(call.body['name'])[:80]!r}")
    return {**call.body, "name": name}


@delete("/api/v1/alerts/rules/{name}", alerts_shapes.RuleShape, role=Role.OPERATOR)
async def remove_rule(call: Call) -> Any:
    """Forget a rule; its alerts are resolved. The answer is what it was."""
    return _rule(call, await call.engine.alerts.remove_rule(call.params["name"]))


@post("/api/v1/alerts/rules/test", alerts_shapes.Preview, body=dict[str, Any], role=Role.VIEWER)
async def test_rule(call: Call) -> Any:
    """What a rule would have said over the last 24 hours, and says now. Nothing is kept, nobody is told."""
    rule = rules.check({"name": "test", **call.body}, call.engine.clock.now(), call.who.name)
    return await preview(call.engine, rule)


def _rule(call: Call, rule: Rule) -> dict[str, Any]:
    mine = [one for one in call.engine.alerts.active.values() if one.rule == rule.name]
    state = "ok" if rule.enabled else "off"
    if mine:
        state = FIRING if any(one.state == FIRING for one in mine) else PENDING
    nothing = dict.fromkeys(("flow", "by", "threshold", "window", "min_runs", "percentile", "queue"))
    return {
        **nothing,
        "labels": {},
        **rules.written(rule),
        "updated_at": to_iso(rule.updated_at),
        "updated_by": rule.updated_by,
        "state": state,
        "alerts": len(mine),
        "overflow": call.engine.alerts.overflow.get(rule.name, 0),
    }


# --- silences ---


@get("/api/v1/alerts/silences", shapes.Listed[alerts_shapes.SilenceShape])
async def list_silences(call: Call) -> Any:
    """Silences, the newest first, with those that ended within the last day."""
    found = sorted(call.engine.alerts.silences.values(), key=lambda one: -one.key)
    return {"items": [_silence(call, one) for one in found], "next": None}


@get("/api/v1/alerts/silences/{id}", alerts_shapes.SilenceShape)
async def show_silence(call: Call) -> Any:
    """One silence."""
    return _silence(call, call.engine.alerts.silence(_silence_key(call)))


@post("/api/v1/alerts/silences", alerts_shapes.SilenceShape, body=GivenSilence, status=201, role=Role.OPERATOR)
async def add_silence(call: Call) -> Any:
    """Show alerts, but tell nobody, for a time."""
    return _silence(call, await call.engine.alerts.put_silence(_given(call), call.who.name))


@put("/api/v1/alerts/silences/{id}", alerts_shapes.SilenceShape, body=GivenSilence, role=Role.OPERATOR)
async def put_silence(call: Call) -> Any:
    """Make a silence what the body says."""
    made = await call.engine.alerts.put_silence(_given(call), call.who.name, _silence_key(call))
    return _silence(call, made)


@delete("/api/v1/alerts/silences/{id}", alerts_shapes.SilenceShape, role=Role.OPERATOR)
async def remove_silence(call: Call) -> Any:
    """End a silence; what still fires is told. The answer is what it was."""
    gone = call.engine.alerts.silence(_silence_key(call))
    shown = _silence(call, gone)
    await call.engine.alerts.remove_silence(gone.key)
    return shown


def _silence_key(call: Call) -> int:
    return _key(call, silences.PREFIX, "a silence")


def _given(call: Call) -> dict[str, Any]:
    body: GivenSilence = call.body
    return {**msgspec.structs.asdict(body), "until": _until(body, call.engine.clock.now())}


def _until(body: GivenSilence, now: Instant) -> Instant:
    if (body.until is None) == (body.for_ is None):
        raise InvalidError("say either `until` (a time) or `for` (how long, such as 2h)")
    if body.until is not None:
        return time_of("until", body.until, now) or 0
    try:
        return now + parse(body.for_)
    except ValueError as error:
        raise InvalidError(f"for: {error}") from None


def _silence(call: Call, silence: Silence) -> dict[str, Any]:
    active = call.engine.alerts.active.values()
    matches = sum(one.silence == silence.key for one in active)
    return {**silences.view(silence, call.engine.clock.now()), "matches": matches}


LINES = (
    alerts, list_rules, kinds, add_rule, test_rule, show_rule, put_rule, remove_rule, list_silences, add_silence,
    show_silence, put_silence, remove_silence, alert, acknowledge,
)  # fmt: skip
