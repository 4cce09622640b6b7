"""What the tests of keys share: flows with tests of their own that pass, and no longer pass without the key."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reactor.language.problems import errors
from reactor.plugins import discovery
from reactor.sdk.manifest import Catalog
from reactor.testing import run_flow_tests
from reactor.testing.flow_tests import Report


@pytest.fixture(scope="session")
def installed() -> Catalog:
    """All that is installed."""
    return discovery.discover()[0]


@pytest.fixture
def shows(tmp_path: Path, installed: Catalog) -> Callable[..., None]:
    """`shows(FLOW, (OLD, NEW), …)`: the flow's tests pass as it stands, and none of them is in vain: after each of
    these changes of the text the flow is still valid, and its tests fail.
    """

    def played(text: str, others: Mapping[str, str]) -> Report:
        for name, content in {"it": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(textwrap.dedent(content))
        return run_flow_tests(tmp_path / "it.yaml", *(tmp_path / f"{n}.yaml" for n in others), catalog=installed)

    def check(flow: str, *changes: tuple[str, str], **others: str) -> None:
        report = played(flow, others)
        assert report.passed, report.text()
        assert changes, "what would be different without the key?"
        for old, new in changes:
            assert old in flow, old
            report = played(flow.replace(old, new, 1), others)
            assert not errors(report.problems), report.text()
            assert report.failed, f"nothing is different with {new!r} in place of {old!r}"

    return check


@pytest.fixture
def wrong(tmp_path: Path, installed: Catalog) -> Callable[..., list[Any]]:
    """The errors of a flow's text."""
    from reactor.language.loader import load

    def read(text: str) -> list[Any]:
        return errors(load(textwrap.dedent(text), file="it.yaml", catalog=installed).problems)

    return read
