"""Nodes of n8n that do one thing, as steps."""

from __future__ import annotations

from typing import Any

from reactor.language.importing.documents import Doc, Item, access
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.making import flow_name, identifier
from reactor.language.importing.n8n.fields import aggregate, assign, merge, split
from reactor.language.importing.n8n.nodes import Node
from reactor.language.importing.n8n.place import At, Handler, Made
from reactor.language.importing.n8n.values import pieces
from reactor.language.importing.writing import Step

_UNITS = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d"}
_DATABASES = {"postgres": "postgres", "mySql": "mysql", "timescaleDb": "postgres"}


def passed(at: At) -> Made:
    """Nothing: the item goes on as it is."""
    return Made([], at.item)


# --- HTTP -----------------------------------------------------------------------------------------------------------


def request(at: At) -> Made:
    """`httpRequest`."""
    node, given = at.node, at.node.parameters
    options = node.options()
    method = str(given.get("method") or given.get("requestMethod") or "GET")
    params: dict[str, Any] = {"method": at.values.text(method), "url": at.values.text(node.text("url"), "url")}
    if not params["url"].strip():
        raise NotUnderstood("it has no URL")
    if "pagination" in options:
        raise NotUnderstood("it asks for page after page")
    query = _pairs(at, "queryParameters", "queryParametersUi", "jsonQuery", "queryParametersJson")
    headers = _pairs(at, "headerParameters", "headerParametersUi", "jsonHeaders", "headerParametersJson")
    params |= {"query": query} if query else {}
    params |= {"headers": headers} if headers else {}
    if method.upper() not in ("GET", "HEAD"):
        params |= _body(at, headers)
    params |= _auth(at)
    response = options.get("response", {})
    response = response.get("response", {}) if isinstance(response, dict) else {}
    if isinstance(response, dict) and response.get("responseFormat") == "file":
        raise NotUnderstood("its answer is a file: give `save_to` a path")
    step: dict[str, Any] = {"name": at.name, "action": "http.request", "with": params}
    if isinstance(options.get("timeout"), int) and options["timeout"] > 0:
        step["timeout"] = f"{options['timeout']}ms"
    full = isinstance(response, dict) and response.get("fullResponse") is True
    doc = (
        at.output.put(("statusCode",), access(at.output.whole, ("status_code",)))
        if full
        else Doc(at.output.at(("body",)))
    )
    if isinstance(response, dict) and response.get("neverError") is True:
        step["continue_on_error"] = True
    many = None if full else doc.whole
    return Made(
        [Step(step)], Item(doc, many), "n8n goes on once for each item of a list in the answer, this goes on once"
    )


def _pairs(at: At, newer: str, older: str, *texts: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (newer, older):
        group = at.node.options(name)
        lists = group.get("parameters") or group.get("parameter") or ()
        for pair in lists if isinstance(lists, list) else ():
            if isinstance(pair, dict) and isinstance(pair.get("name"), str) and pair["name"]:
                found[pair["name"]] = at.values.value(pair.get("value", ""), pair["name"])
    for name in texts:
        text = at.node.text(name)
        if text.strip().lstrip("=").strip():
            made = at.values.json(text)
            if not isinstance(made, dict):
                raise NotUnderstood(f"`{name}` is computed as a whole")
            found |= made
    return found


def _body(at: At, headers: dict[str, Any]) -> dict[str, Any]:
    given = at.node.parameters
    kind = str(given.get("contentType") or at.node.options().get("bodyContentType") or "json")
    if kind in ("multipart-form-data", "binaryData") or given.get("sendBinaryData") is True:
        raise NotUnderstood(f"its body is `{kind}`: files are not sent by `http.request`")
    for name in ("jsonBody", "bodyParametersJson"):
        text = at.node.text(name)
        if text.strip().lstrip("=").strip():
            return {"form" if kind == "form-urlencoded" else "json": at.values.json(text)}
    pairs = _pairs(at, "bodyParameters", "bodyParametersUi")
    if pairs:
        return {"form" if kind == "form-urlencoded" else "json": pairs}
    raw = at.node.text("body")
    if not raw:
        return {}
    type_ = at.node.text("rawContentType")
    if type_ and not any(name.lower() == "content-type" for name in headers):
        return {"body": at.values.text(raw), "headers": {**headers, "content-type": type_}}
    return {"body": at.values.text(raw)}


def _auth(at: At) -> dict[str, Any]:
    """Credentials by name: what they hold is not in the file, and would not be taken over."""
    given = at.node.parameters
    way = str(given.get("authentication") or "none")
    if way == "none" or (way in ("genericCredentialType", "predefinedCredentialType") and not _credential(at.node)):
        return {}
    kind, label = _credential(at.node) or (way, way)
    name = identifier(label).lower() or "api"
    if "basic" in kind.lower():
        at.coverage.secrets |= {f"{name}_user": f"user of {label}", f"{name}_password": f"password of {label}"}
        return {"auth": {"basic": {"user": _secret(f"{name}_user"), "password": _secret(f"{name}_password")}}}
    if "header" in kind.lower():
        at.coverage.secrets[name] = f"the value of the header of {label}"
        at.coverage.note(f"{label}: the name of the header is not in the file; `Authorization` is taken for it")
        return {"auth": {"header": {"name": "Authorization", "value": _secret(name)}}}
    if "query" in kind.lower() or "digest" in kind.lower() or "oauth1" in kind.lower():
        raise NotUnderstood(f"its credentials are of a kind that `http.request` does not know ({kind})")
    at.coverage.secrets[name] = f"the token of {label}"
    return {"auth": {"bearer": _secret(name)}}


def _credential(node: Node) -> tuple[str, str] | None:
    """(kind, name) of a node's credentials."""
    known = node.raw.get("credentials")
    for kind, value in known.items() if isinstance(known, dict) else ():
        label = value.get("name") if isinstance(value, dict) else value
        return str(kind), str(label or kind)
    for name in ("nodeCredentialType", "genericAuthType"):
        kind = node.text(name)
        if kind:
            return kind, kind
    return None


def _secret(name: str) -> str:
    return f"{{{{ secrets.{name} }}}}"


def _connection(at: At, type_: str) -> str:
    _, label = _credential(at.node) or ("", type_)
    name = identifier(label).lower() or type_
    at.connections[name] = {"type": type_, "url": _secret(f"{name}_url")}
    at.coverage.secrets[f"{name}_url"] = f"the address of {label}, with user and password"
    return name


def respond(at: At) -> Made:
    """`respondToWebhook`: what it answers becomes the run's output."""
    node, options = at.node, at.node.options()
    way = node.text("respondWith", "firstIncomingItem")
    answer: dict[str, Any] = {}
    code = options.get("responseCode", node.parameters.get("responseCode"))
    if isinstance(code, int) and code != 200:
        answer["status"] = code
    headers = options.get("responseHeaders", {})
    entries = headers.get("entries") if isinstance(headers, dict) else None
    named = {e["name"]: at.values.text(str(e.get("value", "")), secrets=False) for e in entries or () if e.get("name")}
    answer |= {"headers": named} if named else {}
    if way == "json":
        answer["body"] = at.values.json(node.parameters.get("responseBody", {}))
    elif way in ("text", "html"):
        answer["body"] = at.values.text(node.text("responseBody"), secrets=False)
    elif way in ("firstIncomingItem", "allIncomingItems"):
        whole = at.item.many if way == "allIncomingItems" and at.item.many else at.item.doc.whole
        answer["body"] = f"{{{{ {whole} }}}}"
    elif way == "redirect":
        target = at.values.text(node.text("redirectURL"), secrets=False)
        answer |= {"status": answer.get("status", 302), "headers": {**named, "Location": target}}
    elif way == "noData":
        answer["status"] = answer.get("status", 204)
    else:
        raise NotUnderstood(f"it answers with `{way}`")
    at.response.append(at.name)
    made = Step({"name": at.name, "set": {"response": answer}})
    return Made([made], at.item, "n8n answers here, this when the run ends")


# --- others ---------------------------------------------------------------------------------------------------------


def wait(at: At) -> Made:
    """`wait`: a span, a time, or somebody who calls."""
    node = at.node
    resume = node.text("resume", "timeInterval")
    if resume == "specificTime":
        made = at.values.value(node.parameters.get("dateTime"), secrets=False)
        return Made([Step({"name": at.name, "wait": {"until": made}})], at.item)
    if resume != "timeInterval":
        kind = "webhook" if resume == "webhook" else "form"
        step = {"event": f"n8n.{kind}.{at.name}", "if": "received.subject == run.id", "timeout": _limit(node)}
        type_ = f"n8n.{kind}.{at.name}"
        note = f"n8n waits for a call of its own address; this for an event `{type_}` with the run's id as subject"
        doc = Doc(None, ((("body",), access(at.output.whole, ("data",))),))
        return Made([Step({"name": at.name, "wait_for": step})], Item(doc), note)
    amount = node.parameters.get("amount", 1)
    unit = _UNITS.get(node.text("unit", "seconds" if node.version >= 1.1 else "hours"), "s")
    if isinstance(amount, str) and amount.startswith("="):
        return Made([Step({"name": at.name, "wait": f"{{{{ {at.values.expression(amount)} }}}}{unit}"})], at.item)
    if not isinstance(amount, (int, float)) and not str(amount).strip().isdigit():
        raise NotUnderstood(f"it waits for `{amount}`")
    return Made([Step({"name": at.name, "wait": f"{amount}{unit}".replace(".0", "")})], at.item)


def _limit(node: Node) -> str:
    if node.parameters.get("limitWaitTime") is True and isinstance(node.parameters.get("resumeAmount"), int):
        return f"{node.parameters['resumeAmount']}{_UNITS.get(node.text('resumeUnit', 'hours'), 'h')}"
    return "30d"


def call(at: At) -> Made:
    """`executeWorkflow`: a call of the flow of that name."""
    node, given = at.node, at.node.parameters.get("workflowId")
    named = given if not isinstance(given, dict) else given.get("cachedResultName") or given.get("value")
    if node.text("source", "database") != "database" or not isinstance(named, str) or named.startswith("="):
        raise NotUnderstood("which workflow it runs is not one fixed name")
    name = flow_name(named)
    if not name:
        raise NotUnderstood("it names no workflow")
    mapped = node.options("workflowInputs").get("value")
    step: dict[str, Any] = {"name": at.name, "call": name}
    if isinstance(mapped, dict) and mapped:
        step["with"] = at.values.value(mapped, secrets=False)
    else:
        # `with` is a map with fixed names, so an item as a whole goes in as one input.
        step["with"] = {"item": f"{{{{ {at.item.doc.whole} }}}}"}
    if node.options().get("waitForSubWorkflow") is False:
        step["wait"] = False
    return Made([Step(step)], Item(at.output), f"the flow `{name}` has to be there")


def stop(at: At) -> Made:
    """`stopAndError`."""
    if at.node.text("errorType") == "errorObject":
        message = at.values.value(at.node.parameters.get("errorObject", "stopped"), secrets=False)
    else:
        message = at.values.text(at.node.text("errorMessage", at.node.text("message")) or "stopped", secrets=False)
    text = message if isinstance(message, str) else "stopped"
    return Made([Step({"name": at.name, "fail": {"kind": "stopped", "message": text}})], at.item)


def command(at: At) -> Made:
    """`executeCommand`."""
    text = at.node.text("command")
    if not text.lstrip("=").strip():
        raise NotUnderstood("it has no command")
    made = at.values.text(text, secrets=True)
    doc = at.output.put(("exitCode",), access(at.output.whole, ("exit_code",)))
    return Made([Step({"name": at.name, "action": "shell.exec", "with": {"command": made}})], Item(doc))


def mail(at: At) -> Made:
    """`emailSend`."""
    node = at.node
    params: dict[str, Any] = {"connection": _connection(at, "smtp")}
    names = {"toEmail": "to", "ccEmail": "cc", "bccEmail": "bcc", "fromEmail": "from", "subject": "subject"}
    options = node.options()
    for theirs, ours in names.items():
        value = node.parameters.get(theirs) or options.get(theirs)
        if isinstance(value, str) and value.lstrip("="):
            params[ours] = at.values.text(value)
    if isinstance(options.get("replyTo"), str) and options["replyTo"]:
        params["reply_to"] = at.values.text(options["replyTo"])
    for theirs in ("text", "html"):
        if node.text(theirs).lstrip("="):
            params[theirs] = at.values.text(node.text(theirs))
    if node.parameters.get("attachments") or options.get("attachments"):
        raise NotUnderstood("it attaches files")
    if "to" not in params:
        raise NotUnderstood("nobody is written to")
    return Made([Step({"name": at.name, "action": "email.send", "with": params})], Item(at.output))


def file(at: At) -> Made:
    """`readWriteFile`, `readBinaryFile`, `writeBinaryFile`: text files."""
    node = at.node
    path = at.values.text(node.text("fileSelector", node.text("fileName", node.text("filePath"))))
    if not path:
        raise NotUnderstood("it names no file")
    if node.kind == "writeBinaryFile" or node.text("operation", "read") == "write":
        raise NotUnderstood("it writes binary data of its item: say with `file.write` what the content is")
    doc = Doc(at.output.at(("content",)))
    return Made([Step({"name": at.name, "action": "file.read", "with": {"path": path}})], Item(doc))


def database(at: At) -> Made:
    """`postgres`, `mySql`: queries. Values are handed over as parameters, never as text."""
    node = at.node
    operation = node.text("operation", "insert")
    if operation != "executeQuery":
        raise NotUnderstood(
            f"the operation `{operation}`: write it with `database.query`, `insert`, `update` or `delete`"
        )
    sql = ""
    params: dict[str, str] = {}
    for part, code in pieces(node.text("query")):
        if not code:
            sql += part
            continue
        name = f"p{len(params) + 1}"
        if sql.endswith("'"):
            raise NotUnderstood("an expression stands in quotes in its SQL: values are parameters here (`:name`)")
        params[name] = f"{{{{ {at.values.expression('={{' + part + '}}')} }}}}"
        sql += f":{name}"
    replaced = node.options().get("queryReplacement", node.options("additionalFields").get("queryParams"))
    if replaced or not sql.strip():
        raise NotUnderstood("its SQL has places `$1` for values: write them as `:name` and give `params`")
    given: dict[str, Any] = {"connection": _connection(at, _DATABASES[node.kind]), "sql": sql.strip()}
    given |= {"params": params} if params else {}
    rows = at.output.at(("rows",))
    item = Item(Doc(access(rows, (0,))), rows)
    note = "n8n goes on once for each row, this with the first"
    return Made([Step({"name": at.name, "action": "database.query", "with": given})], item, note)


def code(at: At) -> Made:
    """`code`, `function`: not taken over."""
    del at
    raise NotUnderstood("it is a program; the code stands below")


HANDLERS: dict[str, Handler] = {
    "httpRequest": request,
    "respondToWebhook": respond,
    "set": assign,
    "aggregate": aggregate,
    "splitOut": split,
    "merge": merge,
    "noOp": passed,
    "limit": passed,
    "wait": wait,
    "executeWorkflow": call,
    "stopAndError": stop,
    "executeCommand": command,
    "emailSend": mail,
    "readWriteFile": file,
    "readBinaryFile": file,
    "writeBinaryFile": file,
    "postgres": database,
    "mySql": database,
    "timescaleDb": database,
    "code": code,
    "function": code,
    "functionItem": code,
    "if": passed,
    "switch": passed,
    "filter": passed,
    "splitInBatches": passed,
}
"""By kind of node; `itemLists` is told apart by its operation."""
_ITEM_LISTS: dict[str, Handler] = {
    "splitOutItems": split,
    "aggregateItems": aggregate,
    "concatenateItems": aggregate,
    "limit": passed,
}


def handler(node: Node) -> Handler | None:
    """What turns a node into steps; None: nothing here knows it."""
    if node.disabled:
        return passed
    if node.kind == "itemLists":
        return _ITEM_LISTS.get(node.text("operation", "splitOutItems"))
    return HANDLERS.get(node.kind)
