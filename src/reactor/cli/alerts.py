"""`reactor alerts …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, read_json, server_options, set_values


@click.group(epilog="Example: reactor alerts list --state active")
def alerts() -> None:
    """What is wrong now, and what was; rules and silences."""


@alerts.command("list", epilog="Example: reactor alerts list --state firing --severity critical")
@click.option("--state", metavar="STATE", help="Only these: pending, firing, resolved; active: the first two.")
@click.option("--severity", metavar="SEVERITY", help="Only these: info, warning, critical.")
@click.option("--rule", metavar="NAME", help="Only of this rule.")
@click.option("--flow", metavar="NAME", help="Only of this flow.")
@click.option("--since", metavar="TIME", help="Only those that began then or later (24h, or a time).")
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List alerts, the newest first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/alerts", **filters)
    columns = ("id", "state", "severity", "rule", "of", "since", "seen by", "why")
    output.page(answer, columns, _row, as_json=as_json, empty="no alerts")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    by = one["acknowledged"]["by"] if one["acknowledged"] else None
    state = output.status(one["state"] if one["silence"] is None else f"{one['state']} (silenced)")
    severity = output.status(one["severity"])
    why = output.one_line(one["reason"])
    return [one["id"], state, severity, one["rule"], one["subject"] or None, output.age(one["since"]), by, why]


@alerts.command(epilog="Example: reactor alerts show alr_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def show(id_: str, as_json: bool, **where: str | None) -> None:
    """Show one alert."""
    from reactor.cli.client import part

    _show(client_of(**where).get(f"/alerts/{part(id_)}"), as_json=as_json)


def _show(one: dict[str, Any], *, as_json: bool) -> None:
    from reactor.cli import output

    if as_json:
        output.print_json(one)
        return
    seen = one["acknowledged"]
    output.facts([
        ("id", one["id"]), ("state", output.status(one["state"])), ("severity", output.status(one["severity"])),
        ("rule", f"{one['rule']} ({one['kind']})"), ("of", one["subject"] or "the whole"), ("why", one["reason"]),
        ("value", one["value"]), ("threshold", one["threshold"]), ("since", output.time(one["since"])),
        ("fired", output.time(one["fired_at"])), ("resolved", output.time(one["resolved_at"])),
        ("seen by", f"{seen['by']}, {output.time(seen['at'])}: {seen['note'] or '(no note)'}" if seen else None),
        ("silence", one["silence"]), ("told", "yes" if one["told"] else f"no: {one['untold'] or 'not yet'}"),
        ("page", one["url"]),
    ])  # fmt: skip


@alerts.command(epilog='Example: reactor alerts ack alr_01jc3x7m2k9qa --note "the broker is being moved"')
@click.argument("id_", metavar="ID")
@click.option("--note", default="", help="What you know or do about it.")
@json_option
@server_options
def ack(id_: str, note: str, as_json: bool, **where: str | None) -> None:
    """Say that you look after an alert."""
    from reactor.cli.client import part

    _show(client_of(**where).post(f"/alerts/{part(id_)}/acknowledge", {"note": note}), as_json=as_json)


# --- silences ---


@alerts.command(epilog='Example: reactor alerts silence --flow "import*" --for 2h --reason "the move"')
@click.option("--rule", metavar="NAME", help="Alerts of these rules; * stands for any characters.")
@click.option("--flow", metavar="NAME", help="Alerts about these flows; * stands for any characters.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="Alerts about flows with this label.")
@click.option("--for", "for_", metavar="TIME", help="How long from now on, such as 2h.")
@click.option("--until", metavar="TIME", help="Until when.")
@click.option("--reason", default="", help="Why.")
@json_option
@server_options
def silence(labels: tuple[str, ...], as_json: bool, url: str | None, data: str | None, config: str | None,
            **given: Any) -> None:  # fmt: skip
    """Show alerts, but tell nobody, for a time."""
    body = {name.rstrip("_"): value for name, value in given.items() if value is not None}
    if labels:
        body["labels"] = dict(_pair(text) for text in labels)
    _silence(client_of(url, data, config).post("/alerts/silences", body), as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"--label {text!r}: write KEY=VALUE")
    return name, value


def _silence(one: dict[str, Any], *, as_json: bool) -> None:
    from reactor.cli import output

    if as_json:
        output.print_json(one)
        return
    click.echo(f"{one['id']}  until {output.time(one['until'])}  alerts that it keeps quiet now: {one['matches']}")


@alerts.command("silences", epilog="Example: reactor alerts silences")
@json_option
@server_options
def list_silences(as_json: bool, **where: str | None) -> None:
    """List silences, with those of the last day."""
    from reactor.cli import output

    answer = client_of(**where).get("/alerts/silences")
    columns = ("id", "rule", "flow", "labels", "until", "by", "quiet now", "why")
    output.page(answer, columns, _silence_row, as_json=as_json, empty="no silences")


def _silence_row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    labels = ", ".join(f"{name}={value}" for name, value in one["labels"].items()) or None
    until = output.time(one["until"]) if one["active"] else "over"
    why = output.one_line(one["reason"]) or None
    return [one["id"], one["rule"], one["flow"], labels, until, one["by"], one["matches"], why]


@alerts.command(epilog="Example: reactor alerts unsilence sil_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@server_options
def unsilence(id_: str, **where: str | None) -> None:
    """End a silence; what still fires is told."""
    from reactor.cli.client import part

    one = client_of(**where).delete(f"/alerts/silences/{part(id_)}")
    click.echo(f"{one['id']}  ended")


# --- rules ---


@alerts.group(epilog="Example: reactor alerts rules list")
def rules() -> None:
    """What alerts are raised by: list, show, set, test, enable, disable, remove."""


@rules.command("list", epilog="Example: reactor alerts rules list")
@json_option
@server_options
def list_rules(as_json: bool, **where: str | None) -> None:
    """List all rules, with how they stand."""
    from reactor.cli import output

    answer = client_of(**where).get("/alerts/rules")
    columns = ("name", "kind", "severity", "threshold", "window", "for", "scope", "state", "alerts")
    output.page(answer, columns, _rule_row, as_json=as_json, empty="no rules")


def _rule_row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    labels = ", ".join(f"{name}={value}" for name, value in one["labels"].items())
    scope = " ".join(part for part in (one["flow"], labels) if part) or None
    state = output.status(one["state"])
    severity = output.status(one["severity"])
    figures = [one["threshold"], one["window"], one["for"]]
    return [one["name"], one["kind"], severity, *figures, scope, state, one["alerts"] or None]


@rules.command("show", epilog="Example: reactor alerts rules show flow-failing")
@click.argument("name")
@json_option
@server_options
def show_rule(name: str, as_json: bool, **where: str | None) -> None:
    """Show one rule; what its kind does not know is left out."""
    from reactor.cli import output
    from reactor.cli.client import part

    one = client_of(**where).get(f"/alerts/rules/{part(name)}")
    if as_json:
        output.print_json(one)
        return
    facts = [(key, value) for key, value in one.items() if value is not None and key not in {"labels", "updated_at"}]
    output.facts([*facts, ("changed", output.time(one["updated_at"]))])
    if one["labels"]:
        output.block("labels", one["labels"])


@rules.command(
    "set", epilog="Example: reactor alerts rules set slow --kind latency --set threshold=30s --set window=1h"
)
@click.argument("name")
@click.option("--kind", metavar="KIND", help="failure_rate, latency, queue_depth, … (of a new rule).")
@click.option("--set", "values", metavar="KEY=VALUE", multiple=True, help="A value, JSON where it is JSON.")
@click.option("--json-rule", "text", metavar="JSON|@FILE|-", help="The whole rule instead.")
@server_options
def set_rule(name: str, kind: str | None, values: tuple[str, ...], text: str | None, **where: str | None) -> None:
    """Add a rule, or change what is given of one."""
    from reactor.cli.client import part

    client = client_of(**where)
    if text is not None:
        body = read_json(text, "the rule")
    else:
        there = {one["name"]: one for one in client.get("/alerts/rules")["items"]}.get(name)
        body = _body(there) if there is not None and kind in (None, there["kind"]) else {}
        body = set_values({**body, **({"kind": kind} if kind else {})}, values)
    one = client.put(f"/alerts/rules/{part(name)}", body)
    click.echo(f"{one['name']}  {one['kind']}  {one['state']}")


_STANDING = ("name", "state", "alerts", "overflow", "updated_at", "updated_by")


def _body(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as it is written: without how it stands, and without what its kind does not know."""
    body = {key: value for key, value in rule.items() if key not in _STANDING and value is not None}
    if not body["labels"]:
        del body["labels"]
    return body


@rules.command("enable", epilog="Example: reactor alerts rules enable run-long")
@click.argument("name")
@server_options
def enable(name: str, **where: str | None) -> None:
    """Switch a rule on."""
    _switch(name, where, on=True)


@rules.command("disable", epilog="Example: reactor alerts rules disable run-long")
@click.argument("name")
@server_options
def disable(name: str, **where: str | None) -> None:
    """Switch a rule off; its alerts are resolved."""
    _switch(name, where, on=False)


def _switch(name: str, where: dict[str, str | None], *, on: bool) -> None:
    from reactor.cli.client import part

    client = client_of(**where)
    path = f"/alerts/rules/{part(name)}"
    one = client.put(path, {**_body(client.get(path)), "enabled": on})
    click.echo(f"{one['name']}  {'on' if one['enabled'] else 'off'}")


@rules.command("remove", epilog="Example: reactor alerts rules remove run-long")
@click.argument("name")
@server_options
def remove(name: str, **where: str | None) -> None:
    """Forget a rule; its alerts are resolved."""
    from reactor.cli.client import part

    one = client_of(**where).delete(f"/alerts/rules/{part(name)}")
    click.echo(f"{one['name']}  removed")


@rules.command("test", epilog="Example: reactor alerts rules test flow-failing --set threshold=0.2")
@click.argument("name")
@click.option("--kind", metavar="KIND", help="Of a rule that there is not yet.")
@click.option("--set", "values", metavar="KEY=VALUE", multiple=True, help="As if the rule said this.")
@json_option
@server_options
def test(name: str, kind: str | None, values: tuple[str, ...], as_json: bool, **where: str | None) -> None:
    """What a rule would have said over the last 24 hours, and says now. Nothing is kept, nobody is told."""
    from reactor.cli import output
    from reactor.cli.client import part

    client = client_of(**where)
    body = {"kind": kind} if kind else _body(client.get(f"/alerts/rules/{part(name)}"))
    told = client.post("/alerts/rules/test", set_values(body, values))
    if as_json:
        output.print_json(told)
        return
    since = output.time(told["since"])
    click.echo(f"it would have fired {told['fired']} times since {since}" if told["looked_back"] else told["note"])
    rows = [[one["subject"] or None, output.time(one["fired_at"]), output.time(one["resolved_at"]), one["reason"]]
            for one in told["alerts"]]  # fmt: skip
    if rows:
        output.table(("of", "fired", "resolved", "why"), rows, "")
    now = [[one["subject"] or None, output.status(one["state"]), one["value"], one["reason"]] for one in told["now"]]
    output.table(("now, of", "state", "value", "why"), now, "nothing to say now")
