"""As a process of its own: what `command` in `reactor-plugin.toml` starts."""

from reactor.sdk.plugin import serve
from reactor_weather import VERSION, connector

serve(connector, version=VERSION)
