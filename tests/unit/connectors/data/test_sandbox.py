"""data.jq and data.regex: what they give, and that nothing they do hurts the process that asked."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reactor.connectors.data import connector
from reactor.connectors.data.sandbox import SANDBOX
from reactor.sdk import PermanentError
from reactor.testing.actions import call

ACTIONS = {action.name: action for action in connector.actions}


@pytest.fixture(scope="module", autouse=True)
def closed_at_the_end():
    yield
    SANDBOX.close()


async def jq(program, value=None, **params):
    return (await call(ACTIONS["data.jq"], {"program": program, "input": value, **params}))["output"]


async def regex(pattern, text, **params):
    return await call(ACTIONS["data.regex"], {"pattern": pattern, "text": text, **params})


async def failure(made) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        await made
    return caught.value


@pytest.mark.proves("data.jq.{program,input,args,many}")
async def test_jq():
    assert await jq(".a[1]", {"a": [1, {"b": None}]}) == {"b": None}
    assert await jq("empty") is None
    assert await jq(".[] | . * 2", [1, 2], many=True) == [2, 4]
    assert await jq("$who + .name", {"name": "Ann"}, args={"who": "Hi "}) == "Hi Ann"
    assert await jq(".", "é\u2028\0😀") == "é\u2028\0😀"


async def test_jq_gives_one_result_unless_told_otherwise():
    error = await failure(jq(".[]", [1, 2]))
    assert (error.kind, "2 results" in error.message) == ("data.jq", True)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        (".a |", "input"),
        ("nosuch", "input"),
        ("$nosuch", "input"),
        ("error({a: 1})", "data.jq"),
        (".a.b", "data.jq"),
        ("input", "data.jq"),
        ('import "secret" as $s {search: "FOLDER"}; $s', "input"),
        ('include "secret" {search: "FOLDER"}; .', "input"),
    ],
)
async def test_jq_that_fails(program, kind, tmp_path):
    (tmp_path / "secret.json").write_text('"secret"')
    (tmp_path / "secret.jq").write_text("def x: 1;")
    error = await failure(jq(program.replace("FOLDER", str(tmp_path)), 5))
    assert error.kind == kind
    assert await jq("1") == 1


async def test_jq_sees_no_environment(monkeypatch):
    monkeypatch.setenv("REACTOR_TOKEN", "secret")
    assert await jq("[env, $ENV]") == [{"TZ": "UTC"}, {"TZ": "UTC"}]


@pytest.mark.proves("data.jq.max_time")
@pytest.mark.parametrize("program", ["def f: f; f", "[limit(1e12; repeat(1))]", "last(range(1e12))", "until(false; .)"])
async def test_jq_that_never_ends(program):
    start = time.monotonic()
    error = await failure(jq(program, 1, max_time="200ms"))
    assert error.kind == "timeout"
    assert time.monotonic() - start < 2
    assert await jq("1") == 1


async def test_jq_that_floods_the_memory():
    error = await failure(jq('reduce range(40) as $i ("x"; . + .)', max_time="20s"))
    assert error.kind == "data.memory"
    assert await jq("1") == 1


async def test_results_are_bounded():
    error = await failure(jq('[range(11) | ("x" * 1000000)][]', many=True, max_time="20s"))
    assert (error.kind, "longer than" in error.message) == ("input", True)


async def test_while_one_waits_others_work():
    slow = asyncio.create_task(jq("def f: f; f", max_time="500ms"))
    await asyncio.sleep(0.1)
    assert await asyncio.wait_for(jq("1"), 0.4) == 1
    assert (await failure(slow)).kind == "timeout"


async def test_many_at_once():
    assert await asyncio.gather(*(jq(". + 1", number) for number in range(50))) == list(range(1, 51))


async def test_cancelled_the_process_is_killed():
    running = asyncio.create_task(jq("def f: f; f", max_time="60s"))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await jq("1") == 1


@pytest.mark.proves("data.regex.{pattern,text,flags}")
async def test_regex_match():
    assert await regex(r"(\w+)@(?<host>\w+)", "a@b, c@d") == {
        "output": {"match": "a@b", "start": 0, "end": 3, "groups": ["a", "b"], "named": {"host": "b"}},
        "matched": True,
    }
    assert await regex("x", "abc") == {"output": None, "matched": False}
    assert (await regex("É", "é", flags="i"))["matched"] is True
    assert (await regex("(a)|b", "b"))["output"]["groups"] == [None]


@pytest.mark.proves("data.regex.{op,replacement,limit}")
async def test_regex_find_all_replace_split():
    found = await regex(r"\d+", "1 22 333", op="find_all")
    assert ([match["match"] for match in found["output"]], found["count"]) == (["1", "22", "333"], 3)
    assert (await regex(r"\d+", "1 22 333", op="find_all", limit=2))["count"] == 2
    assert await regex(r"(\w) (\w)", "a b", op="replace", replacement=r"\2 \1!") == {"output": "b a!", "count": 1}
    assert await regex("a", "aaa", op="replace", replacement="", limit=2) == {"output": "a", "count": 2}
    assert await regex("(?P<x>a)", "a", op="replace", replacement=r"<\g<x>>") == {"output": "<a>", "count": 1}
    assert await regex(r",\s*", "a, b,c", op="split") == {"output": ["a", "b", "c"], "count": 3}
    assert await regex(",", "a,b,c", op="split", limit=1) == {"output": ["a", "b,c"], "count": 2}
    assert await regex("", "ab", op="replace", replacement="-") == {"output": "-a-b-", "count": 3}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"pattern": "("}, "missing )"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "nests too deep"),
        ({"pattern": "a", "op": "replace", "replacement": r"\9"}, "replacement"),
        ({"pattern": "a", "op": "replace", "replacement": r"\g<no>"}, "replacement"),
        ({"pattern": "a", "op": "replace"}, "needed there"),
        ({"pattern": "a", "replacement": "x"}, "belongs to"),
        ({"pattern": "a", "flags": "iz"}, "flags"),
        ({"pattern": "a", "op": "eval"}, "op"),
        ({"pattern": "\ud800"}, "half a character"),
        ({"pattern": "", "text": "x" * 100_001, "op": "find_all"}, "more than 100,000"),
        ({"pattern": "", "text": "x" * 90_000, "op": "replace", "replacement": "y" * 1000}, "longer than"),
        ({"pattern": "a", "max_time": "0s"}, "max_time"),
        ({"pattern": "a", "max_time": "5m"}, "max_time"),
    ],
)
async def test_wrong_regex(params, says):
    error = await failure(call(ACTIONS["data.regex"], {"text": "a", **params}))
    assert error.kind == "input"
    assert says in error.message


@pytest.mark.proves("data.regex.max_time")
@pytest.mark.parametrize(
    ("pattern", "text"), [("^(a|a|b|aa)+$", "a" * 40 + "c"), ("((((a{1000}){1000}){1000}){1000})", "a")]
)
async def test_regex_that_explodes(pattern, text):
    start = time.monotonic()
    error = await failure(regex(pattern, text, max_time="300ms"))
    assert error.kind in {"timeout", "data.memory"}
    assert time.monotonic() - start < 3
    assert (await regex("a", "a"))["matched"]


async def test_a_process_that_died_while_idle_is_replaced():
    await jq("1")
    for worker in SANDBOX._idle:
        worker.process.kill()
    assert await jq("2") == 2


async def test_closed_it_can_be_used_again_and_leaves_no_process():
    await jq("1")
    pids = [worker.process.pid for worker in SANDBOX._idle]
    SANDBOX.close()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert await jq("1") == 1


LOOP = """
import asyncio
from reactor.connectors.data import connector, sandbox
from reactor.testing.actions import call
async def main():
    asyncio.get_running_loop().call_later(0.5, lambda: print("busy", flush=True))
    await call(connector.actions[0], {"program": "def f: f; f", "max_time": "1s"})
asyncio.run(main())
"""


@pytest.mark.crash
def test_when_reactor_is_killed_its_loops_end():
    reactor = subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE, text=True)
    try:
        assert reactor.stdout is not None
        reactor.stdout.readline()
        children = [pid for entry in Path("/proc").glob("[0-9]*") if parent_of(pid := int(entry.name)) == reactor.pid]
        assert children
    finally:
        reactor.kill()
        reactor.wait()
        assert reactor.stdout is not None
        reactor.stdout.close()
    end = time.monotonic() + 8
    while any(is_alive(pid) for pid in children):
        assert time.monotonic() < end
        time.sleep(0.05)


def stat_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


def parent_of(pid: int) -> int:
    return int(stat_of(pid)[1])


def is_alive(pid: int) -> bool:
    return stat_of(pid)[0] not in "ZX"
