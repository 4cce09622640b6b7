"""One flow: its promise, its drawing, its text that is checked as it is written, its versions."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect

from reactor.testing.running import running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

ORDER = """\
name: order
description: Charges orders
labels: {team: shop}
inputs: {type: object, required: [count], properties: {count: {type: integer, minimum: 1}}}
on: {event: order.placed}
unless: event.data.test
steps:
  - name: check
    if: event.data.total <= 0
    fail: "no total"
  - name: each
    for_each: event.data.items | default([])
    steps:
      - {name: pack, action: log.info, message: "{{ item }}", retry: 3}
  - name: both
    parallel:
      branches:
        left: [{name: l, action: log.info, message: hi}]
        right: [{name: r, action: log.info, message: hi}]
"""
HOSTILE = "<img src=x onerror=alert(1)>\\u202e" + "w" * 3_000
EVIL = f"""\
name: evil
description: "{HOSTILE}"
labels: {{a: "{HOSTILE}"}}
on: {{event: x, if: "event.data.a == '<script>alert(1)</script>'"}}
steps:
  - {{name: a, action: log.info, message: "{HOSTILE}", if: "event.data.b != '\\"><b>x</b>'"}}
  - {{name: b, fail: "{HOSTILE}"}}
"""


async def wrote(page: Page, keys: str, text: str = "") -> None:
    """Type into the editor."""
    await page.locator(".cm-content").first.click()
    await page.keyboard.press(keys)
    if text:
        await page.keyboard.type(text)


async def test_a_flow_reads_like_its_promise_is_drawn_and_walked_and_run() -> None:
    async with (
        running_reactor({"order": ORDER}) as reactor,
        control_room(reactor, "/flows/order", allowed=["404"]) as page,
    ):
        await expect(page.get_by_text("When an event order.placed comes, unless test:").first).to_be_visible()
        drawing = page.get_by_role("application")
        await drawing.focus()
        for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
            await page.keyboard.press(key)
        await expect(page.get_by_role("region", name="Step pack")).to_contain_text("up to 3 attempts")
        assert page.url.endswith("?step=each%5B%5D.pack")
        await accessible(page)
        await shot(page, "flow-overview")
        await page.get_by_role("button", name="List").click()
        await expect(page.get_by_role("button", name=re.compile("^pack"))).to_have_attribute("aria-current", "step")

        await page.get_by_role("button", name="Run now").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("count").fill("0")
        await dialog.get_by_label("Data of the event").fill("{wrong")
        await dialog.get_by_role("button", name="Run now").click()
        await expect(dialog.get_by_text("at least 1")).to_be_visible()
        await expect(dialog.get_by_text("This is no JSON")).to_be_visible()
        await accessible(page)
        await dialog.get_by_label("count").fill("2")
        await dialog.get_by_label("Data of the event").fill('{"total": 1, "items": [1, 2]}')
        await dialog.get_by_role("button", name="Run now").click()
        await page.wait_for_url("**/ui/runs/run_*")
        await reactor.finished(page.url.rpartition("/")[2])

        await page.goto(f"{reactor.url}/ui/flows/order?tab=runs")
        await expect(page.get_by_role("row").filter(has_text="completed")).to_have_count(1)
        await page.get_by_role("tab", name="Tests").click()
        await expect(page.get_by_text("No test stands in its text")).to_be_visible()
        for tab in ("explain", "triggers"):
            await page.goto(f"{reactor.url}/ui/flows/order?tab={tab}")
            await expect(page.get_by_role("tabpanel")).to_contain_text("event")
            await accessible(page)
        await page.goto(f"{reactor.url}/ui/flows/nobody")
        await expect(page.get_by_role("alert")).to_contain_text("nobody")


async def test_what_is_wrong_is_marked_mended_by_a_click_and_saved_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(ORDER)
    async with (
        running_reactor(tmp_path) as reactor,
        control_room(reactor, "/flows/order?tab=yaml", allowed=["422", "409"]) as page,
    ):
        problems = page.get_by_role("region", name="Problems")
        await expect(problems).to_contain_text("No problems")
        await wrote(page, "Control+End", "timeuot: 5m\n")
        await expect(problems).to_contain_text("1 error")
        await expect(page.locator(".cm-lintRange-error")).to_have_text("timeuot")
        await page.keyboard.press("Control+s")
        await expect(page.get_by_text("nothing was changed")).to_be_visible()
        assert file.read_text() == ORDER
        await accessible(page)
        await shot(page, "flow-yaml-wrong")
        await problems.get_by_role("button", name="Write timeout").click()
        await expect(problems).to_contain_text("No problems")

        await page.get_by_role("tab", name="Changes").click()
        await expect(page.get_by_text("timeout").first).to_be_visible()
        await page.keyboard.press("Control+End")
        await page.reload()
        await expect(page.get_by_text("What you had written before and not saved is here again.")).to_be_visible()
        await page.locator(".cm-content").first.click()
        await page.keyboard.press("Control+s")
        await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
        assert file.read_text() == ORDER + "timeout: 5m\n"

        await wrote(page, "Control+End", "mine")
        file.write_text(ORDER + "timeout: 6m\n")
        await page.keyboard.type(": 1\n")
        await expect(page.get_by_text("Somebody else has changed the flow")).to_be_visible()
        await page.keyboard.press("Control+s")
        await expect(page.get_by_role("dialog")).to_contain_text("timeout: 6m")
        await accessible(page)
        await shot(page, "flow-merge")
        await page.get_by_role("button", name="Take what is kept").click()
        await expect(page.locator(".cm-content").first).to_contain_text("timeout: 6m")

        await page.goto(f"{reactor.url}/ui/flows/order?tab=versions&from=1&to=2")
        await expect(page.get_by_text("timeout").first).to_be_visible()
        await expect(page.locator(".cm-merge-b")).to_contain_text("timeout: 5m")
        await accessible(page)
        await shot(page, "flow-versions")
        await page.get_by_role("button", name="Restore version 2 …").click()
        await page.get_by_role("dialog").get_by_role("button", name="Restore version 2").click()
        await expect(page.get_by_text("again as it was in version 2")).to_be_visible()
        assert file.read_text() == ORDER + "timeout: 5m\n"


async def test_a_new_flow_is_completed_simulated_and_made(tmp_path: Path) -> None:
    async with running_reactor(tmp_path) as reactor, control_room(reactor, "/flows/new", allowed=["400"]) as page:
        await reactor.send("visitor.came", {"name": "Ann"})
        await expect(page.get_by_role("region", name="Problems")).to_contain_text("No problems")
        options = await page.get_by_label("Begin with").locator("option").all_text_contents()
        for option in reversed(options):
            await page.get_by_label("Begin with").select_option(option)
            await expect(page.get_by_role("region", name="Problems")).to_contain_text("No problems")
        await wrote(page, "Control+End", "conc")
        await page.keyboard.press("Control+Space")
        await expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("concurrency")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Control+z")
        await page.get_by_role("tab", name="Simulate").click()
        await page.get_by_role("button", name="Simulate").click()
        await expect(page.get_by_text("1 event would have started a run")).to_be_visible()
        await accessible(page)
        await shot(page, "flow-new")
        await page.get_by_label("File").fill("../x.yaml")
        await page.get_by_role("button", name="Create flow").click()
        await expect(page.get_by_text("cannot be the file of a flow")).to_be_visible()
        await page.get_by_label("File").fill("")
        await page.get_by_role("button", name="Create flow").click()
        await expect(page.get_by_role("heading", name="my-flow")).to_be_visible()
        assert (tmp_path / "my-flow.yaml").read_text().startswith("name: my-flow")


async def test_the_tests_of_a_flow_are_run_and_a_schedule_says_its_next_times() -> None:
    flow = "name: tested\non: {schedule: {every: 1h}}\nsteps: [{name: a, action: log.info, message: hi}]\n"
    cases = "tests:\n  - {name: good, expect: {status: completed}}\n  - {name: wrong, expect: {status: failed}}\n"
    async with (
        running_reactor({"tested": flow + cases}) as reactor,
        control_room(reactor, "/flows/tested?tab=triggers") as page,
    ):
        await expect(page.get_by_role("region", name="Next:").get_by_role("listitem")).to_have_count(10)
        await page.get_by_role("tab", name="Tests").click()
        await page.get_by_role("button", name="Run tests").click()
        await expect(page.get_by_text("1 test fails")).to_be_visible(timeout=20_000)
        await expect(page.get_by_role("row").filter(has_text="good")).to_contain_text("passed")
        await accessible(page)
        await shot(page, "flow-tests")


async def test_hostile_texts_stay_texts_on_every_tab_and_width() -> None:
    async with running_reactor({"evil": EVIL}) as reactor, control_room(reactor, "/flows/evil", theme="dark") as page:
        for tab in ("overview", "yaml", "versions", "triggers", "explain"):
            await page.goto(f"{reactor.url}/ui/flows/evil?tab={tab}")
            await expect(page.get_by_role("tabpanel").first).to_be_visible()
            await expect(page.get_by_role("status", name=re.compile("Loading"))).to_have_count(0)
            for name, (width, height) in WIDTHS.items():
                await page.set_viewport_size({"width": width, "height": height})
                await no_sideways(page)
                await shot(page, f"flow-evil-{tab}-{name}")
            if tab != "triggers":
                await accessible(page)
