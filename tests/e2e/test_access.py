"""People, tokens, sessions, the audit log, instances; and what somebody who may only look is offered."""

from playwright.async_api import expect

from reactor.testing.running import running_reactor
from tests.e2e.browser_kit import WIDTHS, accessible, control_room, no_sideways, shot

PASSWORD = "correct horse battery staple"
NEXT = "another horse, another battery"


async def test_people_come_in_by_password_with_a_role_and_change_it() -> None:
    async with running_reactor({}) as reactor:
        await reactor.post("/users", {"name": "ann", "role": "viewer", "password": PASSWORD})
        async with control_room(reactor, "/runs", signed_in=False, allowed=["401", "Failed to load"]) as page:
            await page.get_by_label("Name").fill("ann")
            await page.get_by_label("Password").fill("wrong")
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await expect(page.get_by_role("alert")).to_be_visible()
            await accessible(page)
            await shot(page, "sign-in-people")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
            places = page.get_by_role("navigation", name="Pages")
            await expect(places.get_by_role("link", name="Instances")).to_be_visible()
            await expect(places.get_by_role("link", name="Audit")).to_have_count(0)
            await page.keyboard.press("g")
            await page.keyboard.press("l")
            await page.get_by_role("tab", name="Rules").click()
            await expect(page.get_by_role("row", name="flow-failing")).to_be_visible()
            await expect(page.get_by_role("button", name="New rule")).to_have_count(0)
            await page.get_by_role("button", name="You: ann").click()
            await page.get_by_role("menuitem", name="Change password").click()
            await page.get_by_label("Password as it is").fill(PASSWORD)
            await page.get_by_label("New password", exact=True).fill(NEXT)
            await page.get_by_label("New password again").fill(NEXT)
            await page.get_by_role("button", name="Change password").click()
            await expect(page.get_by_text("The password is changed")).to_be_visible()
            await page.goto(f"{reactor.url}/ui/access?tab=sessions")
            await expect(page.get_by_role("row", name="this one")).to_contain_text("Chrome on Linux")


async def test_an_admin_adds_people_makes_tokens_and_reads_who_did_what() -> None:
    async with (
        running_reactor({}) as reactor,
        control_room(reactor, "/access", allowed=["409", "Failed to load"]) as page,
    ):
        await expect(page.get_by_text("Only the admin token lets in")).to_be_visible()
        form = page.get_by_role("dialog", name="Add user")
        for name in ("ann", "ann"):
            await page.get_by_role("button", name="Add user").first.click()
            await form.get_by_label("Name").fill(name)
            await form.get_by_label("Role").select_option("operator")
            await form.get_by_label("Password").fill(PASSWORD)
            await form.get_by_role("button", name="Add user").click()
            await expect(page.get_by_role("row", name="ann", include_hidden=True)).to_have_count(1)
        await expect(form.get_by_role("alert")).to_contain_text("ann")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Change ann").click()
        await page.get_by_role("menuitem", name="Keep out").click()
        await expect(page.get_by_role("row", name="ann")).to_contain_text("kept out")
        await accessible(page)
        for size in WIDTHS.values():
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            await no_sideways(page)
        await page.get_by_role("tab", name="Tokens").click()
        await page.get_by_role("button", name="New token").click()
        await page.get_by_label("Name").fill("ci")
        await page.get_by_role("button", name="Make token").click()
        await page.get_by_role("button", name="Copy the token").click()
        token = await page.evaluate("navigator.clipboard.readText()")
        answer = await reactor.http.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
        assert (answer.json()["name"], answer.json()["role"]) == ("token:ci", "viewer")
        await accessible(page)
        await page.get_by_role("button", name="I have it").click()
        await expect(page.get_by_role("row", name="ci")).to_be_visible()
        assert token not in await page.content()
        await page.goto(f"{reactor.url}/ui/audit?action=POST+/api/v1/users")
        await expect(page.get_by_role("row", name="POST /api/v1/users")).to_have_count(2)
        await expect(page.get_by_text("409 refused")).to_be_visible()
        await accessible(page)
        await shot(page, "audit")
        await page.get_by_text("409 refused").click()
        await expect(page.get_by_role("dialog")).to_contain_text("operator")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Check the whole log").click()
        await expect(page.get_by_text("entries are as they were written")).to_be_visible()
        await page.goto(f"{reactor.url}/ui/instances")
        await expect(page.get_by_text("ready", exact=True)).to_be_visible()
        await accessible(page)
        await no_sideways(page)
        await shot(page, "instances")
