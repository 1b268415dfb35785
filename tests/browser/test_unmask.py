"""A number is masked for whoever only looks on, until they say why; whoever has the call telephones at once."""

from __future__ import annotations

from playwright.async_api import expect

from browser.screens import House

PHONE, MASKED = "+99913855000001", "+999138****0001"


async def test_whoever_has_the_call_telephones_at_once_and_whoever_looks_on_says_why(house: House) -> None:
    call = await house.press("btn-01")
    console = await house.console("s-01")
    card = await console.open(call)
    await expect(card.locator(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
    await console.step("accept")
    await console.stands(call, "accepted")
    await expect(card.locator(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()

    street = await house.console("k-01")
    await street.page.clock.install()
    card = await street.open(call)
    phones = card.locator(".phones")
    await expect(phones).to_contain_text(MASKED)
    assert PHONE not in await street.text()
    await phones.locator("[data-action=unmask]").first.click()
    dialog = street.find("dialog.ask-why")
    await dialog.locator("[data-confirm=unmask]").click()
    await expect(dialog).to_contain_text("请写明理由")
    await dialog.locator("[name=why]").fill("家属来电核对")
    await street.page.keyboard.press("Enter")
    await expect(phones.locator(f'a[href="tel:{PHONE}"]')).to_be_visible()
    await expect(dialog).to_have_count(0)
    await street.page.clock.fast_forward(61_000)
    await expect(phones).to_contain_text(MASKED)
    assert PHONE not in await street.text()

    await street.go("/#/residents/r-02")
    await street.find(".extras [data-action=unmask]").click()
    await dialog.locator("button", has_text="核对登记信息").click()
    await dialog.locator("[data-confirm=unmask]").click()
    await expect(street.find('.extras a[href="tel:+99913855000002"]')).to_be_visible()

    lines = (await house.desk.get("/audit", act="unmask"))["items"]
    told = [(one["by"], one["id"], one["why"]) for one in lines]
    assert told.count(("s-01", "r-01", call)) == 1, "it came with the call, and is written down once"
    assert ("k-01", "r-01", "家属来电核对") in told
    assert ("k-01", "r-02", "核对登记信息") in told


async def test_on_the_phone_too(house: House) -> None:
    call = await house.press("btn-01")
    mine = await house.phone("s-01", call)
    await expect(mine.find(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
    looking = await house.phone("d-01", call)
    await expect(looking.find(".phones")).to_contain_text(MASKED)
    await looking.find(".phones [data-action=unmask]").first.click()
    await looking.find("dialog.ask-why").locator("button", has_text="联系家属").click()
    await looking.find("[data-confirm=unmask]").click()
    await expect(looking.find(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
