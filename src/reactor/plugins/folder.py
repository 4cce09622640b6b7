"""A plugin's folder: `reactor-plugin.toml`, what it declares, and a digest of everything in it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from reactor.sdk.plugin import protocol

FILE = "reactor-plugin.toml"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)")
_MOST_FILES = 5_000
"""That the digest looks at."""
_PASSING = ("__pycache__",)
"""Folders that change without a change of the plugin."""


class Refused(Exception):
    """A plugin that is not taken in: one sentence that says why and what to do."""


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reactor-plugin.toml`."""

    name: str
    """a-z 0-9 _ -"""
    version: str
    command: tuple[str, ...]
    """Program and arguments, started in the plugin's folder. A program with a `/` is looked for there; `{python}` is
    the Python that Reactor runs on."""
    protocol: int = protocol.VERSION
    """Version of the plugin protocol that it speaks."""
    reactor: str = ""
    """Which Reactor it needs: `>=0.1, <2`."""
    env: tuple[str, ...] = ()
    """Names of environment variables that are handed on to it, beside the usual few."""


class PluginFolder(msgspec.Struct, frozen=True):
    """One plugin on disk."""

    path: Path
    declared: Declaration
    digest: str
    """Of names, sizes and times of all files in the folder."""

    @property
    def name(self) -> str:
        """As declared."""
        return self.declared.name


def find(folders: Iterable[Path]) -> Iterator[Path]:
    """The folders of plugins: those that are named, and those right below them.

    Raises:
        Refused: one of the named folders holds no plugin.
    """
    for folder in folders:
        if (folder / FILE).is_file():
            yield folder
            continue
        below = sorted(path.parent for path in folder.glob(f"*/{FILE}")) if folder.is_dir() else []
        if not below:
            raise Refused(
                f"the setting `plugins` names {folder}, where there is no {FILE}, nor in a folder right below"
            )
        yield from below


def read(path: Path, reactor_version: str) -> PluginFolder:
    """The plugin in a folder.

    Raises:
        Refused: its declaration is wrong, is for another version, or may be changed by everybody.
    """
    file = path / FILE
    try:
        for looked_at in (path, file):
            if looked_at.stat().st_mode & stat.S_IWOTH:
                raise Refused(f"plugin in {path}: every user may write {looked_at.name}; chmod o-w {looked_at}")
        declared = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Declaration)
    except OSError as error:
        raise Refused(f"plugin in {path}: {FILE} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"plugin in {path}: {FILE} is wrong: {error}") from None
    problem = _problem(declared, reactor_version)
    if problem is not None:
        raise Refused(f"plugin in {path}: {problem}")
    return PluginFolder(path.resolve(), declared, _digest(path))


def _problem(declared: Declaration, reactor_version: str) -> str | None:
    if not _NAME.fullmatch(declared.name):
        return f"its name {declared.name!r} has to be of a-z 0-9 _ - and to begin with a letter"
    if not declared.command:
        return "`command` is empty; name the program and its arguments"
    if declared.protocol != protocol.VERSION:
        return other_protocol(declared.protocol)
    wrong = [name for name in declared.env if not _VARIABLE.fullmatch(name) or name.startswith("REACTOR_")]
    if wrong:
        return f"`env` names {wrong[0]!r}, which is not handed on to plugins"
    if declared.reactor and not fits(reactor_version, declared.reactor):
        return f"it needs Reactor {declared.reactor}, this is {reactor_version}; install another version of one of them"
    return None


def other_protocol(spoken: int) -> str:
    """What is wrong with who speaks another version."""
    return (
        f"it speaks version {spoken} of the plugin protocol, this Reactor speaks {protocol.VERSION}; "
        "update the plugin or Reactor"
    )


def fits(version: str, wanted: str) -> bool:
    """Whether a version is in a range such as `>=0.1, <2`; what is no range fits nothing."""
    have = _numbers(version)
    for clause in wanted.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            return False
        sign, other = match[1], _numbers(match[2])
        width = max(len(have), len(other))
        a, b = _padded(have, width), _padded(other, width)
        holds = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, "<": a < b}[sign]
        if not holds:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)


def _padded(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))


def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for number, path in enumerate(_files(folder)):
        if number >= _MOST_FILES:
            break
        found = path.lstat()
        digest.update(f"{path.relative_to(folder)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSING)
        yield from (Path(root) / name for name in sorted(files))
