"""`reactor`: finds the command, runs it, and says in one sentence what went wrong.

Commands are imported when they are called: `reactor --help` knows them by the table below alone.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import NoReturn

import click

COMMANDS = {
    "run": ("reactor.cli.run:run", "Run the server with the flows of a folder."),
    "execute": ("reactor.cli.execute:execute", "Run one flow, here and now."),
    "validate": ("reactor.cli.validate:validate", "Show all problems of flows, with fixes."),
    "test": ("reactor.cli.test:test", "Run the flows' own tests; make tests from recorded runs."),
    "events": ("reactor.cli.events:events", "Send events, list and show them, take them in again."),
    "runs": ("reactor.cli.runs:runs", "List and show runs; cancel, pause, resume, retry, fork, migrate them."),
    "mcp": ("reactor.cli.mcp:mcp", "Be an MCP server on stdin and stdout, for desktop programs."),
    "approvals": ("reactor.cli.approvals:approvals", "List what waits for people; approve and reject it."),
    "flows": ("reactor.cli.flows:flows", "List, show and compare flows; enable, disable, run them."),
    "triggers": ("reactor.cli.triggers:triggers", "Show which triggers really listen."),
    "dead-letters": ("reactor.cli.dead_letters:dead_letters", "Messages that made no event: list, show, retry, drop."),
    "alerts": ("reactor.cli.alerts:alerts", "What is wrong now, and what was; rules and silences."),
    "connections": ("reactor.cli.connections:connections", "Save, test and list settings to reach systems."),
    "import": ("reactor.cli.import_:import_", "Take over flows of other engines, with a report."),
    "explain": ("reactor.cli.explain:explain", "Say why: an event started nothing, a run waits."),
    "simulate": ("reactor.cli.simulate:simulate", "Try a changed flow against recorded events."),
    "secrets": ("reactor.cli.secrets:secrets", "Keep secrets for flows, encrypted."),
    "users": ("reactor.cli.users:users", "Add users, list them, change their roles, remove them."),
    "tokens": ("reactor.cli.tokens:tokens", "Make tokens for programs, list and revoke them."),
    "audit": ("reactor.cli.audit:audit", "Show who did what, and that the log is whole."),
    "schema": ("reactor.cli.validate:schema", "Print the JSON Schema of flows, for editors."),
    "doctor": ("reactor.cli.doctor:doctor", "Show the settings and check this installation."),
    "completion": ("reactor.cli.completion:completion", "Print the shell completion."),
    "version": ("reactor.cli.doctor:version", "Print the version."),
}
LATER = {
    "new": "make a flow from a sentence",
    "templates": "ready flows",
    "build": "make one executable",
    "bench": "measure (in a checkout there is `make bench`)",
    "backup": "copy the data",
    "restore": "put a copy back",
}
"""Commands that are announced, and say so when they are called."""
FAILED, WRONG_USE = 1, 2


class Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER:
            return _later(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and name not in LATER and not name.startswith("-"):
            close = difflib.get_close_matches(name, [*COMMANDS, *LATER], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _later(name: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True, "help_option_names": []}, hidden=True)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def later(words: tuple[str, ...]) -> NoReturn:
        del words
        raise click.UsageError(f"`reactor {name}` ({LATER[name]}) is not in this version yet")

    return later


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: reactor run flows/ --port 5000",
)
def cli() -> None:
    """Reactor: when X happens, do Y, then Z, unless A, and only if B."""


def main() -> None:
    """The command `reactor`."""
    sys.exit(_run(sys.argv[1:]))


def _run(args: list[str]) -> int:
    from reactor.cli.options import WrongSettings
    from reactor.model.errors import InvalidError, ReactorError

    try:
        result = cli.main(args, prog_name="reactor", standalone_mode=False, color=_color())
        sys.stdout.flush()
    except click.UsageError as error:
        if _debug():
            raise
        error.show()
        return WRONG_USE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _told("stopped", FAILED)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); nothing more can be said there, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ReactorError as error:
        return _told(error, WRONG_USE if isinstance(error, (InvalidError, WrongSettings)) else FAILED)
    except Exception as error:  # noqa: BLE001 - whatever it is, people get a sentence
        return _told(f"{type(error).__name__}: {error} (REACTOR_LOG_LEVEL=debug shows where)", FAILED)
    return result if isinstance(result, int) else 0


def _told(error: object, code: int) -> int:
    if _debug() and isinstance(error, Exception):
        raise error
    from reactor.cli.output import plain

    for line in plain(str(error)).splitlines():
        click.echo(f"{click.style('error:', fg='red')} {line}", err=True, color=_color())
    return code


def _debug() -> bool:
    return os.environ.get("REACTOR_LOG_LEVEL", "").lower() == "debug"


def _color() -> bool | None:
    """None: where it is a terminal."""
    return False if os.environ.get("NO_COLOR") else None
