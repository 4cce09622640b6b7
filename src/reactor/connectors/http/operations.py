"""From an OpenAPI document and an operation's id to a request.

Sources: OpenAPI 2.0 ("Swagger"), 3.0.4, 3.1.1: server, path item, parameter and request body objects.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from reactor.connectors.http import exchange
from reactor.connectors.http.openapi import OpenApiParams
from reactor.connectors.http.request import Params
from reactor.sdk import ActionContext, PermanentError

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_FRESH = 300_000
"""Milliseconds that a document is kept."""
_KEPT = 16
_LARGEST = 4 * 1024 * 1024
_DEEPEST = 20
"""`$ref`s that lead to one another."""
_documents: dict[str, tuple[int, dict[str, Any]]] = {}


class _Operation(msgspec.Struct, kw_only=True):
    """An operation, found."""

    method: str
    path: str
    parameters: list[dict[str, Any]]
    body: dict[str, Any] | None
    """`requestBody` of 3.x."""
    base: str


async def perform(ctx: ActionContext, params: OpenApiParams) -> dict[str, Any]:
    """Fetch the document unless it is known, and send the request.

    Raises:
        StepError: as `http.request`; kind `input` when the document has no such operation or a parameter is missing.
    """
    document = await _document(ctx, params)
    operation = _find(document, params)
    request = _request(operation, params)
    output = await exchange.perform(ctx, request)
    sent = {name: value for name, value in request.headers.items() if name.lower() != "cookie"}
    output["request"] = {"method": request.method, "uri": request.url, "headers": sent}
    return output


async def _document(ctx: ActionContext, params: OpenApiParams) -> dict[str, Any]:
    key = msgspec.json.encode([params.document, params.document_auth, sorted(ctx.settings.get("http_allow") or ())])
    name = base64.b64encode(key).decode()
    until, known = _documents.get(name, (0, {}))
    if until > ctx.clock.now():
        return known
    wanted = Params(url=params.document, auth=params.document_auth, raw=True, max_body=_LARGEST)
    answer = await exchange.perform(ctx, wanted)
    document = _parsed(base64.b64decode(answer["body"]), params.document)
    while len(_documents) >= _KEPT:
        del _documents[next(iter(_documents))]
    _documents[name] = (ctx.clock.now() + _FRESH, document)
    return document


def _parsed(text: bytes, url: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = _yaml(text, url)
    if not isinstance(found, dict) or not isinstance(found.get("paths"), dict):
        raise PermanentError("input", f"{url} is no OpenAPI document: it has no `paths`")
    return found


def _yaml(text: bytes, url: str) -> Any:
    import yaml  # noqa: PLC0415 - most documents are JSON

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Aliases can make a small text huge, and no document of this kind needs them.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise PermanentError("input", f"{url} has YAML aliases in it, which are not read here; give it as JSON")
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, UnicodeError, ValueError):
        raise PermanentError("input", f"{url} is neither JSON nor YAML") from None


# --- finding -----------------------------------------------------------------------------------------------------


def _find(document: dict[str, Any], params: OpenApiParams) -> _Operation:
    known = []
    for path, item in document["paths"].items():
        item = _resolved(document, item)  # noqa: PLW2901 - the same thing, behind its reference
        for method in _METHODS:
            operation = item.get(method)
            if not isinstance(operation, dict):
                continue
            known.append(str(operation.get("operationId")))
            if operation.get("operationId") == params.operation:
                return _operation(document, params.document, path, item, method)
    shown = ", ".join(sorted(known)[:12]) or "none"
    raise PermanentError("input", f"{params.document} has no operation {params.operation!r}; there is {shown}")


def _operation(document: dict[str, Any], url: str, path: str, item: dict[str, Any], method: str) -> _Operation:
    operation = item[method]
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for given in (*_list(item.get("parameters")), *_list(operation.get("parameters"))):
        parameter = _resolved(document, given)
        merged[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    body = operation.get("requestBody")
    return _Operation(
        method=method.upper(),
        path=path,
        parameters=list(merged.values()),
        body=_resolved(document, body) if body is not None else None,
        base=_base(document, url, _list(operation.get("servers")) or _list(item.get("servers"))),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _resolved(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """Behind its `$ref`s, which have to lead into the same document."""
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            raise PermanentError("input", "the OpenAPI document has something else where an object should be")
        reference = value.get("$ref")
        if reference is None:
            return value
        value = _pointed(document, str(reference))
    raise PermanentError("input", "the OpenAPI document has references that go round in a circle")


def _pointed(document: dict[str, Any], reference: str) -> Any:
    if not reference.startswith("#/"):
        raise PermanentError("input", f"the OpenAPI document refers to {reference[:100]}, outside of itself")
    value: Any = document
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _base(document: dict[str, Any], url: str, servers: list[Any]) -> str:
    """Where the operation is: `servers` of 3.x, `schemes`, `host` and `basePath` of 2.0."""
    if "swagger" in document:
        here = urlsplit(url)
        schemes = [scheme for scheme in _list(document.get("schemes")) if scheme in ("http", "https")]
        scheme = "https" if "https" in schemes else (schemes or [here.scheme])[0]
        host = document.get("host") or here.netloc
        # A document that is fetched without TLS from its own host is for tests: it is called as it was fetched.
        scheme = here.scheme if host == here.netloc else scheme
        return f"{scheme}://{host}{str(document.get('basePath') or '').rstrip('/')}"
    found = servers or _list(document.get("servers"))
    server = found[0] if found and isinstance(found[0], dict) else {"url": "/"}
    address = str(server.get("url") or "/")
    variables = server.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        address = address.replace(f"{{{name}}}", str(variable.get("default", "")) if isinstance(variable, dict) else "")
    return urljoin(url, address).rstrip("/")


# --- the request -------------------------------------------------------------------------------------------------


def _request(operation: _Operation, params: OpenApiParams) -> Params:
    given = dict(params.parameters)
    path, query, headers, form = operation.path, {}, {}, {}
    more: dict[str, Any] = {}
    cookies = []
    for parameter in operation.parameters:
        name, where = str(parameter.get("name")), parameter.get("in")
        if name not in given:
            _need(parameter, params)
            continue
        value = given.pop(name)
        if where == "path":
            path = path.replace(f"{{{name}}}", quote(_joined(value), safe=""))
        elif where == "query":
            query[name] = _query(parameter, value)
        elif where == "header":
            headers[name] = _joined(value)
        elif where == "cookie":
            cookies.append(f"{name}={quote(_joined(value), safe='')}")
        elif where == "formData":
            form[name] = value
        else:
            more["json"] = value
    if cookies:
        headers["cookie"] = "; ".join(cookies)
    more |= {"form": form} if form else _payload(operation, given, params)
    if given:
        raise PermanentError("input", f"operation {params.operation!r} has no parameter {', '.join(sorted(given))}")
    return Params(
        url=operation.base + path,
        method=operation.method,
        headers={**headers},
        query=query,
        auth=params.auth,
        follow_redirects=params.follow_redirects,
        success=params.success,
        timeout=params.timeout,
        raw=params.raw,
        **more,
    )


def _need(parameter: dict[str, Any], params: OpenApiParams) -> None:
    if parameter.get("required"):
        name = parameter.get("name")
        raise PermanentError("input", f"operation {params.operation!r} needs the parameter {name!r}")


def _payload(operation: _Operation, given: dict[str, Any], params: OpenApiParams) -> dict[str, Any]:
    """The body of 3.x; it is called `body` among the parameters."""
    if operation.body is None or "body" not in given:
        if operation.body is not None and operation.body.get("required"):
            raise PermanentError(
                "input", f"operation {params.operation!r} needs a body; give it as the parameter `body`"
            )
        return {}
    value = given.pop("body")
    content = operation.body.get("content")
    kinds = list(content) if isinstance(content, dict) else []
    if any("json" in kind for kind in kinds) or not kinds:
        return {"json": value}
    if "application/x-www-form-urlencoded" in kinds and isinstance(value, dict):
        return {"form": value}
    return {"body": value} if isinstance(value, str) else {"json": value}


def _query(parameter: dict[str, Any], value: Any) -> Any:
    """A list repeats its name, unless the document wants it in one."""
    if not isinstance(value, list):
        return value if isinstance(value, (str, int, float, bool)) or value is None else _joined(value)
    style = parameter.get("collectionFormat")
    separators = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}
    if style in separators:
        return separators[style].join(_joined(item) for item in value)
    if style is None and "schema" not in parameter and parameter.get("type") == "array":
        return _joined(value)
    if parameter.get("explode") is False:
        return _joined(value)
    return [_joined(item) for item in value]


def _joined(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_joined(item) for item in value)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return "" if value is None else str(value)
