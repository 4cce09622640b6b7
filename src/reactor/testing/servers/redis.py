"""Redis."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from typing import Any

from reactor.testing.servers.process import Server


class Redis(Server):
    """An empty server. Without `durable` it keeps nothing: killed and started again it is empty."""

    name, program, package = "redis", "redis-server", "redis-server"
    end = signal.SIGTERM

    def __init__(
        self,
        options: Mapping[str, str] | None = None,
        *,
        password: str = "",
        users: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> None:
        """`options`: settings such as `maxmemory`. `password`: of the default user. `users`: name → rules of its ACL,
        such as `on >secret ~* +@all`. `durable`: each write is on the disk before it is answered.
        """
        super().__init__()
        self.options = dict(options or {})
        self.password = password
        self.users = dict(users or {})
        self.durable = durable

    def url(self, db: int = 0) -> str:
        """`redis://…`, without user and password."""
        return f"redis://{self.host}:{self.port}/{db}"

    def prepare(self) -> None:
        self.find()
        lines = [f"user {name} {rules}" for name, rules in self.users.items()]
        (self.folder / "users.conf").write_text("\n".join([*lines, ""]))

    def command(self) -> list[str]:
        kept = {"appendonly": "yes", "appendfsync": "always"} if self.durable else {"appendonly": "no"}
        settings = {"port": str(self.port), "bind": self.host, "dir": str(self.folder), "save": "", "daemonize": "no"}
        if self.password:
            settings["requirepass"] = self.password
        settings |= kept | self.options
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [self.find(), str(self.folder / "users.conf"), *arguments]

    def ready(self) -> bool:
        """It answers, be it by asking for a password, and has loaded its data."""
        with socket.create_connection((self.host, self.port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))

    def do(self, *command: Any) -> Any:
        """The answer to one command, for tests: bytes, numbers and lists as they come."""
        from redis import Redis as Client  # noqa: PLC0415 - wanted by these tests only

        with Client(self.host, self.port, password=self.password or None, protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)
