"""Connections and secrets in the browser: forms from the types, secrets by name, tests, who uses what."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot
from tests.integration.test_trigger_truth import running

USER = """
name: taker
on: {feed: {name: a, connection: post}}
steps: [{action: http.request, with: {connection: shop, url: /x}}]
"""
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"


async def test_a_connection_is_made_refused_saved_tested_changed_and_deleted() -> None:
    async with running(text=USER) as it, control_room(it.reactor, "/connections", allowed=["400", "409"]) as page:
        await it.reactor.http.put("/api/v1/secrets/STATION", json={"value": "s3cr3t-station-password"})
        await page.get_by_role("button", name="New connection").first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Type").select_option("station")
        await expect(dialog.get_by_label("Name", exact=True)).to_have_value("station")
        await dialog.get_by_label("Name", exact=True).fill("post")
        await dialog.get_by_role("button", name="Save connection").click()
        await expect(dialog.get_by_text("This is needed.")).to_be_visible()
        await dialog.get_by_label("url").fill("x://down")
        await dialog.get_by_label("password").select_option(label="Another reference …")
        await dialog.get_by_label("Reference of password").fill("hunter2")
        await dialog.get_by_role("button", name="Save connection").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("secrets.")
        await accessible(page)
        await shot(page, "connection-new")
        await dialog.get_by_label("password", exact=False).first.select_option("STATION")
        await dialog.get_by_role("button", name="Save connection").click()
        detail = page.get_by_role("dialog", name="Connection post")
        await expect(detail.get_by_role("region", name="Settings")).to_contain_text("{{ secrets.STATION }}")
        await detail.get_by_role("button", name="Test now").click()
        await expect(detail).to_contain_text("the station does not answer; is it on?")
        await shot(page, "connection-failing")
        await detail.get_by_role("button", name="Change").click()
        await page.get_by_label("url").fill("x://up")
        await page.get_by_role("button", name="Save connection").click()
        await detail.get_by_role("button", name="Test now").click()
        await expect(detail).to_contain_text("Station at x://up")
        await expect(detail.get_by_role("link", name="taker")).to_be_visible()
        await accessible(page)
        await detail.get_by_role("button", name="Delete").click()
        confirm = page.get_by_role("dialog", name="Delete connection post?")
        await expect(confirm).to_contain_text("It is used by taker")
        await confirm.get_by_role("button", name="Delete connection").click()
        await expect(page.get_by_text("No connections yet")).to_be_visible()


async def test_every_type_has_a_form_at_every_width() -> None:
    async with running(text=USER) as it, control_room(it.reactor, "/connections?new=1", theme="dark") as page:
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("Type").locator("option", has_text="kafka")).to_be_attached()
        types = await dialog.get_by_label("Type").locator("option").evaluate_all("all => all.map(one => one.value)")
        assert {"kafka", "http", "postgres", "imap"} <= set(types)
        for size in WIDTHS.values():
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            for kind in types[1:]:
                await dialog.get_by_label("Type").select_option(kind)
                await no_sideways(page)
        await dialog.get_by_label("Type").select_option("kafka")
        await dialog.get_by_role("checkbox", name="sasl").check()
        await dialog.get_by_label("servers").fill("k-1:9092,k-2:9092")
        await dialog.get_by_label("user").fill("reactor")
        await dialog.get_by_label("mechanism").select_option("scram-sha-512")
        await accessible(page)
        await shot(page, "connection-kafka")
        await dialog.get_by_role("button", name="Save connection").click()
        await expect(dialog.get_by_text("This is needed.")).to_be_visible()


async def test_a_secret_goes_in_and_never_comes_out() -> None:
    async with running(text=USER) as it, control_room(it.reactor, "/secrets", allowed=["400"]) as page:
        seen: list[str] = []
        page.on("response", lambda response: seen.append(response.url))
        await page.get_by_role("button", name="Set a secret").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("9 bad name")
        await dialog.get_by_label("Value").fill(PEM)
        await expect(dialog).to_contain_text("4 lines")
        await accessible(page)
        await dialog.get_by_role("button", name="Set secret").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("cannot be a secret's name")
        await dialog.get_by_label("Name").fill("KEY")
        await dialog.get_by_role("button", name="Set secret").click()
        row = page.get_by_role("row").filter(has_text="KEY")
        await expect(row).to_contain_text("set")
        body = {"type": "station", "settings": {"url": "x", "password": "{{ secrets.KEY }}"}}
        await it.reactor.http.put("/api/v1/connections/post", json=body)
        await page.reload()
        await expect(row).to_contain_text("connection post")
        assert "PRIVATE KEY" not in await page.content()
        await accessible(page)
        await shot(page, "secrets")
        await row.get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("dialog")).to_contain_text("It is used by connection post")
        await page.get_by_role("dialog").get_by_role("button", name="Delete secret").click()
        await expect(row).to_contain_text("missing")
