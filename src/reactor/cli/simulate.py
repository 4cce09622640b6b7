"""`reactor simulate`, and the check of a flow before it is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import client_of, json_option, server_options, time_options

if TYPE_CHECKING:
    from reactor.cli.client import Client

_COLORS = {"started": "green", "queued": "yellow", "merged": "yellow", "held": "yellow", "dropped": "red"}


@click.command(epilog="Example: reactor simulate flows/big-order.yaml --since 24h")
@click.argument("flow", metavar="FLOW|FILE")
@time_options
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="The newest so many events."
)
@click.option(
    "--paths", type=click.IntRange(0, 500), default=50, show_default=True, help="Runs whose paths are compared."
)
@json_option
@server_options
def simulate(
    flow: str, since: str | None, until: str | None, limit: int, paths: int, as_json: bool, **where: str | None
) -> None:
    """What a changed flow would have done with the recorded events, beside what was done. Nothing is changed."""
    from reactor.cli.output import print_json

    answer = asked(client_of(**where), flow, since=since, until=until, limit=limit, paths=paths)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def asked(client: Client, flow: str, **query: Any) -> Any:
    """The server's answer for a file, or for a flow that it has.

    Raises:
        click.BadParameter: the file is not there or cannot be read. ReactorError: what the server says.
    """
    from reactor.cli.client import part

    path = Path(flow)
    if path.is_file() or path.suffix in (".yaml", ".yml") or "/" in flow:
        try:
            text, name = path.read_bytes(), path.name
        except OSError as error:
            raise click.BadParameter(f"{flow} cannot be read: {error.strerror}") from None
    else:
        found = client.get(f"/flows/{part(flow)}")
        text, name = found["yaml"].encode(), Path(found["file"] or "flow.yaml").name
    return client.post_text("/flows/simulate", text, file=name, **query)


def checked(client: Client, flow: str, last: int, *, as_json: bool, quiet: bool = False) -> bool:
    """Whether a flow does with the last events what was done with them; what differs is printed."""
    from reactor.cli.output import print_json

    answer = asked(client, flow, limit=last, paths=min(last, 500))
    fine = not answer["differences"]
    if as_json:
        print_json(answer)
    elif not quiet:
        show({**answer, "items": [item for item in answer["items"] if item["differs"]]}, only="differences")
    return fine


def show(answer: dict[str, Any], only: str = "") -> None:
    """Summary and events."""
    from reactor.cli import output

    version = f"version {answer['version']}" if answer["version"] is not None else "new"
    same = ", the same as the current one" if answer["same_version"] else ""
    more = ", and there are more in that time" if answer["more"] else ""
    paths = answer["paths"]
    failed = f", {paths['failed']} could not be" if paths["failed"] else ""
    output.facts([
        ("flow", f"{answer['flow']} ({version}{same})"),
        ("events", f"{answer['events']}{more}"),
        ("from", output.time(answer["first_at"]) if answer["first_at"] else None),
        ("to", output.time(answer["last_at"]) if answer["last_at"] else None),
        ("recorded", _counts(answer["recorded"])), ("simulated", _counts(answer["simulated"])),
        ("paths", f"{paths['compared']} compared{failed}, {paths['other']} would take another"),
        ("differences", output.styled(str(answer["differences"]), "red" if answer["differences"] else "green")),
    ])  # fmt: skip
    for note in answer["notes"]:
        click.echo(f"note: {output.one_line(note, 400)}", err=True)
    if answer["items"]:
        click.echo()
        columns = ("", "event", "type", "time", "was", "would be", "why")
        output.table(columns, [_row(item) for item in answer["items"]], "")
    elif only:
        click.echo(f"no {only}", err=True)


def _row(item: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    mark = output.styled("differs", "red") if item["differs"] else ""
    was, would = _fate(item["recorded"]), _fate(item["simulated"])
    return [mark, item["event_id"], item["type"], output.time(item["time"]), was, would, _why(item)]


def _fate(fate: dict[str, Any]) -> str:
    from reactor.cli import output

    rule = f" ({fate['rule']})" if fate["rule"] not in ("", "matched") else ""
    return output.styled(fate["outcome"].replace("_", " ") + rule, _COLORS.get(fate["outcome"], "bright_black"))


def _why(item: dict[str, Any]) -> str:
    path = item["path"]
    if path is not None and path["diverges"]:
        places = ", ".join(f"{one['path'] or 'the end'} {one['kind']}" for one in path["diverges"])
        return f"another path: {places}"
    if path is not None and path["error"] and item["differs"]:
        return str(path["error"])
    return str(item["simulated"]["reason"] or item["recorded"]["reason"])


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items() if "." not in name) or "none"
