"""`call`: HTTP, OpenAPI, and functions of the document; the rest is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from reactor.language.dialects.openworkflow import authentication
from reactor.language.dialects.openworkflow.expr import Computed, Part, constant
from reactor.language.dialects.openworkflow.flowing import known, output_of, part, plain
from reactor.language.dialects.openworkflow.jq import Scope, Thunk, unwrapped
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task, data_step
from reactor.language.expressions.limits import Refusal
from reactor.language.problems import closest, shown
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model.flow import ActionStep, BlockStep, Retry

_INSTEAD = {
    "grpc": "call the service's HTTP gateway with `call: http`, or run a client with `run: {shell: …}`",
    "asyncapi": "use `emit` and `listen`, or an action of a connector (kafka, nats, mqtt) in a flow of Reactor's own",
    "a2a": "send its JSON-RPC request with `call: http`",
    "mcp": "send its JSON-RPC request with `call: http`, or run a client with `run: {shell: …}`",
}
_HTTP = ("method", "endpoint", "headers", "body", "query", "output", "redirect")
_OPENAPI = ("document", "operationId", "parameters", "authentication", "output", "redirect")
_OUTPUTS = ("content", "response", "raw")
_NAME = re.compile(r"\{([^{}]+)\}")
_TEXT = re.compile(r"(?:text/|application/(?:xml|x-www-form-urlencoded|.*\+xml))", re.IGNORECASE)


def make(compiler: Compiler, task: Task) -> Core:
    """`call:` by the name of what is called."""
    name = compiler.reading.literal(task.node.get("call"), "call")
    if name is None:
        return Core(steps=())
    if name == "http":
        return _http(compiler, task)
    if name == "openapi":
        return _openapi(compiler, task)
    if name in _INSTEAD:
        compiler.reading.refuse(f"`call: {name}`", _INSTEAD[name], task.node.entries["call"])
        return Core(steps=())
    return _function(compiler, task, name)


# --- HTTP --------------------------------------------------------------------------------------------------------


def _http(compiler: Compiler, task: Task) -> Core:
    reading = compiler.reading
    given = reading.map(task.node.get("with"), "with", _HTTP)
    for name, example in (("method", "get"), ("endpoint", "https://example.com/")):
        if name not in given:
            reading.report("missing-key", f"`call: http` has no `{name}`; write `{name}: {example}`", task.node)
    method = reading.value(given.get("method"), "with.method", task.env)
    url, auth = endpoint(compiler, task, given.get("endpoint"), "with.endpoint")
    env = task.env if auth is None else task.env.plus(authorization=authentication.told(auth))
    headers, query, body = (
        reading.value(given.get(name), f"with.{name}", env, secrets=True) for name in ("headers", "query", "body")
    )
    redirect = reading.flag(given.get("redirect"), "with.redirect", default=False)
    how = reading.one_of(given.get("output"), "with.output", _OUTPUTS)

    def params(scope: Scope) -> dict[str, Any]:
        made: dict[str, Any] = {"method": str(method.make(scope) or "GET").upper(), "url": url.make(scope)}
        made["headers"] = _map(headers.make(scope), "headers")
        made["query"] = _map(query.make(scope), "query")
        made |= _body(body.make(scope), made["headers"]) if "body" in given else {}
        made |= _answers(redirect=redirect, how=how)
        if auth is not None:
            made["auth"] = auth.make(scope)
        return made

    def request(scope: Scope) -> dict[str, Any]:
        # Headers with secrets are not repeated: what is told here goes into the journal.
        sent = {} if headers.secrets else _map(headers.make(scope), "headers")
        shown_url = None if url.secrets else url.make(scope)
        return {"method": str(method.make(scope)).upper(), "uri": shown_url, "headers": sent}

    secrets = any(part.secrets for part in (url, headers, query, body)) or (auth is not None and auth.secrets)
    step = ActionStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        retry=Retry(max=1),
        action="http.request",
        params=Computed(params, f"call http {given.get('endpoint') and task.label}", secrets=secrets),
        output=compiler.output(task, _read(how, request), always=True),
    )
    return Core(steps=(step,), data=task.name)


def _answers(*, redirect: bool, how: str) -> dict[str, Any]:
    """What counts as success: redirects are errors unless the call says otherwise."""
    made: dict[str, Any] = {"follow_redirects": redirect, "success": "200-399" if redirect else "2xx"}
    return {**made, "raw": True} if how == "raw" else made


def _read(how: str, request: Callable[[Scope], dict[str, Any]] | None) -> Thunk:
    """The answer of `http.request` as the specification has it."""

    def read(scope: Scope) -> Any:
        answer = plain(scope["output"])
        if how != "response":
            return part(answer, "body")
        sent = request(scope) if request is not None else part(answer, "request")
        names = {"statusCode": "status_code", "headers": "headers", "content": "body"}
        return {"request": sent, **{name: part(answer, ours) for name, ours in names.items()}}

    return read


def _map(value: Any, what: str) -> dict[str, Any]:
    if known(value) is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(f"`with.{what}` is a map, not {type(value).__name__}")
    return value


def _body(value: Any, headers: dict[str, Any]) -> dict[str, Any]:
    """A text goes as it is where the content type is one of texts, all else as JSON."""
    kind = next((str(item) for name, item in headers.items() if name.lower() == "content-type"), "")
    if isinstance(value, str) and (not kind or _TEXT.match(kind)):
        return {"body": value}
    if isinstance(value, dict) and kind.startswith("application/x-www-form-urlencoded"):
        return {"form": value}
    return {"json": value}


def endpoint(compiler: Compiler, task: Task, node: Node | None, what: str) -> tuple[Part, Part | None]:
    """The address of an endpoint, and its authentication."""
    if isinstance(node, MapNode):
        given = compiler.reading.map(node, what, ("uri", "authentication"))
        if "uri" not in given:
            compiler.reading.report("missing-key", f"`{what}` has no `uri`", node)
        auth = authentication.policy(compiler, task, given.get("authentication"), f"{what}.authentication")
        return uri(compiler, task, given.get("uri"), f"{what}.uri"), auth
    return uri(compiler, task, node, what), None


def uri(compiler: Compiler, task: Task, node: Node | None, what: str) -> Part:
    """An address: an expression, or a text in which `{name}` stands for a value of the task's input."""
    text = compiler.reading.text(node, what)
    if text is None or node is None:
        return constant("")
    if unwrapped(text) is not None:
        return compiler.reading.expression(node, what, task.env, secrets=True)
    if not _NAME.search(text):
        return constant(text)
    data = task.input

    def fill(scope: Scope) -> str:
        found = known(data(scope))
        return _NAME.sub(lambda match: _filled(match[1], found, text), text)

    return Part(fill)


def _filled(name: str, data: Any, template: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    if value is None or isinstance(value, (dict, list)):
        have = ", ".join(list(data)[:10]) if isinstance(data, dict) else "no map"
        raise Refusal(f"`{{{name}}}` in {template} has no value: the task's input holds {have or 'nothing'}")
    # One value stays one part of the address, whatever characters it has.
    return quote(str(value).lower() if isinstance(value, bool) else str(value), safe="")


# --- OpenAPI -----------------------------------------------------------------------------------------------------


def _openapi(compiler: Compiler, task: Task) -> Core:
    reading = compiler.reading
    given = reading.map(task.node.get("with"), "with", _OPENAPI)
    document = reading.map(given.get("document"), "with.document", ("name", "endpoint"))
    if "endpoint" not in document or "operationId" not in given:
        message = "`call: openapi` has a `document` with its `endpoint`, and an `operationId`"
        reading.report("missing-key", message, task.node)
    url, document_auth = endpoint(compiler, task, document.get("endpoint"), "with.document.endpoint")
    operation = reading.value(given.get("operationId"), "with.operationId", task.env)
    auth = authentication.policy(compiler, task, given.get("authentication"), "with.authentication")
    parameters = reading.value(given.get("parameters"), "with.parameters", task.env, secrets=True)
    redirect = reading.flag(given.get("redirect"), "with.redirect", default=False)
    how = reading.one_of(given.get("output"), "with.output", _OUTPUTS)

    def params(scope: Scope) -> dict[str, Any]:
        made = {
            "document": url.make(scope),
            "operation": operation.make(scope),
            "parameters": _map(parameters.make(scope), "parameters"),
            **_answers(redirect=redirect, how=how),
        }
        for name, policy in (("auth", auth), ("document_auth", document_auth)):
            if policy is not None:
                made[name] = policy.make(scope)
        return made

    step = ActionStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        retry=Retry(max=1),
        action="http.openapi",
        params=Computed(
            params,
            f"call openapi {task.label}",
            secrets=any(part is not None and part.secrets for part in (url, auth, document_auth, parameters)),
        ),
        output=compiler.output(task, _read(how, None), always=True),
    )
    return Core(steps=(step,), data=task.name)


# --- functions ---------------------------------------------------------------------------------------------------


def _function(compiler: Compiler, task: Task, name: str) -> Core:
    """A task under `use.functions`, run with the arguments as its input."""
    reading, at = compiler.reading, task.node.entries["call"]
    functions = compiler.use.get("functions") or MapNode(0, 0)
    node = functions.get(name)
    if node is None:
        if "/" in name or "@" in name or ":" in name:
            reading.refuse(f"the cataloged function `{shown(name)}`", "copy its definition under `use.functions`", at)
        else:
            meant = closest(name, ["http", "openapi", *functions.entries])
            hint = f"did you mean `{meant}`?" if meant else "define it under `use.functions`"
            reading.report("unknown-function", f"there is no function `{shown(name)}`; {hint}", at, suggestion=meant)
        return Core(steps=())
    if name in compiler.calling:
        reading.report("call-circle", f"the function `{name}` calls itself and would never end", at)
        return Core(steps=())
    arguments = reading.value(task.node.get("with"), "with", task.env) if "with" in task.node else constant({})
    given = compiler.name(f"{task.name}-arguments", task.reference)
    compiler.called.add(name)
    compiler.calling.append(name)
    try:
        key = _renamed(functions.keys[name], task)
        inner = compiler.single(key, node, output_of(given), task.inside(), task.reference)
    finally:
        compiler.calling.pop()
    block = BlockStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        steps=(data_step(given, Computed(arguments.make, "with")), *inner.steps),
        output=compiler.output(task, inner.result, always=True),
    )
    return Core(steps=(block,), data=task.name, ends=inner.ended)


def _renamed(key: Scalar, task: Task) -> Scalar:
    return Scalar(key.start, key.end, f"{task.name}-{key.text}", key.value, key.style)
