"""Email: a folder that is read over IMAP, where what is taken is marked as seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from imapclient import IMAPClient

from reactor.testing.servers import Dovecot, Wire
from reactor.testing.servers.dovecot import PASSWORD
from tests.sources.rig import Rig


class Email(Rig):
    """See `Rig`."""

    name = "email"
    n = "event.data.subject | int"
    server: Dovecot

    def __init__(self) -> None:
        self.server = Dovecot()
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self.user = ""
        self._uids: dict[int, int] = {}
        self._unmarked: set[int] = set()
        """Messages whose marks we took off: they are no longer left, but look so."""

    def close(self) -> None:
        self.wire.__exit__()
        self.server.__exit__()

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self.wire.mend()
        self.user = f"user{number}"
        self._uids.clear()
        self._unmarked.clear()

    def on(self) -> str:
        return "{email: {connection: box, mark: seen, existing: process}}"

    def connections(self) -> str:
        url = self.server.url(self.user, port=self.wire.port)
        return f"{{box: {{type: imap, url: '{url}', starttls: false}}}}"

    def send(self, numbers: Sequence[int]) -> None:
        with self._box() as box:
            for number in numbers:
                box.append("INBOX", b"From: ann@example.org\r\nSubject: %d\r\n\r\nHello\r\n" % number)
                self._uids[number] = len(self._uids) + 1

    def again(self, numbers: Sequence[int]) -> None:
        """There is no second delivery. As near as it gets: somebody makes them unread and recent looking again, as a
        mail program does, or a backup that is restored.
        """
        self._unmarked = {self._uids[number] for number in numbers}
        with self._box() as box:
            box.remove_flags(sorted(self._unmarked), [b"\\Seen"])

    def poison(self) -> None:
        with self._box() as box:
            box.append("INBOX", b"Subject: parts\r\n\r\n" + b"boundary=x\r\n" * 200)

    def left(self) -> int:
        with self._box() as box:
            return len(set(box.search("UNSEEN")) - self._unmarked)

    @contextlib.contextmanager
    def _box(self) -> Iterator[IMAPClient]:
        """The mailbox as a mail program sees it."""
        with IMAPClient(self.server.host, self.server.port, ssl=False, timeout=10) as box:
            box.login(self.user, PASSWORD)
            box.select_folder("INBOX")
            yield box
