"""One IMAP session, used by one thread: what the trigger asks of a server, and what its troubles mean.

Sources: RFC 3501 (IMAP4rev1), RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE).
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, LoginError

from reactor.connectors.email import reading
from reactor.connectors.email.config import EmailConfig, size
from reactor.connectors.email.connections import ImapSettings
from reactor.model import durations
from reactor.sdk import DeadLetter, EventDraft, PermanentError, StepError, TransientError

T = TypeVar("T")
BEAT = 4.0
"""Seconds after which a server that says nothing is asked whether it is there."""
PATIENCE = 4.0
"""Seconds that it has for the answer."""
BATCH_BYTES = 8 * 1024**2
HEAD = 65_536
"""Bytes that are kept of a message over the limit: its headers."""
_SIZE, _BODY, _DATE, _FLAGS = "RFC822.SIZE", "BODY[]<0>", "INTERNALDATE", "FLAGS"
TROUBLES = (imaplib.IMAP4.error, OSError, EOFError)
"""All that a session raises; `ssl.SSLError` and `TimeoutError` are OSErrors."""


class RefusedError(Exception):
    """The server does not do what is asked; the message says what, and what to do."""


class Address(msgspec.Struct, frozen=True):
    """Where the mailbox is, and who we are."""

    host: str
    port: int
    implicit: bool
    """TLS from the start."""
    user: str
    password: str
    token: str | None
    timeout: float

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"


class Folder(msgspec.Struct, frozen=True):
    """A folder as it was when it was selected."""

    validity: int
    """UIDVALIDITY: another one, and the UIDs mean other messages."""
    next: int
    """The UID that the next message gets, or a greater one."""
    messages: int


class Taken(msgspec.Struct, frozen=True):
    """A message that was read."""

    uid: int
    arrived: int
    """Seconds since 1970."""
    item: EventDraft | DeadLetter
    whole: bool = True
    """Its whole content is in the item."""


def address(name: str, settings: ImapSettings) -> Address:
    """Where a connection leads.

    Raises:
        PermanentError: kind `input`: its url is none, or who logs in is missing. The message holds no password.
    """
    try:
        url = urlsplit(settings.url)
        implicit = url.scheme == "imaps"
        if url.scheme not in {"imap", "imaps"} or not url.hostname or url.path not in {"", "/"}:
            raise ValueError("the url should be imaps://user:password@host:port or imap://…")
        if not _nameable(url.hostname):
            raise ValueError("the host in its url cannot be the name of one")
        user = settings.user if settings.user is not None else unquote(url.username or "")
        password = settings.password if settings.password is not None else unquote(url.password or "")
        if not user or not (password or settings.token):
            raise ValueError("`user` and `password` (or `token`) are missing")
        if any(character in "\0\r\n" for character in user + password + (settings.token or "")):
            raise ValueError("user, password and token have no line breaks in them")
        port = url.port or (993 if implicit else 143)
        timeout = durations.parse(settings.timeout) / 1000
        return Address(url.hostname, port, implicit, user, password, settings.token, timeout)
    except ValueError as error:  # of ours and of urlsplit; neither shows the password
        raise PermanentError("input", f"connection {name!r}: {error}") from error


def _nameable(host: str) -> bool:
    """Whether a resolver would take it, instead of raising what nobody expects."""
    try:
        return b"\0" not in host.encode("idna")
    except UnicodeError:
        return False


class _Imap4(imaplib.IMAP4):
    """On a socket that is connected already."""

    def __init__(self, line: socket.socket, host: str) -> None:
        self._line = line
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._line


class Session(IMAPClient):  # type: ignore[misc]  # the library has no types
    """Logged in."""

    def __init__(self, line: socket.socket, where: Address, tls: ssl.SSLContext, *, starttls: bool) -> None:
        """Greets and logs in on a connected socket, which belongs to the session from now on.

        Raises:
            PermanentError: kind `email.refused`: no encryption, or wrong credentials.
        """
        self._line = line
        self._where = where
        if where.implicit:
            self._line = tls.wrap_socket(line, server_hostname=where.host)
        super().__init__(where.host, where.port, ssl=where.implicit, ssl_context=tls, timeout=where.timeout)
        self.normalise_times = False
        try:
            if starttls and not where.implicit:
                self._encrypt(tls)
            self._log_in()
        except BaseException:
            self.close()
            raise

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - the library's name
        return _Imap4(self._line, self._where.host)

    def _encrypt(self, tls: ssl.SSLContext) -> None:
        if not self.has_capability("STARTTLS"):
            raise PermanentError(
                "email.refused",
                f"{self._where.place} offers no encryption, so no password is sent (`starttls: false` would allow it)",
            )
        self.starttls(tls)

    def _log_in(self) -> None:
        where = self._where
        try:
            if self._imap.state == "AUTH":  # it knew us by our certificate
                return
            if where.token is not None:
                self.oauth2_login(where.user, where.token)
            elif self.has_capability("AUTH=PLAIN"):
                self.plain_login(where.user, where.password)
            else:
                self.login(_quoted(where.user), where.password)
        except LoginError as error:
            said = _said(error, where)
            if "UNAVAILABLE" in said or "INUSE" in said or "LIMIT" in said:
                raise TransientError("email.temporary", f"{where.place} does not let us in now: {said}") from None
            what = "user and token" if where.token is not None else "user and password"
            raise PermanentError(
                "email.refused",
                f"{where.place} refuses the login of {where.user!r}: {said}; check {what} of the connection",
            ) from None

    def close(self) -> None:
        """Give the socket back; the server is not asked."""
        imap = getattr(self, "_imap", None)
        if imap is None:
            self._line.close()
            return
        with contextlib.suppress(OSError):  # it is gone already
            imap.shutdown()

    # ------------------------------------------------------------ folders

    def enter(self, folder: str, *, readonly: bool) -> Folder:
        """Select a folder.

        Raises:
            RefusedError: there is none, or it cannot be written to.
        """
        try:
            found = self.select_folder(folder, readonly=readonly)
        except imaplib.IMAP4.readonly:
            raise RefusedError(
                f"folder {folder!r} is read-only for this user, so messages cannot be marked; use `mark: none`"
            ) from None
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise RefusedError(
                f"folder {folder!r} cannot be opened: {_said(error, self._where)}; the mailbox has {self._names()}"
            ) from None
        self._imap.untagged_responses.clear()
        if b"UIDVALIDITY" not in found:
            raise RefusedError(f"folder {folder!r} has no UIDVALIDITY: the server keeps no numbers of messages")
        following = found.get(b"UIDNEXT") or max(self.search("UID *"), default=0) + 1
        return Folder(found[b"UIDVALIDITY"], following, found.get(b"EXISTS", 0))

    def require(self, folder: str) -> None:
        """Raises:
        RefusedError: there is no such folder.
        """
        if not self.folder_exists(folder):
            raise RefusedError(f"there is no folder {folder!r} to move messages to; the mailbox has {self._names()}")

    def _names(self) -> str:
        names = [name for _, _, name in self.list_folders()]
        shown = ", ".join(names[:10])
        return f"{shown}, and {len(names) - 10} more" if len(names) > 10 else shown or "no folders"

    # ------------------------------------------------------------ messages

    def uids(self, first: int, last: int, wanted: str | None) -> list[int]:
        """UIDs of messages from `first` to `last`, in order.

        Raises:
            RefusedError: the server does not understand `wanted`.
        """
        try:
            found = self._search(_criteria(f"UID {first}:{last}", wanted), "UTF-8" if _beyond_ascii(wanted) else None)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if wanted is None:
                raise
            raise RefusedError(f"the server does not understand `search`: {_said(error, self._where)}") from None
        return sorted(uid for uid in found if first <= uid <= last)

    def _search(self, criteria: list[bytes], charset: str | None) -> list[int]:
        """In place of the library's, which cannot send what is beyond ASCII beside what is not to be quoted."""
        head = [b"CHARSET", charset.encode()] if charset else []
        data = self._raw_command_untagged(b"SEARCH", [*head, *criteria])
        return [int(word) for line in data if line for word in line.split()]

    def take(self, uids: Sequence[int], config: EmailConfig, about: dict[str, Any]) -> list[Taken]:
        """Read the first of these messages: as many as fit into a batch. Messages that are gone are left out."""
        sizes = {uid: found[_SIZE.encode()] for uid, found in self.fetch(list(uids), [_SIZE]).items()}
        return list(self._read(list(_fitting(sizes)), config, about))

    def _read(self, uids: list[int], config: EmailConfig, about: dict[str, Any]) -> Iterator[Taken]:
        limit = size(config.max_size)
        found = self.fetch(uids, [f"BODY.PEEK[]<0.{limit + 1}>", _DATE, _FLAGS, _SIZE]) if uids else {}
        for uid in uids:
            if uid in found:
                yield self._taken(uid, found[uid], config, limit, about)

    def _taken(
        self, uid: int, found: dict[bytes, Any], config: EmailConfig, limit: int, about: dict[str, Any]
    ) -> Taken:
        raw = found.get(_BODY.encode()) or b""
        arrived = found.get(_DATE.encode())
        metadata = {
            **about,
            "uid": uid,
            "size": found.get(_SIZE.encode()),
            "flags": [flag.decode("ascii", "replace") for flag in found.get(_FLAGS.encode(), ())],
            "received_at": None if arrived is None else arrived.isoformat(),
        }
        seconds = 0 if arrived is None else int(arrived.timestamp())
        if len(raw) > limit:
            reason = f"the message has {metadata['size']} bytes, and `max_size` is {config.max_size}"
            return Taken(uid, seconds, reading.unreadable(reason, _head(raw), metadata, truncated=True), whole=False)
        try:
            return Taken(uid, seconds, reading.draft(raw, config, metadata, arrived))
        except reading.UnreadableError as error:
            return Taken(uid, seconds, reading.unreadable(str(error), raw, metadata))

    def mark(self, uids: Sequence[int], how: str, target: str | None) -> None:
        """Mark messages; those that are gone are no trouble.

        Raises:
            RefusedError: the server does not do it.
        """
        try:
            if how == "seen":
                self.add_flags(uids, [b"\\Seen"], silent=True)
            elif target is not None and self.has_capability("MOVE"):
                self.move(uids, target)
            else:
                if target is not None:
                    self.copy(uids, target)
                self.add_flags(uids, [b"\\Deleted"], silent=True)
                if self.has_capability("UIDPLUS"):  # a plain EXPUNGE would take what others have deleted, too
                    self.uid_expunge(uids)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise RefusedError(
                f"messages cannot be marked (`mark: {how}{f' {target}' if target else ''}`): "
                f"{_said(error, self._where)}; check the folder and the user's rights on it"
            ) from None

    # ------------------------------------------------------------ waiting

    @property
    def told(self) -> bool:
        """Whether the server has told of new messages since the folder was entered."""
        return "EXISTS" in self._imap.untagged_responses

    def rest(self, seconds: float) -> None:
        """Until there are new messages or the time is over. A server that is gone or hangs is noticed within
        `BEAT` + `PATIENCE`.
        """
        until = time.monotonic() + seconds
        idle = self._hurried(lambda: self.has_capability("IDLE"))
        self._ask()
        while not self.told and (left := until - time.monotonic()) > 0:
            if idle:
                self._idle(min(left, BEAT))
            else:
                self._poll(min(left, BEAT))
                self._ask()

    def _idle(self, seconds: float) -> None:
        self._hurried(self._begin_idle)
        if not self.told:
            self._poll(seconds)
        self._hurried(self.idle_done)

    def _begin_idle(self) -> None:
        # The library's own `idle` takes nothing untagged before the continuation, and misses what comes with it.
        tag = self._imap._command("IDLE")  # noqa: SLF001
        while self._imap._get_response() is not None:  # noqa: SLF001
            if self._imap.tagged_commands[tag] is not None:
                raise imaplib.IMAP4.error(f"IDLE was refused: {self._imap.tagged_commands.pop(tag)[1]}")
        self._idle_tag = tag

    def _ask(self) -> None:
        self._hurried(self.noop)

    def _hurried(self, question: Callable[[], T]) -> T:
        """Ask something that costs the server nothing, so that it has less time for the answer. What it tells beside
        the answer is kept by `imaplib` (`told`).
        """
        line = self.socket()
        line.settimeout(min(PATIENCE, self._where.timeout))
        answer = question()
        line.settimeout(self._where.timeout)
        return answer

    def _poll(self, seconds: float) -> None:
        line = self.socket()
        if isinstance(line, ssl.SSLSocket) and line.pending():
            return
        poller = select.poll()
        poller.register(line.fileno(), select.POLLIN)
        poller.poll(max(0, seconds) * 1000)


def _fitting(sizes: dict[int, int]) -> Iterator[int]:
    """The first, and those after it that fit beside it."""
    left = BATCH_BYTES
    for index, uid in enumerate(sorted(sizes)):
        left -= sizes[uid] or 0
        if index and left < 0:
            return
        yield uid


def _head(raw: bytes) -> bytes:
    head, end, _ = raw[: HEAD + 4].partition(b"\r\n\r\n")
    return (head + end)[:HEAD]


def _criteria(range_: str, wanted: str | None) -> list[bytes]:
    """What stands behind SEARCH; a text beyond ASCII is a literal of its own."""
    if not _beyond_ascii(wanted):
        return [f"{range_} {wanted or ''}".strip().encode()]
    words = re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"]+', wanted or "")
    return [range_.encode(), *(_word(word) for word in words)]


def _word(word: str) -> bytes:
    if word.isascii():
        return word.encode()
    if word.startswith('"'):
        word = word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return word.encode()


def _beyond_ascii(text: str | None) -> bool:
    return text is not None and not text.isascii()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _said(error: BaseException, where: Address) -> str:
    """What the server said, on one short line, without our secrets."""
    text = str(error)
    if text.startswith("b'"):
        text = text[2:-1]
    text = text.partition(" failed: ")[2] or text
    for secret in (where.password, where.token):
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:300]


def failure(error: BaseException, where: Address) -> StepError:
    """What went wrong with a session, and what to do."""
    if isinstance(error, RefusedError):
        return PermanentError("email.refused", f"{where.place}: {error}")
    if isinstance(error, CapabilityError):
        return PermanentError("email.refused", f"{where.place}: {_said(error, where)}")
    if isinstance(error, imaplib.IMAP4.error) and not isinstance(error, imaplib.IMAP4.abort):
        return TransientError("email.temporary", f"{where.place}: {_said(error, where)}")
    return _lost(error, where)


def _lost(error: BaseException, where: Address) -> StepError:
    """There is no connection (any more)."""
    place = where.place
    if isinstance(error, socket.gaierror):
        return TransientError("connection", f"{place}: there is no host of that name; check the connection's `url`")
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            "connection",
            f"{place}: its certificate is not trusted ({error.verify_message}); name its authority in `tls.ca`",
        )
    if isinstance(error, ssl.SSLError):
        hint = "is it a port for imap:// rather than imaps://?" if where.implicit else "see `starttls`"
        return TransientError("connection", f"{place}: no encryption came about ({error.reason}); {hint}")
    if isinstance(error, ConnectionRefusedError):
        return TransientError("connection", f"{place} refuses connections; is the server running, and the port right?")
    if isinstance(error, TimeoutError):
        return TransientError("timeout", f"{place} does not answer; is the server overloaded, or the network down?")
    return TransientError("connection", f"{place}: the connection was lost: {_said(error, where)}")
