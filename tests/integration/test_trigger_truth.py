"""What the engine does for a trigger beside taking its events: dead letters, gaps, lag, silence, connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from reactor.engine import letters as letters_
from reactor.engine import trigger_watch
from reactor.model.errors import ConflictError, NotFoundError
from reactor.sdk import (
    Connection,
    ConnectionContext,
    ConnectionType,
    Connector,
    DeadLetter,
    EventDraft,
    TransientError,
    Trigger,
    TriggerContext,
)
from reactor.sdk.content import MalformedError
from reactor.sdk.delivery import deliver
from reactor.testing.running import RunningReactor, running_reactor

pytestmark = pytest.mark.anyio


class FeedConfig(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    connection: str | None = None


class Station(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    url: str
    password: str | None = None


async def reach(ctx: ConnectionContext, settings: Station) -> str:
    if "down" in settings.url:
        raise TransientError("feed.connection", "the station does not answer; is it on?")
    if "slow" in settings.url:
        await asyncio.sleep(3600)
    return f"Station at {settings.url}"


STATION = ConnectionType(name="station", settings=Station, test=reach, secret=("password",))


class Feed:
    """A source that the test plays: what it is told to do, in the trigger's own task."""

    kind: ClassVar[str] = "feed"
    config: ClassVar[type[msgspec.Struct]] = FeedConfig
    short: ClassVar[str | None] = "name"
    doc: ClassVar[str] = "Events of a test."
    default_type: ClassVar[str] = "feed.message"

    def __init__(self) -> None:
        self.contexts: list[TriggerContext] = []
        self.connections: list[Connection] = []
        self.readable = False

    def check(self, config: FeedConfig) -> list[str]:
        return []

    async def run(self, ctx: TriggerContext) -> None:
        if ctx.config.connection is not None:
            self.connections.append(ctx.connection(ctx.config.connection, STATION))
        self.contexts.append(ctx)
        ctx.armed()
        await asyncio.sleep(3600)

    def redo(self, config: FeedConfig, letter: DeadLetter) -> EventDraft:
        if not self.readable:
            raise MalformedError(400, "still no JSON")
        return EventDraft(type="feed.message", data=letter.payload.decode(), metadata=letter.metadata)


FLOW = "name: taker\non: {feed: a%s}\nsteps: [{set: {x: '{{ event.data }}'}}]\noutputs: {x: '{{ vars.x }}'}\n"


class Rig:
    def __init__(self, reactor: RunningReactor, feed: Feed) -> None:
        self.reactor, self.feed = reactor, feed
        self.engine = reactor.engine

    @property
    def ctx(self) -> TriggerContext:
        return self.feed.contexts[-1]

    @property
    def status(self) -> Any:
        return next(status for status in self.engine.triggers.status() if status.key == "taker/0")

    async def until(self, wanted: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not wanted():
                await asyncio.sleep(0.005)

    async def runs(self) -> list[Any]:
        await self.until(lambda: not self.engine.executor.live)
        found = (await self.reactor.get("/runs"))["items"]
        return [(await self.reactor.finished(run["id"]))["output"]["x"] for run in reversed(found)]


def connector(feed: Trigger) -> Connector:
    return Connector(name="feeds", triggers=(feed,), connections=(STATION,))


@asynccontextmanager
async def running(more: str = "", text: str = FLOW, **settings: Any) -> AsyncIterator[Rig]:
    feed = Feed()
    flows = {"taker": text % more if "%s" in text else text}
    async with running_reactor(flows, connectors=[connector(feed)], **settings) as reactor:
        yield Rig(reactor, feed)


def bad(text: bytes = b"{no", **more: Any) -> DeadLetter:
    return DeadLetter(reason="no JSON", payload=text, metadata={"topic": "a"}, **more)


def good(data: Any) -> EventDraft:
    return EventDraft(type="feed.message", data=data)


# ---------------------------------------------------------------- dead letters


async def test_what_cannot_be_read_is_kept_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with running(data=tmp_path / "data") as it:
        await deliver(it.ctx, [good(1), bad(), good(2)], save={"at": 3})
        assert await it.runs() == [1, 2]
        assert it.ctx.saved() == {"at": 3}
        [letter] = await it.engine.letters.page(None, None, 10)
        assert (letter.trigger, letter.reason, letter.size, letter.metadata, letter.payload) == (
            "taker/0", "no JSON", 3, {"topic": "a"}, None,
        )  # fmt: skip
        assert (await it.engine.letters.show(letter.key)).payload == b"{no"
        assert (it.status.letters, it.status.errors, it.status.last_error) == (1, 1, "no JSON")
    async with running(data=tmp_path / "data") as it:
        assert it.status.letters == 1


async def test_an_event_that_the_door_refuses_is_a_letter_in_its_place() -> None:
    async with running(max_body=1_000) as it:
        await deliver(it.ctx, [good(1), good("x" * 2_000), good(object()), good(2)], save={"at": 4})
        assert await it.runs() == [1, 2]
        letters = [await it.engine.letters.show(one.key) for one in await it.engine.letters.page("taker/0", None, 10)]
        assert [(one.reason.split(";")[0][:34], one.size) for one in letters][1] == (
            "the event's data has 2002 bytes", 2_002,
        )  # fmt: skip
        assert "cannot be written as JSON" in letters[0].reason
        with pytest.raises(ConflictError, match="give other data"):
            await it.engine.letters.retry(letters[0].key)
        it.engine.executor.limits = msgspec.structs.replace(it.engine.executor.limits, event_data=5_000)
        await it.engine.letters.retry(letters[1].key)
        assert await it.runs() == [1, 2, "x" * 2_000]


async def test_a_letter_is_tried_again_once_it_can_be_read() -> None:
    async with running() as it:
        await deliver(it.ctx, [bad(b"seven")])
        [letter] = await it.engine.letters.page(None, None, 10)
        with pytest.raises(ConflictError, match="still no JSON"):
            await it.engine.letters.retry(letter.key)
        it.feed.readable = True
        receipt = await it.engine.letters.retry(letter.key)
        assert [flow for _, flow in receipt.runs] == ["taker"]
        assert await it.runs() == ["seven"]
        assert (it.status.letters, await it.engine.letters.page(None, None, 10)) == (0, [])
        with pytest.raises(NotFoundError, match="may have been decided"):
            await it.engine.letters.retry(letter.key)


@pytest.mark.parametrize("data", [{}, {"data": "other"}])
async def test_two_who_retry_a_letter_at_once_make_one_event(data: dict[str, Any]) -> None:
    async with running() as it:
        await deliver(it.ctx, [bad(b"seven")])
        it.feed.readable = True
        [letter] = await it.engine.letters.page(None, None, 10)
        tries = [it.engine.letters.retry(letter.key, **data) for _ in range(3)]
        done = await asyncio.gather(*tries, it.engine.letters.drop(letter.key), return_exceptions=True)
        assert [type(one) for one in done[1:]] == [ConflictError] * 3
        assert await it.runs() == [data.get("data", "seven")]


async def test_a_letter_is_mended_or_dropped() -> None:
    async with running() as it:
        await deliver(it.ctx, [bad(), bad(b"other")])
        second, first = await it.engine.letters.page(None, None, 10)
        await it.engine.letters.retry(first.key, {"mended": True})
        await it.engine.letters.drop(second.key)
        assert await it.runs() == [{"mended": True}]
        assert await it.engine.letters.page(None, None, 10) == []


async def test_a_source_of_nothing_but_poison_stops_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters_, "MOST", 3)
    async with running() as it:
        await deliver(it.ctx, [bad()] * 3)
        with pytest.raises(Exception, match="wait for a decision") as told:
            await deliver(it.ctx, [good(1), bad()], save={"at": 5})
        assert "reactor dead-letters list --trigger taker/0" in str(told.value)
        assert (await it.runs(), it.ctx.saved(), it.status.letters) == ([], {}, 3)
        for letter in await it.engine.letters.page(None, None, 1):
            await it.engine.letters.drop(letter.key)
        await deliver(it.ctx, [good(1), bad()], save={"at": 5})
        assert await it.runs() == [1]


# ---------------------------------------------------------------- gaps


async def test_a_gap_is_kept_until_it_is_confirmed(tmp_path: Path) -> None:
    watcher = "name: watcher\non: {event: reactor.trigger.gap}\nsteps: [{set: {x: '{{ event.data.reason }}'}}]\n"
    watcher += "outputs: {x: '{{ vars.x }}'}\n"
    feed = Feed()
    flows = {"taker": FLOW % "", "watcher": watcher}
    async with running_reactor(flows, connectors=[connector(feed)], data=tmp_path / "data") as reactor:
        it = Rig(reactor, feed)
        it.ctx.gap("entries 5 to 9 were trimmed")
        await deliver(it.ctx, [good(10)], save={"at": 10})
        assert sorted(map(str, await it.runs())) == ["10", "entries 5 to 9 were trimmed"]
        assert it.status.gap.reason == "entries 5 to 9 were trimmed"
    async with running_reactor(flows, connectors=[connector(feed)], data=tmp_path / "data") as reactor:
        it = Rig(reactor, feed)
        assert it.status.gap.reason == "entries 5 to 9 were trimmed"
        assert it.ctx.saved() == {"at": 10}
        await it.engine.triggers.confirm_gap("taker/0")
        assert it.status.gap is None
        with pytest.raises(NotFoundError, match="no trigger 'taker/0' with a gap"):
            await it.engine.triggers.confirm_gap("taker/0")
    async with running_reactor(flows, connectors=[connector(feed)], data=tmp_path / "data") as reactor:
        assert Rig(reactor, feed).status.gap is None


async def test_a_gap_is_told_though_nothing_comes_after_it() -> None:
    async with running() as it:
        it.ctx.gap("the slot is gone")
        await it.until(lambda: it.engine.intake.accepted == 1)
        assert (await it.reactor.get("/events"))["items"][0]["type"] == "reactor.trigger.gap"


# ---------------------------------------------------------------- lag and silence


async def test_who_is_behind_for_long_is_lagging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_watch, "BEHIND_FOR", 50)
    monkeypatch.setattr(trigger_watch, "_EVERY", 0.02)
    async with running() as it:
        it.ctx.lag(999)
        await asyncio.sleep(0.1)
        assert (it.status.state, it.status.lag) == ("armed", 999)
        it.ctx.lag(5_000)
        assert it.status.state == "armed"
        await it.until(lambda: it.status.state == "lagging")
        assert "have waited at the source" in it.status.reason
        it.ctx.lag(10)
        assert (it.status.state, it.status.reason, it.status.lag) == ("armed", "", 10)


@pytest.mark.proves("on.expect")
async def test_silence_is_shown_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_watch, "_EVERY", 0.02)
    async with running(", expect: 300ms", text=FLOW.replace("on: {feed: a%s}", "on: {feed: {name: a}%s}")) as it:
        await it.until(lambda: it.status.state == "lagging")
        assert it.status.reason == "no event has come for 300ms; at least one is expected in that time"
        await it.until(lambda: it.engine.intake.accepted == 1)
        await asyncio.sleep(0.1)
        assert [e["type"] for e in (await it.reactor.get("/events"))["items"]] == ["reactor.trigger.silent"]
        await deliver(it.ctx, [good(1)])
        assert it.status.state == "armed"
        await it.until(lambda: it.status.state == "lagging")


async def test_who_listens_to_changes_hears_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_watch, "_EVERY", 0.02)
    async with running() as it:
        heard: list[dict[str, Any]] = []

        async def listen() -> None:
            async for change in it.engine.changes.listen():
                heard.extend([change.data] if change.kind == "trigger" else [])

        task = asyncio.create_task(listen())
        await it.until(lambda: it.engine.changes.listeners)
        await deliver(it.ctx, [good(1), bad()])
        it.ctx.lag(7)
        await it.until(lambda: heard)
        assert {key: heard[-1][key] for key in ("key", "state", "events", "errors", "lag", "letters")} == {
            "key": "taker/0", "state": "armed", "events": 1, "errors": 1, "lag": 7, "letters": 1,
        }  # fmt: skip
        task.cancel()


# ---------------------------------------------------------------- connections

USER = FLOW.replace("on: {feed: a%s}", "on: {feed: {name: a, connection: main}}")


async def test_a_trigger_waits_for_its_connection_and_begins_anew_with_another(tmp_path: Path) -> None:
    async with running(text=USER, data=tmp_path / "data") as it:
        await it.until(lambda: it.status.state == "failed")
        assert it.status.reason == "trigger feed: there is no connection 'main' (there is: none)"
        it.engine.connections.put("main", "station", {"url": "a"})
        await it.until(lambda: it.status.state == "armed")
        assert it.feed.connections[-1].settings == Station(url="a")
        it.engine.connections.put("other", "station", {"url": "z"})
        it.engine.connections.put("main", "station", {"url": "b"})
        await it.until(lambda: len(it.feed.connections) == 2)
        assert (it.feed.connections[-1].settings.url, it.status.connections) == ("b", ("main",))
        it.engine.connections.delete("main")
        await it.until(lambda: it.status.state == "failed")
    async with running(text=USER, data=tmp_path / "data") as it:
        assert [one.name for one in it.engine.connections.list()] == ["other"]


async def test_a_flow_s_own_connection_comes_first_and_a_change_of_it_is_seen() -> None:
    own = USER + "connections: {main: {type: station, url: own}}\n"
    async with running(text=own) as it:
        it.engine.connections.put("main", "station", {"url": "saved"})
        assert [one.settings.url for one in it.feed.connections] == ["own"]
        folder = it.reactor.app.settings.workflows
        assert folder is not None
        (folder / "taker.yaml").write_text(own.replace("url: own", "url: new"))
        await it.until(lambda: len(it.feed.connections) == 2)
        assert it.feed.connections[-1].settings.url == "new"


async def test_secrets_of_saved_connections_are_by_reference_only(tmp_path: Path) -> None:
    async with running(text=USER, data=tmp_path / "data") as it:
        book = it.engine.connections
        for settings, why in [
            ({"url": "a", "password": "open"}, "`password` is secret"),
            ({"url": "x://ann:open@host/"}, "the password in `url`"),
            ({"url": "{{ vars.x }}"}, "takes only"),
            ({"link": "a"}, "unknown field `link`"),
            ({}, "missing required field `url`"),
        ]:
            with pytest.raises(Exception, match=why):
                book.put("main", "station", settings)
        with pytest.raises(Exception, match="no connection type 'statoin'"):
            book.put("main", "statoin", {})
        with pytest.raises(Exception, match="cannot be a connection's name"):
            book.put("7/main", "station", {"url": "a"})
        book.put("main", "station", {"url": "a", "password": "{{ secrets.PASS }}"})
        await it.until(lambda: "no secret 'PASS'" in it.status.reason)
        it.reactor.app.vault.set("PASS", "s3cret")
        book.put("main", "station", {"url": "b", "password": "{{ secrets.PASS }}"})
        await it.until(lambda: it.status.state == "armed")
        assert it.feed.connections[-1].settings.password == "s3cret"
        file = tmp_path / "data" / "connections.json"
        assert b"s3cret" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


async def test_a_connection_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.engine.saved_connections.PATIENCE", 0.05)
    async with running() as it:
        book, known = it.engine.connections, it.engine.executor.connections({})
        for name in ("good", "down", "slow"):
            book.put(name, "station", {"url": name})
        found = {name: await book.test(name, known, {}) for name in ("good", "down", "slow")}
        assert [(one.ok, one.message.split(";")[0]) for one in found.values()] == [
            (True, "Station at good"),
            (False, "the station does not answer"),
            (False, "no answer within 0.05 s"),
        ]
        assert book.tested["down"] == found["down"]
        with pytest.raises(NotFoundError):
            await book.test("none", known, {})


# ---------------------------------------------------------------- stopping while a commit is under way


async def test_a_trigger_begins_anew_only_when_what_it_saved_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as it:
        store = it.engine.store
        gate, commit = asyncio.Event(), store.commit

        async def slow(batch: Any) -> Any:
            if batch.saved:
                await gate.wait()
            return await commit(batch)

        monkeypatch.setattr(store, "commit", slow)
        task = asyncio.create_task(deliver(it.ctx, [good(1)], save={"at": 1}))
        await asyncio.sleep(0.05)
        it.engine.triggers._stop("taker/0", forget=False)
        flow = it.engine.book.current["taker"]
        it.engine.triggers._begin(flow, flow.triggers[0])
        await asyncio.sleep(0.1)
        assert len(it.feed.contexts) == 1
        gate.set()
        await task
        await it.until(lambda: len(it.feed.contexts) == 2)
        assert it.ctx.saved() == {"at": 1}
