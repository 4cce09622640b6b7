"""Prometheus, a database of figures that fetches them."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from reactor.testing.servers.process import Server

_CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: reactor
  static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus(Server):
    """Fetches the figures of one target five times a second. `api` asks it."""

    name, program, package = "prometheus", "prometheus", "prometheus"

    def __init__(self, target: str) -> None:
        """`target`: HOST:PORT that has `/metrics`."""
        super().__init__()
        self.target = target

    def prepare(self) -> None:
        """Once, before the first start."""
        (self.folder / "prometheus.yml").write_text(_CONFIG.format(target=self.target))

    def command(self) -> list[str]:
        """Program and arguments."""
        return [
            self.find(),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.host}:{self.port}",
            f"--web.console.templates={Path(self.folder)}",
            f"--web.console.libraries={Path(self.folder)}",
        ]

    def ready(self) -> bool:
        """Whether it answers."""
        with urllib.request.urlopen(f"http://{self.host}:{self.port}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)

    def api(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API: `api("query", query="up")`. Blocks: call it in a thread.

        Raises:
            ValueError: it refuses; with what it says.
        """
        url = f"http://{self.host}:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{parameters}: {json.load(error)['error']}") from None
