"""`reactor runs …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import (
    client_of,
    json_option,
    page_options,
    read_json,
    server_options,
    set_values,
    time_options,
)
from reactor.cli.versions import migrate

if TYPE_CHECKING:
    from reactor.cli.client import Client


@click.group(epilog="Example: reactor runs list --status failed")
def runs() -> None:
    """List and show runs; cancel, pause, resume, retry, fork, migrate them."""


@runs.command("list", epilog="Example: reactor runs list --flow big-order --status failed,cancelled --since 24h")
@click.option("--status", metavar="STATE,…", help="Only in these states.")
@click.option("--flow", metavar="NAME", help="Only of this flow.")
@click.option("--event", metavar="ID", help="Only started by this event.")
@click.option("--parent", metavar="ID", help="Only called by this run.")
@time_options
@page_options
@json_option
@server_options
def list_(as_json: bool, url: str | None, data: str | None, config: str | None, **filters: Any) -> None:
    """List runs, newest first."""
    from reactor.cli import output

    answer = client_of(url, data, config).get("/runs", **filters)
    columns = ("id", "flow", "status", "started", "took", "what")
    output.page(answer, columns, _row, as_json=as_json, empty="no runs")


def _row(run: dict[str, Any]) -> list[Any]:
    from reactor.cli import output

    what = run["error"]["message"] if run["error"] else run["waiting_for"]
    return [
        run["id"],
        f"{run['flow']}@{run['version']}",
        output.status(run["status"]),
        output.time(run["started_at"] or run["created_at"]),
        output.took(run["started_at"], run["finished_at"]),
        what,
    ]


@runs.command(epilog="Example: reactor runs show run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def show(id_: str, as_json: bool, **where: str | None) -> None:
    """Show one run with its steps."""
    from reactor.cli import output
    from reactor.cli.client import part

    run = client_of(**where).get(f"/runs/{part(id_)}")
    if as_json:
        output.print_json(run)
        return
    error = run["error"]
    output.facts([
        ("id", run["id"]), ("flow", f"{run['flow']}@{run['version']}"), ("status", output.status(run["status"])),
        ("event", run["event_id"]), ("called by", run["parent_id"]), ("forked from", run["forked_from"]),
        ("migrated", ", ".join(f"{one['from']} → {one['to']}" for one in run["migrations"])),
        ("started", output.time(run["started_at"])), ("took", _took(run)), ("waits for", run["waiting_for"]),
        ("until", output.time(run["wake_at"]) if run["wake_at"] else None),
        ("error", f"{error['kind']}: {error['message']}" if error else None),
    ])  # fmt: skip
    click.echo()
    steps(run["steps"])
    output.block("output", run["output"])


def _took(run: dict[str, Any]) -> str | None:
    from reactor.cli import output

    return output.took(run["started_at"], run["finished_at"]) if run["finished_at"] else None


def steps(found: list[dict[str, Any]]) -> None:
    """The steps of a run, a line each."""
    from reactor.cli import output

    def row(step: dict[str, Any]) -> list[Any]:
        what = step["error"]["message"] if step["error"] else step["output"]
        tried = step["attempts"] if step["attempts"] > 1 else None
        state, took = output.status(step["status"]), output.took(step["started_at"], step["finished_at"])
        return [step["path"], step["action"], state, tried, took, None if what is None else output.one_line(what)]

    output.table(("step", "does", "status", "attempts", "took", "output"), [row(step) for step in found], "no step yet")


@runs.command(epilog="Example: reactor runs logs run_01jc3x7m2k9qa --level warning")
@click.argument("id_", metavar="ID")
@click.option("--level", metavar="LEVEL", help="This level and those above it: debug, info, warning, error.")
@click.option("--step", metavar="PATH", help="Of this step, and the steps in it.")
@click.option("--grep", "q", metavar="TEXT", help="Lines that hold this text.")
@json_option
@server_options
def logs(id_: str, level: str | None, step: str | None, q: str | None, as_json: bool, **where: str | None) -> None:
    """Show what happened in a run, and what its actions said, in order."""
    from reactor.cli import output
    from reactor.cli.client import part

    client, cursor, items = client_of(**where), None, []
    while True:
        answer = client.get(f"/runs/{part(id_)}/logs", level=level, step=step, q=q, cursor=cursor)
        items += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            break
    answer = {"items": items, "next": None}

    def row(line: dict[str, Any]) -> list[Any]:
        fields = " ".join(f"{k}={output.one_line(v, 60)}" for k, v in (line.get("fields") or {}).items())
        text = f"{line['message']} {fields}".rstrip()
        return [output.time(line["at"]), output.status(line["level"]), line["step"], text]

    output.page(answer, ("time", "level", "step", "message"), row, as_json=as_json, empty="nothing yet")


def _command(id_: str, verb: str, body: Any, where: dict[str, Any], *, as_json: bool) -> None:
    from reactor.cli import output
    from reactor.cli.client import part

    answer = client_of(**where).post(f"/runs/{part(id_)}/{verb}", body)
    if as_json:
        output.print_json(answer)
    else:
        click.echo(f"{answer['id']}  {output.status(answer['status'])}")


@runs.command(epilog="Example: reactor runs cancel run_01jc3x7m2k9qa --reason 'wrong order'")
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Why; kept with the run.")
@json_option
@server_options
def cancel(id_: str, reason: str | None, as_json: bool, **where: str | None) -> None:
    """Stop a run, in whatever unfinished state; its `finally` steps run."""
    _command(id_, "cancel", {"reason": reason} if reason else None, where, as_json=as_json)


@runs.command(epilog="Example: reactor runs pause run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def pause(id_: str, as_json: bool, **where: str | None) -> None:
    """Let a run stop before its next step."""
    _command(id_, "pause", None, where, as_json=as_json)


@runs.command(epilog="Example: reactor runs resume run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def resume(id_: str, as_json: bool, **where: str | None) -> None:
    """Let a paused run go on."""
    _command(id_, "resume", None, where, as_json=as_json)


@runs.command(epilog="Example: reactor runs retry run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def retry(id_: str, as_json: bool, **where: str | None) -> None:
    """Take up a failed or cancelled run from the step at which it failed."""
    _command(id_, "retry", None, where, as_json=as_json)


@runs.command(epilog="Example: reactor runs fork run_01jc3x7m2k9qa --from charge --preview")
@click.argument("id_", metavar="ID")
@click.option("--from", "--step", "step", metavar="PATH", help="Begin at this step; keep what came before it.")
@click.option("--version", metavar="latest|N", help="With this version of the flow (the current one unless told).")
@click.option("--data", "event_data", metavar="JSON|@FILE|-", help="Other data for the event, from the beginning.")
@click.option("--set", "values", metavar="K=V", multiple=True, help="Set a value in the event's data.")
@click.option("--same-version", is_flag=True, help="With the version of the run, not the flow's current one.")
@click.option("--preview", is_flag=True, help="Start nothing; say what would be.")
@json_option
@click.option("--url", metavar="URL", help="Where the server is (REACTOR_URL).")
@click.option("--config", metavar="FILE", help="Settings to read in place of reactor.toml.")
def fork(id_: str, step: str | None, preview: bool, as_json: bool, **given: Any) -> None:
    """Start a new run like this one, from a step on or from the beginning."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.versions import fork_plan

    client = client_of(given["url"], None, given["config"])
    version, event_data, values = given["version"], given["event_data"], given["values"]
    body: dict[str, Any] = {"step": step, **_which(version, same_version=given["same_version"]), "preview": preview}
    if event_data is not None or values:
        data = read_json(event_data) if event_data is not None else _data_of(client, id_)
        body["data"] = set_values(data, values)
    answer = client.post(f"/runs/{part(id_)}/fork", body)
    if as_json:
        output.print_json(answer)
    elif preview:
        fork_plan(answer["plan"])
    else:
        click.echo(f"{answer['id']}  {output.status(answer['status'])}")


def _which(version: str | None, *, same_version: bool) -> dict[str, Any]:
    if same_version and version is not None:
        raise click.UsageError("--version and --same-version say the same thing twice; give one of them")
    if version is None or version == "latest":
        return {"latest": not same_version}
    if not version.isdecimal() or len(version) > 9 or int(version) < 1:
        raise click.BadParameter(f"--version {version!r}: write `latest`, or the number of a version")
    return {"version": int(version)}


def _data_of(client: Client, run: str) -> Any:
    """The data of the event that started a run."""
    from reactor.cli.client import part

    event = client.get(f"/runs/{part(run)}")["event_id"]
    return None if event is None else client.get(f"/events/{part(event)}")["data"]


runs.add_command(migrate)


@runs.command(epilog="Example: reactor runs signal run_01jc3x7m2k9qa payment.done '{\"amount\": 7}'")
@click.argument("id_", metavar="ID")
@click.argument("type_", metavar="TYPE")
@click.argument("event_data", metavar="[JSON|@FILE|-]", required=False)
@json_option
@server_options
def signal(id_: str, type_: str, event_data: str | None, as_json: bool, **where: str | None) -> None:
    """Tell a run that waits an event of a type that it waits for."""
    from reactor.cli import output
    from reactor.cli.client import part

    body = {"type": type_, "data": read_json(event_data)}
    answer = client_of(**where).post(f"/runs/{part(id_)}/signal", body)
    if as_json:
        output.print_json(answer)
    else:
        click.echo(answer["event_id"])
