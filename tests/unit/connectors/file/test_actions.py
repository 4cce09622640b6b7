"""The actions on files, above all what they refuse."""

import errno
import logging
import os
import stat as st

import msgspec
import pytest

from reactor.connectors.file import actions, confine, store
from reactor.model.clock import SystemClock
from reactor.sdk import ActionContext, Effect, PermanentError, TransientError


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "allowed"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    monkeypatch.chdir(folder)
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


async def call(action, root, /, settings=None, **params):
    ctx = ActionContext(
        run_id="run_1",
        flow="flow",
        step="step",
        attempt=1,
        idempotency_key="key",
        log=logging.getLogger("test"),
        clock=SystemClock(),
        settings={"file_roots": (str(root),), "data_dir": root / ".reactor", **(settings or {})},
    )
    return await action.handler(ctx, msgspec.convert(params, action.params))


async def refused(kind, action, root, /, settings=None, **params):
    with pytest.raises(PermanentError) as caught:
        await call(action, root, settings, **params)
    assert caught.value.kind == kind, caught.value
    return caught.value.message


@pytest.mark.proves("file.read.path", "file.write.{path,content}")
async def test_write_then_read(root):
    written = await call(actions.write, root, path="deep/er/a.txt", content="Grüße")
    assert written == {"path": f"{root}/deep/er/a.txt", "size": 7, "modified": written["modified"]}
    assert (await call(actions.read, root, path="deep/er/a.txt")) == {**written, "content": "Grüße"}
    assert names_in(root / "deep" / "er") == ["a.txt"]


@pytest.mark.proves("file.{read,write}.{format,encoding}")
async def test_formats(root):
    await call(actions.write, root, path="a.json", content={"b": [1, None]})
    assert (await call(actions.read, root, path="a.json", format="json"))["content"] == {"b": [1, None]}
    await call(actions.write, root, path="a.bin", content="AP/+", format="base64")
    assert (root / "a.bin").read_bytes() == b"\x00\xff\xfe"
    assert (await call(actions.read, root, path="a.bin", format="base64"))["content"] == "AP/+"
    await call(actions.write, root, path="a.csv", content="\ufeffid,n\n1,x\n2,y,z\n")
    assert (await call(actions.read, root, path="a.csv", format="csv"))["content"] == [
        {"id": "1", "n": "x"},
        {"id": "2", "n": "y", "_more": ["z"]},
    ]
    await call(actions.write, root, path="latin", content="é", encoding="latin-1")
    assert (root / "latin").read_bytes() == b"\xe9"
    await refused("file.content", actions.read, root, path="a.bin")
    await refused("file.content", actions.read, root, path="latin", format="json", encoding="nonsense")
    await refused("file.content", actions.read, root, path="a.csv", format="json")
    await refused("file.content", actions.write, root, path="x", content="not base64", format="base64")
    await refused("file.content", actions.write, root, path="x", content="€", encoding="latin-1")


@pytest.mark.proves("file.write.{mode,make_dirs}")
async def test_modes(root):
    await call(actions.write, root, path="a", content="1", mode="create")
    message = await refused("file.exists", actions.write, root, path="a", content="2", mode="create")
    assert message == "a exists already"
    await call(actions.write, root, path="a", content="3", mode="append")
    (root / "a").chmod(0o640)
    assert (root / "a").read_text() == "13"
    await call(actions.write, root, path="a", content="4")
    assert (root / "a").read_text() == "4"
    assert st.S_IMODE((root / "a").stat().st_mode) == 0o640
    await refused("file.not_found", actions.write, root, path="no/a", content="x", make_dirs=False)


async def test_what_a_crash_left_behind_is_replaced(root, monkeypatch):
    def crash(handle, raw):
        os.write(handle, b"ha")
        raise KeyboardInterrupt

    (root / "a").write_text("before")
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_all", crash)
        patch.setattr(store, "_discard", lambda place: None)
        with pytest.raises(KeyboardInterrupt):
            await call(actions.write, root, path="a", content="half")
    assert (root / "a").read_text() == "before"
    assert len(names_in(root)) == 2
    await call(actions.write, root, path="a", content="whole")
    assert names_in(root) == ["a"]
    assert (root / "a").read_text() == "whole"


@pytest.mark.proves("file.read.max_size")
async def test_read_limits(root):
    (root / "big").write_bytes(b"x" * 100)
    await refused("file.too_large", actions.read, root, path="big", max_size=99)
    assert (await call(actions.read, root, path="big", max_size=100))["size"] == 100
    await refused("file.not_found", actions.read, root, path="none")
    await refused("file.not_found", actions.read, root, path="big/none")
    await refused("file.not_a_file", actions.read, root, path=".")
    os.mkfifo(root / "pipe")
    await refused("file.not_a_file", actions.read, root, path="pipe")
    await refused("file.not_a_file", actions.write, root, path="pipe", content="x")


@pytest.mark.parametrize(
    "path",
    ["../secret", "/etc/passwd", "a/../../secret", "..", "/", "link", "folder/secret", "a\0b", "", "x" * 5_000],
)
async def test_nothing_outside_is_touched(root, path):
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    (root / "a").mkdir()
    (root / "mine").write_text("x")
    kind = "file.invalid" if path.startswith("x") else "file.outside"
    await refused(kind, actions.read, root, path=path)
    await refused(kind, actions.write, root, path=path, content="x")
    await refused(kind, actions.write, root, path=path, content="x", mode="append")
    await refused(kind, actions.copy, root, path=path, to="b")
    if path != "link":  # the link itself is ours
        await refused(kind, actions.copy, root, path="mine", to=path)
        await refused(kind, actions.move, root, path="mine", to=path)
        await refused(kind, actions.delete, root, path=path)
        await refused(kind, actions.move, root, path=path, to="b")
    if path:
        await refused(kind, actions.list_files, root, path=path)
    assert (root.parent / "secret").read_text() == "secret"
    assert names_in(root.parent) == ["allowed", "secret"]


async def test_links_inside_are_followed_and_links_themselves_moved(root):
    (root / "real").mkdir()
    (root / "real" / "a").write_text("1")
    (root / "way").symlink_to("real")
    (root / "alias").symlink_to("real/a")
    assert (await call(actions.read, root, path="way/a"))["content"] == "1"
    await call(actions.write, root, path="alias", content="2")
    assert (root / "alias").is_symlink()
    assert (root / "real" / "a").read_text() == "2"
    await call(actions.move, root, path="alias", to="other")
    assert (root / "other").is_symlink()
    await call(actions.delete, root, path="other")
    assert (root / "real" / "a").exists()


async def test_a_folder_swapped_for_a_link_after_the_check_is_refused(root, monkeypatch):
    (root / "sub").mkdir()
    descend = confine._descend

    def swapped(start, parts, *, make):
        (root / "sub").rmdir()
        (root / "sub").symlink_to(root.parent)
        return descend(start, parts, make=make)

    monkeypatch.setattr(confine, "_descend", swapped)
    await refused("file.not_found", actions.read, root, path="sub/secret")


async def test_a_file_swapped_for_a_link_after_the_check_is_refused(root, monkeypatch):
    (root / "a").write_text("x")
    descend = confine._descend

    def swapped(start, parts, *, make):
        (root / "a").unlink()
        (root / "a").symlink_to(root.parent / "secret")
        return descend(start, parts, make=make)

    monkeypatch.setattr(confine, "_descend", swapped)
    await refused("file.outside", actions.read, root, path="a")
    (root / "a").unlink()
    (root / "a").write_text("x")
    await refused("file.outside", actions.write, root, path="a", content="x", mode="append")
    assert (root.parent / "secret").read_text() == "secret"


@pytest.fixture
def data(root):
    """Reactor's own folder where it is by default: in the working directory, which is a root."""
    (root / ".reactor" / "files").mkdir(parents=True)
    (root / ".reactor" / "token").write_text("secret")
    (root / "mine").write_text("x")
    (root / "folder").mkdir()
    (root / "way").symlink_to(".reactor")
    (root / "key").symlink_to(".reactor/token")
    (root / "folder" / "way").symlink_to("../way")
    return root / ".reactor"


@pytest.mark.parametrize(
    "path",
    [
        ".reactor/token",
        "./.reactor//token",
        "folder/../.reactor/token",
        ".reactor/files/../token",
        "../allowed/.reactor/token",
        "way/token",
        "folder/way/token",
        "way/../.reactor/token",
        "/proc/self/cwd/.reactor/token",
        ".reactor/new",
        ".reactor",
    ],
)
async def test_the_data_folder_is_closed(root, data, path):
    message = await refused("file.outside", actions.read, root, path=path)
    assert path in message
    assert "data folder" in message
    assert "REACTOR_FILE_ROOTS" in message
    await refused("file.outside", actions.write, root, path=path, content="x")
    await refused("file.outside", actions.write, root, path=path, content="x", mode="append")
    await refused("file.outside", actions.delete, root, path=path, missing_ok=True)
    for action in (actions.copy, actions.move):
        await refused("file.outside", action, root, path=path, to="stolen")
        await refused("file.outside", action, root, path="mine", to=path, overwrite=True)
        await refused("file.outside", action, root, path="mine", to=f"{path}/", overwrite=True)
    await refused("file.outside", actions.list_files, root, path=path)
    await refused("file.outside", actions.list_files, root, path=f"{path}/**")
    assert (data / "token").read_text() == "secret"
    assert names_in(data) == ["files", "token"]


async def test_a_link_into_the_data_folder(root, data):
    await refused("file.outside", actions.read, root, path="key")
    await refused("file.outside", actions.write, root, path="key", content="x")
    await refused("file.outside", actions.copy, root, path="key", to="b")
    await refused("file.outside", actions.copy, root, path="mine", to="way/")
    await call(actions.move, root, path="key", to="renamed")  # the link itself is ours
    await refused("file.outside", actions.read, root, path="renamed")
    await call(actions.delete, root, path="renamed")
    await call(actions.delete, root, path="way")
    assert (data / "token").read_text() == "secret"


async def test_a_root_in_the_data_folder_is_open(root, data):
    settings = {"file_roots": (str(root), str(data / "files"))}
    await call(actions.write, root, settings, path=".reactor/files/a", content="1")
    assert (await call(actions.read, root, settings, path="way/files/a"))["content"] == "1"
    listed = await call(actions.list_files, root, settings, path=".reactor/files")
    assert [entry["name"] for entry in listed["entries"]] == ["a"]
    await refused("file.outside", actions.read, root, settings, path=".reactor/files/../token")
    await refused("file.outside", actions.read, root, settings, path=".reactor/token")
    await refused("file.outside", actions.write, root, settings, path=".reactor/filesx", content="x")
    (data / "files" / "out").symlink_to("../token")
    await refused("file.outside", actions.read, root, settings, path=".reactor/files/out")


async def test_lists_pass_over_the_data_folder(root, data):
    for path in (".", "**", "./**/*", "*/token", ".react?r/*", f"{root}/**/token"):
        listed = await call(actions.list_files, root, path=path, recursive=True)
        assert not [entry for entry in listed["entries"] if entry["path"].startswith(str(data))], path
    listed = await call(actions.list_files, root)
    assert [entry["name"] for entry in listed["entries"]] == ["folder", "key", "mine", "way"]


async def test_a_folder_that_holds_the_data_folder_stays(root):
    (root / "srv" / "deep" / "data").mkdir(parents=True)
    settings = {"data_dir": root / "srv" / "deep" / "data"}
    for path in ("srv", "srv/deep", "srv/deep/", "srv/../srv"):
        message = await refused("file.outside", actions.move, root, settings, path=path, to="other")
        assert "data folder" in message
    (root / "srv" / "beside").mkdir()
    await call(actions.move, root, settings, path="srv/beside", to="other")


async def test_nothing_is_allowed_without_roots(root):
    (root / "a").write_text("x")
    for settings in ({"file_roots": ()}, {"file_roots": None}):
        assert "REACTOR_FILE_ROOTS" in await refused("file.outside", actions.read, root, settings, path="a")
        await refused("file.outside", actions.write, root, settings, path=f"{root}/b", content="x")
        await refused("file.outside", actions.list_files, root, settings)
    assert names_in(root) == ["a"]


@pytest.mark.proves("file.copy.{path,to,overwrite}")
async def test_copy(root):
    (root / "a").write_text("1")
    (root / "a").chmod(0o750)
    copied = await call(actions.copy, root, path="a", to="into/b")
    assert copied == {"path": f"{root}/into/b", "size": 1, "modified": copied["modified"], "from": f"{root}/a"}
    assert st.S_IMODE((root / "into" / "b").stat().st_mode) == 0o750
    await call(actions.copy, root, path="a", to="into")
    await call(actions.copy, root, path="a", to="new/")
    assert (root / "into" / "a").read_text() == (root / "new" / "a").read_text() == "1"
    await refused("file.exists", actions.copy, root, path="a", to="into")
    await call(actions.copy, root, path="a", to="into", overwrite=True)
    await refused("file.not_found", actions.copy, root, path="none", to="x")
    await refused("file.not_a_file", actions.copy, root, path="into", to="x")
    await call(actions.copy, root, path="a", to="a", overwrite=True)
    assert (root / "a").read_text() == "1"


@pytest.mark.proves("file.move.{path,to,overwrite}")
async def test_move(root):
    (root / "a").write_text("1")
    (root / "b").write_text("2")
    await refused("file.exists", actions.move, root, path="a", to="b")
    await call(actions.move, root, path="a", to="done/")
    assert (root / "done" / "a").read_text() == "1"
    await call(actions.move, root, path="done/a", to="b", overwrite=True)
    assert (root / "b").read_text() == "1"
    await call(actions.move, root, path="b", to="b")
    assert (root / "b").read_text() == "1"
    os.link(root / "b", root / "c")  # a crash between link and unlink
    await call(actions.move, root, path="b", to="c")
    assert not (root / "b").exists()
    await refused("file.not_found", actions.move, root, path="b", to="c")
    await call(actions.move, root, path="done", to="elsewhere")
    assert (root / "elsewhere").is_dir()
    await refused("file.invalid", actions.move, root, path="elsewhere", to="elsewhere/in/it")


async def test_move_between_disks_and_without_links(root, monkeypatch):
    def refuse(code):
        def never(*arguments, **more):
            raise OSError(code, os.strerror(code))

        return never

    (root / "a").write_text("1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse(errno.EPERM))
        await call(actions.move, root, path="a", to="b")
        await call(actions.write, root, path="c", content="new", mode="create")
        await refused("file.exists", actions.write, root, path="c", content="new", mode="create")
        await refused("file.exists", actions.move, root, path="b", to="c")
    rename = os.rename

    def across(source, target, **more):
        if not source.startswith(".reactor-"):
            raise OSError(errno.EXDEV, "cross-device link")
        rename(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", across)
        await call(actions.move, root, path="b", to="c", overwrite=True)
    assert names_in(root) == ["c"]
    assert (root / "c").read_text() == "1"


@pytest.mark.proves("file.delete.{path,missing_ok}")
async def test_delete(root):
    (root / "a").write_text("1")
    assert (await call(actions.delete, root, path="a"))["deleted"] is True
    await refused("file.not_found", actions.delete, root, path="a")
    for path in ("a", "no/such/folder/a"):
        assert (await call(actions.delete, root, path=path, missing_ok=True))["deleted"] is False
    (root / "folder").mkdir()
    await refused("file.not_a_file", actions.delete, root, path="folder")
    await refused("file.not_a_file", actions.delete, root, path=".")


@pytest.mark.proves("file.list.{path,glob,recursive,limit}")
async def test_list(root):
    for name in ("b.csv", "a.txt", "sub/c.csv", "sub/deep/d.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12")
    (root / "loop").symlink_to(".")

    async def names(**params):
        listed = await call(actions.list_files, root, **params)
        assert listed["count"] == len(listed["entries"])
        return [entry["path"].removeprefix(f"{root}/") for entry in listed["entries"]]

    assert await names() == ["a.txt", "b.csv", "loop", "sub"]
    assert await names(glob="*.csv") == ["b.csv"]
    assert await names(glob="*.csv", recursive=True) == ["b.csv", "sub/c.csv", "sub/deep/d.csv"]
    assert await names(path="**/*.csv") == ["b.csv", "sub/c.csv", "sub/deep/d.csv"]
    assert await names(path="sub", glob="*/*.csv") == ["sub/deep/d.csv"]
    assert await names(recursive=True, limit=3) == ["a.txt", "b.csv", "loop"]
    listed = await call(actions.list_files, root, path="sub", limit=1)
    assert listed["truncated"] is True
    assert listed["entries"][0] == {
        "path": f"{root}/sub/c.csv",
        "name": "c.csv",
        "type": "file",
        "extension": ".csv",
        "size": 2,
        "modified": listed["entries"][0]["modified"],
    }
    await refused("file.not_found", actions.list_files, root, path="none")
    await refused("file.not_found", actions.list_files, root, path="a.txt/")


async def test_a_full_disk_is_worth_another_try(root, monkeypatch):
    def full(handle, raw):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "write_all", full)
    with pytest.raises(TransientError) as caught:
        await call(actions.write, root, path="a", content="x")
    assert caught.value.kind == "file.io"
    assert caught.value.message == "a: No space left on device"
    assert names_in(root) == []


async def test_permission_denied(root, monkeypatch):
    def refuse(*arguments, **more):
        raise PermissionError(errno.EACCES, "Permission denied")

    (root / "a").write_text("x")
    monkeypatch.setattr(os, "unlink", refuse)
    assert await refused("file.denied", actions.delete, root, path="a") == "a permission denied"


async def test_several_allowed_folders(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    context = {"file_roots": (str(root), str(other))}
    with confine.place(context, str(other / "x")) as found:
        assert found.path == str(other / "x")
    with pytest.raises(PermanentError, match="outside the folders open to flows"):
        confine.place(context, str(tmp_path / "secret"))


def test_effects():
    reads = {action.name for action in (actions.read, actions.list_files) if action.effect is Effect.READ}
    assert reads == {"file.read", "file.list"}
    for action in (actions.write, actions.copy, actions.move, actions.delete):
        assert action.effect is Effect.WRITE
        assert action.is_async
