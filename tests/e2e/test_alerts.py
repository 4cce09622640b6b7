"""Alerts: firing, looked after, kept quiet; rules by a form with a preview; what a role may not do is not offered."""

from playwright.async_api import expect

from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

PAYMENTS = "name: payments\non: {event: pay}\nsteps: [{name: charge, fail: '<img src=x onerror=document.title=1>'}]\n"
SOON = {"name": "soon", "kind": "failure_rate", "threshold": 0.2, "window": "5m", "for": "0s", "severity": "critical"}


async def _failing(reactor: RunningReactor) -> None:
    for _ in range(6):
        receipt = await reactor.send("pay", {})
        await reactor.finished(receipt["runs"][0]["id"])
    await reactor.post("/alerts/rules", SOON)
    await reactor.engine.alerts.tick()


async def test_an_alert_is_seen_everywhere_looked_after_and_kept_quiet() -> None:
    async with running_reactor({"payments": PAYMENTS}) as reactor:
        await _failing(reactor)
        async with control_room(reactor, "/") as page:
            await expect(page.get_by_role("link", name="soon: payments")).to_contain_text("6 of 6 runs failed")
            await page.get_by_role("link", name="soon: payments").click()
            dialog = page.get_by_role("dialog", name="soon: payments")
            await expect(dialog).to_contain_text("Nobody was told: no flow listens for reactor.alert.firing")
            await dialog.get_by_label("Note").fill('mine "><script>')
            await accessible(page)
            await shot(page, "alert")
            await dialog.get_by_role("button", name="Acknowledge").click()
            await expect(dialog).to_contain_text('admin, now: mine "><script>')
            await dialog.get_by_role("button", name="Silence for 1h").click()
            await expect(dialog.get_by_role("button", name="Silence for 1h")).to_have_count(0)
            await page.keyboard.press("Escape")
            await expect(page.locator("tr", has_text="soon").get_by_text("silenced")).to_be_visible()
            await accessible(page)
            for size in WIDTHS.values():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await no_sideways(page)
            await page.get_by_role("tab", name="Silences").click()
            await expect(page.get_by_role("row", name="rule soon, flow payments")).to_be_visible()


async def test_a_rule_is_tried_before_it_is_kept_and_refused_in_the_words_of_the_server() -> None:
    async with (
        running_reactor({"payments": PAYMENTS}) as reactor,
        control_room(reactor, "/alerts?tab=rules", theme="dark", allowed=["400", "Failed to load"]) as page,
    ):
        await expect(page.get_by_role("row", name="flow-failing")).to_be_visible()
        await accessible(page)
        await page.get_by_role("button", name="New rule").click()
        await page.get_by_label("Kind").select_option("latency")
        await page.get_by_label("Name").fill("slow")
        await page.get_by_label("Threshold").fill("soon")
        await page.get_by_role("button", name="Add rule").click()
        await expect(page.get_by_role("alert")).to_contain_text("threshold")
        await page.get_by_label("Threshold").fill("30s")
        await page.get_by_role("button", name="What would it have said?").click()
        await expect(page.get_by_text("It would have fired 0 times")).to_be_visible()
        await accessible(page)
        await shot(page, "rule")
        await page.get_by_role("button", name="Add rule").click()
        await expect(page.get_by_role("row", name="slow")).to_be_visible()
        await page.get_by_role("button", name="Change slow").click()
        await page.get_by_role("menuitem", name="Switch off").click()
        await expect(page.get_by_text("slow is off")).to_be_visible()
        assert (await reactor.get("/alerts/rules/slow"))["enabled"] is False
