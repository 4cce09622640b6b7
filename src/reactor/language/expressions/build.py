"""The doors of this package: from what stands in the YAML to compiled expressions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jinja2 import nodes

from reactor.language.dialects import gotemplate
from reactor.language.expressions import syntax
from reactor.language.expressions.codegen import Code, generate
from reactor.language.expressions.compiled import Compiled, Constant, Expression, ListOf, MapOf
from reactor.language.expressions.filters import FILTERS
from reactor.language.expressions.limits import LIMITS, ExpressionSyntaxError, Refusal
from reactor.language.expressions.references import Reference, references
from reactor.language.expressions.values import plain_text, to_json_value

_KEPT = 1_024
_WORDS = {"": False, "no": False, "off": False, "yes": True, "on": True}
"""What a condition of the older engine may be without any template; `true`, `false` and numbers read themselves."""
Unit = tuple[Code, tuple[Reference, ...]]


def is_template(text: str) -> bool:
    """Whether a text has anything to fill in; `{#` alone is no reason."""
    return "{{" in text or "{%" in text


def compile_value(value: Any, *, legacy: bool = False, where: str = "") -> Compiled:
    """Compile any YAML value: texts in it are templates, everything else is as written.

    A text that is exactly one `{{ … }}` keeps the type of its value; with anything around it, it is a text. `where`
    names the place for messages, `steps.charge.with`. With `legacy` a missing field is empty instead of an error.

    Raises:
        ExpressionSyntaxError: a template cannot be read; with its place.
    """
    try:
        return _value(value, legacy=legacy, where=where)
    except RecursionError:
        raise ExpressionSyntaxError("it is nested too deep", where=where) from None


def _value(value: Any, *, legacy: bool, where: str) -> Compiled:
    if isinstance(value, str) and is_template(value):
        return _expression(value, "template", legacy=legacy, where=where)
    if isinstance(value, list):
        items = [_value(item, legacy=legacy, where=f"{where}[{at}]") for at, item in enumerate(value)]
        constants = [item.value for item in items if isinstance(item, Constant)]
        return Constant(constants) if len(constants) == len(items) else ListOf(items, value)
    if isinstance(value, dict):
        return _map(value, legacy=legacy, where=where)
    try:
        return Constant(to_json_value(value))
    except Refusal as refusal:
        raise ExpressionSyntaxError(refusal.message, where=where) from None


def _map(value: dict[Any, Any], *, legacy: bool, where: str) -> Compiled:
    entries: dict[str, Compiled] = {}
    keys: dict[str, Compiled] = {}
    for key, item in value.items():
        name = key if isinstance(key, str) else plain_text(key)
        if is_template(name):
            keys[name] = _expression(name, "template", legacy=legacy, where=where)
        entries[name] = _value(item, legacy=legacy, where=f"{where}.{name}" if where else name)
    constants = {name: entry.value for name, entry in entries.items() if isinstance(entry, Constant)}
    return MapOf(entries, keys, value) if keys or len(constants) < len(entries) else Constant(constants)


def compile_condition(text: Any, legacy: bool = False, *, where: str = "") -> Compiled:  # noqa: FBT001, FBT002 - as the loader calls it
    """Compile `if:`, `unless:`, `while:` …: a bare expression, or one `{{ … }}`; ask `truth` of its value.

    With `legacy`, and for texts with `{% %}`, it is rendered and evaluates to true or false by the words of the older
    engine (empty, `false`, `0`, `no`, `null`, `<no value>` do not hold).

    Raises:
        ExpressionSyntaxError: it cannot be read, or mixes text and `{{ }}` in a flow of ours.
    """
    if not isinstance(text, str):
        return compile_value(text, legacy=legacy, where=where)
    if legacy and text.strip().lower() in _WORDS:
        return Constant(_WORDS[text.strip().lower()])
    if not is_template(text):
        return _expression(text, "bare", legacy=legacy, where=where, condition=legacy)
    mode = "template" if legacy or "{%" in text else "whole"
    return _expression(text.strip(), mode, legacy=legacy, where=where, condition=mode == "template")


def compile_expression(text: Any, legacy: bool = False, *, where: str = "") -> Compiled:  # noqa: FBT001, FBT002 - as the loader calls it
    """Compile `return:`, `output:`, `for_each:` …: a bare expression, or one `{{ … }}`; its value keeps its type.

    What is no text (a number, a list, a map) is compiled as by `compile_value`.

    Raises:
        ExpressionSyntaxError: it cannot be read, or mixes text and `{{ }}`.
    """
    if not isinstance(text, str):
        return compile_value(text, legacy=legacy, where=where)
    if is_template(text):
        return _expression(text.strip(), "template" if "{%" in text else "whole", legacy=legacy, where=where)
    return _expression(text, "bare", legacy=legacy, where=where)


def _expression(text: str, mode: str, *, legacy: bool, where: str, condition: bool = False) -> Expression:
    try:
        code, found = _unit(text, mode, legacy)
    except ExpressionSyntaxError as error:
        raise ExpressionSyntaxError(error.message, error.offset, where=where) from None
    if where:
        found = tuple(replace(reference, where=where) for reference in found)
    return Expression(text, code, found, where=where, condition=condition)


@functools.lru_cache(maxsize=_KEPT)
def _unit(text: str, mode: str, legacy: bool) -> Unit:  # noqa: FBT001 - a key of the cache
    tree, go = parse(text, mode, legacy=legacy)
    native = is_native(tree)
    if mode == "whole" and not native:
        raise ExpressionSyntaxError(
            "one expression is wanted here; write it without {{ }} inside, as in: event.data.total > 100",
            max(text.find("{{"), 0),
        )
    return compile_tree(tree, native=native, lenient=legacy or go)


def compile_tree(tree: nodes.Template, *, native: bool, lenient: bool) -> Unit:
    """The function of a tree and what it reads.

    Raises:
        ExpressionSyntaxError: it is nested too deep.
    """
    try:
        found = references(tree, lenient=lenient)
        return generate(tree, native=native, lenient=lenient), found
    except RecursionError:
        raise ExpressionSyntaxError("it is nested too deep") from None


def parse(text: str, mode: str, *, legacy: bool) -> tuple[nodes.Template, bool]:
    """The checked tree of a text in whichever spelling, and whether that is Go's.

    Raises:
        ExpressionSyntaxError: it cannot be read.
    """
    syntax.precheck(text)
    bare = mode == "bare"
    go = gotemplate.is_go_expression(text) if bare else gotemplate.is_go(text, legacy=legacy)
    if go and "{%" not in text:
        return _parse_go(text, bare=bare), True
    try:
        if bare:
            expression = syntax.parse_expression(text)
            return nodes.Template([nodes.Output([expression], lineno=0)], lineno=0), False
        return _sole(text, syntax.parse_template), False
    except ExpressionSyntaxError as error:
        if go:
            message = "{% %} and Go's {{ .name }} cannot stand in one text; write it all in one way"
            raise ExpressionSyntaxError(message, error.offset) from None
        raise


def _sole(text: str, read: Callable[[str], nodes.Template]) -> nodes.Template:
    """The tree of a text; one `{{ … }}` and a line break, as a block of YAML (`|`) leaves it, is that value alone."""
    if text.startswith("{{") and text.endswith("\n") and text.rstrip("\n").endswith("}}"):
        tree = read(text.rstrip("\n"))
        if is_native(tree):
            return tree
    return read(text)


def _parse_go(text: str, *, bare: bool) -> nodes.Template:
    try:
        if bare:
            tree = gotemplate.parse_bare(text, syntax.parse_expression, FILTERS)
        else:
            tree = _sole(text, lambda given: gotemplate.parse(given, syntax.parse_expression, FILTERS))
        syntax.check_go(tree)
    except gotemplate.GoSyntaxError as error:
        raise ExpressionSyntaxError(error.message, error.offset) from None
    except RecursionError:
        raise ExpressionSyntaxError(f"it is nested deeper than {LIMITS.nesting} levels") from None
    return tree


def is_native(tree: nodes.Template) -> bool:
    """Whether a tree is one `{{ … }}` and nothing else."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return False
    parts = tree.body[0].nodes
    return len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)
