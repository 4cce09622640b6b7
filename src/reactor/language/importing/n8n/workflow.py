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
from reactor.model.errors import InvalidError

_ATTEMPTS = 4
_ENTRY = "\x00start"


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
    steps = _steps(workflow, begun, walker)
    for _ in range(_ATTEMPTS):
        if walker.wanted <= kept:
            break
        kept = kept | walker.wanted
        walker = Walker(workflow, Coverage(coverage.engine), starts=starts, doubtful=doubtful, kept=kept)
        steps = _steps(workflow, begun, walker)
    _take(coverage, walker.coverage)
    head = _rest(workflow, coverage)
    return _flow(workflow, begun, walker, steps, name), head, walker.origin


def _steps(workflow: Workflow, begun: list[Started], walker: Walker) -> list[Step]:
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
    cases, items = [], []
    for targets, arm in zip(firsts, choice.arms, strict=True):
        own = [one for one in begun if ways[one.node.name] == targets]
        typed = [one for one in own if one.specs]
        body, after = walker.way(arm, Item((typed or own)[0].doc))
        items.append((body, after))
        for one in typed:
            for spec in one.specs:
                if "event" not in spec:
                    spec["type"] = one.type
        types = [spec.get("type", spec.get("event")) for one in typed for spec in one.specs]
        inner = body or [Step({"name": walker.names.take("nothing"), "set": {"nothing": None}})]
        condition = " or ".join(f"event.type == '{type_}'" for type_ in dict.fromkeys(types))
        cases.append({"if": condition, "steps": inner} if condition else {"else": inner})
    cases.sort(key=lambda case: "else" in case)
    after = walker.meet("by_trigger", items)
    more = walker.way(rest, after)[0] if after is not None else []
    return [Step({"name": walker.names.take("by_trigger"), "switch": _single_else(cases)}), *more]


def _single_else(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only one case can take the rest; further ones never run."""
    found = [case for case in cases if "if" in case]
    others = [case for case in cases if "else" in case]
    if others:
        found.append(others[0])
    found += [{"if": "false", "steps": case["else"]} for case in others[1:]]
    return found if not others else [*[case for case in found if "if" in case], others[0]]


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
        steps = [Step({"name": "nothing", "set": {"nothing": None}})]
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
    settings = workflow.data.get("settings")
    error = settings.get("errorWorkflow") if isinstance(settings, dict) else None
    if error:
        coverage.add("settings", "errorWorkflow", PLACEHOLDER, "", f"runs `{error}` on failure: write `on_failure:`")
    return head
