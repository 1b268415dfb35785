"""Who sits before the console: a change of person by PIN, one's own account."""

from __future__ import annotations

from playwright.async_api import expect

from browser.screens import NARROW, House
from browser.town import PASSWORD


async def _pin(house: House, who: str, pin: str) -> None:
    """Somebody sets their PIN under their account."""
    own = await house.screen(who, "/#/me")
    part = own.find('[data-part="pin"]')
    await part.locator("[name=pin]").fill(pin)
    await part.locator("[name=password]").fill(PASSWORD)
    await part.locator("[data-action=save-pin]").click()
    await expect(part.get_by_role("status")).to_have_text("PIN 已保存")


async def test_two_clicks_and_a_pin_and_no_gap(house: House) -> None:
    await _pin(house, "s-02", "4711")
    console = await house.console("s-01")
    await console.start_shift()
    call = await house.press("btn-01")
    card = await console.open(call)
    await console.step("accept")
    await console.stands(call, "accepted")
    await console.page.evaluate("window.unbroken = true")

    await console.find("[data-action=who]").click()
    await console.find('[data-person="s-02"]').click()
    console.may_fail("401 POST .*/login/pin")
    await console.find("[name=pin]").fill("9999")
    await console.page.keyboard.press("Enter")
    await expect(console.find("#pin-wrong")).to_contain_text("PIN 不对")
    await console.find("[name=pin]").fill("4711")
    await console.page.keyboard.press("Enter")
    await expect(console.find("[data-action=who]")).to_contain_text("孙夜班")
    await expect(console.find("[data-action=end-shift]")).to_be_visible()
    await expect(card).to_be_visible()
    assert await console.page.evaluate("window.unbroken"), "the page was not read anew"
    await expect(console.find('[data-banner="lost"]')).to_have_count(0)

    await console.step("en-route")
    await console.stands(call, "en_route")
    pressed = await house.press("btn-02")
    await expect(console.row(pressed)).to_be_visible()
    told = {fact["fact"]: fact.get("by") for fact in await house.desk.journal(call)}
    assert (told["call.accepted"], told["call.en_route"]) == ("s-01", "s-02")
    await expect(card).to_contain_text("孙夜班")
    house.forget("s-01")  # their session ends within the minute


async def test_an_authenticator_app_by_its_picture(house: House) -> None:
    own = await house.screen("s-03", "/#/me", viewport=NARROW, locale="en-GB")
    part = own.find('[data-part="totp"]')
    await part.locator("[data-action=begin-totp]").click()
    picture = part.locator("img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.complete && image.naturalWidth > 100"), "it can be scanned"
    own.may_fail("400 POST .*/me/totp")
    await part.locator("[name=code]").fill("000000")
    await part.locator("[name=password]").fill(PASSWORD)
    await part.locator("[data-action=save-totp]").click()
    await expect(part.locator('[data-field="code"] .wrong')).to_contain_text("Not the code of just now")
    assert await own.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


async def test_a_start_password_from_the_district_to_the_first_login(house: House) -> None:
    new = {"id": "n-01", "name": "牛新来", "role": "station", "station": "st-02"}
    (await house.desk.put("/staff/n-01", new)).ok(200, 201)
    district = await house.screen("d-01", "/#/logins")
    await district.find("[data-action=add-login]").click()
    await district.find("[name=login]").select_option("n-01")
    await district.find("form.add button[type=submit]").click()
    given = await district.find("[data-start-password]").inner_text()
    await expect(district.find('[data-login="n-01"]')).to_contain_text("初始密码未改")

    fresh = await house.stranger()
    await fresh.find("[name=login]").fill("n-01")
    await fresh.find("[name=password]").fill(given)
    await fresh.page.keyboard.press("Enter")
    await expect(fresh.find("main.first")).to_be_visible()
    await fresh.find("[name=password]").fill(given)
    await fresh.find("[name=new]").fill("my own long words")
    await fresh.find("[name=again]").fill("my own long words")
    await fresh.find("[data-action=save-password]").click()
    await expect(fresh.find("[data-action=who]")).to_contain_text("牛新来")

    fresh.may_fail("401|ERR_")
    theirs = district.find('[data-login="n-01"]')
    await theirs.locator("[data-action=disable]").click()
    await theirs.locator("[data-action=sure]").click()
    await expect(theirs).to_contain_text("已停用")
    await expect(fresh.find("[name=password]")).to_be_visible(timeout=15_000)
    (await house.desk.delete("/staff/n-01")).ok(200, 204)


async def test_who_looked_is_found_and_taken_away_as_a_file(house: House) -> None:
    await house.screen("s-01", "/#/residents/r-01")
    audit = await house.screen("d-01", "/#/audit")
    await audit.find("[name=by]").fill("s-01")
    await audit.find("[name=act]").select_option("login")
    await audit.find("[data-action=search]").click()
    await expect(audit.find("ol li").first).to_contain_text("王护理（s-01）")
    async with audit.page.expect_download() as coming:
        await audit.find("[data-action=export]").click()
    file = await (await coming.value).path()
    assert "s-01" in file.read_text("utf-8-sig")
    await audit.find("[name=by]").fill("d-01")
    await audit.find("[name=act]").select_option("export")
    await audit.find("[data-action=search]").click()
    await expect(audit.find("ol li").first).to_contain_text("导出")
