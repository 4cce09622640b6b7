"""What Paho reads from and writes to in place of a socket: buffered, and in frames where the broker is behind a
websocket. Nothing here blocks.

Paho reads a packet in three calls or more, which are system calls without a buffer; its own websocket loses a packet
that the socket takes only a part of.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct

_CHUNK = 65_536
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10
_DATA = frozenset({0, _BINARY})
_SHORT, _MIDDLE = 126, 127
_MOST = 256 * 1024 * 1024 + 16
"""Bytes of the largest packet of MQTT, and so of a frame."""


class Stream:
    """A non-blocking socket with a buffer for what was read."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner = inner
        self._ready = bytearray()

    def recv(self, most: int) -> bytes:
        """Up to so many bytes; empty: the other side has closed.

        Raises:
            BlockingIOError, ssl.SSLWantReadError: nothing is there now.
        """
        if not self._ready and not self._fill():
            return b""
        found = bytes(self._ready[:most])
        del self._ready[:most]
        return found

    def send(self, data: bytes | bytearray) -> int:
        """How many bytes were taken."""
        return self.inner.send(data)

    def flush(self) -> None:
        """Write what was taken and not sent yet, as far as that goes."""

    @property
    def unsent(self) -> bool:
        """Whether `flush` has something left to do."""
        return False

    def pending(self) -> int:
        """Bytes that can be read though the socket does not show it."""
        return len(self._ready) + (self.inner.pending() if isinstance(self.inner, ssl.SSLSocket) else 0)

    def fileno(self) -> int:
        return self.inner.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as a socket has it
        self.inner.setblocking(flag)

    def close(self) -> None:
        self.inner.close()

    def _fill(self) -> bool:
        """Read; False: the other side has closed."""
        data = self.inner.recv(_CHUNK)
        self._ready += data
        return bool(data)


class WebSocket(Stream):
    """The same in binary frames (RFC 6455), as a client, after the handshake."""

    def __init__(self, inner: socket.socket, rest: bytes = b"") -> None:
        """`rest`: what was read behind the handshake."""
        super().__init__(inner)
        self._raw = bytearray(rest)
        self._out = bytearray()
        self._closed = False
        self._parse()

    @property
    def unsent(self) -> bool:
        return bool(self._out)

    def send(self, data: bytes | bytearray) -> int:
        """All or nothing is taken; a rest is kept for `flush`.

        Raises:
            BlockingIOError: what was taken before is not sent yet.
        """
        self.flush()
        if self._out:
            raise BlockingIOError
        self._out += framed(_BINARY, bytes(data))
        self.flush()
        return len(data)

    def flush(self) -> None:
        try:
            while self._out:
                del self._out[: self.inner.send(self._out)]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return

    def _fill(self) -> bool:
        while not self._ready and not self._closed:
            data = self.inner.recv(_CHUNK)
            if not data:
                return False
            self._raw += data
            self._parse()
        return bool(self._ready)

    def _parse(self) -> None:
        while (frame := unframed(self._raw)) is not None:
            kind, payload = frame
            if kind in _DATA:
                self._ready += payload
            elif kind == _PING:
                self._out += framed(_PONG, payload)
                self.flush()
            elif kind == _CLOSE:
                self._closed = True
            elif kind != _PONG:
                raise ConnectionError(f"a websocket frame of kind {kind} is no part of MQTT")


def framed(kind: int, payload: bytes) -> bytes:
    """One frame, masked as a client has to."""
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | _SHORT, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | _MIDDLE, size)
    mask = os.urandom(4)
    return head + mask + _masked(payload, mask)


def unframed(raw: bytearray) -> tuple[int, bytes] | None:
    """Take the first frame off: its kind and payload; None: it is not all there.

    Raises:
        ConnectionError: it is larger than any packet of MQTT.
    """
    if len(raw) < 2:
        return None
    size, at = raw[1] & 0x7F, 2
    wide = {_SHORT: 2, _MIDDLE: 8}.get(size, 0)
    if wide:
        size, at = int.from_bytes(raw[2 : 2 + wide], "big"), 2 + wide
    masked = 4 if raw[1] & 0x80 else 0
    if len(raw) < at + masked:
        return None
    if size > _MOST:
        raise ConnectionError(f"a websocket frame of {size} bytes is no part of MQTT")
    end = at + masked + size
    if len(raw) < end:
        return None
    kind, payload = raw[0] & 0x0F, bytes(raw[at + masked : end])
    if masked:
        payload = _masked(payload, bytes(raw[at : at + 4]))
    del raw[:end]
    return kind, payload


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
