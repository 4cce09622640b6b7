"""What is made of the server's secret key beside the vault's own: sealed outputs of steps, and links that let one
person decide one thing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from reactor.engine.texts import encode
from reactor.model.errors import PermanentError

SEALED = "$sealed"
"""The only key of a sealed value as the journal holds it."""
MASK = "***"
_NONCE = 12
_BOUND = b"reactor/output"
_DEEP = 6
"""Levels of an output in which sealed values are looked for: an iteration of a loop in a branch of a branch."""
Derive = Callable[[str], bytes]
"""Purpose → 32 bytes that follow from the server's secret key."""


class Seals:
    """Seals, opens, signs."""

    def __init__(self, derive: Derive | None) -> None:
        """None: this engine has no key, so whatever needs one is refused."""
        self._derive = derive
        self._keys: dict[str, bytes] = {}
        self.base = ""
        """Where people reach this server: what links begin with."""

    def _key(self, purpose: str) -> bytes:
        if purpose not in self._keys:
            if self._derive is None:
                raise PermanentError("secret", "this engine has no secret key, so it can neither seal nor sign")
            self._keys[purpose] = self._derive(purpose)
        return self._keys[purpose]

    def seal(self, value: Any) -> Any:
        """`{"$sealed": BASE64}` of any JSON value.

        Raises:
            PermanentError: kind `secret`: there is no key.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - most runs seal nothing

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._key("outputs")).encrypt(nonce, encode(value), _BOUND)
        return {SEALED: base64.b64encode(sealed).decode()}

    def unseal(self, value: Any) -> Any:
        """The value that was sealed; any other comes back as it is.

        Raises:
            PermanentError: kind `secret`: it was sealed under another key.
        """
        if not is_sealed(value):
            return value
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            sealed = base64.b64decode(value[SEALED], validate=True)
            text = AESGCM(self._key("outputs")).decrypt(sealed[:_NONCE], sealed[_NONCE:], _BOUND)
        except (InvalidTag, ValueError):
            raise PermanentError(
                "secret", "a sealed output cannot be opened: the server's secret key is another than when it was sealed"
            ) from None
        return msgspec.json.decode(text)

    def token(self, approval: str, person: str) -> str:
        """What lets this person decide this approval."""
        text = f"{len(approval)}:{approval}{person}".encode("utf-8", "surrogatepass")
        made = hmac.new(self._key("approvals"), text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    def is_token(self, approval: str, person: str, token: str) -> bool:
        """Whether it is the token of this person for this approval."""
        given = token.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.token(approval, person).encode(), given)

    def link(self, approval: str, person: str) -> str:
        """The address at which this person decides (an empty one: whoever has the link)."""
        query = {"person": person, "token": self.token(approval, person)}
        return f"{self.base}/approvals/{quote(approval, safe='')}?{urlencode(query, errors='surrogatepass')}"


def is_sealed(value: Any) -> bool:
    """Whether this is a sealed value as the journal holds it."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(SEALED), str)


def masked(value: Any, deep: int = _DEEP) -> Any:
    """A value as it may be shown: `***` in place of what is sealed."""
    if isinstance(value, dict):
        if is_sealed(value):
            return MASK
        if deep and any(isinstance(item, (dict, list)) for item in value.values()):
            return {name: masked(item, deep - 1) for name, item in value.items()}
    elif isinstance(value, list) and deep and any(isinstance(item, (dict, list)) for item in value):
        return [masked(item, deep - 1) for item in value]
    return value
