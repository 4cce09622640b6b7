"""Mosquitto, a broker of MQTT."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reactor.testing.servers.process import Server, free_port, give_to, missing

# CONNECT of MQTT 3.1.1 without a client id, and the first byte of the answer.
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
_CONNACK = b"\x20"


class Mosquitto(Server):
    """A broker that keeps sessions and messages in its folder, and writes them at every change, so that `kill` loses as
    little as it lets itself lose.

    Anybody may enter until there are `users`.
    """

    name, program, package = "mosquitto", "mosquitto", "mosquitto"

    def __init__(
        self,
        options: Mapping[str, str | int] | None = None,
        *,
        users: Mapping[str, str] | None = None,
        acl: str = "",
        certificates: tuple[str, str] | None = None,
        clients: str = "",
        websockets: bool = False,
        plugins: Sequence[str] = (),
    ) -> None:
        """`options`: lines of its configuration, such as `max_inflight_messages`. `users`: name → password.
        `acl`: an access list as Mosquitto writes it. `certificates`: (certificate, key) as PEM texts, for a second
        port `tls_port`. `clients`: who comes there has to show a certificate that this one (PEM text) vouches for.
        `websockets`: a third, `ws_port`. `plugins`: lines `plugin …` and `plugin_opt_…`.
        """
        super().__init__()
        self.user = _user()
        self.options = dict(options or {})
        self.users = dict(users or {})
        self.acl = acl
        self.certificates = certificates
        self.clients = clients
        self.plugins = list(plugins)
        self.tls_port = free_port() if certificates else 0
        self.ws_port = free_port() if websockets else 0

    def url(self, scheme: str = "mqtt") -> str:
        """`mqtt://…`, `mqtts://…` or `ws://…`."""
        port = {"mqtts": self.tls_port, "ws": self.ws_port}.get(scheme, self.port)
        return f"{scheme}://{self.host}:{port}"

    def prepare(self) -> None:
        self.configure()

    def configure(self) -> None:
        """Write its files anew; it reads them at its next start."""
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "acl").write_text(self.acl)
        if self.users:
            self._write_passwords(self.folder / "passwords")
        if self.certificates:
            (self.folder / "cert.pem").write_text(self.certificates[0])
            (self.folder / "key.pem").write_text(self.certificates[1])
        if self.clients:
            (self.folder / "clients.pem").write_text(self.clients)
        (self.folder / "mosquitto.conf").write_text("\n".join(self._lines()) + "\n")
        give_to(self.user, self.folder)

    def command(self) -> list[str]:
        return [self.find(), "-c", str(self.folder / "mosquitto.conf")]

    def ready(self) -> bool:
        """Whether it answers a CONNECT, with whatever reason."""
        with socket.create_connection((self.host, self.port), timeout=1) as probe:
            probe.sendall(_CONNECT)
            return probe.recv(1) == _CONNACK

    def _lines(self) -> list[str]:
        options = {
            "persistence": "true",
            "persistence_location": f"{self.folder / 'data'}/",
            "autosave_on_changes": "true",
            "autosave_interval": 1,
            "allow_anonymous": "false" if self.users else "true",
            "max_queued_messages": 0,
            **({"password_file": self.folder / "passwords"} if self.users else {}),
            **({"acl_file": self.folder / "acl"} if self.acl else {}),
            **self.options,
        }
        lines = [f"{name} {value}" for name, value in options.items()]
        lines += [*self.plugins, f"listener {self.port} {self.host}"]
        if self.certificates:
            lines += [f"listener {self.tls_port} {self.host}"]
            lines += [f"certfile {self.folder / 'cert.pem'}", f"keyfile {self.folder / 'key.pem'}"]
        if self.clients:
            lines += [f"cafile {self.folder / 'clients.pem'}", "require_certificate true"]
        if self.ws_port:
            lines += [f"listener {self.ws_port}", "socket_domain ipv4", "protocol websockets"]
        return lines

    def _write_passwords(self, path: Path) -> None:
        tool = Path(self.find()).with_name("mosquitto_passwd")
        found = tool if tool.exists() else Path("/usr/bin/mosquitto_passwd")
        if not found.exists():
            missing("mosquitto_passwd", self.package)
        path.write_text("".join(f"{name}:{password}\n" for name, password in self.users.items()))
        subprocess.run([found, "-U", path], check=True, capture_output=True)


def _user() -> str:
    """It leaves root by itself; its folder has to be that user's."""
    if os.geteuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "mosquitto" if "mosquitto" in known else "nobody"
