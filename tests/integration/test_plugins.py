"""Plugins that misbehave, in every way that is known: the host stays well and says so in a sentence; others go on."""

import asyncio
import json
import os
import re
import signal
import stat
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from reactor import Reactor
from reactor.model.errors import ConflictError, PermanentError, TransientError
from reactor.plugins import outside
from reactor.plugins.discovery import discover
from reactor.plugins.folder import Refused, read
from reactor.plugins.host import Down, Plugin
from reactor.plugins.limits import Limits
from reactor.plugins.remote import connector_of
from reactor.sdk.plugin.manifest import Manifest
from reactor.sdk.trigger import DeadLetter
from reactor.testing import run_flow_tests
from reactor.testing.actions import action_context, call
from reactor.testing.triggers import TriggerBench

pytestmark = pytest.mark.anyio
ADVERSARY = Path(__file__).with_name("plugin_adversary.py")
SOON = Limits(start=3, call=2, ping_every=0.1, ping_within=5, grace=0.5, first_pause=0.05, longest_pause=0.2)


QUICK = msgspec.structs.replace(SOON, ping_within=0.5)
"""For plugins that hang; a busy machine must not look like one elsewhere."""


def folder_of(tmp_path, how="well", **more):
    """A plugin's folder that starts the adversary."""
    folder = tmp_path / f"bad-{len(list(tmp_path.glob('bad-*')))}"
    folder.mkdir()
    command = ["{python}", str(ADVERSARY), how, str(tmp_path / "notes")]
    declared = {"name": "bad", "version": "1.0.0", "command": command} | more
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in declared.items())
    (folder / "reactor-plugin.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """What the adversary offers; asked once."""
    return outside.described(read(folder_of(tmp_path_factory.mktemp("well")), "0.1.0"))


@pytest.fixture
async def bad(tmp_path, manifest):
    """`bad(how)` is the adversary's host and the connector that stands for it."""
    made = []

    def make(how="well", limits=SOON, expected=manifest):
        plugin = Plugin(read(folder_of(tmp_path, how), "0.1.0"), expected=expected, limits=limits)
        made.append(plugin)
        return plugin, connector_of(plugin, manifest)

    yield make
    for plugin in made:
        await plugin.close()


def bench(connector, how="well"):
    return TriggerBench(connector.triggers[0], how)


async def down(plugin):
    """Why it does not come up; and nothing of it is left."""
    with pytest.raises(Down) as caught:
        await plugin.link()
    assert caught.value.reason.startswith("plugin bad: ")
    assert "\n" not in caught.value.reason
    return caught.value.reason.removeprefix("plugin bad: ")


# --- its start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("no-handshake", "it said nothing within 1 s of its start"),
        ("hello", "the first line on its stdout is 'Hello, I am a plugin!', not the handshake"),
        ("endless", "the first line on its stdout is longer than"),
        ("exit", "it ended before it was ready (exit status 1); it said: the database of words is missing"),
        ("protocol", "it speaks version 9 of the plugin protocol, this Reactor speaks 1; update the plugin or Reactor"),
        ("no-socket", "does not listen on $REACTOR_PLUGIN_SOCKET"),
        ("hang-describe", "it was asked what it offers: did not answer in time"),
        ("die-describe", "it was asked what it offers: it died (signal SIGKILL)"),
        ("garbage-describe", "its manifest cannot be: it is no message of the protocol"),
        ("wrong-token", "it was asked what it offers: refuses Reactor's token"),
        ("wrong-proof", "who answers on its socket does not show the proof that it was given"),
        ("other-name", "it says that it is 'good' '1.0.0', and its reactor-plugin.toml says 'bad' '1.0.0'"),
        ("other-version", "it says that it is 'bad' '2.0.0'"),
    ],
)
async def test_it_does_not_come_up(bad, how, told):
    limits = msgspec.structs.replace(SOON, start=1) if how == "no-handshake" else SOON
    plugin, _ = bad(how, limits)
    assert told in await down(plugin)


async def test_another_manifest_after_a_restart_is_refused(bad, tmp_path):
    plugin, connector = bad("other-manifest")
    link = await plugin.link()
    assert (tmp_path / "notes").read_text() == "started"
    os.kill(link.child.pid, signal.SIGKILL)
    async with bench(connector) as b:
        await b.until(lambda b: b.state() == "lost" and "restart Reactor" in b.states[-1][1])


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        ({"actions": [{"name": "Nonsense!"}]}, "an action cannot be called 'Nonsense!'"),
        ({"triggers": [{"kind": "if"}]}, "a trigger cannot be called 'if'"),
        ({"triggers": [{"kind": "t", "short": "x"}]}, "has no field 'x'"),
        ({"actions": [{"name": "a.b", "params": [{"name": "x"}, {"name": "x"}]}]}, "'x', or two are"),
        ({"actions": [{"name": "a.b", "params": [{"name": "x", "default_json": "e25v"}]}]}, "the default of"),
        ({"actions": [{"name": "a.b", "params": [{"name": "x", "type": {"kind": "CHOICE"}}]}]}, "says not of what"),
        (
            {"actions": [{"name": "a.b", "params": [{"name": "x", "type": {"kind": "TEXT", "pattern": "("}}]}]},
            "the pattern '(' cannot be",
        ),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path, offered, told):
    offers = msgspec.convert({"name": "bad", "version": "1.0.0", **offered}, Manifest)
    with pytest.raises(Refused, match=re.escape(told)):
        connector_of(Plugin(read(folder_of(tmp_path), "0.1.0")), offers)


def test_names_of_others_cannot_be_taken(tmp_path):
    offered = {"actions": [{"name": "bad.good"}, {"name": "log.info"}]}
    catalog, problems = discover([folder_of(tmp_path, f"manifest={json.dumps(offered)}")])
    assert problems == ["plugin 'bad': log.info is there already; give it another name"]
    assert "bad" not in catalog.connectors
    assert "bad.good" not in catalog.actions


def test_what_it_offers_is_asked_once(tmp_path, monkeypatch):
    folder, data = folder_of(tmp_path), tmp_path / "data"
    data.mkdir()
    first, problems = discover([folder], data)
    assert not problems
    monkeypatch.setattr(outside, "described", lambda *_: pytest.fail("it was started again"))
    again, problems = discover([tmp_path], data)  # the folder around it
    assert not problems
    assert again.actions["bad.act"].params.__struct_fields__ == first.actions["bad.act"].params.__struct_fields__
    monkeypatch.undo()
    (folder / "new.py").write_text("")
    monkeypatch.setattr(outside, "described", lambda *_: Manifest(name="bad", version="1.0.0"))
    assert not discover([folder], data)[0].actions.get("bad.act")


async def test_who_offers_something_else_is_asked_anew_at_the_next_start(tmp_path):
    """So that the advice to restart Reactor helps, also when no file of its folder has changed."""
    folder, data = folder_of(tmp_path, "other-manifest"), tmp_path / "data"
    data.mkdir()
    first, _ = discover([folder], data)  # it offers something else from its second start on
    [trigger] = [trigger for kind, trigger in first.triggers.items() if kind == "bad"]
    async with TriggerBench(trigger, {}) as b:
        await b.until(lambda b: b.state() == "lost" and "restart Reactor" in b.states[-1][1])
    await outside.end(first)
    second, problems = discover([folder], data)
    assert not problems
    assert second.connectors["bad"].doc == "Something else."


# --- its life ---------------------------------------------------------------------------------------------------------


RED = {
    "silence": "has not said within 2 s whether bad listens",
    "end": "ended trigger bad without a reason",
    "garbage": "sent what cannot be: what is no message of the protocol",
    "empty": "sent what cannot be: a message with nothing in it",
    "not-json": "sent what cannot be: the data of an event is not JSON",
    "wrong-number": "sent what cannot be: batch 7 where batch 1 is next",
    "too-many": "sent what cannot be: 1001 items in one batch; at most 1000 are allowed",
    "gaps": "tells of more than 100 gaps",
}


async def test_its_trigger_turns_red_and_others_go_on(bad):
    _, connector = bad()
    async with bench(connector) as other:
        for how, told in RED.items():
            async with bench(connector, how) as broken:
                await broken.until(lambda b: b.state() == "lost", 15)
            assert told in broken.states[-1][1]
            assert not broken.drafts
            count = len(other.drafts)
            await other.until(lambda b, count=count: b.state() == "armed" and len(b.drafts) > count + 2)
        assert [name for name, _ in other.states].count("lost") == 0


async def test_a_message_of_100_mb_is_not_taken(bad):
    _, connector = bad(limits=msgspec.structs.replace(SOON, call=20, ping_within=20))
    async with bench(connector, "huge") as b:
        await b.until(lambda b: b.state() == "lost", 30)
        assert "sent a message of more than 16 MB" in b.states[-1][1]
    with pytest.raises(PermanentError, match="more than 16 MB") as caught:
        await call(connector.actions[0], {"how": "huge"})
    assert caught.value.kind == "plugin.protocol"


@pytest.mark.parametrize("how", ["die-at-once", "die-after-batch", "die-after-commit"])
async def test_it_dies_around_a_commit_and_nothing_is_told_twice(bad, how):
    _, connector = bad()
    async with bench(connector, how) as b:
        await b.until(lambda b: [name for name, _ in b.states].count("lost") >= 2)
        numbers = [draft.data["n"] for draft in b.drafts if isinstance(draft.data, dict)]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_flood_waits_in_the_plugin(bad, tmp_path):
    """Nothing is committed for a while: what the plugin can get rid of is bounded, and so is our memory."""
    _, connector = bad()
    b = bench(connector, "flood")
    b.busy = 10**9
    notes = tmp_path / "notes"
    async with b:
        await b.until(lambda _: b.state() == "armed")
        before = memory()
        stood = await _until_it_stands(notes)
        assert stood < 60  # of 1,000 batches of 0.1 MB
        assert memory() - before < 32 << 10
        async with bench(connector) as other:  # its other trigger is as quick as ever
            await other.until(lambda b: len(b.drafts) > 3)
        b.busy = 0
        await b.until(lambda _: len(b.drafts) >= 100_000, 30)
    assert memory() - before < 256 << 10  # the bench keeps every event


def memory():
    """Of this process, in KiB."""
    (found,) = re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found)


async def _until_it_stands(notes):
    last = None
    while (now := notes.read_text() if notes.exists() else None) is None or now != last:
        last = now
        await asyncio.sleep(0.3)
    return int(last or 0)


async def test_a_million_states_cost_nobody_else(bad):
    _, connector = bad()
    async with bench(connector, "notes"), bench(connector) as other:
        await other.until(lambda b: len(b.drafts) > 10)


async def test_it_hangs_and_is_ended(bad):
    plugin, connector = bad(limits=QUICK)
    async with bench(connector) as b:
        await b.until(lambda b: b.state() == "armed")
        link = await plugin.link()
        os.kill(link.child.pid, signal.SIGSTOP)
        await b.until(lambda b: b.state() == "lost")
        assert "it hangs: no answer to a ping within 0.5 s, so it was ended" in b.states[-1][1]
        await b.until(lambda b: b.state() == "armed")
    assert not alive(link.child.pid)


async def test_an_action_blocks_the_whole_plugin(bad):
    _, connector = bad(limits=QUICK)
    with pytest.raises(TransientError, match="it hangs") as caught:
        await call(connector.actions[0], {"how": "block"})
    assert caught.value.kind == "plugin.unavailable"
    assert await until_it_works(connector) == {"key": "run/step", "attempt": 1}


async def until_it_works(connector):
    async with asyncio.timeout(15):
        while True:
            try:
                return await call(connector.actions[0], {})
            except TransientError as error:
                await asyncio.sleep((error.retry_after or 50) / 1000)


FAILING = {
    "die": ("plugin.unavailable", "it died (signal SIGKILL)"),
    "garbage": ("plugin.protocol", "what is no message of the protocol"),
    "empty": ("plugin.protocol", "a message with nothing in it"),
    "not-json": ("plugin.protocol", "the output is not JSON"),
    "no-output": ("plugin.protocol", "it ended the call with neither output nor error"),
    "bug": ("bug", "bad.act raised KeyError: 'oh'"),
}


async def test_its_action_fails_in_a_sentence(bad):
    _, connector = bad()
    for how, (kind, told) in FAILING.items():
        with pytest.raises((TransientError, PermanentError)) as caught:
            await call(connector.actions[0], {"how": how})
        assert caught.value.kind == kind
        assert caught.value.retryable is (kind == "plugin.unavailable")
        assert told in caught.value.message
        assert "attempt" in await until_it_works(connector)


async def test_what_it_is_told_of_an_attempt(bad):
    _, connector = bad()
    ctx = action_context(idempotency_key="run_7:pay", attempt=3)
    assert await call(connector.actions[0], {}, ctx) == {"key": "run_7:pay", "attempt": 3}


async def test_a_cancelled_action_is_cancelled_there_too(bad, tmp_path):
    _, connector = bad()
    notes = tmp_path / "notes"
    task = asyncio.create_task(call(connector.actions[0], {"how": "hang"}))
    await _until_text(notes, "hanging")
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await _until_text(notes, "cancelled")


async def _until_text(notes, text):
    async with asyncio.timeout(5):
        while not notes.exists() or notes.read_text() != text:
            await asyncio.sleep(0.01)


async def test_actions_under_way_and_triggers_know_at_once_that_it_died(bad, tmp_path):
    plugin, connector = bad()
    async with bench(connector) as b:
        await b.until(lambda b: b.state() == "armed")
        task = asyncio.create_task(call(connector.actions[0], {"how": "hang"}))
        await _until_text(tmp_path / "notes", "hanging")
        begun = time.monotonic()
        os.kill((await plugin.link()).child.pid, signal.SIGKILL)
        with pytest.raises(TransientError, match="SIGKILL"):
            await task
        await b.until(lambda b: b.state() == "lost")
        assert time.monotonic() - begun < 1


async def test_pauses_between_starts_grow_and_are_told(bad):
    limits = msgspec.structs.replace(SOON, first_pause=0.2, longest_pause=10)
    plugin, _ = bad("exit", limits)
    pauses = []
    for _ in range(3):
        with pytest.raises(Down) as caught:
            await plugin.link()
        pauses.append(caught.value.retry_after)
        with pytest.raises(Down) as caught:  # asked again at once it is not started again, and the reason is the same
            await plugin.link()
        assert "the database of words is missing" in caught.value.reason
        await asyncio.sleep((caught.value.retry_after or 0) / 1000)
    assert pauses == [200, 400, 800]


# --- dead letters -----------------------------------------------------------------------------------------------------


async def test_it_reads_a_dead_letter_again(bad):
    _, connector = bad()
    [trigger] = connector.triggers
    letter = DeadLetter(reason="was not read", payload=b'{"n": 1.0}', metadata={"at": 7}, subject="s")
    draft = await trigger.redo(trigger.config(how="x"), letter)
    assert (draft.type, draft.data, draft.subject) == ("bad.event", {"n": 1.0}, "s")
    assert draft.metadata == {"at": 7, "how": "x"}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"{no", "line 1, column 2"),
        (b"bug", "bad raised KeyError: 'oh'"),
        (b"die", "plugin bad: it died (signal SIGKILL)"),
        (b"garbage", "plugin bad sent what cannot be: what is no message of the protocol"),
        (b"empty", "plugin bad gave no reason"),
    ],
)
async def test_a_dead_letter_that_it_still_cannot_read_says_why(bad, payload, told):
    _, connector = bad()
    [trigger] = connector.triggers
    with pytest.raises(ConflictError, match=re.escape(told)):
        await trigger.redo(trigger.config(), DeadLetter(reason="was not read", payload=payload))


async def test_one_that_cannot_read_again_is_not_asked(tmp_path, manifest):
    [spec] = manifest.triggers
    without = msgspec.structs.replace(manifest, triggers=(msgspec.structs.replace(spec, redo=False),))
    [trigger] = connector_of(Plugin(read(folder_of(tmp_path), "0.1.0")), without).triggers
    assert getattr(trigger, "redo", None) is None


# --- in tests of flows ------------------------------------------------------------------------------------------------


def test_flows_with_it_are_tested_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setenv("REACTOR_PLUGINS", str(folder_of(tmp_path)))
    monkeypatch.chdir(tmp_path)
    Path("uses.yaml").write_text(USES)
    report = run_flow_tests("uses.yaml")
    assert report.passed, report.text()


async def test_a_program_that_uses_it_is_tested_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("REACTOR_PLUGINS", str(folder_of(tmp_path)))
    monkeypatch.chdir(tmp_path)
    app = Reactor()

    @app.flow()
    async def flow(run):
        return await run.step("act", "bad.act", how="environment")

    done = await app.test(flow)
    assert done.error is None
    assert not Path(done.output["REACTOR_PLUGIN_SOCKET"]).parent.exists()


USES = """
name: uses
on: {bad: well}
steps: [{name: act, action: bad.act, how: well}]
tests:
  - name: it
    event: {type: bad.event, data: 1}
    mock: {act: {output: 2}}
    expect: {status: completed}
"""


# --- what it can see and leave ----------------------------------------------------------------------------------------


async def test_its_environment_is_stripped(bad, monkeypatch, tmp_path, manifest):
    monkeypatch.setenv("REACTOR_SECRET_KEY", "s3cret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("WORDS", "handed on")
    plugin = Plugin(read(folder_of(tmp_path, env=["WORDS"]), "0.1.0"), limits=SOON)
    try:
        seen = await call(connector_of(plugin, manifest).actions[0], {"how": "environment"})
        place = Path(seen["REACTOR_PLUGIN_SOCKET"]).parent
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    finally:
        await plugin.close()
    assert seen["WORDS"] == "handed on"
    assert "s3cret" not in seen.values()
    assert {name for name in seen if name.startswith("REACTOR_")} == {
        "REACTOR_PLUGIN_SOCKET",
        "REACTOR_PLUGIN_TOKEN",
        "REACTOR_PLUGIN_PROOF",
        "REACTOR_PLUGIN_PROTOCOLS",
    }
    assert not place.exists()


async def test_endless_chatter_is_cut(bad, caplog):
    caplog.set_level("INFO", "reactor.plugins.bad")
    _, connector = bad("chatter")
    async with bench(connector) as b:
        await b.until(lambda b: len(b.drafts) > 20)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) < 2_000
    assert max(map(len, lines)) <= 4_200


async def test_log_lines_of_an_action_are_cut(bad, caplog):
    caplog.set_level("INFO")
    _, connector = bad()
    await call(connector.actions[0], {"how": "log"})
    lines = [record.getMessage() for record in caplog.records if record.name == "reactor.testing"]
    assert "line 0" in lines or "line 99999" in lines
    assert len(lines) < 2_500


async def test_it_ends_when_it_is_told_to_and_leaves_nothing(bad, tmp_path):
    plugin, _ = bad("family")
    link = await plugin.link()
    grandchild = int(await _text(tmp_path / "notes"))
    await plugin.close()
    assert not alive(link.child.pid)
    async with asyncio.timeout(5):
        while alive(grandchild):
            await asyncio.sleep(0.01)
    with pytest.raises(Down, match="closed"):
        await plugin.link()


async def _text(notes):
    async with asyncio.timeout(5):
        while not notes.exists() or not (text := notes.read_text().strip()):
            await asyncio.sleep(0.01)
        return text


async def test_one_that_stays_is_killed(bad):
    plugin, _ = bad("stay")
    link = await plugin.link()
    begun = time.monotonic()
    await plugin.close()
    assert not alive(link.child.pid)
    assert time.monotonic() - begun < 3


async def test_it_is_gone_when_reactor_is_killed(tmp_path):
    """Also one that does not look at its stdin: the kernel ends it."""
    folder = folder_of(tmp_path, "stay")
    program = tmp_path / "host.py"
    program.write_text(HOST)
    host = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(folder), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    assert host.stdout is not None
    pid = int(await host.stdout.readline())
    assert alive(pid)
    host.kill()
    await host.wait()
    async with asyncio.timeout(5):
        while alive(pid):
            await asyncio.sleep(0.01)
    left = _places(host.pid)
    assert left
    plugin = Plugin(read(folder_of(tmp_path), "0.1.0"), limits=SOON)
    await plugin.link()  # the next one cleans up
    await plugin.close()
    assert not _places(host.pid)


def _places(pid):
    """The folders of the sockets of a host."""
    return list(Path(tempfile.gettempdir()).glob(f"reactor-plugin-{pid}-*"))


HOST = """
import asyncio, sys
from pathlib import Path
from reactor.plugins.folder import Refused, read
from reactor.plugins.host import Plugin

async def main():
    link = await Plugin(read(Path(sys.argv[1]), "0.1.0")).link()
    print(link.child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def alive(pid):
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
