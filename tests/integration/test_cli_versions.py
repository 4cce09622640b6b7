"""Versions on the command line, with a server of its own."""

from __future__ import annotations

from typing import Any

from tests.integration.test_cli import Bench, bench, ended

__all__ = ["bench"]

ONE = """\
name: order
on: {event: order}
steps:
  - {name: charge, action: log.info, message: "charge {{ event.data.n }}"}
  - {name: paid, wait_for: {event: paid}}
  - {name: done, return: "one {{ event.data.n }}"}
"""
TWO = ONE.replace("name: charge", "name: pay").replace("one {{", "two {{")


def begin(bench: Bench) -> str:
    """A run that waits with version 1, and version 2 there."""
    bench.write("order.yaml", ONE)
    bench.serve()
    sent = bench.json("events", "send", "order", '{"n": 1}', "--json")
    run = str(sent["runs"][0]["id"])
    bench.until(lambda: bench.json("runs", "show", run, "--json")["status"] == "waiting")
    bench.write("order.yaml", TWO)
    bench.until(lambda: bench.json("flows", "show", "order", "--json")["version"] == 2)
    return run


def test_diff_fork_and_migrate(bench: Any) -> None:
    run = begin(bench)
    assert [row["version"] for row in bench.json("flows", "show", "order", "--versions", "--json")["items"]] == [1, 2]
    assert "current" in bench.run("flows", "show", "order", "--versions").stdout
    shown = bench.run("flows", "diff", "order").stdout
    assert "order: 1 → 2" in shown
    assert "--map charge=pay" in shown
    changes = bench.json("flows", "diff", "order", "1", "2", "--json")["changes"]
    assert {(one["kind"], one["path"]) for one in changes} == {("renamed", "pay"), ("changed", "done")}

    told = bench.run("runs", "migrate", run, code=1).stdout
    assert "refused" in told
    assert "pay is new" in told
    preview = bench.run("runs", "migrate", "--flow", "order", "--map", "charge=pay", "--preview").stdout
    assert "1 → 2  fits" in preview
    assert "migrated" in bench.run("runs", "migrate", run, "--map", "charge=pay").stdout
    bench.until(lambda: bench.json("runs", "show", run, "--json")["status"] == "waiting")
    bench.run("events", "send", "paid")
    assert ended(bench, run)["output"] == "two 1"
    assert "1 → 2" in bench.run("runs", "show", run).stdout

    plan = bench.run("runs", "fork", run, "--from", "done", "--preview").stdout
    assert "nothing was started" in plan
    forked = bench.json("runs", "fork", run, "--set", "n=5", "--version", "1", "--json")["id"]
    bench.until(lambda: bench.json("runs", "show", forked, "--json")["status"] == "waiting")
    bench.run("events", "send", "paid")
    assert ended(bench, forked)["output"] == "one 5"
    for args in (
        ("runs", "migrate"),
        ("runs", "migrate", run, "--flow", "order"),
        ("runs", "migrate", run, "--map", "x"),
        ("runs", "fork", run, "--version", "x"),
        ("runs", "fork", run, "--version", "1", "--same-version"),
        ("flows", "diff", "order", "x"),
        ("flows", "diff", "order", "1", "2", "3"),
    ):
        assert bench.run(*args, code=2).stderr


def test_diff_of_files(bench: Any) -> None:
    bench.write("one.yaml", ONE)
    bench.write("same.yaml", "# the same\n" + ONE.replace('"', "'"))
    bench.write("two.yaml", TWO)
    bench.write("broken.yaml", "name: x\nsteps: [{acton: y}]\n")
    assert "no difference" in bench.run("flows", "diff", "flows/one.yaml", "flows/same.yaml").stdout
    found = bench.json("flows", "diff", "flows/one.yaml", "flows/two.yaml", "--json")
    assert (found["from"], found["to"], len(found["changes"])) == ("flows/one.yaml", "flows/two.yaml", 2)
    assert "acton" in bench.run("flows", "diff", "flows/one.yaml", "flows/broken.yaml", code=2).stderr
    bench.run("flows", "diff", "flows/one.yaml", code=2)
    bench.run("flows", "diff", "flows/one.yaml", "flows/none.yaml", code=2)
