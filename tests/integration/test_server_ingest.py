"""`POST /events`, `POST /webhook/TYPE` and claimed paths over a real connection: what is taken, and all that is not."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.model.errors import BusyError, StoreBrokenError
from reactor.sdk.http import HttpRequest, HttpResponse
from tests.integration.server_kit import TOKEN, flow, serving

JSON = {"content-type": "application/json"}
BEGUN = b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
CE = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.created"}


async def test_an_event_starts_its_flow_and_is_kept_as_it_came(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("order.created")) as kit:
        text = (
            b'{"type": "order.created", "data": {"n": 1.0,  "who": "\xc3\x84nn"}, "subject": "s", "metadata": {"a": 1}}'
        )
        answer = await kit.http.post("/events", content=text, headers=JSON)
        assert answer.status_code == 202
        shown = answer.json()
        assert shown["duplicate"] is False
        assert [run["flow"] for run in shown["runs"]] == ["order.created"]
        run = await kit.finished(shown["runs"][0]["id"])
        assert run["status"] == "completed"
        event = (await kit.get(f"/api/v1/events/{shown['event_id']}")).json()
        assert event["data"] == {"n": 1.0, "who": "Änn"}
        assert event["metadata"] == {"a": 1, "client": "127.0.0.1"}
        assert event["matches"][0]["run_id"] == run["id"]
        assert event["source"] == "/events"


async def test_the_older_spelling_and_a_source_id_that_comes_twice(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        body = {"event": "t", "data": 1, "id": "x", "source": "s", "time": "2026-01-02T03:04:05+01:00"}
        first = (await kit.http.post("/events", json=body)).json()
        second = (await kit.http.post("/events", json=body)).json()
        assert len(first["runs"]) == 1
        assert second == first | {"duplicate": True}
        event = (await kit.get("/api/v1/events/x")).json()
        assert (event["time"], event["source_id"]) == ("2026-01-02T02:04:05.000Z", "x")


async def test_a_list_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        good = await kit.http.post("/events", json=[{"type": "t", "data": n} for n in range(1000)])
        assert good.status_code == 202
        assert len(good.json()) == 1000
        assert (await kit.http.post("/events", json=[])).json() == []
        bad = await kit.http.post("/events", json=[{"type": "t"}, {"data": 2}])
        assert bad.status_code == 400
        assert bad.json()["detail"].startswith("event 1: an event needs a type")
        many = await kit.http.post("/events", json=[{"type": "t"}] * 1001)
        assert many.status_code == 413
        assert kit.engine.intake.accepted == 1000


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b'{"type": "t"', JSON, 400, "line 1, column 13"),
        (b'{"type": "t",\n  "data": tru}', JSON, 400, "line 2, column 12"),
        (b"", JSON, 400, "it is empty"),
        (b'{"type": "t", "dat": 1}', JSON, 400, "did you mean 'data'"),
        (b'{"type": "t", "payload": 1}', JSON, 400, "did you mean 'data'"),
        (b'{"type": "t", "specversion": "1.0"}', JSON, 400, "application/cloudevents+json"),
        (b'{"data": 1}', JSON, 400, "needs a type"),
        (b'{"type": "a", "event": "b"}', JSON, 400, "give one of them"),
        (b'{"type": ""}', JSON, 400, "1 to 256"),
        (b'{"type": 7}', JSON, 400, "$.type"),
        (b'[{"type": "t"}, {"type": 7}]', JSON, 400, "$[1].type"),
        (b"7", JSON, 400, "Expected `object`"),
        (b'{"type": "t", "id": ""}', JSON, 400, "id has 1 to"),
        (b'{"type": "t", "time": "yesterday"}', JSON, 400, "RFC 3339"),
        (b'{"type": "t", "data": "\xff"}', JSON, 400, "UTF-8"),
        (b'{"type": "t", "data": "\\ud800"}', JSON, 400, "surrogate"),
        (b'{"type": "t", "data": 1e999}', JSON, 400, ""),
        (b'{"type": "t", "data": NaN}', JSON, 400, "column 23"),
        (b'{"type": "t", "data": ' + b"[" * 101 + b"]" * 101 + b"}", JSON, 400, "100 levels"),
        (b'{"type": "t", "data": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", JSON, 400, "100 levels"),
        (b"<order/>", {"content-type": "application/xml"}, 415, "application/json"),
        (b'{"type": "t"}', {"content-type": "application/json; charset=utf-16"}, 415, "UTF-8"),
        (b'{"type": "t"}', JSON | {"content-encoding": "gzip"}, 415, "content-encoding"),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"{}", {"content-type": "application/cloudevents+avro"}, 415, "not understood"),
    ],
)
async def test_what_is_refused_says_why(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        answer = await kit.http.post("/events", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert words in problem["detail"]
        assert kit.engine.intake.accepted == 0


async def test_99_levels_and_wide_data_are_no_problem(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        deep = b'{"type": "t", "data": ' + b"[" * 99 + b"]" * 99 + b"}"
        assert (await kit.http.post("/events", content=deep, headers=JSON)).status_code == 202
        assert (await kit.http.post("/events", json={"type": "t", "data": [{}] * 5000})).status_code == 202


async def test_sizes_are_limited_whether_they_are_told_or_not(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t"), body_limit=10_000, limits=Limits(event_data=5_000)) as kit:
        told = await kit.http.post("/events", json={"type": "t", "data": "y" * 20_000})
        assert told.status_code == 413
        assert (await kit.http.post("/events", json={"type": "t", "data": "y" * 3_000_000})).status_code == 413

        async def pieces() -> Any:
            for _ in range(20):
                yield b" " * 1_000

        streamed = await kit.http.post("/events", content=pieces(), headers=JSON)
        assert streamed.status_code == 413
        data = await kit.http.post("/events", json={"type": "t", "data": "y" * 6_000})
        assert data.status_code == 413
        assert "limit is 5000" in data.json()["detail"]


async def test_a_body_in_pieces_is_put_together(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        text = json.dumps({"type": "t", "data": "y" * 300_000}).encode()

        async def pieces() -> Any:
            for start in range(0, len(text), 50_000):
                yield text[start : start + 50_000]
                await asyncio.sleep(0)

        answer = await kit.http.post("/events", content=pieces(), headers=JSON)
        assert answer.status_code == 202


async def test_cloudevents_in_binary_mode(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("order.created")) as kit:
        headers = CE | {"content-type": "application/json", "ce-subject": "%C3%84nn%20%22x%22", "ce-region": "eu"}
        first = await kit.http.post("/events", content=b'{"n": 1}', headers=headers)
        assert first.status_code == 202
        event = (await kit.get(f"/api/v1/events/{first.json()['event_id']}")).json()
        assert event["subject"] == 'Änn "x"'
        assert event["source"] == "/shop"
        assert event["data"] == {"n": 1}
        assert event["metadata"]["extensions"] == {"region": "eu"}
        assert (await kit.http.post("/events", content=b'{"n": 2}', headers=headers)).json()["duplicate"] is True
        picture = CE | {"ce-id": "8", "content-type": "image/png"}
        answer = await kit.http.post("/events", content=b"\x89PNG", headers=picture)
        event = (await kit.get(f"/api/v1/events/{answer.json()['event_id']}")).json()
        assert base64.b64decode(event["data"]) == b"\x89PNG"
        assert (event["metadata"]["encoding"], event["metadata"]["content_type"]) == ("base64", "image/png")


async def test_cloudevents_structured_and_batched(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        one = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"a": 1}, "ext": 5}
        text = base64.b64encode(b'{"b": 2}').decode()
        packed = one | {"id": "2", "datacontenttype": "application/json", "data_base64": text}
        del packed["data"]
        kind = {"content-type": "application/cloudevents+json; charset=utf-8"}
        answer = await kit.http.post("/events", content=json.dumps(one), headers=kind)
        assert answer.status_code == 202
        batch = {"content-type": "application/cloudevents-batch+json"}
        answers = await kit.http.post("/events", content=json.dumps([one, packed]), headers=batch)
        assert [each["duplicate"] for each in answers.json()] == [True, False]
        event = (await kit.get(f"/api/v1/events/{answers.json()[1]['event_id']}")).json()
        assert event["data"] == {"b": 2}
        assert (await kit.http.post("/events", content=b"[]", headers=batch)).json() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"specversion": "0.3"}, "'0.3' is not understood"),
        ({"specversion": None}, "specversion"),
        ({"id": None}, "needs `id`"),
        ({"source": ""}, "needs `source`"),
        ({"type": 7}, "needs `type`"),
        ({"time": "soon"}, "RFC 3339"),
        ({"Upper": "x"}, "a-z and 0-9"),
        ({"ext": {"a": 1}}, "has to be a text"),
        ({"data_base64": "%%%"}, "not base64"),
        ({"data": 1, "data_base64": "YQ=="}, "not both"),
    ],
)
async def test_cloudevents_that_are_none(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    async with serving(tmp_path) as kit:
        event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"} | change
        event = {name: value for name, value in event.items() if value is not None}
        kind = {"content-type": "application/cloudevents+json"}
        answer = await kit.http.post("/events", content=json.dumps(event), headers=kind)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]


async def test_cloudevents_headers_that_are_wrong(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        for change in ({"ce-specversion": "2.0"}, {"ce-subject": "%ZZ"}, {"ce-subject": "%FF"}, {"ce-id": ""}):
            answer = await kit.http.post("/events", content=b"{}", headers=CE | JSON | change)
            assert answer.status_code == 400, change
        headers = [
            (b"ce-id", b"1"),
            (b"ce-id", b"2"),
            *((n.encode(), v.encode()) for n, v in CE.items() if n != "ce-id"),
        ]
        assert (await kit.http.post("/events", content=b"{}", headers=headers)).status_code == 400


async def test_a_webhook_without_a_flow_of_its_own_is_an_event_of_that_type(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("order.created")) as kit:

        async def data_of(**request: Any) -> Any:
            answer = await kit.http.post("/webhook/order.created", **request)
            assert answer.status_code == 202, answer.text
            assert len(answer.json()["runs"]) == 1
            return (await kit.get(f"/api/v1/events/{answer.json()['event_id']}")).json()["data"]

        form = "application/x-www-form-urlencoded"
        assert await data_of(json={"n": 1}) == {"n": 1}
        assert await data_of(data={"a": ["1", "2"], "b": "ü"}) == {"a": ["1", "2"], "b": "ü"}
        assert await data_of(content=b'{"n": 2}', headers={"content-type": form}) == {"n": 2}
        assert await data_of(content="grüß".encode(), headers={"content-type": "text/plain"}) == "grüß"
        assert await data_of(content=b"gr\xfc\xdf", headers={"content-type": "text/plain; charset=latin-1"}) == "grüß"
        assert await data_of(content=b"") is None
        picture = await kit.http.post("/webhook/x", content=b"\x89", headers={"content-type": "image/png"})
        assert picture.status_code == 415
        assert (await kit.http.get("/webhook/x")).status_code == 405
        assert (await kit.http.post("/webhook/")).status_code == 400


async def test_trace_context_is_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        answer = await kit.http.post("/events", json={"type": "t"}, headers={"traceparent": trace})
        event = (await kit.get(f"/api/v1/events/{answer.json()['event_id']}")).json()
        assert event["metadata"] == {"client": "127.0.0.1", "traceparent": trace}
        other = await kit.http.post("/events", json={"type": "t"}, headers={"traceparent": "nonsense"})
        event = (await kit.get(f"/api/v1/events/{other.json()['event_id']}")).json()
        assert event["metadata"] == {"client": "127.0.0.1"}


async def test_full_queues_and_a_broken_store_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as kit:

        async def busy(*_: Any, **__: Any) -> Any:
            raise BusyError("10000 events wait", retry_after=1_500)

        monkeypatch.setattr(kit.engine.intake, "accept", busy)
        answer = await kit.http.post("/events", json={"type": "t"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")

        async def broken(*_: Any, **__: Any) -> Any:
            raise StoreBrokenError("the disk is gone")

        monkeypatch.setattr(kit.engine.intake, "accept", broken)
        answer = await kit.http.post("/events", json={"type": "t"})
        assert answer.status_code == 503
        assert "the disk is gone" in answer.json()["detail"]

        async def bug(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("a secret inside")

        monkeypatch.setattr(kit.engine.intake, "accept", bug)
        answer = await kit.http.post("/events", json={"type": "t"})
        assert answer.status_code == 500
        assert "secret" not in answer.text


async def test_not_ready_and_stopping_are_503_with_reasons(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        assert (await kit.http.get("/ready")).json() == {"status": "ok", "reasons": []}
        kit.engine.ready = False
        ready = await kit.http.get("/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["the engine is starting"])
        refused = await kit.http.post("/events", json={"type": "t"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        kit.engine.ready = True
        kit.running.close_doors()
        assert (await kit.http.get("/ready")).json()["reasons"] == ["Reactor is stopping"]
        assert (await kit.http.post("/events", json={"type": "t"})).status_code == 503
        assert (await kit.http.get("/health")).status_code == 200


async def test_the_store_in_trouble_makes_it_not_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        kit.engine.executor.committer.trouble = "disk full"
        assert (await kit.http.get("/ready")).json()["reasons"] == ["the store cannot write now: disk full"]
        answer = await kit.http.post("/events", json={"type": "t"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_browsers_and_strange_names_are_refused_on_loopback(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t"), hosts=("tunnel.example",)) as kit:

        async def status(**headers: str) -> int:
            return (await kit.http.post("/events", json={"type": "t"}, headers=headers)).status_code

        ours = f"127.0.0.1:{kit.port}"
        assert await status() == 202
        assert await status(host="localhost") == 202
        assert await status(host="localhost:1") == 202
        assert await status(host="[::1]:80") == 202
        assert await status(host="tunnel.example") == 202
        assert await status(host="evil.example") == 403
        assert await status(host="127.0.0.1.evil.example") == 403
        assert await status(origin=f"http://{ours}") == 202
        assert await status(origin="http://localhost:3000") == 403
        assert await status(origin="null") == 403
        assert await status(origin="https://evil.example", host="evil.example") == 403
        assert await status(**{"sec-fetch-site": "cross-site"}) == 403
        answer = await kit.raw(b"POST /events HTTP/1.1\r\nhost: \r\ncontent-length: 0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")


async def test_beyond_loopback_events_need_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path, host="0.0.0.0", token_configured=True) as kit:
        assert (await kit.http.post("/events", json={"type": "t"})).status_code == 401
        assert (await kit.http.post("/webhook/t", json={})).status_code == 401
        wrong = await kit.http.post("/events", json={"type": "t"}, headers={"authorization": f"Bearer {TOKEN}x"})
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"].startswith("Bearer")
        assert (await kit.post("/events", json={"type": "t"})).status_code == 202
        assert (await kit.post("/events", json={"type": "t"}, headers={"host": "any.example"})).status_code == 202
        assert (await kit.http.get("/metrics")).status_code == 401
        assert (await kit.http.get("/health")).status_code == 200
    async with serving(tmp_path, host="0.0.0.0", token_configured=True, ingest_open=True) as kit:
        assert (await kit.http.post("/events", json={"type": "t"})).status_code == 202
        assert (await kit.http.get("/api/v1/runs")).status_code == 401


async def test_a_claimed_path_is_answered_by_who_claimed_it(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("orders")) as kit:
        seen: list[HttpRequest] = []

        async def handler(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            return HttpResponse(status=201, body=b"fine", headers=((b"content-type", b"text/plain"),))

        release = kit.claims.claim(("GET", "PUT"), "/orders/{id}/x", handler)
        kit.claims.claim(("POST",), "/webhook/orders", handler)
        answer = await kit.http.put("/orders/a%2Fb%20c/x?q=1", content=b"body")
        assert (answer.status_code, answer.text) == (201, "fine")
        assert seen[0].params == {"id": "a/b c"}
        assert (seen[0].query, seen[0].body, seen[0].client) == ("q=1", b"body", "127.0.0.1")
        assert (await kit.http.head("/orders/1/x")).status_code == 201
        denied = await kit.http.delete("/orders/1/x")
        assert (denied.status_code, denied.headers["allow"]) == (405, "GET, PUT")
        assert (await kit.http.post("/webhook/orders", json={})).text == "fine"
        assert (await kit.http.post("/webhook/others", json={})).status_code == 202
        release()
        assert (await kit.http.put("/orders/1/x")).status_code == 404

        async def broken(request: HttpRequest) -> HttpResponse:
            raise ZeroDivisionError("a secret inside")

        kit.claims.claim(("GET",), "/broken", broken)
        answer = await kit.http.get("/broken")
        assert answer.status_code == 500
        assert "secret" not in answer.text


async def test_a_webhook_trigger_answers_its_path(tmp_path: Path) -> None:
    hook = flow("hook", on=[{"kind": "webhook", "config": {"": "/webhook/shop"}}])
    async with serving(tmp_path, hook) as kit:
        for _ in range(200):
            if (await kit.get("/api/v1/triggers")).json()["items"][0]["state"] == "armed":
                break
            await asyncio.sleep(0.01)
        answer = await kit.http.post("/webhook/shop", json={"n": 1})
        assert answer.status_code == 202
        assert answer.json()["runs"][0]["flow"] == "hook"
        event = (await kit.get(f"/api/v1/events/{answer.json()['event_id']}")).json()
        assert event["type"] == "http.request"


async def test_a_body_that_does_not_come_ends_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, head_timeout=0.2, body_timeout=0.3) as kit:
        started = asyncio.get_running_loop().time()
        bodies = kit.raw(BEGUN + b'{"type"', whole=False)
        heads = kit.raw(b"POST /events HTTP/1.1\r\nhost: loc", whole=False)
        nothing = kit.raw(b"", whole=False)
        answers = await asyncio.gather(bodies, heads, nothing)
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 408"] * 3
        assert asyncio.get_running_loop().time() - started < 4
        assert (await kit.http.post("/events", json={"type": "t"})).status_code == 202


async def test_heads_without_end_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        start = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"
        answer = await kit.raw(start + b"x-long: " + b"y" * 200_000, whole=False)
        assert answer.startswith(b"HTTP/1.1 431")
        many = b"".join(b"x-%d: 1\r\n" % n for n in range(300))
        assert (await kit.raw(start + many + b"\r\n")).startswith(b"HTTP/1.1 400")


async def test_requests_in_a_row_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        body = b'{"type":"t","data":%d}'
        one = BEGUN.replace(b"100", b"%d") + b"%b"
        data = b"".join(one % (len(text := body % n), text) for n in range(20))
        last = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        answer = await kit.raw(data + last, whole=False)
        assert answer.count(b"HTTP/1.1 202 Accepted") == 20
        assert answer.endswith(b'{"status":"ok"}')


async def test_a_caller_that_leaves_early_harms_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("t")) as kit:
        for rest in (b"", b'{"type"'):
            _reader, writer = await asyncio.open_connection("127.0.0.1", kit.port)
            writer.write(BEGUN + rest)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (await kit.http.post("/events", json={"type": "t"})).status_code == 202


async def test_before_ready_an_unknown_path_is_worth_another_try(tmp_path):
    async with serving(tmp_path, flow("a")) as kit:
        assert (await kit.http.post("/hook/x", json={})).status_code == 404
        kit.engine.ready = False
        answer = await kit.http.post("/hook/x", json={})
        kit.engine.ready = True
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
