"""The overview: what needs a person, figures and charts that lead to what they count, and who has just begun."""

from playwright.async_api import expect

from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

HOSTILE = "Refund? <img src=x onerror=document.title='gone'> \u202e" + "w" * 3_000
FLOWS = {
    "orders": "name: orders\non: {event: order}\nsteps: [{action: log.info, message: hi}]\n",
    "payments": "name: payments\non: {event: pay}\nsteps: [{name: charge, fail: the bank says no}]\n",
    "asks": f"name: asks\non: {{event: ask}}\nsteps:\n  - name: sure\n    approve: {{title: {HOSTILE!r}, by: [ann]}}\n",
    "watcher": "name: watcher\non: {file: {path: /nowhere/at/all}}\nsteps: [{action: log.info, message: hi}]\n",
    "broken": "name: broken\non: {event: x}\nsteps: [{acton: log.info}]\n",
}


async def _lived(reactor: RunningReactor) -> None:
    for type_ in ("order", "order", "pay", "pay", "pay", "ask"):
        receipt = await reactor.send(type_, {})
        if type_ != "ask":
            await reactor.finished(receipt["runs"][0]["id"])


async def test_what_needs_a_person_comes_first_and_all_figures_lead_to_what_they_count() -> None:
    async with running_reactor(FLOWS) as reactor:
        await _lived(reactor)
        async with control_room(reactor, "/?range=15m") as page:
            needs = page.get_by_role("region", name="Needs a person")
            await expect(needs.get_by_role("link", name="payments fails")).to_contain_text("as have 3 runs")
            await expect(needs.get_by_role("link", name="Refund? <img")).to_be_visible()
            await expect(needs.get_by_role("link", name="broken.yaml")).to_contain_text("did you mean `action`")
            await expect(page.locator(".uplot").nth(5)).to_be_visible()
            await accessible(page)
            await shot(page, "overview-light")
            await page.emulate_media(color_scheme="dark")
            await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
            await accessible(page)
            await shot(page, "overview-dark")
            for name, size in WIDTHS.items():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await no_sideways(page)
                await shot(page, f"overview-{name}")
            assert "gone" not in await page.title()
            await page.get_by_role("link", name="failed 3").click()
            await expect(page.get_by_role("row", name="payments")).to_have_count(3)
            assert "finished_since=" in page.url


async def test_charts_zoom_together_by_hand_and_lead_to_runs_by_key() -> None:
    async with running_reactor(FLOWS) as reactor:
        await _lived(reactor)
        async with control_room(reactor, "/?range=1h") as page:
            chart = page.get_by_role("group", name="Runs that ended, a chart")
            box = await chart.locator(".u-over").bounding_box()
            assert box is not None
            middle = box["y"] + box["height"] / 2
            await page.mouse.move(box["x"] + box["width"] * 0.5, middle)
            await page.mouse.down()
            await page.mouse.move(box["x"] + box["width"] - 2, middle, steps=4)
            await page.mouse.up()
            await expect(page.get_by_role("button", name="Zoom out")).to_be_visible()
            assert "since=" in page.url
            assert "until=" in page.url
            await expect(page.get_by_text("5 runs ended between")).to_be_visible()
            await chart.locator(".u-over").dblclick(position={"x": 5, "y": 5})
            await expect(page.get_by_role("button", name="Zoom out")).to_have_count(0)
            await chart.focus()
            await page.keyboard.press("End")
            while "failed 3" not in await chart.inner_text():
                await page.keyboard.press("ArrowLeft")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("row", name="payments")).to_have_count(3)
            await page.go_back()
            await page.get_by_role("button", name="Duration as a table").click()
            await expect(
                page.get_by_role("dialog", name="Duration").get_by_role("columnheader", name="p95")
            ).to_be_visible()
            await accessible(page)


async def test_it_is_live_and_says_so_when_the_figures_cannot_be_had() -> None:
    async with running_reactor(FLOWS) as reactor, control_room(reactor, "/", allowed=["Failed to load"]) as page:
        await expect(page.get_by_text("No run has ended in the last 24 hours.")).to_be_visible()
        runs = page.get_by_role("table", name="Latest runs")
        await expect(page.get_by_text("Nothing has run yet")).to_be_visible()
        await reactor.send("order", {})
        await expect(runs.get_by_role("row", name="orders")).to_be_visible()
        await runs.get_by_role("row", name="orders").hover()
        await reactor.send("pay", {})
        await expect(page.get_by_text("1 newer")).to_be_visible()
        await expect(runs.get_by_role("row", name="payments")).to_have_count(0)
        await page.route(
            "**/metrics/series*",
            lambda route: route.fulfill(
                status=403,
                content_type="application/problem+json",
                body='{"title": "It broke", "detail": "<b>disk</b>"}',
            ),
        )
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("<b>disk</b>")
        await expect(runs.get_by_role("row", name="payments")).to_be_visible()


async def test_who_has_just_begun_is_taught_the_first_flow() -> None:
    async with running_reactor({}) as reactor, control_room(reactor, "/", size=WIDTHS["phone"]) as page:
        await expect(page.get_by_text("A flow says: when X happens, do Y.")).to_be_visible()
        await accessible(page)
        await no_sideways(page)
        await shot(page, "overview-first")
        text = await page.get_by_label("The first flow", exact=True).inner_text()
        assert len(text.strip().splitlines()) == 3
        made = await reactor.http.post("/api/v1/flows", content=text.encode())
        assert made.status_code == 201, made.text
        await expect(page.get_by_text("No run has ended")).to_be_visible()
        receipt = await reactor.send("greeting", {"name": "Ann"})
        assert (await reactor.finished(receipt["runs"][0]["id"]))["status"] == "completed"
        await expect(page.get_by_role("table", name="Latest runs").get_by_role("row", name="hello")).to_be_visible()
