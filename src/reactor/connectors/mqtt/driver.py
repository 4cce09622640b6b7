"""The way to the driver, which is loaded by those who use it, and may not be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.connectors.mqtt.connection import Mqtt
from reactor.sdk.drivers import needed
from reactor.sdk.sharing import Reach

if TYPE_CHECKING:
    from reactor.connectors.mqtt.link import Link


def link_of(reach: Reach[Mqtt], **session: Any) -> Link:
    """A client, not yet connected; `session` as `Link` takes it.

    Raises:
        PermanentError: kind `input`: the driver is not installed.
    """
    with needed("mqtt"):
        from reactor.connectors.mqtt.link import Link  # noqa: PLC0415 - 40 ms
    return Link(reach, **session)
