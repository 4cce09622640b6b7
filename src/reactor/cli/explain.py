"""`reactor explain …`."""

from __future__ import annotations

import json
from typing import Any

import click

from reactor.cli.options import client_of, json_option, server_options


@click.group(epilog="Example: reactor explain event evt_01jc3x7m2k9qa")
def explain() -> None:
    """Say why: an event started a flow or did not, a run waits."""


@explain.command(epilog="Example: reactor explain event evt_01jc3x7m2k9qa --flow big-order")
@click.argument("id_", metavar="ID")
@click.option("--flow", metavar="NAME", help="For this flow only, with every rule that was asked.")
@click.option("--all", "every", is_flag=True, help="The rules of flows too that listen for something else.")
@json_option
@server_options
def event(id_: str, flow: str | None, every: bool, as_json: bool, **where: str | None) -> None:
    """For every flow: whether the event started it, and why or why not, rule by rule."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.events import verdicts

    answer = client_of(**where).get(f"/explain/event/{part(id_)}", flow=flow)
    if as_json:
        output.print_json(answer)
        return
    found = answer["event"]
    told = f"{output.one_line(found['type'])}  {output.time(found['time'])}  {output.one_line(found['source'])}"
    click.echo(f"{found['id']}  {told}".rstrip())
    click.echo()
    verdicts(answer["flows"])
    for told in answer["flows"]:
        if told["verdicts"] and (every or flow is not None or told["rule"] not in ("type", "address", "enabled")):
            click.echo(f"\n{told['flow']} version {told['version']}")
            _rules(told["verdicts"])
    if answer["waiting"]:
        click.echo()
        rows = [
            [one["run_id"], one["flow"], one["path"], _result(one["result"]), one["expression"], _why(one)]
            for one in answer["waiting"]
        ]
        output.table(("waiting run", "flow", "step", "result", "wanted", "why"), rows, "")
    if answer["waiting_more"]:
        click.echo("more runs wait for such events than were looked at", err=True)


def _rules(found: list[dict[str, Any]]) -> None:
    from reactor.cli import output

    several = len({one["trigger"] for one in found if one["trigger"]}) > 1
    rows = [
        [
            f"{one['rule']} of {one['trigger']}" if several and one["trigger"] else one["rule"],
            _result(one["result"]),
            one["expression"],
            _why(one),
        ]
        for one in found
    ]
    output.table(("rule", "result", "expression", "why"), rows, "")


def _why(one: dict[str, Any]) -> str:
    """The reason with the values that decided."""
    values = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in one["values"].items())
    return f"{one['reason']} ({values})" if one["reason"] and values else one["reason"] or values


_COLORS = {
    "passed": "green",
    "took": "green",
    "stopped": "red",
    "error": "red",
    "merged": "yellow",
    "queued": "yellow",
    "waits": "yellow",
}


def _result(text: str) -> str:
    from reactor.cli import output

    return output.styled(text.replace("_", " "), _COLORS.get(text, "bright_black"))


@explain.command(epilog="Example: reactor explain run run_01jc3x7m2k9qa")
@click.argument("id_", metavar="ID")
@json_option
@server_options
def run(id_: str, as_json: bool, **where: str | None) -> None:
    """What a run is doing, or what exactly blocks it, and until when."""
    from reactor.cli import output
    from reactor.cli.client import part
    from reactor.cli.runs import steps

    answer = client_of(**where).get(f"/explain/run/{part(id_)}")
    if as_json:
        output.print_json(answer)
        return
    click.echo(f"{answer['id']}  {answer['flow']}@{answer['version']}  {output.status(answer['status'])}")
    click.echo(output.plain(answer["explanation"]))
    rows = list(_blocked(answer["blockers"], 0))
    if rows:
        click.echo()
        output.table(("blocked by", "step", "until", "why"), rows, "")
    if answer["steps"]:
        click.echo()
        steps(answer["steps"])


def _blocked(found: list[dict[str, Any]], deep: int) -> list[list[Any]]:
    """What blocks a run, and below it, with a `>`, what blocks the runs that it has called."""
    from reactor.cli import output

    rows: list[list[Any]] = []
    for one in found:
        until = output.time(one["until"]) if one["until"] else None
        rows.append(["> " * deep + one["kind"], one["path"], until, one["reason"]])
        child = one["details"].get("run")
        if child is not None:
            below = _blocked(child["blockers"], deep + 1)
            rows += below or [
                ["> " * (deep + 1) + child["status"], None, None, f"{child['id']}: {child['explanation']}"]
            ]
    return rows


@explain.command(epilog="Example: reactor explain flow big-order")
@click.argument("name")
@json_option
@server_options
def flow(name: str, as_json: bool, **where: str | None) -> None:
    """What starts a flow, whether it is enabled, what its flow control holds, and its live runs."""
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
        ("if", answer["if"]), ("unless", answer["unless"]),
        *_control(answer["control"]), ("live runs", str(len(answer["live_runs"]))),
    ])  # fmt: skip
    _keys(answer["control"])
    if answer["live_runs"]:
        click.echo()
        rows = [[run["id"], output.status(run["status"]), run["waiting_for"]] for run in answer["live_runs"]]
        output.table(("run", "status", "waits for"), rows, "")


def _control(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """Each control in one line."""
    from reactor.cli import output

    lines: list[tuple[str, Any]] = []
    for name, one in found.items():
        if name == "queue":
            following = f", the next starts {output.time(one['next_at'])}" if one["next_at"] else ""
            lines.append(("queue", f"{one['waiting']} wait{following}"))
        else:
            limits = {key: value for key, value in one.items() if key not in ("keys", "keys_in_all")}
            lines.append((name, ", ".join(f"{key} {value}" for key, value in limits.items()) or "on"))
    return lines


def _keys(found: dict[str, Any]) -> None:
    """By key what is in each control now."""
    from reactor.cli import output

    rows = [
        [name, row["key"], row["used"], row.get("queued"), output.time(row.get("until")), " ".join(row.get("runs", ()))]
        for name, one in found.items()
        for row in one.get("keys", ())
    ]
    if rows:
        click.echo()
        output.table(("control", "key", "used", "queued", "until", "runs"), rows, "")


def _trigger(trigger: dict[str, Any]) -> str:
    from reactor.cli import output

    config = {name or "is": value for name, value in trigger["config"].items()}
    condition = f", if {trigger['if']}" if trigger["if"] else ""
    return f"{trigger['kind']} {output.one_line(config, 100)}{condition}"
