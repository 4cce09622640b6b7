"""`reactor connections …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, server_options, set_values


@click.group(epilog="Example: reactor connections test kafka")
def connections() -> None:
    """Save settings to reach systems; test them; see which ones work."""


@connections.command("list", epilog="Example: reactor connections list --type kafka")
@click.option("--type", "type", metavar="TYPE", help="Only of this type.")
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List saved connections and those of flows, with their health."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/connections", **filters)
    columns = ("name", "type", "of", "health", "used by", "why")
    output.page(answer, columns, _row, as_json=as_json, empty="no connections")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    users = ", ".join(one["used_by"]) or None
    return [one["name"], one["type"], one["flow"] or "all flows", one["health"], users, output.one_line(one["reason"])]


@connections.command(epilog="Example: reactor connections show kafka")
@click.argument("name")
@json_option
@server_options
def show(name: str, as_json: bool, **where: str | None) -> None:
    """Show one saved connection; secrets are shown by their names."""
    from reactor.cli import output
    from reactor.cli.client import part

    one = client_of(**where).get(f"/connections/{part(name)}")
    if as_json:
        output.print_json(one)
        return
    tested = one["tested"]
    output.facts([
        ("name", one["name"]), ("type", one["type"]), ("health", one["health"]), ("why", one["reason"] or None),
        ("used by", ", ".join(one["used_by"]) or None), ("changed", output.time(one["updated_at"])),
        ("tested", f"{output.time(tested['at'])}: {tested['message']}" if tested else None),
    ])  # fmt: skip
    output.block("settings", one["settings"])


@connections.command(
    "set",
    epilog="Example: reactor connections set kafka --type kafka servers=h:9092 'sasl.password={{ secrets.KAFKA }}'",
)
@click.argument("name")
@click.option("--type", "type_", metavar="TYPE", help="Such as kafka, nats, redis, mqtt, postgres; default: NAME.")
@click.argument("pairs", metavar="[KEY=VALUE]…", nargs=-1)
@server_options
def set_(name: str, type_: str | None, pairs: tuple[str, ...], **where: str | None) -> None:
    """Save a connection, or another in its place. A value is JSON where it can be, else text; `a.b=1` is a map."""
    from reactor.cli.client import part

    body = {"type": type_ or name, "settings": set_values({}, pairs)}
    one = client_of(**where).put(f"/connections/{part(name)}", body)
    click.echo(f"{one['name']}  saved; test it with: reactor connections test {one['name']}")


@connections.command(epilog="Example: reactor connections delete kafka")
@click.argument("name")
@server_options
def delete(name: str, **where: str | None) -> None:
    """Forget a saved connection."""
    from reactor.cli.client import part

    client_of(**where).delete(f"/connections/{part(name)}")
    click.echo(f"{name}  deleted")


@connections.command(epilog="Example: reactor connections test kafka")
@click.argument("name")
@json_option
@server_options
def test(name: str, as_json: bool, **where: str | None) -> int:
    """Reach the system behind a saved connection; exit 1 when it cannot be reached."""
    from reactor.cli import output
    from reactor.cli.client import part

    found = client_of(**where).post(f"/connections/{part(name)}/test")
    if as_json:
        output.print_json(found)
    else:
        verdict = "ok" if found["ok"] else "failed"
        click.echo(f"{name}  {verdict} after {found['took_ms']} ms: {output.one_line(found['message'], 500)}")
    return 0 if found["ok"] else 1
