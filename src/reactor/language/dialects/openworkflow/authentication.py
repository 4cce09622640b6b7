"""Authentication policies → `auth` of the actions."""

from __future__ import annotations

from typing import Any

from reactor.language.dialects.openworkflow.expr import Part, constant, secret_value
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Task
from reactor.language.expressions.limits import Refusal
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node

_KINDS = ("basic", "bearer", "digest", "oauth2", "oidc")
_GRANTS = ("client_credentials", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange")
_CLIENT = ("id", "secret", "assertion", "authentication")
_OAUTH = (
    "authority",
    "grant",
    "client",
    "request",
    "issuers",
    "scopes",
    "audiences",
    "username",
    "password",
    "subject",
    "actor",
    "endpoints",
)


def policy(compiler: Compiler, task: Task, node: Node | None, what: str) -> Part | None:
    """`authentication`, or None when there is none (or it cannot be used, which is told)."""
    if node is None:
        return None
    reading = compiler.reading
    given = reading.map(node, what, ("use", *_KINDS))
    name = reading.literal(given.get("use"), f"{what}.use")
    if name is not None:
        found = compiler.used("authentications", given.entries["use"], f"{what}.use")  # type: ignore[arg-type]
        return policy(compiler, task, found, f"use.authentications.{name}") if found is not None else None
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        reading.report("missing-key", f"`{what}` has one of `use`, `basic`, `bearer`, `oauth2`, `oidc`", node)
        return None
    kind = kinds[0]
    if kind == "digest":
        reading.refuse("`digest` authentication", "use `basic` over https, or `bearer`", given.keys[kind])
        return None
    inner = reading.map(given.entries[kind], f"{what}.{kind}")
    if "use" in inner:
        return _secret(compiler, inner, kind, f"{what}.{kind}")
    return _inline(compiler, task, inner, kind, f"{what}.{kind}")


def _secret(compiler: Compiler, given: MapNode, kind: str, what: str) -> Part | None:
    """The policy stands in a secret, as JSON."""
    name = compiler.reading.literal(given.get("use"), f"{what}.use")
    if name is None:
        return None
    if name not in compiler.reading.secrets:
        message = f"`{what}.use`: there is no secret `{name}` under `use.secrets`; add it there"
        compiler.reading.report("unknown-name", message, given.entries["use"])
    return Part(lambda scope: _shaped(kind, secret_value(scope["secrets"][name])), secrets=True)


def _inline(compiler: Compiler, task: Task, given: MapNode, kind: str, what: str) -> Part:
    reading = compiler.reading
    keys = {"basic": ("username", "password"), "bearer": ("token",)}.get(kind, _OAUTH)
    reading.map(given, what, keys)
    wanted = keys if kind in ("basic", "bearer") else ("authority", "grant")
    for name in wanted:
        if name not in given:
            reading.report("missing-key", f"`{what}` has no `{name}`", given)
    grant = given.get("grant")
    if grant is not None and grant.plain not in _GRANTS:
        reading.refuse(
            f"the grant `{grant.plain}`", "use client_credentials, password, refresh_token or token exchange", grant
        )
        return constant(None)
    part = reading.value(given, what, task.env, secrets=True)
    return Part(lambda scope: _shaped(kind, part.make(scope)), part.secrets)


def _shaped(kind: str, value: Any) -> dict[str, Any]:
    """As the actions take it."""
    if kind == "bearer":
        token = value.get("token") if isinstance(value, dict) else value
        return {"bearer": _text(token, "token")}
    if not isinstance(value, dict):
        raise Refusal(f"{kind} authentication is a map, as JSON in the secret")
    if kind == "basic":
        user, password = (_text(value.get(name), name) for name in ("username", "password"))
        return {"basic": {"user": user, "password": password}}
    return {"oauth2": oauth(kind, value)}


def oauth(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """OAuth 2 and OpenID Connect: where the token comes from, and what for."""
    client = value.get("client") or {}
    endpoints = value.get("endpoints") or {}
    authority = _text(value.get("authority"), "authority").rstrip("/")
    found: dict[str, Any] = {
        "grant": value.get("grant"),
        "client_id": client.get("id"),
        "client_secret": client.get("secret"),
        "client_auth": client.get("authentication"),
        "client_assertion": client.get("assertion"),
        "scope": " ".join(value.get("scopes") or ()) or None,
        "audience": list(value.get("audiences") or ()) or None,
        "username": value.get("username"),
        "password": value.get("password"),
        "subject": value.get("subject"),
        "actor": value.get("actor"),
        "json": (value.get("request") or {}).get("encoding") == "application/json" or None,
    }
    if kind == "oidc":
        found["discovery"] = f"{authority}/.well-known/openid-configuration"
    else:
        found["token_url"] = authority + str(endpoints.get("token") or "/oauth2/token")
    return {name: item for name, item in found.items() if item is not None}


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise Refusal(f"authentication: `{what}` is a text")
    return value


def told(auth: Part) -> Thunk:
    """`$authorization` of a call: the scheme and what is sent with it."""

    def describe(scope: Scope) -> dict[str, Any]:
        made = auth.make(scope)
        if "bearer" in made:
            return {"scheme": "Bearer", "parameter": made["bearer"]}
        if "basic" in made:
            import base64  # noqa: PLC0415 - rarely needed

            pair = f"{made['basic']['user']}:{made['basic']['password']}"
            return {"scheme": "Basic", "parameter": base64.b64encode(pair.encode()).decode()}
        raise Refusal("`$authorization` is known with basic and bearer only: another token comes after the expressions")

    return describe
