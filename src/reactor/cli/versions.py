"""Versions in the terminal: `reactor flows diff`, `reactor runs migrate`, previews of forks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reactor.cli.options import client_of, json_option, server_options

_SIGNS = {
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "changed": ("~", "yellow"),
    "moved": (">", "cyan"),
    "renamed": ("=", "cyan"),
}
_KINDS = {
    "new": "is new",
    "missing": "is gone",
    "changed": "ends otherwise",
    "case": "takes another case",
    "join": "is decided otherwise",
    "input": "has other parameters",
    "extra": "is new, and touches nothing",
}


# --- diff ---


@click.command(epilog="Example: reactor flows diff big-order 3 4; reactor flows diff old.yaml new.yaml")
@click.argument("what", metavar="NAME [V1 [V2]] | FILE FILE", nargs=-1, required=True)
@json_option
@server_options
def diff(what: tuple[str, ...], as_json: bool, **where: str | None) -> None:
    """Show what is different between two versions of a flow (the last two unless told), or two files, by meaning."""
    from reactor.cli import output

    files = [name for name in what if _is_file(name)]
    if files:
        if len(what) != 2 or len(files) != 2:
            raise click.UsageError("two files are compared: `reactor flows diff old.yaml new.yaml`")
        answer = _of_files(*what)
    else:
        answer = _of_versions(what, where)
    if as_json:
        output.print_json(answer)
        return
    click.echo(click.style(f"{answer['flow']}: {answer['from']} → {answer['to']}", bold=True))
    changes(answer["changes"])


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or Path(name).is_file()


def _of_versions(what: tuple[str, ...], where: dict[str, str | None]) -> Any:
    from reactor.cli.client import part

    name, *numbers = what
    if len(numbers) > 2:
        raise click.UsageError("a flow and at most two of its versions: `reactor flows diff NAME 3 4`")
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is neither the number of a version nor a file of a flow")
    first, second = [*numbers, None, None][:2]
    return client_of(**where).get(f"/flows/{part(name)}/diff", **{"from": first, "to": second})


def _of_files(before: str, after: str) -> dict[str, Any]:
    from reactor.app import catalog_of
    from reactor.cli.options import program_of
    from reactor.language.diff import diff as compare

    settings, program = program_of({"app": None})
    catalog, broken = catalog_of(program, settings)
    for text in broken:
        click.echo(text, err=True)
    old, new = _flow(before, catalog), _flow(after, catalog)
    return {"flow": new.name, "from": before, "to": after, "changes": [one.view() for one in compare(old, new)]}


def _flow(file: str, catalog: Any) -> Any:
    from reactor.language.loader import load
    from reactor.model.errors import InvalidError

    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be read: {error}") from None
    loaded = load(text, file=file, catalog=catalog)
    if loaded.flow is None:
        told = "\n".join(f"{one.place}: {one.message}" for one in loaded.problems if one.severity == "error")
        raise InvalidError(told)
    return loaded.flow


def changes(found: list[dict[str, Any]]) -> None:
    """Changes, a line each, and below it what it means for runs under way."""
    from reactor.cli import output

    if not found:
        click.echo("no difference in meaning")
        return
    width = min(40, max(len(one["path"]) for one in found))
    for one in found:
        sign, color = _SIGNS[one["kind"]]
        place = output.one_line(one["path"] or "", 80).ljust(width)
        text = f"{place}  {output.one_line(one['what'], 80)}  {_values(one)}"
        click.echo(f"{click.style(sign, fg=color)} {text}".rstrip())
        if one["touches"]:
            click.echo(click.style(f"  {' ' * width}  ! {output.one_line(one['touches'])}", fg="magenta"))


def _values(one: dict[str, Any]) -> str:
    from reactor.cli import output

    shown = [None if one[side] is None else output.one_line(one[side], 60) for side in ("before", "after")]
    if one["kind"] in ("added", "removed"):
        return shown[1] or shown[0] or ""
    return f"{shown[0]} → {shown[1]}"


# --- fork ---


def fork_plan(plan: dict[str, Any]) -> None:
    """What a fork would do."""
    from reactor.cli import output

    begins = f"from {plan['step']}" if plan["step"] else "from the beginning"
    click.echo(f"{plan['run']}  version {plan['from']} → {plan['to']}, {begins}; nothing was started")
    output.facts([
        ("taken over", ", ".join(plan["taken_over"])), ("done anew", ", ".join(plan["again"])),
        ("new", ", ".join(plan["new"])), ("gone", ", ".join(plan["gone"])),
    ])  # fmt: skip
    for name, title in (("other", "another way"), ("unfit", "what is taken over does not fit")):
        for one in plan[name]:
            click.echo(f"{click.style(title, dim=True)}: {divergence(one)}")


def divergence(one: dict[str, Any]) -> str:
    """One divergence as a sentence."""
    from reactor.cli import output

    path = output.one_line(one["path"] or "the run", 120)
    if one["recorded"] is None and one["replayed"] is None:
        return f"{path} {_KINDS[one['kind']]}"
    recorded, replayed = output.one_line(one["recorded"], 60), output.one_line(one["replayed"], 60)
    return f"{path} {_KINDS[one['kind']]}: {recorded} then, {replayed} now"


# --- migrate ---


@click.command(epilog="Example: reactor runs migrate --flow big-order --to 4 --map charge=pay --preview")
@click.argument("ids", metavar="ID…", nargs=-1)
@click.option("--flow", metavar="NAME", help="All runs of this flow that have not ended.")
@click.option("--to", metavar="N", type=click.IntRange(1), help="The version; else the current one.")
@click.option("--map", "pairs", metavar="OLD=NEW", multiple=True, help="A step that has another name there.")
@click.option("--force", metavar="STEP", multiple=True, help="A step that need not fit.")
@click.option("--preview", is_flag=True, help="Only say what would be.")
@json_option
@server_options
def migrate(
    ids: tuple[str, ...],
    flow: str | None,
    to: int | None,
    pairs: tuple[str, ...],
    force: tuple[str, ...],
    preview: bool,
    as_json: bool,
    **where: str | None,
) -> int:
    """Let runs that wait, are paused or queue change over to another version. Exit 1 when one is refused."""
    from reactor.cli import output

    if bool(ids) == bool(flow):
        raise click.UsageError("say which runs: their ids, or --flow NAME for all of a flow")
    body = {"to": to, "map": _map(pairs), "force": list(force), "preview": preview}
    found = _migrated(ids, flow, body, where)
    if as_json:
        output.print_json({"items": found})
    elif not found:
        click.echo("no unfinished run has another version", err=True)
    else:
        for one in found:
            _told(one)
    return 1 if any(one["refused"] for one in found) else 0


def _map(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old or not new:
            raise click.BadParameter(f"--map {pair!r}: write OLD=NEW")
        if old in found:
            raise click.BadParameter(f"--map {pair!r}: {old} has a new name already")
        found[old] = new
    return found


def _migrated(ids: tuple[str, ...], flow: str | None, body: dict[str, Any], where: dict[str, Any]) -> list[Any]:
    from reactor.cli.client import part

    client = client_of(**where)
    if flow is not None:
        found: list[Any] = client.post(f"/flows/{part(flow)}/migrate", body)["items"]
        return found
    plans = [client.post(f"/runs/{part(id_)}/migrate", {**body, "preview": True}) for id_ in ids]
    if body["preview"]:
        return plans
    # All are looked at before the first changes over.
    return [
        plan if plan["refused"] else client.post(f"/runs/{part(id_)}/migrate", body)
        for id_, plan in zip(ids, plans, strict=True)
    ]


def _told(one: dict[str, Any]) -> None:
    state = ("refused", "red") if one["refused"] else ("migrated", "green") if one["migrated"] else ("fits", "green")
    click.echo(f"{one['run']}  {one['flow']} {one['from']} → {one['to']}  {click.style(state[0], fg=state[1])}")
    if one["refused"] and not one["diverges"]:
        click.echo(f"  {one['refused']}")
    for each in one["diverges"]:
        click.echo(f"  {divergence(each)}")
