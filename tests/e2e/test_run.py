"""The page of a run: seen to advance, explained, retried, forked, cancelled; over time, step by step, in its logs."""

import asyncio
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import Locator, Page, expect

from reactor.sdk import Connector, Effect, PermanentError, action
from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

HOSTILE = '"><img src=x onerror=alert(1)> </script><script>alert(2)</script> \u202egnp.exe 💥 '


class _Gate(msgspec.Struct):
    name: str = "gate"


class Gates:
    """Actions that wait until the test lets them go, and one that fails as often as it is told."""

    def __init__(self) -> None:
        self.open = {"one": asyncio.Event(), "two": asyncio.Event()}
        self.failures = 0

        @action("test.gate", params=_Gate, effect=Effect.READ)
        async def gate(ctx: Any, params: _Gate) -> Any:
            await self.open[params.name].wait()
            return {"passed": params.name}

        @action("test.shaky", params=_Gate, effect=Effect.READ)
        async def shaky(ctx: Any, params: _Gate) -> Any:
            if self.failures > 0:
                self.failures -= 1
                raise PermanentError("test.shaky", "it shook")
            return {"stood": params.name}

        self.connector = Connector(name="test", actions=(gate, shaky))


_LIVE = """
name: steady
on: {event: go}
steps:
  - {name: first, set: {x: "{{ event.data.n }}"}}
  - {name: one, action: test.gate, with: {name: one}}
  - {name: two, action: test.gate, with: {name: two}}
  - {name: last, action: log.info, with: {message: "done with {{ event.data.n }}"}}
"""
_SHAKY = """
name: shaky
on: {event: shake}
steps:
  - {name: before, action: log.info, with: {message: "{{ event.data.text }}"}}
  - {name: shake, action: test.shaky, retry: none}
  - {name: after, set: {y: "{{ event.data.text }}"}}
"""
_BUSY = """
name: busy
on: {event: busy}
steps:
  - name: each
    for_each: "{{ range(400) | list }}"
    steps:
      - {name: twice, set: {z: "{{ item * 2 }}"}}
      - {name: odd, if: "item == 7", fail: {kind: own.odd, message: "seven is odd"}, continue_on_error: true}
  - name: race
    parallel:
      join: any
      branches:
        quick: [{name: q, set: {y: 1}}]
        slow: [{name: s, wait: 1h}]
  - name: flaky
    action: shell.exec
    with: {command: "exit 3"}
    retry: {max: 3, delay: 50ms}
    continue_on_error: true
  - name: tells
    for_each: "{{ range(1100) | list }}"
    steps: [{name: say, action: log.info, with: {message: "line {{ item }}"}}]
  - {name: nap, wait: 1500ms}
  - {name: sub, call: child}
"""
_CHILD = "name: child\nsteps: [{name: rest, wait: 1h}]\n"
_WAITS = """
name: asks
on: {event: ask}
steps: [{name: ask, approve: {title: "May it?"}}]
"""
_EVENT = "name: hears\non: {event: hear}\nsteps: [{name: hear, wait_for: {event: answer.came}}]\n"
_TIMER = "name: sleeps\non: {event: sleep}\nsteps: [{name: nap, wait: 2h}]\n"
FLOWS = {
    "steady": _LIVE, "shaky": _SHAKY, "busy": _BUSY, "child": _CHILD, "asks": _WAITS, "hears": _EVENT, "sleeps": _TIMER,
}  # fmt: skip


@asynccontextmanager
async def reactor_with(gates: Gates, **settings: Any) -> AsyncIterator[RunningReactor]:
    flows = settings.pop("flows", FLOWS)
    async with running_reactor(flows, connectors=[gates.connector], **settings) as reactor:
        yield reactor


async def begun(reactor: RunningReactor, type: str, data: Any = None) -> str:
    return str((await reactor.send(type, data or {}))["runs"][0]["id"])


async def status(reactor: RunningReactor, run: str, wanted: str) -> None:
    async with asyncio.timeout(10):
        while (await reactor.get(f"/runs/{run}"))["status"] != wanted:
            await asyncio.sleep(0.02)


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("treeitem", name=re.compile(f"^{re.escape(name)} ?, "))


async def test_a_run_is_seen_to_advance_and_then_in_all_its_parts() -> None:
    gates = Gates()
    async with reactor_with(gates) as reactor:
        run = await begun(reactor, "go", {"n": 5})
        async with control_room(reactor, f"/runs/{run}") as page:
            await expect(page.get_by_role("heading", name="steady", level=1)).to_contain_text("running")
            await expect(lane(page, "first")).to_have_accessible_name(re.compile("completed"))
            await expect(lane(page, "one")).to_have_accessible_name(re.compile("running"))
            await expect(lane(page, "two")).to_have_count(0)
            await accessible(page)
            gates.open["one"].set()
            await expect(lane(page, "one")).to_have_accessible_name(re.compile("completed"))
            await expect(lane(page, "two")).to_have_accessible_name(re.compile("running"))
            await shot(page, "run-live-light")
            gates.open["two"].set()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
            await lane(page, "last").click()
            panel = page.get_by_role("complementary", name="Step last")
            await expect(panel).to_contain_text("done with 5")
            await expect(panel).to_contain_text("steps.last.output")
            await shot(page, "run-panel-light")
            for tab, seen in (
                ("Steps", "test.gate"),
                ("Logs", "done with 5"),
                ("Causes", "this run"),
                ("Data", "Inputs"),
                ("History", "It ended: completed"),
                ("Diagram", "set x"),
            ):
                await page.get_by_role("tab", name=tab, exact=True).click()
                await expect(page.get_by_role("tabpanel", name=tab)).to_contain_text(seen)
                await accessible(page)
                await shot(page, f"run-{tab.lower()}-light")


async def test_a_failed_run_is_retried_and_forked_with_other_data() -> None:
    gates = Gates()
    gates.failures = 1
    async with reactor_with(gates) as reactor:
        run = await begun(reactor, "shake", {"text": HOSTILE + "w" * 10_000})
        await reactor.finished(run)
        async with control_room(reactor, f"/runs/{run}", theme="dark") as page:
            await expect(page.get_by_label("Why it ended")).to_contain_text("test.shaky it shook")
            await page.get_by_role("button", name="Show the step shake").click()
            panel = page.get_by_role("complementary", name="Step shake")
            await expect(panel).to_contain_text("Why it failed")
            await accessible(page)
            await shot(page, "run-failed-dark")
            await page.get_by_role("button", name="Retry", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
            await expect(panel).to_contain_text("2 attempts")
            await page.get_by_role("button", name="Close the step").click()
            await page.get_by_role("tab", name="Logs").click()
            await expect(page.get_by_label("Lines of the log")).to_contain_text('"><img src=x')
            await no_sideways(page)
            await page.get_by_role("button", name="Fork").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("nothing: it does everything itself")
            editor = dialog.get_by_role("textbox", name="Data of the event")
            await editor.fill('{"text": ')
            await expect(dialog.get_by_role("alert")).to_be_visible()
            await expect(dialog.get_by_role("button", name="Fork")).to_be_disabled()
            await accessible(page)
            await shot(page, "run-fork-dark")
            await editor.fill('{"text": "something else"}')
            await dialog.get_by_role("button", name="Fork").click()
            await expect(page).not_to_have_url(re.compile(run))
            await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
            await expect(page.get_by_text("Fork of")).to_be_visible()
            await page.get_by_role("tab", name="Timeline").click()
            await lane(page, "after").click()
            await expect(page.get_by_role("complementary", name="Step after")).to_contain_text("something else")
            await page.get_by_role("button", name="Fork from here").click()
            await expect(page.get_by_role("dialog")).to_contain_text("Taken overbefore, shake")


async def test_four_kinds_of_waiting_are_explained_and_ended() -> None:
    gates = Gates()
    async with reactor_with(gates) as reactor:
        asks, hears, sleeps = [await begun(reactor, word) for word in ("ask", "hear", "sleep")]
        async with control_room(reactor, f"/runs/{hears}") as page:
            why = page.get_by_label("What it waits for")
            await expect(why).to_contain_text("step 'hear' waits for an event 'answer.came'")
            await why.get_by_role("button", name="Send it").click()
            await page.get_by_role("textbox", name="Data of the event").fill('{"word": "yes"}')
            await accessible(page)
            await page.get_by_role("button", name="Send", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
            await page.goto(f"{reactor.url}/ui/runs/{asks}")
            await expect(why).to_contain_text("waits for the decision of whoever may act on runs on 'May it?'")
            await expect(why.get_by_role("link", name="Decide")).to_be_visible()
            await shot(page, "run-approval-light")
            await page.goto(f"{reactor.url}/ui/runs/{sleeps}")
            await expect(why).to_contain_text("step 'nap' sleeps until")
            await status(reactor, sleeps, "waiting")
            await page.get_by_role("button", name="Pause").click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("paused")
            await page.get_by_role("button", name="Resume").click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("waiting")
            await page.get_by_role("button", name="Cancel run").click()
            await page.get_by_label("Why (stands in the run's history)").fill(HOSTILE)
            await page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
            await page.get_by_role("tab", name="History").click()
            await expect(page.get_by_role("tabpanel")).to_contain_text('Somebody asked to cancel it: "><img')
            await accessible(page)


async def test_loops_branches_attempts_and_children_over_time() -> None:
    gates = Gates()
    async with reactor_with(gates) as reactor:
        run = await begun(reactor, "busy")
        await status(reactor, run, "waiting")
        async with control_room(reactor, f"/runs/{run}") as page:
            await expect(lane(page, "each")).to_contain_text("400 inside, 1 failed")
            await expect(lane(page, "s")).to_contain_text("cancelled")
            await expect(lane(page, "flaky")).to_contain_text("×3")
            await expect(page.get_by_label("What it waits for")).to_contain_text("waits for the end of child")
            await expect(page.get_by_role("treeitem")).to_have_count(10)
            await shot(page, "run-busy-light")
            await accessible(page)
            tree = page.get_by_role("tree")
            await lane(page, "each").locator("svg").first.click()
            await expect(lane(page, "[0]")).to_be_visible()
            assert await page.get_by_role("treeitem").count() < 60
            await tree.focus()
            for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowDown", "Enter"):
                await page.keyboard.press(key)
            panel = page.get_by_role("complementary", name="Step each[1].twice")
            await expect(panel).to_contain_text("z: 2")
            await panel.get_by_role("button", name="Compare").click()
            await expect(page.get_by_label("Difference")).to_contain_text('"z": 2')
            await accessible(page)
            await shot(page, "run-compare-light")
            await page.keyboard.press("Escape")
            await tree.focus()
            for key in ("w", "w", "d", "0", "ArrowLeft", "ArrowLeft"):
                await page.keyboard.press(key)
            for name, size in WIDTHS.items():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await no_sideways(page)
                await shot(page, f"run-busy-{name}")
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.goto(f"{reactor.url}/ui/runs/{run}?tab=diagram")
            await expect(page.get_by_role("tabpanel")).to_contain_text("400")
            await page.get_by_role("tab", name="Logs").click()
            await page.get_by_role("searchbox", name="Search the logs").fill("line 1099")
            await expect(page.get_by_label("Lines of the log")).to_contain_text("line 1099")
            await page.get_by_role("link", name=re.compile("^run_")).first.click()
            await expect(page.get_by_role("heading", name="child", level=1)).to_be_visible()
            await expect(page.get_by_text("Called by")).to_be_visible()
            await page.get_by_role("tab", name="Causes").click()
            await expect(page.get_by_role("list", name="What led to it")).to_contain_text("busy")


async def test_the_page_goes_on_after_a_restart_and_tells_of_another_version() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gates = Gates()
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "data"
        async with reactor_with(gates, port=port, data=data) as reactor:
            run = await begun(reactor, "go", {"n": 7})
            async with control_room(reactor, f"/runs/{run}", allowed=["ERR_", "503", "Failed to load", "401"]) as page:
                await expect(lane(page, "one")).to_contain_text("running")
                live = page.locator("header").get_by_role("status")
                await reactor.app.stop()
                await expect(live).to_have_text("Reconnecting")
                await expect(lane(page, "one")).to_be_visible()
                changed = {**FLOWS, "steady": _LIVE + "  - {name: more, set: {y: 1}}\n"}
                async with reactor_with(gates, port=port, data=data, flows=changed):
                    await expect(live).to_have_text("Live", timeout=15_000)
                    await expect(page.get_by_role("note")).to_contain_text(
                        "this run has version 1, now there is version 2"
                    )
                    gates.open["one"].set()
                    await expect(lane(page, "two")).to_contain_text("running")
                    gates.open["two"].set()
                    await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
