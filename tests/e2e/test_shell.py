"""What is around every page: signing in, where one can go, the stream that shows whether it is live."""

from playwright.async_api import expect

from reactor.testing.running import running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot


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


async def test_the_page_is_live_and_says_so_when_it_is_not() -> None:
    async with (
        running_reactor({}) as reactor,
        control_room(reactor, allowed=["ERR_", "503", "Failed to load"]) as page,
    ):
        live = page.locator("header").get_by_role("status")
        await expect(live).to_have_text("Live")
        await reactor.app.stop()
        await expect(live).to_have_text("Reconnecting")


async def test_keys_and_the_menu_of_a_phone_lead_to_pages() -> None:
    async with running_reactor({}) as reactor, control_room(reactor, size=WIDTHS["phone"]) as page:
        await page.get_by_role("button", name="Menu").click()
        await page.get_by_role("link", name="Triggers").click()
        await expect(page.get_by_role("heading", name="Triggers", level=1)).to_be_visible()
        await no_sideways(page)
        await page.keyboard.press("g")
        await page.keyboard.press("r")
        await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
