"""Every key that a flow may hold, by its place: of the language, of our triggers, of the parameters of our actions.

Read from the tables that the program reads too. What the published JSON Schema offers is found by a walk of its own, so
that `check_keys.py` can tell when one of the two knows a key that the other does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import reference

from reactor.language import keys
from reactor.language.schema import flow_schema

BESIDE = {"call": {"with": "Inputs of the flow that is called.", "version": "Which version of it; default the newest.",
                   "wait": "Whether it is waited for; default true."},
          "action": {"with": "Parameters of the action, also those that are named like a key of a step."},
          "parallel": {"steps": "With `parallel: true`: each of them is a branch."}}  # fmt: skip
"""What stands beside a verb and has no table of its own."""
OLDER = {
    "event": "The kind, as the older Go engine names it: `http.request`, `file.created`, `scheduled`, …",
    "path": "The webhook's path, or the files.",
    "cron": "When, with `event: scheduled`.",
    "table": "Whose changes, with `event: database.change`.",
    "operation": "Which of them: `INSERT`, `UPDATE`, `DELETE`; default all.",
}
"""Of a trigger as the older Go engine writes it."""
REFUSED = (
    "unknown join",
    "circular calls",
    "loop without a bound",
    "correlation that never matches",
    "approval by the wrong person",
    "approval twice",
    "approval too late",
    "limit of zero",
    "key that fails to evaluate",
    "test of a step that is not there",
    "unknown key",
)
"""What has to be refused with a message and a place."""
_STOP = {
    "#/$defs/connection",
    "#/$defs/step",
    "#/$defs/steps",
    "#/$defs/trigger",
    "#/$defs/template",
    "#/$defs/duration",
}


def known() -> dict[str, str]:
    """Each key by its place, such as `step.retry.max`, and what it does."""
    found = dict(of_table("flow", keys.FLOW_KEYS))
    found |= dict(of_table("step", keys.STEP_KEYS))
    found |= dict(of_table("step", keys.VERBS))
    found |= {f"step.{verb}.{name}": doc for verb, names in BESIDE.items() for name, doc in names.items()}
    found |= dict(of_table("on", keys.TRIGGER_KEYS))
    found |= {f"on.older.{name}": doc for name, doc in OLDER.items()}
    catalog = reference.catalog()
    listed = ", ".join(f"`{name}`" for name in sorted(catalog.connections))
    found["flow.connections.type"] = f"The connection's type: {listed}."
    for name, connection in catalog.connections.items():
        found |= dict(_of_struct(f"connection.{name}", connection.settings))
    for kind, trigger in catalog.triggers.items():
        found[f"on.{kind}"] = trigger.doc
        found |= dict(_of_struct(f"on.{kind}", trigger.config))
    for name, action in catalog.actions.items():
        found |= dict(_of_struct(name, action.params))
    return found


def of_table(place: str, table: Iterable[keys.Key]) -> Iterator[tuple[str, str]]:
    """The keys of a table, and those of the maps behind them."""
    for key in table:
        yield f"{place}.{key.name}", key.doc
        yield from of_table(f"{place}.{key.name}", key.shape.keys)


def _of_struct(place: str, struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    for name, _, doc in reference.of_struct(struct):
        yield f"{place}.{name.strip('`')}", doc


# ---------------------------------------------------------------- the schema


def offered() -> set[str]:
    """The places of all keys in the JSON Schema."""
    schema = flow_schema(reference.catalog())
    definitions = schema["$defs"]
    found = set(_walk("flow", {"properties": schema["properties"]}, definitions))
    step = definitions["step"]
    found |= set(_walk("step", {"properties": step["properties"]}, definitions))
    for rule in step["allOf"]:
        found |= set(_beside(rule, definitions))
    found.add("flow.connections.type")
    for rule in definitions["connection"]["allOf"]:
        then = {"properties": {key: value for key, value in rule["then"]["properties"].items() if key != "type"}}
        found |= set(_walk(f"connection.{rule['if']['properties']['type']['const']}", then, definitions))
    for kind in definitions["trigger"]["anyOf"]:
        found |= set(_of_trigger(kind, definitions))
    return found


def _beside(rule: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """What a rule of steps adds: parameters of an action, or what belongs to a verb."""
    if "else" in rule:
        yield from _walk("step", rule["else"], definitions)
        return
    then = rule.get("then", {})
    then = then.get("then", then)
    given = rule["if"]["properties"]["action"]["const"] if "action" in rule["if"].get("properties", {}) else None
    inner = dict(then.get("properties", {}))
    if given is not None:
        yield from _walk(given, inner.pop("with"), definitions)
    place = given or f"step.{rule['if']['required'][0]}"
    yield from _walk(place, {"properties": inner}, definitions)


def _of_trigger(kind: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """A kind's own keys; those of all triggers once."""
    if "anyOf" in kind:
        names = {*kind["properties"], *(name for way in kind["anyOf"] for name in way["required"])}
        yield from (f"on.older.{name}" for name in names)
        return
    (name,) = kind["required"]
    common = {key.name for key in keys.TRIGGER_KEYS}
    inner = dict(kind["properties"])
    own = inner.pop(name)
    yield f"on.{name}"
    for form in own["anyOf"]:
        yield from _walk(f"on.{name}", form, definitions)
    yield from (f"on.{key}" for key in inner if key in common)
    # In the place of the kind's name stands a map with the same keys: what stands beside it may stand in it.
    yield from _walk(f"on.{name}", {"properties": {k: v for k, v in inner.items() if k not in common}}, definitions)


def _walk(place: str, schema: Any, definitions: dict[str, Any]) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _walk(place, item, definitions)
        return
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        if schema["$ref"] not in _STOP:
            yield from _walk(place, definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return
    for name, inner in schema.get("properties", {}).items():
        yield f"{place}.{name}"
        yield from _walk(f"{place}.{name}", inner, definitions)
    for word in ("anyOf", "oneOf", "allOf", "items", "additionalProperties", "then", "else"):
        if isinstance(schema.get(word), (dict, list)):
            yield from _walk(place, schema[word], definitions)
