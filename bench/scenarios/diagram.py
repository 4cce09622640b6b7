"""A flow of 500 steps, some in loops and branches ten deep, drawn by the control room in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from bench.scenario import Context, Scenario, Spec, median
from bench.server import TOKEN, Server

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
_DRAWN = """async () => {
  const begun = performance.now();
  document.querySelector('fieldset button[aria-pressed=false]').click();
  while (document.querySelectorAll('.react-flow__node').length < 5) await new Promise(requestAnimationFrame);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - begun;
}"""
"""From the click on "Drawing" until the second frame in which its boxes are there."""
_KEY = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const place = document.querySelector('[role=application]');
  place.focus();
  const begun = performance.now();
  for (let n = 0; n < 20; n += 1) {
    place.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}));
    await frame();
  }
  return (performance.now() - begun) / 20;
}"""


def flow(steps: int) -> str:
    """A flow with so many steps: a tenth of them in groups, the groups in groups."""
    lines = ["name: big", "on: {event: bench.big}", "steps:"]
    made = depth = 0
    while made < steps:
        pad = "  " * (2 * depth + 1)
        if made % 25 == 24 and depth < 10:
            lines += [f"{pad}- name: group-{made}", f"{pad}  for_each: event.data.items", f"{pad}  steps:"]
            depth += 1
        else:
            more = ", retry: 3, timeout: 5s" if made % 3 == 0 else ""
            lines.append(f"{pad}- {{name: step-{made}, action: log.info, message: hello{more}}}")
        made += 1
    pad = "  " * (2 * depth + 1)
    return "\n".join([*lines, f"{pad}- {{name: last, action: log.info, message: hello}}"]) + "\n"


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    program = shutil.which("chromium")
    if program is None:
        ctx.say("skipped: chromium is missing")
        return {}
    from playwright.sync_api import sync_playwright

    with (
        Server(ctx.folder / f"diagram-{ctx.number}", {"big": flow(500)}, plugin=False) as server,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            return _measured(browser.new_page(viewport={"width": 1440, "height": 900}), server, ctx)
        finally:
            browser.close()


def _measured(page: Any, server: Server, ctx: Context) -> dict[str, float]:
    page.goto(server.url("/ui/sign-in"))
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui/")
    page.goto(server.url("/ui/flows/big"))
    page.locator(".react-flow__node").first.wait_for()
    drawn = []
    for _ in range(ctx.size(7, 2)):
        page.get_by_role("button", name="List").click()
        page.get_by_role("list", name="Steps of big").wait_for()
        drawn.append(page.evaluate(_DRAWN))
    return {"steps": 500.0, "drawn": median(drawn), "worst": max(drawn), "key": page.evaluate(_KEY)}


SCENARIO = Scenario(
    "diagram",
    "A flow of 500 steps in groups ten deep, drawn in Chromium",
    (
        Spec("steps", "steps", ""),
        Spec("drawn", "click → drawn, median", "ms", "≤ 1,000"),
        Spec("worst", "the same, the worst", "ms", "≤ 1,000"),
        Spec("key", "an arrow key → the next step in sight", "ms"),
    ),
    measure,
)
