"""What breaks outside is seen on the page, without a reload, within ten seconds; and that it is well again, too."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.async_api import Page, expect

from reactor.testing.running import running_reactor
from reactor.testing.servers import Redis
from tests.e2e.browser_kit import accessible, control_room, shot

WITHIN = 10_000
"""Milliseconds, promise 5: a trigger that is shown as armed is armed."""

QUEUE = """
name: work
connections: {{queue: {{type: redis, url: "{url}"}}}}
on: {{redis: {{stream: jobs, connection: queue}}}}
steps: [{{set: {{done: "{{{{ event.data.n }}}}"}}}}]
"""
FOLDER = """
name: inbox
on: {{file: "{folder}/*.csv", settle: 50ms}}
steps: [{{set: {{name: "{{{{ event.data.name }}}}"}}}}]
"""
HOOK = """
name: hook
on: {webhook: /truth/orders}
steps: [{set: {x: 1}}]
"""


async def state(page: Page, trigger: str, word: str, reason: str = "") -> None:
    """The row of a trigger says this."""
    row = page.locator(f'tr[data-id="{trigger}"]')
    await expect(row.get_by_role("cell").first).to_have_text(word, timeout=WITHIN)
    if reason:
        await expect(row).to_contain_text(re.compile(reason), timeout=WITHIN)


async def test_a_broker_that_is_stopped_turns_its_trigger_red_and_green_again() -> None:
    with Redis(durable=True) as server:
        server.do("XADD", "jobs", "*", "n", "0")
        async with running_reactor({"work": QUEUE.format(url=server.url())}) as reactor:
            await reactor.armed()
            async with control_room(reactor, "/triggers") as page:
                await page.evaluate("window.unbroken = true")
                await state(page, "work/0", "armed")
                began = time.monotonic()
                server.stop()
                await state(page, "work/0", "failed", "redis|connect|closed|refused")
                assert time.monotonic() - began < WITHIN / 1000
                await expect(page.locator("h1 ~ p")).to_have_text("0 triggers listen, 1 does not.")
                await accessible(page)
                await shot(page, "truth-red")
                server.start()
                await state(page, "work/0", "armed")
                server.do("XADD", "jobs", "*", "n", "1")
                row = page.locator('tr[data-id="work/0"]')
                await expect(row.get_by_role("link", name="1", exact=True)).to_be_visible(timeout=WITHIN)
                assert await page.evaluate("window.unbroken")


async def test_a_watched_folder_that_is_taken_away_and_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    flow = FOLDER.format(folder=folder)
    async with running_reactor({"inbox": flow}, file_roots=(tmp_path,)) as reactor:
        await reactor.armed()
        async with control_room(reactor, "/triggers") as page:
            await page.evaluate("window.unbroken = true")
            await state(page, "inbox/0", "armed")
            folder.rename(tmp_path / "away")
            await state(page, "inbox/0", "failed", "inbox")
            (tmp_path / "away").rename(folder)
            await state(page, "inbox/0", "armed")
            (folder / "new.csv").write_text("a,b\n")
            row = page.locator('tr[data-id="inbox/0"]')
            await expect(row.get_by_role("link", name="1", exact=True)).to_be_visible(timeout=WITHIN)
            assert await page.evaluate("window.unbroken")


async def test_a_webhook_fires_while_the_page_is_open() -> None:
    async with running_reactor({"hook": HOOK}) as reactor, control_room(reactor, "/triggers") as page:
        await state(page, "hook/0", "armed")
        row = page.locator('tr[data-id="hook/0"]')
        await expect(row).to_contain_text("when an HTTP POST to /truth/orders comes")
        for number in range(3):
            (await reactor.http.post("/truth/orders", json={"n": number})).raise_for_status()
        await expect(row.get_by_role("link", name="3", exact=True)).to_be_visible(timeout=WITHIN)


async def test_hundreds_of_triggers_scroll_and_what_is_shown_stays_when_reactor_is_away() -> None:
    flows = {f"f{n:03}": f"name: f{n:03}\non: {{webhook: /many/{n}}}\nsteps: [{{set: {{x: 1}}}}]\n" for n in range(300)}
    away = ["ERR_", "503", "Failed to load", "preload"]
    async with running_reactor(flows) as reactor, control_room(reactor, "/triggers", allowed=away) as page:
        table = page.get_by_role("region", name="Triggers")
        await expect(page.locator("h1 ~ p")).to_have_text("300 triggers listen.")
        for n in range(8):
            await table.evaluate(f"it => it.scrollTo(0, it.scrollHeight * {n + 1} / 8)")
        await expect(page.locator('tr[data-id="f299/0"]')).to_be_visible()
        await reactor.app.stop()
        await expect(page.locator("header").get_by_role("status")).to_have_text(re.compile("Reconnecting"))
        await expect(page.locator('tr[data-id="f299/0"]')).to_be_visible()
        await page.get_by_role("link", name="Dead letters").click()
        await expect(page.get_by_role("alert").first).to_contain_text("Reactor cannot be reached")
