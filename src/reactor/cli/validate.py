"""`reactor validate` and `reactor schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reactor.sdk.manifest import Catalog

FORMATS = ("human", "json", "github", "sarif")


@click.command(epilog="Example: reactor validate flows/ --format github")
@click.argument("paths", metavar="FILE…|DIR", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="human", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate(paths: tuple[str, ...], form: str, as_json: bool) -> int:
    """Show all problems of flows at once, with fixes. Exit 1 when there are errors."""
    from reactor.language import report
    from reactor.language.folder import load_folder

    folder = load_folder(paths, catalog=_catalog())
    click.echo(report.render(folder, "json" if as_json else form), nl=False)
    return 1 if any(problem.severity == "error" for problem in folder.problems) else 0


def _catalog() -> Catalog:
    from reactor.plugins import discovery

    catalog, broken = discovery.discover()
    for text in broken:
        click.echo(text, err=True)
    return catalog


@click.command(epilog="Example: reactor schema > .vscode/reactor-flow.schema.json")
def schema() -> None:
    """Print the JSON Schema of flows, for editors; it knows the plugins that are installed."""
    from reactor.cli.output import print_json
    from reactor.language.schema import flow_schema

    print_json(flow_schema(_catalog()))
