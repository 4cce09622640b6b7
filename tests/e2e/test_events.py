"""Events: the list that is followed, sending one by hand, and why each flow did or did not start."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import expect

from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

ORDER = """
name: big-order
on: {event: order.created}
if: event.data.total > 100
unless: event.data.test
dedupe: {key: event.data.id, for: 1h}
concurrency: {limit: 5, key: event.data.customer}
steps: [{set: {x: "{{ event.data.total }}"}}]
"""
WAITER = """
name: waiter
on: {event: order.created}
steps:
  - name: paid
    wait_for: {event: order.paid, if: received.data.id == event.data.id, timeout: 1h}
"""
FLOWS = {
    "big-order": ORDER,
    "waiter": WAITER,
    **{f"other-{n}": f"name: other-{n}\non: {{event: other.{n}}}\nsteps: [{{set: {{x: 1}}}}]\n" for n in range(12)},
}
EVIL = '<img src=x onerror="window.owned=1"> "><script>window.owned=1</script> \u202ertl\u202c 🚀'
LONG = "x" * 10_000


async def test_an_event_is_sent_seen_and_explained() -> None:
    async with running_reactor(FLOWS) as reactor, control_room(reactor, "/events", allowed=["400"]) as page:
        await expect(page.get_by_text("No event has come yet")).to_be_visible()
        await page.get_by_role("button", name="Send an event").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Type").fill("order.created")
        await dialog.get_by_label("Data (JSON)").fill('{"total": 250,')
        await expect(dialog.get_by_role("alert")).to_contain_text("This is no JSON")
        await expect(dialog.get_by_role("button", name="Send event")).to_be_disabled()
        await dialog.get_by_label("Data (JSON)").fill('{"id": 7, "total": 250, "test": false, "customer": "ann"}')
        await shot(page, "events-send")
        await dialog.get_by_role("button", name="Send event").click()
        await expect(dialog.get_by_role("status").first).to_contain_text("It started 2 runs.")
        await accessible(page)
        await dialog.get_by_label("Type").fill("reactor.forged")
        await dialog.get_by_role("button", name="Send again").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("reactor.")
        await dialog.get_by_role("button", name="Close").click()
        row = page.get_by_role("row").filter(has_text="order.created")
        await expect(row).to_contain_text("big-order")
        await row.get_by_role("link", name="order.created").click()
        await expect(page.get_by_role("heading", name="order.created", level=1)).to_be_visible()
        rules = page.get_by_role("region", name="Rules of big-order")
        await expect(rules.get_by_role("row").filter(has_text="Only if")).to_contain_text("event.data.total > 100")
        await expect(rules.get_by_role("row").filter(has_text="Only if")).to_contain_text("250")
        await expect(rules.get_by_role("row").filter(has_text="Unless")).to_contain_text("lets it pass")
        await expect(rules.get_by_role("row").filter(has_text="Concurrency")).to_contain_text("ann")
        await expect(page.get_by_text("12 flows listen for something else")).to_be_visible()
        started = page.get_by_role("table", name="What it started").locator("tbody tr")
        await expect(started).to_have_count(2)
        await expect(started.filter(has_text="waiter")).to_contain_text("waiting")
        await expect(started.filter(has_text="big-order")).to_contain_text("completed")
        await accessible(page)
        await shot(page, "event")
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("dialog")).to_contain_text("It fits the flows big-order, waiter")
        await page.get_by_role("dialog").get_by_role("button", name="Replay event").click()
        await expect(page.get_by_role("heading", name="What led to it")).to_be_visible()
        await expect(page.locator('[data-flow="big-order"]')).to_contain_text("not started")


async def test_why_not_and_who_waited() -> None:
    async with running_reactor(FLOWS) as reactor:
        await reactor.send("order.created", {"id": 7, "total": 5, "test": False, "customer": "b"}, subject="7")
        small = (await reactor.get("/events"))["items"][0]["id"]
        await waiting(reactor, 1)
        await reactor.send("order.paid", {"id": 7})
        paid = (await reactor.get("/events"))["items"][0]["id"]
        async with control_room(reactor, f"/events/{small}?flow=big-order", theme="dark", allowed=["404"]) as page:
            rules = page.get_by_role("region", name="Rules of big-order")
            await expect(rules.get_by_role("row").filter(has_text="Only if")).to_contain_text("stops it")
            await expect(rules.get_by_role("row").filter(has_text="Unless")).to_contain_text("not asked")
            await expect(page.locator('[data-flow="waiter"]')).to_have_count(0)
            await page.get_by_label("Why, or why not: name of a flow").fill("other-3")
            await expect(page.locator('[data-flow="other-3"]')).to_contain_text("other.3")
            await expect(page).to_have_url(re.compile("flow=other-3"))
            await page.get_by_label("Why, or why not: name of a flow").fill("none such")
            await expect(page.get_by_text("There is no flow of that name")).to_be_visible()
            await accessible(page)
            await page.goto(f"{reactor.url}/ui/events/{paid}")
            waited = page.get_by_role("table", name="Runs that waited for such an event")
            await expect(waited.get_by_role("row").filter(has_text="waiter")).to_contain_text("took it")
            await shot(page, "event-dark")
            await page.goto(f"{reactor.url}/ui/events/{paid[:-2]}zz?flow=x")
            await expect(page.get_by_role("alert").first).to_contain_text("there is no event")


async def waiting(reactor: RunningReactor, number: int) -> None:
    """So many runs wait."""
    while len((await reactor.get("/runs", status="waiting"))["items"]) < number:
        pass


async def test_filters_are_in_the_address_and_rows_come_live() -> None:
    async with running_reactor(FLOWS) as reactor:
        for number in range(230):
            await reactor.send(f"t.{number % 2}", {}, subject=str(number % 3))
        async with control_room(reactor, "/events?type=t.*&subject=1") as page:
            rows = page.locator("tbody tr")
            await expect(rows).to_have_count(77)
            await page.get_by_label("Type, or order.*").fill("t.0")
            await page.keyboard.press("Enter")
            await expect(rows).to_have_count(38)
            await expect(page).to_have_url(re.compile(r"type=t\.0"))
            await page.reload()
            await expect(rows).to_have_count(38)
            await reactor.send("t.0", {}, subject="1")
            await expect(rows).to_have_count(39)
            await page.get_by_label("Type, or order.*").fill("none")
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Show all events").click()
            await expect(page.get_by_text("100 shown")).to_be_visible()
            await page.mouse.move(700, 500)
            await page.mouse.wheel(0, 1500)
            await reactor.send("late", {})
            await page.get_by_role("button", name="1 new").click()
            await expect(rows.first).to_contain_text("late")


async def test_what_is_hostile_stays_text_at_every_width() -> None:
    async with running_reactor({"evil": "name: evil\non: {event: '**'}\nsteps: [{set: {x: 1}}]\n"}) as reactor:
        data: dict[str, Any] = {"evil": EVIL, "long": LONG, EVIL[:60]: [EVIL] * 300, "deep": {"a": {"b": {"c": EVIL}}}}
        await reactor.send(f"evil.{'y' * 180}", data, subject=EVIL[:200], source="javascript:alert(1)")
        id_ = (await reactor.get("/events"))["items"][0]["id"]
        async with control_room(reactor, "/events", allowed=["favicon"]) as page:
            for width, size in WIDTHS.items():
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                await page.goto(f"{reactor.url}/ui/events")
                await expect(page.get_by_role("row").filter(has_text="evil.")).to_be_visible()
                await no_sideways(page)
                await shot(page, f"events-hostile-{width}")
                await page.goto(f"{reactor.url}/ui/events/{id_}")
                await expect(page.get_by_role("region", name="Data of the event", exact=True)).to_contain_text(
                    "onerror"
                )
                await expect(page.get_by_role("region", name="Rules of evil")).to_be_visible()
                await no_sideways(page)
                await shot(page, f"event-hostile-{width}")
            assert await page.evaluate("window.owned") is None
            assert await page.locator("img[src='x']").count() == 0
