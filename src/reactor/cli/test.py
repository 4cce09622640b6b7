"""`reactor test`: the flows' own tests, and tests made from recorded runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reactor.cli.options import client_of, json_option, server_options, settings_of

if TYPE_CHECKING:
    from reactor.testing.flow_tests import Report


@click.command(
    epilog="""Example: reactor test flows/ --coverage --fail-under 90 --junit report.xml

    \b
    Example: reactor test --record run_0fk3mz9q1a2b4 --write flows/order.test.yaml"""
)
@click.argument("paths", metavar="[PATH…]", nargs=-1)
@click.option("--coverage", is_flag=True, help="Show which steps and branches were reached.")
@click.option("--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail when less than N % was reached.")
@click.option("--junit", metavar="FILE", help="Write the results as JUnit XML.")
@click.option("--record", metavar="RUN", help="Print a test made from a run that the server has recorded.")
@click.option("--write", metavar="FILE", help="With --record: add the test to this file (NAME.test.yaml).")
@json_option
@server_options
def test(
    paths: tuple[str, ...],
    coverage: bool,
    fail_under: float | None,
    junit: str | None,
    record: str | None,
    write: str | None,
    as_json: bool,
    url: str | None,
    **where: str | None,
) -> int:
    """Run the tests of flows: `tests:` in their files, and NAME.test.yaml beside them.

    PATH is a file or a folder with all below it; without one, the current folder. Nothing is called that changes
    something or looks outside: such steps are mocked. Time is virtual. Exit 1 when a test fails, a file is wrong, or
    there is no test.
    """
    if record is not None:
        if paths or coverage or junit or fail_under is not None:
            raise click.UsageError("--record makes a test and runs none; give it no PATH, --coverage or --junit")
        return _record(record, write, url, where)
    if write is not None:
        raise click.UsageError("--write goes with --record")
    from reactor.app import catalog_of
    from reactor.testing import run_flow_tests

    catalog, broken = catalog_of(None, settings_of({"data": where["data"]}, where["config"]))
    for text in broken:
        click.echo(text, err=True)
    report = run_flow_tests(*paths, catalog=catalog)
    if junit is not None:
        _write_junit(report, junit)
    _tell(report, as_json=as_json, coverage=coverage or fail_under is not None)
    enough = _enough(report, fail_under)
    return 0 if report.passed and enough else 1


def _tell(report: Report, *, as_json: bool, coverage: bool) -> None:
    from reactor.cli.output import print_json
    from reactor.testing import flow_coverage

    if as_json:
        print_json(report.as_data() | ({"coverage": report.coverage.as_data()} if coverage else {}))
        return
    click.echo(report.text(), nl=False)
    if not report.results and not report.problems:
        click.echo("there is no test; write some under `tests:` in a flow, or in NAME.test.yaml beside it", err=True)
    if coverage:
        click.echo("\n" + flow_coverage.table(report.coverage), nl=False)


def _enough(report: Report, fail_under: float | None) -> bool:
    reached = report.coverage.percent
    if fail_under is None or reached >= fail_under:
        return True
    click.echo(f"{reached:.1f} % of steps and branches were reached, {fail_under:g} % are wanted", err=True)
    return False


def _write_junit(report: Report, file: str) -> None:
    from reactor.testing import flow_report

    now = time.time_ns() // 1_000_000
    try:
        Path(file).write_text(flow_report.junit(report.results, report.problems, now), "utf-8")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}") from None


# --- from a recorded run ---


def _record(run_id: str, write: str | None, url: str | None, where: dict[str, str | None]) -> int:
    from reactor.app import catalog_of
    from reactor.cli.client import part
    from reactor.sdk import Effect
    from reactor.testing import recording

    actions = catalog_of(None, settings_of({"data": where["data"]}, where["config"]))[0].actions
    client = client_of(url, where["data"], where["config"])
    run = client.get(f"/runs/{part(run_id)}", whole="true")
    event = client.get(f"/events/{part(run['event_id'])}") if run.get("event_id") else None
    logs = client.get(f"/runs/{part(run_id)}/logs")["items"]
    case = recording.case_of(
        run, event, logs, is_pure=lambda name: name in actions and actions[name].effect is Effect.PURE
    )
    if write is None:
        click.echo(recording.as_yaml([case]), nl=False)
        return 0
    path = Path(write)
    try:
        before = path.read_text("utf-8") if path.exists() else ""
        path.write_text(recording.added(before, case, file=write), "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{write} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    click.echo(f"added the test {case['name']!r} to {write}", err=True)
    return 0
