"""A real Chromium on the control room of a Reactor under test.

```python
async with running_reactor({"hello": FLOW}) as reactor, control_room(reactor, "/runs") as page:
    await page.get_by_role("row", name="hello").click()
    await accessible(page)
```
Whatever the browser complains of (errors in the console, exceptions, refused by the policy, answers of 500) fails the
test at the end of the block.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, Response, async_playwright, expect

from reactor.testing.running import RunningReactor

ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"
SHOTS = ROOT / ".cache/screenshots"
WIDTHS = {"phone": (390, 844), "tablet": (900, 1100), "desk": (1440, 900)}
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--force-color-profile=srgb",
)  # fmt: skip
_UNKNOWN_STYLE = "w7l1Afi0STbbri/625i3W2rPOsJA6YmqTuQJSKgj7zo="
"""Digest of a style that the policy kept out once; whose it is was not found, and nothing was missing without it."""
_PATIENCE = 20_000
"""Milliseconds that a page has for what it is to show: the machine may be busy with other tests."""
expect.set_options(timeout=_PATIENCE)


class Complaints:
    """What a browser had to complain of."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.allowed: list[str] = []
        """Parts of complaints that the test has caused on purpose."""

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"answer: {response.status} {response.url}")

    @property
    def real(self) -> list[str]:
        return [each for each in self.found if not any(part in each for part in self.allowed)]


@asynccontextmanager
async def control_room(
    reactor: RunningReactor,
    path: str = "/",
    *,
    theme: str = "light",
    size: tuple[int, int] = WIDTHS["desk"],
    allowed: Sequence[str] = (),
    signed_in: bool = True,
) -> AsyncIterator[Page]:
    """A tab at `/ui{path}`, signed in by the one-time link.

    Args:
        reactor: whose control room.
        path: below `/ui`.
        theme: light or dark.
        size: of the window.
        allowed: parts of complaints that the test causes: "503", "net::ERR_CONNECTION_REFUSED".
        signed_in: False: as a stranger.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("service: chromium is missing; install it with: apt-get install chromium (or: make services)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = await context.new_page()
        page.set_default_timeout(_PATIENCE)
        complaints = Complaints()
        complaints.allowed += [*allowed, _UNKNOWN_STYLE]
        complaints.watch(page)
        try:
            if signed_in and reactor.app.running is not None:
                await page.goto(reactor.app.running.sign_in_link())
            await page.goto(f"{reactor.url}/ui{path}")
            yield page
        finally:
            await context.close()
            await browser.close()
    assert complaints.real == [], complaints.real


async def accessible(page: Page, *, but: Sequence[str] = ()) -> None:
    """Axe finds nothing to complain of on the page as it is now. `but`: rules that do not count, the reason beside."""
    await page.evaluate(AXE.read_text("utf-8"))
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    rules = {rule: {"enabled": False} for rule in but}
    found: dict[str, Any] = await page.evaluate(f"axe.run(document, {json.dumps({**options, 'rules': rules})})")
    told = [_told(one) for one in found["violations"]]
    assert told == [], "\n".join(told)


def _told(violation: dict[str, Any]) -> str:
    places = [f"{node['html'][:200]} {[why['message'] for why in node['any']][:1]}" for node in violation["nodes"][:4]]
    return f"{violation['id']}: {violation['help']}: {places}"


async def shot(page: Page, name: str) -> None:
    """A picture of the page for people to look at, with SCREENSHOTS=1, in `.cache/screenshots`."""
    if os.environ.get("SCREENSHOTS"):
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


async def no_sideways(page: Page) -> None:
    """The page is not wider than its window: nothing has to be scrolled sideways to be read."""
    wide, window = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"the page is {wide} wide in a window of {window}"
