"""How long until the control room is seen, and how many bytes that takes: real Chromium, an empty cache, a long past.

    .venv/bin/python -m bench.first_view [--runs 5] [--past 100000]

Bytes are those on the wire, as Chromium counts them: heads, page, scripts, styles, fonts and answers of the API, until
the rows (or the charts) are there. Times are from the navigation on.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bench.history import fill
from bench.server import TOKEN, Server

FLOW = "name: orders\non: {event: order}\nsteps: [{action: log.info, message: hi}]\n"
PAGES = {
    "runs": ("/ui/runs", "tbody tr:nth-child(100)"),
    "overview": ("/ui/?range=24h", ".uplot canvas"),
}
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


async def view(browser: Browser, url: str, path: str, there: str) -> dict[str, float]:
    """One look with nothing in the cache."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        answer = await context.request.post(f"{url}/login", data={"token": TOKEN}, headers={"X-Reactor": "1"})
        if not answer.ok:
            raise RuntimeError(f"cannot sign in: {answer.status} {await answer.text()}")
        page = await context.new_page()
        taken = await _counting(page)
        await page.goto(f"{url}{path}")
        await page.locator(there).first.wait_for()
        shown = await page.evaluate("performance.now()")
        paints: list[dict[str, Any]] = await page.evaluate("performance.getEntriesByType('paint').map(p => p.toJSON())")
        first = next(each["startTime"] for each in paints if each["name"] == "first-contentful-paint")
        return {"kilobytes": sum(taken) / 1_000, "first paint, ms": first, "shown, ms": shown}
    finally:
        await context.close()


async def _counting(page: Page) -> list[int]:
    """The bytes of every answer, as they come."""
    taken: list[int] = []
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    session.on("Network.loadingFinished", lambda told: taken.append(int(told["encodedDataLength"])))
    return taken


async def measure(url: str, runs: int) -> None:
    """All pages, so many times each."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is missing; install it with: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        for name, (path, there) in PAGES.items():
            looks = [await view(browser, url, path, there) for _ in range(runs)]
            for figure in looks[0]:
                found = [look[figure] for look in looks]
                print(f"{name}: {figure}: {statistics.median(found):,.0f} ({min(found):,.0f} - {max(found):,.0f})")
        await browser.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="looks at each page; the median counts")
    parser.add_argument("--past", type=int, default=100_000, help="runs in the store")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reactor-first-view-") as folder:
        server = Server(Path(folder) / "server", {"orders": FLOW}, plugin=False)
        fill(server.data, given.past, int(time.time() * 1_000))
        with server:
            asyncio.run(measure(f"http://127.0.0.1:{server.port}", given.runs))


if __name__ == "__main__":
    main()
