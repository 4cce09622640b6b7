"""What looks like a secret: tokens by their known shapes, passwords by the names of their keys, logins in URLs."""

from __future__ import annotations

import re

from reactor.language.expressions import is_template

# What may stand anywhere is bounded in length, else a long text is searched from each of its letters to its end.
_KNOWN = re.compile(
    r"""(?x) \b(?:
      AKIA[0-9A-Z]{16} | ASIA[0-9A-Z]{16}            # AWS
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_\w{30,}
    | glpat-[\w-]{16,} | xox[abeoprs]-[\w-]{10,} | xapp-[\w-]{10,}
    | sk_live_\w{10,} | rk_live_\w{10,} | whsec_[\w/+=]{16,}
    | sk-(?:proj-|ant-)?[\w-]{20,} | AIza[\w-]{35} | ya29\.[\w-]{20,}
    | SG\.[\w-]{16,64}\.[\w-]{16,64} | key-[0-9a-f]{32} | npm_\w{30,} | dop_v1_[0-9a-f]{40,} | hf_\w{30,}
    | eyJ[\w-]{10,500}\.eyJ[\w-]{10,4000}\.[\w-]{10,}       # JSON Web Token
    ) | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----"""
)
_HOOKS = re.compile(
    r"https://(?:hooks\.slack\.com/services/T\w+/B\w+/\w{16,}|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{30,})"
)
_LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://[^/\s:@{}]*:(?P<password>[^/\s@{}]+)@")
_SCHEMES = re.compile(r"\s*(?:Bearer|Basic|Token|ApiKey)\s+(?P<token>[\w.~+/=-]{8,})\s*", re.IGNORECASE)
_KEYS = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|pwd|secret|secret_?key|client_?secret|api_?key|x-api-key|"
    r"auth_?token|access_?token|refresh_?token|bearer|private_?key|signing_?key|token)$",
    re.IGNORECASE,
)
_EXAMPLES = re.compile(
    r"(?i)^(?:x+|\*+|\*{3}.*|\.+|<.*>|\[.*\]|your[\W_].*|my[\W_].*|change[\W_]?me.*|example.*|todo.*|none|null|)$"
)


def secret_in(value: str, key: str = "") -> str | None:
    """What a fixed text gives away, in words, or None.

    Args:
        value: the text; templates are left alone where they stand for the secret.
        key: the name it stands behind, as `password` or `Authorization`.
    """
    found = _KNOWN.search(value)
    if found is not None:
        return f"`{found[0][:8]}…` looks like a token or key"
    if _HOOKS.search(value):
        return "the address holds the token that lets anybody write there"
    login = _LOGIN.search(value)
    if login is not None and not is_template(login["password"]) and not _EXAMPLES.match(login["password"]):
        return "the address holds a password"
    if is_template(value):
        return None
    scheme = _SCHEMES.fullmatch(value)
    if scheme is not None and key.lower() in ("authorization", "proxy-authorization", "x-auth-token"):
        return None if _EXAMPLES.match(scheme["token"]) else f"`{key}` holds the credentials themselves"
    if key and _KEYS.search(key) and not _EXAMPLES.match(value.strip()) and not value.isspace() and len(value) >= 3:
        return f"`{key}` is written out"
    return None
