"""shell.exec: what it takes, and what the program gets to see. No process is started here."""

import os

import pytest

from reactor.connectors.shell import actions, connector
from reactor.connectors.shell.actions import ExecParams
from reactor.connectors.shell.guard import _SCRIPT
from reactor.connectors.shell.process import Stream
from reactor.sdk import Effect, PermanentError
from reactor.testing.actions import call

(EXEC,) = connector.actions


def test_it_writes_and_is_not_repeated_by_itself():
    assert EXEC.effect is Effect.WRITE
    assert EXEC.retry is None


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "either `command`"),
        ({"command": "ls", "argv": ["ls"]}, "either `command`"),
        ({"argv": []}, "first item is the program"),
        ({"argv": [""]}, "first item is the program"),
        ({"argv": ["-c", "ls"]}, "first item is the program"),
        ({"command": "ls", "env": {"A=B": "x"}}, "is not a name"),
        ({"command": "ls", "env": {"": "x"}}, "is not a name"),
        ({"command": "ls", "timeout": "soon"}, "is not a duration"),
        ({"command": "ls", "max_output": -1}, ">= 0"),
        ({"command": "ls", "comand": "x"}, "comand"),
        ({"command": ["ls"]}, "str"),
    ],
)
async def test_wrong_parameters(params, says):
    with pytest.raises(PermanentError, match=r"shell\.exec") as caught:
        await call(EXEC, params)
    assert caught.value.kind == "input"
    assert says in caught.value.message


def test_the_environment_is_only_what_is_named(monkeypatch):
    monkeypatch.setattr(os, "environ", {"PATH": "/p", "HOME": "/h", "LANG": "C", "TOKEN": "t", "EXTRA": "e"})
    assert actions._environment({}, {}) == {"PATH": "/p", "HOME": "/h", "LANG": "C"}
    given = {"A": True, "B": 1.5, "HOME": None, "PATH": "/q"}
    assert actions._environment({"shell_env": ("EXTRA", "ABSENT")}, given) == {
        "PATH": "/q",
        "LANG": "C",
        "EXTRA": "e",
        "A": "true",
        "B": "1.5",
    }


def test_there_is_always_a_path(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    assert "/usr/bin" in actions._environment({}, {})["PATH"]


def test_the_views():
    output = {"stdout": "a\n", "stderr": "b\n"}
    assert EXEC.views["output"](output) == "a\nb\n"
    assert EXEC.views["truncated"](output) == []
    assert EXEC.views["truncated"]({"truncated": ["stdout"]}) == ["stdout"]


def test_defaults_are_not_shared():
    ExecParams(command="a").env["X"] = "1"
    assert ExecParams(command="b").env == {}


async def test_a_short_stream_is_kept_whole():
    stream = Stream(10)
    for piece in (b"01", b"23456", b"789"):
        stream.data_received(piece)
    assert (stream.text(), stream.left_out) == ("0123456789", 0)


async def test_of_a_long_stream_beginning_and_end_are_kept():
    stream = Stream(10)
    for number in range(100):
        stream.data_received(b"%02d" % number)
    assert stream.left_out == 190
    assert stream.text() == "00010\n… 190 bytes left out …\n79899"


@pytest.mark.parametrize("keep", [0, 1])
async def test_nothing_or_next_to_nothing_may_be_kept(keep):
    stream = Stream(keep)
    stream.data_received(b"abc")
    assert stream.left_out == 3 - keep
    assert stream.text().endswith("…\n" + "c" * keep)


async def test_broken_text_is_replaced():
    stream = Stream(100)
    stream.data_received(b"ok \xff\xfe \xc3")
    stream.data_received(b"\xa9")
    assert stream.text() == "ok \ufffd\ufffd é"


def test_the_guard_needs_nothing_but_posix_sh():
    assert "[[" not in _SCRIPT
    assert "function" not in _SCRIPT
