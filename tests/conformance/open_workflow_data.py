"""Where the scenarios and examples of the Open Workflow Specification are: third-party data beside the checkout."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "open-workflow"
_WANTED = (
    "the Open Workflow Specification's ctk/ and examples/ are not here: clone "
    "github.com/open-workflow-specification/specification and set OPEN_WORKFLOW_SPEC to its folder"
)


def folder() -> Path | None:
    # Without the prefix of settings: an unknown REACTOR_… is refused by every Reactor that a test starts.
    given = os.environ.get("OPEN_WORKFLOW_SPEC")
    found = Path(given) if given else _BESIDE
    return found if (found / "ctk").is_dir() else None


needs_data = pytest.mark.skipif(folder() is None, reason=_WANTED)
