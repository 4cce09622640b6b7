"""Secrets: each encrypted under a key of its own, these keys under the master key, in one file of the data folder.

AES-256-GCM with random nonces; the name and version are authenticated, so an entry cannot be passed off as another. The
file is replaced as a whole, so it is never half written; the command line may change it while the server runs.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from reactor.model.clock import Clock, Instant
from reactor.model.errors import InvalidError, PermanentError

FILE, KEY_FILE, LOCK_FILE = "secrets.json", "secret.key", "secrets.lock"
LONGEST = 64 << 10
"""Bytes of one secret."""
_KEY_BYTES, _NONCE_BYTES = 32, 12
_SHORTEST_KEY = 12
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


class SecretInfo(msgspec.Struct, frozen=True):
    """What may be shown of a secret."""

    name: str
    version: int
    """Rises by one with each change."""
    updated_at: Instant


class _Sealed(msgspec.Struct, frozen=True):
    version: int
    updated_at: Instant
    key: bytes
    """The secret's own key, sealed by the master key. msgspec writes bytes as base64."""
    data: bytes
    """The secret, sealed by its key."""


class _File(msgspec.Struct):
    salt: bytes
    """For a master key that is a passphrase."""
    secrets: dict[str, _Sealed] = msgspec.field(default_factory=dict)
    format: int = 1


class Vault:
    """The secrets of one data folder."""

    def __init__(self, folder: Path, clock: Clock, key: str | None = None) -> None:
        """`key`: what the operator gave (`REACTOR_SECRET_KEY`); None: a file in the folder, made at first use."""
        self._folder = folder
        self._clock = clock
        self._given = key
        self._path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._file: _File | None = None
        self._plain: dict[str, str] = {}
        self._master: bytes | None = None

    def read(self, name: str) -> str | None:
        """The value, or None when there is no such secret. Sees what other processes have changed.

        Raises:
            PermanentError: kind `secret`: it was set under another key, or the file is damaged.
        """
        file = self._current()
        if name in self._plain:
            return self._plain[name]
        sealed = file.secrets.get(name)
        if sealed is None:
            return None
        value = self._opened(name, sealed, file)
        self._plain[name] = value
        return value

    def list(self) -> list[SecretInfo]:
        """All of them by name, without values.

        Raises:
            PermanentError: kind `secret`: the file is damaged.
        """
        found = self._current().secrets
        return [SecretInfo(name, found[name].version, found[name].updated_at) for name in sorted(found)]

    def set(self, name: str, value: str) -> int:
        """Keep a secret, or replace it. Returns its version.

        Raises:
            InvalidError: the name or value cannot be.
            PermanentError: kind `secret`: the key is not the one that the other secrets were set under.
        """
        if not _NAME.fullmatch(name):
            raise InvalidError(f"{name[:40]!r} cannot be a secret's name: letters, digits, _ . - and no digit first")
        if not value or len(value.encode("utf-8", "replace")) > LONGEST:
            raise InvalidError(f"a secret has 1 to {LONGEST} bytes")
        with self._changing() as file:
            for other, sealed in file.secrets.items():
                # One is enough: two keys in one file would be found out only when it is too late.
                self._opened(other, sealed, file)
                break
            old = file.secrets.get(name)
            version = old.version + 1 if old else 1
            file.secrets[name] = self._sealed(name, version, value, file)
        return version

    def delete(self, name: str) -> bool:
        """Forget a secret; whether there was one."""
        with self._changing() as file:
            return file.secrets.pop(name, None) is not None

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes that follows from the master key, for another use of it.

        Raises:
            PermanentError: kind `secret`: there is no master key, or it cannot be read.
        """
        file = self._current()
        if self._given and not self._path.exists():
            # A passphrase makes a key only together with its salt, which has to stay as it is.
            with self._changing() as kept:
                file = kept
        return hmac.digest(self._key(file), f"reactor/key/{purpose}".encode(), "sha256")

    # --- the file ---

    def _current(self) -> _File:
        """The file as it is now; looked at anew only when it has changed."""
        seen: tuple[int, int, int] | None = None
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:
            pass
        if self._file is None or seen != self._seen:
            self._plain.clear()
            self._file = self._decoded() if seen is not None else _File(os.urandom(16))
            self._seen = seen
        return self._file

    def _decoded(self) -> _File:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_File)
        except (OSError, msgspec.MsgspecError) as error:
            raise PermanentError("secret", f"{self._path} cannot be read: {error}; restore it from a backup") from None

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        """The newest file, to be changed; written when the block ends well. One process at a time."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self._decoded() if self._path.exists() else _File(self._current().salt)
            yield file
            write_private(self._path, msgspec.json.format(msgspec.json.encode(file)))
            self._file = None
        finally:
            os.close(lock)

    # --- sealing ---

    def _sealed(self, name: str, version: int, value: str, file: _File) -> _Sealed:
        own = os.urandom(_KEY_BYTES)
        bound = _bound(name, version)
        return _Sealed(
            version, self._clock.now(), _seal(self._key(file), own, bound), _seal(own, value.encode(), bound)
        )

    def _opened(self, name: str, sealed: _Sealed, file: _File) -> str:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - most starts need no secret

        bound = _bound(name, sealed.version)
        try:
            return _open(_open(self._key(file), sealed.key, bound), sealed.data, bound).decode()
        except (InvalidTag, ValueError):
            raise PermanentError(
                "secret",
                f"secret {name!r} cannot be opened: it was set under another key (REACTOR_SECRET_KEY, or the file "
                f"{self._folder / KEY_FILE}), or {self._path} is damaged",
            ) from None

    def _key(self, file: _File) -> bytes:
        if self._master is None:
            self._master = _given_key(self._given, file.salt) if self._given else self._kept_key()
        return self._master

    def _kept_key(self) -> bytes:
        path = self._folder / KEY_FILE
        try:
            return _exact(path.read_text("ascii").strip())
        except FileNotFoundError:
            if self._path.exists():
                raise PermanentError(
                    "secret", f"{path} is missing, so no secret can be opened; restore it, or set REACTOR_SECRET_KEY"
                ) from None
        except (OSError, ValueError) as error:
            raise PermanentError("secret", f"{path} cannot be read: {error}") from None
        key = os.urandom(_KEY_BYTES)
        write_private(path, base64.b64encode(key) + b"\n")
        return key


def write_private(path: Path, data: bytes) -> None:
    """Put a file, readable by its owner alone, in place of what was there: whole or not at all, also in a power cut."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _bound(name: str, version: int) -> bytes:
    return f"reactor/secret/{name}/{version}".encode()


def _seal(key: bytes, data: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)


def _exact(text: str) -> bytes:
    """32 bytes in hex or base64.

    Raises:
        ValueError: it is not.
    """
    key = bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else base64.b64decode(text, validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError(f"a key has {_KEY_BYTES} bytes in base64 or hex")
    return key


def _given_key(text: str, salt: bytes) -> bytes:
    """The operator's key: 32 bytes in hex or base64 as they are, any other text as a passphrase.

    Raises:
        PermanentError: kind `secret`: it is too short.
    """
    try:
        return _exact(text)
    except ValueError:
        pass
    if len(text) < _SHORTEST_KEY:
        raise PermanentError(
            "secret",
            f"REACTOR_SECRET_KEY is shorter than {_SHORTEST_KEY} characters; make one: openssl rand -base64 32",
        )
    import hashlib  # noqa: PLC0415

    return hashlib.scrypt(text.encode(), salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=_KEY_BYTES)
