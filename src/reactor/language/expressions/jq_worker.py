"""The process that runs jq programs: `python -m reactor.language.expressions.jq_worker`.

Requests and answers are JSON behind a length of four bytes. A request is `[program, data, limit]`; without data the
program is only compiled. It has no environment, opens no file, and dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec

HEADER = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1
_LONGEST_ERROR = 300
_LARGEST = 16 * 1024 * 1024
# What reads the clock, the machine or more input is not recorded, so a replay would see something else. The definitions
# also keep out `import` and `include`, which may only stand at the very beginning.
_PRELUDE = "".join(
    f'def {name}: error("`{name}` is not available here");'
    for name in (
        "now",
        "localtime",
        "input",
        "inputs",
        "env",
        "input_filename",
        "modulemeta",
        "get_search_list",
        "halt",
    )
) + (
    'def strflocaltime(f): error("`strflocaltime` is not available here");'
    'def halt_error: error("`halt_error` is not available here");'
    'def halt_error(f): error("`halt_error` is not available here");\n'
)


def main() -> None:
    """Serve requests on standard input until it ends."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory = int(os.environ.get("REACTOR_JQ_MEMORY", str(512 * 1024 * 1024)))
    os.environ.clear()
    import jq  # noqa: F401, PLC0415 - before files can no longer be opened

    _confine(memory)
    _send([])
    while True:
        size = sys.stdin.buffer.read(HEADER.size)
        if len(size) < HEADER.size:
            return
        program, data, limit = msgspec.json.decode(sys.stdin.buffer.read(HEADER.unpack(size)[0]))
        _send(_answer(program, data, limit))


def _confine(memory: int) -> None:
    with Path("/proc/self/statm").open(encoding="ascii") as status:
        used = int(status.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: used + memory,
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, value in limits.items():
        resource.setrlimit(which, (value, value))


def _send(answer: Any) -> None:
    encoded = msgspec.json.encode(answer)
    sys.stdout.buffer.write(HEADER.pack(len(encoded)) + encoded)
    sys.stdout.buffer.flush()


@functools.lru_cache(maxsize=256)
def _program(text: str) -> Any:
    import jq  # noqa: PLC0415 - the parent, which imports this module for its names, does without

    return jq.compile(_PRELUDE + text)


def _answer(program: str, data: str | None, limit: int) -> Any:
    try:
        compiled = _program(program)
        if data is None:
            return ["ok", None]
        results = []
        for result in compiled.input_text(data):
            results.append(result)
            if len(results) >= limit:
                break
        if len(msgspec.json.encode(results)) > _LARGEST:
            return ["limit", "gives more than fits"]
        return ["ok", results]
    except MemoryError:
        return ["limit", "takes too much memory"]
    except RecursionError:
        return ["limit", "nests too deep"]
    except ValueError as error:
        return ["error", _short(str(error))]


def _short(message: str) -> str:
    """The first line of jq's complaint, without the place in our own prelude."""
    line = message.strip().split("\n", 1)[0]
    return line.removeprefix("jq: error: ").partition(" at <top-level>")[0][:_LONGEST_ERROR]


if __name__ == "__main__":
    main()
