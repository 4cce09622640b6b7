"""`reactor secrets …`: works on the data folder; a running server sees the change with the next use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reactor.cli.options import data_option, json_option, settings_of

if TYPE_CHECKING:
    from reactor.engine.vault import Vault


@click.group(epilog="Example: reactor secrets set STRIPE_KEY")
def secrets() -> None:
    """Keep secrets for flows (`{{ secrets.NAME }}`), encrypted, in the data folder."""


def _vault(data: str | None, config: str | None) -> Vault:
    from reactor.app import make_data_folder
    from reactor.engine.vault import Vault
    from reactor.model.clock import SystemClock

    settings = settings_of({"data": data}, config)
    make_data_folder(settings.data)
    return Vault(settings.data, SystemClock(), settings.secret_key)


@secrets.command("set", epilog="Example: echo -n s3cret | reactor secrets set STRIPE_KEY -")
@click.argument("name")
@click.argument("value", metavar="[VALUE|-]", required=False)
@data_option
def set_(name: str, value: str | None, data: str | None, config: str | None) -> None:
    """Keep a secret, or replace it. Without VALUE it is asked for; `-` reads standard input."""
    vault = _vault(data, config)
    if value == "-" or (value is None and not sys.stdin.isatty()):
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif value is None:
        value = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True)
    version = vault.set(name, value)
    click.echo(f"{name}  version {version}")


@secrets.command("list", epilog="Example: reactor secrets list --json")
@json_option
@data_option
def list_(as_json: bool, data: str | None, config: str | None) -> None:
    """List the names of secrets; values are never shown."""
    from reactor.cli import output
    from reactor.model.clock import to_iso

    found = _vault(data, config).list()
    rows = [{"name": info.name, "version": info.version, "updated_at": to_iso(info.updated_at)} for info in found]
    answer = {"items": rows, "next": None}
    output.page(
        answer,
        ("name", "version", "changed"),
        lambda row: [row["name"], row["version"], output.time(row["updated_at"])],
        as_json=as_json,
        empty="no secrets",
    )


@secrets.command(epilog="Example: reactor secrets delete STRIPE_KEY")
@click.argument("name")
@data_option
def delete(name: str, data: str | None, config: str | None) -> int:
    """Forget a secret."""
    if not _vault(data, config).delete(name):
        click.echo(f"there is no secret {name!r}", err=True)
        return 1
    click.echo(f"{name}  deleted")
    return 0
