"""NKeys: Ed25519 keys as NATS writes them, and the `.creds` files that hold one beside a JWT.

Source: https://docs.nats.io/reference/reference-protocols/nkeys (base32 of prefix, key and CRC-16/XMODEM).
"""

from __future__ import annotations

import base64
import binascii
import re

from reactor.model.errors import PermanentError

_PUBLIC_USER = 20 << 3  # U
_CREDS = re.compile(
    r"-+BEGIN NATS USER JWT-+\s+(?P<jwt>[\w.\-]+)\s+-+END NATS USER JWT-+"
    r".*?-+BEGIN USER NKEY SEED-+\s+(?P<seed>[A-Z2-7]+)\s+-+END USER NKEY SEED-+",
    re.DOTALL,
)
_SEED_LENGTH = 36
"""Two bytes of prefix, 32 of the seed, two of the checksum."""


class NKey:
    """A user's key."""

    def __init__(self, seed: str) -> None:
        """`seed`: `SU…`.

        Raises:
            PermanentError: kind `input`: it is none. The message does not hold it.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - heavy

        text = seed.strip()
        try:
            raw = base64.b32decode(text + "=" * (-len(text) % 8))
        except (binascii.Error, ValueError):
            raw = b""
        if (
            not text.startswith("SU")
            or len(raw) != _SEED_LENGTH
            or binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little") != raw[-2:]
        ):
            raise PermanentError("input", "nkey: this is not the seed of a user's NKey, which begins with SU")
        self._key = Ed25519PrivateKey.from_private_bytes(raw[2:34])

    @property
    def public(self) -> str:
        """`U…`, as the server knows it."""
        raw = bytes([_PUBLIC_USER]) + self._key.public_key().public_bytes_raw()
        return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")

    def sign(self, nonce: str) -> bytes:
        """The answer to a server's challenge."""
        return base64.b64encode(self._key.sign(nonce.encode()))


def read_creds(text: str) -> tuple[str, NKey]:
    """JWT and key of a `.creds` file.

    Raises:
        PermanentError: kind `input`: it holds none.
    """
    found = _CREDS.search(text)
    if found is None:
        raise PermanentError(
            "input", "creds: this is not the text of a .creds file, which holds a NATS USER JWT and a USER NKEY SEED"
        )
    return found["jwt"], NKey(found["seed"])
