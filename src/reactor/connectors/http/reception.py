"""From a request to an event and back to an answer: the door of one armed webhook.

Everything that can be known when the webhook is armed is worked out then; what is left for each request is one pass
over its headers, one parse of its body and one `emit`.

Source of `ce-` headers: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
§3.1.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, unquote

from reactor.connectors.http import respond
from reactor.connectors.http.bodies import BadBody, Body, gather, read, read_json
from reactor.connectors.http.signatures import Verifier, Wrong, verifier
from reactor.connectors.http.webhook import Config, Fixed, Webhook
from reactor.model import durations
from reactor.model.errors import ConflictError, InvalidError, RefusedError, StoreBusyError
from reactor.sdk import EventDraft, HttpRequest, HttpResponse, Receipt, TriggerContext, TriggerLost
from reactor.sdk.http import HttpHandler

HIDDEN = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-gitlab-token",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-telegram-bot-api-secret-token",
    }
)
"""Headers that are never kept, whatever the configuration: events are stored and shown."""
MASK = "[hidden]"
_LONGEST_ID = 512
_QUERY_FIELDS = 1000
_LOG_EVERY = 1_000


async def serve(ctx: TriggerContext, config: Config) -> None:
    """Hold the path until cancelled.

    Raises:
        TriggerLost: the path is another's, or see `handler`.
    """
    answer = handler(ctx, config)
    try:
        release = ctx.http.claim(config.verbs, config.path, answer)
    except (ConflictError, InvalidError) as error:
        raise TriggerLost(f"{config.path}: {error.message}") from error
    try:
        ctx.armed()
        await asyncio.get_running_loop().create_future()
    finally:
        release()


def handler(ctx: TriggerContext, config: Config) -> HttpHandler:
    """What answers the requests of a webhook.

    Raises:
        TriggerLost: a secret is missing or unusable, or the fixed answer cannot be sent.
    """
    return _Reception(ctx, config).answer


class _Reception:
    def __init__(self, ctx: TriggerContext, config: Config) -> None:
        self._ctx = ctx
        self._type = Webhook.default_type
        self._verifier: Verifier | None = verifier(config.auth, ctx.secret, ctx.clock) if config.auth else None
        self._hidden = HIDDEN | (self._verifier.hidden if self._verifier else frozenset())
        self._wait = config.respond == "result"
        self._timeout = durations.parse(config.timeout)
        self._fixed = _fixed(config.respond) if isinstance(config.respond, Fixed) else None
        self._log_from = 0
        self._unlogged = 0

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """One request."""
        try:
            headers = _headers(request.headers)
            if self._verifier is not None:
                self._verifier.check(request, headers)
            content_type = headers.get("content-type", "")
            if content_type == "application/json" and "content-encoding" not in headers and request.body:
                body = Body(read_json(request.body), request.body)
            else:
                body = read(request.body, content_type, headers.get("content-encoding", ""))
            if self._verifier is not None and (greeting := self._verifier.greeting(body.data)) is not None:
                return respond.plain(greeting)
            draft = self._draft(request, headers, body)
            receipt = (await self._ctx.emit((draft,), wait=self._wait))[0]
        except Wrong as wrong:
            return self._unauthorized(request, str(wrong))
        except BadBody as bad:
            self._ctx.error(bad.detail)
            return respond.problem(bad.status, bad.detail, line=bad.line, column=bad.column)
        except RefusedError as error:
            return respond.refused(error)
        except StoreBusyError:
            return respond.problem(503, "the store is busy; try again", headers=((b"retry-after", b"1"),))
        if self._wait:
            return await self._result(receipt)
        return self._fixed or respond.accepted(receipt)

    def _draft(self, request: HttpRequest, headers: dict[str, str], body: Body) -> EventDraft:
        id_, source, subject = None, request.path, None
        metadata: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "params": request.params,
            "query": _query(request.query) if request.query else {},
            "headers": headers,
            "client": request.client,
        }
        if body.encoding is not None:
            metadata["encoding"] = body.encoding
        if self._verifier is not None:
            id_ = self._verifier.identify(headers, body.data)
            told, subject = self._verifier.describe(headers, body.data)
            metadata.update(told)
        if id_ is None:
            id_, source, subject = _identity(request, headers, subject)
        if id_ is not None and not 0 < len(id_) <= _LONGEST_ID:
            raise BadBody(f"the event's id is empty or over {_LONGEST_ID} characters")
        for name in self._hidden & headers.keys():
            headers[name] = MASK
        return EventDraft(
            type=self._type,
            data=body.data,
            source=source,
            id=id_,
            subject=subject,
            raw=body.raw,
            metadata=metadata,
        )

    async def _result(self, receipt: Receipt) -> HttpResponse:
        result = await self._ctx.result(receipt, self._timeout)
        if result is not None:
            return respond.outcome(result)
        ours = [run for run, flow in receipt.runs if flow == self._ctx.flow]
        # No run: the flow's `if` did not hold. That is no fault of the caller's, and there is nothing to wait for.
        return respond.later(receipt, ours[0]) if ours else respond.accepted(receipt)

    def _unauthorized(self, request: HttpRequest, reason: str) -> HttpResponse:
        """Refuse without saying what was wrong; our own people are told, at most once a second."""
        self._ctx.error(f"refused: {reason}")
        self._unlogged += 1
        now = self._ctx.clock.now()
        if now >= self._log_from:
            self._ctx.log.warning("webhook refused %d request(s), last %s: %s", self._unlogged, request.client, reason)
            self._log_from, self._unlogged = now + _LOG_EVERY, 0
        challenge = self._verifier.challenge if self._verifier else None
        headers = ((b"www-authenticate", challenge.encode()),) if challenge else ()
        return respond.problem(401, "the request is not authorized", headers=headers)


def _fixed(config: Fixed) -> HttpResponse:
    try:
        return respond.fixed(config.status, config.headers, config.body)
    except ValueError as error:
        raise TriggerLost(f"respond: {error}") from error


def _headers(received: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw, value in received:
        name = raw.decode("latin-1")
        if name in headers:
            headers[name] = f"{headers[name]}, {value.decode('latin-1')}"
        else:
            headers[name] = value.decode("latin-1")
    return headers


def _identity(request: HttpRequest, headers: dict[str, str], subject: str | None) -> tuple[str | None, str, str | None]:
    """Id, source and subject as the request tells them: CloudEvents in binary mode, or an idempotency key."""
    if "ce-id" in headers and "ce-source" in headers:
        about = headers.get("ce-subject")
        return unquote(headers["ce-id"]), unquote(headers["ce-source"]), unquote(about) if about else subject
    return headers.get("idempotency-key"), request.path, subject


def _query(text: str) -> dict[str, Any]:
    try:
        return gather(parse_qsl(text, keep_blank_values=True, max_num_fields=_QUERY_FIELDS))
    except ValueError:
        raise BadBody(f"the query has more than {_QUERY_FIELDS} fields") from None
