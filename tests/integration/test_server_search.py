"""Search, secrets, tests of flows, and what comes next, over a real connection."""

from pathlib import Path
from typing import Any

import msgspec

from reactor.server.api_search import Hits
from reactor.server.api_secrets import SecretShape
from reactor.server.api_tests import OwnTests, RanTests
from reactor.server.shapes import Listed
from reactor.server.trigger_shapes import Upcoming
from reactor.testing.running import RunningReactor, running_reactor

ORDER = """
name: order
description: Take an order
labels: {team: sales}
on: [{event: order.placed}, {schedule: "0 8 * * *", timezone: Europe/Berlin}, {schedule: {after: 1h}}]
steps:
  - name: ask
    action: http.request
    with: {url: "http://x.example", headers: {authorization: "{{ secrets.shop_token }}"}}
  - name: sub
    call: helper
  - return: "{{ steps.sub.output }}"
tests:
  - name: it works
    event: {type: order.placed}
    mock: {ask: {output: {}}}
    expect: {status: completed, output: 7}
  - name: it is wrong
    event: {type: order.placed}
    mock: {ask: {output: {}}}
    expect: {output: 8}
"""
HELPER = "name: helper\nsteps: [{return: 7}]\n"


async def asked(reactor: RunningReactor, method: str, path: str, shape: Any, status: int = 200, **body: Any) -> Any:
    answer = await reactor.http.request(method, f"/api/v1{path}", **body)
    assert answer.status_code == status, answer.text
    if shape is not None:
        msgspec.convert(answer.json(), shape)
    return answer.json()


async def test_everything_is_found_by_a_few_letters() -> None:
    async with running_reactor({"order": ORDER, "helper": HELPER}) as reactor:
        receipt = await reactor.send("order.placed", id="mine-7", source="/shop")
        await asked(reactor, "PUT", "/secrets/shop_token", SecretShape, json={"value": "x"})

        async def found(q: str, **more: Any) -> list[tuple[str, str]]:
            hits = await asked(reactor, "GET", "/search", Hits, params={"q": q, **more})
            return [(hit["kind"], hit["id"]) for hit in hits["items"]]

        run, event = receipt["runs"][0]["id"], receipt["event_id"]
        assert (await found("ord"))[0] == ("flow", "order")
        assert ("trigger", "order/0") in await found("order")
        assert await found("sales") == [("flow", "order")]
        assert ("secret", "shop_token") in await found("shop")
        assert await found(run) == [("run", run)]
        assert ("run", run) in await found(run[:9])
        assert ("run", run) in await found(run[4:])
        assert await found(event) == [("event", event)]
        assert ("event", event) in await found("mine-7")
        assert await found("nothing there") == []
        assert await found("") == await found("  ") == []
        assert len([kind for kind, _ in await found("o", limit=1) if kind == "trigger"]) == 1
        for wrong in ("limit=0", "limit=21", "q=" + "x" * 201, "w=1"):
            assert (await reactor.http.get(f"/api/v1/search?{wrong}")).status_code == 400


async def test_secrets_go_in_and_never_come_out() -> None:
    async with running_reactor({"order": ORDER, "helper": HELPER}) as reactor:
        before = await asked(reactor, "GET", "/secrets", Listed[SecretShape])
        assert [(one["name"], one["version"], one["flows"]) for one in before["items"]] == [
            ("shop_token", None, ["order"])
        ]
        first = await asked(reactor, "PUT", "/secrets/shop_token", SecretShape, json={"value": "very-secret-1"})
        second = await asked(reactor, "PUT", "/secrets/shop_token", SecretShape, json={"value": "very-secret-2"})
        assert (first["version"], second["version"]) == (1, 2)
        assert reactor.app.vault.read("shop_token") == "very-secret-2"
        listed = await reactor.http.get("/api/v1/secrets")
        assert "very-secret" not in listed.text
        assert (await reactor.http.get("/api/v1/secrets/shop_token")).status_code == 405
        gone = await asked(reactor, "DELETE", "/secrets/shop_token", SecretShape)
        assert (gone["version"], gone["flows"]) == (2, ["order"])
        await asked(reactor, "DELETE", "/secrets/shop_token", None, 404)
        assert reactor.app.vault.read("shop_token") is None
        for name, value in (("1x", "v"), ("a b", "v"), ("ok", ""), ("ok", "x" * 70_000), ("ok", 7), ("ok", None)):
            await asked(reactor, "PUT", f"/secrets/{name}", None, 400, json={"value": value})
        half = b'{"value": "\\ud800"}'
        answer = await reactor.http.put(
            "/api/v1/secrets/ok", content=half, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert "very-secret" not in (await reactor.http.get("/api/v1/search?q=secret")).text


async def test_the_tests_of_a_flow_are_run_beside_the_server(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(ORDER)
    (tmp_path / "helper.yaml").write_text(HELPER)
    (tmp_path / "order.test.yaml").write_text(
        "tests:\n  - {name: beside, event: {type: order.placed}, mock: {ask: {error: no}}, expect: {status: failed}}\n"
    )
    async with running_reactor(tmp_path) as reactor:
        listed = await asked(reactor, "GET", "/flows/order/tests", OwnTests)
        assert [test["name"] for test in listed["tests"]] == ["it works", "it is wrong"]
        went = await asked(reactor, "POST", "/flows/order/tests/run", RanTests)
        assert {test["name"]: test["passed"] for test in went["tests"]} == {
            "it works": True,
            "it is wrong": False,
            "beside": True,
        }
        assert (went["passed"], went["problems"], went["file"]) == (False, [], "order.yaml")
        wrong = next(test for test in went["tests"] if not test["passed"])
        assert "8" in wrong["problems"][0]
        assert went["coverage"]["percent"] > 50
        # As it would be: with another text.
        mended = ORDER.replace("output: 8", "output: 7")
        answer = await reactor.http.post("/api/v1/flows/order/tests/run", content=mended.encode())
        assert answer.json()["passed"] is True
        broken = await reactor.http.post("/api/v1/flows/order/tests/run", content=b"name: order\n")
        assert (broken.json()["passed"], broken.json()["problems"] != []) == (False, True)
        assert (await reactor.http.post("/api/v1/flows/order/tests/run", content=b"\xff")).status_code == 400
        assert (await reactor.http.post("/api/v1/flows/none/tests/run")).status_code == 404
        none = await asked(reactor, "POST", "/flows/helper/tests/run", RanTests)
        assert (none["passed"], none["tests"]) == (False, [])


async def test_when_a_schedule_fires_next() -> None:
    async with running_reactor({"order": ORDER, "helper": HELPER}) as reactor:
        times = (await asked(reactor, "GET", "/triggers/order/1/upcoming?limit=12", Upcoming))["times"]
        assert len(times) == 12
        assert times == sorted(set(times))
        assert all(time[11:16] in ("06:00", "07:00") for time in times)
        assert (await asked(reactor, "GET", "/triggers/order/0/upcoming", Upcoming))["times"] == []
        assert (await asked(reactor, "GET", "/triggers/order/2/upcoming", Upcoming))["times"] == []
        for path in ("order/9", "order/x", "none/0"):
            await asked(reactor, "GET", f"/triggers/{path}/upcoming", None, 404)
        await asked(reactor, "GET", "/triggers/order/1/upcoming?limit=101", None, 400)


async def test_where_a_secret_is_named() -> None:
    flow = 'name: f\nsteps: [{action: http.request, with: {url: "http://x.example/{{ secrets.a_b-c }}"}}]\n'
    async with running_reactor({"f": flow.replace("-c", "")}) as reactor:
        assert [(one["name"], one["flows"]) for one in (await reactor.get("/secrets"))["items"]] == [("a_b", ["f"])]
