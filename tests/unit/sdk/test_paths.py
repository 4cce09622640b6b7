"""The one rule on paths: inside a root, and not among Reactor's own files."""

import os

import pytest

from reactor.app import action_settings
from reactor.sdk import PermanentError
from reactor.sdk.paths import Bounds, inside_roots, within
from reactor.settings import Settings


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / ".reactor"
    (folder / "files").mkdir(parents=True)
    (folder / "token").write_text("secret")
    return folder


def settings(data, *roots):
    return {"data_dir": data, "file_roots": tuple(map(str, roots))}


def refused(given, path):
    with pytest.raises(PermanentError) as caught:
        inside_roots(given, path)
    assert caught.value.kind == "input"
    assert "secret" not in caught.value.message
    return caught.value.message


def test_what_is_allowed(tmp_path, data):
    other = tmp_path.parent / "other"
    given = settings(data, tmp_path, other)
    assert inside_roots(given, "a") == tmp_path / "a"
    assert inside_roots(given, "x/../.reactors/a") == tmp_path / ".reactors" / "a"
    assert inside_roots(given, ".REACTOR/token") == tmp_path / ".REACTOR" / "token"  # another folder on this disk
    assert inside_roots(given, str(other)) == other
    assert inside_roots({"file_roots": (str(tmp_path),)}, "a") == tmp_path / "a"
    assert inside_roots(settings(tmp_path / "absent", tmp_path), "a") == tmp_path / "a"


@pytest.mark.parametrize(
    "path",
    ["..", "../x", "/", "/etc/passwd", "a/../../x", "/proc/self/root/etc", "~/../../x/../..", "\0", "\ud800", "round"],
)
def test_what_is_outside(tmp_path, data, path):
    (tmp_path / "round").symlink_to("round")
    assert repr(path) in refused(settings(data, tmp_path), path)


def test_names_that_only_begin_like_a_root(tmp_path):
    assert "use one of them" in refused(settings(None, tmp_path / "in"), str(tmp_path / "inner"))
    assert within("/a", "/")
    assert not within("/ab", "/a")


@pytest.mark.parametrize("roots", [(), None])
def test_no_roots_allow_nothing(tmp_path, data, monkeypatch, roots):
    monkeypatch.chdir(tmp_path)
    for path in ("a", ".", str(tmp_path / "a"), "/"):
        assert "name some in REACTOR_FILE_ROOTS" in refused({"file_roots": roots, "data_dir": data}, path)
    assert "data folder" in refused({"file_roots": roots, "data_dir": data}, str(data / "token"))


@pytest.mark.parametrize(
    "path", [".reactor", ".reactor/token", "./.reactor//token/", ".reactor/files", "a/../.reactor/new"]
)
def test_the_data_folder(tmp_path, data, path):
    (tmp_path / "way").symlink_to(data)
    for given in (settings(data, tmp_path), settings(tmp_path / "way", tmp_path), settings(data, "/", tmp_path)):
        for text in (path, path.replace(".reactor", "way"), f"{tmp_path}/{path}"):
            assert "data folder" in refused(given, str(tmp_path / text))


def test_a_root_in_the_data_folder_opens_itself_alone(tmp_path, data):
    given = settings(data, tmp_path, data / "files")
    assert inside_roots(given, ".reactor/files/a") == data / "files" / "a"
    assert inside_roots(given, str(data / "files")) == data / "files"
    for path in (".reactor/token", ".reactor", ".reactor/files/../token", ".reactor/filesystem"):
        assert "data folder" in refused(given, path)
    (data / "files" / "out").symlink_to("../token")
    assert "data folder" in refused(given, ".reactor/files/out")
    assert Bounds(given).root_of(str(data / "files" / "a")) == str(data / "files")


def test_the_data_folder_as_a_root_opens_nothing(tmp_path, data):
    (tmp_path / "way").symlink_to(data)
    for root in (data, tmp_path / "way", tmp_path / "way" / "files" / ".."):
        assert "data folder" in refused(settings(data, root), "token")


def test_a_root_around_which_the_data_folder_lies(tmp_path):
    work = tmp_path / "work"
    assert inside_roots(settings(tmp_path, work), "a") == work / "a"
    assert "data folder" in refused(settings(tmp_path, work), "../token")


def test_another_spelling_that_the_disk_takes_for_the_same(tmp_path, data, monkeypatch):
    """As on a disk that does not tell capitals apart; a second mount of the folder looks the same."""
    lstat = os.lstat

    def blind(path, **more):
        return lstat(str(path).replace(".REACTOR", ".reactor").replace("MOUNT", ".reactor"), **more)

    monkeypatch.setattr(os, "lstat", blind)
    for name in (".REACTOR/token", ".REACTOR/new/deep", "MOUNT/token", ".REACTOR/files/a"):
        assert "data folder" in refused(settings(data, tmp_path, data / "files"), name)
    mounted = settings(data, tmp_path, tmp_path / "MOUNT" / "files")
    assert inside_roots(mounted, "MOUNT/files/a") == tmp_path / "MOUNT" / "files" / "a"
    assert "data folder" in refused(mounted, "MOUNT/token")
    assert "data folder" in refused(settings(data, tmp_path, tmp_path / "MOUNT"), "MOUNT/token")


def test_who_holds_the_data_folder(tmp_path, data):
    bounds = Bounds(settings(data, tmp_path))
    assert bounds.holds_data(str(tmp_path))
    assert bounds.holds_data(str(data))
    assert not bounds.holds_data(str(data / "files"))
    assert not bounds.holds_data(str(tmp_path / "absent"))
    assert not Bounds({}).holds_data(str(tmp_path))


def test_a_link_on_the_way_to_the_data_folder_may_be_moved_later(tmp_path, data):
    (tmp_path / "way").symlink_to(tmp_path)
    given = action_settings(Settings(data=tmp_path / "way" / ".reactor", file_roots=(tmp_path,)))
    (tmp_path / "way").rename(tmp_path / "gone")
    assert "data folder" in refused(given, ".reactor/token")
