"""The flows that the engine knows: current versions and their route table, older versions for the runs that hold on
to them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.clock import Clock
from reactor.model.errors import NotFoundError, PermanentError
from reactor.model.flow import CODE, Flow
from reactor.routing.table import RouteTable
from reactor.stores.port import FlowVersion, Store

_log = logging.getLogger("reactor.flows")
_OLD = 256
"""Compiled older versions that are kept; more are compiled again from their text when a run needs them."""

_ABSENT = "it is Python code that is not loaded; start with --app MODULE:NAME (REACTOR_APP)"

Compile = Callable[[str, str | None], Flow | None]
"""(YAML text, file) → the flow, or None when this program cannot read it."""
CheckInputs = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[dict[str, Any], list[str]]]
"""(JSON Schema, values) → the values with defaults filled in, and problems."""


class FlowBook:
    """Names → versions."""

    def __init__(
        self, store: Store, clock: Clock, compile_: Compile, check_inputs: CheckInputs, env: Mapping[str, str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._compile = compile_
        self.check_inputs = check_inputs
        self.current: dict[str, Flow] = {}
        self.enabled: dict[str, bool] = {}
        self.routes = RouteTable(env=env)
        self._old: OrderedDict[tuple[str, int], Flow | None] = OrderedDict()
        self._sources: dict[tuple[str, int], FlowVersion] = {}
        self.code: Mapping[str, Flow] | None = None
        """The Python flows of this program by name; None: it was started without any."""
        self.on_change: list[Callable[[str, Flow | None], None]] = []
        """Told (name, flow or None when it went away or was disabled)."""
        self.on_words: list[Callable[[str], None]] = []
        """Told the name when anything of a flow is other than it was, be it a comment."""

    async def open(self) -> None:
        """Read what the store knows, without compiling anything but what is current."""
        for version in await self._store.versions():
            self.enabled[version.flow] = version.enabled
            self._sources[version.flow, version.version] = version
            if not version.current:
                continue
            if self.code is not None and _is_code(version) and version.flow not in self.code:
                _log.info("flow %s is no longer in the code; runs under way need it to go on", version.flow)
                await self._store.add_version(msgspec.structs.replace(version, current=False))
                continue
            flow = self._compiled(version)
            if flow is not None:
                self._place(flow)

    def _compiled(self, version: FlowVersion) -> Flow | None:
        if _is_code(version):
            flow = (self.code or {}).get(version.flow)
            if flow is not None:
                # Whatever version it is: the code that there is now. What differs is found when a run is replayed.
                flow = msgspec.structs.replace(flow, source=version.source, digest=version.digest)
        else:
            flow = self._compile(version.source, version.file)
        if flow is None and _is_code(version):
            _log.warning("flow %s: %s", version.flow, _ABSENT)
            return None
        if flow is None:
            _log.error(
                "flow %s version %d, taken in by an earlier program, cannot be read", version.flow, version.version
            )
            return None
        return msgspec.structs.replace(flow, version=version.version, file=version.file)

    def retentions(self) -> dict[str, int]:
        """Milliseconds that finished runs are kept, of the flows that say so themselves."""
        return {name: flow.retention for name, flow in self.current.items() if flow.retention is not None}

    async def take(self, flow: Flow) -> Flow:
        """Register a flow: the same meaning is the same version, another is the next one. Returns it with its
        number.
        """
        known = self.current.get(flow.name)
        if known is not None and known.digest == flow.digest and known.file == flow.file:
            # Comments and tests make no other version, but whoever reads the flow wants to see them.
            return known if flow.code is not None or known.source == flow.source else await self._retold(flow, known)
        flow = await self._registered(flow)
        self._place(flow)
        return flow

    async def _retold(self, flow: Flow, known: Flow) -> Flow:
        """The same version in other words: nothing that runs or listens is touched."""
        flow = msgspec.structs.replace(flow, version=known.version)
        record = msgspec.structs.replace(self._sources[flow.name, flow.version], source=flow.source)
        await self._store.add_version(record)
        self._sources[flow.name, flow.version] = record
        self.current[flow.name] = flow
        self._tell_words(flow.name)
        return flow

    async def _registered(self, flow: Flow) -> Flow:
        versions = await self._store.versions(flow.name)
        same = next((v for v in reversed(versions) if v.digest == flow.digest), None)
        number = same.version if same else (max((v.version for v in versions), default=0) + 1)
        enabled = versions[-1].enabled if versions else True
        self.enabled[flow.name] = enabled
        record = FlowVersion(
            flow=flow.name,
            version=number,
            digest=flow.digest,
            source=flow.source,
            file=flow.file,
            created_at=same.created_at if same else self._clock.now(),
            enabled=enabled,
            current=True,
        )
        await self._store.add_version(record)
        self._sources[flow.name, number] = record
        return msgspec.structs.replace(flow, version=number)

    def _place(self, flow: Flow) -> None:
        old = self.current.get(flow.name)
        if old is not None and old.version != flow.version:
            self._remember(old)
        self.current[flow.name] = flow
        if self.enabled.get(flow.name, True):
            self.routes.add(flow)
            self._tell(flow.name, flow)
        else:
            self.routes.remove(flow.name)
            self._tell(flow.name, None)

    def _tell(self, name: str, flow: Flow | None) -> None:
        for listener in self.on_change:
            listener(name, flow)
        self._tell_words(name)

    def _tell_words(self, name: str) -> None:
        for listener in self.on_words:
            listener(name)

    async def forget(self, name: str) -> None:
        """The flow's file went away: nothing new starts, runs in flight go on."""
        flow = self.current.pop(name, None)
        if flow is None:
            return
        self._remember(flow)
        # Its triggers stop at once: what they took while this is written would start nothing, and be acknowledged.
        self.routes.remove(name)
        self._tell(name, None)
        await self._mark(flow, current=False)

    async def enable(self, name: str, enabled: bool) -> None:  # noqa: FBT001 - the state itself
        """Let a flow start runs, or not. Runs in flight go on.

        Raises:
            NotFoundError: there is no such flow.
        """
        flow = self.get(name)
        self.enabled[name] = enabled
        await self._mark(flow, current=True)
        self._place(flow)

    async def _mark(self, flow: Flow, *, current: bool) -> None:
        record = self._sources[flow.name, flow.version]
        record = msgspec.structs.replace(
            record, current=current, enabled=self.enabled.get(flow.name, True), file=flow.file
        )
        self._sources[flow.name, flow.version] = record
        await self._store.add_version(record)

    def _remember(self, flow: Flow) -> None:
        self._old[flow.name, flow.version] = flow
        while len(self._old) > _OLD:
            self._old.popitem(last=False)

    def get(self, name: str) -> Flow:
        """The current version.

        Raises:
            NotFoundError: there is none.
        """
        flow = self.current.get(name)
        if flow is None:
            raise NotFoundError(f"there is no flow {name!r}; `reactor flows list` shows those that are there")
        return flow

    def version(self, name: str, number: int) -> Flow | None:
        """One version, compiled; None when it is unknown or cannot be read any more."""
        flow = self.current.get(name)
        if flow is not None and flow.version == number:
            return flow
        key = (name, number)
        if key not in self._old and key in self._sources:
            compiled = self._compiled(self._sources[key])
            if compiled is not None:
                self._remember(compiled)
        return self._old.get(key)

    def absent(self, name: str, number: int) -> str | None:
        """Why a version cannot be run by this program, though another could; None where there is no such reason."""
        record = self._sources.get((name, number))
        if record is None or not _is_code(record) or name in (self.code or {}):
            return None
        return f"flow {name!r}: {_ABSENT}"

    async def prefetch(self, wanted: Sequence[tuple[str, int]]) -> None:
        """Read these versions from the store so that `version` can compile them."""
        for name, number in set(wanted):
            if (name, number) not in self._sources:
                record = await self._store.version(name, number)
                if record is not None:
                    self._sources[name, number] = record

    def callable(self, name: str, number: int | None = None) -> Flow:
        """The flow that a `call` step starts: the current version, or the one that it names.

        Raises:
            PermanentError: kind `call`.
        """
        flow = self.current.get(name) if number is None else self.version(name, number)
        if flow is None and number is not None:
            raise PermanentError(
                "call", f"there is no version {number} of flow {name!r} to call; `reactor flows show {name}` lists them"
            )
        if flow is None:
            raise PermanentError("call", f"there is no flow {name!r} to call")
        return flow

    def checked_inputs(self, flow: Flow, values: Any) -> dict[str, Any]:
        """Inputs with defaults, checked against the flow's schema.

        Raises:
            PermanentError: kind `input`, with all problems.
        """
        if not isinstance(values, Mapping):
            raise PermanentError("input", f"inputs of flow {flow.name!r} must be a map, not {type(values).__name__}")
        if flow.inputs is None:
            return dict(values)
        filled, problems = self.check_inputs(flow.inputs, values)
        if problems:
            raise PermanentError("input", f"inputs of flow {flow.name!r}: {'; '.join(problems)}")
        return filled

    def connections(self, name: str, number: int) -> Mapping[str, Mapping[str, Any]]:
        """The connections that this version names, as written."""
        flow = self.version(name, number)
        return getattr(flow, "connections", None) or {}


def _is_code(version: FlowVersion) -> bool:
    return (version.file or "").startswith(CODE)
