"""Every key does what it says, or is refused: each one has a test that is marked with it.

`@pytest.mark.proves("step.undo")` stands at a test that runs a flow (or a part of it) and sees what the key does;
`{a,b}` in it stands for either. No test is run here: the files are read.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import key_list
import msgspec

ROOT = Path(__file__).parents[1]
_BRACES = re.compile(r"\{([^{}]*)\}")
_MARK = "mark.proves"
_MAYBE = {"skip", "skipif", "xfail", "service"}
"""A test that may not run proves nothing by itself."""


class Proof(msgspec.Struct, frozen=True):
    """A test, and what it says it proves."""

    place: str
    """`tests/…/test_it.py::test_name`."""
    names: tuple[str, ...]
    sure: bool
    """Whether it always runs."""


def expanded(text: str) -> Iterator[str]:
    """`a.{b,c}` is `a.b` and `a.c`."""
    found = _BRACES.search(text)
    if found is None:
        yield text
        return
    for word in found[1].split(","):
        yield from expanded(text[: found.start()] + word + text[found.end() :])


def proofs(tree: ast.Module, file: str) -> Iterator[Proof | str]:
    """The tests of one file with marks; or what is wrong with a mark."""
    at_tests: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not node.name.startswith("test_"):
            continue
        marks = [(_name(inner), inner) for each in node.decorator_list for inner in ast.walk(each)]
        said = [inner for name, inner in marks if name == _MARK and isinstance(inner, ast.Call)]
        at_tests.update(id(inner) for inner in said)
        texts = [arg.value for call in said for arg in call.args if isinstance(arg, ast.Constant)]
        if said:
            sure = not any(name.startswith("mark.") and name[5:] in _MAYBE for name, _ in marks)
            names = tuple(one for text in texts for one in expanded(str(text)))
            yield Proof(f"{file}::{node.name}", names, sure)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node) == _MARK and id(node) not in at_tests:
            yield f"{file}:{node.lineno}: `proves` stands at no test; put it right above one"


def _name(node: ast.AST) -> str:
    """`mark.proves` of `pytest.mark.proves(…)`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark":
        return f"mark.{node.attr}"
    return ""


@functools.cache
def read() -> tuple[dict[str, list[Proof]], list[str]]:
    """Each name with its proofs, and what is wrong with the marks."""
    found: dict[str, list[Proof]] = {}
    problems: list[str] = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        if _MARK not in text:
            continue
        for proof in proofs(ast.parse(text), str(path.relative_to(ROOT))):
            if isinstance(proof, str):
                problems.append(proof)
                continue
            for name in proof.names:
                found.setdefault(name, []).append(proof)
    return found, problems


def problems() -> Iterator[str]:
    """All that is wrong."""
    found, wrong = read()
    yield from wrong
    known, offered = key_list.known(), key_list.offered()
    for name in sorted(offered ^ set(known)):
        where = "the JSON Schema" if name in offered else "the tables of keys"
        yield f"{name} is a key of {where} only; see scripts/key_list.py"
    wanted = [*known, *(f"refused: {what}" for what in key_list.REFUSED)]
    for name in sorted(set(found) - set(wanted)):
        yield f"{found[name][0].place} proves `{name}`, which is no key (it is written as in docs/keys.md)"
    for name in wanted:
        if not any(proof.sure for proof in found.get(name, ())):
            other = " that always runs" if name in found else ""
            yield f'{name}: no test{other} shows what it does; mark one with @pytest.mark.proves("{name}")'


def tests_of(name: str) -> Iterable[str]:
    """The places of the tests that prove it."""
    return [proof.place for proof in read()[0].get(name, ())]


def main() -> int:
    found = list(problems())
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
