"""The process that runs jq programs and regular expressions. It has no environment, opens no file, and is bounded.

A request is three frames: how long it may take, what to do (JSON), and the text. An answer is one: `[kind, value]`.
Run as a script, it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

LENGTH = struct.Struct(">I")
_MEMORY = 512 * 1024 * 1024
_MATCHES = 100_000
_DEAD_AFTER = 2.0
"""Seconds after which a request that nobody waits for any more ends this process."""
_KEPT = 64


class Refused(Exception):
    """An answer that is an error: `args` are kind and message."""


def framed(seconds: float, head: bytes, body: bytes) -> Iterator[bytes]:
    """A request as it goes through the pipe."""
    for frame in (repr(seconds).encode(), head, body):
        yield LENGTH.pack(len(frame))
        yield frame


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ["TZ"] = "UTC"
    import jq  # noqa: F401, PLC0415 - before files can no longer be opened
    import regex  # noqa: PLC0415

    regex.sub("a", "b", regex.escape("a"), flags=regex.IGNORECASE)  # loads what it loads late
    _confine()
    _send(("ok", None))
    while (request := _request()) is not None:
        seconds, head, body = request
        signal.setitimer(signal.ITIMER_REAL, float(seconds) + _DEAD_AFTER)
        answer = _answer(json.loads(head), body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answer)
        if answer[0] == "data.memory":
            return


def _confine() -> None:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as status:  # noqa: PTH123
        used = int(status.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    for which, value in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 3)):
        resource.setrlimit(which, (value, value))


def _request() -> tuple[bytes, bytes, bytes] | None:
    frames = []
    for _ in range(3):
        size = sys.stdin.buffer.read(LENGTH.size)
        if len(size) < LENGTH.size:
            return None
        frames.append(sys.stdin.buffer.read(LENGTH.unpack(size)[0]))
    return frames[0], frames[1], frames[2]


def _send(answer: Any) -> None:
    encoded = json.dumps(answer).encode()
    sys.stdout.buffer.write(LENGTH.pack(len(encoded)) + encoded)
    sys.stdout.buffer.flush()


def _answer(head: dict[str, Any], body: bytes) -> tuple[str, Any]:
    try:
        if head["op"] == "jq":
            return "ok", _jq(head, body.decode())
        return "ok", _regex(head, body.decode())
    except Refused as error:
        return error.args[0], error.args[1]
    except MemoryError:
        return "data.memory", "it took more memory than it may"
    except RecursionError:
        return "input", "a value or pattern nests too deep"


_compiled: dict[str, Any] = {}


def _jq(head: dict[str, Any], text: str) -> list[Any]:
    key = json.dumps([head["program"], head["args"]])
    if key not in _compiled:
        if len(_compiled) >= _KEPT:
            _compiled.clear()
        _compiled[key] = _compile(head["program"], head["args"])
    results, room = [], int(head["most"])
    try:
        for result in _compiled[key].input_text(text):
            room -= len(json.dumps(result, ensure_ascii=False))
            if room < 0:
                _refuse("input", f"the results are longer than {head['most']:,} characters")
            results.append(result)
    except ValueError as error:
        _refuse("data.jq", f"the program failed: {str(error)[:500]}")
    return results


def _compile(program: str, args: dict[str, Any]) -> Any:
    import jq  # noqa: PLC0415 - the parent imports this module for its framing only

    try:
        return jq.compile(program, args=args)
    except ValueError as error:
        _refuse("input", f"program: {str(error).strip().removeprefix('jq: error: ')[:500]}")


def _regex(head: dict[str, Any], text: str) -> dict[str, Any]:
    import regex  # noqa: PLC0415 - as in `_compile`

    flags = 0
    for letter in head["flags"]:
        flags |= getattr(regex, letter.upper())
    try:
        pattern = regex.compile(head["pattern"], flags)
    except regex.error as error:
        _refuse("input", f"pattern: {error}")
    except (ValueError, OverflowError, KeyError, IndexError) as error:  # the compiler's own slips
        _refuse("input", f"pattern: cannot be compiled: {error}")
    return _OPS[head["how"]](pattern, text, head)


def _first(pattern: Any, text: str, _head: dict[str, Any]) -> dict[str, Any]:
    match = pattern.search(text)
    return {"output": None if match is None else _shown(match), "matched": match is not None}


def _find_all(pattern: Any, text: str, head: dict[str, Any]) -> dict[str, Any]:
    found, room = [], int(head["most"])
    for match in _matches(pattern, text, head):
        shown = _shown(match)
        room -= sum(len(part or "") for part in (shown["match"], *shown["groups"])) + 50
        _bound(room, head)
        found.append(shown)
    return {"output": found, "count": len(found)}


def _replace(pattern: Any, text: str, head: dict[str, Any]) -> dict[str, Any]:
    import regex  # noqa: PLC0415 - as in `_compile`

    parts, end, count, room = [], 0, 0, int(head["most"]) - len(text)
    for match in _matches(pattern, text, head):
        try:
            new = match.expand(head["replacement"])
        except (regex.error, IndexError, KeyError) as error:
            _refuse("input", f"replacement: {error}")
        parts += [text[end : match.start()], new]
        room -= len(new) - (match.end() - match.start())
        _bound(room, head)
        end, count = match.end(), count + 1
    return {"output": "".join([*parts, text[end:]]), "count": count}


def _split(pattern: Any, text: str, head: dict[str, Any]) -> dict[str, Any]:
    parts, end = [], 0
    for match in _matches(pattern, text, head):
        parts.append(text[end : match.start()])
        end = match.end()
    parts.append(text[end:])
    return {"output": parts, "count": len(parts)}


def _matches(pattern: Any, text: str, head: dict[str, Any]) -> Iterator[Any]:
    limit = head["limit"]
    for count, match in enumerate(pattern.finditer(text), 1):
        if count > _MATCHES:
            _refuse("input", f"more than {_MATCHES:,} matches; give a `limit`, or take the text in parts")
        yield match
        if count == limit:
            return


def _shown(match: Any) -> dict[str, Any]:
    return {
        "match": match.group(),
        "start": match.start(),
        "end": match.end(),
        "groups": list(match.groups()),
        "named": match.groupdict(),
    }


def _bound(room: int, head: dict[str, Any]) -> None:
    if room < 0:
        _refuse("input", f"the result is longer than {head['most']:,} characters")


def _refuse(kind: str, message: str) -> NoReturn:
    raise Refused(kind, message)


_OPS = {"match": _first, "find_all": _find_all, "replace": _replace, "split": _split}

if __name__ == "__main__":
    main()
