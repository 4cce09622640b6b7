"""Dead letters, gaps and the details of triggers in the browser."""

from __future__ import annotations

from playwright.async_api import expect

from reactor.sdk.delivery import deliver
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot
from tests.integration.test_trigger_truth import bad, good, running

EVIL = b'<img src=x onerror="window.owned=1"> "><script>window.owned=1</script> \xe2\x80\xaertl'


async def test_a_dead_letter_is_read_mended_and_starts_its_run() -> None:
    async with running() as it, control_room(it.reactor, "/dead-letters", allowed=["409"]) as page:
        await expect(page.get_by_text("No dead letters")).to_be_visible()
        await deliver(it.ctx, [bad(b'{"n": 7,'), bad(b"\xff\x00\x01", id="b"), bad(EVIL * 200), good(4)])
        rows = page.locator("tbody tr[data-id]")
        await expect(rows).to_have_count(3, timeout=10_000)
        await accessible(page)
        await rows.last.click()
        dialog = page.get_by_role("dialog").first
        await expect(dialog.get_by_role("region", name="Payload as text")).to_have_text('{"n": 7,')
        await dialog.get_by_role("tab", name="Bytes").click()
        await expect(dialog.get_by_role("region", name="Payload as bytes")).to_contain_text("7b 22 6e 22 3a 20 37 2c")
        await accessible(page)
        await shot(page, "letter")
        await dialog.get_by_role("button", name="Read again").click()
        confirm = page.get_by_role("dialog", name="Read it again?")
        await confirm.get_by_role("button", name="Read again").click()
        await expect(confirm.get_by_role("alert")).to_contain_text("still no JSON")
        await confirm.get_by_role("button", name="Keep as it is").click()
        await dialog.get_by_role("button", name="Mend its data").click()
        field = dialog.get_by_label("Data to take in its place")
        await expect(field).to_have_value('{"n": 7,')
        await expect(dialog.get_by_role("button", name="Take this in")).to_be_disabled()
        await field.fill('{"n": 7}')
        await dialog.get_by_role("button", name="Take this in").click()
        await expect(page.get_by_role("heading", name="feed.message", level=1)).to_be_visible()
        await expect(page.locator('[data-flow="taker"]')).to_contain_text("started")
        assert await it.runs() == [4, {"n": 7}]


async def test_many_are_read_again_or_dropped_after_a_question() -> None:
    async with running() as it, control_room(it.reactor, "/dead-letters?trigger=taker/0", theme="dark") as page:
        await deliver(it.ctx, [bad(b"%d" % n) for n in range(5)])
        rows = page.locator("tbody tr[data-id]")
        await expect(rows).to_have_count(5, timeout=10_000)
        await rows.nth(0).get_by_role("checkbox").check()
        await rows.nth(1).get_by_role("checkbox").check()
        it.feed.readable = True
        await page.get_by_role("button", name="Read again").click()
        await page.get_by_role("dialog").get_by_role("button", name="Read again").click()
        await expect(rows).to_have_count(3)
        await rows.nth(0).get_by_role("checkbox").check()
        await page.get_by_role("button", name="Drop", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Drop 1 dead letter").click()
        await expect(rows).to_have_count(2)
        await page.get_by_role("button", name="Drop all …").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Drop all dead letters of taker/0?")
        await page.get_by_role("dialog").get_by_role("button", name="Drop all").click()
        await expect(page.get_by_text("No dead letter is like that")).to_be_visible()
        assert sorted(await it.runs()) == ["3", "4"]


async def test_a_gap_says_what_may_be_missing_and_is_taken_note_of() -> None:
    async with running() as it, control_room(it.reactor, "/triggers?q=taker") as page:
        it.ctx.gap("entries 5 to 9 were trimmed <img src=x onerror=1>")
        await deliver(it.ctx, [good(1), bad(EVIL)])
        row = page.locator('tr[data-id="taker/0"]')
        await expect(row.get_by_text("gap", exact=True)).to_be_visible(timeout=10_000)
        await row.get_by_role("cell").first.click()
        dialog = page.get_by_role("dialog").first
        await expect(dialog).to_contain_text("Messages may be missing, for ever: entries 5 to 9 were trimmed")
        await accessible(page)
        for width, size in WIDTHS.items():
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            await no_sideways(page)
            await shot(page, f"trigger-{width}")
        await dialog.get_by_role("button", name="I have taken note").click()
        confirm = page.get_by_role("dialog", name="Take note of this gap?")
        await expect(confirm).to_contain_text("Reactor cannot fetch it any more")
        await confirm.get_by_role("button", name="Take note").click()
        await expect(page.get_by_text("Messages may be missing")).to_have_count(0)
        await page.get_by_role("dialog").get_by_role("link", name="1", exact=True).last.click()
        await expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
        assert "trigger=taker" in page.url
        assert await page.evaluate("window.owned") is None
