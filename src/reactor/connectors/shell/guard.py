"""One small helper process that ends what we started, should Reactor itself be killed.

It is a `sh` that reads `+ GROUP` and `- GROUP` lines from a pipe. When the pipe closes because Reactor is gone, it ends
the process groups that are still listed. (`PR_SET_PDEATHSIG` would reach only the first process of each group, follows
the thread that forked rather than the process, and needs code between fork and exec.)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import threading

_SCRIPT = """
trap "" HUP INT TERM QUIT
alive=" "
while read -r op id; do
  case $op in
    +) alive="$alive$id " ;;
    -) alive="${alive%% $id *} ${alive#* $id }" ;;
  esac
done
found=
for id in $alive; do
  kill -s TERM -- "-$id" && found=yes
  kill -s CONT -- "-$id"
done
if [ -n "$found" ]; then
  sleep 2
  for id in $alive; do kill -s KILL -- "-$id"; done
fi
"""


class Guard:
    """The helper's handle. Starts it at the first use, and again should it have died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._helper: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def add(self, group: int) -> None:
        """This process group is to end with us."""
        with self._lock:
            self._groups.add(group)
            self._tell(f"+ {group}\n")

    def remove(self, group: int) -> None:
        """It has ended."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """End the helper, and with it what is still listed."""
        with self._lock:
            helper, self._helper = self._helper, None
            if helper is None or self._owner != os.getpid():
                return
            _close_input(helper)
            with contextlib.suppress(subprocess.TimeoutExpired):
                helper.wait(timeout=3)

    def _tell(self, line: str) -> None:
        if self._helper is not None and self._owner == os.getpid():
            try:
                _write(self._helper, line)
            except OSError:  # somebody killed or stopped it
                self._helper.kill()
                _close_input(self._helper)
                self._helper.wait()
            else:
                return
        if self._groups:
            self._start()

    def _start(self) -> None:
        self._helper = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        self._owner = os.getpid()
        if self._helper.stdin is not None:
            os.set_blocking(self._helper.stdin.fileno(), False)
        _write(self._helper, "".join(f"+ {group}\n" for group in sorted(self._groups)))


def _write(helper: subprocess.Popen[bytes], text: str) -> None:
    if helper.stdin is not None:
        os.write(helper.stdin.fileno(), text.encode())


def _close_input(helper: subprocess.Popen[bytes]) -> None:
    if helper.stdin is not None:
        with contextlib.suppress(OSError):
            helper.stdin.close()


GUARD = Guard()
atexit.register(GUARD.close)
