"""Flow control over deaths at every border: nothing is lost or twice, no slot leaks, no limit is passed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BORDERS = (
    "intake.routed",
    "commit.before",
    "commit.written",
    "commit.after",
    "act.before",
    "act.after",
    "run.finished",
    "wake.loaded",
)
"""The other failpoints stand in what these flows do not do."""


def _live(folder: Path, life: int, failpoint: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash.control_child", str(folder), str(life), failpoint]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.crash
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", BORDERS)
def test_controls_over_a_death_at(name: str, tmp_path: Path) -> None:
    for life, count in enumerate((2, 7, 13)):
        died = _live(tmp_path, life, f"{name}:{count}")
        assert died.returncode == -signal.SIGKILL, (died.stdout, died.stderr[-3_000:])
    last = _live(tmp_path, 3, "")
    assert (last.stdout.strip(), last.returncode) == ("", 0), (last.stdout[:3_000], last.stderr[-3_000:])
    assert "Traceback" not in last.stderr, last.stderr[-3_000:]
