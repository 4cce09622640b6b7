"""Flows changed through the API: the file, the store, and all that is refused."""

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.flow_files import FlowFiles
from reactor.model.errors import ConflictError, InvalidError
from reactor.server.flow_shapes import FlowGone, FlowWhole, Validated
from reactor.server.shapes import TextDiff
from reactor.testing.running import RunningReactor, running_reactor

YAML = {"content-type": "application/yaml"}
HELLO = "# of our own\nname: hello\non: {event: hi}\nsteps:\n  - {name: a, set: {x: 1}}  # why\n"


async def asked(
    reactor: RunningReactor, method: str, path: str, text: str | bytes = b"", status: int = 200, shape: Any = None
) -> Any:
    content = text.encode() if isinstance(text, str) else text
    answer = await reactor.http.request(method, f"/api/v1{path}", content=content, headers=YAML)
    assert answer.status_code == status, answer.text
    if shape is not None:
        msgspec.convert(answer.json(), shape)
    return answer.json()


async def read(reactor: RunningReactor, name: str) -> Any:
    return await asked(reactor, "GET", f"/flows/{name}", shape=FlowWhole)


async def test_a_flow_is_made_changed_restored_and_taken_away(tmp_path: Path) -> None:
    async with running_reactor(tmp_path) as reactor:
        made = await asked(reactor, "POST", "/flows", HELLO, 201, FlowWhole)
        file = tmp_path / "hello.yaml"
        assert (made["version"], made["writable"], made["yaml"]) == (1, True, HELLO)
        assert file.read_text() == HELLO
        second = HELLO.replace("x: 1", "x: 2")
        changed = await asked(reactor, "PUT", f"/flows/hello?etag={made['etag']}", second, shape=FlowWhole)
        assert (changed["version"], file.read_text()) == (2, second)
        await reactor.send("hi")
        # An older version is restored by its text, and is the same version again.
        first = await asked(reactor, "GET", "/flows/hello/versions/1")
        back = await asked(reactor, "PUT", f"/flows/hello?etag={changed['etag']}", first["yaml"])
        assert (back["version"], file.read_text()) == (1, HELLO)
        # Other comments are no other version, and are kept.
        words = HELLO.replace("why", "because")
        told = await asked(reactor, "PUT", f"/flows/hello?etag={back['etag']}", words)
        assert (told["version"], told["yaml"], told["draft"], file.read_text()) == (1, words, None, words)
        gone = await asked(reactor, "DELETE", f"/flows/hello?etag={told['etag']}", shape=FlowGone)
        assert (gone["yaml"], file.exists()) == (words, False)
        await asked(reactor, "GET", "/flows/hello", status=404)
        assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_nobody_writes_over_what_somebody_else_has_saved(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(HELLO)
    async with running_reactor(tmp_path) as reactor:
        before = await read(reactor, "hello")
        theirs = HELLO.replace("x: 1", "x: 3")
        (tmp_path / "hello.yaml").write_text(theirs)
        refused = await asked(reactor, "PUT", f"/flows/hello?etag={before['etag']}", HELLO, 409)
        assert (refused["yaml"], (tmp_path / "hello.yaml").read_text()) == (theirs, theirs)
        assert "changed since" in refused["detail"]
        await asked(reactor, "DELETE", f"/flows/hello?etag={before['etag']}", status=409)
        assert (tmp_path / "hello.yaml").exists()
        # With what is there now it is done.
        await asked(reactor, "PUT", f"/flows/hello?etag={refused['etag']}", HELLO)
        assert (tmp_path / "hello.yaml").read_text() == HELLO
        await asked(reactor, "PUT", "/flows/hello", HELLO, 428)
        await asked(reactor, "PUT", "/flows/none?etag=x", HELLO, 404)


async def test_two_who_save_at_once_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(HELLO)
    async with running_reactor(tmp_path) as reactor:
        etag = (await read(reactor, "hello"))["etag"]
        texts = [HELLO.replace("x: 1", f"x: {n}") for n in (7, 8)]
        answers = await asyncio.gather(
            *(
                reactor.http.put(f"/api/v1/flows/hello?etag={etag}", content=text.encode(), headers=YAML)
                for text in texts
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        won = next(text for answer, text in zip(answers, texts, strict=True) if answer.status_code == 200)
        assert (tmp_path / "hello.yaml").read_text() == won


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("name: hello\nstesp: []\n", 422, "nothing was changed"),
        ("name: other\non: {event: hi}\nsteps: [{set: {x: 1}}]\n", 422, "to rename"),
        ("name: hello\nsteps: [{set: {x: 1}}]\n---\nname: two\nsteps: [{set: {x: 1}}]\n", 422, "problem"),
        ("- 1\n", 422, "a flow is a map"),
        ("", 400, "a YAML text is needed"),
        ("# nothing\n", 422, "problem"),
        (b"\xff\xfe", 400, "not UTF-8"),
        (b"name: hello\nsteps: [{set: {x: 1}}]\n#" + b"x" * (2 << 20), 413, "at most"),
        ("a: &a [*a]\n", 422, "problem"),
    ],
)
async def test_wrong_texts_change_nothing(tmp_path: Path, text: str | bytes, status: int, words: str) -> None:
    (tmp_path / "hello.yaml").write_text(HELLO)
    async with running_reactor(tmp_path) as reactor:
        etag = (await read(reactor, "hello"))["etag"]
        refused = await asked(reactor, "PUT", f"/flows/hello?etag={etag}", text, status)
        assert words in refused["detail"]
        assert (tmp_path / "hello.yaml").read_text() == HELLO
        assert (await read(reactor, "hello"))["version"] == 1
        if status == 422:
            assert refused["problems"][0]["message"]


async def test_a_broken_file_is_read_as_a_draft_and_mended(tmp_path: Path) -> None:
    file = tmp_path / "hello.yaml"
    file.write_text(HELLO)
    async with running_reactor(tmp_path) as reactor:
        broken = HELLO.replace("steps", "stesp")
        file.write_text(broken)
        assert reactor.app.folder is not None
        await reactor.app.folder.sync()
        whole = await read(reactor, "hello")
        assert (whole["yaml"], whole["draft"]) == (HELLO, broken)
        assert [one["fix"]["replacement"] for one in whole["problems"] if one["fix"]] == ["steps"]
        mended = await asked(reactor, "PUT", f"/flows/hello?etag={whole['etag']}", HELLO)
        assert (mended["draft"], mended["problems"], file.read_text()) == (None, [], HELLO)


@pytest.mark.parametrize(
    "file",
    ["../out.yaml", "/tmp/out.yaml", "a/../../out.yaml", ".hidden.yaml", "_x.yaml", "a.txt", "a.test.yaml", "",
     "a//b.yaml", "a\x00.yaml", "link/out.yaml", "x" * 200 + ".yaml",
     "/".join("abcdefghij") + ".yaml", "a\\..\\b.yaml", "é.yaml"],
)  # fmt: skip
async def test_no_file_is_made_outside_the_folder(tmp_path: Path, file: str) -> None:
    root, outside = tmp_path / "flows", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    files = FlowFiles(root, str(root))
    with pytest.raises((InvalidError, ConflictError)):
        files.create(files.named(file), HELLO)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "out.yaml").exists()


async def test_files_in_folders_below_links_and_other_owners(tmp_path: Path) -> None:
    root, outside = tmp_path / "flows", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "far.yaml").write_text(HELLO.replace("hello", "far"))
    (root / "far.yaml").symlink_to(outside / "far.yaml")
    (root / "real.yml.kept").write_text(HELLO.replace("hello", "near"))
    (root / "near.yaml").symlink_to("real.yml.kept")
    async with running_reactor(root) as reactor:
        made = await asked(reactor, "POST", "/flows?file=shop/sub/hi.yaml", HELLO, 201)
        assert (root / "shop/sub/hi.yaml").read_text() == HELLO
        assert made["file"].endswith("shop/sub/hi.yaml")
        await asked(reactor, "POST", "/flows", HELLO, 409)
        await asked(reactor, "POST", "/flows?file=../x.yaml", HELLO.replace("hello", "new"), 400)
        await asked(reactor, "POST", "/flows?file=shop/sub/hi.yaml", HELLO.replace("hello", "new"), 409)
        far = await read(reactor, "far")
        assert (far["writable"], "outside the folder" in far["reason"]) == (False, True)
        await asked(reactor, "PUT", f"/flows/far?etag={far['etag']}", far["yaml"] + "# x\n", 409)
        near = await read(reactor, "near")
        await asked(reactor, "PUT", f"/flows/near?etag={near['etag']}", near["yaml"] + "# x\n")
        assert (root / "near.yaml").is_symlink()
        assert (root / "real.yml.kept").read_text().endswith("# x\n")


async def test_marks_and_modes_of_a_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "hello.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + HELLO.encode())
    file.chmod(0o640)
    async with running_reactor(tmp_path) as reactor:
        whole = await read(reactor, "hello")
        await asked(reactor, "PUT", f"/flows/hello?etag={whole['etag']}", HELLO + "# ü\n")
        assert file.read_bytes() == b"\xef\xbb\xbf" + (HELLO + "# ü\n").encode()
        assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    root = tmp_path / "flows"
    root.mkdir()
    (root / "hello.yaml").write_text(HELLO)
    root.chmod(0o555)
    try:
        async with running_reactor(root) as reactor:
            whole = await read(reactor, "hello")
            assert (whole["writable"], "may not be written" in whole["reason"]) == (False, True)
            await asked(reactor, "PUT", f"/flows/hello?etag={whole['etag']}", HELLO, 409)
    finally:
        root.chmod(0o755)


async def test_without_a_folder_flows_are_in_the_store(tmp_path: Path) -> None:
    async with running_reactor(data=tmp_path) as reactor:
        made = await asked(reactor, "POST", "/flows", HELLO, 201)
        assert (made["file"], made["writable"]) == (None, True)
        await asked(reactor, "POST", "/flows?file=a.yaml", HELLO.replace("hello", "b"), 400)
        await asked(reactor, "PUT", f"/flows/hello?etag={made['etag']}", HELLO.replace("x: 1", "x: 2"))
    async with running_reactor(data=tmp_path) as reactor:
        whole = await read(reactor, "hello")
        assert (whole["version"], "x: 2" in whole["yaml"]) == (2, True)
        await asked(reactor, "DELETE", f"/flows/hello?etag={whole['etag']}")
        await asked(reactor, "GET", "/flows/hello", status=404)


async def test_a_flow_of_a_folder_that_is_not_followed_is_read_only(tmp_path: Path) -> None:
    root = tmp_path / "flows"
    root.mkdir()
    (root / "hello.yaml").write_text(HELLO)
    async with running_reactor(root, data=tmp_path / "data"):
        pass
    async with running_reactor(data=tmp_path / "data") as reactor:
        whole = await read(reactor, "hello")
        assert "no folder of flows is followed" in whole["reason"]
        await asked(reactor, "PUT", f"/flows/hello?etag={whole['etag']}", HELLO, 409)


async def test_an_editor_is_helped(tmp_path: Path) -> None:
    async with running_reactor(tmp_path) as reactor:
        good = await asked(reactor, "POST", "/flows/validate", HELLO, shape=Validated)
        assert (good["valid"], good["name"], good["sentence"]) == (
            True,
            "hello",
            "When an event hi comes: set x.",
        )
        assert good["diagram"]["steps"][0]["line"] == 5
        wrong = await asked(reactor, "POST", "/flows/validate", HELLO.replace("event", "evnt"), shape=Validated)
        problem = wrong["problems"][0]
        assert (problem["line"], problem["column"], problem["end_column"], problem["suggestion"]) == (3, 6, 10, "event")
        assert "event" in problem["allowed"]
        assert (wrong["valid"], wrong["diagram"]) == (False, None)
        schema = await asked(reactor, "GET", "/schema")
        assert "webhook" in str(schema["$defs"]["trigger"])
        await asked(reactor, "POST", "/flows/validate", b"\xff", 400)


async def test_what_a_text_would_change_is_told_by_meaning_and_nothing_is_changed(tmp_path: Path) -> None:
    async with running_reactor(tmp_path) as reactor:
        await asked(reactor, "POST", "/flows", HELLO, 201)
        told = await asked(reactor, "POST", "/flows/hello/diff", HELLO.replace("x: 1", "x: 2"), shape=TextDiff)
        assert [(one["kind"], one["path"]) for one in told["changes"]] == [("changed", "a")]
        words = await asked(reactor, "POST", "/flows/hello/diff", HELLO.replace("why", "because"))
        assert (words["from"], words["changes"]) == (1, [])
        assert (tmp_path / "hello.yaml").read_text() == HELLO
        other = await asked(reactor, "POST", "/flows/hello/diff", HELLO.replace("name: hello", "name: other"), 400)
        assert "'other'" in other["detail"]
        assert (await asked(reactor, "POST", "/flows/hello/diff", "name: hello\n", 400))["problems"]
        await asked(reactor, "POST", "/flows/hello/diff", b"\xff", 400)
        await asked(reactor, "POST", "/flows/nobody/diff", HELLO, 404)
