"""The list of flows: what each does, how it stands, where its figures lead; and what is wrong in files."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import expect

from reactor.testing.running import running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

GOOD = """
name: orders
description: Takes orders
labels: {team: shop}
on: {event: order.placed}
steps:
  - name: check
    if: event.data.total <= 0
    fail: the total is not above 0
  - action: log.info
    message: "order {{ event.data.id }}"
"""
REPORT = "name: report\non: {schedule: {every: 7d}}\nsteps: [{action: log.info, message: hi}]\n"
BROKEN = "name: broken\non: {event: x}\nsteps:\n  - wiat: 5s\n"
HOSTILE = """
name: evil
description: "<img src=x onerror=alert(1)> \\u202egnp.exe"
labels: {"<b>label</b>": '"><script>alert(1)</script>'}
on: {event: x, if: "event.data.a == '<svg/onload=alert(1)>'"}
steps: [{action: log.info, message: LONG}]
""".replace("LONG", "x" * 10_000)


async def test_a_list_of_flows_says_how_they_stand_and_where_figures_lead(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(GOOD)
    (tmp_path / "report.yaml").write_text(REPORT)
    async with running_reactor(tmp_path) as reactor, control_room(reactor, "/flows") as page:
        for total in (5, 7, 0):
            receipt = await reactor.send("order.placed", {"id": 1, "total": total})
            await reactor.finished(receipt["runs"][0]["id"])
        row = page.get_by_role("row").filter(has_text="When an event order.placed comes")
        await expect(row).to_contain_text("armed")
        await expect(row.get_by_title("2 completed, 1 failed")).to_have_text("66.7 %")
        await expect(row.get_by_role("img")).to_have_attribute(
            "aria-label", "3 runs ended in the last 24 hours, 1 of them failed"
        )
        await expect(page.get_by_role("row").filter(has_text="report")).to_contain_text(re.compile(r"in \d d"))

        (tmp_path / "orders.yaml").write_text(GOOD.replace("fail:", "fial:"))
        (tmp_path / "broken.yaml").write_text(BROKEN)
        problems = page.get_by_role("region", name="problems in files")
        await expect(problems).to_contain_text("broken.yaml:4:5")
        await expect(problems.get_by_role("link")).to_have_text(f"{tmp_path}/orders.yaml:9:5")
        await expect(row).to_contain_text("broken file")
        await accessible(page)
        await shot(page, "flows")
        (tmp_path / "orders.yaml").write_text(GOOD)
        await expect(row).to_contain_text("armed")

        await row.get_by_role("button", name="Actions for orders").click()
        await page.get_by_role("menuitem", name="Disable flow").click()
        await expect(row).to_contain_text("disabled")

        await page.get_by_label("Search flows").fill("order placed")
        await expect(page.get_by_role("row")).to_have_count(2)
        await page.get_by_label("State").select_option("armed")
        await expect(page.get_by_text("No flow fits these filters")).to_be_visible()
        assert page.url.endswith("/ui/flows?text=order+placed&state=armed")
        await page.get_by_role("button", name="Show all flows").click()
        await expect(row).to_be_visible()
        await row.get_by_title("2 completed, 1 failed").click()
        await page.wait_for_url("**/ui/runs?flow=orders&finished_since=*&status=failed")


async def test_hostile_flows_stay_text_at_every_width_and_nothing_is_no_end() -> None:
    async with running_reactor({"evil": HOSTILE}) as reactor, control_room(reactor, "/flows", theme="dark") as page:
        await expect(page.get_by_role("row", name="evil")).to_be_visible()
        for name, (width, height) in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": height})
            await no_sideways(page)
            await shot(page, f"flows-hostile-{name}")
        await accessible(page)
        await page.goto(f"{reactor.url}/ui/flows?text=nothing-like-this")
        await expect(page.get_by_text("No flow fits these filters")).to_be_visible()


async def test_no_flows_and_a_server_that_is_away_say_so() -> None:
    async with running_reactor({}) as reactor, control_room(reactor, "/flows", allowed=["503", "500", "ERR_"]) as page:
        await expect(page.get_by_text("There are no flows yet")).to_be_visible()
        await accessible(page)
        await page.route(
            "**/api/v1/flows?*",
            lambda route: route.fulfill(status=500, json={"title": "Broken", "detail": "the store is broken"}),
        )
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("the store is broken")
        await page.unroute("**/api/v1/flows?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_text("There are no flows yet")).to_be_visible()
