"""A wire between a client and a server that tests cut, stall and mend."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Self

from reactor.testing.servers.process import free_port

_CHUNK = 65_536


class Wire:
    """Forwards TCP from a port of its own to a server's. In a thread, so that a busy event loop does not slow it."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """`port`: the server's."""
        self.host = "127.0.0.1"
        self.port = free_port()
        self._target = (host, port)
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._flowing = threading.Event()
        self._open.set()
        self._flowing.set()
        self._listener = socket.create_server((self.host, self.port))
        self._thread = threading.Thread(target=self._accept, name="wire", daemon=True)

    @property
    def connections(self) -> int:
        """How many go through it now."""
        with self._lock:
            return len(self._pairs)

    def cut(self) -> None:
        """Reset every connection; new ones are refused until `mend`."""
        self._open.clear()
        self.reset()

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _close(pair)

    def stall(self) -> None:
        """Nothing passes any more, and nobody is told: as when a cable is pulled."""
        self._flowing.clear()

    def mend(self) -> None:
        """Everything passes again."""
        self._open.set()
        self._flowing.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A listener that is shut down wakes its thread; closing alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._forward, args=(pair,), name="wire", daemon=True).start()

    def _forward(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while self._pass(selector):
                pass
        with self._lock:
            self._pairs.discard(pair)
        _close(pair)

    def _pass(self, selector: selectors.BaseSelector) -> bool:
        """Forward what is there; whether both sides are still open."""
        for key, _ in selector.select(0.1):
            data = _received(key.fileobj)
            self._flowing.wait()
            if not data:
                return False
            key.data.sendall(data)
        return True


def _received(side: object) -> bytes:
    return side.recv(_CHUNK) if isinstance(side, socket.socket) else b""


def _close(pair: tuple[socket.socket, socket.socket]) -> None:
    for side in pair:
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
        side.close()


def _reset(client: socket.socket) -> None:
    """Close with RST, as a port where nobody listens."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
