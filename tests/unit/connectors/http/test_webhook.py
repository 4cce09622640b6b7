"""From request to event to answer, and what a configuration may say."""

import msgspec
import pytest

from reactor.connectors.http.webhook import Config, Webhook
from reactor.model.errors import BusyError, StoreBusyError, TooLargeError
from reactor.sdk import RunResult, TriggerLost

JSON = {"content-type": "application/json"}


def problems(**config) -> list[str]:
    return Webhook().check(msgspec.convert({"path": "/a", **config}, Config))


@pytest.mark.proves("on.webhook", "on.webhook.path")
async def test_an_event_is_answered_after_its_commit(arm):
    async with arm(path="/orders/{id}") as hook:
        headers = {**JSON, "X-Thing": "one", "Cookie": "session=1", "Authorization": "Bearer x"}
        answer = await hook.call('{"total": 250}', headers, params={"id": "7"}, query="a=1&b=2&a=3&c")
        assert answer.status == 202
        assert msgspec.json.decode(answer.body) == {
            "event_id": "evt_1",
            "runs": [{"id": "run_1", "flow": "orders"}],
            "duplicate": False,
        }
        event = hook.event
        assert (event.type, event.data, event.raw, event.id) == (
            "http.request",
            {"total": 250},
            b'{"total": 250}',
            None,
        )
        assert event.metadata == {
            "method": "POST",
            "path": "/orders/{id}",
            "params": {"id": "7"},
            "query": {"a": ["1", "3"], "b": "2", "c": ""},
            "headers": {
                "content-type": "application/json",
                "x-thing": "one",
                "cookie": "[hidden]",
                "authorization": "[hidden]",
            },
            "client": "203.0.113.9",
        }


async def test_bad_json_is_a_problem_with_a_place(arm):
    async with arm() as hook:
        answer = await hook.call('{"a": 1,\n "b" 2}', JSON)
        assert answer.status == 400
        assert (b"content-type", b"application/problem+json") in answer.headers
        found = msgspec.json.decode(answer.body)
        assert (found["status"], found["line"], found["column"]) == (400, 2, 6)
        assert not hook.ctx.drafts
        assert len(hook.ctx.errors) == 1


async def test_an_idempotency_key_is_the_events_id(arm):
    async with arm() as hook:
        headers = {**JSON, "Idempotency-Key": 'k"1'}
        first, second = await hook.call("{}", headers), await hook.call("{}", headers)
        assert (hook.ctx.drafts[0].id, hook.ctx.drafts[0].source) == ('k"1', "/hook")
        assert msgspec.json.decode(first.body)["event_id"] == 'k"1'
        assert msgspec.json.decode(second.body)["duplicate"] is True
        assert (await hook.call("{}", {**JSON, "Idempotency-Key": "k" * 513})).status == 400


async def test_cloudevents_in_binary_mode(arm):
    async with arm() as hook:
        await hook.call("{}", {**JSON, "ce-id": "a%20b", "ce-source": "/shop", "ce-subject": "order-7", "ce-type": "x"})
        assert (hook.event.id, hook.event.source, hook.event.subject) == ("a b", "/shop", "order-7")


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (BusyError("full", retry_after=2_500), 503, b"3"),
        (BusyError("full"), 503, b"1"),
        (StoreBusyError("locked"), 503, b"1"),
        (TooLargeError("over"), 413, None),
    ],
)
async def test_a_closed_door(arm, error, status, after):
    async with arm() as hook:
        hook.ctx.refusal = error
        answer = await hook.call("{}", JSON)
        assert answer.status == status
        assert dict(answer.headers).get(b"retry-after") == after


@pytest.mark.proves("on.webhook.respond")
@pytest.mark.parametrize(
    ("output", "status", "body", "content_type"),
    [
        ({"total": 7}, 200, b'{"total":7}', b"application/json"),
        ("hello", 200, b'"hello"', b"application/json"),
        (None, 200, b"null", b"application/json"),
        ({"status": 201, "body": {"id": 7}}, 201, b'{"id":7}', b"application/json"),
        ({"body": "hi"}, 200, b"hi", b"text/plain; charset=utf-8"),
        ({"body": "<p>", "headers": {"Content-Type": "text/html"}}, 200, b"<p>", b"text/html"),
        ({"status": 204}, 204, b"", None),
        ({"status": "ok"}, 200, b'{"status":"ok"}', b"application/json"),
        ({"status": 7}, 200, b'{"status":7}', b"application/json"),
        ({"headers": {"a": "b"}}, 200, b'{"headers":{"a":"b"}}', b"application/json"),
        ({}, 200, b"{}", b"application/json"),
        ({"status": 200, "body": "x", "more": 1}, 200, b'{"status":200,"body":"x","more":1}', b"application/json"),
        ({"status": 200, "headers": {"x": "a\r\nset-cookie: b"}}, 500, None, b"application/problem+json"),
        ({"status": 200, "headers": {"a b": "c"}}, 500, None, b"application/problem+json"),
        ({"status": 200, "headers": "x"}, 500, None, b"application/problem+json"),
    ],
)
async def test_the_runs_output_is_the_answer(arm, output, status, body, content_type):
    async with arm(respond="result") as hook:
        hook.ctx.outcome = RunResult("run_1", "completed", output)
        answer = await hook.call("{}", JSON)
        assert answer.status == status
        assert body is None or answer.body == body
        assert dict(answer.headers).get(b"content-type") == content_type
        assert hook.ctx.waited == [(True, None), (True, 30_000)]
        if status < 500:
            assert dict(answer.headers)[b"content-security-policy"] == b"sandbox"


async def test_headers_that_frame_the_answer_are_not_the_flows(arm):
    async with arm(respond="result") as hook:
        hook.ctx.outcome = RunResult("run_1", "completed", {"body": "x", "headers": {"Content-Length": "99", "X-A": 1}})
        names = dict((await hook.call("{}", JSON)).headers)
        assert b"content-length" not in names
        assert names[b"x-a"] == b"1"


@pytest.mark.parametrize(
    ("result", "kind", "detail"),
    [
        (
            RunResult("run_1", "failed", None, {"kind": "http.503", "message": "no luck", "step": "a"}),
            "http.503",
            "no luck",
        ),
        (RunResult("run_1", "cancelled"), "cancelled", "the run was cancelled"),
    ],
)
async def test_a_run_that_fails(arm, result, kind, detail):
    async with arm(respond="result") as hook:
        hook.ctx.outcome = result
        answer = await hook.call("{}", JSON)
        found = msgspec.json.decode(answer.body)
        assert (answer.status, found["kind"], found["detail"], found["run_id"]) == (500, kind, detail, "run_1")
        assert "step" not in found


@pytest.mark.proves("on.webhook.timeout")
async def test_a_run_that_takes_longer(arm):
    async with arm(respond="result", timeout="250ms") as hook:
        answer = await hook.call("{}", JSON)
        assert answer.status == 202
        assert dict(answer.headers)[b"location"] == b"/api/v1/runs/run_1"
        assert hook.ctx.waited[-1] == (True, 250)
        hook.ctx.runs = ()
        answer = await hook.call("{}", JSON)
        assert (answer.status, msgspec.json.decode(answer.body)["runs"]) == (202, [])


@pytest.mark.proves("on.webhook.respond.{status,headers,body}")
async def test_a_fixed_answer(arm):
    async with arm(respond={"status": 200, "headers": {"X-A": "b"}, "body": {"ok": True}}) as hook:
        answer = await hook.call("{}", JSON)
        assert (answer.status, answer.body) == (200, b'{"ok":true}')
        assert (b"x-a", b"b") in answer.headers
        hook.ctx.refusal = BusyError("full")
        assert (await hook.call("{}", JSON)).status == 503


@pytest.mark.proves("on.webhook.methods")
async def test_methods(arm):
    async with arm(methods=["get", "POST", "GET"]) as hook:
        assert set(hook.ctx.http.handlers) == {("GET", "/hook"), ("POST", "/hook")}
        await hook.call(method="GET", query="x=1")
        assert (hook.event.data, hook.event.metadata["method"]) == (None, "GET")


async def test_a_path_that_is_taken(arm):
    async with arm() as hook:
        with pytest.raises(TriggerLost, match="/hook: /hook is taken"):
            await Webhook().run(hook.ctx)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"path": "orders"}, "begin with /"),
        ({"path": "/a//b"}, "empty segment"),
        ({"path": "/a/../b"}, "cannot be a segment"),
        ({"path": "/a b"}, "cannot be a segment"),
        ({"path": "/{id}x"}, "cannot be a segment"),
        ({"path": "/a?b"}, "cannot be a segment"),
        ({"path": "/{id}/{id}"}, "twice"),
        ({"methods": ["POST", "FETCH"]}, "FETCH"),
        ({"methods": []}, "empty list"),
        ({"auth": {}}, "exactly one"),
        ({"auth": {"github": "a", "bearer": "b"}}, "not github and bearer"),
        ({"auth": {"hmac": {"secret": "a", "header": "x y"}}}, "not a header"),
        ({"auth": {"hmac": {"secret": "a", "header": "x", "template": "{path}"}}}, "{body}"),
        ({"auth": {"hmac": {"secret": "a", "header": "x", "template": "{body}{nonce}"}}}, "all it may hold"),
        ({"auth": {"hmac": {"secret": "a", "header": "x", "template": "{timestamp}{body}"}}}, "timestamp_header"),
        ({"auth": {"hmac": {"secret": "a", "header": "x", "timestamp_header": "t", "template": "{body}"}}}, "new time"),
        ({"respond": {"status": 99}}, "no status"),
        ({"respond": {"headers": {"a": "b\nc"}}}, "cannot be sent"),
        ({"timeout": "soon"}, "timeout"),
    ],
)
def test_what_is_wrong_is_said(config, said):
    (problem,) = problems(**config)
    assert said in problem


@pytest.mark.parametrize("path", ["/", "/a/", "/orders/{id}", "/a.b/~c/%20/{x_1}"])
def test_paths_that_are_right(path):
    assert problems(path=path) == []


@pytest.mark.parametrize("config", [{"respond": "later"}, {"auth": {"gitlab": "x"}}, {"answer": 1}])
def test_unknown_keys_are_refused(config):
    with pytest.raises(msgspec.ValidationError):
        problems(**config)
