"""`reactor flows …`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from reactor.cli.options import client_of, json_option, page_options, read_json, server_options, set_values
from reactor.cli.versions import diff


@click.group(epilog="Example: reactor flows list")
def flows() -> None:
    """List, show and compare flows; enable, disable, run them."""


@flows.command("list", epilog="Example: reactor flows list --disabled")
@click.option("--enabled/--disabled", "enabled", default=None, help="Only those that are, or are not, enabled.")
@click.option("--label", metavar="NAME[=VALUE]", help="Only those with this label.")
@page_options
@json_option
@server_options
def list_(
    enabled: bool | None, label: str | None, limit: int, cursor: str | None, as_json: bool, **where: str | None
) -> None:
    """List the flows that are there, and files that could not be taken in."""
    from reactor.cli import output

    client = client_of(**where)
    wanted = None if enabled is None else str(enabled).lower()
    answer = client.get("/flows", enabled=wanted, label=label, limit=limit, cursor=cursor)

    def row(flow: dict[str, Any]) -> list[Any]:
        state = "enabled" if flow["enabled"] else output.status("disabled")
        kinds = output.Styled(", ".join(_trigger(trigger) for trigger in flow["triggers"]) or "by hand or `call`")
        return [flow["name"], flow["version"], state, kinds, flow["file"], flow["description"]]

    columns = ("name", "version", "state", "started by", "file", "description")
    output.page(answer, columns, row, as_json=as_json, empty="no flows")
    if not as_json and cursor is None:
        problems(client.get("/problems")["items"])


def _trigger(trigger: dict[str, Any]) -> str:
    from reactor.cli import output

    kind = output.one_line(str(trigger["kind"]))
    return kind if trigger["state"] == "armed" else f"{kind} ({output.status(trigger['state'])})"


def problems(found: list[dict[str, Any]]) -> None:
    """What is wrong in files, on stderr."""
    from reactor.cli import output

    for problem in found:
        place = ":".join(str(part) for part in (problem["file"], problem["line"], problem["column"]) if part)
        text = output.one_line(f"{place}: {problem['message']}", 1_000)
        click.echo(f"{output.status(problem['severity'])}: {text}", err=True)


@flows.command(epilog="Example: reactor flows show big-order --yaml")
@click.argument("name")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the text alone.")
@click.option("--versions", "as_versions", is_flag=True, help="List its versions instead.")
@json_option
@server_options
def show(name: str, as_yaml: bool, as_versions: bool, as_json: bool, **where: str | None) -> None:
    """Show one flow with its triggers and text, or its versions."""
    from reactor.cli import output
    from reactor.cli.client import part

    client = client_of(**where)
    if as_versions:
        _versions(client.get(f"/flows/{part(name)}/versions"), as_json=as_json)
        return
    flow = client.get(f"/flows/{part(name)}")
    if as_json:
        output.print_json(flow)
        return
    if not as_yaml:
        versions = client.get(f"/flows/{part(name)}/versions")["items"]
        output.facts([
            ("name", flow["name"]), ("description", flow["description"]),
            ("version", f"{flow['version']} of {len(versions)}"),
            ("state", "enabled" if flow["enabled"] else output.status("disabled")), ("file", flow["file"]),
            ("labels", ", ".join(f"{k}={v}" for k, v in flow["labels"].items())), ("steps", ", ".join(flow["steps"])),
        ])  # fmt: skip
        click.echo()
        if flow["triggers"]:
            from reactor.cli.triggers import trigger_table

            trigger_table(flow["triggers"])
            click.echo()
        problems(flow["problems"])
    click.echo(flow["yaml"].rstrip("\n"))


def _versions(answer: dict[str, Any], *, as_json: bool) -> None:
    from reactor.cli import output

    def row(version: dict[str, Any]) -> list[Any]:
        state = output.styled("current", "green") if version["current"] else None
        return [version["version"], state, output.time(version["created_at"]), version["digest"][:12], version["file"]]

    columns = ("version", "", "taken in", "digest", "file")
    output.page(answer, columns, row, as_json=as_json, empty="no versions")


def _switch(name: str, verb: str, where: dict[str, Any], *, as_json: bool) -> None:
    from reactor.cli import output
    from reactor.cli.client import part

    flow = client_of(**where).post(f"/flows/{part(name)}/{verb}")
    if as_json:
        output.print_json(flow)
    else:
        click.echo(f"{flow['name']}  {'enabled' if flow['enabled'] else 'disabled; runs under way go on'}")


@flows.command(epilog="Example: reactor flows enable big-order --check --last 500")
@click.argument("name")
@click.option("--check", is_flag=True, help="First compare it with what the last events did; refuse if it differs.")
@click.option("--last", type=click.IntRange(1, 10_000), default=200, show_default=True, help="So many events.")
@click.option("--force", is_flag=True, help="Enable it although it differs.")
@json_option
@server_options
def enable(name: str, check: bool, last: int, force: bool, as_json: bool, **where: str | None) -> int:
    """Let a flow start runs. Exit 1 when it was checked and differs."""
    if check:
        from reactor.cli.simulate import checked

        fine = checked(client_of(**where), name, last, as_json=as_json and not force, quiet=as_json and force)
        if not fine and not force:
            click.echo(f"{name} was not enabled; --force enables it all the same", err=True)
            return 1
        if as_json and not force:
            client_of(**where).post(f"/flows/{quote(name, safe='')}/enable")
            return 0
    _switch(name, "enable", where, as_json=as_json)
    return 0


@flows.command("check", epilog="Example: reactor flows check flows/big-order.yaml --last 500")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--last", type=click.IntRange(1, 10_000), default=200, show_default=True, help="So many events.")
@json_option
@server_options
def check(file: str, last: int, as_json: bool, **where: str | None) -> int:
    """Compare a flow, before its file is put in place, with what the last events did. Exit 1 when it differs."""
    from reactor.cli.simulate import checked

    return 0 if checked(client_of(**where), file, last, as_json=as_json) else 1


@flows.command(epilog="Example: reactor flows disable big-order")
@click.argument("name")
@json_option
@server_options
def disable(name: str, as_json: bool, **where: str | None) -> None:
    """Let a flow start no more runs."""
    _switch(name, "disable", where, as_json=as_json)


@flows.command(epilog="Example: reactor flows release big-order")
@click.argument("name")
@json_option
@server_options
def release(name: str, as_json: bool, **where: str | None) -> None:
    """Let all runs go that `hold` has held."""
    from reactor.cli import output
    from reactor.cli.client import part

    answer = client_of(**where).post(f"/flows/{part(name)}/release")
    if as_json:
        output.print_json(answer)
    else:
        click.echo(f"{answer['released']} runs go on")


@flows.command(epilog="""Example: reactor flows run big-order '{"id": 7}' --wait""")
@click.argument("name")
@click.argument("event_data", metavar="[JSON|@FILE|-]", required=False)
@click.option("--set", "values", metavar="K=V", multiple=True, help="Set a value in the data.")
@click.option("--wait", is_flag=True, help="Wait for the end and print the run; exit 1 when it fails.")
@json_option
@server_options
def run(
    name: str, event_data: str | None, values: tuple[str, ...], wait: bool, as_json: bool, **where: str | None
) -> int:
    """Start a flow by hand, whatever its conditions say."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.events import receipt
    from reactor.cli.execute import body_of, on_server

    client = client_of(**where)
    given = set_values(read_json(event_data), values)
    if wait:
        return on_server(client, name, given, show=False)
    found = client.get(f"/flows/{part(name)}")
    answer = client.post(f"/flows/{part(name)}/run", body_of(given, has_inputs=found["inputs"] is not None))
    if as_json:
        output.print_json(answer)
    else:
        receipt(answer)
    return 0


flows.add_command(diff)
