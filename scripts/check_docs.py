"""The docs say what is so: generated parts are fresh, links lead somewhere, flows in them are valid, commands exist."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import reference

from reactor.cli.main import cli
from reactor.language.loader import load

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NESTED = re.compile(r"\$\(([^)]*)\)")
_COMMAND = re.compile(r"(?:^|\$ )\s*(?:\.venv/bin/)?reactor ([^#|]*)")
_OF_A_PLUGIN = re.compile(r"\b(spool|tail|weather)\b")
"""What the examples of plugins bring along."""
_USUAL = {"name": "part", "on": "{event: any.thing}", "steps": "[{action: log.info, with: {message: hello}}]"}
"""What a part of a flow is completed with."""
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """What people read, beside decisions."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def links(page: Path, text: str) -> Iterator[str]:
    """Links within the repository that lead nowhere."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and anchor not in {_anchor(heading) for heading in _HEADING.findall(there.read_text("utf-8"))}:
            yield f"{path or page.name} has no heading #{anchor}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def flows(text: str) -> Iterator[str]:
    """Flows with problems. A block of YAML with a name is one; a part of one is completed."""
    for kind, block in _FENCE.findall(text):
        if kind != "yaml" or _OF_A_PLUGIN.search(block) or re.search(r"^document:", block, re.MULTILINE):
            continue
        for part in re.split(r"^---$", block, flags=re.MULTILINE):
            found = load(_whole(part.lstrip()), file="the flow", catalog=reference.catalog()).problems
            yield from (f"{problem.place}: {problem.message}" for problem in found)


def _whole(block: str) -> str:
    """A flow with this in it: with the keys that every flow needs, and which are left out here."""
    if block.startswith("- "):
        block = f"steps:\n{block}"
    for key, usual in _USUAL.items():
        if not re.search(rf"^{key}:", block, re.MULTILINE):
            block = f"{block}\n{key}: {usual}\n"
    return block


def commands(text: str) -> Iterator[str]:
    """Commands and options of `reactor` that there are not."""
    for kind, block in _FENCE.findall(text):
        if kind not in ("sh", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            inner = _NESTED.findall(line)
            for command in (*inner, _NESTED.sub("X", line)):
                for part in _COMMAND.findall(command):
                    yield from _command(part)


def _command(line: str) -> Iterator[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    at: click.Command = cli
    while words and isinstance(at, click.Group):
        name = words.pop(0)
        found = at.commands.get(name) or at.get_command(click.Context(at), name)
        if found is None:
            yield f"there is no command `reactor {line.strip()}`"
            return
        at = found
    known = {option for parameter in at.params for option in parameter.opts} | {"--help"}
    yield from (
        f"`reactor {line.strip()}`: there is no {word}" for word in words if word[:2] == "--" and word not in known
    )


def main() -> int:
    problems = [f"{path.relative_to(ROOT)}: not what the program says; run `make docs`" for path in reference.stale()]
    for page in pages():
        text = page.read_text("utf-8")
        found = [*links(page, text), *flows(text), *commands(text)]
        problems += [f"{page.relative_to(ROOT)}: {what}" for what in found]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
