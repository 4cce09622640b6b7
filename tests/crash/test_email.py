"""`reactor run` moves what it reads in a mailbox and dies: each message is one run, and moved once. (What is only
marked goes through the faults of `tests/sources`.)
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient

from reactor.testing.servers import Dovecot
from reactor.testing.servers.dovecot import PASSWORD
from tests.crash.harness import Server, server
from tests.crash.load import journal

FLOW = """\
name: mail
on: {{email: {{connection: box, existing: process, mark: move Done, batch: 3}}}}
connections: {{box: {{type: imap, url: '{url}', starttls: false}}}}
steps:
  - {{name: s, set: {{n: "{{{{ event.data.subject }}}}"}}}}
"""
MESSAGES = 20


@pytest.fixture(scope="module")
def mail() -> Iterator[Dovecot]:
    with Dovecot() as running:
        yield running


@pytest.mark.crash
@pytest.mark.parametrize("name", ["source.committed", "source.acknowledged"])
async def test_each_message_is_one_run(name: str, mail: Dovecot, tmp_path: Path) -> None:
    user = name.replace(".", "-")
    client = IMAPClient(mail.host, mail.port, ssl=False, timeout=10)
    client.login(user, PASSWORD)
    client.create_folder("Done")
    sent = [f"m{n}" for n in range(MESSAGES)]
    try:
        with server(tmp_path, {"mail": FLOW.format(url=mail.url(user))}) as it:
            for subject in sent[:10]:
                client.append("INBOX", f"Subject: {subject}\r\n\r\ntext".encode())
            for count in (2, 2):
                _die(it, f"{name}:{count}")
            it.start()
            for subject in sent[10:]:
                client.append("INBOX", f"Subject: {subject}\r\n\r\ntext".encode())
            _until_moved(client, it)
            it.until_idle(20)
            assert it.signal(signal.SIGTERM) == 0, it.log()
    finally:
        client.logout()
    runs, _ = await journal(tmp_path / "data")
    found = Counter(one.event.data["subject"] for one in runs.values() if one.event is not None)
    assert found == Counter(sent)


def _die(it: Server, failpoint: str) -> None:
    process = it.spawn(REACTOR_FAILPOINT=failpoint)
    assert process.wait(20) == -signal.SIGKILL, it.log()


def _until_moved(client: IMAPClient, it: Server) -> None:
    """Every message is in the other folder: what was committed is marked, too."""
    until = time.monotonic() + 20
    while client.folder_status("Done", ["MESSAGES"])[b"MESSAGES"] < MESSAGES:
        assert time.monotonic() < until, it.log()
        time.sleep(0.05)
    assert client.folder_status("Done", ["MESSAGES"])[b"MESSAGES"] == MESSAGES
    assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 0
