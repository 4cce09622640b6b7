"""`reactor dead-letters …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, page_options, read_json, server_options

_TRIGGER = click.option("--trigger", metavar="FLOW/INDEX", help="Only those of this trigger.")


@click.group("dead-letters", epilog="Example: reactor dead-letters list --trigger orders/0")
def dead_letters() -> None:
    """Messages that made no event: list, show, retry, drop."""


@dead_letters.command("list", epilog="Example: reactor dead-letters list --json")
@_TRIGGER
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List dead letters, the newest first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/dead-letters", **filters)
    columns = ("id", "trigger", "age", "bytes", "why")
    output.page(answer, columns, _row, as_json=as_json, empty="no dead letters")


def _row(one: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    return [one["id"], one["trigger"], output.age(one["at"]), one["size"], output.one_line(one["reason"])]


@dead_letters.command(epilog="Example: reactor dead-letters show ltr_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def show(id_: str, as_json: bool, **where: str | None) -> None:
    """Show one dead letter: where it came from, what is wrong with it, what it holds."""
    from reactor.cli import output
    from reactor.cli.client import part

    one = client_of(**where).get(f"/dead-letters/{part(id_)}")
    if as_json:
        output.print_json(one)
        return
    output.facts([
        ("id", one["id"]), ("trigger", one["trigger"]), ("kind", one["kind"]), ("came", output.time(one["at"])),
        ("why", one["reason"]), ("bytes", one["size"]),
    ])  # fmt: skip
    output.block("metadata", one["metadata"])
    if one["text"] is not None:
        click.echo(f"text\n{output.plain(one['text'])}")
    else:
        click.echo(f"base64\n{one['base64']}")


@dead_letters.command(epilog="Example: reactor dead-letters retry ltr_01jc3x7m2k9qa")
@click.argument("given", metavar="[ID]…", nargs=-1)
@_TRIGGER
@click.option("--all", "everything", is_flag=True, help="All of them (with --trigger: all of that trigger).")
@click.option("--with", "instead", metavar="JSON|@FILE|-", help="Take this in place of what cannot be read.")
@server_options
def retry(given: tuple[str, ...], trigger: str | None, everything: bool, instead: str | None, **where: Any) -> int:
    """Read dead letters again, with the flow as it is now; those that can be read become events."""
    from reactor.cli.client import part

    body = None if instead is None else {"data": read_json(instead)}
    return _each(
        given, trigger, everything, where, lambda client, id_: client.post(f"/dead-letters/{part(id_)}/retry", body)
    )


@dead_letters.command(epilog="Example: reactor dead-letters drop --trigger orders/0 --all")
@click.argument("given", metavar="[ID]…", nargs=-1)
@_TRIGGER
@click.option("--all", "everything", is_flag=True, help="All of them (with --trigger: all of that trigger).")
@server_options
def drop(given: tuple[str, ...], trigger: str | None, everything: bool, **where: Any) -> int:
    """Forget dead letters."""
    from reactor.cli.client import part

    if everything and not given:
        click.echo(f"{client_of(**where).post('/dead-letters/drop', {'trigger': trigger})['dropped']} dropped")
        return 0
    return _each(given, trigger, everything, where, lambda client, id_: client.delete(f"/dead-letters/{part(id_)}"))


def _each(given: tuple[str, ...], trigger: str | None, everything: bool, where: dict[str, Any], work: Any) -> int:
    """Do it for each; what is refused is told, and the others go on."""
    from reactor.model.errors import ReactorError

    if bool(given) == everything:
        raise click.UsageError("name the dead letters, or say --all")
    client, failed = client_of(**where), 0
    for id_ in given or _all(client, trigger):
        try:
            answer = work(client, id_)
        except ReactorError as error:
            failed += 1
            click.echo(f"{id_}  {error}", err=True)
            continue
        click.echo(f"{id_}  {answer.get('event_id') or 'dropped'}")
    return 1 if failed else 0


def _all(client: Any, trigger: str | None) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = client.get("/dead-letters", trigger=trigger, limit=1000, cursor=cursor)
        found += [one["id"] for one in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            return found[::-1]
