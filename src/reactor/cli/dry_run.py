"""`reactor execute --dry-run`: what a run would do. Nothing is written, no connection is made."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reactor.cli.run import in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reactor.cli.client import Client
    from reactor.language.folder import Folder
    from reactor.model.flow import Flow
    from reactor.model.journal import ActionCall, Outcome
    from reactor.python import Reactor
    from reactor.runtime.dryrun import Around, Plan, Planned
    from reactor.sdk import Action, Catalog
    from reactor.settings import Settings

_HIDDEN = "***"


def dry_run_of(
    name: str,
    given: Any,
    settings: Settings,
    client: Client | None,
    program: Reactor | None = None,
    *,
    reads: bool,
    mock: str | None,
    as_json: bool,
) -> int:
    """Plan a run and print the plan; the exit code is 1 when the run would fail.

    Args:
        name: a file, or the name of a flow on the server.
        given: the data of its event, or its inputs.
        settings: of this process.
        client: the server, when `name` is the name of a flow.
        program: actions in Python.
        reads: really do what only looks.
        mock: what steps give, JSON or a file.
        as_json: print the plan as data.
    """
    from reactor.app import catalog_of
    from reactor.cli import logs

    logs.set_up(settings.log_format, settings.log_level if "log_level" in settings.origins else "warning")
    catalog, _ = catalog_of(program, settings)
    flow, beside = _from_file(Path(name), catalog) if client is None else (_from_server(name, client, catalog), {})
    answers = _answers(flow, mock)
    plan = in_loop_plan(_Here(settings, catalog, flow), flow, beside, given, reads=reads, answers=answers)
    if as_json:
        from reactor.cli.output import print_json

        print_json(as_data(flow, plan))
    else:
        click.echo(text(flow, plan), nl=False)
    return 1 if plan.end is not None and plan.end.status.value != "completed" else 0


def _from_file(file: Path, catalog: Catalog) -> tuple[Flow, dict[str, Flow]]:
    from reactor.language.folder import is_flow_file, load_folder

    if not file.is_file():
        raise click.UsageError(f"{file} cannot be read: it is no file")
    others = [one for one in sorted(file.parent.iterdir()) if one.is_file() and is_flow_file(one.name) and one != file]
    folder = load_folder([file, *others], catalog=catalog)
    return _flow_of(folder, str(file)), {flow.name: flow for flow in folder.flows}


def _flow_of(folder: Folder, file: str) -> Flow:
    from reactor.language.problems import errors
    from reactor.language.report import render

    wrong = [problem for problem in errors(folder.problems) if problem.file == file]
    flow = next((flow for flow in folder.flows if flow.file == file), None)
    if flow is not None:
        return flow
    click.echo(render(wrong), err=True, nl=False)
    raise click.ClickException(f"{file} has {len(wrong)} problem{'s' if len(wrong) != 1 else ''} and cannot run")


def _from_server(name: str, client: Client, catalog: Catalog) -> Flow:
    from reactor.cli.client import part
    from reactor.language.loader import load

    loaded = load(client.get(f"/flows/{part(name)}")["yaml"], file=None, catalog=catalog)
    if loaded.flow is None:
        raise click.ClickException(f"the flow {name} uses something that is not installed here")
    return loaded.flow


def _answers(flow: Flow, mock: str | None) -> Callable[[str], Outcome | None]:
    """What steps are said to give.

    Raises:
        InvalidError: a step that is not there, or an answer that is none.
    """
    if mock is None:
        return lambda _path: None
    import msgspec

    from reactor.language.cases import cases_of
    from reactor.testing.case_runtime import outcome_of
    from reactor.testing.case_world import Mocks

    tests = ({"name": "--mock", "mock": _read(mock)},)
    (case,) = cases_of(msgspec.structs.replace(flow, tests=tests))
    mocks = Mocks(case.mock)

    def answer(path: str) -> Outcome | None:
        found = mocks.answer(path)
        return None if found is None else outcome_of(found)

    return answer


def _read(mock: str) -> Any:
    if mock.lstrip().startswith("{"):
        try:
            return json.loads(mock)
        except ValueError as error:
            raise click.BadParameter(f"--mock is not JSON: {error}") from None
    from reactor.language.yaml_events import read

    try:
        document = read(Path(mock.removeprefix("@")).read_bytes(), mock)
    except OSError as error:
        raise click.BadParameter(f"--mock {mock} cannot be read: {error.strerror}") from None
    if document.root is None or document.problems:
        raise click.BadParameter(f"--mock {mock} is neither JSON nor YAML")
    return document.root.plain


class _Here:
    """What a dry run really does: reads that are allowed, and what touches nothing."""

    def __init__(self, settings: Settings, catalog: Catalog, flow: Flow) -> None:
        from reactor.model.clock import SystemClock

        self.settings = settings
        self.catalog = catalog
        self.flow = flow
        self.clock = SystemClock()

    def around(self, beside: Mapping[str, Flow], answers: Any, *, reads: bool) -> Around:
        """What the plan has at hand. Secrets are read only where something is really done with them."""
        import os

        from reactor.runtime.dryrun import Around
        from reactor.runtime.interpreter import Hands

        env = {name: os.environ[name] for name in self.settings.env_allow if name in os.environ}
        hands = Hands(env=env, secret=self._secret if reads else lambda _name: _HIDDEN)
        return Around(
            actions=self.catalog.actions,
            clock=self.clock,
            perform=self._perform,
            flows=beside,
            reads=reads,
            answers=answers,
            hands=hands,
        )

    def _secret(self, name: str) -> str | None:
        from reactor.engine.vault import Vault

        if not self.settings.data.is_dir():
            return None
        return Vault(self.settings.data, self.clock, self.settings.secret_key).read(name)

    def _saved(self) -> dict[str, dict[str, Any]]:
        """The saved connections of the data folder, if there is one."""
        from reactor.engine.saved_connections import FILE, SavedConnections
        from reactor.sdk.manifest import Catalog

        saved = SavedConnections(self.settings.data / FILE, Catalog(), self.clock)
        saved.open()
        return saved.written

    async def _perform(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        import logging

        from reactor.app import action_settings
        from reactor.engine.connections import Connections
        from reactor.language.expressions import to_json_value
        from reactor.model.errors import ErrorInfo, StepError
        from reactor.model.journal import Outcome
        from reactor.sdk import ActionContext

        ctx = ActionContext(
            run_id="run_dry",
            flow=self.flow.name,
            step=path,
            attempt=call.attempt,
            idempotency_key=f"run_dry:{path}",
            log=logging.LoggerAdapter(logging.getLogger("reactor.run"), {"step": path}),
            clock=self.clock,
            settings=action_settings(self.settings),
            connections=Connections({**self._saved(), **self.flow.connections}, self._secret),
            secrets=call.secrets,
        )
        try:
            async with asyncio.timeout(None if call.timeout is None else call.timeout / 1000):
                made = action.handler(ctx, params)
                return Outcome(to_json_value(await made if action.is_async else made))
        except TimeoutError:
            return Outcome(error=ErrorInfo("timeout", f"{action.name} took longer than {call.timeout} ms"))
        except StepError as error:
            return Outcome(error.output, error.info())

    async def close(self) -> None:
        """Give back what reads have opened."""
        for connector in self.catalog.connectors.values():
            closing = connector.close() if connector.close is not None else None
            if hasattr(closing, "__await__"):
                await closing


def in_loop_plan(here: _Here, flow: Flow, beside: Mapping[str, Flow], given: Any, *, reads: bool, answers: Any) -> Plan:
    """The plan of a run that is started by hand.

    Raises:
        InvalidError: the inputs do not fit.
    """
    from reactor.language.inputs import check_inputs
    from reactor.model.errors import InvalidError
    from reactor.runtime import dryrun

    inputs: Any = None
    if flow.inputs is not None:
        inputs, problems = check_inputs(flow.inputs, given or {})
        if problems:
            raise InvalidError(f"inputs of flow {flow.name!r}: {'; '.join(problems)}")
    event = _event(flow, None if flow.inputs is not None else given, here.clock.now())
    found: list[Plan] = []

    async def work() -> int:
        try:
            found.append(await dryrun.plan(here.around(beside, answers, reads=reads), flow, event, inputs))
        finally:
            if reads:
                await here.close()
        return 0

    in_loop(work())
    return found[0]


def _event(flow: Flow, data: Any, now: int) -> dict[str, Any]:
    """The event of a run by hand, as the engine makes it."""
    from reactor.engine.engine import type_by_hand
    from reactor.language.dialects.gotemplate import legacy_event_view
    from reactor.model.event import Event

    kind = type_by_hand(flow.triggers[0] if flow.triggers else None)
    source, by_hand = f"reactor/flows/{flow.name}", {"by": "hand"}
    event = Event(key=1, id="evt_dry", type=kind, source=source, subject=None, time=now, data=data, metadata=by_hand)
    return legacy_event_view(event.view()) if flow.legacy else event.view()


# --- as people and programs see it -----------------------------------------------------------------------------------


def as_data(flow: Flow, plan: Plan) -> dict[str, Any]:
    """`{flow, status, plan: [{path, kind, what, effect, params}], done, output, error, ends_at}`."""
    from reactor.runtime.dryrun import shown

    end, ended = plan.end, plan.ended
    return {
        "flow": flow.name,
        "status": "unknown" if end is None else end.status.value,
        "plan": [{name: getattr(one, name) for name in one.__struct_fields__} for one in plan.planned],
        "done": plan.done,
        "output": None if end is None else shown(end.output),
        "error": None if end is None or end.error is None else shown(end.error.view()),
        "ends_at": None if ended is None else {"path": ended.path, "where": ended.where, "needs": ended.needs},
    }


def text(flow: Flow, plan: Plan) -> str:
    """The plan for people."""
    lines = [f"{flow.name} would:"] if plan.planned else [f"{flow.name} would change nothing"]
    for number, one in enumerate(plan.planned, 1):
        lines += _lines(number, one)
    if plan.done:
        lines.append(f"done for the plan: {', '.join(plan.done)}")
    data = as_data(flow, plan)
    if plan.ended is not None:
        where = f"`{plan.ended.where}` of step `{plan.ended.path}`" if plan.ended.path else f"`{plan.ended.where}`"
        lines.append(f"the plan ends here: {where} needs `{plan.ended.needs}`, which only a real run knows;")
        lines.append("""  say what a step gives with --mock '{"STEP": {"output": …}}'""")
    elif data["error"] is not None:
        at = f" at `{data['error']['step']}`" if data["error"].get("step") else ""
        lines.append(f"then it would be {data['status']}{at}: {data['error']['kind']}: {data['error']['message']}")
    else:
        output = json.dumps(data["output"], ensure_ascii=False)
        lines.append(f"then it would be {data['status']}, with the output {output}")
    return "\n".join(lines) + "\n"


def _lines(number: int, one: Planned) -> list[str]:
    effect = {"write": "", "read": "  (only looks)", "none": ""}[one.effect]
    kind = "" if one.kind == "action" else f"{one.kind} "
    lines = [f"{number:3}. {one.path}: {kind}{one.what}{effect}"]
    params = one.params if isinstance(one.params, dict) else {}
    lines += [f"       {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in params.items()]
    return lines
