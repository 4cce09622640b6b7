"""Approvals in the browser: the form, the people, the decision, and the run that goes on."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

EVIL = '<img src=x onerror="window.owned=1"> "><script>window.owned=1</script> \u202ertl'
PAY = """
name: pay
on: {event: pay}
steps:
  - name: ok
    approve:
      title: "{{ event.data.title }}"
      timeout: 2h
      on_timeout: reject
      form:
        type: object
        required: [reason, amount, colour]
        properties:
          reason: {type: string, title: Why, description: A word or two, minLength: 2}
          amount: {type: integer, minimum: 1, maximum: 500}
          colour: {enum: [red, 3]}
          urgent: {type: boolean}
          day: {type: string, format: date}
          names: {type: array, items: {type: string}}
          rest: {type: object}
outputs: {form: "{{ steps.ok.output.form }}", by: "{{ steps.ok.output.by }}"}
"""
MANY = """
name: many
on: {event: many}
steps:
  - name: ok
    approve: {title: "Two of three", by: [ann, bob, cid], quorum: 2}
"""


async def asked(reactor: RunningReactor, number: int) -> None:
    """So many questions are open."""
    while len((await reactor.get("/approvals"))["items"]) < number:
        pass


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


async def test_a_decision_in_the_browser_lets_the_run_go_on_with_what_was_filled_in() -> None:
    async with running_reactor({"pay": PAY, "many": MANY}) as reactor, control_room(reactor, "/approvals") as page:
        await expect(page.get_by_text("Nothing waits for people")).to_be_visible()
        run = (await reactor.send("pay", {"title": "Pay 250 €?"}))["runs"][0]["id"]
        await row(page, "Pay 250 €?").click(timeout=10_000)
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("then it counts as rejected")
        await dialog.get_by_label("amount").fill("501")
        await dialog.get_by_role("button", name="Approve").click()
        await expect(dialog.get_by_text("This is needed.")).to_have_count(2)
        await expect(dialog.get_by_text("This has to be at most 500.")).to_be_visible()
        await accessible(page)
        await shot(page, "approval-wrong")
        await dialog.get_by_label("amount").fill("250")
        await dialog.get_by_label("Why").fill("so")
        await dialog.get_by_label("colour").select_option(label="3")
        await dialog.get_by_label("urgent").check()
        await dialog.get_by_label("day").fill("2026-12-24")
        await dialog.get_by_label("names").fill("ann\nbob")
        await dialog.get_by_label("rest").fill('{"a": [1]}')
        await dialog.get_by_role("button", name="Approve").click()
        await expect(dialog).to_have_count(0)
        done = await reactor.finished(run)
        assert done["status"] == "completed"
        assert done["output"] == {
            "form": {
                "reason": "so",
                "amount": 250,
                "colour": 3,
                "urgent": True,
                "day": "2026-12-24",
                "names": ["ann", "bob"],
                "rest": {"a": [1]},
            },
            "by": "admin",
        }
        await expect(row(page, "Pay 250 €?")).to_have_count(0)
        await page.get_by_role("button", name="Decided").click()
        await expect(row(page, "Pay 250 €?")).to_contain_text("approved")
        await row(page, "Pay 250 €?").click()
        await expect(page.get_by_role("region", name="What admin has filled in")).to_contain_text("2026-12-24")
        await accessible(page)


async def test_named_people_decide_until_there_are_enough() -> None:
    async with running_reactor({"pay": PAY, "many": MANY}) as reactor:
        run = (await reactor.send("many"))["runs"][0]["id"]
        await asked(reactor, 1)
        async with control_room(reactor, "/approvals", theme="dark", allowed=["409"]) as page:
            await row(page, "Two of three").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog.get_by_label("In the name of")).to_have_value("ann")
            await dialog.get_by_role("button", name="Approve").click()
            await expect(row(page, "Two of three")).to_contain_text("1 of 2")
            await row(page, "Two of three").click()
            await expect(dialog.get_by_role("region", name="Decisions")).to_contain_text("1 of 2 so far")
            await reactor.post(f"/approvals/{run}:ok/decide", {"decision": "approve", "by": "bob"})
            await reactor.finished(run)
            await expect(dialog).to_contain_text("approved")
            await shot(page, "approval-dark")
            await accessible(page)


async def test_hostile_titles_and_fields_stay_text_at_every_width() -> None:
    form = PAY.replace("title: Why", f"title: '{EVIL}'").replace("A word or two", "x" * 3_000)
    async with running_reactor({"pay": form}) as reactor:
        await reactor.send("pay", {"title": EVIL + "y" * 5_000})
        await asked(reactor, 1)
        async with control_room(reactor, "/approvals") as page:
            for width, size in WIDTHS.items():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await page.goto(f"{reactor.url}/ui/approvals")
                await no_sideways(page)
                await page.get_by_role("row").nth(1).click()
                await expect(page.get_by_role("dialog")).to_contain_text("onerror")
                await no_sideways(page)
                await shot(page, f"approvals-{width}")
            await page.get_by_role("dialog").get_by_role("button", name="Reject").click()
            await expect(page.get_by_text("Nothing waits for people")).to_be_visible()
            assert await page.evaluate("window.owned") is None


async def test_the_page_behind_a_link_looks_like_the_rest() -> None:
    async with running_reactor({"pay": PAY}) as reactor:
        run = (await reactor.send("pay", {"title": "Pay 250 €?"}))["runs"][0]["id"]
        await asked(reactor, 1)
        link = reactor.engine.executor.seals.link(f"{run}:ok", "")
        async with control_room(reactor, "/approvals", theme="dark", size=WIDTHS["phone"]) as page:
            await page.goto(link)
            await expect(page.get_by_role("heading", name="Pay 250 €?")).to_be_visible()
            await accessible(page)
            await no_sideways(page)
            await shot(page, "approval-link-dark")
            await page.emulate_media(color_scheme="light")
            await accessible(page)
            await shot(page, "approval-link")
