"""How things look in a terminal: aligned tables, local times with their age, colours only where they are wanted."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

_COLORS = {
    "completed": "green",
    "armed": "green",
    "running": "cyan",
    "pending": "cyan",
    "arming": "cyan",
    "waiting": "yellow",
    "paused": "yellow",
    "lagging": "yellow",
    "failed": "red",
    "cancelled": "magenta",
    "skipped": "bright_black",
    "disabled": "bright_black",
    "error": "red",
    "warning": "yellow",
    "critical": "red",
    "firing": "red",
    "resolved": "green",
    "ok": "green",
    "off": "bright_black",
}
_STEPS = ((60, 1, "s"), (3600, 60, "m"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))
_NARROWEST = 12
_CONTROLS = re.compile("[\x7f-\x9f\u2028\u2029]")


class Styled(str):
    """A text of ours with colours in it; every other text is shown without control characters."""

    __slots__ = ()


def to_json(value: Any) -> str:
    """Indented, readable, without what a terminal would obey."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any) -> None:
    """Print it as JSON."""
    click.echo(to_json(value))


def styled(text: str, color: str | None) -> Styled:
    """A text in a colour."""
    return Styled(click.style(one_line(text), fg=color))


def status(text: str) -> Styled:
    """A state in its colour."""
    return styled(text, _COLORS.get(text))


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text).astimezone() if text else None


def age(text: str | None, now: dt.datetime | None = None) -> str:
    """`3m ago`, `in 2h`, or a dash."""
    moment = _moment(text)
    if moment is None:
        return "-"
    seconds = ((now or dt.datetime.now(dt.UTC)) - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    shown = span(abs(seconds))
    return f"in {shown}" if seconds < 0 else f"{shown} ago"


def span(seconds: float) -> str:
    """`850ms`, `12s`, `3m`, `5h`, `2d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    for below, unit, name in _STEPS:
        if seconds < below:
            return f"{seconds / unit:.0f}{name}"
    return "?"


def time(text: str | None, now: dt.datetime | None = None) -> str:
    """`05:36:11 (3m ago)`, with the date when it is not today's."""
    moment = _moment(text)
    if moment is None:
        return "-"
    now = (now or dt.datetime.now(dt.UTC)).astimezone()
    form = "%H:%M:%S" if moment.date() == now.date() else "%Y-%m-%d %H:%M:%S"
    return f"{moment.strftime(form)} ({age(text, now)})"


def took(started: str | None, finished: str | None) -> str:
    """How long something took."""
    begin, end = _moment(started), _moment(finished)
    return span((end - begin).total_seconds()) if begin is not None and end is not None else "-"


def one_line(value: Any, most: int = 200) -> str:
    """A value on one line, without control characters; a long one is cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(text: str) -> str:
    """A text of several lines as it is, but for what a terminal would obey: texts of others stand in ours."""
    return "\n".join(
        "".join(letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in line)
        for line in text.split("\n")
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Columns under their names; the last one is cut at the terminal's edge."""
    shown = [[_cell(value) for value in row] for row in rows]
    if not shown:
        click.echo(empty, err=True)
        return
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(columns, *shown, strict=True)]
    room = shutil.get_terminal_size((10_000, 24)).columns if sys.stdout.isatty() else 10_000
    last = max(_NARROWEST, room - sum(widths[:-1]) - 2 * (len(widths) - 1))
    for number, row in enumerate([[name.upper() for name in columns], *shown]):
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row[:-1], widths, strict=False)]
        end = row[-1] if len(click.unstyle(row[-1])) <= last else click.unstyle(row[-1])[: last - 1] + "…"
        line = "  ".join([*cells, end]).rstrip()
        click.echo(click.style(line, dim=True) if number == 0 else line)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return value if isinstance(value, Styled) else one_line(str(value))


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, aligned; what is empty is left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        shown_value = value if isinstance(value, Styled) else one_line(str(value), 10_000)
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {shown_value}")


def page(
    answer: Mapping[str, Any],
    columns: Sequence[str],
    row: Callable[[Any], Sequence[Any]],
    *,
    as_json: bool,
    empty: str,
) -> None:
    """A list of the API as JSON or as a table."""
    if as_json:
        print_json(answer)
        return
    table(columns, [row(item) for item in answer["items"]], empty)
    if answer.get("next"):
        click.echo(f"more: --cursor {answer['next']}", err=True)


def block(title: str, value: Any) -> None:
    """A value as JSON under its title, unless there is none."""
    if value is None:
        return
    click.echo(click.style(title, dim=True))
    for line in to_json(value).split("\n"):
        click.echo(f"  {line}")
