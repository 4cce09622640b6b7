"""TLS of connections: one shape for all, and the `ssl` context that it means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.model.errors import PermanentError
from reactor.sdk.paths import inside_roots

if TYPE_CHECKING:
    import ssl

_PEM = "-----BEGIN "


class Tls(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the other side proves who it is, and how we do."""

    ca: str | None = None
    """Certificates of whom to trust, in place of the system's: PEM text, or a file inside the open folders."""
    cert: str | None = None
    """Our own certificate, PEM text or a file, where the other side wants one."""
    key: str | None = None
    """Its private key, PEM text or a file."""
    verify: bool = True
    """Whether the certificate and the name of the other side are checked; false is for trials only."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if (self.cert is None) != (self.key is None):
            raise ValueError("`cert` and `key` go together")


def context(tls: Tls, settings: Mapping[str, Any]) -> ssl.SSLContext:
    """The context that a client connects with. Reads files: they are small and local.

    Raises:
        PermanentError: kind `input`: a file is not there or not open to flows, or holds no certificate.
    """
    import ssl  # noqa: PLC0415 - paid by those who connect
    import tempfile  # noqa: PLC0415

    try:
        made = ssl.create_default_context(cadata=_text(tls.ca, settings) if tls.ca else None)
        if tls.cert and tls.key:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:  # 0600; `ssl` reads files only
                both.write(f"{_text(tls.cert, settings)}\n{_text(tls.key, settings)}")
                both.flush()
                made.load_cert_chain(both.name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise PermanentError("input", f"tls: {error}; `ca`, `cert` and `key` are PEM texts or files") from error
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def loaded(tls: Tls, settings: Mapping[str, Any]) -> Tls:
    """The same with PEM texts in place of files, for clients that outlive them or take no `ssl` context.

    Raises:
        PermanentError: kind `input`: a file is not there or not open to flows.
    """
    try:
        texts = {name: _text(given, settings) for name in ("ca", "cert", "key") if (given := getattr(tls, name))}
    except (OSError, ValueError) as error:
        raise PermanentError("input", f"tls: {error}; `ca`, `cert` and `key` are PEM texts or files") from error
    return msgspec.structs.replace(tls, **texts)


@contextlib.contextmanager
def files(tls: Tls | None) -> Iterator[dict[str, str]]:
    """TLS, `loaded`, as libpq takes it: `sslmode`, and files that it reads while it connects, within the block."""
    if tls is None:
        yield {}
        return
    import ssl  # noqa: PLC0415 - as above
    import tempfile  # noqa: PLC0415

    found = {"sslmode": "verify-full" if tls.verify else "require"}
    if tls.verify:
        found["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
    with tempfile.TemporaryDirectory(prefix="reactor-tls-") as folder:
        for name, option in (("ca", "sslrootcert"), ("cert", "sslcert"), ("key", "sslkey")):
            if text := getattr(tls, name):
                path = Path(folder, name)
                path.touch(0o600)
                path.write_text(text)
                found[option] = str(path)
        yield found


def _text(given: str, settings: Mapping[str, Any]) -> str:
    if _PEM not in given:
        return inside_roots(settings, given).read_text("ascii")
    if not given.isascii():
        raise ValueError("a text in PEM is ASCII")
    return given
