"""Connections of type `http`: where requests begin, and who we are there."""

from __future__ import annotations

import msgspec

from reactor.connectors.http.request import RequestAuth, Scalar
from reactor.sdk import ConnectionContext, ConnectionType


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server, and how it is asked."""

    base_url: str
    """http or https. The `url` of a step is below it, or on the same host."""
    headers: dict[str, Scalar] | None = None
    """Of every request; those of the step go before them."""
    auth: RequestAuth | None = None
    """Who we are, where the step does not say it: `basic`, `bearer`, `header` or `oauth2`."""


async def _test(ctx: ConnectionContext, settings: HttpSettings) -> str:
    from reactor.connectors.http import probe  # noqa: PLC0415 - the client is loaded when it is first used

    return await probe.ask(ctx, settings)


HTTP = ConnectionType(
    name="http",
    settings=HttpSettings,
    test=_test,
    secret=(
        "auth.basic.password",
        "auth.bearer",
        "auth.header.value",
        "auth.oauth2.client_secret",
        "auth.oauth2.client_assertion",
        "auth.oauth2.password",
        "auth.oauth2.refresh_token",
        "auth.oauth2.subject.token",
        "auth.oauth2.actor.token",
    ),
    doc="An HTTP server or API.",
)
