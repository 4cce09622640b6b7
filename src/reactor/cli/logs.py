"""Log lines on stderr: text for people, JSON for machines. What a record is about (run, flow, step, attempt, trace,
trigger) goes along: said by who logged, or known from what is being done (`model.doing`).

Texts of strangers stay in their line: a message cannot begin another one, and no value of a secret that the step was
given is shown.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import msgspec

from reactor.model.doing import DOING, masked

_ABOUT = ("run", "flow", "step", "attempt", "trace", "trigger")
_NAMES = {"run": "run_id", "trace": "trace_id"}
"""As JSON calls them."""
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_NOISY = ("watchfiles", "asyncio", "uvicorn", "httpx2", "httpcore", "urllib3", "opentelemetry", "mcp")
_LONGEST = 32_768
"""Characters of a message, or of a traceback."""
_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""JSON leaves them as they are, and many a reader of lines takes them for ends of lines."""
_encode = msgspec.json.Encoder(enc_hook=str).encode


class About(logging.Filter):
    """Adds to a record what is being done while it is made. It also passes every record on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        doing = DOING.get()
        if doing is not None and not hasattr(record, "trigger"):
            for name in ("run", "flow", "step", "attempt", "trace"):
                if not getattr(record, name, None):
                    setattr(record, name, getattr(doing, name))
            record.secrets = doing.secrets
        return True


class TextLines(logging.Formatter):
    """`2026-11-24 05:36:11.250 INFO    reactor.run [run_… flow step]: message`, one line a record."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        about = " ".join(_safe(str(value)) for name in _ABOUT if (value := self._about(record, name)))
        head = f"{self._shown}.{int(record.msecs):03d} {record.levelname:<7} {record.name}"
        message = _safe(_message(record))
        line = f"{head} [{about}] {message}" if about else f"{head} {message}"
        told = _traceback(record)
        # Indented, each line: what an error quotes cannot pass for a line of ours.
        return line + "".join(f"\n    {_safe(each)}" for each in told.splitlines()) if told else line

    @staticmethod
    def _about(record: logging.LogRecord, name: str) -> Any:
        value = getattr(record, name, None)
        if name == "attempt":
            return f"attempt={value}" if value and value > 1 else None
        return None if name == "trace" else value


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
                line[_NAMES.get(name, name)] = _whole(value) if isinstance(value, str) else value
        # A step of `log.…` has its fields apart.
        parts = getattr(record.msg, "parts", None)
        message, fields = parts() if parts is not None else (_message(record), {})
        line["message"] = _whole(message)
        if fields:
            line["fields"] = fields
        if told := _traceback(record):
            line["exception"] = _whole(told)
        try:
            return _encode(line).decode().translate(_BREAKS)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return _encode({**line, "message": _whole(_message(record)), "fields": None}).decode().translate(_BREAKS)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 - a line with wrong arguments is worth more than none
        text = f"{record.msg!r} with {record.args!r} ({type(error).__name__}: {error})"
    return _short(masked(text, getattr(record, "secrets", ())))


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return _short(masked(text, getattr(record, "secrets", ())))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more)"


def _whole(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _safe(text: str) -> str:
    """The text without what could pass for a line of ours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def set_up(form: str, level: str) -> None:
    """Send everything from `level` up to stderr."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(About())
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
