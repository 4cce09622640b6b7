"""What every plugin promises, as tests: a connector inside Reactor and a plugin that is a process of its own alike.

The test module of a plugin inherits the suites that apply and says how the plugin is reached:

class TestMyPlugin(ManifestSuite, TriggerSuite, ActionSuite):
    @pytest.fixture
    async def plugin(self, tmp_path):  # an async generator that closes it afterwards
        async with opened(outside("plugins/mine")) as connector:  # or: opened(my_package.connector)
            yield MyPlugin(connector, tmp_path)

where `MyPlugin` is a subclass of `Subject`. Tests are plain coroutines: mark the module with `pytest.mark.anyio`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor import __version__
from reactor.language.loader import load
from reactor.language.schema import flow_schema
from reactor.model.errors import PermanentError, StepError
from reactor.model.event import EventDraft, wrong_pattern
from reactor.plugins.outside import connectors
from reactor.sdk import Catalog, Connector
from reactor.testing.actions import action_context, call
from reactor.testing.triggers import TriggerBench

PROMPT = 3.0
"""Seconds within which a trigger or an action that is cancelled has left."""
_KIND = re.compile(r"[a-z][\w-]*(\.[\w*-]+)*")
_ACTION = re.compile(r"[a-z]\w*(\.[a-z]\w*)+")


class Subject:
    """One plugin under test, and how its outside world is moved. Subclass it, and fill in what the suites use."""

    trigger = ""
    """The kind that `TriggerSuite` runs."""
    action = ""
    """The action that `ActionSuite` calls."""

    def __init__(self, connector: Connector, folder: Path) -> None:
        """`folder`: an empty one for this test alone; flows may use files in it."""
        self.connector = connector
        self.folder = folder
        self.settings: dict[str, Any] = {"file_roots": (str(folder),), "data_dir": folder / "data"}
        self.connections: dict[str, Mapping[str, Any]] = {}

    # --- for TriggerSuite

    def config(self) -> Mapping[str, Any]:
        """The trigger's configuration; it should look often."""
        raise NotImplementedError

    def feed(self, count: int) -> Any:
        """Let the source have so many more messages, each a different event. May be async."""
        raise NotImplementedError

    def seen(self, draft: EventDraft) -> Any:
        """What tells one of these events from the others."""
        return json.dumps(draft.data, sort_keys=True)

    # --- for LossSuite

    def lose(self) -> Any:
        """Make the source unreachable. May be async."""
        raise NotImplementedError

    def restore(self) -> Any:
        """As it was. May be async."""
        raise NotImplementedError

    # --- for ActionSuite

    def params(self) -> Mapping[str, Any]:
        """Parameters with which the action succeeds."""
        raise NotImplementedError

    def effects(self) -> int:
        """How often the action has taken effect in the world."""
        raise NotImplementedError

    def failing(self) -> Mapping[str, Any]:
        """Parameters of the right types with which the action fails."""
        raise NotImplementedError

    # --- for CancelSuite

    def slow(self) -> Mapping[str, Any]:
        """Parameters with which the action takes longer than a minute."""
        raise NotImplementedError

    # --- the same for all

    def bench(self) -> TriggerBench:
        """A bench with the trigger on it."""
        trigger = self.connector_trigger()
        return TriggerBench(trigger, self.config(), settings=self.settings, connections=self.connections)

    def connector_trigger(self) -> Any:
        """The trigger by its kind."""
        return next(trigger for trigger in self.connector.triggers if trigger.kind == self.trigger)

    async def call(self, params: Mapping[str, Any], **context: Any) -> Any:
        """One attempt of the action."""
        found = next(action for action in self.connector.actions if action.name == self.action)
        ctx = action_context(settings=self.settings, connections=self.connections, **context)
        return await call(found, params, ctx)


def outside(folder: Path | str, data: Path | None = None) -> Connector:
    """The connector that stands for the plugin in this folder (`reactor-plugin.toml`).

    Args:
        folder: of the plugin.
        data: an existing folder where is kept what it offers; it is then asked once.

    Raises:
        ValueError: it is not taken in; the sentence that the operator would see.
    """
    found, problems = connectors([Path(folder)], __version__, data)
    if problems:
        raise ValueError("; ".join(problems))
    (connector,) = found
    return connector


@contextlib.asynccontextmanager
async def opened(connector: Connector) -> AsyncIterator[Connector]:
    """The connector, closed at the end as Reactor closes it."""
    try:
        yield connector
    finally:
        if connector.close is not None:
            closing = connector.close()
            if inspect.isawaitable(closing):
                await closing


async def _done(made: Any) -> None:
    if inspect.isawaitable(made):
        await made


def holds(condition: object, otherwise: object) -> None:
    """A promise, and what is said when it is not kept."""
    if not condition:
        raise AssertionError(otherwise)


class ManifestSuite:
    """What it says of itself."""

    async def test_names_and_docs_are_sound(self, plugin: Subject) -> None:
        connector = plugin.connector
        holds(connector.name, "the connector has no name")
        holds(connector.actions or connector.triggers, "it offers neither actions nor triggers")
        for action in connector.actions:
            holds(_ACTION.fullmatch(action.name), f"action {action.name!r}: the form is system.verb")
            holds(action.doc, f"action {action.name} has no documentation")
        for trigger in connector.triggers:
            holds(re.fullmatch(r"[a-z][a-z0-9_]*", trigger.kind), f"trigger {trigger.kind!r}: a-z 0-9 _")
            holds(trigger.doc, f"trigger {trigger.kind} has no documentation")
            holds(wrong_pattern(trigger.default_type) is None, f"trigger {trigger.kind}: its default type")
            names = {field.encode_name for field in msgspec.structs.fields(trigger.config)}
            holds(
                trigger.short is None or trigger.short in names, f"trigger {trigger.kind}: no field {trigger.short!r}"
            )

    async def test_what_is_not_known_is_refused(self, plugin: Subject) -> None:
        shapes = [(action.name, action.params) for action in plugin.connector.actions if action.open_params is None]
        shapes += [(trigger.kind, trigger.config) for trigger in plugin.connector.triggers]
        shapes += [(kind.name, kind.settings) for kind in plugin.connector.connections]
        for name, struct in shapes:
            holds(struct.__struct_config__.forbid_unknown_fields, f"{name} takes what it does not know")
            holds(_refuses(struct, {"no_such_key_at_all": 1}), f"{name} takes what it does not know")

    async def test_flows_are_checked_with_it(self, plugin: Subject) -> None:
        catalog = Catalog([plugin.connector])
        msgspec.json.encode(flow_schema(catalog))
        steps = "".join(
            f"\n  - {{name: s{number}, action: {name}, no_such_parameter: 1}}"
            for number, name in enumerate(name for name, action in catalog.actions.items() if not action.open_params)
        )
        loaded = load(
            f"name: f\non: {{event: a}}\nsteps:{steps or ' [{name: s, set: {a: 1}}]'}", catalog=catalog, file=None
        )
        told = [problem.message for problem in loaded.problems]
        holds(len([text for text in told if "no_such_parameter" in text]) == steps.count("no_such_parameter"), told)

    async def test_secret_settings_are_settings(self, plugin: Subject) -> None:
        for kind in plugin.connector.connections:
            names = {field.encode_name for field in msgspec.structs.fields(kind.settings)}
            unknown = {place.partition(".")[0] for place in kind.secret} - names
            holds(not unknown, f"connection {kind.name}: {unknown} are no settings")


def _refuses(struct: type[msgspec.Struct], given: Mapping[str, Any]) -> bool:
    try:
        msgspec.convert(given, struct)
    except msgspec.ValidationError:
        return True
    return False


class TriggerSuite:
    """A trigger loses nothing and tells nothing twice, whatever dies when."""

    async def test_it_arms_and_tells_each_message_once(self, plugin: Subject) -> None:
        async with plugin.bench() as bench:
            await bench.until(lambda b: b.state() == "armed")
            await _done(plugin.feed(3))
            await bench.until(lambda b: len(b.drafts) >= 3)
            await _done(plugin.feed(2))
            await bench.until(lambda b: len(b.drafts) >= 5)
        seen = [plugin.seen(draft) for draft in bench.drafts]
        holds(len(seen) == len(set(seen)) == 5, seen)
        holds(
            all(wrong_pattern(draft.type) is None and "*" not in draft.type for draft in bench.drafts),
            "all(wrong_pattern(draft.type) is None and '*' not in draft.type for draft in bench.drafts)",
        )

    async def test_what_was_not_committed_comes_again(self, plugin: Subject) -> None:
        """The process dies between taking a message and the commit: nothing may have been acknowledged."""
        bench = plugin.bench()
        async with bench:
            await bench.until(lambda b: b.state() == "armed")
        bench = bench.again()
        bench.before_commit = _die
        await _done(plugin.feed(3))
        with pytest.raises(Died):
            await _until_dead(bench)
        holds(not bench.drafts, "events were accepted though nothing was committed")
        await _all(plugin, bench.again(), 3)

    async def test_what_was_committed_comes_once(self, plugin: Subject) -> None:
        """The process dies right after the commit: what comes again has the same id, or its place is known."""
        bench = plugin.bench()
        async with bench:
            await bench.until(lambda b: b.state() == "armed")
        bench = bench.again()
        bench.after_commit = _die
        await _done(plugin.feed(3))
        with pytest.raises(Died):
            await _until_dead(bench)
        before = list(bench.drafts)
        holds(before, "before")
        later = bench.again()
        await _all(plugin, later, 3 - len(before))
        seen = [plugin.seen(draft) for draft in (*before, *later.drafts)]
        holds(len(seen) == len(set(seen)) == 3, seen)

    async def test_it_stops_at_once_and_goes_on_where_it_was(self, plugin: Subject) -> None:
        bench = plugin.bench()
        for round_ in range(3):
            async with bench:
                await bench.until(lambda b: b.state() == "armed")
                await _done(plugin.feed(1))
                await bench.until(lambda b: b.drafts)
                begun = time.monotonic()
                await bench.stop()
                holds(time.monotonic() - begun < PROMPT, f"it took too long to stop (round {round_})")
            holds(len(bench.drafts) == 1, "len(bench.drafts) == 1")
            bench = bench.again()


class Died(RuntimeError):
    """Stands for the death of the process."""


def _die(drafts: Any) -> None:
    if drafts:
        raise Died


async def _until_dead(bench: TriggerBench) -> None:
    async with bench:
        await bench.until(lambda _: False)


async def _all(plugin: Subject, bench: TriggerBench, count: int) -> None:
    """After a restart: what was outstanding comes, and nothing else before a last message."""
    async with bench:
        await bench.until(lambda b: b.state() == "armed")
        await bench.until(lambda b: len(b.drafts) >= count)
        await _done(plugin.feed(1))
        await bench.until(lambda b: len(b.drafts) >= count + 1)
    last = bench.drafts.pop()
    holds(len(bench.drafts) == count, [plugin.seen(draft) for draft in (*bench.drafts, last)])


class LossSuite:
    """A source that cannot be reached is told."""

    async def test_a_lost_source_is_told_and_found_again(self, plugin: Subject) -> None:
        async with plugin.bench() as bench:
            await bench.until(lambda b: b.state() == "armed")
            await _done(plugin.lose())
            await bench.until(lambda b: b.state() == "lost")
            reason = bench.states[-1][1]
            holds(len(reason) > 10, f"{reason!r} says neither what is wrong nor what to do")
            await _done(plugin.restore())
            await bench.until(lambda b: b.state() == "armed")
            await _done(plugin.feed(1))
            await bench.until(lambda b: b.drafts)


class ActionSuite:
    """An action does its work once, and says what is wrong in kinds."""

    async def test_it_gives_json(self, plugin: Subject) -> None:
        output = await plugin.call(plugin.params())
        holds(json.loads(json.dumps(output)) == output, "json.loads(json.dumps(output)) == output")

    async def test_a_second_attempt_does_nothing_twice(self, plugin: Subject) -> None:
        """After a crash the same attempt comes again, with the same idempotency key; another step has another one."""
        before = plugin.effects()
        await plugin.call(plugin.params(), idempotency_key="run_1:step")
        await plugin.call(plugin.params(), idempotency_key="run_1:step", attempt=2)
        holds(plugin.effects() == before + 1, "effects() == before + 1")
        await plugin.call(plugin.params(), idempotency_key="run_2:step")
        holds(plugin.effects() == before + 2, "effects() == before + 2")

    async def test_wrong_parameters_are_an_input_error(self, plugin: Subject) -> None:
        with pytest.raises(PermanentError) as caught:
            await plugin.call({**plugin.params(), "no_such_parameter": 1})
        holds(caught.value.kind == "input", "caught.value.kind == 'input'")
        holds("no_such_parameter" in caught.value.message, "'no_such_parameter' in caught.value.message")

    async def test_failures_have_a_kind_and_a_sentence(self, plugin: Subject) -> None:
        with pytest.raises(StepError) as caught:
            await plugin.call(plugin.failing())
        error = caught.value
        holds(_KIND.fullmatch(error.kind), f"{error.kind!r} is no kind such as system.what")
        holds(error.kind not in {"bug", "plugin.protocol", "plugin.unavailable"}, error.message)
        holds(len(error.message) > 5, "len(error.message) > 5")


class CancelSuite:
    """Cancelled means stop."""

    async def test_a_cancelled_call_ends_at_once(self, plugin: Subject) -> None:
        task = asyncio.create_task(plugin.call(plugin.slow()))
        done, _ = await asyncio.wait({task}, timeout=0.5)
        holds(not done, "it was meant to take longer than a minute")
        begun = time.monotonic()
        task.cancel()
        await asyncio.wait({task}, timeout=60)
        holds(task.cancelled(), "task.cancelled()")
        holds(time.monotonic() - begun < PROMPT, "time.monotonic() - begun < PROMPT")
