"""`reactor approvals …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, read_json, server_options


@click.group(epilog="Example: reactor approvals list")
def approvals() -> None:
    """List what waits for people; approve and reject it."""


@approvals.command("list", epilog="Example: reactor approvals list --json")
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List open approvals, the oldest run's first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/approvals", **filters)
    columns = ("id", "flow", "title", "who", "decided", "until")
    output.page(answer, columns, _row, as_json=as_json, empty="nothing waits for people")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    return [
        one["id"],
        one["flow"],
        output.one_line(one["title"]),
        ", ".join(one["people"]) or "anybody",
        f"{len(one['decisions'])} of {one['quorum']}",
        output.time(one["until"]) if one["until"] else None,
    ]


@approvals.command(epilog="Example: reactor approvals show run_01jc3x7m2k9qa:sign")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def show(id_: str, as_json: bool, **where: str | None) -> None:
    """Show one approval: who is asked, who has decided, the form."""
    from reactor.cli import output
    from reactor.cli.client import part

    one = client_of(**where).get(f"/approvals/{part(id_)}")
    if as_json:
        output.print_json(one)
        return
    output.facts([
        ("id", one["id"]), ("title", one["title"]), ("flow", one["flow"]), ("run", one["run_id"]),
        ("open", "yes" if one["open"] else "no"), ("who", ", ".join(one["people"]) or "anybody"),
        ("quorum", one["quorum"]), ("asked", output.time(one["asked_at"])),
        ("until", output.time(one["until"]) if one["until"] else None),
    ])  # fmt: skip
    for made in one["decisions"]:
        click.echo(output.one_line(f"{made['by']}: {made['decision']} ({output.time(made['at'])})"))
    if one["form"] is not None:
        output.block("form", one["form"])


@approvals.command(epilog="Example: reactor approvals approve run_01jc3x7m2k9qa:sign --by ann@example.com")
@click.argument("id_", metavar="ID")
@click.option("--by", metavar="NAME", help="Who decides, with the admin token; else it is whoever you are.")
@click.option("--form", metavar="JSON|@FILE|-", help="Values of the form's fields.")
@server_options
def approve(id_: str, by: str | None, form: str | None, **where: str | None) -> None:
    """Approve."""
    _decide(id_, "approve", by, form, where)


@approvals.command(epilog="Example: reactor approvals reject run_01jc3x7m2k9qa:sign --by ann@example.com")
@click.argument("id_", metavar="ID")
@click.option("--by", metavar="NAME", help="Who decides, with the admin token; else it is whoever you are.")
@click.option("--form", metavar="JSON|@FILE|-", help="Values of the form's fields.")
@server_options
def reject(id_: str, by: str | None, form: str | None, **where: str | None) -> None:
    """Reject."""
    _decide(id_, "reject", by, form, where)


def _decide(id_: str, decision: str, by: str | None, form: str | None, where: dict[str, str | None]) -> None:
    from reactor.cli import output
    from reactor.cli.client import part

    body = {"decision": decision, "by": by, "form": None if form is None else read_json(form)}
    one = client_of(**where).post(f"/approvals/{part(id_)}/decide", body)
    click.echo(output.one_line(f"{by or 'done'}: {decision} {one['title']!r}"))
