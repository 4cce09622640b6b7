"""A whole document → a `Flow`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

import reactor
from reactor.language.dialects.openworkflow import schedule
from reactor.language.dialects.openworkflow.expr import Computed, Env, Part, moment, secrets_of
from reactor.language.dialects.openworkflow.flowing import CONTEXT, END, output_of
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Place, Tasks, data_step
from reactor.language.dialects.openworkflow.reading import Reading
from reactor.language.dialects.openworkflow.tasks import TaskCompiler
from reactor.language.dialects.openworkflow.validating import valid
from reactor.language.lists import Call
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar, Source, scalars
from reactor.model.clock import from_iso
from reactor.model.flow import Delay, Step
from reactor.sdk import Catalog

_KEYS = ("document", "input", "use", "do", "timeout", "output", "schedule", "evaluate")
_DOCUMENT = ("dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata")
_USE = ("authentications", "catalogs", "errors", "extensions", "functions", "retries", "secrets", "timeouts")
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"


class Read(msgspec.Struct, kw_only=True):
    """What a document gives."""

    fields: dict[str, Any]
    """Of the `Flow`, all but its text and digest."""
    reading: Reading
    name: str | None
    name_at: Node
    calls: tuple[Call, ...]
    references: dict[str, str]
    """Name of a step → JSON Pointer of its task."""


def is_document(root: Node | None) -> bool:
    """Whether a file is one of this dialect: it begins with `document`, which has a `dsl`."""
    document = root.get("document") if isinstance(root, MapNode) else None
    return isinstance(document, MapNode) and "dsl" in document


def read(source: Source, root: MapNode, catalog: Catalog) -> Read:
    """Read a document; what is wrong is among the problems of `reading`."""
    reading = Reading(source, catalog)
    reading.map(root, "a workflow", _KEYS)
    given = reading.map(root.get("document"), "document", _DOCUMENT)
    name = _identity(reading, given)
    _evaluate(reading, root.get("evaluate"))
    use = _use(reading, root.get("use"))
    triggers = schedule.read(reading, root.get("schedule"), name or "workflow")
    raw = schedule.raw_input(root.get("schedule"))
    _warn_of_envelope(reading, root)
    compiler = TaskCompiler(reading, use)
    env = _env(root, raw, reading)
    steps, begin = _input(compiler, root.get("input"), raw, env)
    if "do" not in root:
        reading.report("missing-key", "the workflow has no `do`; write its tasks below it", given.start)
    tasks = compiler.tasks(root.get("do"), "do", begin, Place(env=env), "/do")
    _check_functions(compiler, env)
    fields: dict[str, Any] = {
        "name": name or "workflow",
        "description": _description(given),
        "labels": _labels(given),
        "triggers": triggers,
        "inputs": _inputs(root.get("input")),
        "steps": (*steps, *tasks.steps),
        "outputs": _outputs(reading, root.get("output"), tasks, env),
        "timeout": _timeout(compiler, root.get("timeout"), env),
    }
    return Read(
        fields=fields,
        reading=reading,
        name=name,
        name_at=given.get("name") or root,
        calls=tuple(compiler.calls),
        references=compiler.references,
    )


# --- the head ----------------------------------------------------------------------------------------------------


def _identity(reading: Reading, given: MapNode) -> str | None:
    for key in ("namespace", "name", "version"):
        if key not in given:
            reading.report("missing-key", f"`document` has no `{key}`", given)
    dsl = given.get("dsl")
    text = str(dsl.plain) if dsl is not None else ""
    if dsl is not None and not text.startswith("1.0"):
        reading.report("version", f"this is DSL {text}; Reactor reads DSL 1.0.x, write `dsl: '1.0.3'`", dsl)
    name = reading.literal(given.get("name"), "document.name")
    if name is None:
        return None
    if not re.fullmatch(_NAME, name):
        message = f"`document.name` is made of letters, digits and -, `{name}` is not"
        reading.report("name", message, given.entries["name"])
        return None
    return name.lower()


def _description(given: MapNode) -> str:
    return next((str(node.plain) for name in ("summary", "title") if (node := given.get(name)) is not None), "")


def _labels(given: MapNode) -> dict[str, str]:
    labels = {name: str(node.plain) for name in ("namespace", "version") if isinstance(node := given.get(name), Scalar)}
    tags = given.get("tags")
    for name, node in tags.entries.items() if isinstance(tags, MapNode) else ():
        labels.setdefault(name, str(node.plain))
    return labels


def _evaluate(reading: Reading, node: Node | None) -> None:
    given = reading.map(node, "evaluate", ("language", "mode"))
    language, mode = given.get("language"), given.get("mode")
    if language is not None and language.plain != "jq":
        reading.refuse(f"the expression language `{language.plain}`", "write expressions in jq", language)
    if mode is not None and mode.plain != "strict":
        reading.refuse(f"the mode `{mode.plain}`", "enclose expressions in `${ }` (mode `strict`)", mode)


def _use(reading: Reading, node: Node | None) -> dict[str, MapNode]:
    given = reading.map(node, "use", _USE)
    for name, instead in (
        ("extensions", "put the tasks before and after those that they extend, or into a function"),
        ("catalogs", "copy the functions that are used under `use.functions`"),
    ):
        if name in given:
            reading.refuse(f"`use.{name}`", instead, given.keys[name])
    for item in reading.items(given.get("secrets"), "use.secrets"):
        text = reading.text(item, "use.secrets")
        if text is not None and isinstance(item, Scalar):
            reading.secrets[text] = item
    groups = ("authentications", "errors", "functions", "retries", "timeouts")
    return {name: reading.map(given.get(name), f"use.{name}") for name in groups}


def _check_functions(compiler: TaskCompiler, env: Env) -> None:
    """Functions that nobody calls have to be right as well."""
    functions = compiler.use["functions"]
    for name, node in functions.entries.items():
        if name not in compiler.called:
            compiler.single(
                functions.keys[name], node, lambda _scope: None, Place(env=env, nested=True), "/use/functions"
            )


# --- data --------------------------------------------------------------------------------------------------------


def _env(root: MapNode, raw: Thunk, reading: Reading) -> Env:
    """The variables that are known everywhere."""
    definition = root.plain
    told = {"name": "reactor", "version": reactor.__version__, "metadata": {}}

    def workflow(scope: Scope) -> dict[str, Any]:
        run = scope["run"]
        return {
            "id": run.get("id"),
            "definition": definition,
            "input": raw(scope),
            "startedAt": _began(run.get("started_at")),
        }

    variables: dict[str, Thunk] = {
        "context": lambda scope: scope["vars"].get(CONTEXT, {}),
        "workflow": workflow,
        "runtime": lambda _scope: told,
        "secrets": secrets_of(tuple(reading.secrets)),
    }
    return Env(dot=raw, variables=variables)


def _began(text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or not text:
        return {"iso8601": None, "epoch": {"seconds": None, "milliseconds": None}}
    return moment(from_iso(text))


def _input(compiler: TaskCompiler, node: Node | None, raw: Thunk, env: Env) -> tuple[tuple[Step, ...], Thunk]:
    """The step that checks and changes the workflow's input, where there is something to do; and the input."""
    reading = compiler.reading
    given = reading.map(node, "input", ("schema", "from"))
    if not given.entries:
        return (), raw
    schema = reading.schema(given.get("schema"), "input.schema")
    part = reading.transformation(given.get("from"), "input.from", env) if "from" in given else Part(raw)

    def transformed(scope: Scope) -> Any:
        valid(schema, raw(scope), "the workflow's input")
        return part.make(scope)

    name = compiler.name("workflow-input", "/input")
    return (data_step(name, Computed(transformed, "input")),), output_of(name)


def _inputs(node: Node | None) -> dict[str, Any] | None:
    """The schema of the input, where it is one of a map: it gives a form, and is checked before there is a run."""
    schema = node.get("schema") if isinstance(node, MapNode) else None
    document = schema.get("document") if isinstance(schema, MapNode) else None
    plain = document.plain if document is not None else None
    return dict(plain) if isinstance(plain, dict) and plain.get("type") == "object" else None


def _outputs(reading: Reading, node: Node | None, tasks: Tasks, env: Env) -> Computed:
    given = reading.map(node, "output", ("schema", "as"))
    schema = reading.schema(given.get("schema"), "output.schema")

    def last(scope: Scope) -> Any:
        over = scope["vars"].get(END)
        return tasks.result(scope) if over is None else over["output"]

    part = reading.transformation(given.get("as"), "output.as", env.plus(dot=last)) if "as" in given else Part(last)
    return Computed(lambda scope: valid(schema, part.make(scope), "the workflow's output"), "output")


def _timeout(compiler: TaskCompiler, node: Node | None, env: Env) -> Delay | None:
    return compiler.timeout(node, env)


def _warn_of_envelope(reading: Reading, root: MapNode) -> None:
    """The specification's examples read the envelope where its schema says that data is read."""
    given = root.get("schedule")
    if not isinstance(given, MapNode) or "on" not in given or "read" in given:
        return
    for scalar in _texts(root.get("do")):
        if "$workflow.input[" in scalar.text and "].data" in scalar.text:
            message = "`schedule.read` is `data` when it is not given, so this looks for `data` in the event's data"
            reading.warn("schedule-read", f"{message}; write `read: envelope` under `schedule`", scalar)


def _texts(node: Node | None) -> list[Scalar]:
    return list(scalars(node)) if node is not None else []
