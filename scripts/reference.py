"""Writes the generated parts of `docs/`: what stands between `<!-- reference: NAME -->` and `<!-- end -->`.

Made from the same tables that the program uses, so that the docs cannot say anything else. `make docs` writes,
`check_docs.py` compares.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as shapes

from reactor.connectors.cdc import connector as cdc
from reactor.connectors.data import connector as data
from reactor.connectors.database import connector as database
from reactor.connectors.email import connector as email
from reactor.connectors.event import connector as event
from reactor.connectors.file import connector as file
from reactor.connectors.http import connector as http
from reactor.connectors.kafka import connector as kafka
from reactor.connectors.log import connector as log
from reactor.connectors.mqtt import connector as mqtt
from reactor.connectors.nats import connector as nats
from reactor.connectors.pattern import connector as pattern
from reactor.connectors.redis import connector as redis
from reactor.connectors.run import connector as run
from reactor.connectors.schedule import connector as schedule
from reactor.connectors.shell import connector as shell
from reactor.language import keys
from reactor.language.expressions.filters import FILTERS
from reactor.language.expressions.predicates import TESTS
from reactor.language.lint import RULES
from reactor.model import durations
from reactor.sdk import Catalog, ConnectionType
from reactor.server import metrics
from reactor.server.api import LINES
from reactor.server.entries import ENTRIES
from reactor.settings import FIELDS, Settings

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS.parent))
_MARK = re.compile(r"(<!-- reference: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_METRIC = re.compile(r'_add\(lines, "(\w+)", "(\w+)", "([^"]+)"')
_ALIKE = {"log.info", "log.warn", "log.error"}
"""Told with another one."""


def catalog() -> Catalog:
    """Our own connectors: what else is installed here is no part of the docs."""
    ours = (event, http, schedule, file, run, pattern, shell, log, email, data, database, cdc, kafka, nats, redis, mqtt)
    return Catalog(ours)


# ---------------------------------------------------------------- tables


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(head), *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of_keys(given: Iterable[keys.Key]) -> str:
    """A table of the language."""
    rows = []
    for key in given:
        if not key.later:
            example = f"`{key.name}: {key.example}`" if key.example else ""
            rows.append((f"`{key.name}`", key.doc + (" Required." if key.required else "") + _verbs(key), example))
    return table(("key", "meaning", "example"), rows)


def _verbs(key: keys.Key) -> str:
    return f" With {' and '.join(f'`{verb}`' for verb in key.verbs)}." if key.verbs else ""


def control() -> str:
    """Flow control, each key with what stands in its map."""
    rows = []
    for key in keys.CONTROL_KEYS:
        inside = ", ".join(f"`{inner.name}`" + ("" if inner.required else "?") for inner in key.shape.keys)
        rows.append((f"`{key.name}`", key.doc, inside, f"`{key.name}: {key.example}`"))
    return table(("key", "meaning", "takes (`?`: may be left out)", "example"), rows)


# ---------------------------------------------------------------- structs


@functools.cache
def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The text below each field, those of its bases too."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        if not isinstance(body, ast.ClassDef):
            raise TypeError(f"{base} is no class")
        for before, after in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
            ):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[before.target.id] = " ".join(value.value.split())
    return found


_WORDS: dict[type[shapes.Type], str] = {
    shapes.StrType: "text",
    shapes.IntType: "whole number",
    shapes.FloatType: "number",
    shapes.BoolType: "true or false",
    shapes.AnyType: "anything",
    shapes.NoneType: "null",
    shapes.DictType: "map",
}


def words(kind: shapes.Type) -> str:
    """A type as people call it."""
    if isinstance(kind, shapes.Metadata):
        return words(kind.type)
    if isinstance(kind, shapes.LiteralType):
        return " · ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, (shapes.ListType, shapes.VarTupleType)):
        inner = words(kind.item_type)
        return "list" if inner == "anything" else f"list of {inner}"
    if isinstance(kind, shapes.StructType):
        return "map"
    if isinstance(kind, shapes.UnionType):
        parts = [words(part) for part in kind.types if not isinstance(part, shapes.NoneType)]
        if {"text", "whole number", "number"} <= set(parts) and len(parts) <= 5:
            return "text or number"
        return " or ".join(dict.fromkeys(parts))
    return _WORDS.get(type(kind), type(kind).__name__.removesuffix("Type").lower())


def of_struct(struct: type[msgspec.Struct], prefix: str = "", short: str | None = None) -> list[tuple[str, str, str]]:
    """A row for each field, those of maps inside it too."""
    info = shapes.type_info(struct)
    if not isinstance(info, shapes.StructType):
        raise TypeError(f"{struct} is no struct")
    rows: list[tuple[str, str, str]] = []
    for field in info.fields:
        doc = field_docs(struct).get(field.name, "")
        notes = [doc] if doc else []
        if field.required:
            notes.append("Required.")
        elif (shown := _default(field)) is not None:
            notes.append(f"Default {shown}.")
        if field.encode_name == short:
            notes.append("May stand alone, without its name.")
        rows.append((f"`{prefix}{field.encode_name}`", words(field.type), " ".join(notes)))
        for inner in _structs(field.type):
            rows += of_struct(inner, f"{prefix}{field.encode_name}.")
    return rows


def _default(field: shapes.Field) -> str | None:
    default = field.default
    if default in (msgspec.NODEFAULT, msgspec.UNSET, None, "", (), [], {}) and default is not False:
        return None
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _structs(kind: shapes.Type) -> Iterable[type[msgspec.Struct]]:
    if isinstance(kind, shapes.StructType):
        yield kind.cls
    elif isinstance(kind, shapes.UnionType):
        for part in kind.types:
            yield from _structs(part)
    elif isinstance(kind, (shapes.ListType, shapes.VarTupleType)):
        yield from _structs(kind.item_type)


# ---------------------------------------------------------------- connectors


def triggers() -> str:
    """Each kind with its keys."""
    parts = []
    for name, trigger in catalog().triggers.items():
        rows = of_struct(trigger.config, short=trigger.short)
        type_ = f" Type of its events: `{trigger.default_type}`." if trigger.default_type else ""
        parts.append(f"### {name}\n\n{trigger.doc}{type_}\n\n{table(('key', 'value', 'meaning'), rows)}")
    return "\n\n".join(parts)


def connections() -> str:
    """Each kind of connection with its settings."""
    parts = []
    for name, kind in catalog().connections.items():
        rows = [(key, value, _secret(kind, key, doc)) for key, value, doc in of_struct(kind.settings)]
        tested = "" if kind.test else " It cannot be tested."
        parts.append(f"### {name}\n\n{kind.doc}{tested}\n\n{table(('key', 'value', 'meaning'), rows)}")
    return "\n\n".join(parts)


def _secret(kind: ConnectionType, key: str, doc: str) -> str:
    return f"{doc} Secret." if key.strip("`") in kind.secret else doc


def actions() -> str:
    """Each action with its parameters."""
    parts = []
    for name, action in catalog().actions.items():
        if name in _ALIKE:
            continue
        title = "log.debug, log.info, log.warn, log.error" if name == "log.debug" else name
        effect = action.effect.value if hasattr(action.effect, "value") else "read or write, by its parameters"
        notes = [f"Effect: {effect}."]
        if action.retry is not None:
            delay = (
                durations.show(int(action.retry.delay)) if isinstance(action.retry.delay, int) else action.retry.delay
            )
            notes.append(f"Without `retry` in the flow: {action.retry.max} attempts, first pause {delay}.")
        if action.timeout is not None:
            notes.append(f"Timeout of an attempt: {durations.show(action.timeout)}.")
        if action.views:
            notes.append(f"Also readable on the output: {', '.join(f'`{view}`' for view in action.views)}.")
        if action.literal:
            listed = ", ".join(f"`{one}`" for one in action.literal)
            notes.append(f"Code, in which no `{{{{ … }}}}` may stand: {listed}.")
        rows = table(("parameter", "value", "meaning"), of_struct(action.params))
        parts.append(f"### {title}\n\n{action.doc.strip()}\n\n{' '.join(notes)}\n\n{rows}")
    return "\n\n".join(parts)


# ---------------------------------------------------------------- the rest


def settings() -> str:
    """Every setting with its default."""
    rows = []
    for name, field in FIELDS.items():
        if name == "failpoint":
            continue
        rows.append((f"`{name}`", f"`REACTOR_{name.upper()}`", field.doc, _shown(name, getattr(Settings(), name))))
    return table(("in reactor.toml", "in the environment", "meaning", "default"), rows)


_PLACES = {
    "workflows": "`workflows/`, if it is there",
    "file_roots": "the working directory, and `files` in the data folder",
}
_TIMES = ("http_timeout", "passivate_after", "drain", "rescan")
_SIZES = ("max_body", "http_max_body", "output_max")


def _shown(name: str, value: Any) -> str:
    if name in _PLACES:
        return _PLACES[name]
    if name in _TIMES:
        return f"`{durations.show(value)}`"
    if name in _SIZES:
        return f"`{value >> 20}MB`"
    if name.endswith("retention"):
        return "`forever`"
    return "" if value in (None, ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def api() -> str:
    """Every line of the API."""
    return table(("", "path", ""), [(line.method, f"`{line.path}`", line.doc) for line in LINES])


def roles() -> str:
    """Every route with who may."""
    plain = [(", ".join(one.methods), f"`{one.path}`", one.who.value) for one in ENTRIES]
    lines = [(line.method, f"`{line.path}`", line.role.value) for line in LINES]
    return table(("", "path", "who may"), [*plain, *lines])


def measured() -> str:
    """Every metric."""
    source = inspect.getsource(metrics)
    found = _METRIC.findall(source)
    if len(found) != source.count("_add(lines,"):
        raise SystemExit("scripts/reference.py does not understand src/reactor/server/metrics.py any more")
    return table(("metric", "kind", "meaning"), [(f"`reactor_{name}`", kind, doc) for name, kind, doc in found])


def lint() -> str:
    """Every rule of lint: what, why, what to do."""
    parts = []
    for name, rule in RULES.items():
        kind = "A hint." if rule.severity == "info" else "A warning."
        parts.append(f"### {name}\n\n{rule.title}. {kind}\n\n**Why.** {rule.reason}\n\n**What to do.** {rule.fix}")
    return "\n\n".join(parts)


def names(functions: Iterable[str]) -> str:
    """A list in one paragraph."""
    return textwrap.fill(" ".join(f"`{name}`" for name in sorted(functions)), 118, break_long_words=False)


def proven() -> str:
    """Every key with the tests that show what it does."""
    import check_keys  # noqa: PLC0415 - they read this module
    import key_list  # noqa: PLC0415

    rows = [(f"`{name}`", doc, _tests(check_keys.tests_of(name))) for name, doc in key_list.known().items()]
    return table(("key", "what it does", "shown by"), rows)


def faults() -> str:
    """What each source goes through."""
    from tests.sources import matrix  # noqa: PLC0415 - the tests say it

    rows = [
        (f"**{name}**: {doc}", *(_cell(matrix, source, name) for source in matrix.SOURCES))
        for name, doc in matrix.FAULTS.items()
    ]
    why = [f"- {source}, {fault}: {reason}" for (source, fault), reason in matrix.EXCEPT.items()]
    return "\n\n".join([table(("fault", *matrix.SOURCES), rows), *(["Not tried:", "\n".join(why)] if why else [])])


def _cell(matrix: Any, source: str, fault: str) -> str:
    return "–" if (source, fault) in matrix.EXCEPT else "✓"


def refused() -> str:
    """What is refused, with the tests that show it."""
    import check_keys  # noqa: PLC0415 - they read this module
    import key_list  # noqa: PLC0415

    return table(
        ("what is refused", "shown by"),
        [(what, _tests(check_keys.tests_of(f"refused: {what}"))) for what in key_list.REFUSED],
    )


def _tests(places: Iterable[str]) -> str:
    return ", ".join(f"`{place.removeprefix('tests/')}`" for place in places)


PARTS: dict[str, Callable[[], str]] = {
    "flow": lambda: of_keys(keys.FLOW_KEYS),
    "step": lambda: of_keys(keys.STEP_KEYS),
    "verb": lambda: of_keys(keys.VERBS),
    "on": lambda: of_keys(keys.TRIGGER_KEYS),
    **{
        owner: functools.partial(of_keys, table_)
        for owner, table_ in keys.tables().items()
        if owner not in ("flow", "step", "verb", "trigger")
    },
    "control": control,
    "filters": lambda: names(FILTERS),
    "tests": lambda: names(name for name in TESTS if name.isalpha()),
    "triggers": triggers,
    "actions": actions,
    "connections": connections,
    "settings": settings,
    "api": api,
    "roles": roles,
    "metrics": measured,
    "lint": lint,
    "faults": faults,
    "proven": proven,
    "refused": refused,
}


def filled(text: str) -> str:
    """The text with its generated parts as they should be.

    Raises:
        SystemExit: it names a part that there is not.
    """

    def fill(found: re.Match[str]) -> str:
        if found[2] not in PARTS:
            raise SystemExit(f"there is no reference {found[2]!r}; there is {', '.join(PARTS)}")
        return f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}"

    return _MARK.sub(fill, text)


def stale() -> list[Path]:
    """Files that say something else than the program."""
    return [path for path in sorted(DOCS.rglob("*.md")) if filled(path.read_text("utf-8")) != path.read_text("utf-8")]


def main() -> None:
    for path in stale():
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
