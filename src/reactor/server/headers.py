"""What answers say to browsers for their own safety: one place for every page, the API and its refusals."""

from __future__ import annotations

from collections.abc import Sequence

from reactor.server.problems import Headers, Message, Send

EVERYWHERE = [("x-content-type-options", "nosniff")]
"""With every answer whatsoever: the server itself adds it, also to receipts of events and to answers of webhooks."""
ALWAYS: Headers = [
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
"""With every answer but receipts of events and answers of webhooks, which are not for browsers or are their flow's."""
DATA_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
"""Of what is no page: opened as one, it may do nothing."""
PAGE: Headers = [(b"cache-control", b"no-store"), *ALWAYS, (b"cross-origin-opener-policy", b"same-origin")]
"""With a page."""
TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")
"""Only over TLS; without `includeSubDomains`: the other names of a domain are not ours to speak for."""


def page_policy(scripts: Sequence[bytes] = (), styles: Sequence[bytes] = (), *more: bytes) -> tuple[bytes, bytes]:
    """The Content-Security-Policy of a page: nothing from elsewhere, nothing inline but what a hash names, no frame
    around it. `more`: further directives, in place of those with the same name.
    """
    rules = {
        b"default-src": b"'none'",
        b"script-src": b" ".join(scripts) or b"'none'",
        b"style-src": b" ".join(styles) or b"'none'",
        b"connect-src": b"'self'",
        b"img-src": b"data:",
        b"base-uri": b"'none'",
        b"form-action": b"'none'",
        b"frame-ancestors": b"'none'",
    }
    for directive in more:
        name, _, value = directive.partition(b" ")
        rules[name] = value
    return b"content-security-policy", b"; ".join(b"%b %b" % rule for rule in rules.items())


def hardened(send: Send, *, secure: bool) -> Send:
    """`send` that adds what an answer has not said itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given: Headers = list(message.get("headers", ()))
            there = {name for name, _ in given}
            wanted = [*ALWAYS, DATA_POLICY, *([TLS_ONLY] if secure else ())]
            message["headers"] = given + [header for header in wanted if header[0] not in there]
        await send(message)

    return sending
