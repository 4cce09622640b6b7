"""`reactor tokens …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, server_options
from reactor.cli.users import ROLES


@click.group(epilog="Example: reactor tokens create ci --role editor --expires 90d")
def tokens() -> None:
    """Make tokens for programs that call the API, list and revoke them."""


@tokens.command("list", epilog="Example: reactor tokens list --json")
@click.option("--user", metavar="NAME", help="Only those of this user; `admin`: those of the admin token.")
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List tokens: what they may, when they end, when they were used."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/tokens", **filters)
    columns = ("id", "name", "owner", "role", "only for", "ends", "used")
    output.page(answer, columns, _row, as_json=as_json, empty="no tokens")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    return [
        one["id"],
        one["name"],
        one["owner"],
        one["role"],
        ", ".join([*one["scopes"], *(f"flow {flow}" for flow in one["flows"])]),
        output.time(one["expires_at"]) if one["expires_at"] else "never",
        output.time(one["used_at"]),
    ]


@tokens.command(epilog="Example: reactor tokens create shop --role editor --scope ingest")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What it may do at most.")
@click.option("--expires", metavar="TIME", help="A time, or how long from now (90d); otherwise never.")
@click.option("--scope", "scopes", multiple=True, metavar="PART", help="Only this part of the API; may be repeated.")
@click.option("--flow", "flows", multiple=True, metavar="NAME", help="Only this flow; `*` stands for any characters.")
@json_option
@server_options
def create(as_json: bool, url: str | None, data: str | None, config: str | None, **given: Any) -> None:
    """Make a token. It is printed this once."""
    from reactor.cli import output

    body = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    made = client_of(url, data, config).post("/tokens", body)
    if as_json:
        output.print_json(made)
        return
    click.echo(made["token"])
    click.echo(f"{made['id']}  keep it now: it is not shown again", err=True)


@tokens.command(epilog="Example: reactor tokens revoke tok_0sahg2xv00g00")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def revoke(id_: str, as_json: bool, **where: str | None) -> None:
    """Revoke a token: it is good no more."""
    from reactor.cli import output
    from reactor.cli.client import part

    gone = client_of(**where).delete(f"/tokens/{part(id_)}")
    if as_json:
        output.print_json(gone)
    else:
        click.echo(output.one_line(f"{gone['id']}  {gone['name']}  revoked"))
