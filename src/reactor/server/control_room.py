"""The control room's files: built by `make ui` into the folder beside this file, and read once.

Every address below `/ui/` that names no file is a page of the application, which finds its place by itself. The page
is answered with a fresh nonce each time: some of its libraries add a style element, and only those may.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import secrets
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from reactor.server.headers import PAGE, page_policy
from reactor.server.problems import Headers, Problem, Scope, Send, answer

PREFIX = "/ui/"
_NONCE = b"__NONCE__"
_FOR_EVER = b"public, max-age=31536000, immutable"
_PACKED = (".js", ".css", ".svg", ".html", ".json", ".map")
_HASHED = re.compile(r"assets/.+-[\w-]{8}\.\w+")
"""Vite puts a digest of the content into these names."""
_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Reactor</title>
<p>Reactor runs, but its control room is not built in this checkout: <code>make ui</code> builds it.
"""


class File(msgspec.Struct, frozen=True):
    """One file as it is sent."""

    type: bytes
    plain: bytes
    packed: bytes | None
    """gzip, where that is smaller."""
    etag: bytes
    lasting: bool
    """Its name changes with its content."""


@cache
def files() -> dict[str, File]:
    """Path below `/ui/` → file; empty where nothing has been built."""
    root = resources.files("reactor.server").joinpath("ui")
    return dict(_walk(root, "")) if root.is_dir() else {}


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, File]]:
    found: list[tuple[str, File]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{path}/")
        else:
            found.append((path, _file(path, entry.read_bytes())))
    return found


def _file(path: str, plain: bytes) -> File:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith("javascript"):
        kind += "; charset=utf-8"
    packed = gzip.compress(plain, 9, mtime=0) if path.endswith(_PACKED) else plain
    etag = b'"' + hashlib.sha256(plain).hexdigest()[:20].encode() + b'"'
    return File(
        kind.encode(), plain, packed if len(packed) < len(plain) else None, etag, _HASHED.fullmatch(path) is not None
    )


async def show(scope: Scope, send: Send) -> None:
    """Answer a request below `/ui/`.

    Raises:
        Problem: 404, 405.
    """
    if scope["method"] not in ("GET", "HEAD"):
        raise Problem(405, "the control room is read with GET", headers=[(b"allow", b"GET, HEAD")])
    path = scope["path"].removeprefix(PREFIX)
    file = files().get(path)
    if file is None and path.startswith("assets/"):
        raise Problem(404, f"the control room has no file {path[:100]!r}; load the page again")
    if file is None or path == "index.html":
        await _page(send)
        return
    head = dict(scope["headers"])
    headers: Headers = [
        (b"content-type", file.type),
        (b"cache-control", _FOR_EVER if file.lasting else b"no-cache"),
        (b"etag", file.etag),
        (b"vary", b"accept-encoding"),
    ]
    if head.get(b"if-none-match") == file.etag:
        await answer(send, 304, headers, b"")
        return
    body = file.plain
    if file.packed is not None and b"gzip" in head.get(b"accept-encoding", b""):
        body = file.packed
        headers.append((b"content-encoding", b"gzip"))
    await answer(send, 200, [*headers, (b"content-length", b"%d" % len(body))], body)


def _policy(nonce: bytes) -> tuple[bytes, bytes]:
    """Nothing but its own files, and styles that carry the nonce."""
    styles = (b"'self'", b"'nonce-" + nonce + b"'")
    return page_policy((b"'self'",), styles, b"font-src 'self'", b"img-src 'self' data:", b"form-action 'self'")


async def _page(send: Send) -> None:
    index = files().get("index.html")
    nonce = secrets.token_urlsafe(16).encode()
    text = _NOT_BUILT if index is None else index.plain.replace(_NONCE, nonce)
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        _policy(nonce),
        *PAGE,
    ]
    await answer(send, 200 if index is not None else 503, headers, text)
