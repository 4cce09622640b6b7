"""`reactor explain …`."""

from __future__ import annotations

from typing import Any

import click

from reactor.cli.options import client_of, json_option, server_options


@click.group(epilog="Example: reactor explain event evt_01jc3x7m2k9qa")
def explain() -> None:
    """Say why: an event started a flow or did not, a run waits."""


@explain.command(epilog="Example: reactor explain event evt_01jc3x7m2k9qa --flow big-order")
@click.argument("id_", metavar="ID")
@click.option("--flow", metavar="NAME", help="For this flow only.")
@json_option
@server_options
def event(id_: str, flow: str | None, as_json: bool, **where: str | None) -> None:
    """For every flow: whether the event started it, and why or why not."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.events import verdicts

    answer = client_of(**where).get(f"/explain/event/{part(id_)}", flow=flow)
    if as_json:
        output.print_json(answer)
        return
    found = answer["event"]
    click.echo(f"{found['id']}  {found['type']}  {output.time(found['time'])}  {found['source']}".rstrip())
    click.echo()
    verdicts(answer["flows"])


@explain.command(epilog="Example: reactor explain run run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def run(id_: str, as_json: bool, **where: str | None) -> None:
    """What a run is doing, or waiting for, and until when."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.runs import steps

    answer = client_of(**where).get(f"/explain/run/{part(id_)}")
    if as_json:
        output.print_json(answer)
        return
    click.echo(f"{answer['id']}  {answer['flow']}@{answer['version']}  {output.status(answer['status'])}")
    click.echo(answer["explanation"])
    if answer["steps"]:
        click.echo()
        steps(answer["steps"])


@explain.command(epilog="Example: reactor explain flow big-order")
@click.argument("name")
@json_option
@server_options
def flow(name: str, as_json: bool, **where: str | None) -> None:
    """What starts a flow, whether it is enabled, and its live runs."""
    from reactor.cli import output
    from reactor.cli.client import part

    answer = client_of(**where).get(f"/explain/flow/{part(name)}")
    if as_json:
        output.print_json(answer)
        return
    output.facts([
        ("flow", f"{answer['flow']} version {answer['version']}"),
        ("state", "enabled" if answer["enabled"] else output.status("disabled")),
        *((f"trigger {trigger['key']}", _trigger(trigger)) for trigger in answer["triggers"]),
        ("started by", None if answer["triggers"] else "hand, or `call` of another flow"),
        ("if", answer["if"]), ("unless", answer["unless"]), ("live runs", str(len(answer["live_runs"]))),
    ])  # fmt: skip
    if answer["live_runs"]:
        rows = [[run["id"], output.status(run["status"]), run["waiting_for"]] for run in answer["live_runs"]]
        output.table(("run", "status", "waits for"), rows, "")


def _trigger(trigger: dict[str, Any]) -> str:
    from reactor.cli import output

    config = {name or "is": value for name, value in trigger["config"].items()}
    condition = f", if {trigger['if']}" if trigger["if"] else ""
    return f"{trigger['kind']} {output.one_line(config, 100)}{condition}"
