"""`reactor test` and `reactor execute --dry-run` as people use them: child processes and real files."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reactor.testing import play_flow_tests
from reactor.testing.running import running_reactor

REACTOR = Path(sys.executable).with_name("reactor")
ORDER = """\
name: big-order
on: {event: order.created}
if: event.data.total > 100
steps:
  - name: charge
    action: http.request
    with: {method: POST, url: "https://pay.example/charge", json: {order: "{{ event.data.id }}"}}
    undo: {action: http.request, with: {method: POST, url: "https://pay.example/refund"}}
  - name: tell
    action: http.request
    with: {method: POST, url: "https://chat.example", json: {text: "{{ steps.charge.output.body.amount }}"}}
"""
TEST = """\
tests:
  - name: a big order is charged, then refunded when telling fails
    event: {type: order.created, data: {id: 7, total: 250}}
    mock: {charge: {output: {body: {amount: 250}}}, tell: {error: http.500}}
    advance: 3d
    expect: {status: failed, steps: {charge: completed, tell: failed}, called: [charge, tell, charge.undo]}
"""
WRONG = """\
  - name: wrong
    event: {data: {id: 7, total: 250}}
    mock: {charge: {output: {body: {amount: 250}}}, tell: {output: {}}}
    expect:
      called: [charge]
"""


@pytest.fixture
def reactor(tmp_path):
    """Calls `reactor` in a folder; (exit code, stdout, stderr)."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}

    def call(*arguments, **more):
        done = subprocess.run(
            [REACTOR, *arguments],
            check=False,
            cwd=tmp_path,
            env=env | more,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def test_tests_pass_fail_and_are_not_there(tmp_path, reactor):
    (tmp_path / "order.yaml").write_text(ORDER)
    assert reactor("test") == (1, "0 tests of 0 flows: 0 passed (0.0 s)\n", reactor("test")[2])
    (tmp_path / "order.test.yaml").write_text(TEST)
    code, out, _ = reactor("test", "order.yaml", "--coverage", "--fail-under", "80")
    assert code == 0, out
    assert "1 test of 1 flow: 1 passed" in out
    assert "never reached:\n    order.yaml:1: the event does not start it" in out
    (tmp_path / "order.test.yaml").write_text(TEST + WRONG)
    code, out, err = reactor("test", "--junit", "out.xml", "--fail-under", "100")
    assert code == 1
    assert "order.test.yaml:11: other steps were called than expected" in out
    assert "are wanted" in err
    suite = ET.parse(tmp_path / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    code, out, _ = reactor("test", "--json", "--coverage")
    told = json.loads(out)
    assert code == 1
    assert [(test["name"], test["passed"], test["line"]) for test in told["tests"]][1] == ("wrong", False, 7)
    assert told["coverage"]["flows"][0]["flow"] == "big-order"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("test", "none"), "there is no none"),
        (("test", "--write", "x"), "--write goes with --record"),
        (("test", ".", "--record", "run_1"), "--record makes a test and runs none"),
        (("test", "--fail-under", "101"), "101"),
        (("execute", "order.yaml", "--allow-reads"), "go with --dry-run"),
        (("execute", "none.yaml", "--dry-run"), "cannot be read"),
        (("execute", "order.yaml", "--dry-run", "--mock", "{"), "--mock is not JSON"),
        (("execute", "order.yaml", "--dry-run", "--mock", '{"chrage": {"output": 1}}'), "did you mean `charge`"),
    ],
)
def test_wrong_use(tmp_path, reactor, arguments, message):
    (tmp_path / "order.yaml").write_text(ORDER)
    code, _, err = reactor(*arguments)
    assert code == 2, err
    assert message in err


FLAKY = """\
name: flaky
on: {event: go}
steps:
  - {name: begin, set: {key: "{{ event.data.key }}"}}
  - name: work
    action: shell.exec
    argv: [sh, SCRIPT]
    retry: {max: 3, delay: 10ms}
  - name: gone
    action: file.read
    path: "{{ event.data.flag }}.none"
    on_error: [{name: none, set: {kind: "{{ error.kind }}"}}]
outputs: {said: "{{ steps.work.output.stdout }}", kind: "{{ vars.kind }}"}
"""


async def test_a_recorded_run_is_a_test_that_passes(tmp_path, reactor):
    flows = tmp_path / "flows"
    flows.mkdir()
    script = tmp_path / "script"
    script.write_text(f"test -e {tmp_path}/flag || {{ touch {tmp_path}/flag; echo oops >&2; exit 3; }}\necho done\n")
    (flows / "flaky.yaml").write_text(FLAKY.replace("SCRIPT", str(script)))
    async with running_reactor(flows=flows) as running:
        receipt = await running.send("go", {"key": "k-1", "flag": str(tmp_path / "flag")}, id="e-1")
        run = await running.finished(receipt["runs"][0]["id"])
        assert run["status"] == "completed", run
        assert run["steps"][1]["attempts"] == 2
        told = await asyncio.to_thread(
            reactor, "test", "--record", run["id"], "--url", running.url, REACTOR_TOKEN=running.token
        )
        written = await asyncio.to_thread(
            reactor,
            *("test", "--record", run["id"], "--write", "flows/flaky.test.yaml", "--url", running.url),
            REACTOR_TOKEN=running.token,
        )
    assert told[0] == 0, told[2]
    assert told[1].startswith("tests:\n")
    assert "kind: exit.3" in told[1]
    assert written[0] == 0, written[2]
    report = await play_flow_tests(flows)
    assert len(report.results) == 1
    assert report.passed, report.text() + told[1]


WHOLE = """\
name: whole
on: {event: whole}
steps:
  - name: each
    for_each: "{{ event.data.list }}"
    steps:
      - {name: put, action: file.write, path: "ROOT/{{ item }}", content: "{{ item }}"}
  - name: fan
    parallel:
      branches:
        a: [{name: x, action: file.read, path: "ROOT/{{ event.data.list[0] }}"}]
        b: [{name: rest, wait: 10ms}]
  - {name: paid, wait_for: {event: order.paid, if: received.data.id == event.data.id}}
  - {name: again, call: part, with: {n: 2}}
outputs: {by: "{{ steps.paid.output.data.by }}", a: "{{ steps.fan.output.branches.a.output.content }}"}
"""
PART = """\
name: part
inputs: {type: object, properties: {n: {type: integer}}}
steps: [{name: gone, action: file.delete, path: "ROOT/none"}]
"""


async def test_loops_branches_events_and_a_failure_are_recorded(tmp_path, reactor):
    flows = tmp_path / "flows"
    flows.mkdir()
    for name, text in {"whole": WHOLE, "part": PART}.items():
        (flows / f"{name}.yaml").write_text(text.replace("ROOT", str(tmp_path)))
    async with running_reactor(flows=flows, file_roots=(tmp_path,)) as running:
        receipt = await running.send("whole", {"id": 1, "list": ["p", "q"]})
        await running.send("order.paid", {"id": 2, "by": "cash"})
        await running.send("order.paid", {"id": 1, "by": "card"})
        run = await running.finished(receipt["runs"][0]["id"])
        assert run["status"] == "failed", run
        done = await asyncio.to_thread(
            reactor,
            *("test", "--record", run["id"], "--write", "flows/whole.test.yaml", "--url", running.url),
            REACTOR_TOKEN=running.token,
        )
    assert done[0] == 0, done[2]
    report = await play_flow_tests(flows / "whole.test.yaml")
    assert len(report.results) == 1
    text = (flows / "whole.test.yaml").read_text()
    assert report.passed, report.text() + text
    assert "kind: file.not_found" in text
    assert "type: order.paid" in text


# --- the dry run ---

WATCHED = """
import json, os, socket, sys
seen = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "sqlite3.connect"}

def look(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & WRITING and args[0] != os.devnull:
        seen.append([event, str(args[0])])
    elif event == "socket.__new__" and args[1] == socket.AF_UNIX:
        pass  # the event loop's own pair, by which signals wake it
    elif event.startswith(("socket.", "shutil.", "tempfile.")) or event in CHANGES or event in STARTS:
        seen.append([event, repr(args)])

from reactor.cli.main import _run
sys.addaudithook(look)
code = _run(json.loads(sys.argv[1]))
sys.stdout.flush()
print(json.dumps(seen), file=sys.stderr)
sys.exit(code)
"""
EVERYTHING = """\
name: everything
on: {event: go}
connections:
  db: {type: sqlite, url: "sqlite:///{{ secrets.DB }}"}
steps:
  - {name: get, action: http.request, url: "http://127.0.0.1:9/"}
  - {name: post, action: http.request, method: POST, url: "http://127.0.0.1:9/", json: {key: "{{ secrets.KEY }}"}}
  - {name: read, action: file.read, path: order.yaml}
  - {name: write, action: file.write, path: out/x.txt, content: "{{ steps.get.output.text }}"}
  - {name: shell, action: shell.exec, command: "touch touched"}
  - {name: row, action: database.insert, connection: db, table: t, row: {a: 1}}
  - {name: mail, action: email.send, with: {connection: db, to: a@example.org, subject: s, text: t}}
  - {name: rest, wait: 30d}
  - {name: heard, wait_for: {event: heard}}
  - {name: ok, approve: {title: Go on}}
  - {name: count, state: {key: n, add: 1}}
  - {name: tell, emit: {type: told}}
  - {name: parts, for_each: [1, 2], steps: [{name: drop, action: file.delete, path: "/x{{ item }}"}]}
  - {name: csv, action: data.csv, parse: "a,b\\n1,2\\n"}
outputs: "{{ steps.csv.output.output }}"
"""


def files(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_dry_run_opens_no_socket_and_changes_no_file(tmp_path, form):
    (tmp_path / "order.yaml").write_text(ORDER)
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    before = files(tmp_path)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "COVERAGE"))}
    arguments = ["execute", "everything.yaml", "{}", "--dry-run", *form]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(arguments)],
        check=False,
        cwd=tmp_path,
        env=env | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.splitlines()[-1]) == []
    assert files(tmp_path) == before
    if not form:
        assert "everything would:" in done.stdout
        assert "then it would be completed" in done.stdout
        return
    plan = json.loads(done.stdout)
    assert [one["path"] for one in plan["plan"]] == [
        "get", "post", "read", "write", "shell", "row", "mail", "rest", "heard", "ok", "count", "tell",
        "parts[0].drop", "parts[1].drop",
    ]  # fmt: skip
    assert plan["plan"][1]["params"]["json"] == {"key": "***"}
    assert plan["plan"][3]["params"]["content"] == "<get.output.text>"
    assert plan["output"] == [{"a": "1", "b": "2"}]
    assert plan["status"] == "completed"


def test_reads_are_done_where_they_are_allowed_and_answers_taken(tmp_path, reactor):
    (tmp_path / "list.txt").write_text("hello")
    (tmp_path / "f.yaml").write_text(
        "name: f\nsteps:\n  - {name: read, action: file.read, path: list.txt}\n"
        "  - {name: put, if: steps.read.output.content == 'hello', action: file.write, path: b.txt, content: x}\n"
    )
    code, out, _ = reactor("execute", "f.yaml", "--dry-run")
    assert code == 0
    assert "the plan ends here: `if` of step `put` needs `steps.read.output.content == 'hello'`" in out
    code, out, _ = reactor("execute", "f.yaml", "--dry-run", "--allow-reads", REACTOR_FILE_ROOTS=str(tmp_path))
    assert code == 0
    assert "put: file.write" in out
    assert not (tmp_path / "b.txt").exists()
    code, out, _ = reactor("execute", "f.yaml", "--dry-run", "--mock", '{"read": {"output": {"content": "no"}}}')
    assert "put: file.write" not in out
    assert "then it would be completed" in out
    code, out, _ = reactor("execute", "f.yaml", "--dry-run", "--mock", '{"read": {"error": "file.not_found"}}')
    assert code == 1
    assert "then it would be failed at `read`: file.not_found" in out
