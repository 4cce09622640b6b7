"""`scripts/check_keys.py`: what it takes for a proof, and what it refuses."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = str(Path(__file__).parents[2] / "scripts")


@pytest.fixture(scope="module")
def check() -> Any:
    sys.path.insert(0, SCRIPTS)
    try:
        import check_keys  # type: ignore[import-not-found]
    finally:
        sys.path.remove(SCRIPTS)
    return check_keys


def test_braces_stand_for_either(check):
    assert list(check.expanded("a.{b,c}.{d,e}")) == ["a.b.d", "a.b.e", "a.c.d", "a.c.e"]
    assert list(check.expanded("{a,b}.c")) == ["a.c", "b.c"]
    assert list(check.expanded("a.b")) == ["a.b"]


TEXT = """
@pytest.mark.proves("a.{b,c}", "d")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.proves("e")), 2])
async def test_one(x): ...

@pytest.mark.proves("f")
@pytest.mark.service("postgres")
def test_perhaps(): ...

@pytest.mark.proves("g")
def helper(): ...

def test_inside():
    pytest.mark.proves("h")
"""


def test_what_is_a_proof(check):
    found = list(check.proofs(ast.parse(TEXT), "t.py"))
    proofs = [one for one in found if not isinstance(one, str)]
    assert [(one.place, one.names, one.sure) for one in proofs] == [
        ("t.py::test_one", ("a.b", "a.c", "d", "e"), True),
        ("t.py::test_perhaps", ("f",), False),
    ]
    wrong = [one for one in found if isinstance(one, str)]
    assert [one.partition(" ")[0] for one in wrong] == ["t.py:10:", "t.py:14:"]


def test_what_is_wrong(check, monkeypatch):
    proof = check.Proof("t.py::test_one", ("step.if", "step.of", "refused: unknown join"), True)
    maybe = check.Proof("t.py::test_perhaps", ("step.undo",), False)
    known = {"step.if": "", "step.undo": "", "step.unless": "", "step.new": ""}
    monkeypatch.setattr(check, "read", lambda: ({n: [p] for p in (proof, maybe) for n in p.names}, ["a mark"]))
    monkeypatch.setattr(check.key_list, "known", lambda: known)
    monkeypatch.setattr(check.key_list, "offered", lambda: {*known, "step.old"} - {"step.new"})
    monkeypatch.setattr(check.key_list, "REFUSED", ("unknown join",))
    assert [one.partition("; ")[0] for one in check.problems()] == [
        "a mark",
        "step.new is a key of the tables of keys only",
        "step.old is a key of the JSON Schema only",
        "t.py::test_one proves `step.of`, which is no key (it is written as in docs/keys.md)",
        "step.undo: no test that always runs shows what it does",
        "step.unless: no test shows what it does",
        "step.new: no test shows what it does",
    ]


def test_nothing_is_wrong(check):
    assert list(check.problems()) == []
