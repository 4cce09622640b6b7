"""Both example plugins and three built-in connectors keep what every plugin promises."""

import importlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from reactor.connectors.data import connector as data_connector
from reactor.connectors.file import connector as file_connector
from reactor.connectors.shell import connector as shell_connector
from reactor.testing.plugin_suite import (
    ActionSuite,
    CancelSuite,
    LossSuite,
    ManifestSuite,
    Subject,
    TriggerSuite,
    opened,
    outside,
)

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/plugins"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Where is kept what plugins offer, so that each is asked once."""
    return tmp_path_factory.mktemp("data")


# --- the example in Python, both ways ---------------------------------------------------------------------------------


class Weather(Subject):
    trigger, action = "weather", "weather.announce"

    def __init__(self, connector, folder):
        super().__init__(connector, folder)
        self.readings = folder / "station/readings.jsonl"
        self.readings.parent.mkdir()
        self.readings.write_text("")
        self.connections["roof"] = {"type": "weather-station", "folder": str(self.readings.parent)}
        self._next = 0

    def config(self):
        return {"connection": "roof", "every": 0.02}

    def feed(self, count):
        with self.readings.open("a") as file:
            for _ in range(count):
                self._next += 1
                file.write(json.dumps({"celsius": self._next}) + "\n")

    def lose(self):
        self.readings.rename(self.readings.with_suffix(".away"))

    def restore(self):
        self.readings.with_suffix(".away").rename(self.readings)

    def params(self):
        return {"text": "wind", "level": "storm"}

    def effects(self):
        file = self.readings.with_name("announcements.jsonl")
        return len(file.read_text().splitlines()) if file.exists() else 0

    def failing(self):
        return {"text": "wind", "key": "wrong"}


class TestWeatherInside(ManifestSuite, TriggerSuite, LossSuite, ActionSuite):
    @pytest.fixture
    async def plugin(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(EXAMPLES / "weather-py")
        async with opened(importlib.import_module("reactor_weather").connector) as connector:
            yield Weather(connector, tmp_path)


class TestWeatherOutside(ManifestSuite, TriggerSuite, LossSuite, ActionSuite):
    @pytest.fixture
    async def plugin(self, data, tmp_path):
        async with opened(outside(EXAMPLES / "weather-py", data)) as connector:
            yield Weather(connector, tmp_path)


# --- the example in Ruby ----------------------------------------------------------------------------------------------


class Tail(Subject):
    trigger, action = "tail", "tail.append"

    def __init__(self, connector, folder):
        super().__init__(connector, folder)
        self.file, self.out = folder / "app.log", folder / "out.log"
        self.file.write_text("")
        self._next = 0

    def config(self):
        return {"path": str(self.file), "every": 0.02}

    def feed(self, count):
        with self.file.open("a") as file:
            for _ in range(count):
                self._next += 1
                file.write(f"line {self._next}\n")

    def lose(self):
        self.file.rename(self.folder / "away")

    def restore(self):
        (self.folder / "away").rename(self.file)

    def params(self):
        return {"path": str(self.out), "line": "ä line"}

    def effects(self):
        return len(self.out.read_text().splitlines()) if self.out.exists() else 0

    def failing(self):
        return {"path": "/etc/passwd", "line": "x"}


@pytest.fixture(scope="module")
def built(program, tmp_path_factory):
    """The example with the code that its README generates."""
    program("ruby")
    folder = tmp_path_factory.mktemp("tail")
    shutil.copytree(EXAMPLES / "tail-ruby", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lib"))
    (folder / "lib").mkdir()
    command = [program("grpc_tools_ruby_protoc"), "-I", ROOT / "proto", "--ruby_out=lib", "--grpc_out=lib"]
    subprocess.run([*command, "reactor/plugin/v1/plugin.proto"], check=True, cwd=folder, timeout=60)
    return folder


class TestTailInRuby(ManifestSuite, TriggerSuite, LossSuite, ActionSuite):
    @pytest.fixture
    async def plugin(self, built, data, tmp_path):
        async with opened(outside(built, data)) as connector:
            yield Tail(connector, tmp_path)

    async def test_a_line_that_is_no_text_stops_nothing(self, plugin):
        async with plugin.bench() as bench:
            with plugin.file.open("ab") as file:
                file.write(b"\xff\xfe\n")
            plugin.feed(1)
            await bench.until(lambda b: b.drafts)
        assert [letter.payload for letter in bench.dead] == [b"\xff\xfe"]

    async def test_no_thread_is_left_by_a_trigger_that_was_stopped(self, plugin):
        """More starts than its pool has threads."""
        bench = plugin.bench()
        for _ in range(40):
            async with bench:
                await bench.until(lambda b: b.state() == "armed")
            bench = bench.again()

    async def test_a_file_that_began_anew_is_a_gap(self, plugin):
        plugin.feed(3)
        bench = plugin.bench()
        async with bench:
            await bench.until(lambda b: len(b.drafts) == 3)
        plugin.file.write_text("new\n")
        async with bench.again() as later:
            await later.until(lambda b: b.drafts)
        assert [draft.data for draft in later.drafts] == [{"line": "new"}]
        assert "shorter" in later.gaps[0]


# --- built-in connectors ----------------------------------------------------------------------------------------------


class Files(Subject):
    trigger, action = "file", "file.write"

    def __init__(self, connector, folder):
        super().__init__(connector, folder)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self._next = 0

    def config(self):
        return {"path": f"{self.inbox}/*.txt", "changes": "created", "settle": "20ms"}

    def feed(self, count):
        for _ in range(count):
            self._next += 1
            (self.inbox / f"{self._next}.txt").write_text("x")

    def seen(self, draft):
        return draft.data["path"]

    def failing(self):
        return {"path": "/etc/passwd", "content": "x"}


class TestFile(ManifestSuite, TriggerSuite):
    @pytest.fixture
    async def plugin(self, tmp_path):
        async with opened(file_connector) as connector:
            yield Files(connector, tmp_path)


class TestData(ManifestSuite):
    @pytest.fixture
    async def plugin(self, tmp_path):
        async with opened(data_connector) as connector:
            yield Subject(connector, tmp_path)


class Shell(Subject):
    action = "shell.exec"

    def __init__(self, connector, folder):
        super().__init__(connector, folder)
        self.settings |= {"output_max": 1 << 20, "shell_env": ()}

    def slow(self):
        return {"command": "sleep 100"}


class TestShell(ManifestSuite, CancelSuite):
    @pytest.fixture
    async def plugin(self, tmp_path):
        async with opened(shell_connector) as connector:
            yield Shell(connector, tmp_path)
