"""`run`: shell commands, scripts, other workflows; containers are refused by name."""

from __future__ import annotations

import re
from typing import Any

from reactor.language.dialects.openworkflow.expr import Computed, constant
from reactor.language.dialects.openworkflow.flowing import known, part, plain
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task
from reactor.language.expressions.limits import Refusal
from reactor.language.expressions.values import plain_text
from reactor.language.lists import Call
from reactor.language.problems import shown
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model.flow import ActionStep, CallStep, Retry

_KINDS = ("container", "script", "shell", "workflow")
_RETURNS = ("stdout", "stderr", "code", "all", "none")
_PROCESS = ("arguments", "environment", "stdin")
_LANGUAGES = {"js": "js", "javascript": "js", "python": "python"}
_MODULE = re.compile(r"^\s*(?:import|export)\b", re.MULTILINE)
_FLOW_NAME = re.compile(r"[a-z0-9_-]+")


def make(compiler: Compiler, task: Task) -> Core:
    """`run:` by what is run."""
    reading = compiler.reading
    given = reading.map(task.node.get("run"), "run", (*_KINDS, "await", "return"))
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        reading.report("missing-key", "`run` has one of `shell`, `script`, `workflow`", task.node)
        return Core(steps=())
    if kinds[0] == "container":
        instead = "run the container's program with `run: {shell: {command: docker run …}}` where docker is there"
        reading.refuse("`run: container`", instead, given.keys["container"])
        return Core(steps=())
    waits = reading.flag(given.get("await"), "run.await", default=True)
    if kinds[0] == "workflow":
        return _workflow(compiler, task, given.entries["workflow"], waits=waits)
    if not waits:
        instead = "put it into a workflow and run that one with `await: false`"
        reading.refuse(f"`await: false` with `{kinds[0]}`", instead, given.keys["await"])
    how = reading.one_of(given.get("return"), "run.return", _RETURNS)
    if kinds[0] == "shell":
        return _shell(compiler, task, given.entries["shell"], how)
    return _script(compiler, task, given.entries["script"], how)


def _shell(compiler: Compiler, task: Task, node: Node, how: str) -> Core:
    given = compiler.reading.map(node, "run.shell", ("command", *_PROCESS))
    command = _code(compiler, given.get("command"), "run.shell.command", node, "under `arguments` and read $1, $2 …")
    # What stands behind `sh` is $0, the arguments follow.
    return _process(compiler, task, given, ["/bin/sh", "-c", command, "sh"], how)


def _script(compiler: Compiler, task: Task, node: Node, how: str) -> Core:
    reading = compiler.reading
    given = reading.map(node, "run.script", ("language", "code", "source", *_PROCESS))
    if "source" in given:
        reading.refuse("`run.script.source`", "write the script inline under `code`", given.keys["source"])
        return Core(steps=())
    language = reading.literal(given.get("language"), "run.script.language") or ""
    known = _LANGUAGES.get(language.lower())
    if known is None:
        reading.refuse(f"the script language `{shown(language)}`", "use js or python, or `run: shell`", node)
        return Core(steps=())
    code = _code(compiler, given.get("code"), "run.script.code", node, "under `arguments`, `environment` or `stdin`")
    if known == "python":
        return _process(compiler, task, given, ["python3", "-c", code], how)
    kind = "module" if _MODULE.search(code) else "commonjs"
    # The first argument stands where a script's own file would be.
    return _process(compiler, task, given, ["node", f"--input-type={kind}", "-e", code, "--", "script"], how)


def _code(compiler: Compiler, node: Node | None, what: str, parent: Node, where: str) -> str:
    """Code is fixed in the file: data is never code."""
    reading = compiler.reading
    if node is None:
        reading.report("missing-key", f"`{what}` is missing", parent)
        return ""
    text = reading.text(node, what) or ""
    if re.search(r"\$\{\s*[.$\"(]", text):
        message = f"`{what}` is code and takes no `${{ … }}` of data; give values {where}"
        reading.report("code-from-data", message, node)
    return text


def _process(compiler: Compiler, task: Task, given: MapNode, argv: list[str], how: str) -> Core:
    reading = compiler.reading
    arguments, environment, stdin = (
        reading.value(given.get(name), f"run.{name}", task.env, secrets=True) if name in given else constant(None)
        for name in _PROCESS
    )

    def params(scope: Scope) -> dict[str, Any]:
        words = known(arguments.make(scope)) or []
        if not isinstance(words, list):
            raise Refusal("`arguments` is a list")
        given_env = known(environment.make(scope)) or {}
        if not isinstance(given_env, dict):
            raise Refusal("`environment` is a map")
        made: dict[str, Any] = {"argv": [*argv, *(plain_text(word) for word in words)]}
        made |= {"success_codes": "any"} if how in ("code", "all") else {}
        made["env"] = {name: plain_text(value) for name, value in given_env.items()}
        text = stdin.make(scope)
        return {**made, "stdin": plain_text(text)} if text is not None else made

    step = ActionStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        retry=Retry(max=1),
        action="shell.exec",
        params=Computed(params, f"run {task.label}", secrets=any(p.secrets for p in (arguments, environment, stdin))),
        output=compiler.output(task, _returned(how), always=True),
    )
    return Core(steps=(step,), data=task.name)


def _returned(how: str) -> Thunk:
    def read(scope: Scope) -> Any:
        ended = plain(scope["output"])
        names = {"code": "exit_code", "stdout": "stdout", "stderr": "stderr"}
        result = {name: part(ended, ours) for name, ours in names.items()}
        return result if how == "all" else result.get(how)

    return read


def _workflow(compiler: Compiler, task: Task, node: Node, *, waits: bool) -> Core:
    reading = compiler.reading
    given = reading.map(node, "run.workflow", ("namespace", "name", "version", "input"))
    name = reading.literal(given.get("name"), "run.workflow.name")
    at = given.get("name")
    if name is None or not isinstance(at, Scalar):
        reading.report("missing-key", "`run.workflow` has no `name`", node)
        return Core(steps=())
    flow = name.lower()
    if not _FLOW_NAME.fullmatch(flow):
        reading.report("name", f"`{shown(name)}` is no name of a flow: letters, digits, - and _", at)
    compiler.calls.append(Call(flow, at, guarded=task.if_ is not None or task.place.nested))
    params = reading.value(given.get("input"), "run.workflow.input", task.env)

    def inputs(scope: Scope) -> dict[str, Any]:
        found = known(params.make(scope))
        if found is not None and not isinstance(found, dict):
            raise Refusal("`run.workflow.input` is a map")
        return found or {}

    raw: Thunk = (lambda scope: scope["output"]) if waits else task.input
    step = CallStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        flow=flow,
        params=Computed(inputs, f"run workflow {flow}"),
        wait=waits,
        output=compiler.output(task, raw, always=True),
    )
    return Core(steps=(step,), data=task.name)
