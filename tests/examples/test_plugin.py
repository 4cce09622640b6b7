"""The example of a connector: installed as a stranger's package, found, checked, run, killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.shop import ROOT

UV = Path(sys.executable).with_name("uv")
FLOW = """\
name: from-the-spool
on: {spool: {path: jobs.txt, every: 0.05}}
steps:
  - {name: done, action: spool.add, path: done/lines.txt, line: "{{ event.data.line }}"}
"""
WRONG = """\
name: wrong
on: {spool: {path: jobs.txt, evry: 1}}
steps:
  - {name: done, action: spool.add, path: done.txt, lin: x}
"""


@pytest.fixture
def shop(shop, tmp_path):
    """With the plugin beside Reactor's own packages, and its flow as the only one."""
    packages = tmp_path / "packages"
    source = tmp_path / "plugin"
    subprocess.run(["cp", "-r", ROOT / "examples/plugin", source], check=True)
    install = [str(UV), "--quiet", "pip", "install", "--offline", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix}
    subprocess.run([*install, "--target", str(packages), str(source)], check=True, env=environment, timeout=60)
    for path in (shop.folder / "examples").rglob("*.yaml"):
        path.unlink()
    (shop.folder / "examples/spool.yaml").write_text(FLOW)
    shop.env["PYTHONPATH"] = str(packages)
    return shop


def test_a_connector_of_somebody_else_is_like_one_of_ours(shop):
    assert "spool" in shop.cli("doctor", "--config", "examples/reactor.toml")
    assert "spool.add" in shop.cli("schema")
    (shop.folder / "_wrong.yaml").write_text(WRONG)
    told = shop.cli("validate", "_wrong.yaml", code=1)
    assert "`every`" in told
    assert "`line`" in told

    (shop.folder / "jobs.txt").write_text("one\ntwo\n")
    shop.start()
    shop.runs("from-the-spool", 2)
    shop.stop(signal.SIGKILL)
    with (shop.folder / "jobs.txt").open("a") as jobs:
        jobs.write("three\nnot whole yet")
    shop.start()
    assert {run["status"] for run in shop.runs("from-the-spool", 3)} == {"completed"}
    lines = (shop.folder / "done/lines.txt").read_text().splitlines()
    assert sorted(line.partition("\t")[0] for line in lines) == ["one", "three", "two"]


def test_what_it_says_is_shown(shop):
    (shop.folder / "jobs.txt").write_text("a\n")
    shop.start()
    shop.runs("from-the-spool")
    (shop.folder / "jobs.txt").unlink()

    def red():
        (trigger,) = shop.get("/triggers")
        return trigger["state"] == "failed" and "cannot be read" in trigger["reason"]

    shop.until(red, "the trigger is red")
    (shop.folder / "jobs.txt").write_text("a\nb\n")
    shop.runs("from-the-spool", 2)
