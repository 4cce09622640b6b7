"""What a plugin says is cut and counted."""

import asyncio
import logging

import pytest

from reactor.plugins.noise import Noise

pytestmark = pytest.mark.anyio
LOG = logging.getLogger("tests.noise")


async def test_lines_are_cut_and_counted(caplog):
    caplog.set_level("INFO")
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\n\n" + b"x" * 10_000 + b"\nbad \xff\n" + b"more\n" * 2_000 + b"unfinished")
    stream.feed_eof()
    noise = Noise(LOG, prefix="p: ")
    seen: list[str] = []
    await noise.drain(stream, seen.append)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == ["p: one", f"p: {'x' * 4096}"]
    assert "p: bad \ufffd" in lines
    assert 490 < len(lines) < 700
    assert seen[-1] == "unfinished"
    await asyncio.sleep(0.05)
    assert noise.say("later")
    assert any("lines were left out: it says too much" in record.getMessage() for record in caplog.records)
