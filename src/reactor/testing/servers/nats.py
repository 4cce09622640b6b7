"""NATS."""

from __future__ import annotations

import socket
from typing import Any

import msgspec

from reactor.testing.servers.process import Server


class Nats(Server):
    """A server with JetStream. What is stored outlives a kill.

    `options` are those of its configuration file, which is written anew at each start: `{"authorization": {…}}`.
    """

    name, program, package = "nats", "nats-server", "nats-server"

    def __init__(
        self,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        jetstream: bool = True,
        tls: tuple[str, str] | None = None,
        clients: str = "",
        **options: Any,
    ) -> None:
        """`tls`: certificate and key, PEM text. `clients`: who comes has to show a certificate that this one vouches
        for.
        """
        super().__init__()
        self.tls = tls
        self.clients = clients
        self.options: dict[str, Any] = {"listen": f"{self.host}:{self.port}", **options}
        if jetstream:
            self.options["jetstream"] = {"store_dir": str(self.folder / "js"), "max_file_store": 1 << 30}
        if user is not None:
            self.options["authorization"] = {"user": user, "password": password}
        if token is not None:
            self.options["authorization"] = {"token": token}

    @property
    def servers(self) -> str:
        """As a connection has it."""
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:
        if self.tls is not None:
            files = {"cert_file": self.folder / "cert.pem", "key_file": self.folder / "key.pem"}
            for file, text in zip(files.values(), self.tls, strict=True):
                file.write_text(text)
            self.options["tls"] = {name: str(file) for name, file in files.items()}
        if self.clients:
            (self.folder / "clients.pem").write_text(self.clients)
            self.options["tls"] |= {"verify": True, "ca_file": str(self.folder / "clients.pem")}

    def command(self) -> list[str]:
        config = self.folder / "nats.conf"
        config.write_bytes(msgspec.json.encode(self.options))  # its format takes JSON
        return [self.find(), "-c", str(config)]

    def ready(self) -> bool:
        """It greets."""
        with socket.create_connection((self.host, self.port), timeout=1) as wire:
            return wire.recv(5) == b"INFO "
