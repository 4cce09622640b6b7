"""Every example of the specification loads, or is refused by name; the table of docs/open-workflow.md says which."""

import os
import re
from pathlib import Path

import pytest

from reactor.language.loader import load
from reactor.plugins.discovery import discover
from tests.conformance.open_workflow_data import folder, needs_data

pytestmark = needs_data
DATA = folder()
DOCS = Path(__file__).parents[2] / "docs" / "open-workflow.md"
MARK = re.compile(r"(<!-- examples: checked by .*? -->\n).*?(<!-- end -->)", re.DOTALL)
CATALOG = discover()[0]
FILES = sorted((DATA / "examples").glob("*.yaml")) if DATA else []


def verdict(path: Path) -> str:
    """`loads`, or what is refused and what to use instead."""
    loaded = load(path.read_bytes(), file=path.name, catalog=CATALOG)
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    assert (loaded.flow is None) == bool(errors)
    for problem in errors:
        assert problem.rule == "not-supported", f"{problem.place}: {problem.message}"
        assert problem.line > 1
    return "; ".join(dict.fromkeys(problem.message for problem in errors)) or "loads"


def table() -> str:
    lines = [f"| `{path.name}` | {verdict(path)} |" for path in FILES]
    return "\n".join(["| Example | Verdict |", "| --- | --- |", *lines, ""])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_loads_or_is_refused_by_name(path):
    assert verdict(path) == "loads" or "is not supported; " in verdict(path)


def test_the_table_in_the_docs_is_so():
    """`UPDATE_DOCS=1` writes it anew."""
    text = DOCS.read_text("utf-8")
    wanted = MARK.sub(lambda match: match[1] + table() + match[2], text)
    if os.environ.get("UPDATE_DOCS") == "1":
        DOCS.write_text(wanted, "utf-8")
    assert wanted == text or os.environ.get("UPDATE_DOCS") == "1", wanted


def test_most_of_them_load():
    assert len(FILES) == 68
    assert sum(verdict(path) == "loads" for path in FILES) == 49
