"""Bearer tokens of OAuth 2.0 and OpenID Connect: fetched by the same guarded client, kept until they expire.

Sources: RFC 6749 (§4.3, §4.4, §6: grants; §2.3.1: client authentication), RFC 8693 (token exchange),
OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import msgspec

from reactor.connectors.http.request import Basic, OAuth2, Params, RequestAuth
from reactor.sdk import ActionContext, PermanentError

_EARLY = 30_000
"""A token is renewed so long before it expires, milliseconds."""
_KEPT = 256
_tokens: dict[str, tuple[int, str]] = {}
"""Digest of what it was asked with → (when it expires, token). In this process only."""


async def resolved(ctx: ActionContext, auth: RequestAuth | None) -> RequestAuth | None:
    """The same, with a token fetched where one is needed.

    Raises:
        StepError: the token cannot be had: as `http.request` fails, or kind `http.401` when the answer has none.
    """
    if auth is None or auth.oauth2 is None:
        return auth
    wanted = auth.oauth2
    key = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()
    expires, token = _tokens.get(key, (0, ""))
    if expires <= ctx.clock.now():
        expires, token = await _fetched(ctx, wanted)
        while len(_tokens) >= _KEPT:
            del _tokens[next(iter(_tokens))]
        _tokens[key] = (expires, token)
    return RequestAuth(bearer=token)


async def _fetched(ctx: ActionContext, wanted: OAuth2) -> tuple[int, str]:
    body = _request(wanted)
    auth = None
    if wanted.client_auth == "client_secret_basic":
        pair = (quote(str(body.pop(name, "")), safe="") for name in ("client_id", "client_secret"))
        auth = RequestAuth(basic=Basic(*pair))
    url = wanted.token_url or await _discovered(ctx, wanted.discovery or "")
    payload: dict[str, Any] = {"json": body} if wanted.json else {"form": body}
    # A code or refresh token may be good for one request only, so this is not sent twice by itself.
    answer = await _send(
        ctx, Params(url=url, method="POST", headers={"accept": "application/json"}, auth=auth, **payload)
    )
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise PermanentError("http.401", f"{_plain(url)} answered without an access_token")
    lasts = answer.get("expires_in")
    seconds = float(lasts) if isinstance(lasts, (int, float)) and not isinstance(lasts, bool) else 0.0
    return ctx.clock.now() + max(0, round(seconds * 1000) - _EARLY), token


def _request(wanted: OAuth2) -> dict[str, Any]:
    """The body of a token request (RFC 6749 §4)."""
    body: dict[str, Any] = {"grant_type": wanted.grant}
    names = ("client_id", "scope", "username", "password", "refresh_token", "audience")
    body |= {name: value for name in names if (value := getattr(wanted, name)) is not None}
    if wanted.client_auth != "none" and wanted.client_secret is not None:
        body["client_secret"] = wanted.client_secret
    if wanted.client_assertion is not None:
        body["client_assertion"] = wanted.client_assertion
        body["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    for name, one in (("subject", wanted.subject), ("actor", wanted.actor)):
        if one is not None:
            body[f"{name}_token"], body[f"{name}_token_type"] = one.token, one.type
    return body


async def _discovered(ctx: ActionContext, url: str) -> str:
    found = await _send(ctx, Params(url=url, headers={"accept": "application/json"}))
    endpoint = found.get("token_endpoint") if isinstance(found, dict) else None
    if not isinstance(endpoint, str):
        raise PermanentError("input", f"{_plain(url)} names no token_endpoint")
    return endpoint


async def _send(ctx: ActionContext, params: Params) -> Any:
    from reactor.connectors.http import exchange  # noqa: PLC0415 - it asks us first

    # The key of the step's own request is not for this one.
    inner = ActionContext(**{**_fields(ctx), "idempotency_key": ""})
    return (await exchange.perform(inner, params))["body"]


def _fields(ctx: ActionContext) -> dict[str, Any]:
    return {name: getattr(ctx, name) for name in ctx.__struct_fields__}


def _plain(url: str) -> str:
    return url.partition("?")[0]
