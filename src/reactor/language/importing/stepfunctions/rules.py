"""The rules of a `Choice` as conditions."""

from __future__ import annotations

import re
from typing import Any

from reactor.language.importing.javascript import NotUnderstood, quoted
from reactor.language.importing.stepfunctions.paths import Paths

_OPERATORS = {
    "Equals": "==",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "<=",
    "GreaterThanEquals": ">=",
}
_KINDS = ("String", "Numeric", "Boolean", "Timestamp")
_TESTS = {
    "IsNull": "none",
    "IsString": "string",
    "IsNumeric": "number",
    "IsBoolean": "boolean",
}


def condition(rule: dict[str, Any], paths: Paths) -> str:
    """One rule.

    Raises:
        NotUnderstood: it cannot be said in ours.
    """
    for word, inner in (("And", "and"), ("Or", "or")):
        if isinstance(rule.get(word), list):
            parts = [f"({condition(one, paths)})" for one in rule[word] if isinstance(one, dict)]
            if not parts:
                raise NotUnderstood(f"`{word}` without rules")
            return f" {inner} ".join(parts)
    if isinstance(rule.get("Not"), dict):
        return f"not ({condition(rule['Not'], paths)})"
    if "Variable" not in rule:
        raise NotUnderstood("a rule without a `Variable`")
    left = paths.path(rule["Variable"])
    for name, value in rule.items():
        if name not in ("Variable", "Next", "Comment", "Assign", "Output"):
            return _compared(name, left if " " not in left else f"({left})", value, paths)
    raise NotUnderstood("a rule that compares nothing")


def _compared(name: str, left: str, value: Any, paths: Paths) -> str:
    if name == "IsPresent":
        return f"{left} is defined" if value is True else f"{left} is not defined"
    if name in _TESTS:
        return f"{left} is {'' if value is True else 'not '}{_TESTS[name]}"
    if name == "IsTimestamp":
        pattern = quoted(r"\d{4}-\d\d-\d\dT.*")
        return f"{'' if value is True else 'not '}({left} | string | regex_match({pattern}))"
    if name == "StringMatches":
        return f"({left} | regex_search({quoted(_glob(str(value)))}))"
    bare = name.removesuffix("Path")
    kind = next((kind for kind in _KINDS if bare.startswith(kind)), None)
    operator = _OPERATORS.get(bare.removeprefix(kind)) if kind else None
    if operator is None:
        raise NotUnderstood(f"the comparison `{name}`")
    right = paths.path(value) if name.endswith("Path") else paths.selected(value)
    right = right if " " not in right or right[:1] in "'\"" else f"({right})"
    if kind == "Timestamp":
        return f"({left} | as_time) {operator} ({right} | as_time)"
    return f"{left} {operator} {right}"


def _glob(text: str) -> str:
    parts = re.split(r"(\\.|\*)", text)
    made = "".join(".*" if part == "*" else re.escape(part[1:] if part[:1] == "\\" else part) for part in parts)
    return f"^{made}$"
