"""The list of runs: filters in the address, live without jumping, many rows, what is hostile stays text."""

import asyncio
import re
from typing import Any

from playwright.async_api import Page, expect

from reactor.model.errors import ErrorInfo
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import Batch
from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

HOSTILE = '"><img src=x onerror=alert(1)> \u202egnp.exe 💥 ' + "w" * 10_000
_SLEEPS = "name: sleeper\non: {event: nap}\nsteps: [{name: nap, wait: 1h}]\n"
_OK = "name: quick\non: {event: go}\nsteps: [{name: say, set: {x: 1}}]\n"
_BAD = "name: broken\non: {event: bad}\nsteps: [{name: no, fail: {kind: own.kind, message: '{{ event.data.text }}'}}]\n"
FLOWS = {"sleeper": _SLEEPS, "quick": _OK, "broken": _BAD}


def rows(page: Page) -> Any:
    return page.get_by_role("table", name="Runs").locator("tbody tr[data-id]")


async def fill(reactor: RunningReactor, count: int) -> None:
    """Runs that have ended, straight into the store."""
    now = reactor.engine.clock.now()
    batch = Batch()
    for n in range(count):
        failed = n % 10 == 0
        run = Run(
            key=reactor.engine.executor.ids.next(),
            flow=f"flow-{n % 7}",
            version=1,
            status=RunStatus.FAILED if failed else RunStatus.COMPLETED,
            trigger=f"flow-{n % 7}/0",
            created_at=now,
            started_at=now,
            finished_at=now + n % 3_000,
            error=ErrorInfo("http.500", f"answer {n}") if failed else None,
        )
        batch.runs[run.key] = run
    await reactor.engine.store.commit(batch)


async def test_runs_are_found_by_filters_that_live_in_the_address() -> None:
    async with running_reactor(FLOWS) as reactor:
        await reactor.send("nap")
        await reactor.send("go")
        failed = (await reactor.send("bad", {"text": HOSTILE}))["runs"][0]["id"]
        await reactor.finished(failed)
        async with control_room(reactor, "/runs") as page:
            await expect(rows(page)).to_have_count(3)
            await accessible(page)
            await shot(page, "runs-light")
            await page.get_by_role("button", name="failed").click()
            await expect(rows(page)).to_have_count(1)
            await expect(rows(page)).to_contain_text('own.kind: "><img src=x')
            assert "status=failed" in page.url
            await page.get_by_role("button", name="waiting").click()
            await expect(rows(page)).to_have_count(2)
            assert re.search(r"status=waiting(%2C|,)failed", page.url)
            await page.get_by_role("combobox", name="Flow", exact=True).fill("sleeper")
            await expect(rows(page)).to_have_count(1)
            await expect(rows(page)).to_contain_text("step 'nap' sleeps")
            await expect(page.get_by_text("Runs of sleeper that are waiting or failed, newest first.")).to_be_visible()
            await page.get_by_role("searchbox", name="Search runs").fill("nobody said this")
            await expect(page.get_by_text("No run is like that")).to_be_visible()
            await page.get_by_role("searchbox", name="Search runs").fill("nap")
            await expect(rows(page)).to_have_count(1)
            await page.get_by_role("combobox", name="When they began").select_option("1h")
            assert "since=1h" in page.url
            await page.reload()
            await expect(rows(page)).to_have_count(1)
            await page.get_by_role("combobox", name="Flow", exact=True).fill("nobody")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("No run is like that")).to_be_visible()
            await page.get_by_role("button", name="Show all runs").click()
            await expect(rows(page)).to_have_count(3)
            for width, size in WIDTHS.items():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await no_sideways(page)
                await shot(page, f"runs-{width}")
            await rows(page).first.focus()
            await page.keyboard.press("j")
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(re.compile(r"/ui/runs/run_"))


async def test_the_list_is_live_and_does_not_jump() -> None:
    async with running_reactor(FLOWS) as reactor:
        await fill(reactor, 5_000)
        async with control_room(reactor, "/runs", theme="dark") as page:
            first = rows(page).first
            await expect(page.locator("header").get_by_role("status")).to_have_text("Live")
            await reactor.send("nap")
            await expect(first).to_contain_text("sleeper")
            await expect(first).to_contain_text("waiting")
            await page.get_by_role("button", name="Show more").click()
            await expect(page.get_by_text(re.compile(r"20\d shown"))).to_be_visible()
            await accessible(page)
            await shot(page, "runs-many-dark")
            frame = page.locator("[data-table-frame]")
            await frame.evaluate("one => one.scrollTo({top: 3000})")
            await expect(rows(page).first).not_to_contain_text("sleeper")
            there = await rows(page).nth(30).get_attribute("data-id")
            place = await page.locator(f"[data-id={there}]").bounding_box()
            for _ in range(3):
                await reactor.send("go")
            await expect(page.get_by_role("button", name="3 new")).to_be_visible()
            assert await page.locator(f"[data-id={there}]").bounding_box() == place
            await shot(page, "runs-news-dark")
            await page.get_by_role("button", name="3 new").click()
            await expect(first).to_contain_text("quick")
            await expect(page.get_by_role("button", name="3 new")).to_have_count(0)
            await asyncio.gather(*(reactor.send("go") for _ in range(120)))
            await expect(page.get_by_text(re.compile(r"^1\d\d shown"))).to_be_visible()


async def test_a_refusal_and_an_empty_list_say_what_they_are() -> None:
    async with running_reactor({}) as reactor, control_room(reactor, "/runs", allowed=["400"]) as page:
        await expect(page.get_by_text("Nothing has run yet")).to_be_visible()
        await page.goto(f"{reactor.url}/ui/runs?event=evt_nowhere")
        await expect(page.get_by_role("alert")).to_contain_text("there is no event")
        await page.goto(f"{reactor.url}/ui/runs?status=bogus")
        await expect(page.get_by_role("alert")).to_contain_text("'bogus' is not of pending, running")
        await accessible(page)


async def test_many_runs_are_commanded_after_a_look_at_which() -> None:
    async with running_reactor(FLOWS) as reactor:
        await asyncio.gather(*(reactor.send("nap") for _ in range(130)))
        await reactor.finished((await reactor.send("go"))["runs"][0]["id"])
        async with control_room(reactor, "/runs") as page:
            await expect(rows(page)).to_have_count(100)
            await expect(page.get_by_role("heading", name="Runs 131", level=1)).to_be_visible()
            await rows(page).first.focus()
            await page.keyboard.press("x")
            await page.keyboard.press("j")
            await page.keyboard.press("j")
            await page.keyboard.press("Shift+X")
            chosen = page.get_by_role("region", name="Chosen runs")
            await expect(chosen).to_contain_text("3 runs chosen")
            await expect(chosen).not_to_contain_text("All that match")
            await chosen.get_by_role("button", name="Cancel").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("3 runs")
            await accessible(page)
            await shot(page, "runs-bulk-light")
            await dialog.get_by_role("button", name="Cancel them (3)").click()
            await expect(dialog).to_contain_text("2 runs cancelled, 1 left as they were.")
            await expect(dialog).to_contain_text("has ended (completed)")
            await dialog.get_by_role("button", name="Close").click()
            await page.goto(f"{reactor.url}/ui/runs?flow=sleeper&status=waiting")
            await expect(page.get_by_role("heading", name="Runs 128", level=1)).to_be_visible()
            await page.get_by_role("checkbox", name="Choose all that are shown").check()
            await chosen.get_by_role("button", name="All that match the filter").click()
            await chosen.get_by_role("button", name="Pause").click()
            await dialog.get_by_role("button", name="Pause them (128)").click()
            await expect(dialog).to_contain_text("128 runs paused.")
            await dialog.get_by_role("button", name="Close").click()
            await expect(page.get_by_text("No run is like that")).to_be_visible()
            assert (await reactor.get("/runs/count", status="paused"))["count"] == 128
