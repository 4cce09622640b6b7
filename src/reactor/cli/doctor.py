"""`reactor doctor` and `reactor version`."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.options import data_option, json_option, settings_of

if TYPE_CHECKING:
    from reactor.settings import Settings

_LEAST_FREE = 1 << 30
_WHOLE_CHECK = 1 << 30
"""Bytes: a larger store is only looked into, not read through."""
_OF_EXTRA = re.compile(r"""(?P<package>[\w.-]+).*;\s*extra\s*==\s*['"](?P<extra>\w+)""")
"""A requirement of the package as its metadata has it: `redis[hiredis]>=8.1.0; extra == 'redis'`."""
Finding = tuple[str, str, str]
"""(what, ok | warning | error, in words)"""


@click.command(epilog="Example: reactor doctor --json")
@json_option
@data_option
def doctor(as_json: bool, data: str | None, config: str | None) -> int:
    """Show each setting with its origin, and check this installation. Exit 1 when something is broken."""
    from reactor.cli import output

    settings = settings_of({"data": data}, config)
    shown = [{"name": name, "value": _plain(value), "origin": origin} for name, value, origin in settings.shown()]
    findings = [finding for check in _CHECKS for finding in check(settings)]
    if as_json:
        checks = [{"check": what, "state": state, "message": words} for what, state, words in findings]
        output.print_json({"settings": shown, "checks": checks})
    else:
        rows = [(row["name"], _in_words(row["value"]), row["origin"]) for row in shown]
        output.table(("setting", "value", "origin"), rows, "")
        click.echo()
        colors = {"ok": "green", "warning": "yellow", "error": "red"}
        output.table(
            ("check", "state", "message"),
            [(what, output.styled(state, colors[state]), words) for what, state, words in findings],
            "",
        )
    return 1 if any(state == "error" for _, state, _ in findings) else 0


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _in_words(value: Any) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _versions(_: Settings) -> list[Finding]:
    from reactor import __version__

    python = ".".join(map(str, sys.version_info[:3]))
    return [("version", "ok", f"reactor {__version__}, Python {python}, SQLite {sqlite3.sqlite_version}")]


def _data(settings: Settings) -> list[Finding]:
    folder = settings.data
    if not folder.exists():
        return [("data folder", "ok", f"{folder} is made at the first start")]
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [("data folder", "error", f"{folder} is no folder that this user may write")]
    found: list[Finding] = [("data folder", "ok", str(folder))]
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        found = [("data folder", "warning", f"{folder} may be entered by others (mode {mode:o}); chmod 700")]
    free = shutil.disk_usage(folder).free
    state = "ok" if free >= _LEAST_FREE else "warning"
    return [*found, ("disk", state, f"{free / (1 << 30):.1f} GB free where the data is")]


def _store(settings: Settings) -> list[Finding]:
    file = settings.store_file
    if not file.exists():
        return [("store", "ok", f"{file} is made at the first start")]
    size = file.stat().st_size
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=2)
        try:
            (number,) = connection.execute("PRAGMA user_version").fetchone()
            (words,) = ("ok",)
            if size <= _WHOLE_CHECK:
                (words,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [("store", "error", f"{file}: {error}")]
    if words != "ok":
        return [("store", "error", f"{file} is damaged ({words}); restore a backup")]
    return [("store", "ok", f"{file}, schema {number}, {size / (1 << 20):.1f} MB")]


def _secrets(settings: Settings) -> list[Finding]:
    from reactor.engine.vault import Vault
    from reactor.model.clock import SystemClock
    from reactor.model.errors import ReactorError

    vault = Vault(settings.data, SystemClock(), settings.secret_key)
    try:
        names = [info.name for info in vault.list()]
        for name in names:
            vault.read(name)
    except ReactorError as error:
        return [("secrets", "error", str(error))]
    return [("secrets", "ok", f"{len(names)} kept")]


def _plugins(settings: Settings) -> list[Finding]:
    from reactor.app import catalog_of

    catalog, broken = catalog_of(None, settings)
    findings: list[Finding] = [("plugin", "error", text) for text in broken]
    counts = f"{len(catalog.actions)} actions and {len(catalog.triggers)} triggers"
    findings.append(("connectors", "ok", f"{', '.join(sorted(catalog.connectors))}: {counts}"))
    return [*findings, *_flows(settings, catalog)]


def _extras(_: Settings) -> list[Finding]:
    """Which extras of the package are there: those of which nothing is missing."""
    from importlib import metadata

    asked: dict[str, list[str]] = {}
    for requirement in metadata.requires("reactor-engine") or ():
        found = _OF_EXTRA.match(requirement)
        if found is not None and found["extra"] != "all":
            asked.setdefault(found["extra"], []).append(found["package"])
    there = {package.name.lower() for package in metadata.distributions()}
    missing = [extra for extra, packages in asked.items() if not there.issuperset(packages)]
    words = ", ".join(extra for extra in asked if extra not in missing) or "none"
    if missing:
        words += f"; not installed: {', '.join(missing)} (pip install reactor-engine[{missing[0]}])"
    return [("extras", "ok", words)]


def _flows(settings: Settings, catalog: Any) -> list[Finding]:
    from reactor.language.folder import load_folder

    folder = settings.workflows
    if folder is None:
        return [("flows", "ok", "no folder is set (REACTOR_WORKFLOWS)")]
    if not folder.is_dir():
        return [("flows", "error", f"the folder {folder} is not there")]
    problems = [problem for problem in load_folder([folder], catalog=catalog).problems if problem.severity == "error"]
    if not problems:
        return [("flows", "ok", str(folder))]
    return [("flows", "error", f"{problem.place}: {problem.message}") for problem in problems]


def _server(settings: Settings) -> list[Finding]:
    from reactor.cli.client import ApiError, connect
    from reactor.model.errors import ReactorError

    client = connect(settings)
    try:
        client.request("GET", "/ready")
    except ApiError as error:
        return (
            [("server", "ok", f"none is running here ({error})")]
            if "no Reactor answers" in str(error)
            else [("server", "warning", f"{client.url}: {error}")]
        )
    except ReactorError as error:
        return [("server", "warning", f"{client.url}: {error}")]
    found: list[Finding] = [("server", "ok", f"ready at {client.url}")]
    try:
        rows = client.get("/triggers", limit=1000)["items"]
        bad = [row for row in rows if row["state"] in ("failed", "lagging")]
        found += [("trigger", "warning", f"{row['key']} is {row['state']}: {row['reason']}") for row in bad]
    except ReactorError as error:
        found.append(("api", "warning", str(error)))
    return found


_CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (
    _versions,
    _data,
    _store,
    _secrets,
    _extras,
    _plugins,
    _server,
)


@click.command(epilog="Example: reactor version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def version(as_json: bool) -> None:
    """Print the version."""
    from reactor import __version__
    from reactor.cli.output import print_json

    if as_json:
        print_json({"version": __version__, "python": sys.version.split()[0]})
    else:
        click.echo(f"reactor {__version__}")
