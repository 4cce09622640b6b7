"""What all importers make: names of steps, placeholders, texts that are no templates."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reactor.language.importing.writing import Step
from reactor.language.lint.control import PLACEHOLDER
from reactor.language.lint.tokens import secret_in
from reactor.language.problems import shown

_OPENING = re.compile(r"\{\{|\{%|\{#")
LEFT_OUT = "*** left out: it looks like a secret"


class Names:
    """Names of steps, each given once, that expressions can read behind a dot."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, original: str, otherwise: str = "step") -> str:
        """A free name that is like the original."""
        base = identifier(original) or otherwise
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


def identifier(text: str) -> str:
    """A text as a name of letters, digits and `_`; empty when nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    made = re.sub(r"\W+", "_", plain).strip("_")[:60].rstrip("_")
    return f"_{made}" if made[:1].isdigit() else made


def flow_name(text: str) -> str:
    """A text as the name of a flow."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:80].rstrip("-_")


def literal(text: str) -> str:
    """A text that is to stay as it is, also where templates are filled in."""
    return _OPENING.sub(lambda found: f"{{{{ '{found[0]}' }}}}", text)


def placeholder(name: str, what: str, reason: str, original: Any, more: Sequence[str] = ()) -> Step:
    """A step that fails when a run comes to it, and keeps what the other engine had above it.

    Args:
        name: the step's name.
        what: what it was, in words: `n8n node "Tell sales" (n8n-nodes-base.slack)`.
        reason: why it is no more than this.
        original: its parameters, as they were; what looks like a secret is left out.
        more: more lines for its comment.
    """
    lines = [f"TODO import: {shown(what, longest=200)}: {shown(reason, longest=600)}", *more, *described(original)]
    message = literal(shown(f"{what} was not imported: {reason}", longest=300))
    return Step({"name": name, "fail": {"kind": PLACEHOLDER, "message": message}}, lines)


def described(original: Any) -> Iterator[str]:
    """Parameters as lines for a comment: JSON, and texts of several lines below it as they are."""
    texts: list[tuple[str, str]] = []
    plain = _plain(original, "", texts)
    if plain not in ({}, [], None):
        yield from json.dumps(plain, indent=1, ensure_ascii=False).splitlines()
    for name, text in texts:
        yield f"{name}:"
        yield from (f"  {line}" for line in text.splitlines())


def _plain(value: Any, name: str, texts: list[tuple[str, str]]) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, str(key), texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, name, texts) for item in value]
    if not isinstance(value, str):
        return value
    if secret_in(value, name) is not None:
        return LEFT_OUT
    if "\n" in value.strip():
        texts.append((name, value))
        return "(below)"
    return value
