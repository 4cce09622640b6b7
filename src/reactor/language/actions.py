"""Steps that call something: an action with its parameters, or another flow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reactor.language.expressions import Compiled, Constant, compile_command, is_template
from reactor.language.key import NAME, WHOLE, make
from reactor.language.keys import OWN_NAMES
from reactor.language.lists import Call, Lists, Named, Own
from reactor.language.names import Scope
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.shapes import read as read_shape
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.language.structs import Given, check
from reactor.model.flow import ActionStep, CallStep
from reactor.sdk import Action

_COMMAND_LINES = {("shell.exec", "command")}
"""Parameters that a shell reads: values inside are quoted for it."""
_VERSION = make("version", WHOLE, "", "2")


def action(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`action: NAME` with its parameters beside it and under `with`."""
    reader, node = lists.reader, named.node
    name = node.entries["action"]
    if not isinstance(name, Scalar) or not isinstance(name.value, str) or not name.text or is_template(name.text):
        reader.wrong(name, "action", "the name of an action such as `log.info`")
        return None
    found = reader.catalog.actions.get(name.text)
    if found is None:
        _unknown_action(reader, name)
        return None
    keys, values = _parameters(reader, node)
    given = Given(keys, values, name, f"action `{found.name}`", opened=found.open_params)
    check(reader, found.params, given)
    params = _compiled(reader, found, node, values, scope.plus("secrets"), f"{where}.with")
    return None if params is None else lambda common: ActionStep(**common, action=found.name, params=params)


def _unknown_action(reader: Reader, name: Scalar) -> None:
    known = tuple(sorted(reader.catalog.actions))
    meant = closest(name.text, known)
    hint = f"did you mean `{meant}`?" if meant else f"there is {listed(known)}; is its plugin installed?"
    message = f"there is no action `{shown(name.text)}`; {hint}"
    reader.report("unknown-action", message, name, allowed=known, suggestion=meant, fix=meant)


def _parameters(reader: Reader, node: Mapping) -> tuple[dict[str, Node], dict[str, Node]]:
    keys: dict[str, Node] = {}
    values: dict[str, Node] = {}
    given = node.get("with")
    sources = [Mapping(node.start, node.start)] if given is None else [given]
    beside = node.without(*OWN_NAMES)
    for source in [*sources, beside]:
        if not isinstance(source, Mapping):
            if not (isinstance(source, Scalar) and source.value is None):
                reader.wrong(source, "with", "a map of parameters")
            continue
        for name, value in source.entries.items():
            if name in values:
                message = f"`{name}` stands beside the action and under `with:`; keep one of them"
                reader.report("duplicate-key", message, source.keys[name])
                continue
            keys[name], values[name] = source.keys[name], value
    return keys, values


def _compiled(
    reader: Reader, called: Action, node: Mapping, values: dict[str, Node], scope: Scope, where: str
) -> Compiled | None:
    parts: dict[str, Compiled | None] = {}
    holder = Mapping(node.start, node.end)
    for name, value in values.items():
        if found := list(_templates(called, name, value)):
            for place, template in found:
                _code(reader, called, place, template)
            parts[name] = None
        elif (called.name, name) in _COMMAND_LINES and isinstance(value, Scalar) and isinstance(value.value, str):
            parts[name] = reader.custom(value, scope, lambda text: compile_command(text, reader.legacy))
        else:
            parts[name] = reader.value(value, scope, f"{where}.{name}")
        holder.put(Scalar(value.start, value.start, name, name, ""), value)
    return reader.assembled(parts, holder, scope, where)


def _templates(called: Action, name: str, value: Node) -> Iterator[tuple[str, Node]]:
    """Where a template stands in place of code: the parameter's own name, or `statements.sql` in a list of maps."""
    for place in called.literal:
        parameter, _, inner = place.partition(".")
        if parameter != name:
            continue
        if isinstance(value, Scalar) and is_template(str(value.value)):
            yield place, value
        for item in value.items if inner and isinstance(value, Sequence) else ():
            code = item.get(inner) if isinstance(item, Mapping) else item
            if isinstance(code, Scalar) and is_template(str(code.value)):
                yield place, code


def _code(reader: Reader, called: Action, name: str, value: Node) -> None:
    """Data is never code: what an action runs stands in the flow as it is."""
    what = f"`{name}` of `{called.name}` is code and takes no `{{{{ … }}}}`"
    message = f"{what}; hand values over by its parameters for them"
    reader.report("code-from-data", message, value)


def call(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`call: FLOW` with its inputs."""
    reader, node = lists.reader, named.node
    version, wait = _version(reader, node, scope), _waits(reader, node)
    name = node.entries["call"]
    fits = isinstance(name, Scalar) and (re.fullmatch(NAME, name.text) or (reader.legacy and name.text))
    if not isinstance(name, Scalar) or not fits or is_template(name.text):
        reader.wrong(name, "call", "the name of a flow (a-z 0-9 - _), which is fixed")
        return None
    lists.calls.append(Call(name.text, name, scope.guarded))
    given = node.get("with")
    params: Compiled | None = Constant({})
    if isinstance(given, Mapping):
        params = reader.value(given, scope, f"{where}.with")
    elif given is not None and given.plain is not None:
        reader.wrong(given, "with", "a map of inputs")
    if params is None:
        return None
    return lambda common: CallStep(**common, flow=name.text, params=params, version=version, wait=wait)


def _version(reader: Reader, node: Mapping, scope: Scope) -> int | None:
    given = node.get("version")
    version: int | None = None if given is None else read_shape(reader, given, _VERSION, scope, "")
    return version


def _waits(reader: Reader, node: Mapping) -> bool:
    wait = node.get("wait")
    if wait is None:
        return True
    if isinstance(wait, Scalar) and isinstance(wait.value, bool):
        return wait.value
    reader.wrong(wait, "wait", "true or false beside `call`")
    return True
