import asyncio
import hashlib
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reactor.engine.flows import FlowBook
from reactor.engine.folder import Folder
from reactor.language.problems import Problem
from reactor.model.errors import InvalidError, StoreBusyError
from reactor.model.flow import Flow


class FakeClock:
    def now(self):
        return 1_700_000_000_000


class FakeStore:
    """Versions in a dict."""

    def __init__(self):
        self.kept = {}
        self.busy = False

    async def versions(self, flow=None):
        found = [v for key, v in sorted(self.kept.items()) if flow is None or key[0] == flow]
        return found if flow is not None else [v for v in found if v.current]

    async def version(self, flow, version):
        return self.kept.get((flow, version))

    async def add_version(self, version):
        if self.busy:
            raise StoreBusyError("the disk is full")
        self.kept[version.flow, version.version] = version


def load(text, file):
    """A language in one line: the flow's name; a `!` anywhere is an error."""
    if "!" in text:
        problem = Problem(rule="test", file=file, message="a ! is not allowed")
        return SimpleNamespace(flow=None, problems=[problem], name=None, calls=())
    name = text.split()[0]
    digest = hashlib.sha256(text.encode()).hexdigest()
    return SimpleNamespace(flow=Flow(name=name, source=text, digest=digest, file=file), problems=[], calls=())


def _no_inputs(schema, values):
    return dict(values), []


class Bench:
    def __init__(self, root, store: Any = None):
        self.root = root
        self.store = cast("Any", store or FakeStore())
        self.book = FlowBook(self.store, FakeClock(), lambda text, file: load(text, file).flow, _no_inputs, {})
        self.folder = Folder(root, self.book, load, shown="flows", every=0.2)

    async def open(self):
        await self.book.open()
        await self.folder.open()
        return self

    def flows(self):
        return {name: (flow.version, flow.file) for name, flow in self.book.current.items()}

    def messages(self):
        return [f"{problem.file}: {problem.message}" for problem in self.folder.problems]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "a.yaml").write_text("a one")
    return folder


async def test_it_reads_the_folder_with_all_below_and_nothing_else(root):
    (root / "sub").mkdir()
    (root / "sub" / "b.yml").write_text("b")
    for other in ("c.txt", ".d.yaml", "#e.yaml#", "f.yaml~", ".g.yaml.swp", "h.test.yaml", "i.yaml.tmp", "_j.yaml"):
        (root / other).write_text("x")
    (root / ".git").mkdir()
    (root / ".git" / "j.yaml").write_text("j")
    (root / "sub" / "up").symlink_to(root)
    bench = await Bench(root).open()
    assert bench.flows() == {"a": (1, "flows/a.yaml"), "b": (1, "flows/sub/b.yml")}
    assert bench.messages() == []


async def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InvalidError, match="is not there"):
        await Bench(tmp_path / "none").open()
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidError, match="is not a folder"):
        await Bench(tmp_path / "file").open()


async def test_a_changed_file_is_the_next_version_and_a_new_one_a_new_flow(root):
    bench = await Bench(root).open()
    (root / "a.yaml").write_text("a two")
    (root / "b.yaml").write_text("b")
    await bench.folder.sync()
    assert bench.flows() == {"a": (2, "flows/a.yaml"), "b": (1, "flows/b.yaml")}
    (root / "a.yaml").write_text("a one")
    await bench.folder.sync()
    assert bench.flows()["a"] == (1, "flows/a.yaml")


async def test_a_broken_file_keeps_the_version_before_and_says_so(root):
    bench = await Bench(root).open()
    (root / "a.yaml").write_text("a !")
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/a.yaml")}
    assert bench.messages() == ["flows/a.yaml: a ! is not allowed"]
    again = await Bench(root, bench.store).open()
    assert again.flows() == {"a": (1, "flows/a.yaml")}, "after a restart too"
    (root / "a.yaml").write_text("a two")
    await again.folder.sync()
    assert again.flows() == {"a": (2, "flows/a.yaml")}
    assert again.messages() == []


async def test_a_removed_file_takes_its_flow_along_also_while_nobody_looked(root):
    (root / "b.yaml").write_text("b")
    bench = await Bench(root).open()
    (root / "b.yaml").unlink()
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/a.yaml")}
    (root / "a.yaml").unlink()
    assert (await Bench(root, bench.store).open()).flows() == {}


async def test_a_flow_made_through_the_api_is_not_the_folders(root):
    bench = Bench(root)
    await bench.book.take(load("api", None).flow)
    await bench.open()
    assert bench.flows()["api"] == (1, None)
    (root / "c.yaml").write_text("api other")
    await bench.folder.sync()
    assert bench.flows()["api"] == (1, None)
    assert "made through the API" in bench.messages()[0]


async def test_a_renamed_file_keeps_its_flow_and_version(root):
    bench = await Bench(root).open()
    told = []
    bench.book.on_change.append(lambda name, flow: told.append((name, flow and flow.file)))
    (root / "a.yaml").rename(root / "z.yaml")
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/z.yaml")}
    assert told == [("a", "flows/z.yaml")]


async def test_a_flow_renamed_inside_its_file_is_another_flow(root):
    bench = await Bench(root).open()
    (root / "a.yaml").write_text("b")
    await bench.folder.sync()
    assert bench.flows() == {"b": (1, "flows/a.yaml")}


async def test_two_files_with_one_name_are_refused_naming_both_until_it_is_mended(root):
    (root / "b.yaml").write_text("a other")
    bench = await Bench(root).open()
    assert bench.flows() == {}
    assert len(bench.messages()) == 2
    assert all("flows/a.yaml" in line and "flows/b.yaml" in line for line in bench.messages())
    (root / "b.yaml").write_text("b")
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/a.yaml"), "b": (1, "flows/b.yaml")}
    assert bench.messages() == []


async def test_the_file_that_was_first_stays_the_one(root):
    bench = await Bench(root).open()
    (root / "b.yaml").write_text("a other")
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/a.yaml")}
    assert [problem.file for problem in bench.folder.problems] == ["flows/b.yaml"]
    (root / "a.yaml").unlink()
    await bench.folder.sync()
    assert bench.flows() == {"a": (2, "flows/b.yaml")}


async def test_a_folder_that_vanishes_is_told_and_recovered(root, tmp_path):
    bench = await Bench(root).open()
    root.rename(tmp_path / "away")
    await bench.folder.sync()
    await bench.folder.sync()
    assert bench.flows() == {"a": (1, "flows/a.yaml")}
    assert ["is not there" in line for line in bench.messages()] == [True]
    (tmp_path / "away" / "a.yaml").write_text("a two")
    (tmp_path / "away").rename(root)
    await bench.folder.sync()
    assert bench.messages() == []
    assert bench.flows() == {"a": (2, "flows/a.yaml")}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_files_and_folders_that_may_not_be_read_stay_as_they_were(root):
    (root / "sub").mkdir()
    (root / "sub" / "b.yaml").write_text("b")
    bench = await Bench(root).open()
    (root / "sub").chmod(0)
    (root / "a.yaml").chmod(0)
    await bench.folder.sync()
    assert sorted(bench.flows()) == ["a", "b"]
    assert len(bench.messages()) == 2
    (root / "sub").chmod(0o700)
    (root / "a.yaml").chmod(0o600)
    await bench.folder.sync()
    assert bench.messages() == []


async def test_what_is_no_text_is_named(root):
    (root / "b.yaml").write_bytes(b"b \xff")
    (root / "c.yaml").write_bytes(b"c " * (2 << 20))
    os.mkfifo(root / "d.yaml")
    (root / "e.yaml").write_bytes(b"\xef\xbb\xbfe")
    bench = await Bench(root).open()
    assert sorted(bench.flows()) == ["a", "e"]
    assert bench.messages() == [
        "flows/b.yaml: it is not UTF-8 text (byte 2)",
        "flows/c.yaml: it is larger than 2 MB",
        "flows/d.yaml: it is no plain file",
    ]


async def test_a_store_that_is_busy_is_tried_again(root):
    bench = await Bench(root).open()
    bench.folder.start()
    bench.store.busy = True
    (root / "a.yaml").write_text("a two")
    await bench.folder.sync()
    assert bench.flows()["a"] == (1, "flows/a.yaml")
    bench.store.busy = False
    await bench.folder.sync()
    assert bench.flows()["a"] == (2, "flows/a.yaml")
    await bench.folder.stop()


async def test_it_follows_by_itself_also_when_the_folder_is_replaced(root, tmp_path):
    bench = await Bench(root).open()
    bench.folder.start()
    try:
        (root / "b.yaml").write_text("b")
        await _until(lambda: "b" in bench.flows())
        root.rename(tmp_path / "old")
        root.mkdir()
        (root / "c.yaml").write_text("c")
        await _until(lambda: sorted(bench.flows()) == ["c"])
    finally:
        await bench.folder.stop()
        await bench.folder.stop()


async def test_a_file_that_is_being_written_waits(root):
    bench = await Bench(root).open()
    writing = True

    async def write():
        count = 0
        while writing:
            count += 1
            (root / "b.yaml").write_text("b " + "x" * count)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(write())
    (root / "c.yaml").write_text("c")
    await bench.folder.sync()
    assert sorted(bench.flows()) == ["a", "c"]
    writing = False
    await task
    await bench.folder.sync()
    assert sorted(bench.flows()) == ["a", "b", "c"]


async def _until(holds, timeout=5.0):
    async with asyncio.timeout(timeout):
        while not holds():
            await asyncio.sleep(0.02)
