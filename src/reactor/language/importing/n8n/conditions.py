"""The conditions of n8n's `if`, `switch` and `filter` as ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reactor.language.importing.javascript import NotUnderstood, quoted
from reactor.language.importing.n8n.nodes import Node
from reactor.language.importing.n8n.values import Values

_LEFT, _RIGHT = "{left}", "{right}"
_COMPARING = {
    "equals": "{left} == {right}",
    "equal": "{left} == {right}",
    "notEquals": "{left} != {right}",
    "notEqual": "{left} != {right}",
    "larger": "{left} > {right}",
    "gt": "{left} > {right}",
    "largerEqual": "{left} >= {right}",
    "gte": "{left} >= {right}",
    "smaller": "{left} < {right}",
    "lt": "{left} < {right}",
    "smallerEqual": "{left} <= {right}",
    "lte": "{left} <= {right}",
    "after": "({left} | as_time) > ({right} | as_time)",
    "before": "({left} | as_time) < ({right} | as_time)",
    "afterOrEquals": "({left} | as_time) >= ({right} | as_time)",
    "beforeOrEquals": "({left} | as_time) <= ({right} | as_time)",
    "contains": "{right} in {left}",
    "notContains": "{right} not in {left}",
    "startsWith": "{left}.startswith({right})",
    "notStartsWith": "not {left}.startswith({right})",
    "endsWith": "{left}.endswith({right})",
    "notEndsWith": "not {left}.endswith({right})",
    "regex": "({left} | regex_search({right}))",
    "notRegex": "not ({left} | regex_search({right}))",
    "lengthEquals": "({left} | length) == {right}",
    "lengthNotEquals": "({left} | length) != {right}",
    "lengthGt": "({left} | length) > {right}",
    "lengthLt": "({left} | length) < {right}",
    "lengthGte": "({left} | length) >= {right}",
    "lengthLte": "({left} | length) <= {right}",
}
_ALONE = {
    "true": "{maybe}",
    "false": "not {maybe}",
    "exists": "{maybe} is not none",
    "notExists": "{maybe} is none",
    "empty": "not {maybe}",
    "isEmpty": "not {maybe}",
    "notEmpty": "not not {maybe}",
    "isNotEmpty": "not not {maybe}",
}


def condition(node: Node, values: Values) -> str:
    """The condition of an `if` or `filter`.

    Raises:
        NotUnderstood: it cannot be said in ours.
    """
    given = node.parameters.get("conditions")
    if isinstance(given, dict) and isinstance(given.get("conditions"), list):
        return filtered(given, values)
    combined = "or" if node.text("combineOperation", node.text("combineConditions")).lower() in ("any", "or") else "and"
    return _joined(list(_older(given, values)), combined)


def filtered(given: dict[str, Any], values: Values) -> str:
    """Conditions as n8n has written them since version 2 of its `if`."""
    options = given.get("options") if isinstance(given.get("options"), dict) else {}
    parts = [_one(one, values, options or {}) for one in given.get("conditions") or () if isinstance(one, dict)]
    return _joined(parts, "or" if given.get("combinator") == "or" else "and")


def _joined(parts: list[str], word: str) -> str:
    if not parts:
        raise NotUnderstood("it has no condition")
    if len(parts) == 1:
        return parts[0]
    return f" {word} ".join(f"({part})" if f" {'or' if word == 'and' else 'and'} " in part else part for part in parts)


def _one(one: dict[str, Any], values: Values, options: dict[str, Any]) -> str:
    operator = one.get("operator")
    if not isinstance(operator, dict):
        raise NotUnderstood("a condition without an operator")
    operation = str(operator.get("operation") or "")
    kind = str(operator.get("type") or "")
    ignoring = options.get("caseSensitive") is False and kind == "string"
    return compare(operation, one.get("leftValue"), one.get("rightValue"), values, kind, ignoring=ignoring)


def compare(operation: str, left: Any, right: Any, values: Values, kind: str = "", *, ignoring: bool = False) -> str:
    """One comparison.

    Raises:
        NotUnderstood: there is no such operation here.
    """
    first = values.expression(left if left is not None else "")
    atom = first if _is_atom(first) else f"({first})"
    if operation in _ALONE:
        return _ALONE[operation].format(maybe=f"({first} | default(none))")
    pattern = _COMPARING.get(operation)
    if pattern is None:
        raise NotUnderstood(f"the comparison `{operation or '?'}`")
    second = _typed(right, values, kind)
    if ignoring and operation not in ("regex", "notRegex"):
        atom, second = f"({atom} | lower)", f"({second} | lower)"
    return pattern.format(left=atom, right=second if _is_atom(second) else f"({second})")


def _typed(value: Any, values: Values, kind: str) -> str:
    """The right side; n8n writes numbers and truths as texts too."""
    if isinstance(value, str) and not value.startswith("="):
        if kind == "number":
            try:
                return repr(float(value)) if "." in value else repr(int(value))
            except ValueError:
                return quoted(value)
        if kind == "boolean" and value in ("true", "false"):
            return value
    return values.expression(value if value is not None else "")


def _is_atom(text: str) -> bool:
    return " " not in text or (text[:1] in "'\"" and text.count(text[0]) == 2 and text[-1] == text[0])


def _older(given: Any, values: Values) -> Iterator[str]:
    """`{string: [{value1, operation, value2}], number: [...], boolean, dateTime}`."""
    if isinstance(given, dict):
        for kind, ones in given.items():
            for one in ones if isinstance(ones, list) else ():
                if isinstance(one, dict):
                    default = "equal" if kind in ("string", "boolean") else "after" if kind == "dateTime" else "smaller"
                    operation = str(one.get("operation") or default)
                    yield compare(operation, one.get("value1"), one.get("value2"), values, kind)


def cases(node: Node, values: Values, ports: int) -> list[str | None]:
    """The condition of each way out of a `switch`; None: of what nothing else takes.

    Raises:
        NotUnderstood: they cannot be said in ours.
    """
    if node.text("mode", "rules") == "expression":
        output = node.parameters.get("output", node.parameters.get("outputValue"))
        made = values.expression(output)
        return [f"({made}) == {number}" for number in range(ports)]
    rules = node.options("rules")
    found = rules.get("values") if isinstance(rules.get("values"), list) else rules.get("rules")
    if not isinstance(found, list) or not found:
        raise NotUnderstood("it has no rules")
    made_cases: list[str | None] = [None] * max(ports, 1)
    for number, rule in enumerate(found):
        if not isinstance(rule, dict):
            continue
        port = rule.get("output", number) if "conditions" not in rule else number
        if isinstance(port, int) and 0 <= port < len(made_cases):
            one = _rule(node, rule, values)
            known = made_cases[port]
            made_cases[port] = one if known is None else f"({known}) or ({one})"
    return made_cases


def _rule(node: Node, rule: dict[str, Any], values: Values) -> str:
    conditions = rule.get("conditions")
    if isinstance(conditions, dict):
        return filtered(conditions, values)
    kind = node.text("dataType", "number")
    default = "equal"
    operation = str(rule.get("operation") or default)
    return compare(operation, node.parameters.get("value1"), rule.get("value2"), values, kind)


def fallback(node: Node, ports: int) -> int | None:
    """The way out for what no rule takes, if there is one."""
    options = node.options()
    given = options.get("fallbackOutput", node.parameters.get("fallbackOutput"))
    if given in ("extra", "output"):
        return ports - 1
    return given if isinstance(given, int) and 0 <= given < ports else None
