"""The example of Python flows: its own tests, and the server that its head tells of."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.shop import ROOT
from tests.integration.test_cli import Bench, ended


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    for file in (ROOT / "examples/python").glob("*.py"):
        shutil.copy(file, tmp_path)
    yield made
    for server in made.servers:
        if server.poll() is None:
            server.kill()
        server.wait()
        server.stdout.close()


def test_its_own_tests_pass(bench):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    done = subprocess.run(
        command, cwd=bench.folder, env=bench.env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_its_types_are_right(bench):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "shop.py", "test_shop.py"]
    env = {**bench.env, "MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=bench.folder, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_as_its_head_says_also_when_it_is_killed(bench):
    (bench.flows / "tell.yaml").write_text(
        "name: tell\non: {event: order.shipped}\nsteps:\n"
        '  - {name: say, action: shop.say, text: "order {{ event.data.id }} is on its way"}\n'
    )
    server = bench.serve("--app", "shop:app")
    order = {"id": 7, "total": 250, "lines": [{"sku": "tea", "count": 2}]}
    (run,) = bench.json("events", "send", "order.created", json.dumps(order), "--json")["runs"]
    book = Path(bench.folder / "shop.log")
    bench.until(lambda: book.exists() and "reserve" in book.read_text())
    server.send_signal(signal.SIGKILL)
    server.wait()
    bench.serve("--app", "shop:app")
    bench.run("events", "send", "parcel.sent", '{"order": 7, "code": "RX1"}')
    done = ended(bench, run["id"])
    assert done["output"] == {"receipt": "ch-7", "picked": ["2 tea"], "parcel": "RX1"}
    bench.until(lambda: "order 7 is on its way" in book.read_text())
    assert book.read_text().count("charge 7") == 1
