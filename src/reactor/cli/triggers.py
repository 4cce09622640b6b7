"""`reactor triggers …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, server_options


@click.group(epilog="Example: reactor triggers list --state failed")
def triggers() -> None:
    """Show which triggers really listen."""


@triggers.command("list", epilog="Example: reactor triggers list --state failed")
@click.option("--flow", metavar="NAME", help="Only of this flow.")
@click.option("--kind", metavar="KIND", help="Only of this kind, such as schedule.")
@click.option("--state", metavar="STATE", help="Only in this state: arming, armed, lagging, failed, disabled.")
@page_options
@json_option
@server_options
def list_triggers(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List all triggers: which ones really listen, and why the others do not."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/triggers", **filters)
    if as_json:
        output.print_json(answer)
        return
    trigger_table(answer["items"])
    if answer["next"]:
        click.echo(f"more: --cursor {answer['next']}", err=True)


def trigger_table(found: list[dict[str, Any]]) -> None:
    """Triggers, one a line."""
    from reactor.cli import output

    def row(trigger: dict[str, Any]) -> list[Any]:
        why = _why(trigger)
        last = output.age(trigger["last_event_at"]) if trigger["last_event_at"] else None
        following = output.time(trigger["next_at"]) if trigger["next_at"] else None
        state = output.status(trigger["state"])
        figures = [trigger["events"], trigger["errors"], trigger["lag"], trigger["letters"] or None]
        return [trigger["key"], trigger["kind"], state, *figures, last, following, why]

    columns = ("trigger", "kind", "state", "events", "errors", "lag", "dead", "last", "next", "why")
    output.table(columns, [row(trigger) for trigger in found], "no triggers")


def _why(trigger: dict[str, Any]) -> str:
    from reactor.cli import output

    gap = trigger["gap"]
    if trigger["reason"]:
        return str(trigger["reason"])
    if gap:
        return f"gap at {output.time(gap['at'])}: {gap['reason']}"
    return f"last error: {trigger['last_error']}" if trigger["last_error"] else ""


@triggers.command("confirm-gap", epilog="Example: reactor triggers confirm-gap orders/0")
@click.argument("key", metavar="FLOW/INDEX")
@server_options
def confirm_gap(key: str, **where: str | None) -> None:
    """Take note of a gap (messages that are lost for ever): it is shown no more."""
    from reactor.cli.client import part

    flow, _, index = key.rpartition("/")
    client_of(**where).post(f"/triggers/{part(flow)}/{part(index)}/confirm-gap")
    click.echo(f"{key}  confirmed")
