"""Digests and message authentication codes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from reactor.sdk import PermanentError


def decode(text: str) -> bytes:
    """Bytes from base64, with or without the URL-safe letters.

    Raises:
        PermanentError: kind `input`.
    """
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PermanentError("input", f"base64: {error}") from error


def digest(content: bytes, algorithm: str, key: str | None, encoding: str) -> str:
    """The digest as text."""
    if key is not None:
        made = hmac.digest(key.encode("utf-8", "surrogatepass"), content, algorithm)
    else:
        made = hashlib.new(algorithm, content, usedforsecurity=False).digest()
    return made.hex() if encoding == "hex" else base64.b64encode(made).decode()
