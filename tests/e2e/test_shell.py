"""What is around every page: signing in, where one can go, the stream that shows whether it is live, the palette."""

import re

from playwright.async_api import Page, expect

from reactor.testing.running import running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

HELLO = """
name: hello
description: '<img src=x onerror="document.title=1">'
on: {event: hi}
steps:
  - {name: greet, action: log.info, with: {message: hi}}
"""
ASKS = """
name: asks
on: {event: ask}
steps:
  - name: sure
    approve: {title: Sure?}
"""


async def test_a_stranger_is_led_to_the_sign_in_and_back() -> None:
    async with (
        running_reactor({}) as reactor,
        control_room(reactor, "/flows?label=x", signed_in=False, allowed=["401"]) as page,
    ):
        await expect(page.get_by_role("heading", name="Sign in to Reactor")).to_be_visible()
        await accessible(page)
        await shot(page, "sign-in")
        await page.get_by_label("Admin token").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("this is not the token")
        await page.get_by_label("Admin token").fill(reactor.token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Flows", level=1)).to_be_visible()
        assert page.url.endswith("/ui/flows?label=x")
        await page.get_by_role("button", name="You: admin").click()
        await page.get_by_role("menuitem", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in to Reactor")).to_be_visible()


async def test_the_page_is_live_and_says_since_when_it_is_not_and_what_it_missed() -> None:
    async with running_reactor({}) as reactor, control_room(reactor, allowed=["ERR_", "Failed to load"]) as page:
        live = page.locator("header").get_by_role("status")
        await expect(live).to_have_text("Live")
        await page.context.set_offline(True)
        await expect(live).to_have_text("Reconnecting")
        await expect(page.locator("header").get_by_text("for ")).to_be_visible()
        for _ in range(3):
            await reactor.send("nobody.waits", {})
        await page.context.set_offline(False)
        await expect(live).to_have_text("Live")
        await expect(page.get_by_text(re.compile(r"caught up on [3-9] changes"))).to_be_visible()


async def test_keys_and_the_menu_of_a_phone_lead_to_pages() -> None:
    async with running_reactor({"asks": ASKS}) as reactor, control_room(reactor, size=WIDTHS["phone"]) as page:
        await page.get_by_role("button", name="Menu", exact=True).click()
        await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Triggers").click()
        await expect(page.get_by_role("heading", name="Triggers", level=1)).to_be_visible()
        await no_sideways(page)
        await page.keyboard.press("g")
        await page.keyboard.press("r")
        await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
        await reactor.send("ask", {})
        await page.get_by_role("button", name="Menu", exact=True).click()
        await expect(page.get_by_role("link", name="Approvals 1 question open")).to_be_visible()


async def test_everything_is_found_and_done_by_the_palette() -> None:
    async with running_reactor({"hello": HELLO}) as reactor, control_room(reactor, "/runs") as page:
        await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
        await page.keyboard.press("Control+k")
        await _typed(page, "hel")
        await expect(page.get_by_role("option", name='hello <img src=x onerror="')).to_be_visible()
        await accessible(page)
        await shot(page, "palette")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{reactor.url}/ui/flows/hello")
        await page.keyboard.press("Control+k")
        await _typed(page, "run hello")
        await page.keyboard.press("Enter")
        await page.get_by_label("Data of its event (JSON)").fill("{no")
        await page.get_by_role("button", name="Run flow").click()
        await expect(page.get_by_role("alert")).to_contain_text("The data is not JSON")
        await page.get_by_label("Data of its event (JSON)").fill('{"a": 1}')
        await page.get_by_role("button", name="Run flow").click()
        await page.wait_for_url("**/ui/runs/run_*")
        run = page.url.rpartition("/")[2]
        assert (await reactor.finished(run))["status"] == "completed"
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("option", name="hello flows")).to_be_visible()
        await _typed(page, "disable hel")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("hello is disabled: nothing starts it")).to_be_visible()
        assert (await reactor.get("/flows/hello"))["enabled"] is False
        await page.keyboard.press("Control+k")
        await _typed(page, '"><script>')
        await expect(page.get_by_text("Nothing here is called")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Search everything")
        await accessible(page)


async def _typed(page: Page, text: str) -> None:
    await page.get_by_role("dialog").get_by_role("combobox").fill(text)
    await expect(page.get_by_role("dialog").get_by_role("combobox")).to_have_value(text)
