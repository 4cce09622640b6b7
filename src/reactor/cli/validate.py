"""`reactor validate` and `reactor schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reactor.cli.options import app_option, program_of

if TYPE_CHECKING:
    from reactor.sdk.manifest import Catalog

FORMATS = ("human", "json", "github", "sarif")


@click.command(epilog="Example: reactor validate flows/ --format github")
@click.argument("paths", metavar="FILE…|DIR", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="human", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@app_option
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--lint/--no-lint", default=True, help="Whether to tell what is valid and still looks wrong.")
def validate(paths: tuple[str, ...], form: str, as_json: bool, strict: bool, lint: bool, app: str | None) -> int:
    """Show all problems of flows at once, with fixes. Exit 1 when there are errors."""
    from reactor.language import report
    from reactor.language.folder import load_folder
    from reactor.language.lint import lint_folder

    catalog = _catalog(app)
    folder = load_folder(paths, catalog=catalog)
    if lint:
        folder.problems = lint_folder(folder, catalog=catalog)
    click.echo(report.render(folder, "json" if as_json else form), nl=False)
    failing = ("error", "warning") if strict else ("error",)
    return 1 if any(problem.severity in failing for problem in folder.problems) else 0


def _catalog(app: str | None) -> Catalog:
    from reactor.app import catalog_of

    settings, program = program_of({"app": app})
    catalog, broken = catalog_of(program, settings)
    for text in broken:
        click.echo(text, err=True)
    return catalog


@click.command(epilog="Example: reactor schema > .vscode/reactor-flow.schema.json")
@app_option
def schema(app: str | None) -> None:
    """Print the JSON Schema of flows, for editors; it knows the plugins that are installed."""
    from reactor.cli.output import print_json
    from reactor.language.schema import flow_schema

    print_json(flow_schema(_catalog(app)))
