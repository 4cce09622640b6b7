"""What a `Task` calls: of AWS's services those that have a counterpart here."""

from __future__ import annotations

import re
from typing import Any

from reactor.language.importing.coverage import Coverage
from reactor.language.importing.documents import Doc, access
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.making import flow_name, identifier, literal
from reactor.language.importing.stepfunctions.paths import Paths

_FIXED = re.compile(r"[\w:.*/-]+")
_PATTERNS = re.compile(r"\.(?:sync(?::2)?|waitForTaskToken)$")
Made = tuple[dict[str, Any], Doc, str]
"""What the step does, what it gives, how it differs."""


def task(name: str, state: dict[str, Any], paths: Paths, coverage: Coverage) -> Made:
    """The verb of a task's step.

    Raises:
        NotUnderstood: there is no counterpart.
    """
    resource = str(state.get("Resource", ""))
    if resource.endswith(".waitForTaskToken"):
        raise NotUnderstood("it waits for a task token: call the service, then `wait_for` an event that it sends")
    service = _PATTERNS.sub("", resource).removeprefix("arn:aws:states:::")
    given = state.get("Parameters", {})
    output = Doc(f"steps.{name}.output")
    if service == "http:invoke":
        return _http(given, paths, output, coverage)
    if service in ("states:startExecution", "aws-sdk:sfn:startExecution"):
        return _execution(resource, given, paths, output)
    if service == "events:putEvents":
        return _events(given, paths, output)
    raise NotUnderstood(_why(resource, service))


def _why(resource: str, service: str) -> str:
    if ":lambda:" in resource or service.startswith("lambda:") or ":function:" in resource:
        return "a Lambda function: give it a URL for `http.request`, or write what it does as steps"
    if ":activity:" in resource:
        return "an activity: emit an event for its worker and `wait_for` the answer"
    if service.startswith(("sqs:", "sns:", "aws-sdk:sqs", "aws-sdk:sns")):
        return f"`{service}`: use a connector for it, `http.request`, or `emit` if flows listen"
    ways = "use `http.request`, `shell.exec` with the AWS command line, or a plugin"
    return f"there is no action for `{service or 'nothing'}`: {ways}"


def _http(given: Any, paths: Paths, output: Doc, coverage: Coverage) -> Made:
    if not isinstance(given, dict):
        raise NotUnderstood("it has no parameters")
    known = {
        "ApiEndpoint": "url",
        "Method": "method",
        "Headers": "headers",
        "QueryParameters": "query",
        "RequestBody": "json",
    }
    params: dict[str, Any] = {}
    for key, value in given.items():
        bare = key.removesuffix(".$")
        if bare in known:
            made = f"{{{{ {paths.path(value)} }}}}" if key.endswith(".$") else paths.template(value)
            params[known[bare]] = made
        elif bare in ("Authentication", "InvocationConfig"):
            arn = str(value.get("ConnectionArn", "")) if isinstance(value, dict) else ""
            secret = identifier(arn.split("/")[1] if arn.count("/") > 1 else "api").lower() or "api"
            coverage.secrets[secret] = f"the token of the connection {arn or 'of EventBridge'}"
            params["auth"] = {"bearer": f"{{{{ secrets.{secret} }}}}"}
        elif bare != "Transform":
            raise NotUnderstood(f"its parameter `{bare}`")
    if params.get("method") == "GET":
        params.pop("json", None)
    whole = output.whole
    doc = Doc(
        None,
        (
            (("ResponseBody",), access(whole, ("body",))),
            (("StatusCode",), access(whole, ("status_code",))),
            (("Headers",), access(whole, ("headers",))),
        ),
    )
    return {"action": "http.request", "with": params}, doc, ""


def _execution(resource: str, given: Any, paths: Paths, output: Doc) -> Made:
    arn = given.get("StateMachineArn") if isinstance(given, dict) else None
    last = str(arn or "").split(":")[-1]
    if not arn or not _FIXED.fullmatch(last) or not flow_name(last):
        raise NotUnderstood("which state machine it starts is not one fixed name")
    inner = given.get("Input", given.get("Input.$"))
    params: Any = {}
    if "Input.$" in given:
        params = {"input": f"{{{{ {paths.path(inner)} }}}}"}
    elif isinstance(inner, dict):
        params = {
            key: value
            for key, value in paths.template(inner).items()
            if key != "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
        }
    verb: dict[str, Any] = {"call": flow_name(last), **({"with": params} if params else {})}
    if ".sync" not in resource:
        verb["wait"] = False
    doc = (
        Doc(None, ((("Output",), output.whole), (("Status",), "'SUCCEEDED'")))
        if ".sync" in resource
        else Doc(None, ((("ExecutionArn",), access(output.whole, ("run_id",))),))
    )
    return verb, doc, f"the flow `{flow_name(last)}` has to be there"


def _events(given: Any, paths: Paths, output: Doc) -> Made:
    entries = given.get("Entries") if isinstance(given, dict) else None
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        raise NotUnderstood("it puts several events: write an `emit` for each")
    entry = paths.template(entries[0])
    if not isinstance(entry.get("DetailType"), str):
        raise NotUnderstood("an event without a type")
    kind = entry["DetailType"]
    made = kind if "{{" in kind else re.sub(r"[^\w.-]+", ".", kind).strip(".")
    emit: dict[str, Any] = {"type": made}
    if "Detail" in entry:
        emit["data"] = entry["Detail"]
    return {"emit": emit}, Doc(None, ((("Entries",), f"[{output.whole}]"),)), "an event of Reactor, not of EventBridge"


def retry(state: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """`Retry` as ours, and what could not be said of it."""
    given = state.get("Retry")
    if not isinstance(given, list) or not given or not isinstance(given[0], dict):
        return None, ""
    first = given[0]
    most = first.get("MaxAttempts", 3)
    most = most if isinstance(most, int) else 3
    if most == 0:
        return None, "a `Retry` of 0 attempts"
    made: dict[str, Any] = {
        "max": most + 1,
        "backoff": "exponential",
        "delay": f"{first.get('IntervalSeconds', 1)}s",
        "factor": first.get("BackoffRate", 2.0),
    }
    if isinstance(first.get("MaxDelaySeconds"), int):
        made["max_delay"] = f"{first['MaxDelaySeconds']}s"
    made["jitter"] = 1.0 if first.get("JitterStrategy") == "FULL" else 0.0
    kinds = kinds_of(first.get("ErrorEquals"))
    if kinds:
        made["on"] = kinds
    return made, "only its first retrier" if len(given) > 1 else ""


def kinds_of(errors: Any) -> list[str] | None:
    """`ErrorEquals` as kinds of errors; None: all of them."""
    found: list[str] = []
    for error in errors if isinstance(errors, list) else ():
        if error in ("States.ALL", "States.TaskFailed"):
            return None
        status = re.fullmatch(r"States\.Http\.StatusCode\.(\w+)", str(error))
        found.append(
            "timeout"
            if error in ("States.Timeout", "States.HeartbeatTimeout")
            else f"http.{status[1]}"
            if status
            else literal(str(error))
        )
    return found or None
