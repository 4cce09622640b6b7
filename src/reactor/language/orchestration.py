"""Steps that hold steps: blocks, branches side by side, loops, cases."""

from __future__ import annotations

import keyword
import re
from typing import Any

from reactor.language import shapes
from reactor.language.expressions import Compiled
from reactor.language.expressions.access import GLOBALS
from reactor.language.keys import CASE_KEYS, FOR_EACH_KEYS, JOIN, JOIN_KEYS, LOOP_KEYS, PARALLEL_KEYS, VERB, Key
from reactor.language.lists import Lists, Named, Own
from reactor.language.names import LEGACY_NAMES, LOCAL_NAMES, RUN_NAMES, Scope, StepNames
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.model.flow import (
    BlockStep,
    Branch,
    BreakStep,
    Case,
    ForEachStep,
    Join,
    LoopStep,
    Number,
    ParallelStep,
    Step,
    SwitchStep,
)

_AS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = RUN_NAMES | LEGACY_NAMES | LOCAL_NAMES | {"secrets"} | frozenset(GLOBALS)
_NO_BREAK = "`break` cannot leave a branch of `parallel`; end the branch with `return`, and leave the loop behind it"
_PARALLEL = {key.name: key for key in PARALLEL_KEYS}


def block(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`steps:` under one name."""
    lists.need_steps(named.node, "steps")
    lists.refuse_part_names(named.node, named.inner)
    steps = lists.made(named.inner, scope, where)
    return lambda common: BlockStep(**common, steps=steps)


def leave(lists: Lists, named: Named, scope: Scope, _where: str) -> Own | None:
    """`break: true`."""
    value = shapes.read(lists.reader, named.node.entries["break"], VERB["break"], scope, "")
    if value is not None and scope.no_break:
        lists.reader.report("break", scope.no_break, named.node.keys["break"])
    return None if value is None or scope.no_break else lambda common: BreakStep(**common)


# --- side by side --------------------------------------------------------------------------------------------------


def parallel(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`parallel: {branches, …}`, or `true` with `steps:` beside it."""
    reader, node = lists.reader, named.node
    value = node.entries["parallel"]
    if isinstance(value, Mapping):
        _refuse_beside(reader, node)
        return _side_by_side(lists, node, value, scope, where)
    if isinstance(value, Scalar) and value.value is True:
        return _side_by_side(lists, node, node, scope, where)
    hint = "`true` with `steps:` beside it, or a map such as `{branches: {a: [{wait: 1s}], b: [{wait: 2s}]}}`"
    if isinstance(value, Scalar) and value.value is False:
        hint += " (without it, steps run one after the other)"
    reader.wrong(value, "parallel", hint)
    return None


def _refuse_beside(reader: Reader, node: Mapping) -> None:
    for name in VERB["parallel"].takes:
        if name in node:
            inside = "branches stand below `branches:`" if name == "steps" else f"`{name}` stands inside it"
            reader.report("several-keys", f"where `parallel` is a map, {inside}", node.keys[name])
    given = node.get("parallel")
    if "timeout" in node and isinstance(given, Mapping) and "timeout" in given:
        message = "`timeout` stands inside `parallel:` and beside it, which is the same; keep one of them"
        reader.report("several-keys", message, node.keys["timeout"])


def _side_by_side(lists: Lists, node: Mapping, given: Mapping, scope: Scope, where: str) -> Own | None:
    """From the map of `parallel`, or from the step itself."""
    short = given is node
    inside = scope.where(no_break=_NO_BREAK)
    branches = _of_steps(lists, node, inside, where) if short else _of_map(lists, given, inside, where)
    values = _others(lists.reader, given, scope, where, short=short)
    join = _join(lists.reader, given.get("join"), scope, where, tuple(branch.name for branch in branches or ()))
    if branches is None or join is None:
        return None
    fail_fast = values.get("fail_fast")
    if fail_fast is not None and join.mode != "all":
        message = f"`fail_fast` belongs to `join: all`; with `join: {join.mode}` it says nothing"
        lists.reader.warn("no-effect", message, given.keys["fail_fast"])
    fields: dict[str, Any] = {
        "branches": branches,
        "join": join,
        "max_parallel": values.get("max_parallel"),
        "fail_fast": not lists.reader.legacy if fail_fast is None else fail_fast,
    }
    within = {} if short or values.get("timeout") is None else {"timeout": values["timeout"]}
    return lambda common: ParallelStep(**{**common, **within}, **fields)


def _others(reader: Reader, given: Mapping, scope: Scope, where: str, *, short: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, item in given.entries.items():
        key = _PARALLEL.get(name)
        if key is None and not short:
            reader.unknown(given.keys[name], PARALLEL_KEYS, "`parallel`")
        elif key is not None and name in ("max_parallel", "fail_fast", *(() if short else ("timeout",))):
            values[name] = shapes.read(reader, item, key, scope, where)
    return values


def _of_map(lists: Lists, given: Mapping, scope: Scope, where: str) -> tuple[Branch, ...] | None:
    reader, node = lists.reader, given.get("branches")
    if node is None:
        message = "`parallel` has no `branches`; write for example `branches: {a: [{wait: 1s}], b: [{wait: 2s}]}`"
        reader.report("missing-key", message, given, suggestion="branches")
        return None
    if not isinstance(node, Mapping):
        reader.wrong(node, "branches", "a map of names and lists of steps such as `{a: [{wait: 1s}], b: [{wait: 2s}]}`")
        return None
    if not node.entries:
        reader.report("no-value", "`branches` is empty; write a name and its steps, such as `a: [{wait: 1s}]`", node)
        return None
    branches: list[Branch] = []
    taken: dict[str, tuple[int, str]] = {}
    for name, item in node.entries.items():
        key = node.keys[name]
        first = len(reader.sets)
        known = lists.checked_name(key, "a branch's name", key)
        lists.need_steps(node, name)
        steps, _ = lists.read(item, scope, f"{where}.branches.{name}")
        if known and any(branch.name == known for branch in branches):
            message = f"there is a branch `{known}` already; give one another name"
            reader.report("duplicate-name", message, key)
        branches.append(Branch(name=known or name, steps=steps, line=reader.source.place(key.start)[0]))
        _check_sets(reader, first, name, taken)
    return tuple(branches)


def _of_steps(lists: Lists, node: Mapping, scope: Scope, where: str) -> tuple[Branch, ...] | None:
    """Each step a branch of the same name."""
    reader, given = lists.reader, node.get("steps")
    if given is None:
        message = "`parallel: true` makes a branch of each of the `steps:` beside it, and there are none"
        reader.report("missing-key", message, node.keys["parallel"], suggestion="steps")
        return None
    lists.need_steps(node, "steps")
    named = lists.named(given, f"{where}.steps")
    lists.unique(named, deep=False)
    branches = []
    taken: dict[str, tuple[int, str]] = {}
    for one in named:
        first = len(reader.sets)
        names = StepNames(lists.unique([one]), outer=scope.steps)
        steps = lists.made([one], scope.inside(names), f"{where}.branches.{one.name}")
        branches.append(Branch(name=one.name, steps=steps, line=reader.source.place(one.node.start)[0]))
        _check_sets(reader, first, one.name, taken)
    if reader.legacy and scope.steps is not None:
        # In flows of the older engine every step is known everywhere by its name.
        for one in named:
            scope.steps.finish(one.name)
    return tuple(branches) if branches else None


def _check_sets(reader: Reader, first: int, branch: str, taken: dict[str, tuple[int, str]]) -> None:
    """Warn of a variable that an earlier branch sets, too: whoever is last wins. `taken`: name → line and branch."""
    for key in reader.sets[first:]:
        line, other = taken.setdefault(key.text, (reader.source.place(key.start)[0], branch))
        if other != branch:
            message = (
                f"branch `{other}` sets `{key.text}` too (line {line}), and who is last wins; give one of them another "
                "name, or let the branches `return` their values"
            )
            reader.warn("shared-var", message, key)


def _join(reader: Reader, node: Node | None, scope: Scope, where: str, branches: tuple[str, ...]) -> Join | None:
    if node is None:
        return Join()
    if isinstance(node, Scalar) and node.text in JOIN.words:
        return Join(mode=node.text)
    if not isinstance(node, Mapping):
        text = node.text if isinstance(node, Scalar) else ""
        meant = closest(text, JOIN.words) if text else None
        hint = f"; did you mean `{meant}`?" if meant else ""
        allowed = (*JOIN.words, "{count: N}", "{until: EXPR}")
        message = f"`join` takes {listed(allowed)}, not {f'`{shown(text)}`' if text else node.kind}{hint}"
        reader.report("wrong-word", message, node, allowed=allowed, suggestion=meant, fix=meant)
        return None
    before = len(reader.problems)
    values = shapes.read_map(reader, node, JOIN_KEYS, scope.where(branches=branches), f"{where}.join", "join") or {}
    if len([name for name in ("count", "until") if name in node]) != 1:
        message = "`join` takes one of `count` and `until`, such as `{count: 2}` or `{until: branches.a.output.ok}`"
        reader.report("several-keys" if values else "missing-key", message, node)
    if len(reader.problems) > before and any(problem.severity == "error" for problem in reader.problems[before:]):
        return None
    count: Number | None = values.get("count")
    if isinstance(count, int) and branches and count > len(branches):
        message = f"`count: {count}` wants more branches than there are ({len(branches)}): it could never be decided"
        reader.report("out-of-range", message, node.entries["count"])
        return None
    mode = "count" if "count" in values else "until"
    return Join(mode=mode, count=count, until=values.get("until"))


# --- loops ---------------------------------------------------------------------------------------------------------


def for_each(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`for_each: EXPR` with what stands beside it."""
    reader, node = lists.reader, named.node
    items = _items(reader, node.entries["for_each"], scope, f"{where}.for_each")
    values = _beside(reader, node, FOR_EACH_KEYS, scope, where)
    name = values.get("as")
    if name is not None and name in scope.names:
        reader.warn("shadowed-name", f"`{name}` is known here already and hidden by this `as`", node.entries["as"])
    around = scope.plus("item", "index", *([name] if name else ())).where(no_break="", guarded=True)
    steps = _steps(lists, node, around, where)
    if items is None or steps is None:
        return None
    fields = {"as_" if key == "as" else key: value for key, value in values.items()}
    return lambda common: ForEachStep(**common, items=items, steps=steps[0], **fields)


def _items(reader: Reader, node: Node, scope: Scope, where: str) -> Compiled | None:
    if isinstance(node, (Sequence, Mapping)):
        if (isinstance(node, Sequence) and not node.items) or (isinstance(node, Mapping) and not node.entries):
            reader.report("no-value", "`for_each` goes over nothing; give it items, or take the step out", node)
            return None
        return reader.value(node, scope, where)
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.text:
        return reader.expression(node, "for_each", scope, where)
    reader.wrong(node, "for_each", "an expression that gives a list or a map, such as `event.data.items`")
    return None


def loop(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`while: EXPR` or `until: EXPR` with what stands beside it."""
    reader, node, verb = lists.reader, named.node, named.verb or ""
    condition = node.entries[verb]
    asked = None
    if verb == "while":
        asked = _asked(reader, condition, verb, scope.plus("index"), where)
    values = _beside(reader, node, LOOP_KEYS, scope, where)
    around = scope.plus("index").where(no_break="", guarded=scope.guarded or verb == "while")
    steps = _steps(lists, node, around, where)
    if verb == "until":
        asked = _asked(reader, condition, verb, around.inside(steps[1]) if steps else around, where)
    if isinstance(condition, Scalar) and asked is not None and not asked.names and "max" not in node:
        message = (
            f"`{verb}: {shown(condition.text)}` never changes, so only `break`, `return` or the default `max` of 1,000 "
            "iterations ends this loop (with kind `loop.limit`); give it a `max`"
        )
        reader.warn("endless-loop", message, condition)
    if asked is None or steps is None:
        return None
    values["while_" if verb == "while" else verb] = asked
    return lambda common: LoopStep(**common, steps=steps[0], **values)


def _asked(reader: Reader, node: Node, verb: str, scope: Scope, where: str) -> Compiled | None:
    if isinstance(node, Scalar) and node.value is None:
        reader.report("no-value", f"`{verb}` has no condition; write for example `{verb}: vars.more`", node,
                      end=max(node.end, node.start + 1))  # fmt: skip
        return None
    return reader.condition(node, verb, scope, f"{where}.{verb}")


def _beside(reader: Reader, node: Mapping, keys: tuple[Key, ...], scope: Scope, where: str) -> dict[str, Any]:
    """What stands beside the verb, without the steps."""
    values: dict[str, Any] = {}
    for key in keys:
        item = node.get(key.name)
        if item is not None and key.name != "steps":
            value = shapes.read(reader, item, key, scope, where)
            if value is not None:
                values[key.name] = value
    return values


def _steps(lists: Lists, node: Mapping, scope: Scope, where: str) -> tuple[tuple[Step, ...], StepNames] | None:
    given = node.get("steps")
    if given is None:
        message = "this loop has no `steps`; write `steps:` beside it, and below it what is done each time"
        verb = next(name for name in ("for_each", "while", "until") if name in node)
        lists.reader.report("missing-key", message, node.keys[verb], suggestion="steps")
        return None
    lists.need_steps(node, "steps")
    return lists.read(given, scope, f"{where}[]")


def as_name(reader: Reader, node: Node, key: Key, _scope: Scope, _where: str) -> str | None:
    """`as:`, a name that expressions can read."""
    text = node.text if isinstance(node, Scalar) else ""
    if text == "item":
        return text
    if not _AS.fullmatch(text) or keyword.iskeyword(text) or text in ("true", "false", "none"):
        message = (
            f"`as` takes a name of letters, digits and _ such as `{key.example}`, not `{shown(text) or node.kind}`"
        )
        reader.report("name", message, node)
        return None
    if text in _TAKEN:
        message = (
            f"`{text}` means something else in expressions; call the item by another name, such as `{key.example}`"
        )
        reader.report("name", message, node)
        return None
    return text


# --- cases ---------------------------------------------------------------------------------------------------------


def switch(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`switch:` a list of cases, `else` the last of them."""
    reader, node = lists.reader, named.node.entries["switch"]
    if not isinstance(node, Sequence) or not node.items:
        what = f"a list of cases such as `{VERB['switch'].example}`"
        reader.wrong(node, "switch", what)
        return None
    names = scope.steps or StepNames()
    before, aside = names.count, list[str]()
    cases = []
    for number, item in enumerate(node.items):
        condition = _when(reader, item, scope, f"{where}.cases[{number}]", last=number == len(node.items) - 1)
        steps = lists.made(named.cases[number], scope.where(guarded=True), f"{where}.cases[{number}]")
        # What one case has done is not known in the next.
        aside += names.aside(before)
        cases.append(Case(if_=condition, steps=steps))
    names.back(aside)
    return lambda common: SwitchStep(**common, cases=tuple(cases))


def _when(reader: Reader, item: Node, scope: Scope, where: str, *, last: bool) -> Compiled | None:
    """The condition of a case; None for `else`, and for what is wrong and told."""
    if not isinstance(item, Mapping):
        reader.wrong(item, "switch", "cases, each a map such as `{if: event.data.vip, steps: [{wait: 1s}]}`")
        return None
    table = {key.name: key for key in CASE_KEYS}
    for name, key in item.keys.items():
        if name not in table:
            reader.unknown(key, CASE_KEYS, "a case of `switch`")
        elif name != "if" and isinstance(value := item.entries[name], Scalar) and value.value is None:
            message = f"`{name}` has no steps; write a step such as `- action: log.info`, or take the case out"
            reader.report("no-value", message, key)
    if "else" in item:
        _check_else(reader, item, last=last)
        return None
    for name in ("if", "steps"):
        if name not in item:
            hint = " (what is done when no case holds is `else:`)" if name == "if" else ""
            message = f"this case has no `{name}`{hint}; write for example `{name}: {table[name].example}`"
            reader.report("missing-key", message, item, suggestion=name)
    given = item.get("if")
    return None if given is None else shapes.read(reader, given, table["if"], scope, where)


def _check_else(reader: Reader, item: Mapping, *, last: bool) -> None:
    key = item.keys["else"]
    if not last:
        reader.report("not-here", "`else` is the last case of a `switch`: cases behind it are never asked", key)
    for name in ("if", "steps"):
        if name in item:
            message = f"`else` stands alone: it has its steps itself and no `{name}`"
            reader.report("several-keys", message, item.keys[name])


shapes.READERS["as"] = as_name
