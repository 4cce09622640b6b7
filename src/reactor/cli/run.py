"""`reactor run`: the server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import app_option, program_of

if TYPE_CHECKING:
    from reactor.python import Reactor
    from reactor.settings import Settings

_log = logging.getLogger("reactor")
_HURRY = 2.0
"""Seconds that are left after the second signal."""


@click.command(epilog="Example: reactor run flows/ --port 5000")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--workflows", metavar="DIR", help="The folder of flows, followed as it changes (or as the argument).")
@app_option
@click.option("--port", metavar="PORT", help="Port to listen on; 0 takes any free one. [5000]")
@click.option("--host", metavar="HOST", help="Address to listen on. [127.0.0.1]")
@click.option("--data", metavar="DIR", help="Folder of everything that is kept. [.reactor]")
@click.option("--store", metavar="URL", help="Where runs and events are kept. [sqlite]")
@click.option("--runtime", metavar="NAME", help="embedded")
@click.option("--config", metavar="FILE", help="Settings to read in place of reactor.toml.")
@click.option("--log-format", metavar="FORMAT", help="text or json")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error")
def run(folder: str | None, workflows: str | None, config: str | None, **flags: str | None) -> int:
    """Run the server with the flows of DIR, and follow the folder as it changes.

    Ends at SIGTERM or Ctrl-C when runs have come to a border; at the second one right away.
    """
    if folder is not None and workflows is not None:
        raise click.UsageError("give the folder of flows once, as DIR or with --workflows")
    settings, program = program_of({**flags, "workflows": folder or workflows}, config)
    from reactor.cli import logs

    logs.set_up(settings.log_format, settings.log_level)
    return in_loop(_serve(settings, program))


def in_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run in the quickest loop there is here."""
    factory = asyncio.new_event_loop
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


async def _serve(settings: Settings, program: Reactor | None) -> int:
    from reactor.app import build

    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled() -> None:
        (again if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    app = build(settings, program=program)
    starting = loop.create_task(app.start())
    early = loop.create_task(stop.wait())
    await asyncio.wait({starting, early}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return 0
    starting.result()
    for line in app.start_lines():
        click.echo(line)
    # What is here now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    await early
    return await _leave(app.stop(), again)


async def _leave(stopping: Coroutine[Any, Any, None], again: asyncio.Event) -> int:
    """Let runs come to a border; after a second signal cut them off: they are taken up at the next start."""
    _log.info("stopping; a second signal stops right away")
    task = asyncio.ensure_future(stopping)
    hurry = asyncio.ensure_future(again.wait())
    await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        hurry.cancel()
        task.result()
        return 0
    _log.warning("stopping right away")
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for other in rest:
        other.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait(rest, timeout=_HURRY)
    sys.stderr.flush()
    os._exit(1)
