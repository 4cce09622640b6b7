"""How much comes before the first page is seen; `bench/first_view.py` measures how long that takes."""

import re

import pytest

from reactor.server.control_room import File, files

MOST = 250_000
"""Bytes on the wire: the entry, what it and the page import, their styles, and the font of the text."""
_IMPORTED = re.compile(r"""(?:from|import)\s?["']\./([\w.-]+\.js)["']""")
_ASKED_FOR = re.compile(r'(?:src|href)="/ui/([^"]+)"')


def _size(file: File) -> int:
    return len(file.packed or file.plain)


def _with_imports(there: dict[str, File], names: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name.endswith(".js"):
            found = {f"assets/{other}" for other in _IMPORTED.findall(there[name].plain.decode())}
            waiting |= found - seen
    return seen


@pytest.mark.parametrize("page", ["runs", "overview", "flows"])
def test_the_first_view_is_light(page: str) -> None:
    there = files()
    asked = {name for name in _ASKED_FOR.findall(there["index.html"].plain.decode()) if name in there}
    own = {name for name in there if re.fullmatch(rf"assets/({page}|chart-plot)-[\w-]{{8}}\.(js|css)", name)}
    if page != "overview":
        own = {name for name in own if "chart-plot" not in name}
    fonts = {name for name in there if name.startswith("assets/inter-latin-wght-normal")}
    names = _with_imports(there, asked | own) | fonts | {"index.html"}
    assert len(own) >= 1
    assert len(names) > 10
    total = sum(_size(there[name]) for name in names)
    assert total <= MOST
