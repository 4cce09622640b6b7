"""Traces: where a run stands in one, and the ids of its spans. Nothing here is random: an id is a digest of what it
names, so a run that crashed or left memory goes on in the same trace, and what went out with a call is found again.

W3C Trace Context: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")
_LONGEST = 256
_NONE = ("0" * 32, "0" * 16)
_SAMPLED = 1
_WHOLE = 1 << 64


class TraceContext(msgspec.Struct, frozen=True):
    """A place in a trace."""

    trace: str
    """32 hexadecimal digits."""
    span: str = ""
    """16: what the next span is a child of; empty: nothing, the trace begins here."""
    sampled: bool = True
    state: str = ""
    """What other systems want handed on, as it came."""

    def headers(self) -> dict[str, str]:
        """As it goes out."""
        shown = {"traceparent": f"00-{self.trace}-{self.span}-{int(self.sampled):02x}"}
        return shown | {"tracestate": self.state} if self.state else shown

    def at(self, span: str) -> TraceContext:
        """The same trace, at another span."""
        return msgspec.structs.replace(self, span=span)


def parse(parent: Any, state: Any = None) -> TraceContext | None:
    """What the headers say; None: nothing that can be understood, so a trace of one's own begins."""
    found = _PARENT.fullmatch(parent) if isinstance(parent, str) and len(parent) <= _LONGEST else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or trace == _NONE[0] or span == _NONE[1] or (version == "00" and more):
        return None
    kept = state.strip() if isinstance(state, str) and _STATE.fullmatch(state) else ""
    return TraceContext(trace, span, bool(int(flags, 16) & _SAMPLED), kept)


def of_metadata(metadata: Mapping[str, Any]) -> TraceContext | None:
    """What came with an event: named by the door, or in the headers of a message."""
    if "traceparent" in metadata:
        extensions = metadata.get("extensions")
        state = metadata.get("tracestate") or (extensions.get("tracestate") if isinstance(extensions, dict) else None)
        return parse(metadata["traceparent"], state)
    headers = metadata.get("headers")
    if not isinstance(headers, dict):
        return None
    small = {name.lower(): value for name, value in headers.items() if name.lower() in ("traceparent", "tracestate")}
    return parse(small.get("traceparent"), small.get("tracestate")) if small else None


def begun(run: str, salt: bytes, share: float) -> TraceContext:
    """The trace of a run that nothing led to. `share`: of traces that are kept, 0 to 1."""
    trace = _digest(16, salt, run)
    return TraceContext(trace, sampled=int(trace[16:], 16) < share * _WHOLE)


def span_id(salt: bytes, run: str, path: str, nth: int, attempt: int = 0) -> str:
    """Of the `nth` time (from 0) that a run does a step, or of one attempt at it; the empty path is the run."""
    return _digest(8, salt, run, path, str(nth), str(attempt))


def _digest(size: int, salt: bytes, *parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    found = hashlib.blake2b(text, digest_size=size, key=salt).hexdigest()
    return found if int(found, 16) else "1".zfill(size * 2)
