"""`/approvals/ID?person=…&token=…`: one person decides one thing, without signing in. Looking changes nothing."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from reactor.engine.access.audit import Actor
from reactor.engine.approvals import Approval
from reactor.engine.engine import Engine
from reactor.model.clock import to_iso
from reactor.model.errors import InvalidError, RefusedError
from reactor.server.guard import address_of
from reactor.server.headers import PAGE, page_policy
from reactor.server.problems import Headers, Problem, Receive, Scope, Send, answer, read_body

PREFIX = "/approvals/"
_LARGEST = 1 << 20
_FIELDS = 500
_FIELD = "field."
"""Stands before the names of the form's own fields."""
_LONG = 200
"""A text that may be longer than this gets several lines."""
_STYLE = """
:root{color-scheme:light dark;--ground:#f7f7f5;--surface:#fff;--line:#e2e2dd;--strong:#c9c9c2;--ink:#1b1b22;
--ink-2:#55555f;--accent:#4a4ee0;--accent-ink:#fff;--good:#1a7f4b;--good-soft:#e3f4ea;--bad:#c02b2b;--bad-soft:#fbe9e8}
@media (prefers-color-scheme:dark){:root{--ground:#131316;--surface:#1a1a1e;--line:#2c2c33;--strong:#45454f;
--ink:#ececef;--ink-2:#b1b1bb;--accent:#7b7ff2;--accent-ink:#0e0e18;--good:#5ccb8f;--good-soft:#15301f;--bad:#f58a85;--bad-soft:#3a1a1a}}
body{font:15px/22px Inter,system-ui,sans-serif;margin:0;padding:24px 12px;color:var(--ink);background:var(--ground)}
main{max-width:560px;margin:0 auto;padding:24px;background:var(--surface);
border:1px solid var(--line);border-radius:10px}
h1{font-size:20px;line-height:28px;margin:0 0 8px;overflow-wrap:anywhere}p{margin:8px 0;overflow-wrap:anywhere}
label{display:block;margin-top:14px;font-weight:500}small,.facts{color:var(--ink-2);overflow-wrap:anywhere}
input,select,textarea{font:inherit;color:inherit;width:100%;min-height:36px;box-sizing:border-box;padding:4px 8px;
border:1px solid var(--strong);border-radius:6px;background:var(--surface)}
input[type=checkbox]{width:20px;min-height:20px;accent-color:var(--accent)}
.alert{padding:8px 12px;border-radius:6px;color:var(--bad);background:var(--bad-soft)}
.done{padding:8px 12px;border-radius:6px;color:var(--good);background:var(--good-soft)}
button{font:inherit;font-weight:500;min-height:40px;padding:0 18px;margin:20px 8px 0 0;border-radius:6px;cursor:pointer;
border:1px solid var(--strong);background:var(--surface);color:inherit}
button[value=approve]{background:var(--accent);border-color:var(--accent);color:var(--accent-ink)}
button[value=reject]{color:var(--bad)}
:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest())
_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    page_policy((), [b"'sha256-" + _HASH + b"'"], b"form-action 'self'"),
    *PAGE,
    (b"x-robots-tag", b"noindex"),
]


class ApprovalPage:
    """An ASGI callable below `/approvals/`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET shows, POST decides."""
        method = scope["method"]
        if not self._engine.ready:
            raise Problem(503, "Reactor is not ready; try again", retry_after=2_000)
        try:
            if method == "POST":
                text = (await read_body(receive, _LARGEST)).decode("utf-8", "replace")
            else:
                text = scope["query_string"].decode("latin-1")
            status, shown = await self._answer(_id(scope), method, _parsed(text), address_of(scope))
        except RefusedError as error:
            status, shown = error.status, _message("This cannot be decided here", _alert(error.message))
        body = shown.encode("utf-8", "replace")
        headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
        await answer(send, status, headers, b"" if method == "HEAD" else body)

    async def _answer(self, id_: str, method: str, given: dict[str, str], address: str) -> tuple[int, str]:
        person, token = given.get("person", ""), given.get("token", "")
        if not self._engine.executor.seals.is_token(id_, person, token):
            return 403, _message("This link is not valid", _alert("Ask whoever sent it to you for a new one."))
        approval = await self._engine.approvals.get(id_)
        if method == "POST":
            self._engine.audit.check()
            return await self._decide(approval, given, address)
        return 200, _page(approval, person, token, {})

    async def _decide(self, approval: Approval, given: dict[str, str], address: str) -> tuple[int, str]:
        person, token = given.get("person", ""), given.get("token", "")
        by = person or given.get("by", "").strip()
        if not person and approval.people:
            return 403, _message(approval.title, _alert("Each person decides by a link of their own, or signed in."))
        decision = given.get("decision", "")
        try:
            form = _values(approval.form, given) if approval.form is not None else None
            await self._engine.approvals.decide(approval.id, decision, by, form)
        except InvalidError as error:
            return 400, _page(approval, person, token, given, error.message)
        actor = Actor(who=by, via="link", address=address)
        await self._engine.audit.note(actor, f"POST {PREFIX}{{id}}", approval.id, 200, {"decision": decision})
        done = "approved" if decision == "approve" else "rejected"
        return 200, _message(approval.title, f'<p class="done" role="status">Thank you. You have {done} this.</p>')


def _id(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return unquote(raw.partition(b"?")[0].decode("latin-1")[len(PREFIX) :])


def _parsed(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="surrogateescape")
    except ValueError:
        raise Problem(400, "the request cannot be read") from None
    return dict(pairs)


# --- what is shown -------------------------------------------------------------------------------------------------


def _message(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _alert(text: str) -> str:
    return f'<p class="alert" role="alert">{escape(text)}</p>'


def _page(approval: Approval, person: str, token: str, given: dict[str, str], problem: str = "") -> str:
    facts = [f"Asked by flow {approval.flow}"]
    if person:
        facts.append(f"you decide as {person}")
    if approval.quorum > 1:
        facts.append(f"{len(approval.decisions)} of {approval.quorum} have decided")
    if approval.until is not None:
        facts.append(f"until {to_iso(approval.until)}")
    parts = [f'<p class="facts">{escape("; ".join(facts))}.</p>', _alert(problem) if problem else ""]
    if not approval.open or any(made["by"] == person for made in approval.decisions):
        parts.append('<p class="done" role="status">This has been decided.</p>')
    elif not person and approval.people:
        parts.append(_alert(f"{', '.join(approval.people)} decide by links of their own."))
    else:
        parts.append(_form(approval, person, token, given))
    return _message(approval.title, "".join(parts))


def _form(approval: Approval, person: str, token: str, given: dict[str, str]) -> str:
    # The address of the page itself, so nothing of the id has to be written here.
    parts = [
        '<form method="post" autocomplete="off">',
        f'<input type="hidden" name="person" value="{escape(person)}">',
        f'<input type="hidden" name="token" value="{escape(token)}">',
    ]
    if not person:
        by = escape(given.get("by", ""))
        parts.append(f'<label for="by">Your name</label><input id="by" name="by" maxlength="256" value="{by}">')
    schema = approval.form or {}
    required = schema.get("required") if isinstance(schema.get("required"), list) else []
    for number, (name, field) in enumerate(_properties(schema)):
        parts.append(_field(number, name, field, given, needed=name in (required or [])))
    parts.append('<button name="decision" value="approve">Approve</button>')
    parts.append('<button name="decision" value="reject" formnovalidate>Reject</button></form>')
    return "".join(parts)


def _properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = schema.get("properties")
    pairs = found.items() if isinstance(found, dict) else ()
    return [(str(name), field if isinstance(field, dict) else {}) for name, field in pairs]


def _field(number: int, name: str, field: dict[str, Any], given: dict[str, str], *, needed: bool) -> str:
    label = str(field.get("title") or name) + (" (required)" if needed else "")
    hint = field.get("description")
    told = f' aria-describedby="h{number}"' if hint else ""
    attributes = f'id="f{number}" name="{escape(_FIELD + name)}"{told}'
    default = field.get("default", "")
    value = given.get(_FIELD + name, default if isinstance(default, str) else msgspec.json.encode(default).decode())
    if needed and field.get("type") != "boolean":
        attributes += " required"
    shown = _control(attributes, field, value, given)
    small = f'<small id="h{number}">{escape(str(hint))}</small>' if hint else ""
    return f'<label for="f{number}">{escape(label)}</label>{shown}{small}'


def _control(attributes: str, field: dict[str, Any], value: str, given: dict[str, str]) -> str:
    kind, choices = field.get("type"), field.get("enum")
    if isinstance(choices, list):
        texts = ["", *(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in choices)]
        options = "".join(
            f'<option value="{escape(text)}"{" selected" if text == value else ""}>{escape(text)}</option>'
            for text in texts
        )
        return f"<select {attributes}>{options}</select>"
    if kind == "boolean":
        checked = " checked" if value == "on" or (not given and field.get("default") is True) else ""
        return f'<input type="checkbox" {attributes}{checked}>'
    if kind in ("integer", "number"):
        step = "1" if kind == "integer" else "any"
        return f'<input type="number" step="{step}" {attributes} value="{escape(value)}">'
    longest = field.get("maxLength")
    if kind in ("object", "array") or (kind == "string" and isinstance(longest, int) and longest > _LONG):
        return f'<textarea rows="4" {attributes}>{escape(value)}</textarea>'
    shown = "date" if field.get("format") == "date" else "text"
    return f'<input type="{shown}" {attributes} value="{escape(value)}">'


# --- what is sent --------------------------------------------------------------------------------------------------


def _values(schema: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    """The form's fields as JSON values; the schema judges them later. What is left empty is left out."""
    values: dict[str, Any] = {}
    for name, field in _properties(schema):
        text = given.get(_FIELD + name)
        if field.get("type") == "boolean" and not isinstance(field.get("enum"), list):
            values[name] = text == "on"
        elif text:
            values[name] = _value(field, text)
    return values


def _value(field: dict[str, Any], text: str) -> Any:
    choices = field.get("enum")
    texts = isinstance(choices, list) and text in choices
    if texts or field.get("type") == "string":
        return text
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except msgspec.DecodeError:
        return text
