"""`Reactor`: flows and actions of a Python program, beside those in YAML."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from reactor import app as wiring
from reactor.model import ids
from reactor.model.errors import InvalidError, StepError
from reactor.model.flow import Flow, Retry
from reactor.model.states import RunStatus
from reactor.python.actions import declared
from reactor.python.flows import PythonFlow, by_name
from reactor.python.functions import ACTION
from reactor.python.trial import Mock, Trial, trial
from reactor.python.values import Duration, RetryOptions, named, plain
from reactor.runtime.interpreter import RunEnd
from reactor.sdk import Action, ActionContext, Catalog, Connector
from reactor.settings import Settings, load

P = ParamSpec("P")
R = TypeVar("R")
Trigger = str | Mapping[str, Any]
"""The type of an event (`order.*` is a pattern), or a trigger as YAML has it: `{"schedule": "0 8 * * *"}`."""
_CONNECTOR = "python"


class Reactor:
    """Flows and actions in Python. It is run by `app.run()`, or by `reactor run --app MODULE:app`."""

    def __init__(self, **settings: Any) -> None:
        """`settings`: as on the command line (`data`, `workflows`, `port` …); they come before those of the environment
        and of `reactor.toml`.
        """
        self.given = settings
        self._flows: list[PythonFlow[Any, Any]] = []
        self._actions: dict[str, Action] = {}

    def __repr__(self) -> str:
        return f"<Reactor: {len(self._flows)} flows, {len(self._actions)} actions>"

    # --- declaring -------------------------------------------------------------------------------------------------

    def flow(  # noqa: PLR0913 - the keys of a flow
        self,
        on: Trigger | Sequence[Trigger] | None = None,
        *,
        name: str | None = None,
        if_: str | None = None,
        unless: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        timezone: str | None = None,
        connections: Mapping[str, Any] | None = None,
        dedupe: Mapping[str, Any] | None = None,
        concurrency: Mapping[str, Any] | int | None = None,
        rate_limit: Mapping[str, Any] | None = None,
        throttle: Mapping[str, Any] | None = None,
        debounce: Mapping[str, Any] | None = None,
        batch: Mapping[str, Any] | None = None,
        hold: Mapping[str, Any] | None = None,
        singleton: Mapping[str, Any] | str | None = None,
        priority: str | int | None = None,
        on_failure: Sequence[Mapping[str, Any]] | None = None,
        on_cancel: Sequence[Mapping[str, Any]] | None = None,
        undo: Literal["on_failure", "never"] | None = None,
        retention: Duration | None = None,
    ) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], PythonFlow[P, R]]:
        """Declare an `async def f(run)`, `f(run, event)` or `f(run, event, inputs)` as a flow.

        Every option is the flow's key of that name in YAML, checked by the same rules when the program starts;
        conditions and keys are expressions. `name` is the function's, with `-` for `_`; `description` its docstring;
        `inputs` the JSON Schema of its annotation.
        """
        options: dict[str, Any] = {
            "name": name,
            "description": description,
            "labels": labels,
            "on": list(on) if isinstance(on, Sequence) and not isinstance(on, str) else on,
            "if": if_,
            "unless": unless,
            "inputs": inputs,
            "timeout": timeout,
            "timezone": timezone,
            "connections": connections,
            "dedupe": dedupe,
            "concurrency": concurrency,
            "rate_limit": rate_limit,
            "throttle": throttle,
            "debounce": debounce,
            "batch": batch,
            "hold": hold,
            "singleton": singleton,
            "priority": priority,
            "on_failure": on_failure,
            "on_cancel": on_cancel,
            "undo": undo,
            "retention": retention,
        }

        def declare(function: Callable[P, Coroutine[Any, Any, R]]) -> PythonFlow[P, R]:
            made = PythonFlow(function, options)
            by_name([*self._flows, made])
            self._flows.append(made)
            return made

        return declare

    def action(
        self,
        name: str,
        *,
        effect: Literal["write", "read", "pure"] = "write",
        retry: int | Retry | RetryOptions | None = None,
        timeout: Duration | None = None,
    ) -> Callable[[Callable[Concatenate[ActionContext, P], R]], Callable[Concatenate[ActionContext, P], R]]:
        """Declare `f(ctx, …)`, `async` or not, as an action: flows call it by its name, those in YAML too.

        Its parameters behind `ctx` are the action's, with their types and defaults; its docstring is its documentation.

        Args:
            name: with a dot in it, as in `geo.lookup`.
            effect: what it does to the world: write, read, or pure (a quick function of its parameters alone).
            retry: the policy where a step names none.
            timeout: of one attempt, where a step names none.
        """

        def declare(function: Callable[Concatenate[ActionContext, P], R]) -> Callable[Concatenate[ActionContext, P], R]:
            if name in self._actions:
                raise InvalidError(f"action {name!r} is declared twice, the second time by {named(function)}")
            self._actions[name] = declared(function, name, effect=effect, retry=retry, timeout=timeout)
            setattr(function, ACTION, name)
            return function

        return declare

    def include(self, other: Reactor) -> None:
        """Take over the flows and actions of another module's `Reactor`.

        Raises:
            InvalidError: a name is there already.
        """
        by_name([*self._flows, *other._flows])
        twice = self._actions.keys() & other._actions.keys()
        if twice:
            raise InvalidError(f"action {min(twice)!r} is declared twice")
        self._flows += other._flows
        self._actions |= other._actions

    # --- for the wiring (`app.Additions`) ----------------------------------------------------------------------------

    @property
    def connectors(self) -> Sequence[Connector]:
        """The actions, as a connector."""
        doc = "Actions of the program."
        return [Connector(name=_CONNECTOR, doc=doc, actions=tuple(self._actions.values()))] if self._actions else []

    def flows(self, catalog: Catalog) -> list[Flow]:
        """See `app.Additions`: everything that is wrong is said at once."""
        made, wrong = [], []
        for flow in self._flows:
            try:
                made.append(flow.load(catalog))
            except InvalidError as error:
                wrong.append(error.message)
        if wrong:
            raise InvalidError("\n".join(wrong))
        return made

    # --- running ---------------------------------------------------------------------------------------------------

    def settings(self, **more: Any) -> Settings:
        """The settings: `more`, then those of `Reactor(…)`, then the environment, then `reactor.toml`.

        Raises:
            SettingsError: with every problem there is.
        """
        return load({**self.given, **more}, os.environ, Path.cwd(), None)

    def run(self, **settings: Any) -> None:
        """Run the server with these flows, and the folder of YAML flows if one is set, until SIGTERM or Ctrl-C.

        Raises:
            SettingsError, InvalidError, StoreError: it cannot start.
        """
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self.serve(**settings))

    async def serve(self, **settings: Any) -> None:
        """As `run`, in a loop that runs already; ends when it is cancelled, or at SIGTERM in the main thread."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in a thread, not on Windows
            loop.add_signal_handler(signal.SIGTERM, stop.set)
        async with self.started(**settings) as app:
            for line in app.start_lines():
                print(line, flush=True)  # noqa: T201 - the start lines are for people
            gc.collect()
            gc.freeze()
            await stop.wait()

    @contextlib.asynccontextmanager
    async def started(self, *, server: bool = True, **settings: Any) -> AsyncIterator[wiring.App]:
        """A running Reactor with these flows; stopped at the end of the block. Without `server` there is no port."""
        app = wiring.build(self.settings(**settings), server=server, program=self)
        try:
            await app.start()
            yield app
        finally:
            await app.stop()

    async def execute(
        self, flow: PythonFlow[Any, Any] | str, data: Any = None, *, inputs: Any = None, **settings: Any
    ) -> RunEnd:
        """Run one flow here and now on a real engine, with nothing kept; how it ended. No trigger listens meanwhile.

        Raises:
            NotFoundError: there is no such flow. InvalidError: the inputs do not fit.
        """
        with tempfile.TemporaryDirectory(prefix="reactor-") as folder:
            chosen = {"data": folder, "durability": "process", "store": "sqlite", **settings}
            app = wiring.build(self.settings(**chosen), server=False, program=self)
            name = flow if isinstance(flow, str) else flow.name
            try:
                await app.open()
                app.engine.executor.timers.start()
                app.engine.ready = True
                for each in self._flows:
                    app.engine.book.routes.remove(each.name)  # nothing else begins, whatever is emitted
                given = plain(inputs, "the inputs", "input") if inputs is not None else None
                receipt = await app.engine.run_flow(name, plain(data, "the data", "input"), given)
                key = ids.from_text("run", receipt.runs[0][0])
                return await app.engine.executor.end_of(key if key is not None else 0)
            finally:
                await app.stop()

    async def test(
        self,
        flow: PythonFlow[Any, Any] | str,
        event: Any = None,
        *,
        mocks: Mapping[str, Mock] | None = None,
        inputs: Any = None,
        secrets: Mapping[str, str] | None = None,
        later: Sequence[tuple[Duration, Mapping[str, Any]]] = (),
        decisions: Mapping[str, str] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Trial:
        """Run one flow of this program in memory, on a clock that jumps: three days of `run.sleep` take no time.

        Args:
            flow: the flow, or its name.
            event: `{"type": …, "data": …}`, an `Event`, or None.
            mocks: step (its path), action or function (its name) → an output, an exception to raise, or a function of
                the arguments. What has no mock is called.
            inputs: of the flow.
            secrets: their values.
            later: (how long after the beginning, event) of what comes while it waits.
            decisions: path of an approval → approve or reject.
            state: the flow's durable state before.

        Raises:
            NotFoundError: there is no such flow. Stuck: the run waits for what never comes.
        """
        from reactor.plugins import outside  # noqa: PLC0415 - most programs have no plugins

        catalog, _ = wiring.catalog_of(self, self.settings())
        try:
            return await trial(
                {made.name: made for made in self.flows(catalog)},
                flow if isinstance(flow, str) else flow.name,
                catalog,
                event=event,
                mocks=mocks or {},
                inputs=inputs,
                secrets=secrets or {},
                later=later,
                decisions=decisions or {},
                state=state or {},
            )
        finally:
            await outside.end(catalog)


__all__ = ["Reactor", "RunEnd", "RunStatus", "StepError"]
