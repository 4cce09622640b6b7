"""The examples' own flow tests, and those that the docs show."""

import re
from pathlib import Path

import pytest

from reactor.testing import run_flow_tests
from tests.examples.shop import ROOT, Shop

FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_examples_pass_and_reach_every_branch(shop: Shop):
    told = shop.cli("test", "examples", "--coverage", "--fail-under", "100")
    assert " 0 passed" not in told
    assert "never reached" not in told


@pytest.mark.parametrize("page", ["README.md", "docs/testing.md", "docs/language.md"])
def test_what_the_docs_show_passes(tmp_path: Path, page: str):
    text = (ROOT / page).read_text("utf-8")
    shown = [block for block in FENCE.findall(text) if re.search(r"^tests:", block, re.MULTILINE) and "name:" in block]
    flows = [block for block in shown if re.search(r"^steps:", block, re.MULTILINE)]
    assert flows
    for number, block in enumerate(flows):
        (tmp_path / f"flow-{number}.yaml").write_text(block)
    for name in {name for block in flows for name in re.findall(r"call: ([a-z-]+)", block)}:
        if not any(re.search(rf"^name: {name}$", block, re.MULTILINE) for block in flows):
            (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nsteps: [{{action: log.info, message: called}}]\n")
    report = run_flow_tests(tmp_path)
    assert report.passed, report.text()


def test_a_dry_run_of_an_example_says_what_it_would_do(shop: Shop):
    before = {path: path.stat().st_mtime_ns for path in shop.folder.rglob("*")}
    told = shop.cli("execute", "examples/orders/order.yaml", '{"id": "7", "total": 250}', "--dry-run")
    assert "pay.charge: http.request" in told
    assert "shipped: emit order.shipped" in told
    assert "then it would be completed" in told
    assert {path: path.stat().st_mtime_ns for path in shop.folder.rglob("*")} == before
