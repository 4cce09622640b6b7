"""The file trigger on real folders, with the real hints of the operating system."""

import asyncio
import os
import shutil
import socket
from pathlib import Path

import pytest

from reactor.connectors.file import scan, watching
from reactor.connectors.file.trigger import FileTrigger
from reactor.testing.triggers import TriggerBench

SETTLE = "150ms"


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watching, "ROOT_CHECK", 0.2)
    monkeypatch.setattr(watching, "REOPEN", 0.1)
    monkeypatch.setattr(watching, "WITHOUT_HINTS", 0.3)


def make(path, settings=None, **config):
    bench = TriggerBench(FileTrigger(), {"path": str(path), "settle": SETTLE, **config}, settings=settings)
    assert bench.problems == []
    return bench


async def armed(bench):
    await bench.until(lambda b: b.state() == "armed")


def told(bench, *keys):
    """(change, name) of each event."""
    return [(draft.type.removeprefix("file."), draft.data["name"]) for draft in bench.drafts]


async def quiet(bench, seconds=0.4):
    """Nothing more comes. Time that passes without an event cannot be waited for otherwise."""
    before = len(bench.drafts)
    await asyncio.sleep(seconds)
    assert told(bench)[before:] == []


@pytest.mark.proves("on.file")
async def test_created_modified_moved_deleted(inbox):
    async with make(inbox) as bench:
        await armed(bench)
        file = inbox / "a.csv"
        file.write_text("x")
        await bench.until(lambda b: len(b.drafts) == 1)
        file.write_text("xyz")
        await bench.until(lambda b: len(b.drafts) == 2)
        file.rename(inbox / "b.csv")
        await bench.until(lambda b: len(b.drafts) == 3)
        (inbox / "b.csv").unlink()
        await bench.until(lambda b: len(b.drafts) == 4)
    assert told(bench) == [("created", "a.csv"), ("modified", "a.csv"), ("moved", "b.csv"), ("deleted", "b.csv")]
    created, modified, moved, deleted = (draft.data for draft in bench.drafts)
    assert created == {
        "path": str(file),
        "name": "a.csv",
        "dir": str(inbox),
        "extension": ".csv",
        "size": 1,
        "modified": created["modified"],
        "change": "created",
    }
    assert modified["size"] == 3
    assert moved["old_path"] == str(file)
    assert deleted["size"] == 3
    assert bench.drafts[0].metadata == {**created, "operation": "CREATE"}
    assert [key for key in bench.saved() if key != "snapshot"] == []


@pytest.mark.proves("on.file.{path,changes}")
async def test_patterns_choose_and_existing_files_are_left_alone(inbox):
    (inbox / "old.csv").write_text("old")
    (inbox / "deep" / "er").mkdir(parents=True)
    async with make(inbox / "**" / "*.{csv,tsv}", changes=["created"]) as bench:
        await armed(bench)
        (inbox / "a.txt").write_text("no")
        (inbox / "deep" / "er" / "b.tsv").write_text("yes")
        (inbox / "c.csv").write_text("yes")
        await bench.until(lambda b: len(b.drafts) == 2)
        await quiet(bench)
    assert sorted(told(bench)) == [("created", "b.tsv"), ("created", "c.csv")]


async def test_a_folder_means_what_is_directly_in_it(inbox):
    (inbox / "sub").mkdir()
    async with make(inbox) as bench:
        await armed(bench)
        (inbox / "sub" / "no").write_text("x")
        (inbox / "yes").write_text("x")
        await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == [("created", "yes")]


@pytest.mark.proves("on.file.existing")
async def test_existing_files_can_be_processed_once(inbox):
    (inbox / "a").write_text("1")
    (inbox / "b").write_text("2")
    bench = make(inbox, existing="process")
    async with bench:
        await bench.until(lambda b: len(b.drafts) == 2)
    async with bench.again() as later:
        await armed(later)
        await quiet(later)
    assert later.duplicates == []


async def test_what_happened_while_down_is_found(inbox):
    for name in ("stays", "goes", "changes", "moves"):
        (inbox / name).write_text(name)
    bench = make(inbox)
    async with bench:
        await armed(bench)
    assert bench.drafts == []
    (inbox / "goes").unlink()
    (inbox / "changes").write_text("something else")
    (inbox / "moves").rename(inbox / "moved")
    (inbox / "comes").write_text("new")
    async with bench.again() as later:
        await later.until(lambda b: len(b.drafts) == 4)
    assert sorted(told(later)) == [
        ("created", "comes"),
        ("deleted", "goes"),
        ("modified", "changes"),
        ("moved", "moved"),
    ]
    async with later.again() as third:
        await armed(third)
        await quiet(third)


async def test_a_new_pattern_does_not_flood(inbox):
    (inbox / "a.csv").write_text("1")
    (inbox / "b.txt").write_text("2")
    bench = make(inbox / "*.csv")
    async with bench:
        await armed(bench)
    (inbox / "c.csv").write_text("while down")
    changed = bench.again(FileTrigger.config(path=[str(inbox / "*.csv"), str(inbox / "*.txt")], settle=SETTLE))
    async with changed:
        await changed.until(lambda b: b.drafts)
        await quiet(changed)
        assert told(changed) == [("created", "c.csv")]
        (inbox / "b.txt").unlink()
        await changed.until(lambda b: len(b.drafts) == 2)
    fewer = changed.again(FileTrigger.config(path=str(inbox / "*.txt"), settle=SETTLE))
    async with fewer:
        await armed(fewer)
        await quiet(fewer)
    assert [key for key in fewer.saved() if key != "snapshot"] == []


@pytest.mark.proves("on.file.{settle,content}")
async def test_a_slowly_written_file_is_told_once_and_whole(inbox):
    async with make(inbox, settle="400ms", content="text") as bench:
        await armed(bench)
        with (inbox / "slow").open("w") as file:
            for number in range(8):
                file.write(f"line {number}\n")
                file.flush()
                await asyncio.sleep(0.1)
        assert bench.drafts == []
        await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == [("created", "slow")]
    assert bench.drafts[0].data["content"].endswith("line 7\n")


async def test_a_file_that_comes_and_goes_gives_nothing(inbox):
    async with make(inbox, settle="500ms") as bench:
        await armed(bench)
        (inbox / "ghost").write_text("boo")
        await asyncio.sleep(0.1)
        (inbox / "ghost").unlink()
        await quiet(bench, 0.8)


async def test_replacing_a_file_by_rename_is_a_modification(inbox):
    (inbox / "config").write_text("old")
    async with make(inbox / "config*") as bench:
        await armed(bench)
        temporary = inbox / ".tmp"
        temporary.write_text("new!")
        temporary.rename(inbox / "config")
        await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == [("modified", "config")]


async def test_a_folder_moved_in_renamed_and_moved_out(inbox, tmp_path):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    for name in ("1", "2", "sub/3"):
        (outside / name).write_text(name)
    async with make(inbox / "**") as bench:
        await armed(bench)
        outside.rename(inbox / "in")
        await bench.until(lambda b: len(b.drafts) == 3)
        assert sorted(told(bench)) == [("created", "1"), ("created", "2"), ("created", "3")]
        (inbox / "in").rename(inbox / "renamed")
        await bench.until(lambda b: len(b.drafts) == 6)
        assert sorted(told(bench)[3:]) == [("moved", "1"), ("moved", "2"), ("moved", "3")]
        (inbox / "renamed" / "sub" / "4").write_text("new")
        await bench.until(lambda b: len(b.drafts) == 7)
        (inbox / "renamed").rename(outside)
        await bench.until(lambda b: len(b.drafts) == 11)
        assert {kind for kind, _ in told(bench)[7:]} == {"deleted"}


async def test_a_root_that_is_removed_and_made_again(inbox):
    (inbox / "a").write_text("1")
    async with make(inbox) as bench:
        await armed(bench)
        shutil.rmtree(inbox)
        await bench.until(lambda b: b.state() == "lost", 5)
        assert bench.states[-1][1] == f"{inbox} does not exist; create it"
        inbox.mkdir()
        (inbox / "b").write_text("2")
        await bench.until(lambda b: b.state() == "armed")
        await bench.until(lambda b: len(b.drafts) == 2)
        (inbox / "c").write_text("3")
        await bench.until(lambda b: len(b.drafts) == 3)
    assert sorted(told(bench)) == [("created", "b"), ("created", "c"), ("deleted", "a")]


async def test_a_root_that_is_swapped_without_a_gap(inbox, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b").write_text("2")
    async with make(inbox) as bench:
        await armed(bench)
        inbox.rename(tmp_path / "away")
        other.rename(inbox)
        await bench.until(lambda b: any(state == "lost" for state, _ in b.states), 5)
        await bench.until(lambda b: told(b) == [("created", "b")])
        (inbox / "c").write_text("3")
        await bench.until(lambda b: len(b.drafts) == 2)


async def test_a_root_that_is_not_there_yet(tmp_path):
    async with make(tmp_path / "later" / "*.csv") as bench:
        await bench.until(lambda b: b.state() == "lost")
        assert "does not exist; create it" in bench.states[-1][1]
        (tmp_path / "later").mkdir()
        await armed(bench)
        (tmp_path / "later" / "a.csv").write_text("x")
        await bench.until(lambda b: b.drafts)


async def test_an_unmounted_root_does_not_delete_everything(inbox, monkeypatch):
    for number in range(20):
        (inbox / str(number)).write_text("x")
    bench = make(inbox)
    async with bench:
        await armed(bench)
    hidden = inbox.with_name("disk")
    inbox.rename(hidden)
    inbox.mkdir()
    real = scan.identity
    with monkeypatch.context() as patch:
        patch.setattr(scan, "identity", lambda root: (real(root)[0] + 1, real(root)[1]))
        later = bench.again()
        async with later:
            await later.until(lambda b: b.state() == "lost")
            assert "is it mounted?" in later.states[-1][1]
            await quiet(later)
    inbox.rmdir()
    hidden.rename(inbox)
    async with later.again() as third:
        await armed(third)
        await quiet(third)


async def test_a_root_that_cannot_be_read_is_said(inbox, monkeypatch):
    def refuse(root):
        raise PermissionError(13, "Permission denied")

    async with make(inbox) as bench:
        await armed(bench)
        with monkeypatch.context() as patch:
            patch.setattr(scan, "identity", refuse)
            await bench.until(lambda b: b.state() == "lost")
            assert bench.states[-1][1] == f"{inbox} cannot be read: Permission denied; check its rights"
        await armed(bench)


async def test_a_forbidden_subfolder_deletes_nothing(inbox, monkeypatch):
    (inbox / "closed").mkdir()
    (inbox / "closed" / "a").write_text("1")
    bench = make(inbox / "**")
    async with bench:
        await armed(bench)
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    async with bench.again() as later:
        await armed(later)
        (inbox / "b").write_text("2")
        await later.until(lambda b: b.drafts)
        await quiet(later)
    assert told(later) == [("created", "b")]
    assert [value for state, value in later.states if state == "error"] == [
        f"{inbox}/closed cannot be read: Permission denied"
    ]


async def test_hostile_names_and_things_that_are_no_files(inbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    odd_path = Path(os.fsdecode(os.fsencode(inbox) + b"/\xff\xfe.csv"))
    short = os.path.relpath(inbox / "sock")  # noqa: ASYNC240
    os.mkfifo(inbox / "pipe")
    (inbox / "loop").symlink_to(".")
    (inbox / "out").symlink_to(tmp_path)
    async with make(inbox / "**", content="text") as bench:
        await armed(bench)
        (inbox / "peek").symlink_to(secret)
        os.mkfifo(inbox / "pipe2")
        odd_path.write_text("bytes")  # noqa: ASYNC240
        (inbox / "new\nline; rm -rf ~").write_text("x")
        (inbox / "plain").write_text("x")
        (inbox / "alias").symlink_to("plain")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(short)
            await bench.until(lambda b: len(b.drafts) == 4)
            await quiet(bench)
    names = sorted(name for _, name in told(bench))
    assert names == ["\\xff\\xfe.csv", "alias", "new\nline; rm -rf ~", "plain"]
    odd = next(draft.data for draft in bench.drafts if draft.data["name"].startswith("\\xff"))
    assert odd["path_bytes"]
    assert odd["content"] == "bytes"
    async with bench.again() as later:
        await armed(later)
        await quiet(later)
        odd_path.unlink()  # noqa: ASYNC240
        await later.until(lambda b: b.drafts)
        assert told(later) == [("deleted", "\\xff\\xfe.csv")]


async def test_without_hints_it_looks_by_itself(inbox, monkeypatch):
    def broken(roots, recursive):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watching, "REOPEN", 60.0)
    monkeypatch.setattr("reactor.connectors.file.watch._open", broken)
    async with make(inbox) as bench:
        await bench.until(lambda b: b.state() == "lagging")
        assert "OS file watch limit reached" in bench.states[-1][1]
        (inbox / "a").write_text("x")
        await bench.until(lambda b: b.drafts)
    assert told(bench) == [("created", "a")]


@pytest.mark.proves("on.file.content")
async def test_content_as_json_and_csv(inbox):
    async with make(inbox / "*.json", content="json") as bench:
        await armed(bench)
        (inbox / "good.json").write_text('{"total": 3}')
        (inbox / "bad.json").write_text('{"total": ')
        (inbox / "big.json").write_bytes(b" " * 1_048_577)
        await bench.until(lambda b: len(b.drafts) == 3)
    data = {draft.data["name"]: draft.data for draft in bench.drafts}
    assert data["good.json"]["content"] == {"total": 3}
    assert data["bad.json"]["content"] is None
    assert data["bad.json"]["content_error"].startswith("not json: ")
    assert "at most 1048576" in data["big.json"]["content_error"]
    assert len([1 for state, _ in bench.states if state == "error"]) == 2
    async with make(inbox / "*.csv", content="csv") as other:
        await armed(other)
        (inbox / "a.csv").write_text("id,name\n1,Ann\n2,Bo\n")
        await other.until(lambda b: b.drafts)
    assert other.drafts[0].data["content"] == [{"id": "1", "name": "Ann"}, {"id": "2", "name": "Bo"}]


async def test_a_busy_door_and_a_crash_lose_and_double_nothing(inbox):
    bench = make(inbox)
    async with bench:
        await armed(bench)
        bench.busy = 3
        (inbox / "a").write_text("x")
        await bench.until(lambda b: b.drafts)
        assert ("lagging", "the door is busy; changes of files wait") in bench.states
        assert bench.state() == "armed"
    (inbox / "b").write_text("x")

    def crash(drafts):
        if drafts:
            raise RuntimeError("power cut")

    later = bench.again()
    later.before_commit = crash
    with pytest.raises(RuntimeError, match="power cut"):
        async with later:
            await later.until(lambda b: b.drafts)
    third = later.again()
    third.after_commit = crash
    with pytest.raises(RuntimeError, match="power cut"):
        async with third:
            await third.until(lambda b: len(b.drafts) == 2)
    assert told(third) == [("created", "b")]
    async with third.again() as fourth:
        await armed(fourth)
        await quiet(fourth)
    assert fourth.duplicates == []


async def test_two_flows_on_one_folder_both_hear(inbox):
    first, second = make(inbox), make(inbox)
    second.key = "other/0"
    async with first, second:
        await armed(first)
        await armed(second)
        (inbox / "a").write_text("x")
        await first.until(lambda b: b.drafts)
        await second.until(lambda b: b.drafts)
    assert first.drafts[0].id != second.drafts[0].id


async def test_a_file_that_comes_back_as_it_was_is_told_again(inbox, tmp_path):
    file, away = inbox / "a", tmp_path / "a"
    async with make(inbox) as bench:
        await armed(bench)
        file.write_text("x")
        for count in (2, 4):
            await bench.until(lambda b, count=count: len(b.drafts) == count - 1)
            file.rename(away)
            await bench.until(lambda b, count=count: len(b.drafts) == count)
            away.rename(file)
        await bench.until(lambda b: len(b.drafts) == 5)
    assert [kind for kind, _ in told(bench)] == ["created", "deleted", "created", "deleted", "created"]
    assert bench.duplicates == []


async def test_five_thousand_files(inbox):
    async with make(inbox / "**", settle="300ms") as bench:
        await armed(bench)

        def flood():
            for number in range(5_000):
                folder = inbox / str(number % 50)
                folder.mkdir(exist_ok=True)
                (folder / f"{number}.txt").write_text(str(number))

        await asyncio.to_thread(flood)
        await bench.until(lambda b: len(b.drafts) >= 5_000, 20)
        await quiet(bench)
        assert len({draft.data["path"] for draft in bench.drafts}) == 5_000
        assert {draft.type for draft in bench.drafts} == {"file.created"}
        assert max(count for _, count in bench.emitted) <= watching.BATCH
        await asyncio.to_thread(shutil.rmtree, inbox / "7")
        await bench.until(lambda b: len(b.drafts) >= 5_100, 20)
    assert {draft.type for draft in bench.drafts[5_000:]} == {"file.deleted"}
    assert len(bench.drafts) == 5_100


@pytest.fixture
def data(inbox):
    """Reactor's own folder, below the watched one."""
    folder = inbox / ".reactor"
    (folder / "files").mkdir(parents=True)
    (folder / "token").write_text("secret")
    return folder


@pytest.mark.parametrize("pattern", ["**", "**/*", "*/*", ".react?r/**", "{.reactor,in}/*"])
async def test_the_data_folder_is_passed_over(inbox, data, pattern):
    (inbox / "in").mkdir()
    settings = {"data_dir": data, "file_roots": (str(inbox), str(data / "files"))}
    async with make(inbox / pattern, settings, existing="process", content="text") as bench:
        await armed(bench)
        (data / "secret.key").write_text("x")
        (data / "token").write_text("secret 2")
        (data / "blobs").mkdir()
        (data / "blobs" / "a").write_text("x")
        (inbox / "in" / "peek").symlink_to(data / "token")
        if "react?r" not in pattern:
            (inbox / "in" / "mine").write_text("x")
            await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == ([("created", "mine")] if "react?r" not in pattern else [])


async def test_the_data_folder_is_passed_over_behind_a_link_and_without_hints(inbox, data, tmp_path, monkeypatch):
    def broken(roots, recursive):
        raise OSError("no inotify")

    monkeypatch.setattr("reactor.connectors.file.watch._open", broken)
    (tmp_path / "alias").symlink_to(inbox)
    async with make(tmp_path / "alias" / "**", {"data_dir": data}, existing="process") as bench:
        (data / "secret.key").write_text("x")
        (inbox / "mine").write_text("x")
        await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == [("created", "mine")]


@pytest.mark.parametrize("path", [".reactor", ".reactor/*", ".reactor/token", ".reactor/blobs/**", "way/*", "x/../way"])
async def test_watching_the_data_folder_is_refused(inbox, data, path):
    (data / "blobs").mkdir()
    (inbox / "way").symlink_to(data)
    async with make(f"{inbox}/{path}", {"data_dir": data, "file_roots": (str(inbox),)}) as bench:
        await bench.until(lambda b: b.state() == "lost")
    reason = bench.states[-1][1]
    assert "data folder" in reason
    assert "REACTOR_FILE_ROOTS" in reason


async def test_a_root_in_the_data_folder_is_watched(inbox, data):
    settings = {"data_dir": data, "file_roots": (str(inbox), str(data / "files"))}
    async with make(data / "files", settings) as bench:
        await armed(bench)
        (data / "files" / "a").write_text("x")
        (data / "token").write_text("secret 2")
        await bench.until(lambda b: b.drafts)
        await quiet(bench)
    assert told(bench) == [("created", "a")]


async def test_what_was_seen_of_the_data_folder_before_is_forgotten_in_silence(inbox, data):
    elsewhere = {"data_dir": inbox / "other"}
    async with make(inbox / "**", elsewhere, existing="process") as bench:
        await bench.until(lambda b: b.drafts)
    later = bench.again()
    later.settings = {"data_dir": data}
    async with later:
        await armed(later)
        await quiet(later)
    assert told(bench) == [("created", "token")]
    assert told(later) == []
