r"""A whole Reactor in the process of a test: its own port, its own data, gone afterwards.

```python
async with running_reactor(flows={"hello": "name: hello\non: {event: hi}\nsteps: …"}) as reactor:
    receipt = await reactor.send("hi", {"name": "Ann"})
    run = await reactor.finished(receipt["runs"][0]["id"])
assert run["status"] == "completed"
```
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.app import App, build, token_of
from reactor.engine.engine import Engine
from reactor.model.errors import SettingsError
from reactor.model.flow import Flow
from reactor.model.states import RunStatus, TriggerState
from reactor.sdk.manifest import Catalog, Connector
from reactor.settings import Settings

if TYPE_CHECKING:
    from httpx2 import AsyncClient

_PATIENCE = 10.0
_LOOK = 0.01


class RunningReactor:
    """What a test has in hand."""

    def __init__(self, app: App, http: AsyncClient) -> None:
        if app.running is None:
            raise SettingsError("this Reactor has no server")
        self.app = app
        self.url = app.running.url
        self.token = token_of(app.settings) or ""
        self.http = http
        """A client with the token."""
        self.engine: Engine = app.engine

    async def send(self, type: str, data: Any = None, **event: Any) -> dict[str, Any]:
        """Send an event by HTTP; its receipt."""
        answer = await self.http.post("/events", json={"type": type, "data": data, **event})
        answer.raise_for_status()
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON below `/api/v1`."""
        answer = await self.http.get(f"/api/v1{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str, body: Any = None) -> Any:
        """Ask for something below `/api/v1`; the answer's JSON."""
        answer = await self.http.post(f"/api/v1{path}", **({} if body is None else {"json": body}))
        answer.raise_for_status()
        return answer.json()

    async def finished(self, run_id: str, *, patience: float = _PATIENCE) -> dict[str, Any]:
        """One run with its steps, once it has ended.

        Raises:
            TimeoutError: it did not, within so many seconds; the message says what it was doing.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            run: dict[str, Any] = await self.get(f"/runs/{run_id}", whole="true")
            if RunStatus(run["status"]).finished:
                return run
            if loop.time() > deadline:
                why = await self.get(f"/explain/run/{run_id}")
                raise TimeoutError(f"{run_id} of flow {run['flow']} is {run['status']}: {why['explanation']}")
            await asyncio.sleep(_LOOK)

    async def armed(self, *, patience: float = _PATIENCE) -> None:
        """Return when every trigger listens.

        Raises:
            TimeoutError: one does not; the message says which and why.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        fine = (TriggerState.ARMED, TriggerState.LAGGING, TriggerState.DISABLED)
        while waiting := [status for status in self.engine.triggers.status() if status.state not in fine]:
            if loop.time() > deadline:
                told = "; ".join(f"{status.key} is {status.state.value}: {status.reason}" for status in waiting)
                raise TimeoutError(told)
            await asyncio.sleep(_LOOK)


class _Program:
    """Connectors of a test."""

    def __init__(self, connectors: Sequence[Connector]) -> None:
        self.connectors = connectors

    def flows(self, catalog: Catalog) -> Sequence[Flow]:
        """None."""
        del catalog
        return ()


@asynccontextmanager
async def running_reactor(
    flows: Mapping[str, str] | Path | None = None,
    *,
    data: Path | None = None,
    connectors: Sequence[Connector] = (),
    **settings: Any,
) -> AsyncIterator[RunningReactor]:
    """Start a Reactor, and stop it at the end of the block.

    Args:
        flows: name of the file → its YAML, or a folder of flows.
        data: folder of its data, to be kept; None: one that is removed afterwards.
        connectors: those of the test, beside the installed ones.
        settings: more settings by their names. The store does not wait for the disk unless `durability="full"` is
            given.

    Raises:
        SettingsError: see `reactor.app.App.start`.
    """
    from httpx2 import AsyncClient  # noqa: PLC0415 - the kit is imported for other parts, too

    with tempfile.TemporaryDirectory(prefix="reactor-test-") as made:
        folder = Path(made)
        chosen: dict[str, Any] = {
            "port": 0,
            "data": data or folder / "data",
            "workflows": _folder(flows, folder / "workflows"),
            "durability": "process",
            "drain": 1_000,
            "file_roots": (folder,),
            **settings,
        }
        app = build(msgspec.structs.replace(Settings(), **chosen), program=_Program(connectors))
        try:
            await app.start()
            token = token_of(app.settings) or ""
            url = app.running.url if app.running is not None else ""
            headers = {"authorization": f"Bearer {token}"}
            async with AsyncClient(base_url=url, headers=headers, timeout=30) as http:
                yield RunningReactor(app, http)
        finally:
            await app.stop()


def _folder(flows: Mapping[str, str] | Path | None, folder: Path) -> Path | None:
    if flows is None or isinstance(flows, Path):
        return flows
    folder.mkdir()
    for name, text in flows.items():
        (folder / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")).write_text(text, "utf-8")
    return folder
