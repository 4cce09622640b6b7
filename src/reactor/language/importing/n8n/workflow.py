"""A workflow of n8n → a flow: triggers, steps, what means nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reactor.language.importing.coverage import IGNORED, PLACEHOLDER, Coverage
from reactor.language.importing.documents import Doc, Item
from reactor.language.importing.making import flow_name
from reactor.language.importing.n8n.nodes import Workflow
from reactor.language.importing.n8n.triggers import Started, started
from reactor.language.importing.n8n.walking import Walker
from reactor.language.importing.structure import Choice, structured
from reactor.language.importing.writing import Step
from reactor.language.problems import listed
from reactor.model.errors import InvalidError

_ATTEMPTS = 4
_ENTRY = "\x00start"
_CALLED = "inputs | length > 0"


def read_n8n(
    data: Mapping[str, Any], coverage: Coverage, *, doubtful: set[str], name: str | None = None
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """A workflow as a flow, as plain data.

    Args:
        data: n8n's JSON.
        coverage: takes what became of each construct.
        doubtful: names of steps that the loader has refused before: they become placeholders.
        name: of the flow, where the workflow has none.

    Returns:
        The flow, lines to stand above it, and the node of each step.

    Raises:
        InvalidError: it is no workflow of n8n.
    """
    if not isinstance(data.get("nodes"), list) or not isinstance(data.get("connections", {}), dict):
        raise InvalidError("this is no workflow of n8n: it has no list `nodes` and no map `connections`")
    workflow = Workflow(data)
    begun = started(workflow, coverage)
    kept: set[str] = set()
    starts = {one.node.name: one.doc for one in begun}
    walker = Walker(workflow, Coverage(coverage.engine), starts=starts, doubtful=doubtful, kept=kept)
    steps = _steps(workflow, begun, walker, coverage)
    for _ in range(_ATTEMPTS):
        if walker.wanted <= kept:
            break
        kept = kept | walker.wanted
        walker = Walker(workflow, Coverage(coverage.engine), starts=starts, doubtful=doubtful, kept=kept)
        steps = _steps(workflow, begun, walker, coverage)
    _take(coverage, walker.coverage)
    head = _rest(workflow, coverage)
    return _flow(workflow, begun, walker, steps, name), head, walker.origin


def _steps(workflow: Workflow, begun: list[Started], walker: Walker, coverage: Coverage) -> list[Step]:
    """All steps; where triggers lead to different nodes, a `switch` by the type of the event."""
    ways = {one.node.name: tuple(t for port in workflow.ways[one.node.name] for t in port) for one in begun}
    graph = workflow.graph()
    firsts = list(dict.fromkeys(ways.values()))
    real = [one for one in begun if one.specs] or begun
    item = Item(real[0].doc if real else Doc("event.data"))
    if len(firsts) <= 1:
        walked, _ = walker.way(structured(graph, firsts[0] if firsts else ()), item)
        return walked
    graph.ports[_ENTRY] = tuple(firsts)
    (choice, *rest) = structured(graph, [_ENTRY])
    if not isinstance(choice, Choice):
        return []
    groups = [[one for one in begun if ways[one.node.name] == targets] for targets in firsts]
    made = [
        walker.way(arm, Item(next((one for one in own if one.specs), own[0]).doc))
        for own, arm in zip(groups, choice.arms, strict=True)
    ]
    after = walker.meet("by_trigger", made)
    cases: list[dict[str, Any]] = []
    for own, (body, _) in zip(groups, made, strict=True):
        condition = _started_by(own, coverage, taken=any("else" in case for case in cases))
        inner = body or [walker.nothing()]
        cases.append({"if": condition, "steps": inner} if condition else {"else": inner})
    # A flow that is called has no event of its own: that is asked first.
    cases.sort(key=lambda case: ("else" in case, _CALLED not in str(case.get("if"))))
    more = walker.way(rest, after)[0] if after is not None else []
    return [Step({"name": walker.names.take("by_trigger"), "switch": cases}), *more]


def _started_by(triggers: list[Started], coverage: Coverage, *, taken: bool) -> str:
    """How a run knows that one of these has started it; empty: by none of the others. `taken`: others have that."""
    types = []
    for one in triggers:
        for spec in one.specs:
            if "event" not in spec:
                spec["type"] = one.type
            types.append(spec.get("type", spec.get("event")))
    parts = [f"event.type == '{type_}'" for type_ in dict.fromkeys(types)]
    if any(one.node.kind == "executeWorkflowTrigger" for one in triggers):
        parts.insert(0, _CALLED)
    if parts or not taken:
        return " or ".join(parts)
    reason = "nothing tells it apart from the other trigger without an event; its way is never taken"
    for one in triggers:
        coverage.add(one.node.type, one.node.name, PLACEHOLDER, "", reason)
    return "false"


def _flow(
    workflow: Workflow, begun: list[Started], walker: Walker, steps: list[Step], name: str | None
) -> dict[str, Any]:
    flow: dict[str, Any] = {"name": flow_name(workflow.name or "") or flow_name(name or "") or "imported"}
    if workflow.name:
        flow["description"] = f"Imported from n8n: {workflow.name}"
    specs = [spec for one in begun for spec in one.specs]
    unique = [spec for number, spec in enumerate(specs) if spec not in specs[:number]]
    if unique:
        flow["on"] = unique[0] if len(unique) == 1 else unique
    if any(one.node.kind == "executeWorkflowTrigger" for one in begun):
        flow["inputs"] = {"type": "object"}
    if walker.connections:
        flow["connections"] = walker.connections
    if not steps:
        steps = [walker.nothing()]
    flow["steps"] = steps
    if walker.response:
        flow["outputs"] = "{{ vars.response | default(none) }}"
        if not any("response" in step.get("set", {}) for step in steps):
            flow["vars"] = {"response": None}
    if "vars" in flow:
        flow["steps"] = flow.pop("steps")
        if "outputs" in flow:
            flow["outputs"] = flow.pop("outputs")
    return flow


def _take(coverage: Coverage, made: Coverage) -> None:
    for one in made.constructs:
        coverage.add(one.kind, one.name, one.outcome, one.became, one.reason)
    for note in made.notes:
        coverage.note(note)
    coverage.secrets |= made.secrets


def _rest(workflow: Workflow, coverage: Coverage) -> list[str]:
    """Nodes that are no steps: notes (which are kept as comments), parts of others, what nothing leads to."""
    head: list[str] = []
    told = {construct.name for construct in coverage.constructs}
    for node in workflow.nodes.values():
        if node.name in told:
            continue
        if node.kind == "stickyNote":
            head += ["", f"Note: {node.text('content').strip()}"] if node.text("content").strip() else []
            coverage.add(node.type, node.name, IGNORED, "comment", "a note; it stands above the flow")
        elif node.name in workflow.parts:
            owner = workflow.parts[node.name]
            reason = f'it is a part of "{owner}", and kept in the comment there'
            coverage.add(node.type, node.name, PLACEHOLDER, "", reason)
        elif node.disabled:
            coverage.add(node.type, node.name, IGNORED, "", "it is disabled in n8n")
        else:
            coverage.add(node.type, node.name, IGNORED, "", "nothing leads to it, in n8n either")
    if workflow.astray:
        names = listed(dict.fromkeys(workflow.astray))
        coverage.note(f"arrows lead to or from nodes that are not in the file: {names}")
    settings = workflow.data.get("settings")
    error = settings.get("errorWorkflow") if isinstance(settings, dict) else None
    if error:
        coverage.add("settings", "errorWorkflow", PLACEHOLDER, "", f"runs `{error}` on failure: write `on_failure:`")
    return head
