"""`reactor execute`: one run, here and now, or on the server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import app_option, client_of, program_of, read_json, server_options, set_values

if TYPE_CHECKING:
    from reactor.app import App
    from reactor.cli.client import Client
    from reactor.model.flow import Flow
    from reactor.python import Reactor
    from reactor.settings import Settings

_LOOK = 0.2
"""Seconds between two looks at a run on the server."""
_ENDED = ("completed", "failed", "cancelled")
_MARKS = {"completed": ("✓", "green"), "skipped": ("-", "bright_black"), "failed": ("✗", "red")}


@click.command(epilog="""Example: reactor execute flows/big-order.yaml '{"id": 7, "total": 250}'""")
@click.argument("flow", metavar="FILE|FLOW")
@click.argument("text", metavar="[JSON|@FILE|-]", required=False)
@click.option("--watch", is_flag=True, help="Show the steps as they end, also where stderr is no terminal.")
@click.option("--dry-run", is_flag=True, help="Show what it would do, and do nothing of it.")
@click.option("--allow-reads", is_flag=True, help="With --dry-run: really do what only looks (a GET, a SELECT).")
@click.option("--mock", metavar="JSON|FILE", help="With --dry-run: what steps give, as `mock:` in tests.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
@click.option("--set", "values", metavar="K=V", multiple=True, help="Set a value in the data; `a.b=1` goes deeper.")
@app_option
@server_options
def execute(  # noqa: PLR0917 - click gives them by name
    flow: str,
    text: str | None,
    watch: bool,
    dry_run: bool,
    allow_reads: bool,
    mock: str | None,
    as_json: bool,
    values: tuple[str, ...],
    app: str | None,
    url: str | None,
    **where: str | None,
) -> int:
    """Run one flow and print the run as JSON; exit 1 when it fails.

    FILE runs here and now, with nothing kept. FLOW, the name of a flow, runs on the server. The JSON is the event's
    data; where the flow has `inputs`, it is these. With --dry-run nothing is done: what it would do is shown.
    """
    given = set_values(read_json(text), values)
    if dry_run:
        from reactor.cli.dry_run import dry_run_of

        client = None if _is_file(flow) else client_of(url, where["data"], where["config"])
        settings, program = program_of({**where, "app": app}, None if url else where.get("config"))
        return dry_run_of(flow, given, settings, client, program, reads=allow_reads, mock=mock, as_json=as_json)
    if allow_reads or mock is not None:
        raise click.UsageError("--allow-reads and --mock go with --dry-run")
    show = watch or sys.stderr.isatty()
    if _is_file(flow):
        settings, program = program_of({**where, "app": app}, None if url else where.get("config"))
        return _here(Path(flow), given, settings, program, show=show)
    return on_server(client_of(url, where["data"], where["config"]), flow, given, show=show)


def _is_file(text: str) -> bool:
    return text.endswith((".yaml", ".yml")) or "/" in text or Path(text).is_file()


# --- on the server ---


def on_server(client: Client, name: str, given: Any, *, show: bool) -> int:
    """Start a flow through the API, wait for the run's end, print it. The exit code."""
    from reactor.cli.client import part

    found = client.get(f"/flows/{part(name)}")
    receipt = client.post(f"/flows/{part(name)}/run", body_of(given, has_inputs=found["inputs"] is not None))
    view = View(show=show)
    run_id = receipt["runs"][0]["id"]
    while True:
        run = client.get(f"/runs/{run_id}", whole="true")
        view.steps(run["steps"])
        if run["status"] in _ENDED:
            return view.end(run)
        view.waiting(run.get("waiting_for"))
        time.sleep(_LOOK)


def body_of(given: Any, *, has_inputs: bool) -> dict[str, Any]:
    """What the API takes to start a flow: inputs where it has some, else the data of its event."""
    if has_inputs:
        return {"inputs": given if given is not None else {}}
    return {} if given is None else {"data": given}


# --- here ---


def _here(file: Path, given: Any, settings: Settings, program: Reactor | None, *, show: bool) -> int:
    from reactor.cli import logs
    from reactor.cli.run import in_loop

    level = settings.log_level if "log_level" in settings.origins else "warning"
    logs.set_up(settings.log_format, level)
    with tempfile.TemporaryDirectory(prefix="reactor-") as folder:
        return in_loop(_run_here(file, given, _throw_away(settings, Path(folder)), program, show=show))


def _throw_away(settings: Settings, folder: Path) -> Settings:
    """The same settings with a store that nobody keeps. Secrets are read where they are."""
    import msgspec

    data = settings.data if settings.data.is_dir() else folder / "data"
    return msgspec.structs.replace(
        settings, data=data, store=f"sqlite:///{folder / 'store' / 'reactor.db'}", durability="process"
    )


async def _run_here(file: Path, given: Any, settings: Settings, program: Reactor | None, *, show: bool) -> int:
    from reactor.app import build
    from reactor.model import ids

    app = build(settings, server=False, program=program)
    engine = app.engine
    await app.open()
    try:
        flow = await _taken(app, file)
        engine.executor.timers.start()
        engine.ready = True
        view = View(show=show)
        watching = asyncio.ensure_future(_watch(app, view, flow.name)) if show else None
        await asyncio.sleep(0)
        body = body_of(given, has_inputs=flow.inputs is not None)
        receipt = await engine.run_flow(flow.name, body.get("data"), body.get("inputs"))
        key = ids.from_text("run", receipt.runs[0][0])
        if key is None:
            raise RuntimeError("the run has no id")
        await engine.executor.end_of(key)
        if watching is not None:
            await asyncio.sleep(0)
            watching.cancel()
            await asyncio.wait({watching})
        return view.end(await _whole(app, key, flow))
    finally:
        await app.stop()


async def _whole(app: App, key: int, flow: Flow) -> dict[str, Any]:
    from reactor.engine import views

    (loaded,) = await app.engine.store.load([key])
    return views.run_whole(loaded, flow)


async def _taken(app: App, file: Path) -> Flow:
    """The flow of a file and those that it calls; they start nothing by themselves."""
    flow = _loaded(app, file, await asyncio.to_thread(_text, file))
    book = app.engine.book
    taken = await book.take(flow)
    wanted, beside = _called(flow), _beside(app, file)
    while wanted:
        name = wanted.pop()
        if name in beside and name not in book.current:
            wanted |= _called(beside[name])
            await book.take(beside[name])
    for name in book.current:
        book.routes.remove(name)
    return taken


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _loaded(app: App, file: Path, text: str) -> Flow:
    from reactor.language.problems import errors
    from reactor.language.report import render

    loaded = app.compiler.load(text, str(file))
    if loaded.flow is not None:
        return loaded.flow
    wrong = errors(loaded.problems)
    click.echo(render(wrong), err=True, nl=False)
    raise click.ClickException(f"{file} has {len(wrong)} problem{'s' if len(wrong) != 1 else ''} and cannot run")


def _beside(app: App, file: Path) -> dict[str, Flow]:
    """The other flows of the file's folder, as far as they can be read."""
    found: dict[str, Flow] = {}
    for other in sorted((*file.parent.glob("*.yaml"), *file.parent.glob("*.yml"))):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            flow = app.compiler.load(other.read_text("utf-8-sig"), str(other)).flow if other != file else None
            if flow is not None:
                found.setdefault(flow.name, flow)
    return found


def _called(flow: Flow) -> set[str]:
    from reactor.model.flow import CallStep, all_steps

    return {step.flow for _, step in all_steps(flow) if isinstance(step, CallStep)}


async def _watch(app: App, view: View, name: str) -> None:
    """Show steps as they end; those of flows that are called under the flow's name."""
    async for change in app.engine.changes.listen():
        if change.kind == "step":
            called = "" if change.data["flow"] == name else f"{change.data['flow']}: "
            view.step(called + change.data["path"], change.data["status"])


class View:
    """The live view, on stderr; the result, on stdout."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._seen: dict[str, str] = {}
        self._waiting: str | None = None

    def step(self, path: str, status: str, more: str = "") -> None:
        """A step is in another state."""
        if not self._show or self._seen.get(path) == status:
            return
        self._seen[path] = status
        mark, color = _MARKS.get(status, ("…", "cyan"))
        click.echo(f"{click.style(mark, fg=color)} {path}  {click.style(status, fg=color)}{more}", err=True)

    def steps(self, steps: Sequence[dict[str, Any]]) -> None:
        """The steps of a run as they are now."""
        for step in steps:
            self.step(step["path"], step["status"])

    def waiting(self, reason: str | None) -> None:
        """What the run waits for."""
        if self._show and reason and reason != self._waiting:
            from reactor.cli.output import one_line

            click.echo(f"… {one_line(reason)}", err=True)
        self._waiting = reason

    def end(self, run: dict[str, Any]) -> int:
        """Print the run; the exit code."""
        from reactor.cli.output import one_line, print_json

        print_json(run)
        if run["status"] == "completed":
            return 0
        error = run["error"] or {}
        where = f" at {error['step']}" if error.get("step") else ""
        kind = f" ({error['kind']})" if error.get("kind") else ""
        text = one_line(f"{run['status']}{where}{kind}: {error.get('message', 'it was cancelled')}", 2_000)
        click.echo(text, err=True)
        return 1
