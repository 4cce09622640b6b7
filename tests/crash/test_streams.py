"""A long file as a stream, killed in the middle: every line once, and memory holds a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.crash.harness import Server

LINES = 40_000
FLOW = """\
name: over
on: {event: go}
steps:
  - {name: open, action: file.lines, path: big.txt, size: 200}
  - name: each
    for_each: "{{ steps.open.output }}"
    batch: 100
    steps:
      - {name: sum, state: {key: sum, add: "{{ item | length }}"}}
  - {return: "{{ state.sum }}"}
"""


def _high_water(server: Server) -> int:
    """Megabytes that the process has held at most."""
    assert server.process is not None
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024


def _until(server: Server, run: str, fits: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    found: dict[str, Any] = {}
    while time.monotonic() < deadline:
        found = server.get(f"/api/v1/runs/{run}")[1]
        if fits(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"it does not come to that: {found['status']}")


def test_a_stream_goes_on_where_it_was(tmp_path: Path):
    server = Server(tmp_path / "s", {"over": FLOW})
    with (server.folder / "big.txt").open("w") as file:
        file.writelines(f"{number:01000}\n" for number in range(LINES))
    try:
        server.start()
        before = _high_water(server)
        run = server.post("/events", {"type": "go"})[1]["runs"][0]["id"]
        _until(server, run, lambda one: len(one["steps"]) > 1 and one["status"] == "running")
        time.sleep(0.3)  # somewhere in the middle; where does not matter
        server.kill()
        server.start()
        found = _until(server, run, lambda one: one["status"] in ("completed", "failed"))
        assert (found["status"], found["output"]) == ("completed", LINES), found["error"]
        assert next(step for step in found["steps"] if step["path"] == "each")["output"] == {"count": LINES // 100}
        assert _high_water(server) - before < 40, "40 MB of lines were read, a page at a time"
    finally:
        server.end()
