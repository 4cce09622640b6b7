"""`connections:` of a flow: settings to reach systems, checked against what their connectors declare."""

from __future__ import annotations

import re
from typing import Any

from reactor.language.expressions import is_template
from reactor.language.key import Key
from reactor.language.names import Scope
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, scalars
from reactor.language.structs import Given, check

FILLED = re.compile(r"\{\{\s*(secrets|env)\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
"""All that may be filled in, when somebody asks for a connection; `validate` refuses more."""


def read_connections(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> dict[str, Any] | None:
    """Names with their settings, as they are written; what is wrong is told."""
    if not isinstance(node, Mapping):
        reader.wrong(node, key.name, f"a map such as {key.example}")
        return None
    for name, item in node.entries.items():
        kind = item.get("type") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(kind, Scalar) or not kind.text or is_template(kind.text):
            message = f"connection `{shown(name)}` needs a `type`; write for example `{{type: sqlite, url: orders.db}}`"
            reader.report("missing-key", message, kind or item)
        told = len(reader.problems)
        reader.value(item, scope, f"{where}.{name}")
        if len(reader.problems) == told:
            _only_names(reader, item)
        if isinstance(item, Mapping) and isinstance(kind, Scalar):
            _settings(reader, item, kind, name)
    return node.plain


def _settings(reader: Reader, item: Mapping, kind: Scalar, name: str) -> None:
    """The settings of a connection, by what its type declares."""
    types = reader.catalog.connections
    declared = types.get(kind.text)
    if declared is None:
        if kind.text and not is_template(kind.text) and types:
            meant = closest(kind.text, types)
            hint = (
                f"did you mean `{meant}`?" if meant else f"there is {listed(sorted(types))}; is its plugin installed?"
            )
            message = f"connection `{shown(name)}`: no connector here knows the type `{shown(kind.text)}`; {hint}"
            reader.warn("connection-type", message, kind, suggestion=meant)
        return
    values = {key: value for key, value in item.entries.items() if key != "type"}
    keys: dict[str, Node] = {key: value for key, value in item.keys.items() if key != "type"}
    owner = f"connection `{shown(name)}` ({kind.text})"
    check(reader, declared.settings, Given(keys, values, kind, owner, noun="key"))


def _only_names(reader: Reader, node: Node) -> None:
    """A connection is filled in when an action asks for it, by names alone."""
    for scalar in scalars(node):
        if isinstance(scalar.value, str) and is_template(FILLED.sub("", scalar.text)):
            message = "a connection takes only `{{ secrets.NAME }}` and `{{ env.NAME }}`, without filters and operators"
            reader.report("constant", message, reader.source.locate(scalar, max(scalar.text.find("{{"), 0)))
