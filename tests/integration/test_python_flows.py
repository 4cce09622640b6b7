"""Python flows on the real engine: child processes that are killed, changed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_cli import REACTOR, Bench, ended

SHOP = '''\
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from reactor import ActionContext, Event, Reactor, Run

app = Reactor()


def note(word: str) -> None:
    with Path("notes.txt").open("a") as file:
        file.write(word + "\\n")


async def charge(order: dict[str, Any], ctx: ActionContext) -> dict[str, Any]:
    ctx.log.info("charging %s", order["id"])
    note(f"charge {order['id']} attempt {ctx.attempt} {ctx.idempotency_key.rpartition(':')[2]}")
    return {"receipt": order["id"]}


async def slow(seconds: float) -> str:
    note("slow")
    await asyncio.sleep(0 if Path("quick").exists() else seconds)
    return "done"


@app.flow(on="order.created", if_="event.data.total > 100")
async def big_order(run: Run, event: Event[Any]) -> Any:
    """Charges big orders."""
    receipt = await run.step("charge", charge, event.data, retry=3)
    run.log.info("the receipt is %s", receipt["receipt"])
    await run.step("slow", slow, 60)
    return [receipt, await run.call("tell", {"id": receipt["receipt"]})]


@app.action("geo.lookup", effect="read")
async def lookup(ctx: ActionContext, ip: str, deep: bool = False) -> dict[str, Any]:
    """Where an address is."""
    return {"ip": ip, "deep": deep}


if __name__ == "__main__":
    app.run(port=0, workflows="flows")
'''
TELL = """\
name: tell
inputs: {type: object, properties: {id: {type: integer}}}
steps:
  - {name: where, action: geo.lookup, ip: "10.0.0.{{ inputs.id }}"}
  - {name: done, return: "steps.where.output.ip"}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.env["REACTOR_APP"] = "shop:app"
    (tmp_path / "shop.py").write_text(SHOP)
    made.write("tell.yaml", TELL)
    yield made
    for server in made.servers:
        if server.poll() is None:
            server.kill()
        server.wait()
        server.stdout.close()


def notes(bench: Bench) -> list[str]:
    file = bench.folder / "notes.txt"
    return file.read_text().splitlines() if file.exists() else []


def begun(bench: Bench) -> str:
    """A run whose slow step is under way."""
    receipt = bench.json("events", "send", "order.created", json.dumps({"id": 7, "total": 250}), "--json")
    bench.until(lambda: "slow" in notes(bench))
    (run,) = receipt["runs"]
    assert run["flow"] == "big-order"
    return str(run["id"])


def kill(server: Any) -> None:
    server.send_signal(signal.SIGKILL)
    server.wait()


def test_a_killed_run_goes_on_where_it_was(bench: Bench) -> None:
    server = bench.serve()
    assert bench.json("events", "send", "order.created", '{"id": 8, "total": 5}', "--json")["runs"] == []
    run_id = begun(bench)
    kill(server)
    (bench.folder / "quick").touch()
    bench.serve()
    run = ended(bench, run_id)
    assert (run["status"], run["output"]) == ("completed", [{"receipt": 7}, "10.0.0.7"]), run
    assert notes(bench) == ["charge 7 attempt 1 charge", "slow", "slow"]
    said = [line["message"] for line in bench.json("runs", "logs", run_id, "--json")["items"]]
    assert [line for line in said if "7" in line] == ["charging 7", "the receipt is 7"], "a replay says nothing again"
    steps = [(step["path"], step["action"], step["status"]) for step in run["steps"]]
    assert steps == [
        ("charge", "shop.charge", "completed"),
        ("slow", "shop.slow", "completed"),
        ("call", "call", "completed"),
    ]
    assert run["steps"][0]["input"] == {"order": {"id": 7, "total": 250}}
    flow = bench.json("flows", "show", "big-order", "--json")
    assert (flow["description"], flow["file"]) == ("Charges big orders.", "python:shop:big_order")
    assert "async def big_order" in flow["yaml"]


def test_changed_code_that_does_not_fit_is_told_and_can_be_put_back(bench: Bench) -> None:
    server = bench.serve()
    run_id = begun(bench)
    kill(server)
    (bench.folder / "quick").touch()
    (bench.folder / "shop.py").write_text(SHOP.replace('run.step("charge"', 'run.step("bill"'))
    server = bench.serve()
    failed = ended(bench, run_id)
    assert (failed["status"], failed["error"]["kind"]) == ("failed", "nondeterminism"), failed
    message = failed["error"]["message"]
    assert "step 'charge' (step shop.charge) came next, the code now asks for step 'bill'" in message
    assert "version 1 of flow 'big-order', and the code has changed since" in message
    assert bench.json("flows", "show", "big-order", "--json")["version"] == 2
    assert notes(bench).count("slow") == 1
    kill(server)
    (bench.folder / "shop.py").write_text(SHOP)
    bench.serve()
    bench.run("runs", "retry", run_id)
    run = bench.until(lambda: (r := bench.json("runs", "show", run_id, "--json"))["status"] == "completed" and r)
    assert run["output"] == [{"receipt": 7}, "10.0.0.7"]
    assert notes(bench).count("charge 7 attempt 1 charge") == 1


def test_changed_code_that_fits_goes_on(bench: Bench) -> None:
    server = bench.serve()
    run_id = begun(bench)
    kill(server)
    (bench.folder / "quick").touch()
    (bench.folder / "shop.py").write_text(SHOP.replace("return [receipt,", 'return ["new",'))
    bench.serve()
    run = ended(bench, run_id)
    assert (run["status"], run["version"], run["output"]) == ("completed", 1, ["new", "10.0.0.7"])


def test_without_the_code_its_runs_wait_for_it(bench: Bench) -> None:
    server = bench.serve()
    run_id = begun(bench)
    kill(server)
    bench.env.pop("REACTOR_APP")
    server = bench.serve()
    bench.until(lambda: "start with --app" in bench.log())
    assert bench.json("events", "send", "order.created", '{"id": 9, "total": 500}', "--json")["runs"] == []
    assert "it is Python code that is not loaded" in bench.run("explain", "run", run_id).stdout
    assert bench.json("runs", "show", run_id, "--json")["finished_at"] is None
    kill(server)
    (bench.folder / "quick").touch()
    bench.serve("--app", "shop:app")
    assert ended(bench, run_id)["status"] == "completed"


def test_a_flow_that_leaves_the_code_starts_no_more_runs(bench: Bench) -> None:
    kill(bench.serve())
    changed = SHOP.replace('@app.flow(on="order.created"', '@app.flow(on="order.created", name="other"')
    (bench.folder / "shop.py").write_text(changed)
    bench.serve()
    assert {flow["name"] for flow in bench.json("flows", "list", "--json")["items"]} == {"other", "tell"}


def test_yaml_takes_no_name_of_the_code(bench: Bench) -> None:
    bench.write("big.yaml", TELL.replace("name: tell", "name: big-order"))
    bench.serve()
    assert "flow 'big-order' is Python code (python:shop:big_order)" in bench.log()
    assert bench.json("flows", "show", "big-order", "--json")["file"] == "python:shop:big_order"


def test_the_program_runs_itself(bench: Bench) -> None:
    bench.env.pop("REACTOR_APP")
    with (bench.folder / "log").open("ab") as log:
        server: Any = subprocess.Popen(
            [sys.executable, "shop.py"],
            cwd=bench.folder,
            env=bench.env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    bench.servers.append(server)
    assert "ready on" in server.stdout.readline(), bench.log()
    (bench.folder / "quick").touch()
    assert ended(bench, begun(bench))["status"] == "completed"
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0, bench.log()


def test_commands_know_the_program(bench: Bench) -> None:
    assert bench.json("execute", "flows/tell.yaml", '{"id": 3}')["output"] == "10.0.0.3"
    bench.run("validate", "flows")
    bench.write("wrong.yaml", TELL.replace("ip:", "deep: [1], ip_:").replace("name: tell", "name: wrong"))
    told = bench.run("validate", "flows", code=1).stdout
    assert "wrong.yaml:4:" in told
    assert "`deep`" in told
    assert bench.json("schema")["$schema"]


@pytest.mark.parametrize(
    ("app", "text", "told"),
    [
        ("nowhere:app", "", "there is no module 'nowhere'"),
        ("bad:app", "1 / 0", "module bad fails while it is imported: "),
        ("bad:app", "import nowhere", "No module named 'nowhere'"),
        ("bad:app", "from reactor import Reactor\nmine = Reactor()", "app is not there; it has bad:mine"),
        ("bad:app", "app = 5", "app is a int, not a reactor.Reactor"),
        ("bad", "", "must be MODULE:NAME"),
        (
            "bad:app",
            "from reactor import Reactor\napp = Reactor()\n@app.flow(if_='event.dta')\nasync def f(run): pass",
            "flow 'f' (bad:f), option if_: `event` has no `dta`",
        ),
        (
            "bad:app",
            "from reactor import Reactor\napp = Reactor()\n@app.flow()\ndef f(run): pass",
            "flow 'f': bad.f is no `async def` function",
        ),
    ],
)
def test_a_program_that_cannot_be_run_is_told(bench: Bench, app: str, text: str, told: str) -> None:
    (bench.folder / "bad.py").write_text(text)
    done = subprocess.run(
        [REACTOR, "run", "flows", "--port", "0", "--app", app],
        cwd=bench.folder,
        env=bench.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
