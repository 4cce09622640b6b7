"""Dovecot, an IMAP server."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from reactor.testing.servers.process import Server, free_port, give_to
from reactor.testing.servers.smtp import certificate_files

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login{tokens}
auth_failure_delay = 0
mail_fsync = never
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 100
mailbox_idle_check_interval = 1 secs
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
{token_passdb}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
{more}
"""

_TOKENS = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
"""
_INTROSPECTION = """\
introspection_mode = get
introspection_url = {url}
username_attribute = sub
active_attribute = active
active_value = true
"""

PASSWORD = 'p@ss/w:"rd'  # noqa: S105 - of everybody, on the loopback


class Dovecot(Server):
    """An IMAP server where everybody who knows `PASSWORD` has the mailbox of the name given. `/` parts its folders.

    Its processes belong together: `kill`, `hang` and `wake` are for all of them.
    """

    name, program, package = "dovecot", "dovecot", "dovecot-imapd"

    def __init__(self, *, tls: bool = False, options: Mapping[str, str] | None = None, tokens: str = "") -> None:
        """`tls`: it offers STARTTLS on `port`, and speaks TLS from the start on `tls_port`; `ca` is whom to trust.
        `options`: further settings such as `imap_capability`. `tokens`: the url that is asked about OAuth 2.0 tokens,
        which are added to it; its answer is JSON with `active` and `sub`.
        """
        super().__init__()
        self.tls_port = free_port() if tls else 0
        self.ca, self._key = certificate_files() if tls else ("", "")
        self.password = PASSWORD
        self._delivered = 0
        self.options = dict(options or {})
        self.tokens = tokens

    def url(self, user: str = "ann", *, port: int | None = None, password: str | None = None) -> str:
        """`imap://…` with the user; `port`: of a wire before it."""
        login = f"{quote(user, safe='')}:{quote(password or self.password, safe='')}"
        return f"imap://{login}@{self.host}:{port or self.port}"

    def prepare(self) -> None:
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir()
        root = os.geteuid() == 0
        internal = pwd.getpwnam("dovecot") if root else pwd.getpwuid(os.geteuid())
        for file, text in (("cert.pem", self.ca), ("key.pem", self._key)):
            (self.folder / file).write_text(text)
        if self.tokens:
            (self.folder / "oauth2.conf").write_text(_INTROSPECTION.format(url=self.tokens))
        (self.folder / "dovecot.conf").write_text(
            _CONFIG.format(
                folder=self.folder,
                tokens=" xoauth2" if self.tokens else "",
                token_passdb=_TOKENS.format(folder=self.folder) if self.tokens else "",
                ssl="yes" if self.tls_port else "no",
                password=self.password,
                port=self.port,
                tls_port=self.tls_port,
                internal=internal.pw_name,
                group=internal.pw_name,
                login="dovenull" if root else internal.pw_name,
                uid=internal.pw_uid,
                gid=internal.pw_gid,
                more="\n".join(f"{name} = {value}" for name, value in self.options.items()),
            )
        )
        if root:
            self.folder.chmod(0o711)
            give_to(internal.pw_name, self.folder / "mail")

    def command(self) -> list[str]:
        return [self.find(), "-F", "-c", str(self.folder / "dovecot.conf")]

    def ready(self) -> bool:
        """It greets."""
        with socket.create_connection((self.host, self.port), timeout=1) as probe:
            return probe.recv(4) == b"* OK"

    def kill(self) -> None:
        """`kill -9` of the master and of every process that serves somebody."""
        family = self._family()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running().wait(10)
        _until_gone(family)
        # Locks of the dead are waited for, up to two minutes: longer than a test has.
        for lock in (self.folder / "mail").rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def hang(self) -> None:
        """All of them stop without ending."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """After `hang`."""
        self._signal(signal.SIGCONT)

    def deliver(self, *messages: bytes, user: str = "ann", folder: str = "INBOX") -> None:
        """Put messages into a folder as a mail server does: files in `new/` of its Maildir."""
        base = self.maildir(user, folder)
        for name in ("tmp", "new", "cur"):
            (base / name).mkdir(parents=True, exist_ok=True)
        names = []
        for message in messages:
            self._delivered += 1
            names.append(f"{self._delivered:010}.{os.getpid()}.test")
            (base / "tmp" / names[-1]).write_bytes(message)
        if os.geteuid() == 0:
            give_to("dovecot", base)
        for name in names:
            (base / "tmp" / name).rename(base / "new" / name)

    def maildir(self, user: str = "ann", folder: str = "INBOX") -> Path:
        """Where a folder lies."""
        return self.folder / "mail" / user / ("" if folder == "INBOX" else f".{folder.replace('/', '.')}")

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _family(self) -> list[int]:
        """The master first, and all that came from it."""
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found

    def _leave(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        super()._leave()


def _children(pid: int) -> Iterator[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return
    yield from map(int, text.split())


def _until_gone(pids: list[int]) -> None:
    """They are our grandchildren, so nobody but init waits for them."""
    until = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2][:1] != "Z"
    except OSError:
        return False
