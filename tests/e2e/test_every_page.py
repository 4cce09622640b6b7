"""Every page of the control room, in both themes and three widths: it is there, axe has nothing to say, nothing has to
be scrolled sideways. The list of pages is the application's own, so that none is forgotten.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page, expect

from reactor.testing.running import RunningReactor, running_reactor
from tests.e2e.browser_kit import ROOT, WIDTHS, accessible, control_room, no_sideways, shot

pytestmark = pytest.mark.timeout(300)
HOSTILE = '<img src=x onerror="document.title=1">\u202e"><script>1</script>' + "w" * 400
FLOWS = {
    "order": """
name: order
description: Take an order, charge the card, and tell the customer
labels: {team: shop}
on:
  - {event: order.placed}
  - {webhook: /orders}
  - {schedule: {cron: "0 6 * * *"}}
if: event.data.total > 10
steps:
  - {name: note, action: log.info, with: {message: "order {{ event.data.id }}: {{ event.data.note }}"}}
  - name: both
    parallel:
      branches:
        card: [{name: charge, set: {paid: true}}]
        mail: [{name: tell, action: log.info, with: {message: thanks}}]
  - {name: answer, return: {id: event.data.id}}
""",
    "refund": """
name: refund
on: {event: refund.asked}
steps:
  - name: allow
    approve: {title: "Refund {{ event.data.id }}?", form: {type: object, properties: {amount: {type: number}}}}
  - {return: "event.data.id"}
""",
    "broken": "name: broken\non: {event: bad}\nsteps: [{fail: {kind: shop.down, message: the shop is down}}]\n",
    "nap": "name: nap\non: {event: nap}\nsteps: [{name: sleep, wait: 1h}]\n",
    "watch": "name: watch\non: {file: {path: nowhere/at/all/*.csv}}\nsteps: [{return: 1}]\n",
}


def pages() -> list[str]:
    """The addresses in `app/pages.ts`."""
    text = (ROOT / "ui/src/app/pages.ts").read_text("utf-8")
    return re.findall(r'\{ path: "([^"]+)"', text)


async def _fill(reactor: RunningReactor) -> dict[str, str]:
    """Something on every page; what the places in addresses stand for."""
    first = await reactor.send("order.placed", {"id": 7, "total": 50, "note": HOSTILE}, subject=HOSTILE[:60])
    for number in range(12):
        await reactor.send("order.placed", {"id": number, "total": number * 3, "note": ""})
    for type_ in ("refund.asked", *["bad"] * 8, "nap"):
        await reactor.send(type_, {"id": HOSTILE})
    run = first["runs"][0]["id"]
    await reactor.finished(run)
    alert = await _alert(reactor)
    return {
        "/runs/$id": f"/runs/{run}", "/events/$id": f"/events/{first['event_id']}", "/flows/$name": "/flows/order",
        "/alerts/$id": f"/alerts/{alert}",
    }  # fmt: skip


async def _alert(reactor: RunningReactor) -> str:
    """The alert of the flow that fails: rules are asked every few seconds."""
    async with asyncio.timeout(30):
        while not (found := (await reactor.get("/alerts"))["items"]):
            await asyncio.sleep(0.2)
    return str(found[0]["id"])


async def _ready(page: Page) -> None:
    await expect(page.locator("main h1")).to_be_visible()
    await expect(page.get_by_role("status", name=re.compile("^Loading"))).to_have_count(0)


async def _walk(page: Page, reactor: RunningReactor, places: Mapping[str, str], theme: str) -> None:
    for path in pages():
        address = places.get(path, path)
        assert "$" not in address, f"the test has nothing for {path}"
        name = path.strip("/").replace("/", "-").replace("$", "") or "overview"
        for width, (wide, high) in WIDTHS.items():
            await page.set_viewport_size({"width": wide, "height": high})
            if width == "phone":
                await page.goto(f"{reactor.url}/ui{address}")
            await _ready(page)
            await no_sideways(page)
            await shot(page, f"{name}-{theme}-{width}")
        await accessible(page)
        title: Any = await page.title()
        assert title.endswith("Reactor"), f"{path}: {title}"


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_there_and_can_be_used_by_everybody(theme: str) -> None:
    async with running_reactor(FLOWS) as reactor:
        places = await _fill(reactor)
        async with control_room(reactor, theme=theme) as page:
            await _walk(page, reactor, places, theme)


@pytest.mark.slow
async def test_every_page_says_what_is_wrong_when_nothing_can_be_had() -> None:
    async with (
        running_reactor({}) as reactor,
        control_room(reactor, allowed=["500", "Failed to load resource"]) as page,
    ):
        await page.route("**/api/v1/**", lambda route: route.fulfill(
            status=500, content_type="application/problem+json",
            body='{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the store is on fire"}',
        ))  # fmt: skip
        for path in pages():
            if path == "/flows/new":
                continue  # an empty editor needs nothing
            await page.goto(f"{reactor.url}/ui{path.replace('$name', 'x').replace('$id', 'run_0')}")
            await expect(page.get_by_text("the store is on fire").first).to_be_visible(timeout=15_000)


@pytest.mark.slow
async def test_every_page_says_that_there_is_nothing_yet() -> None:
    async with running_reactor({}) as reactor, control_room(reactor) as page:
        for path in pages():
            if "$" in path:
                continue
            await page.goto(f"{reactor.url}/ui{path}")
            await _ready(page)
            await no_sideways(page)
            await accessible(page)
            await shot(page, f"empty-{path.strip('/').replace('/', '-') or 'overview'}")
