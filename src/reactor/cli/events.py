"""`reactor events …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, read_json, server_options, time_options


@click.group(epilog="""Example: reactor events send order.created '{"id": 7}'""")
def events() -> None:
    """Send events, list and show them, take them in again."""


def receipt(answer: dict[str, Any]) -> None:
    """What became of an event."""
    if answer.get("duplicate"):
        click.echo(f"{answer['event_id']}  was accepted before; nothing was started")
        return
    runs = answer["runs"]
    click.echo(f"{answer['event_id']}  accepted, {len(runs)} run{'' if len(runs) == 1 else 's'} started")
    for run in runs:
        click.echo(f"  {run['id']}  {run['flow']}")
    if not runs:
        click.echo(f"why none: reactor explain event {answer['event_id']}", err=True)


@events.command(epilog="""Example: reactor events send order.created '{"id": 7}' --id order-7""")
@click.argument("type_", metavar="TYPE")
@click.argument("text", metavar="[JSON|@FILE|-]", required=False)
@click.option("--id", "id_", metavar="ID", help="The source's own id: the same one twice starts nothing twice.")
@click.option("--source", metavar="URI", help="Who tells.")
@click.option("--subject", metavar="TEXT", help="What it is about.")
@click.option("--time", "when", metavar="TIME", help="When it happened.")
@json_option
@server_options
def send(
    type_: str,
    text: str | None,
    id_: str | None,
    source: str | None,
    subject: str | None,
    when: str | None,
    as_json: bool,
    **where: str | None,
) -> None:
    """Send an event of TYPE."""
    from reactor.cli.output import print_json

    optional = {"data": read_json(text), "id": id_, "source": source, "subject": subject, "time": when}
    body = {"type": type_, **{name: value for name, value in optional.items() if value is not None}}
    answer = client_of(**where).request("POST", "/events", body)
    if as_json:
        print_json(answer)
    else:
        receipt(answer)


@events.command("list", epilog="Example: reactor events list --type order.created --since 1h")
@click.option("--type", metavar="TYPE", help="Only of this type.")
@click.option("--source", metavar="URI", help="Only from this source.")
@time_options
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List events, newest first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/events", **filters)

    def row(event: dict[str, Any]) -> list[Any]:
        return [
            event["id"],
            event["type"],
            output.time(event["time"]),
            event["size"],
            event["source"],
            event["subject"],
        ]

    columns = ("id", "type", "time", "bytes", "source", "subject")
    output.page(answer, columns, row, as_json=as_json, empty="no events")


@events.command(epilog="Example: reactor events show evt_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def show(id_: str, as_json: bool, **where: str | None) -> None:
    """Show one event with its data, and what it started or why not."""
    from reactor.cli import output
    from reactor.cli.client import part

    event = client_of(**where).get(f"/events/{part(id_)}")
    if as_json:
        output.print_json(event)
        return
    own = event["source_id"] if event["source_id"] != event["id"] else None
    output.facts([
        ("id", event["id"]), ("type", event["type"]), ("time", output.time(event["time"])), ("source", event["source"]),
        ("source's id", own), ("subject", event["subject"]), ("caused by", " ".join(event["causes"])),
    ])  # fmt: skip
    output.block("data", event["data"])
    output.block("metadata", event["metadata"] or None)
    verdicts(event["matches"])


def verdicts(matches: list[dict[str, Any]]) -> None:
    """What an event meant to each flow."""
    from reactor.cli import output

    def row(match: dict[str, Any]) -> list[Any]:
        mark = output.styled("started", "green") if match["started"] else "no"
        return [match["flow"], mark, match["run_id"], match["rule"], match["reason"]]

    output.table(("flow", "run", "id", "rule", "why"), [row(match) for match in matches], "there are no flows")


@events.command(epilog="Example: reactor events replay evt_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def replay(id_: str, as_json: bool, **where: str | None) -> None:
    """Take the same data in again as a new event; flows start as they are now."""
    from reactor.cli.client import part
    from reactor.cli.output import print_json

    answer = client_of(**where).post(f"/events/{part(id_)}/replay")
    if as_json:
        print_json(answer)
    else:
        receipt(answer)
