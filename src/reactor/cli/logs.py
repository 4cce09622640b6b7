"""Log lines on stderr: text for people, JSON for machines. What a record carries (run, flow, step, trigger) is kept."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import msgspec

_ABOUT = ("run", "flow", "step", "trigger")
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_NOISY = ("watchfiles", "asyncio", "uvicorn", "httpx2", "httpcore")
_encode = msgspec.json.Encoder(enc_hook=str).encode


class TextLines(logging.Formatter):
    """`05:36:11.250 INFO  run_… charge: message`, one line a record."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        about = " ".join(str(value) for name in _ABOUT if (value := getattr(record, name, None)))
        head = f"{self._shown}.{int(record.msecs):03d} {record.levelname:<7} {record.name}"
        line = f"{head} [{about}] {_safe(record)}" if about else f"{head} {_safe(record)}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line


class JsonLines(logging.Formatter):
    """One JSON map a record."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{second}.{int(record.msecs):03d}Z",
            "level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "logger": record.name,
        }
        for name in _ABOUT:
            value = getattr(record, name, None)
            if value:
                line[name] = value
        line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return _encode(line).decode()


def _safe(record: logging.LogRecord) -> str:
    """The message without what could pass for a line of ours."""
    text = record.getMessage()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def set_up(form: str, level: str) -> None:
    """Send everything from `level` up to stderr."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
