"""Flows of the older Go engine in today's spelling. They also run as they are; this is for going on with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from reactor.language.importing.coverage import IGNORED, MAPPED, PLACEHOLDER, Coverage
from reactor.language.importing.documents import access
from reactor.language.importing.making import flow_name
from reactor.language.importing.writing import Step
from reactor.language.keys import FLOW, STEP, VERB
from reactor.language.legacy import translated
from reactor.language.loader import load
from reactor.language.problems import errors
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence, Source
from reactor.language.yaml_events import read
from reactor.model.errors import InvalidError
from reactor.sdk import Catalog

_ACTION = re.compile(r"\{\{-?\s*(?P<code>[^{}]*?)\s*-?\}\}")
_PATH = re.compile(r"\.(?P<path>[A-Za-z_]\w*(?:\.\w+)*)")
_TOKEN = re.compile(r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<word>[^\s()\"]+))")
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_GO = frozenset({"if", "else", "end", "range", "with", "define", "printf", "index", "len", "default"})
_EVENT = {"payload": "data"}
_RETRY = {"delay": "2s", "jitter": 0}
"""What the older engine does where nothing is said; today's defaults are others."""


def read_conduktr(
    data: str | bytes, coverage: Coverage, catalog: Catalog, file: str | None
) -> tuple[dict[str, Any], list[str]]:
    """A flow of the older engine as plain data in today's spelling, and the comments above it.

    Raises:
        InvalidError: the file has errors as it is.
    """
    document = read(data, file)
    root = document.root
    if not isinstance(root, Mapping) or not ("workflow" in root or "steps" in root):
        first = document.problems[0].message if document.problems else "it has no `workflow:`"
        raise InvalidError(f"{file or 'this'} is no flow of the older engine: {first}")
    loaded = load(data, file=file, catalog=catalog)
    wrong = errors(loaded.problems)
    if wrong:
        raise InvalidError("\n".join(str(problem) for problem in wrong))
    for problem in loaded.problems:
        coverage.note(f"line {problem.line}: {problem.message}")
    reading = _Reading(document.source, coverage, catalog)
    return reading.flow(root, loaded.name or flow_name(PurePath(file or "").stem) or "imported"), reading.head(root)


class _Reading:
    def __init__(self, source: Source, coverage: Coverage, catalog: Catalog) -> None:
        self.source = source
        self.coverage = coverage
        self.reader = Reader(source, catalog, legacy=True)

    def head(self, root: Mapping) -> list[str]:
        """The comments above the first key."""
        last, _ = self.source.place(root.start)
        lines = [self.source.line(number).strip() for number in range(1, last)]
        while lines and not lines[-1]:
            lines.pop()
        return [line.removeprefix("#").removeprefix(" ") for line in lines]

    def _comments(self, line: int) -> list[str]:
        found: list[str] = []
        number = line - 1
        while number >= 1 and self.source.line(number).lstrip().startswith("#"):
            found.insert(0, self.source.line(number).lstrip().removeprefix("#").removeprefix(" "))
            number -= 1
        return found

    # --- the flow ------------------------------------------------------------------------------------------------

    def flow(self, root: Mapping, name: str) -> dict[str, Any]:
        """All of it."""
        made: dict[str, Any] = {"name": name}
        for key, node in root.entries.items():
            if key in ("name", "workflow", "steps"):
                continue
            if key == "on":
                made["on"] = self.triggers(node)
            elif key in ("if", "unless"):
                made[key] = self.condition(node.plain)
            elif key == "on_failure":
                made[key] = self.steps(node)
            else:
                made[key] = self.duration(node) if key == "timeout" else self.value(node.plain)
            self.coverage.add("key", key, MAPPED if key in FLOW else IGNORED, key)
        made["steps"] = self.steps(root.entries.get("workflow", root.entries.get("steps", root)))
        self.coverage.add("key", "workflow" if "workflow" in root else "steps", MAPPED, "steps")
        return made

    def triggers(self, node: Node) -> Any:
        """`on:`; one trigger stays one, a list a list."""
        items = node.items if isinstance(node, Sequence) else [node]
        found = []
        for number, item in enumerate(items):
            made = translated(self.reader, item)
            if made is not None:
                plain = made.plain
                if isinstance(plain, dict) and "if" in plain:
                    plain["if"] = self.condition(plain["if"])
                found.append(plain)
                self.coverage.add(
                    "trigger", str(number), MAPPED, ", ".join(list(plain)[:1]) if isinstance(plain, dict) else ""
                )
        return found[0] if len(found) == 1 and not isinstance(node, Sequence) else found

    def steps(self, node: Node) -> list[Step]:
        """A list of steps."""
        items = node.items if isinstance(node, Sequence) else []
        return [self.step(item) for item in items if isinstance(item, Mapping)]

    def step(self, node: Mapping) -> Step:
        """One step: names mended, times with their unit, the retries of the older engine written out."""
        line, _ = self.source.place(node.start)
        made: dict[str, Any] = {}
        if isinstance(node.get("name"), Scalar):
            text = str(node.entries["name"].plain)
            made["name"] = re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_") or "step"
        beside = node.get("parallel")
        for key, value in node.entries.items():
            if key == "name":
                continue
            if key == "parallel" and isinstance(beside, Scalar) and beside.value is True:
                made["parallel"] = {"fail_fast": False, "branches": self.branches(node.get("steps"))}
            elif key == "steps" and isinstance(beside, Scalar):
                continue
            elif key == "body" and isinstance(value, Mapping):
                made["json"] = self.value(value.plain)
            else:
                made[key] = self._key(key, value)
        kind = str(made.get("action") or next((verb for verb in VERB if verb in made), "step"))
        self.coverage.add(kind, str(made.get("name", f"line {line}")), MAPPED, str(made.get("name", "")))
        return Step(made, self._comments(line))

    def _key(self, key: str, node: Node) -> Any:
        if key in ("if", "unless", "while", "until"):
            return self.condition(node.plain)
        if key in ("steps", "on_error", "finally"):
            return self.steps(node)
        if key in ("timeout", "deadline"):
            return self.duration(node)
        if key == "retry":
            given = node.plain
            if isinstance(given, int) and not isinstance(given, bool):
                given = {"max": given}
            return (
                {**given, **{name: v for name, v in _RETRY.items() if name not in given}}
                if isinstance(given, dict)
                else given
            )
        return self.value(node.plain) if key not in STEP or key in ("with", "output") else node.plain

    def branches(self, node: Node | None) -> dict[str, Any]:
        """`parallel: true`: each step a branch."""
        found: dict[str, Any] = {}
        for step in self.steps(node) if node is not None else ():
            found[str(step.get("name") or f"branch_{len(found) + 1}")] = [step]
        return found

    def duration(self, node: Node) -> Any:
        """A bare number is seconds."""
        given = node.plain
        return f"{given}s" if isinstance(given, (int, float)) and not isinstance(given, bool) else self.value(given)

    # --- templates -----------------------------------------------------------------------------------------------

    def value(self, given: Any) -> Any:
        """A value with its templates in today's spelling, as far as they are simple."""
        if isinstance(given, dict):
            return {key: self.value(item) for key, item in given.items()}
        if isinstance(given, list):
            return [self.value(item) for item in given]
        return self.text(given) if isinstance(given, str) else given

    def text(self, given: str) -> str:
        """A text. One that cannot be said throughout stays as it is: Go's spelling is understood."""
        if "{{" not in given:
            return given
        made = [self.code(found["code"]) for found in _ACTION.finditer(given)]
        if None in made or "{{" in _ACTION.sub("", given):
            self.coverage.add("template", given, MAPPED, "", "it stays in Go's spelling, which is understood")
            return given
        codes = iter(made)
        return _ACTION.sub(lambda _: f"{{{{ {next(codes)} }}}}", given)

    def condition(self, given: Any) -> Any:
        """`if:`: the bare expression where it can be said, else Go's."""
        if not isinstance(given, str):
            return given
        whole = _ACTION.fullmatch(given.strip())
        code = self.code(whole["code"]) if whole else None
        if code is None:
            if "{{" in given:
                reason = "it stays in Go's spelling; texts such as `no` and `0` hold in a flow of today's"
                self.coverage.add("condition", given, PLACEHOLDER if not whole else MAPPED, "", reason)
            return given
        return code

    def code(self, text: str) -> str | None:
        """One `{{ … }}` of Go in ours; None: it is more than paths and comparisons."""
        if not text.startswith((".", *_COMPARE, "and ", "or ", "not ", "(")):
            # Already ours, or a block or function of Go's.
            return None if text.startswith("$") or text.split(" ", 1)[0] in _GO else text
        tokens = list(_tokens(text))
        made, rest = _expression(tokens)
        return _bare(made) if made is not None and not rest else None


def _bare(text: str) -> str:
    """Without brackets around all of it."""
    inner = text[1:-1]
    sole = text.startswith("(") and text.endswith(")") and "(" not in inner.removesuffix("default('')")
    return inner if sole else text


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            yield "?"
            return
        yield match[0].strip()
        at = match.end()


def _expression(tokens: list[str]) -> tuple[str | None, list[str]]:
    """`eq .a "x"` → `a == 'x'`, and what is left."""
    if not tokens:
        return None, []
    word, rest = tokens[0], tokens[1:]
    if word in _COMPARE and len(rest) >= 2:
        left, rest = _operand(rest)
        right, rest = _operand(rest)
        return (f"{left} {_COMPARE[word]} {right}" if left and right else None), rest
    if word in ("and", "or"):
        parts: list[str | None] = []
        while rest and rest[0] != ")":
            part, rest = _operand(rest)
            parts.append(part)
        return (f" {word} ".join(str(part) for part in parts) if parts and None not in parts else None), rest
    if word == "not":
        part, rest = _operand(rest)
        return (f"not {part}" if part else None), rest
    return _operand(tokens)


def _operand(tokens: list[str]) -> tuple[str | None, list[str]]:
    if not tokens:
        return None, []
    word, rest = tokens[0], tokens[1:]
    if word == "(":
        inner, rest = _expression(rest)
        return (f"({inner})" if inner and rest[:1] == [")"] else None), rest[1:]
    if word.startswith('"') or re.fullmatch(r"-?\d+(\.\d+)?|true|false", word):
        return word, rest
    match = _PATH.fullmatch(word)
    made = _path(match["path"].split(".")) if match else None
    return (f"({made} | default(''))" if made else None), rest


def _path(names: list[str]) -> str | None:
    """`.event.payload.id` → `event.data.id`; a missing field is empty, as it was."""
    first, *rest = names
    if first == "event" and rest and rest[0] in ("payload", "type", "metadata", "id", "source"):
        return access("event", (_EVENT.get(rest[0], rest[0]), *rest[1:]))
    if first == "variables" and len(rest) > 1:
        return access(f"steps.{rest[0]}", ("output", *rest[1:]))
    if first == "variables" and rest in (["workflow_id"], ["execution_id"]):
        return "flow.name" if rest[0] == "workflow_id" else "run.id"
    return None
