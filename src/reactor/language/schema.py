"""JSON Schema 2020-12 of flows, for editors and other tools: made from `keys` and from what is installed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from reactor.language.keys import (
    FLOW_KEYS,
    LATER,
    NAME,
    OWN_NAMES,
    STEP_KEYS,
    STEP_NAME,
    TRIGGER_KEYS,
    VERBS,
    Key,
)
from reactor.language.shapes import STATE_OPS
from reactor.sdk import Action, Catalog, Trigger

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:reactor:schema:flow:1"
"""`$id` of the published schema."""
Schema = dict[str, Any]
TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{|\{%"}
_DURATION = (
    r"^\s*((\d+(\.\d+)?(ms|s|m|h|d|w))+|\d+(\.\d+)?"
    r"|P(?=[\dT])(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)\s*$"
)
_CONSTANT_DURATION: list[Schema] = [{"type": "string", "pattern": _DURATION}, {"type": "number", "minimum": 0}]
_REF = "#/$defs/"


def flow_schema(catalog: Catalog) -> Schema:
    """The schema of a flow with these actions and triggers."""
    definitions: Schema = {
        "template": TEMPLATE,
        "duration": {"anyOf": [*_CONSTANT_DURATION, _ref("template")]},
        "steps": {"type": "array", "minItems": 1, "items": _ref("step")},
    }
    params = _structs(catalog, definitions)
    definitions["step"] = _step(catalog, params)
    definitions["trigger"] = _trigger(catalog, params)
    definitions["connection"] = _connection(catalog, params)
    return {
        "$schema": DRAFT,
        "$id": ID,
        "title": "Reactor flow",
        "type": "object",
        "properties": {key.name: _property(key) for key in FLOW_KEYS},
        "anyOf": [{"required": ["name", "steps"]}, {"required": ["workflow"]}],
        "not": {"required": ["steps", "workflow"]},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _ref(name: str) -> Schema:
    return {"$ref": _REF + name}


def _property(key: Key) -> Schema:
    """One key: its shape, its doc and an example."""
    if key.later:
        # Never valid, and an editor can say why.
        return {"description": f"{key.doc} {LATER.format(name=key.name)}.", "not": {}}
    shape = _SHAPES[key.shape.kind](key)
    schema: Schema = {"description": key.doc, **shape}
    if key.example:
        schema["markdownDescription"] = f"{key.doc}\n\n```yaml\n{key.name}: {key.example}\n```"
    return schema


def _map(key: Key) -> Schema:
    required = [inner.name for inner in key.shape.keys if inner.required]
    schema: Schema = {
        "type": "object",
        "properties": {inner.name: _property(inner) for inner in key.shape.keys},
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _bounds(kind: str) -> Callable[[Key], Schema]:
    def make(key: Key) -> Schema:
        schema: Schema = {"type": kind}
        if key.shape.least is not None:
            schema["minimum"] = key.shape.least
        if key.shape.most is not None:
            schema["maximum"] = key.shape.most
        return schema

    return make


def _always(schema: Schema) -> Callable[[Key], Schema]:
    return lambda _key: schema


def _one_or_list(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "minItems": 1, "items": schema}]}


def _timed(key: Key) -> Schema:
    """`on_timeout` wants a `timeout`."""
    return {**_map(key), "dependentRequired": {"on_timeout": ["timeout"]}}


def _case(key: Key) -> Schema:
    """`{if, steps}`, or `{else}` alone."""
    properties = {inner.name: _property(inner) for inner in key.shape.keys}
    alone = {"else": properties.pop("else")}
    forms = ((properties, ["if", "steps"]), (alone, ["else"]))
    return {
        "anyOf": [
            {"type": "object", "properties": given, "required": required, "additionalProperties": False}
            for given, required in forms
        ]
    }


def _answer(key: Key) -> Schema:
    """One of `output`, `error` and `outputs`."""
    several = [{"required": list(pair)} for pair in itertools.combinations(("output", "error", "outputs"), 2)]
    return {**_map(key), "minProperties": 1, "not": {"anyOf": several}}


_ONE: Schema = {"minProperties": 1, "maxProperties": 1}
_PERSON: Schema = {"type": "string", "pattern": r"\S"}
_TEXT: Schema = {"type": ["string", "number"]}
_SHAPES: dict[str, Callable[[Key], Schema]] = {
    "any": _always({}),
    "text": _always(_TEXT),
    "template": _always(_TEXT),
    "flag": _always({"type": "boolean"}),
    "number": _bounds("number"),
    "whole": _bounds("integer"),
    "word": lambda key: {"enum": list(key.shape.words)},
    "texts": _always({"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]}),
    "labels": _always({"type": "object", "additionalProperties": _TEXT}),
    "name": _always({"type": "string", "pattern": f"^{NAME}$"}),
    "step_name": _always({"type": "string", "pattern": f"^{STEP_NAME}$"}),
    "flow_name": _always({"type": "string", "pattern": f"^{NAME}$"}),
    "action": _always({"type": "string"}),
    "duration": _always(_ref("duration")),
    "span": _always({"anyOf": _CONSTANT_DURATION}),
    "zone": _always({"type": "string"}),
    "condition": _always({"type": ["string", "boolean"]}),
    "expression": _always({"type": "string"}),
    "result": _always({}),
    "value": _always({}),
    "names": _always({"type": "object", "minProperties": 1}),
    "schema": _always({"type": "object"}),
    "connections": _always({"type": "object", "additionalProperties": _ref("connection")}),
    "steps": _always(_ref("steps")),
    "count": lambda key: {"anyOf": [_bounds("integer")(key), _ref("template")]},
    "true": _always({"const": True}),
    "as": _always({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
    "items": _always({"type": ["string", "array", "object"], "minItems": 1, "minProperties": 1, "minLength": 1}),
    "loop": _always({"type": ["string", "boolean"]}),
    "branches": _always(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": f"^{STEP_NAME}$"},
            "additionalProperties": _ref("steps"),
        }
    ),
    "join": lambda key: {"anyOf": [{"enum": list(key.shape.words)}, {**_map(key), **_ONE}]},
    "parallel": lambda key: {"anyOf": [{"const": True}, _map(key)]},
    "cases": lambda key: {"type": "array", "minItems": 1, "items": _case(key)},
    "wait_for": lambda key: {"anyOf": [{"type": "string", "minLength": 1}, _timed(key)]},
    "approve": _timed,
    "people": _always({"anyOf": [_PERSON, {"type": "array", "minItems": 1, "items": _PERSON}]}),
    "on_timeout": lambda key: {"anyOf": [{"enum": list(key.shape.words)}, _ref("steps")]},
    "escalations": lambda key: _one_or_list(_map(key)),
    "state": lambda key: {**_map(key), "oneOf": [{"required": [op]} for op in STATE_OPS]},
    "undo": _always({"anyOf": [_ref("step"), _ref("steps")]}),
    "control": _map,
    "singleton": lambda key: {"anyOf": [_map(key), {"type": "string"}]},
    "concurrency": lambda key: {"anyOf": [_map(key), _SHAPES["whole"](key.shape.keys[0])]},
    "priority": _always({"type": ["string", "number"]}),
    "tests": lambda key: {"type": "array", "minItems": 1, "items": _map(key)},
    "plain": _always({}),
    "plain_map": _always({"type": "object"}),
    "plain_list": _always({"type": "array", "minItems": 1}),
    "event_type": _always({"type": "string", "pattern": r"^[^\s.]+(\.[^\s.]+)*$"}),
    "time": _always({"type": "string"}),
    "step_path": _always({"type": "string"}),
    "places": _always({"type": "array", "items": {"type": "string"}}),
    "by_place": lambda key: {
        "type": "object",
        "additionalProperties": {"enum": list(key.shape.words)} if key.shape.words else True,
    },
    "map": _map,
    "maps": lambda key: {"type": "array", "items": _map(key)},
    "failure": lambda key: {"anyOf": [{"type": "string", "minLength": 1}, {**_map(key), "minProperties": 1}]},
    "mocks": lambda key: {"type": "object", "additionalProperties": _one_or_list(_answer(key))},
    "triggers": _always({"anyOf": [_ref("trigger"), {"type": "array", "minItems": 1, "items": _ref("trigger")}]}),
    "retry": lambda key: {"anyOf": [_map(key), {"type": "integer", "minimum": 1}, {"const": "none"}]},
    "dedupe": _map,
    "wait": lambda key: {"anyOf": [_map(key), _ref("duration")]},
    "emit": _map,
    "fail": lambda key: {"anyOf": [{"type": "string"}, {**_map(key), "minProperties": 1}]},
}


# --- what connectors declare ---------------------------------------------------------------------------------------


def _structs(catalog: Catalog, definitions: Schema) -> dict[type, Schema]:
    """The schemas of all parameters and configurations; what they share goes to the definitions."""
    structs = [action.params for action in catalog.actions.values()]
    structs += [trigger.config for trigger in catalog.triggers.values()]
    structs += [kind.settings for kind in catalog.connections.values()]
    unique = list(dict.fromkeys(structs))
    made, shared = msgspec.json.schema_components(unique, schema_hook=lambda _kind: {}, ref_template=_REF + "{name}")
    names = {name: re.sub(r"[^A-Za-z0-9_.-]", "_", name) for name in shared}
    params: set[Any] = {action.params for action in catalog.actions.values()}
    params |= {kind.settings for kind in catalog.connections.values()}
    open_names = _reachable([schema for struct, schema in zip(unique, made, strict=True) if struct in params], shared)
    for name, schema in shared.items():
        ready = _renamed(schema, names)
        definitions[names[name]] = _with_templates(ready) if name in open_names else ready
    return {
        struct: definitions[names[schema["$ref"].removeprefix(_REF)]]
        for struct, schema in zip(unique, made, strict=True)
    }


def _reachable(schemas: Iterable[Any], shared: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    stack = list(schemas)
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix(_REF)
            if name in shared and name not in found:
                found.add(name)
                stack.append(shared[name])
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: f"{_REF}{names.get(item.removeprefix(_REF), item)}" if key == "$ref" else _renamed(item, names)
            for key, item in value.items()
        }
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _with_templates(schema: Any) -> Any:
    """Wherever a value may stand, a text with `{{ }}` may stand too."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for word in ("properties", "additionalProperties", "items", "prefixItems"):
        if word not in made or made[word] in (True, False):
            continue
        inner = made[word]
        if word == "properties":
            made[word] = {name: _or_template(item) for name, item in inner.items()}
        elif isinstance(inner, list):
            made[word] = [_or_template(item) for item in inner]
        else:
            made[word] = _or_template(inner)
    if "anyOf" in made:
        made["anyOf"] = [_with_templates(item) for item in made["anyOf"]]
    return made


def _or_template(schema: Schema) -> Schema:
    described: Schema = {name: schema[name] for name in ("description", "default") if name in schema}
    bare = {name: item for name, item in schema.items() if name not in described}
    return {**described, "anyOf": [_with_templates(bare), _ref("template")]} if bare else schema


def _connection(catalog: Catalog, params: dict[type, Schema]) -> Schema:
    """A connection: by its type the keys that it takes."""
    rules = []
    for kind in catalog.connections.values():
        declared = params[kind.settings]
        keys = {
            "properties": {"type": True, **declared.get("properties", {})},
            "required": declared.get("required", []),
        }
        meant = {"properties": {"type": {"const": kind.name}}, "required": ["type"]}
        rules.append({"if": meant, "then": {"description": kind.doc, **keys, "additionalProperties": False}})
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string", "description": "The kind of system."}},
        **({"allOf": rules} if rules else {}),
    }


def _step(catalog: Catalog, params: dict[type, Schema]) -> Schema:
    properties = {key.name: _property(key) for key in (*STEP_KEYS, *VERBS)}
    properties["action"] = {**properties["action"], "enum": sorted(catalog.actions)}
    rules: list[Schema] = [_for_action(action, params[action.params]) for action in catalog.actions.values()]
    # Beside `call` it says whether to wait, else how long.
    wait = properties.pop("wait")
    properties["wait"] = {"description": wait["description"]}
    rules.append({"if": {"required": ["call"]}, "else": {"properties": {"wait": wait}}})
    return {
        "type": "object",
        "properties": properties,
        "allOf": [*rules, *(_for_verb(verb) for verb in VERBS if verb.takes)],
        "oneOf": [_only(verb) for verb in VERBS],
        "unevaluatedProperties": False,
    }


def _only(verb: Key) -> Schema:
    """The step has this verb, and none that owns its name (`wait` beside `call` is no verb)."""
    owners = [{"required": [other.name]} for other in VERBS if verb.name in other.takes]
    return {"required": [verb.name], **({"not": {"anyOf": owners}} if owners else {})}


_CALL_KEYS: Schema = {
    "with": {"type": ["object", "null"]},
    "version": {"type": "integer", "minimum": 1},
    "wait": {"type": "boolean"},
}


def _for_verb(verb: Key) -> Schema:
    """What may stand beside a verb."""
    inner = {key.name: _property(key) for key in verb.shape.keys if key.name in verb.takes}
    if verb.name == "parallel":
        inner["steps"] = _ref("steps")
        # Beside a map there is nothing; `true` needs its steps.
        short = {"properties": {"parallel": {"const": True}}}
        then: Schema = {"if": short, "then": {"properties": inner, "required": ["steps"]}}
    elif verb.name == "call":
        then = {"properties": _CALL_KEYS}
    elif verb.name == "action":
        then = {"properties": {"with": {"type": ["object", "null"]}}}
    else:
        then = {"properties": inner, "required": ["steps"]}
    return {"if": {"required": [verb.name]}, "then": then}


def _for_action(action: Action, schema: Schema) -> Schema:
    """What follows when a step calls this action: its parameters under `with`, or beside it."""
    given = schema.get("properties", {})
    opened = action.open_params is not None
    beside = {name: item for name, item in given.items() if name not in OWN_NAMES}
    inside = {**schema, "required": []}
    if opened:
        inside["additionalProperties"] = True
    then: Schema = {"description": action.doc, "properties": {**beside, "with": {"anyOf": [inside, {"type": "null"}]}}}
    if opened:
        then["additionalProperties"] = True
    needed = [
        {
            "anyOf": [
                {"required": [name]},
                {"required": ["with"], "properties": {"with": {"type": "object", "required": [name]}}},
            ]
        }
        for name in schema.get("required", ())
    ]
    if needed:
        then["allOf"] = needed
    return {"if": {"required": ["action"], "properties": {"action": {"const": action.name}}}, "then": then}


_OLDER_FILES = ("file.created", "file.modified", "file.deleted")


def _trigger(catalog: Catalog, params: dict[type, Schema]) -> Schema:
    kinds = [_kind(trigger, params[trigger.config]) for trigger in catalog.triggers.values()]
    older = {
        "description": "As the older Go engine writes it.",
        "type": "object",
        "required": ["event"],
        "properties": {
            "event": {"enum": ["http.request", *_OLDER_FILES, "scheduled", "database.change"]},
            "operation": {"description": "With `database.change`: `INSERT`, `UPDATE`, `DELETE`; default all."},
        },
        "anyOf": [{"required": ["path"]}, {"required": ["cron"]}, {"required": ["table"]}],
    }
    return {"anyOf": [*kinds, older]}


def _kind(trigger: Trigger, schema: Schema) -> Schema:
    # Who takes the events of others gives them neither a type nor an id.
    without = ("type", "id") if getattr(trigger, "passive", False) else ()
    common = {key.name: _property(key) for key in TRIGGER_KEYS if key.name not in without}
    given = schema.get("properties", {})
    forms: list[Schema] = [{**schema, "required": []}]
    if trigger.short is not None:
        forms.append(given.get(trigger.short, {}))
    return {
        "description": trigger.doc,
        "type": "object",
        "required": [trigger.kind],
        "properties": {**given, **common, trigger.kind: {"description": trigger.doc, "anyOf": forms}},
        "additionalProperties": False,
    }
