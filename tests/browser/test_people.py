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
