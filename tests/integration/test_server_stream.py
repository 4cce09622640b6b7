"""The event stream: what it tells, how it goes on after a break, and that it ends at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.server import stream
from reactor.testing.running import running_reactor
from tests.integration.server_kit import Kit, flow, serving


class Told:
    """One event of the stream."""

    def __init__(self, text: str) -> None:
        fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
        self.id = int(fields["id"])
        self.kind = fields["event"]
        self.data: dict[str, Any] = json.loads(fields["data"])


@asynccontextmanager
async def listening(kit: Kit, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[Told]]:
    async with kit.http.stream("GET", f"/api/v1/stream{query}", headers=kit.auth | headers, timeout=5) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def read() -> AsyncIterator[Told]:
            text = ""
            async for chunk in answer.aiter_text():
                text += chunk
                while "\n\n" in text:
                    one, _, text = text.partition("\n\n")
                    if not one.startswith(":"):
                        yield Told(one)

        yield read()


async def take(told: AsyncIterator[Told], count: int) -> list[Told]:
    return [await anext(told) for _ in range(count)]


async def test_runs_steps_and_events_are_told(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b")) as kit, listening(kit) as told:
        assert (await anext(told)).kind == "hello"
        receipt = (await kit.http.post("/events", json={"type": "a"})).json()
        seen: list[Told] = []
        while not any(each.kind == "run" and each.data["status"] == "completed" for each in seen):
            seen.append(await anext(told))
        assert {each.kind for each in seen} >= {"event", "step", "run"}
        assert [each.data["id"] for each in seen if each.kind == "event"] == [receipt["event_id"]]
        ids = [each.id for each in seen]
        assert ids == sorted(set(ids))
        assert seen[0].data["at"].endswith("Z")


async def test_filters(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b")) as kit:
        async with listening(kit, "?kinds=run&flow=b") as told:
            await anext(told)
            for type_ in ("a", "b"):
                await kit.http.post("/events", json={"type": type_})
            first = await anext(told)
            assert (first.kind, first.data["flow"]) == ("run", "b")
        for query in ("?kinds=nothing", "?knids=run", "?after=x"):
            assert (await kit.get(f"/api/v1/stream{query}")).status_code == 400
        assert (await kit.get("/api/v1/stream", headers={"last-event-id": "x"})).status_code == 400


async def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        async with listening(kit, "?kinds=event") as told:
            await anext(told)
            await kit.http.post("/events", json={"type": "one"})
            last = await anext(told)
        missed = [(await kit.http.post("/events", json={"type": "t"})).json()["event_id"] for _ in range(3)]
        async with listening(kit, "?kinds=event", **{"last-event-id": str(last.id)}) as told:
            hello, *rest = await take(told, 4)
            assert (hello.id, hello.data) == (last.id, {"missed": 3})
            assert [each.data["id"] for each in rest] == missed
        async with listening(kit, f"?kinds=event&after={rest[0].id}") as told:
            assert [each.data.get("id") for each in await take(told, 3)] == [None, *missed[1:]]


async def test_what_cannot_be_told_any_more_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_RING", 5)
    async with serving(tmp_path) as kit:
        async with listening(kit, "?kinds=event") as told:
            first = await anext(told)
            for _ in range(20):
                await kit.http.post("/events", json={"type": "t"})
            await take(told, 5)
        async with listening(kit, f"?kinds=event&after={first.id}") as told:
            _, gap, *rest = await take(told, 7)
            assert (gap.kind, gap.data["lost"]) == ("gap", 15)
            assert len(rest) == 5
        async with listening(kit, "?kinds=event&after=17") as told:  # of another life of this server
            assert [(each.kind, each.data) for each in await take(told, 2)] == [
                ("hello", {"missed": None}),
                ("gap", {"lost": None}),
            ]


async def test_nobody_listened_for_long_is_a_gap_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_LINGER", 0.01)
    async with serving(tmp_path) as kit:
        async with listening(kit) as told:
            first = await anext(told)
        for _ in range(200):
            if not kit.engine.changes.listeners:
                break
            await asyncio.sleep(0.01)
        await kit.http.post("/events", json={"type": "t"})
        async with listening(kit, f"?after={first.id}") as told:
            assert [each.kind for each in await take(told, 2)] == ["hello", "gap"]
            await kit.http.post("/events", json={"type": "t"})
            assert (await anext(told)).kind == "event"


async def test_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    async with serving(tmp_path) as kit, kit.http.stream("GET", "/api/v1/stream", headers=kit.auth) as answer:
        text = ""
        async for chunk in answer.aiter_text():
            text += chunk
            if text.count(": still here\n\n") == 2:
                break


async def test_it_ends_at_once_when_the_server_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit, listening(kit) as told:
        await anext(told)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        stopping = loop.create_task(kit.running.stop())
        assert [each.kind async for each in told] == []
        await stopping
        assert loop.time() - begun < 2


async def test_listeners_are_limited_and_leave_nothing_behind(tmp_path: Path) -> None:
    async with serving(tmp_path, streams=1) as kit:
        async with listening(kit) as told:
            await anext(told)
            full = await kit.get("/api/v1/stream")
            assert (full.status_code, full.headers["retry-after"]) == (503, "10")
        for _ in range(200):
            if "reactor_stream_listeners 0" in (await kit.http.get("/metrics")).text:
                break
            await asyncio.sleep(0.01)
        async with listening(kit) as told:
            await anext(told)


async def test_one_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        reader, writer = await asyncio.open_connection("127.0.0.1", kit.port, limit=1)
        head = f"GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: {kit.auth['authorization']}\r\n\r\n"
        writer.write(head.encode())
        await asyncio.sleep(0.1)
        async with listening(kit, "?kinds=event") as told:
            await anext(told)
            batch = [{"type": "t" * 200} for _ in range(1000)]
            for _ in range(8):
                assert (await kit.http.post("/events", json=batch)).status_code == 202
            assert (await anext(told)).kind in {"event", "gap"}
        writer.transport.abort()
        del reader


async def test_flows_and_what_is_wrong_in_their_files_are_told(tmp_path: Path) -> None:
    text = "name: a\non: {event: a}\nsteps: [{action: log.info, message: hi}]\n"
    (tmp_path / "a.yaml").write_text(text)
    async with running_reactor(tmp_path) as reactor:
        changes = reactor.engine.executor.changes.listen(0)

        async def next_flow() -> dict[str, Any]:
            async for change in changes:
                if change.kind == "flow":
                    return change.data
            raise AssertionError

        async with asyncio.timeout(10):
            while (await next_flow())["name"] is not None:  # the folder as it was read at first
                pass
            await reactor.post("/flows/a/disable")
            assert await next_flow() == {"name": "a", "version": 1, "enabled": False}
            (tmp_path / "a.yaml").write_text(text + "# only words\n")
            assert (await next_flow())["name"] == "a"
            assert (await next_flow())["name"] is None
            (tmp_path / "a.yaml").write_text("name: a\n")
            assert await next_flow() == {"name": None, "version": None, "enabled": False}
            assert (await reactor.get("/problems"))["items"]
            (tmp_path / "a.yaml").unlink()
            assert await next_flow() == {"name": "a", "version": None, "enabled": False}
        await changes.aclose()
