"""YAML → a checked `Flow`, or all problems at once."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath
from typing import Any

import msgspec

from reactor.language import control, shapes, triggers
from reactor.language.cases import read_cases
from reactor.language.connections import read_connections
from reactor.language.dialects import openworkflow
from reactor.language.keys import CONTROL_KEYS, FLOW, FLOW_KEYS
from reactor.language.lists import Call
from reactor.language.names import EVENT_NAMES, LEGACY_NAMES, ONLY_EVENT, RUN_NAMES, SETTING_NAMES, Scope, StepNames
from reactor.language.problems import Problem, errors, in_order
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Source
from reactor.language.steps import Steps
from reactor.language.yaml_events import read
from reactor.model.flow import Flow
from reactor.sdk import Catalog

_FIELDS = {"if": "if_", "on": "triggers", "workflow": "steps"}
_LAST = ("outputs", "on_failure", "on_cancel")
"""Read when all steps are known."""
shapes.READERS["connections"] = read_connections
_CONTROL = frozenset(key.name for key in CONTROL_KEYS)
_ENDED = "`undo` cannot stand here: when these steps run, everything is undone already; take it out"


class Loaded(msgspec.Struct):
    """What one file holds."""

    flow: Flow | None
    """None when there are errors."""
    problems: list[Problem]
    """In the order of the file; warnings too."""
    source: Source
    name: str | None = None
    """The flow's name, also when it is broken elsewhere."""
    name_at: Node | None = None
    calls: tuple[Call, ...] = ()
    """The flows it calls."""


def load(text: str | bytes, *, file: str | None = None, catalog: Catalog) -> Loaded:
    """Read one flow. Never raises for what stands in the text.

    Args:
        text: the YAML; bytes have to be UTF-8.
        file: its name, for messages.
        catalog: the actions and triggers that there are.
    """
    document = read(text, file)
    source, root = document.source, document.root
    if root is None:
        return Loaded(None, in_order(document.problems), source)
    if not isinstance(root, Mapping):
        message = f"a flow is a map that begins with `name:`, this is {root.kind}"
        return Loaded(None, in_order([*document.problems, source.problem("wrong-type", message, root)]), source)
    if openworkflow.is_document(root):
        return _open_workflow(document.problems, source, root, catalog)
    loading = _Loading(Reader(source, catalog, legacy="workflow" in root), root)
    fields = loading.fields()
    loading.reader.check_vars()
    flow = None
    if not errors([*document.problems, *loading.reader.problems]):
        flow = Flow(source=source.text, digest=digest(root), file=file, legacy=loading.reader.legacy, **fields)
    if "tests" in root:
        flow = loading.tested(flow)
    problems = in_order([*document.problems, *loading.reader.problems])
    return Loaded(flow, problems, source, fields.get("name"), root.get("name") or root, tuple(loading.steps.calls))


def _open_workflow(before: list[Problem], source: Source, root: Mapping, catalog: Catalog) -> Loaded:
    """A file of the other dialect."""
    found = openworkflow.read(source, root, catalog)
    problems = in_order([*before, *found.reading.problems])
    flow = None
    if not errors(problems):
        flow = Flow(source=source.text, digest=digest(root), file=source.file, **found.fields)
    return Loaded(flow, problems, source, found.name, found.name_at, found.calls)


def digest(root: Node) -> str:
    """SHA-256 of the content: comments, blanks, quotes, anchors and tests do not make another version."""
    plain = root.without("tests").plain if isinstance(root, Mapping) else root.plain
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()


class _Loading:
    """One flow being read."""

    def __init__(self, reader: Reader, root: Mapping) -> None:
        self.reader = reader
        self.root = root
        self.steps = Steps(reader)
        names = RUN_NAMES | LEGACY_NAMES if reader.legacy else RUN_NAMES
        if "batch" in root:
            names |= {"events"}
        self.scope = Scope(names=names, steps=StepNames())

    def fields(self) -> dict[str, Any]:
        """The fields of the `Flow`, as far as they could be read."""
        found: dict[str, Any] = {}
        self._inputs(found)
        found["name"] = self._name()
        for name, node in self.root.entries.items():
            key = FLOW.get(name)
            if key is None:
                self.reader.unknown(self.root.keys[name], FLOW_KEYS, "a flow")
            elif name not in ("name", "inputs", "tests", *_LAST) and name not in _CONTROL:
                found[_FIELDS.get(name, name)] = self._value(name, node, found["name"] or "flow")
        for name in _LAST:
            if name in self.root:
                found[name] = self._value(name, self.root.entries[name], "")
        self._need_steps()
        found["control"] = control.read(self.reader, self.root)
        return {name: value for name, value in found.items() if value is not None}

    def tested(self, flow: Flow | None) -> Flow | None:
        """The flow with its tests; None when one of them is wrong."""
        node = self.root.entries["tests"]
        told = len(errors(self.reader.problems))
        read_cases(self.reader, node, flow)
        if flow is None or len(errors(self.reader.problems)) > told:
            return None
        return msgspec.structs.replace(flow, tests=tuple(node.plain))

    def _inputs(self, found: dict[str, Any]) -> None:
        node = self.root.get("inputs")
        if node is None:
            return
        schema = found["inputs"] = shapes.read(self.reader, node, FLOW["inputs"], self.scope, "")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(properties, dict) and not any(
            word in schema for word in ("allOf", "anyOf", "oneOf", "$ref", "if")
        ):
            closed = schema.get("additionalProperties") is False
            self.scope = msgspec.structs.replace(self.scope, inputs=tuple(properties), closed=closed)

    def _name(self) -> str | None:
        node = self.root.get("name")
        if node is not None:
            name: str | None = shapes.read(self.reader, node, FLOW["name"], self.scope, "")
            return name
        stem = PurePath(self.reader.source.file or "").stem.lower()
        meant = re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-") or None
        if self.reader.legacy and meant:
            message = f"the flow has no name and is called `{meant}` after its file; write `name: {meant}`"
            self.reader.warn("missing-key", message, self.root.start, suggestion=f"name: {meant}")
            return meant
        message = f"the flow has no name; write `name: {meant or FLOW['name'].example}` at its top"
        self.reader.report("missing-key", message, self.root.start, suggestion=f"name: {meant}" if meant else None)
        return None

    def _need_steps(self) -> None:
        given = [name for name in ("steps", "workflow") if name in self.root]
        if len(given) == 2:
            message = "`workflow` is the older name of `steps`; keep one of them"
            self.reader.report("several-keys", message, self.root.keys["workflow"])
        if not given:
            message = "the flow has no steps; write `steps:` and below it `- action: log.info`"
            self.reader.report("missing-key", message, self.root.start, suggestion="steps")

    def _value(self, name: str, node: Node, flow: str) -> Any:
        if name == "on" and not (isinstance(node, Scalar) and node.value is None):
            return triggers.read(self.reader, node, flow)
        if name in ("steps", "workflow", "on_failure", "on_cancel"):
            return self._list(name, node)
        return shapes.read(self.reader, node, FLOW[name], self._scope_of(name), "")

    def _list(self, name: str, node: Node) -> Any:
        if isinstance(node, Scalar) and node.value is None:
            message = f"`{name}` has no steps; write a step below it, such as `- action: log.info`"
            self.reader.report("no-value", message, self.root.keys[name])
            return ()
        if name in ("on_failure", "on_cancel"):
            scope = self.scope.plus(*(("error",) if name == "on_failure" else ())).where(no_undo=_ENDED, guarded=True)
            return self.steps.read(node, scope, name)[0]
        steps, names = self.steps.read(node, self.scope, "")
        self.scope = self.scope.inside(names)
        return steps

    def _scope_of(self, name: str) -> Scope:
        early = self.scope.names - {"steps", "vars"}
        scopes = {
            "if": Scope(names=EVENT_NAMES, place="before there is a run"),
            "unless": Scope(names=EVENT_NAMES, place="before there is a run"),
            "dedupe": Scope(names=ONLY_EVENT, place="in a dedupe key"),
            "connections": Scope(names=SETTING_NAMES, place="in a connection"),
            "vars": msgspec.structs.replace(self.scope, names=early, place="when the run begins"),
            "timeout": msgspec.structs.replace(self.scope, names=early | {"vars"}, place="when the run begins"),
        }
        return scopes.get(name, self.scope)
