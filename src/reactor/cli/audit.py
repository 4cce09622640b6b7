"""`reactor audit …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, server_options, time_options


@click.group(epilog="Example: reactor audit list --since 24h")
def audit() -> None:
    """Show who did what; check that the log is as it was written."""


@audit.command("list", epilog="Example: reactor audit list --who ann@example.com --since 7d")
@click.option("--who", metavar="NAME", help="Only what this user or token did.")
@click.option("--action", metavar="TEXT", help="Only this, as it is shown: sign-in, `POST /api/v1/users`.")
@click.option("--target", metavar="TEXT", help="Only what was done to this.")
@time_options
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List what was done, the newest first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/audit", **filters)
    columns = ("id", "at", "who", "from", "status", "action", "on")
    output.page(answer, columns, _row, as_json=as_json, empty="nothing")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    status = output.styled(str(one["status"]), "red" if one["status"] >= 400 else "green")
    where = " ".join(part for part in (one["via"], one["address"]) if part)
    return [one["id"], output.time(one["at"]), one["who"], where, status, one["action"], one["target"]]


@audit.command(epilog="Example: reactor audit verify --head 3f0c…")
@click.option("--head", metavar="HASH", help="A hash that `verify` printed earlier: is it still there?")
@json_option
@server_options
def verify(head: str | None, as_json: bool, **where: str | None) -> int:
    """Read the whole log: exit 1 when an entry is not as it was written, or the hash is not there."""
    from reactor.cli import output

    found = client_of(**where).get("/audit/verify", head=head)
    if as_json:
        output.print_json(found)
    elif found["broken_at"] is not None:
        click.echo(f"entry {found['broken_at']} is not as it was written, or one before it is gone", err=True)
    elif found["known"] is False:
        click.echo("the hash is not in the log: its end was cut off, or it was written anew", err=True)
    else:
        click.echo(f"{found['entries']} entries are as they were written; the newest hash is {found['head']}")
    return 1 if found["broken_at"] is not None or found["known"] is False else 0
