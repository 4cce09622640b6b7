"""The tests of one flow, run by `reactor test` in a process of its own: it cannot hold up the server, and ends with it.

The process sees a folder made for it: the flow, its NAME.test.yaml, and the flows that it calls. It knows nothing of
the server's data and secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from reactor.engine.flows import FlowBook
from reactor.model.errors import BusyError, ConflictError, InvalidError
from reactor.model.flow import CallStep, Flow, all_steps

_PATIENCE = 60.0
"""Seconds that the tests of one flow may take."""
_AT_ONCE = 2
_WAITING = 8
_LARGEST = 8 << 20
"""Bytes of what the process may answer."""
_CALLED = 200
_MAIN = "import sys; from reactor.cli.main import main; sys.exit(main())"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "REACTOR_PLUGINS")


class FlowTester:
    """Runs a few at a time."""

    def __init__(self, book: FlowBook, root: Path | None, shown: str | None) -> None:
        """`root`: the folder of flows, spelt `shown` in the names of files."""
        self._book = book
        self._root = root
        self._shown = shown
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def run(self, flow: Flow, text: str | None = None) -> dict[str, Any]:
        """How the tests went: `{flow, passed, tests, problems, coverage, file}`. With a text: as the flow would be.

        Raises:
            ConflictError: the flow is Python code. InvalidError: the tests cannot be run. BusyError: too many ask.
        """
        if flow.code is not None:
            raise ConflictError(f"flow {flow.name!r} is Python code: test it with pytest, see docs/python.md")
        if self._asked >= _WAITING:
            raise BusyError(f"{self._asked} others have their tests run already; try again", retry_after=5_000)
        self._asked += 1
        try:
            async with self._gate:
                folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="reactor-tests-"))
                try:
                    file = await asyncio.to_thread(self._lay_out, folder, flow, text)
                    return _shown(flow, await _answer(folder), file)
                finally:
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        finally:
            self._asked -= 1

    def _lay_out(self, folder: Path, flow: Flow, text: str | None) -> str:
        """Write the files; the name of the flow's own."""
        file = Path(flow.file).name if flow.file is not None else f"{flow.name}.yaml"
        (folder / file).write_text(flow.source if text is None else text, "utf-8")
        if flow.file is not None and self._root is not None:
            beside = self._root / os.path.relpath(flow.file, self._shown)
            for suffix in (".test.yaml", ".test.yml"):
                tests = beside.with_name(beside.stem + suffix)
                if tests.is_file():
                    shutil.copyfile(tests, folder / tests.name)
        below = folder / "called"
        below.mkdir()
        for name in self._called(flow):
            (below / f"{name}.yaml").write_text(self._book.current[name].source, "utf-8")
        return file

    def _called(self, flow: Flow) -> list[str]:
        found: dict[str, None] = {}
        waiting = [flow]
        while waiting and len(found) < _CALLED:
            for _, step in all_steps(waiting.pop()):
                other = self._book.current.get(step.flow) if isinstance(step, CallStep) else None
                if other is not None and other.name not in found and other.name != flow.name and other.code is None:
                    found[other.name] = None
                    waiting.append(other)
        return list(found)


async def _answer(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", _MAIN, "test", ".", "--json", "--coverage", "--data", str(folder / "data")]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True, limit=_LARGEST,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE):
            said, wrong = await process.communicate()
    except TimeoutError:
        raise InvalidError(f"the tests took longer than {_PATIENCE:.0f} seconds and were ended") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    try:
        answer: dict[str, Any] = msgspec.json.decode(said)
    except msgspec.MsgspecError:
        text = wrong.decode("utf-8", "replace").strip()[-500:]
        raise InvalidError(f"the tests could not be run: {text or f'exit code {process.returncode}'}") from None
    return answer


def _shown(flow: Flow, answer: dict[str, Any], file: str) -> dict[str, Any]:
    own = [test for test in answer["tests"] if test["flow"] == flow.name]
    # Of the flows that it calls nothing is said: their tests are theirs.
    wrong = [
        one for one in answer["problems"] if one["severity"] == "error" and "called" not in Path(one["file"]).parts
    ]
    reached = next((one for one in answer["coverage"]["flows"] if one["flow"] == flow.name), None)
    tests = [
        {
            "name": test["name"],
            "file": Path(test["file"]).name,
            "line": test["line"] or None,
            "passed": test["passed"],
            "seconds": test["seconds"],
            "problems": [one["message"] for one in test["problems"]],
        }
        for test in own
    ]
    return {
        "flow": flow.name,
        "passed": bool(tests) and all(test["passed"] for test in tests) and not wrong,
        "tests": tests,
        "problems": [f"{Path(one['file']).name}:{one['line']}: {one['message']}" for one in wrong],
        "coverage": None
        if reached is None
        else {"percent": reached["percent"], "missed": [f"{p['what']} (line {p['line']})" for p in reached["missed"]]},
        "file": file,
    }
