"""`reactor import`: flows of other engines as flows of ours, with a report of what became of each part."""

from __future__ import annotations

from pathlib import Path

import click

ENGINES = ("conduktr", "openworkflow", "n8n", "stepfunctions")


@click.command("import", epilog="Example: reactor import workflow.json --from n8n -o flows/workflow.yaml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "engine", type=click.Choice(ENGINES), help="The other engine; else it is found out.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where the flow goes; else stdout."
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; without -o the flow is in it.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def import_(
    file: Path, engine: str | None, output: Path | None, report: Path | None, as_json: bool, force: bool
) -> int:
    """Turn a flow of another engine into one of ours.

    What has no counterpart is kept as a step that fails when a run comes to it, with the original above it. The report
    says what became of each part. Exit 1 when nothing could be read.
    """
    from reactor.cli.options import settings_of
    from reactor.cli.output import print_json, to_json
    from reactor.language.importing import take_over
    from reactor.model.errors import InvalidError
    from reactor.plugins.discovery import discover

    for path in (output, report):
        if path is not None and path.exists() and not force:
            raise click.UsageError(f"{path} is there already; give another name, or --force")
    data = _read(file)
    settings = settings_of()
    catalog, broken = discover(settings.plugins, settings.data)
    for text in broken:
        click.echo(text, err=True)
    try:
        made = take_over(data, engine or _found_out(data, file), catalog=catalog, file=file.name)
    except InvalidError as error:
        raise click.ClickException(str(error)) from None
    found = {**made.coverage.as_dict(), "file": str(file), "flow": made.loaded.name}
    if report is not None:
        _write(report, to_json(found) + "\n")
    if output is not None:
        _write(output, made.text)
    if as_json:
        print_json(found if output is not None else {**found, "text": made.text})
        return 0
    if output is None:
        click.echo(made.text, nl=False)
    click.echo(made.coverage.as_text(), nl=False, err=output is None)
    return 0


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _found_out(data: bytes, file: Path) -> str:
    from reactor.language.importing import engine_of

    engine = engine_of(data)
    if engine is None:
        raise click.ClickException(f"{file} looks like no flow of {', '.join(ENGINES)}; say which it is with --from")
    return engine
