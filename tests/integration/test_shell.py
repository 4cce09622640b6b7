"""shell.exec with real processes: streams, exit codes, time, cancellation, and the death of Reactor."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from reactor.connectors.shell import connector
from reactor.connectors.shell.guard import GUARD
from reactor.sdk import PermanentError, StepError, TransientError
from reactor.testing.actions import action_context, call

(EXEC,) = connector.actions


@pytest.fixture(scope="module", autouse=True)
def closed_at_the_end():
    yield
    GUARD.close()


async def run(ctx=None, /, **params):
    return await asyncio.wait_for(call(EXEC, params, ctx), 30)


async def fails(kind, /, **params):
    with pytest.raises(StepError) as caught:
        await run(**params)
    assert caught.value.kind == kind
    return caught.value


def is_alive(pid: int) -> bool:
    """Running, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def helper_pid() -> int:
    assert GUARD._helper is not None
    return GUARD._helper.pid


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def zombies() -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if not is_alive(int(pid))]


async def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


async def pid_in(path: Path) -> int:
    found: list[int] = []

    def is_written():
        if path.exists() and (text := path.read_text()).endswith("\n"):
            found.append(int(text))
        return found

    await until(is_written)
    return found[0]


@pytest.mark.proves("shell.exec.{command,env}")
async def test_a_command_line():
    output = await run(command="echo hi; echo oh >&2; echo ${A}", env={"A": "x y"})
    assert output == {
        "command": "echo hi; echo oh >&2; echo ${A}",
        "exit_code": 0,
        "stdout": "hi\nx y\n",
        "stderr": "oh\n",
        "success": True,
    }


@pytest.mark.proves("shell.exec.argv")
async def test_arguments_reach_the_program_as_they_are():
    hostile = ["'; touch pwned; '", "$(id)", "`id`", "a\nb", "*", "", "-n", "é", "\\", '"', "${HOME}", "%s"]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    output = await run(argv=[sys.executable, "-c", script, *hostile, 5, True])
    assert json.loads(output["stdout"]) == [*hostile, "5", "true"]
    assert output["command"] == shlex.join([sys.executable, "-c", script, *hostile, "5", "true"])


async def test_hostile_values_in_the_environment_stay_values():
    value = "() { :;}; echo pwned\n$(id)"
    assert (await run(command='printf "%s" "$X"', env={"X": value}))["stdout"] == value


async def test_the_environment_is_clean(monkeypatch):
    monkeypatch.setenv("REACTOR_TOKEN", "secret")
    names = {line.split("=")[0] for line in (await run(argv=["env"]))["stdout"].splitlines()}
    assert names - {"PWD"} <= {"PATH", "HOME", "LANG"}


@pytest.mark.parametrize("code", [1, 3, 255])
async def test_an_exit_code_fails_and_the_output_is_kept(code):
    error = await fails(f"exit.{code}", command=f"echo so; echo bad >&2; exit {code}")
    assert isinstance(error, TransientError)
    assert error.message == f"exit code {code}: bad"
    assert error.output["exit_code"] == code
    assert (error.output["stdout"], error.output["success"]) == ("so\n", False)


@pytest.mark.proves("shell.exec.success_codes")
async def test_other_codes_may_be_success():
    assert (await run(command="exit 3", success_codes=[0, 3]))["success"] is True
    await fails("exit.0", command="true", success_codes=[3])


async def test_a_program_that_is_not_there_is_not_tried_again():
    for params in ({"command": "no-such-thing --x"}, {"argv": ["no-such-thing"]}, {"argv": ["./no/such"]}):
        error = await fails("exit.127", **params)
        assert isinstance(error, PermanentError)
        assert "not found" in error.message


async def test_a_file_that_cannot_be_executed(tmp_path):
    (tmp_path / "plain").write_text("x")
    assert isinstance(await fails("exit.126", argv=["./plain"], cwd=str(tmp_path)), PermanentError)


async def test_killed_by_a_signal():
    error = await fails("exit.signal.KILL", command="kill -9 $$")
    assert error.output["exit_code"] == -9
    await fails("exit.signal.SEGV", command="kill -SEGV $$")


async def test_what_cannot_be_handed_over():
    await fails("input", command="echo a\0b")
    await fails("input", argv=["echo", "a\0b"])
    await fails("input", argv=["echo"], env={"A": "a\0b"})
    await fails("input", argv=["echo", "\ud800"])
    await fails("input", argv=["echo", "x" * 3_000_000])
    assert "No such file" in (await fails("input", command="pwd", cwd="/no/such/folder")).message


@pytest.mark.proves("shell.exec.cwd")
async def test_cwd(tmp_path):
    assert (await run(command="pwd", cwd=str(tmp_path)))["stdout"].strip() == str(tmp_path.resolve())


@pytest.mark.proves("shell.exec.stdin")
async def test_standard_input():
    assert (await run(command="cat", stdin="line\nÄ"))["stdout"] == "line\nÄ"
    assert (await run(command="cat"))["stdout"] == ""
    assert (await run(argv=["cat"], stdin="\n\nx"))["stdout"] == "\n\nx"


async def test_both_streams_and_the_input_at_once_do_not_block_each_other():
    script = "cat >&2 & head -c 3000000 /dev/zero | tr '\\0' x; wait"
    text = "y" * 2_000_000
    output = await run(command=f"exec 3<&0; {script.replace('cat', 'cat <&3', 1)}", stdin=text, max_output=4_000_000)
    assert output["stdout"] == "x" * 3_000_000
    assert output["stderr"] == text


async def test_input_that_nobody_reads_is_no_failure():
    assert (await run(command="exit 0", stdin="y" * 1_000_000))["success"]
    assert (await run(command="exec <&-; sleep 0.05; echo done", stdin="y" * 1_000_000))["stdout"] == "done\n"


@pytest.mark.proves("shell.exec.max_output")
async def test_endless_output_is_bounded():
    script = "echo begin; head -c 20000000 /dev/zero | tr '\\0' x; echo end"
    output = await run(command=script, max_output=1000)
    assert output["truncated"] == ["stdout"]
    assert output["stdout"].startswith("begin\nxxx")
    assert output["stdout"].endswith("xxxend\n")
    assert len(output["stdout"]) < 1100


async def test_secrets_are_masked():
    ctx = action_context(secrets=("it's",))
    output = await run(ctx, command="echo " + shlex.quote("it's") + '; echo "it\'s" >&2')
    assert output["command"] == 'echo ***; echo "***" >&2'
    assert (output["stdout"], output["stderr"]) == ("***\n", "***\n")


@pytest.mark.proves("shell.exec.timeout")
async def test_timeout_ends_the_whole_group(tmp_path):
    start = time.monotonic()
    error = await fails("timeout", command="echo x; sleep 60 & echo $! >pid; wait", cwd=str(tmp_path), timeout="300ms")
    assert time.monotonic() - start < 2
    assert isinstance(error, TransientError)
    assert error.output["stdout"] == "x\n"
    assert error.output["success"] is False
    assert not is_alive(await pid_in(tmp_path / "pid"))


async def test_a_program_may_tidy_up_when_its_time_is_over(tmp_path):
    script = "trap 'echo tidy; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    error = await fails("timeout", command=script, timeout=0.5)
    assert error.output["stdout"].endswith("tidy\n")


@pytest.mark.slow
async def test_a_program_that_will_not_go_is_killed(tmp_path):
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >pid; sleep 60; sleep 60'"
    start = time.monotonic()
    await fails("timeout", command=script, cwd=str(tmp_path), timeout="200ms")
    assert 2 < time.monotonic() - start < 5
    assert not is_alive(await pid_in(tmp_path / "pid"))


async def test_a_stopped_program_is_ended_too():
    start = time.monotonic()
    await fails("timeout", command="kill -STOP $$; sleep 60", timeout="200ms")
    assert time.monotonic() - start < 2


async def test_cancellation_ends_the_whole_group(tmp_path):
    running = asyncio.create_task(run(command="sleep 60 & echo $! >pid; wait", cwd=str(tmp_path)))
    child = await pid_in(tmp_path / "pid")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(child)


async def test_cancelled_twice_it_does_not_wait_for_the_grace(tmp_path):
    running = asyncio.create_task(
        call(EXEC, {"command": "trap '' TERM; echo $$ >pid; while :; do :; done", "cwd": str(tmp_path)})
    )
    child = await pid_in(tmp_path / "pid")
    start = time.monotonic()
    running.cancel()
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - start < 1
    assert not is_alive(child)


async def test_cancelled_at_any_moment_nothing_is_left(tmp_path):
    for delay in range(12):
        running = asyncio.create_task(call(EXEC, {"command": "echo $$ >>pids; sleep 60", "cwd": str(tmp_path)}))
        for _ in range(delay):
            await asyncio.sleep(0.0005)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
    assert not [pid for pid in pids if is_alive(int(pid))]
    assert not GUARD._groups


async def test_what_is_left_in_the_background_ends_with_the_command(tmp_path):
    start = time.monotonic()
    assert (await run(command="sleep 60 & echo $! >pid; echo hi", cwd=str(tmp_path)))["stdout"] == "hi\n"
    assert time.monotonic() - start < 2
    assert not is_alive(await pid_in(tmp_path / "pid"))
    await run(command="sleep 60 >/dev/null 2>&1 & echo $! >pid", cwd=str(tmp_path))
    assert not is_alive(await pid_in(tmp_path / "pid"))


async def test_many_at_once_leak_nothing():
    await run(command="true")
    before = open_descriptors()
    outputs = await asyncio.gather(*(run(command=f"echo {number}") for number in range(40)))
    assert [int(output["stdout"]) for output in outputs] == list(range(40))
    await asyncio.sleep(0)
    assert len(open_descriptors()) <= len(before)
    assert not zombies()


async def test_no_descriptor_of_ours_reaches_the_program():
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        output = await run(
            argv=[sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"]
        )
    finally:
        os.close(read)
        os.close(write)
    assert output["stdout"] == "[0, 1, 2, 3]\n"  # 3: the listing itself


async def test_a_guard_that_was_killed_is_replaced(tmp_path):
    await run(command="true")
    running = asyncio.create_task(run(command="echo $$ >pid; sleep 60", cwd=str(tmp_path)))
    first = await pid_in(tmp_path / "pid")
    os.kill(helper_pid(), signal.SIGKILL)
    await until(lambda: not is_alive(helper_pid()))
    await run(command="true")
    assert is_alive(helper_pid())
    assert is_alive(first)
    running.cancel()
    await asyncio.wait([running])


async def test_the_loop_is_never_blocked():
    with blockbuster_ctx("reactor"):
        await run(command="cat", stdin="x" * 1_000_000)
        await run(command="sleep 60 & echo hi")
        await fails("timeout", command="sleep 60 & wait", timeout="100ms")


def test_it_works_on_uvloop():
    uvloop = pytest.importorskip("uvloop")

    async def scenario():
        text = "y" * 1_000_000
        assert (await run(command="cat", stdin=text))["stdout"] == text
        await fails("exit.5", command="exit 5")
        await fails("timeout", command="sleep 60 & wait", timeout="100ms")
        assert (await run(command="exit 0", stdin=text))["success"]
        await asyncio.gather(*(run(command="sleep 60 & echo x") for _ in range(5)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


REACTOR = """
import asyncio, sys
from reactor.connectors.shell import connector
from reactor.testing.actions import call

async def main():
    await asyncio.gather(*(call(connector.actions[0], {{"command": line, "cwd": {cwd!r}}}) for line in {lines!r}))

asyncio.run(main())
"""


def started(tmp_path: Path, *lines: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", REACTOR.format(cwd=str(tmp_path), lines=lines)])


@pytest.mark.crash
async def test_when_reactor_is_killed_its_commands_end(tmp_path):
    reactor = started(
        tmp_path, "sleep 60 & echo $! >one; wait", "trap '' TERM; echo $$ >two; while :; do sleep 0.1; done"
    )
    try:
        pids = [await pid_in(tmp_path / name) for name in ("one", "two")]
    finally:
        reactor.kill()
        reactor.wait()
    await until(lambda: not is_alive(pids[0]), 1)
    await until(lambda: not is_alive(pids[1]), 5)


@pytest.mark.crash
async def test_killed_in_the_middle_of_starting_nothing_is_left(tmp_path):
    lines = [f"echo $$ >>pids; sleep 6{number}" for number in range(10)]
    for delay in (0.18, 0.2, 0.21, 0.22, 0.24, 0.26):
        reactor = started(tmp_path, *lines)
        await asyncio.sleep(delay)
        reactor.kill()
        reactor.wait()

    def left():
        pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
        return [pid for pid in pids if is_alive(int(pid))]

    await until(lambda: not left(), 5)
    await asyncio.sleep(0.3)
    assert not left()
