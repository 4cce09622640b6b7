"""Plugins in a real server: killed, and with it killed, nothing is lost and nothing is done twice."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.crash.harness import REACTOR, server

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples/plugins/weather-py"
FLOW = """\
name: storm
connections:
  roof: {type: weather-station, folder: station}
on: {weather: {connection: roof, every: 0.02}}
steps:
  - name: warn
    action: weather.announce
    text: "reading {{ event.data.n }}"
    retry: {max: 50, delay: 50ms, max_delay: 200ms}
"""
WRONG = """\
name: wrong
on: {weather: {connection: roof, evry: 1}}
steps:
  - {name: warn, action: weather.announce, text: 1, level: hurricane, lin: x}
"""
TESTED = """\
name: storm
on: {weather: {every: 1}}
steps:
  - {name: warn, action: weather.announce, text: "reading {{ event.data.n }}"}
tests:
  - name: a reading is announced
    event: {type: weather.reading, data: {n: 1}}
    mock: {warn: {output: {announced: true}}}
    expect: {status: completed}
"""


@pytest.fixture
def station(tmp_path):
    folder = tmp_path / "station"
    folder.mkdir()
    (folder / "readings.jsonl").write_text("")
    return folder


def feed(station, numbers):
    with (station / "readings.jsonl").open("a") as readings:
        readings.writelines(json.dumps({"n": number}) + "\n" for number in numbers)


def announced(station):
    file = station / "announcements.jsonl"
    return [json.loads(line)["text"] for line in file.read_text().splitlines()] if file.exists() else []


def plugin_of(reactor):
    """The plugin's process, once it is there."""
    assert reactor.process is not None
    pid = reactor.process.pid
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == str(pid) and b"reactor_weather" in command and b"prctl" not in command:
                return int(process.name)
        time.sleep(0.02)
    raise AssertionError("the plugin does not run")


def gone(pid):
    end = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < end, f"process {pid} has outlived Reactor"
        time.sleep(0.02)


def until(what, server_):
    end = time.monotonic() + 40
    while not what():
        assert time.monotonic() < end, server_.log()[-3000:]
        time.sleep(0.05)


@pytest.mark.crash
@pytest.mark.slow
def test_plugin_and_reactor_are_killed_and_each_reading_is_announced_once(tmp_path, station):
    numbers = iter(range(1, 1_000))
    with server(tmp_path, {"storm": FLOW}, REACTOR_PLUGINS=str(PLUGIN)) as reactor:
        reactor.start()
        for round_ in range(2):
            feed(station, [next(numbers) for _ in range(40)])
            until(lambda least=round_ * 40 + 3: len(announced(station)) > least, reactor)
            pid = plugin_of(reactor)
            if round_ % 2:
                reactor.kill()
                gone(pid)
                reactor.start()
            else:
                os.kill(pid, signal.SIGKILL)
        until(lambda: len(announced(station)) >= 80, reactor)
        reactor.until_idle(20)
        _, triggers = reactor.get("/api/v1/triggers")
        assert triggers["items"][0]["state"] == "armed"
        pid = plugin_of(reactor)
        reactor.signal(signal.SIGTERM)
        gone(pid)
    texts = announced(station)
    assert sorted(texts) == sorted(f"reading {number}" for number in range(1, 81))


@pytest.mark.crash
def test_a_plugin_that_cannot_be_started_turns_red_and_the_rest_goes_on(tmp_path, station):
    plugins = tmp_path / "plugins"
    shutil.copytree(PLUGIN, plugins / "weather")
    other = "name: other\non: {event: ping}\nsteps:\n  - {name: s, set: {a: 1}}\n"
    with server(tmp_path, {"storm": FLOW, "other": other}, REACTOR_PLUGINS=str(plugins)) as reactor:
        reactor.start()
        pid = plugin_of(reactor)
        (plugins / "weather/reactor_weather/__main__.py").write_text("raise SystemExit('no licence')")
        os.kill(pid, signal.SIGKILL)
        until(lambda: "no licence" in reactor.get("/api/v1/triggers?flow=storm")[1]["items"][-1]["reason"], reactor)
        status, receipt = reactor.post("/events", {"type": "ping", "data": 1})
        assert status == 202
        assert len(receipt["runs"]) == 1


def test_its_dead_letter_is_read_again_once_the_plugin_is_mended(tmp_path, station):
    plugins = tmp_path / "plugins"
    shutil.copytree(PLUGIN, plugins / "weather")
    with server(tmp_path, {"storm": FLOW}, REACTOR_PLUGINS=str(plugins)) as reactor:
        reactor.start()
        (station / "readings.jsonl").write_text('{"n": 1}\n{"n": 2,}\n{"n": 3}\n')
        until(lambda: len(announced(station)) == 2, reactor)
        [letter] = reactor.get("/api/v1/dead-letters")[1]["items"]
        retry = f"/api/v1/dead-letters/{letter['id']}/retry"
        status, told = reactor.post(retry, None)
        assert (status, "it can still not be read: " in str(told)) == (409, True), told
        reactor.signal(signal.SIGTERM)
        file = plugins / "weather/reactor_weather/trigger.py"
        file.write_text(
            file.read_text().replace("read_json(letter.payload)", "read_json(letter.payload.replace(b',', b''))")
        )
        reactor.start()
        until(lambda: reactor.get("/api/v1/triggers")[1]["items"][0]["state"] == "armed", reactor)
        status, told = reactor.post(retry, None)
        assert (status, len(told["runs"])) == (200, 1), told
        until(lambda: len(announced(station)) == 3, reactor)
        assert reactor.get("/api/v1/dead-letters")[1]["items"] == []
    assert announced(station)[-1] == "reading 2"


def test_commands_know_what_it_offers(tmp_path):
    def cli(*arguments):
        env = {**os.environ, "REACTOR_PLUGINS": str(PLUGIN)}
        done = subprocess.run(
            [REACTOR, *arguments], check=False, cwd=tmp_path, env=env, capture_output=True, timeout=60
        )
        return done.returncode, (done.stdout + done.stderr).decode()

    (tmp_path / ".reactor").mkdir(mode=0o700)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "good.yaml").write_text(TESTED)
    code, told = cli("validate", "wrong.yaml")
    assert code == 1
    for words in (
        "did you mean `every`?",
        "`text` of action `weather.announce` has to be a text",
        "`hurricane`",
        "`lin`",
    ):
        assert words in told
    assert cli("validate", "good.yaml")[0] == 0
    assert "weather.announce" in cli("schema")[1]
    code, told = cli("test", "good.yaml")
    assert code == 0, told
    assert "weather" in cli("doctor")[1]
