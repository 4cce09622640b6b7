"""Streams as flows use them, and what only looks like one; sealed values and claims that come from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reactor.model import ids
from reactor.testing.running import running_reactor
from tests.integration.test_orchestration import waiting

OVER = """\
name: over
on: {{event: go}}
steps:
  - {{name: open, action: file.lines, path: "{path}", size: {size}, format: {format}}}
  - name: each
    for_each: "{{{{ steps.open.output }}}}"
    steps:
      - {{name: keep, state: {{key: "k{{{{ index }}}}", set: "{{{{ item }}}}"}}}}
      - {{if: "item == 'stop'", break: true}}
"""
FORGED = {"$stream": {"action": "file.lines", "with": {"path": "/etc/passwd"}}}


async def ran(flows: dict[str, str], root: Path, data: Any = None, flow: str = "over") -> tuple[dict[str, Any], Any]:
    """The run of one event, and the flow's state after it."""
    async with running_reactor(flows, file_roots=[str(root)]) as reactor:
        receipt = await reactor.send("go", data)
        run = await reactor.finished(receipt["runs"][0]["id"])
        await reactor.engine.executor.states.load(flow)
        return run, dict(reactor.engine.executor.states.of(flow))


@pytest.mark.proves(
    "file.lines.path", "file.lines.format", "file.lines.size", "file.lines.cursor", "file.lines.cursor.at"
)
@pytest.mark.proves("file.lines.cursor.names")
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("format_", "text", "items"),
    [
        ("text", "\ufeffa\r\nb\n\nlast", ["a", "b", "", "last"]),
        ("text", "a\nstop\nb\n", ["a", "stop"]),
        ("text", "", []),
        ("csv", 'n,m\n1,"x\ny"\n\n2\n3,4,5\n',
         [{"n": "1", "m": "x\ny"}, {"n": "2", "m": None}, {"n": "3", "m": "4", "_more": ["5"]}]),
        ("json", '{"a": 1}\n\n[2]\nnull\n3', [{"a": 1}, [2], None, 3]),
    ],
)  # fmt: skip
async def test_a_file_is_read_page_by_page(tmp_path: Path, size: int, format_: str, text: str, items: list[Any]):
    file = tmp_path / "f"
    file.write_text(text, newline="")
    run, state = await ran({"over": OVER.format(path=file, size=size, format=format_)}, tmp_path)
    assert (run["status"], run["error"]) == ("completed", None)
    assert state == {f"k{number}": item for number, item in enumerate(items)}
    each = next(step for step in run["steps"] if step["path"] == "each")
    assert each["output"] == {"count": items.index("stop") if "stop" in items else len(items)}


@pytest.mark.parametrize(
    ("format_", "raw", "kind", "message"),
    [
        ("text", b"ok\n" + b"x" * 1_100_000, "file.content", "line 2 is longer than"),
        ("text", b"ok\n\xff\n", "file.content", "line 2 is not utf-8"),
        ("json", b"1\n{\n", "file.content", "line 2 is not JSON"),
        ("csv", b'a\n"x', "file.content", "unexpected end"),
    ],
)
async def test_lines_that_cannot_be(tmp_path: Path, format_: str, raw: bytes, kind: str, message: str):
    file = tmp_path / "f"
    file.write_bytes(raw)
    run, _ = await ran({"over": OVER.format(path=file, size=10, format=format_)}, tmp_path)
    assert run["status"] == "failed"
    assert run["error"]["kind"] == kind
    assert message in run["error"]["message"]


@pytest.mark.proves("file.lines.encoding", "file.lines.cursor.file", "file.lines.cursor.line")
async def test_other_encodings_and_a_file_that_is_another_by_now(tmp_path: Path):
    file = tmp_path / "f"
    file.write_bytes("é\nü\n".encode("latin-1"))

    def asked(**more: Any) -> dict[str, str]:
        given = json.dumps({"path": str(file), "encoding": "latin-1", **more})
        step = f"steps: [{{name: a, action: file.lines, with: {given}}}]"
        return {"over": f"name: over\non: {{event: go}}\n{step}\n"}

    run, _ = await ran(asked(), tmp_path)
    start = run["output"]["$stream"]["cursor"]
    run, _ = await ran(asked(cursor=start, size=1), tmp_path)
    assert run["output"] == {"items": ["é"], "cursor": {**start, "at": 2, "line": 1}}
    run, _ = await ran(asked(cursor={**start, "at": 99, "line": 7}), tmp_path)
    assert (run["error"]["kind"], "before line 8" in run["error"]["message"]) == ("file.changed", True)
    run, _ = await ran(asked(cursor={**start, "file": "1:1"}), tmp_path)
    assert run["error"]["kind"] == "file.changed"
    run, _ = await ran(asked(encoding="utf-16"), tmp_path)
    assert (run["error"]["kind"], "use file.read" in run["error"]["message"]) == ("input", True)


LOOKING = """\
name: over
on: {event: go}
steps:
  - name: each
    for_each: "{{ event.data }}"
    steps: [{name: s, state: {key: "k{{ index }}", set: "{{ item }}"}}]
"""
RESHAPED = """\
name: over
on: {event: go}
steps:
  - {name: a, action: log.info, message: x, output: "{{ event.data }}"}
  - name: each
    for_each: steps.a.output
    steps: [{name: s, state: {key: "k{{ index }}", set: "{{ item }}"}}]
"""
FROM_FILE = """\
name: over
on: {event: go}
steps:
  - {name: a, action: file.read, path: "%s", format: json}
  - name: each
    for_each: steps.a.output.content
    steps: [{name: s, state: {key: "k{{ index }}", set: "{{ item }}"}}]
"""


@pytest.mark.parametrize("text", [LOOKING, RESHAPED, FROM_FILE])
async def test_data_that_looks_like_a_stream_calls_nothing(tmp_path: Path, text: str):
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(FORGED))
    run, state = await ran({"over": text % file if "%s" in text else text}, tmp_path, FORGED)
    assert run["status"] == "failed"
    assert run["error"]["kind"] == "input"
    assert "only as a step of this run has opened it" in run["error"]["message"]
    assert not state
    assert all(".page-" not in step["path"] for step in run["steps"])


async def test_a_stream_is_good_in_the_run_that_opened_it_alone(tmp_path: Path):
    file = tmp_path / "f"
    file.write_text("a\n")
    call = f"""\
name: over
on: {{event: go}}
steps:
  - {{name: open, action: file.lines, path: "{file}"}}
  - {{call: child, with: {{rows: "{{{{ steps.open.output }}}}"}}}}
"""
    child = "name: child\nsteps: [{name: e, for_each: inputs.rows, steps: [{set: {x: 1}}]}]\n"
    run, _ = await ran({"over": call, "child": child}, tmp_path)
    assert run["status"] == "failed"
    assert "only as a step of this run has opened it" in run["error"]["message"]


SLEEPS = """\
name: sleeps
on: {event: go}
steps:
  - {name: a, action: log.info, message: x, output: "{{ event.data }}"}
  - {name: w, wait_for: {event: go.on}}
  - {return: "{{ steps.a.output['$sealed'] }}"}
"""


async def test_data_that_looks_sealed_is_data_also_after_a_restart(tmp_path: Path):
    """Before, the run failed: its own data could not be opened."""
    async with running_reactor({"sleeps": SLEEPS}, data=tmp_path) as reactor:
        receipt = await reactor.send("go", {"$sealed": "mine"})
        run_id = receipt["runs"][0]["id"]
        await waiting(reactor, run_id, "go.on")
    async with running_reactor({"sleeps": SLEEPS}, data=tmp_path) as reactor:
        await reactor.send("go.on")
        run = await reactor.finished(run_id)
    assert (run["status"], run["output"]) == ("completed", "mine"), run["error"]


ASKS = """\
name: asks
on: {event: go}
steps:
  - {name: sign, approve: {title: Pay, by: [ann]}}
  - {return: steps.sign.output.by}
"""


async def test_nobody_outside_can_take_the_id_of_a_decision_before_it_is_made(tmp_path: Path):
    """Before, the decision was answered with `ann has decided this already`, and the run waited for ever."""
    async with running_reactor({"asks": ASKS}, data=tmp_path) as reactor:
        receipt = await reactor.send("go")
        run_id = receipt["runs"][0]["id"]
        await waiting(reactor, run_id, "decision")
        await reactor.send("x", {}, id=f"{run_id}:sign:ann", source="reactor/approvals")
        await reactor.post(f"/approvals/{run_id}:sign/decide", {"decision": "approve", "by": "ann"})
        run = await reactor.finished(run_id)
    assert run["output"] == "ann"


LEAKS = """\
name: leaks
on: {event: go}
steps:
  - name: each
    for_each: [1]
    steps:
      - name: block
        steps:
          - {name: make, action: shell.exec, command: "echo hunter-$((20 + 2)); exit 3", secret_output: true}
"""


async def test_what_a_secret_step_gave_when_it_failed_stays_in_it(tmp_path: Path):
    """Before, every step, iteration and branch around it kept and showed the output."""
    async with running_reactor({"leaks": LEAKS}, data=tmp_path) as reactor:
        receipt = await reactor.send("go")
        run = await reactor.finished(receipt["runs"][0]["id"])
        assert run["error"]["kind"].startswith("exit")
        assert [step["status"] for step in run["steps"]] == ["failed"] * len(run["steps"])
        assert "hunter-22" not in json.dumps(run)
        key = ids.from_text("run", run["id"])
        [loaded] = await reactor.engine.store.load([key or 0])
        assert "hunter-22" not in repr(loaded.journal)
