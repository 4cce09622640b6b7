"""Options that several commands share, and how they become settings and a client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reactor.model.errors import SettingsError

if TYPE_CHECKING:
    from reactor.cli.client import Client
    from reactor.python import Reactor
    from reactor.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


class WrongSettings(SettingsError):
    """A setting as such is wrong: wrong use (exit 2)."""


def settings_of(flags: Mapping[str, Any] | None = None, config: str | None = None) -> Settings:
    """The settings of this process.

    Raises:
        WrongSettings: with every problem there is.
    """
    from reactor.settings import load

    try:
        return load(flags or {}, os.environ, Path.cwd(), config)
    except SettingsError as error:
        raise WrongSettings(str(error)) from None


def program_of(flags: Mapping[str, Any], config: str | None = None) -> tuple[Settings, Reactor | None]:
    """The settings of this process, and the Python program that they name. What the program sets itself counts where
    the command line says nothing.

    Raises:
        WrongSettings: as `settings_of`. SettingsError: the program cannot be imported.
    """
    settings = settings_of(flags, config)
    if settings.app is None:
        return settings, None
    from reactor.python.loading import program_of as imported

    program = imported(settings.app)
    given = {name: value for name, value in flags.items() if value is not None}
    return settings_of({**program.given, **given}, config), program


def app_option(command: F) -> F:
    """`--app`: flows and actions in Python."""
    return click.option("--app", metavar="MODULE:NAME", help="Flows and actions in Python: a reactor.Reactor.")(command)


def data_option(command: F) -> F:
    """`--data` and `--config`: which Reactor on this machine."""
    command = click.option("--data", metavar="DIR", help="The data folder (REACTOR_DATA).")(command)
    return click.option("--config", metavar="FILE", help="Settings to read in place of reactor.toml.")(command)


def server_options(command: F) -> F:
    """Which server a command talks to."""
    command = click.option("--url", metavar="URL", help="Where the server is (REACTOR_URL).")(command)
    return data_option(command)


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def page_options(command: F) -> F:
    """How much of a list."""
    command = click.option("--cursor", metavar="CURSOR", help="Go on where the page before ended.")(command)
    return click.option(
        "--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="At most so many."
    )(command)


def time_options(command: F) -> F:
    """From when, until when."""
    command = click.option("--until", metavar="TIME", help="Before this time, or this long ago.")(command)
    return click.option("--since", metavar="TIME", help="A time, or how long ago (24h).")(command)


def client_of(url: str | None, data: str | None, config: str | None) -> Client:
    """The client of the server that these options, or the settings, name."""
    from reactor.cli.client import connect

    return connect(settings_of({"url": url, "data": data}, config))


def read_json(text: str | None, what: str = "the JSON") -> Any:
    """JSON given on the command line: itself, `@FILE`, or `-` for standard input; None when nothing was given.

    Raises:
        click.BadParameter: it is no JSON, or the file cannot be read.
    """
    if text is None:
        return None
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{what} cannot be read: {error}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        hint = ""
        if text[:1] not in "{[\"'" and len(text) < 60:
            hint = f"""; a text is written '"{text}"'"""
        raise click.BadParameter(f"{what} is not JSON: {error}{hint}") from None


def set_values(into: Any, pairs: tuple[str, ...]) -> Any:
    """`--set a.b=1`: a copy of a map with these values; a value is JSON where it can be, else a text.

    Raises:
        click.BadParameter: a pair has no `=`, or what is set into is no map.
    """
    if not pairs:
        return into
    if into is not None and not isinstance(into, dict):
        raise click.BadParameter("--set needs a map to set values in")
    result = json.loads(json.dumps(into or {}))
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise click.BadParameter(f"--set {pair!r}: write NAME=VALUE")
        *around, last = path.split(".")
        place = result
        for name in around:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise click.BadParameter(f"--set {pair!r}: {name} is no map")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return result
