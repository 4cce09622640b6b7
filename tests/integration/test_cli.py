"""The command `reactor` as people use it: child processes, real files, real signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

REACTOR = Path(sys.executable).with_name("reactor")
HELLO = """\
name: hello
on: {event: order.created}
steps:
  - {name: say, action: log.info, message: "order {{ event.data.id }}"}
"""
NAP = """\
name: nap
on: {event: nap}
steps:
  - {name: rest, wait: "{{ event.data.for }}"}
  - {name: say, action: log.info, message: awake}
"""
SLOW = """\
name: slow
on: {event: slow}
steps:
  - {name: work, action: shell.exec, command: "sleep 30"}
"""
SUM = """\
name: sum
inputs: {type: object, required: [a], properties: {a: {type: integer}, b: {type: integer, default: 2}}}
steps:
  - {name: done, return: "{{ inputs.a + inputs.b }}"}
"""


class Bench:
    """A folder with flows and data, and what runs in it."""

    def __init__(self, folder):
        self.folder = folder
        self.flows = folder / "flows"
        self.flows.mkdir()
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "COVERAGE", "PYTHON"))
        }
        self.servers = []

    def write(self, name, text):
        new = self.folder / "new"
        new.write_text(text)
        new.rename(self.flows / name)

    def serve(self, *args, **env) -> Any:
        with (self.folder / "log").open("ab") as log:
            server: Any = subprocess.Popen(
                [REACTOR, "run", "flows", "--port", "0", *args],
                cwd=self.folder,
                env={**self.env, **env},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.servers.append(server)
        line = server.stdout.readline()
        found = re.search(r"ready on (http://127\.0\.0\.1:(\d+))", line)
        assert found, line + self.log()
        return server

    def log(self):
        return (self.folder / "log").read_text()

    def run(self, *args, code=0, given="", **env):
        done = subprocess.run(
            [REACTOR, *args],
            cwd=self.folder,
            env={**self.env, **env},
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}\n"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *args, **more):
        return json.loads(self.run(*args, **more).stdout)

    def until(self, look, timeout=10.0):
        end = time.monotonic() + timeout
        while not (found := look()):
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return found


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    for server in made.servers:
        if server.poll() is None:
            server.kill()
        server.wait()
        server.stdout.close()


def ended(bench, run_id):
    return bench.until(lambda: (run := bench.json("runs", "show", run_id, "--json"))["finished_at"] and run)


def test_a_day_with_the_server(bench):
    bench.write("hello.yaml", HELLO)
    bench.write("sum.yaml", SUM)
    server = bench.serve()
    sent = bench.json("events", "send", "order.created", '{"id": 7}', "--id", "o-7", "--source", "shop", "--json")
    (run,) = sent["runs"]
    assert run["flow"] == "hello"
    assert bench.json("events", "send", "order.created", "--id", "o-7", "--source", "shop", "--json")["duplicate"]
    shown = ended(bench, run["id"])
    assert (shown["status"], shown["steps"][0]["output"]["message"]) == ("completed", "order 7")

    assert [row["id"] for row in bench.json("runs", "list", "--flow", "hello", "--json")["items"]] == [run["id"]]
    assert run["id"] in bench.run("runs", "list", "--status", "completed").stdout
    assert "order 7" in bench.run("runs", "logs", run["id"]).stdout
    assert "has ended" in bench.run("explain", "run", run["id"]).stdout
    why = bench.json("explain", "event", sent["event_id"], "--json")["flows"]
    assert {verdict["flow"]: verdict["started"] for verdict in why} == {"hello": True, "sum": False}
    assert bench.json("events", "show", sent["event_id"], "--json")["data"] == {"id": 7}
    assert bench.json("events", "list", "--json")["items"][0]["id"] == sent["event_id"]
    replayed = bench.json("events", "replay", sent["event_id"], "--json")
    assert replayed["runs"][0]["flow"] == "hello"
    assert bench.run("runs", "fork", run["id"]).stdout.startswith("run_")

    assert bench.json("execute", "sum", '{"a": 3}')["output"] == 5
    assert "is not of type" in bench.run("execute", "sum", '{"a": "x"}', code=2).stderr
    assert "no flow" in bench.run("execute", "nope", code=1).stderr
    bench.run("runs", "show", "run_0000000000000", code=1)
    bench.run("runs", "cancel", run["id"], code=1)
    assert "armed" in bench.run("triggers", "list").stdout
    bench.run("flows", "disable", "hello")
    assert bench.json("events", "send", "order.created", "--json")["runs"] == []
    bench.run("flows", "enable", "hello")
    assert "ready at" in bench.run("doctor").stdout

    token = (bench.folder / ".reactor" / "token").read_text().strip()
    assert token not in bench.log()
    assert "token" in bench.run("runs", "list", code=1, REACTOR_TOKEN="wrong-token").stderr
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert not (bench.folder / ".reactor" / "address").exists()
    assert (bench.folder / ".reactor").stat().st_mode & 0o777 == 0o700
    assert (bench.folder / ".reactor" / "token").stat().st_mode & 0o777 == 0o600


def test_flows_are_followed_as_their_files_change(bench):
    bench.write("hello.yaml", HELLO)
    bench.serve("--log-format", "json")

    def versions():
        return {row["name"]: row["version"] for row in bench.json("flows", "list", "--json")["items"]}

    bench.write("hello.yaml", HELLO.replace("order {{", "ORDER {{"))
    bench.write("sum.yaml", SUM)
    bench.until(lambda: versions() == {"hello": 2, "sum": 1})
    bench.write("sum.yaml", SUM.replace("action", "actoin").replace("done", "1 2 3:"))
    listed = bench.until(lambda: (found := bench.run("flows", "list")).stderr and found)
    assert "flows/sum.yaml:" in listed.stderr
    assert versions() == {"hello": 2, "sum": 1}
    (bench.flows / "sum.yaml").unlink()
    bench.until(lambda: versions() == {"hello": 2})
    assert all(json.loads(line)["level"] for line in bench.log().splitlines())


def test_what_cannot_start_says_why(bench):
    bench.write("hello.yaml", HELLO)
    first = bench.serve()
    used = bench.run("run", "flows", "--port", "0", code=1).stderr
    assert f"in use by another Reactor (pid {first.pid})" in used
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert (
            f"port {port} on 127.0.0.1 is in use" in bench.run("run", "--port", port, "--data", "other", code=1).stderr
        )
    assert "flows nope is not there" in bench.run("run", "nope", "--port", "0", "--data", "other", code=2).stderr
    open_to_all = bench.run("run", "--host", "0.0.0.0", "--port", "0", "--data", "other", code=1).stderr
    assert "REACTOR_TOKEN" in open_to_all
    assert "did you mean REACTOR_DATA" in bench.run("run", code=2, REACTOR_DAAT="x").stderr
    (bench.folder / "file").write_text("")
    assert "is a file" in bench.run("run", "--data", "file", code=1).stderr


@pytest.mark.crash
def test_a_waiting_run_outlives_the_process(bench):
    bench.write("nap.yaml", NAP)
    server = bench.serve()
    (run,) = bench.json("events", "send", "nap", '{"for": "2s"}', "--json")["runs"]
    bench.until(lambda: bench.json("runs", "show", run["id"], "--json")["status"] == "waiting")
    server.kill()
    server.wait()
    server = bench.serve()
    assert ended(bench, run["id"])["status"] == "completed"
    server.send_signal(signal.SIGINT)
    assert server.wait(10) == 0


def test_the_second_signal_stops_right_away(bench):
    bench.write("slow.yaml", SLOW)
    server = bench.serve()
    (run,) = bench.json("events", "send", "slow", "--json")["runs"]
    bench.until(lambda: bench.json("runs", "show", run["id"], "--json")["steps"])
    server.send_signal(signal.SIGTERM)
    bench.until(lambda: "a second signal stops right away" in bench.log())
    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(0.5)
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 1


def test_a_file_runs_here_and_now_and_leaves_nothing(bench):
    bench.write("hello.yaml", HELLO)
    bench.write("sum.yaml", SUM)
    bench.write(
        "caller.yaml",
        "name: caller\nsteps:\n  - {name: add, for_each: [40], steps: [{call: sum, with: {a: '{{ item }}'}}]}\n"
        "  - {name: nap, wait: 50ms}\n"
        '  - {name: done, return: "{{ steps.add.output[0] }}"}\n',
    )
    run = bench.run("execute", "flows/hello.yaml", "-", "--watch", given='{"id": 3}')
    assert json.loads(run.stdout)["steps"][0]["output"]["message"] == "order 3"
    assert "say  completed" in run.stderr
    assert bench.json("execute", "flows/caller.yaml")["output"] == 42
    assert bench.json("execute", "flows/sum.yaml", "--set", "a=1", "--set", "b=1")["output"] == 2
    assert "is not of type" in bench.run("execute", "flows/sum.yaml", '{"a": "x"}', code=2).stderr
    bench.write("broken.yaml", HELLO.replace("steps:", "stepz:"))
    assert "flows/broken.yaml:3:1" in bench.run("execute", "flows/broken.yaml", code=1).stderr
    bench.write("fails.yaml", "name: fails\nsteps:\n  - {name: no, fail: {kind: mine, message: on purpose}}\n")
    failed = bench.run("execute", "flows/fails.yaml", code=1)
    assert json.loads(failed.stdout)["error"]["kind"] == "mine"
    assert "on purpose" in failed.stderr
    assert not (bench.folder / ".reactor").exists()


def test_flows_of_the_older_engine_run_on_an_event_of_their_own(bench):
    bench.write(
        "old.yaml",
        "name: old\non: {event: user.created}\nworkflow:\n"
        "  - {name: hi, action: shell.exec, command: \"echo 'Hi {{ .event.payload.name }}'\"}\n",
    )
    run = bench.json("execute", "flows/old.yaml", '{"name": "Ann"}')
    assert run["steps"][0]["output"]["stdout"] == "Hi Ann\n"


def test_validate_tells_all_problems_for_people_and_programs(bench):
    bench.write("good.yaml", HELLO)
    bench.run("validate", "flows")
    bench.write("bad.yaml", HELLO.replace("steps:", "stepz:").replace("hello", "bad"))
    assert "flows/bad.yaml:3:1" in bench.run("validate", "flows", code=1).stdout
    assert (
        "flows/bad.yaml"
        in bench.run("validate", "flows/good.yaml", "flows/bad.yaml", "--format", "github", code=1).stdout
    )
    for form in ("json", "sarif"):
        assert json.loads(bench.run("validate", "flows", "--format", form, code=1).stdout)
    bench.run("validate", code=2)
    assert bench.json("schema")["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_secrets_reach_a_running_flow_and_nothing_else(bench):
    bench.write(
        "use.yaml",
        'name: use\non: {event: use}\nsteps:\n  - {name: say, action: log.info, message: "key {{ secrets.KEY }}"}\n',
    )
    bench.serve()
    bench.run("secrets", "set", "KEY", given="very-secret\n")
    (run,) = bench.json("events", "send", "use", "--json")["runs"]
    shown = ended(bench, run["id"])
    assert shown["status"] == "completed"
    assert shown["steps"][0]["output"]["message"] == "key ***"
    kept = [path for path in (bench.folder / ".reactor").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"very-secret" in path.read_bytes()]
    assert "very-secret" not in bench.log() + bench.run("secrets", "list").stdout


def test_lint_warns_and_fails_only_when_it_has_to(bench):
    bench.write("a.yaml", "name: a\nsteps:\n  - return: 1\n  - action: log.info\n")
    shown = bench.run("validate", "flows").stdout
    assert "warning: step `log_info` is never reached" in shown
    assert "1 flow: 1 warning" in shown
    bench.run("validate", "flows", "--strict", code=1)
    assert "no problems" in bench.run("validate", "flows", "--strict", "--no-lint").stdout
    found = json.loads(bench.run("validate", "flows", "--format", "sarif").stdout)
    assert found["runs"][0]["results"][0]["ruleId"] == "unreachable"
    assert "::warning file=flows/a.yaml,line=4" in bench.run("validate", "flows", "--format", "github").stdout
    bench.write("a.yaml", "name: a\nsteps:\n  - return: 1\n  - action: log.info  # lint: ignore unreachable\n")
    bench.run("validate", "flows", "--strict")


N8N = {
    "name": "Greet",
    "nodes": [
        {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1, "parameters": {}},
        {
            "name": "Say",
            "type": "n8n-nodes-base.set",
            "typeVersion": 3.4,
            "parameters": {"assignments": {"assignments": [{"name": "text", "value": "=Hi {{ $json.name }}"}]}},
        },
        {"name": "Tell", "type": "n8n-nodes-base.slack", "typeVersion": 2, "parameters": {"channel": "#sales"}},
    ],
    "connections": {
        "Go": {"main": [[{"node": "Say", "type": "main", "index": 0}]]},
        "Say": {"main": [[{"node": "Tell", "type": "main", "index": 0}]]},
    },
}


def test_flows_of_other_engines_are_taken_over(bench):
    (bench.folder / "greet.json").write_text(json.dumps(N8N))
    done = bench.run("import", "greet.json", "--from", "n8n", "-o", "flows/greet.yaml", "--report", "report.json")
    assert "2 of 3 constructs mapped (66.7 %), 1 kept as placeholders" in done.stdout
    report = json.loads((bench.folder / "report.json").read_text())
    assert (report["engine"], report["flow"], report["mapped"], report["placeholders"]) == ("n8n", "greet", 2, 1)
    assert "import-todo" in bench.run("validate", "flows").stdout
    run = json.loads(bench.run("execute", "flows/greet.yaml", '{"name": "Ann"}', code=1).stdout)
    assert run["error"]["kind"] == "import.todo"
    assert run["steps"][0]["output"] == {"Say": {"text": "Hi Ann"}}
    bench.run("import", "greet.json", "-o", "flows/greet.yaml", code=2)
    bench.run("import", "greet.json", "-o", "flows/greet.yaml", "--force")


def test_import_prints_the_flow_and_finds_the_engine_out(bench):
    (bench.folder / "greet.json").write_text(json.dumps(N8N))
    done = bench.run("import", "greet.json")
    assert done.stdout.startswith("# Imported from n8n, greet.json.\nname: greet\n")
    assert "constructs mapped" in done.stderr
    found = json.loads(bench.run("import", "greet.json", "--json").stdout)
    assert found["text"] == done.stdout
    (bench.folder / "old.yaml").write_text("name: old\nworkflow:\n  - {name: a, action: log.info}\n")
    assert bench.run("import", "old.yaml").stdout.startswith("name: old\nsteps:\n")


def test_what_cannot_be_imported_is_refused(bench):
    (bench.folder / "odd.json").write_text("[1, 2")
    assert "is no JSON" in bench.run("import", "odd.json", "--from", "n8n", code=1).stderr
    assert "say which it is with --from" in bench.run("import", "odd.json", code=1).stderr
    assert "cannot be read" in bench.run("import", "nobody.json", "--from", "n8n", code=1).stderr
    bench.run("import", "odd.json", "--from", "zapier", code=2)
    (bench.folder / "greet.json").write_text(json.dumps(N8N))
    assert "no state machine" in bench.run("import", "greet.json", "--from", "stepfunctions", code=1).stderr
