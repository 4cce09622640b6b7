"""Serving a connector as a process of its own, and what both sides of the plugin protocol share.

```python
from reactor.sdk.plugin import serve
from reactor_weather import connector

serve(connector, version="1.0.0")
```

is the whole program that `command` in `reactor-plugin.toml` starts; the same connector behind an entry point runs
inside Reactor. `docs/plugins.md` compares the two.
"""

from reactor.sdk.plugin.serving import serve

__all__ = ["serve"]
