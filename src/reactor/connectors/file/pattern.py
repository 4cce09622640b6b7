"""Path patterns: `inbox/**/*.csv` → the folder to watch and what to take there. Pure.

`*` and `?` stay within one name and match hidden names too, `**` stands for any number of folders, `[abc]` `[!a-z]` for
one character, `{csv,tsv}` for alternatives; a backslash takes the next character as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

_SPECIAL = re.compile(r"[*?\[{\\]")
_IN_BRACES = re.compile(r"\{[^}]*/")
OWN_PREFIX, OWN_SUFFIX = ".reactor-", ".tmp"
"""Names of files that `file.write`, `copy` and `move` have not finished; the trigger does not see them."""


class Pattern:
    """One pattern, absolute."""

    def __init__(self, root: str, glob: str) -> None:
        """`root`: the folder; `glob`: what to take below it."""
        self.root = root
        self.glob = glob
        self._expression = re.compile(translate(glob), re.DOTALL)
        unbounded = "**" in glob or _IN_BRACES.search(glob) is not None
        self.depth = None if unbounded else glob.count("/")
        """How many folders deep below the root a match can lie; None: any."""

    def matches(self, relative: str) -> bool:
        """Whether a path below the root is meant."""
        if self._expression.fullmatch(relative) is None:
            return False
        name = relative.rpartition("/")[2]
        return not (name.startswith(OWN_PREFIX) and name.endswith(OWN_SUFFIX))

    def covers(self, path: str) -> bool:
        """Whether an absolute path is meant."""
        prefix = under(self.root)
        return path.startswith(prefix) and self.matches(path[len(prefix) :])


def under(folder: str) -> str:
    """The folder with one slash at its end: what all paths in it start with."""
    return folder if folder.endswith("/") else f"{folder}/"


def problem(text: str) -> str | None:
    """What is wrong with a pattern as text."""
    if not text.strip():
        return "path is empty; write a folder or a pattern such as inbox/**/*.csv"
    if "\0" in text:
        return "path contains a NUL character"
    return None


def parse(text: str, base: str, is_folder: Callable[[str], bool]) -> Pattern:
    """Read a pattern; relative ones start at `base`.

    Without `*?[{` it is a folder (everything directly in it), or a single file when no folder of that name exists and
    it has an extension.
    """
    whole = os.path.join(base, text)  # noqa: PTH118 - pathlib drops what tells a folder: the slash at the end
    parts = whole.split("/")
    for index, part in enumerate(parts):
        if _SPECIAL.search(part):
            glob = "/".join(piece for piece in parts[index:] if piece not in {"", "."})
            return Pattern(os.path.normpath("/".join(parts[:index]) or "/"), glob)
    path = os.path.normpath(whole)
    name = path.rpartition("/")[2]
    if text.endswith("/") or not os.path.splitext(name)[1] or is_folder(path):  # noqa: PTH122
        return Pattern(path, "*")
    return Pattern(os.path.dirname(path), name)  # noqa: PTH120


def translate(glob: str) -> str:
    """A glob as a regular expression over relative paths."""
    out: list[str] = []
    index, braces = 0, 0
    while index < len(glob):
        char = glob[index]
        at_start = index == 0 or glob[index - 1] == "/"
        if at_start and glob.startswith("**/", index):
            out.append("(?:[^/]+/)*")
            index += 3
            continue
        if at_start and glob[index:] == "**":
            out.append("(?:[^/]+/)*[^/]+")
            break
        if char == "[" and (found := _bracket(glob, index)):
            text, index = found
            out.append(text)
            continue
        if char == "{" and "}" in glob[index:]:
            braces += 1
            out.append("(?:")
        elif char == "}" and braces:
            braces -= 1
            out.append(")")
        elif char == "," and braces:
            out.append("|")
        elif char == "\\" and index + 1 < len(glob):
            index += 1
            out.append(re.escape(glob[index]))
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
        index += 1
    return "".join(out) + ")" * braces


def _bracket(glob: str, start: int) -> tuple[str, int] | None:
    """`[...]` as an expression and where it ends; None when it is not closed."""
    index = start + 1
    negated = glob[index : index + 1] in {"!", "^"}
    index += negated
    end = glob.find("]", index + 1)
    if end < 0 or "/" in glob[index:end]:
        return None
    inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", glob[index:end])
    expression = f"[^/{inner}]" if negated else f"[{inner}]"
    try:
        re.compile(expression)
    except re.error:
        return None
    return expression, end + 1
