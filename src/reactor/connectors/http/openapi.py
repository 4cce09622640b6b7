"""The action `http.openapi`: an operation of an OpenAPI document (2.0, 3.0, 3.1), by its id."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.connectors.http.request import RequestAuth
from reactor.sdk import ActionContext, Effect, action


class OpenApiParams(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Parameters of `http.openapi`."""

    document: str
    """Address of the document, JSON or YAML."""
    operation: str
    """Its `operationId`."""
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    """Parameters of the operation by their names; `body` is the request's body."""
    auth: RequestAuth | None = None
    document_auth: RequestAuth | None = None
    """Who we are where the document is."""
    follow_redirects: bool = True
    success: list[int | str] | int | str = "2xx"
    timeout: str | int | float | None = None
    raw: bool = False
    """The answer's body as base64 of its bytes, whatever its type."""


@action("http.openapi", params=OpenApiParams, effect=Effect.WRITE)
async def http_openapi(ctx: ActionContext, params: OpenApiParams) -> dict[str, Any]:
    """Call an operation that an OpenAPI document describes; the output is that of `http.request`, and `request`.

    The document is fetched by the same guarded client (addresses that are not public are refused unless the operator
    allows them) and kept for five minutes. `request` is `{method, uri, headers}` without credentials.
    """
    from reactor.connectors.http import operations  # noqa: PLC0415 - the client is loaded when it is first used

    return await operations.perform(ctx, params)
