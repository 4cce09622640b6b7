"""HTTP both ways: the trigger `webhook` and the action `http.request`."""

from reactor.connectors.http.connection import HTTP
from reactor.connectors.http.openapi import http_openapi
from reactor.connectors.http.request import http_request
from reactor.connectors.http.webhook import Webhook
from reactor.sdk import Connector


async def _close() -> None:
    from reactor.connectors.http.client import close_clients  # noqa: PLC0415 - nothing to load if nothing was sent

    await close_clients()


connector = Connector(
    name="http",
    doc="HTTP both ways: webhooks in, requests out.",
    actions=(http_request, http_openapi),
    triggers=(Webhook(),),
    connections=(HTTP,),
    close=_close,
    types={"http.request": "A request to a webhook's path: data is its body."},
)
